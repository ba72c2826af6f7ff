//! What must hold of any bytes: the bodies of the fuzz targets, which the crate's tests run over the corpora.
//!
//! A checksum or a signature would stop nearly everything a fuzzer makes. So the first byte of an input says what
//! is put right before it is read, by code of its own: as somebody would who has the disk, or even the key.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Signer as _;
use journal::disk::{Access, Disk, DiskFile};
use journal::levels::TilePath;
use journal::tree::{CompactRange, verify_consistency, verify_inclusion};
use journal::verify::{LogReport, verify_on};
use journal::{
    ConsistencyProof, Entry, Hash, Journal, Levels, OpenError, Options, Origin, Receipt, Role, SignedHead, SigningKey, Urgency,
    VerifyingKey, read,
};

/// Length of every segment file: the smallest there is.
const SEGMENT_BYTES: usize = 64 << 10;
const HEADER_ALIGN: usize = 4096;
const FRAME_ALIGN: usize = 512;
const FRAME_HEADER_BYTES: usize = 256;
const ROW_BYTES: usize = 40;
/// The first byte of an input for [`frame`], bit by bit: checksums and hashes are put right; the chain, the roots and
/// the signatures too.
const HASHES: u8 = 1;
const CHAIN: u8 = 2;
/// Seed of the log's key.
const SEED: [u8; 32] = [9; 32];
const DIR: &str = "/journal";
/// Leaves of the log that consistency is proven in.
const LEAVES: u64 = 600;

/// Where the log lies, and under what name.
#[must_use]
pub fn options() -> Options {
    let origin = Origin::new("node-1.test").expect("an origin");
    Options { segment_bytes: SEGMENT_BYTES as u64, queue_bytes: SEGMENT_BYTES / 2, ..Options::new(DIR.into(), origin) }
}

/// The log's key.
#[must_use]
pub fn key() -> SigningKey {
    SigningKey::from_seed(&SEED)
}

fn public() -> VerifyingKey {
    key().public(&options().origin)
}

/// The same for the independent verifier.
fn keys() -> verify::Keys {
    let mut keys = verify::Keys::default();
    keys.add(verify::Key::parse(&public().to_string()).expect("a key")).expect("the only one");
    keys
}

/// A number that follows from the input and looks like chance: where to flip a bit.
fn chance(data: &[u8], below: usize) -> usize {
    let hash = Hash::of(data).0;
    let number = u64::from_le_bytes(*hash.first_chunk().expect("a hash is longer"));
    usize::try_from(number % below.max(1) as u64).expect("below a usize")
}

/// A segment file as the only one of a log: verified, read and opened, all three say the same of it.
///
/// # Panics
/// When they do not.
pub fn frame(data: &[u8]) {
    let Some(image) = segment(data) else { return };
    let first_index = u64::from_le_bytes(*image[32..].first_chunk().expect("a segment is longer"));
    let log_dir = options().log_dir();
    let path = log_dir.join("segments").join(format!("{first_index:016x}.seg"));
    let disk = Memory::default();
    disk.put(&path, image.clone());
    let report = report(&disk);
    let sound = report.damage.is_empty();

    let entries: Vec<_> = read::entries_on(Arc::new(disk.clone()), &log_dir, 0).expect("a log").collect();
    if sound {
        let mut range = CompactRange::default();
        let mut open = 0_u64;
        for (index, entry) in (0..).zip(&entries) {
            let entry = entry.as_ref().expect("what is sound can be read");
            assert_eq!(entry.index, index);
            match entry.role {
                Role::Single => {}
                Role::Opens => open += 1,
                Role::Closes(of) => open = open.checked_sub(1).filter(|_| of < index).expect("closes what is open"),
            }
            range.push(entry.leaf_hash);
        }
        assert_eq!((range.size(), range.root(), open), (report.size, report.root, report.open));
        let mut flipped = image.clone();
        let at = chance(data, image.len() * 8);
        flipped[at / 8] ^= 1 << (at % 8);
        let changed = Memory::default();
        changed.put(&path, flipped);
        assert_ne!(self::report(&changed), report, "bit {at} changes nothing");
    }

    let opened = Journal::open_on(Arc::new(disk.clone()), options(), key(), Box::new(|reason| panic!("{reason}")));
    match opened {
        Ok((journal, recovered)) => {
            assert_eq!(report.key, Some(public()), "opened with another's key");
            assert_eq!((recovered.size, recovered.open.len() as u64), (report.size, report.open));
            // A start checks the last signature alone: with the chain it speaks for all.
            let unsigned = report.damage.iter().all(|damage| damage.what == "tree head's signature");
            assert!(sound || unsigned || first_index > 0, "opened, and yet {:?}", report.damage);
            drop(journal);
            let after = self::report(&disk);
            assert_eq!((after.size, after.root, after.torn), (report.size, report.root, None));
            assert_eq!(after.damage.iter().map(|damage| damage.what).collect::<Vec<_>>(), whats(&report));
        }
        Err(OpenError::Key { .. }) => assert_ne!(report.key, Some(public())),
        Err(error) => assert!(!sound || report.key != Some(public()), "sound, and yet {error}"),
    }
}

