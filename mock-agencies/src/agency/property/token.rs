//! Who asks: the `UsernameToken` of WS-Security with a password digest (OASIS `UsernameToken` Profile 1.0).

use std::collections::{HashSet, VecDeque};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};

use crate::xml::Element;

/// The one user's name.
pub const PROPERTY_USERNAME: &str = "meis";
/// The one user's password.
pub const PROPERTY_PASSWORD: &str = "sinaq-parol-1";

pub(super) const WSSE: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
const WSU: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
const DIGEST: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest";
const BASE64: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary";

/// How far `Created` may be from now, either way.
const FRESH: SignedDuration = SignedDuration::from_mins(5);
/// Longest nonce, in bytes.
const NONCE_MAX: usize = 64;
/// Most nonces remembered; beyond it the oldest are forgotten early, which only a flood of right tokens brings about.
const NONCES_MAX: usize = 200_000;

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenError {
    /// No security header, or not of the profile's form.
    Form,
    /// Not the user, not the password, not fresh, or seen before.
    Untrusted,
}

/// The nonces of the tokens taken, each for as long as its token could be fresh.
#[derive(Debug, Default)]
pub(super) struct Nonces {
    seen: HashSet<Box<[u8]>>,
    /// The same with the time each can be forgotten, in the order they came.
    order: VecDeque<(Timestamp, Box<[u8]>)>,
}

impl Nonces {
    /// Remembers a nonce; false where it was seen before.
    fn remember(&mut self, nonce: &[u8], now: Timestamp) -> bool {
        while self.order.front().is_some_and(|(until, _)| *until < now) || self.order.len() >= NONCES_MAX {
            if let Some((_, nonce)) = self.order.pop_front() {
                self.seen.remove(&nonce);
            }
        }
        let new = self.seen.insert(nonce.into());
        if new {
            // The token may have been made in the future by as much as it may be old.
            self.order.push_back((now.saturating_add(FRESH * 2).unwrap_or(now), nonce.into()));
        }
        new
    }
}

/// Checks the security header of a message. The nonce of a token that is right in all else is spent by it.
pub(super) fn check(security: Option<&Element>, nonces: &mut Nonces, now: Timestamp) -> Result<(), TokenError> {
    let token = read(security).ok_or(TokenError::Form)?;
    let created: Timestamp = token.created.strip_suffix('Z').and_then(|_| token.created.parse().ok()).ok_or(TokenError::Form)?;
    let expected = password_digest(&token.nonce, token.created, PROPERTY_PASSWORD);
    let right = token.username == PROPERTY_USERNAME && verify_slices_are_equal(&expected, &token.digest).is_ok();
    let fresh = created.duration_since(now).abs() <= FRESH;
    if right && fresh && nonces.remember(&token.nonce, now) { Ok(()) } else { Err(TokenError::Untrusted) }
}

/// SHA-1 of the nonce, the time as written, and the password (profile, section 3.1).
fn password_digest(nonce: &[u8], created: &str, password: &str) -> Vec<u8> {
    let input = [nonce, created.as_bytes(), password.as_bytes()].concat();
    digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &input).as_ref().to_vec()
}

struct Token<'a> {
    username: &'a str,
    digest: Vec<u8>,
    nonce: Vec<u8>,
    created: &'a str,
}

