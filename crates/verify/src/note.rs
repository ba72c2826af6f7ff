//! Signed notes: C2SP signed-note, "Format" and "Signatures".

use crate::encoding;
use crate::key::Key;
use crate::malformed::{Malformed, Rule};

/// The longest note that is read. The journal's own have a few hundred bytes; witnesses' signatures may be
/// larger than everything else.
pub const NOTE_BYTES_MAX: usize = 64 * 1024;

/// The most signatures a note may have; C2SP asks for at least 16.
pub const SIGNATURES_MAX: usize = 64;

/// A text and the signatures under it, none of them verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<SignatureLine>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct SignatureLine {
    name: String,
    id: [u8; 4],
    signature: Vec<u8>,
}

/// What is known about a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signed {
    /// It is the key's over exactly this text.
    Yes,
    /// No key was given for the name, so nothing was checked.
    NoKey,
    /// No line is the key's, by name and id.
    NoLine,
    /// More than one line is the key's; a log writes one.
    Twice,
    /// The line is not what the key makes of this text.
    Wrong,
}

impl Note {
    /// Reads a note: text, empty line, signature lines, nothing else.
    ///
    /// # Errors
    /// When it breaks a rule of the format.
    pub fn parse(note: &str) -> Result<Self, Malformed> {
        if note.len() > NOTE_BYTES_MAX {
            return Err(Malformed::new("note", Rule::TooLong { bytes_max: NOTE_BYTES_MAX }));
        }
        if note.chars().any(|character| character < ' ' && character != '\n') {
            return Err(Malformed::new("note", Rule::ControlCharacter));
        }
        let lines = note.strip_suffix('\n').ok_or_else(|| Malformed::new("note", Rule::FinalNewline))?;
        // The last empty line parts text and signatures; the text may have some of its own.
        let (text, lines) = lines.rsplit_once("\n\n").ok_or_else(|| Malformed::new("note", Rule::EmptyLine))?;
        let mut signatures = Vec::new();
        for (at, line) in lines.split('\n').enumerate() {
            if at >= SIGNATURES_MAX {
                return Err(Malformed::new("note.signatures", Rule::TooMany { max: SIGNATURES_MAX }));
            }
            signatures.push(SignatureLine::parse(&format!("note.signatures[{at}]"), line)?);
        }
        Ok(Self { text: format!("{text}\n"), signatures })
    }

    /// The signed text, its last newline included.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether `key` has signed it. Lines of unknown keys, also of the same name, are passed over.
    #[must_use]
    pub fn signed_by(&self, key: &Key) -> Signed {
        let mut own = self.signatures.iter().filter(|line| line.name == key.name() && line.id == key.id());
        match (own.next(), own.next()) {
            (None, _) => Signed::NoLine,
            (Some(_), Some(_)) => Signed::Twice,
            (Some(line), None) if key.has_signed(&self.text, &line.signature) => Signed::Yes,
            (Some(_), None) => Signed::Wrong,
        }
    }
}

impl SignatureLine {
    fn parse(part: &str, line: &str) -> Result<Self, Malformed> {
        let form = || Malformed::new(part, Rule::SignatureLine);
        let line = line.strip_prefix("\u{2014} ").ok_or_else(|| Malformed::new(part, Rule::Dash))?;
        let (name, signature) = line.split_once(' ').ok_or_else(form)?;
        if name.is_empty() || name.contains(|character: char| character.is_whitespace() || character == '+') {
            return Err(form());
        }
        let signature = encoding::base64(part, signature)?;
        let Some((id, signature)) = signature.split_first_chunk::<4>().filter(|(_, signature)| !signature.is_empty()) else {
            return Err(Malformed::new(part, Rule::SignatureLength));
        };
        Ok(Self { name: name.to_owned(), id: *id, signature: signature.to_vec() })
    }
}