fn whats(report: &LogReport) -> Vec<&'static str> {
    report.damage.iter().map(|damage| damage.what).collect()
}

fn report(disk: &Memory) -> LogReport {
    verify_on(disk, Path::new(DIR), &mut |_| {}).expect("it can be read").logs.remove(0)
}

/// A segment file from an input: what to put right (1 byte), length of the header without padding (2), header, frames.
fn segment(data: &[u8]) -> Option<Vec<u8>> {
    let [mode, low, high, rest @ ..] = data else { return None };
    let (header, frames) = rest.split_at_checked(usize::from(u16::from_le_bytes([*low, *high])))?;
    let begin = header.len().next_multiple_of(HEADER_ALIGN);
    if begin + frames.len() > SEGMENT_BYTES || header.len() < 48 {
        return None;
    }
    let mut image = vec![0; SEGMENT_BYTES];
    image[..header.len()].copy_from_slice(header);
    image[begin..begin + frames.len()].copy_from_slice(frames);
    if mode & HASHES != 0 {
        put_right(&mut image, header.len(), mode & CHAIN != 0);
    }
    Some(image)
}

/// The input that gives a segment file as it is; `mode` as [`frame`] reads it.
///
/// # Panics
/// When the file is no segment.
#[must_use]
pub fn input(mode: u8, image: &[u8]) -> Vec<u8> {
    let content = usize::try_from(number(image, 12)).expect("small");
    let begin = content.next_multiple_of(HEADER_ALIGN);
    let end = image.iter().rposition(|byte| *byte != 0).expect("a magic") + 1;
    let length = u16::try_from(content).expect("small").to_le_bytes();
    [&[mode], &length[..], &image[..content], &image[begin..end.max(begin)]].concat()
}

fn number(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |four| u32::from_le_bytes(*four))
}

fn put(bytes: &mut [u8], at: usize, part: &[u8]) {
    bytes[at..at + part.len()].copy_from_slice(part);
}

