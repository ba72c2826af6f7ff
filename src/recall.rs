//! Recall: a source takes facts back, because they never were any or others hold, and whoever was told of them learns that
//! (Decree 634, 6.2.1 and 6.2.10; statute of the health insurance agency's IT department, 7.1.10).
//!
//! Who was told is found through the journal's index: the answers of the service about the person in a time, then the
//! disclosures that rest on them. Answers about somebody else in which the person is only named are another recall: an
//! annulled marriage is recalled for both.
//!
//! What is to be done is kept first, then journalled, then done; a crash in the middle is made good at the next start,
//! with an entry of its own. Kept answers are dropped, dossiers in memory mark their elements, and each case gets a notice
//! for its consumer. No value is looked at, kept or told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use journal::Role;
use model::{CaseId, ConsumerId, ServiceId, Subject};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use store::quality::{Because, NOTICES_MAX, Notice, Recall};
use uuid::Uuid;

use crate::clock;
use crate::gateway::Gateway;
use crate::quarantine::{By, NotKept};
use crate::record::{self, Kind};
use crate::search::{Cursor, Filter, Opened, SearchError, terms};

/// Most entries that are looked at to find out who was told.
const LOOKED_AT_MAX: usize = 100_000;
/// Entries of one look.
const PAGE: usize = 1_000;
/// Notices that one entry of the journal names.
const NOTICES_AN_ENTRY: usize = 150;
/// How often is looked for disclosures that were under way while the recall was.
const PASSES: usize = 3;
/// How long consumers can read a notice: a year and a day.
const KEPT_DAYS: i64 = 366;

/// Which facts are taken back. `Debug` names nobody.
#[derive(Clone)]
pub struct Recalled {
    /// Whose facts.
    pub service: ServiceId,
    /// About whom; none where the service asks about nobody.
    pub subject: Option<Subject>,
    /// Answers of this moment or later.
    pub from: Timestamp,
    /// Answers of this moment or earlier; not in the future.
    pub to: Timestamp,
    /// Why.
    pub because: Because,
}

impl std::fmt::Debug for Recalled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recalled").field("service", &self.service).field("because", &self.because).finish_non_exhaustive()
    }
}

/// What a recall came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Done {
    /// How many answers were taken back.
    pub answers: usize,
    /// In how many cases each consumer was told of them.
    pub cases: BTreeMap<ConsumerId, usize>,
}

