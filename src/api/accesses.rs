//! `POST /v1/subject-accesses`: who used a citizen's data, when and for what, told to himself alone. `POST
//! /v2/findUsage` tells the same in the shape of the Estonian data tracker.
//!
//! What is told are disclosures about the person under any of his identities; where he is only named in somebody
//! else's answer, that is the other's affair and he is not told. Uses that a purpose or a decision suppresses are
//! left out, and the entry of the telling says which, on what ground, so that an auditor sees it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use base64::Engine as _;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use model::contract::{Bilingual, Ground};
use model::{Outcome, PurposeId, Subject};
use seal::Identity;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::answer::ReceiptBody;
use crate::api::request::Asked;
use crate::citizen::{Asker, NotTaken, Representative, Unproven};
use crate::clock;
use crate::console::journal::found;
use crate::console::suppression::{Action, Decision};
use crate::gateway::Gateway;
use crate::problem::{Code, Language, Origin, Problem};
use crate::record::Kind;
use crate::rule::{Broken, Rule};
use crate::search::{Cursor, Filter, Opened, Search, SearchError, terms};

/// Uses of a page where none are asked for.
const LIMIT: usize = 100;
/// Most uses of a page.
const LIMIT_MAX: usize = 1_000;
/// Most entries about one person that are counted for `totalUsages`.
const ENTRIES_MAX: usize = 10_000;
/// Most looks into the journal for one page.
const LOOKS_MAX: usize = 50;
/// Suppressed uses that one entry of the telling names.
const SUPPRESSED_AN_ENTRY: usize = 300;
/// The name of this service in refusals.
const SERVICE: &str = "subject-accesses";

/// One use of a person's data.
#[derive(Debug, Serialize)]
struct Access {
    at: String,
    consumer: String,
    consumer_name: String,
    /// The service or dossier.
    service: String,
    service_name: String,
    purpose: String,
    purpose_name: String,
    act: String,
    outcomes: BTreeSet<Outcome>,
    /// All of it in one sentence.
    text: String,
    receipt: ReceiptBody,
    #[serde(skip)]
    place: Cursor,
}

/// A use that is not told, for the auditor.
#[derive(Debug, Serialize)]
struct Suppressed {
    origin: String,
    index: u64,
    ground: Ground,
    /// `purpose`, or the entry of the decision.
    by: String,
}

/// The metadata of a disclosure, as far as a citizen is told of it.
#[derive(Debug, Deserialize)]
struct Disclosure {
    consumer: String,
    service: String,
    purpose: String,
    #[serde(default)]
    act: String,
    case: String,
    #[serde(default)]
    subjects: Vec<String>,
    #[serde(default)]
    given: Vec<Given>,
    part: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct Given {
    outcome: Option<Outcome>,
}

/// What is asked, by whom it was proven.
struct Asking {
    subject: Subject,
    assertion: String,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    limit: usize,
    cursor: Option<Cursor>,
    offset: usize,
}

impl Asking {
    /// Whose list it is. His representative may ask for it.
    fn whose(&self) -> (&Subject, Asker) {
        (&self.subject, Asker::OrRepresentative)
    }

