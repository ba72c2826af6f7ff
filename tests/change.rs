//! Change control over the wire: bundles made, signed, placed and taken by the program, altered behind its back, and
//! killed in the middle.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::Duration;

use journal::{Origin, SigningKey};
use model::Problems;
use qovsaq::change::making::{self, Making};
use qovsaq::change::{Bundles, Pointer, Signers};
use qovsaq::client::Answer;
use qovsaq::config::Config;
use qovsaq::demo::{AUDITOR, CONSUMER, ca_file, person_files};
use qovsaq::record::Kind;
use serde_json::{Value as Json, json};

use crate::child::{Child, Site};
use crate::house::{Asker, envelope, fresh_case, until};
use crate::ledger::{self, Line};
use crate::program::{Ran, run};

const PENSION: &str = "contracts/consumers/pension.yaml";
const AID: &str = "contracts/consumers/targeted-aid.yaml";

/// A site that serves bundles: two signers with keys, a document, no active bundle yet.
pub(crate) struct Office {
    pub(crate) site: Site,
    desk: Desk,
}

/// Its folder, from which bundles are brought.
#[derive(Clone)]
pub(crate) struct Desk {
    dir: PathBuf,
}

impl Deref for Office {
    type Target = Desk;

    fn deref(&self) -> &Desk {
        &self.desk
    }
}

impl Office {
    pub(crate) async fn open() -> Self {
        let site = Site::prepare().await;
        for signer in ["aysel", "kamran"] {
            let file = site.dir().join("signers").join(signer);
            let ran = run(&["bundle", "key", signer, &text(&file)]);
            assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        }
        std::fs::write(site.dir().join("order-12.pdf"), "the order").expect("written");
        let change = "change: {bundles: bundles, signers: {aysel: {key: signers/aysel.pub}, kamran: {key: signers/kamran.pub}}}\n";
        site.change_config("data: {contracts: contracts, mappings: mappings}\n", change);
        let desk = Desk { dir: site.dir().to_path_buf() };
        Self { site, desk }
    }

    /// The same with the data as prepared active from the start.
    pub(crate) async fn with_first() -> Self {
        let office = Self::open().await;
        office.bring("first", &[]);
        office
    }
}

impl Desk {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn bundles(&self) -> Bundles {
        Bundles { dir: self.path("bundles"), signers: Signers::new() }
    }

    fn active(&self) -> Option<Pointer> {
        self.bundles().active().expect("a pointer")
    }

    /// What every bundle needs: document, reference, date and note.
    fn reason(&self) -> Vec<String> {
        let document = text(&self.path("order-12.pdf"));
        ["--document", &document, "--reference", "Order 12", "--date", "2026-03-01", "--note", "Agreed with the provider."]
            .map(str::to_owned)
            .to_vec()
    }

    /// Makes a bundle of the site's data that follows the active one.
    fn make(&self, name: &str, more: &[&str]) -> PathBuf {
        let out = self.path(name);
        let mut arguments = vec!["bundle".to_owned(), "make".to_owned(), text(&self.dir), text(&out)];
        if self.active().is_some() {
            arguments.extend(["--bundles".to_owned(), text(&self.path("bundles"))]);
        }
        arguments.extend(self.reason());
        arguments.extend(more.iter().map(|more| (*more).to_owned()));
        expect(0, &run(&arguments));
        out
    }

    fn sign(&self, bundle: &Path, signers: &[&str]) {
        for signer in signers {
            let key = text(&self.path("signers").join(signer));
            expect(0, &run(&["bundle", "sign", &text(bundle), "--name", signer, "--key", &key]));
        }
    }

    /// Puts a bundle into its place; with a process, tells that.
    fn activate(&self, bundle: &Path, pid: Option<u32>) -> Ran {
        let mut arguments =
            vec!["bundle".to_owned(), "activate".to_owned(), text(bundle), "--config".to_owned(), text(&self.path("qovsaq.yaml"))];
        if let Some(pid) = pid {
            arguments.extend(["--pid".to_owned(), pid.to_string()]);
        }
        run(&arguments)
    }

    /// Makes, signs and places a bundle of the site's data.
    fn bring(&self, name: &str, more: &[&str]) -> PathBuf {
        let bundle = self.make(name, more);
        self.sign(&bundle, &["aysel", "kamran"]);
        expect(0, &self.activate(&bundle, None));
        bundle
    }

