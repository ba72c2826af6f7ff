//! No personal datum lies open on disk, in logs, metrics or addresses after a demonstration run.
//!
//! The scanner is tested first: it finds what is planted, in every form it knows.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use mock_agencies::{AgencyCode, Family, Fault, Person, Personas};
use qovsaq::demo::{AGENCIES, CONSUMER};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::program::{Demo, plain};

/// Shortest form that is looked for: a shorter one would be found in random bytes now and then.
const FORM_BYTES_MIN: usize = 5;
/// Shortest form in base64 that is looked for: signatures and hashes are full of shorter ones.
const BASE64_CHARS_MIN: usize = 7;
/// Most bytes of a form.
const FORM_BYTES_MAX: usize = 512;
/// Files are looked through in blocks: most of a segment file is zeros set aside.
const BLOCK_BYTES: usize = 64 * 1024;

/// One form of one datum.
struct Form {
    bytes: Vec<u8>,
    /// Digits as they are: a hit only where no other digit stands beside them, since counters and
    /// times are digits too.
    is_number: bool,
    /// What it is, without what it says.
    label: String,
}

/// Looks for every form of every datum in one pass.
struct Scanner {
    forms: HashMap<[u8; 4], Vec<Form>>,
    /// Whether any form begins with these two bytes: most places are passed by with one look.
    starts: Vec<bool>,
}

impl Scanner {
    /// A scanner for everything personal about everybody.
    fn of(personas: &Personas) -> Self {
        let mut scanner = Self { forms: HashMap::new(), starts: vec![false; 1 << 16] };
        let of_families = personas.families().iter().flat_map(data_of_family);
        for (what, datum) in personas.people().flat_map(data).chain(of_families).chain(data_of_registers(personas)) {
            scanner.add(what, &datum);
        }
        scanner
    }

    fn add(&mut self, what: &str, datum: &str) {
        for (encoding, bytes) in encodings(datum) {
            assert!(bytes.len() <= FORM_BYTES_MAX);
            let Some(start) = bytes.first_chunk::<4>().copied().filter(|_| bytes.len() >= FORM_BYTES_MIN) else { continue };
            self.starts[usize::from(u16::from_le_bytes([start[0], start[1]]))] = true;
            let same_start = self.forms.entry(start).or_default();
            if same_start.iter().all(|form| form.bytes != bytes) {
                let is_number = encoding == "UTF-8" && bytes.iter().all(u8::is_ascii_digit);
                same_start.push(Form { bytes, is_number, label: format!("{what} in {encoding}") });
            }
        }
    }

    /// What is found, each with its place.
    fn scan(&self, bytes: &[u8]) -> Vec<String> {
        let zeros = [0; BLOCK_BYTES];
        let mut found = Vec::new();
        for (number, block) in bytes.chunks(BLOCK_BYTES).enumerate() {
            if *block == zeros[..block.len()] {
                continue;
            }
            let start = number * BLOCK_BYTES;
            for at in start..start + block.len() {
                let next = bytes.get(at + 1).copied().unwrap_or_default();
                if !self.starts[usize::from(u16::from_le_bytes([bytes[at], next]))] {
                    continue;
                }
                let rest = &bytes[at..];
                let Some(forms) = rest.first_chunk::<4>().and_then(|start| self.forms.get(start)) else { continue };
                let hits = forms.iter().filter(|form| rest.starts_with(&form.bytes) && !is_part_of_a_number(form, bytes, at));
                found.extend(hits.map(|form| format!("{} at byte {at}", form.label)));
            }
        }
        found
    }

    /// What is found in the files below a folder, but for those named.
    fn scan_folder(&self, folder: &Path, without: &[&str]) -> Vec<String> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")) {
            let path = entry.path();
            if without.iter().any(|name| entry.file_name() == **name) {
                continue;
            }
            let name = path.display();
            found.extend(self.scan(entry.file_name().as_encoded_bytes()).iter().map(|what| format!("name of {name}: {what}")));
            if path.is_dir() {
                found.extend(self.scan_folder(&path, &[]));
            } else {
                let bytes = std::fs::read(&path).expect("readable");
                found.extend(self.scan(&bytes).iter().map(|what| format!("{name}: {what}")));
            }
        }
        found
    }
}

