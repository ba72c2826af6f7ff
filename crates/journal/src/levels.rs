//! The tree's stored levels: what proofs of any entry, and tiles, are read from.
//!
//! Every eighth level of the tree is one flat file of hashes, `levels/0` the leaves', `levels/1` those of 256
//! leaves each, and so on: a tile of C2SP tlog-tiles is a slice of one. They say nothing that the segments do
//! not say. So they are written after the acknowledgement, flushed now and then, and made anew where they are
//! missing or do not lead to the head that they were flushed under; that head is the note `levels/checkpoint`.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::committer;
use crate::disk::{Access, Disk, DiskFile};
use crate::hash::{Hash, node_hash};
use crate::note::{SignedHead, VerifyingKey};
use crate::scan;
use crate::tree::CompactRange;

/// Hashes of a whole tile, and so leaves under each hash of the level above.
pub const TILE_WIDTH: u64 = 256;
/// Levels of the tree from one stored level to the next.
const TILE_HEIGHT: u32 = 8;
/// Bytes of a hash.
const HASH_BYTES: u64 = 32;
/// Stored levels of the largest tree: 2^64 leaves.
pub const LEVELS_MAX: u32 = u64::BITS / TILE_HEIGHT;

pub(crate) fn levels_dir(log_dir: &Path) -> PathBuf {
    log_dir.join("levels")
}

pub(crate) fn level_path(log_dir: &Path, level: u32) -> PathBuf {
    levels_dir(log_dir).join(level.to_string())
}

/// Hashes of a stored level in a tree of so many leaves.
pub(crate) fn level_size(leaves: u64, level: u32) -> u64 {
    leaves.checked_shr(TILE_HEIGHT * level).unwrap_or(0)
}

/// Root over hashes of one level.
#[must_use]
pub fn root_of(hashes: &[Hash]) -> Hash {
    let mut range = CompactRange::default();
    hashes.iter().for_each(|hash| range.push(*hash));
    range.root()
}

/// Reads hashes of a stored level.
pub(crate) fn read_hashes(file: &dyn DiskFile, first: u64, count: u64) -> io::Result<Vec<Hash>> {
    let count = usize::try_from(count).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut hashes = vec![[0; 32]; count];
    file.read_at(hashes.as_flattened_mut(), first * HASH_BYTES)?;
    Ok(hashes.into_iter().map(Hash).collect())
}

/// The levels as the committer goes on writing them.
pub(crate) struct LevelWriter {
    disk: Arc<dyn Disk>,
    log_dir: PathBuf,
    levels: Vec<Level>,
    /// Leaves they hold.
    size: u64,
}

struct Level {
    file: Box<dyn DiskFile>,
    /// Hashes in it.
    size: u64,
    /// Those of its last tile, while that is not whole.
    open: Vec<Hash>,
    /// Whether something was written since the last flush.
    written: bool,
}

impl LevelWriter {
    /// Goes on with the levels of a tree of `size` leaves that are there. Nothing when they are not there whole, or
    /// do not lead to `root`.
    ///
    /// # Errors
    /// What the disk says.
    pub(crate) fn resume(disk: &Arc<dyn Disk>, log_dir: &Path, size: u64, root: &Hash) -> io::Result<Option<Self>> {
        let mut writer = Self { disk: Arc::clone(disk), log_dir: log_dir.to_owned(), levels: Vec::new(), size };
        for level in 0..LEVELS_MAX {
            let hashes = level_size(size, level);
            if hashes == 0 {
                break;
            }
            let file = match disk.open(&level_path(log_dir, level), Access::Write) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                file => file?,
            };
            if file.length()? < hashes * HASH_BYTES {
                return Ok(None);
            }
            let open = read_hashes(&*file, hashes - hashes % TILE_WIDTH, hashes % TILE_WIDTH)?;
            writer.levels.push(Level { file, size: hashes, open, written: false });
        }
        let tree = Levels { disk: Arc::clone(disk), log_dir: log_dir.to_owned(), size };
        Ok((tree.root()? == *root).then_some(writer))
    }

    /// Begins the levels of an empty tree, whatever is there.
    ///
    /// # Errors
    /// What the disk says.
    pub(crate) fn begin(disk: &Arc<dyn Disk>, log_dir: &Path) -> io::Result<Self> {
        let dir = levels_dir(log_dir);
        disk.create_dir(&dir)?;
        for name in disk.list(&dir)? {
            disk.remove(&dir.join(name))?;
        }
        // First gone, then begun: what is written from here on belongs to no old note.
        disk.sync_dir(&dir)?;
        Ok(Self { disk: Arc::clone(disk), log_dir: log_dir.to_owned(), levels: Vec::new(), size: 0 })
    }

    /// Leaves they hold.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Adds leaves, without a flush. After an error the writer is of no use any more.
    ///
    /// # Errors
    /// What the disk says.
    pub(crate) fn append(&mut self, leaves: &[Hash]) -> io::Result<()> {
        self.size += leaves.len() as u64;
        let mut hashes = leaves.to_vec();
        for level in 0..LEVELS_MAX {
            if hashes.is_empty() {
                break;
            }
            if self.levels.len() == level as usize {
                let file = self.disk.create(&level_path(&self.log_dir, level), 0)?;
                self.levels.push(Level { file, size: 0, open: Vec::new(), written: false });
            }
            hashes = self.levels[level as usize].append(&hashes)?;
        }
        Ok(())
    }

    /// Makes everything durable, and then the note of the head they lead to.
    ///
    /// # Errors
    /// What the disk says; what is durable is then unknown, and the writer of no use any more.
    pub(crate) fn flush(&mut self, head: &SignedHead) -> io::Result<()> {
        debug_assert_eq!(head.size(), self.size, "the head is that of these leaves");
        for level in self.levels.iter_mut().filter(|level| level.written) {
            level.file.sync()?;
            level.written = false;
        }
        // The directory is flushed with it, and with that the names of new levels.
        committer::write_note(&*self.disk, &levels_dir(&self.log_dir), "checkpoint", head.note())
    }
}