    /// What tells this list from others, whichever page of it is asked for.
    fn list(&self, form: &str) -> [String; 3] {
        let moment = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
        [form.to_owned(), moment(self.from), moment(self.to)]
    }
}

/// Tells a page of the uses, newest first.
///
/// # Errors
/// 422 with every broken rule, 403 where the assertion does not prove that the citizen asks, 503 when index or
/// journal do not answer.
pub async fn list(State(gateway): State<Arc<Gateway>>, asked: Asked, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let body = asked.json(&headers, body).await?;
    let asking = read(&body, &gateway).map_err(|broken| asked.contract_broken(&broken))?;
    let by = prove(&gateway, &asked, SERVICE, asking.whose(), &asking.assertion, &asking.list(SERVICE)).await?;
    let size = gateway.search.catch_up().await;
    let asking = Arc::new(asking);
    let joined = {
        let (gateway, asked, asking) = (Arc::clone(&gateway), asked.clone(), Arc::clone(&asking));
        let tell = move || gateway.search.whole(size, || tell_page(&gateway, &asked, &asking));
        tokio::task::spawn_blocking(tell).await
    };
    let (told, next) = found(&asked, joined)?;
    let receipt = journalled(&gateway, &asked, (&asking, by.as_ref()), &told).await?;
    let answer =
        json!({"request_id": asked.request_id, "accesses": told.accesses, "next": next.map(|next| next.text()), "receipt": receipt});
    Ok(asked.answer(StatusCode::OK, answer.to_string()))
}

/// Tells the same as the Estonian data tracker does (`/v2/findUsage`, version 2.1.0), but that everything stands in
/// the body: an identifier does not belong into an address.
///
/// # Errors
/// As [`list`].
pub async fn find_usage(State(gateway): State<Arc<Gateway>>, asked: Asked, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let body = asked.json(&headers, body).await?;
    let asking = read_usage(&body, &gateway).map_err(|broken| asked.contract_broken(&broken))?;
    let by = prove(&gateway, &asked, SERVICE, asking.whose(), &asking.assertion, &asking.list("findUsage")).await?;
    let size = gateway.search.catch_up().await;
    let asking = Arc::new(asking);
    let joined = {
        let (gateway, asked, asking) = (Arc::clone(&gateway), asked.clone(), Arc::clone(&asking));
        let tell = move || {
            gateway.search.whole(size, || {
                let found = gateway.search.find(&filter(&asking), None, ENTRIES_MAX)?;
                if found.next.is_some() {
                    // Either there are so many, or the time was up.
                    return if found.entries.len() == ENTRIES_MAX { Ok(None) } else { Err(SearchError::Incomplete) };
                }
                tell(&gateway, &asked, &asking.subject, &found.entries).map(Some)
            })
        };
        tokio::task::spawn_blocking(tell).await
    };
    let told =
        found(&asked, joined)?.ok_or_else(|| asked.contract_broken(&[Broken::new("/periodStart", Rule::EntriesAtMost(ENTRIES_MAX))]))?;
    journalled(&gateway, &asked, (&asking, by.as_ref()), &told).await?;
    let usages: Vec<Json> = told
        .accesses
        .iter()
        .skip(asking.offset)
        .take(asking.limit)
        .map(|access| {
            json!({
                "logtime": access.at, "action": access.text, "receiverCode": access.consumer, "receiverName": access.consumer_name,
                "receiverSystem": access.consumer,
            })
        })
        .collect();
    let answer = json!({"totalUsages": told.accesses.len(), "usages": usages});
    Ok(asked.answer(StatusCode::OK, answer.to_string()))
}

/// What is told of the entries found, and what is not.
#[derive(Debug, Default)]
struct Told {
    accesses: Vec<Access>,
    suppressed: Vec<Suppressed>,
}

fn filter(asking: &Asking) -> Filter {
    Filter::about(asking.subject.clone(), asking.from, asking.to).and(terms::KIND, &[Kind::name_of(Kind::Disclosed.number())])
}

/// A page of uses that are told. What is not told leaves no trace in it: it is filled with what stands behind, and
/// the next one begins behind the last use told.
fn tell_page(gateway: &Gateway, asked: &Asked, asking: &Asking) -> Result<(Told, Option<Cursor>), SearchError> {
    let mut told = Told::default();
    let mut cursor = asking.cursor.clone();
    for _ in 0..LOOKS_MAX {
        let page = gateway.search.find(&filter(asking), cursor.as_ref(), LIMIT_MAX)?;
        let found = tell(gateway, asked, &asking.subject, &page.entries)?;
        told.accesses.extend(found.accesses);
        told.suppressed.extend(found.suppressed);
        let next = page.next;
        if told.accesses.len() > asking.limit || (told.accesses.len() == asking.limit && next.is_some()) {
            told.accesses.truncate(asking.limit);
            let last = told.accesses.last().map(|access| access.place.clone());
            if let Some(last) = &last {
                // Told of is what stands before the next page; the rest is its affair.
                told.suppressed.retain(|suppressed| suppressed.origin != last.origin || suppressed.index >= last.before);
            }
            return Ok((told, last));
        }
        match next {
            Some(next) => cursor = Some(next),
            None => return Ok((told, None)),
        }
    }
    Err(SearchError::Incomplete)
}

fn tell(gateway: &Gateway, asked: &Asked, subject: &Subject, entries: &[Opened]) -> Result<Told, SearchError> {
    let who = gateway.search.identities(std::slice::from_ref(subject))?;
    let mut decisions = Decisions { search: &gateway.search, by_case: HashMap::new() };
    let mut told = Told::default();
    for opened in entries {
        let Some(disclosure) = disclosure_about(&gateway.search, &who, opened)? else { continue };
        let (origin, index) = (opened.entry.origin.to_string(), opened.entry.index);
        match suppression(asked, &mut decisions, &disclosure, opened.at)? {
            Some((ground, by)) => told.suppressed.push(Suppressed { origin, index, ground, by }),
            None => {
                let receipt = ReceiptBody::short(&origin, index, opened.entry.leaf_hash);
                told.accesses.push(access(asked, disclosure, opened.at, receipt, Cursor { origin, before: index }));
            }
        }
    }
    Ok(told)
}

/// A disclosure that tells about one of these identities itself, and not of somebody who names it.
fn disclosure_about(search: &Search, who: &BTreeSet<Identity>, opened: &Opened) -> Result<Option<Disclosure>, SearchError> {
    let disclosure = opened.metadata.as_deref().and_then(|metadata| serde_json::from_str::<Disclosure>(metadata.get()).ok());
    match disclosure {
        Some(disclosure) if search.names(who, opened.at, &disclosure.subjects)? => Ok(Some(disclosure)),
        Some(_) | None => Ok(None),
    }
}

/// The decisions about cases, each looked up once.
struct Decisions<'a> {
    search: &'a Search,
    by_case: HashMap<(String, String), Option<(Decision, String)>>,
}