/// Makes checksums and hashes those of the bytes; and with `chain` what ties frames together and is signed.
fn put_right(image: &mut [u8], content: usize, chain: bool) {
    if content < 224 {
        return;
    }
    let checksum = Hash::of(&image[..content - 32]);
    put(image, content - 32, &checksum.0);
    let mut previous = checksum;
    // Only a log's first segment has all leaves of its tree.
    let mut range = CompactRange::default();
    let mut at = content.next_multiple_of(HEADER_ALIGN);
    while image.get(at..at + 8).is_some_and(|magic| magic == b"QVSQFRM1") {
        let [count, leaves, payloads] = [24, 28, 32].map(|field| number(image, at + field) as usize);
        let table = at + FRAME_HEADER_BYTES;
        let Some(end) = leaves.checked_add(payloads).and_then(|bytes| table.checked_add(bytes)).filter(|end| *end <= image.len()) else {
            return;
        };
        let mut leaf = count.checked_mul(ROW_BYTES).map_or(usize::MAX, |bytes| table.saturating_add(bytes));
        let mut payload = table + leaves;
        for row in 0..count.min(leaves / ROW_BYTES) {
            let row = table + row * ROW_BYTES;
            let (leaf_end, payload_end) =
                (leaf.saturating_add(number(image, row) as usize), payload.saturating_add(number(image, row + 4) as usize));
            if leaf_end > table + leaves || payload_end > end {
                break;
            }
            range.push(journal::hash::leaf_hash(&image[leaf..leaf_end], &[]));
            let hash = if payload == payload_end { Hash::default() } else { Hash::of(&image[payload..payload_end]) };
            put(image, row + 8, &hash.0);
            (leaf, payload) = (leaf_end, payload_end);
        }
        let hash = Hash::of(&image[table..table + leaves]);
        put(image, at + 112, &hash.0);
        if chain {
            put(image, at + 48, &previous.0);
            put(image, at + 80, &range.root().0);
            let first = u64::from_le_bytes(*image[at + 16..].first_chunk().expect("a header is longer"));
            let size = first.wrapping_add(count as u64);
            put(image, at + 40, &size.to_le_bytes());
            let text = format!("{}\n{size}\n{}\n", options().origin, range.root());
            put(image, at + 144, &signature(&text));
        }
        let crc = crc32fast::hash(&image[at..at + 252]);
        put(image, at + 252, &crc.to_le_bytes());
        previous = Hash::of(&image[at..at + FRAME_HEADER_BYTES]);
        at = end.next_multiple_of(FRAME_ALIGN);
    }
}

fn signature(text: &str) -> [u8; 64] {
    ed25519_dalek::SigningKey::from_bytes(&SEED).sign(text.as_bytes()).to_bytes()
}

/// Puts a true signature of the log's under a text, in place of the first signature line.
fn signed(note: &str) -> String {
    let Some((text, lines)) = note.split_once("\n\n") else { return note.to_owned() };
    let text = format!("{text}\n");
    let others = lines.split_once('\n').map_or("", |(_, others)| others);
    // The line's name and key id are those that the journal itself writes.
    let id = u32::from_str_radix(public().to_string().split('+').nth(1).expect("a key id"), 16).expect("hex").to_be_bytes();
    let line = STANDARD.encode([&id[..], &signature(&text)].concat());
    format!("{text}\n\u{2014} {} {line}\n{others}", options().origin)
}

