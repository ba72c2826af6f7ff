//! Bundles on disk: what is taken, and every way in which one is refused.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::date;
use journal::{Origin, SigningKey};
use model::Problems;
use proptest::prelude::*;
use tempfile::TempDir;

use super::bundle::{How, MANIFEST, Of};
use super::difference::{Side, difference};
use super::making::{Making, make, sign};
use super::manifest::{Manifest, Reason, check_path};
use super::*;

const NAMES: [&str; 3] = ["aysel", "kamran", "former"];

fn now() -> Timestamp {
    "2026-03-12T08:00:00Z".parse().expect("a time")
}

fn key(name: &str) -> SigningKey {
    let mut seed = [7; 32];
    seed[0] = name.as_bytes()[0];
    SigningKey::from_seed(&seed)
}

fn name(name: &str) -> Origin {
    Origin::new(name).expect("a name")
}

fn signers() -> Signers {
    let signer = |name: &str| (name.to_owned(), Signer { key: key(name).public(&self::name(name)), former: name == "former" });
    NAMES.into_iter().map(signer).collect()
}

/// A folder with data, a document, and the deployment's bundles.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(TempDir::new().expect("a temporary folder"));
        fs::create_dir_all(desk.path("contracts/consumers")).expect("made");
        fs::create_dir_all(desk.path("mappings")).expect("made");
        fs::create_dir_all(desk.path("bundles")).expect("made");
        fs::write(desk.path("contracts/acts.yaml"), "first").expect("written");
        fs::write(desk.path("contracts/consumers/one.yaml"), "one").expect("written");
        fs::write(desk.path("mappings/a.yaml"), "a").expect("written");
        fs::write(desk.path("Əmr 12.pdf"), "the order").expect("written");
        desk
    }

    fn path(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }

    fn bundles(&self) -> Bundles {
        Bundles { dir: self.path("bundles"), signers: signers() }
    }

    fn make(&self, after: Option<Pointer>, out: &str) -> Result<Bundle, BundleError> {
        let (contracts, mappings, document) = (self.path("contracts"), self.path("mappings"), self.path("Əmr 12.pdf"));
        let making = Making {
            contracts: &contracts,
            mappings: &mappings,
            document: &document,
            reference: "Order 12".to_owned(),
            date: date(2026, 3, 1),
            note: "Pension gets the address.".to_owned(),
            requirement: None,
            effective_from: None,
            restores: None,
        };
        make(making, after, &self.path(out))
    }

    /// A bundle with these signatures.
    fn signed(&self, after: Option<Pointer>, out: &str, names: &[&str]) -> Bundle {
        let made = self.make(after, out).expect("made");
        names.iter().fold(made, |bundle, signer| sign(&bundle.dir, &name(signer), &key(signer)).expect("signed"))
    }

    /// Places a bundle and points at it, as an activation does.
    fn activate(&self, bundle: &Bundle) -> Pointer {
        let placed = self.bundles().place(bundle).expect("placed");
        self.bundles().point(Pointer::to(&placed)).expect("pointed");
        Pointer::to(&placed)
    }
}

/// What a bundle is refused with when it is to be the next one.
fn refused(desk: &Desk, bundle: &Bundle) -> String {
    let bundles = desk.bundles();
    let reread = Bundle::open(&bundle.dir).and_then(|bundle| bundles.place(&bundle));
    let error = reread.expect_err("refused").to_string();
    assert!(!bundles.place_of(bundle.manifest.sequence).join(MANIFEST).exists() || bundles.active().expect("a pointer").is_some());
    error
}

fn change_manifest(bundle: &Bundle, from: &str, to: &str) {
    let path = bundle.dir.join(MANIFEST);
    let text = fs::read_to_string(&path).expect("a manifest");
    assert!(text.contains(from), "{from} is not in {text}");
    fs::write(path, text.replacen(from, to, 1)).expect("written");
}

