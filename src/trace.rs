//! What `qovsaq try` shows of one call: collected on the way where asked for, and nowhere else.
//! Bodies are masked by the command that prints them.

use std::fmt;

use adapter_core::{CallError, WireAnswer};
use mapping::{Plan, ReadError, Reading, WireQuestion};

/// The steps of one call; empty and free of cost unless switched on.
#[derive(Debug, Default)]
pub struct Trace {
    steps: Option<Steps>,
}

/// The collected steps. `Debug` shows none of the bodies.
#[derive(Default)]
pub struct Steps {
    /// The question as the mapping wrote it.
    pub question: Option<String>,
    /// HTTP status and body of the answer.
    pub answer: Option<(u16, String)>,
    /// What went wrong on the way.
    pub failure: Option<String>,
    /// The outcome rule that matched, in words, or why the answer could not be read.
    pub reading: Option<String>,
    /// Names of undeclared fields that were dropped.
    pub undeclared: Vec<String>,
}

impl fmt::Debug for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Steps").field("failure", &self.failure).field("reading", &self.reading).finish_non_exhaustive()
    }
}

impl Trace {
    /// A trace that collects.
    #[must_use]
    pub fn collecting() -> Self {
        Self { steps: Some(Steps::default()) }
    }

    /// What was collected.
    #[must_use]
    pub fn steps(&self) -> Option<&Steps> {
        self.steps.as_ref()
    }

    pub(crate) fn asked(&mut self, wire: &WireQuestion) {
        let Some(steps) = &mut self.steps else { return };
        steps.question = Some(match wire {
            WireQuestion::Soap { body, .. } => String::from_utf8_lossy(body).into_owned(),
            WireQuestion::Rest { method, path_and_query, .. } => format!("{method} {path_and_query}"),
            WireQuestion::LookUp { keys } => {
                let keys: Vec<String> = keys.iter().map(|(column, text)| format!("{column}={text}")).collect();
                format!("look up?{}", keys.join("&"))
            }
        });
    }

    pub(crate) fn answered(&mut self, wire: &WireAnswer) {
        let Some(steps) = &mut self.steps else { return };
        steps.answer = Some((wire.status, String::from_utf8_lossy(&wire.body).into_owned()));
    }

    pub(crate) fn failed(&mut self, error: &CallError) {
        let Some(steps) = &mut self.steps else { return };
        steps.failure = Some(error.to_string());
    }

    /// An answer that was read, but is not the answer to our question.
    pub(crate) fn contradicted(&mut self, broken: &str) {
        let Some(steps) = &mut self.steps else { return };
        steps.reading = Some(broken.to_owned());
    }

    pub(crate) fn read(&mut self, plan: &Plan, read: &Result<Reading, ReadError>) {
        let Some(steps) = &mut self.steps else { return };
        match read {
            Ok(reading) => {
                steps.reading = plan.rules().get(reading.rule).map(|rule| format!("{}: {}", rule.outcome, rule.when));
                steps.undeclared = reading.undeclared.samples.iter().map(ToString::to_string).collect();
            }
            Err(error) => steps.reading = Some(error.to_string()),
        }
    }
}
