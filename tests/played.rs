//! A REST source that a test plays itself, on the kit's scripted server, for answers that no mock agency
//! gives: over mutual TLS, behind a security server's echo where it is asked through one.

use std::sync::Arc;
use std::time::Duration;

use adapter_core::kit::{Reply, Seen, Server};
use qovsaq::kit::script::repeated_headers;
use qovsaq::tls::{Minimum, ServerTls, ServerTlsFiles};
use rustls::ServerConfig;
use serde_json::Value as Json;

use crate::child::Site;

/// A source that is up for as long as it is held.
#[derive(Debug)]
pub(crate) struct Played(Server);

impl Played {
    /// Plays an agency of a site from now on: `answer` gets path and query, and gives status and body.
    pub(crate) async fn instead_of(site: &Site, agency: &str, answer: impl Fn(&str) -> (u16, Json) + Send + Sync + 'static) -> Self {
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
        let mut tls = ServerConfig::clone(&tls.config(qovsaq::clock::now()));
        tls.alpn_protocols.clear();
        let server = Server::start(Arc::new(tls), move |_, seen| respond(seen, &answer)).await.expect("a port");
        site.change_config(&format!("https://{}", site.agencies[agency].address), &server.url());
        Self(server)
    }

    /// How many requests it has had.
    pub(crate) fn asked(&self) -> usize {
        self.0.seen().len()
    }
}

fn respond(seen: &Seen, answer: &impl Fn(&str) -> (u16, Json)) -> Reply {
    let whole = seen.line().split(' ').nth(1).unwrap_or_default();
    let (path, echo) = match whole.splitn(8, '/').collect::<Vec<_>>().as_slice() {
        ["", "r1", _, _, _, _, _, path] => (format!("/{path}"), repeated_headers(seen)),
        _ => (whole.to_owned(), String::new()),
    };
    let (status, body) = answer(&path);
    Reply::with(&format!("{status} -"), &format!("content-type: application/json\r\n{echo}"), body.to_string())
}
