//! The manifest of a bundle, which is what two persons sign: who follows whom, why, on the ground of which document, and
//! every file with its hash. Its text is JSON in one spelling alone, so that what was signed is what is read.

use std::fmt;

use aws_lc_rs::digest;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::BundleError;
use crate::data::hex;

/// Largest manifest with its signatures, in bytes.
pub const MANIFEST_BYTES_MAX: u64 = 4 << 20;
/// Most files in a bundle.
pub const FILES_MAX: usize = 10_000;
/// Greatest sequence.
pub const SEQUENCE_MAX: u64 = 999_999;
/// Folders of a bundle: the data, and the documents that ground the change.
pub const FOLDERS: [&str; 3] = ["contracts", "mappings", "documents"];

/// What the format is called.
const FORMAT: &str = "qovsaq/1";
/// Longest path, in bytes.
const PATH_BYTES_MAX: usize = 512;
/// Longest name of a file or folder, in bytes.
const NAME_BYTES_MAX: usize = 200;

/// A SHA-256; shown in lower-case hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The SHA-256 of bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self::finish(&digest::digest(&digest::SHA256, bytes))
    }

    pub(super) fn finish(digest: &digest::Digest) -> Self {
        Self(digest.as_ref().try_into().expect("SHA-256 gives 32 bytes"))
    }

    /// Reads 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes().iter().map(|digit| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        });
        let digits: Vec<u8> = digits.collect::<Option<_>>()?;
        let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
        (digits.len() == 64).then_some(())?;
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("a SHA-256 is 64 lower-case hexadecimal digits"))
    }
}

/// One change as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    bundle: String,
    /// Its number, from 1, without gaps.
    pub sequence: u64,
    /// Hash of the bundle before it; none for the first.
    pub predecessor: Option<Digest>,
    // Optional only so that its absence has an error of its own.
    document: Option<Document>,
    /// What is changed and why, for people (6.2.5): 10 to 2,000 characters, no personal data.
    pub note: String,
    /// The reasoned demand that it answers (5.0.14): its reference, at most 200 characters.
    pub requirement: Option<String>,
    /// From when it is to be in force; at once where it does not say.
    #[serde(serialize_with = "write_time", deserialize_with = "read_time")]
    pub effective_from: Option<Timestamp>,
    /// The sequence of the earlier bundle whose data this one brings back; none for a change of its own.
    pub restores: Option<u64>,
    /// Every file of the bundle but the manifest, by rising path.
    pub files: Vec<Listed>,
}

/// The document that grounds a change (6.2.5). Its file lies in the bundle's folder `documents/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// What it is cited by, such as an order's number: at most 200 characters.
    pub reference: String,
    /// Its date.
    pub date: Date,
    /// Its file's path in the bundle.
    pub path: String,
    /// SHA-256 of the file.
    pub sha256: Digest,
}

/// A file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// Where it lies in the bundle, with `/` between names.
    pub path: String,
    /// SHA-256 of its bytes.
    pub sha256: Digest,
}

/// What a manifest says besides its place in the row and its files.
#[derive(Debug, Clone)]
pub struct Reason {
    /// The document that grounds the change.
    pub document: Document,
    /// What is changed and why.
    pub note: String,
    /// The demand it answers.
    pub requirement: Option<String>,
    /// From when it is to be in force.
    pub effective_from: Option<Timestamp>,
    /// The earlier bundle whose data it brings back.
    pub restores: Option<u64>,
}

impl Manifest {
    /// A manifest of these files, checked.
    ///
    /// # Errors
    /// The rule that a member or a path breaks.
    pub fn new(sequence: u64, predecessor: Option<Digest>, reason: Reason, mut files: Vec<Listed>) -> Result<Self, BundleError> {
        files.sort();
        let Reason { document, note, requirement, effective_from, restores } = reason;
        let bundle = FORMAT.to_owned();
        let manifest = Self { bundle, sequence, predecessor, document: Some(document), note, requirement, effective_from, restores, files };
        manifest.checked()
    }

    /// Reads the signed text.
    ///
    /// # Errors
    /// When it is another form or spelling, or breaks a rule.
    pub fn parse(text: &str) -> Result<Self, BundleError> {
        let manifest: Self = serde_json::from_str(text).map_err(|error| BundleError::Malformed(error.to_string()))?;
        let manifest = manifest.checked()?;
        if manifest.text() == text { Ok(manifest) } else { Err(BundleError::NotCanonical) }
    }

