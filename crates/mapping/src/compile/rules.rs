//! Outcome rules: their conditions, their coverage, and the rules that can never decide.

use model::contract::Confirmed;
use model::document::escape;
use model::{Absence, Outcome};

use super::Check;
use super::response::{Builder, text_of};
use crate::plan::RuleView;
use crate::raw::{self, Scan, Status, StatusWord, Verdict};
use crate::read::tree::{FaultName, Rule};
use crate::read::xml::{SOAP11, SOAP12};

/// One condition, for reasoning about rules.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    Status(Vec<(u16, u16)>),
    AnyFault,
    Fault(FaultName),
    Exists(usize),
    Missing(usize),
    Empty(usize),
    Equals(usize, Box<str>),
    Scan,
}

/// Compiles the rules; every problem is reported. `record` is the node of the record, where its path is sound.
pub(super) fn compile(check: &mut Check<'_>, builder: &mut Builder, record: Option<usize>) -> Vec<(Rule, RuleView)> {
    let raw = &check.raw.response.outcome;
    let mut earlier: Vec<Vec<Condition>> = Vec::new();
    let mut rules = Vec::new();
    for (place, rule) in raw.iter().enumerate() {
        let pointer = format!("/response/outcome/{place}");
        let Some(conditions) = conditions(check, builder, &format!("{pointer}/when"), &rule.when) else { continue };
        sense(check, &pointer, rule, &conditions);
        if let Some(before) = earlier.iter().position(|before| before.iter().all(|one| implied(check, builder, one, &conditions))) {
            let message = format!("rule {} matches first whenever this one would", before + 1);
            check.problem(&pointer, "unreachable-rule", message, "the narrower rule before the wider one");
        }
        let (outcome, absence) = (outcome(rule.is), absence(check, &pointer, rule));
        let mut compiled = assemble(check, builder, &format!("{pointer}/when"), &conditions, outcome);
        compiled.absence = absence;
        compiled.confirmed = rule.confirmed;
        confirmed(check, builder, &pointer, rule, &conditions, record);
        earlier.push(conditions);
        rules.push((compiled, RuleView { when: words(&rule.when).into(), outcome, absence, confirmed: rule.confirmed }));
    }
    coverage(check, raw);
    rules
}

fn outcome(verdict: Verdict) -> Outcome {
    match verdict {
        Verdict::Found => Outcome::Found,
        Verdict::NotFound => Outcome::NotFound,
        Verdict::NotHeldElectronically => Outcome::NotHeldElectronically,
        Verdict::Unavailable => Outcome::Unavailable,
        Verdict::Denied => Outcome::Denied,
    }
}

/// What a rule says of the absence it finds. It may say less than the contract, never more: no record must
/// not become proof by a line in a mapping.
fn absence(check: &mut Check<'_>, pointer: &str, rule: &raw::Rule) -> Option<Absence> {
    let absence = rule.absence?;
    let at = format!("{pointer}/absence");
    if rule.is != Verdict::NotFound {
        check.problem_at_key(&at, "unused-key", "only an absence has a meaning of its own", "is: NOT_FOUND");
    } else if absence == Absence::Fact && check.service.absence == Absence::Unknown {
        check.problem(&at, "loosened-absence", "to the contract no record proves nothing", "unknown");
    }
    Some(absence)
}

