//! Evidence bundles: docs/journal-format.md, "Exports", "Evidence bundle".
//!
//! A ZIP file can show two programs two contents: a name twice, other names inside than in its directory, parts that
//! lie over each other. Whatever is not one plain list of plain files is refused.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader, Read, Seek};

use flate2::read::DeflateDecoder;
use rawzip::{CompressionMethod, RECOMMENDED_BUFFER_SIZE, ReaderAt, ZipArchive, ZipArchiveEntryWayfinder};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::{Export, FORM, LOGS_MAX, ndjson, table};
use crate::checkpoint::Checkpoint;
use crate::encoding::{self, base64_of};
use crate::malformed::{Malformed, Rule};
use crate::note::NOTE_BYTES_MAX;

/// The most bytes that are unpacked of one bundle, whatever it says of itself.
pub const BUNDLE_BYTES_MAX: u64 = 256 << 20;
/// The most files in it: those of every bundle, and a checkpoint of each log.
const FILES_MAX: usize = LOGS_MAX + 16;
/// The longest name of a file.
const NAME_BYTES_MAX: usize = 512;
/// The longest manifest.
const MANIFEST_BYTES_MAX: u64 = 1024 * 1024;

const MANIFEST: &str = "manifest.json";
const LINES: &str = "entries.ndjson";
const TABLE: &str = "entries.csv";
/// What every bundle has.
const ALWAYS: [&str; 5] = [LINES, TABLE, "keys.txt", "report.html", "README.txt"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    bundle: String,
    #[serde(rename = "made_at")]
    _made_at: String,
    #[serde(rename = "made_by")]
    _made_by: String,
    #[serde(rename = "reason")]
    _reason: String,
    #[serde(rename = "case")]
    _case: String,
    entries: u64,
    files: Vec<Listed>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    name: String,
    size: u64,
    sha256: String,
}

/// A file of the archive.
struct Member {
    place: ZipArchiveEntryWayfinder,
    method: CompressionMethod,
}

/// Reads a bundle. An error of the reader is told as a fault of the file it happened in.
pub(crate) fn read(reader: impl Read + Seek) -> Export {
    let mut export = Export::default();
    let mut buffer = vec![0; RECOMMENDED_BUFFER_SIZE];
    let opened = ZipArchive::from_seekable(reader, &mut buffer).map_err(|error| not_zip(&error));
    let opened = opened.and_then(|archive| Bundle::open(archive, &mut buffer, &mut export));
    if let Err(broken) = opened.and_then(|mut bundle| bundle.read(&mut export)) {
        export.faults.add(broken);
    }
    export
}

fn not_zip(error: &rawzip::Error) -> Malformed {
    Malformed::new("zip", Rule::Zip { detail: encoding::visible(&error.to_string()) })
}

struct Bundle<R> {
    archive: ZipArchive<R>,
    members: BTreeMap<String, Member>,
    /// Bytes that may still be unpacked.
    room: u64,
}

impl<R: ReaderAt> Bundle<R> {
    /// Reads the archive's directory.
    fn open(archive: ZipArchive<R>, buffer: &mut [u8], export: &mut Export) -> Result<Self, Malformed> {
        let broken = |error: rawzip::Error| not_zip(&error);
        let mut members = BTreeMap::new();
        let mut ranges = Vec::new();
        let mut entries = archive.entries(buffer);
        let mut local = vec![0; RECOMMENDED_BUFFER_SIZE];
        let mut count = 0_u64;
        while let Some(entry) = entries.next_entry().map_err(broken)? {
            count += 1;
            if ranges.len() >= FILES_MAX {
                return Err(Malformed::new("zip", Rule::TooMany { max: FILES_MAX }));
            }
            let path = entry.file_path();
            let name = std::str::from_utf8(path.as_bytes()).ok().filter(|name| name.len() <= NAME_BYTES_MAX).map(str::to_owned);
            let name = name.ok_or_else(|| Malformed::new("zip", Rule::FileName))?;
            if entry.is_dir() || entry.flags().is_encrypted() {
                return Err(Malformed::new(name, Rule::NotPlainFile));
            }
            let member = Member { place: entry.wayfinder(), method: entry.compression_method() };
            let found = archive.get_entry(member.place).map_err(broken)?;
            // A program that reads from the front goes by the names before the files, others by the directory.
            let header = found.local_header(&mut local).map_err(broken)?;
            if header.file_path().as_bytes() != name.as_bytes() || header.compression_method() != member.method {
                export.faults.add(Malformed::new(name.as_str(), Rule::TwoNames));
            }
            ranges.push((entry.local_header_offset(), found.compressed_data_range().1));
            if members.insert(name.clone(), member).is_some() {
                export.faults.add(Malformed::new(name, Rule::TwiceInZip));
            }
        }
        ranges.sort_unstable();
        if count != archive.entries_hint() || ranges.windows(2).any(|pair| pair[0].1 > pair[1].0) {
            return Err(Malformed::new("zip", Rule::ZipOverlap));
        }
        Ok(Self { archive, members, room: BUNDLE_BYTES_MAX })
    }

