//! The call.

use std::sync::Arc;

use adapter_core::{Call, CallError, CallFuture, Context, Question, Request, Transport, WireAnswer};

use crate::codec;
use crate::config::SoapConfig;
use crate::error::ConfigError;

/// Asks one SOAP endpoint of a provider instance.
#[derive(Debug)]
pub struct Soap {
    transport: Arc<Transport>,
    config: SoapConfig,
}

impl Soap {
    /// An adapter over the provider's transport.
    ///
    /// # Errors
    /// A setting the wire would refuse.
    pub fn new(transport: Arc<Transport>, config: SoapConfig) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self { transport, config })
    }

    async fn ask(&self, question: &Question, context: &Context<'_>) -> Result<WireAnswer, CallError> {
        let request = self.write(question, context)?;
        let answer = self.transport.send(request, codec::EXPECTED, context.deadline).await?;
        if self.config.addressing.is_some() {
            codec::check_relation(&answer.body, context.exchange_id)?;
        }
        Ok(answer)
    }
}

impl Call for Soap {
    fn write(&self, question: &Question, context: &Context<'_>) -> Result<Request, CallError> {
        codec::write(&self.config, question, context)
    }

    fn call<'a>(&'a self, question: &'a Question, context: &'a Context<'a>) -> CallFuture<'a> {
        Box::pin(self.ask(question, context))
    }
}
