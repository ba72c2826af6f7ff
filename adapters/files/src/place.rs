//! Where files arrive.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Most names that are looked at in one place.
pub const NAMES_MAX: usize = 10_000;

/// A file that lies ready.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Listed {
    /// Its name, without a folder.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// What changes when the file does: its time of change, as the place tells it.
    pub changed: i128,
}

/// Where files arrive. Blocking.
pub trait Place: Send + Sync + fmt::Debug {
    /// The regular files that lie there, by name. What is no regular file (a link, a folder, a device) is not listed.
    ///
    /// # Errors
    /// When the place cannot be read, or holds more than [`NAMES_MAX`] names.
    fn list(&self) -> io::Result<Vec<Listed>>;

    /// Opens a file for one reading.
    ///
    /// # Errors
    /// When it is not there any more, or cannot be read.
    fn open(&self, name: &str) -> io::Result<Box<dyn Read>>;

    /// Whether files stay there after they were loaded: they are the source's own, and so old ones are no surprise.
    fn keeps(&self) -> bool {
        false
    }

    /// Takes a file away that has been loaded. Where the files stay the source's own it does nothing.
    ///
    /// # Errors
    /// When it cannot be taken away.
    fn take_away(&self, name: &str) -> io::Result<()>;
}

/// A folder that the source writes into.
#[derive(Debug, Clone)]
pub struct Landing {
    folder: PathBuf,
}

impl Landing {
    /// The folder; it need not exist yet.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf() }
    }
}

/// Do not follow a link in the last part of a path (`open(2)`), and do not wait for the other end of a pipe.
const NO_LINK_NO_WAIT: i32 = 0o400_000 | 0o4_000;

impl Place for Landing {
    fn list(&self) -> io::Result<Vec<Listed>> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut listed = Vec::new();
        for entry in entries {
            let entry = entry?;
            // Of the entry itself: a link is not followed.
            let metadata = entry.metadata()?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if metadata.is_file() {
                let changed = metadata.modified()?.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_nanos());
                listed.push(Listed { name, bytes: metadata.len(), changed: i128::try_from(changed).unwrap_or(i128::MAX) });
            }
            if listed.len() > NAMES_MAX {
                return Err(io::Error::new(io::ErrorKind::QuotaExceeded, "more names than are looked at"));
            }
        }
        listed.sort();
        Ok(listed)
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read>> {
        let file = self.plain(name)?;
        Ok(Box::new(file))
    }

    fn take_away(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.folder.join(name))?;
        File::open(&self.folder)?.sync_all()
    }
}

impl Landing {
    fn plain(&self, name: &str) -> io::Result<File> {
        if name.is_empty() || name.starts_with('.') || name.contains('/') {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a plain name"));
        }
        let file = OpenOptions::new().read(true).custom_flags(NO_LINK_NO_WAIT).open(self.folder.join(name))?;
        if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")) }
    }
}
