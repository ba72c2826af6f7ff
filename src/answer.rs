//! Answers as the consumer sees them: outcome, delivered values, what was withheld and why, where
//! the values come from and how old they are, and the receipt.

use http::header::AGE;
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use journal::{Durable, Hash};
use model::outcome::{Absence, Outcome};
use model::{Facts, Service};
use policy::{Authorised, Filtered, Withheld};
use serde::{Serialize, Serializer};

use crate::exchange::Freshness;
use crate::obtained::{Obtained, Via};

/// The response header with the exchange's id.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How the cache took part (RFC 9211).
pub const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// The answer to one question (`POST /v1/services/…`).
#[derive(Debug, Serialize)]
pub struct ServiceAnswer<'a> {
    /// This exchange's id, also in the response header `X-Request-Id`.
    pub request_id: &'a str,
    /// What the question came to.
    pub outcome: Outcome,
    /// What absence means, with `NOT_FOUND` only.
    pub absence: Option<Absence>,
    /// What is delivered; null unless `FOUND` or `STALE`.
    pub data: Option<Data<'a>>,
    /// What was not delivered and why.
    pub withheld: &'a [Withheld],
    /// Delivered fields whose code the mapping did not know and kept or dropped with a flag.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<FlagBody<'a>>,
    /// Where the answer comes from.
    pub source: SourceBody,
    /// Proof that its disclosure is in the journal.
    pub receipt: ReceiptBody,
}

/// What an answer delivers.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Data<'a> {
    /// The delivered fields.
    Fields(Filtered<'a>),
    /// A yes or no, and nothing else.
    Answer {
        /// Whether what the grant asks holds.
        answer: bool,
    },
}

impl<'a> Data<'a> {
    /// What a right delivers of what was obtained.
    #[must_use]
    pub fn of(authorised: &'a Authorised, obtained: &'a Obtained) -> Option<Self> {
        match (&obtained.answer, &obtained.facts) {
            (Some(verdict), _) => Some(Self::Answer { answer: verdict.holds }),
            (None, Some(facts)) => Some(Self::Fields(policy::filter(authorised, facts))),
            (None, None) => None,
        }
    }
}

/// A field whose code was not in the mapping's table.
#[derive(Debug, Clone, Serialize)]
pub struct FlagBody<'a> {
    /// The field's path.
    pub field: &'a str,
    /// What happened.
    pub reason: &'static str,
}

/// The flags of an answer that concern delivered fields; others would tell of withheld values, and a
/// flag in a list with a row rule might tell of a withheld row.
#[must_use]
pub fn flags<'a>(authorised: &Authorised, facts: &'a Facts) -> Vec<FlagBody<'a>> {
    let delivered = policy::filter(authorised, facts).fields();
    let in_ruled_list = |field: usize| authorised.rows().iter().any(|rule| rule.leaves.contains(field));
    let shown = facts.flags.iter().filter(|flag| delivered.contains(flag.field) && !in_ruled_list(flag.field));
    shown.filter_map(|flag| Some(FlagBody { field: &facts.service.leaves.get(flag.field)?.path, reason: flag.reason })).collect()
}

/// Where an answer comes from.
#[derive(Debug, Clone, Serialize)]
pub struct SourceBody {
    /// Provider code.
    pub provider: String,
    /// The instance that was asked; the provider's own code where it is one body, or none was asked.
    pub instance: String,
    /// Service name.
    pub service: String,
    /// Contract version.
    pub version: String,
    /// `provider`, `cache`, `snapshot` or `meis`.
    pub via: &'static str,
    /// `ehis` or `direct`.
    pub route: &'static str,
    /// When the source answered.
    #[serde(serialize_with = "baku_time")]
    pub obtained_at: Timestamp,
    /// Age at the moment of delivery, whole seconds.
    pub age_seconds: u64,
    /// When the answer stops being current; null where the contract allows no reuse.
    #[serde(serialize_with = "optional_baku_time")]
    pub expires_at: Option<Timestamp>,
    /// The act the disclosure rests on.
    pub legal_act: String,
    /// How what is delivered is to be handled: `onward`, `no-onward` or `own-use` (Decree 634, 6.1.5).
    pub handling: &'static str,
}

