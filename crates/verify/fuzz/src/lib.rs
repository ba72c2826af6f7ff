//! What must hold of any file: the body of the fuzz target, which the crate's tests run over the corpus.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};
use sha2::{Digest as _, Sha256};
use verify::{Evidence, Given, Key, Keys, Language, Leaf, Level, Report, Verdict, examine};

/// The log that signs, and the seed of its key.
const ORIGIN: &str = "node-1.example";
const SEED: [u8; 32] = [7; 32];
/// The longest input: what is larger is only slower.
const BYTES_MAX: usize = 1 << 16;

/// The key's type and the key, as its id is made of them.
fn typed_key() -> Vec<u8> {
    [&[1], &SigningKey::from_bytes(&SEED).verifying_key().to_bytes()[..]].concat()
}

fn id() -> [u8; 4] {
    let digest = Sha256::digest([ORIGIN.as_bytes(), b"\n", &typed_key()].concat());
    *digest.first_chunk().expect("a digest is longer")
}

fn keys() -> Keys {
    let mut keys = Keys::default();
    let key = format!("{ORIGIN}+{:08x}+{}", u32::from_be_bytes(id()), STANDARD.encode(typed_key()));
    keys.add(Key::parse(&key).expect("a key")).expect("the only one");
    keys
}

/// Puts a true signature over every note in a text: without one a fuzzer gets no further than the signature. In JSON
/// the line ends of a note are escaped.
fn signed(text: &str) -> String {
    let end = if text.trim_start().starts_with('{') { "\\n" } else { "\n" };
    let begin = format!("{ORIGIN}{end}");
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(&begin) {
        let (before, note) = rest.split_at(at);
        out.push_str(before);
        let Some((head, after)) = note.split_once(&format!("{end}{end}")) else {
            rest = note;
            break;
        };
        let others = after.split_once(end).map_or(after, |(_, others)| others);
        let text = format!("{}\n", head.replace(end, "\n"));
        let signature = SigningKey::from_bytes(&SEED).sign(text.as_bytes()).to_bytes();
        let blob = STANDARD.encode([&id()[..], &signature].concat());
        out.push_str(&format!("{head}{end}{end}\u{2014} {ORIGIN} {blob}{end}"));
        rest = others;
    }
    out + rest
}

/// Any file. The first byte: whether its notes get true signatures.
///
/// # Panics
/// When something is proven that was not signed, or the report could mislead a screen.
pub fn evidence(data: &[u8]) {
    let Some((mode, bytes)) = data.split_first().filter(|_| data.len() <= BYTES_MAX) else { return };
    let made = std::str::from_utf8(bytes).ok().filter(|_| mode & 1 != 0).map(|text| signed(text).into_bytes());
    let bytes = made.as_deref().unwrap_or(bytes);

    let given = Given::read("f", bytes);
    let report = examine(std::slice::from_ref(&given), &[], &keys());
    shown_safely(&report);
    // Nothing is proven without a key, nor by the same file under another name.
    assert_ne!(examine(std::slice::from_ref(&given), &[], &Keys::default()).verdict(), Verdict::Proven);
    let files = [given.clone(), Given::read("g", bytes)];
    shown_safely(&examine(&files, &[Leaf::new("leaf", bytes)], &keys()));
    let twice = examine(&files, &[], &keys());
    assert_eq!(twice.files[0].verdict(), report.files[0].verdict(), "a copy changes nothing");
    if let Err(broken) = &given.evidence {
        assert!(!broken.to_string().is_empty());
        assert_eq!(report.verdict(), Verdict::Refused);
    }
    if let Ok(Evidence::Checkpoint(checkpoint)) = &given.evidence {
        let head = &checkpoint.head;
        let text = format!("{}\n{}\n{}\n\n", head.origin, head.size, verify::encoding::base64_of(&head.root));
        assert!(bytes.starts_with(text.as_bytes()), "a checkpoint has one spelling");
    }
    if report.verdict() != Verdict::Proven || bytes.is_empty() {
        return;
    }
    // With a bit changed it may prove the same (in what nobody has signed), or less; never something else.
    let digest = Sha256::digest(data);
    let number = u64::from_le_bytes(*digest.first_chunk().expect("a digest is longer"));
    let at = usize::try_from(number % (bytes.len() as u64 * 8)).expect("below a length");
    let mut changed = bytes.to_vec();
    changed[at / 8] ^= 1 << (at % 8);
    let after = examine(&[Given::read("f", &changed)], &[], &keys());
    let proven = |report: &Report| -> Vec<_> {
        let findings = report.files[0].findings.iter();
        findings.filter(|finding| finding.level == Level::Proven).map(|finding| finding.says.clone()).collect()
    };
    let before = proven(&report);
    assert!(proven(&after).iter().all(|says| before.contains(says)), "bit {at} proves something else");
}

fn shown_safely(report: &Report) {
    for language in [Language::English, Language::Azerbaijani] {
        let shown = report.to_text(language);
        assert!(!shown.chars().any(|character| character.is_control() && character != '\n'), "{shown:?}");
        assert!(report.to_json(language).is_object());
    }
}
