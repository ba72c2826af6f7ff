//! What differs between one REST source and the next.

use std::time::Duration;

use adapter_core::SecretText;

use crate::error::ConfigError;

/// Shortest [`Poll::interval`] accepted.
const INTERVAL_MIN: Duration = Duration::from_millis(10);

/// How to speak to a REST source. The default is plain REST.
#[derive(Debug, Clone, Default)]
pub struct RestConfig {
    /// Access tokens, where the source wants them.
    pub oauth2: Option<OAuth2>,
    /// Whether an answer may come later. Without it, a 202 is an answer like any other.
    pub poll: Option<Poll>,
    /// Whether to send the repeat key as `Idempotency-Key`.
    pub idempotency_key: bool,
}

/// OAuth 2.0 client credentials (RFC 6749 section 4.4). The client authenticates by HTTP Basic
/// (section 2.3.1), over the same transport as all else.
#[derive(Debug, Clone)]
pub struct OAuth2 {
    /// Path of the token endpoint below the transport's base address, beginning with `/`.
    pub token_path: String,
    /// Our name at the provider.
    pub client_id: String,
    /// Our secret there.
    pub client_secret: SecretText,
    /// What to ask for, as the provider names it; `None` for what it gives by itself.
    pub scope: Option<String>,
}

/// An answer that may come later: 202 with a `Location`, which is then asked until it answers with
/// something else.
#[derive(Debug, Clone, Copy)]
pub struct Poll {
    /// Wait before asking each time; more where the source's `Retry-After` says so. At least 10 ms.
    pub interval: Duration,
}

impl RestConfig {
    /// Checks what cannot work.
    ///
    /// # Errors
    /// Names the setting that is not usable.
    pub fn check(&self) -> Result<(), ConfigError> {
        if let Some(oauth2) = &self.oauth2 {
            oauth2.check()?;
        }
        if self.poll.is_some_and(|poll| poll.interval < INTERVAL_MIN) {
            return Err(ConfigError::Interval);
        }
        Ok(())
    }
}

impl OAuth2 {
    fn check(&self) -> Result<(), ConfigError> {
        let is_text = |text: &str| !text.is_empty() && !text.chars().any(char::is_control);
        // RFC 6749 appendix A.4.
        let is_scope = |text: &str| text.split(' ').all(|part| !part.is_empty() && part.bytes().all(is_scope_byte));
        if !self.token_path.starts_with('/') || self.token_path.contains(['?', '#']) {
            return Err(ConfigError::TokenPath);
        }
        if !is_text(&self.client_id) {
            return Err(ConfigError::ClientId);
        }
        if !is_text(self.client_secret.expose()) {
            return Err(ConfigError::ClientSecret);
        }
        if !self.scope.as_deref().is_none_or(is_scope) {
            return Err(ConfigError::Scope);
        }
        Ok(())
    }
}

fn is_scope_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'"' && byte != b'\\'
}
