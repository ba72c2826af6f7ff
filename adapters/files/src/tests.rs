//! Laws of files: what is read, what is refused and by which rule, and that nothing from outside is without a bound.

use std::io;
use std::path::Path;

use adapter_core::{Call as _, Context, Question, SecretText};
use jiff::civil::date;
use proptest::prelude::*;
use tokio::time::Instant;

use crate::client::{Files, Found, LookUp, LookUpFailed};
use crate::format::{Format, LeftOut, Limits, Operation, Trailer};
use crate::load;
use crate::period::{Cadence, Pattern, Period};
use crate::place::{Landing, Place as _};
use crate::refusal::Rule;
use crate::rows::{self, Ended, Row, Sink, Summary};
use crate::sequence::{Loaded, judge, judge_base, judge_period};

/// Keeps rows as text.
#[derive(Default)]
struct Kept(Vec<String>);

impl Sink for Kept {
    type Error = ();

    fn row(&mut self, row: &Row<'_>) -> Result<(), ()> {
        let cells: Vec<_> = row.cells().map(String::from_utf8_lossy).collect();
        self.0.push(format!("{}{}", cells.join("|"), if row.deleted { " -" } else { "" }));
        Ok(())
    }
}

fn format() -> Format {
    Format {
        name: Pattern::new("TEST_{yyyyMMdd}.csv").expect("a pattern"),
        delimiter: b';',
        columns: vec!["FIN".into(), "AD".into(), "SAY".into()],
        trailer: Some(Trailer { mark: "SON".into(), rows: 1, total: Some((2, 2)), period: Some(3), base: Some(4), cells: 5 }),
        archive: None,
        signed: false,
        operation: None,
        tree: None,
        version: None,
        left_out: None,
        keys: vec![vec![0]],
        identity: vec![0],
        limits: Limits { file_bytes: 10_000, rows: 5, row_bytes: 200, cell_bytes: 20, ..Limits::default() },
    }
}

fn read(format: &Format, text: &[u8]) -> Result<(Vec<String>, Summary), Rule> {
    let mut kept = Kept::default();
    match rows::read(text, format, &mut kept) {
        Ok(summary) => Ok((kept.0, summary)),
        Err(Ended::Refused(refusal)) => Err(refusal.rule),
        Err(Ended::Sink(())) => panic!("the sink takes everything"),
    }
}

fn period(text: &str) -> Period {
    Cadence::Daily.read(text).expect("a day")
}

#[test]
fn rows_are_given_in_the_formats_order_whatever_the_files() {
    let text = "\u{feff}SAY;UNVAN;AD;FIN\r\n7;x;\"a; \"\"b\"\"\";5K7QX2O\r\n8;y;ə;3M9RT4O\r\nSON;2;15;20260311;\r\n";
    let (rows, summary) = read(&format(), text.as_bytes()).expect("a file");
    assert_eq!(rows, ["5K7QX2O|a; \"b\"|7", "3M9RT4O|ə|8"]);
    let own = Some(period("20260311"));
    assert_eq!(summary, Summary { rows: 2, undeclared_columns: 1, period: own, ..Summary::default() });
    // Lines may end in either way.
    assert_eq!(read(&format(), text.replace("\r\n", "\n").as_bytes()).expect("a file").0, rows);
}

#[test]
fn a_change_names_its_file_and_takes_rows_away() {
    let changing = Format { operation: Some(Operation { column: 1, delete: "S".into() }), ..format() };
    let text = b"FIN;AD;SAY\n5K7QX2O;D;1\n3M9RT4O;S;2\nSON;2;3;20260311;20260310\n";
    let (rows, summary) = read(&changing, text).expect("a file");
    assert_eq!(rows, ["5K7QX2O|D|1", "3M9RT4O|S|2 -"]);
    assert_eq!(summary.base, Some(period("20260310")));
    let leaving = Format { left_out: Some(LeftOut { column: 1, text: "S".into() }), ..format() };
    let (rows, summary) = read(&leaving, text).expect("a file");
    assert_eq!((rows.len(), summary.rows, summary.left_out), (2, 1, 1), "in a change it ends what stood there");
}

