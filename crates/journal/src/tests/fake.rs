//! A disk in memory that keeps exactly what [`Disk`] promises and nothing more.
//!
//! Unflushed writes survive a loss of power sector by sector, by chance; unflushed names survive as
//! a prefix, by chance; after a failed flush reads go on showing bytes that the disk does not have.
//! Everything follows from the seed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use crate::disk::{Access, Disk, DiskFile};

const SECTOR: usize = 512;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It is killed: the system keeps what was written, flushed or not.
    Kill,
    /// The machine loses power: only what was flushed is sure.
    Power,
}

/// Where an injected failure strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strike {
    /// Nothing (or, for a write, a part) happens, and the call fails.
    Before,
    /// Everything happens, and the call fails all the same.
    After,
}

#[derive(Clone)]
pub(super) struct FakeDisk(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    /// Signals that a held flush waits, or may go on.
    flushes: Condvar,
}

struct State {
    random: Random,
    files: Vec<File>,
    dirs: BTreeSet<PathBuf>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    /// Changes of names not yet flushed, oldest first.
    unflushed_names: Vec<Rename>,
    locked: BTreeSet<PathBuf>,
    /// Operations that change something, counted from 1.
    operations: u64,
    strike: Option<(u64, Strike)>,
    /// After a strike every operation fails: the process is as good as dead.
    struck: bool,
    full: bool,
    hold_flushes: bool,
    held: usize,
    flushes: u64,
}

#[derive(Default, Clone)]
struct File {
    seen: Vec<u8>,
    durable: Vec<u8>,
    unflushed: Vec<(usize, Vec<u8>)>,
}

#[derive(Clone)]
struct Rename {
    dir: PathBuf,
    gone: Option<PathBuf>,
    here: Option<(PathBuf, usize)>,
}

/// Splitmix64: enough chance for a test, the same on every machine.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(super) fn coin(&mut self) -> bool {
        self.next() & 1 == 0
    }
}

impl std::fmt::Debug for FakeDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FakeDisk")
    }
}

impl FakeDisk {
    pub(super) fn new(seed: u64) -> Self {
        let state = State {
            random: Random::new(seed),
            files: Vec::new(),
            dirs: BTreeSet::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            unflushed_names: Vec::new(),
            locked: BTreeSet::new(),
            operations: 0,
            strike: None,
            struck: false,
            full: false,
            hold_flushes: false,
            held: 0,
            flushes: 0,
        };
        Self(Arc::new(Inner { state: Mutex::new(state), flushes: Condvar::new() }))
    }

    /// Makes the n-th operation from now fail, and every later one.
    pub(super) fn strike(&self, in_operations: u64, how: Strike) {
        let mut state = self.lock();
        state.strike = Some((state.operations + in_operations, how));
    }

    /// Whether the failure that was asked for has come.
    pub(super) fn was_struck(&self) -> bool {
        self.lock().struck
    }

    pub(super) fn set_full(&self, full: bool) {
        self.lock().full = full;
    }

    /// Successful flushes of files so far.
    pub(super) fn flushes(&self) -> u64 {
        self.lock().flushes
    }

    /// Blocks until so many files have been flushed.
    pub(super) fn wait_for_flushes(&self, flushes: u64) {
        let state = self.lock();
        drop(self.0.flushes.wait_while(state, |state| state.flushes < flushes).expect("no panic under the lock"));
    }

    pub(super) fn hold_flushes(&self) {
        self.lock().hold_flushes = true;
    }

    /// Blocks until a flush is held.
    pub(super) fn wait_for_held_flush(&self) {
        let state = self.lock();
        drop(self.0.flushes.wait_while(state, |state| state.held == 0).expect("no panic under the lock"));
    }

    pub(super) fn let_flushes_go(&self) {
        self.lock().hold_flushes = false;
        self.0.flushes.notify_all();
    }

    /// Ends the process and starts the machine (or just a process) again.
    pub(super) fn end(&self, end: End) {
        let mut state = self.lock();
        assert!(state.locked.is_empty(), "the log still holds its lock");
        state.strike = None;
        state.struck = false;
        if end == End::Kill {
            return;
        }
        let State { random, files, names, durable_names, unflushed_names, .. } = &mut *state;
        let kept = usize::try_from(random.below(unflushed_names.len() as u64 + 1)).expect("small");
        for change in unflushed_names.drain(..).take(kept) {
            change.apply(durable_names);
        }
        unflushed_names.clear();
        *names = durable_names.clone();
        for file in files {
            for (offset, bytes) in file.unflushed.drain(..) {
                for (number, sector) in bytes.chunks(SECTOR).enumerate() {
                    if random.coin() {
                        put(&mut file.durable, offset + number * SECTOR, sector);
                    }
                }
            }
            file.seen = file.durable.clone();
        }
    }

    /// A file's bytes as a reader sees them, by the end of its path.
    pub(super) fn find(&self, suffix: &str) -> (PathBuf, Vec<u8>) {
        let state = self.lock();
        let (path, file) = state.names.iter().find(|(path, _)| path.to_string_lossy().ends_with(suffix)).expect("a file of this name");
        (path.clone(), state.files[*file].seen.clone())
    }

    /// Changes a file behind the log's back, as bad hardware or a bad person would.
    pub(super) fn tamper(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.lock();
        let file = state.names[path];
        change(&mut state.files[file].seen);
        state.files[file].durable = state.files[file].seen.clone();
    }

    pub(super) fn delete(&self, path: &Path) {
        let mut state = self.lock();
        state.names.remove(path);
        state.durable_names.remove(path);
    }

    pub(super) fn paths(&self) -> Vec<PathBuf> {
        self.lock().names.keys().cloned().collect()
    }

