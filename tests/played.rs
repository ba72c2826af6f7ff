//! A REST source that a test plays itself, for answers that no mock agency gives: over mutual TLS, behind a
//! security server's echo where it is asked through one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, StatusCode};
use qovsaq::listener::{self, Door, Limits, Refusals};
use qovsaq::tls::{Minimum, ServerTls, ServerTlsFiles};
use serde_json::Value as Json;
use tokio::sync::watch;

use crate::child::Site;

/// A source that is up for as long as it is held.
#[derive(Debug)]
pub(crate) struct Played {
    /// How many requests it has had.
    asked: Arc<AtomicU64>,
    _stop: watch::Sender<bool>,
}

impl Played {
    /// Plays an agency of a site from now on: `answer` gets path and query, and gives status and body.
    pub(crate) async fn instead_of(
        site: &Site,
        agency: &str,
        answer: impl Fn(&str) -> (u16, Json) + Clone + Send + Sync + 'static,
    ) -> Self {
        let file = |name: &str| site.dir().join("agencies").join(name);
        let tls = ServerTls::load(&ServerTlsFiles {
            certificate: file(&format!("{agency}.pem")),
            key: file(&format!("{agency}.key")),
            client_ca: file("ca.pem"),
            crl: None,
            crl_grace: Duration::ZERO,
            minimum: Minimum::Tls13,
            anonymous: false,
        })
        .expect("the agency's certificate");
        let socket = listener::bind("127.0.0.1:0".parse().expect("an address")).await.expect("a port");
        let address = socket.local_addr().expect("an address");
        site.change_config(&format!("https://{}", site.agencies[agency].address), &format!("https://{address}"));
        let door = Door {
            name: "played",
            tls: Some(Arc::new(ArcSwap::from_pointee(tls))),
            limits: Limits::default(),
            refusals: Arc::new(Refusals::default()),
        };
        let stop = watch::Sender::new(false);
        let asked = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&asked);
        let app = Router::new().fallback(move |request: Request| {
            count.fetch_add(1, Ordering::Relaxed);
            let response = respond(&request, &answer);
            async move { response }
        });
        tokio::spawn(listener::serve(socket, door, app, stop.subscribe()));
        Self { asked, _stop: stop }
    }

    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

fn respond(request: &Request, answer: &impl Fn(&str) -> (u16, Json)) -> Response {
    let whole = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    // X-Road: /r1/ and five segments that name the service, then the source's own path.
    let segments: Vec<&str> = whole.splitn(8, '/').collect();
    let (service, path) = match segments.as_slice() {
        ["", "r1", service @ .., path] => (Some(service.join("/")), format!("/{path}")),
        _ => (None, whole.clone()),
    };
    let (status, body) = answer(&path);
    let mut response = (StatusCode::from_u16(status).expect("a status"), axum::Json(body)).into_response();
    if let Some(service) = service {
        let headers = response.headers_mut();
        for name in ["x-road-client", "x-road-id"] {
            if let Some(value) = request.headers().get(name) {
                headers.insert(name, value.clone());
            }
        }
        headers.insert("x-road-service", HeaderValue::from_str(&service).expect("a value"));
        headers.insert("x-road-request-id", HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()).expect("a value"));
    }
    response
}
