//! A past decision explained: which rules of which version decided what, made again from the entry's own premises and
//! the data of then, and compared with what was recorded. Pure but for [`data_of`], which reads a kept bundle.
//!
//! - `explanation/words.rs`: the same in Azerbaijani and English.

#[cfg(test)]
mod tests;
mod words;

use std::path::Path;
use std::sync::Arc;

use model::{CaseId, ConsumerId, Problems, PurposeId, RoleId, ServiceId, Snapshot};
use policy::{Ask, DenialReason, Explanation, Official};
use serde::{Deserialize, Serialize};

use crate::change::bundle::Of;
use crate::change::{Bundle, BundleError, Bundles, Digest};
use crate::data::{self, Active};
use crate::pipeline::ANSWER;
use crate::premises::Premises;
use crate::record::Kind;

/// A decision as its entry has it.
#[derive(Debug, Clone, Deserialize)]
pub struct Recorded {
    consumer: ConsumerId,
    service: String,
    version: String,
    purpose: PurposeId,
    act: String,
    #[serde(default)]
    emergency: Option<Box<str>>,
    case: CaseId,
    official: String,
    #[serde(default)]
    responsible: Option<String>,
    role: RoleId,
    /// The data it was decided by.
    pub configuration: String,
    /// What it was made from.
    #[serde(default)]
    pub premises: Option<Premises>,
    #[serde(default)]
    reasons: Vec<DenialReason>,
    #[serde(default)]
    given: Vec<Given>,
}

/// What a disclosure gives, as far as a decision bounds it.
#[derive(Debug, Clone, Deserialize)]
struct Given {
    #[serde(default)]
    element: Option<String>,
    rests_on: Option<u64>,
    #[serde(default)]
    fields: Vec<Box<str>>,
}

/// A decision made again.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explained {
    /// What the policy says, check by check and step by step; none where the data of then do not have the consumer.
    pub decision: Option<Explanation>,
    /// Whether what was recorded agrees with it.
    pub agrees: bool,
    /// Where it does not.
    pub disagreements: Vec<Said>,
    /// The whole in words, a line for each thing said.
    pub lines: Vec<Said>,
}

/// A sentence in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Said {
    /// In Azerbaijani.
    pub az: String,
    /// In English.
    pub en: String,
}

impl Said {
    fn new(az: impl Into<String>, en: impl Into<String>) -> Self {
        Self { az: az.into(), en: en.into() }
    }
}

/// Why a decision cannot be explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unexplained {
    /// The entry is about something else than a decision.
    NoDecision,
    /// Its keys have been destroyed.
    TextGone,
    /// It tells of a whole dossier: each of these entries of its elements has a decision of its own.
    Dossier(Vec<u64>),
    /// It was decided outside the policy (a refused assertion, a dossier), or written before premises were.
    NoPremises,
    /// The bundle that its `configuration` names is not kept here, and the active data are others.
    DataGone,
    /// The bundle is there and is not what was signed.
    DataUnsound(String),
}

impl Unexplained {
    /// The word in the answer.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::NoDecision => "no-decision",
            Self::TextGone => "text-gone",
            Self::Dossier(_) => "dossier",
            Self::NoPremises => "no-premises",
            Self::DataGone => "data-gone",
            Self::DataUnsound(_) => "data-unsound",
        }
    }

    /// In words.
    #[must_use]
    pub fn said(&self) -> Said {
        words::unexplained(self)
    }
}

/// Reads the decision of an entry.
///
/// # Errors
/// Why there is none to explain.
pub fn recorded(kind: u8, metadata: Option<&str>) -> Result<Recorded, Unexplained> {
    let decides = [Kind::Intent, Kind::Disclosed, Kind::Denied].iter().any(|decides| decides.number() == kind);
    if !decides {
        return Err(Unexplained::NoDecision);
    }
    let metadata = metadata.ok_or(Unexplained::TextGone)?;
    // A refused assertion's denial has no more than consumer and service.
    let recorded: Recorded = serde_json::from_str(metadata).map_err(|_| Unexplained::NoPremises)?;
    if recorded.premises.is_none() {
        let mut rests_on: Vec<u64> =
            recorded.given.iter().filter(|given| given.element.is_some()).filter_map(|given| given.rests_on).collect();
        rests_on.sort_unstable();
        rests_on.dedup();
        return Err(if rests_on.is_empty() { Unexplained::NoPremises } else { Unexplained::Dossier(rests_on) });
    }
    Ok(recorded)
}

