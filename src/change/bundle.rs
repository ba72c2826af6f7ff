//! A bundle's folder against its manifest, and the manifest against the signers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use journal::{SignedText, VerifyingKey};
use serde::Serialize;

use super::BundleError;
use super::manifest::{Digest, FILES_MAX, FOLDERS, Listed, MANIFEST_BYTES_MAX, Manifest};

/// Largest data file, in bytes: what is larger `qovsaq check` does not read.
const DATA_BYTES_MAX: u64 = model::document::FILE_BYTES_MAX;
/// Largest document, in bytes.
const DOCUMENT_BYTES_MAX: u64 = 32 << 20;
/// Name of the manifest's file.
pub const MANIFEST: &str = "manifest";
/// Persons who sign, at least (Decree 634, 3.4: every change has two identities).
pub const SIGNERS_MIN: usize = 2;
/// Signatures that are looked at, at most.
const SIGNATURES_MAX: usize = 16;

/// Who may sign bundles, by name.
pub type Signers = BTreeMap<String, Signer>;

/// One who may sign.
#[derive(Debug, Clone)]
pub struct Signer {
    /// His key.
    pub key: VerifyingKey,
    /// Signs no more; what he has signed before stays signed.
    pub former: bool,
}

/// Whether former signers count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// A bundle that is to become active: present signers alone.
    New,
    /// A bundle that has been active: those of then count too.
    Past,
}

/// A bundle whose manifest has been read. Its files and signatures are another matter: [`Self::check_files`],
/// [`Self::signed_by`].
#[derive(Debug, Clone)]
pub struct Bundle {
    /// Its folder.
    pub dir: PathBuf,
    /// What is signed.
    pub manifest: Manifest,
    /// SHA-256 of the signed text: the bundle's hash, the `configuration` of every journal entry.
    pub hash: Digest,
    /// The manifest's file as it is, signatures included.
    pub note: String,
}

/// A file that is not as the manifest has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Differing {
    /// Where it lies, or should.
    pub path: String,
    /// How it differs.
    pub what: How,
}

/// How a file differs from what is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// Other bytes.
    Altered,
    /// Not there.
    Missing,
    /// Not in the manifest.
    Added,
    /// A link, a name that is not UTF-8, or what cannot be read.
    Unreadable,
}

impl Bundle {
    /// Reads the manifest.
    ///
    /// # Errors
    /// When there is none, or it is not of the accepted form.
    pub fn open(dir: &Path) -> Result<Self, BundleError> {
        let path = dir.join(MANIFEST);
        if !path.is_file() || path.is_symlink() {
            return Err(BundleError::NoManifest(dir.to_path_buf()));
        }
        let mut bytes = Vec::new();
        open(&path).and_then(|file| file.take(MANIFEST_BYTES_MAX + 1).read_to_end(&mut bytes)).map_err(BundleError::io(&path))?;
        if bytes.len() as u64 > MANIFEST_BYTES_MAX {
            return Err(BundleError::TooLarge { path: MANIFEST.to_owned(), bytes_max: MANIFEST_BYTES_MAX });
        }
        let note = String::from_utf8(bytes).map_err(|_| BundleError::NotUtf8(MANIFEST.to_owned()))?;
        let text = SignedText::parse(&note).map_err(|_| BundleError::NotANote)?.text;
        let manifest = Manifest::parse(text)?;
        let hash = Digest::of(text.as_bytes());
        Ok(Self { dir: dir.to_path_buf(), manifest, hash, note })
    }

    /// Whether the folder holds exactly the files of the manifest.
    ///
    /// # Errors
    /// The first that is missing, altered, added, linked or cannot be read.
    pub fn check_files(&self) -> Result<(), BundleError> {
        let found = walk(&self.dir)?;
        for listed in &self.manifest.files {
            let is_document = listed.path == self.manifest.document().path;
            if !found.contains(&listed.path) {
                let missing = if is_document { BundleError::DocumentMissing } else { BundleError::FileMissing };
                return Err(missing(listed.path.clone()));
            }
            if digest_of(&self.dir.join(&listed.path), &listed.path)? != listed.sha256 {
                let altered = if is_document { BundleError::DocumentAltered } else { BundleError::FileAltered };
                return Err(altered(listed.path.clone()));
            }
        }
        match found.into_iter().find(|path| self.manifest.listed(path).is_none()) {
            Some(unlisted) => Err(BundleError::FileUnlisted(unlisted)),
            None => Ok(()),
        }
    }