#[test]
fn a_bundle_with_two_signatures_is_taken_and_the_row_verifies() {
    let desk = Desk::new();
    let first = desk.activate(&desk.signed(None, "one", &["aysel", "kamran"]));
    fs::write(desk.path("contracts/acts.yaml"), "second").expect("written");
    let second = desk.signed(Some(first), "two", &["kamran", "aysel"]);
    let bundles = desk.bundles();
    bundles.place(&second).expect("placed");
    let (next, signers) = bundles.next(Some(first)).expect("sound").expect("it lies ready");
    assert_eq!((next.hash, signers), (second.hash, vec!["kamran".to_owned(), "aysel".to_owned()]));
    // The hash is that of the signed text alone.
    let text = journal::SignedText::parse(&next.note).expect("a note").text;
    assert_eq!((next.hash, next.manifest.hash()), (Digest::of(text.as_bytes()), next.hash));
    let active = desk.activate(&second);
    assert_eq!(bundles.active().expect("a pointer"), Some(active));
    let row = bundles.replay().expect("sound");
    assert_eq!(row.iter().map(|past| past.bundle.hash).collect::<Vec<_>>(), [first.bundle, second.hash]);
    assert_eq!(bundles.by_hash(first.bundle).expect("read").expect("kept").manifest.sequence, 1);
    assert!(bundles.next(Some(active)).expect("sound").is_none(), "nothing lies ready");
}

#[test]
fn signatures_that_are_too_few_or_not_of_two_signers_are_refused() {
    let desk = Desk::new();
    let unsigned = desk.signed(None, "unsigned", &[]);
    assert!(refused(&desk, &unsigned).starts_with("the manifest has 0 signature(s)"), "{}", refused(&desk, &unsigned));
    let one = desk.signed(None, "one", &["aysel"]);
    assert!(refused(&desk, &one).starts_with("the manifest has 1 signature(s)"));
    assert!(sign(&one.dir, &name("aysel"), &key("aysel")).expect_err("refused").to_string().starts_with("aysel has signed more than once"));
    // The same by hand.
    let again = key("aysel").sign_note(&name("aysel"), &one.manifest.text());
    fs::write(one.dir.join(MANIFEST), format!("{}{again}", one.note)).expect("written");
    assert!(refused(&desk, &one).starts_with("aysel has signed more than once"));
    let unknown = desk.signed(None, "unknown", &["aysel", "somebody"]);
    assert_eq!(refused(&desk, &unknown), "somebody is no signer of this deployment; accepted are those under `change.signers`");
    let former = desk.signed(None, "former", &["aysel", "former"]);
    assert_eq!(refused(&desk, &former), "former is a former signer; a new bundle is signed by present ones");
    assert!(former.signed_by(&signers(), Of::Past).is_ok(), "what was signed then stays signed");
    // Aysel's key under another name.
    let pretended = desk.signed(None, "pretended", &["aysel"]);
    sign(&pretended.dir, &name("kamran"), &key("aysel")).expect("signed");
    assert!(refused(&desk, &pretended).starts_with("the signature of kamran does not hold"));
}

#[test]
fn what_was_altered_after_signing_is_refused() {
    let desk = Desk::new();
    let fresh = |out: &str| desk.signed(None, out, &["aysel", "kamran"]);
    let note = fresh("note");
    change_manifest(&note, "Pension gets the address.", "Pension gets everything!!");
    assert!(refused(&desk, &note).starts_with("the signature of aysel does not hold"));
    let file = fresh("file");
    fs::write(file.dir.join("contracts/acts.yaml"), "other").expect("written");
    assert!(refused(&desk, &file).starts_with("contracts/acts.yaml was altered after signing"));
    let gone = fresh("gone");
    fs::remove_file(gone.dir.join("mappings/a.yaml")).expect("removed");
    assert!(refused(&desk, &gone).starts_with("mappings/a.yaml is in the manifest and not in the folder"));
    let added = fresh("added");
    fs::write(added.dir.join("contracts/purposes.yaml"), "more").expect("written");
    assert!(refused(&desk, &added).starts_with("contracts/purposes.yaml is in the folder and not in the manifest"));
    fs::remove_file(added.dir.join("contracts/purposes.yaml")).expect("removed");
    fs::write(added.dir.join("readme"), "more").expect("written");
    assert!(refused(&desk, &added).starts_with("readme is in the folder and not in the manifest"));
    let document = fresh("document");
    fs::write(document.dir.join("documents/Əmr 12.pdf"), "another order").expect("written");
    assert!(refused(&desk, &document).starts_with("the document documents/Əmr 12.pdf is not the one that was signed"));
    fs::remove_file(document.dir.join("documents/Əmr 12.pdf")).expect("removed");
    assert!(refused(&desk, &document).starts_with("the document documents/Əmr 12.pdf is not in the bundle"));
}