impl Decisions<'_> {
    /// The newest decision about a case, and its entry.
    fn about(&mut self, consumer: &str, case: &str) -> Result<Option<&(Decision, String)>, SearchError> {
        let key = (consumer.to_owned(), case.to_owned());
        if !self.by_case.contains_key(&key) {
            let kind = Kind::name_of(Kind::SuppressionDecided.number());
            let filter = Filter::of(terms::CASE, case).and(terms::CONSUMER, &[consumer]).and(terms::KIND, &[kind]);
            let page = self.search.find(&filter, None, 1)?;
            let newest = match page.entries.first() {
                // Nobody decided, and everything was looked at.
                None if page.next.is_none() => None,
                None => return Err(SearchError::Incomplete),
                Some(opened) => {
                    // One that cannot be read any more may have hidden it.
                    let decision = opened.metadata.as_deref().and_then(|metadata| serde_json::from_str(metadata.get()).ok());
                    Some((decision.ok_or(SearchError::Incomplete)?, format!("{}/{}", opened.entry.origin, opened.entry.index)))
                }
            };
            self.by_case.insert(key.clone(), newest);
        }
        Ok(self.by_case.get(&key).and_then(Option::as_ref))
    }
}

/// Why a use is not told now; none where it is.
fn suppression(
    asked: &Asked,
    decisions: &mut Decisions<'_>,
    disclosure: &Disclosure,
    at: Timestamp,
) -> Result<Option<(Ground, String)>, SearchError> {
    let now = clock::now();
    let purpose = PurposeId::new(&disclosure.purpose).ok();
    if let Some(suppressed) = purpose.and_then(|id| asked.active.snapshot.purposes.get(&id)).and_then(|purpose| purpose.suppressed) {
        let told_from = suppressed.span.and_then(|span| at.checked_add(span).ok());
        if told_from.is_none_or(|from| now < from) {
            return Ok(Some((suppressed.ground, "purpose".to_owned())));
        }
    }
    let Some((decision, entry)) = decisions.about(&disclosure.consumer, &disclosure.case)? else { return Ok(None) };
    let holds = match decision.action {
        Action::Hide => true,
        Action::Delay => decision.until.is_none_or(|until| now < until),
        Action::Lift => false,
    };
    Ok(decision.ground.filter(|_| holds).map(|ground| (ground, entry.clone())))
}