impl SourceBody {
    /// Where an answer comes from that is delivered at `now`.
    #[must_use]
    pub fn of(service: &Service, obtained: &Obtained, now: Timestamp, authorised: &Authorised) -> Self {
        Self {
            provider: service.id.provider().to_owned(),
            instance: obtained.instance.as_ref().map_or_else(|| service.id.provider(), model::InstanceId::as_str).to_owned(),
            service: service.id.service().to_owned(),
            version: service.version.to_string(),
            via: obtained.via.word(),
            route: service.route.as_str(),
            obtained_at: obtained.at,
            age_seconds: obtained.age_seconds(now),
            expires_at: obtained.expires_at,
            legal_act: authorised.act().as_str().to_owned(),
            handling: authorised.handling().as_str(),
        }
    }
}

/// `Age` and `Cache-Status` (RFC 9111, RFC 9211) of an answer. `Age` stands only where the answer was kept:
/// for confidential facts that tells of the same consumer's questions alone.
pub fn cache_headers(headers: &mut HeaderMap, service: &Service, obtained: &Obtained, freshness: Freshness, now: Timestamp) {
    let status = match obtained.via {
        Via::Cache => {
            let left = obtained.expires_at.map_or(0, |expires_at| expires_at.duration_since(now).as_secs());
            headers.insert(AGE, HeaderValue::from(obtained.age_seconds(now)));
            format!("qovsaq; hit; ttl={left}")
        }
        // As old as the file's day; a new one comes when the source delivers, whoever asks.
        Via::Snapshot => {
            headers.insert(AGE, HeaderValue::from(obtained.age_seconds(now)));
            "qovsaq; fwd=bypass; detail=snapshot".to_owned()
        }
        Via::Flight => "qovsaq; fwd=miss; collapsed".to_owned(),
        // Neither kept nor fetched.
        Via::Contract => return,
        Via::Provider => {
            let forward = if service.consent || service.lifetime.is_zero() {
                "bypass"
            } else if freshness.no_cache || freshness.max_age.is_some() {
                "request"
            } else {
                "miss"
            };
            let kept = obtained.facts.is_some() || obtained.answer.as_ref().is_some_and(|verdict| verdict.holds);
            let stored = if forward != "bypass" && kept { "; stored" } else { "" };
            format!("qovsaq; fwd={forward}{stored}")
        }
    };
    if let Ok(status) = HeaderValue::from_str(&status) {
        headers.insert(CACHE_STATUS, status);
    }
}

/// A receipt on the wire. With `proof` and `head` it verifies offline; an element of a dossier
/// carries the first three only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReceiptBody {
    origin: String,
    index: u64,
    leaf_hash: Hash,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<Vec<Hash>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    head: Option<String>,
}

impl ReceiptBody {
    /// The receipt of an entry whose commit has been signed.
    #[must_use]
    pub fn whole(durable: &Durable) -> Self {
        let receipt = durable.receipt();
        Self {
            origin: receipt.origin,
            index: receipt.index,
            leaf_hash: receipt.leaf_hash,
            proof: Some(receipt.proof),
            head: Some(receipt.head),
        }
    }

    /// The short receipt that names an entry without proving it.
    #[must_use]
    pub fn short(origin: &str, index: u64, leaf_hash: Hash) -> Self {
        Self { origin: origin.to_owned(), index, leaf_hash, proof: None, head: None }
    }
}

pub(crate) fn baku_time<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&model::time::rfc3339(*at))
}

pub(crate) fn optional_baku_time<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => baku_time(at, serializer),
        None => serializer.serialize_none(),
    }
}