    fn read(&mut self, export: &mut Export) -> Result<(), Malformed> {
        let manifest = self.manifest()?;
        let mut listed: BTreeMap<String, Listed> = BTreeMap::new();
        for file in manifest.files {
            if let Some(twice) = listed.insert(file.name.clone(), file) {
                export.faults.add(Malformed::new(format!("{MANIFEST}.{}", twice.name), Rule::TwiceInManifest));
            }
        }
        for name in self.members.keys().filter(|name| *name != MANIFEST && !listed.contains_key(*name)) {
            export.faults.add(Malformed::new(name.as_str(), Rule::NotListed));
        }
        let missing: BTreeSet<&str> =
            listed.keys().map(String::as_str).chain(ALWAYS).filter(|name| !self.members.contains_key(*name)).collect();
        for name in missing {
            export.faults.add(Malformed::new(name, Rule::Missing));
        }
        let faults = std::mem::take(&mut export.faults);

        let lines = self.file(LINES, listed.get(LINES), |file| ndjson::read(BufReader::new(file)))?;
        *export = lines.value.unwrap_or_default();
        let own = std::mem::replace(&mut export.faults, faults);
        export.faults.add_within(LINES, own);
        lines.broken.into_iter().for_each(|broken| export.faults.add(broken));
        if manifest.entries != export.entries {
            export.faults.add(Malformed::new(format!("{MANIFEST}.entries"), Rule::Count { found: export.entries }));
        }
        self.read_table(listed.get(TABLE), export)?;
        self.read_checkpoints(&listed, export)?;
        // What people read is compared with the manifest and no more: nothing in it is proven.
        let done = |name: &str| [LINES, TABLE, MANIFEST].contains(&name) || name.starts_with("checkpoints/");
        let rest: Vec<String> = self.members.keys().filter(|name| !done(name)).cloned().collect();
        for name in rest {
            let read = self.file(&name, listed.get(&name), |_| Ok(()))?;
            read.broken.into_iter().for_each(|broken| export.faults.add(broken));
        }
        Ok(())
    }

    fn manifest(&mut self) -> Result<Manifest, Malformed> {
        if !self.members.contains_key(MANIFEST) {
            return Err(Malformed::new(MANIFEST, Rule::Missing));
        }
        let read = self.file(MANIFEST, None, |file| {
            let mut text = String::new();
            file.take(MANIFEST_BYTES_MAX).read_to_string(&mut text).map(|_| text)
        })?;
        let text = read.value.ok_or_else(|| read.broken.unwrap_or_else(|| Malformed::new(MANIFEST, Rule::NotUtf8)))?;
        let manifest: Manifest = crate::receipt::object(MANIFEST, &text)?;
        if manifest.bundle != FORM {
            return Err(Malformed::new(format!("{MANIFEST}.bundle"), Rule::ExportForm));
        }
        Ok(manifest)
    }

    fn read_table(&mut self, listed: Option<&Listed>, export: &mut Export) -> Result<(), Malformed> {
        let checkpoints: Vec<Checkpoint> = export.proven.iter().map(|under| under.checkpoint.clone()).collect();
        let rows = self.file(TABLE, listed, |file| table::read(file, &checkpoints))?;
        rows.broken.into_iter().for_each(|broken| export.faults.add(broken));
        let Some(rows) = rows.value else { return Ok(()) };
        if (rows.entries, rows.digest) != (export.entries, export.digest) {
            export.faults.add(Malformed::new(TABLE, Rule::NotTheLines));
        }
        export.faults.add_within(TABLE, rows.faults);
        Ok(())
    }

