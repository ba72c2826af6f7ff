//! Answers: classified by the outcome rules, read field by field, in one walk.

mod json;
pub(crate) mod tree;
mod walk;
pub(crate) mod xml;

use model::{Absence, Facts, Outcome, Profile, Repeated};

use crate::plan::Plan;
use tree::{Rule, Syntax};
use walk::Walk;

/// An answer as its protocol carried it.
#[derive(Clone, Copy)]
pub struct WireAnswer<'a> {
    /// HTTP status.
    pub status: u16,
    /// The body's bytes; for SOAP the whole envelope.
    pub body: &'a [u8],
}

impl std::fmt::Debug for WireAnswer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WireAnswer").field("status", &self.status).field("body_bytes", &self.body.len()).finish()
    }
}

/// Bounds of one answer. The walk stops at the first excess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest body, in bytes. Default 4 MiB.
    pub body_bytes: usize,
    /// Deepest nesting of elements, envelope included. Default 32. JSON is bounded by its parser (128).
    pub depth: usize,
    /// Most elements, or keys and items. Default 100,000.
    pub nodes: usize,
    /// Longest text of a value that is read, in bytes. Default 16 KiB. Parts that are not read do not count.
    pub text_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body_bytes: 4 << 20, depth: 32, nodes: 100_000, text_bytes: 16 << 10 }
    }
}

/// What an answer came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The outcome.
    pub outcome: Outcome,
    /// What the absence means, for [`Outcome::NotFound`] alone: the rule's own word where it has one, else the
    /// contract's. A dossier may still tighten it.
    pub absence: Option<Absence>,
    /// Which rule decided it: index into [`crate::Plan::rules`].
    pub rule: usize,
    /// The record, for [`Outcome::Found`] alone.
    pub facts: Option<Facts>,
    /// Where there is no record: what the answer repeats of its question, for [`crate::Plan::contradiction`]. Nothing
    /// else of such an answer is kept.
    pub repeated: Repeated,
    /// What the answer has beyond the mapping's read set.
    pub undeclared: Undeclared,
}

/// Parts of an answer that the mapping does not name: dropped, counted, reported to the source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Undeclared {
    /// How many; a part with everything in it counts once.
    pub count: u64,
    /// Names of the first few different ones, at most [`Undeclared::SAMPLES_MAX`]; never their content. A name
    /// that could itself be an identifier stands as `…`.
    pub samples: Vec<Box<str>>,
}

impl Undeclared {
    /// Most sampled names.
    pub const SAMPLES_MAX: usize = 8;
}

/// Why an answer is `INVALID_DATA`. The origin is always the provider (or a mapping that does not
/// fit it); none is worth a retry by itself. Carries paths and rules, never a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The body is not the promised syntax: broken, cut off, or with something forbidden such as a DOCTYPE.
    #[error("the answer is not acceptable {syntax}: {rule}, near byte {at}")]
    Malformed {
        /// `XML`, `SOAP` or `JSON`.
        syntax: &'static str,
        /// The broken rule, such as `doctype`.
        rule: &'static str,
        /// Offset in the body, in bytes.
        at: u64,
    },
    /// The answer exceeds one of [`Limits`].
    #[error("the answer exceeds the limit of {limit} {what}")]
    Limit {
        /// The limit, such as `nodes`.
        what: &'static str,
        /// Its value.
        limit: usize,
    },
    /// The answer is well-formed, and no outcome rule knows it.
    #[error("no outcome rule matches the answer (status {status}, fault: {fault})")]
    NoRule {
        /// HTTP status.
        status: u16,
        /// Whether the body is a SOAP fault.
        fault: bool,
    },
    /// A field breaks the contract or the mapping's word about it.
    #[error("`{path}`: {rule}")]
    Field {
        /// Canonical path of the field, such as `months[].month`, or the wire path where it belongs to none.
        path: Box<str>,
        /// The broken rule, such as `wrong-date`.
        rule: &'static str,
    },
}

impl ReadError {
    /// Stable name of the broken rule.
    #[must_use]
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Malformed { rule, .. } | Self::Field { rule, .. } => rule,
            Self::Limit { .. } => "limit",
            Self::NoRule { .. } => "no-outcome-rule",
        }
    }

    /// The field or part concerned, where there is one.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        if let Self::Field { path, .. } = self { Some(path) } else { None }
    }
}

