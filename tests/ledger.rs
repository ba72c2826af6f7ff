//! The journal read back with the node's keys: what the gateway wrote, in order.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use journal::{Hash, Origin, Receipt, Role, SigningKey, VerifyingKey};
use qovsaq::logs::Base;
use qovsaq::record::Kind;
use seal::{KeyTable, NodeKey};
use serde_json::Value as Json;

/// Base name of the logs that the tests' deployments write.
pub(crate) const BASE: &str = "meis-demo.test";

/// One entry, opened.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) index: u64,
    /// Number of the kind, see [`Kind`].
    pub(crate) kind: u8,
    pub(crate) role: Role,
    pub(crate) leaf_hash: Hash,
    /// Sequence of the frame that holds it.
    pub(crate) frame: u64,
    /// The epoch whose keys seal it; 0 where its metadata stand in clear.
    pub(crate) epoch: u64,
    pub(crate) metadata: Json,
}

impl Line {
    pub(crate) fn is(&self, kind: Kind) -> bool {
        self.kind == kind.number()
    }
}

/// The logs of a deployment's folder, the newest last.
pub(crate) fn logs(dir: &Path) -> Vec<Origin> {
    let base = Base::new(BASE).expect("a base name");
    let names = std::fs::read_dir(dir.join("journal")).expect("a journal").map(|entry| entry.expect("an entry").file_name());
    let half_years: BTreeSet<_> = names.filter_map(|name| base.half_year(name.to_str()?)).collect();
    half_years.into_iter().map(|half_year| base.log(half_year)).collect()
}

/// The newest log of a deployment's folder.
pub(crate) fn newest(dir: &Path) -> Origin {
    logs(dir).pop().expect("a log")
}

/// Everything in the newest log of a deployment's folder from `from` on; an unfinished frame is the end.
pub(crate) fn read(dir: &Path, from: u64) -> Vec<Line> {
    read_log(dir, &newest(dir), from)
}

/// The same of any of its logs.
pub(crate) fn read_log(dir: &Path, origin: &Origin, from: u64) -> Vec<Line> {
    let keys = KeyTable::open(&dir.join("keys/epochs"), NodeKey::load_or_create(&dir.join("keys/node.key")).expect("a node key"))
        .expect("a key table");
    let mut epochs = BTreeMap::new();
    let entries = journal::read::entries(&dir.join("journal").join(origin.as_str()), from).expect("a journal");
    let mut open = |entry: journal::read::EntryView| {
        let view = seal::entry::parse(&entry.body).expect("an entry of our grammar");
        let epoch = if view.plain_metadata().is_some() { 0 } else { view.epoch };
        let metadata = match view.plain_metadata() {
            Some(plain) => plain.to_vec(),
            None => {
                let epoch = epochs.entry(view.epoch).or_insert_with(|| keys.epoch(view.epoch).expect("readable").expect("kept"));
                let (role, link) = (entry.role.code(), entry.role.link());
                let payload = Some(entry.payload.as_slice());
                seal::entry::open_entry(epoch, origin.as_str(), entry.kind, role, link, &entry.body, payload).expect("opens").metadata
            }
        };
        Line {
            index: entry.index,
            kind: entry.kind,
            role: entry.role,
            leaf_hash: entry.leaf_hash,
            frame: entry.frame,
            epoch,
            metadata: serde_json::from_slice(&metadata).expect("metadata are JSON"),
        }
    };
    entries.map(|entry| open(entry.expect("readable"))).collect()
}

/// The key that receipts of a deployment's newest log verify with.
pub(crate) fn verifying_key(dir: &Path) -> VerifyingKey {
    key_of(dir, &newest(dir))
}

/// The same of any of its logs.
pub(crate) fn key_of(dir: &Path, origin: &Origin) -> VerifyingKey {
    let file = dir.join(format!("keys/signing/{origin}.key"));
    assert!(file.is_file(), "there is no {}", file.display());
    SigningKey::load_or_create(&file).expect("a signing key").public(origin)
}

