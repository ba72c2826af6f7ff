//! No value of a recorded answer survives, and what is written is the same answer about somebody else.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use mapping::Plan;
use mapping::raw::Mapping;
use model::document::Document;
use model::{Problems, Profile, Subject};
use proptest::prelude::*;

use super::{Masked, Recipe, Unmaskable, question_text};

/// Plans with their mappings as written, read once.
static SHIPPED: LazyLock<BTreeMap<String, (Arc<Plan>, Mapping)>> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut problems = Problems::default();
    let snapshot = model::load::load(&root.join("contracts"), TODAY, &mut problems);
    let mut shipped = BTreeMap::new();
    for service in snapshot.services.values() {
        let document = Document::read(&root.join("mappings").join(format!("{}.yaml", service.versioned()))).expect("the file");
        let plan = Arc::new(mapping::compile(&document, service, &mut problems).expect("a plan"));
        shipped.insert(service.id.to_string(), (plan, document.decode(&mut problems).expect("a mapping")));
    }
    shipped
});

const TODAY: jiff::civil::Date = jiff::civil::date(2026, 3, 11);

fn mask(id: &str, fin: &str, status: u16, answer: &str) -> Result<Masked, Unmaskable> {
    let (plan, raw) = &SHIPPED[id];
    Recipe::new(plan, raw).mask(Some(&Subject::Fin(fin.to_owned())), &[], status, answer.as_bytes())
}

const SUBSCRIBER: &str = r#"{"abonentler": [{"abonent_kodu": "TEST-EL-000111", "sahib_fin": "5K7QX2O", "unvan": "Bakı ş., Sınaq küç. 1",
    "saygac_novu": "smart", "tarif_qrupu": "ehali", "aktiv": true, "telefon": "+994 50 123 45 67"}], "qeyd": "Örnək Sınaqlı"}"#;

#[test]
fn a_recorded_record_is_about_nobody() {
    let masked = mask("azerishiq/subscriber", "5K7QX2O", 200, SUBSCRIBER).expect("it can be masked");
    let json: serde_json::Value = serde_json::from_slice(&masked.answer).expect("JSON");
    let record = &json["abonentler"][0];
    assert_eq!((&record["saygac_novu"], &record["aktiv"]), (&"smart".into(), &true.into()), "what names nobody stays");
    assert_eq!(record["telefon"].as_str().or(json["qeyd"].as_str()), None, "what nobody declared is dropped");
    let Some(Subject::Fin(fin)) = &masked.subject else { panic!("about somebody") };
    assert_eq!(record["sahib_fin"], **fin, "the same person is the same stand-in");
    assert!(Profile::Test.accepts_fin(fin) && question_text(&masked.question).contains(fin.as_str()));
    assert!(record["abonent_kodu"].as_str().is_some_and(|code| code.len() == 14 && code.contains('-')), "{record}");
}

#[test]
fn every_example_that_is_shipped_can_be_recorded() {
    let mappings = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings");
    let mut recorded = 0;
    for (plan, raw) in SHIPPED.values() {
        let service = plan.service();
        let material = crate::kit::Material::read(&mappings, plan, TODAY).expect("examples");
        for shown in material.with(model::Outcome::Found) {
            let masked = Recipe::new(plan, raw).mask(shown.ask.subject.as_ref(), &[], shown.answer.status, &shown.answer.body);
            match masked {
                Ok(masked) => {
                    recorded += 1;
                    let text = String::from_utf8_lossy(&masked.answer).into_owned();
                    assert!(!text.contains("5K7QX2O"), "{} {}: {text}", service.id, shown.name);
                }
                // A question with further inputs is none without them.
                Err(Unmaskable::AnotherAnswer { original, .. }) if original == "a question" => {}
                Err(error) => panic!("{} {}: {error}", service.id, shown.name),
            }
        }
    }
    assert!(recorded >= 10, "{recorded}");
}

#[test]
fn what_cannot_be_told_apart_is_refused() {
    let refused = |id: &str, answer: &str| mask(id, "5K7QX2O", 200, answer).expect_err("refused");
    assert_eq!(refused("azerishiq/subscriber", "<html>5K7QX2O</html>"), Unmaskable::Syntax("JSON"));
    assert_eq!(refused("interior/person-identity", "<!DOCTYPE x><a/>"), Unmaskable::Syntax("XML"));
    assert_eq!(refused("interior/person-identity", "<a><b></a>"), Unmaskable::Syntax("XML"));
}

