//! The call: with an access token or a key where one is wanted, until the answer is there, and whole.

use std::sync::Arc;

use adapter_core::{
    Call, CallError, CallErrorKind, CallFuture, Context, Question, Received, Request, SecretText, Sent, Transport, WireAnswer,
};
use http::StatusCode;
use http::header::{AUTHORIZATION, LOCATION};
use tokio::time::{Instant, sleep_until};

use crate::codec;
use crate::config::{Paging, Poll, RestConfig};
use crate::error::ConfigError;
use crate::key::Keys;
use crate::paging::{Pages, Taken};
use crate::token::{Token, Tokens};

/// Asks REST services of one provider instance. Each has access tokens of its own.
#[derive(Debug)]
pub struct Rest {
    transport: Arc<Transport>,
    config: RestConfig,
    tokens: Option<Tokens>,
    keys: Option<Keys>,
}

impl Rest {
    /// An adapter over the provider's transport.
    ///
    /// # Errors
    /// A setting that cannot work.
    pub fn new(transport: Arc<Transport>, config: RestConfig) -> Result<Self, ConfigError> {
        config.check()?;
        let tokens = config.oauth2.clone().map(Tokens::new);
        let keys = config.api_key.as_ref().map(Keys::new);
        Ok(Self { transport, config, tokens, keys })
    }

    async fn ask(&self, question: &Question, context: &Context<'_>) -> Result<WireAnswer, CallError> {
        let request = self.write(question, context)?;
        if let Some(paging) = &self.config.paging {
            // On the heap: most answers come in one piece.
            return Box::pin(self.ask_pages(paging, &request, context.deadline)).await;
        }
        let Some(poll) = self.config.poll else {
            return Ok(self.exchange(request, context.deadline).await?.into());
        };
        let asked = request.path_and_query.clone();
        let answer = self.exchange(request, context.deadline).await?;
        if answer.status != StatusCode::ACCEPTED {
            return Ok(answer.into());
        }
        let location = self.location(&answer, &asked)?;
        // The question has been sent, whatever becomes of the asking for its answer.
        Box::pin(self.await_answer(poll, location, answer, context.deadline)).await.map_err(|error| error.with_sent(Sent::Maybe))
    }

    /// Asks for page after page. An expired cursor leads back to the first page, once: the list may have changed since, so
    /// what came so far is given up.
    async fn ask_pages(&self, paging: &Paging, first: &Request, deadline: Instant) -> Result<WireAnswer, CallError> {
        let (mut restarted, mut key_switched) = (false, false);
        'list: loop {
            let mut pages = Pages::new(paging, self.transport.body_bytes_max());
            let mut request = first.clone();
            loop {
                let sent = restarted || !pages.is_empty();
                let received = self.exchange(request, deadline).await;
                let received = received.map_err(|error| if sent { error.with_sent(Sent::Maybe) } else { error })?;
                key_switched |= received.key_switched;
                match pages.take(received)? {
                    Taken::Next(cursor) => request = codec::page_request(first, &paging.query, &cursor),
                    Taken::Expired(_) if !restarted => {
                        restarted = true;
                        continue 'list;
                    }
                    Taken::Whole(received) | Taken::Expired(received) => return Ok(Received { key_switched, ..received }.into()),
                }
            }
        }
    }

    /// Where the answer will be.
    fn location(&self, accepted: &Received, asked: &SecretText) -> Result<SecretText, CallError> {
        let mut values = accepted.headers.get_all(LOCATION).iter();
        let (Some(location), None) = (values.next(), values.next()) else {
            return Err(CallError::malformed("202 without one Location"));
        };
        let found = location.to_str().ok().and_then(|location| self.transport.locate(location, asked));
        found.ok_or_else(|| CallError::malformed("Location is not below the provider's address"))
    }

    /// Asks for the answer until it is there. Where the next wait would pass the deadline, it ends at
    /// once: asking earlier than told could bring nothing but a burden.
    async fn await_answer(&self, poll: Poll, at: SecretText, accepted: Received, deadline: Instant) -> Result<WireAnswer, CallError> {
        let mut answer = accepted;
        while answer.status == StatusCode::ACCEPTED {
            let wait = answer.retry_after.unwrap_or_default().max(poll.interval);
            let now = Instant::now();
            if wait >= deadline.saturating_duration_since(now) {
                return Err(CallError::new(CallErrorKind::Deadline, Sent::Maybe).with_retry_after(answer.retry_after));
            }
            sleep_until(now + wait).await;
            answer = self.exchange(codec::poll_request(at.clone()), deadline).await?;
        }
        Ok(answer.into())
    }

    /// Sends one request, with a token where the source wants one.
    async fn exchange(&self, request: Request, deadline: Instant) -> Result<Received, CallError> {
        match (&self.tokens, &self.keys) {
            (None, None) => self.transport.exchange(request, codec::EXPECTED, deadline).await,
            // On the heap: most calls wait without it, thousands at a time.
            (Some(tokens), _) => Box::pin(self.exchange_with_token(tokens, request, deadline)).await,
            (None, Some(keys)) => Box::pin(self.exchange_with_key(keys, request, deadline)).await,
        }
    }

    /// A 401 says that the request was not looked at for its key, so it is sent again, once, with the other one where there
    /// are two.
    async fn exchange_with_key(&self, keys: &Keys, request: Request, deadline: Instant) -> Result<Received, CallError> {
        let used = keys.current();
        let answer = self.transport.exchange(keys.bearing(request.clone(), used), codec::EXPECTED, deadline).await?;
        let refused = answer.status == StatusCode::UNAUTHORIZED;
        let Some(other) = keys.other(used).filter(|_| refused) else { return Ok(answer) };
        let again = self.transport.exchange(keys.bearing(request, other), codec::EXPECTED, deadline).await;
        let again = again.map_err(|error| error.with_sent(Sent::Maybe))?;
        let key_switched = again.status != StatusCode::UNAUTHORIZED && keys.switch(used, other);
        Ok(Received { key_switched, ..again })
    }

    /// A 401 says that the request was not looked at for its token, so it is sent again, once, with a new
    /// one.
    async fn exchange_with_token(&self, tokens: &Tokens, request: Request, deadline: Instant) -> Result<Received, CallError> {
        let token = tokens.get(&self.transport, None, deadline).await?;
        let answer = self.transport.exchange(bearing(request.clone(), &token), codec::EXPECTED, deadline).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let sent = |error: CallError| error.with_sent(Sent::Maybe);
        let token = tokens.get(&self.transport, Some(&token), deadline).await.map_err(sent)?;
        self.transport.exchange(bearing(request, &token), codec::EXPECTED, deadline).await.map_err(sent)
    }
}

fn bearing(mut request: Request, token: &Token) -> Request {
    request.headers.insert(AUTHORIZATION, token.authorization.clone());
    request
}

impl Call for Rest {
    fn write(&self, question: &Question, context: &Context<'_>) -> Result<Request, CallError> {
        codec::write(&self.config, question, context)
    }

    fn call<'a>(&'a self, question: &'a Question, context: &'a Context<'a>) -> CallFuture<'a> {
        Box::pin(self.ask(question, context))
    }
}
