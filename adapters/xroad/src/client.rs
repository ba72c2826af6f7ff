//! The call.

use std::sync::Arc;

use adapter_core::{Call, CallError, CallFuture, Context, Question, Request, Transport, WireAnswer};

use crate::codec;
use crate::config::XroadConfig;
use crate::error::ConfigError;

/// Asks one service through a security server; the adapters of all services behind one security
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
