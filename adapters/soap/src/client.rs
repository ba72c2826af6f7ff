//! The call.

use std::sync::Arc;

use adapter_core::{Call, CallError, CallFuture, Context, Question, Request, Transport, WireAnswer};
use aws_lc_rs::rand;
use jiff::Timestamp;

use crate::codec;
use crate::config::SoapConfig;
use crate::error::ConfigError;
use crate::security::Stamp;

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
        let stamp = self.config.security.as_ref().map(|_| stamp()).transpose()?;
        codec::write(&self.config, question, context, stamp.as_ref())
    }

    fn call<'a>(&'a self, question: &'a Question, context: &'a Context<'a>) -> CallFuture<'a> {
        Box::pin(self.ask(question, context))
    }
}

/// For one message.
fn stamp() -> Result<Stamp, CallError> {
    let mut nonce = [0; 16];
    rand::fill(&mut nonce).map_err(|_| CallError::question("the system gives no random bytes for a nonce"))?;
    Ok(Stamp { nonce, created: Timestamp::now() })
}
