//! What is proven by files, alone and together.

use serde_json::{Value as Json, json};
use verify::report::FileReport;
use verify::{Finding, Given, Keys, Kind, Language, Leaf, Level, Report, Rule, Says, Verdict, examine};

use crate::support::{Log, base64, consistency, leaves};

const REAL: &str = include_str!("fixtures/denied.json");
const REAL_KEY: &str = "meis-demo.test+7245f6d7+AURk9rAX/sPeAafSMRHw6XBChlnJk+RpLvhnCHE89aFm";

fn log() -> Log {
    Log::new("node-1.example", 7)
}

fn judged(files: &[String], keys: &Keys) -> Report {
    let given: Vec<Given> = files.iter().enumerate().map(|(at, file)| Given::read(format!("f{at}"), file.as_bytes())).collect();
    examine(&given, &[], keys)
}

fn verdict(files: &[String]) -> Verdict {
    judged(files, &log().keys()).verdict()
}

/// What stands at a level, by its code.
fn codes(report: &Report, level: Level) -> Vec<String> {
    let findings = report.files.iter().flat_map(|file| &file.findings).chain(&report.together);
    let code = |finding: &Finding| json!(finding.says)["code"].as_str().expect("a code").to_owned();
    findings.filter(|finding| finding.level == level).map(code).collect()
}

fn rule(file: &str) -> (String, Rule) {
    let broken = Given::read("f", file.as_bytes()).evidence.expect_err("broken");
    (broken.part, broken.rule)
}

fn with(mut document: Json, member: &str, value: Json) -> String {
    document[member] = value;
    document.to_string()
}

fn without(mut document: Json, member: &str) -> String {
    document.as_object_mut().expect("an object").remove(member);
    document.to_string()
}

#[test]
fn what_the_gateway_wrote_is_proven_under_its_key_and_nothing_without_it() {
    let mut keys = Keys::default();
    keys.add_lines(REAL_KEY).expect("a key");
    let report = judged(&[REAL.to_owned()], &keys);
    assert_eq!((report.verdict(), report.exit_code(), report.files[0].kind), (Verdict::Proven, 0, Kind::Answer));
    assert!(codes(&report, Level::Limit).contains(&"rest-of-answer".to_owned()));
    let report = judged(&[REAL.to_owned()], &Keys::default());
    assert_eq!((report.verdict(), report.exit_code()), (Verdict::Unproven, 1));
    assert_eq!(codes(&report, Level::Unproven), ["no-key"]);
    assert_eq!(codes(&report, Level::Proven), [""; 0]);
    assert_eq!(judged(&[REAL.replace("\"index\":197", "\"index\":196")], &keys).verdict(), Verdict::Refused);
}

#[test]
fn a_receipt_says_what_it_proves_and_what_it_does_not() {
    let (log, leaves) = (log(), leaves(42));
    let report = judged(&[log.receipt(41, &leaves).to_string()], &log.keys());
    assert_eq!(report.exit_code(), 0);
    let text = report.to_text(Language::English);
    assert!(
        text.contains("stands at place 41 (counted from 0) of the log node-1.example, of 42 entries, as the log's key has signed."),
        "{text}"
    );
    assert!(text.contains("That the log shows everybody else the same"), "{text}");
    assert!(text.ends_with("\nWhat these files can prove is proven, and no more than that.\n"), "{text}");
    let text = report.to_text(Language::Azerbaijani);
    assert!(text.contains("node-1.example jurnalında 41 nömrəli yerdə durur"), "{text}");
    assert!(text.ends_with("\nBu faylların sübut edə biləcəyi hər şey sübut olunub, artığı yox.\n"), "{text}");
    let json = report.to_json(Language::English);
    assert_eq!((&json["verdict"], &json["files"][0]["kind"]), (&json!("proven"), &json!("receipt")));
    assert_eq!((&json["files"][0]["findings"][0]["code"], &json["files"][0]["findings"][0]["index"]), (&json!("entry-stands"), &json!(41)));
}