/// The data that a configuration names: the active ones, or those of a kept bundle, whole and signed. Blocking; a second
/// or so for a bundle.
///
/// # Errors
/// When neither has this hash, or the bundle is not what was signed.
pub fn data_of(recorded: &Recorded, active: &Arc<Active>, bundles: Option<&Bundles>) -> Result<Arc<Active>, Unexplained> {
    if active.hash == recorded.configuration {
        return Ok(Arc::clone(active));
    }
    let hash = Digest::parse(&recorded.configuration).ok_or(Unexplained::DataGone)?;
    let bundles = bundles.ok_or(Unexplained::DataGone)?;
    let unsound = |error: BundleError| Unexplained::DataUnsound(error.to_string());
    let bundle = bundles.by_hash(hash).map_err(unsound)?.ok_or(Unexplained::DataGone)?;
    bundle.signed_by(&bundles.signers, Of::Past).and_then(|_| bundle.check_files()).map_err(unsound)?;
    let decided_at = recorded.premises.as_ref().map(Premises::decided_at).ok_or(Unexplained::NoPremises)?;
    // What has lapsed is the policy's to say; whatever else is wrong was so when it was activated.
    let data = data::load_bundle(&bundle, model::time::day(decided_at), &mut Problems::default()).map_err(unsound)?;
    Ok(Arc::new(data))
}

/// The bundle's facts, for the answer: none for data without one.
#[must_use]
pub fn bundle_facts(data: &Active) -> serde_json::Value {
    let facts = |Bundle { manifest, hash, dir, .. }: &Bundle| {
        let folder = dir.file_name().map(Path::new).map(|name| name.display().to_string());
        serde_json::json!({
            "sequence": manifest.sequence, "hash": hash, "folder": folder, "document": manifest.document(), "note": manifest.note,
            "requirement": manifest.requirement,
        })
    };
    data.bundle.as_ref().map_or(serde_json::Value::Null, facts)
}

/// Makes a decision again and compares it with what was recorded.
#[must_use]
pub fn explain(kind: u8, recorded: &Recorded, snapshot: &Snapshot) -> Explained {
    let (Some(premises), Ok(service)) = (&recorded.premises, ServiceId::new(&recorded.service)) else {
        return Explained { decision: None, agrees: false, disagreements: vec![words::no_service()], lines: Vec::new() };
    };
    let ask = premises.restore(Ask {
        service,
        subject: None,
        purpose: recorded.purpose.clone(),
        case: recorded.case.clone(),
        official: Official::parse(&recorded.official, recorded.responsible.as_deref()),
        role: recorded.role.clone(),
        assertion: None,
        on_behalf_of: None,
        consents: Vec::new(),
        codes: std::collections::BTreeMap::new(),
        fields: None,
    });
    let decision = snapshot.consumers.get(&recorded.consumer).map(|consumer| {
        policy::explain(&ask, consumer, snapshot, premises.case(), premises.powers(), premises.profile(), premises.decided_at())
    });
    let disagreements = disagreements(kind, recorded, decision.as_ref());
    let lines = words::lines(recorded, premises, decision.as_ref(), &disagreements);
    Explained { agrees: disagreements.is_empty(), decision, disagreements, lines }
}

/// Where what was recorded is not what the policy says.
fn disagreements(kind: u8, recorded: &Recorded, decision: Option<&Explanation>) -> Vec<Said> {
    let was_denied = kind == Kind::Denied.number();
    let mut found = Vec::new();
    let mut told = recorded.reasons.clone();
    told.sort_unstable();
    let mut reasons: Vec<DenialReason> = match decision {
        // A consumer that the data do not have has no grant.
        None => vec![DenialReason::NoGrant],
        Some(decision) => decision.checks.iter().filter(|check| !check.passed).map(|check| check.reason).collect(),
    };
    reasons.sort_unstable();
    match (was_denied, reasons.is_empty()) {
        (true, true) => found.push(words::denied_though_allowed(&recorded.reasons)),
        (false, false) => found.push(words::allowed_though_denied(&reasons)),
        (true, false) if told != reasons => found.push(words::other_reasons(&told, &reasons)),
        _ => {}
    }
    let Some(decision) = decision.filter(|_| !was_denied) else { return found };
    let act = decision.act.as_ref().map(ToString::to_string).unwrap_or_default();
    if recorded.act != act {
        found.push(words::other_act(&recorded.act, &act));
    }
    if recorded.emergency != decision.emergency {
        found.push(words::other_emergency());
    }
    let version = decision.version.as_ref().map(ToString::to_string).unwrap_or_default();
    if recorded.version != version {
        found.push(words::other_version(&recorded.version, &version));
    }
    // What a kept answer of an older contract held may be less than the right shows, never more.
    let allowed = |field: &str| decision.delivered.iter().any(|path| **path == *field) || (decision.answer.is_some() && field == ANSWER);
    let given = recorded.given.iter().flat_map(|given| &given.fields);
    let beyond: Vec<&str> = given.map(|field| &**field).filter(|field| !allowed(field)).collect();
    if !beyond.is_empty() {
        found.push(words::given_beyond(&beyond));
    }
    found
}
