//! What can be wrong with a configuration or with the beginning of an answer.

/// A setting that is not usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The path.
    #[error("path must begin with / and carry no query or fragment")]
    Path,
    /// The logical address.
    #[error("addressing.to must be an absolute IRI")]
    To,
    /// Our name at the service.
    #[error("security.username must be a text without control characters")]
    Username,
    /// Our password there.
    #[error("security.password must be a text without control characters")]
    Password,
    /// Our name at the HTTP server.
    #[error("basic.username must be a text without control characters and colons")]
    BasicUsername,
    /// Our password there.
    #[error("basic.password must be a text without control characters")]
    BasicPassword,
}

/// Why the beginning of an answer is not that of a SOAP message we read. The provider's fault; the
/// texts quote nothing of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PrologueError {
    /// Not UTF-8, or declared to be something else.
    #[error("not in UTF-8")]
    Encoding,
    /// Not well-formed as far as read.
    #[error("not well-formed XML")]
    Xml,
    /// A document type declaration or processing instruction (forbidden by SOAP 1.1 section 3 and
    /// SOAP 1.2 part 1 section 5), or an entity beyond the five of XML.
    #[error("document type, processing instruction or entity in a SOAP message")]
    Forbidden,
    /// Too many, too deep or too long header parts.
    #[error("header larger than the limit")]
    TooLarge,
    /// The root is not an envelope of a known version, or its children are out of order.
    #[error("not a SOAP envelope")]
    Envelope,
}

impl PrologueError {
    /// The same in a word of fixed text.
    #[must_use]
    pub fn rule(self) -> &'static str {
        match self {
            Self::Encoding => "not in UTF-8",
            Self::Xml => "not well-formed XML",
            Self::Forbidden => "document type, processing instruction or entity in a SOAP message",
            Self::TooLarge => "header larger than the limit",
            Self::Envelope => "not a SOAP envelope",
        }
    }
}
