//! `GET /checkpoint`, `GET /tile/…`: the log as whoever holds a receipt may watch it, in the layout of C2SP
//! tlog-tiles. Hashes alone; an entry cannot be learnt from them, and none is given here.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use journal::levels::TILE_WIDTH;
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
    let Tile { level, number, width } = path.ok().and_then(|Path(path)| Tile::read(&path)).ok_or_else(none)?;
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

/// A tile's place as its path names it: `<level>/<number>` or `<level>/<number>.p/<width>`, the number in
/// groups of three digits, all but the last behind an `x`.
#[derive(Debug, PartialEq, Eq)]
struct Tile {
    level: u32,
    number: u64,
    width: u64,
}

impl Tile {
    /// One spelling for each; nothing for another.
    fn read(path: &str) -> Option<Self> {
        let (level, rest) = path.split_once('/')?;
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, plain(width).filter(|width| (1..TILE_WIDTH).contains(width))?),
            None => (rest, TILE_WIDTH),
        };
        let mut groups = number.split('/').peekable();
        let mut sum = 0_u64;
        while let Some(group) = groups.next() {
            let digits = if groups.peek().is_some() { group.strip_prefix('x')? } else { group };
            let three = digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
            sum = sum.checked_mul(1000)?.checked_add(digits.parse().ok().filter(|_| three)?)?;
        }
        let tile = Self { level: u32::try_from(plain(level)?).ok()?, number: sum, width };
        (tile.path() == path).then_some(tile)
    }

    fn path(&self) -> String {
        let mut number = format!("{:03}", self.number % 1000);
        let mut rest = self.number / 1000;
        while rest > 0 {
            number = format!("x{:03}/{number}", rest % 1000);
            rest /= 1000;
        }
        let partial = if self.width < TILE_WIDTH { format!(".p/{}", self.width) } else { String::new() };
        format!("{}/{number}{partial}", self.level)
    }
}

/// A decimal number without leading zeros.
fn plain(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_tiles_path_is_that_of_the_layout() {
        let tile = |path| Tile::read(path).map(|tile| (tile.level, tile.number, tile.width));
        assert_eq!(tile("0/000"), Some((0, 0, 256)));
        assert_eq!(tile("1/x001/x234/067"), Some((1, 1_234_067, 256)));
        assert_eq!(tile("0/x001/067.p/112"), Some((0, 1067, 112)));
        for wrong in [
            "",
            "0",
            "0/",
            "0/0",
            "0/00",
            "0/0000",
            "00/000",
            "0/x000/001",
            "0/001/001",
            "0/x001",
            "0/000.p/0",
            "0/000.p/256",
            "0/000.p/01",
            "0/000/",
            "-1/000",
            "0/+01",
            "0/x001/x001/x001/x001/x001/x001/x001/001/../000",
            "entries/000",
        ] {
            assert_eq!(tile(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn every_tile_has_one_path(level in 0_u32..8, number: u64, width in 1..=TILE_WIDTH) {
            let tile = Tile { level, number, width };
            prop_assert_eq!(Tile::read(&tile.path()), Some(tile));
        }

        #[test]
        fn no_path_panics(path in "[0-9x/.p]{0,40}") {
            if let Some(tile) = Tile::read(&path) {
                prop_assert_eq!(tile.path(), path);
            }
        }
    }
}