    /// The same without the program, for tests that bring many.
    fn bring_quickly(&self, name: &str) {
        let (contracts, mappings, document) = (self.path("contracts"), self.path("mappings"), self.path("order-12.pdf"));
        let making = Making {
            contracts: &contracts,
            mappings: &mappings,
            document: &document,
            reference: name.to_owned(),
            date: jiff::civil::date(2026, 3, 1),
            note: "Agreed with the provider.".to_owned(),
            requirement: None,
            effective_from: None,
            restores: None,
        };
        let made = making::make(making, self.active(), &self.path(name)).expect("made");
        let signed = ["aysel", "kamran"].iter().fold(made, |bundle, signer| {
            let key = SigningKey::load_or_create(&self.path("signers").join(signer)).expect("a key");
            making::sign(&bundle.dir, &Origin::new(signer).expect("a name"), &key).expect("signed")
        });
        self.signed_bundles().place(&signed).expect("placed");
    }

    /// The bundles with their signers.
    fn signed_bundles(&self) -> Bundles {
        Config::load(&self.path("qovsaq.yaml"), &mut Problems::default()).and_then(|config| config.change).expect("bundles")
    }

    fn verify(&self) -> Ran {
        run(&["bundle", "verify", &text(&self.path("bundles")), "--config", &text(&self.path("qovsaq.yaml"))])
    }

    fn lines(&self) -> Vec<Line> {
        ledger::read(&self.dir, 0)
    }

