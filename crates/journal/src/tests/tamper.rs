//! A log in other hands: every change is named, or shown to be harmless.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::basic::entry;
use super::crash;
use super::fake::{End, FakeDisk};
use crate::format::{FRAME_ALIGN, FrameHeader, SegmentHeader};
use crate::journal::OpenError;
use crate::scan::{Found, Frames};
use crate::verify::{LogReport, verify_on};
use crate::{Role, Urgency, read};

const LOG: &str = "/journal/node-1.test";

type Change<'a> = Box<dyn Fn(&mut Vec<u8>) + 'a>;

fn log_of(entries: u8, bytes: usize) -> FakeDisk {
    let disk = FakeDisk::new(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("runtime");
    runtime.block_on(async {
        let (journal, ..) = crash::open(&disk).expect("opens");
        for number in 0..entries {
            let role = match number {
                1 | 2 => Role::Opens,
                4 => Role::Closes(1),
                _ => Role::Single,
            };
            // Odd entries carry a payload.
            let payload = vec![number; if number % 2 == 1 { bytes } else { 0 }];
            let appended = journal.append(entry(number, role, &vec![number; bytes], &payload), Urgency::Now, None).expect("taken");
            appended.durable().await;
        }
        journal.close().await.expect("closes");
    });
    disk
}

fn report(disk: &FakeDisk) -> LogReport {
    verify_on(disk, Path::new("/journal"), &mut |_| {}).expect("reads").logs.remove(0)
}

/// Where each frame of a segment begins and ends, without padding, with its first index.
fn frames(disk: &FakeDisk, path: &Path) -> Vec<(usize, usize, u64)> {
    use crate::disk::Disk as _;
    let file = disk.open(path, crate::disk::Access::Read).expect("there");
    let (header, _) = crate::scan::segment_header(&*file).expect("reads").expect("a header");
    let mut frames = Frames::new(&*file, header.encode().0.len() as u64).expect("reads");
    let small = |bytes: u64| usize::try_from(bytes).expect("small");
    let mut found = Vec::new();
    loop {
        let start = frames.offset;
        let index = match frames.read().expect("reads") {
            Found::Frame(frame) => frame.header.first_index,
            Found::Nothing | Found::Unfinished(_) | Found::Damaged(_) | Found::Later => return found,
        };
        found.push((small(start), small(frames.end), index));
    }
}

fn flipped(disk: &FakeDisk, path: &Path, at: usize) -> FakeDisk {
    let copy = disk.copy();
    copy.tamper(path, |bytes| bytes[at] ^= 1 << (at % 8));
    copy
}

#[test]
fn every_flipped_byte_of_a_small_log_is_named_and_keeps_it_from_opening() {
    let disk = log_of(5, 30);
    assert_eq!(report(&disk).damage, []);
    let (path, bytes) = disk.find(".seg");
    let frames = frames(&disk, &path);
    assert_eq!(frames.len(), 5);
    let end = frames.last().expect("five").1;
    for at in 0..end {
        let changed = flipped(&disk, &path, at);
        let report = report(&changed);
        let damage = report.damage.first().unwrap_or_else(|| panic!("byte {at} is not named: {report:?}"));
        // The place named is the frame that holds the byte (or whose gap before it does).
        let frame = frames.iter().find(|(_, end, _)| at < *end && at >= frames[0].0);
        match frame {
            Some((start, _, index)) if damage.file != "checkpoint" => {
                assert_eq!((damage.offset, damage.index), (*start as u64, Some(*index)), "byte {at}: {damage:?}");
            }
            Some(_) | None => {}
        }
        assert!(crash::open(&changed).is_err(), "byte {at} does not keep the log from opening");
    }
    // Behind the last frame nothing was ever acknowledged: such bytes are reported as a torn tail, and moved aside.
    for at in (end..bytes.len()).step_by(997).chain([end, bytes.len() - 1]) {
        let changed = flipped(&disk, &path, at);
        let report = report(&changed);
        assert_eq!(report.damage, [], "byte {at}");
        assert_eq!(report.torn.expect("torn").offset, end as u64, "byte {at}");
        let (_, recovered, _) = crash::open(&changed).expect("opens");
        assert_eq!((recovered.size, recovered.was_clean, recovered.torn.is_some()), (5, false, true), "byte {at}");
    }
}

#[test]
fn every_flipped_byte_of_the_checkpoint_is_named() {
    let disk = log_of(6, 40);
    let (path, bytes) = disk.find("/checkpoint");
    for at in 0..bytes.len() {
        let changed = flipped(&disk, &path, at);
        assert_eq!(report(&changed).damage[0].file, "checkpoint", "byte {at}");
        assert!(matches!(crash::open(&changed), Err(OpenError::Checkpoint)), "byte {at}");
    }
    // The mark of a clean close only spares work: changed, the log opens and works as after a crash.
    let (path, bytes) = disk.find("/clean");
    for at in 0..bytes.len() {
        let (_, recovered, _) = crash::open(&flipped(&disk, &path, at)).expect("opens");
        assert_eq!((recovered.size, recovered.was_clean), (6, false), "byte {at}");
    }
}

/// The levels say nothing of their own: whatever they hold is named, keeps nothing from opening, and is made anew.
#[test]
fn every_flipped_byte_of_the_levels_is_named_and_made_good() {
    let disk = log_of(6, 40);
    let (whole, note) = (disk.find("/levels/0"), disk.find("/levels/checkpoint"));
    for (path, bytes) in [&whole, &note] {
        for at in 0..bytes.len() {
            let changed = flipped(&disk, path, at);
            let damage = report(&changed).damage;
            assert!(damage.len() == 1 && damage[0].file.starts_with("levels"), "byte {at} of {path:?}: {damage:?}");
            let (journal, recovered, _) = crash::open(&changed).expect("opens");
            assert_eq!(recovered.size, 6, "byte {at} of {path:?}");
            drop(journal);
            assert_eq!((changed.find("/levels/0"), changed.find("/levels/checkpoint")), (whole.clone(), note.clone()), "byte {at}");
            assert_eq!(report(&changed).damage, []);
        }
    }
}

/// The fence's first line names an opening and is nobody's claim; all the rest is signed.
#[test]
fn every_flipped_byte_of_the_fence_keeps_the_log_from_opening_or_says_nothing() {
    let disk = log_of(6, 40);
    let (path, bytes) = disk.find(".fence");
    let first_line = bytes.iter().position(|byte| *byte == b'\n').expect("two lines");
    for at in 0..bytes.len() {
        let changed = flipped(&disk, &path, at);
        assert_eq!(report(&changed).damage, [], "the log itself is sound");
        match crash::open(&changed) {
            Ok((_, recovered, _)) => assert!(at < first_line && recovered.size == 6, "byte {at}"),
            Err(error) => assert!(matches!(error, OpenError::Fence(_)), "byte {at}: {error}"),
        }
    }
}

#[test]
fn flips_in_the_segments_before_are_named() {
    let disk = log_of(40, 3000);
    let segments: Vec<PathBuf> = disk.paths().into_iter().filter(|path| path.extension().is_some_and(|end| end == "seg")).collect();
    assert!(segments.len() >= 3, "{segments:?}");
    for path in &segments[..segments.len() - 1] {
        let (_, bytes) = disk.find(&path.to_string_lossy());
        // Every byte of the headers and some of the rest, the unused end included.
        let frames = frames(&disk, path);
        let headers = (0..256).step_by(5).chain(frames.iter().take(1).flat_map(|(start, ..)| *start..*start + 300));
        for at in headers.chain((0..bytes.len()).step_by(5003)) {
            assert!(!report(&flipped(&disk, path, at)).damage.is_empty(), "byte {at} of {path:?}");
        }
    }
}

#[test]
fn what_is_deleted_swapped_cut_or_brought_back_is_named() {
    let disk = log_of(40, 3000);
    let segments: Vec<PathBuf> = disk.paths().into_iter().filter(|path| path.extension().is_some_and(|end| end == "seg")).collect();
    for path in &segments {
        let copy = disk.copy();
        copy.delete(path);
        assert!(!report(&copy).damage.is_empty(), "without {path:?}");
    }
    // The last one gone, or brought back as it was before: behind its own checkpoint.
    let copy = disk.copy();
    copy.delete(segments.last().expect("several"));
    assert!(matches!(crash::open(&copy), Err(OpenError::Behind { .. })));
    let earlier = log_of(39, 3000);
    let copy = disk.copy();
    let (_, before) = earlier.find(&segments.last().expect("several").to_string_lossy());
    copy.tamper(segments.last().expect("several"), |bytes| *bytes = before);
    assert!(matches!(crash::open(&copy), Err(OpenError::Behind { size: 39, checkpoint: 40 })));
    assert_eq!(report(&copy).damage[0].what, "log is shorter than its checkpoint");

    // Inside a segment: a frame out, two swapped, one twice.
    let path = &segments[1];
    let sectors = |frame: &(usize, usize, u64)| frame.0..frame.1.next_multiple_of(FRAME_ALIGN);
    let frames = frames(&disk, path);
    let changes: [(&str, Change<'_>); 3] = [
        ("zeroed", Box::new(|bytes| bytes[sectors(&frames[1])].fill(0))),
        (
            "swapped",
            Box::new(|bytes| {
                let (one, two) = (bytes[sectors(&frames[1])].to_vec(), bytes[sectors(&frames[3])].to_vec());
                assert_eq!(one.len(), two.len());
                bytes[sectors(&frames[1])].copy_from_slice(&two);
                bytes[sectors(&frames[3])].copy_from_slice(&one);
            }),
        ),
        (
            "twice",
            Box::new(|bytes| {
                let one = bytes[sectors(&frames[1])].to_vec();
                bytes[sectors(&frames[3])].copy_from_slice(&one);
            }),
        ),
    ];
    for (what, change) in changes {
        let copy = disk.copy();
        copy.tamper(path, change);
        let damage = report(&copy).damage;
        let first = &damage[0];
        assert!(first.file.ends_with(&SegmentHeader::file_name(frames[0].2)) && first.offset > 0, "{what}: {damage:?}");
    }
}

/// Frames and whole segments put where they do not belong.
#[test]
fn what_is_spliced_in_or_out_is_named_and_keeps_the_log_from_opening() {
    let disk = log_of(40, 3000);
    let segments: Vec<PathBuf> = disk.paths().into_iter().filter(|path| path.extension().is_some_and(|end| end == "seg")).collect();
    let last = segments.last().expect("several");
    let sectors = |frame: &(usize, usize, u64)| frame.0..frame.1.next_multiple_of(FRAME_ALIGN);
    let of_last = frames(&disk, last);
    assert!(of_last.len() >= 3, "{of_last:?}");
    let (first, second) = (sectors(&of_last[0]), sectors(&of_last[1]));
    // A log of the same key and size that says something else from the first entry on.
    let other = log_of(40, 2999);
    let (_, foreign) = other.find(&last.to_string_lossy());
    let of_foreign = sectors(&frames(&other, last)[1]);
    let inside: [(&str, Change<'_>); 5] = [
        // The rest moves up, and the end is filled with zeros.
        (
            "a frame is taken out",
            Box::new(|bytes| {
                bytes.drain(second.clone());
                bytes.extend(vec![0; second.len()]);
            }),
        ),
        (
            "the first frame is taken out",
            Box::new(|bytes| {
                bytes.drain(first.clone());
                bytes.extend(vec![0; first.len()]);
            }),
        ),
        (
            "a frame is put in twice",
            Box::new(|bytes| {
                let frame = bytes[first.clone()].to_vec();
                let length = bytes.len();
                bytes.splice(second.start..second.start, frame);
                bytes.truncate(length);
            }),
        ),
        (
            "a frame of another log is put in",
            Box::new(|bytes| {
                bytes[second.start..second.start + of_foreign.len()].copy_from_slice(&foreign[of_foreign.clone()]);
            }),
        ),
        ("the file is cut", Box::new(|bytes| bytes.truncate(second.start))),
    ];
    for (what, change) in inside {
        let changed = disk.copy();
        changed.tamper(last, change);
        let damage = report(&changed).damage;
        assert!(damage.first().is_some_and(|first| first.file.starts_with("segments/")), "{what}: {damage:?}");
        assert!(crash::open(&changed).is_err(), "{what}");
        // Nor where the checkpoints beside it are taken away: the fence still tells, or the frames themselves do.
        changed.delete(&PathBuf::from(LOG).join("checkpoint"));
        changed.delete(&PathBuf::from(LOG).join("levels/checkpoint"));
        assert!(crash::open(&changed).is_err(), "{what}, without checkpoints");
    }
    // Two segments change places, one takes another's, and one comes from the other log.
    let [(_, one), (_, two)] = [&segments[0], &segments[1]].map(|path| disk.find(&path.to_string_lossy()));
    for (what, files) in [
        ("swapped", vec![(&segments[0], &two), (&segments[1], &one)]),
        ("twice", vec![(&segments[1], &one)]),
        ("another log's", vec![(last, &foreign)]),
    ] {
        let changed = disk.copy();
        for (path, bytes) in files {
            changed.tamper(path, |file| file.clone_from(bytes));
        }
        assert!(!report(&changed).damage.is_empty(), "{what}");
    }
    let changed = disk.copy();
    changed.tamper(last, |file| file.clone_from(&foreign));
    assert!(crash::open(&changed).is_err(), "another log's last segment");
}

/// A header recomputed with everything but the key still carries a signature that is not for its root.
#[test]
fn a_rewritten_frame_needs_the_key() {
    let disk = log_of(6, 40);
    let (path, _) = disk.find(".seg");
    let (start, _, index) = *frames(&disk, &path).last().expect("six");
    let changed = disk.copy();
    changed.delete(&PathBuf::from(LOG).join("checkpoint"));
    changed.tamper(&path, |bytes| {
        let header: &mut [u8; 256] = (&mut bytes[start..start + 256]).try_into().expect("a header");
        let mut frame = FrameHeader::decode(header).expect("a frame");
        frame.signature[5] ^= 1;
        *header = frame.encode();
    });
    let damage = report(&changed).damage;
    assert_eq!((damage[0].what, damage[0].index), ("tree head's signature", Some(index)));
    assert!(matches!(crash::open(&changed), Err(OpenError::Damaged { what: "tree head's signature", .. })));
}

/// Bytes of a frame stored as an entry's payload are not taken for a frame behind the torn one.
#[test]
fn stored_bytes_that_look_like_an_older_frame_are_no_frame() {
    let disk = log_of(6, 600);
    let (path, bytes) = disk.find(".seg");
    let all = frames(&disk, &path);
    let (first, last) = (all[0], all[5]);
    let changed = disk.copy();
    changed.delete(&PathBuf::from(LOG).join("checkpoint"));
    changed.delete(&PathBuf::from(LOG).join("levels/checkpoint"));
    changed.delete(&PathBuf::from("/fence/node-1.test.fence"));
    changed.tamper(&path, |file| {
        // The last frame is torn, and what is left of it holds a copy of the first frame's header.
        file[last.0] ^= 1;
        let copy_at = last.0 + FRAME_ALIGN;
        file[copy_at..copy_at + 256].copy_from_slice(&bytes[first.0..first.0 + 256]);
    });
    assert_eq!(report(&changed).damage, []);
    let (_, recovered, _) = crash::open(&changed).expect("opens");
    assert_eq!(recovered.size, 5);
    let torn = recovered.torn.expect("torn");
    let (_, kept) = changed.find(&torn.moved_to.to_string_lossy());
    assert_eq!((kept.len() as u64, crate::Hash::of(&kept)), (torn.bytes, torn.sha256));
}

/// A later version's frame is no torn tail, though nothing signed covers it yet; nor is its segment damage.
#[test]
fn what_a_later_version_wrote_is_left_alone() {
    let disk = log_of(6, 40);
    let (path, _) = disk.find(".seg");
    let last = *frames(&disk, &path).last().expect("six");
    for (at, offset) in [(7, 0), (last.0 + 7, last.0)] {
        let changed = disk.copy();
        for name in ["/journal/node-1.test/checkpoint", "/journal/node-1.test/levels/checkpoint", "/fence/node-1.test.fence"] {
            changed.delete(Path::new(name));
        }
        changed.tamper(&path, |bytes| bytes[at] = b'2');
        let damage = report(&changed).damage;
        assert_eq!((damage[0].what, damage[0].offset), (crate::scan::LATER, offset as u64));
        let (_, before) = changed.find(".seg");
        assert!(matches!(crash::open(&changed), Err(OpenError::Later { offset: found, .. }) if found == offset as u64));
        assert_eq!(changed.find(".seg").1, before, "nothing is changed");
        let found = read::entries_on(Arc::new(changed.clone()), Path::new(LOG), 0).expect("there").last();
        assert!(matches!(found, Some(Err(read::ReadError::Later { .. }))));
    }
}

#[test]
fn a_reader_says_what_it_cannot_trust() {
    let disk = log_of(40, 3000);
    let (path, _) = disk.find("0000000000000000.seg");
    let (start, ..) = frames(&disk, &path)[2];
    let changed = disk.copy();
    changed.tamper(&path, |bytes| bytes[start + 500] ^= 1);
    let entries = |disk: &FakeDisk, from| read::entries_on(Arc::new(disk.clone()), Path::new(LOG), from).expect("there");
    let found: Vec<_> = entries(&changed, 0).collect();
    assert_eq!(found.len(), 3);
    assert!(matches!(found.last(), Some(Err(read::ReadError::Damaged { offset, .. })) if *offset == start as u64));
    assert_eq!(entries(&changed, 3).count(), 37, "what stands behind it can still be read");
    assert_eq!(entries(&disk, 40).count(), 0);
    disk.end(End::Kill);
    let roles: BTreeMap<u64, Role> = entries(&disk, 0).map(|view| view.expect("read")).map(|view| (view.index, view.role)).collect();
    assert_eq!((roles[&1], roles[&3], roles[&4]), (Role::Opens, Role::Single, Role::Closes(1)));
}