/// Whether an absence names whom it speaks of. A record whose list has no items is a fact about whomever it
/// names: nothing but its confirming fields says that it is the person asked about, so they must be there.
fn confirmed(check: &mut Check<'_>, builder: &Builder, pointer: &str, rule: &raw::Rule, conditions: &[Condition], record: Option<usize>) {
    if rule.confirmed {
        let at = format!("{pointer}/confirmed");
        if !matches!(rule.is, Verdict::NotFound | Verdict::NotHeldElectronically) {
            check.problem_at_key(&at, "unused-key", "a record is always confirmed, and a refusal speaks of nobody", "is: NOT_FOUND");
        } else if check.service.confirms.is_empty() {
            check.problem_at_key(&at, "unused-key", "answers of this contract repeat nothing", "`confirms` in the contract");
        } else if conditions.iter().any(|one| matches!(one, Condition::AnyFault | Condition::Fault(_))) {
            check.problem_at_key(&at, "unused-key", "a fault has no fields", "a rule without fault");
        }
        return;
    }
    // Rows are looked up by the gateway itself, and compared with what was asked: what is not there was not mixed up.
    if check.raw.wire.protocol == raw::Protocol::Files {
        return;
    }
    let fact = rule.is == Verdict::NotFound && rule.absence.unwrap_or(check.service.absence) == Absence::Fact;
    let names = check.service.confirms.iter().any(|rule| matches!(rule.with, Confirmed::Subject(_) | Confirmed::Input(_)));
    let inside = |node: usize| record.is_some_and(|record| node != record && builder.ancestors(node).any(|outer| outer == record));
    let nothing_in_it = |one: &Condition| matches!(one, Condition::Empty(node) | Condition::Missing(node) if inside(*node));
    if fact && names && conditions.iter().any(nothing_in_it) {
        let message = "a record with nothing in it would be proof about the person asked about, whomever it names";
        check.problem(pointer, "unconfirmed-absence", message, "confirmed: true, or absence: unknown");
    }
}

/// The product's core promise: no mapping leaves one of the three to chance.
fn coverage(check: &mut Check<'_>, rules: &[raw::Rule]) {
    let has = |verdicts: &[Verdict]| rules.iter().any(|rule| verdicts.contains(&rule.is));
    let at = "/response/outcome";
    if !has(&[Verdict::Found]) {
        check.problem_at_key(at, "missing-found-rule", "no rule says when a record was found", "a rule with is: FOUND");
    }
    if !has(&[Verdict::NotFound, Verdict::NotHeldElectronically]) {
        let message = "no rule says when the source holds no record";
        check.problem_at_key(at, "missing-absence-rule", message, "a rule with is: NOT_FOUND or NOT_HELD_ELECTRONICALLY");
    }
    // A snapshot that is not there is no answer at all; one that is there can always be read.
    if !has(&[Verdict::Unavailable]) && check.raw.wire.protocol != raw::Protocol::Files {
        check.problem_at_key(
            at,
            "missing-unavailable-rule",
            "no rule says when the source could not answer",
            "a rule with is: UNAVAILABLE",
        );
    }
}

fn conditions(check: &mut Check<'_>, builder: &mut Builder, pointer: &str, when: &raw::When) -> Option<Vec<Condition>> {
    let mut conditions = Vec::new();
    let mut sound = true;
    if let Some(status) = &when.status {
        match ranges(status) {
            Some(ranges) => conditions.push(Condition::Status(ranges)),
            None => {
                check.problem(
                    &format!("{pointer}/status"),
                    "wrong-value",
                    "not an HTTP status",
                    "100 to 599, a class such as 5xx, or a list",
                );
                sound = false;
            }
        }
    }
    if let Some(fault) = &when.fault {
        let at = format!("{pointer}/fault");
        match fault_condition(check, &at, fault) {
            Some(condition) => conditions.push(condition),
            None => sound = false,
        }
    }
    let mut node = |check: &mut Check<'_>, key: &str, path: &str| {
        let found = check.path(&format!("{pointer}/{key}"), path).map(|names| builder.node(0, &names));
        sound &= found.is_some();
        found
    };
    if let Some(path) = &when.exists {
        conditions.extend(node(check, "exists", path).map(Condition::Exists));
    }
    if let Some(path) = &when.missing {
        conditions.extend(node(check, "missing", path).map(Condition::Missing));
    }
    if let Some(path) = &when.empty {
        conditions.extend(node(check, "empty", path).map(Condition::Empty));
    }
    for (path, wanted) in &when.equals {
        let found = node(check, &format!("equals/{}", escape(path)), path);
        conditions.extend(found.map(|found| Condition::Equals(found, text_of(wanted))));
    }
    if when.scan.is_some() {
        if check.is_soap() {
            check.problem_at_key(&format!("{pointer}/scan"), "unused-key", "a SOAP body is no scanned page", "a rule without scan");
            sound = false;
        }
        conditions.push(Condition::Scan);
    }
    if sound && conditions.is_empty() {
        let accepted = "status, fault, exists, missing, empty, equals or scan";
        check.problem(pointer, "empty-condition", "a rule that would match anything", accepted);
        return None;
    }
    sound.then_some(conditions)
}