#[test]
fn a_wrong_code_page_costs_its_row_alone() {
    let text = b"FIN;AD;SAY\n5K7QX2O;S\xFDnaq;1\n3M9RT4O;x;2\nSON;2;3;20260311;\n";
    let (rows, summary) = read(&format(), text).expect("a file");
    assert_eq!((rows.len(), summary.not_utf8), (2, 1));
}

#[test]
fn what_breaks_the_form_refuses_the_file() {
    let cases: [(&str, Rule); 19] = [
        ("", Rule::Header),
        ("FIN;AD\n", Rule::Header),
        ("FIN;AD;SAY;FIN\n", Rule::Header),
        ("FIN;AD;SAY\n5K7QX2O;x;1\n", Rule::Truncated),
        ("FIN;AD;SAY\n5K7QX2O;x;1\n3M9RT", Rule::Truncated),
        ("FIN;AD;SAY\n5K7QX2O;x\n3M9RT4O;x;1\nSON;2;2;20260311;\n", Rule::Malformed),
        ("FIN;AD;SAY\n5K7QX2O;x;1\nSON;1;1\n", Rule::Truncated),
        ("FIN;AD;SAY\n5K7QX2O;x;1\nSON;x;1;20260311;\n", Rule::Truncated),
        ("FIN;AD;SAY\n5K7QX2O;x;1\nSON;2;1;20260311;\n", Rule::RowCount),
        ("FIN;AD;SAY\n5K7QX2O;x;1\nSON;1;2;20260311;\n", Rule::HashTotal),
        ("FIN;AD;SAY\n5K7QX2O;x;y\nSON;1;1;20260311;\n", Rule::HashTotal),
        ("FIN;AD;SAY\n5K7QX2O;x;1\nSON;1;1;20260311;2026\n", Rule::Malformed),
        ("FIN;AD;SAY\n5K7QX2O;x;1\nSON;1;1;;\n", Rule::Malformed),
        ("FIN;AD;SAY\nSON;0;0;20260311;\n5K7QX2O;x;1\n", Rule::Malformed),
        ("FIN;AD;SAY\n5K7QX2O;\u{1};1\nSON;1;1;20260311;\n", Rule::Malformed),
        ("FIN;AD;SAY\n5K7QX2O;\"a\nb\";1\nSON;1;1;20260311;\n", Rule::Malformed),
        ("FIN;AD;SAY\na;a;1\na;a;1\na;a;1\na;a;1\na;a;1\na;a;1\nSON;6;6;20260311;\n", Rule::TooLarge),
        ("FIN;AD;SAY\n5K7QX2O;123456789012345678901;1\nSON;1;1;20260311;\n", Rule::TooLarge),
        ("FIN;AD;SAY\nSON;0;0;20260311;", Rule::Future),
    ];
    for (text, rule) in cases {
        let told = read(&format(), text.as_bytes());
        // The last is the smallest file there is.
        assert_eq!(told.map_or_else(|rule| rule, |_| Rule::Future), rule, "{text:?}");
    }
    let endless = [b"FIN;AD;SAY\n\"".as_slice(), &vec![b'x'; 200_000]].concat();
    assert_eq!(read(&format(), &endless).map(drop), Err(Rule::TooLarge), "a row without an end is not waited for");
}

#[test]
fn names_say_what_a_file_is_of() {
    let pattern = Pattern::new("MUHARIBE_{yyyyWW}.csv").expect("a pattern");
    let week = pattern.period("MUHARIBE_202601.csv").expect("a week");
    assert_eq!((week.first_day(), week.to_string()), (date(2025, 12, 29), "202601".to_owned()));
    assert_eq!(pattern.name(week), "MUHARIBE_202601.csv");
    assert_eq!(Cadence::Weekly.before(week).to_string(), "202552");
    assert_eq!(Cadence::Monthly.of(date(2026, 3, 11)).to_string(), "202603");
    for name in ["MUHARIBE_202654.csv", "MUHARIBE_2026.csv", "MUHARIBE_202601.csv.part", "x/MUHARIBE_202601.csv", "MUHARIBE_20260a.csv"] {
        assert_eq!(pattern.period(name), None, "{name}");
    }
    for bad in ["{yyyyMM}.csv", "a.csv", "../a{yyyyMM}", "a{yyyyMM}/b", "a{MM}", ".a{yyyyMM}", "a{yyyyMM}{yyyyMM}"] {
        assert!(Pattern::new(bad).is_none(), "{bad}");
    }
}

