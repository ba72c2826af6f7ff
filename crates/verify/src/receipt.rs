//! Receipts, the answers that carry them, and entries named without a proof: docs/journal-format.md, "Receipt".

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::checkpoint::Checkpoint;
use crate::encoding;
use crate::malformed::{Malformed, Rule};
use crate::note::NOTE_BYTES_MAX;
use crate::proof::{self, Inclusion};
use crate::tree::Hash;

/// The longest receipt: a note with every character escaped, and the rest.
pub const RECEIPT_BYTES_MAX: usize = 8 * NOTE_BYTES_MAX;

/// The most elements of a dossier's answer that are looked at. Each may be compared with every proof, so the bound is
/// also one on time.
pub const ELEMENTS_MAX: usize = 1024;

/// The claim that an entry stands at a place of a log. By itself it proves nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The log's name.
    pub origin: String,
    /// The place, from 0.
    pub index: u64,
    /// The hash of the entry's leaf.
    pub leaf_hash: Hash,
}

/// An entry and, unless it is an element's, the proof that it stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// What it is for.
    pub entry: Entry,
    /// The proof.
    pub inclusion: Option<Inclusion>,
}

/// What a gateway's answer has of receipts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The answer's own.
    pub receipt: Option<Receipt>,
    /// Those of a dossier's elements.
    pub elements: Vec<Element>,
}

/// An element of a dossier's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// Where it stands: `elements[3]`, with its name where it has a plain one.
    pub part: String,
    /// Its receipt; an element that is not answered yet has none.
    pub receipt: Option<Receipt>,
    /// Whether it says what came of it.
    pub is_answered: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawReceipt {
    origin: String,
    index: u64,
    leaf_hash: String,
    #[serde(default, deserialize_with = "present")]
    proof: Option<Vec<String>>,
    #[serde(default, deserialize_with = "present")]
    head: Option<String>,
}

#[derive(Deserialize)]
struct RawEntry {
    origin: String,
    index: u64,
    leaf_hash: String,
}

#[derive(Deserialize)]
struct RawAnswer<'a> {
    #[serde(borrow)]
    receipt: Option<&'a RawValue>,
    #[serde(borrow)]
    elements: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct RawElement<'a> {
    #[serde(default)]
    element: Option<String>,
    #[serde(borrow)]
    receipt: Option<&'a RawValue>,
    #[serde(borrow)]
    outcome: Option<&'a RawValue>,
}

/// A member that may be left out but not be null.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Reads one JSON object and nothing behind it. A member that stands twice is refused where it is one we read.
///
/// # Errors
/// When `text` is not an object, or not this one.
pub fn object<'a, T: Deserialize<'a>>(part: &str, text: &'a str) -> Result<T, Malformed> {
    if !text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{') {
        return Err(Malformed::new(part, Rule::NotAnObject));
    }
    serde_json::from_str(text).map_err(|error| Malformed::new(part, Rule::Json { detail: encoding::visible(&error.to_string()) }))
}

impl Receipt {
    /// Reads a receipt. The order of its members is not looked at: a store may have changed it.
    ///
    /// # Errors
    /// When a member has another form, is missing or too many, or does not fit the head.
    pub fn parse(part: &str, text: &str) -> Result<Self, Malformed> {
        if text.len() > RECEIPT_BYTES_MAX {
            return Err(Malformed::new(part, Rule::TooLong { bytes_max: RECEIPT_BYTES_MAX }));
        }
        let raw: RawReceipt = object(part, text)?;
        Self::checked(raw).map_err(|broken| broken.within(part))
    }

    fn checked(raw: RawReceipt) -> Result<Self, Malformed> {
        let entry = Entry::checked(&raw.origin, raw.index, &raw.leaf_hash)?;
        let inclusion = match (raw.proof, raw.head) {
            (None, None) => None,
            (Some(hashes), Some(head)) => {
                let path = proof::path("proof", hashes.iter().map(String::as_str))?;
                let checkpoint = Checkpoint::parse(&head).map_err(|broken| broken.within("head"))?;
                if checkpoint.head.origin != entry.origin {
                    return Err(Malformed::new("origin", Rule::NotTheHeads));
                }
                Some(Inclusion::new(entry.index, path, checkpoint)?)
            }
            (Some(_), None) | (None, Some(_)) => return Err(Malformed::new("proof", Rule::HalfProof)),
        };
        Ok(Self { entry, inclusion })
    }
}

impl Entry {
    /// Reads what `qovsaq journal show --json` prints: origin, index, leaf hash, and whatever else there is.
    ///
    /// # Errors
    /// When one of the three is missing or has another form.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let raw: RawEntry = object("entry", text)?;
        Self::checked(&raw.origin, raw.index, &raw.leaf_hash).map_err(|broken| broken.within("entry"))
    }

    fn checked(origin: &str, index: u64, leaf_hash: &str) -> Result<Self, Malformed> {
        Ok(Self { origin: encoding::origin("origin", origin)?, index, leaf_hash: encoding::hash("leaf_hash", leaf_hash)? })
    }
}

impl Answer {
    /// Reads the receipts of an answer or a problem document; what else it says is passed over.
    ///
    /// # Errors
    /// When one of them is no receipt, or there are more elements than are looked at.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let raw: RawAnswer<'_> = object("answer", text)?;
        let receipt = raw.receipt.map(|receipt| Receipt::parse("receipt", receipt.get())).transpose()?;
        let raw_elements = raw.elements.unwrap_or_default();
        if raw_elements.len() > ELEMENTS_MAX {
            return Err(Malformed::new("elements", Rule::TooMany { max: ELEMENTS_MAX }));
        }
        let mut elements = Vec::with_capacity(raw_elements.len());
        for (at, raw) in raw_elements.iter().enumerate() {
            elements.push(Element::parse(&format!("elements[{at}]"), raw.get())?);
        }
        Ok(Self { receipt, elements })
    }
}

impl Element {
    fn parse(part: &str, text: &str) -> Result<Self, Malformed> {
        let raw: RawElement<'_> = object(part, text)?;
        let receipt = raw.receipt.map(|receipt| Receipt::parse(&format!("{part}.receipt"), receipt.get())).transpose()?;
        // A name made to look like something else is left out; the number is enough to find the element.
        let plain = |name: &String| name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let part = raw.element.filter(plain).map_or_else(|| part.to_owned(), |name| format!("{part} ({name})"));
        Ok(Self { part, receipt, is_answered: raw.outcome.is_some() })
    }
}
