//! The folder of all bundles: each in a folder named by its number, and a pointer file that names the active one.
//!
//! The pointer is written by the gateway alone, after the activation is durable in the journal, into a working file that
//! is flushed and renamed: it names the old bundle or the new one, whole, at any moment. Bundles are never written to
//! once they are in place.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::BundleError;
use super::bundle::{Bundle, MANIFEST, Of, Signers};
use super::manifest::Digest;

/// Name of the pointer file.
const POINTER: &str = "active";
/// Longest pointer file, in bytes.
const POINTER_BYTES_MAX: u64 = 1024;

/// The bundles of a deployment and who may sign them.
#[derive(Debug, Clone)]
pub struct Bundles {
    /// Their folder.
    pub dir: PathBuf,
    /// Who may sign.
    pub signers: Signers,
}

/// What the pointer file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pointer {
    /// The active bundle's number.
    pub sequence: u64,
    /// Its hash.
    pub bundle: Digest,
}

impl Pointer {
    /// The pointer to a bundle.
    #[must_use]
    pub fn to(bundle: &Bundle) -> Self {
        Self { sequence: bundle.manifest.sequence, bundle: bundle.hash }
    }
}

/// A bundle in the row of all.
#[derive(Debug)]
pub struct Past {
    /// The bundle.
    pub bundle: Bundle,
    /// Who signed it.
    pub signers: Vec<String>,
}

