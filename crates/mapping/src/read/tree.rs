//! The compiled form of a mapping's response: one tree of the names it knows, and for each what to
//! do when the walk comes by. Made by [`crate::compile`], read by [`super::walk`].

use model::{Absence, Decimal, Outcome, Value};

use crate::convert::Conversion;
use crate::raw::Pick;

/// Most conditions of all outcome rules together: one machine word of marks.
pub(crate) const MARKS_MAX: usize = 128;
/// Most values read in one record, alternatives counted: one machine word again.
pub(crate) const PLACES_MAX: usize = 128;
/// Most texts compared by one list's `where`.
pub(crate) const FILTERS_MAX: usize = 32;

/// A set of marks.
pub(crate) type Marks = u128;

/// The mark of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark(pub(crate) u8);

impl Mark {
    /// The set of this mark alone.
    pub(crate) fn bit(self) -> Marks {
        1 << self.0
    }
}

/// A compiled response.
#[derive(Debug)]
pub(crate) struct Tree {
    /// What the body is.
    pub(crate) syntax: Syntax,
    /// Node 0 is the root: the SOAP body or the JSON document.
    pub(crate) nodes: Vec<Node>,
    /// Scope 0 is the record, the others are items of lists.
    pub(crate) scopes: Vec<Scope>,
    /// Fault codes that rules name.
    pub(crate) faults: Vec<(FaultName, Mark)>,
    /// The outcome rules, in order.
    pub(crate) rules: Vec<Rule>,
    /// Path of the record, for messages.
    pub(crate) at: Box<str>,
    /// Fields that the contract's `confirms` names.
    pub(crate) confirming: Vec<Box<str>>,
}

/// What the body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// SOAP 1.1.
    Soap11,
    /// SOAP 1.2.
    Soap12,
    /// JSON.
    Json,
}

/// A name that the mapping knows, below its parent.
#[derive(Debug)]
pub(crate) struct Node {
    /// Namespace; `None` for none and for JSON.
    pub(crate) ns: Option<Box<str>>,
    /// Local name or key.
    pub(crate) name: Box<str>,
    /// Path from the root, as the mapping writes it.
    pub(crate) path: Box<str>,
    /// Known names below.
    pub(crate) children: Vec<usize>,
    /// Nothing below is read or reported.
    pub(crate) ignore: bool,
    /// Mark set when the walk comes here.
    pub(crate) exists: Option<Mark>,
    /// Mark set when there is nothing inside.
    pub(crate) empty: Option<Mark>,
    /// Marks set when the text is this one.
    pub(crate) equals: Vec<(Box<str>, Mark)>,
    /// Bits of the item's filter set when the text is this one.
    pub(crate) filters: Vec<(Box<str>, u32)>,
    /// Places of the record that count how often the walk comes here.
    pub(crate) counts: Vec<usize>,
    /// What begins here.
    pub(crate) opens: Opens,
    /// The value read here.
    pub(crate) leaf: Option<Leaf>,
}

impl Node {
    /// A node nothing is known of yet.
    pub(crate) fn new(ns: Option<Box<str>>, name: &str, path: String) -> Self {
        Self {
            ns,
            name: name.into(),
            path: path.into(),
            children: Vec::new(),
            ignore: false,
            exists: None,
            empty: None,
            equals: Vec::new(),
            filters: Vec::new(),
            counts: Vec::new(),
            opens: Opens::Nothing,
            leaf: None,
        }
    }

    /// Whether its text is wanted.
    pub(crate) fn is_value(&self) -> bool {
        self.leaf.is_some() || !self.equals.is_empty() || !self.filters.is_empty() || matches!(self.opens, Opens::Plain(_))
    }

    /// Whether a structure is promised below it; otherwise it is there for an outcome rule alone.
    pub(crate) fn is_structure(&self) -> bool {
        !self.children.is_empty() || matches!(self.opens, Opens::Record | Opens::Item { .. })
    }
}

/// What begins at a node.
#[derive(Debug)]
pub(crate) enum Opens {
    /// Nothing.
    Nothing,
    /// The record.
    Record,
    /// An item of a list of records.
    Item {
        /// Place of the list in its record.
        place: usize,
        /// Scope of the item.
        scope: usize,
        /// Most items.
        max: usize,
    },
    /// An item of a list of plain values.
    Plain(Box<Plain>),
}

/// A list of plain values.
#[derive(Debug)]
pub(crate) struct Plain {
    /// Place of the list in its record.
    pub(crate) place: usize,
    /// Most items.
    pub(crate) max: usize,
    /// Path in the contract.
    pub(crate) path: Box<str>,
    /// Index of the field in the contract.
    pub(crate) index: usize,
    /// How an item is converted.
    pub(crate) conversion: Conversion,
}

/// A value.
#[derive(Debug)]
pub(crate) struct Leaf {
    /// Which bit of the record remembers that it came by.
    pub(crate) seen: usize,
    /// What is made of it: more than one where a source puts two facts into one text.
    pub(crate) targets: Vec<Target>,
}