#[test]
fn a_name_outside_of_a_captured_form_is_refused() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ok = std::fs::read_to_string(root.join("mappings/interior/examples/person-identity/ok.xml")).expect("an example");
    let masked = mask("interior/person-identity", "5K7QX2O", 200, &ok).expect("it can be masked");
    let text = String::from_utf8(masked.answer).expect("UTF-8");
    assert!(text.contains(" oğlu<") && !text.contains("Nümunə oğlu"), "{text}");
    let other = ok.replace("Nümunə oğlu", "Nümunə Sınaqov");
    assert!(matches!(mask("interior/person-identity", "5K7QX2O", 200, &other), Err(Unmaskable::Form(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever stands in an answer, declared or not: nothing of it is written, and what cannot be done so is refused.
    #[test]
    fn no_original_survives(
        fin in "[0-9A-HJ-NP-Z]{6}[0-9A-HJ-NP-Z]",
        code in "[A-Z]{2,4}-[0-9]{4,8}",
        address in "[A-ZƏİÖÜŞÇĞa-zəıöüşçğ]{4,12} [a-zəıöüşçğ]{4,9}\\. [0-9]{1,3}",
        meter in prop_oneof![Just("smart".to_owned()), "[a-z]{5,9}"],
        active in prop_oneof![Just("true".to_owned()), "\"[A-Za-z]{5,9}\"", "[1-9][0-9]{4,9}"],
        more in "[a-zA-Z0-9]{5,20}",
        status in prop_oneof![Just(200_u16), Just(404), Just(500)],
    ) {
        let answer = format!(
            r#"{{"abonentler":[{{"abonent_kodu":"{code}","sahib_fin":"{fin}","unvan":"{address}","saygac_novu":"{meter}","tarif_qrupu":"ehali","aktiv":{active},"ad":"{more}"}}],"xeta{more}":"{more}"}}"#
        );
        if let Ok(masked) = mask("azerishiq/subscriber", &fin, status, &answer) {
            let text = format!("{} {}", String::from_utf8_lossy(&masked.answer), question_text(&masked.question));
            let mut originals = vec![fin.as_str(), code.as_str(), address.as_str(), more.as_str()];
            originals.extend(address.split(' ').filter(|word| word.chars().count() >= 4));
            if meter != "smart" { originals.push(&meter); }
            if active != "true" { originals.push(active.trim_matches('"')); }
            for original in originals {
                prop_assert!(!text.contains(original), "{original} in {text}");
            }
        }
    }

    #[test]
    fn no_original_survives_in_xml(fin in "[0-9A-HJ-NP-Z]{6}O", name in "[A-ZƏİÖÜŞÇĞ][a-zəıöüşçğ]{4,12}", number in "[1-9][0-9]{5,7}", year in 1930_i32..2020, more in "[a-zA-Z]{6,12}") {
        let birth = format!("14.03.{year}");
        let answer = format!(
            "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Header><x>{more}</x></s:Header><s:Body><d:SexsMelumatiSorgusuResponse xmlns:d=\"http://daxili-isler.example/xroad/v2\" ad=\"{more}\"><!-- {more} --><d:Sexs>\
             <d:FIN>{fin}</d:FIN><d:Soyad>{name}</d:Soyad><d:Ad>{name}</d:Ad><d:AtaAdi>{name} oğlu</d:AtaAdi><d:Cins>K</d:Cins>\
             <d:DogumTarixi>{birth}</d:DogumTarixi><d:DogumYeri>{name} şəhəri</d:DogumYeri><d:Vetendasliq>AZE</d:Vetendasliq><d:Seriya>ZZ</d:Seriya>\
             <d:Nomre>{number}</d:Nomre><d:VerilmeTarixi>01.06.2021</d:VerilmeTarixi><d:EtibarliliqTarixi>-</d:EtibarliliqTarixi><d:SenedStatusu>1</d:SenedStatusu>\
             <d:Sekil>{more}</d:Sekil></d:Sexs></d:SexsMelumatiSorgusuResponse></s:Body></s:Envelope>"
        );
        let masked = mask("interior/person-identity", &fin, 200, &answer);
        prop_assert!(masked.is_ok(), "{masked:?}");
        let masked = masked.expect("it can be masked");
        let text = format!("{} {}", String::from_utf8_lossy(&masked.answer), question_text(&masked.question));
        for original in [&fin, &name, &number, &birth, &more] {
            prop_assert!(!text.contains(original.as_str()), "{original} in {text}");
        }
    }
}
