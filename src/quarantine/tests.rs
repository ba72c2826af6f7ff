use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use model::Problems;
use model::Profile;
use proptest::prelude::*;
use store::quality::{Fault, Item, ItemKind};

use super::*;

/// The shipped data.
static SHIPPED: LazyLock<Active> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate::data::load(&root.join("contracts"), &root.join("mappings"), jiff::civil::date(2026, 3, 11), &mut Problems::default())
});

/// An answer of the examples, with the question that it answers.
struct Case {
    service: ServiceId,
    status: u16,
    body: Vec<u8>,
    subject: Option<model::Subject>,
    inputs: Vec<(Box<str>, model::Value)>,
    since: Timestamp,
}

/// Every example of every shipped mapping.
static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
    let mut cases = Vec::new();
    for (service, plan) in &SHIPPED.plans {
        let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings").join(service.provider());
        for example in plan.examples() {
            let file = |answer: &str| folder.join("examples").join(service.service()).join(answer);
            let body = example.answer.as_ref().map(|answer| std::fs::read(file(answer)).expect("an example")).unwrap_or_default();
            let asked = example.asked.as_ref();
            cases.push(Case {
                service: service.clone(),
                status: example.status,
                body,
                subject: asked.and_then(|asked| asked.subject.clone()),
                inputs: asked.map(|asked| asked.inputs.clone()).unwrap_or_default(),
                since: asked.map_or(Timestamp::UNIX_EPOCH, |asked| asked.at),
            });
        }
    }
    assert!(cases.len() > 80, "{} examples", cases.len());
    cases.sort_by(|a, b| a.service.cmp(&b.service));
    cases
});

fn item(service: &ServiceId) -> Item {
    Item {
        id: Uuid::nil(),
        kind: ItemKind::Answer,
        fault: Fault { provider: service.provider().to_owned(), matter: service.to_string(), rule: "any".to_owned(), path: None },
        version: "1.0.0".to_owned(),
        configuration: String::new(),
        entry: None,
        request_id: None,
        received_at: Timestamp::UNIX_EPOCH,
        deadline: None,
        expires_on: jiff::civil::date(2026, 4, 10),
        bytes: 0,
        kept: true,
        closed: None,
    }
}

/// What a clean run says of an answer, and what the kept one comes to.
fn both(case: &Case, body: &[u8]) -> (Result<Outcome, Broken>, Result<Outcome, Broken>) {
    let question = reading::Question { subject: case.subject.as_ref(), inputs: &case.inputs, since: case.since };
    let plan = &SHIPPED.plans[&case.service];
    let answer = mapping::WireAnswer { status: case.status, body };
    let read = reading::read(plan, answer, &question, Profile::Test, &mut Trace::default());
    let clean = match reading::broken(&read) {
        Some(broken) => Err(broken),
        None => Ok(read.expect("not broken").outcome),
    };
    let kept = AnswerContent::new(&question, Profile::Test, case.status, body).encode().expect("it can be written");
    (clean, answer_again(&SHIPPED, &item(&case.service), &kept))
}

#[test]
fn every_example_that_is_read_again_comes_to_what_it_came_to() {
    let (mut good, mut bad) = (0, 0);
    for case in &*CASES {
        let (clean, again) = both(case, &case.body);
        assert_eq!(clean, again, "{}", case.service);
        if clean.is_ok() {
            good += 1;
        } else {
            bad += 1;
        }
    }
    assert!(good > 30 && bad > 30, "{good} good, {bad} bad");
}

proptest! {
    /// Cut off, with bytes changed, with another status: replay is the clean run.
    #[test]
    fn what_is_read_again_is_what_a_clean_run_reads(
        case: prop::sample::Index,
        cut: Option<prop::sample::Index>,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        status in prop::option::of(prop::sample::select(vec![200_u16, 202, 404, 500, 503])),
    ) {
        let case = &CASES[case.index(CASES.len())];
        let mut body = case.body.clone();
        for (place, byte) in changes.into_iter().filter(|_| !body.is_empty()).collect::<Vec<_>>() {
            let place = place.index(body.len());
            body[place] = byte;
        }
        if let Some(cut) = cut.filter(|_| !body.is_empty()) {
            body.truncate(cut.index(body.len()));
        }
        let changed = Case {
            service: case.service.clone(),
            status: status.unwrap_or(case.status),
            body: Vec::new(),
            subject: case.subject.clone(),
            inputs: case.inputs.clone(),
            since: case.since,
        };
        let (clean, again) = both(&changed, &body);
        prop_assert_eq!(clean, again);
    }

    #[test]
    fn any_bytes_are_no_panic(bytes: Vec<u8>) {
        if let Some(content) = AnswerContent::decode(&bytes) {
            prop_assert_eq!(content.encode().and_then(|bytes| AnswerContent::decode(&bytes)), Some(content));
        }
    }
}

#[test]
fn content_names_nobody_in_debug() {
    let subject = serde_json::from_value(serde_json::json!({"fin": "5K7QX2O"})).expect("a subject");
    let inputs = vec![("code".into(), model::Value::Values(vec![model::Value::Text("5K7QX2O".into()), model::Value::Int(7)]))];
    let question = reading::Question { subject: Some(&subject), inputs: &inputs, since: Timestamp::UNIX_EPOCH };
    let content = AnswerContent::new(&question, Profile::Test, 200, b"5K7QX2O\nmore");
    assert!(!format!("{content:?} {question:?}").contains("5K7QX2O"));
    assert_eq!(AnswerContent::decode(&content.encode().expect("written")), Some(content));
}