    /// Who has signed: two or more different persons, in the order of their signatures.
    ///
    /// # Errors
    /// When they are fewer, somebody has signed twice, is no signer (or no more, for a new bundle), or a signature does
    /// not hold.
    pub fn signed_by(&self, signers: &Signers, of: Of) -> Result<Vec<String>, BundleError> {
        let note = SignedText::parse(&self.note).map_err(|_| BundleError::NotANote)?;
        let mut names: Vec<String> = Vec::new();
        if note.signatures.len() > SIGNATURES_MAX {
            return Err(BundleError::NotANote);
        }
        for signature in &note.signatures {
            let name = signature.name;
            let Some(signer) = signers.get(name) else { return Err(BundleError::UnknownSigner(known_as(name))) };
            if names.iter().any(|earlier| earlier == name) {
                return Err(BundleError::SameSigner(name.to_owned()));
            }
            if !note.is_signed(signature, &signer.key) {
                return Err(BundleError::Signature(name.to_owned()));
            }
            if signer.former && of == Of::New {
                return Err(BundleError::FormerSigner(name.to_owned()));
            }
            names.push(name.to_owned());
        }
        if names.len() < SIGNERS_MIN { Err(BundleError::TooFewSigners(names.len())) } else { Ok(names) }
    }

    /// Every file that is not as the manifest has it, by path; more than a bundle may hold are not looked at.
    #[must_use]
    pub fn differing(&self) -> Vec<Differing> {
        let folders: Vec<_> = FOLDERS.iter().map(|folder| (*folder, self.dir.join(folder))).collect();
        differing(&self.manifest, &folders)
    }
}

/// The files of these folders, each in the place of one of the bundle's, that are not as the manifest has them.
#[must_use]
pub fn differing(manifest: &Manifest, folders: &[(&str, PathBuf)]) -> Vec<Differing> {
    let mut differing = BTreeSet::new();
    for (label, folder) in folders {
        let mut found = BTreeSet::new();
        let walked = list(folder, label, &mut |entry| match entry {
            Entry::File(path) => {
                found.insert(path);
                found.len() <= FILES_MAX
            }
            Entry::Strange(path) | Entry::NotUtf8(path) => {
                differing.insert(Differing { path, what: How::Unreadable });
                differing.len() <= FILES_MAX
            }
        });
        if walked.is_err() && folder.exists() {
            differing.insert(Differing { path: (*label).to_owned(), what: How::Unreadable });
        }
        let below = |path: &str| path.strip_prefix(label).is_some_and(|rest| rest.starts_with('/'));
        for Listed { path, sha256 } in manifest.files.iter().filter(|file| below(&file.path)) {
            let file = path.strip_prefix(label).map(|rest| folder.join(rest.trim_start_matches('/')));
            let what = match file.filter(|_| found.contains(path)).map(|file| digest_of(&file, path)) {
                None => How::Missing,
                Some(Ok(digest)) if digest == *sha256 => continue,
                Some(Ok(_)) => How::Altered,
                Some(Err(_)) => How::Unreadable,
            };
            differing.insert(Differing { path: path.clone(), what });
        }
        let added = found.into_iter().filter(|path| manifest.listed(path).is_none());
        differing.extend(added.map(|path| Differing { path, what: How::Added }));
    }
    differing.into_iter().collect()
}

