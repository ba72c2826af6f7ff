//! What can be wrong with a configuration.

/// A setting that is not usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A part of an identifier.
    #[error("{0} must be 1 to 255 characters without %, :, ;, /, \\ and control characters")]
    Identifier(&'static str),
    /// The path.
    #[error("dialect.path must begin with / and carry no query or fragment")]
    Path,
    /// A namespace or the protocol version.
    #[error("the dialect's namespaces and protocol version must not be empty")]
    Dialect,
}
