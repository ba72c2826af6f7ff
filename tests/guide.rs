//! The guides in step with the program: what they list is what there is, and what they tell people to
//! type is understood.

use std::path::Path;

use clap::Parser as _;
use policy::DenialReason;
use qovsaq::cli::Cli;
use qovsaq::envelope::BODY_BYTES_MAX;
use qovsaq::problem::{Code, Language};
use qovsaq::refusal;

fn guide(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guide").join(name);
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The cells of the rows of the table under a heading, without its head.
fn rows<'a>(text: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
    let section = text.split("\n## ").find(|section| section.starts_with(heading)).unwrap_or_else(|| panic!("no section {heading}"));
    let lines = section.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    lines.skip(2).map(|line| line.split('|').map(|cell| cell.trim_matches(['`', ' '])).collect()).collect()
}

#[test]
fn every_problem_code_is_explained_with_its_status() {
    let text = guide("errors.md");
    let rows = rows(&text, "Codes");
    let written: Vec<_> = rows.iter().map(|row| (row[0].to_owned(), row[1].to_owned())).collect();
    let known: Vec<_> = Code::ALL.iter().map(|code| (code.as_str().to_owned(), code.status().as_u16().to_string())).collect();
    let sorted = |mut codes: Vec<_>| {
        codes.sort();
        codes
    };
    assert_eq!(sorted(written), sorted(known));
    for row in rows {
        assert!(row.len() == 4 && row.iter().all(|cell| !cell.is_empty()), "{row:?} says when, and what to do");
    }
    assert!(text.contains(&format!("{} KiB", BODY_BYTES_MAX / 1024)));
}

#[test]
fn every_reason_of_a_denial_is_explained_with_its_pointer() {
    let text = guide("errors.md");
    let rows = rows(&text, "Reasons of");
    let written: Vec<_> = rows.iter().map(|row| (row[0], row[1])).collect();
    let said: Vec<_> = DenialReason::ALL.iter().map(|reason| refusal::field_error(*reason, Language::En)).collect();
    let known: Vec<_> = DenialReason::ALL.iter().zip(&said).map(|(reason, said)| (reason.code(), said.pointer.as_str())).collect();
    assert_eq!(written, known);
    for row in rows {
        assert!(row.len() == 4 && row.iter().skip(2).all(|cell| !cell.is_empty()), "{row:?} says when, and what to do");
    }
}

#[test]
fn every_command_in_the_guides_is_understood() {
    let mut commands = 0;
    let names = [
        "add-a-field.md",
        "change-control.md",
        "check.md",
        "data-quality.md",
        "errors.md",
        "for-subsystems.md",
        "operate.md",
        "write-an-adapter.md",
    ];
    for name in names {
        let text = guide(name);
        let typed = text.lines().filter(|line| line.starts_with("qovsaq "));
        for line in typed.map(|line| line.split('#').next().unwrap_or_default().trim()) {
            commands += 1;
            // What stands between quotation marks is one word.
            let parts = line.split('"').enumerate();
            let words = parts.flat_map(|(place, part)| if place % 2 == 0 { part.split_whitespace().collect() } else { vec![part] });
            if let Err(error) = Cli::try_parse_from(words) {
                panic!("{name}: `{line}`: {error}");
            }
        }
    }
    assert!(commands >= 8, "only {commands} commands were found");
}

#[test]
fn every_metric_that_operators_are_told_to_watch_is_counted() {
    let text = guide("operate.md");
    let source = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
        + &sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/journal/src"));
    let watched: Vec<&str> = text.split('`').filter(|word| word.starts_with("qovsaq_")).collect();
    assert!(!watched.is_empty());
    for metric in watched {
        let name = metric.split('{').next().unwrap_or_default();
        assert!(source.contains(&format!("\"{name}\"")), "nothing counts {name}");
    }
}

/// Every Rust file below a folder, in one text.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            text.push_str(&sources(&entry));
        } else if entry.extension().is_some_and(|kind| kind == "rs") {
            text.push_str(&std::fs::read_to_string(&entry).expect("a file"));
        }
    }
    text
}
