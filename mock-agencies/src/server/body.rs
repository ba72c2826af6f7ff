//! Bodies of answers: whole, or spoilt on their way.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use hyper::body::{Body, Frame, SizeHint};

use super::line::{Breaker, BrokenOff};

/// What [`padded`] pads to, in bytes.
const OVERSIZE: usize = 100_000_000;
const PADDING: &[u8] = &[b' '; 64 * 1024];

type Bytestream = Pin<Box<dyn Stream<Item = Result<Bytes, BrokenOff>> + Send>>;

/// The body of an answer.
pub(super) enum AnswerBody {
    /// Bytes at hand, sent with their length.
    Whole(Option<Bytes>),
    /// Bytes over time, sent without a length.
    Stream(Bytestream),
    /// Bytes over time, whose length was promised.
    Promised(Bytestream, u64),
}

impl AnswerBody {
    pub(super) fn whole(bytes: Bytes) -> Self {
        Self::Whole(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Stream(stream) | Self::Promised(stream, _) => {
                stream.as_mut().poll_next(cx).map(|next| next.map(|bytes| bytes.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX))),
            Self::Stream(_) => SizeHint::default(),
            Self::Promised(_, length) => SizeHint::with_exact(*length),
        }
    }
}

/// One byte a second, the first at once.
pub(super) fn drip(whole: Bytes) -> AnswerBody {
    let length = u64::try_from(whole.len()).unwrap_or(u64::MAX);
    let bytes = stream::unfold((whole, false), |(mut rest, waited)| async move {
        if rest.is_empty() {
            return None;
        }
        if waited {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Some((Ok(rest.split_to(1)), (rest, true)))
    });
    AnswerBody::Promised(bytes.boxed(), length)
}

/// The first half, then a broken call.
pub(super) fn half(mut whole: Bytes, breaker: Breaker) -> AnswerBody {
    let length = u64::try_from(whole.len()).unwrap_or(u64::MAX);
    let half = whole.split_to(whole.len() / 2);
    let end = stream::once(async move {
        // A reset throws away what the kernel has not sent: let the first half leave.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(breaker.break_off().await)
    });
    AnswerBody::Promised(stream::once(std::future::ready(Ok(half))).chain(end).boxed(), length)
}

/// The answer with blanks where its format ignores them, so that nothing but its size is wrong.
pub(super) fn padded(whole: &Bytes, xml: bool) -> AnswerBody {
    // JSON may begin with blanks; XML may not before its declaration, but may after it.
    let start = if xml { whole.windows(2).position(|pair| pair == b"?>").map_or(0, |at| at + 2) } else { 0 };
    let (head, tail) = (whole.slice(..start), whole.slice(start..));
    let blanks = stream::iter((0..OVERSIZE.div_ceil(PADDING.len())).map(|_| Bytes::from_static(PADDING)));
    let bytes = stream::once(std::future::ready(head)).chain(blanks).chain(stream::once(std::future::ready(tail)));
    AnswerBody::Stream(bytes.filter(|bytes| std::future::ready(!bytes.is_empty())).map(Ok).boxed())
}
