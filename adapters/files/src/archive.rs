//! Archives of rows: every part listed with its checksum, everything bounded before it is unpacked.

use std::io::Read;

use aws_lc_rs::digest::{SHA256, digest};
use flate2::bufread::DeflateDecoder;
use rawzip::{CompressionMethod, ZipArchive};

use crate::format::{Archive, Limits};
use crate::refusal::{Refusal, Rule};

/// Longest list of checksums, in bytes.
const SUMS_BYTES_MAX: usize = 16 << 10;

/// Unpacks the parts with rows, in the format's order, each with the checksum that the archive lists for it.
///
/// # Errors
/// For what is no such archive: other parts than the format's, a part twice, a folder, an encrypted part, a checksum
/// that differs, or more bytes than the bounds allow.
pub fn unpack(bytes: &[u8], archive: &Archive, limits: &Limits) -> Result<Vec<Vec<u8>>, Refusal> {
    let broken = |detail: &'static str| Refusal::new(Rule::Archive, detail);
    let zip = ZipArchive::from_slice(bytes).map_err(|_| broken("not a ZIP archive, or cut off"))?;
    let mut sums: Option<Vec<u8>> = None;
    let mut parts: Vec<Option<Vec<u8>>> = vec![None; archive.parts.len()];
    let mut left = limits.unpacked_bytes;
    let mut seen = 0_usize;
    let mut entries = zip.entries();
    while let Some(entry) = entries.next_entry().map_err(|_| broken("its directory is broken"))? {
        seen += 1;
        if seen > limits.parts {
            return Err(Refusal::new(Rule::TooLarge, format!("the archive has more than {} parts", limits.parts)));
        }
        let path = entry.file_path();
        let name = std::str::from_utf8(path.as_ref()).map_err(|_| broken("the name of a part is not text"))?;
        // Nothing is written to a disk; a name that would lead elsewhere is still none of the format's.
        let place = archive.parts.iter().position(|part| **part == *name);
        let slot = match place {
            Some(place) => parts.get_mut(place),
            None if *name == *archive.sums => Some(&mut sums),
            None => None,
        };
        let Some(slot) = slot else { return Err(broken("it holds a part that the source's archives do not have")) };
        if slot.is_some() {
            return Err(broken("it holds a part twice"));
        }
        let method = entry.compression_method();
        let part = zip.get_entry(entry.wayfinder()).map_err(|_| broken("a part is broken"))?;
        let unpacked = match method {
            CompressionMethod::STORE => part.data().len() as u64,
            _ => entry.uncompressed_size_hint(),
        };
        // Before the first byte is unpacked by what it says of itself, and then by what comes.
        if unpacked > left {
            return Err(too_large(limits));
        }
        let mut content = Vec::new();
        let read = match method {
            CompressionMethod::STORE => part.verifying_reader(part.data()).take(left + 1).read_to_end(&mut content),
            CompressionMethod::DEFLATE => part.verifying_reader(DeflateDecoder::new(part.data())).take(left + 1).read_to_end(&mut content),
            _ => return Err(broken("a part is packed by another method than deflate")),
        };
        if content.len() as u64 > left {
            return Err(too_large(limits));
        }
        read.map_err(|_| broken("a part is broken"))?;
        left -= content.len() as u64;
        *slot = Some(content);
    }
    let sums = sums.ok_or_else(|| broken("its list of checksums is missing"))?;
    let sums = listed(&sums)?;
    let mut unpacked = Vec::with_capacity(parts.len());
    for (name, part) in archive.parts.iter().zip(parts) {
        let part = part.ok_or_else(|| Refusal::new(Rule::Archive, format!("the part {name} is missing")))?;
        let sum = sums.iter().find(|(listed, _)| **listed == **name).map(|(_, sum)| sum);
        if sum.map(|sum| &sum[..]) != Some(digest(&SHA256, &part).as_ref()) {
            return Err(Refusal::new(Rule::Checksum, format!("the part {name} is not the one whose SHA-256 is listed")));
        }
        unpacked.push(part);
    }
    if sums.len() != archive.parts.len() {
        return Err(Refusal::new(Rule::Checksum, "the list of checksums names other parts than there are"));
    }
    Ok(unpacked)
}

fn too_large(limits: &Limits) -> Refusal {
    Refusal::new(Rule::TooLarge, format!("the archive unpacks to more than {} bytes", limits.unpacked_bytes))
}

/// Reads a list as `sha256sum` writes it.
fn listed(bytes: &[u8]) -> Result<Vec<(String, [u8; 32])>, Refusal> {
    let broken = || Refusal::new(Rule::Checksum, "the list of checksums is not as sha256sum writes it");
    if bytes.len() > SUMS_BYTES_MAX {
        return Err(broken());
    }
    let text = std::str::from_utf8(bytes).map_err(|_| broken())?;
    text.lines()
        .map(|line| {
            let (sum, name) = line.split_once("  ").ok_or_else(broken)?;
            Ok((name.to_owned(), hash(sum).ok_or_else(broken)?))
        })
        .collect()
}

fn hash(text: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        *byte = u8::try_from(digit(*digits.first()?)? * 16 + digit(*digits.last()?)?).ok()?;
    }
    Some(hash)
}
