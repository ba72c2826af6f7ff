//! The cases of the suite, and what each comes to for a service: which answer is played to which question,
//! what must be told, how often the source may be asked. Pure.

use std::ops::RangeInclusive;

use bytes::Bytes;
use mapping::Protocol;
use model::contract::{Confirmed, Retry};
use model::{Absence, Outcome};
use serde_json::Value as Json;

use super::material::{Ask, Material, Shown};
use super::script::{self, Answer, Certificate, Script, Stage};
use super::spoil::{self, Syntax};
use super::told::Told;
use crate::limit::retry::ATTEMPTS_MAX;

/// What `Retry-After` says in the suite: longer than any question waits, so that the gateway does not ask again.
pub const RETRY_AFTER: u64 = 90;

macro_rules! cases {
    ($($variant:ident = $name:literal, $plays:literal, $todo:literal;)+) => {
        /// One thing that every service must stand.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Case {
            $(#[doc = $plays] $variant,)+
        }

        impl Case {
            /// Every case, in the order in which they are told.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its name.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What the source does, in words.
            #[must_use]
            pub fn plays(self) -> &'static str {
                match self { $(Self::$variant => $plays,)+ }
            }

            /// What to do where it fails.
            #[must_use]
            pub fn todo(self) -> &'static str {
                match self { $(Self::$variant => $todo,)+ }
            }
        }
    };
}

cases! {
    WellFormed = "well-formed", "Every example of a record is answered.", "compare the example with the mapping's `fields`; where the answer names its question, give the example `asked`";
    Absent = "absent", "Every example without a record is answered.", "look at the mapping's rule for NOT_FOUND and the contract's `absence`; where the answer names its question, give the example `asked`";
    NotHeld = "not-held", "Every example that the source holds on paper alone is answered.", "look at the mapping's rule for NOT_HELD_ELECTRONICALLY";
    Refused = "refused", "Every example in which the source refuses is answered.", "look at the mapping's rule for DENIED";
    OutOfOrder = "out-of-order", "Every example in which the source cannot answer is answered.", "look at the mapping's rule for UNAVAILABLE; a status rule (`status: [5xx, 429]`) covers what is no answer of the source's own";
    BreaksContract = "breaks-contract", "Every example of an answer that breaks its contract is answered.", "look at the rule and path that the example names";
    Undeclared = "undeclared", "The first record comes with one part more than is declared.", "what is known and not wanted stands in the mapping's `ignore`; anything else must be dropped and counted";
    WrongType = "wrong-type", "The first record comes with another type in each of its fields in turn.", "give the field its type (`as`), format or table in the mapping; text that is taken as it comes must still be plain text";
    Malformed = "malformed", "The first record comes cut off, empty, and as a page of HTML.", "no rule may take FOUND, NOT_FOUND or NOT_HELD_ELECTRONICALLY from a status alone";
    Oversized = "oversized", "The answer does not end.", "`answer_bytes_max` of the provider bounds it; the adapter must stop reading there";
    WrongPerson = "wrong-person", "The first record comes as the answer to a question about somebody else.", "name in the contract's `confirms` what the answer repeats of its question";
    FaultIn200 = "fault-in-200", "Every technical error comes with status 200.", "add a rule for the error's own sign (`exists: xeta`, `fault: any`) before the one for the record";
    RetryAfter = "retry-after", "The source is too busy: 429 or 503 with Retry-After.", "add `{when: {status: [5xx, 429]}, is: UNAVAILABLE}` to the mapping's rules";
    Reset = "reset", "The line is lost before the answer, and in the middle of it.", "the contract's `retry` says whether the question may be sent again";
    Duplicate = "duplicate", "The work is done and the line is lost, once: the source may be asked twice, or never is.", "say `retry: idempotent` where asking twice has no effect, else `retry: never`";
    Cancelled = "cancelled", "The caller goes away before the source answers.", "the flight must go on and be journalled; see the adapter's cancel-safety";
    Slow = "slow", "The right answer comes after the contract's time.", "what comes late must not be told; see the adapter's deadline";
    Hung = "hung", "The question is read and never answered.", "the adapter must end at the deadline";
    Dripping = "dripping", "The answer comes in drops for ever.", "the adapter's deadline must bound every piece of the body";
    WrongCertificate = "wrong-certificate", "The source shows a certificate of another authority, of another name, and one that has run out.", "`server_ca` names the authority; nothing may be sent before the certificate is checked";
}

impl Case {
    /// Whether the contract's time passes in it.
    #[must_use]
    pub fn is_late(self) -> bool {
        matches!(self, Self::Slow | Self::Hung | Self::Dripping)
    }
}

impl std::str::FromStr for Case {
    type Err = UnknownCase;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().copied().find(|case| case.as_str() == text).ok_or(UnknownCase)
    }
}

