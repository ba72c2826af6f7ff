//! The contract test suite over everything that is shipped: every service × every case, none left out, and
//! each case can fail.

use std::collections::BTreeSet;
use std::path::Path;

use model::{Outcome, ServiceId};
use qovsaq::clock;
use qovsaq::gateway::StartError;
use qovsaq::kit::{Case, Cell, Certificate, Ended, Material, Script, Step, Suite, Workplace};
use tempfile::TempDir;

fn prepare(dir: &Path) -> Workplace {
    match Workplace::prepare(dir, None, clock::now()) {
        Ok(place) => place,
        Err(StartError::Problems(problems)) => panic!("{problems:?}"),
        Err(StartError::Other(error)) => panic!("{error:?}"),
    }
}

async fn run(place: Workplace, services: BTreeSet<ServiceId>, cases: &[Case], play: impl Fn(&Material, Case, Step) -> Step) -> Vec<Cell> {
    let suite = Suite::start(place, &services).await.unwrap_or_else(|error| panic!("{error:?}"));
    suite.run(cases, play, |_, _| {}).await.expect("the suite ends")
}

fn red(cells: &[Cell]) -> Vec<String> {
    let why = |cell: &Cell| match &cell.ended {
        Ended::Red { why, todo } => Some(format!("{} {}: {}\n  {todo}", cell.service, cell.case.as_str(), why.join("\n  "))),
        Ended::Green { .. } | Ended::NotApplicable { .. } => None,
    };
    cells.iter().filter_map(why).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_service_stands_every_case() {
    let folder = TempDir::new().expect("a folder");
    let place = prepare(folder.path());
    let services: BTreeSet<ServiceId> = place.materials.iter().map(|material| material.service.id.clone()).collect();
    // What is wrong with a file is judged when it is loaded (`feeds`).
    let asked_over_a_line = place.materials.iter().filter(|material| material.service.snapshot.is_none()).count();
    let cells = run(place, services.clone(), Case::ALL, |_, _, step| step).await;
    let failed = red(&cells);
    assert!(failed.is_empty(), "{}", failed.join("\n"));

    // None is left out: what does not apply says why.
    let expected: BTreeSet<_> = services.iter().flat_map(|service| Case::ALL.iter().map(move |case| (service, *case))).collect();
    assert_eq!(cells.iter().map(|cell| (&cell.service, cell.case)).collect::<BTreeSet<_>>(), expected);
    let (mut green, mut asked, mut reasons) = (0, 0, BTreeSet::new());
    for cell in &cells {
        match &cell.ended {
            Ended::Green { asked: own } => {
                green += 1;
                asked += own;
            }
            Ended::NotApplicable { reason } => {
                reasons.insert(format!("{}: {reason}", cell.case.as_str()));
            }
            Ended::Red { .. } => {}
        }
    }
    println!(
        "{} services × {} cases = {}: {green} green with {asked} questions, {} do not apply",
        services.len(),
        Case::ALL.len(),
        cells.len(),
        cells.len() - green
    );
    reasons.iter().for_each(|reason| println!("  {reason}"));
    assert_eq!(cells.len(), services.len() * Case::ALL.len());
    // Cases of the line apply to every service that is asked over one.
    let general = [Case::Malformed, Case::Oversized, Case::FaultIn200, Case::RetryAfter, Case::Reset, Case::Duplicate, Case::Cancelled];
    let general = general.iter().chain(&[Case::Slow, Case::Hung, Case::Dripping, Case::WrongCertificate, Case::WrongType]);
    for case in general {
        let applies = cells.iter().filter(|cell| cell.case == *case && matches!(cell.ended, Ended::Green { .. })).count();
        assert_eq!(applies, asked_over_a_line, "{}", case.as_str());
    }
}

/// A REST source that may be asked again, one over X-Road, and one that may not and that refuses.
const FEW: [&str; 3] = ["azerishiq/subscriber", "interior/person-identity", "credit-bureau/obligations-summary"];

fn few() -> BTreeSet<ServiceId> {
    FEW.into_iter().map(|id| ServiceId::new(id).expect("a service")).collect()
}

/// Plays another answer than the case orders: a record where none belongs, an absence where a record does.
fn dishonest(material: &Material, case: Case, step: Step) -> Step {
    let of = |outcome| Script::Answer(material.with(outcome).next().expect("an example").answer.clone());
    let script = match case {
        Case::WellFormed | Case::Undeclared | Case::BreaksContract | Case::WrongPerson | Case::Duplicate => of(Outcome::NotFound),
        // Who goes away is not to blame for what the source does not answer.
        Case::Cancelled => Script::Reset,
        _ => of(Outcome::Found),
    };
    Step { script, certificate: Certificate::Own, ..step }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_plays_something_else_fails_every_case() {
    let folder = TempDir::new().expect("a folder");
    let cells = run(prepare(folder.path()), few(), Case::ALL, dishonest).await;
    let green: Vec<_> = cells.iter().filter(|cell| matches!(cell.ended, Ended::Green { .. })).collect();
    assert!(green.is_empty(), "these cells cannot fail: {green:?}");
    let failed: BTreeSet<Case> = cells.iter().filter(|cell| matches!(cell.ended, Ended::Red { .. })).map(|cell| cell.case).collect();
    // None of these few tells of what is held on paper alone.
    let all: BTreeSet<Case> = Case::ALL.iter().copied().filter(|case| *case != Case::NotHeld).collect();
    assert_eq!(failed, all);
    for cell in &cells {
        let Ended::Red { why, todo } = &cell.ended else { continue };
        assert!(!why.is_empty() && !todo.is_empty(), "{cell:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_works_by_other_data_is_found_out() {
    const CONTRACT: &str = "contracts/providers/azerishiq/subscriber@1.0.0.yaml";
    // What is changed in the gateway's data behind the back of the suite, and the one case that sees it.
    let changes = [
        (CONTRACT, r#""absence": "unknown""#, r#""absence": "fact""#, Case::Absent),
        (CONTRACT, r#""retry": "idempotent""#, r#""retry": "never""#, Case::Duplicate),
    ];
    for (file, from, to, case) in changes {
        let folder = TempDir::new().expect("a folder");
        let place = prepare(folder.path());
        let path = folder.path().join(file);
        let text = std::fs::read_to_string(&path).expect("a file");
        assert!(text.contains(from), "{from} is not in {file}");
        std::fs::write(&path, text.replace(from, to)).expect("writable");
        let cells = run(place, few().into_iter().take(1).collect(), Case::ALL, |_, _, step| step).await;
        let failed: Vec<Case> = cells.iter().filter(|cell| matches!(cell.ended, Ended::Red { .. })).map(|cell| cell.case).collect();
        assert_eq!(failed, [case], "{:?}", red(&cells));
    }
}
