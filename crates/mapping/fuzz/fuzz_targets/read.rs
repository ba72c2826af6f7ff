//! Any bytes as an answer to any shipped service: `cargo fuzz run read` in `crates/mapping`.
//!
//! The first byte chooses the service, the second the HTTP status. Seed the corpus with the
//! mappings' examples, two bytes before each. What is found becomes a fixture of `tests/main/hostile.rs`.

#![no_main]

use std::path::Path;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use mapping::{Limits, Plan, WireAnswer};
use model::document::Document;
use model::{Absence, Outcome, Problems, Profile};

const STATUSES: [u16; 4] = [200, 404, 429, 503];

fn plans() -> &'static [Plan] {
    static PLANS: OnceLock<Vec<Plan>> = OnceLock::new();
    PLANS.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
        let mut problems = Problems::default();
        let snapshot = model::load::load(&root.join("contracts"), jiff::civil::date(2026, 3, 11), &mut problems);
        let services = snapshot.services.values();
        let plans = services.map(|service| {
            let path = root.join("mappings").join(format!("{}.yaml", service.versioned()));
            let document = Document::read(&path).expect("a mapping");
            mapping::compile(&document, service, &mut problems).expect("a sound mapping")
        });
        plans.collect()
    })
}

fuzz_target!(|data: &[u8]| {
    let [which, status, body @ ..] = data else { return };
    let plans = plans();
    let plan = &plans[usize::from(*which) % plans.len()];
    let status = STATUSES[usize::from(*status) % STATUSES.len()];
    let limits = Limits::default();
    match plan.read(WireAnswer { status, body }, Profile::Test, &limits) {
        // A record is delivered for FOUND alone, and then whole.
        Ok(reading) => {
            assert_eq!(reading.facts.is_some(), reading.outcome == Outcome::Found);
            assert_eq!(reading.absence.is_some(), reading.outcome == Outcome::NotFound);
            assert!(reading.facts.is_none() || reading.repeated.is_empty(), "nothing is kept twice");
            let none = plan.contradiction(&reading, None, &[], jiff::Timestamp::MIN);
            assert!(none.is_none_or(|rule| plan.service().confirms.contains(rule)));
            assert!(reading.absence != Some(Absence::Fact) || plan.service().absence == Absence::Fact, "never loosened");
            let fields = plan.service().shape.fields.len();
            assert!(reading.facts.is_none_or(|facts| facts.record.values.len() == fields));
        }
        Err(error) => assert!(!error.rule().is_empty()),
    }
});
