//! Who asks: OAuth 2.0 client credentials (RFC 6749, section 4.4) and bearer tokens (RFC 6750).

use std::collections::VecDeque;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use uuid::Uuid;

use super::{error, json_answer, method};
use crate::agency::{Answer, Request, media_type, percent_decoded};

/// The one client's identifier.
pub const CREDIT_BUREAU_CLIENT: &str = "meis";
/// The one client's secret.
pub const CREDIT_BUREAU_SECRET: &str = "sinaq-sirr-1";

/// What a token lives.
const LIFETIME: SignedDuration = SignedDuration::from_secs(300);
/// Most tokens remembered; beyond it the oldest end early.
const TOKENS_MAX: usize = 1_024;

/// The tokens in force, oldest first.
#[derive(Default)]
pub(super) struct Tokens {
    issued: VecDeque<(String, Timestamp)>,
}

impl Tokens {
    /// Answers the token endpoint.
    pub(super) fn issue(&mut self, request: &Request<'_>) -> Result<Answer, Answer> {
        method(request, &Method::POST)?;
        authenticate(request)?;
        let (media, _) = request.header("content-type").and_then(media_type).unwrap_or_default();
        let form = (media == "application/x-www-form-urlencoded").then(|| form(request.body)).flatten();
        let form = form.ok_or_else(|| oauth_error(StatusCode::BAD_REQUEST, "invalid_request"))?;
        let values = |name: &str| form.iter().filter(move |(own, _)| own == name).map(|(_, value)| &**value).collect::<Vec<_>>();
        match *values("grant_type") {
            ["client_credentials"] => {}
            [_] => return Err(oauth_error(StatusCode::BAD_REQUEST, "unsupported_grant_type")),
            _ => return Err(oauth_error(StatusCode::BAD_REQUEST, "invalid_request")),
        }
        if values("scope").len() > 1 {
            return Err(oauth_error(StatusCode::BAD_REQUEST, "invalid_request"));
        }
        let token = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let until = request.now.saturating_add(LIFETIME).unwrap_or(Timestamp::MAX);
        while self.issued.len() >= TOKENS_MAX || self.issued.front().is_some_and(|(_, until)| *until <= request.now) {
            self.issued.pop_front();
        }
        let body = json!({"access_token": token, "token_type": "Bearer", "expires_in": LIFETIME.as_secs()});
        self.issued.push_back((token, until));
        Ok(json_answer(StatusCode::OK, &body).with("cache-control", "no-store"))
    }

    /// Checks the bearer token of a request.
    pub(super) fn check(&self, request: &Request<'_>) -> Result<(), Answer> {
        let Some(token) = bearer(request) else {
            // RFC 6750, section 3.1: without credentials no error code.
            return Err(error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED").with("www-authenticate", "Bearer"));
        };
        let good =
            |(own, until): &(String, Timestamp)| *until > request.now && verify_slices_are_equal(own.as_bytes(), token.as_bytes()).is_ok();
        if self.issued.iter().any(good) {
            return Ok(());
        }
        Err(error(StatusCode::UNAUTHORIZED, "TOKEN_EXPIRED").with("www-authenticate", "Bearer error=\"invalid_token\""))
    }

    /// Ends the token of a request before its time.
    pub(super) fn revoke(&mut self, request: &Request<'_>) {
        if let Some(token) = bearer(request) {
            self.issued.retain(|(own, _)| own != token);
        }
    }
}

fn bearer<'a>(request: &Request<'a>) -> Option<&'a str> {
    let mut given = request.head.headers.get_all("authorization").iter();
    let (first, second) = (given.next()?.to_str().ok()?, given.next());
    let (scheme, token) = first.split_once(' ')?;
    (second.is_none() && scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// HTTP Basic with both parts form-encoded first (RFC 6749, section 2.3.1).
fn authenticate(request: &Request<'_>) -> Result<(), Answer> {
    let refused = || oauth_error(StatusCode::UNAUTHORIZED, "invalid_client").with("www-authenticate", "Basic realm=\"oauth2\"");
    let credentials = || {
        let (scheme, encoded) = request.header("authorization")?.split_once(' ')?;
        let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
        let (client, secret) = text.split_once(':')?;
        if scheme.eq_ignore_ascii_case("basic") { Some((form_decoded(client)?, form_decoded(secret)?)) } else { None }
    };
    let (client, secret) = credentials().ok_or_else(refused)?;
    let right = client == CREDIT_BUREAU_CLIENT && verify_slices_are_equal(secret.as_bytes(), CREDIT_BUREAU_SECRET.as_bytes()).is_ok();
    if right { Ok(()) } else { Err(refused()) }
}

fn oauth_error(status: StatusCode, code: &str) -> Answer {
    error(status, code).with("cache-control", "no-store")
}

/// The pairs of an `application/x-www-form-urlencoded` body.
fn form(body: &[u8]) -> Option<Vec<(String, String)>> {
    let text = str::from_utf8(body).ok()?;
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        Some((form_decoded(name)?, form_decoded(value)?))
    };
    text.split('&').map(pair).collect()
}

fn form_decoded(text: &str) -> Option<String> {
    percent_decoded(&text.replace('+', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an endpoint says to a request made at a moment.
    fn at<T>(now: Timestamp, authorization: &str, body: &str, ask: impl FnOnce(&Request<'_>) -> T) -> T {
        let head = http::Request::post("/oauth2/token")
            .header("authorization", authorization)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(())
            .expect("a request");
        let (head, ()) = head.into_parts();
        ask(&Request { head: &head, body: body.as_bytes(), fault: None, now, today: model::time::day(now), raw_head: None })
    }

    #[test]
    fn a_token_lives_five_minutes_and_no_more_than_a_thousand_are_kept() {
        let start: Timestamp = "2026-03-11T08:00:00Z".parse().expect("a time");
        let basic = format!("Basic {}", STANDARD.encode(format!("{CREDIT_BUREAU_CLIENT}:{CREDIT_BUREAU_SECRET}")));
        let mut tokens = Tokens::default();
        let issue = |tokens: &mut Tokens, now| {
            let answer = at(now, &basic, "grant_type=client_credentials", |request| tokens.issue(request)).expect("issued");
            let body: serde_json::Value = serde_json::from_slice(&answer.body).expect("json");
            format!("bearer {}", body["access_token"].as_str().expect("a token"))
        };
        let first = issue(&mut tokens, start);
        let good = |tokens: &Tokens, token: &str, secs| {
            at(start + SignedDuration::from_secs(secs), token, "", |request| tokens.check(request)).is_ok()
        };
        assert!(good(&tokens, &first, 0) && good(&tokens, &first, 299));
        assert!(!good(&tokens, &first, 300));
        let second = issue(&mut tokens, start + SignedDuration::from_secs(300));
        assert_eq!(tokens.issued.len(), 1, "the first was forgotten");
        for _ in 0..TOKENS_MAX {
            issue(&mut tokens, start + SignedDuration::from_secs(301));
        }
        assert_eq!(tokens.issued.len(), TOKENS_MAX);
        assert!(!good(&tokens, &second, 301));
    }

    #[test]
    fn forms_are_decoded_and_half_pairs_refused() {
        let pairs = form(b"a=1+2&b=%2B%c6%8f").expect("a form");
        assert_eq!(pairs, [("a".to_owned(), "1 2".to_owned()), ("b".to_owned(), "+Ə".to_owned())]);
        for bad in ["", "a", "a=1&", "a=%f", "a=%ff"] {
            assert_eq!(form(bad.as_bytes()), None, "{bad}");
        }
    }
}