fn is_part_of_a_number(form: &Form, bytes: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| bytes.get(before));
    let after = bytes.get(at + form.bytes.len());
    form.is_number && (before.is_some_and(|b| b.is_ascii_digit() || *b == b'.') || after.is_some_and(u8::is_ascii_digit))
}

/// What is personal about a person.
fn data(person: &Person) -> Vec<(&'static str, String)> {
    let mut data = vec![
        ("a FIN", person.fin.to_string()),
        ("a surname", person.surname.to_string()),
        ("a given name", person.given_name.to_string()),
        ("a father's name", person.father_name.to_string()),
        ("a birth date", person.birth_date.to_string()),
        ("a birth date", person.birth_date.strftime("%d.%m.%Y").to_string()),
        ("a document's number", person.document.number.to_string()),
    ];
    if let Some(account) = &person.electricity {
        data.push(("a subscriber's code", account.subscriber_code.to_string()));
        data.push(("an address", account.address.to_string()));
    }
    if let Some(account) = &person.water {
        data.push(("a subscriber's code", account.subscriber_code.to_string()));
        data.push(("an address", account.address.to_string()));
    }
    if let Some(residence) = &person.residence {
        data.push(("an address", residence.address.to_string()));
        data.push(("an address's code", residence.address_code.to_string()));
    }
    data.extend(person.incomes.iter().map(|income| ("a payer's number", income.payer_tin.to_string())));
    data.extend(person.taxpayer.iter().map(|taxpayer| ("a taxpayer's number", taxpayer.tin.to_string())));
    data.extend(person.vehicles.iter().map(|vehicle| ("a plate", vehicle.plate.to_string())));
    data.extend(person.writs.iter().map(|writ| ("a writ's number", writ.number.to_string())));
    data.extend(person.property.iter().map(|object| ("an object's number", object.registry_no.to_string())));
    data.extend(person.deals.iter().map(|deal| ("an object's number", deal.registry_no.to_string())));
    data
}

/// What is personal in the registers that know persons by something else than their FIN.
fn data_of_registers(personas: &Personas) -> Vec<(&'static str, String)> {
    let digital = personas.digital();
    let numbers = digital.numbers.keys().map(|msisdn| ("a telephone number", msisdn.trim_start_matches('+').to_owned()));
    let certificates = digital.certificates.iter().filter(|(_, certificate)| certificate.subject.is_some());
    let births = personas.health().births.values().flatten().map(|birth| ("a medical certificate's number", birth.certificate.to_string()));
    let foreigners = personas.migration().foreigners.iter();
    let foreigners = foreigners.flat_map(|(pin, own)| {
        let named = [("a PIN", pin), ("a surname in Latin letters", &own.surname), ("a permit's number", &own.permit.number)];
        named.map(|(what, datum)| (what, datum.to_string()))
    });
    let certificates = certificates.map(|(serial, _)| ("a certificate's serial", serial.to_string()));
    numbers.chain(certificates).chain(births).chain(foreigners).collect()
}

/// What is personal about a family as a whole.
fn data_of_family(family: &Family) -> Vec<(&'static str, String)> {
    let acts = family.acts.iter().flat_map(|act| [("an act's number", &act.number), ("a certificate's number", &act.certificate)]);
    let applications = family
        .applications
        .iter()
        .flat_map(|application| [("an application's number", &application.number), ("a certificate's number", &application.certificate)]);
    acts.chain(applications).map(|(what, datum)| (what, datum.to_string())).collect()
}

