//! What the log asks of storage.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A disk. What is promised:
///
/// - **Order and durability.** Nothing is durable until the flush that covers it has returned
///   success: [`DiskFile::sync`] for a file's bytes, [`Disk::sync_dir`] for names made, renamed or
///   removed in a directory. Unflushed writes may be lost in any part and order, sector by sector.
/// - **Failure.** After a failed flush nothing is known: reads may show bytes that are not on disk.
/// - **Rename** replaces its target in one step: after a crash the name has the old or the new file.
/// - **Preallocation.** Writes within the length given to [`Disk::create`] never lack space.
/// - **Concurrency.** Calls may come from several threads; the log keeps one writer per file.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Makes a directory and its parents; fine when it is there. Their names are flushed.
    ///
    /// # Errors
    /// What the disk says.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// Names in a directory, in no order.
    ///
    /// # Errors
    /// What the disk says; `NotFound` without the directory.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Makes (or empties) a file, with `bytes` of zeros set aside for it.
    ///
    /// # Errors
    /// What the disk says; `StorageFull` when there is no room.
    fn create(&self, path: &Path, bytes: u64) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file that is there, for reading and, when asked, for writing.
    ///
    /// # Errors
    /// What the disk says; `NotFound` without the file.
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>>;

    /// Gives a file another name in place of whatever has it.
    ///
    /// # Errors
    /// What the disk says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// What the disk says; `NotFound` without the file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Flushes a directory's names.
    ///
    /// # Errors
    /// What the disk says.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Takes the one lock of this name until the guard is dropped or the process ends.
    ///
    /// # Errors
    /// `WouldBlock` when another holds it; else what the disk says.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send>>;
}

/// An open file of a [`Disk`].
pub trait DiskFile: Send + fmt::Debug {
    /// Length in bytes.
    ///
    /// # Errors
    /// What the disk says.
    fn length(&self) -> io::Result<u64>;

    /// Reads exactly `buffer.len()` bytes at `offset`.
    ///
    /// # Errors
    /// What the disk says; `UnexpectedEof` when the file ends before.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes all bytes at `offset`.
    ///
    /// # Errors
    /// What the disk says; how much was written is then unknown.
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes all writes so far durable.
    ///
    /// # Errors
    /// What the disk says; what is durable is then unknown.
    fn sync(&mut self) -> io::Result<()>;
}

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading only: a verifier needs no right to write.
    Read,
    /// Reading and writing.
    Write,
}

/// The disk of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        // From the first missing directory downwards, each name is flushed into its parent.
        let missing: Vec<&Path> = dir.ancestors().take_while(|part| !part.as_os_str().is_empty() && !part.is_dir()).collect();
        for part in missing.into_iter().rev() {
            match fs::create_dir(part) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                Ok(()) | Err(_) => {}
            }
            let parent = match part.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                Some(_) | None => Path::new("."),
            };
            self.sync_dir(parent)?;
        }
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        fs::read_dir(dir)?.map(|file| Ok(file?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn create(&self, path: &Path, bytes: u64) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        if bytes > 0 {
            rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes)?;
        }
        Ok(Box::new(RealFile(file)))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(RealFile(OpenOptions::new().read(true).write(access == Access::Write).open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send>> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(file)),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

#[derive(Debug)]
struct RealFile(File);

impl DiskFile for RealFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}