/// There is no such case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such case; accepted: {}", Case::ALL.iter().map(|case| case.as_str()).collect::<Vec<_>>().join(", "))]
pub struct UnknownCase;

/// What must be told.
#[derive(Debug, Clone, PartialEq)]
pub enum Expect {
    /// The record, with exactly these fields.
    Record(Json),
    /// This.
    Told(Told),
    /// That the source or the route cannot answer.
    Unavailable,
    /// That the source or the route refuses.
    Refused,
    /// Anything that says nothing about the person.
    NoStatement,
}

impl Expect {
    /// Why what was told is something else; none where it is right.
    #[must_use]
    pub fn difference(&self, told: Option<Told>, data: &Json) -> Option<String> {
        let right = match (self, told) {
            (Self::Record(_), Some(Told::Found)) => true,
            (Self::Told(expected), Some(told)) => *expected == told,
            (Self::Unavailable, Some(Told::Unavailable { .. })) => true,
            (Self::Refused, Some(Told::Refused { .. })) => true,
            (Self::NoStatement, Some(Told::Unavailable { .. } | Told::Refused { .. } | Told::Broken)) => true,
            _ => false,
        };
        if !right {
            let told = told.map_or_else(|| "nothing that the interface knows".to_owned(), |told| format!("{told:?}"));
            let expected = match self {
                Self::Record(_) => "Found".to_owned(),
                Self::Told(told) => format!("{told:?}"),
                Self::Unavailable => "Unavailable".to_owned(),
                Self::Refused => "Refused".to_owned(),
                Self::NoStatement => "nothing about the person".to_owned(),
            };
            return Some(format!("told was {told} instead of {expected}"));
        }
        match self {
            Self::Record(fields) if fields != data => Some("the delivered fields are not those of the example".to_owned()),
            _ => None,
        }
    }
}

/// One question of a case.
#[derive(Debug, Clone)]
pub struct Step {
    /// Which part of the case it is, such as the example's file.
    pub label: String,
    /// What the source does.
    pub script: Script,
    /// The certificate it shows.
    pub certificate: Certificate,
    /// What is asked.
    pub ask: Ask,
    /// What must be told; none where the caller goes away.
    pub expect: Option<Expect>,
    /// How often the source may be asked.
    pub reads: RangeInclusive<usize>,
    /// How many undeclared parts must be counted, where that is known.
    pub undeclared: Option<u64>,
}

/// What a case comes to for a service: its questions, or why there are none.
///
/// # Errors
/// The reason why the case does not apply.
pub fn steps(case: Case, material: &Material) -> Result<Vec<Step>, String> {
    let Stage::Http(syntax) = Stage::of(material.plan.protocol()) else {
        return Err("the source delivers files, and is asked nothing".to_owned());
    };
    let found: Vec<&Shown> = material.with(Outcome::Found).collect();
    let Some(first) = found.first().copied() else { return Err("the mapping has no example of a record".to_owned()) };
    let of_outcome = |outcome: Outcome, none: &str, expect: &dyn Fn(&Shown) -> Expect| {
        let steps: Vec<Step> =
            material.with(outcome).map(|shown| Step { reads: sendings(material), ..plain(shown, expect(shown)) }).collect();
        if steps.is_empty() { Err(none.to_owned()) } else { Ok(steps) }
    };
    match case {
        Case::WellFormed if is_never_old_enough(material) => {
            Err("an answer must be made after its question, which no example is".to_owned())
        }
        Case::WellFormed => Ok(found.iter().map(|shown| record(shown)).collect()),
        Case::Absent => of_outcome(Outcome::NotFound, "the mapping has no example of an absence", &|shown| absent(material, shown)),
        Case::NotHeld => {
            let none = "the mapping has no rule for what is held on paper alone";
            of_outcome(Outcome::NotHeldElectronically, none, &|_| Expect::Told(Told::NotHeld))
        }
        Case::Refused => of_outcome(Outcome::Denied, "the mapping has no rule for a refusal", &|_| Expect::Refused),
        Case::OutOfOrder => {
            of_outcome(Outcome::Unavailable, "the mapping has no example of a source out of order", &|_| Expect::Unavailable)
        }
        Case::BreaksContract => {
            let none = "the mapping has no example of an answer that breaks its contract";
            of_outcome(Outcome::InvalidData, none, &|_| Expect::Told(Told::Broken))
        }
        Case::Undeclared => undeclared(material, first, syntax),
        Case::WrongType => wrong_types(material, &found, syntax),
        Case::Malformed => Ok(malformed(first)),
        Case::Oversized => Ok(vec![once(first, "an answer without end", Script::Flood(first.answer.clone()), Told::Broken)]),
        Case::WrongPerson => wrong_person(material, first),
        Case::FaultIn200 => Ok(faults_in_200(material, first)),
        Case::RetryAfter => Ok(retry_after(material, first)),
        Case::Reset => Ok(resets(material, first)),
        Case::Duplicate => Ok(vec![duplicate(material, first)]),
        Case::Cancelled => {
            let script = Script::Hold(std::sync::Arc::default(), first.answer.clone());
            Ok(vec![Step { expect: None, ..once(first, "the caller goes away", script, Told::Found) }])
        }
        Case::Slow => {
            let script = Script::Hold(std::sync::Arc::default(), first.answer.clone());
            Ok(vec![once(first, "after the time", script, Told::Late)])
        }
        Case::Hung => Ok(vec![once(first, "never", Script::Hang, Told::Late)]),
        Case::Dripping => Ok(vec![once(first, "in drops", Script::Drip(first.answer.clone()), Told::Late)]),
        Case::WrongCertificate => Ok(certificates(material, first)),
    }
}

