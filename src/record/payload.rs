//! The sealed payload of an intent: what a source is asked, in clear.

use std::fmt;

use model::{Subject, Value};
use serde::{Serialize, Serializer};

/// What a source is asked. `Debug` names nobody.
#[derive(Serialize)]
pub struct IntentPayload<'a> {
    /// About whom.
    pub subject: Option<&'a Subject>,
    /// With what.
    #[serde(serialize_with = "inputs")]
    pub input: &'a [(Box<str>, Value)],
    /// Under which consent: its reference.
    pub consent: Option<&'a str>,
    /// By which representation: the reference of what it rests on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basis: Option<&'a str>,
}

impl fmt::Debug for IntentPayload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntentPayload").field("inputs", &self.input.len()).finish_non_exhaustive()
    }
}

fn inputs<S: Serializer>(inputs: &[(Box<str>, Value)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(inputs.iter().map(|(name, value)| (name, Input(value))))
}

struct Input<'a>(&'a Value);

impl Serialize for Input<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Text(text) => serializer.serialize_str(text),
            Value::Int(int) => serializer.serialize_i64(*int),
            Value::Bool(flag) => serializer.serialize_bool(*flag),
            Value::Decimal(digits) => serializer.serialize_str(digits.as_str()),
            Value::Values(values) => serializer.collect_seq(values.iter().map(Input)),
            Value::Null | Value::Records(_) => serializer.serialize_unit(),
        }
    }
}
