//! What is proven by each file, alone or with the help of the others.
//!
//! Files help each other in one way: a path says where but not what, a bare entry says what but proves nothing;
//! together, and with the log's signature on the path's head, they are a receipt.

use std::collections::BTreeMap;

use crate::checkpoint::Checkpoint;
use crate::consistency::Consistency;
use crate::encoding::base64_of;
use crate::evidence::{Evidence, Given, Kind, Leaf};
use crate::export::{Export, Under};
use crate::key::{Key, Keys};
use crate::note::Signed;
use crate::proof::Inclusion;
use crate::receipt::{Answer, Entry, Receipt};
use crate::report::{FileReport, Finding, Level, Report};
use crate::together::{self, SeenEntry, SeenHead};
use crate::words::Says;

/// A path, whose file it is in, and whether its head is signed.
struct Path<'a> {
    file: &'a str,
    inclusion: &'a Inclusion,
    signed: Signed,
}

/// Everything given, by the place in a log it speaks of.
struct Table<'a> {
    keys: &'a Keys,
    leaves: &'a [Leaf],
    paths: BTreeMap<(&'a str, u64), Vec<Path<'a>>>,
    entries: BTreeMap<(&'a str, u64), Vec<(&'a str, &'a Entry)>>,
}

/// Judges every file by itself and all of them together.
#[must_use]
pub fn examine(given: &[Given], leaves: &[Leaf], keys: &Keys) -> Report {
    let table = Table::new(given, leaves, keys);
    let mut files: Vec<FileReport> = given.iter().map(|given| FileReport::new(&given.name, given.kind, table.file(given))).collect();
    files.extend(leaves.iter().map(|leaf| FileReport::new(&leaf.name, Kind::Leaf, table.leaf(leaf))));
    let together = together::compare(&seen_heads(given, keys), &table.seen_entries());
    Report { files, together }
}

impl<'a> Table<'a> {
    fn new(given: &'a [Given], leaves: &'a [Leaf], keys: &'a Keys) -> Self {
        let mut table = Self { keys, leaves, paths: BTreeMap::new(), entries: BTreeMap::new() };
        for given in given {
            match &given.evidence {
                Ok(Evidence::Receipt(receipt)) => table.add_receipt(&given.name, receipt),
                Ok(Evidence::Answer(answer)) => {
                    let elements = answer.elements.iter().filter_map(|element| element.receipt.as_ref());
                    answer.receipt.iter().chain(elements).for_each(|receipt| table.add_receipt(&given.name, receipt));
                }
                Ok(Evidence::Entry(entry)) => table.add_entry(&given.name, entry),
                Ok(Evidence::TlogProof(inclusion)) => table.add_path(&given.name, inclusion),
                Ok(Evidence::Checkpoint(_) | Evidence::Consistency(_) | Evidence::Export(_)) | Err(_) => {}
            }
        }
        table
    }

    fn add_receipt(&mut self, file: &'a str, receipt: &'a Receipt) {
        self.add_entry(file, &receipt.entry);
        if let Some(inclusion) = &receipt.inclusion {
            self.add_path(file, inclusion);
        }
    }

    fn add_entry(&mut self, file: &'a str, entry: &'a Entry) {
        self.entries.entry((&entry.origin, entry.index)).or_default().push((file, entry));
    }

    fn add_path(&mut self, file: &'a str, inclusion: &'a Inclusion) {
        let signed = inclusion.checkpoint.signed(self.keys);
        let place = (inclusion.checkpoint.head.origin.as_str(), inclusion.index);
        self.paths.entry(place).or_default().push(Path { file, inclusion, signed });
    }

    fn paths_of<'s>(&'s self, entry: &'s Entry) -> &'s [Path<'s>] {
        self.paths.get(&(entry.origin.as_str(), entry.index)).map_or(&[], Vec::as_slice)
    }

    fn file(&self, given: &Given) -> Vec<Finding> {
        match &given.evidence {
            Err(broken) => vec![Finding::new(Level::Refused, Says::Malformed(broken.clone()))],
            Ok(Evidence::Receipt(receipt)) => vec![self.receipt(receipt, &given.name)],
            Ok(Evidence::Answer(answer)) => self.answer(answer, &given.name),
            Ok(Evidence::Entry(entry)) => vec![self.bare_entry(entry, &given.name)],
            Ok(Evidence::TlogProof(inclusion)) => self.tlog_proof(inclusion),
            Ok(Evidence::Checkpoint(checkpoint)) => vec![head(checkpoint, checkpoint.signed(self.keys))],
            Ok(Evidence::Consistency(consistency)) => self.consistency(consistency),
            Ok(Evidence::Export(export)) => self.export(export),
        }
    }

    fn receipt(&self, receipt: &Receipt, file: &str) -> Finding {
        match &receipt.inclusion {
            Some(inclusion) => stands(inclusion, inclusion.checkpoint.signed(self.keys), &receipt.entry, None),
            None => self.bare_entry(&receipt.entry, file),
        }
    }

    fn answer(&self, answer: &Answer, file: &str) -> Vec<Finding> {
        let own =
            answer.receipt.as_ref().map_or_else(|| Finding::new(Level::Unproven, Says::NoReceipt), |receipt| self.receipt(receipt, file));
        let elements = answer.elements.iter().filter_map(|element| {
            let finding = match &element.receipt {
                Some(receipt) => self.receipt(receipt, file),
                None if element.is_answered => Finding::new(Level::Unproven, Says::NoReceipt),
                None => return None,
            };
            Some(finding.of(&element.part))
        });
        std::iter::once(own.of("receipt")).chain(elements).collect()
    }

    /// An entry without a path of its own: another may be for it, of another file or of the same answer.
    fn bare_entry(&self, entry: &Entry, file: &str) -> Finding {
        let paths = self.paths_of(entry);
        let fitting = || paths.iter().filter(|path| path.inclusion.leads_from(&entry.leaf_hash));
        // Where several fit, one that is signed is enough.
        if let Some(path) = fitting().find(|path| path.signed == Signed::Yes).or_else(|| fitting().next()) {
            return stands(path.inclusion, path.signed, entry, Some(path.file).filter(|by| *by != file));
        }
        let (origin, index) = (entry.origin.clone(), entry.index);
        match paths.first() {
            Some(path) => Finding::new(Level::Refused, Says::OtherEntry { origin, index, file: path.file.to_owned() }),
            None => Finding::new(Level::Unproven, Says::NoProof { origin, index }),
        }
    }

    /// A path without an entry of its own: another file may name it, or a leaf may be it.
    fn tlog_proof(&self, inclusion: &Inclusion) -> Vec<Finding> {
        let signed = inclusion.checkpoint.signed(self.keys);
        let (origin, index) = (inclusion.checkpoint.head.origin.clone(), inclusion.index);
        let named = self.entries.get(&(inclusion.checkpoint.head.origin.as_str(), index)).map_or(&[][..], Vec::as_slice);
        if let Some((file, entry)) = named.iter().find(|(_, entry)| inclusion.leads_from(&entry.leaf_hash)) {
            return vec![stands(inclusion, signed, entry, Some(file))];
        }
        if let Some((file, _)) = named.first() {
            return vec![Finding::new(Level::Refused, Says::OtherEntry { origin, index, file: (*file).to_owned() })];
        }
        if let Some(leaf) = self.leaves.iter().find(|leaf| inclusion.leads_from(&leaf.hash)) {
            let entry = Entry { origin, index, leaf_hash: leaf.hash };
            return vec![stands(inclusion, signed, &entry, Some(&leaf.name))];
        }
        let missing = if self.leaves.is_empty() {
            Finding::new(Level::Unproven, Says::NoLeaf { origin, index })
        } else {
            Finding::new(Level::Refused, Says::NoLeafFits { origin, index })
        };
        vec![missing, head(&inclusion.checkpoint, signed)]
    }

    fn consistency(&self, consistency: &Consistency) -> Vec<Finding> {
        let (old, new) = (&consistency.old.head, &consistency.new.head);
        let (origin, from, to) = (new.origin.clone(), old.size, new.size);
        if !consistency.holds() {
            return vec![Finding::new(Level::Refused, Says::NotKept { origin, from, to })];
        }
        let unsigned =
            [&consistency.old, &consistency.new].into_iter().find_map(|checkpoint| unsigned(&origin, checkpoint.signed(self.keys)));
        vec![unsigned.unwrap_or_else(|| Finding::new(Level::Proven, Says::HistoryKept { origin, from, to }))]
    }

    /// What was checked while reading, and the signatures it all rests on.
    fn export(&self, export: &Export) -> Vec<Finding> {
        let faults = export.faults.named.iter().map(|fault| Finding::new(Level::Refused, Says::Malformed(fault.clone())));
        let mut findings: Vec<Finding> = faults.collect();
        if export.faults.more > 0 {
            findings.push(Finding::new(Level::Refused, Says::MoreFaults { count: export.faults.more }));
        }
        for Under { checkpoint, entries, without_text, first_without_text } in &export.proven {
            // A table leads to one of the checkpoints given beside it; the others have reports of their own.
            if *entries == 0 && export.notes.is_empty() {
                continue;
            }
            let (origin, size) = (checkpoint.head.origin.clone(), checkpoint.head.size);
            let stand = || Says::EntriesStand { origin: origin.clone(), entries: *entries, size };
            match unsigned(&origin, checkpoint.signed(self.keys)) {
                // Without a key it is said that everything else fits; here it does not.
                Some(finding) if finding.level == Level::Unproven && !export.faults.is_empty() => {}
                Some(finding) => findings.push(finding),
                None if *entries == 0 => findings.push(head(checkpoint, Signed::Yes)),
                None => findings.push(Finding::new(Level::Proven, stand())),
            }
            if let Some(first) = *first_without_text {
                findings.push(Finding::new(Level::Limit, Says::WithoutText { origin, entries: *without_text, first }));
            }
        }
        let missing = |origin: &String| Finding::new(Level::Unproven, Says::CheckpointMissing { origin: origin.clone() });
        findings.extend(export.without_checkpoint.iter().filter(|_| export.notes.is_empty()).map(missing));
        let other = |key: &&Key| self.keys.of(key.name()).is_some_and(|known| known != *key);
        let claimed = |key: &Key| Finding::new(Level::Refused, Says::OtherKeyClaimed { origin: key.name().to_owned() });
        findings.extend(export.claimed.iter().filter(other).map(claimed));
        if export.entries == 0 {
            findings.push(Finding::new(Level::Limit, Says::NoEntries));
        }
        if !export.unknown_kinds.is_empty() {
            let kinds = export.unknown_kinds.iter().copied().collect();
            findings.push(Finding::new(Level::Limit, Says::UnknownKinds { kinds }));
        }
        findings
    }

    fn leaf(&self, leaf: &Leaf) -> Vec<Finding> {
        let named = self.entries.values().flatten().filter(|(_, entry)| entry.leaf_hash == leaf.hash);
        let mut places: BTreeMap<(&str, u64), &str> = named.map(|(file, entry)| ((entry.origin.as_str(), entry.index), *file)).collect();
        let mut findings = Vec::new();
        for (&(origin, index), paths) in &self.paths {
            let mut fitting = paths.iter().filter(|path| path.inclusion.leads_from(&leaf.hash));
            if let Some(path) = fitting.find(|path| path.signed == Signed::Yes) {
                places.remove(&(origin, index));
                let says = Says::LeafStands { origin: origin.to_owned(), index, file: path.file.to_owned() };
                findings.push(Finding::new(Level::Proven, says));
            } else if let Some(path) = paths.iter().find(|path| path.inclusion.leads_from(&leaf.hash)) {
                places.insert((origin, index), path.file);
            }
        }
        findings.extend(places.into_iter().map(|((origin, index), file)| {
            Finding::new(Level::Unproven, Says::LeafMatches { origin: origin.to_owned(), index, file: file.to_owned() })
        }));
        if findings.is_empty() {
            findings.push(Finding::new(Level::Refused, Says::LeafUnknown { leaf_hash: base64_of(&leaf.hash) }));
        }
        findings
    }

    /// What stands where, as far as a path and a signature show it.
    fn seen_entries(&self) -> Vec<SeenEntry<'a>> {
        let mut seen = Vec::new();
        for (place, entries) in &self.entries {
            for path in self.paths.get(place).into_iter().flatten().filter(|path| may_count(path.signed)) {
                let fitting = entries.iter().find(|(_, entry)| path.inclusion.leads_from(&entry.leaf_hash));
                seen.extend(fitting.map(|(_, entry)| SeenEntry { file: path.file, entry, signed: path.signed == Signed::Yes }));
            }
        }
        seen
    }
}