fn access(asked: &Asked, disclosure: Disclosure, at: Timestamp, receipt: ReceiptBody, place: Cursor) -> Access {
    let snapshot = &asked.active.snapshot;
    let name = |found: Option<&Bilingual>, code: &str| {
        found.map_or_else(|| code.to_owned(), |name| asked.language.pick(&name.az, &name.en).to_owned())
    };
    let consumer = snapshot.consumers.values().find(|consumer| consumer.id.as_str() == disclosure.consumer).map(|consumer| &consumer.name);
    let service = snapshot.services.values().find(|service| service.id.as_str() == disclosure.service).map(|service| &service.name);
    let dossier = snapshot.dossiers.values().find(|dossier| dossier.id.as_str() == disclosure.service).map(|dossier| &dossier.name);
    let purpose = snapshot.purposes.values().find(|purpose| purpose.id.as_str() == disclosure.purpose).map(|purpose| &purpose.name);
    let (consumer_name, service_name, purpose_name) =
        (name(consumer, &disclosure.consumer), name(service.or(dossier), &disclosure.service), name(purpose, &disclosure.purpose));
    // Where several persons were told about, what came of it is not his alone to know.
    let alone = disclosure.subjects.len() == 1 && disclosure.part.is_none();
    let outcomes: BTreeSet<Outcome> = disclosure.given.iter().filter_map(|given| given.outcome).filter(|_| alone).collect();
    Access {
        at: model::time::rfc3339(at),
        text: sentence(asked.language, &consumer_name, &service_name, &purpose_name, &outcomes),
        consumer: disclosure.consumer,
        consumer_name,
        service: disclosure.service,
        service_name,
        purpose: disclosure.purpose,
        purpose_name,
        act: disclosure.act,
        outcomes,
        receipt,
        place,
    }
}

/// The use in one sentence that anybody understands.
fn sentence(language: Language, consumer: &str, service: &str, purpose: &str, outcomes: &BTreeSet<Outcome>) -> String {
    let given = outcomes.contains(&Outcome::Found) || outcomes.contains(&Outcome::Stale);
    let none = outcomes.contains(&Outcome::NotFound) || outcomes.contains(&Outcome::NotHeldElectronically);
    match language {
        Language::Az => {
            let came = if outcomes.is_empty() {
                ""
            } else if given {
                ": məlumat verilib"
            } else if none {
                ": mənbədə qeyd tapılmayıb"
            } else {
                ": məlumat verilməyib"
            };
            format!("«{consumer}» sizin haqqınızda «{service}» məlumatını «{purpose}» məqsədi ilə soruşub{came}.")
        }
        Language::En => {
            let came = if outcomes.is_empty() {
                ""
            } else if given {
                ": the data were given"
            } else if none {
                ": the source had no record"
            } else {
                ": no data were given"
            };
            format!("“{consumer}” asked for “{service}” about you, for “{purpose}”{came}.")
        }
    }
}

