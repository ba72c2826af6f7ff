//! Questions in wire form: ordered typed writes, escaped by the writer, never pasted strings.

use std::collections::BTreeMap;
use std::fmt;

use model::{Consent, Subject, Value};

use crate::format::{self, DecimalFormat, Pattern};
use crate::raw::MoneyUnit;

/// A question's inputs besides the subject, by their names in the contract, in canonical form.
pub type Inputs = BTreeMap<Box<str>, Value>;

/// A question in canonical form. `Debug` names nobody.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Whom it is about, where its contract asks about somebody.
    pub subject: Option<&'a Subject>,
    /// Everything else it asks with; a list is [`Value::Values`].
    pub inputs: &'a Inputs,
    /// The person's consent, where the contract demands one. Whether it is this person's, for this provider and
    /// in force is decided before anything is written.
    pub consent: Option<&'a Consent>,
}

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
    /// Columns of a file and the texts that they must have.
    LookUp {
        /// Column and text, in the mapping's order.
        keys: Vec<(Box<str>, String)>,
    },
}

impl fmt::Debug for WireQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Soap { .. } => "Soap(…)",
            Self::Rest { .. } => "Rest(…)",
            Self::LookUp { .. } => "LookUp(…)",
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

/// A compiled request.
#[derive(Debug)]
pub(crate) enum Request {
    /// A SOAP body.
    Soap {
        /// SOAP action.
        action: Option<String>,
        /// Start of the root's tag with its namespaces, without `>`.
        root_open: String,
        /// End of the root.
        root_close: String,
        /// What is inside.
        items: Vec<Item>,
    },
    /// An HTTP request.
    Rest {
        /// Its method.
        method: &'static str,
        /// Its path.
        path: Vec<Segment>,
        /// Its query.
        query: Vec<(Box<str>, Slot)>,
        /// Its JSON body, for `POST`.
        items: Option<Vec<Item>>,
    },
    /// A look-up.
    LookUp {
        /// Columns and values.
        keys: Vec<(Box<str>, Slot)>,
    },
}

/// A part of a path.
#[derive(Debug)]
pub(crate) enum Segment {
    /// A fixed word, already encoded.
    Word(Box<str>),
    /// A value.
    Value(Slot),
}

/// A part of a body, in order.
#[derive(Debug)]
pub(crate) enum Item {
    /// An element or key with others inside, written where one of them is.
    Branch(Box<str>, Vec<Self>),
    /// A value.
    Value(Box<str>, Slot),
}

/// A value to write.
#[derive(Debug)]
pub(crate) struct Slot {
    /// Where it comes from.
    pub(crate) source: Source,
    /// How the mapping names it, for messages.
    pub(crate) name: Box<str>,
    /// Left out where the question has none.
    pub(crate) optional: bool,
    /// Left out where the question has this input, which stands in for it.
    pub(crate) unless: Option<Box<str>>,
    /// Most items, where every item of a list is written.
    pub(crate) list_max: Option<usize>,
    /// Its wire form.
    pub(crate) form: Form,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// The subject's FIN.
    Fin,
    /// The subject's PIN.
    Pin,
    /// The subject's taxpayer number.
    Tin,
    /// The subject's document series.
    Series,
    /// The subject's document number.
    Number,
    /// The subject's birth date.
    BirthDate,
    /// The consumer's reference of the consent.
    ConsentReference,
    /// SHA-256 of the consent, base64.
    ConsentSha256,
    /// An input of this name.
    Input(Box<str>),
    /// The same in every question.
    Const(Written),
}

/// How a value is written.
#[derive(Debug, Clone)]
pub(crate) enum Form {
    /// As it is.
    Text,
    /// A whole number.
    Int,
    /// An exact decimal.
    Decimal(DecimalFormat),
    /// Money.
    Money(MoneyUnit, DecimalFormat),
    /// `true` or `false`.
    Bool,
    /// A date.
    Date(Pattern),
    /// A month.
    Month(Pattern),
    /// A code on the wire for each of the contract's.
    Coded(Vec<(Value, Box<str>)>),
}

/// A written value: its text, and whether JSON writes it bare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    /// The text.
    pub(crate) text: String,
    /// A number or truth value.
    pub(crate) bare: bool,
}