/// The forms in which a text may lie somewhere.
fn encodings(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    let mut forms = Vec::new();
    for text in [text.to_owned(), text.to_uppercase(), text.to_lowercase()] {
        let bytes = text.as_bytes();
        forms.push(("UTF-8", bytes.to_vec()));
        forms.push(("UTF-16LE", text.encode_utf16().flat_map(u16::to_le_bytes).collect()));
        forms.push(("UTF-16BE", text.encode_utf16().flat_map(u16::to_be_bytes).collect()));
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        forms.push(("upper-case hex", hex.to_uppercase().into_bytes()));
        forms.push(("hex", hex.into_bytes()));
        for shift in 0..3 {
            forms.push(("base64", base64_core(&STANDARD, bytes, shift)));
            forms.push(("base64url", base64_core(&URL_SAFE, bytes, shift)));
        }
        if !text.is_ascii() {
            let escaped = text.encode_utf16().map(|unit| match u8::try_from(unit) {
                Ok(byte) if byte.is_ascii() => char::from(byte).to_string(),
                _ => format!("\\u{unit:04x}"),
            });
            forms.push(("JSON escapes", escaped.collect::<String>().into_bytes()));
            let percent = |byte: &u8| if byte.is_ascii() { char::from(*byte).to_string() } else { format!("%{byte:02X}") };
            forms.push(("percent-encoding", bytes.iter().map(percent).collect::<String>().into_bytes()));
        }
    }
    forms
}

/// The characters that base64 gives a text whatever stands around it, where so many bytes (modulo 3)
/// stand before; empty where they are too few to be told from chance.
fn base64_core(engine: &base64::engine::GeneralPurpose, bytes: &[u8], shift: usize) -> Vec<u8> {
    let whole = engine.encode([&[0; 2][..shift], bytes].concat());
    let from = (shift * 8).div_ceil(6);
    let to = (shift + bytes.len()) * 8 / 6;
    let core = whole.as_bytes().get(from..to).unwrap_or_default();
    if core.len() < BASE64_CHARS_MIN { Vec::new() } else { core.to_vec() }
}

#[test]
fn the_scanner_finds_what_is_planted_in_every_form() {
    let personas = Personas::embedded();
    let person = personas.reference_family().applicant();
    let scanner = Scanner::of(&personas);
    let folder = TempDir::new().expect("a temporary folder");
    // Bytes that look like nothing, enough for two blocks.
    let noise: Vec<u8> = (0_u64..80_000).map(|n| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56).to_le_bytes()[0]).collect();
    let file = folder.path().join("file");
    std::fs::write(&file, &noise).expect("writable");
    assert_eq!(scanner.scan_folder(folder.path(), &[]), Vec::<String>::new());

    let plant = |form: &[u8], noise: &[u8], at: usize| {
        let mut planted = noise.to_vec();
        planted.splice(at..at, [b" ", form, b" "].concat());
        planted
    };
    for (what, datum) in data(person) {
        for (encoding, form) in encodings(&datum).into_iter().filter(|(_, form)| form.len() >= FORM_BYTES_MIN) {
            for at in [0, 101, 200] {
                let found = scanner.scan(&plant(&form, &noise[..200], at));
                assert!(found.iter().any(|hit| hit.contains(&format!("at byte {}", at + 1))), "{what} in {encoding} at {at}: {found:?}");
            }
        }
    }
    // In a file: within a block, across the seam of two, and at the very end.
    for at in [7_001, BLOCK_BYTES - 3, noise.len()] {
        std::fs::write(&file, plant(person.fin.as_bytes(), &noise, at)).expect("writable");
        let found = scanner.scan_folder(folder.path(), &[]);
        assert!(found.len() == 1 && found[0].ends_with(&format!("a FIN in UTF-8 at byte {}", at + 1)), "{found:?}");
    }
}

