//! An evidence bundle: everything about one case in one ZIP, readable by a person and checkable by a program.

use std::cell::Cell;
use std::io::{self, Write};

use flate2::Compression;
use flate2::write::DeflateEncoder;
use journal::Hash;
use rawzip::time::UtcDateTime;
use rawzip::{CompressionMethod, ErrorKind, ZipArchiveWriter};
use serde::Serialize;

use super::digest::Digesting;
use super::{About, ExportError, FORM, Found, Log, Logs, SourceError, Written, csv, ndjson, report, words};

/// The most bytes that the files of a bundle have together, unpacked. A reader stops there, so nobody can fill its
/// memory or disk with a small file.
pub const BUNDLE_BYTES_MAX: u64 = 256 << 20;

#[derive(Serialize)]
struct Manifest<'a> {
    bundle: &'static str,
    made_at: String,
    made_by: &'a str,
    reason: &'a str,
    case: &'a str,
    entries: u64,
    files: Vec<Listed>,
}

#[derive(Serialize)]
struct Listed {
    name: String,
    size: u64,
    sha256: Hash,
}

/// Writes an evidence bundle for a case (`application/zip`).
///
/// `found` gives the entries of the case, and is asked three times: for the lines, the table and the report. Holds
/// one entry at a time, and goes forward only, so it can be sent while it is written.
///
/// # Errors
/// As [`ndjson`]; also when the entries are others the second time, or there are more than a bundle is for.
pub fn bundle<I>(out: impl Write, about: &About, case: &str, logs: &Logs, mut found: impl FnMut() -> I) -> Result<Written, ExportError>
where
    I: IntoIterator<Item = Result<Found, SourceError>>,
{
    let mut out = Digesting::new(out);
    let mut files = Files { zip: ZipArchiveWriter::new(&mut out), made_at: about.made_at.as_second(), listed: Vec::new(), bytes: 0 };
    files.add("README.txt", |file| Ok(file.write_all(words::readme(case).as_bytes())?))?;
    let entries = files.add("entries.ndjson", |file| ndjson(file, about, logs, found()))?.entries;
    let rows = files.add("entries.csv", |file| csv(file, logs, found()))?.entries;
    for (origin, log) in &logs.0 {
        files.add(&format!("checkpoints/{origin}.txt"), |file| Ok(file.write_all(log.head.note().as_bytes())?))?;
    }
    files.add("keys.txt", |file| write_keys(file, logs))?;
    let shown = files.add("report.html", |file| report::write(file, about, case, logs, found()))?;
    if rows != entries || shown != entries {
        return Err(ExportError::Changed);
    }
    let manifest = Manifest {
        bundle: FORM,
        made_at: model::time::rfc3339(about.made_at),
        made_by: &about.made_by,
        reason: &about.reason,
        case,
        entries,
        files: std::mem::take(&mut files.listed),
    };
    let manifest = serde_json::to_string_pretty(&manifest).map_err(io::Error::from)? + "\n";
    files.add("manifest.json", |file| Ok(file.write_all(manifest.as_bytes())?))?;
    files.zip.finish().map_err(zip_error)?;
    out.flush()?;
    Ok(Written { entries, bytes: out.bytes(), sha256: out.sha256() })
}

/// Claimed keys. The sentences before them are no comments of a key file, so that nobody trusts this one by mistake.
fn write_keys(file: &mut dyn Write, logs: &Logs) -> Result<(), ExportError> {
    writeln!(file, "{}", words::KEYS)?;
    for Log { key, .. } in logs.0.values() {
        writeln!(file, "{key}")?;
    }
    Ok(())
}

/// The files of a bundle as they are written.
struct Files<W> {
    zip: ZipArchiveWriter<W>,
    /// Unix seconds.
    made_at: i64,
    listed: Vec<Listed>,
    bytes: u64,
}

impl<W: Write> Files<W> {
    fn add<T>(&mut self, name: &str, write: impl FnOnce(&mut dyn Write) -> Result<T, ExportError>) -> Result<T, ExportError> {
        let file = self.zip.new_file(name).compression_method(CompressionMethod::DEFLATE);
        let file = file.last_modified(UtcDateTime::from_unix(self.made_at)).unix_permissions(0o644);
        let (mut file, config) = file.start().map_err(zip_error)?;
        let mut data = config.wrap(DeflateEncoder::new(&mut file, Compression::default()));
        let full = Cell::new(false);
        let limited = Limited { out: &mut data, room: BUNDLE_BYTES_MAX - self.bytes, full: &full };
        let mut digesting = Digesting::new(limited);
        let written = write(&mut digesting).map_err(|error| if full.get() { ExportError::BundleTooLarge } else { error })?;
        let listed = Listed { name: name.to_owned(), size: digesting.bytes(), sha256: digesting.sha256() };
        let (encoder, descriptor) = data.finish().map_err(zip_error)?;
        encoder.finish()?;
        file.finish(descriptor).map_err(zip_error)?;
        self.bytes += listed.size;
        self.listed.push(listed);
        Ok(written)
    }
}

fn zip_error(error: rawzip::Error) -> ExportError {
    ExportError::Output(match error.into_kind() {
        ErrorKind::IO(error) => error,
        other => io::Error::other(other.to_string()),
    })
}

/// Takes so many bytes and no more.
struct Limited<'a, W> {
    out: W,
    room: u64,
    full: &'a Cell<bool>,
}

impl<W: Write> Write for Limited<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() as u64 > self.room {
            self.full.set(true);
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let written = self.out.write(bytes)?;
        self.room -= written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