#[test]
fn a_receipt_with_any_member_changed_is_refused() {
    let (log, leaves) = (log(), leaves(42));
    let receipt = log.receipt(20, &leaves);
    let other = log.receipt(21, &leaves);
    for member in ["index", "leaf_hash", "proof"] {
        assert_eq!(verdict(&[with(receipt.clone(), member, other[member].clone())]), Verdict::Refused, "{member}");
    }
    let forged = Log::new("node-1.example", 8);
    assert_eq!(codes(&judged(&[forged.receipt(20, &leaves).to_string()], &log.keys()), Level::Refused), ["not-signed"]);
    assert_eq!(
        codes(&judged(&[with(receipt.clone(), "leaf_hash", json!(base64(&[7; 32])))], &log.keys()), Level::Refused),
        ["path-leads-elsewhere"]
    );
    // Another signed head of the same log, of which it is no receipt.
    assert_eq!(verdict(&[with(receipt, "head", json!(log.checkpoint(&self::leaves(41))))]), Verdict::Refused);
}

#[test]
fn a_receipt_has_one_form() {
    let (log, leaves) = (log(), leaves(42));
    let receipt = log.receipt(20, &leaves);
    let part_and_rule = |part: &str, rule: Rule| (part.to_owned(), rule);
    assert_eq!(rule(&with(receipt.clone(), "origin", json!("node-2.example"))), part_and_rule("receipt.origin", Rule::NotTheHeads));
    assert_eq!(rule(&with(receipt.clone(), "index", json!(42))), part_and_rule("receipt.index", Rule::IndexBeyond));
    assert_eq!(rule(&with(receipt.clone(), "index", json!(41))), part_and_rule("receipt.proof", Rule::PathLength { expected: 3 }));
    assert_eq!(rule(&without(receipt.clone(), "head")), part_and_rule("receipt.proof", Rule::HalfProof));
    assert_eq!(rule(&without(receipt.clone(), "proof")), part_and_rule("receipt.proof", Rule::HalfProof));
    assert_eq!(rule(&with(receipt.clone(), "proof", json!([base64(&[7; 31])]))), part_and_rule("receipt.proof[0]", Rule::HashLength));
    let shorter = json!(receipt["proof"].as_array().expect("a list")[1..]);
    assert_eq!(rule(&with(receipt.clone(), "proof", shorter)), part_and_rule("receipt.proof", Rule::PathLength { expected: 6 }));
    let many = json!(vec![base64(&[7; 32]); 64]);
    assert_eq!(rule(&with(receipt.clone(), "proof", many)), part_and_rule("receipt.proof", Rule::TooMany { max: 63 }));
    let crlf = receipt["head"].as_str().expect("text").replace('\n', "\r\n");
    assert_eq!(rule(&with(receipt.clone(), "head", json!(crlf))), part_and_rule("receipt.head.note", Rule::ControlCharacter));
    let text = receipt.to_string();
    for broken in [
        with(receipt.clone(), "more", json!(1)),
        with(receipt.clone(), "index", json!("20")),
        with(receipt.clone(), "index", json!(20.0)),
        with(receipt.clone(), "index", json!(-1)),
        with(receipt.clone(), "proof", json!(null)),
        with(receipt.clone(), "head", json!(null)),
        without(receipt, "leaf_hash"),
        text.replacen("\"index\":20", "\"index\":20,\"index\":21", 1),
        text.replacen("\"index\":20", "\"index\":020", 1),
        text.clone() + "{}",
        text.clone() + "\0",
        text.trim_end_matches('}').to_owned(),
    ] {
        assert!(matches!(rule(&broken).1, Rule::Json { .. }), "{broken}");
    }
    let broken = judged(&[text.replace("\"index\":20", "\"index\":41")], &log.keys()).to_json(Language::English);
    let finding = &broken["files"][0]["findings"][0];
    assert_eq!((&finding["part"], &finding["rule"], &finding["expected"]), (&json!("receipt.proof"), &json!("path-length"), &json!(3)));
    assert_eq!(rule(&format!("\u{feff}{text}")).1, Rule::Unrecognised);
    assert_eq!(rule(&format!("[{text}]")).1, Rule::Unrecognised);
    assert_eq!(rule("{}").1, Rule::Unrecognised);
    assert_eq!(rule(r#"{"receipt":["node-1.example",1,"x"]}"#), part_and_rule("receipt", Rule::NotAnObject));
}

#[test]
fn an_answer_is_proven_with_its_elements_or_says_which_are_not() {
    let (log, leaves) = (log(), leaves(10));
    let element = |name: &str, receipt: Json| json!({"element": name, "outcome": "FOUND", "receipt": receipt});
    let answer = |elements: Json| json!({"status": "complete", "elements": elements, "receipt": log.receipt(9, &leaves)}).to_string();
    let pending = json!({"element": "income", "outcome": null, "receipt": null});
    // A hit's receipt names the disclosure itself, which the answer's own receipt proves.
    assert_eq!(verdict(&[answer(json!([element("identity", log.entry(9, &leaves)), pending]))]), Verdict::Proven);
    let bare = answer(json!([element("identity", log.entry(4, &leaves)), element("x\u{1b}[2J", log.receipt(9, &leaves))]));
    let report = judged(std::slice::from_ref(&bare), &log.keys());
    assert_eq!((report.verdict(), codes(&report, Level::Unproven)), (Verdict::Unproven, vec!["no-proof".to_owned()]));
    let text = report.to_text(Language::English);
    assert!(text.contains("elements[0] (identity): This only names") && text.contains("elements[1]: The entry"), "{text}");
    // A proof of that place fills the gap, here and nowhere else.
    assert_eq!(verdict(&[bare.clone(), log.tlog_proof(4, &leaves)]), Verdict::Proven);
    assert_eq!(verdict(&[bare, log.tlog_proof(3, &leaves)]), Verdict::Unproven);
    let wrong = answer(json!([element("identity", json!({"origin": log.origin, "index": 9, "leaf_hash": base64(&[7; 32])}))]));
    assert_eq!(codes(&judged(&[wrong], &log.keys()), Level::Refused), ["other-entry"]);
    assert_eq!(codes(&judged(&[answer(json!([{"outcome": "FOUND"}]))], &log.keys()), Level::Unproven), ["no-receipt"]);
    for nothing in [r#"{"receipt":null}"#, r#"{"elements":[]}"#, r#"{"origin":"gateway","receipt":null,"status":403}"#] {
        assert_eq!(codes(&judged(&[nothing.to_owned()], &log.keys()), Level::Unproven), ["no-receipt"], "{nothing}");
    }
}

#[test]
fn a_tlog_proof_needs_an_entry_or_a_leaf() {
    let (log, leaves) = (log(), leaves(42));
    let proof = log.tlog_proof(20, &leaves);
    let report = judged(std::slice::from_ref(&proof), &log.keys());
    assert_eq!(
        (codes(&report, Level::Unproven), codes(&report, Level::Proven)),
        (vec!["no-leaf".to_owned()], vec!["head-signed".to_owned()])
    );
    let mut shown = log.entry(20, &leaves);
    shown["kind"] = json!("answered");
    shown["frame"] = json!(3);
    assert_eq!(verdict(&[proof.clone(), shown.to_string()]), Verdict::Proven);
    assert_eq!(verdict(&[proof.clone(), with(shown, "leaf_hash", json!(base64(&leaves[21])))]), Verdict::Refused);

    let given = [Given::read("proof", proof.as_bytes())];
    let with_leaf = |bytes: &[u8]| examine(&given, &[Leaf::new("leaf", bytes)], &log.keys());
    let report = with_leaf(&20_u64.to_be_bytes());
    assert_eq!(
        (report.verdict(), codes(&report, Level::Proven)),
        (Verdict::Proven, vec!["entry-stands".to_owned(), "leaf-stands".to_owned()])
    );
    let report = with_leaf(&21_u64.to_be_bytes());
    assert_eq!(codes(&report, Level::Refused), ["no-leaf-fits", "leaf-unknown"]);
    let unsigned = examine(&given, &[Leaf::new("leaf", &20_u64.to_be_bytes())], &Keys::default());
    assert_eq!(
        (unsigned.verdict(), codes(&unsigned, Level::Unproven)),
        (Verdict::Unproven, vec!["no-key".to_owned(), "leaf-matches".to_owned()])
    );
}

#[test]
fn one_signed_proof_is_enough_beside_one_that_is_not() {
    let (log, leaves) = (log(), leaves(42));
    let forged = Log::new("node-1.example", 8).tlog_proof(20, &leaves);
    let report = judged(&[forged, log.entry(20, &leaves).to_string(), log.tlog_proof(20, &leaves)], &log.keys());
    assert_eq!(report.files.iter().map(FileReport::verdict).collect::<Vec<_>>(), [Verdict::Refused, Verdict::Proven, Verdict::Proven]);
}

#[test]
fn a_file_about_which_nothing_is_said_is_not_proven() {
    assert_eq!(FileReport::new("f", Kind::Answer, Vec::new()).verdict(), Verdict::Unproven);
}

#[test]
fn a_leaf_is_compared_with_receipts() {
    let (log, leaves) = (log(), leaves(5));
    let leaf = Leaf::new("leaf", &3_u64.to_be_bytes());
    let judge = |file: Json, keys: &Keys| examine(&[Given::read("f", file.to_string().as_bytes())], std::slice::from_ref(&leaf), keys);
    assert_eq!(judge(log.receipt(3, &leaves), &log.keys()).verdict(), Verdict::Proven);
    assert_eq!(codes(&judge(log.receipt(2, &leaves), &log.keys()), Level::Refused), ["leaf-unknown"]);
    assert_eq!(codes(&judge(log.entry(3, &leaves), &log.keys()), Level::Unproven), ["no-proof", "leaf-matches"]);
    assert_eq!(codes(&judge(log.receipt(3, &leaves), &Keys::default()), Level::Unproven), ["no-key", "leaf-matches"]);
}

#[test]
fn a_tlog_proof_has_one_form() {
    let (log, leaves) = (log(), leaves(42));
    let proof = log.tlog_proof(20, &leaves);
    let check = |changed: String, part: &str, expected: Rule| {
        assert_ne!(changed, proof);
        assert_eq!(rule(&changed), (part.to_owned(), expected), "{changed}");
    };
    assert!(Given::read("f", proof.replace("\nindex", "\nextra AAAA\nindex").as_bytes()).evidence.is_ok());
    check(proof.replace("\nindex", "\nextra \nindex"), "extra", Rule::Base64);
    check(proof.replace("\nindex", "\nextra AAB=\nindex"), "extra", Rule::Base64);
    check(proof.replace("\nindex", "\nextra AAAA\nextra AAAA\nindex"), "index", Rule::IndexLine);
    check(proof.replace("index 20", "index 020"), "index", Rule::Decimal);
    check(proof.replace("index 20", "index  20"), "index", Rule::Decimal);
    check(proof.replace("index 20", "Index 20"), "index", Rule::IndexLine);
    check(proof.replace("index 20", "index 42"), "index", Rule::IndexBeyond);
    check(proof.replace("proof@v1", "proof@v1\r"), "file", Rule::FirstLine);
    check(proof.replace("proof@v1", "proof@v11"), "file", Rule::FirstLine);
    check(proof.replace("\n\n", "\n"), "file", Rule::NoCheckpoint);
    check(proof.replace("index 20\n", "index 20\nAAAA\n"), "proof[0]", Rule::HashLength);
    check(proof.replace("index 20\n", &format!("index 20\n{}\n", base64(&[7; 32]))), "proof", Rule::PathLength { expected: 6 });
    check(proof.clone() + "\n", "checkpoint.note.signatures[1]", Rule::Dash);
    check(proof.clone() + &" ".repeat(2 * 64 * 1024), "file", Rule::TooLong { bytes_max: 2 * 64 * 1024 });
}

#[test]
fn a_consistency_proof_shows_that_nothing_was_changed() {
    let (log, leaves) = (log(), leaves(42));
    let proof = log.consistency(20, &leaves);
    let report = judged(&[proof.to_string()], &log.keys());
    assert_eq!((report.verdict(), codes(&report, Level::Proven)), (Verdict::Proven, vec!["history-kept".to_owned()]));
    assert_eq!(judged(&[proof.to_string()], &Keys::default()).verdict(), Verdict::Unproven);
    for (from, to) in [(0, 42), (42, 42), (32, 42), (1, 2)] {
        assert_eq!(verdict(&[log.consistency(from, &leaves[..to]).to_string()]), Verdict::Proven, "{from} to {to}");
    }
    let mut changed = leaves.clone();
    changed[3] = [7; 32];
    let rewritten = with(proof.clone(), "old", json!(log.checkpoint(&changed[..20])));
    assert_eq!(codes(&judged(&[rewritten], &log.keys()), Level::Refused), ["not-kept"]);
    let other: Vec<_> = consistency(21, &leaves).iter().map(|hash| base64(hash)).collect();
    assert_eq!(verdict(&[with(proof.clone(), "proof", json!(other))]), Verdict::Refused);
    for (member, value, part) in [("from", json!(21), "from"), ("to", json!(41), "to"), ("origin", json!("node-2.example"), "old.origin")] {
        assert_eq!(rule(&with(proof.clone(), member, value)), (part.to_owned(), Rule::NotTheHeads));
    }
    assert_eq!(rule(&with(proof.clone(), "from", json!(43))), ("from".to_owned(), Rule::SizeOrder));
    assert!(matches!(rule(&without(proof, "to")).1, Rule::Json { .. }));
}

#[test]
fn two_signed_roots_of_one_size_convict_the_log() {
    let (log, leaves) = (log(), leaves(42));
    let mut other = leaves.clone();
    other[3] = [7; 32];
    let (ours, theirs) = (log.checkpoint(&leaves), log.checkpoint(&other));
    let report = judged(&[ours.clone(), theirs.clone()], &log.keys());
    assert_eq!((report.verdict(), report.exit_code(), codes(&report, Level::Fork)), (Verdict::Fork, 1, vec!["fork".to_owned()]));
    let text = report.to_text(Language::English);
    assert!(
        text.contains("FORK: the log node-1.example has signed two different trees of 42 entries")
            && text.contains("in f0")
            && text.contains("in f1")
    );
    assert!(report.to_text(Language::Azerbaijani).contains("PARÇALANMA"));
    // Also when one is only the head of a receipt, of an entry that did not change.
    assert_eq!(verdict(&[ours.clone(), log.receipt(9, &other).to_string()]), Verdict::Fork);
    assert_eq!(verdict(&[log.tlog_proof(9, &other), log.receipt(9, &leaves).to_string()]), Verdict::Fork);
    // Unsigned, or signed by somebody else, nobody is convicted; but nothing is proven either.
    let report = judged(&[ours.clone(), theirs], &Keys::default());
    assert_eq!((report.verdict(), codes(&report, Level::Refused)), (Verdict::Refused, vec!["two-roots".to_owned()]));
    let forged = Log::new("node-1.example", 8).checkpoint(&other);
    assert_eq!(judged(&[ours.clone(), forged], &log.keys()).together, []);
    assert_eq!(verdict(&[ours.clone(), ours.clone()]), Verdict::Proven);
    // A contradiction weighs more than anything proven or broken beside it.
    assert_eq!(verdict(&[ours.clone(), "garbage".to_owned(), log.checkpoint(&other)]), Verdict::Fork);
    // Two logs have nothing to do with each other.
    let second = Log::new("node-2.example", 7);
    let mut keys = log.keys();
    keys.add_lines(&second.vkey()).expect("a key");
    assert_eq!(judged(&[ours, second.checkpoint(&other)], &keys).verdict(), Verdict::Proven);
}

#[test]
fn two_signed_entries_at_one_place_convict_the_log_whatever_the_sizes() {
    let (log, leaves) = (log(), leaves(42));
    let mut other = leaves.clone();
    other[3] = [7; 32];
    let report = judged(&[log.receipt(3, &leaves[..30]).to_string(), log.receipt(3, &other).to_string()], &log.keys());
    assert_eq!((report.verdict(), codes(&report, Level::Fork)), (Verdict::Fork, vec!["rewritten".to_owned()]));
    let report = judged(&[log.receipt(3, &leaves[..30]).to_string(), log.receipt(3, &other).to_string()], &Keys::default());
    assert_eq!(codes(&report, Level::Refused), ["two-entries"]);
    // The same entry under two heads is no contradiction.
    assert_eq!(verdict(&[log.receipt(3, &leaves[..30]).to_string(), log.receipt(3, &leaves).to_string()]), Verdict::Proven);
}

#[test]
fn two_sizes_are_tied_by_consistency_proofs_alone() {
    let (log, leaves) = (log(), leaves(42));
    let checkpoint = |size: usize| log.checkpoint(&leaves[..size]);
    let tie = |from: usize, to: usize| log.consistency(from, &leaves[..to]).to_string();
    let report = judged(&[checkpoint(20), checkpoint(42)], &log.keys());
    assert_eq!((report.verdict(), codes(&report, Level::Unproven)), (Verdict::Unproven, vec!["untied".to_owned()]));
    assert!(report.to_text(Language::English).contains("Ask its keeper for a consistency proof from 20 to 42."));
    assert_eq!(verdict(&[checkpoint(20), checkpoint(42), tie(20, 42)]), Verdict::Proven);
    // By way of others: a chain, or a common later head; a common earlier one ties nothing.
    assert_eq!(verdict(&[checkpoint(20), checkpoint(42), tie(20, 30), tie(30, 42)]), Verdict::Proven);
    assert_eq!(verdict(&[checkpoint(20), checkpoint(30), tie(20, 42), tie(30, 42)]), Verdict::Proven);
    assert_eq!(verdict(&[checkpoint(20), checkpoint(42), tie(10, 20), tie(10, 42)]), Verdict::Unproven);
    assert_eq!(verdict(&[checkpoint(0), checkpoint(42)]), Verdict::Proven);
    // Receipts alone do not ask the question, but are told.
    let receipts = [5, 10, 20, 42].map(|size| log.receipt(3, &leaves[..size]).to_string());
    let report = judged(&receipts, &log.keys());
    assert_eq!(report.verdict(), Verdict::Proven);
    let untied = Says::Untied { origin: log.origin.to_owned(), smaller: 5, larger: 42 };
    assert_eq!(report.together, [Finding::new(Level::Limit, untied)]);
    assert_eq!(verdict(&[receipts[0].clone(), checkpoint(42)]), Verdict::Unproven);
    // A proof that holds but is signed by nobody ties nothing.
    let forged = with(log.consistency(20, &leaves), "new", json!(Log::new("node-1.example", 8).checkpoint(&leaves)));
    assert_eq!(codes(&judged(&[checkpoint(20), checkpoint(42), forged], &log.keys()), Level::Unproven), ["untied"]);
}
