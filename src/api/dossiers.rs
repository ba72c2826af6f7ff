//! `POST /v1/dossiers/{dossier}` and `GET /v1/dossiers/{dossier}/{id}`: the one-window answer.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use http::header::{ACCEPT, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode};
use model::DossierId;
use model::contract::PERSONS_MAX;
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use crate::answer::ReceiptBody;
use crate::api::request::{Asked, WAIT_MAX};
use crate::api::services::refusal;
use crate::dossier::view::{self, Stream};
use crate::dossier::{self, NotOpened, OpenDossier};
use crate::envelope::{Envelope, Expected};
use crate::gateway::Gateway;
use crate::idempotency::{self, First, Once};
use crate::pipeline::Stopped;
use crate::problem::{Code, Origin, Problem};
use crate::rule::{Broken, Rule};
use crate::store_access;

/// Time before 202 where the caller prefers none.
const WAIT_DEFAULT: Duration = Duration::from_secs(5);

/// How often an open stream looks whether a right has ended by its own term.
const RIGHTS_LOOK: Duration = Duration::from_millis(500);

/// Pause after which a silent stream sends a comment, so that nobody on the way takes it for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Opens a dossier for a case and waits a little for it to settle.
///
/// # Errors
/// The problem documents of `docs/guide/errors.md`.
pub async fn open(
    State(gateway): State<Arc<Gateway>>,
    asked: Asked,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let deadline = deadline(&asked);
    let found = path.ok().and_then(|Path(name)| DossierId::new(&name).ok()).and_then(|id| asked.active.snapshot.dossiers.get(&id).cloned());
    let Some(contract) = found else {
        return Err(asked.not_found("Belə dosye yoxdur; /v1/catalogue siyahısına baxın", "There is no such dossier; see /v1/catalogue"));
    };
    let path = format!("/v1/dossiers/{}", contract.id);
    let (json, bytes) = asked.json_with_bytes(&headers, body).await?;
    let first = match once(&gateway, &asked, &path, &headers, &bytes)? {
        Repeated::No(first) => first,
        // A repetition is a reading: authorised anew, disclosed anew.
        Repeated::Of(made) => return tell(&gateway, &asked, &made, &headers, deadline).await,
    };
    let expected = Expected { subject: None, inputs: &contract.inputs, window: None, service: None, profile: gateway.profile() };
    let mut envelope = Envelope::read(&json, expected).map_err(|broken| asked.contract_broken(&broken))?;

    let assertion = envelope.assertion.take();
    let presence = asked.presence(&gateway, assertion, &envelope.official, &envelope.case).await?;

    // The dossier as a whole rests on an open case of its purpose and on who asks; each element is decided by itself.
    let may_open = store_access::may_open(&gateway, &asked.consumer, &contract, &envelope, presence.identity).await;
    if let Err(denial) = may_open.map_err(|error| asked.stopped(&error.into()))? {
        let question = dossier::question(asked.request_id, None, &asked.consumer, &asked.active, &contract, (&envelope, &presence));
        let denied = gateway
            .recorder
            .denied(&question, envelope.subject.as_ref(), &denial.codes())
            .await
            .map_err(|error| asked.stopped(&error.into()))?;
        gateway.metrics.denied(asked.consumer.as_str(), contract.id.as_str());
        return Err(refusal(&asked, &denial).receipt(ReceiptBody::whole(denied.durable())));
    }
    let persons = store_access::persons(&gateway, &asked.consumer, &envelope.case).await.map_err(|error| asked.stopped(&error.into()))?;
    let persons = dossier::persons(persons.unwrap_or_default());
    let opened = dossier::open(&gateway, contract, asked.consumer.clone(), (envelope, presence), persons).map_err(|why| match why {
        NotOpened::TooManyPersons => asked.contract_broken(&[Broken::new("/case", Rule::CasePersons(PERSONS_MAX))]),
        NotOpened::NoRoom => asked
            .problem(
                Code::GatewayUnavailable,
                Origin::Gateway,
                "Hazırda çoxlu dosye hazırlanır; bir azdan yenidən cəhd edin",
                "Too many dossiers are under way; try again shortly",
            )
            .retry_after(30),
    })?;
    if let Some(first) = first {
        first.made(opened.id);
    }
    tell(&gateway, &asked, &opened, &headers, deadline).await
}

/// Whether a request repeats one that was done.
enum Repeated<'a> {
    No(Option<First<'a>>),
    Of(Arc<OpenDossier>),
}

fn once<'a>(gateway: &'a Gateway, asked: &Asked, path: &str, headers: &HeaderMap, body: &[u8]) -> Result<Repeated<'a>, Problem> {
    let conflict = |az, en| asked.problem(Code::IdempotencyConflict, Origin::Consumer, az, en);
    let key = idempotency::key_of(headers).map_err(|_| {
        let (az, en) = ("Idempotency-Key: 1-255 görünən ASCII simvolu", "Idempotency-Key: 1 to 255 visible ASCII characters");
        asked.problem(Code::MalformedBody, Origin::Consumer, az, en)
    })?;
    let Some(key) = key else { return Ok(Repeated::No(None)) };
    match gateway.idempotency.once(&asked.consumer, path, key, body) {
        Once::First(first) => Ok(Repeated::No(Some(first))),
        Once::Done(id) => gateway.dossiers.find(&asked.consumer, id).map(Repeated::Of).ok_or_else(|| {
            asked.not_found("Bu açarla açılmış dosye artıq yaddaşda deyil", "The dossier opened with this key is not in memory any more")
        }),
        Once::InFlight => Err(conflict("Bu açarla sorğu hələ icradadır", "The first request with this key is under way").retry_after(1)),
        Once::OtherBody => Err(conflict("Bu açar başqa gövdə ilə istifadə olunub", "This key was used with another body")),
    }
}

