//! One file, read twice: hashed and verified, then read as rows.

use std::collections::HashSet;
use std::io::{self, Read};

use aws_lc_rs::digest::{self, Context, SHA256};
use jiff::Timestamp;

use crate::archive;
use crate::format::Format;
use crate::place::{Listed, Place};
use crate::refusal::{Refusal, Rule};
use crate::rows::{self, Ended, Row, Sink, Summary};
use crate::signature::{self, Signers};

/// Read at once, in bytes.
const CHUNK: usize = 64 << 10;

/// A file that was hashed, and verified where its source signs.
#[derive(Debug, Clone)]
pub struct Verified {
    /// The file.
    pub listed: Listed,
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
    /// Fingerprint of the key that signed it, where the source signs.
    pub signed_by: Option<String>,
}

/// Hashes a file, and checks what makes it the source's: whose signature lies beside it, where the source signs. Not a
/// byte of it is taken for data. Blocking.
///
/// # Errors
/// The refusal.
pub fn verify(place: &dyn Place, format: &Format, signers: Option<&Signers>, listed: &Listed, now: Timestamp) -> Result<Verified, Refusal> {
    let max = if format.archive.is_some() { format.limits.archive_bytes } else { format.limits.file_bytes };
    if listed.bytes > max {
        return Err(Refusal::new(Rule::TooLarge, format!("the file is larger than {max} bytes")));
    }
    // First, since it is small: a file whose signature has not come yet is not read at all.
    let signature = match (format.signed, signers) {
        (true, Some(signers)) => {
            let name = format!("{}{}", listed.name, signature::SUFFIX);
            Some((signers, signature::read_beside(place.open(&name))?))
        }
        (true, None) => return Err(Refusal::new(Rule::BadSignature, "no key of the source's is configured")),
        (false, _) => None,
    };
    let mut input = Hashing::new(open(place, listed)?, max);
    let signed_by = match &signature {
        Some((signers, signature)) => {
            let verified = signers.verify(signature, &mut input, now);
            // Bytes that could not be read are no signature of somebody else's.
            if let Some(failed) = input.failed.take() {
                return Err(failed);
            }
            Some(verified?)
        }
        None => None,
    };
    let mut chunk = vec![0; CHUNK];
    while input.read(&mut chunk).map_err(|error| read_failed(&error))? > 0 {}
    Ok(Verified { listed: listed.clone(), sha256: input.finish(), signed_by })
}

/// Reads the rows of a verified file. Blocking.
///
/// # Errors
/// The refusal, or the sink's own error. Whatever was given to the sink before is not data then.
pub fn read<S: Sink>(place: &dyn Place, format: &Format, verified: &Verified, sink: &mut S) -> Result<Summary, Ended<S::Error>> {
    let mut input = Hashing::new(open(place, &verified.listed)?, format.limits.file_bytes);
    let summary = match &format.archive {
        None => {
            let mut checks = Checks::new(format, sink);
            let summary = rows::read(&mut input, format, &mut checks)?;
            checks.end()?;
            summary
        }
        Some(parts) => {
            let mut bytes = Vec::new();
            let limit = format.limits.archive_bytes;
            (&mut input).take(limit + 1).read_to_end(&mut bytes).map_err(|error| read_failed(&error))?;
            // Before it is unpacked: an archive is small enough to be held.
            if digest::digest(&SHA256, &bytes).as_ref() != verified.sha256 {
                return Err(changed().into());
            }
            let mut checks = Checks::new(format, sink);
            let mut summary = Summary::default();
            for part in archive::unpack(&bytes, parts, &format.limits)? {
                let own = rows::read(&part[..], format, &mut checks)?;
                summary.rows += own.rows;
                summary.left_out += own.left_out;
                summary.not_utf8 += own.not_utf8;
                summary.undeclared_columns += own.undeclared_columns;
            }
            checks.end()?;
            summary
        }
    };
    if input.finish() != verified.sha256 {
        return Err(changed().into());
    }
    Ok(summary)
}

fn changed() -> Refusal {
    Refusal::new(Rule::Changed, "the file changed while it was read")
}

fn open(place: &dyn Place, listed: &Listed) -> Result<Box<dyn Read>, Refusal> {
    place.open(&listed.name).map_err(|error| read_failed(&error))
}

fn read_failed(error: &io::Error) -> Refusal {
    if error.kind() == io::ErrorKind::FileTooLarge {
        return Refusal::new(Rule::TooLarge, "the file has grown beyond the bound");
    }
    Refusal::io(error)
}

/// Hashes what goes through, and ends what grows beyond its bound.
struct Hashing<R> {
    inner: R,
    context: Context,
    left: u64,
    /// Why reading has failed, for whoever reads through somebody who does not say.
    failed: Option<Refusal>,
}

impl<R: Read> Hashing<R> {
    fn new(inner: R, max: u64) -> Self {
        Self { inner, context: Context::new(&SHA256), left: max, failed: None }
    }

    fn finish(self) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(self.context.finish().as_ref());
        hash
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut failed = |error: io::Error| {
            if error.kind() != io::ErrorKind::Interrupted {
                self.failed = Some(read_failed(&error));
            }
            error
        };
        let read = self.inner.read(buffer).map_err(&mut failed)?;
        let bytes = u64::try_from(read).unwrap_or(u64::MAX);
        let too_large = || io::Error::new(io::ErrorKind::FileTooLarge, "larger than the bound");
        self.left = self.left.checked_sub(bytes).ok_or_else(too_large).map_err(failed)?;
        self.context.update(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}

/// What all rows of a file must be together: a tree whose parents are all there, in whatever order they come.
struct Checks<'a, S> {
    format: &'a Format,
    sink: &'a mut S,
    codes: HashSet<Vec<u8>>,
    parents: HashSet<Vec<u8>>,
}

impl<'a, S: Sink> Checks<'a, S> {
    fn new(format: &'a Format, sink: &'a mut S) -> Self {
        Self { format, sink, codes: HashSet::new(), parents: HashSet::new() }
    }

    /// A child may come before its parent; that every parent is there shows only at the end.
    fn end(self) -> Result<(), Refusal> {
        if self.parents.is_subset(&self.codes) {
            return Ok(());
        }
        let count = self.parents.difference(&self.codes).count();
        Err(Refusal::new(Rule::Orphan, format!("{count} parents are named that are in no row")))
    }
}

impl<S: Sink> Sink for Checks<'_, S> {
    type Error = S::Error;

    fn row(&mut self, row: &Row<'_>) -> Result<(), S::Error> {
        if let Some(tree) = self.format.tree {
            // Within its version, and within the classifier that the identity names besides the code.
            let others = || {
                let others = self.format.identity.iter().filter(|column| **column != tree.code);
                others.flat_map(|column| row.cell(*column).iter().copied().chain([0]))
            };
            let of = |column: usize| others().chain(row.cell(column).iter().copied()).collect::<Vec<u8>>();
            self.codes.insert(of(tree.code));
            if !row.cell(tree.parent).is_empty() {
                self.parents.insert(of(tree.parent));
            }
        }
        self.sink.row(row)
    }
}
