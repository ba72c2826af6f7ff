//! Why a call brought no answer, whose fault that is and what it means for asking again. No text
//! in here comes from a peer: error texts go to logs, and a peer may echo an identifier.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use rustls::{AlertDescription, CertificateError};

/// Who has to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The source.
    Provider,
    /// The exchange system between us and the source.
    Route,
    /// We: the question or our configuration.
    Gateway,
}

/// Whether the question may have reached the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sent {
    /// Certainly not a byte of it.
    No,
    /// Perhaps, wholly or in part.
    Maybe,
}

/// A fault code of the exchange system, of a known vocabulary: never free text of a peer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RouteCode(String);

impl RouteCode {
    /// Wraps a code as the exchange system spelt it. The caller has checked that it belongs to the
    /// system's vocabulary.
    #[must_use]
    pub fn new(code: impl Into<String>) -> Self {
        Self(code.into())
    }

    /// The code as it was spelt.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RouteCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallErrorKind {
    /// No connection: name, address, refused, or not within the connect timeout.
    #[error("no connection to the peer")]
    Connect,
    /// The TLS handshake failed for a reason that lasts: a certificate of either side, or no
    /// version in common. Look at the certificates and roots configured for the provider.
    #[error("tls handshake failed")]
    Tls,
    /// The deadline passed.
    #[error("deadline passed")]
    Deadline,
    /// The connection ended before the answer did.
    #[error("connection lost before the end of the answer")]
    Reset,
    /// The answer's body or head is larger than the transport accepts.
    #[error("answer larger than the limit")]
    TooLarge,
    /// A success answer whose media type, charset or content coding the protocol does not allow.
    #[error("answer of an unexpected media type")]
    ContentType,
    /// A status that no call expects: a redirect (never followed) or an informational one.
    #[error("unexpected status {0}")]
    Status(u16),
    /// The answer breaks the protocol: HTTP framing, envelope, or headers that are not the echo of
    /// ours.
    #[error("answer breaks the protocol")]
    Malformed,
    /// The exchange system could not bring the question to the source or the answer back.
    #[error("exchange system reports {code}")]
    RouteUnavailable {
        /// Its code.
        code: RouteCode,
        /// Whether it stays so until someone changes a configuration.
        lasting: bool,
    },
    /// The exchange system says that we may not ask this.
    #[error("exchange system refuses by {code}")]
    RouteRefused {
        /// Its code.
        code: RouteCode,
    },
    /// The provider refuses our credentials for an access token. Look at the client id and secret
    /// configured for it.
    #[error("provider refuses our credentials")]
    CredentialsRefused,
    /// The provider gives no access token at the moment.
    #[error("provider gives no access token")]
    TokenUnavailable,
    /// No file of the source has been loaded yet, or what was loaded cannot be read.
    #[error("no snapshot of the source's file")]
    NoSnapshot,
    /// The question does not fit the protocol. A mapping or the caller is wrong.
    #[error("question does not fit the protocol: {0}")]
    Question(&'static str),
}

/// Why a call brought no answer.
#[derive(Debug, Clone)]
pub struct CallError {
    kind: CallErrorKind,
    origin: Origin,
    sent: Sent,
    retry_after: Option<Duration>,
    source: Option<Cause>,
}

impl CallError {
    /// An error of a kind, whose origin follows from the kind.
    #[must_use]
    pub fn new(kind: CallErrorKind, sent: Sent) -> Self {
        let origin = match kind {
            CallErrorKind::Connect
            | CallErrorKind::Tls
            | CallErrorKind::Deadline
            | CallErrorKind::Reset
            | CallErrorKind::TooLarge
            | CallErrorKind::ContentType
            | CallErrorKind::Status(_)
            | CallErrorKind::Malformed
            | CallErrorKind::TokenUnavailable
            | CallErrorKind::NoSnapshot => Origin::Provider,
            CallErrorKind::RouteUnavailable { .. } | CallErrorKind::RouteRefused { .. } => Origin::Route,
            CallErrorKind::CredentialsRefused | CallErrorKind::Question(_) => Origin::Gateway,
        };
        Self { kind, origin, sent, retry_after: None, source: None }
    }

