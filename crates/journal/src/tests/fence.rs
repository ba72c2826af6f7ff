//! The fence: what a directory cannot know of itself.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{fs, io};

use tempfile::TempDir;
use tokio::sync::Notify;

use super::basic::{entry, key, options};
use crate::disk::{Access, Disk, DiskFile, RealDisk};
use crate::fence::{Fence, SwapError};
use crate::journal::{CloseError, Journal, OpenError, Options, Refused};
use crate::{Hash, Role, Urgency, verify};

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("temporary directory"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The log in a folder of this name; all share one fence.
    fn options(&self, name: &str) -> Options {
        Options { fence: Some(self.path("fence")), ..options(&self.path(name)) }
    }

    fn open(&self, name: &str) -> Result<Journal, OpenError> {
        Journal::open(self.options(name), key()).map(|(journal, _)| journal)
    }

    fn mark(&self) -> PathBuf {
        self.path("fence/node-1.test.fence")
    }
}

async fn write(journal: &Journal, entries: u8, body: u8) {
    for _ in 0..entries {
        journal.append(entry(1, Role::Single, &[body], b""), Urgency::Now, None).expect("taken").durable().await;
    }
}

async fn grow(place: &Place, name: &str, entries: u8, body: u8) {
    let journal = place.open(name).expect("opens");
    write(&journal, entries, body).await;
    journal.close().await.expect("closes");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for file in fs::read_dir(from).expect("there") {
        let file = file.expect("read");
        let target = to.join(file.file_name());
        if file.path().is_dir() {
            copy(&file.path(), &target);
        } else {
            fs::copy(file.path(), target).expect("copied");
        }
    }
}

#[tokio::test]
async fn a_restored_copy_is_refused_and_the_newest_opens() {
    let place = Place::new();
    grow(&place, "log", 10, 1).await;
    copy(&place.path("log"), &place.path("old"));
    grow(&place, "log", 10, 1).await;
    // The old copy is sound in itself: nothing in it tells that it is old.
    assert!(verify::verify(&place.path("old"), &mut |_| {}).expect("reads").is_sound());
    let error = place.open("old").expect_err("refused");
    assert!(matches!(error, OpenError::Behind { size: 10, checkpoint: 20 }), "{error}");
    grow(&place, "log", 1, 1).await;
    // Without anything at all it is no new log either.
    let error = place.open("empty").expect_err("refused");
    assert!(matches!(error, OpenError::Behind { size: 0, checkpoint: 21 }), "{error}");
}

#[tokio::test]
async fn a_log_that_has_gone_on_otherwise_is_refused_with_levels_and_without() {
    let place = Place::new();
    grow(&place, "log", 5, 1).await;
    copy(&place.path("log"), &place.path("other"));
    grow(&place, "log", 5, 1).await;
    // The copy goes on where no fence stands, further than the true log.
    let (journal, _) = Journal::open(options(&place.path("other")), key()).expect("opens");
    write(&journal, 9, 2).await;
    journal.close().await.expect("closes");
    for levels in [true, false] {
        if !levels {
            // A file in the levels' place: they cannot be made.
            let dir = place.path("other/node-1.test/levels");
            fs::remove_dir_all(&dir).expect("removed");
            fs::write(&dir, "").expect("written");
        }
        let error = place.open("other").expect_err("refused");
        assert!(matches!(error, OpenError::Forked { fence: 10 }), "{error}");
    }
    grow(&place, "log", 1, 1).await;
}

