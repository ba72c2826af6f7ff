//! The calls.

use std::sync::Arc;

use adapter_core::{Call, CallError, CallErrorKind, CallFuture, Context, Question, Request, Transport, WireAnswer};

use crate::codec;
use crate::config::XroadConfig;
use crate::error::ConfigError;
use crate::rest::{self, RestCodec};

/// Asks one SOAP service through a security server; the adapters of all services behind one security
/// server share its transport.
#[derive(Debug)]
pub struct XroadSoap {
    transport: Arc<Transport>,
    config: XroadConfig,
}

impl XroadSoap {
    /// An adapter over the transport to the security server.
    ///
    /// # Errors
    /// A setting the exchange system would refuse.
    pub fn new(transport: Arc<Transport>, config: XroadConfig) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self { transport, config })
    }

    async fn ask(&self, question: &Question, context: &Context<'_>) -> Result<WireAnswer, CallError> {
        let request = self.write(question, context)?;
        let sent = request.body.clone().unwrap_or_default();
        // The peer of the connection is the exchange system, so a failure of it is the route's.
        let answer = self.transport.send(request, codec::EXPECTED, context.deadline).await.map_err(CallError::through_route)?;
        codec::check(&self.config, context, &sent, answer)
    }
}

impl Call for XroadSoap {
    fn write(&self, question: &Question, context: &Context<'_>) -> Result<Request, CallError> {
        codec::write(&self.config, question, context)
    }

    fn call<'a>(&'a self, question: &'a Question, context: &'a Context<'a>) -> CallFuture<'a> {
        Box::pin(self.ask(question, context))
    }
}

/// Asks one REST service through a security server. Security servers speak HTTP/1.1 only.
#[derive(Debug)]
pub struct XroadRest {
    transport: Arc<Transport>,
    codec: RestCodec,
}

impl XroadRest {
    /// An adapter over the transport to the security server.
    ///
    /// # Errors
    /// A setting the exchange system would refuse.
    pub fn new(transport: Arc<Transport>, config: XroadConfig) -> Result<Self, ConfigError> {
        Ok(Self { transport, codec: RestCodec::new(config)? })
    }

    async fn ask(&self, question: &Question, context: &Context<'_>) -> Result<WireAnswer, CallError> {
        let request = self.codec.write(question, context)?;
        let digest = self.codec.digest(&request);
        let received = self.transport.exchange(request, rest::EXPECTED, context.deadline).await.map_err(blame)?;
        self.codec.check(context, digest.as_ref(), received)
    }
}

/// The peer of the connection is the exchange system, so a failure of it is the route's. But the
/// content of a REST answer goes through it as it is, and its own errors are small and in JSON: what
/// is wrong with the size, the media type or a redirect comes from the source.
fn blame(error: CallError) -> CallError {
    if matches!(error.kind(), CallErrorKind::TooLarge | CallErrorKind::ContentType | CallErrorKind::Status(_)) {
        error
    } else {
        error.through_route()
    }
}

impl Call for XroadRest {
    fn write(&self, question: &Question, context: &Context<'_>) -> Result<Request, CallError> {
        self.codec.write(question, context)
    }

    fn call<'a>(&'a self, question: &'a Question, context: &'a Context<'a>) -> CallFuture<'a> {
        Box::pin(self.ask(question, context))
    }
}
