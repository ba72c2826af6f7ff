//! There and back: canonical values, written into wire form by a writer that knows nothing of the
//! mappings, are read as the same values; and what the mapping writes, a plain parser reads.

use mapping::{Inputs, Plan, WireQuestion};
use model::{Decimal, Record, Subject, Value};
use proptest::prelude::*;
use quick_xml::events::Event;

use super::{asked, plan, read};

fn text(value: &str) -> Value {
    Value::Text(value.into())
}

/// Escapes as a source might: by name, by number, or in CDATA.
fn escape(text: &str, way: u8) -> String {
    match way % 3 {
        0 => text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"),
        1 => text.chars().map(|sign| format!("&#x{:X};", u32::from(sign))).collect(),
        _ => format!("<![CDATA[{}]]>", text.replace("]]>", "]]]]><![CDATA[>")),
    }
}

fn manat(qapik: i64) -> String {
    let amount = qapik.unsigned_abs();
    format!("{}{}.{:02}", if qapik < 0 { "-" } else { "" }, amount / 100, amount % 100)
}

/// FINs and taxpayers' numbers of the test profile.
fn fin() -> impl Strategy<Value = String> {
    "[0-9A-HJ-NP-Z]{6}O"
}

fn tin() -> impl Strategy<Value = String> {
    "[0-9]{9}[34]"
}

fn month() -> impl Strategy<Value = (i16, i8)> {
    (1000i16..=9999, 1i8..=12)
}

/// A text as a contract delivers it: not empty, no blanks at the ends, no controls, one blank at a time, NFC.
fn name() -> impl Strategy<Value = String> {
    "[A-Za-zƏəĞğİıÖöŞşÇçÜü<>&\"'\\]]{1,12}( [A-Za-zƏəĞğİıÖöŞşÇçÜü<>&\"'\\]]{1,12}){0,2}"
}

#[derive(Debug, Clone)]
struct Income {
    month: (i16, i8),
    tin: String,
    kind: (&'static str, &'static str),
    amounts: [i64; 3],
}

fn income() -> impl Strategy<Value = Income> {
    let kinds = [("ƏH", "wage"), ("MQ", "contract"), ("İC", "rent"), ("DV", "dividend"), ("SB", "business"), ("DG", "other")];
    let amount = || prop_oneof![-i64::MAX..=i64::MAX, -1_000_000..=1_000_000i64, Just(0)];
    let amounts = [amount(), amount(), amount()];
    (month(), tin(), prop::sample::select(kinds.to_vec()), amounts).prop_map(|(month, tin, kind, amounts)| Income {
        month,
        tin,
        kind,
        amounts,
    })
}

