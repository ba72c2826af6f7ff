//! The command line as its user meets it: exit codes, output, help texts; and the documents a consumer reads.

use std::collections::BTreeSet;
use std::path::Path;

use journal::Role;
use mock_agencies::{AgencyCode, FILE_SERVICES, Fault};
use qovsaq::demo::{AGENCIES, CONSUMER, Environment};
use qovsaq::record::Kind;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::child::Site;
use crate::house::{ABOUT_NOBODY, House, SERVICES, envelope, options};
use crate::ledger;
use crate::program::{Demo, Ran, copy_folder, port_base, run};

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn check_code(ran: &Ran, code: i32) {
    assert_eq!(ran.code, Some(code), "{ran:?}");
}

// check

/// A copy of the repository's data.
fn copied_data() -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    for name in ["contracts", "mappings"] {
        copy_folder(&Path::new(REPOSITORY).join(name), &folder.path().join(name));
    }
    folder
}

/// Replaces a text that stands once in a file, and says at which line and column the other one begins.
fn plant(folder: &Path, file: &str, from: &str, to: &str) -> String {
    let path = folder.join(file);
    let text = std::fs::read_to_string(&path).expect("a file");
    assert_eq!(text.matches(from).count(), 1, "{from} in {file}");
    let before = text.split(from).next().expect("a beginning");
    let column = before.lines().next_back().filter(|_| !before.ends_with('\n')).map_or(0, |line| line.chars().count()) + 1;
    std::fs::write(&path, text.replace(from, to)).expect("writable");
    format!("{}:{}:{column}", path.display(), before.matches('\n').count() + 1)
}

#[test]
fn the_repositorys_own_data_are_sound() {
    let ran = run(&["check", REPOSITORY]);
    check_code(&ran, 0);
    assert_eq!(ran.stdout, "");
    let services: BTreeSet<&str> = SERVICES.iter().map(String::as_str).chain(FILE_SERVICES).collect();
    let providers: BTreeSet<&str> = services.iter().filter_map(|service| service.split('/').next()).collect();
    let sound = format!("sound: {} providers, {} services with mappings, 19 consumers, 1 dossiers", providers.len(), services.len());
    assert!(ran.stderr.starts_with(&sound), "{}", ran.stderr);
}

#[test]
fn check_prints_every_fault_with_its_place() {
    let folder = copied_data();
    let planted = [
        (plant(folder.path(), "contracts/consumers/sovqat.yaml", "given_name", "first_name"), "unknown-field"),
        (plant(folder.path(), "contracts/consumers/tasks.yaml", "clause:", "colour:"), "unknown-key"),
        (plant(folder.path(), "contracts/providers/azerishiq/subscriber@1.0.0.yaml", "5s", "soon"), "wrong-duration"),
        (plant(folder.path(), "mappings/taxes/person-income@1.0.0.yaml", "120", "121"), "wrong-max"),
    ];
    let ran = run(&["check", text(folder.path())]);
    check_code(&ran, 1);
    for (place, rule) in &planted {
        let line = ran.stdout.lines().find(|line| line.starts_with(&format!("{place}: {rule}: ")));
        let line = line.unwrap_or_else(|| panic!("no {rule} at {place} in\n{}", ran.stdout));
        assert!(line.contains(", accepted: "), "{line}");
    }
    // The clause that became a colour is missing as well.
    assert_eq!(ran.stdout.lines().filter(|line| !line.contains(": missing-key: ")).count(), planted.len(), "{}", ran.stdout);
    assert_eq!(ran.stderr, format!("{} problems\n", ran.stdout.lines().count()));
}

#[test]
fn check_finds_a_plan_that_goes_round_in_a_circle() {
    let folder = copied_data();
    let file = "contracts/dossiers/adsy-means-test@1.0.0.yaml";
    // The address comes from the dwelling, whose subscriber comes from the address.
    let from = "  residence: {service: interior/residence-registration, for: [applicant, spouse, child, adult, other], need: required}";
    let to = "  residence:\n    service: interior/residence-registration\n    for: [applicant, spouse, child, adult, other]\n    need: required\n    \
              when: [{answer: electricity-subscriber.active, is: [\"true\"]}]";
    plant(folder.path(), file, from, to);
    let ran = run(&["check", text(folder.path())]);
    check_code(&ran, 1);
    assert!(ran.stdout.contains(": element-cycle: "), "{}", ran.stdout);
    // Itself is the smallest circle.
    let folder = copied_data();
    plant(folder.path(), file, "{answer: electricity-subscriber.subscriber_code}", "{answer: electricity-consumption.balance_qapik}");
    let ran = run(&["check", text(folder.path())]);
    check_code(&ran, 1);
    assert!(ran.stdout.contains(file), "{}", ran.stdout);
}

#[test]
fn check_of_a_folder_without_data_is_wrong_usage() {
    let folder = TempDir::new().expect("a temporary folder");
    check_code(&run(&["check", text(folder.path())]), 2);
    check_code(&run(&["check", "--colour"]), 2);
    check_code(&run(&["chekc"]), 2);
}

