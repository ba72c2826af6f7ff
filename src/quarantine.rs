//! The quarantine: what a source says and its contract forbids is kept apart, sealed, until its owner has solved it or its
//! time is over (statute of the health insurance agency's IT department, 7.1.10: find distorted data, tell the responsible
//! body, control the solution; Decree 634, 6.2.10: refuse rather than repair).
//!
//! [`keep`] is the one way in, for answers, events and rows of files alike. Nothing leaves by itself: what is read again
//! ([`replay`]) shows that a mapping or contract is right now, and closes the item. It is never delivered: the person's
//! case may have been decided meanwhile, the source may have corrected the fact, and nobody has authorised a disclosure.
//! Who needs the fact asks again.
//!
//! Entry before effect, in every function here. A crash in between leaves an entry without its effect: an item that is
//! said to be kept and is not (the entry of the answer itself tells of it all the same), or one that still waits.

mod content;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use jiff::Timestamp;
use model::{Outcome, ProviderId, ServiceId};
use serde::Serialize;
use serde_json::json;
use store::StoreError;
use store::quality::{Closed, Fault, Full, How, Item, ItemKind, Quality, State};
use uuid::Uuid;

pub use self::content::AnswerContent;
use crate::clock;
use crate::data::Active;
use crate::gateway::Gateway;
use crate::reading::{self, Broken};
use crate::record::{self, Kind, NoRecord};
use crate::store_access::StoreFailed;
use crate::trace::Trace;

/// Most items that are read again at once.
pub const REPLAYED_MAX: usize = 500;

/// Something that breaks its contract, as whoever received it hands it over.
#[derive(Debug)]
pub struct Arrived<'a> {
    /// How it came.
    pub kind: ItemKind,
    /// Whose data: the provider's code.
    pub provider: &'a str,
    /// The service or feed, such as `interior/person-identity`.
    pub matter: &'a str,
    /// The version of its contract.
    pub version: &'a str,
    /// Hash of the data by which it was read.
    pub configuration: &'a str,
    /// The broken rule, such as `wrong-date`; never a value.
    pub rule: &'a str,
    /// The path of the field, where the rule belongs to one; never a value.
    pub path: Option<&'a str>,
    /// The index of the entry that tells of its arrival, in the log that is being written.
    pub entry: Option<u64>,
    /// The exchange, where there was one.
    pub request_id: Option<Uuid>,
    /// Size of what the source sent, in bytes.
    pub bytes: usize,
    /// What it takes to read it again, such as [`AnswerContent::encode`]; none where nothing of it may or can be kept. At
    /// most [`store::quality::CONTENT_BYTES_MAX`], or it is not kept.
    pub content: Option<Vec<u8>>,
}

/// What became of something that was handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It is in the quarantine, durably.
    Yes(Uuid),
    /// The quarantine has no room for more of its kind: it is counted, and lost.
    Full(Full),
}

