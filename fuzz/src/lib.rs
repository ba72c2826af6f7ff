//! What must hold of any assertion: the body of the fuzz target, which the tests run over the corpus.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use model::contract::Assurance;
use model::{CaseId, ConsumerId};
use qovsaq::jws::KeySet;
use qovsaq::officials::claims::{Claims, Presented, Terms};
use qovsaq::officials::{KeySource, OfficialsConfig};
use serde_json::{Value as Json, json};

/// The seed of the provider's key.
const SEED: [u8; 32] = [7; 32];
const ISSUER: &str = "https://id.test";
const OFFICIAL: &str = "AZ-0001";
const CERTIFICATE: [u8; 32] = [9; 32];
/// The moment of judging, and that of the start before it.
const NOW: i64 = 1_000_000;
const STARTED: i64 = 999_000;

fn pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&SEED).expect("a seed")
}

fn keys() -> KeySet {
    let x = URL_SAFE_NO_PAD.encode(pair().public_key().as_ref());
    let set = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "one", "x": x}]});
    KeySet::parse(set.to_string().as_bytes()).expect("a set")
}

fn terms() -> Terms {
    let levels = [("low", Assurance::Low), ("high", Assurance::High)].map(|(name, level)| (name.to_owned(), level));
    let config = OfficialsConfig {
        issuer: ISSUER.to_owned(),
        keys: KeySource::File(PathBuf::new()),
        audience: "qovsaq".to_owned(),
        official_claim: "employee_number".to_owned(),
        levels: BTreeMap::from(levels),
        refresh_every: Duration::ZERO,
        keys_age_max: Duration::ZERO,
    };
    Terms::new(&config, Timestamp::from_second(STARTED).expect("a moment"))
}

/// A text of header, line end and claims, signed: without a true signature a fuzzer gets no further than that.
fn signed(text: &str) -> Option<String> {
    let (header, claims) = text.split_once('\n')?;
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(pair().sign(message.as_bytes()).as_ref());
    Some(format!("{message}.{signature}"))
}

/// Any bytes. The first one: 0 an assertion as it is, 1 header and claims that get a true signature, 2 a key set.
///
/// # Panics
/// When something is proven that was not signed or not said.
pub fn assertion(data: &[u8]) {
    let Some((mode, bytes)) = data.split_first() else { return };
    if *mode == 2 {
        if let Ok(keys) = KeySet::parse(bytes) {
            assert!(!keys.kids().is_empty() && keys.kids().iter().all(|kid| !kid.is_empty()));
            // An assertion under our own key is that of no other set.
            let own = signed("{\"alg\":\"EdDSA\",\"kid\":\"one\"}\n{}").expect("two lines");
            let public = URL_SAFE_NO_PAD.encode(pair().public_key().as_ref());
            let holds_it = String::from_utf8_lossy(bytes).contains(&public);
            assert!(holds_it || keys.verify::<Json>(&own).is_err());
        }
        return;
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let text = if *mode == 1 { signed(text) } else { Some(text.to_owned()) };
    let Some(text) = text else { return };
    let Ok(claims) = keys().verify::<Claims>(&text) else { return };
    let parts: Vec<&str> = text.split('.').collect();
    let [header, body, signature] = parts[..] else { panic!("verified without three parts") };
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).expect("verified, so it is base64");
    let message = format!("{header}.{body}");
    let public = UnparsedPublicKey::new(&ED25519, pair().public_key().as_ref().to_vec());
    public.verify(message.as_bytes(), &decode(signature)).expect("verified, so the signature holds");
    let header: Json = serde_json::from_slice(&decode(header)).expect("verified, so it is JSON");
    assert!(header["alg"] == "EdDSA" && header["kid"] == "one" && header["crit"].is_null(), "{header}");
    let (consumer, case) = (ConsumerId::new("targeted-aid").expect("a code"), CaseId::new("c-1").expect("a name"));
    let presented = Presented { assertion: &text, consumer: &consumer, certificate: &CERTIFICATE, official: OFFICIAL, case: &case };
    let Ok(proven) = terms().judge(&claims, &presented, Timestamp::from_second(NOW).expect("a moment")) else { return };
    let said: Json = serde_json::from_slice(&decode(body)).expect("verified, so it is JSON");
    let for_us = said["aud"] == "qovsaq" || said["aud"].as_array().is_some_and(|several| several.contains(&json!("qovsaq")));
    assert!(said["iss"] == ISSUER && for_us && said["azp"] == "targeted-aid" && said["employee_number"] == OFFICIAL, "{said}");
    let (issued, expires) = (said["iat"].as_i64().expect("a number"), said["exp"].as_i64().expect("a number"));
    assert!((STARTED..=NOW + 60).contains(&issued) && (NOW - 60..=issued + 900).contains(&expires), "{said}");
    assert!(said["acr"] == if proven.level == Assurance::High { "high" } else { "low" } && said["jti"] == proven.id);
    assert!(said["cnf"].is_null() || said["cnf"]["x5t#S256"] == URL_SAFE_NO_PAD.encode(CERTIFICATE), "{said}");
    // With a bit of what is signed changed it proves nothing.
    let mut changed = text.into_bytes();
    let at = changed.len() * usize::from(*mode + 1) / 7;
    changed[at] ^= 1;
    let changed = String::from_utf8(changed).unwrap_or_default();
    assert!(keys().verify::<Claims>(&changed).is_err(), "a changed byte {at} proves the same");
}