    /// The text that is signed, with its last line feed; its SHA-256 is the bundle's hash.
    ///
    /// # Panics
    /// Never: texts, numbers and lists can always be written as JSON.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a manifest is JSON");
        text.push('\n');
        text
    }

    /// The bundle's hash: SHA-256 of the signed text, without the signatures.
    #[must_use]
    pub fn hash(&self) -> Digest {
        Digest::of(self.text().as_bytes())
    }

    /// The document that grounds the change.
    ///
    /// # Panics
    /// Never: a manifest without one is not made.
    #[must_use]
    pub fn document(&self) -> &Document {
        self.document.as_ref().expect("checked when it was made")
    }

    fn checked(self) -> Result<Self, BundleError> {
        let member = |member, accepted| Err(BundleError::Member { member, accepted });
        let said = |text: &str, least: usize, most: usize, lines: bool| {
            let control = |c: char| c.is_control() && !(lines && c == '\n');
            (least..=most).contains(&text.trim().chars().count()) && text.chars().count() <= most && !text.chars().any(control)
        };
        if self.bundle != FORMAT {
            return member("bundle", FORMAT);
        }
        if !(1..=SEQUENCE_MAX).contains(&self.sequence) {
            return member("sequence", "a number from 1 to 999999");
        }
        if (self.sequence == 1) != self.predecessor.is_none() {
            return member("predecessor", "null for the first bundle, the hash of the one before for every other");
        }
        let Some(document) = &self.document else { return Err(BundleError::NoDocument) };
        if !said(&document.reference, 1, 200, false) {
            return member("document.reference", "1 to 200 characters on one line");
        }
        if !said(&self.note, 10, 2_000, true) {
            return member("note", "10 to 2000 characters that say what is changed and why");
        }
        if !self.requirement.as_deref().is_none_or(|text| said(text, 1, 200, false)) {
            return member("requirement", "1 to 200 characters on one line, or null");
        }
        if self.restores.is_some_and(|earlier| earlier == 0 || earlier >= self.sequence) {
            return member("restores", "the sequence of an earlier bundle, or null");
        }
        if self.files.len() > FILES_MAX {
            return Err(BundleError::TooManyFiles(FILES_MAX));
        }
        for file in &self.files {
            check_path(&file.path)?;
        }
        if !self.files.is_sorted_by(|a, b| a.path < b.path) {
            return member("files", "each path once, in rising order");
        }
        check_path(&document.path)?;
        if !document.path.starts_with("documents/") {
            return member("document.path", "a file below documents/");
        }
        match self.listed(&document.path) {
            None => return Err(BundleError::DocumentMissing(document.path.clone())),
            Some(listed) if listed.sha256 != document.sha256 => return member("document.sha256", "the hash that `files` has for it"),
            Some(_) => {}
        }
        Ok(self)
    }

    /// The file at this path.
    #[must_use]
    pub fn listed(&self, path: &str) -> Option<&Listed> {
        let place = self.files.binary_search_by(|file| file.path.as_str().cmp(path)).ok()?;
        self.files.get(place)
    }
}

/// Whether a path stays below the folders of a bundle and reads the same everywhere.
///
/// # Errors
/// What is wrong with it.
pub fn check_path(path: &str) -> Result<(), BundleError> {
    let refuse = |why| Err(BundleError::Path { path: path.chars().take(PATH_BYTES_MAX).collect(), why });
    if path.len() > PATH_BYTES_MAX {
        return refuse("it is longer than 512 bytes");
    }
    let mut names = path.split('/');
    if !names.next().is_some_and(|folder| FOLDERS.contains(&folder)) {
        return refuse("it lies in none of these folders");
    }
    let mut below = 0;
    for name in names {
        below += 1;
        match name {
            "" => return refuse("a name in it is empty"),
            "." | ".." => return refuse("it leads out of its folder"),
            _ if name.starts_with('.') => return refuse("a name in it is hidden"),
            _ if name.len() > NAME_BYTES_MAX => return refuse("a name in it is longer than 200 bytes"),
            _ if name.contains('\\') || name.chars().any(char::is_control) => {
                return refuse("a name in it has `\\` or a control character");
            }
            _ => {}
        }
    }
    if below == 0 { refuse("it names a folder") } else { Ok(()) }
}

#[expect(clippy::ref_option, reason = "serde hands over the field")]
fn write_time<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(model::time::rfc3339).serialize(serializer)
}

fn read_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    text.parse().map(Some).map_err(|_| de::Error::custom("a time is RFC 3339 with an offset"))
}
