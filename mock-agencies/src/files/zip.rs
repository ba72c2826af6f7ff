//! ZIP archives with a list of checksums.

use std::fmt::Write as _;
use std::io::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use flate2::Compression;
use flate2::write::DeflateEncoder;
use rawzip::{CompressionMethod, ZipArchiveWriter};

use super::FileFault;

/// Bytes that the part of [`FileFault::ZipBomb`] unpacks to.
const BOMB_BYTES: usize = 100 << 20;

pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) bytes: Vec<u8>,
}

/// Packs parts and their list.
pub(super) fn archive(mut parts: Vec<Part>, fault: Option<FileFault>) -> Vec<u8> {
    match fault {
        Some(FileFault::ZipBomb) => {
            if let Some(part) = parts.first_mut() {
                part.bytes.resize(BOMB_BYTES, b'\n');
            }
        }
        Some(FileFault::ForeignPart) => parts.push(Part { name: "../../evil.csv", bytes: b"TEST".to_vec() }),
        _ => {}
    }
    let mut sums = String::new();
    for part in &parts {
        let hash = digest(&SHA256, &part.bytes);
        let hex = hash.as_ref().iter().fold(String::new(), |mut hex, byte| {
            // Writing to a String cannot fail.
            write!(hex, "{byte:02x}").unwrap_or_default();
            hex
        });
        writeln!(sums, "{hex}  {}", part.name).unwrap_or_default();
    }
    if fault == Some(FileFault::WrongSum)
        && let Some(part) = parts.first_mut()
    {
        part.bytes.extend_from_slice(b"\r\n");
    }
    parts.push(Part { name: "SHA256SUMS", bytes: sums.into_bytes() });
    // Writing to memory cannot fail.
    pack(&parts).unwrap_or_default()
}

fn pack(parts: &[Part]) -> Result<Vec<u8>, rawzip::Error> {
    let mut out = Vec::new();
    let mut archive = ZipArchiveWriter::new(&mut out);
    for part in parts {
        let (mut entry, config) = archive.new_file(part.name).compression_method(CompressionMethod::DEFLATE).start()?;
        let mut writer = config.wrap(DeflateEncoder::new(&mut entry, Compression::default()));
        writer.write_all(&part.bytes)?;
        let (encoder, descriptor) = writer.finish()?;
        encoder.finish()?;
        entry.finish(descriptor)?;
    }
    archive.finish()?;
    Ok(out)
}
