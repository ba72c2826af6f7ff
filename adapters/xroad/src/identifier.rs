//! Identifiers of the exchange system in paths and headers: parts joined by `/`, each in UTF-8 and
//! percent-encoded by itself ("X-Road: Message Protocol for REST", section 4.1). Pure.

/// Longest part of an identifier, in characters.
pub const PART_MAX: usize = 255;

/// Whether a text can be a part of an identifier: not empty, at most [`PART_MAX`] characters, and
/// without what the exchange system's own code forbids (it only warns about others that the document
/// leaves out). White space at the ends would not survive an echo, and a dot segment would not
/// survive a path.
#[must_use]
pub fn is_part(text: &str) -> bool {
    let forbidden = |c: char| c.is_control() || matches!(c, '%' | ':' | ';' | '/' | '\\' | '\u{200b}' | '\u{feff}');
    !text.is_empty() && text.trim() == text && text.chars().count() <= PART_MAX && !text.contains(forbidden) && !matches!(text, "." | "..")
}

/// Writes parts as one identifier, without a `/` at either end. Only the unreserved characters of
/// RFC 3986 section 2.3 stay as they are, so that no URL parser on the way sees reason to rewrite it.
#[must_use]
pub fn encode(parts: &[&str]) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(parts.iter().map(|part| part.len() + 1).sum());
    for (nth, part) in parts.iter().enumerate() {
        if nth > 0 {
            out.push('/');
        }
        for byte in part.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
                out.push(char::from(byte));
            } else {
                out.push('%');
                out.push(char::from(HEX[usize::from(byte >> 4)]));
                out.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
    out
}

/// Whether an identifier as a peer wrote it has exactly these parts. Compared is the value: which
/// characters are percent-encoded, and in which case of the digits, is each side's own affair (the
/// exchange system leaves more of them as they are than [`encode`] does). A broken percent-encoding
/// is no value.
#[must_use]
pub fn is(text: &[u8], parts: &[&str]) -> bool {
    let mut segments = text.split(|byte| *byte == b'/');
    let same = parts.iter().all(|part| segments.next().is_some_and(|segment| Decoded(segment).eq(part.bytes().map(Some))));
    same && segments.next().is_none()
}

/// The bytes of a segment, decoded; `None` once where the encoding is broken, after which it ends.
struct Decoded<'a>(&'a [u8]);

impl Iterator for Decoded<'_> {
    type Item = Option<u8>;

    fn next(&mut self) -> Option<Option<u8>> {
        let (first, rest) = self.0.split_first()?;
        if *first != b'%' {
            self.0 = rest;
            return Some(Some(*first));
        }
        let digits = rest.split_first_chunk::<2>();
        let decoded = digits.and_then(|([high, low], _)| Some((hex(*high)? << 4) | hex(*low)?));
        self.0 = digits.map_or(&[], |(_, rest)| rest);
        if decoded.is_none() {
            self.0 = &[];
        }
        Some(decoded)
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
