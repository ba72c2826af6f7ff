//! What differs between one REST source and the next.

use std::time::Duration;

use adapter_core::SecretText;
use http::{HeaderName, HeaderValue};

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
    /// A key in a header of every request, where the source wants one.
    pub api_key: Option<ApiKey>,
    /// How a list that comes in pages goes on, where it does.
    pub paging: Option<Paging>,
}

/// A key that names us to the source, in a header of every request.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// The header's name, such as `x-api-key`.
    pub header: HeaderName,
    /// The key in use.
    pub key: SecretText,
    /// The one that follows it: tried, once for each question, where the source refuses the key in use by 401, and used
    /// from then on where it is taken. So a source may change keys on a day of its own choosing.
    pub next: Option<SecretText>,
}

/// How a list that comes in pages goes on. The pages are asked for one after the other until there is none, and handed on
/// as one answer: the first page's, with the items of all. Half a list is never handed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paging {
    /// Key of the list, at the top of an answer.
    pub items: String,
    /// Key of the cursor to the next page, at the top of an answer; null, empty or missing on the last page.
    pub cursor: String,
    /// Name of a cursor in the query.
    pub query: String,
    /// Most pages of one answer.
    pub pages_max: usize,
    /// Status that refuses an expired cursor: the list is then asked for once more, from its first page.
    pub expired: Option<u16>,
    /// Keys at the top of an answer that say the same on every page, or the pages are of different answers.
    pub same: Vec<String>,
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
        let is_key = |key: &SecretText| HeaderValue::from_str(key.expose()).is_ok_and(|key| !key.is_empty());
        match &self.api_key {
            Some(_) if self.oauth2.is_some() => return Err(ConfigError::TwoCredentials),
            Some(key) if !is_key(&key.key) || !key.next.as_ref().is_none_or(is_key) => return Err(ConfigError::ApiKey),
            Some(_) | None => {}
        }
        if self.paging.as_ref().is_some_and(|paging| paging.pages_max < 2) || self.paging.is_some() && self.poll.is_some() {
            return Err(ConfigError::Paging);
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