/// Reads an answer by a plan.
pub(crate) fn read(plan: &Plan, answer: WireAnswer<'_>, profile: Profile, limits: &Limits) -> Result<Reading, ReadError> {
    let tree = &plan.tree;
    if tree.syntax == Syntax::Json && answer.body.starts_with(PDF) {
        let malformed = ReadError::Malformed { syntax: "JSON", rule: "scanned-page", at: 0 };
        return without_data(&tree.rules, |rule| rule.scan, answer.status).ok_or(malformed);
    }
    let mut walk = Walk::new(tree, profile, limits);
    match parse(&mut walk, tree.syntax, answer.body, limits) {
        Ok(()) => walk.finish(plan, answer.status),
        Err(error) => without_data(&tree.rules, |_| false, answer.status).ok_or(error),
    }
}

/// How a PDF begins (ISO 32000-2, 7.5.2): what offices send that have scanned a page.
const PDF: &[u8] = b"%PDF-";

fn parse(walk: &mut Walk<'_>, syntax: Syntax, body: &[u8], limits: &Limits) -> Result<(), ReadError> {
    if body.is_empty() {
        return Ok(());
    }
    if body.len() > limits.body_bytes {
        return Err(ReadError::Limit { what: "bytes", limit: limits.body_bytes });
    }
    let name = if syntax == Syntax::Json { "JSON" } else { "XML" };
    let text = std::str::from_utf8(body).map_err(|error| {
        let at = u64::try_from(error.valid_up_to()).unwrap_or(u64::MAX);
        ReadError::Malformed { syntax: name, rule: "not-utf-8", at }
    })?;
    // Some sources send a byte order mark (RFC 8259 section 8.1 lets a parser ignore it).
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    match syntax {
        Syntax::Json => json::walk(walk, text)?,
        Syntax::Soap11 | Syntax::Soap12 => xml::walk(walk, text)?,
    }
    walk.answered();
    Ok(())
}

/// What is said by an answer that cannot be read, such as the HTML page of a proxy with status 503: by its status that the
/// source could not be asked or refused, never anything about the person; by what the body `is` where that is a sign of its own.
fn without_data(rules: &[Rule], is: impl Fn(&Rule) -> bool, status: u16) -> Option<Reading> {
    let says_enough = |rule: &Rule| rule.takes_status(status) && (is(rule) || rule.by_status_alone() && !rule.wants_a_sign());
    let rule = rules.iter().position(says_enough)?;
    let repeated = Repeated::default();
    Some(Reading { outcome: rules[rule].outcome, absence: None, rule, facts: None, repeated, undeclared: Undeclared::default() })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use model::document::Document;
    use model::{Outcome, Problems, Profile, ServiceId};

    use super::tree::Rule;
    use super::{Limits, WireAnswer};
    use crate::Plan;

    fn shipped(id: &str) -> Plan {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut problems = Problems::default();
        let snapshot = model::load::load(&root.join("contracts"), jiff::civil::date(2026, 3, 11), &mut problems);
        let service = snapshot.services.get(&ServiceId::new(id).expect("a service")).expect("a shipped contract");
        let document = Document::read(&root.join("mappings").join(format!("{id}@1.0.0.yaml"))).expect("the file");
        crate::compile(&document, service, &mut problems).expect("a plan")
    }

    /// The check refuses such rules; the reader does not rely on it.
    #[test]
    fn a_rule_that_no_body_decides_never_speaks_of_the_person() {
        let rule = |outcome, fault, forbids| Rule {
            status: vec![(404, 404)],
            fault,
            needs: 0,
            forbids,
            outcome,
            absence: None,
            confirmed: false,
            scan: false,
        };
        let fault = "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><s:Fault><faultcode>s:Client</faultcode></s:Fault></s:Body></s:Envelope>";
        let other = "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><x/></s:Body></s:Envelope>";
        let html = "<!DOCTYPE html><p>404<br></html>";
        for (id, bodies) in [
            ("azerishiq/subscriber", ["", "{}", r#"{"message":"no route"}"#, html]),
            ("interior/person-identity", ["", fault, other, html]),
        ] {
            let mut plan = shipped(id);
            for outcome in [Outcome::Found, Outcome::NotFound, Outcome::NotHeldElectronically, Outcome::Stale] {
                for rule in [rule(outcome, false, 0), rule(outcome, true, 0), rule(outcome, false, 1)] {
                    plan.tree.rules = vec![rule];
                    for body in bodies {
                        let answer = WireAnswer { status: 404, body: body.as_bytes() };
                        let read = plan.read(answer, Profile::Test, &Limits::default());
                        assert!(read.is_err(), "{id} {outcome} {body}: {read:?}");
                    }
                }
            }
            plan.tree.rules = vec![rule(Outcome::Unavailable, false, 0)];
            let read = plan.read(WireAnswer { status: 404, body: html.as_bytes() }, Profile::Test, &Limits::default());
            assert_eq!(read.map(|reading| reading.outcome), Ok(Outcome::Unavailable), "{id}");
        }
    }
}
