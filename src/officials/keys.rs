//! Where the identity provider's keys come from: a file, or OpenID Connect Discovery 1.0 (section 4): the document
//! below the issuer's address names the key set's. Both are fetched over TLS 1.3 with the configured authorities
//! alone, bounded in time and size, without redirects or a proxy.

use std::path::Path;
use std::time::Duration;

use adapter_core::{CallError, Expected, Request, SecretText, Transport, TransportError, TransportOptions};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri};
use serde::Deserialize;
use tokio::time::Instant;

use super::{KeySource, OfficialsConfig};
use crate::jws::{KEY_SET_BYTES_MAX, KeySet, NoKeySet};
use crate::record::NoRecord;

/// Time for the document and the keys together.
const TIME_MAX: Duration = Duration::from_secs(5);

/// Why there are no new keys. The old ones stay in use.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoKeys {
    #[error("the file cannot be read")]
    File(#[source] std::io::Error),
    #[error("an address is not usable: `issuer` and `jwks_uri` are https addresses without user or query")]
    Address,
    #[error("the authorities' file is not usable")]
    Transport(#[from] TransportError),
    #[error("the identity provider was not reached, or its answer was not taken")]
    Call(#[from] CallError),
    #[error("the identity provider answered with status {0}")]
    Status(u16),
    #[error("the discovery document is not as OpenID Connect Discovery 1.0 has it")]
    Document,
    #[error("the discovery document is another issuer's")]
    OtherIssuer,
    #[error("what was got as the key set {0}")]
    KeySet(#[from] NoKeySet),
    #[error(transparent)]
    NoRecord(#[from] NoRecord),
}

/// Gets the keys.
pub(super) async fn fetch(config: &OfficialsConfig) -> Result<KeySet, NoKeys> {
    match &config.keys {
        KeySource::File(file) => Ok(KeySet::parse(&read(file).await?)?),
        KeySource::Discovery { ca } => {
            let (authorities, deadline) = (read(ca).await?, Instant::now() + TIME_MAX);
            let document = get(&format!("{}{WELL_KNOWN}", config.issuer.trim_end_matches('/')), &authorities, deadline).await?;
            let address = key_set_address(&document, &config.issuer)?;
            Ok(KeySet::parse(&get(&address, &authorities, deadline).await?)?)
        }
    }
}

/// Below the issuer's address (section 4.1).
const WELL_KNOWN: &str = "/.well-known/openid-configuration";

async fn read(file: &Path) -> Result<Vec<u8>, NoKeys> {
    let length = tokio::fs::metadata(file).await.map_err(NoKeys::File)?.len();
    if length > KEY_SET_BYTES_MAX as u64 {
        return Err(NoKeySet::TooLarge.into());
    }
    tokio::fs::read(file).await.map_err(NoKeys::File)
}

/// The key set's address, as the document of this issuer has it; what else it says is not ours to use.
fn key_set_address(document: &[u8], issuer: &str) -> Result<String, NoKeys> {
    #[derive(Deserialize)]
    struct Document {
        issuer: String,
        jwks_uri: String,
    }
    let document: Document = serde_json::from_slice(document).map_err(|_| NoKeys::Document)?;
    // Letter for letter (section 4.3), or keys of one provider would pass for another's.
    if document.issuer == issuer { Ok(document.jwks_uri) } else { Err(NoKeys::OtherIssuer) }
}

/// Gets a document. The connection is not kept: the next look is minutes away.
async fn get(address: &str, authorities: &[u8], deadline: Instant) -> Result<Bytes, NoKeys> {
    let uri: Uri = address.parse().map_err(|_| NoKeys::Address)?;
    let authority = uri.authority().filter(|_| uri.scheme_str() == Some("https")).ok_or(NoKeys::Address)?;
    let options = TransportOptions {
        body_bytes_max: KEY_SET_BYTES_MAX,
        connect_timeout: TIME_MAX,
        ..TransportOptions::new(format!("https://{authority}"), authorities, None)
    };
    let transport = Transport::new(options).map_err(|error| match error {
        TransportError::BaseUrl(_) => NoKeys::Address,
        other => NoKeys::Transport(other),
    })?;
    let mut headers = HeaderMap::new();
    headers.insert(http::header::ACCEPT, HeaderValue::from_static("application/json, application/jwk-set+json"));
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request { method: Method::GET, path_and_query: SecretText::new(path), headers, body: None };
    let expected = Expected { media_types: &["application/json", "application/jwk-set+json"], empty: false };
    let answer = transport.send(request, expected, deadline).await?;
    if answer.status == 200 { Ok(answer.body) } else { Err(NoKeys::Status(answer.status)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_the_issuers_letter_for_letter() {
        let issuer = "https://id.test";
        let document = |text: &str| key_set_address(text.as_bytes(), issuer);
        let good = r#"{"issuer": "https://id.test", "jwks_uri": "https://keys.test/set", "more": [1]}"#;
        assert_eq!(document(good).expect("an address"), "https://keys.test/set");
        for other in ["https://id.test/", "https://ID.test", "https://other.test", ""] {
            assert!(matches!(document(&good.replacen(issuer, other, 1)), Err(NoKeys::OtherIssuer)), "{other}");
        }
        for broken in ["", "[]", r#"{"issuer": "https://id.test"}"#, r#"{"issuer": "https://id.test", "jwks_uri": 1}"#] {
            assert!(matches!(document(broken), Err(NoKeys::Document)), "{broken}");
        }
    }

    #[tokio::test]
    async fn an_address_without_tls_is_never_asked() {
        for address in ["http://127.0.0.1:1/set", "file:///etc/passwd", "//127.0.0.1/set", "https://", "set"] {
            let got = get(address, b"", Instant::now() + TIME_MAX).await;
            assert!(matches!(got, Err(NoKeys::Address)), "{address}");
        }
    }
}