/// Writes a question by a plan.
pub(crate) fn write(request: &Request, asked: &Asked<'_>) -> Result<WireQuestion, WriteError> {
    let question = Question(asked);
    match request {
        Request::Soap { action, root_open, root_close, items } => {
            let mut body = String::with_capacity(256);
            body.push_str(root_open);
            body.push('>');
            for item in items {
                question.element(item, &mut body)?;
            }
            body.push_str(root_close);
            Ok(WireQuestion::Soap { action: action.clone(), body: body.into_bytes() })
        }
        Request::Rest { method, path, query, items } => {
            let mut target = String::with_capacity(128);
            for segment in path {
                target.push('/');
                match segment {
                    Segment::Word(word) => target.push_str(word),
                    Segment::Value(slot) => question.segment(slot, &mut target)?,
                }
            }
            let mut sign = '?';
            for (name, slot) in query {
                if let Some(written) = question.written(slot)? {
                    target.push(sign);
                    encode(name, &mut target);
                    target.push('=');
                    encode(&written.text, &mut target);
                    sign = '&';
                }
            }
            let mut body = String::new();
            if let Some(items) = items {
                question.object(items, &mut body)?;
            }
            let body = items.is_some().then(|| body.into_bytes());
            Ok(WireQuestion::Rest { method, path_and_query: target, body })
        }
        Request::LookUp { keys } => {
            let mut written = Vec::with_capacity(keys.len());
            for (column, slot) in keys {
                if let Some(text) = question.written(slot)? {
                    written.push((column.clone(), text.text));
                }
            }
            Ok(WireQuestion::LookUp { keys: written })
        }
    }
}

struct Question<'q>(&'q Asked<'q>);

impl Question<'_> {
    fn element(&self, item: &Item, out: &mut String) -> Result<(), WriteError> {
        match item {
            Item::Value(name, slot) => {
                for written in self.all(slot)? {
                    open(name, out);
                    out.push_str(&quick_xml::escape::escape(written.text.as_str()));
                    close(name, out);
                }
            }
            Item::Branch(name, items) => {
                let mut inside = String::new();
                for item in items {
                    self.element(item, &mut inside)?;
                }
                if !inside.is_empty() {
                    open(name, out);
                    out.push_str(&inside);
                    close(name, out);
                }
            }
        }
        Ok(())
    }

    /// Writes an object; numbers by their exact digits, which no float could carry.
    fn object(&self, items: &[Item], out: &mut String) -> Result<(), WriteError> {
        out.push('{');
        for item in items {
            let before = out.len();
            if !out.ends_with('{') {
                out.push(',');
            }
            match item {
                Item::Value(name, slot) => {
                    let all = self.all(slot)?;
                    let values: Vec<_> = all.into_iter().map(Written::into_json).collect();
                    if values.is_empty() {
                        out.truncate(before);
                        continue;
                    }
                    let values = values.join(",");
                    out.push_str(&quoted(name));
                    out.push(':');
                    out.push_str(&if slot.list_max.is_some() { format!("[{values}]") } else { values });
                }
                Item::Branch(name, items) => {
                    let mut inside = String::new();
                    self.object(items, &mut inside)?;
                    if inside == "{}" {
                        out.truncate(before);
                    } else {
                        out.push_str(&quoted(name));
                        out.push(':');
                        out.push_str(&inside);
                    }
                }
            }
        }
        out.push('}');
        Ok(())
    }

    fn segment(&self, slot: &Slot, out: &mut String) -> Result<(), WriteError> {
        let written = self.written(slot)?.ok_or_else(|| WriteError::Missing(slot.name.clone()))?;
        // Encoding leaves points alone, and a path of points would climb out of its place (RFC 3986 section 5.2.4).
        if matches!(written.text.as_str(), "" | "." | "..") {
            return Err(WriteError::Unwritable(slot.name.clone()));
        }
        encode(&written.text, out);
        Ok(())
    }

    /// An input that the question has; an empty list is none.
    fn input(&self, name: &str) -> Option<&Value> {
        self.0.inputs.get(name).filter(|value| match value {
            Value::Null => false,
            Value::Values(items) => !items.is_empty(),
            Value::Bool(_) | Value::Int(_) | Value::Decimal(_) | Value::Text(_) | Value::Records(_) => true,
        })
    }

    /// Whether another value stands in for this one.
    fn is_replaced(&self, slot: &Slot) -> bool {
        slot.unless.as_deref().is_some_and(|name| self.input(name).is_some())
    }

    /// Everything that is written for a slot: every item of a list, else one value or none.
    fn all(&self, slot: &Slot) -> Result<Vec<Written>, WriteError> {
        let (Some(max), Source::Input(name)) = (slot.list_max, &slot.source) else {
            return Ok(self.written(slot)?.into_iter().collect());
        };
        if self.is_replaced(slot) {
            return Ok(Vec::new());
        }
        match self.input(name) {
            Some(Value::Values(items)) if items.len() <= max => items.iter().map(|item| slot.write(item)).collect(),
            Some(_) => Err(WriteError::WrongType(slot.name.clone())),
            // A list without items would be written like no list, which some sources take for "all".
            None if slot.optional => Ok(Vec::new()),
            None => Err(WriteError::Missing(slot.name.clone())),
        }
    }

    /// The value in wire form; `None` where the question has none and needs none.
    fn written(&self, slot: &Slot) -> Result<Option<Written>, WriteError> {
        if self.is_replaced(slot) {
            return Ok(None);
        }
        let text = |text: &str| Some(Value::Text(text.into()));
        let found = match (&slot.source, self.0.subject) {
            (Source::Const(written), _) => return Ok(Some(written.clone())),
            (Source::Input(name), _) => self.input(name).cloned(),
            (Source::ConsentReference, _) => self.0.consent.and_then(|consent| text(&consent.reference)),
            (Source::ConsentSha256, _) => self.0.consent.and_then(|consent| text(&consent.sha256)),
            (Source::Fin, Some(Subject::Fin(fin))) => text(fin),
            (Source::Pin, Some(Subject::Pin(pin))) => text(pin),
            (Source::Tin, Some(Subject::Tin(tin))) => text(tin),
            (Source::Series, Some(Subject::Document(by))) => text(&by.document.series),
            (Source::Number, Some(Subject::Document(by))) => text(&by.document.number),
            (Source::BirthDate, Some(Subject::Document(by))) => text(&by.birth_date.to_string()),
            (Source::Fin | Source::Pin | Source::Tin | Source::Series | Source::Number | Source::BirthDate, _) => None,
        };
        let Some(value) = found else {
            return if slot.optional { Ok(None) } else { Err(WriteError::Missing(slot.name.clone())) };
        };
        slot.write(&value).map(Some)
    }
}