fn shipped(id: &'static str) -> &'static Plan {
    static PLANS: std::sync::OnceLock<Vec<(&'static str, Plan)>> = std::sync::OnceLock::new();
    let plans = PLANS.get_or_init(|| super::SHIPPED.iter().map(|id| (*id, plan(id))).collect());
    plans.iter().find(|(own, _)| *own == id).map(|(_, plan)| plan).expect("a shipped mapping")
}

fn record(plan: &Plan, body: &str) -> Record {
    let reading = read(plan, 200, body.as_bytes()).unwrap_or_else(|error| panic!("{error}: {body}"));
    assert_eq!(reading.undeclared.count, 0);
    reading.facts.expect("found").record
}

proptest! {
    #[test]
    fn income_is_read_as_it_was_written(fin in fin(), incomes in prop::collection::vec(income(), 1..30), pretty in any::<bool>(), way in any::<u8>()) {
        let gap = if pretty { "\n  " } else { "" };
        let mut months = String::new();
        for income in &incomes {
            let (year, month) = income.month;
            let parts = [
                ("Ay", format!("{month:02}.{year:04}")),
                ("OdeyiciVOEN", income.tin.clone()),
                ("GelirNovu", escape(income.kind.0, way)),
                ("HesablanmisGelir", manat(income.amounts[0])),
                ("GelirVergisi", manat(income.amounts[1])),
                ("MDSS", manat(income.amounts[2])),
            ];
            let inside: String = parts.iter().map(|(name, text)| format!("{gap}<n:{name}>{gap}{text}{gap}</n:{name}>")).collect();
            months.push_str(&format!("<n:Ay_Melumati>{inside}{gap}</n:Ay_Melumati>"));
        }
        let body = format!(
            "<Envelope xmlns=\"http://www.w3.org/2003/05/soap-envelope\"><Body>{gap}<n:FizikiSexsGelirleriCavabi xmlns:n=\"urn:vergiler:gelir:v1\">\
             <n:FIN>{fin}</n:FIN><n:Aylar>{gap}{months}</n:Aylar></n:FizikiSexsGelirleriCavabi></Body></Envelope>"
        );
        let items = incomes.iter().map(|income| Record {
            values: vec![
                text(&format!("{:04}-{:02}", income.month.0, income.month.1)),
                text(&income.tin),
                text(income.kind.1),
                Value::Int(income.amounts[0]),
                Value::Int(income.amounts[1]),
                Value::Int(income.amounts[2]),
            ],
        });
        let expected = [text(&fin), Value::Records(items.collect())];
        prop_assert!(record(shipped("taxes/person-income"), &body).values == expected, "{}", body);
    }

    #[test]
    fn a_person_is_read_as_written(
        fin in fin(), names in [name(), name(), name()], male in any::<bool>(), daughter in any::<bool>(), place in name(), number in "[0-9]{1,12}",
        birth in (1900i16..2026, 1i8..=12, 1i8..=28), until in proptest::option::of((1900i16..=2100, 1i8..=12, 1i8..=28)),
        status in 0usize..4, way in any::<u8>(), order in Just((0..13usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let dotted = |(year, month, day): (i16, i8, i8)| format!("{day:02}.{month:02}.{year:04}");
        let iso = |(year, month, day): (i16, i8, i8)| format!("{year:04}-{month:02}-{day:02}");
        let parts = [
            ("FIN", fin.clone()),
            ("Soyad", names[0].clone()),
            ("Ad", names[1].clone()),
            ("AtaAdi", format!("{} {}", names[2], if daughter { "qızı" } else { "oğlu" })),
            ("Cins", if male { "K" } else { "Q" }.to_owned()),
            ("DogumTarixi", dotted(birth)),
            ("DogumYeri", place.clone()),
            ("Vetendasliq", "AZE".to_owned()),
            ("Seriya", "ZZ".to_owned()),
            ("Nomre", number.clone()),
            ("VerilmeTarixi", dotted(birth)),
            ("EtibarliliqTarixi", until.map_or_else(|| "-".to_owned(), dotted)),
            ("SenedStatusu", ["1", "2", "3", "4"][status].to_owned()),
        ];
        // The order of elements is the source's affair.
        let inside: String = order.iter().map(|at| format!("<{0}>{1}</{0}>", parts[*at].0, escape(&parts[*at].1, way))).collect();
        let body = format!(
            "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><SexsMelumatiSorgusuResponse \
             xmlns=\"http://daxili-isler.example/xroad/v2\"><Sexs>{inside}</Sexs></SexsMelumatiSorgusuResponse></s:Body></s:Envelope>"
        );
        let expected = [
            text(&fin), text(&names[0]), text(&names[1]), text(&names[2]),
            text(if daughter { "daughter" } else { "son" }),
            text(if male { "male" } else { "female" }),
            text(&iso(birth)), text(&place), text("AZE"), text("ZZ"), text(&number), text(&iso(birth)),
            until.map_or(Value::Null, |until| text(&iso(until))),
            text(["valid", "lost", "expired", "cancelled"][status]),
            Value::Null,
        ];
        prop_assert!(record(shipped("interior/person-identity"), &body).values == expected, "{}", body);
    }

    #[test]
    fn consumption_is_read_as_it_was_written(
        balance in -1_000_000..=1_000_000i64,
        months in prop::collection::vec((month(), "(0|[1-9][0-9]{0,8})(\\.[0-9]{1,4})?", 0..=1_000_000i64, any::<bool>()), 0..=12),
    ) {
        let items: Vec<String> = months.iter().map(|((year, month), quantity, charged, estimated)| format!(
            "{{\"teqribi\" : {estimated},\"ay\":\"{year:04}-{month:02}\",\"serfiyyat\":{quantity},\"hesablanib\":{},\"odenilib\":{}}}", manat(*charged), manat(0)
        )).collect();
        let body = format!("{{\"hesablamalar\":[{}],\"abonent_kodu\":\"TEST-EL-000111\",\"qaliq\":{}}}", items.join(", "), manat(balance));
        let records = months.iter().map(|((year, month), quantity, charged, estimated)| Record {
            values: vec![
                text(&format!("{year:04}-{month:02}")),
                Value::Decimal(Decimal::new(quantity).expect("digits")),
                Value::Int(*charged),
                Value::Int(0),
                Value::Bool(*estimated),
            ],
        });
        let expected = vec![Value::Records(records.collect()), Value::Int(balance)];
        prop_assert!(record(shipped("azerishiq/consumption"), &body).values == expected, "{}", body);
    }

    #[test]
    fn what_is_written_into_a_soap_question_is_what_a_parser_reads(fin in "[^\\p{Cc}\\x{FFFE}\\x{FFFF}]{1,20}", from in month(), to in month()) {
        let months: Inputs = [("month_from", from), ("month_to", to)]
            .iter()
            .map(|(name, (year, month))| ((*name).into(), text(&format!("{year:04}-{month:02}"))))
            .collect();
        let question = shipped("taxes/person-income").write(&asked(Some(&Subject::Fin(fin.clone())), &months)).expect("a question");
        let WireQuestion::Soap { body, .. } = question else { panic!("a SOAP question") };
        let body = String::from_utf8(body).expect("UTF-8");
        let mut reader = quick_xml::Reader::from_str(&body);
        let (mut path, mut texts) = (Vec::new(), Vec::new());
        loop {
            match reader.read_event().expect("well-formed") {
                Event::Start(start) => {
                    path.push(start.name().as_ref().to_owned());
                    texts.push(String::new());
                }
                Event::End(_) => {
                    let (name, read) = (path.pop().expect("open"), texts.pop().expect("open"));
                    let wanted = match name.as_str() {
                        "t:FIN" => fin.clone(),
                        "t:AyEvvel" => format!("{:02}.{:04}", from.1, from.0),
                        "t:AySon" => format!("{:02}.{:04}", to.1, to.0),
                        _ => String::new(),
                    };
                    prop_assert_eq!(read, wanted, "{}", name);
                }
                Event::Text(piece) => texts.last_mut().expect("open").push_str(&piece),
                Event::GeneralRef(reference) => {
                    let sign = match &*reference { "lt" => '<', "gt" => '>', "amp" => '&', "quot" => '"', "apos" => '\'', other => panic!("{other}") };
                    texts.last_mut().expect("open").push(sign);
                }
                Event::Eof => break,
                other => panic!("{other:?}"),
            }
        }
        prop_assert!(path.is_empty());
    }

    #[test]
    fn a_path_has_as_many_segments_as_the_mapping_says(code in "\\PC{1,30}") {
        let given: Inputs = [("subscriber_code", code.as_str()), ("month_from", "2025-03"), ("month_to", "2026-02")]
            .iter().map(|(name, value)| ((*name).into(), text(value))).collect();
        match shipped("azerishiq/consumption").write(&asked(Some(&Subject::Fin("5K7QX2O".to_owned())), &given)) {
            Ok(WireQuestion::Rest { path_and_query, .. }) => {
                let (path, query) = path_and_query.split_once('?').expect("a query");
                let segments: Vec<_> = path.split('/').collect();
                prop_assert_eq!(segments.len(), 5);
                prop_assert!(segments[3].bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)), "{}", path);
                prop_assert!(!matches!(segments[3], "." | ".."));
                prop_assert_eq!(query, "ay_evvel=2025-03&ay_son=2026-02");
            }
            Ok(WireQuestion::Soap { .. }) => prop_assert!(false, "an HTTP question"),
            Err(_) => {
                let unwritable = |sign: char| sign.is_control() || matches!(sign, '\u{FFFE}' | '\u{FFFF}');
                prop_assert!(matches!(code.as_str(), "." | "..") || code.chars().any(unwritable), "{}", code);
            }
        }
    }
}
