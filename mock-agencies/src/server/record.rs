//! A stream that remembers what it read since the last request: heads as they arrived, names in their
//! case and headers in their order, which hyper does not keep.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use http::request::Parts;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Most bytes remembered: hyper reads no longer head in HTTP/1.
const BYTES_MAX: usize = 512 * 1024;

/// What was read since [`Record::clear`], no more than is bounded.
#[derive(Default)]
pub(super) struct Record(Mutex<Vec<u8>>);

impl Record {
    /// The head of the request that was just read, up to and with its empty line. `None` when what was
    /// remembered does not begin with it: in HTTP/2, or when the request came before its time.
    pub(super) fn head(&self, parts: &Parts) -> Option<Vec<u8>> {
        let bytes = self.lock();
        // RFC 9112, section 2.2: empty lines before a request are ignored.
        let start = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n'))?;
        let bytes = bytes.get(start..)?;
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let target = parts.uri.path_and_query()?.as_str();
        let line = format!("{} {target} HTTP/1.", parts.method);
        bytes.get(..end).filter(|head| head.starts_with(line.as_bytes())).map(<[u8]>::to_vec)
    }

    /// Forgets a request that was wholly read.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    fn add(&self, bytes: &[u8]) {
        let mut all = self.lock();
        let place = BYTES_MAX - all.len();
        all.extend_from_slice(bytes.get(..place).unwrap_or(bytes));
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        // Bytes have no state that a panic could leave half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream with its record, or with none.
pub(super) struct Recorded<S> {
    stream: S,
    record: Option<Arc<Record>>,
}

impl<S> Recorded<S> {
    pub(super) fn new(stream: S, record: Option<Arc<Record>>) -> Self {
        Self { stream, record }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Recorded<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if let Some(record) = &self.record {
            record.add(buf.filled().get(before..).unwrap_or_default());
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Recorded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(uri: &str) -> Parts {
        http::Request::get(uri).body(()).expect("a request").into_parts().0
    }

    #[test]
    fn a_head_is_what_arrived_and_is_known_by_its_first_line() {
        let record = Record::default();
        let head = b"GET /r1/a?b=c HTTP/1.1\r\nX-Road-Id: 1\r\nhOST: x\r\n\r\n";
        record.add(b"\r\n");
        record.add(head);
        record.add(b"body\r\n\r\n");
        assert_eq!(record.head(&parts("/r1/a?b=c")).as_deref(), Some(&head[..]));
        assert_eq!(record.head(&parts("/r1/a")), None);
        record.clear();
        assert_eq!(record.head(&parts("/r1/a?b=c")), None);
    }

    #[test]
    fn no_more_is_remembered_than_is_bounded() {
        let record = Record::default();
        for _ in 0..40 {
            record.add(&[b'x'; 64 * 1024]);
        }
        assert_eq!(record.lock().len(), BYTES_MAX);
    }
}
