//! What both syntaxes share: marks, frames and values, filled while a parser walks the answer.

use std::sync::Arc;

use model::{Facts, Flag, Outcome, Profile, Record, Repeated, Value};

use super::tree::{Marks, Node, Opens, Rule, Scope, Target, Tree};
use super::{Limits, ReadError, Reading, Undeclared};
use crate::convert::{Conversion, Converted, Token};
use crate::raw::Pick;

/// The state of one walk.
#[derive(Debug)]
pub(crate) struct Walk<'p> {
    pub(crate) tree: &'p Tree,
    pub(crate) limits: &'p Limits,
    profile: Profile,
    frames: Vec<Frame<'p>>,
    record: Option<Record>,
    marks: Marks,
    fault: bool,
    answered: bool,
    undeclared: Undeclared,
    flags: Vec<Flag>,
    error: Option<FieldError<'p>>,
    /// The first confirming field that is there and cannot be read: it counts without a record, too.
    unconfirmed: Option<FieldError<'p>>,
}

/// A broken field: path and rule.
type FieldError<'p> = (&'p str, &'static str);

/// A record being filled.
#[derive(Debug)]
struct Frame<'p> {
    scope: &'p Scope,
    values: Vec<Value>,
    /// Leaves that came by.
    seen: u128,
    /// Places that have a value.
    filled: u128,
    /// Filter bits.
    passed: u32,
    /// The first broken field, which counts only where the item does.
    error: Option<FieldError<'p>>,
    /// How many flags there were before the item.
    flags_before: usize,
}

/// Whether the walk goes into a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Enter {
    /// Yes.
    Into,
    /// No: its content is skipped.
    Skip,
}

impl<'p> Walk<'p> {
    pub(crate) fn new(tree: &'p Tree, profile: Profile, limits: &'p Limits) -> Self {
        Self {
            tree,
            limits,
            profile,
            frames: Vec::with_capacity(tree.scopes.len()),
            record: None,
            marks: 0,
            fault: false,
            answered: false,
            undeclared: Undeclared::default(),
            flags: Vec::new(),
            error: None,
            unconfirmed: None,
        }
    }

    /// The node comes by.
    pub(crate) fn enter(&mut self, node: &'p Node) -> Enter {
        if let Some(mark) = node.exists {
            self.marks |= mark.bit();
        }
        if let Some(frame) = self.frames.last_mut() {
            for place in &node.counts {
                if let Some(Value::Int(count)) = frame.values.get_mut(*place) {
                    *count += 1;
                }
            }
        }
        if node.ignore {
            return Enter::Skip;
        }
        match node.opens {
            Opens::Nothing => {}
            Opens::Record if self.record.is_some() || !self.frames.is_empty() => {
                self.broken(&node.path, "repeated-record");
                // The second may name somebody else than the first.
                self.unconfirmed = self.unconfirmed.or(Some((&node.path, "repeated-record")));
                return Enter::Skip;
            }
            Opens::Record => self.open(0),
            Opens::Item { place, scope, max } => {
                let full = |frame: &Frame<'_>| matches!(frame.values.get(place), Some(Value::Records(items)) if items.len() >= max);
                if self.frames.last().is_none_or(full) {
                    self.broken(&self.tree.scopes[scope].path, "too-many-items");
                    return Enter::Skip;
                }
                self.open(scope);
            }
            Opens::Plain(ref plain) => {
                let full =
                    |frame: &Frame<'_>| matches!(frame.values.get(plain.place), Some(Value::Values(items)) if items.len() >= plain.max);
                if self.frames.last().is_none_or(full) {
                    self.broken(&plain.path, "too-many-items");
                    return Enter::Skip;
                }
            }
        }
        Enter::Into
    }

