//! An export as a stream of chunks, for a response that is sent while it is written.

use std::io::{self, Write};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::ExportError;

/// Bytes of a chunk; only the last one is shorter.
pub const CHUNK_BYTES: usize = 64 * 1024;
/// Longest that a reader may take nothing.
const READER_WAIT_MAX: Duration = Duration::from_secs(60);
/// Chunks that wait for a slow reader. With the one that is being filled they are all of an export that is in memory.
const CHUNKS_WAITING: usize = 4;

/// Runs a writer on a thread for blocking work, and gives what it writes as chunks of [`CHUNK_BYTES`].
///
/// A slow reader holds the writer up. When the stream is dropped the writer's next chunk is refused. When the writer
/// fails the stream ends with an error: the response is then broken off, not ended, and lacks the export's end line.
///
/// # Panics
/// Outside a tokio runtime.
pub fn chunks<F, T>(write: F) -> impl Stream<Item = Result<Bytes, ExportError>> + Send + 'static
where
    F: FnOnce(&mut dyn Write) -> Result<T, ExportError> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(CHUNKS_WAITING + 1);
    // A place for the last word, which a reader that takes nothing cannot hold up.
    let last_word = sender.clone().try_reserve_owned();
    // Nobody waits for the thread: it ends by itself, and what it has to say it says through the channel.
    drop(tokio::task::spawn_blocking(move || {
        let mut chunker = Chunker { chunk: BytesMut::with_capacity(CHUNK_BYTES), sender };
        let ended = write(&mut chunker).and_then(|_| Ok(chunker.hand_over()?));
        if let (Err(error), Ok(place)) = (ended, last_word) {
            place.send(Err(error));
        }
    }));
    unfold(receiver, |mut receiver: Receiver<Result<Bytes, ExportError>>| async move {
        let chunk = receiver.recv().await?;
        if chunk.is_err() {
            receiver.close();
        }
        Some((chunk, receiver))
    })
}

struct Chunker {
    chunk: BytesMut,
    sender: Sender<Result<Bytes, ExportError>>,
}

impl Chunker {
    fn hand_over(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.chunk, BytesMut::with_capacity(CHUNK_BYTES)).freeze();
        // Who stops reading holds a thread, and one of the few places for exports.
        let send = async { tokio::time::timeout(READER_WAIT_MAX, self.sender.send(Ok(chunk))).await };
        match Handle::current().block_on(send) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(io::Error::new(io::ErrorKind::BrokenPipe, "nobody reads the export any more")),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the reader of the export takes nothing for a minute")),
        }
    }
}

impl Write for Chunker {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(CHUNK_BYTES - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..taken]);
        if self.chunk.len() == CHUNK_BYTES {
            self.hand_over()?;
        }
        Ok(taken)
    }

    /// Hands nothing over: chunks have one size.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