#[test]
fn one_file_follows_another() {
    let loaded = Some(Loaded { period: period("20260311"), sha256: [1; 32] });
    let judged = |text: &str, hash: u8| judge(loaded, period(text), [hash; 32]).map_err(|refusal| refusal.rule);
    assert_eq!(judged("20260312", 2), Ok(()));
    assert_eq!(judged("20260312", 1), Ok(()), "what has not changed is the same another day");
    assert_eq!(judged("20260311", 1), Err(Rule::Replayed));
    assert_eq!(judged("20260311", 2), Err(Rule::PeriodTwice));
    assert_eq!(judged("20260310", 2), Err(Rule::Older));
    let based = |loaded, base: Option<&str>| judge_base(loaded, base.map(period)).map_err(|refusal| refusal.rule);
    assert_eq!(based(None, None), Ok(()));
    assert_eq!(based(None, Some("20260310")), Err(Rule::NoBase));
    assert_eq!(based(loaded, Some("20260311")), Ok(()));
    assert_eq!(based(loaded, Some("20260312")), Err(Rule::Skipped));
    assert_eq!(based(loaded, Some("20260310")), Err(Rule::Reordered));
    let own = |text: &str| judge_period(period("20260312"), Some(period(text))).map_err(|refusal| refusal.rule);
    assert_eq!((own("20260312"), own("20260311")), (Ok(()), Err(Rule::Replayed)));
}

#[test]
fn a_landing_folder_shows_plain_files_alone() {
    let folder = tempfile::tempdir().expect("temporary directory");
    let landing = Landing::new(folder.path());
    assert!(Landing::new(&folder.path().join("none")).list().expect("nothing").is_empty());
    std::fs::write(folder.path().join("a.csv"), "x").expect("written");
    std::fs::create_dir(folder.path().join("b.csv")).expect("made");
    std::os::unix::fs::symlink("/etc/hostname", folder.path().join("c.csv")).expect("linked");
    let names: Vec<String> = landing.list().expect("listed").into_iter().map(|listed| listed.name).collect();
    assert_eq!(names, ["a.csv"]);
    assert!(landing.open("a.csv").is_ok());
    for name in ["c.csv", "b.csv", "../a.csv", "/etc/hostname", "", ".a"] {
        assert!(landing.open(name).is_err(), "{name}");
    }
    landing.take_away("a.csv").expect("taken away");
    assert!(landing.list().expect("listed").is_empty());
}

#[test]
fn a_file_that_changes_between_its_readings_is_refused() {
    let folder = tempfile::tempdir().expect("temporary directory");
    let (landing, format) = (Landing::new(folder.path()), format());
    let write = |text: &str| std::fs::write(folder.path().join("a.csv"), text).expect("written");
    write("FIN;AD;SAY\n5K7QX2O;x;1\nSON;1;1;20260311;\n");
    let listed = landing.list().expect("listed").remove(0);
    let verified = load::verify(&landing, &format, None, &listed, jiff::Timestamp::UNIX_EPOCH).expect("hashed");
    assert_eq!(load::read(&landing, &format, &verified, &mut Kept::default()).map(|summary| summary.rows).ok(), Some(1));
    write("FIN;AD;SAY\n3M9RT4O;x;1\nSON;1;1;20260311;\n");
    let changed = load::read(&landing, &format, &verified, &mut Kept::default());
    assert!(matches!(changed, Err(Ended::Refused(refusal)) if refusal.rule == Rule::Changed));
    write(&"x".repeat(10_001));
    let grown = load::verify(&landing, &format, None, &listed, jiff::Timestamp::UNIX_EPOCH);
    assert_eq!(grown.map(drop).map_err(|refusal| refusal.rule), Err(Rule::TooLarge));
    std::fs::remove_file(folder.path().join("a.csv")).expect("removed");
    assert_eq!(
        load::verify(&landing, &format, None, &listed, jiff::Timestamp::UNIX_EPOCH).map(drop).map_err(|refusal| refusal.rule),
        Err(Rule::Unreadable)
    );
}