    fn open(&mut self, scope: usize) {
        let scope = &self.tree.scopes[scope];
        let mut values = vec![Value::Null; scope.places];
        for place in &scope.lists {
            values[*place] = Value::Records(Vec::new());
        }
        for place in &scope.plain_lists {
            values[*place] = Value::Values(Vec::new());
        }
        for place in &scope.counts {
            values[*place] = Value::Int(0);
        }
        self.frames.push(Frame { scope, values, seen: 0, filled: 0, passed: 0, error: None, flags_before: self.flags.len() });
    }

    /// The node is over; `empty` says that there was nothing inside.
    pub(crate) fn leave(&mut self, node: &'p Node, empty: bool) {
        if empty {
            self.came_empty(node);
        }
        match node.opens {
            Opens::Nothing | Opens::Plain(_) => {}
            Opens::Record => {
                if let Some(frame) = self.frames.pop() {
                    let (record, error) = frame.close();
                    self.record = Some(record);
                    self.error = self.error.or(error);
                }
            }
            Opens::Item { place, .. } => {
                let Some(frame) = self.frames.pop() else { return };
                if frame.passed & frame.scope.filters != frame.scope.filters {
                    self.flags.truncate(frame.flags_before);
                    return;
                }
                let (record, error) = frame.close();
                if let Some(parent) = self.frames.last_mut() {
                    parent.error = parent.error.or(error);
                    if let Some(Value::Records(items)) = parent.values.get_mut(place) {
                        items.push(record);
                    }
                }
            }
        }
    }

    /// The node came as a list or object without content.
    pub(crate) fn came_empty(&mut self, node: &'p Node) {
        if let Some(mark) = node.empty {
            self.marks |= mark.bit();
        }
    }

    /// The node holds this value.
    pub(crate) fn value(&mut self, node: &'p Node, token: Token<'_>) {
        if !node.equals.is_empty() || !node.filters.is_empty() {
            self.compare(node, token);
        }
        if let Opens::Plain(plain) = &node.opens {
            let converted = self.convert(&plain.conversion, token);
            match converted {
                Ok(Converted::Value(value)) => self.push(plain.place, value),
                Ok(Converted::Flagged(value, reason)) => {
                    self.flags.push(Flag { field: plain.index, reason });
                    self.push(plain.place, value);
                }
                Ok(Converted::Absent) => self.broken(&plain.path, "absent-value"),
                Err(rule) => self.broken(&plain.path, rule),
            }
        }
        if let Some(leaf) = &node.leaf {
            let Some(frame) = self.frames.last_mut() else { return };
            let again = frame.seen & (1 << leaf.seen) != 0;
            frame.seen |= 1 << leaf.seen;
            for target in &leaf.targets {
                match (again, target.pick) {
                    (true, None) => self.broken(&target.path, "repeated-value"),
                    (true, Some(Pick::First)) => {}
                    (true, Some(Pick::Last)) | (false, _) => self.fill(target, token),
                }
            }
        }
    }

    fn fill(&mut self, target: &'p Target, token: Token<'_>) {
        let value = match self.convert(&target.conversion, token) {
            Ok(Converted::Value(value)) => value,
            Ok(Converted::Flagged(value, reason)) => {
                self.flags.push(Flag { field: target.index, reason });
                value
            }
            Ok(Converted::Absent) if target.absent_ok => Value::Null,
            Ok(Converted::Absent) => return self.broken(&target.path, "absent-value"),
            Err(rule) => return self.broken(&target.path, rule),
        };
        if let Some(frame) = self.frames.last_mut() {
            if let Some(place) = frame.values.get_mut(target.place) {
                *place = value;
            }
            frame.filled |= 1 << target.place;
        }
    }

