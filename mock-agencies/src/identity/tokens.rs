//! Its token endpoint and the way of a browser: pure but for the state's keys and codes.

use std::time::Duration;

use aws_lc_rs::digest;
use axum::extract::Query;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Uri;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::{LIFE_SECS, State, lock};

/// How long a code waits to be redeemed.
const CODE_LIFE: Duration = Duration::from_secs(60);
/// Most codes that wait.
const CODES_MAX: usize = 1_000;
/// Longest parameter, in bytes.
const PARAMETER_BYTES_MAX: usize = 512;

/// A code of the authorisation endpoint, to be redeemed once.
pub(super) struct Code {
    client: String,
    redirect_uri: String,
    challenge: String,
    official: String,
    acr: String,
    until: Instant,
}

/// What a browser brings (RFC 6749, section 4.1.1; RFC 7636, section 4.3).
#[derive(Deserialize)]
pub(super) struct AuthorizeRequest {
    response_type: String,
    client_id: String,
    redirect_uri: String,
    state: String,
    code_challenge: String,
    code_challenge_method: String,
    /// Who is logged in: there is no log-in page.
    login_hint: String,
    acr_values: Option<String>,
}

/// What a consumer asks the token endpoint.
#[derive(Deserialize)]
pub(super) struct TokenRequest {
    grant_type: String,
    client_id: String,
    /// Who is logged in, with `client_credentials`.
    official: Option<String>,
    acr_values: Option<String>,
    code: Option<String>,
    redirect_uri: Option<String>,
    code_verifier: Option<String>,
}

/// The value of `acr` for a level: the names of eIDAS.
pub(super) fn acr_of(level: &str) -> String {
    format!("http://eidas.europa.eu/LoA/{level}")
}

/// A level as it is asked for, in either form; `high` where it is not.
fn asked(acr: Option<&str>) -> Result<String, &'static str> {
    let level = acr.unwrap_or("high");
    let level = level.strip_prefix(&acr_of("")).unwrap_or(level);
    if ["low", "substantial", "high"].contains(&level) { Ok(acr_of(level)) } else { Err("invalid_request") }
}

/// Reads a form.
pub(super) fn read(form: &str) -> Option<TokenRequest> {
    let uri: Uri = format!("/?{form}").parse().ok()?;
    Query::<TokenRequest>::try_from_uri(&uri).ok().map(|Query(request)| request)
}

fn named(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':');
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

impl State {
    /// Where the browser goes back to, with a code.
    pub(super) fn authorize(&self, request: AuthorizeRequest) -> Result<String, &'static str> {
        let AuthorizeRequest {
            response_type,
            client_id,
            redirect_uri,
            state,
            code_challenge,
            code_challenge_method,
            login_hint,
            acr_values,
        } = request;
        let acr = asked(acr_values.as_deref())?;
        let bounded = [&redirect_uri, &state, &code_challenge].iter().all(|text| (1..=PARAMETER_BYTES_MAX).contains(&text.len()));
        let plain = state.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
        let local = ["https://", "http://127.0.0.1", "http://localhost"].iter().any(|start| redirect_uri.starts_with(start));
        if response_type != "code" || code_challenge_method != "S256" || !bounded || !plain || !local || !named(&login_hint) {
            return Err("invalid_request");
        }
        if !self.clients.values().any(|known| *known == client_id) {
            return Err("unauthorized_client");
        }
        let mut codes = lock(&self.codes);
        let now = Instant::now();
        codes.retain(|_, code| code.until > now);
        if codes.len() >= CODES_MAX {
            return Err("temporarily_unavailable");
        }
        let code = uuid::Uuid::new_v4().simple().to_string();
        let location = format!("{redirect_uri}{}code={code}&state={state}", if redirect_uri.contains('?') { '&' } else { '?' });
        let until = now + CODE_LIFE;
        codes.insert(code, Code { client: client_id, redirect_uri, challenge: code_challenge, official: login_hint, acr, until });
        Ok(location)
    }

    /// Issues an assertion to the client of this certificate, bound to it.
    pub(super) fn token(&self, request: &TokenRequest, certificate: Option<&[u8; 32]>) -> Result<Json, &'static str> {
        let certificate = certificate.ok_or("invalid_client")?;
        let client = self.clients.get(certificate).filter(|client| **client == request.client_id).ok_or("invalid_client")?;
        let (official, acr) = match request.grant_type.as_str() {
            "client_credentials" => {
                let official = request.official.clone().filter(|official| named(official)).ok_or("invalid_request")?;
                (official, asked(request.acr_values.as_deref())?)
            }
            "authorization_code" => self.redeem(request, client)?,
            _ => return Err("unsupported_grant_type"),
        };
        let assertion = self.sign(&self.claims(client, &official, &acr, Some(certificate)), |_| {});
        Ok(json!({
            "access_token": uuid::Uuid::new_v4().simple().to_string(), "token_type": "Bearer", "expires_in": LIFE_SECS,
            "id_token": assertion,
        }))
    }

    fn redeem(&self, request: &TokenRequest, client: &str) -> Result<(String, String), &'static str> {
        // Taken out whatever comes of it: a code is tried once.
        let code = request.code.as_ref().and_then(|code| lock(&self.codes).remove(code)).ok_or("invalid_grant")?;
        let verifier = request.code_verifier.as_deref().unwrap_or_default();
        let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
        let fits = code.client == client
            && code.until > Instant::now()
            && request.redirect_uri.as_ref() == Some(&code.redirect_uri)
            && (43..=128).contains(&verifier.len())
            && challenge == code.challenge;
        if fits { Ok((code.official, code.acr)) } else { Err("invalid_grant") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_have_one_name() {
        assert_eq!(asked(None), Ok("http://eidas.europa.eu/LoA/high".to_owned()));
        assert_eq!(asked(Some("low")), asked(Some("http://eidas.europa.eu/LoA/low")));
        assert_eq!(asked(Some("lower")), Err("invalid_request"));
    }

    #[test]
    fn a_form_is_read_with_what_it_must_have() {
        let request = read("grant_type=client_credentials&client_id=targeted-aid&official=robot%3Anight").expect("read");
        assert_eq!((request.official.as_deref(), request.code), (Some("robot:night"), None));
        for bad in ["", "grant_type=client_credentials", "client_id=a b", "grant_type=a&client_id=b&client_id=c"] {
            assert!(read(bad).is_none(), "{bad}");
        }
    }
}