#[tokio::test]
async fn check_reads_the_configuration_too() {
    let site = Site::prepare().await;
    check_code(&run(&["check", text(site.dir())]), 0);
    site.change_config("profile: test", "profile: tset");
    let ran = run(&["check", text(site.dir())]);
    check_code(&ran, 1);
    assert!(ran.stdout.contains("qovsaq.yaml:2:10: ") && ran.stdout.contains("test, production"), "{}", ran.stdout);
    // What check finds, serve refuses to start on, in the same words.
    let served = run(&["serve", "--config", text(&site.config())]);
    check_code(&served, 1);
    assert_eq!(served.stdout, ran.stdout);
}

/// `docs/guide/add-a-field.md`, done line by line.
#[test]
fn a_field_and_its_grant_are_a_few_lines_of_yaml() {
    let guide = include_str!("../docs/guide/add-a-field.md");
    let fields = "  photo: {type: bytes, class: S, agreed: false}";
    let in_contract = "  blood_group: {type: text, class: C, optional: true}";
    let in_mapping = "    blood_group: {from: d:QanQrupu, as: text, optional: true}";
    let in_grant = "    fields: [fin, surname, given_name, birth_date, blood_group]";
    let (none, one, fewer) = ("    \"blood_group\": null", "    \"blood_group\": \"A(II) Rh+\"", "  \"undeclared\": 2,");
    for line in [in_contract, in_mapping, none, one, fewer, in_grant] {
        assert!(guide.contains(line), "the guide says otherwise than {line}");
    }
    let folder = copied_data();
    let data = text(folder.path());
    plant(folder.path(), "contracts/providers/interior/person-identity@1.0.0.yaml", fields, &format!("{in_contract}\n{fields}"));
    let ran = run(&["check", data]);
    check_code(&ran, 1);
    assert!(ran.stdout.contains(": unmapped-field: "), "{}", ran.stdout);

    let mapping = "mappings/interior/person-identity@1.0.0.yaml";
    plant(folder.path(), mapping, "\nexamples:", &format!("\n{in_mapping}\nexamples:"));
    let ran = run(&["check", data]);
    check_code(&ran, 1);
    assert_eq!(ran.stdout.matches(": example-mismatch: ").count(), 3, "{}", ran.stdout);

    let examples = "mappings/interior/examples/person-identity";
    for (file, status, line) in [("ok", "valid", none), ("unlimited", "cancelled", none), ("undeclared", "valid", one)] {
        let last = format!("    \"document_status\": \"{status}\"");
        plant(folder.path(), &format!("{examples}/{file}.json"), &last, &format!("{last},\n{line}"));
    }
    plant(folder.path(), &format!("{examples}/undeclared.json"), "  \"undeclared\": 3,", fewer);
    plant(folder.path(), "contracts/consumers/sovqat.yaml", "    fields: [fin, surname, given_name, birth_date]", in_grant);
    let ran = run(&["check", data]);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    let ran = run(&["explain", "sovqat", "interior/person-identity", "--data", data]);
    check_code(&ran, 0);
    assert!(ran.stdout.contains("delivered  fin, surname, given_name, birth_date, blood_group"), "{}", ran.stdout);
    let ran = run(&["try", "interior/person-identity", "fin=5K7QX2O", "--fault", "undeclared", "--data", data]);
    check_code(&ran, 0);
    assert!(ran.stdout.contains("\"blood_group\": \""), "{}", ran.stdout);
}

// explain

#[test]
fn explain_says_what_is_delivered_and_why_not() {
    let explain = |arguments: &[&str]| run(&[&["explain", "--data", REPOSITORY], arguments].concat());
    let ran = explain(&["sovqat", "interior/person-identity", "--purpose", "sovqat-queue"]);
    check_code(&ran, 0);
    for line in ["agreement ", "function ", "class ", "powers ", "delivered  fin, surname, given_name, birth_date"] {
        assert!(ran.stdout.lines().any(|shown| shown.starts_with(line)), "{line} in {}", ran.stdout);
    }
    let ran = explain(&["targeted-aid", "taxes/person-income", "--role", "clerk"]);
    check_code(&ran, 1);
    assert!(ran.stdout.contains("role-not-granted"), "{}", ran.stdout);
    let ran = explain(&["tasks", "interior/person-identity", "--json"]);
    check_code(&ran, 1);
    let shown: Json = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(shown["allowed"], false);
    let ran = explain(&["targeted-aid", "interior/person-identity", "--profile", "production"]);
    check_code(&ran, 1);
    assert!(ran.stdout.contains("assertion-required"), "{}", ran.stdout);
    for wrong in [["nobody", "interior/person-identity"], ["sovqat", "interior"]] {
        check_code(&explain(&wrong), 2);
    }
    check_code(&run(&["explain", "sovqat", "interior/person-identity", "--data", text(&std::env::temp_dir().join("no-such"))]), 2);
}

