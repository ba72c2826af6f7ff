//! Keys, notes and receipts: what verifies, and that nothing else does.

use std::path::Path;

use proptest::prelude::*;

use super::basic::{entry, key, options};
use super::crash;
use super::fake::FakeDisk;
use crate::note::{NoteError, SignedHead};
use crate::{Hash, Origin, Receipt, ReceiptError, Role, SigningKey, Urgency, VerifyingKey};

fn origin() -> Origin {
    options(Path::new("/")).origin
}

/// The public key of Go's checksum database, as its users write it.
#[test]
fn a_verifier_text_is_that_of_signed_notes() {
    let text = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";
    assert_eq!(VerifyingKey::parse(text).expect("a verifier").to_string(), text);
    for wrong in
        [text.replace("033de0ae", "033de0af"), text.replace("sum.", "sun."), text.replace("+Ac4", "+Ag4"), text.replace("OuAn8", "")]
    {
        assert_eq!(VerifyingKey::parse(&wrong), None, "{wrong}");
    }
}

#[test]
fn an_origin_is_a_plain_name() {
    for good in ["a", "node-1.meis.az", "0", &"a".repeat(64)] {
        assert!(Origin::new(good).is_ok(), "{good}");
    }
    for bad in ["", ".", "..", "-a", "A", "a/b", "a b", "a+b", "ə", &"a".repeat(65)] {
        assert!(Origin::new(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_checkpoint_reads_back_and_in_one_spelling_only() {
    let public = key().public(&origin());
    let head = key().sign(&origin(), 42, Hash::of(b"root"));
    assert_eq!(SignedHead::parse(head.note(), &public).expect("verifies"), head);
    assert_eq!(head, key().sign(&origin(), 42, Hash::of(b"root")), "signing again gives the same");
    let other = SigningKey::from_seed(&[1; 32]);
    assert_eq!(SignedHead::parse(head.note(), &other.public(&origin())), Err(NoteError::Signature));
    let elsewhere = Origin::new("node-2.test").expect("valid");
    assert_eq!(SignedHead::parse(head.note(), &key().public(&elsewhere)), Err(NoteError::Origin));
    // A witness's line beside ours is fine; ours twice, or another spelling, is not.
    let witnessed = format!("{}\u{2014} witness.example AAAAAAAA\n", head.note());
    assert!(SignedHead::parse(&witnessed, &public).is_ok());
    let ours = head.note().lines().last().expect("signed");
    for wrong in [
        format!("{}{ours}\n", head.note()),
        head.note().replace("\n42\n", "\n042\n"),
        head.note().replace("\n42\n", "\n+42\n"),
        head.note().replace("\n\n", "\nextension\n\n"),
        head.note().trim_end().to_owned(),
        format!("{}\n", head.note()),
        head.note().replace("\u{2014} ", "- "),
        format!("{}{}", head.note(), "\u{2014} x AAAA\n".repeat(1000)),
        String::new(),
    ] {
        assert!(SignedHead::parse(&wrong, &public).is_err(), "{wrong}");
    }
}

fn some_receipts() -> Vec<Receipt> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("runtime");
    runtime.block_on(async {
        let (journal, ..) = crash::open(&FakeDisk::new(1)).expect("opens");
        let appended: Vec<_> =
            (0..7_u8).map(|n| journal.append(entry(n, Role::Single, &[n; 9], &[]), Urgency::Now, None).expect("taken")).collect();
        let mut receipts = Vec::new();
        for appended in appended {
            receipts.push(appended.durable().await.into_receipt());
        }
        receipts
    })
}

#[test]
fn a_receipt_is_the_json_of_the_interface() {
    let receipt = some_receipts().pop().expect("seven");
    let json = serde_json::to_value(&receipt).expect("json");
    let keys: Vec<&str> = json.as_object().expect("object").keys().map(String::as_str).collect();
    assert_eq!(keys, ["origin", "index", "leaf_hash", "proof", "head"]);
    assert_eq!(json["origin"], "node-1.test");
    assert_eq!(json["index"], 6);
    assert_eq!(json["leaf_hash"].as_str().map(str::len), Some(44));
    assert!(json["proof"].as_array().expect("array").iter().all(|hash| hash.as_str().map(str::len) == Some(44)));
    assert!(json["head"].as_str().expect("text").starts_with("node-1.test\n7\n"));
    assert_eq!(serde_json::from_value::<Receipt>(json).expect("reads"), receipt);
}

#[test]
fn a_receipt_of_another_log_or_key_is_refused() {
    let receipt = some_receipts().pop().expect("seven");
    let elsewhere = key().public(&Origin::new("node-2.test").expect("valid"));
    assert_eq!(receipt.verify(&elsewhere), Err(ReceiptError::Origin));
    assert_eq!(receipt.verify(&SigningKey::from_seed(&[1; 32]).public(&origin())), Err(ReceiptError::Head(NoteError::Signature)));
}

#[test]
fn any_flipped_bit_of_a_receipt_fails() {
    let public = key().public(&origin());
    for receipt in some_receipts() {
        receipt.verify(&public).expect("verifies");
        let refused = |changed: &Receipt, what: &str| assert!(changed.verify(&public).is_err(), "{what} of {receipt:?}");
        for bit in 0..64 {
            refused(&Receipt { index: receipt.index ^ (1 << bit), ..receipt.clone() }, "index");
        }
        for bit in 0..256 {
            let mut changed = receipt.clone();
            changed.leaf_hash.0[bit / 8] ^= 1 << (bit % 8);
            refused(&changed, "leaf hash");
            for step in 0..receipt.proof.len() {
                let mut changed = receipt.clone();
                changed.proof[step].0[bit / 8] ^= 1 << (bit % 8);
                refused(&changed, "proof");
            }
        }
        for bit in 0..receipt.head.len() * 8 {
            let mut head = receipt.head.clone().into_bytes();
            head[bit / 8] ^= 1 << (bit % 8);
            if let Ok(head) = String::from_utf8(head) {
                refused(&Receipt { head, ..receipt.clone() }, "head");
            }
        }
        for bit in 0..receipt.origin.len() * 8 {
            let mut origin = receipt.origin.clone().into_bytes();
            origin[bit / 8] ^= 1 << (bit % 8);
            if let Ok(origin) = String::from_utf8(origin) {
                refused(&Receipt { origin, ..receipt.clone() }, "origin");
            }
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text: String, json: String) {
        prop_assert!(SignedHead::parse(&text, &key().public(&origin())).is_err());
        prop_assert!(VerifyingKey::parse(&text).is_none());
        prop_assert!(serde_json::from_str::<Receipt>(&json).is_err());
    }
}
