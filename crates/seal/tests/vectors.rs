//! Vectors written by another implementation (Python's `cryptography`), from `docs/journal-format.md` alone.

use std::fs;

use seal::{EntryError, KeyTable, NodeKey, entry};

const ROW: &str = "515653514b45593101000000000000000068e5cf8b0100000068e5cf8b01000033333333333333333333333397db645bfef641476c9d05392f5b474f\
    24d4c3d10cd2cd6e31fc178eaf79577282c92e50168af6eaa3fdca569862f46957742205843e97881c2b8550e5143ffd052ffb0b58808ae2906cf45d\
    731a31e8";
const TOKEN_ROW: &str = "515653514b455931020000000000000073170300000000000000000000000000333333333333333333333333c28e310eaba3141239c8506c7a0e121a\
    718196845987983b64a942dbfa2c022791a39dc2a572abdb5854b9bbb5deb05c";
const IDENTITY: &str = "d9a178b645ecca4f478973dc7feda983";
const TOKEN: &str = "a215c00e53e4dcdee6bab97a51af5de9";
const BODY: &str = "019200000000700080000000000000017b68e5cf8b0100000068e5cf8b0100007777777777777777777777774263266f368e8267eef3e0fbb574358f\
    1deef29fd164572c11d96ddf8b2fbbe74d83ae38d700302494670533421e861725c1c191db5ed2092ddb045f5058ac567779343caf16e0a671db95bf\
    dc35664e00cf2c0bc7c4b9a125d65508b15c667a7c9454ce17064a0ab4d67b95c9dd9209636ec04a8a9c093917d956aa4396";
const PAYLOAD: &str = "55555555555555555555555585af7f9572f18f99cd467e7ab14cef07fa63f4a95140e457a05e";

fn hex(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ascii"), 16).expect("hex")).collect()
}

#[test]
fn what_another_implementation_wrote_opens_here() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let node = NodeKey::from_bytes(std::array::from_fn(|at| u8::try_from(at).expect("below 32")));
    let table = KeyTable::open(dir.path(), node).expect("opens");
    let number = 1_700_000_000_000;
    fs::write(dir.path().join("epochs").join(format!("{number:016x}.key")), hex(ROW)).expect("written");
    fs::write(dir.path().join("tokens/2026-11.key"), hex(TOKEN_ROW)).expect("written");

    let identity = table.identity("fin:5K7QX2O");
    assert_eq!(identity.0[..], hex(IDENTITY));
    assert_eq!(table.token_key("2026-11").expect("unwraps").token(&identity)[..], hex(TOKEN));

    let epoch = table.epoch(number).expect("unwraps").expect("there");
    let (body, payload) = (hex(BODY), hex(PAYLOAD));
    let open = |link| entry::open_entry(&epoch, "node-1.test", 4, 2, link, &body, Some(&payload));
    let opened = open(41).expect("opens");
    assert_eq!((&opened.metadata[..], opened.payload.as_deref()), (&b"who asked what"[..], Some(&b"the answer"[..])));
    assert_eq!(open(42), Err(EntryError::NotOpened));
}