/// A recall was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum NotRecalled {
    /// The index does not answer, or does not cover the journal yet.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// The task that searched ended abnormally.
    #[error("the search ended abnormally")]
    Task(#[from] tokio::task::JoinError),
    /// More answers or disclosures than one recall takes: a shorter time.
    #[error("the time has more entries than one recall takes")]
    TooMany,
    /// Journal or file do not answer. What was begun is ended at the next start.
    #[error(transparent)]
    NotKept(#[from] NotKept),
}

/// Takes facts back.
///
/// # Errors
/// As [`NotRecalled`] says.
pub async fn recall(gateway: &Arc<Gateway>, recalled: Recalled, by: By<'_>) -> Result<Done, NotRecalled> {
    let mut done = Done::default();
    let mut known: BTreeSet<Told> = BTreeSet::new();
    for pass in 0..PASSES {
        let size = gateway.search.catch_up().await;
        let found = {
            let (gateway, recalled) = (Arc::clone(gateway), recalled.clone());
            tokio::task::spawn_blocking(move || find(&gateway, &recalled, size)).await??
        };
        let new: Vec<Found> = found.told.into_iter().filter(|found| known.insert(found.told.clone())).collect();
        // What was told while the first pass ran is in the second.
        if pass > 0 && new.is_empty() {
            break;
        }
        let now = clock::now();
        let notice = |found: &Found| Notice {
            id: record::new_id(),
            consumer: found.told.consumer.clone(),
            case: found.told.case.clone(),
            dossier_id: found.told.dossier_id,
            service: recalled.service.clone(),
            because: recalled.because,
            told_at: found.at,
            entry: found.entry.clone(),
            recalled_at: now,
        };
        let recall = Recall {
            id: record::new_id(),
            request_id: by.request_id,
            service: recalled.service.clone(),
            subject: recalled.subject.as_ref().map(|subject| gateway.recorder.token(subject)),
            from: recalled.from,
            to: recalled.to,
            because: recalled.because,
            reason: by.reason.to_owned(),
            by: by.person.to_owned(),
            answers: found.answers.into_iter().collect(),
            notices: new.iter().map(notice).collect(),
        };
        done.answers = done.answers.max(recall.answers.len());
        for notice in &recall.notices {
            *done.cases.entry(notice.consumer.clone()).or_default() += 1;
        }
        let begun = recall.clone();
        blocking(gateway, move |quality| quality.begin_recall(&begun)).await?;
        carry_out(gateway, recall, false).await?;
    }
    Ok(done)
}

/// Carries out what a crash has left undone.
///
/// # Errors
/// When journal or file do not answer.
pub async fn resume(gateway: &Arc<Gateway>) -> Result<(), NotKept> {
    for recall in blocking(gateway, |quality| quality.begun_recalls()).await? {
        tracing::warn!(recall = %recall.id, "a recall was begun and not carried out; it is carried out now");
        carry_out(gateway, recall, true).await?;
    }
    Ok(())
}

/// Forgets notices that every consumer has had a year to read.
///
/// # Errors
/// When the file does not answer.
pub async fn forget(gateway: &Gateway, now: Timestamp) -> Result<(), NotKept> {
    let before = now - jiff::SignedDuration::from_hours(24 * KEPT_DAYS);
    blocking(gateway, move |quality| quality.forget_notices(before)).await
}

/// The entries, then the effects.
async fn carry_out(gateway: &Arc<Gateway>, recall: Recall, resumed: bool) -> Result<(), NotKept> {
    let parts: Vec<&[Notice]> = if recall.notices.is_empty() { vec![&[]] } else { recall.notices.chunks(NOTICES_AN_ENTRY).collect() };
    for (place, part) in parts.iter().enumerate() {
        gateway.recorder.event(Kind::FactsRecalled, &entry(&recall, part, (place + 1, parts.len()), resumed)).await?;
    }
    let origin = gateway.recorder.origin().to_owned();
    let answers: BTreeSet<u64> = recall.answers.iter().filter(|(log, _)| *log == origin).map(|(_, index)| *index).collect();
    gateway.dossiers.recall(&answers, clock::now());
    let gateway_of_cache = Arc::clone(gateway);
    blocking(gateway, move |quality| {
        // A walk over all entries: not for a thread that others wait for.
        gateway_of_cache.cache.clear_service(&recall.service);
        quality.carry_out(&recall)
    })
    .await
}

fn entry(recall: &Recall, part: &[Notice], (number, of): (usize, usize), resumed: bool) -> Json {
    let told: Vec<Json> = part
        .iter()
        .map(|notice| {
            let (origin, index) = &notice.entry;
            json!({
                "notice": notice.id, "consumer": notice.consumer, "case": notice.case, "dossier_id": notice.dossier_id,
                "origin": origin, "index": index,
            })
        })
        .collect();
    json!({
        "recall": recall.id, "request_id": recall.request_id, "actor": recall.by, "reason": recall.reason, "service": recall.service,
        "subjects": recall.subject.iter().collect::<Vec<_>>(), "from": model::time::rfc3339(recall.from),
        "to": model::time::rfc3339(recall.to), "because": recall.because, "answers": recall.answers.len(),
        "part": {"number": number, "of": of}, "resumed": resumed, "told": told,
    })
}

/// Who was told, in which case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Told {
    consumer: ConsumerId,
    case: CaseId,
    dossier_id: Option<Uuid>,
}

/// The first disclosure of a case.
#[derive(Debug)]
struct Found {
    told: Told,
    at: Timestamp,
    entry: (String, u64),
}

/// The answers that are taken back, and who was told of them.
#[derive(Debug, Default)]
struct Concerned {
    answers: BTreeSet<(String, u64)>,
    told: Vec<Found>,
}

/// The metadata of a disclosure, as far as it says what it rests on.
#[derive(Deserialize)]
struct Disclosure {
    consumer: ConsumerId,
    case: CaseId,
    dossier_id: Option<Uuid>,
    #[serde(default)]
    given: Vec<Given>,
}

#[derive(Deserialize)]
struct Given {
    rests_on: Option<u64>,
}

/// The metadata of an intent, as far as it says whom it is about.
#[derive(Deserialize)]
struct Intent {
    subject: Option<String>,
}

/// Blocking.
fn find(gateway: &Gateway, recalled: &Recalled, size: u64) -> Result<Concerned, NotRecalled> {
    let search = &gateway.search;
    // What is not found would not be told: nothing may be missing.
    search.whole(size, || Ok(look(gateway, recalled, size)))?
}