#[test]
fn a_refusal_says_what_to_do_and_nothing_of_the_file() {
    for rule in Rule::ALL {
        assert!(!rule.remedy().is_empty() && rule.as_str().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'));
    }
    let mut kept = Kept::default();
    let text = b"FIN;AD;SAY\n5K7QX2O;x;1;secret\n3M9RT4O;x;1\n";
    let Err(Ended::Refused(refusal)) = rows::read(&text[..], &format(), &mut kept) else { panic!("it is refused") };
    assert_eq!(
        refusal.to_string(),
        "the row has 4 cells, the header 3, row 2 (malformed); the source corrects the file and delivers it again"
    );
}

/// Two rows, one of them in a wrong code page.
#[derive(Debug)]
struct Two(bool);

impl LookUp for Two {
    fn look_up(&self, keys: &[(Box<str>, SecretText)]) -> Result<Found, LookUpFailed> {
        assert_eq!(keys[0].1.expose(), "5K7QX2O");
        let row = |cell: &[u8]| vec![b"5K7QX2O".to_vec(), cell.to_vec()];
        let rows = vec![row(b"a\"b\\"), row(if self.0 { b"\xFD" } else { b"c" })];
        let columns = ["FIN".into(), "AD".into()];
        Ok(Found { as_of: std::time::UNIX_EPOCH, columns: columns.into(), keyed: [0].into(), rows })
    }
}

#[tokio::test]
async fn rows_are_an_answer_in_wire_form() {
    let context = Context { exchange_id: uuid(), repeat_key: uuid(), official: "", case: "", deadline: Instant::now() };
    let question = Question::LookUp { keys: vec![("FIN".into(), SecretText::from("5K7QX2O"))] };
    let files = |broken| Files::new(std::sync::Arc::new(Two(broken)));
    let answer = files(false).call(&question, &context).await.expect("an answer");
    let body = std::str::from_utf8(&answer.body).expect("UTF-8");
    assert_eq!(body, r#"{"same":{"FIN":"5K7QX2O"},"rows":[{"FIN":"5K7QX2O","AD":"a\"b\\"},{"FIN":"5K7QX2O","AD":"c"}]}"#);
    assert_eq!(answer.as_of, Some(std::time::UNIX_EPOCH));
    let broken = files(true).call(&question, &context).await.expect("an answer");
    assert!(std::str::from_utf8(&broken.body).is_err(), "whoever reads it says so");
    let other = Question::Soap { action: None, body: Default::default() };
    assert!(files(false).call(&other, &context).await.is_err());
}

fn uuid() -> uuid::Uuid {
    uuid::Uuid::nil()
}

proptest! {
    /// Whatever the bytes, reading ends, and what it gives on has the format's width.
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let text = [b"FIN;AD;SAY\n".as_slice(), &bytes].concat();
        if let Ok((rows, summary)) = read(&format(), &text) {
            prop_assert_eq!(rows.len() as u64, summary.rows + summary.left_out);
        }
    }

    /// Every cell that can stand in a file comes back as it was.
    #[test]
    fn cells_come_back(cells in prop::collection::vec("[a-zəğ;\" ]{1,10}", 1..5)) {
        let quoted = |cell: &String| format!("\"{}\"", cell.replace('"', "\"\""));
        let rows: Vec<String> = cells.iter().map(|cell| format!("5K7QX2O;{};1", quoted(cell))).collect();
        let text = format!("FIN;AD;SAY\n{}\nSON;{};{};20260311;\n", rows.join("\n"), cells.len(), cells.len());
        let (read, _) = read(&format(), text.as_bytes()).expect("a file");
        let wanted: Vec<String> = cells.iter().map(|cell| format!("5K7QX2O|{cell}|1")).collect();
        prop_assert_eq!(read, wanted);
    }
}

#[test]
fn a_place_that_cannot_be_read_is_told() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let error = Landing::new(Path::new(file.path())).list().expect_err("it is no folder");
    assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
}