/// The closing entries of every intent: R2 asks for exactly one each.
pub(crate) fn closers(lines: &[Line]) -> BTreeMap<u64, Vec<&Line>> {
    let mut intents: BTreeMap<u64, Vec<&Line>> =
        lines.iter().filter(|line| line.is(Kind::Intent)).map(|line| (line.index, Vec::new())).collect();
    for line in lines {
        if let Role::Closes(intent) = line.role {
            intents.get_mut(&intent).unwrap_or_else(|| panic!("entry {} closes {intent}, which is no intent", line.index)).push(line);
        }
    }
    intents
}

/// R2, R4, R7 and R8 over a whole journal: every intent is closed exactly once, after it, by Answered,
/// Failed or Abandoned; every disclosure rests on entries before it that can bear it; the start and the
/// configuration stand before what they govern, and an epoch's opening in an earlier frame than what it
/// seals.
pub(crate) fn check_rules(lines: &[Line]) {
    for (intent, closing) in closers(lines) {
        assert!(!closing.is_empty(), "intent {intent} is open");
    }
    check_so_far(lines);
}

/// The same of a journal in which calls are still under way.
pub(crate) fn check_so_far(lines: &[Line]) {
    check_epochs(lines);
    check_configurations(lines);
    for (intent, closing) in closers(lines) {
        assert!(closing.len() <= 1, "intent {intent} is closed by {closing:?}");
        let Some(closed) = closing.first() else { continue };
        assert!([Kind::Answered, Kind::Failed, Kind::Abandoned].iter().any(|kind| closed.is(*kind)), "{closed:?}");
        assert!(intent < closed.index);
        assert_eq!(closed.metadata["intent"], intent);
    }
    check_parts(lines);
    let by_index: BTreeMap<u64, &Line> = lines.iter().map(|line| (line.index, line)).collect();
    for line in lines.iter().filter(|line| line.is(Kind::Disclosed)) {
        for given in &given(line) {
            let Some(source) = given["rests_on"].as_u64() else {
                // What was not asked has nothing to rest on, and gives nothing.
                assert!(given["outcome"] != "FOUND" && given["fields"] == Json::from(Vec::<Json>::new()), "{line:?}");
                continue;
            };
            assert!(source < line.index, "{line:?} rests on what comes after it");
            check_ground(line, given, by_index[&source]);
        }
    }
}

/// The items that a disclosure's entry tells of, each with the fields it gives.
pub(crate) fn given(line: &Line) -> Vec<Json> {
    let items = line.metadata["given"].as_array().expect("what is given");
    let whole = |(place, item): (usize, &Json)| {
        let mut item = item.clone();
        if let Some(same) = item.as_object_mut().expect("an object").remove("fields_as") {
            let same = usize::try_from(same.as_u64().expect("a place")).expect("a place");
            assert!(same < place && item["fields"].is_null(), "{line:?} names fields that come later or twice");
            item["fields"] = items[same]["fields"].clone();
        }
        assert!(item["fields"].is_array(), "{line:?} does not say which fields it gives");
        item
    };
    items.iter().enumerate().map(whole).collect()
}

/// All parts of what was told at once, by the last of them: mostly this entry alone.
pub(crate) fn parts<'a>(lines: &'a [Line], last: &'a Line) -> Vec<&'a Line> {
    let before = last.metadata["part"]["before"].as_array().into_iter().flatten();
    let of = |index: &Json| lines.iter().find(|line| line.index == *index).expect("a part is in the journal");
    before.map(of).chain(std::iter::once(last)).collect()
}

/// A disclosure of several parts is whole where its last part is there: that names the others, all before
/// it and with the same question. Parts without their last one were told to nobody.
fn check_parts(lines: &[Line]) {
    let disclosures = || lines.iter().filter(|line| line.is(Kind::Disclosed));
    let mut named = BTreeSet::new();
    for last in disclosures().filter(|line| line.metadata["part"]["before"].is_array()) {
        let parts = parts(lines, last);
        assert!(parts.len() > 1 && parts.is_sorted_by(|one, next| one.index < next.index), "{last:?}");
        let question = |line: &Line| {
            let mut question = line.metadata.as_object().expect("an object").clone();
            question.retain(|member, _| !["subjects", "related", "given", "part"].contains(&member.as_str()));
            question
        };
        for (place, part) in parts.iter().enumerate() {
            assert!(part.is(Kind::Disclosed) && question(part) == question(last), "{part:?} is no part of {last:?}");
            let part_of = &part.metadata["part"];
            assert!(part_of["number"] == place + 1 && part_of["of"] == parts.len(), "{part:?} is no part of {last:?}");
            assert!(!given(part).is_empty() && named.insert(part.index), "{part:?} tells nothing, or is a part of two");
        }
    }
    for line in disclosures().filter(|line| !line.metadata["part"].is_null() && !named.contains(&line.index)) {
        assert!(line.metadata["part"]["number"].as_u64() < line.metadata["part"]["of"].as_u64(), "{line:?} names no parts before it");
    }
}