/// Whether the entry stands where the path says, as the log has signed.
fn stands(inclusion: &Inclusion, signed: Signed, entry: &Entry, by: Option<&str>) -> Finding {
    let (origin, index, size) = (entry.origin.clone(), entry.index, inclusion.checkpoint.head.size);
    if !inclusion.leads_from(&entry.leaf_hash) {
        return Finding::new(Level::Refused, Says::PathLeadsElsewhere { origin, index, size });
    }
    let (leaf_hash, by) = (base64_of(&entry.leaf_hash), by.map(str::to_owned));
    unsigned(&origin, signed).unwrap_or_else(|| Finding::new(Level::Proven, Says::EntryStands { origin, index, size, leaf_hash, by }))
}

/// Whether the log has signed the head.
fn head(checkpoint: &Checkpoint, signed: Signed) -> Finding {
    let head = &checkpoint.head;
    let signs = || Says::HeadSigned { origin: head.origin.clone(), size: head.size, root: base64_of(&head.root) };
    unsigned(&head.origin, signed).unwrap_or_else(|| Finding::new(Level::Proven, signs()))
}

/// What a signature lacks; nothing where it lacks nothing.
fn unsigned(origin: &str, signed: Signed) -> Option<Finding> {
    let origin = origin.to_owned();
    match signed {
        Signed::Yes => None,
        Signed::NoKey => Some(Finding::new(Level::Unproven, Says::NoKey { origin })),
        Signed::NoLine => Some(Finding::new(Level::Refused, Says::NotSigned { origin })),
        Signed::Twice => Some(Finding::new(Level::Refused, Says::SignedTwice { origin })),
        Signed::Wrong => Some(Finding::new(Level::Refused, Says::WrongSignature { origin })),
    }
}