/// Asks whether the assertion proves that the citizen himself asks, or his representative where one may; a refusal is
/// journalled like any other. `parts` tell what it is for: one assertion serves that alone.
pub(super) async fn prove(
    gateway: &Gateway,
    asked: &Asked,
    service: &str,
    (subject, asker): (&Subject, Asker),
    assertion: &str,
    parts: &[String],
) -> Result<Option<Representative>, Problem> {
    let parts: Vec<&str> = std::iter::once(service).chain(parts.iter().map(String::as_str)).collect();
    let proven = match &gateway.citizens {
        Some(citizens) => citizens.prove(assertion, (subject, asker), &asked.consumer, &parts, clock::now()),
        None => Err(NotTaken::Unproven(Unproven::NotOffered)),
    };
    let why = match proven {
        Ok(by) => return Ok(by),
        Err(NotTaken::Unproven(why)) => why,
        Err(NotTaken::NoRoom) => return Err(asked.too_many_assertions()),
    };
    let event = json!({
        "request_id": asked.request_id, "consumer": asked.consumer, "service": service,
        "subject": gateway.recorder.token(subject), "reasons": [why.code()],
    });
    let durable = gateway.recorder.event(Kind::Denied, &event).await.map_err(|error| asked.stopped(&error.into()))?;
    let broken = Broken::new("/assertion", Rule::Assertion(why));
    let errors = vec![crate::problem::FieldError { pointer: broken.pointer, detail: broken.rule.text(asked.language) }];
    let (az, en) = ("Səbəb `errors` siyahısındadır", "`errors` says why");
    Err(asked
        .problem(Code::AssertionRefused, Origin::Consumer, az, en)
        .outcome(Outcome::Denied)
        .errors(errors)
        .receipt(ReceiptBody::whole(&durable)))
}

/// R3: durable before anything is told; with what is not told, and why.
async fn journalled(
    gateway: &Gateway,
    asked: &Asked,
    (asking, by): (&Asking, Option<&Representative>),
    told: &Told,
) -> Result<ReceiptBody, Problem> {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, asking.assertion.as_bytes());
    let event = |suppressed: &[Suppressed], told: Option<usize>| {
        json!({
            "request_id": asked.request_id, "consumer": asked.consumer, "service": SERVICE,
            "subject": gateway.recorder.token(&asking.subject),
            "assertion_sha256": base64::engine::general_purpose::STANDARD.encode(hash.as_ref()),
            "from": asking.from.map(model::time::rfc3339), "to": asking.to.map(model::time::rfc3339),
            "told": told, "suppressed": suppressed,
            "on_behalf_of": by.map(|by| json!({"kind": by.kind, "representative": gateway.recorder.token(&by.person)})),
        })
    };
    // As many entries as it takes; the last one has the count.
    let (last, rest) = match told.suppressed.chunks(SUPPRESSED_AN_ENTRY).collect::<Vec<_>>().split_last() {
        Some((last, rest)) => (*last, rest.to_vec()),
        None => (&told.suppressed[..], Vec::new()),
    };
    for part in rest {
        let event = event(part, None);
        gateway.recorder.event(Kind::AccessListTold, &event).await.map_err(|error| asked.stopped(&error.into()))?;
    }
    let event = event(last, Some(told.accesses.len()));
    let durable = gateway.recorder.event(Kind::AccessListTold, &event).await.map_err(|error| asked.stopped(&error.into()))?;
    Ok(ReceiptBody::whole(&durable))
}

fn read(json: &Json, gateway: &Gateway) -> Result<Asking, Vec<Broken>> {
    let Some(members) = json.as_object() else { return Err(vec![Broken::new("", Rule::Object)]) };
    let mut broken = Vec::new();
    keys(members, &["subject", "assertion", "from", "to", "limit", "cursor"], &mut broken);
    let subject = members.get("subject").and_then(|raw| serde_json::from_value::<Subject>(raw.clone()).ok());
    let subject = citizen(subject, "/subject", gateway, &mut broken);
    let assertion = assertion(members, &mut broken);
    let [from, to] = ["from", "to"].map(|key| moment(members, key, &mut broken));
    if from.zip(to).is_some_and(|(from, to)| to < from) {
        broken.push(Broken::new("/to", Rule::After("from")));
    }
    let limit = number(members, "limit", LIMIT, 1, LIMIT_MAX, &mut broken);
    let cursor = match members.get("cursor").filter(|cursor| !cursor.is_null()) {
        None => None,
        Some(text) => {
            let cursor = text.as_str().and_then(Cursor::parse).filter(|cursor| gateway.search.has_log(&cursor.origin));
            if cursor.is_none() {
                broken.push(Broken::new("/cursor", Rule::Cursor));
            }
            cursor
        }
    };
    match subject.filter(|_| broken.is_empty()) {
        Some(subject) => Ok(Asking { subject, assertion, from, to, limit, cursor, offset: 0 }),
        None => Err(broken),
    }
}