#[test]
fn explain_draws_a_dossiers_plan_in_waves() {
    let ran = run(&["explain", "adsy-means-test", "--data", REPOSITORY]);
    check_code(&ran, 0);
    let waves: Vec<&str> = ran.stdout.split("\nwave ").collect();
    assert_eq!(waves.len(), 4, "{}", ran.stdout);
    for (wave, element) in [(1, "identity"), (1, "application"), (2, "income"), (2, "water"), (3, "electricity-consumption")] {
        assert!(waves[wave].lines().any(|line| line.trim_start().starts_with(&format!("{element} "))), "{element} in {}", waves[wave]);
    }
    let drawn = run(&["explain", "adsy-means-test", "--data", REPOSITORY, "--mermaid"]);
    check_code(&drawn, 0);
    assert!(drawn.stdout.starts_with("flowchart LR\n") && drawn.stdout.contains("-->"), "{}", drawn.stdout);
    check_code(&run(&["explain", "no-such-dossier", "--data", REPOSITORY]), 2);
}

// try and mock

#[test]
fn try_shows_every_step_and_masks_what_was_on_the_wire() {
    let house_of = mock_agencies::Personas::embedded();
    for service in SERVICES.iter() {
        // Every source knows something about the one; the other's debts are of the kind that is granted.
        let family = if service == "justice/enforcement-debt" { house_of.reference_family() } else { house_of.requests_family() };
        let subject = qovsaq::demo::subject_of(service, &house_of, family);
        let about = if service == "migration/permit" { format!("pin={subject}") } else { format!("fin={subject}") };
        let nobody = ABOUT_NOBODY.contains(&service.as_str());
        let ran = if nobody { run(&["try", service]) } else { run(&["try", service, &about]) };
        check_code(&ran, 0);
        let mut from = 0;
        // A yes or no is all that is left of a record.
        let last: &[&str] = if ran.stdout.contains("\n6. answer ") { &["6. answer "] } else { &["5. mapping", "6. canonical "] };
        for step in ["1. asked ", "2. wire request ", "3. wire answer      HTTP 200 ", "4. outcome rule     FOUND: "].iter().chain(last) {
            let place = ran.stdout.get(from..).and_then(|rest| rest.find(step)).unwrap_or_else(|| panic!("{step} in {}", ran.stdout));
            from += place;
        }
        assert!(ran.stdout.contains("\noutcome: FOUND, proved by entry #"), "{}", ran.stdout);
        let (_, wire) = ran.stdout.split_once("2. wire request").expect("a request");
        let (wire, _) = wire.split_once("4. outcome rule").expect("a rule");
        assert!(wire.contains("•••"), "{wire}");
        let person = family.applicant();
        let code = person.subscriber_code().expect("a subscriber");
        for value in [
            subject,
            "NUEMUNESON",
            &*person.fin,
            &*person.surname,
            &*person.given_name,
            &*person.document.number,
            code,
            "Sınaq küç",
            "9900001233",
        ] {
            assert!(!wire.contains(value), "{service} shows {value} in {wire}");
        }
    }
    let person = house_of.requests_family().applicant();
    let ran = run(&["try", "interior/person-identity", &format!("fin={}", person.fin), "--unmasked"]);
    check_code(&ran, 0);
    assert!(ran.stdout.contains(&format!(":FIN>{}</", person.fin)), "{}", ran.stdout);
}

#[test]
fn try_says_how_it_ended_by_its_exit_code() {
    let attempt = |arguments: &[&str]| run(&[&["try"], arguments].concat());
    // No income is an answer; a fault is none.
    let ran = attempt(&["taxes/person-income", "fin=3M9RT4O"]);
    check_code(&ran, 0);
    assert!(ran.stdout.contains("\noutcome: NOT_FOUND"), "{}", ran.stdout);
    for (fault, outcome) in [("fault-in-200", "UNAVAILABLE"), ("wrong-type", "INVALID_DATA"), ("hang", "UNAVAILABLE")] {
        let ran = attempt(&["taxes/person-income", "fin=5K7QX2O", "--fault", fault]);
        check_code(&ran, 1);
        assert!(ran.stdout.contains(&format!("\noutcome: {outcome}")), "{fault}: {}", ran.stdout);
    }
    for wrong in [
        vec!["taxes/nothing", "fin=5K7QX2O"],
        vec!["taxes/person-income"],
        vec!["taxes/person-income", "5K7QX2O"],
        vec!["taxes/person-income", "fin=5K7QX2O", "--fault", "nothing"],
    ] {
        let ran = attempt(&wrong);
        check_code(&ran, 2);
        assert!(ran.stderr.lines().any(|line| line.starts_with("qovsaq: ")), "{ran:?}");
    }
}

#[test]
fn mock_lists_every_fault_of_every_service() {
    let ran = run(&["mock", "--faults"]);
    check_code(&ran, 0);
    let mut count = 0;
    for code in AGENCIES {
        for service in code.services() {
            for fault in Fault::accepted(code, service) {
                count += 1;
                let row = [code.as_str(), service, fault.as_str()];
                assert!(ran.stdout.lines().any(|line| line.split_whitespace().take(3).eq(row)), "{row:?}");
            }
        }
    }
    assert_eq!(ran.stdout.lines().filter(|line| !line.is_empty()).count(), count + 1, "and a heading");
    check_code(&run(&["mock", AgencyCode::Taxes.as_str(), "customs"]), 2);
}