fn look(gateway: &Gateway, recalled: &Recalled, size: u64) -> Result<Concerned, NotRecalled> {
    let search = &gateway.search;
    let about = |from, to| match &recalled.subject {
        Some(subject) => Filter::about(subject.clone(), from, to),
        None => Filter::between(from, to),
    };
    let who = search.identities(recalled.subject.as_slice())?;
    let answered = about(Some(recalled.from), Some(recalled.to))
        .and(terms::SERVICE, &[recalled.service.as_str()])
        .and(terms::KIND, &[Kind::name_of(Kind::Answered.number())]);
    let mut concerned = Concerned::default();
    let mut first: Option<Timestamp> = None;
    each(gateway, &answered, |opened| {
        let Role::Closes(intent) = opened.entry.role else { return Ok(()) };
        let origin = opened.entry.origin.to_string();
        let asked = search.entry(&origin, intent, size)?;
        let subject = asked.as_ref().and_then(metadata::<Intent>).and_then(|intent| intent.subject);
        let is_about = match (&asked, subject) {
            (Some(asked), Some(token)) => search.names(&who, asked.at, &[token])?,
            (_, None) => recalled.subject.is_none(),
            (None, Some(_)) => false,
        };
        if is_about {
            first = Some(first.map_or(opened.at, |first| first.min(opened.at)));
            concerned.answers.insert((origin, opened.entry.index));
        }
        Ok(())
    })?;
    let Some(first) = first else { return Ok(concerned) };
    let mut disclosed = about(Some(first), None).and(terms::KIND, &[Kind::name_of(Kind::Disclosed.number())]);
    if recalled.subject.is_none() {
        let active = gateway.active();
        let dossiers = active.snapshot.dossiers.values();
        let with = dossiers.filter(|dossier| dossier.elements.iter().any(|element| element.service == recalled.service));
        let names: Vec<&str> = with.map(|dossier| dossier.id.as_str()).chain([recalled.service.as_str()]).collect();
        disclosed = disclosed.and(terms::SERVICE, &names);
    }
    let mut told: BTreeMap<Told, (Timestamp, (String, u64))> = BTreeMap::new();
    each(gateway, &disclosed, |opened| {
        let Some(disclosure) = metadata::<Disclosure>(opened) else { return Ok(()) };
        let origin = opened.entry.origin.to_string();
        let rests = |given: &Given| given.rests_on.is_some_and(|index| concerned.answers.contains(&(origin.clone(), index)));
        if disclosure.given.iter().any(rests) {
            let Disclosure { consumer, case, dossier_id, .. } = disclosure;
            // Newest first: the earliest is what stands at the end.
            told.insert(Told { consumer, case, dossier_id }, (opened.at, (origin, opened.entry.index)));
        }
        Ok(())
    })?;
    if told.len() > NOTICES_MAX || concerned.answers.len() > NOTICES_MAX {
        return Err(NotRecalled::TooMany);
    }
    concerned.told = told.into_iter().map(|(told, (at, entry))| Found { told, at, entry }).collect();
    Ok(concerned)
}

/// Looks at every entry of a filter, newest first.
fn each(gateway: &Gateway, filter: &Filter, mut look_at: impl FnMut(&Opened) -> Result<(), SearchError>) -> Result<(), NotRecalled> {
    let mut cursor: Option<Cursor> = None;
    let mut looked_at = 0;
    loop {
        let page = gateway.search.find(filter, cursor.as_ref(), PAGE)?;
        looked_at += page.entries.len();
        if looked_at > LOOKED_AT_MAX {
            return Err(NotRecalled::TooMany);
        }
        page.entries.iter().try_for_each(&mut look_at)?;
        match page.next {
            Some(next) => cursor = Some(next),
            None => return Ok(()),
        }
    }
}

fn metadata<T: serde::de::DeserializeOwned>(opened: &Opened) -> Option<T> {
    serde_json::from_str(opened.metadata.as_deref()?.get()).ok()
}

/// Asks the file beside the requests.
async fn blocking<T: Send + 'static>(
    gateway: &Gateway,
    ask: impl FnOnce(&store::quality::Quality) -> Result<T, store::StoreError> + Send + 'static,
) -> Result<T, NotKept> {
    let quality = Arc::clone(&gateway.quality);
    Ok(tokio::task::spawn_blocking(move || ask(&quality)).await??)
}