fn read_usage(json: &Json, gateway: &Gateway) -> Result<Asking, Vec<Broken>> {
    let Some(members) = json.as_object() else { return Err(vec![Broken::new("", Rule::Object)]) };
    let mut broken = Vec::new();
    keys(members, &["userCode", "assertion", "periodStart", "periodEnd", "offset", "limit"], &mut broken);
    let code = members.get("userCode").and_then(Json::as_str).map(|code| Subject::Fin(code.to_owned()));
    let subject = citizen(code, "/userCode", gateway, &mut broken);
    let assertion = assertion(members, &mut broken);
    let [from, to] = ["periodStart", "periodEnd"].map(|key| moment(members, key, &mut broken));
    if from.zip(to).is_some_and(|(from, to)| to < from) {
        broken.push(Broken::new("/periodEnd", Rule::After("periodStart")));
    }
    let offset = number(members, "offset", 0, 0, ENTRIES_MAX, &mut broken);
    let limit = number(members, "limit", LIMIT_MAX, 1, LIMIT_MAX, &mut broken);
    match subject.filter(|_| broken.is_empty()) {
        Some(subject) => Ok(Asking { subject, assertion, from, to, limit, cursor: None, offset }),
        None => Err(broken),
    }
}

pub(super) fn keys(members: &Map<String, Json>, accepted: &[&str], broken: &mut Vec<Broken>) {
    if members.keys().any(|key| !accepted.contains(&key.as_str())) {
        broken.push(Broken::new("", Rule::Keys(accepted.join(", "))));
    }
}

pub(super) fn citizen(subject: Option<Subject>, at: &str, gateway: &Gateway, broken: &mut Vec<Broken>) -> Option<Subject> {
    match subject {
        Some(subject @ (Subject::Fin(_) | Subject::Pin(_))) => match subject.check(gateway.profile()) {
            Ok(()) => return Some(subject),
            Err(fault) => broken.push(Broken::new(at, Rule::Subject(fault.rule, gateway.profile()))),
        },
        Some(Subject::Tin(_) | Subject::Document(_)) | None => broken.push(Broken::new(at, Rule::Citizen)),
    }
    None
}

pub(super) fn assertion(members: &Map<String, Json>, broken: &mut Vec<Broken>) -> String {
    match members.get("assertion").and_then(Json::as_str) {
        Some(assertion) => assertion.to_owned(),
        None => {
            broken.push(Broken::new("/assertion", Rule::Required));
            String::new()
        }
    }
}

fn moment(members: &Map<String, Json>, key: &str, broken: &mut Vec<Broken>) -> Option<Timestamp> {
    let value = members.get(key).filter(|value| !value.is_null())?;
    let read = value.as_str().and_then(|text| text.parse().ok());
    if read.is_none() {
        broken.push(Broken::new(format!("/{key}"), Rule::Moment));
    }
    read
}

fn number(members: &Map<String, Json>, key: &str, default: usize, min: usize, max: usize, broken: &mut Vec<Broken>) -> usize {
    let Some(value) = members.get(key).filter(|value| !value.is_null()) else { return default };
    let read = value.as_u64().and_then(|number| usize::try_from(number).ok()).filter(|number| (min..=max).contains(number));
    read.unwrap_or_else(|| {
        broken.push(Broken::new(format!("/{key}"), Rule::Between(min as u64, max as u64)));
        default
    })
}
