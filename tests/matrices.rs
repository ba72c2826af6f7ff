//! Generated matrices are current: `UPDATE_MATRICES=1 cargo nextest run matrices` writes them anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use model::{Problems, Snapshot};
use qovsaq::cli::inventory::{self, Tests};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn is_current(name: &str, text: &str) {
    let file = root().join(name);
    fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
    if std::env::var_os("UPDATE_MATRICES").is_some() {
        fs::write(&file, text).expect("a written matrix");
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    assert!(committed == text, "{name} is not current: run UPDATE_MATRICES=1 cargo nextest run matrices");
}

// clause: 634/2.6 001/6.1.5
#[test]
fn the_matrix_of_consumers_services_and_fields_is_current() {
    let now: jiff::Timestamp = "2026-03-12T08:00:00Z".parse().expect("a moment");
    let mut problems = Problems::default();
    let snapshot = model::load::load(&root().join("contracts"), model::time::day(now), &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    let matrix = qovsaq::cli::matrix::consumer_service_field(&snapshot, now);
    // Every service and every consumer with a grant stands there.
    assert!(snapshot.services.values().all(|service| matrix.contains(&format!("\n## {}\n", service.versioned()))));
    let granted = snapshot.consumers.values().filter(|consumer| !consumer.grants.is_empty());
    assert!(granted.into_iter().all(|consumer| matrix.contains(&format!("- `{}` (", consumer.id))));
    is_current("docs/matrices/consumer-service-field.md", &matrix);
}

/// Acts and regulations that tests name, by the short word before the clause.
const SOURCES: [(&str, &str); 5] = [
    ("634", "Decree 634, MEİS regulation"),
    ("002P", "Decree 634, portal regulation"),
    ("000", "statute of the insurance agency's IT department, by analogy"),
    ("001", "statute of the ministry's e-services department"),
    ("004", "decision 893/QĐ-BHXH, as a discipline of access"),
];

/// A clause: its act by the place in [`SOURCES`], its numbers for the order, and as it is written.
type Clause = (usize, Vec<u32>, String);

#[test]
fn the_matrix_of_clauses_and_tests_is_current() {
    let mut tests: BTreeMap<Clause, Vec<(String, String)>> = BTreeMap::new();
    for folder in ["crates", "src", "tests"] {
        for file in rust_files(&root().join(folder)) {
            let shown = file.strip_prefix(root()).expect("below the root").display().to_string();
            let text = fs::read_to_string(&file).expect("a file");
            let mut lines = text.lines().map(str::trim);
            while let Some(line) = lines.next() {
                let Some(clauses) = line.strip_prefix("// clause: ") else { continue };
                let name = lines.by_ref().find_map(|line| line.split_once("fn ").map(|(_, rest)| rest)).expect("a test below its clauses");
                let name = name.split('(').next().expect("a name").to_owned();
                for clause in clauses.split_whitespace() {
                    let (source, number) = clause.split_once('/').unwrap_or_else(|| panic!("{shown}: `{clause}` is no clause"));
                    let source = SOURCES
                        .iter()
                        .position(|(word, _)| *word == source)
                        .unwrap_or_else(|| panic!("{shown}: `{clause}` is of no known act"));
                    let order = number.split(['.', '-']).map(|part| part.parse().unwrap_or(u32::MAX)).collect();
                    tests.entry((source, order, number.to_owned())).or_default().push((name.clone(), shown.clone()));
                }
            }
        }
    }
    let mut matrix = String::from(
        "# Which test shows which clause\n\nWritten from the lines `// clause: …` above tests; a test keeps it current (`UPDATE_MATRICES=1 cargo nextest run matrices`).\n\
         A clause that does not stand here is not shown by a test that says so; it may still be kept.\n",
    );
    let mut above = None;
    for ((source, _, number), mut tests) in tests {
        if above != Some(source) {
            above = Some(source);
            matrix.push_str(&format!("\n## {}\n\n| Clause | Test | File |\n|---|---|---|\n", SOURCES[source].1));
        }
        tests.sort();
        for (name, file) in tests {
            matrix.push_str(&format!("| {number} | `{name}` | `{file}` |\n"));
        }
    }
    // The clauses that the policy is for.
    for clause in ["| 2.5 |", "| 2.6 |", "| 6.1.3 |", "| 6.1.5 |", "| 6.2.4 |", "| 6.2.12 |", "| 6.2.13 |", "| 4.6 |"] {
        assert!(matrix.contains(clause), "no test shows {clause}");
    }
    is_current("docs/matrices/clause-test.md", &matrix);
}

/// Tests over the wire that name a service in a literal, such as `"taxes/person-income"`.
fn tests_of(snapshot: &Snapshot) -> Tests {
    let literals: Vec<_> = snapshot.services.keys().map(|service| (service, format!("\"{service}\""))).collect();
    let mut tests = Tests::new();
    for file in rust_files(&root().join("tests")) {
        let text = fs::read_to_string(&file).expect("a file");
        let mut lines = text.lines();
        while lines.by_ref().any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test")) {
            let Some(name) = lines.by_ref().find_map(|line| line.split_once("fn ")?.1.split('(').next()) else { break };
            for line in lines.by_ref().take_while(|line| *line != "}") {
                for (service, _) in literals.iter().filter(|(_, literal)| line.contains(literal)) {
                    tests.entry((*service).clone()).or_default().insert(name.to_owned());
                }
            }
        }
    }
    tests
}

// clause: 634/1.8 634/5.0.1
#[test]
fn coverage_and_passports_are_current() {
    let now: jiff::Timestamp = "2026-03-12T08:00:00Z".parse().expect("a moment");
    let mut problems = Problems::default();
    let active = qovsaq::data::load(&root().join("contracts"), &root().join("mappings"), model::time::day(now), &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    let coverage = inventory::coverage(&active.snapshot, &tests_of(&active.snapshot));
    assert!(active.snapshot.services.values().all(|service| coverage.contains(&format!("\n### `{}`", service.versioned()))));
    is_current("contracts/coverage.md", &coverage);
    for provider in active.snapshot.providers.values() {
        is_current(&format!("docs/passports/{}.md", provider.id), &inventory::passport(&active, provider, now));
    }
    let written = fs::read_dir(root().join("docs/passports")).expect("a folder").count();
    assert_eq!(written, active.snapshot.providers.len(), "a passport of no source is left in docs/passports");
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() && entry.file_name().is_some_and(|name| name != "target") {
            files.extend(rust_files(&entry));
        } else if entry.extension().is_some_and(|kind| kind == "rs") {
            files.push(entry);
        }
    }
    files.sort();
    files
}