#[test]
fn a_change_without_a_document_is_refused() {
    let desk = Desk::new();
    let bundle = desk.make(None, "one").expect("made");
    let mut json: serde_json::Value = serde_json::from_str(&bundle.manifest.text()).expect("JSON");
    json["document"] = serde_json::Value::Null;
    let text = format!("{}\n", serde_json::to_string_pretty(&json).expect("JSON"));
    let notes: String = ["aysel", "kamran"].iter().map(|signer| key(signer).sign_note(&name(signer), &text)).collect();
    fs::write(bundle.dir.join(MANIFEST), format!("{text}\n{notes}")).expect("written");
    assert!(refused(&desk, &bundle).starts_with("the change has no document"));
    fs::remove_file(desk.path("Əmr 12.pdf")).expect("removed");
    assert!(matches!(desk.make(None, "two"), Err(BundleError::Io { .. })));
    assert!(!desk.path("two").exists(), "nothing half stays");
}

#[test]
fn a_bundle_out_of_its_place_in_the_row_is_refused() {
    let desk = Desk::new();
    let both = ["aysel", "kamran"];
    let first = desk.signed(None, "one", &both);
    let active = desk.activate(&first);
    assert!(refused(&desk, &first).starts_with("the bundle's sequence is 1 and 1 is active"), "the same again");
    let second = desk.activate(&desk.signed(Some(active), "two", &both));
    assert!(refused(&desk, &first).starts_with("the bundle's sequence is 1 and 2 is active"), "an older one");
    let gap = desk.signed(Some(Pointer { sequence: 3, bundle: second.bundle }), "four", &both);
    assert!(refused(&desk, &gap).starts_with("the bundle's sequence is 4 and 3 comes next"));
    let stranger = desk.signed(Some(Pointer { sequence: 2, bundle: first.hash }), "stranger", &both);
    assert!(refused(&desk, &stranger).starts_with("the bundle names another predecessor"));
    // The same where they lie ready without having been placed.
    let bundles = desk.bundles();
    fs::rename(&gap.dir, bundles.place_of(4)).expect("moved");
    assert!(matches!(bundles.next(Some(second)), Err(BundleError::Gap { found: 4, expected: 3 })));
    fs::rename(bundles.place_of(4), bundles.place_of(3)).expect("moved");
    assert!(matches!(bundles.next(Some(second)), Err(BundleError::WrongFolder { sequence: 4, .. })));
    assert!(matches!(bundles.replay(), Err((3, BundleError::WrongFolder { .. }))));
}

