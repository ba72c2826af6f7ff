//! Base64, numbers and names: each value has one form, and only that form is read.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::malformed::{Malformed, Rule};
use crate::tree::{Hash, SIZE_MAX};

/// The longest origin, in bytes.
pub const ORIGIN_BYTES_MAX: usize = 255;

/// Reads base64 of RFC 4648 section 4: standard alphabet, padding, no bits left over.
///
/// # Errors
/// When `text` is not what [`base64_of`] would write.
pub fn base64(part: &str, text: &str) -> Result<Vec<u8>, Malformed> {
    let bytes = STANDARD.decode(text).map_err(|_| Malformed::new(part, Rule::Base64))?;
    if STANDARD.encode(&bytes) == text { Ok(bytes) } else { Err(Malformed::new(part, Rule::Base64)) }
}

/// Writes base64.
#[must_use]
pub fn base64_of(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Reads a SHA-256 hash in base64.
///
/// # Errors
/// When `text` is not base64 of 32 bytes.
pub fn hash(part: &str, text: &str) -> Result<Hash, Malformed> {
    base64(part, text)?.try_into().map_err(|_| Malformed::new(part, Rule::HashLength))
}

/// Reads a decimal number of ASCII digits without leading zeros.
///
/// # Errors
/// When `text` is anything else or does not fit in 64 bits.
pub fn decimal(part: &str, text: &str) -> Result<u64, Malformed> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || (text.len() > 1 && text.starts_with('0')) {
        return Err(Malformed::new(part, Rule::Decimal));
    }
    text.parse().map_err(|_| Malformed::new(part, Rule::Decimal))
}

/// A tree size within [`SIZE_MAX`].
///
/// # Errors
/// When it is larger.
pub fn size(part: &str, size: u64) -> Result<u64, Malformed> {
    if size > SIZE_MAX { Err(Malformed::new(part, Rule::SizeTooLarge)) } else { Ok(size) }
}

/// An origin: what C2SP tlog-checkpoint recommends, made a rule. 1 to [`ORIGIN_BYTES_MAX`] visible ASCII
/// characters without plus, so that no name can hide or reorder what stands beside it on a screen.
///
/// # Errors
/// When `text` is anything else.
pub fn origin(part: &str, text: &str) -> Result<String, Malformed> {
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'+');
    if text.is_empty() || text.len() > ORIGIN_BYTES_MAX || !visible {
        return Err(Malformed::new(part, Rule::Origin));
    }
    Ok(text.to_owned())
}

/// Text for a screen: characters that could steer it or hide something stand as escapes, and 200 are enough.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars().take(200) {
        // What Rust escapes in debug output is what no terminal should be given; quotes are harmless.
        if matches!(character, '"' | '\'' | '\\') {
            shown.push(character);
        } else {
            shown.extend(character.escape_debug());
        }
    }
    shown
}