/// A note and a key's text. The first byte: whether the note gets a true signature.
///
/// # Panics
/// When one is accepted that is not written as we write it, or refused although it is.
pub fn note(data: &[u8]) {
    let Some((mode, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    if let Some(key) = VerifyingKey::parse(text) {
        assert_eq!(key.to_string(), text, "a key has one spelling");
        assert_eq!(verify::Key::parse(text).is_ok(), is_point(&key), "the verifier reads the same keys");
    }
    let text = if mode & HASHES != 0 { signed(text) } else { text.to_owned() };
    let head = SignedHead::parse(&text, &public());
    if let Ok(head) = &head {
        assert_eq!(head.note(), text);
        let signed = format!("{}\n{}\n{}\n", head.origin(), head.size(), head.root());
        assert!(text.starts_with(&format!("{signed}\n")), "a head has one spelling");
        // Every bit of what is signed counts.
        let mut bytes = text.clone().into_bytes();
        let at = chance(data, signed.len() * 8);
        bytes[at / 8] ^= 1 << (at % 8);
        let changed = String::from_utf8(bytes).ok();
        assert!(changed.is_none_or(|text| SignedHead::parse(&text, &public()).is_err()), "bit {at} does not count");
    }
    // The verifier also reads longer notes. It refuses of what is signed only what no log of ours writes: trees beyond
    // its bound, an empty tree with another root, and other signers' lines that are none.
    let found = verify::checkpoint::Checkpoint::parse(&text);
    if let Ok(head) = &head {
        let empty = CompactRange::default().root();
        let one_line = text.ends_with('\n') && text.lines().count() == 5;
        if one_line && head.size() <= verify::tree::SIZE_MAX && (head.size() > 0 || *head.root() == empty) {
            let found = found.unwrap_or_else(|broken| panic!("the verifier refuses what the log accepts: {broken}"));
            assert_eq!(found.signed(&keys()), verify::note::Signed::Yes);
        }
    } else if text.len() <= journal::note::NOTE_BYTES_MAX {
        let accepted = found.is_ok_and(|found| found.signed(&keys()) == verify::note::Signed::Yes);
        assert!(!accepted, "the log refuses what the verifier accepts: {head:?}");
    }
}

/// Not every 32 bytes are a point of the curve; the verifier looks when it reads a key, the log when it verifies.
fn is_point(key: &VerifyingKey) -> bool {
    ed25519_dalek::VerifyingKey::from_bytes(key.key()).is_ok_and(|key| !key.is_weak())
}

/// A proof. The first byte says which: a receipt, a receipt made true, a consistency proof, the arithmetic of either.
///
/// # Panics
/// When the log and the independent verifier do not say the same, or a changed one still verifies.
pub fn proof(data: &[u8]) {
    let Some((mode, rest)) = data.split_first() else { return };
    match mode % 5 {
        0 => receipt(rest, false),
        1 => receipt(rest, true),
        2 => consistency(rest),
        3 => inclusion_arithmetic(rest),
        _ => consistency_arithmetic(rest),
    }
}

fn receipt(data: &[u8], made_true: bool) {
    let Ok(mut receipt) = serde_json::from_slice::<Receipt>(data) else { return };
    if made_true {
        let size = receipt.head.lines().nth(1).and_then(|size| size.parse().ok()).unwrap_or(0);
        let path: Vec<[u8; 32]> = receipt.proof.iter().map(|hash| hash.0).collect();
        let Some(root) = verify::tree::root_of_inclusion(receipt.index, size, &receipt.leaf_hash.0, &path) else { return };
        receipt.head = signed(&format!("{}\n{size}\n{}\n\n\n", receipt.origin, Hash(root)));
    }
    let text = serde_json::to_string(&receipt).expect("JSON");
    assert_eq!(serde_json::from_str::<Receipt>(&text).expect("reads"), receipt);
    let verified = receipt.verify(&public()).is_ok();
    let proven = verify::examine(&[verify::Given::read("receipt", text.as_bytes())], &[], &keys()).exit_code() == 0;
    assert_eq!(verified, proven, "the log says {:?}: {text}", receipt.verify(&public()));
    if !verified {
        return;
    }
    let bit = chance(data, 256);
    let flip = |hash: &mut Hash| hash.0[bit / 8] ^= 1 << (bit % 8);
    let mut changed = vec![Receipt { index: receipt.index ^ (1 << (bit % 64)), ..receipt.clone() }, receipt.clone()];
    flip(&mut changed[1].leaf_hash);
    for at in 0..receipt.proof.len() {
        let mut other = receipt.clone();
        flip(&mut other.proof[at]);
        changed.push(other);
    }
    assert!(changed.iter().all(|changed| changed.verify(&public()).is_err()), "bit {bit} does not count");
}

fn consistency(data: &[u8]) {
    let Ok(proof) = serde_json::from_slice::<ConsistencyProof>(data) else { return };
    let text = serde_json::to_string(&proof).expect("JSON");
    assert_eq!(serde_json::from_str::<ConsistencyProof>(&text).expect("reads"), proof);
    let holds = proof.holds(&public());
    let proven = verify::examine(&[verify::Given::read("proof", text.as_bytes())], &[], &keys()).exit_code() == 0;
    assert_eq!(holds, proven, "{text}");
    if holds {
        let bit = chance(data, 64);
        assert!(!ConsistencyProof { from: proof.from ^ (1 << bit), ..proof.clone() }.holds(&public()));
        assert!(!ConsistencyProof { to: proof.to ^ (1 << bit), ..proof.clone() }.holds(&public()));
        for at in 0..proof.proof.len() {
            let mut changed = proof.clone();
            changed.proof[at].0[bit / 8] ^= 1;
            assert!(!changed.holds(&public()), "hash {at} does not count");
        }
    }
}

/// Whole hashes, and what is left.
fn hashes(data: &[u8]) -> Vec<Hash> {
    data.chunks_exact(32).map(|hash| Hash(hash.try_into().expect("32 bytes"))).collect()
}

fn two_numbers(data: &[u8]) -> Option<(u64, u64, &[u8])> {
    let (one, rest) = data.split_first_chunk()?;
    let (two, rest) = rest.split_first_chunk()?;
    Some((u64::from_le_bytes(*one), u64::from_le_bytes(*two), rest))
}

fn inclusion_arithmetic(data: &[u8]) {
    let Some((index, size, rest)) = two_numbers(data) else { return };
    let path = hashes(rest);
    let leaf = Hash::of(rest);
    let bytes: Vec<[u8; 32]> = path.iter().map(|hash| hash.0).collect();
    match verify::tree::root_of_inclusion(index, size, &leaf.0, &bytes) {
        Some(mut root) => {
            assert!(verify_inclusion(index, size, &leaf, &path, &Hash(root)));
            root[chance(data, 32)] ^= 1;
            assert!(!verify_inclusion(index, size, &leaf, &path, &Hash(root)));
        }
        // The verifier reads no larger tree.
        None if size <= verify::tree::SIZE_MAX => assert!(!verify_inclusion(index, size, &leaf, &path, &leaf)),
        None => drop(verify_inclusion(index, size, &leaf, &path, &leaf)),
    }
}

/// A true proof between two sizes, then the edits of the input: a place and a byte each. The sizes that are claimed
/// come last.
fn consistency_arithmetic(data: &[u8]) {
    let Some((first, second, edits)) = two_numbers(data) else { return };
    let (levels, leaves) = tree();
    let new = second % (LEAVES + 1);
    let old = first % (new + 1);
    let mut path = levels.consistency(old, new).expect("there");
    let root = |size: u64| {
        let mut range = CompactRange::default();
        leaves.iter().take(usize::try_from(size).expect("small")).for_each(|leaf| range.push(*leaf));
        range.root()
    };
    let (old_root, new_root) = (root(old), root(new));
    assert!(verify_consistency(old, new, &old_root, &new_root, &path), "{old} to {new}");
    for edit in edits.chunks_exact(2) {
        match path.len() {
            0 => path.push(old_root),
            _ if edit[1] == 0 => drop(path.pop()),
            count => path[usize::from(edit[0]) % count].0[usize::from(edit[0]) % 32] ^= edit[1],
        }
    }
    // What is claimed may also be no size of this tree at all.
    for (old, new) in [(old, new), (first, second)] {
        let bytes: Vec<[u8; 32]> = path.iter().map(|hash| hash.0).collect();
        let ours = verify_consistency(old, new, &old_root, &new_root, &path);
        if new <= verify::tree::SIZE_MAX {
            assert_eq!(ours, verify::tree::is_consistent(old, new, &old_root.0, &new_root.0, &bytes), "{old} to {new}");
        }
    }
}

/// A log of [`LEAVES`] entries: its levels and leaf hashes.
fn tree() -> &'static (Levels, Vec<Hash>) {
    static TREE: OnceLock<(Levels, Vec<Hash>)> = OnceLock::new();
    TREE.get_or_init(|| {
        let disk = Memory::default();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let opened = Journal::open_on(Arc::new(disk.clone()), options(), key(), Box::new(|reason| panic!("{reason}")));
            let (journal, _) = opened.expect("opens");
            let mut leaves = Vec::new();
            for index in 0..LEAVES {
                let entry = Entry { kind: 1, role: Role::Single, body: index.to_le_bytes().to_vec(), payload: Vec::new() };
                let appended = journal.append(entry, Urgency::Now, None).expect("taken");
                leaves.push(*appended.leaf_hash());
                appended.durable().await;
            }
            journal.close().await.expect("closes");
            let (levels, _) = Levels::open(Arc::new(disk.clone()), &options().log_dir(), &public()).expect("levels");
            (levels, leaves)
        })
    })
}

