//! What can be wrong with a configuration.

/// A setting that is not usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The token endpoint's path.
    #[error("oauth2.token_path must begin with / and carry no query or fragment")]
    TokenPath,
    /// Our name.
    #[error("oauth2.client_id must be a text without control characters")]
    ClientId,
    /// Our secret.
    #[error("oauth2.client_secret must be a text without control characters")]
    ClientSecret,
    /// The scope.
    #[error("oauth2.scope must be words separated by single blanks")]
    Scope,
    /// A key of ours.
    #[error("api_key must be a text that a header can hold")]
    ApiKey,
    /// Two ways to say who asks.
    #[error("a source wants oauth2 or an api_key, not both")]
    TwoCredentials,
    /// The pages of an answer.
    #[error("an answer comes in two pages or more, or comes later; not both")]
    Paging,
    /// The wait between polls.
    #[error("poll.interval must be at least 10 ms")]
    Interval,
}
