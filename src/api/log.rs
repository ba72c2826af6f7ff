//! `GET /checkpoint`, `GET /tile/…`: the log as whoever holds a receipt may watch it, in the layout of C2SP
//! tlog-tiles. Hashes alone; an entry cannot be learnt from them, and none is given here.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use journal::levels::TilePath;
use journal::{Levels, SignedHead};

use crate::conversation::Conversation;
use crate::gateway::Gateway;
use crate::problem::{Code, Origin, Problem};

/// The newest head to which tiles lead.
///
/// # Errors
/// When the journal's levels cannot be written.
pub async fn checkpoint(State(gateway): State<Arc<Gateway>>, Extension(asked): Extension<Conversation>) -> Result<Response, Problem> {
    let (_, head) = tree(&gateway, &asked)?;
    Ok(answer(head.note().to_owned().into_bytes(), "text/plain; charset=utf-8", "no-cache"))
}

/// One tile of the tree.
///
/// # Errors
/// When there is no such tile (yet), or the levels cannot be read.
pub async fn tile(
    State(gateway): State<Arc<Gateway>>,
    Extension(asked): Extension<Conversation>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let none = || asked.not_found("Belə lövhə yoxdur; /checkpoint ölçünü deyir", "There is no such tile; /checkpoint tells the size");
    let TilePath { level, number, width } = path.ok().and_then(|Path(path)| TilePath::parse(&path)).ok_or_else(none)?;
    let (levels, _) = tree(&gateway, &asked)?;
    let read = tokio::task::spawn_blocking(move || levels.tile(level, number, width)).await;
    match read {
        // A tile of a width never changes.
        Ok(Ok(Some(hashes))) => Ok(answer(hashes, "application/octet-stream", "max-age=31536000, immutable")),
        Ok(Ok(None)) => Err(none()),
        Ok(Err(error)) => {
            tracing::error!(%error, "the journal's levels cannot be read");
            Err(unavailable(&asked))
        }
        Err(error) => {
            tracing::error!(%error, "reading the journal's levels ended abnormally");
            Err(unavailable(&asked))
        }
    }
}

fn tree(gateway: &Gateway, asked: &Conversation) -> Result<(Levels, Arc<SignedHead>), Problem> {
    gateway.recorder.journal().tree().ok_or_else(|| unavailable(asked))
}

fn unavailable(asked: &Conversation) -> Problem {
    let (az, en) = ("Jurnalın ağacı hazırda oxunmur; sonra yenidən cəhd edin", "The journal's tree cannot be read now; try again later");
    asked.problem(Code::JournalUnavailable, Origin::Gateway, az, en).retry_after(30)
}

fn answer(body: Vec<u8>, media_type: &'static str, caching: &'static str) -> Response {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(caching));
    response
}