// demo, ask, journal

#[test]
fn demo_once_shows_a_record_an_absence_and_an_outage_and_can_be_repeated() {
    let folder = TempDir::new().expect("a temporary folder");
    let dir = folder.path().join("demo");
    let port = port_base().to_string();
    for _ in 0..2 {
        let ran = run(&["demo", "--once", "--no-latency", "--dir", text(&dir), "--port-base", &port]);
        check_code(&ran, 0);
        for word in [
            " FOUND ",
            " NOT_FOUND (fact) ",
            " UNAVAILABLE ",
            "interior (ehis)",
            "azerishiq (direct)",
            "status: incomplete",
            "\n53 questions; 15 sources answered in ",
            "(identity.birth_date: under 18 years)",
            "53 of 53 elements' entries found in the journal with the same hash",
            "asked again: identity FOUND via cache, ",
            "qovsaq; hit; ttl=",
        ] {
            assert!(ran.stdout.contains(word), "{word} in {}", ran.stdout);
        }
        assert!(ran.stdout.is_char_boundary(0) && !ran.stdout.contains('\u{1b}'), "no colours into a pipe");
    }
    let demo: Json = serde_json::from_slice(&std::fs::read(dir.join("demo.json")).expect("demo.json")).expect("JSON");
    for key in ["internal", "ops", "ca", "journal", "config", "pid", "consumers", "agencies", "officials", "requests"] {
        assert!(!demo[key].is_null(), "{key} in {demo}");
    }
    for file in [&demo["ca"], &demo["journal"], &demo["config"], &demo["consumers"][CONSUMER]["key"], &demo["agencies"]["taxes"]["cert"]] {
        let path = Path::new(file.as_str().expect("a path"));
        assert!(path.is_absolute() && path.exists(), "{file}");
    }
    check_code(&run(&["journal", "verify", text(&dir.join("journal"))]), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_running_demo_is_asked_stands_in_its_journal() {
    let mut demo = Demo::start("warn").await;
    let dir = demo.dir();
    let journal = dir.join("journal");
    assert!(demo.stdout().matches("curl --cacert ").count() == 4, "{}", demo.stdout());

    for target in SERVICES.iter().map(String::as_str).chain(["adsy-means-test"]) {
        let ran = run(&["ask", target, "--dir", text(&dir), "--wait", "20", "--json"]);
        check_code(&ran, 0);
        let answer: Json = serde_json::from_str(&ran.stdout).expect("JSON");
        let index = answer["receipt"]["index"].to_string();
        let shown = run(&["journal", "show", "--json", text(&journal), &index]);
        check_code(&shown, 0);
        let entry: Json = serde_json::from_str(&shown.stdout).expect("JSON");
        for key in ["origin", "index", "leaf_hash"] {
            assert_eq!(entry[key], answer["receipt"][key], "{target}");
        }
        assert_eq!(entry["kind"], "disclosed");
        assert!(entry["frame"].is_u64());
        assert!(entry["metadata"].is_null() && entry["payload"].is_null(), "without a key nothing of it is shown: {entry}");
    }
    let ran = run(&["ask", "adsy-means-test", "--dir", text(&dir), "--wait", "20"]);
    check_code(&ran, 0);
    assert!(ran.stdout.contains("status: complete"), "{}", ran.stdout);
    let ran = run(&["ask", "interior/person-identity", "--dir", text(&dir), "case=c-nobodys"]);
    check_code(&ran, 1);
    assert!(ran.stdout.starts_with("403 ") && ran.stdout.contains("case-unknown") && ran.stdout.contains("\nreceipt: "), "{}", ran.stdout);
    check_code(&run(&["ask", "interior/person-identity", "--dir", text(&dir), "nonsense"]), 2);
    // With an assertion of the demo's identity provider, at a level.
    let ran = run(&["ask", "interior/person-identity", "--dir", text(&dir), "--official", "AZ-0003", "--level", "low"]);
    check_code(&ran, 0);
    assert!(ran.stdout.contains("withheld: birth_date (class)"), "{}", ran.stdout);
    let ran = run(&["ask", "taxes/person-income", "--dir", text(&dir), "--official", "AZ-0003", "--level", "low"]);
    check_code(&ran, 1);
    assert!(ran.stdout.contains("assurance-too-low"), "{}", ran.stdout);

    // A journal is verified while it is written, too.
    check_code(&run(&["journal", "verify", text(&journal)]), 0);
    assert!(demo.stop().await.success());
    check_code(&run(&["journal", "verify", text(&journal)]), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn journal_show_opens_an_entry_with_the_nodes_keys() {
    let house = House::start().await;
    let client = house.client();
    let case = house.open_case(&client).await;
    let fin = &*house.applicant().fin;
    crate::house::ask(&client, "interior/person-identity", &envelope(fin, &case, json!({}))).await;
    let lines = house.closed_lines().await;
    let journal = house.dir().join("journal");
    let keys = [house.dir().join("keys/node.key"), house.dir().join("keys/epochs")];
    let show = |index: u64, with_keys: bool| {
        let index = index.to_string();
        let mut arguments = vec!["journal", "show", "--json", text(&journal), &index];
        if with_keys {
            arguments.extend(["--node-key", text(&keys[0]), "--key-table", text(&keys[1])]);
        }
        run(&arguments)
    };
    for line in &lines {
        let ran = show(line.index, true);
        check_code(&ran, 0);
        let shown: Json = serde_json::from_str(&ran.stdout).expect("JSON");
        assert_eq!((&shown["index"], &shown["kind"]), (&json!(line.index), &json!(Kind::name_of(line.kind))));
        assert_eq!((&shown["frame"], &shown["metadata"]), (&json!(line.frame), &line.metadata));
        match line.role {
            Role::Closes(intent) => assert_eq!(shown["closes"], intent),
            Role::Opens => {
                assert_eq!(
                    shown["payload"],
                    json!({"subject": {"fin": fin}, "input": {}, "consent": null}),
                    "the person stands in the payload alone"
                )
            }
            Role::Single => assert!(shown["closes"].is_null()),
        }
        assert!(!line.metadata.to_string().contains(fin), "{line:?}");
    }
    assert_eq!(lines.iter().filter(|line| line.role == Role::Opens).count(), 1);
    check_code(&show(u64::try_from(lines.len()).expect("small") + 100, false), 1);
    check_code(&run(&["journal", "show", text(&journal), "first"]), 2);
    check_code(&run(&["journal", "show", text(&journal), "1", "--node-key", text(&keys[0])]), 2);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn journal_verify_tells_damage_from_a_torn_tail() {
    let folder = TempDir::new().expect("a temporary folder");
    let environment = Environment::start(&options(folder.path())).await.expect("everything starts");
    let client = environment.client(CONSUMER).expect("a certificate");
    environment.open_case(&client, environment.personas.reference_family()).await.expect("a case");
    environment.stop().await.expect("stops in order");
    let journal = folder.path().join("journal");
    let verify = || run(&["journal", "verify", text(&journal)]);
    let log = ledger::newest(folder.path());
    let sound = verify();
    check_code(&sound, 0);
    assert!(sound.stdout.starts_with(&format!("{log}: sound, ")), "{}", sound.stdout);

    let segment = journal.join(log.as_str()).join("segments/0000000000000000.seg");
    let good = std::fs::read(&segment).expect("a segment");
    let used = good.iter().rposition(|byte| *byte != 0).expect("something") + 1;
    let change = |at: usize, by: u8| {
        use std::os::unix::fs::FileExt as _;
        let file = std::fs::File::options().write(true).open(&segment).expect("writable");
        file.write_all_at(&[good[at] ^ by], u64::try_from(at).expect("small")).expect("written");
    };
    for at in [used / 4, used / 2, used * 3 / 4] {
        change(at, 1);
        let damaged = verify();
        check_code(&damaged, 1);
        assert!(damaged.stdout.starts_with("damaged: ") && damaged.stdout.contains(": DAMAGED, "), "{}", damaged.stdout);
        change(at, 0);
    }
    check_code(&verify(), 0);
    // A frame that a crash left half-written: nobody was ever told of what stands in it.
    change(used + 40, 0x5a);
    let torn = verify();
    check_code(&torn, 0);
    assert!(torn.stdout.starts_with("torn tail: ") && torn.stdout.contains(&format!("{log}: sound, ")), "{}", torn.stdout);

    let empty = TempDir::new().expect("a temporary folder");
    check_code(&run(&["journal", "verify", text(empty.path())]), 2);
    check_code(&run(&["journal", "verify"]), 2);
}

/// One line that says what is wrong, and what to do about it.
fn check_sentence(ran: &Ran, code: i32, words: &[&str]) {
    check_code(ran, code);
    let said: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with("qovsaq: ")).collect();
    assert_eq!(said.len(), 1, "{ran:?}");
    assert!(words.iter().all(|word| said[0].contains(word)), "{words:?} in {}", said[0]);
}

/// Writes over bytes of a file.
fn write_over(file: &Path, at: u64, bytes: &[u8]) {
    use std::os::unix::fs::FileExt as _;
    std::fs::File::options().write(true).open(file).and_then(|file| file.write_all_at(bytes, at)).expect("written");
}

/// Where the n-th frame of a segment begins, or the last one.
fn frame_at(segment: &Path, number: Option<usize>) -> u64 {
    let bytes = std::fs::read(segment).expect("a segment");
    let places: Vec<usize> = (0..bytes.len()).step_by(512).filter(|at| bytes[*at..].starts_with(b"QVSQFRM1")).collect();
    let place = number.map_or_else(|| places.last(), |number| places.get(number));
    u64::try_from(*place.expect("a frame")).expect("small")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn journal_commands_say_what_is_wrong_with_their_files_and_what_to_do() {
    let folder = TempDir::new().expect("a temporary folder");
    let environment = Environment::start(&options(folder.path())).await.expect("everything starts");
    let client = environment.client(CONSUMER).expect("a certificate");
    environment.open_case(&client, environment.personas.reference_family()).await.expect("a case");
    environment.stop().await.expect("stops in order");
    let kept = TempDir::new().expect("a temporary folder");
    let journal = folder.path().join("journal");
    let copy = |name: &str| {
        let copy = kept.path().join(name);
        copy_folder(&journal, &copy);
        copy
    };
    let origin = ledger::newest(folder.path()).to_string();
    let segment = |journal: &Path| journal.join(&origin).join("segments/0000000000000000.seg");
    let file = |name: &str, bytes: &[u8]| {
        let path = kept.path().join(name);
        std::fs::write(&path, bytes).expect("written");
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("its mode");
        path
    };

    // What is no journal.
    let foreign = kept.path().join("foreign");
    std::fs::create_dir(&foreign).expect("made");
    std::fs::write(foreign.join("letter.txt"), "hello").expect("written");
    check_sentence(&run(&["journal", "verify", text(&foreign)]), 2, &["holds no journal", "`journal.dir`"]);
    check_sentence(&run(&["journal", "show", text(&foreign), "1"]), 1, &["holds no journal", "`journal.dir`"]);
    check_sentence(&run(&["journal", "prove", text(&foreign), "1"]), 1, &["holds no journal", "`journal.dir`"]);
    check_sentence(&run(&["journal", "verify", text(&foreign.join("letter.txt"))]), 1, &["letter.txt", "Not a directory"]);
    check_sentence(&run(&["journal", "verify", text(&foreign.join("nothing"))]), 1, &["nothing", "No such file"]);
    let rubbish = copy("rubbish");
    std::fs::write(segment(&rubbish), "hello").expect("written");
    assert!(run(&["journal", "verify", text(&rubbish)]).stdout.contains("at byte 0, entry 0: segment header"));
    check_sentence(&run(&["journal", "show", text(&rubbish), "1"]), 1, &["journal is damaged: segment header", "run `journal verify`"]);
    check_sentence(&run(&["journal", "show", text(&journal), "99999"]), 1, &["no entry 99999", "`journal verify` says how many"]);

    // Damage, and a later version, in a segment's header and in the middle of the log.
    let damaged = copy("damaged");
    let third = frame_at(&segment(&damaged), Some(2));
    write_over(&segment(&damaged), third + 300, b"x");
    let place = format!("at byte {third}");
    assert!(run(&["journal", "verify", text(&damaged)]).stdout.contains(&place));
    let last = run(&["journal", "verify", text(&journal)]).stdout;
    let last =
        last.split(" entries").next().and_then(|before| before.rsplit(' ').next()).expect("a number").parse::<u64>().expect("a number") - 1;
    assert_eq!(run(&["journal", "show", text(&damaged), &last.to_string()]).code, Some(0), "what stands behind it can be read");
    for (name, at) in [("later-segment", 7), ("later-frame", third + 7)] {
        let later = copy(name);
        write_over(&segment(&later), at, b"2");
        let verified = run(&["journal", "verify", text(&later)]);
        check_code(&verified, 1);
        assert!(verified.stdout.contains("written by a later version"), "{}", verified.stdout);
        let words = ["written by a later version", "use that version"];
        check_sentence(&run(&["journal", "show", text(&later), &last.to_string()]), 1, &words);
    }

    // Keys that are not the node's, or none.
    let [node, table] = [folder.path().join("keys/node.key"), folder.path().join("keys/epochs")];
    let show = |node: &Path, table: &Path| {
        let last = last.to_string();
        run(&["journal", "show", text(&journal), &last, "--node-key", text(node), "--key-table", text(table)])
    };
    check_code(&show(&node, &table), 0);
    check_sentence(&show(&file("short.key", b"short"), &table), 1, &["short.key is not 32 bytes long", "restore it"]);
    check_sentence(&show(&file("other.key", &[7; 32]), &table), 1, &["does not unwrap with this node's key", "restore the node key"]);
    check_sentence(&show(&foreign.join("nothing"), &table), 1, &["no node key at", "`keys.node`"]);
    check_sentence(&show(&node, &foreign), 1, &["no key table in", "`keys.table`"]);
    assert_eq!(std::fs::read_dir(&foreign).expect("there").count(), 1, "who looks leaves nothing behind");

    // Receipts that are not this log's.
    let since = |file: &Path| run(&["journal", "prove", text(&journal), "--since", text(file)]);
    let head = std::fs::read_to_string(journal.join(&origin).join("checkpoint")).expect("a checkpoint");
    let receipt = |origin: &str, head: &str| {
        json!({"origin": origin, "index": 0, "leaf_hash": journal::Hash::default(), "proof": [], "head": head}).to_string()
    };
    check_code(&since(&file("own.json", receipt(&origin, &head).as_bytes())), 0);
    let elsewhere = receipt("other.test", &head.replace(&origin, "other.test"));
    check_sentence(
        &since(&file("elsewhere.json", elsewhere.as_bytes())),
        1,
        &["elsewhere.json", "give one that this log has signed", "another origin"],
    );
    let unsigned = head.replacen(&format!("{origin}\n"), &format!("{origin}\n1"), 1);
    check_sentence(
        &since(&file("unsigned.json", receipt(&origin, &unsigned).as_bytes())),
        1,
        &["give one that this log has signed", "not signed by this key"],
    );
    check_sentence(&since(&file("letter.txt", b"hello")), 1, &["letter.txt is no checkpoint", "not a checkpoint note"]);
    check_sentence(&since(&segment(&journal)), 1, &["cannot read", "UTF-8"]);
    check_sentence(&since(&foreign.join("nothing")), 1, &["cannot read", "No such file"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_gateways_journal_can_be_read_by_anybody_and_written_by_nobody_else() {
    let site = Site::prepare().await;
    let child = site.serve().await;
    let (client, fin) = (child.client(CONSUMER), site.personas.reference_family().applicant().fin.to_string());
    let asking = tokio::spawn(async move {
        let body = envelope(&fin, "c-unknown", json!({}));
        loop {
            crate::house::ask(&client, "interior/person-identity", &body).await;
        }
    });
    let journal = site.dir().join("journal");
    for round in 0..5 {
        let verified = run(&["journal", "verify", text(&journal)]);
        check_code(&verified, 0);
        assert!(verified.stdout.contains(": sound, "), "{}", verified.stdout);
        check_code(&run(&["journal", "show", text(&journal), &round.to_string()]), 0);
        // Proofs go as far as the checkpoint of the start.
        let proven = run(&["journal", "prove", text(&journal), "0"]);
        assert!(proven.code == Some(0) || proven.stderr.contains("a running gateway writes one every ten seconds"), "{proven:?}");
    }
    let (code, said) = site.refuses().await;
    assert_eq!(code, Some(1));
    assert!(said.contains("cases.sqlite is in use by another process; stop that one first"), "{said}");
    // With cases and a quarantine of its own it is the journal itself that refuses.
    site.change_config("cases.sqlite", "others.sqlite");
    site.change_config("journal: {dir: journal", "quality: {path: store/others.db}\njournal: {dir: journal");
    let (code, said) = site.refuses().await;
    assert_eq!(code, Some(1));
    assert!(said.contains("is open in another process; stop that one first"), "{said}");
    asking.abort();
    assert!(asking.await.is_err_and(|error| error.is_cancelled()));
    assert!(child.stop().await.success());
    check_code(&run(&["journal", "prove", text(&journal), "0"]), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serve_refuses_another_nodes_journal_and_a_later_versions() {
    let site = Site::prepare().await;
    assert!(site.serve().await.stop().await.success());
    let kept = TempDir::new().expect("a temporary folder");
    let folders = ["journal", "journal-fence", "keys"];
    folders.iter().for_each(|name| copy_folder(&site.dir().join(name), &kept.path().join(name)));
    let origin = ledger::newest(site.dir());
    let journal = site.dir().join("journal").join(origin.as_str());
    let segment = journal.join("segments/0000000000000000.seg");
    let fence = site.dir().join(format!("journal-fence/{origin}.fence"));
    let last = frame_at(&segment, None);
    let signing = site.dir().join(format!("keys/signing/{origin}.key"));
    let changes: [(&dyn Fn(), &[&str]); 4] = [
        (&|| write_over(&signing, 0, &[7; 32]), &["restore"]),
        (&|| write_over(&segment, 7, b"2"), &["written by a later version", "start that version"]),
        (&|| write_over(&segment, last + 7, b"2"), &["written by a later version", "start that version"]),
        (&|| write_over(&segment, last + 300, b"x"), &["damaged", "keep the directory", "run `journal verify`"]),
    ];
    for (at, (change, words)) in changes.into_iter().enumerate() {
        for name in folders {
            std::fs::remove_dir_all(site.dir().join(name)).expect("removed");
            copy_folder(&kept.path().join(name), &site.dir().join(name));
        }
        change();
        if at == 2 {
            // Not even where nothing signed covers it any more.
            for note in [&journal.join("checkpoint"), &journal.join("levels/checkpoint"), &fence] {
                std::fs::remove_file(note).expect("removed");
            }
        }
        let before = std::fs::read(&segment).expect("there");
        let (code, said) = site.refuses().await;
        assert_eq!(code, Some(1), "{said}");
        assert!(words.iter().all(|word| said.contains(word)), "{words:?} in {said}");
        assert!(std::fs::read(&segment).expect("there") == before, "it is left as it was");
    }
}

// pki

#[test]
fn pki_issues_lists_and_revokes() {
    let folder = TempDir::new().expect("a temporary folder");
    let ca = folder.path().join("ca");
    let pki = |arguments: &[&str]| run(&[&["pki", arguments[0], text(&ca)], &arguments[1..]].concat());
    check_code(&pki(&["init", "--name", "Test CA"]), 0);
    check_code(&pki(&["init"]), 1);
    check_code(&pki(&["issue", "client", "sovqat", "--san", "sovqat.meis.test"]), 0);
    check_code(&pki(&["issue", "server", "gateway", "--san", "localhost", "--san", "127.0.0.1", "--days", "3"]), 0);
    check_code(&pki(&["issue", "client", "late", "--san", "late.meis.test", "--expired"]), 0);
    check_code(&pki(&["issue", "client", "nameless"]), 2);

    let list = || -> Json { serde_json::from_str(&pki(&["list", "--json"]).stdout).expect("JSON") };
    let issued = list();
    let names: Vec<&str> = issued.as_array().expect("a list").iter().filter_map(|entry| entry["name"].as_str()).collect();
    assert_eq!(names, ["sovqat", "gateway", "late"]);
    assert_eq!(issued[1]["names"], json!(["localhost", "127.0.0.1"]));
    for name in names {
        for kind in ["pem", "key"] {
            assert!(ca.join(format!("{name}.{kind}")).is_file());
        }
    }
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(ca.join("sovqat.key")).expect("a key").permissions());
    assert_eq!(mode & 0o777, 0o600);

    let before = std::fs::read(ca.join("crl.pem")).expect("a list");
    let serial = issued[0]["serial"].as_str().expect("a serial");
    let revoked = pki(&["revoke", "sovqat"]);
    check_code(&revoked, 0);
    assert_eq!(revoked.stdout, format!("revoked: {serial}\n"));
    assert!(list()[0]["revoked_at"].is_string() && list()[1]["revoked_at"].is_null());
    assert_ne!(std::fs::read(ca.join("crl.pem")).expect("a list"), before, "the list is written anew");
    check_code(&pki(&["revoke", "nobody"]), 1);
    assert!(pki(&["list"]).stdout.contains(serial));
}

// What people read

/// Replaces what differs from run to run.
fn redacted(mut document: Json, pointers: &[&str]) -> Json {
    for pointer in pointers {
        *document.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = json!("[…]");
    }
    document
}

const RECEIPT: [&str; 6] = ["/request_id", "/receipt/origin", "/receipt/index", "/receipt/leaf_hash", "/receipt/proof", "/receipt/head"];

#[test]
fn help_texts() {
    insta::assert_snapshot!("help", run(&["--help"]).stdout);
    insta::assert_snapshot!("help_check", run(&["check", "--help"]).stdout);
    insta::assert_snapshot!("help_try", run(&["try", "--help"]).stdout);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn problem_documents_answers_and_the_openapi_document() {
    let house = House::start().await;
    let client = house.environment.client("sovqat").expect("a certificate");
    let fin = &*house.applicant().fin;
    let service = "/v1/services/interior/person-identity";

    let broken = json!({
        "subject": {"fin": "5K7QX2OO"}, "input": {"month_from": "2026-01"}, "purpose": 7, "role": null,
        "fields": ["surname", "shoe_size"], "consent": [{}], "extra": true,
    });
    for language in ["az", "en"] {
        let answer = client.post(service, &broken, language).await.expect("an answer");
        assert_eq!((answer.status, &answer.headers["content-type"]), (422, &"application/problem+json".parse().expect("a value")));
        assert_eq!(answer.headers["content-language"], language);
        insta::assert_json_snapshot!(format!("problem_422_{language}"), redacted(answer.json().expect("JSON"), &["/request_id"]));
    }

    let mut denied = envelope(fin, "c-nobodys", json!({}));
    denied["role"] = json!("clerk");
    let answer = client.post(service, &denied, "en").await.expect("an answer");
    assert_eq!(answer.status, 403);
    insta::assert_json_snapshot!("problem_403", redacted(answer.json().expect("JSON"), &RECEIPT));

    let case = json!({"case": "c-sovqat", "purpose": "sovqat-queue", "persons": [{"subject": {"fin": fin}, "role": "applicant"}]});
    assert_eq!(client.post("/v1/cases", &case, "en").await.expect("an answer").status, 201);
    let mut asked = envelope(fin, "c-sovqat", json!({}));
    asked["purpose"] = json!("sovqat-queue");
    let answer = client.post(service, &asked, "en").await.expect("an answer");
    assert_eq!(answer.status, 200);
    let pointers = [RECEIPT.as_slice(), &["/source/obtained_at", "/source/expires_at"]].concat();
    insta::assert_json_snapshot!("answer_200", redacted(answer.json().expect("JSON"), &pointers));

    let document = client.get("/openapi.json", "en").await.expect("an answer").json().expect("JSON");
    assert!(document["info"]["description"].as_str().is_some_and(|text| text.starts_with("As sovqat sees it; configuration ")));
    insta::assert_json_snapshot!("openapi_sovqat", redacted(document, &["/info/version", "/info/description"]));

    ledger::check_rules(&house.closed_lines().await);
    house.stop().await;
}