fn fault_condition(check: &mut Check<'_>, at: &str, fault: &str) -> Option<Condition> {
    if !check.is_soap() {
        check.problem_at_key(at, "unused-key", "JSON has no faults", "status, or equals with the error's key");
        return None;
    }
    if fault == "any" {
        return Some(Condition::AnyFault);
    }
    let names = check.path(at, fault)?;
    match names.as_slice() {
        [name] => Some(Condition::Fault(FaultName { ns: name.ns.clone(), name: name.local.clone() })),
        _ => {
            check.problem(at, "wrong-path", "a fault code is one name", "prefix:Name, or any");
            None
        }
    }
}

fn ranges(status: &Status) -> Option<Vec<(u16, u16)>> {
    let one = |word: &StatusWord| match word {
        StatusWord::Code(code) => (100..=599).contains(code).then_some((*code, *code)),
        StatusWord::Class(class) => {
            let hundreds: u16 = class.strip_suffix("xx")?.parse().ok()?;
            (1..=5).contains(&hundreds).then_some((hundreds * 100, hundreds * 100 + 99))
        }
    };
    let ranges = match status {
        Status::One(word) => vec![one(word)?],
        Status::Any(words) => words.iter().map(one).collect::<Option<Vec<_>>>()?,
    };
    (!ranges.is_empty()).then_some(ranges)
}

/// A fault has no payload, so a rule that asks for both never matches; a fault is never a record; and only the
/// source itself can say that there is none.
fn sense(check: &mut Check<'_>, pointer: &str, rule: &raw::Rule, conditions: &[Condition]) {
    let fault = conditions.iter().any(|one| matches!(one, Condition::AnyFault | Condition::Fault(_)));
    let content = conditions
        .iter()
        .any(|one| matches!(one, Condition::Exists(_) | Condition::Missing(_) | Condition::Empty(_) | Condition::Equals(..)));
    if fault && content {
        check.problem(&format!("{pointer}/when"), "impossible-rule", "a fault has no other content", "either fault, or paths");
    }
    if content && conditions.contains(&Condition::Scan) {
        check.problem(&format!("{pointer}/when"), "impossible-rule", "nothing of a scanned page is read", "either scan, or paths");
    }
    // A picture of a record is no record, and shows nobody that there is none.
    if conditions.contains(&Condition::Scan) && matches!(rule.is, Verdict::Found | Verdict::NotFound) {
        let message = "a scanned page holds no data, and does not say that there are none";
        check.problem(&format!("{pointer}/is"), "impossible-rule", message, "NOT_HELD_ELECTRONICALLY");
    }
    let says_record = |one: &Condition| matches!(one, Condition::Exists(_) | Condition::Equals(..) | Condition::Scan);
    if rule.is == Verdict::Found && !conditions.iter().any(says_record) {
        check.problem(&format!("{pointer}/when"), "found-without-record", "nothing here says that there is a record", "exists, or equals");
    }
    if matches!(rule.is, Verdict::NotFound | Verdict::NotHeldElectronically) && !conditions.iter().any(is_sign) {
        let accepted = "exists, empty, equals, or a fault code of the source's own";
        let message = "a wrong address or a proxy's page would be taken for the source's word that there is no record";
        check.problem(&format!("{pointer}/when"), "absence-by-status-alone", message, accepted);
    }
}

/// Whether a condition is the source's own word about the record. A status, any fault and a part that is not
/// there are also what a wrong address, a proxy or another service's error looks like.
fn is_sign(one: &Condition) -> bool {
    match one {
        Condition::Exists(_) | Condition::Empty(_) | Condition::Equals(..) | Condition::Scan => true,
        Condition::Fault(code) => !is_of_soap(code),
        Condition::Status(_) | Condition::AnyFault | Condition::Missing(_) => false,
    }
}