/// A head whose signature is missing or wrong says nothing about the log; one that could not be checked may.
fn may_count(signed: Signed) -> bool {
    matches!(signed, Signed::Yes | Signed::NoKey)
}

fn seen_heads<'a>(given: &'a [Given], keys: &Keys) -> Vec<SeenHead<'a>> {
    let mut seen = Vec::new();
    for given in given {
        let file = given.name.as_str();
        let mut see = |checkpoint: &'a Checkpoint, is_asked_about, grows_to| {
            let signed = checkpoint.signed(keys);
            if may_count(signed) {
                seen.push(SeenHead { file, head: &checkpoint.head, signed: signed == Signed::Yes, is_asked_about, grows_to });
            }
        };
        let mut see_receipt = |receipt: &'a Receipt| receipt.inclusion.iter().for_each(|inclusion| see(&inclusion.checkpoint, false, None));
        match &given.evidence {
            Ok(Evidence::Receipt(receipt)) => see_receipt(receipt),
            Ok(Evidence::Answer(answer)) => {
                let elements = answer.elements.iter().filter_map(|element| element.receipt.as_ref());
                answer.receipt.iter().chain(elements).for_each(see_receipt);
            }
            Ok(Evidence::TlogProof(inclusion)) => see(&inclusion.checkpoint, false, None),
            Ok(Evidence::Checkpoint(checkpoint)) => see(checkpoint, true, None),
            Ok(Evidence::Consistency(consistency)) => {
                let is_proven = consistency.holds() && consistency.new.signed(keys) == Signed::Yes;
                see(&consistency.old, false, is_proven.then_some(&consistency.new.head));
                see(&consistency.new, false, None);
            }
            Ok(Evidence::Export(export)) => export.proven.iter().for_each(|under| see(&under.checkpoint, false, None)),
            Ok(Evidence::Entry(_)) | Err(_) => {}
        }
    }
    seen
}
