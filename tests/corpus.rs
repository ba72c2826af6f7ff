//! Every file of the fuzz target's corpus, by the same law; and how the first ones were made.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use crate::laws;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/assertion")
}

#[test]
fn every_file_of_the_corpus_is_judged_by_the_law() {
    let files: Vec<PathBuf> = fs::read_dir(corpus()).expect("a corpus").map(|file| file.expect("a file").path()).collect();
    assert!((20..=64).contains(&files.len()), "{} files", files.len());
    for file in files {
        let bytes = fs::read(&file).expect("a file");
        assert!(bytes.len() <= 16 * 1024, "{} is larger than 16 KiB", file.display());
        // The law's own words are above this one's.
        std::panic::catch_unwind(|| laws::assertion(&bytes)).unwrap_or_else(|_| panic!("{} breaks the law", file.display()));
    }
}

/// Writes the seeds: a good assertion, near misses, key sets.
#[test]
#[ignore = "writes fuzz/corpus"]
fn write_the_seeds() {
    fs::create_dir_all(corpus()).expect("a folder");
    let write = |name: &str, mode: u8, text: &str| fs::write(corpus().join(name), [&[mode], text.as_bytes()].concat()).expect("written");
    let header = json!({"alg": "EdDSA", "kid": "one", "typ": "JWT"});
    let claims = json!({
        "iss": "https://id.test", "sub": "s", "aud": "qovsaq", "azp": "targeted-aid", "iat": 999_900, "exp": 1_000_500, "jti": "j",
        "acr": "high", "employee_number": "AZ-0001",
    });
    let of = |header: &Json, claims: &Json| format!("{header}\n{claims}");
    write("good", 1, &of(&header, &claims));
    for (name, member, value) in [
        ("crit", "crit", json!(["b64"])),
        ("alg-none", "alg", json!("none")),
        ("alg-hmac", "alg", json!("HS256")),
        ("kid-other", "kid", json!("two")),
        ("typ-access-token", "typ", json!("at+jwt")),
        ("jwk-inside", "jwk", json!({"kty": "OKP", "crv": "Ed25519", "x": "AAAA"})),
    ] {
        let mut header = header.clone();
        header[member] = value;
        write(&format!("header-{name}"), 1, &of(&header, &claims));
    }
    for (name, member, value) in [
        ("audiences", "aud", json!(["a", "qovsaq"])),
        ("level-low", "acr", json!("low")),
        ("level-unheard-of", "acr", json!("highest")),
        ("certificate", "cnf", json!({"x5t#S256": "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk"})),
        ("certificate-other", "cnf", json!({"x5t#S256": "AAAA"})),
        ("key-bound", "cnf", json!({"jkt": "AAAA"})),
        ("official-other", "employee_number", json!("AZ-0002")),
        ("long-life", "exp", json!(1_000_801)),
        ("for-ever", "exp", json!(i64::MAX)),
        ("long-ago", "iat", json!(i64::MIN)),
        ("before-start", "iat", json!(998_999)),
        ("not-yet", "nbf", json!(1_000_061)),
        ("time-as-text", "iat", json!("999900")),
        ("time-as-fraction", "iat", json!(999_900.5)),
        ("without-id", "jti", json!("")),
    ] {
        let mut claims = claims.clone();
        claims[member] = value;
        write(&format!("claim-{name}"), 1, &of(&header, &claims));
    }
    let twice = of(&header, &claims).replacen(r#""sub""#, r#""azp":"e-sosial","sub""#, 1);
    write("claim-twice", 1, &twice);
    for (name, text) in [("empty", ""), ("dots", ".."), ("three-parts", "e30.e30.AAAA"), ("no-base64", "{}.{}.{}")] {
        write(&format!("text-{name}"), 0, text);
    }
    let key = json!({"kty": "OKP", "crv": "Ed25519", "kid": "one", "x": "A".repeat(43)});
    let mut secret = json!({"kty": "oct", "kid": "one", "k": "c2VjcmV0"});
    for (name, keys) in
        [("one", vec![key.clone()]), ("twice", vec![key.clone(), key.clone()]), ("secret", vec![secret.take()]), ("none", vec![])]
    {
        write(&format!("keys-{name}"), 2, &json!({"keys": keys}).to_string());
    }
}
