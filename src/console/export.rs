//! `POST /v1/journal/export`: what a search finds, with proofs, as a file that `qovsaq-verify` checks. Durable in
//! the journal before its first byte, and again, with its hash, when it was written to its end.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use base64::Engine as _;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value as Json, json};
use tokio::sync::OwnedSemaphorePermit;

use super::Person;
use super::journal::{count, found, journalled, read, unavailable};
use crate::clock;
use crate::conversation::Conversation;
use crate::export::{self, About, ExportError, Logs, Written, bundle, csv, ndjson};
use crate::gateway::Gateway;
use crate::problem::{Code, Origin, Problem};
use crate::record::Kind;
use crate::rule::{Broken, Rule};
use crate::search::{Places, chain};

/// Most entries of an export: a gigabyte or so.
const ENTRIES_MAX: usize = 1_000_000;
/// Longest wait for a checkpoint that covers what was found.
const CHECKPOINT_WAIT: Duration = Duration::from_secs(5);
/// How often it is looked for.
const CHECKPOINT_LOOK: Duration = Duration::from_millis(5);

/// The checkpoint that the entries of a log are proven under: its note in base64, once for each log.
const CHECKPOINT: HeaderName = HeaderName::from_static("qovsaq-checkpoint");

fn base64(note: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(note)
}

/// What an export is written as.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    Ndjson,
    Csv,
    Bundle { case: String },
}

impl Form {
    fn word(&self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
            Self::Bundle { .. } => "bundle",
        }
    }

    fn media_type(&self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Bundle { .. } => "application/zip",
        }
    }

    fn file_name(&self) -> &'static str {
        match self {
            Self::Ndjson => "attachment; filename=\"entries.ndjson\"",
            Self::Csv => "attachment; filename=\"entries.csv\"",
            Self::Bundle { .. } => "attachment; filename=\"evidence.zip\"",
        }
    }
}

/// Exports what a filter finds.
///
/// # Errors
/// A body that breaks a rule, more entries than an export holds, too many exports at once, or an index or a journal
/// that does not answer.
pub async fn export(
    State(gateway): State<Arc<Gateway>>,
    Extension(conversation): Extension<Conversation>,
    Extension(person): Extension<Person>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let body = conversation.json(&headers, body).await?;
    let asking = read(&body, &gateway, &["reason", "filter", "format"]).map_err(|broken| conversation.contract_broken(&broken))?;
    let form = match body.get("format").and_then(Json::as_str) {
        Some("ndjson") => Ok(Form::Ndjson),
        Some("csv") => Ok(Form::Csv),
        Some("bundle") => match asking.filter.one_case() {
            Some(case) => Ok(Form::Bundle { case: case.to_owned() }),
            None => Err(Broken::new("/filter", Rule::OneCase)),
        },
        _ => Err(Broken::new("/format", Rule::OneOf("ndjson, csv, bundle"))),
    };
    let form = form.map_err(|broken| conversation.contract_broken(&[broken]))?;
    count(&gateway, &conversation, &person, &asking.filter)?;
    let Some(permit) = gateway.people.may_export() else {
        let (az, en) = ("Başqa ixraclar gedir; bir azdan yenidən cəhd edin", "Other exports are being written; try again shortly");
        return Err(conversation.problem(Code::GatewayUnavailable, Origin::Gateway, az, en).retry_after(30));
    };
    let size = gateway.search.catch_up().await;
    let places = {
        let (gateway, filter) = (Arc::clone(&gateway), asking.filter.clone());
        found(
            &conversation,
            tokio::task::spawn_blocking(move || gateway.search.whole(size, || gateway.search.places(&filter, ENTRIES_MAX))).await,
        )?
    };
    if !places.whole {
        return Err(conversation.contract_broken(&[Broken::new("/filter", Rule::EntriesAtMost(ENTRIES_MAX))]));
    }
    let logs = covered(&gateway, &conversation, &places).await?;
    let filter = asking.filter.record(|subject| gateway.recorder.token(subject));
    let event = json!({
        "request_id": conversation.request_id, "auditor": person.name, "reason": asking.reason, "filter": filter,
        "format": form.word(), "entries": places.count(),
    });
    journalled(&gateway, &conversation, Kind::Exported, &event).await?;
    let about =
        About { made_at: clock::now(), made_by: person.name.clone(), reason: asking.reason, filter: export::Filter::of(&body["filter"]) };
    // A table has no room for them.
    let notes: Vec<HeaderValue> = logs.notes().filter_map(|note| HeaderValue::from_str(&base64(note)).ok()).collect();
    let (media_type, file_name) = (form.media_type(), form.file_name());
    let writing = Writing { gateway, conversation, person, form, about, logs, places: Arc::new(places), _permit: permit };
    let stream = export::chunks(move |out| writing.write(out));
    let mut response = Response::new(Body::from_stream(stream));
    conversation.mark(&mut response);
    for note in notes {
        response.headers_mut().append(CHECKPOINT, note);
    }
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response.headers_mut().insert(CONTENT_DISPOSITION, HeaderValue::from_static(file_name));
    Ok(response)
}

/// The trees with checkpoints that cover everything found: the newest one may be a commit behind.
async fn covered(gateway: &Gateway, conversation: &Conversation, places: &Places) -> Result<Logs, Problem> {
    let look = async {
        loop {
            match gateway.search.trees(places) {
                Ok(Some(logs)) => return Some(logs),
                Ok(None) => tokio::time::sleep(CHECKPOINT_LOOK).await,
                Err(error) => {
                    tracing::error!(error = chain(&error), "the journal's levels cannot be read");
                    return None;
                }
            }
        }
    };
    tokio::time::timeout(CHECKPOINT_WAIT, look).await.ok().flatten().ok_or_else(|| unavailable(conversation))
}

/// An export under way, on a thread of its own.
struct Writing {
    gateway: Arc<Gateway>,
    conversation: Conversation,
    person: Person,
    form: Form,
    about: About,
    logs: Logs,
    places: Arc<Places>,
    _permit: OwnedSemaphorePermit,
}

impl Writing {
    fn write(self, out: &mut dyn std::io::Write) -> Result<Written, ExportError> {
        let entries = || self.gateway.search.read(Arc::clone(&self.places));
        let written = match &self.form {
            Form::Ndjson => ndjson(out, &self.about, &self.logs, entries()),
            Form::Csv => csv(out, &self.logs, entries()),
            Form::Bundle { case } => bundle(out, &self.about, case, &self.logs, entries),
        };
        let written = written.inspect_err(|error| {
            tracing::warn!(request.id = %self.conversation.request_id, error = chain(error), "an export was not written to its end");
        })?;
        let event = json!({
            "request_id": self.conversation.request_id, "auditor": self.person.name,
            "entries": written.entries, "bytes": written.bytes, "sha256": written.sha256,
        });
        // The export itself is durable in the journal already; this names the file that was made.
        let finished = self.gateway.recorder.event(Kind::ExportFinished, &event);
        if let Err(error) = tokio::runtime::Handle::current().block_on(finished) {
            tracing::error!(request.id = %self.conversation.request_id, error = chain(&error), "the end of an export is not journalled");
        }
        Ok(written)
    }
}
