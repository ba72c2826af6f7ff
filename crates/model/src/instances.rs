//! Sources that the decree names in the plural (Decree 634, 4.1.15, 4.1.20): one contract, several bodies, and what of a
//! question says which of them is asked.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::contract::{Input, Service};
use crate::value::Value;

/// Most keys of one source, connected or not.
pub const KEYS_MAX: usize = 1_000;

/// The bodies that a source consists of, by the key that each serves. Which instance serves which keys is the
/// deployment's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instances {
    /// The input, of every service of the source, whose value is the key.
    pub by: Box<str>,
    /// Keys whose body answers questions.
    pub connected: BTreeSet<Box<str>>,
    /// Keys whose body is not connected: whatever is asked of it is not held electronically.
    pub not_connected: BTreeSet<Box<str>>,
    /// The key of a question that names none; none where each must.
    pub otherwise: Option<Box<str>>,
}

/// The form of a source's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KeyForm {
    /// A territory's code in the classifier AZS 882: eight digits.
    Territory,
    /// A code of our own: lower-case letters, digits and inner hyphens.
    Code,
}

impl KeyForm {
    /// Whether a text has the form.
    #[must_use]
    pub fn accepts(self, text: &str) -> bool {
        match self {
            Self::Territory => text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit()),
            Self::Code => crate::id::InstanceId::new(text).is_ok(),
        }
    }

    /// What is accepted, in words.
    #[must_use]
    pub fn accepted(self) -> &'static str {
        match self {
            Self::Territory => "a territory's code of AZS 882: eight digits, in quotes",
            Self::Code => "lower-case letters, digits and inner hyphens, at most 64",
        }
    }
}

/// Where a question goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Routed<'a> {
    /// To the source, which is one body.
    Itself,
    /// To the instance that serves this key.
    To(&'a str),
    /// Nowhere: the body of this key is not connected.
    NotConnected(&'a str),
    /// Nowhere: it names no key, or one that the contract does not know.
    Unknown,
}

impl Instances {
    /// Whether the contract knows the key.
    #[must_use]
    pub fn knows(&self, key: &str) -> bool {
        self.connected.contains(key) || self.not_connected.contains(key)
    }

    /// Every key that the contract knows: those that are connected, then the others.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.connected.iter().chain(&self.not_connected).map(|key| &**key)
    }
}

impl Service {
    /// The bodies that its source consists of; none where that is one.
    #[must_use]
    pub fn instances(&self) -> Option<&Instances> {
        self.inputs.iter().find_map(|input| input.instances.as_deref())
    }

    /// Where a question with these inputs goes. The inputs decide and nothing else, so that a question can be routed
    /// before anything of it is looked up.
    #[must_use]
    pub fn routed<'a>(&'a self, inputs: &[(Box<str>, Value)]) -> Routed<'a> {
        let Some(instances) = self.instances() else { return Routed::Itself };
        let given = inputs.iter().find(|(name, _)| *name == instances.by).map(|(_, value)| value);
        let key = match given {
            Some(value) => value.as_text(),
            None => instances.otherwise.as_deref(),
        };
        let Some(key) = key else { return Routed::Unknown };
        // What is given back is the contract's own text, from a closed list.
        if let Some(key) = instances.connected.get(key) {
            Routed::To(key)
        } else if let Some(key) = instances.not_connected.get(key) {
            Routed::NotConnected(key)
        } else {
            Routed::Unknown
        }
    }
}

impl Input {
    /// Whether the value chooses the body that is asked, rather than being part of the question.
    #[must_use]
    pub fn chooses_instance(&self) -> bool {
        self.instances.is_some()
    }
}
