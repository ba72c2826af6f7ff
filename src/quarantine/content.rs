//! What it takes to read an answer again: what was asked, and the exact bytes of the answer. Leaves the process sealed,
//! or not at all.

use std::fmt;

use jiff::Timestamp;
use model::{Decimal, Profile, Subject, Value};
use serde::{Deserialize, Serialize};

use crate::reading::Question;

/// An answer with its question. `Debug` names nobody.
#[derive(Clone, PartialEq)]
pub struct AnswerContent {
    subject: Option<Subject>,
    inputs: Vec<(Box<str>, Value)>,
    since: Timestamp,
    profile: Profile,
    status: u16,
    body: Vec<u8>,
}

/// All but the body, as JSON in the first line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    subject: Option<Subject>,
    inputs: Vec<(Box<str>, Input)>,
    since: Timestamp,
    profile: Profile,
    status: u16,
}

/// A value of an input; records are none.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Input {
    None,
    Bool(bool),
    Int(i64),
    Decimal(Box<str>),
    Text(Box<str>),
    List(Vec<Self>),
}

impl AnswerContent {
    /// An answer, what was asked, and the profile that it was read by.
    #[must_use]
    pub fn new(question: &Question<'_>, profile: Profile, status: u16, body: &[u8]) -> Self {
        let Question { subject, inputs, since } = *question;
        Self { subject: subject.cloned(), inputs: inputs.to_vec(), since, profile, status, body: body.to_vec() }
    }

    /// Its bytes; none where they cannot be written.
    #[must_use]
    pub fn encode(&self) -> Option<Vec<u8>> {
        let inputs = self.inputs.iter().map(|(name, value)| Some((name.clone(), Input::of(value)?))).collect::<Option<_>>()?;
        let head = Head { subject: self.subject.clone(), inputs, since: self.since, profile: self.profile, status: self.status };
        let mut bytes = serde_json::to_vec(&head).ok()?;
        bytes.push(b'\n');
        bytes.extend_from_slice(&self.body);
        Some(bytes)
    }

    /// Reads what [`Self::encode`] wrote.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let head: Head = serde_json::from_slice(bytes.get(..end)?).ok()?;
        let inputs = head.inputs.into_iter().map(|(name, input)| Some((name, input.value()?))).collect::<Option<_>>()?;
        Some(Self {
            subject: head.subject,
            inputs,
            since: head.since,
            profile: head.profile,
            status: head.status,
            body: bytes.get(end + 1..)?.to_vec(),
        })
    }

    /// What was asked.
    #[must_use]
    pub fn question(&self) -> Question<'_> {
        Question { subject: self.subject.as_ref(), inputs: &self.inputs, since: self.since }
    }

    /// The profile that it was read by: a probe's is the test profile, wherever it is asked.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// What was answered.
    #[must_use]
    pub fn answer(&self) -> mapping::WireAnswer<'_> {
        mapping::WireAnswer { status: self.status, body: &self.body }
    }
}

impl Input {
    fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Null => Self::None,
            Value::Bool(flag) => Self::Bool(*flag),
            Value::Int(int) => Self::Int(*int),
            Value::Decimal(digits) => Self::Decimal(digits.as_str().into()),
            Value::Text(text) => Self::Text(text.clone()),
            Value::Values(values) => Self::List(values.iter().map(Self::of).collect::<Option<_>>()?),
            Value::Records(_) => return None,
        })
    }

    fn value(self) -> Option<Value> {
        Some(match self {
            Self::None => Value::Null,
            Self::Bool(flag) => Value::Bool(flag),
            Self::Int(int) => Value::Int(int),
            Self::Decimal(digits) => Value::Decimal(Decimal::new(&digits)?),
            Self::Text(text) => Value::Text(text),
            Self::List(inputs) => Value::Values(inputs.into_iter().map(Self::value).collect::<Option<_>>()?),
        })
    }
}

impl fmt::Debug for AnswerContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerContent").field("status", &self.status).field("body_bytes", &self.body.len()).finish_non_exhaustive()
    }
}
