//! A folder of data with more than fifty deliberate mistakes: `qovsaq check` names each one at its place, and
//! nothing else. What is expected stands in `fixtures/mistakes/mistakes.txt`, and once more in the files themselves,
//! in a comment on the line.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::program::run;

/// Where a mistake is: file, line.
type Place = (String, usize);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/mistakes")
}

/// The comments `# mistake: rule, rule` of every file below a folder.
fn comments(folder: &Path, base: &Path, found: &mut BTreeMap<Place, Vec<String>>) {
    for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            comments(&entry, base, found);
            continue;
        }
        let file = entry.strip_prefix(base).expect("below").display().to_string();
        for (number, line) in std::fs::read_to_string(&entry).expect("a file").lines().enumerate() {
            if let Some((_, rules)) = line.split_once("# mistake: ") {
                found.insert((file.clone(), number + 1), rules.split(", ").map(str::to_owned).collect());
            }
        }
    }
}

#[test]
fn every_deliberate_mistake_is_named_at_its_place() {
    let folder = folder();
    let ran = run(&["check", &folder.display().to_string()]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    let prefix = format!("{}/", folder.display());
    let told: Vec<Vec<&str>> =
        ran.stdout.lines().map(|line| line.strip_prefix(&*prefix).unwrap_or(line).splitn(5, ':').map(str::trim).collect()).collect();
    let named: Vec<String> = told.iter().map(|parts| format!("{}:{}:{}: {}", parts[0], parts[1], parts[2], parts[3])).collect();
    let table = std::fs::read_to_string(folder.join("mistakes.txt")).expect("the table");
    let expected: Vec<&str> = table.lines().collect();
    let missed: Vec<_> = expected.iter().filter(|mistake| !named.iter().any(|named| named == **mistake)).collect();
    let invented: Vec<_> = named.iter().filter(|named| !expected.contains(&named.as_str())).collect();
    assert!(missed.is_empty() && invented.is_empty(), "not named: {missed:#?}\nnot expected: {invented:#?}");
    assert_eq!(named.len(), expected.len(), "one is named twice");
    assert!(expected.len() >= 50, "{} mistakes", expected.len());
    for parts in &told {
        assert!(parts.len() == 5 && parts[4].len() > 10, "it says what is wrong: {parts:?}");
    }

    // The table and the comments in the files were compared by a person; here they are by a machine.
    let mut commented = BTreeMap::new();
    comments(&folder, &folder, &mut commented);
    let mut by_line: BTreeMap<Place, Vec<String>> = BTreeMap::new();
    for mistake in expected.iter().filter(|mistake| folder.join(mistake.split(':').next().unwrap_or_default()).is_file()) {
        let parts: Vec<&str> = mistake.splitn(4, ':').map(str::trim).collect();
        let is_yaml = parts[0].ends_with(".yaml");
        if is_yaml {
            by_line.entry((parts[0].to_owned(), parts[1].parse().expect("a line"))).or_default().push(parts[3].to_owned());
        }
    }
    assert_eq!(commented, by_line);
    let rules: BTreeSet<&str> = told.iter().map(|parts| parts[3]).collect();
    println!("{} mistakes of {} kinds, all named", named.len(), rules.len());
    assert!(rules.len() >= 50, "{} kinds of mistakes", rules.len());
}
