//! One entry with everything that proves it, as all forms show it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use journal::{Hash, InclusionProofs, Origin};
use seal::entry::BLIND_BYTES;

use super::{ExportError, Found, Log, Logs};
use crate::record::Kind;

/// An entry with its proof.
pub(super) struct Shown {
    pub(super) origin: Origin,
    pub(super) index: u64,
    /// The kind's number and its name.
    pub(super) kind: (u8, &'static str),
    /// RFC 3339 with Baku's offset, to the millisecond.
    pub(super) at: String,
    pub(super) leaf_hash: Hash,
    pub(super) leaf: Vec<u8>,
    /// The blind and the metadata, one line of JSON; None where the keys are gone.
    pub(super) text: Option<([u8; BLIND_BYTES], String)>,
    pub(super) proof: Vec<Hash>,
}

/// Proves entry after entry, and sees to their order.
pub(super) struct Prover {
    /// Of each log its proofs, and the index that the next entry must have at least.
    logs: BTreeMap<Origin, (InclusionProofs, u64)>,
    entries: u64,
}

impl Prover {
    pub(super) fn new(logs: &Logs) -> Self {
        let of = |(origin, log): (&Origin, &Log)| (origin.clone(), (InclusionProofs::new(log.levels.clone(), log.head.clone()), 0));
        Self { logs: logs.0.iter().map(of).collect(), entries: 0 }
    }

    /// How many entries were shown.
    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    /// An entry with its proof. Everything that a verifier will check is checked first: an export that does not
    /// verify would look like a forged log to whoever gets it.
    pub(super) fn show(&mut self, found: &Found) -> Result<Shown, ExportError> {
        let entry = &found.entry;
        let (origin, index) = (&entry.origin, entry.index);
        let wrong = |what| ExportError::Entry { origin: origin.clone(), index, what };
        let Some((proofs, next)) = self.logs.get_mut(origin) else { return Err(ExportError::NoCheckpoint(origin.clone())) };
        if index < *next {
            return Err(ExportError::Order { origin: origin.clone(), index });
        }
        let proof = proofs.of(index).map_err(|source| ExportError::Proof { origin: origin.clone(), index, source })?;
        if *proof.leaf_hash() != entry.leaf_hash {
            return Err(wrong("it is not the entry of the tree; run `journal verify`"));
        }
        let body = seal::entry::parse(&entry.body).map_err(|_| wrong("its body is none that this version writes"))?;
        let at = i64::try_from(body.time_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
        let at = model::time::rfc3339(at.ok_or_else(|| wrong("its time is beyond the calendar"))?);
        let text = match &found.opened {
            Some(opened) => Some((opened.blind, opened.metadata.as_slice())),
            None if body.epoch == 0 => Some(([0; BLIND_BYTES], body.rest)),
            None => None,
        };
        if text.is_some_and(|(blind, metadata)| !body.commits_to(&blind, metadata)) {
            return Err(wrong("its text is not the one that the leaf commits to; run `journal verify`"));
        }
        let text = match text {
            Some((blind, metadata)) => Some((blind, one_line(metadata).ok_or_else(|| wrong("its text is not one line of JSON"))?)),
            None => None,
        };
        *next = index + 1;
        self.entries += 1;
        Ok(Shown {
            origin: origin.clone(),
            index,
            kind: (entry.kind, Kind::name_of(entry.kind)),
            at,
            leaf_hash: entry.leaf_hash,
            leaf: entry.leaf(),
            text,
            proof: proof.path().to_vec(),
        })
    }
}

/// Metadata that can stand in a line as they are: a JSON object without a line break or anything around it.
fn one_line(metadata: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(metadata).ok()?;
    let plain = text.starts_with('{') && text.ends_with('}') && !text.contains(['\n', '\r']);
    (plain && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()).then(|| text.to_owned())
}
