//! `qovsaq mock --answers DIR`: plays a REST source that nobody has written a mock for, from files.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::CONTENT_TYPE;
use http::{StatusCode, Uri};
use tokio::sync::watch;

use super::serve::Signals;
use super::{Ended, complain, say};
use crate::listener::{self, Door, Limits, Refusals};
use crate::tls::{Minimum, ServerTls, ServerTlsFiles};

/// Largest answer, in bytes.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// What is played, where, and with which certificates.
#[derive(Debug)]
pub(super) struct Canned {
    /// Folder with the answers.
    pub(super) answers: PathBuf,
    /// Address and port.
    pub(super) listen: String,
    /// The source's certificate.
    pub(super) cert: PathBuf,
    /// Its key.
    pub(super) key: PathBuf,
    /// Who signs the certificates of those who may ask.
    pub(super) client_ca: PathBuf,
}

impl Canned {
    /// Answers until it is told to stop.
    pub(super) async fn run(self) -> anyhow::Result<Ended> {
        let answers = self.answers.canonicalize().with_context(|| format!("cannot read {}", self.answers.display()))?;
        let tls = ServerTls::load(&ServerTlsFiles {
            certificate: self.cert,
            key: self.key,
            client_ca: self.client_ca,
            crl: None,
            crl_grace: Duration::ZERO,
            minimum: Minimum::Tls13,
            anonymous: false,
        })?;
        let socket =
            listener::bind(self.listen.parse().with_context(|| format!("`{}` is not an address with a port", self.listen))?).await?;
        let address = socket.local_addr()?;
        let door = Door {
            name: "mock",
            tls: Some(Arc::new(ArcSwap::from_pointee(tls))),
            limits: Limits::default(),
            refusals: Arc::new(Refusals::default()),
        };
        let mut signals = Signals::catch()?;
        let stop = watch::Sender::new(false);
        let app = Router::new().fallback(answer).with_state(Arc::<Path>::from(answers.as_path()));
        let serving = tokio::spawn(listener::serve(socket, door, app, stop.subscribe()));
        say(&format!("https://{address}"))?;
        complain(&format!("answers come from {}; stop with Ctrl-C", answers.display()));
        signals.stop().await;
        stop.send_replace(true);
        serving.await?;
        Ok(Ended::Well)
    }
}

/// `GET /a/b?c=d` is answered from `a/b/c=d.json`, else from `a/b.json`; anything else is 404.
async fn answer(State(answers): State<Arc<Path>>, uri: Uri) -> Response {
    let missing = || (StatusCode::NOT_FOUND, [(CONTENT_TYPE, "application/json")], r#"{"error":"not_found"}"#).into_response();
    let relative = Path::new(uri.path().trim_start_matches('/'));
    // Only plain names: nothing leads out of the folder.
    if !relative.components().all(|part| matches!(part, Component::Normal(_))) || uri.path().contains('%') {
        return missing();
    }
    let query =
        uri.query().filter(|query| !query.contains('/') && !query.contains("..")).map(|query| relative.join(format!("{query}.json")));
    let plain = PathBuf::from(format!("{}.json", relative.display()));
    for file in query.into_iter().chain([plain]) {
        let file = answers.join(file);
        let small = tokio::fs::metadata(&file).await.is_ok_and(|found| found.is_file() && found.len() <= ANSWER_BYTES_MAX);
        if let Some(bytes) = if small { tokio::fs::read(&file).await.ok() } else { None } {
            return ([(CONTENT_TYPE, "application/json")], bytes).into_response();
        }
    }
    missing()
}