/// Whether what a disclosure gives may rest on an entry: a record on its Answered alone, and what is
/// disclosed while the source is still being asked on the Intent.
fn check_ground(line: &Line, given: &Json, ground: &Line) {
    let found = given["outcome"] == "FOUND";
    let via_cache = given["via"] == "cache";
    if ground.is(Kind::Answered) {
        // A dossier may refuse to use an answer, such as one that names too many members; and of a record
        // whose every row is withheld nothing is left to be seen.
        let unused = ["INVALID_DATA", "UNAVAILABLE", "NOT_FOUND"].iter().any(|outcome| given["outcome"] == *outcome);
        // A no is told alike whether there is a record or none, where that is a fact.
        let no = found && given["fields"] == serde_json::json!(["answer"]) && ground.metadata["outcome"] == "NOT_FOUND";
        assert!(
            no || unused && given["fields"] == Json::from(Vec::<Json>::new()) || given["outcome"] == ground.metadata["outcome"],
            "{line:?} says another outcome than {ground:?}"
        );
    } else if ground.is(Kind::Intent) {
        assert!(given["outcome"] == "UNAVAILABLE" && !via_cache, "{line:?} rests on {ground:?}");
    } else if ground.is(Kind::Failed) {
        assert!(!found, "{line:?} rests on {ground:?}");
    } else {
        assert!(ground.is(Kind::Denied) && given["outcome"] == "DENIED", "{line:?} rests on {ground:?}");
    }
    // Nobody is given what another purpose or, unless it is ordinary, another consumer has asked for.
    if found && given["element"].is_null() {
        assert_eq!(ground.metadata["service"], line.metadata["service"], "{line:?} rests on {ground:?}");
    }
}

/// Each entry names the configuration that was active when its exchange began: the last one, or one
/// before it where a reload came in between.
fn check_configurations(lines: &[Line]) {
    let mut activated: Vec<&Json> = Vec::new();
    for line in lines {
        if line.is(Kind::ConfigurationActivated) || line.is(Kind::BundleActivated) {
            activated.push(&line.metadata["configuration"]);
        } else if line.is(Kind::Intent) || line.is(Kind::Disclosed) || line.is(Kind::Denied) {
            assert!(
                activated.iter().rev().take(2).any(|known| **known == line.metadata["configuration"]),
                "{line:?} names another configuration"
            );
        }
    }
}

fn check_epochs(lines: &[Line]) {
    let opened = |line: &&Line| line.is(Kind::EpochOpened);
    let frames: BTreeMap<u64, u64> =
        lines.iter().filter(opened).filter_map(|line| Some((line.metadata["epoch"].as_u64()?, line.frame))).collect();
    for line in lines.iter().filter(|line| line.epoch != 0) {
        let opened = frames.get(&line.epoch).unwrap_or_else(|| panic!("the epoch of {line:?} was never opened"));
        assert!(*opened < line.frame, "{line:?} does not come after its epoch is durable");
    }
}

/// A receipt with its proof, as answers and problem documents carry it.
pub(crate) fn receipt(body: &Json) -> Receipt {
    serde_json::from_value(body["receipt"].clone()).unwrap_or_else(|error| panic!("no whole receipt ({error}) in {body}"))
}

/// The receipt of an answer verifies and names the entry that stands in the journal.
pub(crate) fn check_receipt<'a>(dir: &Path, lines: &'a [Line], body: &Json) -> &'a Line {
    let receipt = receipt(body);
    receipt.verify(&verifying_key(dir)).expect("the receipt verifies");
    let line = lines.iter().find(|line| line.index == receipt.index).expect("the receipt's entry is in the journal");
    assert_eq!(line.leaf_hash, receipt.leaf_hash);
    line
}