/// An answer that must not be older than its question can be played from a file only where the question is as
/// old as its consent.
fn is_never_old_enough(material: &Material) -> bool {
    let service = &material.service;
    !service.consent && service.confirms.iter().any(|rule| rule.with == Confirmed::Asked)
}

/// The origin of what goes wrong on the line: over X-Road its other end is the security server.
fn line(material: &Material) -> &'static str {
    match material.plan.protocol() {
        Protocol::XroadSoap { .. } | Protocol::XroadRest { .. } => "route",
        Protocol::RestJson { .. } | Protocol::Soap11 | Protocol::Soap12 | Protocol::Files(_) => "provider",
    }
}

/// How often a question is sent that fails in passing.
fn sendings(material: &Material) -> RangeInclusive<usize> {
    match material.service.retry {
        Retry::Idempotent => 1..=usize::try_from(ATTEMPTS_MAX).unwrap_or(1),
        Retry::Never => 1..=1,
    }
}

fn plain(shown: &Shown, expect: Expect) -> Step {
    Step {
        label: shown.name.clone(),
        script: Script::Answer(shown.answer.clone()),
        certificate: Certificate::Own,
        ask: shown.ask.clone(),
        expect: Some(expect),
        reads: 1..=1,
        undeclared: shown.expected.undeclared,
    }
}

fn record(shown: &Shown) -> Step {
    plain(shown, Expect::Record(shown.expected.fields.clone().unwrap_or_default()))
}

/// One step about the first record's question.
fn once(shown: &Shown, label: &str, script: Script, told: Told) -> Step {
    Step { label: label.to_owned(), script, expect: Some(Expect::Told(told)), reads: 1..=1, undeclared: None, ..record(shown) }
}

/// An absence is what the rule says that decides it, else what the contract says.
fn absent(material: &Material, shown: &Shown) -> Expect {
    let answer = mapping::WireAnswer { status: shown.answer.status, body: &shown.answer.body };
    let read = material.plan.read(answer, model::Profile::Test, &mapping::Limits::default());
    let rule = read.ok().and_then(|reading| material.plan.rules().get(reading.rule));
    let by_contract = material.service.absence_on(material.today);
    let absence = match rule.and_then(|rule| rule.absence).map_or(by_contract, |by_rule| by_rule.or_stricter(by_contract)) {
        Absence::Fact => "fact",
        Absence::Unknown => "unknown",
    };
    Expect::Told(Told::NotFound { absence })
}

fn with_body(answer: &Answer, body: impl Into<Bytes>) -> Answer {
    Answer { body: body.into(), ..answer.clone() }
}

fn undeclared(material: &Material, first: &Shown, syntax: Syntax) -> Result<Vec<Step>, String> {
    let text = std::str::from_utf8(&first.answer.body).map_err(|_| "the example is no text".to_owned())?;
    let spoilt = spoil::undeclared(syntax, text).ok_or("the answer has no place for another part")?;
    if is_never_old_enough(material) {
        return Err("an answer must be made after its question, which no example is".to_owned());
    }
    let step = record(first);
    let undeclared = first.expected.undeclared.map(|known| known + 1);
    Ok(vec![Step { label: "one part more".to_owned(), script: Script::Answer(with_body(&first.answer, spoilt)), undeclared, ..step }])
}

fn wrong_types(material: &Material, found: &[&Shown], syntax: Syntax) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    for field in material.plan.fields() {
        let kind = field.kind.split([' ', ',']).next().unwrap_or_default();
        if kind == "count" {
            continue;
        }
        // A text or a code may be any word; where a table knows every code, a structure is none of them either.
        let structure = matches!(kind, "text" | "code");
        let names = field.wire.split(" or ").filter_map(|path| path.rsplit(['/', ':']).next());
        for name in names {
            let spoilt = found.iter().find_map(|shown| {
                let text = std::str::from_utf8(&shown.answer.body).ok()?;
                Some((*shown, spoil::wrong_type(syntax, text, name, structure)?))
            });
            let Some((shown, spoilt)) = spoilt else { continue };
            let label = format!("another type in {}", field.canonical);
            steps.push(once(shown, &label, Script::Answer(with_body(&shown.answer, spoilt)), Told::Broken));
        }
    }
    if steps.is_empty() { Err("no example shows a field that could have another type".to_owned()) } else { Ok(steps) }
}