    fn convert(&self, conversion: &Conversion, token: Token<'_>) -> Result<Converted, &'static str> {
        match token {
            Token::Text(text) if text.len() > self.limits.text_bytes => Err("text-too-long"),
            Token::Number(digits) if digits.len() > self.limits.text_bytes => Err("text-too-long"),
            token => conversion.convert(token, self.profile),
        }
    }

    fn push(&mut self, place: usize, value: Value) {
        if let Some(Value::Values(items)) = self.frames.last_mut().and_then(|frame| frame.values.get_mut(place)) {
            items.push(value);
        }
    }

    fn compare(&mut self, node: &Node, token: Token<'_>) {
        let text = match token {
            Token::Text(text) => text.trim_ascii(),
            Token::Number(digits) => digits,
            Token::Bool(value) => {
                if value {
                    "true"
                } else {
                    "false"
                }
            }
            Token::Null => return,
        };
        let text = crate::convert::normal(text);
        for (wanted, mark) in &node.equals {
            if **wanted == *text {
                self.marks |= mark.bit();
            }
        }
        if let Some(frame) = self.frames.last_mut() {
            for (wanted, bit) in &node.filters {
                if **wanted == *text {
                    frame.passed |= bit;
                }
            }
        }
    }

    /// A field is broken. It counts only if the answer is `FOUND` and its item is kept, so the walk goes on.
    pub(crate) fn broken(&mut self, path: &'p str, rule: &'static str) {
        let slot = self.frames.last_mut().map_or(&mut self.error, |frame| &mut frame.error);
        slot.get_or_insert((path, rule));
        // A source that leaves the field empty repeats nothing; any other broken value is not the one asked about.
        if rule != "absent-value" && self.unconfirmed.is_none() && self.tree.confirming.iter().any(|field| **field == *path) {
            self.unconfirmed = Some((path, rule));
        }
    }

    /// A node does not have the structure its place in the mapping promises.
    pub(crate) fn misshapen(&mut self, node: &'p Node) {
        let path = match (&node.opens, node.leaf.as_ref().and_then(|leaf| leaf.targets.first())) {
            (Opens::Plain(plain), _) => &plain.path,
            (Opens::Item { scope, .. }, _) => &self.tree.scopes[*scope].path,
            (Opens::Nothing | Opens::Record, Some(target)) => &target.path,
            (Opens::Nothing | Opens::Record, None) => &node.path,
        };
        self.broken(path, "wrong-structure");
    }

    /// The whole answer came by, and was well-formed.
    pub(crate) fn answered(&mut self) {
        self.answered = !self.fault;
    }

    /// The answer is a fault.
    pub(crate) fn fault(&mut self) {
        self.fault = true;
    }

    /// The fault has this code: its namespace where it has a prefix, and its name.
    pub(crate) fn fault_code(&mut self, ns: Option<&str>, of_soap: bool, name: &str) {
        for (wanted, mark) in &self.tree.faults {
            let same_ns = match &wanted.ns {
                Some(wanted) => ns == Some(wanted),
                None => of_soap,
            };
            let finer = |rest: &str| rest.is_empty() || rest.starts_with('.');
            if same_ns && name.strip_prefix(&*wanted.name).is_some_and(finer) {
                self.marks |= mark.bit();
            }
        }
    }

    /// The answer has a part that the mapping does not know.
    pub(crate) fn undeclared(&mut self, name: &str) {
        self.undeclared.count += 1;
        if self.undeclared.samples.len() < Undeclared::SAMPLES_MAX {
            let name = sample(name);
            if !self.undeclared.samples.iter().any(|known| **known == *name) {
                self.undeclared.samples.push(name.into());
            }
        }
    }

    /// Classifies the answer once the walk is over. What speaks of the person takes a mark that only a body
    /// can set, whatever the rule's other conditions are.
    ///
    /// # Errors
    /// When no rule matches, when the answer is `FOUND` and a field is broken, or when it says that there is no
    /// record and names somebody who cannot be read.
    pub(crate) fn finish(mut self, plan: &crate::Plan, status: u16) -> Result<Reading, ReadError> {
        let (marks, fault) = (self.marks, self.fault);
        let holds = |rule: &Rule| {
            rule.takes_status(status)
                && !rule.scan
                && (rule.needs != 0 || !rule.wants_a_sign())
                && (fault || !rule.fault)
                && marks & rule.needs == rule.needs
                && (rule.forbids == 0 || self.answered && marks & rule.forbids == 0)
        };
        let rule = self.tree.rules.iter().position(holds).ok_or(ReadError::NoRule { status, fault })?;
        let Rule { outcome, absence, confirmed, .. } = self.tree.rules[rule];
        let facts = match outcome {
            Outcome::Found => {
                if let Some((path, rule)) = self.error {
                    return Err(ReadError::Field { path: path.into(), rule });
                }
                let record = self.record.take().ok_or_else(|| ReadError::Field { path: self.tree.at.clone(), rule: "missing-record" })?;
                Some(Facts { service: Arc::clone(plan.service()), record, flags: self.flags })
            }
            _ => {
                if let Some((path, rule)) = self.unconfirmed.filter(|_| self.tree.rules[rule].wants_a_sign()) {
                    return Err(ReadError::Field { path: path.into(), rule });
                }
                None
            }
        };
        let repeated = match facts {
            Some(_) => Repeated::default(),
            None => Repeated::of(plan.service(), self.record, confirmed),
        };
        let absence = (outcome == Outcome::NotFound).then(|| absence.unwrap_or(plan.service().absence));
        Ok(Reading { outcome, absence, rule, facts, repeated, undeclared: self.undeclared })
    }
}

impl<'p> Frame<'p> {
    /// The record in the contract's shape, and the first broken field.
    fn close(mut self) -> (Record, Option<FieldError<'p>>) {
        for several in &self.scope.alternatives {
            let first = several.from.iter().find(|place| !matches!(self.values.get(**place), None | Some(Value::Null)));
            match first {
                Some(place) => self.values.swap(several.place, *place),
                None if several.optional => {}
                None => self.error = self.error.or(Some((&several.path, "missing-value"))),
            }
        }
        for (place, path) in &self.scope.required {
            if self.error.is_none() && self.filled & (1 << place) == 0 {
                self.error = Some((path, "missing-value"));
            }
        }
        for unit in &self.scope.units {
            if let Err(rule) = unit.apply(&mut self.values) {
                self.error = self.error.or(Some((&unit.path, rule)));
            }
        }
        self.values.truncate(self.scope.fields);
        (Record { values: self.values }, self.error)
    }
}

/// A name fit for a log: identifiers hide in keys (`{"5K7QX2O": …}`), so only what looks like a name
/// and not like a number or code is shown.
fn sample(name: &str) -> &str {
    let formed = name.len() <= 64 && name.chars().all(|sign| sign.is_alphanumeric() || matches!(sign, '_' | '-' | '.'));
    let starts_well = name.chars().next().is_some_and(|sign| sign.is_alphabetic() || sign == '_');
    let digits = name.chars().filter(char::is_ascii_digit).count();
    let ascii = |good: fn(&u8) -> bool| name.bytes().all(|b| good(&b));
    let like_fin = name.len() == 7 && (digits > 0 && ascii(u8::is_ascii_alphanumeric) || ascii(u8::is_ascii_uppercase));
    if formed && starts_well && digits < 4 && !like_fin { name } else { "…" }
}

#[cfg(test)]
mod tests {
    use super::sample;

    #[test]
    fn names_that_could_identify_a_person_are_not_sampled() {
        for good in ["QanQrupu", "GozRengi", "qan_qrupu", "Ünvan2", "foto"] {
            assert_eq!(sample(good), good);
        }
        for bad in ["", "5K7QX2O", "AK7QX2O", "ak7qx2o", "ABCDEFG", "9900001233", "n9900", "a b", "a\u{1b}[2J", &"x".repeat(65)] {
            assert_eq!(sample(bad), "…", "{bad}");
        }
    }
}