impl Level {
    /// Writes hashes and gives those of the tiles that they make whole.
    fn append(&mut self, hashes: &[Hash]) -> io::Result<Vec<Hash>> {
        let bytes: Vec<u8> = hashes.iter().flat_map(|hash| hash.0).collect();
        self.file.write_at(&bytes, self.size * HASH_BYTES)?;
        self.written = true;
        self.size += hashes.len() as u64;
        let mut above = Vec::new();
        for hash in hashes {
            self.open.push(*hash);
            if self.open.len() as u64 == TILE_WIDTH {
                above.push(root_of(&self.open));
                self.open.clear();
            }
        }
        Ok(above)
    }
}

/// A tree of which every node can be read.
#[derive(Debug, Clone)]
pub struct Levels {
    disk: Arc<dyn Disk>,
    log_dir: PathBuf,
    size: u64,
}

/// A tile's place as C2SP tlog-tiles names it: `<level>/<number>`, or `<level>/<number>.p/<width>` where it is not
/// whole. The number stands in groups of three digits, all but the last behind an `x`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TilePath {
    /// The stored level, from 0. There may be no such level.
    pub level: u32,
    /// Which tile of the level, from 0.
    pub number: u64,
    /// Hashes in it, 1 to [`TILE_WIDTH`].
    pub width: u64,
}

