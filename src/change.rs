//! Change control (Decree 634, 3.4, 6.2.5, 5.0.14): contracts, mappings and grants change as *bundles*. A bundle is a
//! folder with all data files, the documents that ground the change, and a `manifest` that names each of them by its
//! hash and is signed by two persons. What is active is named by a pointer file; only the gateway writes that, and only
//! once the activation is durable in the journal.
//!
//! - `change/manifest.rs`: what is signed. Pure.
//! - `change/bundle.rs`: a bundle's folder against its manifest, and its signatures.
//! - `change/bundles.rs`: the folder of all bundles: which is active, which comes next, how they follow each other.
//! - `change/making.rs`: making a bundle.
//! - `change/difference.rs`: what a change does, in words, found out by asking the policy.

pub mod bundle;
pub mod bundles;
pub mod difference;
pub mod making;
pub mod manifest;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;

pub use self::bundle::{Bundle, Differing, Signer, Signers};
pub use self::bundles::{Bundles, Pointer};
pub use self::manifest::{Digest, Document, Listed, Manifest};

/// Why a bundle is not taken. Each says what is wrong, where, and what to do; none repairs anything.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A file or folder cannot be read or written.
    #[error("{path} cannot be read or written")]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The folder has no manifest.
    #[error("{0} has no `manifest`; name the folder that `qovsaq bundle make` wrote")]
    NoManifest(PathBuf),
    /// A file is larger than it may be.
    #[error("{path} has more than {bytes_max} bytes, which is the most that is accepted")]
    TooLarge {
        /// Which, as the manifest names it.
        path: String,
        /// The bound.
        bytes_max: u64,
    },
    /// More files than a bundle may hold.
    #[error("the bundle holds more than {0} files, which is the most that is accepted")]
    TooManyFiles(usize),
    /// The manifest is no signed note.
    #[error("the manifest is not a text with an empty line and its signatures behind it (C2SP signed-note); make it anew")]
    NotANote,
    /// The signed text is no manifest.
    #[error("the manifest is not of the accepted form: {0}; make it anew with `qovsaq bundle make`")]
    Malformed(String),
    /// The same could be written in another way than it is.
    #[error("the manifest is not written as `qovsaq bundle make` writes it; make it anew")]
    NotCanonical,
    /// A member's value breaks a rule.
    #[error("the manifest's `{member}` is not accepted; accepted: {accepted}")]
    Member {
        /// Which.
        member: &'static str,
        /// What is accepted.
        accepted: &'static str,
    },
    /// The change is not grounded (6.2.5).
    #[error("the change has no document; a change is grounded by a document with reference, date and file (Decree 634, 6.2.5)")]
    NoDocument,
    /// The document's file is not there.
    #[error("the document {0} is not in the bundle; put the file back or make the bundle anew")]
    DocumentMissing(String),
    /// The document is another than the signed one.
    #[error("the document {0} is not the one that was signed: its SHA-256 differs; put the signed file back")]
    DocumentAltered(String),
    /// A path that leads elsewhere, or could.
    #[error("the path {path:?} is not accepted: {why}; accepted are paths below contracts/, mappings/ and documents/")]
    Path {
        /// As the manifest has it.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A link in the place of a file or folder.
    #[error("{0} is a symbolic link or no ordinary file; a bundle holds ordinary files alone")]
    NotAFile(String),
    /// A name that is no UTF-8.
    #[error("a name below {0} is not UTF-8; rename the file")]
    NotUtf8(String),
    /// A file that is listed and not there.
    #[error("{0} is in the manifest and not in the folder; put it back or make the bundle anew")]
    FileMissing(String),
    /// A file that is another than the signed one.
    #[error("{0} was altered after signing: its SHA-256 differs from the manifest's; put the signed file back")]
    FileAltered(String),
    /// A file that nobody has signed.
    #[error("{0} is in the folder and not in the manifest; remove it or make the bundle anew")]
    FileUnlisted(String),
    /// Fewer signatures than two.
    #[error("the manifest has {0} signature(s); two different persons sign (Decree 634, 3.4): `qovsaq bundle sign`")]
    TooFewSigners(usize),
    /// One person has signed twice.
    #[error("{0} has signed more than once; two different persons sign (Decree 634, 3.4)")]
    SameSigner(String),
    /// A signature of somebody whom the configuration does not name.
    #[error("{0} is no signer of this deployment; accepted are those under `change.signers`")]
    UnknownSigner(String),
    /// A signature of somebody who signs no more.
    #[error("{0} is a former signer; a new bundle is signed by present ones")]
    FormerSigner(String),
    /// A signature that does not hold for this text.
    #[error("the signature of {0} does not hold: the manifest was altered after signing, or another key signed it; sign it anew")]
    Signature(String),
    /// Older than the active one, or the same.
    #[error("the bundle's sequence is {found} and {active} is active; a bundle follows the active one: its sequence is {}", .active + 1)]
    NotNewer {
        /// The bundle's.
        found: u64,
        /// The active one's.
        active: u64,
    },
    /// A bundle in between is missing.
    #[error("the bundle's sequence is {found} and {expected} comes next; a bundle in between is missing")]
    Gap {
        /// The bundle's.
        found: u64,
        /// What comes next.
        expected: u64,
    },
    /// It was made after another bundle than the active one.
    #[error("the bundle names another predecessor than the bundle before it; make it anew upon that one")]
    Predecessor,
    /// A folder of the bundles' whose number is not its bundle's.
    #[error("the folder {folder} holds the bundle {sequence}; the folder's name is the bundle's number")]
    WrongFolder {
        /// The folder.
        folder: PathBuf,
        /// The number in the manifest.
        sequence: u64,
    },
    /// There is another one in its place.
    #[error("{0} is there already and holds another bundle that is not active yet; remove it if this one is to come instead")]
    PlaceTaken(PathBuf),
    /// The pointer file cannot be understood.
    #[error("the pointer file {0} is not of the accepted form; write back what the journal's last `bundle-activated` says")]
    Pointer(PathBuf),
    /// The bundle in the place that the pointer names is another one.
    #[error("the pointer names the bundle {named} and {folder} holds another; put the activated bundle back")]
    NotTheActive {
        /// The hash in the pointer.
        named: String,
        /// Where the bundle should be.
        folder: PathBuf,
    },
    /// There is no such bundle.
    #[error("there is no bundle {0}; `qovsaq bundle history` lists them")]
    NoBundle(u64),
    /// Nothing is active and nothing lies ready.
    #[error(
        "no bundle is active in {0} and none lies ready; make the first one (`qovsaq bundle make`), sign it twice and place it with `qovsaq bundle activate`"
    )]
    NoneReady(PathBuf),
}

impl BundleError {
    fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        |source| Self::Io { path, source }
    }
}