/// The token's four parts, the name first, each once and of its type; `None` for anything else.
fn read(security: Option<&Element>) -> Option<Token<'_>> {
    let mut tokens = security?.elements()?.iter();
    let token = tokens.next().filter(|token| token.is(WSSE, "UsernameToken"))?;
    let parts = token.elements()?;
    if tokens.next().is_some() || parts.len() != 4 || !parts.first()?.is(WSSE, "Username") {
        return None;
    }
    let part = |namespace: &str, name: &str| parts.iter().find(|part| part.is(namespace, name));
    let password = part(WSSE, "Password").filter(|password| password.attribute("", "Type") == Some(DIGEST))?;
    // The profile makes base64 the default encoding.
    let nonce = part(WSSE, "Nonce").filter(|nonce| nonce.attribute("", "EncodingType").is_none_or(|encoding| encoding == BASE64))?;
    let nonce = STANDARD.decode(nonce.leaf()?.trim()).ok().filter(|nonce| !nonce.is_empty() && nonce.len() <= NONCE_MAX)?;
    Some(Token {
        username: parts.first()?.leaf()?,
        digest: STANDARD.decode(password.leaf()?.trim()).ok()?,
        nonce,
        created: part(WSU, "Created")?.leaf()?.trim(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml;

    fn now() -> Timestamp {
        "2026-03-11T08:00:00Z".parse().expect("a time")
    }

    fn security(username: &str, password: &str, nonce: &[u8], created: &str) -> String {
        let digest = STANDARD.encode(password_digest(nonce, created, password));
        format!(
            "<w:Security xmlns:w='{WSSE}' xmlns:u='{WSU}'><w:UsernameToken><w:Username>{username}</w:Username><w:Password Type='{DIGEST}'>\
             {digest}</w:Password><w:Nonce EncodingType='{BASE64}'>{}</w:Nonce><u:Created>{created}</u:Created></w:UsernameToken></w:Security>",
            STANDARD.encode(nonce)
        )
    }

    fn take(nonces: &mut Nonces, text: &str) -> Result<(), TokenError> {
        check(Some(&xml::read(text.as_bytes()).expect("well-formed")), nonces, now())
    }

    #[test]
    fn the_digest_is_sha_1_of_nonce_time_and_password() {
        // printf 'abc2026-03-11T08:00:00Zsinaq-parol-1' | sha1sum
        let digest = password_digest(b"abc", "2026-03-11T08:00:00Z", PROPERTY_PASSWORD);
        assert_eq!(STANDARD.encode(digest), "oBZNeG5P3gZNJQ9RhGHzCbSfT+0=");
    }

    #[test]
    fn a_token_is_taken_once() {
        let mut nonces = Nonces::default();
        let right = security("meis", "sinaq-parol-1", b"0123456789abcdef", "2026-03-11T08:00:00Z");
        assert_eq!(take(&mut nonces, &right), Ok(()));
        assert_eq!(take(&mut nonces, &right), Err(TokenError::Untrusted));
        // The same nonce under a new time is the same nonce.
        let again = security("meis", "sinaq-parol-1", b"0123456789abcdef", "2026-03-11T08:00:01Z");
        assert_eq!(take(&mut nonces, &again), Err(TokenError::Untrusted));
        assert_eq!(take(&mut nonces, &security("meis", "sinaq-parol-1", b"1", "2026-03-11T08:00:00.123Z")), Ok(()));
    }

    #[test]
    fn a_wrong_token_does_not_spend_its_nonce() {
        let mut nonces = Nonces::default();
        let created = "2026-03-11T08:00:00Z";
        for (username, password, created) in [
            ("meis", "sinaq-parol-2", created),
            ("MEIS", "sinaq-parol-1", created),
            ("meis", "sinaq-parol-1", "2026-03-11T07:54:59Z"),
            ("meis", "sinaq-parol-1", "2026-03-11T08:05:01Z"),
        ] {
            assert_eq!(take(&mut nonces, &security(username, password, b"n", created)), Err(TokenError::Untrusted), "{username} {created}");
        }
        for created in ["2026-03-11T07:55:00Z", "2026-03-11T08:05:00Z"] {
            assert_eq!(take(&mut nonces, &security("meis", "sinaq-parol-1", created.as_bytes(), created)), Ok(()));
        }
        assert_eq!(take(&mut nonces, &security("meis", "sinaq-parol-1", b"n", created)), Ok(()));
    }

    #[test]
    fn a_header_of_another_form_is_told_apart() {
        let mut nonces = Nonces::default();
        let right = security("meis", "sinaq-parol-1", b"n", "2026-03-11T08:00:00Z");
        assert_eq!(check(None, &mut nonces, now()), Err(TokenError::Form));
        for (from, to) in [
            ("#PasswordDigest", "#PasswordText"),
            ("#Base64Binary", "#HexBinary"),
            ("08:00:00Z", "12:00:00+04:00"),
            ("<u:Created>", "<u:Created><x/>"),
            ("<w:Username>meis</w:Username>", ""),
            ("<w:UsernameToken>", "<w:UsernameToken><x/>"),
            ("<w:UsernameToken>", "<w:BinarySecurityToken/><w:UsernameToken>"),
            ("wssecurity-secext", "wssecurity-other"),
        ] {
            assert!(right.contains(from), "{from}");
            assert_eq!(take(&mut nonces, &right.replace(from, to)), Err(TokenError::Form), "{from}");
        }
    }

    #[test]
    fn nonces_are_forgotten_when_their_tokens_are_old() {
        let mut nonces = Nonces::default();
        assert!(nonces.remember(b"a", now()));
        assert!(!nonces.remember(b"a", now() + SignedDuration::from_mins(9)));
        assert!(nonces.remember(b"b", now() + SignedDuration::from_mins(11)));
        assert_eq!((nonces.seen.len(), nonces.order.len()), (1, 1));
    }
}