/// What is made of a value.
#[derive(Debug)]
pub(crate) struct Target {
    /// Place in the record.
    pub(crate) place: usize,
    /// Path in the contract.
    pub(crate) path: Box<str>,
    /// Index of the field in the contract.
    pub(crate) index: usize,
    /// Whether "none" is accepted here: the field is optional, or another path may still have it.
    pub(crate) absent_ok: bool,
    /// Which of several.
    pub(crate) pick: Option<Pick>,
    /// How it is converted.
    pub(crate) conversion: Conversion,
}

/// The record, or an item of a list.
#[derive(Debug)]
pub(crate) struct Scope {
    /// Number of fields of the contract's shape.
    pub(crate) fields: usize,
    /// Number of places: fields, then the alternatives of `from: [a, b]`.
    pub(crate) places: usize,
    /// Places that start as an empty list of records.
    pub(crate) lists: Vec<usize>,
    /// Places that start as an empty list of values.
    pub(crate) plain_lists: Vec<usize>,
    /// Places that start as a count of 0.
    pub(crate) counts: Vec<usize>,
    /// Places that must have come by, with their paths.
    pub(crate) required: Vec<(usize, Box<str>)>,
    /// Places with alternatives: place, path, whether none is accepted, and the alternatives in order.
    pub(crate) alternatives: Vec<Alternatives>,
    /// Numbers whose unit stands beside them.
    pub(crate) units: Vec<Unit>,
    /// Filter bits that an item must have.
    pub(crate) filters: u32,
    /// Path of the list in the contract, or of the record on the wire.
    pub(crate) path: Box<str>,
}

/// A number and the text that names its unit.
#[derive(Debug)]
pub(crate) struct Unit {
    /// The number's place.
    pub(crate) place: usize,
    /// The unit's place.
    pub(crate) by: usize,
    /// Path of the number in the contract.
    pub(crate) path: Box<str>,
    /// Units and what their numbers are multiplied by.
    pub(crate) factors: Vec<(Box<str>, Decimal)>,
}

impl Unit {
    /// Brings the number into the contract's unit. Where there is no number, there is nothing to bring.
    pub(crate) fn apply(&self, values: &mut [Value]) -> Result<(), &'static str> {
        let unit = values.get(self.by).and_then(Value::as_text);
        let factor = self.factors.iter().find(|(name, _)| unit == Some(&**name)).map(|(_, factor)| factor.clone());
        let Some(Value::Decimal(number)) = values.get_mut(self.place) else { return Ok(()) };
        let factor = factor.ok_or("unknown-unit")?;
        *number = number.times(&factor).ok_or("wrong-decimal")?;
        Ok(())
    }
}

/// A place filled by the first of several paths.
#[derive(Debug)]
pub(crate) struct Alternatives {
    /// The field's place.
    pub(crate) place: usize,
    /// Path in the contract.
    pub(crate) path: Box<str>,
    /// Whether the source may state none.
    pub(crate) optional: bool,
    /// Places of the alternatives, in order.
    pub(crate) from: Vec<usize>,
}

/// A fault code in a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FaultName {
    /// Namespace; `None` for a code of SOAP itself or one without a prefix.
    pub(crate) ns: Option<Box<str>>,
    /// Local name, matching itself and the finer codes below it.
    pub(crate) name: Box<str>,
}

/// An outcome rule.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    /// Ranges of HTTP status, both ends counted; empty for any.
    pub(crate) status: Vec<(u16, u16)>,
    /// Whether the answer must be a fault.
    pub(crate) fault: bool,
    /// Marks that must be set.
    pub(crate) needs: Marks,
    /// Marks that must not be set, in an answer that is no fault.
    pub(crate) forbids: Marks,
    /// What the answer then is.
    pub(crate) outcome: Outcome,
    /// What an absence means, where the rule says less than the contract.
    pub(crate) absence: Option<Absence>,
    /// Whether the answer must name whom it speaks of, as a record must.
    pub(crate) confirmed: bool,
    /// Whether the body must be a scanned page; then nothing else of it is looked at.
    pub(crate) scan: bool,
}

impl Rule {
    /// Whether the status is one of the rule's.
    pub(crate) fn takes_status(&self, status: u16) -> bool {
        self.status.is_empty() || self.status.iter().any(|(low, high)| (*low..=*high).contains(&status))
    }

    /// Whether its outcome says something of the person or record asked about: then the source itself must
    /// have said so in the body, for a status, an empty body or any fault can just as well come from a
    /// wrong address or a proxy on the way.
    pub(crate) fn wants_a_sign(&self) -> bool {
        match self.outcome {
            Outcome::Found | Outcome::NotFound | Outcome::NotHeldElectronically | Outcome::Stale => true,
            Outcome::Unavailable | Outcome::Denied | Outcome::InvalidData => false,
        }
    }

    /// Whether nothing but the status decides.
    pub(crate) fn by_status_alone(&self) -> bool {
        !self.status.is_empty() && !self.fault && !self.scan && self.needs == 0 && self.forbids == 0
    }
}
