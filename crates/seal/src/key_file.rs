//! A secret of 32 bytes in a file of its own, readable by its owner alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Length of every secret kept in a file, in bytes.
pub const SECRET_BYTES: usize = 32;

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file or its directory cannot be read or written: look at owner, mode and free space.
    #[error("key file {path} cannot be used")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is not exactly 32 bytes: restore it from its backup; never make a new one by hand.
    #[error("key file {path} is not {SECRET_BYTES} bytes long; restore it from its copy")]
    Length {
        /// The file.
        path: PathBuf,
    },
    /// Others than the owner may read the file: `chmod 600` it, and think about who has read it.
    #[error("key file {path} is open to others than its owner (mode {mode:o}, accepted is 600)")]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

/// Reads the secret, or makes one from the system's randomness when the file is not there.
///
/// A new file has mode 0600 and is durable (file and directory flushed) before this returns. Two
/// processes that race end with the same secret: the name is taken by a link, never overwritten.
///
/// # Errors
/// When the file cannot be read or made, has another length, or is open to others.
///
/// # Panics
/// When the system gives no randomness.
pub fn load_or_create(path: &Path) -> Result<Zeroizing<[u8; SECRET_BYTES]>, KeyFileError> {
    let io = |source| KeyFileError::Io { path: path.to_owned(), source };
    match load(path) {
        Err(KeyFileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
        other => return other,
    }
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        Some(_) | None => Path::new("."),
    };
    fs::create_dir_all(dir).map_err(io)?;
    let mut secret = Zeroizing::new([0; SECRET_BYTES]);
    aws_lc_rs::rand::fill(&mut secret[..]).expect("the system gives randomness");
    let mut new = path.as_os_str().to_owned();
    new.push(format!(".{}.new", uuid::Uuid::new_v4().simple()));
    let new = PathBuf::from(new);
    let made = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(&secret[..])?;
        file.sync_all()?;
        match fs::hard_link(&new, path) {
            // Another process was quicker: its secret is the one.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    })();
    let removed = fs::remove_file(&new);
    made.map_err(io)?;
    removed.map_err(io)?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(io)?;
    load(path)
}

fn load(path: &Path) -> Result<Zeroizing<[u8; SECRET_BYTES]>, KeyFileError> {
    let io = |source| KeyFileError::Io { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(io)?;
    let mode = file.metadata().map_err(io)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Mode { path: path.to_owned(), mode });
    }
    // One byte more than the secret, so that a longer file shows itself.
    let mut bytes = Zeroizing::new([0; SECRET_BYTES + 1]);
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read(&mut bytes[filled..]).map_err(io)? {
            0 => break,
            more => filled += more,
        }
    }
    if filled != SECRET_BYTES {
        return Err(KeyFileError::Length { path: path.to_owned() });
    }
    let mut secret = Zeroizing::new([0; SECRET_BYTES]);
    secret.copy_from_slice(&bytes[..SECRET_BYTES]);
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_made_once_and_read_again() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("deep/node.key");
        let first = load_or_create(&path).expect("made");
        assert_eq!(*first, *load_or_create(&path).expect("read"));
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().expect("parent")).expect("listed").count(), 1, "no working file stays");
    }

    #[test]
    fn an_open_or_misshapen_file_is_refused() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("node.key");
        load_or_create(&path).expect("made");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("chmod");
        assert!(matches!(load_or_create(&path), Err(KeyFileError::Mode { mode: 0o640, .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("chmod");
        for wrong in [0, 31, 33, 64] {
            fs::write(&path, vec![7; wrong]).expect("written");
            assert!(matches!(load_or_create(&path), Err(KeyFileError::Length { .. })), "{wrong} bytes");
        }
    }
}