/// Something was not kept, or not closed.
#[derive(Debug, thiserror::Error)]
pub enum NotKept {
    /// The journal takes no entry.
    #[error(transparent)]
    NoRecord(#[from] NoRecord),
    /// The quarantine's file does not answer.
    #[error(transparent)]
    Store(#[from] StoreFailed),
}

impl From<StoreError> for NotKept {
    fn from(error: StoreError) -> Self {
        Self::Store(error.into())
    }
}

impl From<tokio::task::JoinError> for NotKept {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::Store(error.into())
    }
}

/// Keeps something apart: checks that there is room, writes the entry, then the item, each durable before the next. Under
/// a flood most calls end at the first step, which costs no disk.
///
/// The caller may acknowledge or reject what it received once this returns [`Kept`], of either kind.
///
/// # Errors
/// When the journal or the quarantine's file does not take it: nothing is kept.
pub async fn keep(gateway: &Gateway, arrived: Arrived<'_>) -> Result<Kept, NotKept> {
    let fault = Fault {
        provider: arrived.provider.to_owned(),
        matter: arrived.matter.to_owned(),
        rule: arrived.rule.to_owned(),
        path: arrived.path.map(str::to_owned),
    };
    let size = arrived.content.as_ref().map_or(0, Vec::len);
    if let Err(full) = gateway.quality.has_room(&fault, size) {
        return Ok(not_taken(&fault, full));
    }
    // One after the other: the room that was found is still there when the entry is written.
    let _turn = gateway.quarantining.lock().await;
    if let Err(full) = gateway.quality.has_room(&fault, size) {
        return Ok(not_taken(&fault, full));
    }
    let (active, now) = (gateway.active(), clock::now());
    let owner = ProviderId::new(arrived.provider).ok().and_then(|id| active.snapshot.providers.get(&id));
    let days = owner.map_or(model::contract::QUALITY_DAYS, |owner| owner.working_days);
    let deadline = active.snapshot.calendar.term(now, days);
    if let Err(error) = &deadline {
        tracing::warn!(%error, "the owner of quarantined data has no term: complete calendar.yaml");
    }
    let item = Item {
        id: record::new_id(),
        kind: arrived.kind,
        fault,
        version: arrived.version.to_owned(),
        configuration: arrived.configuration.to_owned(),
        entry: arrived.entry.map(|index| (gateway.recorder.origin().to_owned(), index)),
        request_id: arrived.request_id,
        received_at: now,
        deadline: deadline.ok(),
        expires_on: gateway.quality.expiry(now),
        bytes: u64::try_from(arrived.bytes).unwrap_or(u64::MAX),
        kept: arrived.content.as_ref().is_some_and(|content| content.len() <= store::quality::CONTENT_BYTES_MAX),
        closed: None,
    };
    drop(active);
    let event = json!({
        "item": item.id, "came_as": item.kind, "provider": item.fault.provider, "service": item.fault.matter,
        "version": item.version, "rule": item.fault.rule, "path": item.fault.path, "configuration": item.configuration,
        "answer": arrived.entry, "request_id": item.request_id, "bytes": item.bytes, "kept": item.kept,
        "deadline": item.deadline.map(model::time::rfc3339), "expires_on": item.expires_on,
    });
    gateway.recorder.event(Kind::Quarantined, &event).await?;
    let (id, fault, content) = (item.id, item.fault.clone(), arrived.content);
    let put = blocking(&gateway.quality, move |quality| quality.put(item, content.as_deref())).await?;
    metrics::counter!("qovsaq_quarantined_total", "service" => fault.matter.clone()).increment(1);
    Ok(put.map_or_else(|full| not_taken(&fault, full), |()| Kept::Yes(id)))
}

fn not_taken(fault: &Fault, full: Full) -> Kept {
    metrics::counter!("qovsaq_quarantine_full_total", "provider" => fault.provider.clone(), "bound" => full.as_str()).increment(1);
    Kept::Full(full)
}

/// Who does something, and why.
#[derive(Debug, Clone, Copy)]
pub struct By<'a> {
    /// The request.
    pub request_id: Uuid,
    /// His number in the register of rights.
    pub person: &'a str,
    /// Why, in his words.
    pub reason: &'a str,
}

/// What reading an item again came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// The item.
    pub item: Uuid,
    /// What it comes to now; none where it still breaks its contract, or cannot be read.
    pub outcome: Option<Outcome>,
    /// What it breaks, or why it was not read.
    pub rule: Option<Box<str>>,
    /// The path of what it breaks.
    pub path: Option<Box<str>>,
}

/// Reads items again by the active contracts and mappings, and closes those that break nothing any more. The others, and
/// those without content, wait on.
///
/// # Errors
/// When journal or file do not answer: nothing is closed then.
pub async fn replay(gateway: &Gateway, ids: &[Uuid], by: By<'_>) -> Result<Vec<Replayed>, NotKept> {
    let active = Arc::clone(&gateway.active());
    let ids: Vec<Uuid> = ids.iter().take(REPLAYED_MAX).copied().collect();
    let read = {
        let active = Arc::clone(&active);
        blocking(&gateway.quality, move |quality| Ok(ids.iter().map(|id| read_again(quality, &active, *id)).collect::<Vec<_>>())).await?
    };
    let solved: Vec<Uuid> = read.iter().filter(|read| read.outcome.is_some()).map(|read| read.item).collect();
    let left: Vec<Uuid> = read.iter().filter(|read| read.outcome.is_none()).map(|read| read.item).collect();
    let event = json!({
        "request_id": by.request_id, "actor": by.person, "reason": by.reason, "configuration": active.hash,
        "solved": solved, "left": left,
    });
    gateway.recorder.event(Kind::QuarantineReplayed, &event).await?;
    let closed = Closed { at: clock::now(), how: How::Replayed, by: Some(by.person.to_owned()) };
    blocking(&gateway.quality, move |quality| quality.close(&solved, &closed)).await?;
    Ok(read)
}