impl Bundles {
    /// What the pointer names; none before the first activation.
    ///
    /// # Errors
    /// When the file cannot be read or understood.
    pub fn active(&self) -> Result<Option<Pointer>, BundleError> {
        let path = self.dir.join(POINTER);
        let mut text = String::new();
        match File::open(&path).and_then(|file| file.take(POINTER_BYTES_MAX).read_to_string(&mut text)) {
            Ok(_) => serde_json::from_str(&text).map(Some).map_err(|_| BundleError::Pointer(path)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(BundleError::io(path)(error)),
        }
    }

    /// The folder of a bundle.
    #[must_use]
    pub fn place_of(&self, sequence: u64) -> PathBuf {
        self.dir.join(format!("{sequence:06}"))
    }

    /// The bundle of this number, its manifest read.
    ///
    /// # Errors
    /// When there is none, or its manifest is another bundle's.
    pub fn get(&self, sequence: u64) -> Result<Bundle, BundleError> {
        let folder = self.place_of(sequence);
        if !folder.is_dir() {
            return Err(BundleError::NoBundle(sequence));
        }
        let bundle = Bundle::open(&folder)?;
        let sequence = bundle.manifest.sequence;
        if self.place_of(sequence) == folder { Ok(bundle) } else { Err(BundleError::WrongFolder { folder, sequence }) }
    }

    /// The bundle of this hash; the newest first, since most is asked about that.
    ///
    /// # Errors
    /// When the folder cannot be read. A bundle that cannot be read is passed over.
    pub fn by_hash(&self, hash: Digest) -> Result<Option<Bundle>, BundleError> {
        let numbers = self.numbers()?;
        Ok(numbers.into_iter().rev().filter_map(|sequence| self.get(sequence).ok()).find(|bundle| bundle.hash == hash))
    }

    /// The active bundle, every file and signature checked.
    ///
    /// # Errors
    /// When it is not the one that was activated, or not whole.
    pub fn pointed(&self, pointer: Pointer) -> Result<Bundle, BundleError> {
        let bundle = self.get(pointer.sequence)?;
        if bundle.hash != pointer.bundle {
            return Err(BundleError::NotTheActive { named: pointer.bundle.to_string(), folder: bundle.dir });
        }
        bundle.signed_by(&self.signers, Of::Past)?;
        bundle.check_files()?;
        Ok(bundle)
    }

    /// The bundle that lies ready to follow the active one, with those who signed it; none where nothing does.
    ///
    /// # Errors
    /// Why what lies there may not follow.
    pub fn next(&self, active: Option<Pointer>) -> Result<Option<(Bundle, Vec<String>)>, BundleError> {
        let after = active.map_or(0, |pointer| pointer.sequence);
        let Some(found) = self.numbers()?.into_iter().find(|sequence| *sequence > after) else { return Ok(None) };
        if found != after + 1 {
            return Err(BundleError::Gap { found, expected: after + 1 });
        }
        let bundle = self.get(found)?;
        let signers = self.admit(&bundle, active)?;
        Ok(Some((bundle, signers)))
    }

    /// Whether a bundle may follow the active one: its place in the row, its signatures, its files. Who signed it.
    ///
    /// # Errors
    /// Why not.
    pub fn admit(&self, bundle: &Bundle, active: Option<Pointer>) -> Result<Vec<String>, BundleError> {
        let (found, after) = (bundle.manifest.sequence, active.map_or(0, |pointer| pointer.sequence));
        if found <= after {
            return Err(BundleError::NotNewer { found, active: after });
        }
        if found != after + 1 {
            return Err(BundleError::Gap { found, expected: after + 1 });
        }
        if bundle.manifest.predecessor != active.map(|pointer| pointer.bundle) {
            return Err(BundleError::Predecessor);
        }
        let signers = bundle.signed_by(&self.signers, Of::New)?;
        bundle.check_files()?;
        Ok(signers)
    }

    /// Copies a bundle into its place, whole or not at all. What lies there already and is the same stays.
    ///
    /// # Errors
    /// When it may not follow, there is another in its place, or a file cannot be written.
    pub fn place(&self, bundle: &Bundle) -> Result<Bundle, BundleError> {
        self.admit(bundle, self.active()?)?;
        let place = self.place_of(bundle.manifest.sequence);
        if place.exists() {
            // Signatures may have been added since; the text is what counts.
            let there = self.get(bundle.manifest.sequence)?;
            return if there.hash == bundle.hash && there.check_files().is_ok() { Ok(there) } else { Err(BundleError::PlaceTaken(place)) };
        }
        fs::create_dir_all(&self.dir).map_err(BundleError::io(&self.dir))?;
        let working = self.dir.join(format!(".{}", uuid::Uuid::new_v4().simple()));
        let placed = self.copy(bundle, &working).and_then(|()| {
            // What was copied is what was checked, and no other since.
            let copy = Bundle::open(&working)?;
            self.admit(&copy, self.active()?)?;
            fs::rename(&working, &place).map_err(BundleError::io(&place))?;
            flush(&self.dir)
        });
        if placed.is_err() {
            // A working folder that stays is hidden and has no meaning.
            fs::remove_dir_all(&working).unwrap_or_default();
        }
        placed.and_then(|()| self.get(bundle.manifest.sequence))
    }

    fn copy(&self, bundle: &Bundle, to: &Path) -> Result<(), BundleError> {
        copy_files(bundle.manifest.files.iter().map(|file| &*file.path), &bundle.dir, to)?;
        write(&to.join(MANIFEST), bundle.note.as_bytes())?;
        flush(to)
    }

    /// Writes the pointer: the only step that makes a bundle active on disk. Atomic and flushed.
    ///
    /// # Errors
    /// When it cannot be written; the old one stands then.
    pub fn point(&self, pointer: Pointer) -> Result<(), BundleError> {
        let (path, working) = (self.dir.join(POINTER), self.dir.join(format!("{POINTER}.new")));
        let mut text = serde_json::to_string(&pointer).map_err(|error| BundleError::Malformed(error.to_string()))?;
        text.push('\n');
        write(&working, text.as_bytes())?;
        fs::rename(&working, &path).map_err(BundleError::io(&path))?;
        flush(&self.dir)
    }

    /// Every bundle from the first to the last, each following the one before, signed and whole, and the pointer at one
    /// of them: taking one after the other rebuilds what is active.
    ///
    /// # Errors
    /// The first that breaks the row, with its number.
    pub fn replay(&self) -> Result<Vec<Past>, (u64, BundleError)> {
        let numbers = self.numbers().map_err(|error| (1, error))?;
        let pointer = self.active().map_err(|error| (1, error))?;
        let mut row: Vec<Past> = Vec::with_capacity(numbers.len());
        for (sequence, expected) in numbers.into_iter().zip(1..) {
            let last = row.last().map(|past| Pointer::to(&past.bundle));
            let admitted = || {
                if sequence != expected {
                    return Err(BundleError::Gap { found: sequence, expected });
                }
                let bundle = self.get(sequence)?;
                if bundle.manifest.predecessor != last.map(|pointer| pointer.bundle) {
                    return Err(BundleError::Predecessor);
                }
                let signers = bundle.signed_by(&self.signers, Of::Past)?;
                bundle.check_files()?;
                Ok(Past { bundle, signers })
            };
            row.push(admitted().map_err(|error| (sequence, error))?);
        }
        if let Some(pointer) = pointer {
            let pointed = row.iter().find(|past| past.bundle.manifest.sequence == pointer.sequence);
            match pointed {
                None => return Err((pointer.sequence, BundleError::NoBundle(pointer.sequence))),
                Some(past) if past.bundle.hash != pointer.bundle => {
                    let folder = past.bundle.dir.clone();
                    return Err((pointer.sequence, BundleError::NotTheActive { named: pointer.bundle.to_string(), folder }));
                }
                Some(_) => {}
            }
        }
        Ok(row)
    }

    /// The numbers of the folders that bundles lie in, rising; working folders and the pointer are passed over.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn numbers(&self) -> Result<Vec<u64>, BundleError> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(BundleError::io(&self.dir))? {
            let entry = entry.map_err(BundleError::io(&self.dir))?;
            let name = entry.file_name();
            let digits = name.to_str().filter(|name| name.len() == 6 && name.bytes().all(|byte| byte.is_ascii_digit()));
            numbers.extend(digits.and_then(|digits| digits.parse::<u64>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }
}

/// Copies files by their paths from one folder into another, each flushed, and the folders they lie in.
///
/// # Errors
/// When one cannot be read or written.
pub(super) fn copy_files<'a>(paths: impl Iterator<Item = &'a str>, from: &Path, to: &Path) -> Result<(), BundleError> {
    let mut folders = std::collections::BTreeSet::from([to.to_path_buf()]);
    fs::create_dir_all(to).map_err(BundleError::io(to))?;
    for path in paths {
        let (source, target) = (from.join(path), to.join(path));
        let mut folder = target.parent();
        if let Some(parent) = folder {
            fs::create_dir_all(parent).map_err(BundleError::io(parent))?;
        }
        while let Some(parent) = folder.filter(|parent| parent.starts_with(to)) {
            folders.insert(parent.to_path_buf());
            folder = parent.parent();
        }
        fs::copy(&source, &target).map_err(BundleError::io(&source))?;
        File::open(&target).and_then(|file| file.sync_all()).map_err(BundleError::io(&target))?;
    }
    folders.iter().rev().try_for_each(|folder| flush(folder))
}

/// Writes a file and flushes it.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), BundleError> {
    let written = File::create(path).and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.map_err(BundleError::io(path))
}

fn flush(folder: &Path) -> Result<(), BundleError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(BundleError::io(folder))
}
