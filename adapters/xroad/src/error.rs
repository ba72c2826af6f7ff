//! What can be wrong with a configuration.

/// A setting that is not usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A part of an identifier.
    #[error("{0} must be 1 to 255 characters without %, :, ;, /, \\ and control characters, and no dot segment")]
    Identifier(&'static str),
    /// The path of the SOAP endpoint.
    #[error("dialect.soap_path must begin with / and carry no query or fragment")]
    Path,
    /// What REST paths begin with.
    #[error("dialect.rest_prefix must be empty or segments of letters, digits, -, ., _ and ~, each after a /")]
    RestPrefix,
    /// What the names of the REST headers begin with.
    #[error("dialect.rest_header_prefix must be characters of a header name")]
    HeaderPrefix,
    /// A version of a service that is named in a path.
    #[error("service_version has no place in a REST path; a service of several versions has its own code or path for each")]
    Version,
    /// A namespace or the protocol version.
    #[error("the dialect's namespaces and protocol version must not be empty")]
    Dialect,
}