#[test]
fn links_strange_names_and_too_much_are_refused() {
    let desk = Desk::new();
    let both = ["aysel", "kamran"];
    let linked = desk.signed(None, "linked", &both);
    fs::remove_file(linked.dir.join("mappings/a.yaml")).expect("removed");
    std::os::unix::fs::symlink(desk.path("mappings/a.yaml"), linked.dir.join("mappings/a.yaml")).expect("linked");
    assert!(refused(&desk, &linked).starts_with("mappings/a.yaml is a symbolic link"));
    let folder = desk.signed(None, "folder", &both);
    fs::remove_dir_all(folder.dir.join("mappings")).expect("removed");
    std::os::unix::fs::symlink(desk.path("mappings"), folder.dir.join("mappings")).expect("linked");
    assert!(refused(&desk, &folder).starts_with("mappings is a symbolic link"));
    let named = desk.signed(None, "named", &both);
    fs::write(named.dir.join("contracts").join(std::ffi::OsStr::from_bytes(b"\xff.yaml")), "x").expect("written");
    assert_eq!(refused(&desk, &named), "a name below contracts is not UTF-8; rename the file");
    let large = desk.signed(None, "large", &both);
    fs::write(large.dir.join("contracts/acts.yaml"), vec![b'x'; (1 << 20) + 1]).expect("written");
    assert!(refused(&desk, &large).starts_with("contracts/acts.yaml has more than 1048576 bytes"));
    let manifest = desk.signed(None, "manifest", &both);
    fs::write(manifest.dir.join(MANIFEST), vec![b' '; (4 << 20) + 1]).expect("written");
    assert!(refused(&desk, &manifest).starts_with("manifest has more than 4194304 bytes"));
    fs::write(manifest.dir.join(MANIFEST), b"\xff\n\n").expect("written");
    assert!(refused(&desk, &manifest).contains("is not UTF-8"));
    fs::write(manifest.dir.join(MANIFEST), "no note").expect("written");
    assert!(refused(&desk, &manifest).starts_with("the manifest is not a text with an empty line"));
    fs::remove_file(manifest.dir.join(MANIFEST)).expect("removed");
    assert!(refused(&desk, &manifest).contains("has no `manifest`"));
    // Neither are they made.
    fs::write(desk.path("contracts/.hidden"), "x").expect("written");
    let error = desk.make(None, "hidden").expect_err("refused").to_string();
    assert!(error.contains("contracts/.hidden") && error.contains("a name in it is hidden"), "{error}");
}

#[test]
fn paths_that_could_lead_elsewhere_are_refused() {
    let cases = [
        "../x",
        "/etc/passwd",
        "contracts",
        "contracts/",
        "contracts//x",
        "contracts/../../x",
        "contracts/./x",
        "documents/..",
        "mappings/a\\b",
        "mappings/a\nb",
        "mappings/.x",
        "manifest",
        "active",
        "contracts\\x",
    ];
    for path in cases {
        assert!(matches!(check_path(path), Err(BundleError::Path { .. })), "{path}");
    }
    check_path(&format!("contracts/{}", "x".repeat(200))).expect("accepted");
    assert!(check_path(&format!("contracts/{}", "x".repeat(201))).is_err());
    assert!(check_path(&format!("contracts/{}y", "x/".repeat(300))).is_err());
    // And so is the manifest that has one.
    let desk = Desk::new();
    let bundle = desk.make(None, "one").expect("made");
    let text = bundle.manifest.text().replace("contracts/acts.yaml", "contracts/../../../a");
    assert!(matches!(Manifest::parse(&text), Err(BundleError::Path { why: "it leads out of its folder", .. })));
}

#[test]
fn a_manifest_has_one_spelling() {
    let desk = Desk::new();
    let text = desk.make(None, "one").expect("made").manifest.text();
    assert_eq!(Manifest::parse(&text).expect("a manifest").text(), text);
    assert!(matches!(Manifest::parse(&text.replace("  ", " ")), Err(BundleError::NotCanonical)));
    assert!(matches!(Manifest::parse(&format!("{text}\n")), Err(BundleError::NotCanonical)));
    assert!(matches!(Manifest::parse(&text.replace("\"note\"", "\"nota\"")), Err(BundleError::Malformed(_))));
    assert!(matches!(Manifest::parse(&text.replace("qovsaq/1", "qovsaq/2")), Err(BundleError::Member { member: "bundle", .. })));
    assert!(matches!(Manifest::parse(&text.replace("Pension gets the address.", "so")), Err(BundleError::Member { member: "note", .. })));
}