fn malformed(first: &Shown) -> Vec<Step> {
    let body = &first.answer.body;
    let cut = |part: usize| with_body(&first.answer, body.slice(..body.len() * part / 3));
    let html = Answer { content_type: "text/html", body: Bytes::from_static(b"<!DOCTYPE html><p>OK<br></p>"), ..first.answer.clone() };
    vec![
        once(first, "cut off after two thirds", Script::Answer(cut(2)), Told::Broken),
        once(first, "cut off after one third", Script::Answer(cut(1)), Told::Broken),
        once(first, "empty", Script::Answer(with_body(&first.answer, Bytes::new())), Told::Broken),
        once(first, "a page of HTML", Script::Answer(html), Told::Broken),
        once(
            first,
            "another media type",
            Script::Answer(Answer { content_type: "application/octet-stream", ..first.answer.clone() }),
            Told::Broken,
        ),
    ]
}

fn wrong_person(material: &Material, first: &Shown) -> Result<Vec<Step>, String> {
    let another = material.another(&first.ask).ok_or("the answer names nothing of its question that it could be held to")?;
    Ok(vec![Step { ask: another, ..once(first, "about somebody else", Script::Answer(first.answer.clone()), Told::Broken) }])
}

fn faults_in_200(material: &Material, first: &Shown) -> Vec<Step> {
    let own = material.with(Outcome::Unavailable).chain(material.with(Outcome::Denied));
    // A page and a scanned paper are no words of the source's own about an error.
    let is_words = |shown: &&Shown| !matches!(shown.answer.content_type, "text/html" | "application/pdf");
    let own = own.filter(|shown| !shown.answer.body.is_empty()).filter(is_words);
    let own = own.map(|shown| (shown.name.clone(), shown.answer.body.clone()));
    let general = [("a general error".to_owned(), script::fault(material.plan.protocol()))];
    let step = |(label, body): (String, Bytes)| {
        let script = Script::Answer(Answer { status: 200, ..with_body(&first.answer, body) });
        // The exchange system's own error is one in passing.
        Step { expect: Some(Expect::NoStatement), reads: sendings(material), ..once(first, &label, script, Told::Broken) }
    };
    own.chain(general).map(step).collect()
}

fn retry_after(material: &Material, first: &Shown) -> Vec<Step> {
    // 429 belongs to HTTP; SOAP tells of it as a fault (SOAP 1.2 part 2, section 7.4.2).
    let statuses: &[u16] = match Stage::of(material.plan.protocol()) {
        Stage::Http(Syntax::Json) => &[429, 503],
        Stage::Http(Syntax::Xml) => &[503],
        Stage::Delivered => &[],
    };
    let told = Told::Unavailable { origin: "provider", retry_after: RETRY_AFTER };
    let step = |status: &u16| {
        let body = script::fault(material.plan.protocol());
        let answer = Answer { status: *status, retry_after: Some(RETRY_AFTER), ..with_body(&first.answer, body) };
        once(first, &format!("status {status}"), Script::Answer(answer), told)
    };
    statuses.iter().map(step).collect()
}

fn resets(material: &Material, first: &Shown) -> Vec<Step> {
    let told = Told::Unavailable { origin: line(material), retry_after: 30 };
    let step = |label: &str, script: Script| Step { reads: sendings(material), ..once(first, label, script, told) };
    vec![step("before the answer", Script::Reset), step("in the middle of it", Script::Half(first.answer.clone()))]
}

fn duplicate(material: &Material, first: &Shown) -> Step {
    let script = Script::LoseOnce(first.answer.clone());
    match material.service.retry {
        Retry::Idempotent if !is_never_old_enough(material) => {
            Step { label: "asked twice".to_owned(), script, reads: 2..=2, undeclared: None, ..record(first) }
        }
        Retry::Idempotent => Step { reads: 2..=2, ..once(first, "asked twice", script, Told::Broken) },
        Retry::Never => once(first, "never twice", script, Told::Unavailable { origin: line(material), retry_after: 30 }),
    }
}

fn certificates(material: &Material, first: &Shown) -> Vec<Step> {
    let told = Told::Unavailable { origin: line(material), retry_after: 30 };
    let step =
        |label: &str, certificate| Step { certificate, reads: 0..=0, ..once(first, label, Script::Answer(first.answer.clone()), told) };
    vec![
        step("of another authority", Certificate::Foreign),
        step("of another name", Certificate::WrongName),
        step("run out", Certificate::Expired),
    ]
}
