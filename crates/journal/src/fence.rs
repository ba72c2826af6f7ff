//! The fence: the log's last checkpoint, kept outside its directory and changed by compare-and-swap alone.
//!
//! It tells what the directory cannot know of itself: that an older copy of it was put back, that it has gone on
//! otherwise than before, and that another process writes a copy of it. It is swapped at every start, with the
//! checkpoint file (about every ten seconds of writing) and at a clean close, never on the way to an
//! acknowledgement; so a copy taken since the last swap passes, and receipts kept elsewhere convict it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::committer;
use crate::disk::Disk;
use crate::journal::OpenError;
use crate::note::{Origin, SignedHead, VerifyingKey};
use crate::scan;

/// What the fence says: the last head it was swapped to, and by which opening of the log.
pub(crate) struct Mark {
    text: String,
    pub(crate) head: SignedHead,
}

impl Mark {
    /// Reads the mark of a log; none where there has been no fence yet.
    ///
    /// # Errors
    /// When it cannot be read or is not this log's.
    pub(crate) fn read(disk: &dyn Disk, dir: &Path, key: &VerifyingKey) -> Result<Option<Self>, OpenError> {
        let path = dir.join(mark_name(key.origin()));
        let text = scan::note_text(disk, &path).map_err(|source| OpenError::Io { path: path.clone(), source })?;
        let Some(text) = text else { return Ok(None) };
        let mark = text.and_then(|text| {
            let (_, note) = text.split_once('\n')?;
            let head = SignedHead::parse(note, key).ok()?;
            Some(Self { head, text })
        });
        mark.map(Some).ok_or(OpenError::Fence(path))
    }
}

/// The fence as the one writer holds it.
pub(crate) struct Fence {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    origin: Origin,
    /// Names this opening of the log.
    writer: String,
    /// What stands there as far as we know.
    last: Option<String>,
    /// What a swap that failed may have written all the same.
    tried: Option<String>,
}

/// Why a swap did not happen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SwapError {
    /// Another opening of the log has swapped since: this one must end.
    #[error("another process writes this log too: its fence has changed; stop one of them, and compare both with receipts")]
    Taken,
    /// The disk refused; it is tried again.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Fence {
    /// Takes the fence over from whoever had it, at the log's present head.
    ///
    /// # Errors
    /// When somebody else takes it at the same moment, or the disk refuses.
    pub(crate) fn take(disk: &Arc<dyn Disk>, dir: &Path, mark: Option<Mark>, head: &SignedHead) -> Result<Self, SwapError> {
        disk.create_dir(dir)?;
        let mut writer = [0; 16];
        aws_lc_rs::rand::fill(&mut writer).map_err(|_| io::Error::other("the system gives no randomness"))?;
        let mut fence = Self {
            disk: Arc::clone(disk),
            dir: dir.to_owned(),
            origin: head.origin().clone(),
            writer: STANDARD.encode(writer),
            last: mark.map(|mark| mark.text),
            tried: None,
        };
        fence.swap(head)?;
        Ok(fence)
    }

    /// Moves the fence to a head that is durable.
    ///
    /// # Errors
    /// [`SwapError::Taken`] ends the writer; else the disk has refused.
    pub(crate) fn swap(&mut self, head: &SignedHead) -> Result<(), SwapError> {
        let name = mark_name(&self.origin);
        let _lock = self.disk.lock(&self.dir.join(format!("{}.lock", self.origin)))?;
        let there = scan::note_text(&*self.disk, &self.dir.join(&name))?;
        let there = match there {
            Some(None) => return Err(SwapError::Taken),
            Some(text) => text,
            None => None,
        };
        if there != self.last && (there.is_none() || there != self.tried) {
            return Err(SwapError::Taken);
        }
        // What stands there is ours: a later swap that fails too must not forget it.
        self.last = there;
        let text = format!("{}\n{}", self.writer, head.note());
        self.tried = Some(text.clone());
        committer::write_note(&*self.disk, &self.dir, &name, &text)?;
        (self.last, self.tried) = (Some(text), None);
        Ok(())
    }
}

fn mark_name(origin: &Origin) -> String {
    format!("{origin}.fence")
}
