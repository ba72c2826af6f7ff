//! The one thing an outgoing adapter does: ask a question in wire form and bring the answer back.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Method};
use tokio::time::Instant;
use uuid::Uuid;

use crate::error::CallError;
use crate::secret::SecretText;

/// A question in the provider's wire form, as a mapping wrote it. The adapter adds what the
/// protocol wants around it: envelope, headers, path.
#[derive(Clone)]
pub enum Question {
    /// For SOAP and X-Road SOAP.
    Soap {
        /// The operation's action, without quotes.
        action: Option<String>,
        /// The one element of the SOAP body, in UTF-8, declaring the namespaces it uses.
        body: Bytes,
    },
    /// For REST.
    Rest {
        /// The method.
        method: Method,
        /// Path and query as they go on the wire, percent-encoded, beginning with `/`.
        path_and_query: SecretText,
        /// A JSON body, where the operation has one.
        body: Option<Bytes>,
    },
    /// For a snapshot of a file that the source has delivered: columns and the texts they must have.
    LookUp {
        /// Column and text, each column once.
        keys: Vec<(Box<str>, SecretText)>,
    },
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Soap { action, body } => {
                f.debug_struct("Soap").field("action", action).field("body_bytes", &body.len()).finish_non_exhaustive()
            }
            Self::Rest { method, body, .. } => {
                f.debug_struct("Rest").field("method", method).field("body_bytes", &body.as_ref().map(Bytes::len)).finish_non_exhaustive()
            }
            Self::LookUp { keys } => {
                let columns: Vec<&str> = keys.iter().map(|(column, _)| &**column).collect();
                f.debug_struct("LookUp").field("columns", &columns).finish_non_exhaustive()
            }
        }
    }
}

/// On whose behalf and until when a question is asked.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The exchange. Where the protocol has a message id, this is it: the provider's or the
    /// exchange system's own log can then be searched by it, also for a call that got no answer.
    /// Repeats of one exchange carry the same id (WS-Addressing 1.0 Core, section 3.4).
    pub exchange_id: Uuid,
    /// The same for every repetition of the same question in the same case, also across exchanges:
    /// an idempotency key for providers that take one.
    pub repeat_key: Uuid,
    /// The official in whose name is asked, as the provider is told.
    pub official: &'a str,
    /// The case the question belongs to, as the provider is told.
    pub case: &'a str,
    /// When to give up. Bounds everything: name resolution, connecting, writing, waiting and every
    /// chunk of the answer's body.
    pub deadline: Instant,
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("exchange_id", &self.exchange_id).finish_non_exhaustive()
    }
}

/// A request complete but for the server's address: exactly what [`Call::call`] sends.
#[derive(Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Path and query, percent-encoded, beginning with `/`, below the transport's base address.
    pub path_and_query: SecretText,
    /// Headers, without those the HTTP layer writes itself (`host`, `content-length`).
    pub headers: HeaderMap,
    /// The body.
    pub body: Option<Bytes>,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("body_bytes", &self.body.as_ref().map(Bytes::len))
            .finish_non_exhaustive()
    }
}

/// What came back over HTTP, with the headers an adapter may have to look at: what becomes of a
/// [`WireAnswer`] once the protocol is content.
#[derive(Clone)]
pub struct Received {
    /// HTTP status: of a success, or 400 and above.
    pub status: u16,
    /// The answer's header fields, bounded in number by the transport. A peer's text.
    pub headers: HeaderMap,
    /// As [`WireAnswer::body`].
    pub body: Bytes,
    /// As [`WireAnswer::retry_after`].
    pub retry_after: Option<Duration>,
    /// As [`WireAnswer::key_switched`].
    pub key_switched: bool,
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("status", &self.status)
            .field("headers", &self.headers.len())
            .field("body_bytes", &self.body.len())
            .field("retry_after", &self.retry_after)
            .finish_non_exhaustive()
    }
}

/// What the source answered, not yet classified: a fault or an error status is an answer too.
#[derive(Clone)]
pub struct WireAnswer {
    /// HTTP status.
    pub status: u16,
    /// The exact bytes of the body, at most the transport's limit. Empty for a status of 400 and
    /// above whose body is not of the protocol's media type (an error page of some proxy).
    pub body: Bytes,
    /// How long the source asks us to wait before asking again, at most a day.
    pub retry_after: Option<Duration>,
    /// Id under which the exchange system on the way knows this message, where there is one.
    pub route_id: Option<String>,
    /// Whether the source has refused the key that we used so far and taken the other one, which is used from now on.
    pub key_switched: bool,
    /// For an answer out of a snapshot: the moment that its facts are of. None where the source itself answered now.
    pub as_of: Option<SystemTime>,
}

impl fmt::Debug for WireAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WireAnswer")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .field("retry_after", &self.retry_after)
            .finish_non_exhaustive()
    }
}

impl From<Received> for WireAnswer {
    fn from(received: Received) -> Self {
        let Received { status, headers: _, body, retry_after, key_switched } = received;
        Self { status, body, retry_after, route_id: None, key_switched, as_of: None }
    }
}

/// What [`Call::call`] returns.
pub type CallFuture<'a> = Pin<Box<dyn Future<Output = Result<WireAnswer, CallError>> + Send + 'a>>;

/// Asks a source.
///
/// Guarantees of every implementation:
/// - **Bounded.** The future ends at the deadline at the latest (plus one scheduling step), whatever
///   the peer does: hangs, drips, floods. No more of the answer is held than the transport's limit.
/// - **Once.** One call sends the question at most once. There is no retry, no redirect, no proxy
///   taken from the environment. The one repetition the HTTP stack itself makes is of a question
///   whose first byte was not written because a kept connection turned out to be closed; the one an
///   adapter makes is of a question refused by 401 for its access token or its key, once, with a new one.
///   Where an answer comes in pages, each page is asked for once, and all of them once more where the
///   source has let its cursor expire.
/// - **Honest about sending.** An error says whether any byte of the question may have reached the
///   peer; `Sent::No` is given only where that is certain.
/// - **Cancel-safe.** Dropping the future closes the HTTP/1 connection or resets the HTTP/2 stream;
///   the question may have been sent. A connection just being made may be finished, within the
///   connect timeout, and kept for the next call.
/// - **Silent.** Nothing is logged, and no error shows an address, a body or an identifier.
/// - **Unbelieving.** The answer's bytes are checked only as far as the protocol needs (media type,
///   the exchange system's own headers); they are classified by the mapping.
pub trait Call: Send + Sync + fmt::Debug {
    /// Writes the request that [`Call::call`] would send, without any I/O: hence without an access
    /// token.
    ///
    /// # Errors
    /// [`CallErrorKind::Question`](crate::CallErrorKind::Question) where the question does not fit
    /// the protocol.
    fn write(&self, question: &Question, context: &Context<'_>) -> Result<Request, CallError>;

    /// Asks and waits for the answer.
    ///
    /// # Errors
    /// Every way of getting no usable answer is a [`CallError`].
    fn call<'a>(&'a self, question: &'a Question, context: &'a Context<'a>) -> CallFuture<'a>;
}