    fn read_checkpoints(&mut self, listed: &BTreeMap<String, Listed>, export: &mut Export) -> Result<(), Malformed> {
        let wanted: BTreeMap<String, String> =
            export.notes.iter().map(|(origin, note)| (format!("checkpoints/{origin}.txt"), note.clone())).collect();
        for name in wanted.keys().filter(|name| !self.members.contains_key(*name)) {
            export.faults.add(Malformed::new(name.as_str(), Rule::Missing));
        }
        let names: Vec<String> = self.members.keys().filter(|name| name.starts_with("checkpoints/")).cloned().collect();
        for name in names {
            let read = self.file(&name, listed.get(&name), |file| {
                let mut note = Vec::new();
                file.take(NOTE_BYTES_MAX as u64).read_to_end(&mut note).map(|_| note)
            })?;
            read.broken.into_iter().for_each(|broken| export.faults.add(broken));
            if read.value.is_some_and(|note| wanted.get(&name).is_none_or(|wanted| wanted.as_bytes() != note)) {
                export.faults.add(Malformed::new(name, Rule::NotTheLines));
            }
        }
        Ok(())
    }

    /// Unpacks a file through a reader, and compares it with the manifest where that lists it.
    ///
    /// # Errors
    /// When it would take more room than a bundle may: then nothing more is unpacked.
    fn file<T>(
        &mut self,
        name: &str,
        listed: Option<&Listed>,
        read: impl FnOnce(&mut dyn Read) -> io::Result<T>,
    ) -> Result<Unpacked<T>, Malformed> {
        let Some(member) = self.members.get(name) else { return Ok(Unpacked { value: None, broken: None }) };
        let zip = |detail: String| Malformed::new(name, Rule::Zip { detail: encoding::visible(&detail) });
        let entry = match self.archive.get_entry(member.place) {
            Ok(entry) => entry,
            Err(error) => return Ok(Unpacked { value: None, broken: Some(zip(error.to_string())) }),
        };
        let packed: Box<dyn Read + '_> = match member.method {
            CompressionMethod::STORE => Box::new(entry.reader()),
            CompressionMethod::DEFLATE => Box::new(DeflateDecoder::new(entry.reader())),
            _ => return Ok(Unpacked { value: None, broken: Some(Malformed::new(name, Rule::NotPlainFile)) }),
        };
        let full = Cell::new(false);
        let mut metered = Metered { file: entry.verifying_reader(packed), room: self.room, sha256: Sha256::new(), bytes: 0, full: &full };
        // Whoever reads may stop early, at a fault; the rest counts for size and hash.
        let value = read(&mut metered).and_then(|value| io::copy(&mut metered, &mut io::sink()).map(|_| value));
        let Metered { room, sha256, bytes, .. } = metered;
        self.room = room;
        if full.get() {
            let bytes_max = usize::try_from(BUNDLE_BYTES_MAX).unwrap_or(usize::MAX);
            return Err(Malformed::new(name, Rule::TooLong { bytes_max }));
        }
        let value = match value {
            Ok(value) => value,
            Err(error) => return Ok(Unpacked { value: None, broken: Some(zip(error.to_string())) }),
        };
        let is_listed = |listed: &Listed| listed.size == bytes && listed.sha256 == base64_of(&sha256.finalize());
        let broken = listed.is_some_and(|listed| !is_listed(listed)).then(|| Malformed::new(name, Rule::NotAsListed));
        Ok(Unpacked { value: Some(value), broken })
    }
}

/// What came of unpacking a file.
struct Unpacked<T> {
    value: Option<T>,
    broken: Option<Malformed>,
}

/// Counts and hashes what is unpacked, and stops where a bundle is full.
struct Metered<'a, R> {
    file: R,
    room: u64,
    sha256: Sha256,
    bytes: u64,
    full: &'a Cell<bool>,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        let Some(room) = self.room.checked_sub(read as u64) else {
            self.full.set(true);
            return Err(io::ErrorKind::FileTooLarge.into());
        };
        self.room = room;
        self.bytes += read as u64;
        self.sha256.update(&buffer[..read]);
        Ok(read)
    }
}