/// Every file of a bundle's folder but the manifest, as the manifest would name it.
///
/// # Errors
/// When there is a link, a name that is not UTF-8, or something that is neither file nor folder, or too many files.
pub fn walk(dir: &Path) -> Result<BTreeSet<String>, BundleError> {
    for entry in std::fs::read_dir(dir).map_err(BundleError::io(dir))? {
        let entry = entry.map_err(BundleError::io(dir))?;
        match entry.file_name().to_str() {
            None => return Err(BundleError::NotUtf8(dir.display().to_string())),
            Some(MANIFEST) => {}
            Some(name) if FOLDERS.contains(&name) => {
                if entry.path().is_symlink() || !entry.path().is_dir() {
                    return Err(BundleError::NotAFile(name.to_owned()));
                }
            }
            Some(name) => return Err(BundleError::FileUnlisted(name.to_owned())),
        }
    }
    let mut files = BTreeSet::new();
    for folder in FOLDERS.iter().filter(|folder| dir.join(folder).is_dir()) {
        files.extend(files_below(&dir.join(folder), folder)?);
    }
    if files.len() > FILES_MAX { Err(BundleError::TooManyFiles(FILES_MAX)) } else { Ok(files) }
}

/// Every file below a folder, by its path with `label` in the folder's place.
///
/// # Errors
/// As [`walk`].
pub fn files_below(folder: &Path, label: &str) -> Result<BTreeSet<String>, BundleError> {
    let mut files = BTreeSet::new();
    let mut refused = None;
    list(folder, label, &mut |entry| {
        match entry {
            Entry::File(path) => {
                files.insert(path);
                if files.len() > FILES_MAX {
                    refused = Some(BundleError::TooManyFiles(FILES_MAX));
                }
            }
            Entry::Strange(path) => refused = Some(BundleError::NotAFile(path)),
            Entry::NotUtf8(below) => refused = Some(BundleError::NotUtf8(below)),
        }
        refused.is_none()
    })?;
    refused.map_or(Ok(files), Err)
}

enum Entry {
    File(String),
    /// A link, a socket or the like.
    Strange(String),
    /// A name that is no UTF-8, below this path.
    NotUtf8(String),
}

/// Goes through everything below a folder, without following links, as long as `take` says.
fn list(folder: &Path, label: &str, take: &mut impl FnMut(Entry) -> bool) -> Result<(), BundleError> {
    let mut folders = vec![(folder.to_path_buf(), label.to_owned())];
    while let Some((folder, path)) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(BundleError::io(&folder))? {
            let entry = entry.map_err(BundleError::io(&folder))?;
            // Of the entry itself: a link is not followed.
            let kind = entry.file_type().map_err(BundleError::io(entry.path()))?;
            let found = match entry.file_name().to_str() {
                None => Entry::NotUtf8(path.clone()),
                Some(name) if kind.is_dir() => {
                    folders.push((entry.path(), format!("{path}/{name}")));
                    if folders.len() > FILES_MAX {
                        return Err(BundleError::TooManyFiles(FILES_MAX));
                    }
                    continue;
                }
                Some(name) if kind.is_file() => Entry::File(format!("{path}/{name}")),
                Some(name) => Entry::Strange(format!("{path}/{name}")),
            };
            if !take(found) {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The SHA-256 of one file, which `path` names towards people.
///
/// # Errors
/// When it is a link, too large for what it is, or cannot be read.
pub fn digest_of(file: &Path, path: &str) -> Result<Digest, BundleError> {
    let bytes_max = if path.starts_with("documents/") { DOCUMENT_BYTES_MAX } else { DATA_BYTES_MAX };
    let mut reader = open(file).map_err(BundleError::io(file))?.take(bytes_max + 1);
    let mut context = digest::Context::new(&digest::SHA256);
    let (mut buffer, mut bytes) = (vec![0; 64 << 10], 0_u64);
    loop {
        let read = reader.read(&mut buffer).map_err(BundleError::io(file))?;
        let Some(chunk) = buffer.get(..read).filter(|chunk| !chunk.is_empty()) else { break };
        bytes += chunk.len() as u64;
        context.update(chunk);
    }
    if bytes > bytes_max {
        return Err(BundleError::TooLarge { path: path.to_owned(), bytes_max });
    }
    Ok(Digest::finish(&context.finish()))
}

/// Opens a file that is no link.
fn open(path: &Path) -> std::io::Result<File> {
    let no_follow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
    OpenOptions::new().read(true).custom_flags(no_follow).open(path)
}

/// A name from outside, as an error may repeat it.
fn known_as(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(64).collect()
}