    /// A question that does not fit the protocol; nothing was sent.
    #[must_use]
    pub fn question(reason: &'static str) -> Self {
        Self::new(CallErrorKind::Question(reason), Sent::No)
    }

    /// An answer that breaks this rule of the protocol.
    #[must_use]
    pub fn malformed(rule: &'static str) -> Self {
        Self::new(CallErrorKind::Malformed, Sent::Maybe).with_source(Cause::Protocol(rule))
    }

    /// Gives the cause.
    #[must_use]
    pub fn with_source(mut self, source: Cause) -> Self {
        self.source = Some(source);
        self
    }

    /// Gives another origin than the kind's usual one.
    #[must_use]
    pub fn with_origin(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }

    /// Says whether the question was sent, where that is another thing than whether the request was
    /// that failed: one for an access token before it, or one for its answer after it.
    #[must_use]
    pub fn with_sent(mut self, sent: Sent) -> Self {
        self.sent = sent;
        self
    }

    /// Gives the wait the peer asked for.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }

    /// Blames the exchange system for what would else be the provider's: the peer of our
    /// connection is its server.
    #[must_use]
    pub fn through_route(self) -> Self {
        match self.origin {
            Origin::Provider => self.with_origin(Origin::Route),
            Origin::Route | Origin::Gateway => self,
        }
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> &CallErrorKind {
        &self.kind
    }

    /// Who has to act.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Whether the question may have reached the peer.
    #[must_use]
    pub fn sent(&self) -> Sent {
        self.sent
    }

    /// How long the peer asked us to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Whether the same question, asked again soon, may fare better. Says nothing about whether it
    /// *may* be asked again: that is the contract's retry class together with [`CallError::sent`].
    #[must_use]
    pub fn retryable(&self) -> bool {
        match &self.kind {
            CallErrorKind::Connect | CallErrorKind::Deadline | CallErrorKind::Reset | CallErrorKind::TokenUnavailable => true,
            CallErrorKind::RouteUnavailable { lasting, .. } => !lasting,
            CallErrorKind::Tls
            | CallErrorKind::TooLarge
            | CallErrorKind::ContentType
            | CallErrorKind::Status(_)
            | CallErrorKind::Malformed
            | CallErrorKind::RouteRefused { .. }
            | CallErrorKind::CredentialsRefused
            | CallErrorKind::NoSnapshot
            | CallErrorKind::Question(_) => false,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl Error for CallError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|cause| cause as _)
    }
}

/// What the transport met, in closed words. The HTTP and TLS libraries' own error texts are not
/// kept, since some quote the peer (the debug data of an HTTP/2 GOAWAY, names of a certificate).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// The operating system's word.
    #[error("{0}")]
    Io(io::ErrorKind),
    /// The name was not resolved.
    #[error("name not resolved")]
    Name,
    /// The connect timeout passed.
    #[error("connect timeout passed")]
    ConnectTimeout,
    /// We do not accept the peer's certificate.
    #[error("peer's certificate: {0}")]
    Certificate(&'static str),
    /// The peer ended the handshake, most often because of our certificate.
    #[error("peer's alert: {0:?}")]
    Alert(AlertDescription),
    /// Another TLS failure.
    #[error("tls: {0}")]
    Tls(&'static str),
    /// An HTTP failure.
    #[error("http: {0}")]
    Http(HttpFault),
    /// A rule of the protocol that the answer breaks.
    #[error("{0}")]
    Protocol(&'static str),
}

/// How HTTP failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HttpFault {
    /// The answer's head is longer or has more fields than accepted.
    #[error("head too large")]
    HeadTooLarge,
    /// The answer's head is not HTTP.
    #[error("head not understood")]
    HeadNotUnderstood,
    /// The connection ended first.
    #[error("ended before the answer was complete")]
    Incomplete,
    /// The connection was closed under the question.
    #[error("connection closed")]
    Closed,
    /// Anything else, such as a reset HTTP/2 stream.
    #[error("broken")]
    Broken,
}

/// Turns the HTTP client's error into ours. One met while connecting means that nothing was sent;
/// after that nothing is certain.
pub(crate) fn from_client(error: &hyper_util::client::legacy::Error) -> CallError {
    let cause = find_cause(error);
    if error.is_connect() {
        let kind = match cause {
            Cause::Certificate(_) | Cause::Alert(_) | Cause::Tls(_) => CallErrorKind::Tls,
            Cause::Io(_) | Cause::Name | Cause::ConnectTimeout | Cause::Http(_) | Cause::Protocol(_) => CallErrorKind::Connect,
        };
        return CallError::new(kind, Sent::No).with_source(cause);
    }
    after_connect(cause)
}

/// Turns an error met while reading an answer's body into ours.
pub(crate) fn from_body(error: &hyper::Error) -> CallError {
    after_connect(find_cause(error))
}

fn after_connect(cause: Cause) -> CallError {
    let kind = match cause {
        // In TLS 1.3 the client ends its handshake before the server has looked at its certificate,
        // so a refusal arrives as an alert in place of an answer.
        Cause::Certificate(_) | Cause::Alert(_) => CallErrorKind::Tls,
        Cause::Tls(_) | Cause::Protocol(_) => CallErrorKind::Malformed,
        Cause::Http(HttpFault::HeadTooLarge) => CallErrorKind::TooLarge,
        Cause::Http(HttpFault::HeadNotUnderstood) | Cause::Io(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) => {
            CallErrorKind::Malformed
        }
        Cause::Io(_) | Cause::Name | Cause::ConnectTimeout | Cause::Http(_) => CallErrorKind::Reset,
    };
    CallError::new(kind, Sent::Maybe).with_source(cause)
}

/// The most telling error of the chain, in our words.
pub(crate) fn find_cause(error: &(dyn Error + 'static)) -> Cause {
    let mut found = Cause::Http(HttpFault::Broken);
    let mut next = Some(error);
    while let Some(here) = next {
        if let Some(cause) = here.downcast_ref::<Cause>() {
            return *cause;
        }
        if let Some(tls) = here.downcast_ref::<rustls::Error>() {
            return tls_cause(tls);
        }
        if let Some(http) = here.downcast_ref::<hyper::Error>() {
            found = http_cause(http);
        }
        next = if let Some(io) = here.downcast_ref::<io::Error>() {
            found = Cause::Io(io.kind());
            // An io::Error steps over what it wraps when asked for its source.
            io.get_ref().map(|inner| inner as &(dyn Error + 'static))
        } else {
            here.source()
        };
    }
    found
}

fn tls_cause(error: &rustls::Error) -> Cause {
    match error {
        rustls::Error::InvalidCertificate(reason) => Cause::Certificate(certificate_reason(reason)),
        rustls::Error::AlertReceived(alert) => Cause::Alert(*alert),
        rustls::Error::PeerIncompatible(_) => Cause::Tls("no version, suite or group in common"),
        rustls::Error::PeerMisbehaved(_) => Cause::Tls("peer misbehaved"),
        rustls::Error::NoCertificatesPresented => Cause::Tls("peer showed no certificate"),
        _ => Cause::Tls("broken"),
    }
}

fn certificate_reason(reason: &CertificateError) -> &'static str {
    match reason {
        CertificateError::UnknownIssuer => "unknown issuer",
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "not valid yet",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => "not for the configured host name",
        CertificateError::Revoked => "revoked",
        CertificateError::BadSignature => "bad signature",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => "not for a server",
        _ => "not acceptable",
    }
}

fn http_cause(error: &hyper::Error) -> Cause {
    Cause::Http(if error.is_parse_too_large() {
        HttpFault::HeadTooLarge
    } else if error.is_parse() {
        HttpFault::HeadNotUnderstood
    } else if error.is_incomplete_message() {
        HttpFault::Incomplete
    } else if error.is_canceled() || error.is_closed() {
        HttpFault::Closed
    } else {
        HttpFault::Broken
    })
}