/// A tile's path.
///
/// # Panics
/// When one is accepted that is not written as we write it.
pub fn tile_path(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(tile) = TilePath::parse(text) {
        assert_eq!(tile.to_string(), text);
        assert!((1..=journal::levels::TILE_WIDTH).contains(&tile.width));
    }
    // Any three numbers have a path that reads back.
    if let Some((number, other, _)) = two_numbers(data) {
        let level = u32::try_from(other >> 32).expect("32 bits");
        let tile = TilePath { level, number, width: other % journal::levels::TILE_WIDTH + 1 };
        assert_eq!(TilePath::parse(&tile.to_string()), Some(tile));
    }
}

type File = Arc<Mutex<Vec<u8>>>;

/// A disk in memory that loses nothing and never fails.
#[derive(Debug, Clone, Default)]
pub struct Memory(Arc<Mutex<Content>>);

#[derive(Debug, Default)]
struct Content {
    files: BTreeMap<PathBuf, File>,
    dirs: BTreeSet<PathBuf>,
}

impl Memory {
    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a file there.
    pub fn put(&self, path: &Path, bytes: Vec<u8>) {
        let mut content = self.content();
        content.dirs.extend(path.ancestors().skip(1).map(Path::to_owned));
        content.files.insert(path.to_owned(), Arc::new(Mutex::new(bytes)));
    }