#[tokio::test]
async fn of_two_writers_the_one_that_was_overtaken_ends() {
    for running in [true, false] {
        let place = Place::new();
        grow(&place, "log", 3, 1).await;
        copy(&place.path("log"), &place.path("copy"));
        let ended = Arc::new(Notify::new());
        let end = Arc::clone(&ended);
        let lag = if running { Duration::from_millis(1) } else { Duration::from_secs(3600) };
        let mine = Options { checkpoint_lag: lag, ..place.options("log") };
        let fatal = Box::new(move |reason: &str| {
            assert!(reason.contains("another process writes this log too"), "{reason}");
            end.notify_one();
        });
        let (first, _) = Journal::open_on(Arc::new(RealDisk), mine, key(), fatal).expect("opens");
        // As on another machine: the directory's own lock is not there.
        let second = place.open("copy").expect("opens, since nothing tells yet");
        write(&second, 4, 2).await;
        drop(first.append(entry(1, Role::Single, &[1], b""), Urgency::Now, None).expect("taken, since nothing tells yet"));
        if running {
            ended.notified().await;
            assert_eq!(first.append(entry(1, Role::Single, &[1], b""), Urgency::Now, None).expect_err("ended"), Refused::Closed);
        } else {
            assert_eq!(first.close().await.expect_err("told"), CloseError::Taken);
        }
        assert!(!place.path("log/node-1.test/clean").exists(), "no clean close");
        drop(first);
        second.close().await.expect("closes");
        // From then on the first cannot be opened beside it.
        assert!(matches!(place.open("log"), Err(OpenError::Forked { .. } | OpenError::Behind { .. })));
        grow(&place, "copy", 1, 2).await;
    }
}

/// A real disk whose named operations fail, in turn.
#[derive(Debug)]
struct Flaky(Mutex<VecDeque<&'static str>>);

impl Flaky {
    fn fails(&self, operation: &str) -> io::Result<()> {
        let mut due = self.0.lock().expect("no panic under the lock");
        if due.front() == Some(&operation) {
            due.pop_front();
            return Err(io::Error::other("as asked"));
        }
        Ok(())
    }
}

impl Disk for Flaky {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        RealDisk.create_dir(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        RealDisk.list(dir)
    }

    fn create(&self, path: &Path, bytes: u64) -> io::Result<Box<dyn DiskFile>> {
        self.fails("create")?;
        RealDisk.create(path, bytes)
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        RealDisk.open(path, access)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        RealDisk.sync_dir(dir).and_then(|()| self.fails("sync_dir"))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send>> {
        RealDisk.lock(path)
    }
}

#[test]
fn a_disk_that_refuses_now_and_then_does_not_pass_for_another_writer() {
    let place = Place::new();
    let head = |size| key().sign(&options(Path::new("/")).origin, size, Hash::of(b"root"));
    let flaky = Arc::new(Flaky(Mutex::default()));
    let disk: Arc<dyn Disk> = flaky.clone();
    let mut fence = Fence::take(&disk, &place.path("fence"), None, &head(1)).expect("taken");
    // The first is written and says that it failed; the second fails and is not written.
    *flaky.0.lock().expect("no panic under the lock") = ["sync_dir", "create", "create"].into();
    for size in 2..5 {
        assert!(matches!(fence.swap(&head(size)), Err(SwapError::Io(_))), "{size}");
    }
    fence.swap(&head(5)).expect("it is still ours");
    assert!(fs::read_to_string(place.mark()).expect("there").contains("node-1.test\n5\n"));
    fs::write(place.mark(), format!("another\n{}", head(5).note())).expect("written");
    assert!(matches!(fence.swap(&head(6)), Err(SwapError::Taken)));
}

#[tokio::test]
async fn a_fence_of_another_log_is_refused_and_a_missing_one_is_made() {
    let place = Place::new();
    grow(&place, "log", 3, 1).await;
    for wrong in ["", "rubbish", "writer\nrubbish"] {
        fs::write(place.mark(), wrong).expect("written");
        let error = place.open("log").expect_err("refused");
        assert!(matches!(error, OpenError::Fence(_)), "{wrong:?}: {error}");
    }
    fs::remove_file(place.mark()).expect("removed");
    grow(&place, "log", 1, 1).await;
    assert!(fs::read_to_string(place.mark()).expect("there").contains("node-1.test\n4\n"));
}