/// Whether it is one of SOAP's own codes, which say no more than whose mistake it is (SOAP 1.1 section 4.4.1,
/// SOAP 1.2 part 1 section 5.4.6). Below `Server` and `Client` an X-Road security server puts its own errors.
fn is_of_soap(code: &FaultName) -> bool {
    const CODES: [&str; 7] = ["Client", "Server", "Sender", "Receiver", "VersionMismatch", "MustUnderstand", "DataEncodingUnknown"];
    code.ns.as_deref().is_none_or(|ns| ns == SOAP11 || ns == SOAP12) && CODES.contains(&&*code.name)
}

/// Whether a condition of an earlier rule holds whenever all of these do.
fn implied(check: &Check<'_>, builder: &Builder, one: &Condition, all: &[Condition]) -> bool {
    let below = |inner: usize, outer: usize| builder.ancestors(inner).any(|node| node == outer);
    all.iter().any(|other| match (one, other) {
        (Condition::Status(wide), Condition::Status(narrow)) => {
            narrow.iter().all(|(low, high)| wide.iter().any(|(from, to)| from <= low && high <= to))
        }
        (Condition::AnyFault, Condition::AnyFault | Condition::Fault(_)) => true,
        (Condition::Fault(wide), Condition::Fault(narrow)) => {
            wide.ns == narrow.ns && narrow.name.strip_prefix(&*wide.name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        }
        (Condition::Exists(outer), Condition::Exists(inner) | Condition::Equals(inner, _)) => below(*inner, *outer),
        // In JSON an empty list is a key without an item: it does not exist itself, but what is around it does.
        (Condition::Exists(outer), Condition::Empty(inner)) => below(*inner, *outer) && (check.is_soap() || inner != outer),
        (Condition::Missing(inner), Condition::Missing(outer)) => below(*inner, *outer),
        (Condition::Empty(_) | Condition::Equals(..) | Condition::Scan, _) => one == other,
        _ => false,
    })
}

fn assemble(check: &mut Check<'_>, builder: &mut Builder, pointer: &str, conditions: &[Condition], outcome: Outcome) -> Rule {
    let mut rule = Rule { status: Vec::new(), fault: false, needs: 0, forbids: 0, outcome, absence: None, confirmed: false, scan: false };
    for condition in conditions {
        match condition {
            Condition::Status(ranges) => rule.status.clone_from(ranges),
            Condition::AnyFault => rule.fault = true,
            Condition::Fault(name) => {
                rule.fault = true;
                rule.needs |= builder.fault(check, pointer, name);
            }
            Condition::Exists(node) => rule.needs |= builder.exists(check, pointer, *node),
            Condition::Missing(node) => rule.forbids |= builder.exists(check, pointer, *node),
            Condition::Empty(node) => rule.needs |= builder.empty(check, pointer, *node),
            Condition::Equals(node, text) => rule.needs |= builder.equals(check, pointer, *node, text),
            Condition::Scan => rule.scan = true,
        }
    }
    rule
}

/// A rule in the mapping's own words.
fn words(when: &raw::When) -> String {
    let status = |word: &StatusWord| match word {
        StatusWord::Code(code) => code.to_string(),
        StatusWord::Class(class) => class.clone(),
    };
    let mut parts = Vec::new();
    match &when.status {
        None => {}
        Some(Status::One(word)) => parts.push(format!("status {}", status(word))),
        Some(Status::Any(words)) => parts.push(format!("status {}", words.iter().map(status).collect::<Vec<_>>().join(" or "))),
    }
    let paths = [("fault", &when.fault), ("exists", &when.exists), ("missing", &when.missing), ("empty", &when.empty)];
    parts.extend(paths.iter().filter_map(|(key, path)| path.as_ref().map(|path| format!("{key} {path}"))));
    parts.extend(when.equals.iter().map(|(path, wanted)| format!("{path} = {}", text_of(wanted))));
    parts.extend(when.scan.map(|Scan::Pdf| "scan pdf".to_owned()));
    parts.join(" and ")
}