    /// A file's bytes; empty where there is none.
    #[must_use]
    pub fn bytes(&self, path: &Path) -> Vec<u8> {
        self.content().files.get(path).map(|file| file.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap_or_default()
    }
}

impl Disk for Memory {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.content().dirs.extend(dir.ancestors().map(Path::to_owned));
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let content = self.content();
        if !content.dirs.contains(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let children = content.files.keys().chain(&content.dirs).filter(|path| path.parent() == Some(dir));
        Ok(children.filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())).collect())
    }

    fn create(&self, path: &Path, bytes: u64) -> io::Result<Box<dyn DiskFile>> {
        self.put(path, vec![0; usize::try_from(bytes).expect("small")]);
        self.open(path, Access::Write)
    }

    fn open(&self, path: &Path, _: Access) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(MemoryFile(Arc::clone(self.content().files.get(path).ok_or(io::ErrorKind::NotFound)?))))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let files = &mut self.content().files;
        let file = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.content().files.remove(path).map(drop).ok_or(io::ErrorKind::NotFound.into())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, _: &Path) -> io::Result<Box<dyn Send>> {
        Ok(Box::new(()))
    }
}

#[derive(Debug)]
struct MemoryFile(File);

impl MemoryFile {
    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DiskFile for MemoryFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.bytes().len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let bytes = self.bytes();
        let part = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)?.get(..buffer.len()));
        buffer.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&mut self, part: &[u8], offset: u64) -> io::Result<()> {
        let mut bytes = self.bytes();
        let offset = usize::try_from(offset).expect("small");
        if bytes.len() < offset + part.len() {
            bytes.resize(offset + part.len(), 0);
        }
        put(&mut bytes, offset, part);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}
