//! The keys of snapshots: one file each, wrapped by the node key, destroyed when another snapshot takes the place.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use aws_lc_rs::rand;
use seal::{NodeKey, SealKey};
use uuid::Uuid;
use zeroize::Zeroizing;

/// Bytes of a key before it is wrapped.
const KEY_BYTES: usize = 32;
/// Longest file of a wrapped key, in bytes.
const FILE_BYTES_MAX: u64 = 256;
/// Label of the node's key that wraps these.
const WRAPS: &str = "qovsaq feeds";

/// Makes a folder that its owner alone may enter, where it is missing.
pub(super) fn make_folder(folder: &Path) -> anyhow::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).with_context(|| format!("cannot make the folder {}", folder.display()))
}

/// The ids of the keys that are there.
pub(super) fn list(folder: &Path) -> anyhow::Result<Vec<Uuid>> {
    let mut ids = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let name = entry?.file_name();
        let id: Option<Uuid> = name.to_str().and_then(|name| name.strip_suffix(".key")).and_then(|name| name.parse().ok());
        ids.extend(id);
    }
    ids.sort_unstable();
    Ok(ids)
}

/// Makes a key and writes it, durably, before anything is sealed under it.
pub(super) fn make(folder: &Path, id: Uuid, node_key: &NodeKey) -> anyhow::Result<SealKey> {
    let mut secret = Zeroizing::new([0; KEY_BYTES]);
    rand::fill(&mut secret[..]).context("the system gives no randomness")?;
    let wrapped = node_key.derive(WRAPS).seal(id.as_bytes(), &secret[..]);
    let path = path(folder, id);
    let write = || {
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path)?;
        file.write_all(&wrapped)?;
        file.sync_all()?;
        File::open(folder)?.sync_all()
    };
    write().with_context(|| format!("cannot write {}", path.display()))?;
    Ok(of(*secret))
}

/// Reads a key.
pub(super) fn load(folder: &Path, id: Uuid, node_key: &NodeKey) -> anyhow::Result<SealKey> {
    let path = path(folder, id);
    let mut wrapped = Vec::new();
    let read = File::open(&path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut wrapped));
    read.with_context(|| format!("cannot read {}", path.display()))?;
    let opened = node_key.derive(WRAPS).open(id.as_bytes(), &wrapped);
    let secret = Zeroizing::new(opened.with_context(|| format!("{} was not made by this node", path.display()))?);
    let secret: [u8; KEY_BYTES] = secret[..].try_into().with_context(|| format!("{} is no key", path.display()))?;
    Ok(of(secret))
}

/// Overwrites and removes a key: what is sealed under it is gone, wherever a copy of it lies.
pub(super) fn destroy(folder: &Path, id: Uuid) -> anyhow::Result<()> {
    let path = path(folder, id);
    let destroy = || {
        let mut file = OpenOptions::new().write(true).open(&path)?;
        let length = usize::try_from(file.metadata()?.len().min(FILE_BYTES_MAX)).unwrap_or_default();
        file.write_all(&vec![0; length])?;
        file.sync_all()?;
        std::fs::remove_file(&path)?;
        File::open(folder)?.sync_all()
    };
    match destroy() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other.with_context(|| format!("cannot destroy {}", path.display())),
    }
}

fn path(folder: &Path, id: Uuid) -> PathBuf {
    folder.join(format!("{id}.key"))
}

fn of(secret: [u8; KEY_BYTES]) -> SealKey {
    NodeKey::from_bytes(secret).derive("qovsaq snapshot")
}