/// The dossier as this request wants it: as a stream, or as it stands once there has been time to settle.
async fn tell(
    gateway: &Arc<Gateway>,
    asked: &Asked,
    dossier: &Arc<OpenDossier>,
    headers: &HeaderMap,
    deadline: Instant,
) -> Result<Response, Problem> {
    if wants_stream(headers) {
        return Ok(stream(gateway, asked, dossier));
    }
    dossier.wait(deadline).await;
    respond(gateway, asked, dossier).await
}

/// Reads a dossier again: authorised anew and journalled like the first time.
///
/// # Errors
/// 404 when the consumer has no such dossier, 503 when the journal takes no entry.
pub async fn read(
    State(gateway): State<Arc<Gateway>>,
    asked: Asked,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let deadline = if asked.wait.is_some() { deadline(&asked) } else { Instant::now() };
    let found = path.ok().and_then(|Path((name, id))| {
        let found = gateway.dossiers.find(&asked.consumer, id.parse::<Uuid>().ok()?)?;
        found.is_named(&name).then_some(found)
    });
    let Some(found) = found else {
        return Err(asked.not_found("Belə dosye yoxdur", "There is no such dossier"));
    };
    tell(&gateway, &asked, &found, &headers, deadline).await
}

fn deadline(asked: &Asked) -> Instant {
    let wait = if asked.respond_async { Duration::ZERO } else { asked.wait.unwrap_or(WAIT_DEFAULT).min(WAIT_MAX) };
    Instant::now() + wait
}

fn wants_stream(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(','));
    accepted.into_iter().any(|range| range.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/event-stream"))
}

/// Server-sent events: an `element` as each settles, then `settled` with the whole dossier; where it does
/// not settle in time, `pending` with what there is. A client that goes away changes nothing for the
/// dossier.
fn stream(gateway: &Arc<Gateway>, asked: &Asked, dossier: &Arc<OpenDossier>) -> Response {
    let teller = Teller {
        news: Stream::of(dossier),
        gateway: Arc::clone(gateway),
        dossier: Arc::clone(dossier),
        asked: asked.clone(),
        deadline: Instant::now() + asked.wait.unwrap_or(WAIT_MAX).min(WAIT_MAX),
        ready: VecDeque::new(),
        told_all: false,
        rights: gateway.rights.changes(),
        stood: dossier.standing(gateway).reason().is_none(),
    };
    let events = futures_util::stream::unfold(teller, |mut teller| async move {
        let event = teller.next().await?;
        Some((Ok::<_, Infallible>(event), teller))
    });
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response();
    asked.mark(&mut response);
    locate(&mut response, dossier);
    response
}

/// Tells one client of a dossier's elements.
struct Teller {
    news: Stream,
    gateway: Arc<Gateway>,
    dossier: Arc<OpenDossier>,
    asked: Asked,
    deadline: Instant,
    ready: VecDeque<Event>,
    told_all: bool,
    rights: watch::Receiver<u64>,
    /// Whether who asked held his right when the stream began.
    stood: bool,
}

async fn changed(rights: &mut watch::Receiver<u64>) {
    // An error means that the gateway itself is gone: nothing comes of waiting then.
    if rights.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

impl Teller {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.told_all {
                return None;
            }
            if let Err(why) = self.look().await {
                self.told_all = true;
                let problem = self.asked.stopped(&why);
                return Some(Event::default().event("problem").data(problem.body()));
            }
        }
    }

    /// Makes the next events ready, waiting for them where there is nothing new.
    async fn look(&mut self) -> Result<(), Stopped> {
        // Asked first: what settles the dossier is then among the news.
        let settled = self.dossier.is_settled();
        let (id, language) = (self.asked.request_id, self.asked.language);
        let news = self.news.news(&self.gateway, &self.dossier, id, language).await?;
        if !news.is_empty() {
            self.ready.extend(news.into_iter().map(|element| Event::default().event("element").data(element)));
            return Ok(());
        }
        // Who asked may not see it any more: it is shown once as it then stands, without what he may not see, and ends.
        let withdrawn = self.stood && self.dossier.standing(&self.gateway).reason().is_some();
        let over = settled || withdrawn || Instant::now() >= self.deadline || self.gateway.is_draining();
        if over {
            let (settled, body) = view::render(&self.gateway, &self.dossier, id, language).await?;
            self.ready.push_back(Event::default().event(if settled { "settled" } else { "pending" }).data(body));
            self.told_all = true;
            return Ok(());
        }
        tokio::select! {
            () = self.news.changed() => {}
            // A right ends by an event, or because its time has come.
            () = changed(&mut self.rights) => {}
            () = tokio::time::sleep(RIGHTS_LOOK) => {}
            () = tokio::time::sleep_until(self.deadline) => {}
            () = self.gateway.draining() => {}
        }
        Ok(())
    }
}

async fn respond(gateway: &Arc<Gateway>, asked: &Asked, dossier: &OpenDossier) -> Result<Response, Problem> {
    let (settled, body) = view::render(gateway, dossier, asked.request_id, asked.language).await.map_err(|why| asked.stopped(&why))?;
    let mut response = asked.answer(if settled { StatusCode::OK } else { StatusCode::ACCEPTED }, body);
    locate(&mut response, dossier);
    Ok(response)
}

fn locate(response: &mut Response, dossier: &OpenDossier) {
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/dossiers/{}/{}", dossier.name(), dossier.id)) {
        response.headers_mut().insert(LOCATION, location);
    }
}
