//! The call.

use std::sync::Arc;

use adapter_core::{Call, CallError, CallFuture, Context, Question, Request, Transport};

use crate::codec;
use crate::config::RestConfig;

/// Asks REST services of one provider instance.
#[derive(Debug)]
pub struct Rest {
    transport: Arc<Transport>,
    config: RestConfig,
}

impl Rest {
    /// An adapter over the provider's transport.
    #[must_use]
    pub fn new(transport: Arc<Transport>, config: RestConfig) -> Self {
        Self { transport, config }
    }
}

impl Call for Rest {
    fn write(&self, question: &Question, context: &Context<'_>) -> Result<Request, CallError> {
        codec::write(&self.config, question, context)
    }

    fn call<'a>(&'a self, question: &'a Question, context: &'a Context<'a>) -> CallFuture<'a> {
        Box::pin(async move {
            let request = self.write(question, context)?;
            self.transport.send(request, codec::EXPECTED, context.deadline).await
        })
    }
}