#[test]
fn another_bundle_in_the_same_place_is_not_overwritten() {
    let desk = Desk::new();
    let both = ["aysel", "kamran"];
    let bundles = desk.bundles();
    let one = desk.signed(None, "one", &both);
    bundles.place(&one).expect("placed");
    bundles.place(&one).expect("the same again is nothing new");
    fs::write(desk.path("contracts/acts.yaml"), "second").expect("written");
    let other = desk.signed(None, "other", &both);
    assert!(matches!(bundles.place(&other), Err(BundleError::PlaceTaken(_))));
    assert_eq!(bundles.get(1).expect("there").hash, one.hash);
}

#[test]
fn the_active_bundle_is_the_one_the_pointer_names_or_none() {
    let desk = Desk::new();
    let both = ["aysel", "kamran"];
    let bundles = desk.bundles();
    assert_eq!(bundles.active().expect("nothing yet"), None);
    let active = desk.activate(&desk.signed(None, "one", &both));
    bundles.pointed(active).expect("whole");
    let other = Pointer { bundle: Digest::of(b"another"), ..active };
    assert!(matches!(bundles.pointed(other), Err(BundleError::NotTheActive { .. })));
    fs::write(bundles.place_of(1).join("contracts/acts.yaml"), "other").expect("written");
    assert!(matches!(bundles.pointed(active), Err(BundleError::FileAltered(_))));
    fs::write(desk.path("bundles/active"), "1\n").expect("written");
    assert!(matches!(bundles.active(), Err(BundleError::Pointer(_))));
    // A working file that a crash left behind means nothing.
    fs::write(desk.path("bundles/active.new"), "half").expect("written");
    bundles.point(active).expect("pointed");
    assert_eq!(bundles.active().expect("a pointer"), Some(active));
}

#[test]
fn every_difference_from_the_signed_files_is_found() {
    let desk = Desk::new();
    let bundle = desk.signed(None, "one", &["aysel", "kamran"]);
    assert_eq!(bundle.differing(), []);
    fs::write(bundle.dir.join("contracts/acts.yaml"), "other").expect("written");
    fs::write(bundle.dir.join("contracts/new.yaml"), "new").expect("written");
    fs::remove_file(bundle.dir.join("mappings/a.yaml")).expect("removed");
    std::os::unix::fs::symlink("/dev/null", bundle.dir.join("mappings/b.yaml")).expect("linked");
    let found: Vec<_> = bundle.differing().into_iter().map(|differing| (differing.path, differing.what)).collect();
    let expected = [
        ("contracts/acts.yaml", How::Altered),
        ("contracts/new.yaml", How::Added),
        ("mappings/a.yaml", How::Missing),
        ("mappings/b.yaml", How::Unreadable),
    ];
    assert_eq!(found, expected.map(|(path, what)| (path.to_owned(), what)));
    fs::remove_dir_all(&bundle.dir).expect("removed");
    assert_eq!(bundle.differing().len(), bundle.manifest.files.len(), "all are missing");
}

proptest! {
    #[test]
    fn a_manifest_reads_back_as_it_was_written(
        note in "[a-zəğıöüşç\\n\"\\\\ ]{12,200}", reference in "[A-Z0-9 /№-]{1,30}", sequence in 2_u64..1000, restores in proptest::option::of(1_u64..2),
    ) {
        prop_assume!(note.trim().chars().count() >= 10 && !reference.trim().is_empty());
        let sha256 = Digest::of(note.as_bytes());
        let document = Document { reference, date: date(2026, 1, 31), path: "documents/d".to_owned(), sha256 };
        let reason = Reason { document, note, requirement: None, effective_from: Some(now()), restores };
        let listed = |path: &str| Listed { path: path.to_owned(), sha256 };
        let manifest = Manifest::new(sequence, Some(sha256), reason, vec![listed("mappings/b"), listed("documents/d"), listed("contracts/a")]);
        let manifest = manifest.expect("accepted");
        prop_assert_eq!(&Manifest::parse(&manifest.text()).expect("reads back"), &manifest);
        prop_assert!(!manifest.text().contains("\n\n"), "the text ends at the first empty line");
    }
}

