//! Questions in wire form: ordered typed writes, escaped by the writer, never pasted strings.

use std::collections::BTreeMap;
use std::fmt;

use model::Value;

/// A question's inputs besides the subject, by their names in the contract, in canonical form.
pub type Inputs = BTreeMap<Box<str>, Value>;

/// A question as its protocol carries it. `Debug` shows no value: a question names a person.
#[derive(Clone, PartialEq, Eq)]
pub enum WireQuestion {
    /// The one element of a SOAP body; envelope and headers are the adapter's.
    Soap {
        /// SOAP action, where the provider wants one.
        action: Option<String>,
        /// The element, UTF-8, with the namespaces it uses declared on it.
        body: Vec<u8>,
    },
    /// An HTTP request below the provider's address.
    Rest {
        /// `GET` or `POST`.
        method: &'static str,
        /// Path and query, percent-encoded, with the leading slash. Names a person: never logged.
        path_and_query: String,
        /// JSON body, for `POST`.
        body: Option<Vec<u8>>,
    },
}

impl fmt::Debug for WireQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Soap { .. } => "Soap(…)",
            Self::Rest { .. } => "Rest(…)",
        })
    }
}

/// Why a question cannot be written. The origin is the consumer, or a gateway that did not check its
/// inputs against the contract; never the provider. Carries names, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// A value that the request always needs was not given.
    #[error("the question has no `{0}`, which the request needs")]
    Missing(Box<str>),
    /// A value is not of the type its contract declares.
    #[error("`{0}` does not have the type that the contract declares")]
    WrongType(Box<str>),
    /// A value cannot stand where the mapping puts it: a control character, or an empty or dot path segment.
    #[error("`{0}` cannot be written in the provider's wire form")]
    Unwritable(Box<str>),
}