impl TilePath {
    /// Reads a path. One spelling for each tile; nothing for another.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let (level, rest) = path.split_once('/')?;
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, plain(width).filter(|width| (1..TILE_WIDTH).contains(width))?),
            None => (rest, TILE_WIDTH),
        };
        let mut groups = number.split('/').peekable();
        let mut sum = 0_u64;
        while let Some(group) = groups.next() {
            let digits = if groups.peek().is_some() { group.strip_prefix('x')? } else { group };
            let three = digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
            sum = sum.checked_mul(1000)?.checked_add(digits.parse().ok().filter(|_| three)?)?;
        }
        let tile = Self { level: u32::try_from(plain(level)?).ok()?, number: sum, width };
        (tile.to_string() == path).then_some(tile)
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.level)?;
        // Seven groups hold 64 bits; those before the first that counts are left out.
        let group = |place: u32| self.number / 1000_u64.pow(place);
        for place in (1..7).rev().filter(|place| group(*place) > 0) {
            write!(f, "x{:03}/", group(place) % 1000)?;
        }
        write!(f, "{:03}", self.number % 1000)?;
        if self.width < TILE_WIDTH { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

/// A decimal number without leading zeros.
fn plain(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// Why a proof cannot be given.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// The tree has no such leaf, or no such size: wait for the next checkpoint, or ask for less.
    #[error("the log's checkpoint covers {size} entries, not {asked}")]
    Beyond {
        /// What was asked for: an index, or a size.
        asked: u64,
        /// Leaves the tree has.
        size: u64,
    },
    /// The levels have not been flushed under a head yet: a log that was never opened since they exist, or is new.
    #[error("the log has no stored levels yet; they are made when the gateway opens it")]
    NoLevels,
    /// What the levels say does not lead to the signed head: `journal verify` says where.
    #[error("the log's levels are not those of its entries; run `journal verify`, remove `levels`, and start again")]
    Damaged,
    /// The older head is signed by this log and is not the beginning of its tree: entries were changed or taken away.
    #[error("the older checkpoint is signed by this log, and the log does not go on from it: entries were changed or taken away")]
    Forked,
    /// The disk refused.
    #[error("journal levels cannot be read")]
    Io(#[from] io::Error),
}

impl Levels {
    /// The levels as they stand under a head that they cover.
    pub(crate) fn new(disk: Arc<dyn Disk>, log_dir: PathBuf, size: u64) -> Self {
        Self { disk, log_dir, size }
    }

    /// The stored levels of a log that may be open elsewhere, with the head that they were last flushed under.
    ///
    /// # Errors
    /// When there are none, or the note is not of this key.
    pub fn open(disk: Arc<dyn Disk>, log_dir: &Path, key: &VerifyingKey) -> Result<(Self, SignedHead), ProofError> {
        let text = scan::note_text(&*disk, &levels_dir(log_dir).join("checkpoint"))?.ok_or(ProofError::NoLevels)?;
        let head = text.and_then(|text| SignedHead::parse(&text, key).ok()).ok_or(ProofError::Damaged)?;
        Ok((Self { disk, log_dir: log_dir.to_owned(), size: head.size() }, head))
    }

    /// Leaves in the tree.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The tree's root.
    ///
    /// # Errors
    /// What the disk says.
    pub fn root(&self) -> io::Result<Hash> {
        self.range(0, self.size)
    }

    /// The hash of a leaf.
    ///
    /// # Errors
    /// When the tree is smaller, or the disk refuses.
    pub fn leaf(&self, index: u64) -> Result<Hash, ProofError> {
        if index >= self.size {
            return Err(ProofError::Beyond { asked: index, size: self.size });
        }
        Ok(self.node(0, index)?)
    }

    /// The inclusion path of a leaf in the tree of the first `size` leaves (RFC 6962 section 2.1.1).
    ///
    /// # Errors
    /// When the tree is smaller, or the disk refuses.
    pub fn inclusion(&self, index: u64, size: u64) -> Result<Vec<Hash>, ProofError> {
        self.inclusion_by(index, size, |first, end| self.range(first, end))
    }

    /// The same, with a way of its own to the roots of ranges.
    pub(crate) fn inclusion_by(
        &self,
        index: u64,
        size: u64,
        mut range: impl FnMut(u64, u64) -> io::Result<Hash>,
    ) -> Result<Vec<Hash>, ProofError> {
        self.within(size)?;
        if index >= size {
            return Err(ProofError::Beyond { asked: index, size });
        }
        let (mut first, mut end, mut path) = (0, size, Vec::new());
        while end - first > 1 {
            let middle = first + split(end - first);
            if index < middle {
                path.push(range(middle, end)?);
                end = middle;
            } else {
                path.push(range(first, middle)?);
                first = middle;
            }
        }
        path.reverse();
        Ok(path)
    }

    /// That the tree of the first `new` leaves begins with that of the first `old` (RFC 6962 section 2.1.2). Empty
    /// where either is the empty tree or both are the same.
    ///
    /// # Errors
    /// When the tree is smaller, or the disk refuses.
    pub fn consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>, ProofError> {
        self.within(new)?;
        if old > new {
            return Err(ProofError::Beyond { asked: old, size: new });
        }
        let (mut first, mut end, mut path) = (0, new, Vec::new());
        if old == 0 || old == new {
            return Ok(path);
        }
        // Down to the subtree that ends where the old tree ends.
        while end != old {
            let middle = first + split(end - first);
            if old <= middle {
                path.push(self.range(middle, end)?);
                end = middle;
            } else {
                path.push(self.range(first, middle)?);
                first = middle;
            }
        }
        // Where that subtree is the whole old tree, whoever checks knows its root.
        if first > 0 {
            path.push(self.range(first, end)?);
        }
        path.reverse();
        Ok(path)
    }

    /// A tile: so many hashes of a stored level, side by side. Nothing where the level does not have them.
    ///
    /// # Errors
    /// What the disk says.
    pub fn tile(&self, level: u32, number: u64, width: u64) -> io::Result<Option<Vec<u8>>> {
        let Some(first) = number.checked_mul(TILE_WIDTH) else { return Ok(None) };
        let there = level_size(self.size, level).saturating_sub(first);
        if level >= LEVELS_MAX || !(1..=TILE_WIDTH.min(there)).contains(&width) {
            return Ok(None);
        }
        let file = self.disk.open(&level_path(&self.log_dir, level), Access::Read)?;
        let hashes = read_hashes(&*file, first, width)?;
        Ok(Some(hashes.iter().flat_map(|hash| hash.0).collect()))
    }

    fn within(&self, size: u64) -> Result<(), ProofError> {
        if size > self.size { Err(ProofError::Beyond { asked: size, size: self.size }) } else { Ok(()) }
    }

    /// Root of the leaves from `first` to before `end`: a subtree as the tree's own divisions make them.
    pub(crate) fn range(&self, first: u64, end: u64) -> io::Result<Hash> {
        match end - first {
            0 => Ok(Hash::of(b"")),
            leaves if leaves.is_power_of_two() => self.node(leaves.trailing_zeros(), first),
            leaves => {
                let middle = first + split(leaves);
                Ok(node_hash(&self.range(first, middle)?, &self.range(middle, end)?))
            }
        }
    }

    /// The complete subtree of 2^`height` leaves from `first` on, made of at most 128 stored hashes.
    fn node(&self, height: u32, first: u64) -> io::Result<Hash> {
        let (level, above) = (height / TILE_HEIGHT, height % TILE_HEIGHT);
        let file = self.disk.open(&level_path(&self.log_dir, level), Access::Read)?;
        let hashes = read_hashes(&*file, first >> (TILE_HEIGHT * level), 1 << above)?;
        Ok(root_of(&hashes))
    }
}

/// Leaves on the left of a tree of so many, two or more: the largest power of two below (RFC 6962 section 2.1).
fn split(leaves: u64) -> u64 {
    1 << (u64::BITS - 1 - (leaves - 1).leading_zeros())
}

/// Compares stored levels with the leaves of a log, one leaf after the other.
pub(crate) struct LevelCheck {
    disk_files: Vec<Box<dyn DiskFile>>,
    /// Leaves under the levels' head.
    size: u64,
    /// Leaves seen.
    seen: u64,
    /// Hashes of each level's last tile, while that is not whole, and how many tiles are behind.
    open: Vec<(Vec<Hash>, u64)>,
    /// The first hash that is not the tree's: level and index.
    wrong: Option<(u32, u64)>,
}

impl LevelCheck {
    /// Opens the levels under a head of so many leaves.
    ///
    /// # Errors
    /// What the disk says; `NotFound` where a level is missing.
    pub(crate) fn open(disk: &dyn Disk, log_dir: &Path, size: u64) -> io::Result<Self> {
        let levels = (0..LEVELS_MAX).take_while(|level| level_size(size, *level) > 0);
        let disk_files = levels.map(|level| disk.open(&level_path(log_dir, level), Access::Read)).collect::<io::Result<Vec<_>>>()?;
        Ok(Self { open: disk_files.iter().map(|_| (Vec::new(), 0)).collect(), disk_files, size, seen: 0, wrong: None })
    }

    /// The next leaf.
    ///
    /// # Errors
    /// What the disk says; `UnexpectedEof` where a level is too short.
    pub(crate) fn push(&mut self, leaf: Hash) -> io::Result<()> {
        if self.seen == self.size {
            return Ok(());
        }
        self.seen += 1;
        let mut hash = leaf;
        for level in 0..self.open.len() {
            let (open, _) = &mut self.open[level];
            open.push(hash);
            if (open.len() as u64) < TILE_WIDTH {
                break;
            }
            hash = root_of(open);
            self.compare(level)?;
        }
        if self.seen == self.size {
            (0..self.open.len()).try_for_each(|level| self.compare(level))?;
        }
        Ok(())
    }

    fn compare(&mut self, level: usize) -> io::Result<()> {
        let (open, behind) = &mut self.open[level];
        let first = *behind * TILE_WIDTH;
        let stored = read_hashes(&*self.disk_files[level], first, open.len() as u64)?;
        if let Some(at) = stored.iter().zip(&*open).position(|(stored, hash)| stored != hash) {
            self.wrong.get_or_insert((u32::try_from(level).unwrap_or(u32::MAX), first + at as u64));
        }
        open.clear();
        *behind += 1;
        Ok(())
    }

    /// File and offset of the first hash that is not the tree's.
    pub(crate) fn wrong(&self) -> Option<(String, u64)> {
        self.wrong.map(|(level, index)| (format!("levels/{level}"), index * HASH_BYTES))
    }
}