impl Slot {
    fn write(&self, value: &Value) -> Result<Written, WriteError> {
        let written = self.form.write(value).ok_or_else(|| WriteError::WrongType(self.name.clone()))?;
        // No wire form can carry these, or carries them only to surprise its reader.
        if written.text.chars().any(|sign| sign.is_control() || matches!(sign, '\u{FFFE}' | '\u{FFFF}')) {
            return Err(WriteError::Unwritable(self.name.clone()));
        }
        Ok(written)
    }
}

impl Written {
    fn into_json(self) -> String {
        if self.bare { self.text } else { quoted(&self.text) }
    }
}

impl Form {
    fn write(&self, value: &Value) -> Option<Written> {
        let (text, bare) = match (self, value) {
            (Self::Text, Value::Text(text)) => (text.to_string(), false),
            (Self::Int, Value::Int(number)) => (number.to_string(), true),
            (Self::Decimal(format), Value::Decimal(decimal)) => {
                let text = decimal.as_str().replace('.', format.point.encode_utf8(&mut [0; 4]));
                (text, format.point == '.')
            }
            (Self::Money(unit, format), Value::Int(qapik)) => {
                (format::write_money(*qapik, *unit, *format), *unit == MoneyUnit::Qapik || format.point == '.')
            }
            (Self::Bool, Value::Bool(value)) => (value.to_string(), true),
            (Self::Date(pattern), Value::Text(iso)) if iso.len() == 10 => (pattern.write_date(iso.parse().ok()?), false),
            (Self::Month(pattern), Value::Text(iso)) if iso.len() == 7 => (pattern.write_date(format!("{iso}-01").parse().ok()?), false),
            (Self::Coded(codes), value) => {
                let (_, code) = codes.iter().find(|(own, _)| own == value)?;
                (code.to_string(), false)
            }
            _ => return None,
        };
        Some(Written { text, bare })
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn open(name: &str, out: &mut String) {
    out.push('<');
    out.push_str(name);
    out.push('>');
}

fn close(name: &str, out: &mut String) {
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

/// Percent-encodes all but the unreserved characters of RFC 3986 section 2.3.
pub(crate) fn encode(text: &str, out: &mut String) {
    const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 15)]);
        }
    }
}
