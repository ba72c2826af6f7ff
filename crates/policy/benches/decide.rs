//! What a decision costs: `policy::decide` for each grant of the repository's contracts, in its first role.
//!
//! ```text
//! cargo run --release -p policy --example bench-decide -- CONTRACTS [ROUNDS]   CSV: round,median_ns,p99_ns,worst_grant_ns
//! ```
//!
//! A sample is a hundred decisions of one grant; all grants take turns within a round. The figure that counts is the
//! most expensive grant's median (`worst_grant_ns`): no consumer may pay more than 5 µs.

use std::hint::black_box;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Instant;

use model::contract::{Consumer, Grant, SubjectForm};
use model::{CaseId, Consent, Problems, Profile, ProviderId, Snapshot, Subject};
use policy::{Ask, CaseView, Official, Powers, decide};

/// Decisions in one sample.
const BATCH: u32 = 100;
/// Samples of each grant in a round.
const SAMPLES: usize = 200;

fn somebody(form: SubjectForm) -> Option<Subject> {
    match form {
        SubjectForm::Fin => Some(Subject::Fin("5K7QX2O".to_owned())),
        SubjectForm::Pin => Some(Subject::Pin("5K7QX2O".to_owned())),
        SubjectForm::Tin => Some(Subject::Tin("9900001233".to_owned())),
        SubjectForm::Document => {
            serde_json::from_str(r#"{"document": {"series": "ZZ", "number": "0012345"}, "birth_date": "1985-03-14"}"#).ok()
        }
    }
}

fn ask(grant: &Grant, now: jiff::Timestamp) -> Option<(Ask, CaseView)> {
    let purpose = grant.purposes.first()?.clone();
    let subject = grant.subject.first().and_then(|form| somebody(*form));
    let consents = ProviderId::new(grant.service.provider()).ok().zip(subject.clone()).map(|(provider, subject)| Consent {
        provider,
        subject,
        reference: "TEST-RAZ-000001".to_owned(),
        sha256: String::new(),
        signed_at: now,
        expires_at: now + jiff::SignedDuration::from_hours(1),
    });
    let ask = Ask {
        service: grant.service.clone(),
        subject,
        purpose: purpose.clone(),
        case: CaseId::new("c-2026-000042").ok()?,
        official: Official::Person("AZ-0001".to_owned()),
        role: grant.roles.first()?.clone(),
        assertion: None,
        on_behalf_of: None,
        consents: consents.into_iter().collect(),
        codes: grant.rows.iter().filter_map(|rule| Some((rule.input.clone()?, rule.allow.clone()))).collect(),
        fields: None,
    };
    Some((ask, CaseView::sound(purpose)))
}

fn sample(snapshot: &Snapshot, consumer: &Consumer, ask: &Ask, case: &CaseView, now: jiff::Timestamp) -> u64 {
    let started = Instant::now();
    for _ in 0..BATCH {
        drop(black_box(decide(black_box(ask), consumer, snapshot, Some(case), Powers::UNKNOWN, Profile::Test, now)));
    }
    u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX) / u64::from(BATCH)
}

fn median(samples: &mut [u64], at: f64) -> u64 {
    samples.sort_unstable();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in a short list")]
    let place = ((samples.len() - 1) as f64 * at) as usize;
    samples[place]
}

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().unwrap_or_else(|| "contracts".to_owned()));
    let rounds: u32 = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(5);
    let now: jiff::Timestamp = "2026-03-12T08:00:00Z".parse().expect("a moment");
    let mut problems = Problems::default();
    let snapshot = model::load::load(&folder, model::time::day(now), &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    let grants: Vec<(&Consumer, Ask, CaseView)> = snapshot
        .consumers
        .values()
        .flat_map(|consumer| consumer.grants.iter().filter_map(move |grant| ask(grant, now).map(|(ask, case)| (consumer, ask, case))))
        .collect();
    for (consumer, ask, case) in &grants {
        let decided = decide(ask, consumer, &snapshot, Some(case), Powers::UNKNOWN, Profile::Test, now).into_result();
        assert!(decided.is_ok(), "{} {}", consumer.id, ask.service);
    }
    let mut out = io::stdout().lock();
    writeln!(out, "round,grants,median_ns,p99_ns,worst_grant_ns")?;
    for round in 1..=rounds {
        let mut of_grant: Vec<Vec<u64>> = vec![Vec::with_capacity(SAMPLES); grants.len()];
        for _ in 0..SAMPLES {
            for ((consumer, ask, case), samples) in grants.iter().zip(&mut of_grant) {
                samples.push(sample(&snapshot, consumer, ask, case, now));
            }
        }
        let mut all: Vec<u64> = of_grant.iter().flatten().copied().collect();
        let worst = of_grant.iter_mut().map(|samples| median(samples, 0.5)).max().unwrap_or(0);
        writeln!(out, "{round},{},{},{},{worst}", grants.len(), median(&mut all, 0.5), median(&mut all, 0.99))?;
    }
    Ok(())
}