    fn activations(&self) -> Vec<Json> {
        self.lines().into_iter().filter(|line| line.is(Kind::BundleActivated)).map(|line| line.metadata).collect()
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn expect(code: i32, ran: &Ran) {
    assert_eq!(ran.code, Some(code), "{}{}", ran.stdout, ran.stderr);
}

/// Asks for a person's identity: the status and the fields that came.
async fn ask(office: &Office, child: &Child) -> (u16, Vec<String>) {
    let client = child.client(CONSUMER);
    let fin = office.site.personas.reference_family().applicant().fin.to_string();
    let case = fresh_case();
    let opened = json!({"case": case, "purpose": "adsy-means-test", "persons": [{"subject": {"fin": fin}, "role": "applicant"}]});
    assert_eq!(client.post("/v1/cases", &opened, "en").await.expect("an answer").status, 201);
    let answer = client.post("/v1/services/interior/person-identity", &envelope(&fin, &case, json!({})), "en").await.expect("an answer");
    let data = answer.json().expect("JSON")["data"].as_object().map(|data| data.keys().cloned().collect()).unwrap_or_default();
    (answer.status, data)
}

const WHOLE: &str = "  - service: interior/person-identity\n    fields: all\n";
const NARROW: &str = "  - service: interior/person-identity\n    fields: [fin, surname, given_name, birth_date]\n";

/// Takes the field `birth_place`, among others, from the consumer that the tests ask as.
fn withdraw_birth_place(office: &Office) {
    office.site.change(AID, WHOLE, NARROW);
}

fn give_birth_place_back(office: &Office) {
    office.site.change(AID, NARROW, WHOLE);
}

// clause: 634/3.4
// clause: 634/6.2.5
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_goes_live_by_bundle_and_signal_and_back_again() {
    let office = Office::open().await;
    let (code, said) = office.site.refuses().await;
    assert!(code == Some(1) && said.contains("no bundle is active") && said.contains("qovsaq bundle make"), "{said}");
    let first = office.bring("first", &[]);
    let child = office.site.serve().await;
    assert_eq!(office.active().map(|active| active.sequence), Some(1), "the first is taken by the start");
    let (status, fields) = ask(&office, &child).await;
    assert!(status == 200 && fields.contains(&"birth_place".to_owned()), "{fields:?}");

    withdraw_birth_place(&office);
    child.hang_up();
    child.said("reloaded").await;
    assert!(ask(&office, &child).await.1.contains(&"birth_place".to_owned()), "edited files change nothing");

    let second = office.make("second", &["--requirement", "Letter 7 of 2026"]);
    office.sign(&second, &["kamran", "aysel"]);
    let shown = run(&["bundle", "show", &text(&second), "--bundles", &text(&office.path("bundles"))]);
    expect(0, &shown);
    for line in [
        "targeted-aid loses interior/person-identity: birth_place, citizenship, ",
        "targeted-aid itirir: interior/person-identity: birth_place, citizenship, ",
        "(for adsy-means-test; as case-officer",
        "Letter 7 of 2026",
        "kamran, aysel (not verified here)",
    ] {
        assert!(shown.stdout.contains(line), "{line} is not in {}", shown.stdout);
    }
    let activated = office.activate(&second, Some(child.id()));
    expect(0, &activated);
    let (status, fields) = ask(&office, &child).await;
    assert!(status == 200 && !fields.is_empty() && !fields.contains(&"birth_place".to_owned()), "{fields:?}");

    // Back: the earlier content as a change of its own.
    let back = office.path("back");
    let mut arguments = vec!["bundle".to_owned(), "rollback".to_owned(), text(&office.path("bundles")), text(&back)];
    arguments.extend(["--to".to_owned(), "1".to_owned()]);
    arguments.extend(office.reason());
    expect(0, &run(&arguments));
    let diff = run(&["bundle", "diff", &text(&first), &text(&back), "--json"]);
    expect(0, &diff);
    assert_eq!(serde_json::from_str::<Json>(&diff.stdout).expect("JSON")["changes"], json!([]));
    office.sign(&back, &["aysel", "kamran"]);
    expect(0, &office.activate(&back, Some(child.id())));
    assert!(ask(&office, &child).await.1.contains(&"birth_place".to_owned()));

    // Each stands in the journal with its document and signers, and every entry names the data of its time.
    let activations = office.activations();
    let told: Vec<_> = activations.iter().map(|entry| (entry["sequence"].as_u64(), entry["restores"].as_u64())).collect();
    assert_eq!(told, [(Some(1), None), (Some(2), None), (Some(3), Some(1))]);
    assert_eq!(activations[1]["signers"], json!(["kamran", "aysel"]));
    assert_eq!(
        (&activations[1]["document"]["reference"], &activations[1]["requirement"]),
        (&json!("Order 12"), &json!("Letter 7 of 2026"))
    );
    assert_eq!(activations[2]["predecessor"], activations[1]["configuration"]);
    let bundles = office.bundles();
    let disclosed: Vec<String> = office
        .lines()
        .iter()
        .filter(|line| line.is(Kind::Disclosed))
        .filter_map(|line| line.metadata["configuration"].as_str().map(str::to_owned))
        .collect();
    let hashes = [1, 1, 2, 3].map(|sequence| bundles.get(sequence).expect("a bundle").hash.to_string());
    assert_eq!(disclosed, hashes);
    expect(0, &office.verify());
    let history = run(&["bundle", "history", &text(&office.path("bundles")), "--json"]);
    let history: Json = serde_json::from_str(&history.stdout).expect("JSON");
    let states: Vec<_> = history.as_array().expect("a list").iter().map(|bundle| bundle["state"].as_str().expect("a state")).collect();
    assert_eq!(states, ["past", "past", "active"]);
    assert!(child.stop().await.success());

    // Older data cannot be brought back by the pointer, nor by removing it.
    let pointer = office.path("bundles").join("active");
    let last = std::fs::read(&pointer).expect("a pointer");
    office.bundles().point(Pointer::to(&bundles.get(1).expect("a bundle"))).expect("pointed");
    let (code, said) = office.site.refuses().await;
    assert!(code == Some(1) && said.contains("bundle 3") && said.contains("qovsaq bundle rollback"), "{said}");
    std::fs::remove_file(&pointer).expect("removed");
    let (code, said) = office.site.refuses().await;
    assert!(code == Some(1) && said.contains("was active last"), "{said}");
    std::fs::write(&pointer, last).expect("written");
    assert!(office.site.serve().await.stop().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_not_follow_is_refused_by_command_and_gateway_and_the_active_one_serves_on() {
    let office = Office::with_first().await;
    let child = office.site.serve().await;
    withdraw_birth_place(&office);
    let second = office.make("second", &[]);
    let refused = |bundle: &Path, why: &str| {
        let ran = office.activate(bundle, None);
        expect(1, &ran);
        assert!(ran.stderr.contains(why), "{why} is not in {}", ran.stderr);
    };
    refused(&second, "0 signature(s)");
    office.sign(&second, &["aysel"]);
    refused(&second, "1 signature(s)");
    // By hand, round the command: the gateway looks itself.
    crate::program::copy_folder(&second, &office.path("bundles/000002"));
    child.hang_up();
    child.said("not reloaded: the manifest has 1 signature(s)").await;
    assert_eq!(office.active().map(|active| active.sequence), Some(1));
    std::fs::remove_dir_all(office.path("bundles/000002")).expect("removed");
    assert!(ask(&office, &child).await.1.contains(&"birth_place".to_owned()));

    // Data with a problem are not even made into a bundle, and those that were signed elsewhere are not taken.
    office.sign(&second, &["kamran"]);
    give_birth_place_back(&office);
    office.site.change(AID, "acts: [", "acts: [no-such-act, ");
    let ran = run(&[
        &["bundle", "make", &text(office.site.dir()), &text(&office.path("bad"))],
        &office.reason().iter().map(String::as_str).collect::<Vec<_>>()[..],
    ]
    .concat());
    expect(1, &ran);
    assert!(ran.stdout.contains("no-such-act") && !office.path("bad").exists(), "{}", ran.stdout);
    expect(0, &office.activate(&second, Some(child.id())));
    refused(&second, "the bundle's sequence is 2 and 2 is active");
    refused(&office.path("first"), "the bundle's sequence is 1 and 2 is active");
    assert!(child.stop().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundle_for_later_becomes_active_at_its_moment_by_itself() {
    let office = Office::with_first().await;
    let child = office.site.serve().await;
    withdraw_birth_place(&office);
    let from = jiff::Timestamp::now().checked_add(jiff::SignedDuration::from_secs(6)).expect("a time");
    let second = office.make("second", &["--effective-from", &from.to_string()]);
    office.sign(&second, &["aysel", "kamran"]);
    let ran = office.activate(&second, Some(child.id()));
    expect(0, &ran);
    assert!(ran.stdout.contains("it becomes active at "), "{}", ran.stdout);
    child.said("the next bundle becomes active later").await;
    if jiff::Timestamp::now() < from {
        assert_eq!(office.active().map(|active| active.sequence), Some(1));
    }
    until("the second is active", || office.active().filter(|active| active.sequence == 2)).await;
    assert!(jiff::Timestamp::now() >= from, "not before");
    until("it serves", || (office.activations().len() == 2).then_some(())).await;
    child.said("a bundle became active").await;
    assert!(!ask(&office, &child).await.1.contains(&"birth_place".to_owned()));
    assert!(child.stop().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_changed_behind_the_gateway_are_an_alarm_and_never_taken_over() {
    let office = Office::with_first().await;
    // The folders that bundles are made of are watched, too.
    office.site.change_config("change: {", "data: {contracts: contracts, mappings: mappings}\nchange: {");
    let child = office.site.serve().await;
    assert_eq!(child.look("/readyz").await, (200, "ready\n".to_owned()));
    let altered = office.path("bundles/000001").join(AID);
    let whole = std::fs::read_to_string(&altered).expect("a consumer");
    std::fs::write(&altered, whole.replace("per_second", "per_Second")).expect("written");
    std::fs::write(office.path("bundles/000001/contracts/more.yaml"), "more").expect("written");
    office.site.change(PENSION, "per_second: 50000", "per_second: 1");
    child.hang_up();
    child.said("a file is not as it was signed").await;
    until("it is journalled", || office.lines().iter().any(|line| line.is(Kind::BundleDrifted)).then_some(())).await;
    let told = office.lines().into_iter().find(|line| line.is(Kind::BundleDrifted)).expect("it is there").metadata;
    let files = json!([
        {"path": AID, "what": "altered"}, {"path": "contracts/more.yaml", "what": "added"},
        {"path": format!("data: {PENSION}"), "what": "altered"},
    ]);
    assert_eq!((&told["count"], &told["files"]), (&json!(3), &files));
    assert_eq!(child.look("/readyz").await, (200, "ready; 3 files are not as they were signed\n".to_owned()));
    let metrics = child.look("/metrics").await.1;
    assert!(metrics.contains("qovsaq_bundle_drifted_files 3\n"), "{metrics}");
    assert_eq!(ask(&office, &child).await.0, 200, "what was signed serves on");
    expect(1, &office.verify());

    // Put back, the alarm ends, and that is journalled too.
    std::fs::write(&altered, &whole).expect("written");
    std::fs::remove_file(office.path("bundles/000001/contracts/more.yaml")).expect("removed");
    office.site.change(PENSION, "per_second: 1,", "per_second: 50000,");
    child.hang_up();
    until("it is journalled", || (office.lines().iter().filter(|line| line.is(Kind::BundleDrifted)).count() == 2).then_some(())).await;
    assert_eq!(child.look("/readyz").await.1, "ready\n");

    // What was altered while nothing ran is not served.
    assert!(child.stop().await.success());
    std::fs::write(&altered, whole.replace("per_second", "per_Second")).expect("written");
    let (code, said) = office.site.refuses().await;
    assert!(code == Some(1) && said.contains("the active bundle cannot be served") && said.contains("was altered after signing"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_at_any_point_of_an_activation_leaves_the_old_bundle_or_the_new_one() {
    let office = Office::with_first().await;
    let child = office.site.serve().await;
    assert!(child.stop().await.success());
    let mut sequence = 1;
    let mut met = (0, 0);
    // Before the n-th rename or flush of a start that takes the bundle that lies ready.
    let points: Vec<(&str, usize)> = (1..=3).map(|nth| ("rename", nth)).chain((1..=13).step_by(4).map(|nth| ("fsync", nth))).collect();
    for (call, nth) in points {
        office.bring_quickly(&format!("made-{call}-{nth}"));
        office.site.killed_at(call, nth).await;
        let active = office.active().expect("a pointer").sequence;
        assert!(active == sequence || active == sequence + 1, "{active} is neither {sequence} nor the next");
        if active == sequence {
            met.0 += 1
        } else {
            met.1 += 1
        }
        // Entry before effect: what the pointer names stands in the journal.
        let bundles = office.bundles();
        office.signed_bundles().replay().expect("all are whole");
        let child = office.site.serve().await;
        sequence += 1;
        assert_eq!(office.active().map(|active| active.sequence), Some(sequence), "the next start completes it");
        let hash = bundles.get(sequence).expect("a bundle").hash.to_string();
        assert!(office.activations().iter().any(|entry| entry["configuration"] == json!(hash)), "no entry for {hash}");
        assert!(child.stop().await.success());
    }
    assert!(met.0 > 0, "no kill came before the pointer: {met:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_random_under_activations_leave_one_whole_bundle() {
    let office = Office::with_first().await;
    for sequence in 1..=6_u64 {
        let child = office.site.serve().await;
        assert_eq!(office.active().map(|active| active.sequence), Some(sequence));
        office.bring_quickly(&format!("made-{sequence}"));
        child.hang_up();
        // Some before the entry, some between entry and pointer, some after both.
        tokio::time::sleep(Duration::from_millis((sequence - 1) * 80)).await;
        child.kill().await;
        let active = office.active().expect("a pointer").sequence;
        assert!(active == sequence || active == sequence + 1, "{active} is neither {sequence} nor the next");
        office.signed_bundles().replay().expect("all are whole");
    }
    let child = office.site.serve().await;
    assert_eq!(ask(&office, &child).await.0, 200);
    assert!(child.stop().await.success());
    ledger::check_rules(&office.lines());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_production_profile_starts_from_bundles_alone() {
    let site = Site::prepare().await;
    site.change_config("profile: test", "profile: production");
    let (code, said) = site.refuses().await;
    assert!(code == Some(1) && said.contains("change-missing"), "{said}");
    let office = Office::with_first().await;
    office.site.change_config("profile: test", "profile: production");
    let checked = run(&["check", &text(office.site.dir())]);
    expect(0, &checked);
    let child = office.site.serve().await;
    assert_eq!(child.look("/readyz").await.0, 200);
    assert!(child.stop().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_from_before_a_change_is_explained_by_the_rules_of_then() {
    let office = Office::with_first().await;
    let desk = office.desk.clone();
    let house = office.site.up().await;
    let (client, auditor) = (house.client(), house.environment.auditor().expect("an auditor"));
    let asker = Asker::start(&client, &house.applicant().fin).await;
    let receipt = |answer: &Answer| answer.json().expect("JSON")["receipt"].clone();
    let before = receipt(&asker.ask("interior/person-identity").await);
    let mut unknown = asker.body("interior/person-identity");
    unknown["role"] = json!("no-role");
    let denied = receipt(&client.post("/v1/services/interior/person-identity", &unknown, "en").await.expect("an answer"));
    house.change(AID, |text| text.replace(WHOLE, NARROW));
    desk.bring_quickly("second");
    house.reload().await;
    let after = receipt(&asker.ask("interior/person-identity").await);
    let explain = async |receipt: &Json| {
        let path = format!("/v1/journal/entries/{}/{}/explanation", receipt["origin"].as_str().expect("an origin"), receipt["index"]);
        let answer = auditor.get(&path, "en").await.expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json().expect("JSON")
    };

    // The same question, by the rules of two versions.
    for (receipt, sequence, sees) in [(&before, 1, true), (&after, 2, false)] {
        let told = explain(receipt).await;
        assert_eq!((&told["bundle"]["sequence"], &told["explained"]["agrees"]), (&json!(sequence), &json!(true)), "{told}");
        let delivered = told["explained"]["decision"]["delivered"].as_array().expect("fields");
        assert_eq!(delivered.contains(&json!("birth_place")), sees, "{told}");
        assert!(told["text"]["en"].as_str().is_some_and(|text| text.contains("what was recorded agrees with the rules of then")));
        assert!(told["text"]["az"].as_str().is_some_and(|text| text.contains("qeyd o vaxtın qaydalarına uyğundur")));
        assert_eq!(told["bundle"]["document"]["reference"], if sequence == 1 { json!("Order 12") } else { json!("second") });
    }
    let told = explain(&denied).await;
    assert_eq!((&told["kind"], &told["explained"]["agrees"]), (&json!("denied"), &json!(true)), "{told}");
    assert!(
        told["text"]["en"].as_str().is_some_and(|text| text.contains("FAILS · function · this consumer has no such role (role-unknown)")),
        "{told}"
    );
    // Of an answer the question's decision is explained.
    let lines = house.lines();
    let answered = lines.iter().find(|line| line.is(Kind::Answered)).expect("an answer");
    let told = explain(&json!({"origin": before["origin"], "index": answered.index})).await;
    assert_eq!((&told["kind"], &told["explained"]["agrees"]), (&json!("intent"), &json!(true)), "{told}");
    assert_ne!(told["index"], told["decided_in"]);
    let opened = lines.iter().find(|line| line.is(Kind::CaseOpened)).expect("a case");
    let told = explain(&json!({"origin": before["origin"], "index": opened.index})).await;
    assert_eq!((&told["unexplained"], &told["explained"]), (&json!("no-decision"), &Json::Null));

    // The command says the same.
    let run = |index: &Json| {
        let place = house.environment.console().expect("a console");
        let files = person_files(house.dir(), AUDITOR);
        let (ca, cert, key) = (text(&ca_file(house.dir())), text(&files.0), text(&files.1));
        let origin = before["origin"].as_str().expect("an origin");
        let arguments = [
            "journal",
            "explain",
            origin,
            &index.to_string(),
            "--console",
            &place,
            "--ca",
            &ca,
            "--cert",
            &cert,
            "--key",
            &key,
            "--lang",
            "az",
        ];
        run(&arguments)
    };
    let (index, moved) = (before["index"].clone(), tokio::task::block_in_place(|| run(&before["index"])));
    expect(0, &moved);
    assert!(moved.stdout.contains("qərar: icazə verilir") && moved.stdout.contains("uyğundur"), "{}", moved.stdout);

    // Each explanation is an entry of its own, before it is told.
    let told = house.lines().into_iter().filter(|line| line.is(Kind::EntryExplained)).map(|line| line.metadata);
    assert_eq!(told.filter(|entry| entry["index"] == index && entry["auditor"] == "auditor-1").count(), 2);

    // Data of then that are altered, or gone, explain nothing.
    let kept = desk.path("bundles/000001").join(AID);
    let whole = std::fs::read_to_string(&kept).expect("a consumer");
    std::fs::write(&kept, whole.replace("per_second", "per_Second")).expect("written");
    let told = explain(&before).await;
    assert_eq!((&told["unexplained"], &told["explained"]), (&json!("data-unsound"), &Json::Null));
    assert!(told["text"]["en"].as_str().is_some_and(|text| text.contains("was altered after signing")), "{told}");
    std::fs::remove_dir_all(desk.path("bundles/000001")).expect("removed");
    assert_eq!(explain(&before).await["unexplained"], json!("data-gone"));
    expect(1, &tokio::task::block_in_place(|| run(&index)));
    assert_eq!(explain(&after).await["explained"]["agrees"], json!(true), "the present data are not touched by that");
    house.stop().await;
}
