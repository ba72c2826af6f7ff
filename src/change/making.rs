//! Making a bundle, and signing it.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::Date;
use journal::{Origin, SignedText, SigningKey};

use super::BundleError;
use super::bundle::{Bundle, MANIFEST, digest_of, files_below};
use super::bundles::{Pointer, copy_files, write};
use super::manifest::{Document, Listed, Manifest, Reason, check_path};

/// What a bundle is made of.
#[derive(Debug)]
pub struct Making<'a> {
    /// Folder of contracts.
    pub contracts: &'a Path,
    /// Folder of mappings.
    pub mappings: &'a Path,
    /// The file of the document that grounds the change.
    pub document: &'a Path,
    /// What it is cited by.
    pub reference: String,
    /// Its date.
    pub date: Date,
    /// What is changed and why.
    pub note: String,
    /// The demand it answers.
    pub requirement: Option<String>,
    /// From when it is to be in force.
    pub effective_from: Option<Timestamp>,
    /// The earlier bundle whose data it brings back.
    pub restores: Option<u64>,
}

/// Makes an unsigned bundle that follows `after` in a folder that does not exist yet.
///
/// # Errors
/// A file that a bundle cannot hold, a member that breaks a rule, or what cannot be read or written.
pub fn make(making: Making<'_>, after: Option<Pointer>, out: &Path) -> Result<Bundle, BundleError> {
    if out.exists() {
        return Err(BundleError::PlaceTaken(out.to_path_buf()));
    }
    let file_name = making.document.file_name().and_then(|name| name.to_str());
    let Some(file_name) = file_name else { return Err(BundleError::NotUtf8(making.document.display().to_string())) };
    let document_path = format!("documents/{file_name}");
    let mut sources: Vec<(String, PathBuf)> = vec![(document_path.clone(), making.document.to_path_buf())];
    for (label, folder) in [("contracts", making.contracts), ("mappings", making.mappings)] {
        for path in files_below(folder, label)? {
            let below = path.strip_prefix(label).unwrap_or_default().trim_start_matches('/');
            sources.push((path.clone(), folder.join(below)));
        }
    }
    let mut files = Vec::with_capacity(sources.len());
    for (path, source) in &sources {
        check_path(path)?;
        files.push(Listed { path: path.clone(), sha256: digest_of(source, path)? });
    }
    let sha256 = files[0].sha256;
    let reason = Reason {
        document: Document { reference: making.reference, date: making.date, path: document_path, sha256 },
        note: making.note,
        requirement: making.requirement,
        effective_from: making.effective_from,
        restores: making.restores,
    };
    let (sequence, predecessor) = after.map_or((1, None), |after| (after.sequence + 1, Some(after.bundle)));
    let manifest = Manifest::new(sequence, predecessor, reason, files)?;
    let made = (|| {
        for (path, source) in &sources {
            let from = source.parent().unwrap_or(Path::new("."));
            let target = out.join(path);
            let to = target.parent().unwrap_or(out);
            let name = source.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            copy_files(std::iter::once(name), from, to)?;
        }
        write(&out.join(MANIFEST), format!("{}\n", manifest.text()).as_bytes())?;
        let bundle = Bundle::open(out)?;
        // A file that changed between its hash and its copy shows here.
        bundle.check_files()?;
        Ok(bundle)
    })();
    if made.is_err() && out.is_dir() {
        fs::remove_dir_all(out).unwrap_or_default();
    }
    made
}

/// Adds a signature to a bundle's manifest, once its files are found to be those that are signed.
///
/// # Errors
/// When the bundle is not whole, this name has signed it already, or the manifest cannot be written.
pub fn sign(dir: &Path, name: &Origin, key: &SigningKey) -> Result<Bundle, BundleError> {
    let bundle = Bundle::open(dir)?;
    bundle.check_files()?;
    let note = SignedText::parse(&bundle.note).map_err(|_| BundleError::NotANote)?;
    if note.signatures.iter().any(|signature| signature.name == name.as_str()) {
        return Err(BundleError::SameSigner(name.to_string()));
    }
    let signed = format!("{}{}", bundle.note, key.sign_note(name, note.text));
    let working = dir.join(format!("{MANIFEST}.new"));
    write(&working, signed.as_bytes())?;
    fs::rename(&working, dir.join(MANIFEST)).map_err(BundleError::io(&working))?;
    Bundle::open(dir)
}
