//! The data hold together.

use std::collections::HashSet;

use model::Profile;

use super::*;

#[test]
fn every_person_is_marked_as_synthetic() {
    let personas = Personas::read(EMBEDDED).expect("readable");
    for person in personas.people() {
        assert!(Profile::Test.accepts_fin(&person.fin), "{}", person.fin);
        assert!(Profile::Test.accepts_document_series(&person.document.series), "{}", person.fin);
        assert!(person.document.number.bytes().all(|b| b.is_ascii_digit()));
        for income in &person.incomes {
            assert!(Profile::Test.accepts_tin(&income.payer_tin), "{}", person.fin);
            assert!(income.calendar_months.iter().all(|month| (1..=12).contains(month)));
        }
        let name = person.full_name().to_lowercase();
        assert!(["sınaq", "şınaq", "örnək", "nümunə"].iter().any(|root| name.contains(root)), "{}", person.fin);
        if let Some(account) = &person.electricity {
            assert!(account.subscriber_code.starts_with("TEST-EL-"));
        }
    }
}

#[test]
fn identifiers_are_not_shared() {
    let personas = Personas::embedded();
    let distinct = |key: fn(&Person) -> Option<String>| {
        let keys: Vec<_> = personas.people().filter_map(key).collect();
        assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len());
    };
    distinct(|person| Some(person.fin.to_string()));
    distinct(|person| Some(person.document.number.to_string()));
    distinct(|person| person.subscriber_code().map(str::to_owned));
}

#[test]
fn the_reference_family_is_the_catalogues() {
    let personas = Personas::embedded();
    let family = personas.reference_family();
    let fins: Vec<_> = family.members.iter().map(|person| &*person.fin).collect();
    assert_eq!(fins.get(..3), Some(&["5K7QX2O", "3M9RT4O", "8B2HN6O"][..]));
    assert_eq!(family.with_role(FamilyRole::Child).count(), 3);
    let applicant = family.applicant();
    assert_eq!(applicant.full_name(), "Sınaqlı Örnək Nümunə oğlu");
    assert_eq!(applicant.subscriber_code(), Some("TEST-EL-000111"));
    assert!(applicant.has_income());
    assert!(family.with_role(FamilyRole::Spouse).all(|spouse| !spouse.has_income()));
}

#[test]
fn there_are_twenty_more_and_each_family_has_an_applicant() {
    let personas = Personas::embedded();
    assert_eq!(personas.people().count(), 25);
    for family in personas.families() {
        assert_eq!(family.with_role(FamilyRole::Applicant).count(), 1, "{}", family.name);
    }
    let requests = personas.requests_family();
    assert_eq!(requests.members.len(), 5);
    assert!(requests.applicant().has_income() && requests.applicant().electricity.is_some());
}

#[test]
fn persons_are_found_by_each_identifier() {
    let personas = Personas::embedded();
    let person = personas.by_fin("5K7QX2O").expect("known");
    let document = &person.document;
    let same = personas.by_document(&document.series, &document.number, person.birth_date).expect("known");
    assert_eq!(same.fin, person.fin);
    assert!(personas.by_document(&document.series, &document.number, jiff::civil::date(1985, 3, 15)).is_none());
    assert_eq!(personas.by_subscriber_code("TEST-EL-000111").expect("known").fin, person.fin);
    assert!(personas.by_fin("ZZZZZZO").is_none());
}

#[test]
fn debug_shows_nobody() {
    let personas = Personas::embedded();
    let shown = format!("{personas:?} {:?}", personas.families());
    assert!(!shown.contains("5K7QX2O") && !shown.contains("Sınaqlı") && !shown.contains("TEST-EL"), "{shown}");
}