#[test]
fn no_byte_of_a_signed_manifest_can_be_another() {
    let desk = Desk::new();
    let bundle = desk.signed(None, "one", &["aysel", "kamran"]);
    let path = bundle.dir.join(MANIFEST);
    let signed = fs::read(&path).expect("a manifest");
    proptest!(|(place in 0_usize..signed.len(), by in 1_u8..=255)| {
        let mut bytes = signed.clone();
        bytes[place] ^= by;
        fs::write(&path, bytes).expect("written");
        let read = Bundle::open(&bundle.dir).and_then(|bundle| desk.bundles().admit(&bundle, None));
        prop_assert!(read.is_err(), "byte {} changed and nobody noticed", place);
    });
    fs::write(&path, &signed).expect("written");
    assert!(Bundle::open(&bundle.dir).and_then(|bundle| desk.bundles().admit(&bundle, None)).is_ok());
}

/// The shipped data, loaded.
fn shipped(dir: &Path) -> crate::data::Active {
    let mut problems = Problems::default();
    let active = crate::data::load(&dir.join("contracts"), &dir.join("mappings"), model::time::day(now()), &mut problems);
    let (fatal, _) = problems.part_tolerable();
    assert!(fatal.is_empty(), "{fatal:?}");
    active
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("a folder").map(|entry| entry.expect("an entry")) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() { copy(&entry.path(), &target) } else { fs::copy(entry.path(), target).map(drop).expect("copied") }
    }
}

/// What changes in words where these texts of the shipped data are replaced.
fn changes(edits: &[(&str, &str, &str)]) -> Vec<String> {
    let dir = TempDir::new().expect("a temporary folder");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let old = shipped(root);
    for folder in ["contracts", "mappings"] {
        copy(&root.join(folder), &dir.path().join(folder));
    }
    for (file, from, to) in edits {
        let path = dir.path().join(file);
        let text = fs::read_to_string(&path).expect("a file");
        assert!(text.contains(from), "{from} is not in {file}");
        fs::write(path, text.replacen(from, to, 1)).expect("written");
    }
    let new = shipped(dir.path());
    assert_eq!(old.hash == new.hash, edits.is_empty(), "other bytes are another configuration");
    let changes =
        difference(Side { snapshot: &old.snapshot, files: &old.files }, Side { snapshot: &new.snapshot, files: &new.files }, now());
    changes.into_iter().flat_map(|change| [format!("{}: {}", change.kind, change.en), change.az]).collect()
}

#[test]
fn nothing_changes_between_the_same_data() {
    assert_eq!(changes(&[]), Vec::<String>::new());
}

#[test]
fn a_right_gained_or_lost_is_told_in_words_with_role_and_purpose() {
    let pension = "contracts/consumers/pension.yaml";
    let told = changes(&[
        (pension, "fields: [fin, registration_kind, territory_code]", "fields: [fin, territory_code, address_text]"),
        (pension, "quota: {per_second: 200, burst: 400}", "quota: {per_second: 20, burst: 40}"),
        (pension, "name-change, death], input", "name-change], input"),
    ]);
    let expected = [
        "consumer: pension: quota: from 200/s (400) to 20/s (40)",
        "pension: kvota: əvvəl 200/s (400), sonra 20/s (40)",
        "right: pension gains interior/residence-registration: address_text (for labour-pension; as case-officer; subject by fin)",
        "pension əldə edir: interior/residence-registration: address_text (məqsəd: labour-pension; rol: case-officer; subyekt: fin)",
        "right: pension loses interior/residence-registration: registration_kind (for labour-pension; as case-officer; subject by fin)",
        "pension itirir: interior/residence-registration: registration_kind (məqsəd: labour-pension; rol: case-officer; subyekt: fin)",
        "rows: pension: justice/family-acts: rows given: from acts.act_kind ∈ {birth, marriage, divorce, paternity, name-change, death} \
         to acts.act_kind ∈ {birth, marriage, divorce, paternity, name-change}",
        "pension: justice/family-acts: verilən sətirlər: əvvəl acts.act_kind ∈ {birth, marriage, divorce, paternity, name-change, death}, \
         sonra acts.act_kind ∈ {birth, marriage, divorce, paternity, name-change}",
        "file: the file contracts/consumers/pension.yaml changes",
        "contracts/consumers/pension.yaml faylı dəyişir",
    ];
    assert_eq!(told, expected);
}