    /// A disk of its own with the same files.
    pub(super) fn copy(&self) -> Self {
        let from = self.lock();
        let copy = Self::new(0);
        {
            let mut to = copy.lock();
            (to.files, to.dirs) = (from.files.clone(), from.dirs.clone());
            (to.names, to.durable_names) = (from.names.clone(), from.durable_names.clone());
        }
        copy
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().expect("no panic under the lock")
    }
}

impl State {
    /// Counts an operation; says whether it is struck.
    fn operate(&mut self) -> io::Result<Option<Strike>> {
        if self.struck {
            return Err(io::Error::other("struck before"));
        }
        self.operations += 1;
        match self.strike {
            Some((at, how)) if at == self.operations => {
                self.struck = true;
                Ok(Some(how))
            }
            Some(_) | None => Ok(None),
        }
    }

    fn change_names(&mut self, change: Rename) -> io::Result<()> {
        let strike = self.operate()?;
        if strike != Some(Strike::Before) {
            change.apply(&mut self.names);
            self.unflushed_names.push(change);
        }
        outcome(strike)
    }
}

impl Rename {
    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        if let Some(gone) = &self.gone {
            names.remove(gone);
        }
        if let Some((path, file)) = &self.here {
            names.insert(path.clone(), *file);
        }
    }
}

fn outcome(strike: Option<Strike>) -> io::Result<()> {
    if strike.is_some() { Err(io::Error::other("struck")) } else { Ok(()) }
}

fn put(file: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    if file.len() < offset + bytes.len() {
        file.resize(offset + bytes.len(), 0);
    }
    file[offset..offset + bytes.len()].copy_from_slice(bytes);
}

fn parent(path: &Path) -> PathBuf {
    path.parent().expect("files stand in directories").to_owned()
}

impl Disk for FakeDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.lock().dirs.extend(dir.ancestors().map(Path::to_owned));
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.lock();
        if !state.dirs.contains(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let children = state.names.keys().chain(state.dirs.iter()).filter(|path| path.parent() == Some(dir));
        Ok(children.filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())).collect())
    }

    fn create(&self, path: &Path, bytes: u64) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.lock();
        if bytes > 0 && state.full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        assert!(state.dirs.contains(&parent(path)), "the directory is there");
        let length = usize::try_from(bytes).expect("small");
        let file = state.files.len();
        // The length is durable from the start: the log must not depend on it either way, since the
        // name is not. A file with a durable name was flushed first.
        state.files.push(File { seen: vec![0; length], durable: vec![0; length], unflushed: Vec::new() });
        state.change_names(Rename { dir: parent(path), gone: None, here: Some((path.to_owned(), file)) })?;
        Ok(Box::new(FakeFile { disk: self.clone(), file, access: Access::Write }))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        let file = *self.lock().names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(FakeFile { disk: self.clone(), file, access }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.lock();
        let file = *state.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        assert_eq!(parent(from), parent(to), "the log renames within a directory");
        assert!(state.files[file].unflushed.is_empty() || state.struck, "a file is flushed before it takes a name");
        state.change_names(Rename { dir: parent(to), gone: Some(from.to_owned()), here: Some((to.to_owned(), file)) })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        state.change_names(Rename { dir: parent(path), gone: Some(path.to_owned()), here: None })
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.lock();
        let strike = state.operate()?;
        if strike != Some(Strike::Before) {
            let State { unflushed_names, durable_names, .. } = &mut *state;
            unflushed_names.retain(|change| {
                let here = change.dir == dir;
                if here {
                    change.apply(durable_names);
                }
                !here
            });
        }
        outcome(strike)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send>> {
        if !Self::lock(self).locked.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(Lock { disk: self.clone(), path: path.to_owned() }))
    }
}

struct Lock {
    disk: FakeDisk,
    path: PathBuf,
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.disk.lock().locked.remove(&self.path);
    }
}

#[derive(Debug)]
struct FakeFile {
    disk: FakeDisk,
    file: usize,
    access: Access,
}

impl DiskFile for FakeFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.lock().files[self.file].seen.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let state = self.disk.lock();
        let offset = usize::try_from(offset).expect("small");
        let bytes = state.files[self.file].seen.get(offset..offset + buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        assert_eq!(self.access, Access::Write, "a reader does not write");
        let mut state = self.disk.lock();
        let strike = state.operate()?;
        // A failing write may leave any part of itself.
        let part = match strike {
            Some(Strike::Before) => usize::try_from(state.random.below(bytes.len() as u64 + 1)).expect("small"),
            Some(Strike::After) | None => bytes.len(),
        };
        let offset = usize::try_from(offset).expect("small");
        let file = &mut state.files[self.file];
        put(&mut file.seen, offset, &bytes[..part]);
        file.unflushed.push((offset, bytes[..part].to_vec()));
        outcome(strike)
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.disk.lock();
        if state.hold_flushes {
            state.held += 1;
            self.disk.0.flushes.notify_all();
            state = self.disk.0.flushes.wait_while(state, |state| state.hold_flushes).expect("no panic under the lock");
            state.held -= 1;
        }
        let strike = state.operate()?;
        let State { files, random, flushes, .. } = &mut *state;
        let File { seen, durable, unflushed } = &mut files[self.file];
        if strike == Some(Strike::Before) {
            // The system marks the pages clean although the disk does not have them, or it has not tried yet.
            if random.coin() {
                unflushed.clear();
            }
        } else {
            for (offset, bytes) in unflushed.drain(..) {
                put(durable, offset, &bytes);
            }
            durable.resize(seen.len(), 0);
            *flushes += 1;
            self.disk.0.flushes.notify_all();
        }
        outcome(strike)
    }
}