#[test]
fn the_scanner_finds_a_whole_record_in_base64_wherever_it_begins() {
    let personas = Personas::embedded();
    let person = personas.reference_family().applicant();
    let scanner = Scanner::of(&personas);
    for padding in 0..3 {
        let record = format!("{}<Ad>{}</Ad><FIN>{}</FIN>", "x".repeat(padding), person.given_name, person.fin);
        for encoded in [STANDARD.encode(&record), record.bytes().map(|byte| format!("{byte:02x}")).collect()] {
            let found = scanner.scan(encoded.as_bytes());
            assert!(found.iter().any(|hit| hit.starts_with("a FIN")), "{padding}: {found:?}");
        }
    }
    assert!(scanner.scan(br#"{"sum":0.0012345,"count":900012345}"#).is_empty(), "a document's number inside another number");
    assert!(!scanner.scan(br#"{"number":"0012345"}"#).is_empty());
}

/// Faults that say something; the others only take time.
fn quick_faults(agency: AgencyCode, service: &str) -> Vec<Fault> {
    let slow = ["hang", "slow", "drip", "oversize", "down", "slow-tail", "slow30", "never-ready", "retry-after", "filing-day"];
    Fault::accepted(agency, service).into_iter().filter(|fault| !slow.contains(&fault.as_str())).collect()
}

/// Everything a consumer may do with persons, rightly and wrongly.
async fn use_it(demo: &Demo) {
    let json = demo.json();
    let client = demo.client(CONSUMER);
    let requests = json["requests"].as_object().expect("requests");
    let post = async |path: &str, body: &Json| client.post(path, body, "en").await.expect("an answer");
    let path = |name: &str| if name.contains('/') { format!("/v1/services/{name}") } else { format!("/v1/dossiers/{name}") };
    for (name, request) in requests {
        // Asked, kept, and given again.
        let own = demo.client(request["consumer"].as_str().expect("a consumer"));
        for _ in 0..2 {
            let answer = own.post(&path(name), &request["body"], "en").await.expect("an answer");
            assert_eq!(answer.status, 200, "{name}: {}", answer.body);
        }
    }
    let dossier = &requests["adsy-means-test"]["body"];
    client.stream("/v1/dossiers/adsy-means-test", dossier, "en", 20, |_, _| ControlFlow::Continue(())).await.expect("a stream");
    // Given up by the client, and answered to nobody.
    client.stream("/v1/dossiers/adsy-means-test", dossier, "en", 20, |_, _| ControlFlow::Break(())).await.expect("a stream");
    // Sources that answer wrongly: what they said must not come back in a message of ours.
    for code in AGENCIES {
        let control = json["agencies"][code.as_str()]["control"].as_str().expect("an address").to_owned();
        for service in code.services() {
            let name = format!("{}/{service}", code.as_str());
            let own = demo.client(requests[&name]["consumer"].as_str().expect("a consumer"));
            for fault in quick_faults(code, service) {
                let set = json!({"service": service, "fault": fault.as_str(), "times": 1}).to_string();
                let answer = plain("PUT", &control, "/faults", &set).await;
                assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
                // What is kept would be given without asking.
                let anew = [("cache-control", "no-cache"), ("prefer", "wait=5")];
                own.post_with(&path(&name), &requests[&name]["body"], &anew).await.expect("an answer");
            }
        }
    }
    // Consumers that ask wrongly, with identifiers wherever they fit and where they do not.
    let body = &requests["interior/person-identity"]["body"];
    let personas = Personas::embedded();
    let person = personas.reference_family().applicant();
    let (fin, name) = (&*person.fin, person.full_name());
    let identity = path("interior/person-identity");
    for (key, value) in [
        ("subject", json!({"fin": fin})),
        ("subject", json!({"fin": format!("{fin}O")})),
        ("subject", json!({fin: name})),
        ("case", json!(fin)),
        ("purpose", json!(fin)),
        ("official", json!(fin)),
        ("role", json!(fin)),
        ("role", json!(name)),
        ("assertion", json!(name)),
        ("input", json!({fin: name})),
        ("fields", json!([fin, name])),
        (fin, json!(name)),
    ] {
        let mut wrong = body.clone();
        wrong[key] = value;
        let answer = post(&identity, &wrong).await;
        // What is refused is refused without a word of what was sent.
        assert!([403, 422].contains(&answer.status), "{key}: {}", answer.body);
        assert!(!answer.body.contains(fin) && !answer.body.contains(&name), "{}", answer.body);
    }
    for text in [format!(r#"{{"subject":{{"fin":"{fin}"}}"#), format!(r#"{{"{fin}":1,"{fin}":2}}"#), name.clone()] {
        let answer = client.post_raw(&identity, "application/json", text.into_bytes()).await.expect("an answer");
        assert!(answer.status == 400 && !answer.body.contains(fin), "{}", answer.body);
    }
    for path in [
        format!("/v1/services/{fin}/{name}"),
        format!("/v1/dossiers/{fin}/{fin}"),
        format!("/{name}?fin={fin}"),
        format!("/v1/cases/{fin}/close"),
    ] {
        let answer = post(&path, body).await;
        assert!([404, 405].contains(&answer.status) && !answer.body.contains(fin), "{} {}", answer.status, answer.body);
    }
    // A case that is named after a person.
    let case = json!({"case": fin, "purpose": "adsy-means-test", "persons": [{"subject": {"fin": fin}, "role": "applicant"}]});
    let refused = post("/v1/cases", &case).await;
    assert!(refused.status == 422 && !refused.body.contains(fin), "{}", refused.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demonstration_leaves_no_personal_datum_on_disk_in_logs_or_in_metrics() {
    let mut demo = Demo::start("trace").await;
    use_it(&demo).await;
    let scanner = Scanner::of(&Personas::embedded());
    let metrics = plain("GET", demo.json()["ops"].as_str().expect("an address"), "/metrics", "").await;
    assert!(metrics.contains("qovsaq_answers_total"), "{metrics}");
    assert_eq!(scanner.scan(metrics.as_bytes()), Vec::<String>::new(), "in the metrics");

    // By design these hold personal data of synthetic persons: the ready-made requests, and the
    // examples of the mappings. Everything else, while it runs and after it has stopped:
    let without = ["demo.json", "requests", "contracts", "mappings"];
    assert_eq!(scanner.scan_folder(&demo.dir(), &without), Vec::<String>::new(), "while it runs");
    assert!(demo.stop().await.success());
    assert_eq!(scanner.scan_folder(&demo.dir(), &without), Vec::<String>::new(), "after it stopped");
    let logs = std::fs::read(demo.stderr_file()).expect("logs");
    assert!(logs.len() > 100_000, "at this level there is much to look through: {}", logs.len());
    assert_eq!(scanner.scan(&logs), Vec::<String>::new(), "in the logs");
    // The same eyes do find them where they are meant to be.
    let ready = std::fs::read(demo.dir().join("demo.json")).expect("demo.json");
    assert!(scanner.scan(&ready).iter().any(|hit| hit.starts_with("a FIN")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_address_of_the_api_has_a_place_for_a_person() {
    let house = crate::house::House::start().await;
    for consumer in qovsaq::demo::consumers() {
        let client = house.environment.client(&consumer).expect("a certificate");
        let document = client.get("/openapi.json", "en").await.expect("an answer").json().expect("JSON");
        for (path, item) in document["paths"].as_object().expect("paths") {
            for operation in item.as_object().expect("operations").values() {
                let parameters = operation["parameters"].as_array().into_iter().flatten();
                let names: Vec<&str> = parameters.filter_map(|parameter| parameter["name"].as_str()).collect();
                // A tile's place is two numbers and nothing else (`api/log.rs`), that of a notice one.
                let known = ["after", "case", "id", "level", "number", "Prefer", "Cache-Control", "Idempotency-Key", "Accept"];
                assert!(names.iter().all(|name| known.contains(name)), "{path}: {names:?}");
            }
        }
    }
    let client = house.client();
    let case = house.open_case(&client).await;
    let opened =
        client.post("/v1/dossiers/adsy-means-test", &crate::house::dossier_envelope(house.family(), &case), "en").await.expect("an answer");
    let scanner = Scanner::of(&house.environment.personas);
    let location = opened.headers["location"].as_bytes();
    assert_eq!(scanner.scan(location), Vec::<String>::new());
    house.stop().await;
}
