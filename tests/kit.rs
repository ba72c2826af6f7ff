//! The adapter kit as its user runs it: the suite, recordings that become fixtures, scenarios for the mock agencies.

use std::path::Path;

use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::house::{Asker, House};
use crate::program::{copy_folder, run};
use qovsaq::scenario::Scenario;

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");
const NEW: &str = "mappings/azerishiq/subscriber@1.0.0.yaml";

#[test]
fn the_suite_of_one_service_is_a_table_of_its_cases_and_json() {
    let ran = run(&["kit", "azersu/consumption", "--case", "well-formed", "--case", "fault-in-200", "--case", "not-held"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let lines: Vec<&str> = ran.stdout.lines().map(str::trim).collect();
    for (case, result) in [("well-formed", "green"), ("fault-in-200", "green"), ("not-held", "-")] {
        assert!(
            lines.iter().any(|line| line.starts_with(case) && line.split_whitespace().nth(1) == Some(result)),
            "{case}: {}",
            ran.stdout
        );
    }
    // What does not apply says why, and the gateway's own warnings are not the reader's.
    assert!(lines.iter().any(|line| line.starts_with("not-held") && line.split_whitespace().count() > 4), "{}", ran.stdout);
    assert_eq!(ran.stderr, "3 cells: 2 green, 0 red, 1 do not apply\n");

    let ran = run(&["kit", "azersu/consumption", "--case", "absent", "--json"]);
    let report: Json = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    assert_eq!((&report["green"], &report["red"]), (&json!(1), &json!(0)), "{report}");
    for (wrong, named) in [(vec!["kit", "azersu/nothing"], "azersu/consumption"), (vec!["kit", "--case", "nothing"], "well-formed")] {
        let ran = run(&wrong);
        assert!(ran.code == Some(2) && ran.stderr.contains(named), "{ran:?}");
    }
}

#[test]
fn what_is_recorded_is_about_nobody_and_becomes_an_example_and_a_played_answer() {
    let folder = TempDir::new().expect("a temporary folder");
    for name in ["contracts", "mappings"] {
        copy_folder(&Path::new(REPOSITORY).join(name), &folder.path().join(name));
    }
    let kept = folder.path().join("recorded");
    let kept_text = kept.to_str().expect("UTF-8");
    let ran = run(&["try", "azerishiq/subscriber", "fin=5K7QX2O", "--record", kept_text]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let own = kept.join("azerishiq/subscriber");
    let answer = std::fs::read_to_string(own.join("recorded-1.answer.json")).expect("the answer");
    let question = std::fs::read_to_string(own.join("recorded-1.question.txt")).expect("the question");
    let person = mock_agencies::Personas::embedded();
    let person = person.requests_family().applicant();
    for trace in [&*person.fin, person.subscriber_code().expect("a subscriber")] {
        assert!(!answer.contains(trace) && !question.contains(trace), "{trace} survives in {question} {answer}");
    }
    // The played answer is the recorded one, under the recorded question.
    let (_, path) = question.split_once(' ').expect("METHOD /path");
    let played = kept.join("answers").join(format!("{}.json", path.trim_start_matches('/').replace('?', "/")));
    assert_eq!(std::fs::read_to_string(&played).unwrap_or_else(|error| panic!("{}: {error}", played.display())), answer);

    // With what it must become, which a person writes, it is an example that holds; without, it is none.
    let example = ran.stdout.lines().find_map(|line| line.strip_prefix("example: ")).expect("a line for the mapping");
    let examples = folder.path().join("mappings/azerishiq/examples/subscriber");
    std::fs::copy(own.join("recorded-1.answer.json"), examples.join("recorded-1.answer.json")).expect("copied");
    let (_, canonical) = ran.stdout.split_once("6. canonical").unwrap_or_else(|| panic!("{ran:?}"));
    let canonical = canonical.get(canonical.find('{').expect("an object")..canonical.find("\noutcome:").expect("the end")).expect("JSON");
    let mut becomes: Json = serde_json::from_str(canonical).unwrap_or_else(|error| panic!("{error}: {canonical}"));
    let read: Json = serde_json::from_str(&answer).expect("JSON");
    let row = &read["abonentler"][0];
    for (field, from) in [("subscriber_code", "abonent_kodu"), ("holder_fin", "sahib_fin"), ("address_text", "unvan")] {
        becomes[field] = row[from].clone();
    }
    let mapping = folder.path().join(NEW);
    let before = std::fs::read_to_string(&mapping).expect("a mapping");
    let data = folder.path().to_str().expect("UTF-8");
    for (fields, code) in [(becomes, 0), (json!({"subscriber_code": "1"}), 1)] {
        let expected = json!({"outcome": "FOUND", "fields": fields, "undeclared": 0});
        std::fs::write(examples.join("recorded-1.json"), expected.to_string()).expect("writable");
        let line = example.replace("expect: }", "expect: recorded-1.json}");
        std::fs::write(&mapping, format!("{}\n  {line}\n", before.trim_end())).expect("writable");
        let checked = run(&["check", data]);
        assert_eq!(checked.code, Some(code), "{line}\n{expected}\n{checked:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scenario_sets_and_clears_faults_by_its_clock() {
    let house = House::start().await;
    let asker = Asker::start(&house.client(), &house.applicant().fin).await;
    let file = house.dir().join("scenario.yaml");
    let steps = "steps:\n  - {at: 0s, agency: taxes, fault: error}\n  - {at: 300ms, agency: taxes}\n";
    std::fs::write(&file, steps).expect("writable");
    let scenario = Scenario::read(&file).expect("sound");
    let (told, mut heard) = mpsc::unbounded_channel();
    let asked = async {
        let mut outcomes = Vec::new();
        while let Some(()) = heard.recv().await {
            let answer = asker.ask("taxes/person-income").await;
            outcomes.push((answer.status, answer.json().map(|json| json["outcome"].clone()).unwrap_or_default()));
        }
        outcomes
    };
    let play = async {
        scenario.play(&house.environment.agencies, |_| told.send(()).expect("somebody listens")).await;
        drop(told);
    };
    let ((), outcomes) = tokio::join!(play, asked);
    assert_eq!(outcomes.len(), 2, "{outcomes:?}");
    assert_eq!(outcomes[0].0, 503, "{outcomes:?}");
    assert_eq!(outcomes[1], (200, json!("FOUND")), "{outcomes:?}");
    house.stop().await;
}

#[test]
fn a_scenario_with_a_mistake_starts_nothing() {
    let folder = TempDir::new().expect("a temporary folder");
    let file = folder.path().join("scenario.yaml");
    std::fs::write(&file, "steps:\n  - {at: 0s, agency: taxes, fault: estimated}\n").expect("writable");
    let ran = run(&["mock", "--scenario", file.to_str().expect("UTF-8")]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stdout.contains("scenario.yaml:2:") && ran.stdout.contains("unknown-word"), "{ran:?}");
}
