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

/// An act: number, persons (FIN, whether the father) and notes.
#[derive(Debug, Clone)]
struct Act {
    number: String,
    persons: Vec<(Option<String>, bool)>,
    notes: Vec<String>,
}

fn act() -> impl Strategy<Value = Act> {
    let persons = prop::collection::vec((proptest::option::of(fin()), any::<bool>()), 0..=2);
    (name(), persons, prop::collection::vec(name(), 0..=2)).prop_map(|(number, persons, notes)| Act { number, persons, notes })
}

impl Act {
    fn element(&self, state: &str, way: u8) -> String {
        let person = |(fin, father): &(Option<String>, bool)| {
            let fin = fin.as_ref().map(|fin| format!("<FIN>{fin}</FIN>")).unwrap_or_default();
            format!("<Sexs>{fin}<Rol>{}</Rol></Sexs>", if *father { "ATA" } else { "USAQ" })
        };
        let persons: String = self.persons.iter().map(person).collect();
        let notes: String = self.notes.iter().map(|note| format!("<Qeyd>{}</Qeyd>", escape(note, way))).collect();
        format!("<Akt><No>{}</No>{notes}<Hal>{state}</Hal><Sexsler>{persons}</Sexsler></Akt>", escape(&self.number, way))
    }

    fn object(&self, state: &str) -> serde_json::Value {
        let person = |(fin, father): &(Option<String>, bool)| serde_json::json!({"FIN": fin, "Rol": if *father { "ATA" } else { "USAQ" }});
        let persons: Vec<_> = self.persons.iter().map(person).collect();
        serde_json::json!({"No": self.number, "Hal": state, "Sexsler": {"Sexs": persons}, "Qeyd": self.notes})
    }

    fn record(&self) -> Record {
        let person = |(fin, father): &(Option<String>, bool)| Record {
            values: vec![fin.as_deref().map_or(Value::Null, text), text(if *father { "father" } else { "child" })],
        };
        let count = i64::try_from(self.persons.len()).expect("few");
        let notes = self.notes.iter().map(|note| text(note)).collect();
        let persons = self.persons.iter().map(person).collect();
        Record { values: vec![text(&self.number), Value::Records(persons), Value::Int(count), Value::Values(notes)] }
    }
}

static ACTS: std::sync::LazyLock<(Plan, Plan)> = std::sync::LazyLock::new(super::grammar::acts);

fn shipped(id: &'static str) -> &'static Plan {
    static PLANS: std::sync::OnceLock<Vec<(&'static str, Plan)>> = std::sync::OnceLock::new();
    let plans =
        PLANS.get_or_init(|| ["interior/person-identity", "taxes/person-income", "azerishiq/consumption"].map(|id| (id, plan(id))).into());
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
        let expected = vec![text("TEST-EL-000111"), Value::Records(records.collect()), Value::Int(balance)];
        prop_assert!(record(shipped("azerishiq/consumption"), &body).values == expected, "{}", body);
    }

    /// Lists in lists keep their items, their order and their bounds, whatever the syntax.
    #[test]
    fn acts_are_read_with_their_persons_as_written(
        fin in fin(), acts in prop::collection::vec(act(), 0..=3), way in any::<u8>(), kept in prop::collection::vec(any::<bool>(), 3),
    ) {
        let (xml, json) = &*ACTS;
        let (mut elements, mut objects, mut expected) = (String::new(), Vec::new(), Vec::new());
        for (act, kept) in acts.iter().zip(&kept) {
            let state = if *kept { "1" } else { "3" };
            elements.push_str(&act.element(state, way));
            objects.push(act.object(state));
            if *kept {
                expected.push(act.record());
            }
        }
        let body = format!(
            "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><C xmlns=\"urn:a\"><FIN>{fin}</FIN><Aktlar>{elements}</Aktlar></C></s:Body></s:Envelope>"
        );
        let expected = [text(&fin), Value::Records(expected)];
        prop_assert!(record(xml, &body).values == expected, "{}", body);
        let body = serde_json::json!({"C": {"Aktlar": {"Akt": objects}, "FIN": fin}}).to_string();
        prop_assert!(record(json, &body).values == expected, "{}", body);
    }

    /// What a source damages in a nested answer is refused or dropped: no panic, no record without its fields.
    #[test]
    fn damage_to_nested_lists_never_breaks_the_reader(
        acts in prop::collection::vec(act(), 1..=3), at in any::<prop::sample::Index>(), cut in 0usize..20, put in "[<>/\\[\\]{}\",:a-z0-9]{0,6}",
    ) {
        let (xml, json) = &*ACTS;
        let elements: String = acts.iter().map(|act| act.element("1", 0)).collect();
        let objects: Vec<_> = acts.iter().map(|act| act.object("1")).collect();
        let bodies = [
            (xml, format!("<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><C xmlns=\"urn:a\"><FIN>8B2HN6O</FIN><Aktlar>{elements}</Aktlar></C></s:Body></s:Envelope>")),
            (json, serde_json::json!({"C": {"Aktlar": {"Akt": objects}, "FIN": "8B2HN6O"}}).to_string()),
        ];
        for (plan, body) in bodies {
            let signs: Vec<char> = body.chars().collect();
            let place = at.index(signs.len());
            let damaged: String = signs.iter().take(place).copied().chain(put.chars()).chain(signs.iter().skip(place + cut).copied()).collect();
            if let Ok(reading) = read(plan, 200, damaged.as_bytes()) {
                let facts = reading.facts.expect("only FOUND is left");
                let Some(Value::Records(items)) = facts.top_level("acts") else { panic!("a list") };
                prop_assert!(items.len() <= 3 && items.iter().all(|item| item.values.len() == 4));
            }
        }
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
            Ok(WireQuestion::Soap { .. } | WireQuestion::LookUp { .. }) => prop_assert!(false, "an HTTP question"),
            Err(_) => {
                let unwritable = |sign: char| sign.is_control() || matches!(sign, '\u{FFFE}' | '\u{FFFF}');
                prop_assert!(matches!(code.as_str(), "." | "..") || code.chars().any(unwritable), "{}", code);
            }
        }
    }
}
