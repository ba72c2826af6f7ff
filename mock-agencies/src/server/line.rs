//! A TCP stream that can be reset from outside: what a crashing peer looks like on the line.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// How a call is broken off without an answer: the error that tells hyper to reset its HTTP/2 stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the call is broken off, as told")]
pub(super) struct BrokenOff;

/// Breaks one call off: the whole line in HTTP/1, where a call has it alone; in HTTP/2 the call's
/// stream, since others share the line and were not told to fail.
#[derive(Debug, Clone)]
pub(super) enum Breaker {
    Line(Arc<Cut>),
    Stream,
}

impl Breaker {
    /// Breaks the call off. On a line it never returns: the connection's task drops this one's future.
    pub(super) async fn break_off(self) -> BrokenOff {
        match self {
            Self::Line(cut) => {
                cut.now();
                std::future::pending().await
            }
            Self::Stream => BrokenOff,
        }
    }
}

/// Tells a [`Line`]'s owner to drop it, and the line to end with RST when it is dropped.
#[derive(Debug, Default)]
pub(super) struct Cut {
    wanted: AtomicBool,
    told: Notify,
}

impl Cut {
    /// Cuts the line.
    pub(super) fn now(&self) {
        self.wanted.store(true, Ordering::Release);
        // One permit is kept if nobody waits yet, so the word is never lost.
        self.told.notify_one();
    }

    /// Waits until the line is to be cut.
    pub(super) async fn wanted(&self) {
        self.told.notified().await;
    }
}

/// A TCP stream; see [`Cut`].
#[derive(Debug)]
pub(super) struct Line {
    stream: TcpStream,
    cut: Arc<Cut>,
}

impl Line {
    pub(super) fn new(stream: TcpStream) -> (Self, Arc<Cut>) {
        let cut = Arc::new(Cut::default());
        (Self { stream, cut: Arc::clone(&cut) }, cut)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // With no time to linger, closing sends RST instead of FIN.
        if self.cut.wanted.load(Ordering::Acquire)
            && let Err(error) = self.stream.set_zero_linger()
        {
            tracing::debug!(%error, "connection ends without a reset");
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Line {
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