#[test]
fn rights_that_end_by_a_role_an_act_or_a_contract_are_told_too() {
    let file = "contracts/consumers/pension.yaml";
    // Nothing in the grants changes, and yet the officer sees less.
    let told = changes(&[(file, "class_max: S}", "class_max: C}")]);
    assert!(
        told.iter()
            .any(|line| line
                == "role: pension: the role case-officer: from Pension officer, up to class S to Pension officer, up to class C"),
        "{told:#?}"
    );
    let lost = "right: pension loses justice/enforcement-debt: ";
    assert!(
        told.iter().any(|line| line.starts_with(lost) && line.ends_with("(for labour-pension; as case-officer; subject by fin)")),
        "{told:#?}"
    );

    let identity = "contracts/providers/interior/person-identity@1.0.0.yaml";
    let told = changes(&[
        (identity, "valid_until: 2028-01-14", "valid_until: 2026-02-14"),
        (identity, "quota: {per_second: 50, burst: 100}", "quota: {per_second: 5, burst: 10}"),
        (identity, "lifetime: 24h", "lifetime: 1h"),
    ]);
    for line in [
        "service: interior/person-identity: quota: from 50/s (100) to 5/s (10)",
        "service: interior/person-identity: lifetime: from 86400s to 3600s",
        "service: interior/person-identity: agreement: from DIN-MEIS-2026/01, 2026-01-15 – 2028-01-14 to DIN-MEIS-2026/01, 2026-01-15 – 2026-02-14",
    ] {
        assert!(told.iter().any(|told| told == line), "{line} is not in {told:#?}");
    }
    // An agreement that has ended takes every right with it.
    for consumer in ["pension", "targeted-aid"] {
        let lost = format!("right: {consumer} loses interior/person-identity: birth_date, birth_place, ");
        assert!(told.iter().any(|told| told.starts_with(&lost)), "{told:#?}");
    }

    // A mapping decides nothing about rights, and its change is not silent.
    let told = changes(&[("mappings/interior/person-identity@1.0.0.yaml", "\n", "\n# Looked at again.\n")]);
    assert_eq!(told.len(), 2, "{told:#?}");
    assert_eq!(told[0], "file: the file mappings/interior/person-identity@1.0.0.yaml changes");
}

#[test]
fn conditions_of_a_grant_are_told_term_by_term() {
    let pension = "contracts/consumers/pension.yaml";
    let roles = "    purposes: [labour-pension]\n    acts: [law-labour-pensions]\n    roles: [case-officer]\n";
    // At the moment of the comparison the hours do not hold: that is no loss of the right.
    let bounded =
        format!("{roles}    hours: {{days: [saturday], from: \"01:00\", to: \"02:00\"}}\n    volume: {{requests_per_day: 100}}\n");
    let told = changes(&[(pension, roles, &bounded)]);
    let expected = [
        "grant: pension: interior/person-identity: hours (1 = Monday): from [] to [6 01:00–02:00]",
        "pension: interior/person-identity: saatlar (1 = bazar ertəsi): əvvəl [], sonra [6 01:00–02:00]",
        "grant: pension: interior/person-identity: volume a day (questions/persons): from [] to [100/…]",
        "pension: interior/person-identity: gündəlik həcm (sorğu/şəxs): əvvəl [], sonra [100/…]",
        "file: the file contracts/consumers/pension.yaml changes",
        "contracts/consumers/pension.yaml faylı dəyişir",
    ];
    assert_eq!(told, expected);
}
