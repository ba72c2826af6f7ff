//! Between the mapping's question and the adapters': the two crates do not know each other.

use adapter_core::{Question, SecretText};
use aws_lc_rs::digest;
use base64::Engine as _;
use http::Method;
use mapping::WireQuestion;

/// Turns what the mapping wrote into what an adapter sends.
#[must_use]
pub fn question(wire: WireQuestion) -> Question {
    match wire {
        WireQuestion::Soap { action, body } => Question::Soap { action, body: body.into() },
        WireQuestion::Rest { method, path_and_query, body } => {
            let method = if method == "POST" { Method::POST } else { Method::GET };
            Question::Rest { method, path_and_query: SecretText::new(path_and_query), body: body.map(Into::into) }
        }
        WireQuestion::LookUp { keys } => {
            Question::LookUp { keys: keys.into_iter().map(|(column, text)| (column, SecretText::new(text))).collect() }
        }
    }
}

/// SHA-256 over parts, one after the other; the first of them has a fixed length.
#[must_use]
pub fn sha256_of(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    parts.iter().for_each(|part| context.update(part));
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// Reads a SHA-256 in base64.
#[must_use]
pub fn sha256_from_base64(text: &str) -> Option<[u8; 32]> {
    base64::engine::general_purpose::STANDARD.decode(text).ok()?.try_into().ok()
}

/// SHA-256 in base64: the evidence of a `digest` capture, over the exact bytes of the answer.
#[must_use]
pub fn sha256_base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(digest::digest(&digest::SHA256, bytes))
}
