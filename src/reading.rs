//! READ and CHECK: what a source's bytes come to by the active mapping and contract. One function for the answer that has
//! just come and for the one that is read again from the quarantine: both come to the same.

use jiff::Timestamp;
use mapping::{Limits, Plan, Reading};
use model::{Outcome, Profile, Subject, Value};

use crate::trace::Trace;

/// The rule of an answer that says by a declared outcome rule that it is wrong.
const DECLARED: &str = "declared-invalid";
/// The rule of an answer to another question than ours.
const ANOTHER_QUESTION: &str = "another-question";

/// What was asked, as far as an answer must agree with it. `Debug` names nobody.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// About whom.
    pub subject: Option<&'a Subject>,
    /// With what.
    pub inputs: &'a [(Box<str>, Value)],
    /// The moment before which no answer can have been made.
    pub since: Timestamp,
}

impl std::fmt::Debug for Question<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Question").field("inputs", &self.inputs.len()).field("since", &self.since).finish_non_exhaustive()
    }
}

/// What an answer breaks: rules and paths, never a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The rule, such as `wrong-date`.
    pub rule: Box<str>,
    /// The path of the field, where the rule belongs to one.
    pub path: Option<Box<str>>,
    /// Both in a sentence.
    pub text: String,
}

impl Broken {
    /// A rule that belongs to no field.
    #[must_use]
    pub fn rule(rule: &str) -> Self {
        Self { rule: rule.into(), path: None, text: rule.to_owned() }
    }
}

/// Reads an answer: the mapping decides the outcome first, then reads the declared fields in the contract's types.
///
/// # Errors
/// What it breaks: anything the contract forbids, or that it answers another question than ours. Nothing of it may be
/// used then.
pub fn read(
    plan: &Plan,
    answer: mapping::WireAnswer<'_>,
    question: &Question<'_>,
    profile: Profile,
    trace: &mut Trace,
) -> Result<Reading, Broken> {
    let read = plan.read(answer, profile, &Limits::default());
    trace.read(plan, &read);
    let reading = read.map_err(|error| Broken { rule: error.rule().into(), path: error.path().map(Box::from), text: error.to_string() })?;
    let Some(rule) = plan.contradiction(&reading, question.subject, question.inputs, question.since) else { return Ok(reading) };
    let text = format!("{ANOTHER_QUESTION} at {}", rule.field);
    trace.contradicted(&text);
    Err(Broken { rule: ANOTHER_QUESTION.into(), path: Some(rule.field.clone()), text })
}

/// What is broken about an answer that was read, where something is.
#[must_use]
pub fn broken(read: &Result<Reading, Broken>) -> Option<Broken> {
    match read {
        Err(broken) => Some(broken.clone()),
        Ok(reading) if reading.outcome == Outcome::InvalidData => Some(Broken::rule(DECLARED)),
        Ok(_) => None,
    }
}
