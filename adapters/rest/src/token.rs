//! The access token of one source: fetched when first needed, by one caller for all.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use adapter_core::{CallError, CallErrorKind, Sent, Transport};
use http::HeaderValue;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use crate::codec;
use crate::config::OAuth2;

/// A token in use. Has no `Debug` that shows it.
#[derive(Clone)]
pub(crate) struct Token {
    /// The value of an `Authorization` header.
    pub(crate) authorization: HeaderValue,
    fresh_until: Instant,
    /// Tells it from the tokens before and after it.
    number: u64,
}

/// The tokens of one source, one after the other.
pub(crate) struct Tokens {
    config: OAuth2,
    /// Held while a token is fetched: who waits for the lock waits for the fetch.
    state: Mutex<State>,
    /// Fetches that failed. Written under the lock, read before waiting for it.
    failures: AtomicU64,
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    fetched: u64,
    /// How the latest fetch failed, if it did.
    failure: Option<CallError>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Tokens {
    pub(crate) fn new(config: OAuth2) -> Self {
        Self { config, state: Mutex::default(), failures: AtomicU64::new(0) }
    }

    /// A token to use now, other than the refused one.
    ///
    /// Of all callers that need one at the same time one fetches it. If it fails, all of them fail
    /// with it, rather than one after the other; if its own deadline was too short or it is gone, the
    /// next takes over.
    ///
    /// # Errors
    /// Why there is none, as if nothing was sent: that is so for the question.
    pub(crate) async fn get(&self, transport: &Transport, refused: Option<&Token>, deadline: Instant) -> Result<Token, CallError> {
        let failures = self.failures.load(Ordering::SeqCst);
        let mut state = timeout_at(deadline, self.state.lock()).await.map_err(|_| CallError::new(CallErrorKind::Deadline, Sent::No))?;
        let now = Instant::now();
        let is_good = |token: &&Token| token.fresh_until > now && refused.is_none_or(|refused| refused.number != token.number);
        if let Some(token) = state.token.as_ref().filter(is_good) {
            return Ok(token.clone());
        }
        if let Some(failure) = &state.failure
            && self.failures.load(Ordering::SeqCst) != failures
        {
            return Err(failure.clone());
        }
        state.token = None;
        match self.fetch(transport, state.fetched, deadline).await {
            Ok(token) => {
                state.fetched += 1;
                state.failure = None;
                Ok(state.token.insert(token).clone())
            }
            Err(error) => {
                // A deadline is the caller's own, and says nothing to the others.
                if error.kind() != &CallErrorKind::Deadline {
                    state.failure = Some(error.clone());
                    self.failures.fetch_add(1, Ordering::SeqCst);
                }
                Err(error)
            }
        }
    }

    async fn fetch(&self, transport: &Transport, number: u64, deadline: Instant) -> Result<Token, CallError> {
        // Counted from before the asking: the provider counts from somewhere in between.
        let asked = Instant::now();
        let answer = transport
            .exchange(codec::token_request(&self.config), codec::TOKEN_EXPECTED, deadline)
            .await
            .map_err(|error| error.with_sent(Sent::No))?;
        let granted = codec::read_token(&answer)?;
        Ok(Token { authorization: granted.authorization, fresh_until: asked + granted.lifetime, number })
    }
}