fn read_again(quality: &Quality, active: &Active, id: Uuid) -> Replayed {
    let not_read = |rule: &str| Replayed { item: id, outcome: None, rule: Some(rule.into()), path: None };
    let Some(item) = quality.item(id).filter(|item| item.closed.is_none()) else { return not_read("not-waiting") };
    let content = match quality.content(id) {
        Ok(Some(content)) => content,
        Ok(None) => return not_read("content-not-kept"),
        Err(error) => {
            tracing::error!(item = %id, %error, "the content of a quarantined item cannot be read");
            return not_read("content-unreadable");
        }
    };
    match item.kind {
        ItemKind::Answer => match answer_again(active, &item, &content) {
            Ok(outcome) => Replayed { item: id, outcome: Some(outcome), rule: None, path: None },
            Err(broken) => Replayed { item: id, outcome: None, rule: Some(broken.rule), path: broken.path },
        },
        // What takes in events and files reads them again here, each by the function that read them first.
        ItemKind::Event | ItemKind::Row => not_read("no-reader"),
    }
}

/// What an answer comes to by these data: the same as if it had just come.
///
/// # Errors
/// What it breaks.
pub fn answer_again(active: &Active, item: &Item, content: &[u8]) -> Result<Outcome, Broken> {
    let service = ServiceId::new(&item.fault.matter).ok();
    let Some(plan) = service.as_ref().and_then(|service| active.plans.get(service)) else { return Err(Broken::rule("no-mapping")) };
    let Some(content) = AnswerContent::decode(content) else { return Err(Broken::rule("content-unreadable")) };
    let read = reading::read(plan, content.answer(), &content.question(), content.profile(), &mut Trace::default());
    match reading::broken(&read) {
        Some(broken) => Err(broken),
        None => read.map(|reading| reading.outcome),
    }
}

/// Closes an item because its owner has solved it.
///
/// # Errors
/// When journal or file do not answer. Gives `false` where it does not wait.
pub async fn solve(gateway: &Gateway, id: Uuid, by: By<'_>) -> Result<bool, NotKept> {
    if gateway.quality.item(id).is_none_or(|item| item.closed.is_some()) {
        return Ok(false);
    }
    let event = json!({
        "request_id": by.request_id, "actor": by.person, "reason": by.reason, "how": How::Solved, "items": [id],
    });
    gateway.recorder.event(Kind::QuarantineClosed, &event).await?;
    let closed = Closed { at: clock::now(), how: How::Solved, by: Some(by.person.to_owned()) };
    Ok(blocking(&gateway.quality, move |quality| quality.close(&[id], &closed)).await? == 1)
}

/// What a source sent, for the one who opens it. The entry is durable before this gives anything.
///
/// # Errors
/// When journal or file do not answer.
pub async fn open(gateway: &Gateway, id: Uuid, by: By<'_>) -> Result<Option<Vec<u8>>, NotKept> {
    let event = json!({"request_id": by.request_id, "actor": by.person, "reason": by.reason, "item": id});
    gateway.recorder.event(Kind::QuarantineOpened, &event).await?;
    Ok(blocking(&gateway.quality, move |quality| quality.content(id)).await?)
}

/// Destroys the keys of what has expired and closes it.
///
/// # Errors
/// When journal or file do not answer; the next call does what is left.
pub async fn expire(gateway: &Gateway, now: Timestamp) -> Result<usize, NotKept> {
    let today = model::time::day(now);
    let expired = gateway.quality.expired(today);
    for part in expired.chunks(REPLAYED_MAX) {
        let event = json!({"how": How::Expired, "items": part});
        gateway.recorder.event(Kind::QuarantineClosed, &event).await?;
    }
    Ok(blocking(&gateway.quality, move |quality| quality.expire(today, now)).await?)
}

/// Tells the metrics how many items of each source are in which state.
pub fn observe(gateway: &Gateway, now: Timestamp) {
    let items = gateway.quality.items();
    for provider in gateway.active().snapshot.providers.keys() {
        for state in State::ALL {
            let count = items.iter().filter(|item| item.fault.provider == provider.as_str() && item.state(now) == state).count();
            let count = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
            metrics::gauge!("qovsaq_quarantine_items", "provider" => provider.to_string(), "state" => state.as_str()).set(count);
        }
    }
}

/// Asks the file beside the requests.
async fn blocking<T: Send + 'static>(
    quality: &Arc<Quality>,
    ask: impl FnOnce(&Quality) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreFailed> {
    let quality = Arc::clone(quality);
    Ok(tokio::task::spawn_blocking(move || ask(&quality)).await??)
}
