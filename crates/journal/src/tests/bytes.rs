//! Formats: what is encoded decodes to the same, in one spelling; any other bytes are refused without a panic.

use std::path::Path;

use bytes::Bytes;
use proptest::prelude::*;

use super::basic::options;
use crate::entry::{Entry, LeafView, Role};
use crate::format::{FRAME_HEADER_BYTES, FrameHeader, SegmentHeader, frame_entries};
use crate::hash::Hash;
use crate::tree::CompactRange;

fn hash() -> impl Strategy<Value = Hash> {
    any::<[u8; 32]>().prop_map(Hash)
}

prop_compose! {
    fn segment_header()(
        key: [u8; 32], number: u64, segment_bytes: u64, first_frame: u64, previous in hash(), size: u64,
        nodes in prop::collection::vec(hash(), 64), open in prop::collection::vec((any::<u64>(), prop::collection::vec(any::<u8>(), 0..50)), 0..4),
    ) -> SegmentHeader {
        let nodes = nodes[..size.count_ones() as usize].to_vec();
        SegmentHeader {
            origin: options(Path::new("/")).origin, key, number, segment_bytes, first_frame, previous,
            range: CompactRange::from_parts(size, nodes).expect("as many as bits"),
            open: open.into_iter().map(|(index, leaf)| (index, Bytes::from(leaf))).collect(),
        }
    }
}

prop_compose! {
    fn frame_header()(
        sequence: u64, first_index in 0..u64::MAX - u64::from(u32::MAX), count in 1_u32.., leaves_bytes: u32, payload_bytes: u32,
        previous in hash(), root in hash(), leaves_hash in hash(), signature in prop::collection::vec(any::<u8>(), 64),
    ) -> FrameHeader {
        let signature = signature.try_into().expect("64 bytes");
        FrameHeader { sequence, first_index, count, leaves_bytes, payload_bytes, previous, root, leaves_hash, signature }
    }
}

proptest! {
    #[test]
    fn a_segment_header_decodes_to_itself_and_to_nothing_when_changed(header in segment_header(), at: prop::sample::Index, bit in 0..8_u8) {
        let (mut bytes, checksum) = header.encode();
        prop_assert_eq!(SegmentHeader::decode(&bytes), Some((header, checksum)));
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert_eq!(SegmentHeader::decode(&bytes), None);
        bytes[at] ^= 1 << bit;
        bytes.truncate(at);
        prop_assert_eq!(SegmentHeader::decode(&bytes), None);
    }

    #[test]
    fn a_frame_header_decodes_to_itself_and_to_nothing_when_changed(header in frame_header(), at in 0..FRAME_HEADER_BYTES, bit in 0..8_u8) {
        let mut bytes = header.encode();
        prop_assert_eq!(FrameHeader::decode(&bytes), Some(header));
        bytes[at] ^= 1 << bit;
        prop_assert_eq!(FrameHeader::decode(&bytes), None);
    }

    #[test]
    fn a_leaf_comes_apart_as_it_was_put_together(kind: u8, opens: bool, link: Option<u64>, body: Vec<u8>) {
        let role = link.map_or(if opens { Role::Opens } else { Role::Single }, Role::Closes);
        let entry = Entry { kind, role, body, payload: Vec::new() };
        let leaf = [&entry.leaf_header()[..], &entry.body].concat();
        prop_assert_eq!(LeafView::parse(&leaf), Some(LeafView { kind, role, body: &entry.body }));
        prop_assert_eq!(entry.leaf_hash(), Hash::of(&[&[0], &leaf[..]].concat()));
    }

    #[test]
    fn any_bytes_are_decoded_without_a_panic(bytes: Vec<u8>, count: u32) {
        // Bytes that get past the magic, too.
        for start in [&b""[..], b"QVSQSEG1", b"QVSQFRM1"] {
            let bytes = [start, &bytes].concat();
            prop_assert_eq!(SegmentHeader::decode(&bytes), None);
            prop_assert!(LeafView::parse(&bytes).is_none_or(|leaf| leaf.body.len() < bytes.len()));
            frame_entries(count, &bytes, &bytes);
            frame_entries(u32::from(count % 4 == 0), &bytes, &bytes);
            let mut header = [0; FRAME_HEADER_BYTES];
            let part = bytes.len().min(FRAME_HEADER_BYTES);
            header[..part].copy_from_slice(&bytes[..part]);
            prop_assert_eq!(FrameHeader::decode(&header), None);
        }
    }
}

#[test]
fn a_segment_is_named_after_its_first_index() {
    assert_eq!(SegmentHeader::file_name(255), "00000000000000ff.seg");
    assert_eq!(SegmentHeader::first_index("00000000000000ff.seg"), Some(255));
    for no in ["next", "rewrite", "ff.seg", "00000000000000FF.seg", "00000000000000ff", "+0000000000000ff.seg", ""] {
        assert_eq!(SegmentHeader::first_index(no), None, "{no}");
    }
}

/// The bytes of a whole log, fixed: should this fail, the format has changed and `docs/journal-format.md` with it.
#[tokio::test]
async fn the_format_is_what_it_was() {
    let disk = super::fake::FakeDisk::new(1);
    let (journal, ..) = super::crash::open(&disk).expect("opens");
    for role in [Role::Single, Role::Opens, Role::Opens, Role::Closes(1)] {
        let entry = Entry { kind: 7, role, body: b"body".to_vec(), payload: b"payload".to_vec() };
        journal.append(entry, crate::Urgency::Now, None).expect("taken").durable().await;
    }
    let head = journal.close().await.expect("closes");
    let (_, segment) = disk.find("0000000000000000.seg");
    assert_eq!(Hash::of(&segment).to_string(), "Q0QNsR5S6L7CmUzSbEf1k8sZpoP7QlbT1sX0seNxPxs=");
    assert_eq!(Hash::of(head.note().as_bytes()).to_string(), "gm3ayR+tY37CZhbrjcVcrJmxP5cl0CjcIey1e2IZPoQ=");
}
