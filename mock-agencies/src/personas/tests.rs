//! The data hold together.

use std::collections::HashSet;

use model::Profile;

use super::*;

/// The seeds whose populations obey the laws.
const SEEDS: [u64; 5] = [SEED, 0, 1, 2_026, u64::MAX];

/// The hand-written persons, and those with populations of several seeds: the same laws hold for all.
fn worlds() -> impl Iterator<Item = Arc<Personas>> {
    [Personas::embedded()].into_iter().chain(SEEDS.map(Personas::populated))
}

#[test]
fn a_seed_makes_several_hundred_always_the_same() {
    let fins = |seed| {
        Personas::populated(seed).people().map(|person| (person.fin.clone(), person.full_name(), person.birth_date)).collect::<Vec<_>>()
    };
    let (one, again, other) = (fins(SEED), fins(SEED), fins(SEED + 1));
    assert!(one.len() >= 450, "{}", one.len());
    assert_eq!(one, again);
    assert_ne!(one, other);
    // Whoever plays with a seed on another day, and with another release of the libraries, meets the same persons.
    let (fin, name, born) = &one[Personas::embedded().people().count()];
    assert_eq!(format!("{fin} {name} {born}"), "SLHRWPO Nümunədağlı Örnəkdin Nümunəyar oğlu 1981-07-11");
}

#[test]
fn every_person_is_marked_as_synthetic() {
    for personas in worlds() {
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
            if let Some(account) = &person.water {
                assert!(account.subscriber_code.starts_with("TEST-SU-"));
            }
            if let Some(residence) = &person.residence {
                assert!(residence.address_code.starts_with("TEST-ADR-") && residence.territory_code.starts_with("9900000"));
            }
            assert!(person.vehicles.iter().all(|v| v.plate.starts_with("99-ZZ-") && v.make_model.starts_with("TEST ")), "{}", person.fin);
            assert!(person.writs.iter().all(|writ| writ.number.starts_with("TEST-IC-")));
            assert!(person.property.iter().all(|object| object.registry_no.starts_with("TEST-")));
            assert!(person.deals.iter().all(|deal| deal.registry_no.starts_with("TEST-")));
            assert!(person.taxpayer.iter().all(|taxpayer| Profile::Test.accepts_tin(&taxpayer.tin) && taxpayer.tin.ends_with('4')));
            assert!(["AZE", "UTO"].contains(&&*person.citizenship));
        }
        // The last digit tells a legal person from a natural one, here as in real numbers.
        assert!(personas.companies().iter().all(|company| Profile::Test.accepts_tin(&company.tin) && company.tin.ends_with('3')));
        for family in personas.families() {
            for act in &family.acts {
                assert!(act.number.starts_with("TEST-") && act.certificate.starts_with("TEST-I-ZZ ") && act.office.starts_with("VV-TEST-"));
            }
            for application in &family.applications {
                assert!(application.number.starts_with("TEST-NOT-") && application.certificate.starts_with("TEST-IH-"));
            }
        }
    }
}

#[test]
fn identifiers_are_not_shared() {
    for personas in worlds() {
        let distinct = |key: fn(&Person) -> Option<String>| {
            let keys: Vec<_> = personas.people().filter_map(key).collect();
            assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len());
        };
        distinct(|person| Some(person.fin.to_string()));
        distinct(|person| Some(person.document.number.to_string()));
        distinct(|person| person.subscriber_code().map(str::to_owned));
        distinct(|person| person.water.as_ref().map(|account| account.subscriber_code.to_string()));
        distinct(|person| person.taxpayer.as_ref().map(|taxpayer| taxpayer.tin.to_string()));
        all_differ(personas.people().flat_map(|person| &person.vehicles).map(|vehicle| &*vehicle.plate));
        all_differ(personas.people().flat_map(|person| &person.writs).map(|writ| &*writ.number));
        all_differ(personas.applications().map(|application| &*application.number));
        all_differ(personas.families().iter().map(|family| &*family.name));
        let acts = || personas.families().iter().flat_map(|family| &family.acts);
        all_differ(acts().map(|act| &*act.number));
        all_differ(acts().map(|act| &*act.certificate));
    }
}

fn all_differ<'a>(keys: impl Iterator<Item = &'a str>) {
    let keys: Vec<_> = keys.collect();
    assert!(!keys.is_empty());
    assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len(), "{keys:?}");
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
fn there_are_a_hundred_and_each_family_has_an_applicant() {
    let personas = Personas::embedded();
    assert_eq!(personas.people().count(), 100);
    for family in personas.families() {
        assert_eq!(family.members.first().expect("a member").role, FamilyRole::Applicant, "{}", family.name);
        assert_eq!(family.with_role(FamilyRole::Applicant).count(), 1, "{}", family.name);
        assert!(family.with_role(FamilyRole::Spouse).count() <= 1, "{}", family.name);
        assert!(family.relatives.iter().all(|person| person.role == FamilyRole::Other), "{}", family.name);
        assert!(family.members.iter().all(|person| person.role != FamilyRole::Other), "{}", family.name);
        assert!(!family.shows.is_empty());
    }
    let requests = personas.requests_family();
    assert_eq!(requests.members.len(), 5);
    assert!(requests.applicant().has_income() && requests.applicant().electricity.is_some());
}

/// The day the stories are told on: anything fixed has happened by then.
const TODAY: Date = jiff::civil::date(2026, 3, 11);

fn known<'a>(personas: &'a Personas, fin: &str) -> &'a Person {
    personas.by_fin(fin).unwrap_or_else(|| panic!("{fin} is nobody"))
}

fn with_role(act: &CivilAct, role: ActRole) -> Vec<&str> {
    act.persons.iter().filter(|person| person.role == role).map(|person| &*person.fin).collect()
}

fn valid_acts<'a>(personas: &'a Personas, fin: &str, kind: ActKind) -> Vec<&'a CivilAct> {
    personas.acts_of(fin).filter(|act| act.kind == kind && act.status != ActStatus::Annulled).collect()
}

#[test]
fn acts_name_the_right_persons_in_the_right_roles() {
    for personas in worlds() {
        for act in personas.families().iter().flat_map(|family| &family.acts) {
            let count = |role| with_role(act, role).len();
            let shape = [ActRole::Child, ActRole::Father, ActRole::Mother, ActRole::Spouse, ActRole::Deceased].map(count);
            let right = match act.kind {
                ActKind::Birth => matches!(shape, [1, 0 | 1, 0 | 1, 0, 0]) && shape != [1, 0, 0, 0, 0],
                ActKind::Paternity | ActKind::Adoption => shape == [1, 1, 1, 0, 0],
                ActKind::Marriage | ActKind::Divorce => shape == [0, 0, 0, 2, 0],
                ActKind::NameChange => shape == [1, 0, 0, 0, 0],
                ActKind::Death => matches!(shape, [0, 0, 0, 0 | 1, 1]),
            };
            assert!(right, "{}: {shape:?}", act.number);
            assert!(act.event_on <= act.registered_on && act.registered_on <= TODAY, "{}", act.number);
            for named in &act.persons {
                let person = known(&personas, &named.fin);
                assert!(person.birth_date <= act.event_on, "{}", act.number);
                match named.role {
                    ActRole::Father => assert_eq!(person.sex, Sex::Male, "{}", act.number),
                    ActRole::Mother => assert_eq!(person.sex, Sex::Female, "{}", act.number),
                    ActRole::Child | ActRole::Spouse | ActRole::Deceased => {}
                }
            }
            let born = known(&personas, with_role(act, ActRole::Child).first().copied().unwrap_or("5K7QX2O"));
            for parent in with_role(act, ActRole::Father).into_iter().chain(with_role(act, ActRole::Mother)) {
                let age = born.birth_date.year() - known(&personas, parent).birth_date.year();
                assert!((17..=50).contains(&age), "{}: a parent {age} years older", act.number);
            }
            if act.kind == ActKind::Birth {
                assert_eq!(act.event_on, born.birth_date, "{}", act.number);
                for father in with_role(act, ActRole::Father) {
                    assert_eq!(born.father_name, known(&personas, father).given_name, "{}", act.number);
                }
            }
        }
    }
}

#[test]
fn everybody_is_born_once_and_dies_once_and_nothing_follows_death() {
    for personas in worlds() {
        for person in personas.people() {
            let own = |kind, role| {
                let acts = valid_acts(&personas, &person.fin, kind);
                acts.into_iter().filter(|act| with_role(act, role).contains(&&*person.fin)).collect::<Vec<_>>()
            };
            assert!(own(ActKind::Birth, ActRole::Child).len() <= 1, "{}", person.fin);
            let deaths = own(ActKind::Death, ActRole::Deceased);
            assert!(deaths.len() <= 1, "{}", person.fin);
            if let Some(death) = deaths.first() {
                assert!(personas.acts_of(&person.fin).all(|act| act.event_on <= death.event_on), "{}", person.fin);
                assert!(person.role == FamilyRole::Other || person.document.status == DocumentStatus::Valid, "{}", person.fin);
            }
            if person.role == FamilyRole::Other {
                let death = deaths.first().unwrap_or_else(|| panic!("{} is a relative and lives", person.fin));
                assert_eq!(person.residence.as_ref().and_then(|residence| residence.until), Some(death.event_on), "{}", person.fin);
            }
        }
    }
}

#[test]
fn spouses_are_married_to_each_other_and_to_nobody_else() {
    for personas in worlds() {
        let married = |fin: &str| {
            let mut to: Vec<&str> = Vec::new();
            for act in personas.acts_of(fin).filter(|act| act.status != ActStatus::Annulled) {
                let other = with_role(act, ActRole::Spouse).into_iter().find(|other| *other != fin);
                match (act.kind, other) {
                    (ActKind::Marriage, Some(other)) => to.push(other),
                    (ActKind::Divorce, Some(other)) => to.retain(|own| *own != other),
                    (ActKind::Death, _) => to.retain(|own| !with_role(act, ActRole::Deceased).contains(own)),
                    _ => {}
                }
            }
            to.into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        for family in personas.families() {
            let applicant = &*family.applicant().fin;
            let spouse = family.with_role(FamilyRole::Spouse).next().map(|person| person.fin.to_string());
            if &*family.name == "dead-at-justice" || family.name.starts_with("dead-at-justice-") {
                assert!(spouse.is_some() && married(applicant).is_empty(), "justice knows a widow where the family has a couple");
                continue;
            }
            assert_eq!(married(applicant), spouse.iter().cloned().collect::<Vec<_>>(), "{}", family.name);
            if let Some(spouse) = spouse {
                assert_eq!(married(&spouse), [applicant], "{}", family.name);
            }
        }
    }
}

#[test]
fn childrens_birth_acts_name_their_parents() {
    for personas in worlds() {
        for family in personas.families() {
            let applicant = family.applicant();
            for child in family.with_role(FamilyRole::Child) {
                let acts: Vec<_> = valid_acts(&personas, &child.fin, ActKind::Birth)
                    .into_iter()
                    .filter(|act| with_role(act, ActRole::Child) == [&*child.fin])
                    .collect();
                let [act] = *acts else { panic!("{} of {} has {} birth acts", child.fin, family.name, acts.len()) };
                let parents = [with_role(act, ActRole::Father), with_role(act, ActRole::Mother)].concat();
                // A grandmother brings up the child of the dead; everybody else their own.
                let own = parents.contains(&&*applicant.fin);
                assert_eq!(own, &*family.name != "guardian", "{}", family.name);
                for spouse in family.with_role(FamilyRole::Spouse) {
                    assert!(parents.contains(&&*spouse.fin), "{}", family.name);
                }
            }
        }
        let reference = personas.reference_family();
        let paternity = valid_acts(&personas, &reference.applicant().fin, ActKind::Paternity);
        let former = personas.family("former-partner").expect("known");
        assert_eq!(with_role(paternity[0], ActRole::Child), [&*former.members[1].fin]);
    }
}

#[test]
fn applications_stay_in_force_but_for_those_that_are_there_to_have_lapsed() {
    for personas in worlds() {
        let reference = personas.reference_family().application().expect("an application");
        assert_eq!(reference.valid_until(TODAY), jiff::civil::date(2026, 5, 10), "90 days after it was notarised, 30 days ago");
        // Whatever the day: one that is fixed lapses once and for all.
        for today in [TODAY, jiff::civil::date(2031, 12, 31)] {
            for family in personas.families() {
                let newest = family.application();
                let lapsed = newest.is_some_and(|application| application.valid_until(today) < today);
                assert_eq!(lapsed, &*family.name == "upper-floor", "{}", family.name);
                assert!(family.applications.iter().skip(1).all(|older| older.valid_until(today) < today), "{}", family.name);
                let any = family.applications.iter().any(|application| application.valid_until(today) < today);
                assert_eq!(any, family.shows.contains("lapsed"), "{}", family.name);
            }
        }
    }
}

#[test]
fn applications_list_the_family_but_where_they_are_there_to_do_otherwise() {
    for personas in worlds() {
        for family in personas.families() {
            let ages: Vec<_> = family.applications.iter().map(|application| application.notarised_on.seen_from(TODAY)).collect();
            assert!(ages.is_sorted_by(|newer, older| newer > older), "{}", family.name);
            for application in &family.applications {
                assert!(application.notarised_on.seen_from(TODAY) <= TODAY, "{}", application.number);
                assert_eq!(application.representative, family.applicant().fin, "{}", application.number);
                let listed: Vec<_> = application.members.iter().filter_map(|member| member.fin.as_deref()).collect();
                assert!(listed.iter().all(|fin| personas.by_fin(fin).is_some()), "{}", application.number);
                let mut expected: Vec<_> =
                    family.members.iter().map(|person| &*person.fin).filter(|fin| *fin != &*application.representative).collect();
                match &*family.name {
                    "names-himself" => expected.push(&application.representative),
                    "circle-one" => expected.push(&personas.family("circle-two").expect("known").applicant().fin),
                    "circle-two" => expected.push(&personas.family("circle-one").expect("known").applicant().fin),
                    _ => {}
                }
                assert_eq!(listed, expected, "{}", application.number);
                let without_fin = application.members.iter().filter(|member| member.fin.is_none()).count();
                assert_eq!(without_fin, usize::from(&*family.name == "new-born"), "{}", application.number);
                for member in &application.members {
                    let Some(person) = member.fin.as_deref().and_then(|fin| family.members.iter().find(|person| &*person.fin == fin))
                    else {
                        assert!(matches!(member.relation, Relation::Child | Relation::Sibling), "{}", application.number);
                        continue;
                    };
                    let relation = match (&*family.name, person.role) {
                        ("guardian", FamilyRole::Child) => Relation::Other,
                        (_, FamilyRole::Spouse) => Relation::Spouse,
                        (_, FamilyRole::Child) => Relation::Child,
                        (_, FamilyRole::Adult) => Relation::Parent,
                        (_, FamilyRole::Applicant | FamilyRole::Other) => Relation::Other,
                    };
                    assert_eq!(member.relation, relation, "{}", application.number);
                }
            }
        }
        let number = |name: &str| personas.family(name).and_then(Family::application).map(|application| application.number.to_string());
        assert_eq!(number("reference").as_deref(), Some("TEST-NOT-2026-0042"));
        assert_eq!(number("requests").as_deref(), Some("TEST-NOT-2026-0043"));
        assert_eq!(personas.family("twelve").expect("known").members.len(), 12);
    }
}

#[test]
fn a_family_is_registered_at_one_address_but_where_it_is_there_to_do_otherwise() {
    for personas in worlds() {
        let code = |person: &Person| person.residence.as_ref().map(|residence| residence.address_code.to_string());
        for family in personas.families() {
            let codes: HashSet<_> = family.members.iter().map(code).collect();
            let expected = if &*family.name == "member-elsewhere" { 2 } else { 1 };
            assert_eq!(codes.len(), expected, "{}", family.name);
            for residence in family.everyone().filter_map(|person| person.residence.as_ref()) {
                assert!(residence.from <= TODAY && residence.until.is_none_or(|until| until > residence.from), "{}", family.name);
            }
        }
        let mut texts: HashMap<String, (&str, &str)> = HashMap::new();
        for residence in personas.people().filter_map(|person| person.residence.as_ref()) {
            let text = texts.entry(residence.address_code.to_string()).or_insert((&residence.address, &residence.territory_code));
            assert_eq!(*text, (&*residence.address, &*residence.territory_code), "one code is one address");
        }
        let family = |name: &str| personas.family(name).expect("known");
        let applicant = |name: &str| family(name).applicant();
        assert_eq!(code(applicant("ground-floor")), code(applicant("upper-floor")));
        assert_ne!(applicant("ground-floor").subscriber_code(), applicant("upper-floor").subscriber_code());
        assert_eq!(personas.co_registered(applicant("reference")), Some(4));
        assert_eq!(personas.co_registered(applicant("upper-floor")), Some(6));
        assert_eq!(personas.co_registered(applicant("no-trace")), None);
        let disagrees = applicant("residence-disagrees");
        let flat = disagrees.property.first().expect("a flat");
        assert_ne!(Some(&flat.address), disagrees.residence.as_ref().map(|residence| &residence.address));
    }
}

#[test]
fn accounts_are_where_their_holders_live_but_where_they_are_there_to_be_elsewhere() {
    for personas in worlds() {
        for family in personas.families() {
            for person in family.everyone() {
                let Some(residence) = &person.residence else {
                    assert!(person.electricity.is_none() && person.water.is_none(), "{}", family.name);
                    continue;
                };
                let at_home = &*family.name != "residence-disagrees";
                if let Some(code) = person.electricity.as_ref().and_then(|account| account.address_code.as_deref()) {
                    assert_eq!(code == &*residence.address_code, at_home, "{}", family.name);
                }
                let electricity = person.electricity.as_ref().map(|account| &account.address);
                for address in electricity.into_iter().chain(person.water.as_ref().map(|account| &account.address)) {
                    assert_eq!(*address == residence.address, at_home, "{}", family.name);
                }
            }
            let accounts = family.everyone().filter(|person| person.electricity.is_some()).count();
            assert!(accounts <= 1, "{}: one household, one meter", family.name);
        }
    }
}

#[test]
fn money_adds_up() {
    for personas in worlds() {
        let year_ago = 364;
        for person in personas.people() {
            for income in &person.incomes {
                assert!(income.income_tax_qapik + income.social_insurance_qapik <= income.gross_qapik, "{}", person.fin);
                let payer = &*income.payer_tin;
                let company = personas.companies().iter().any(|company| &*company.tin == payer && company.status == TaxpayerStatus::Active);
                let taxpayers = || personas.people().filter_map(|person| person.taxpayer.as_ref());
                assert!(company || taxpayers().any(|taxpayer| &*taxpayer.tin == payer), "{} is paid by nobody", person.fin);
                let own = person.taxpayer.as_ref().is_some_and(|taxpayer| &*taxpayer.tin == payer);
                assert_eq!(income.kind == IncomeKind::Business, own, "{}", person.fin);
            }
            assert!(!(person.unknown_to_taxes && (person.has_income() || person.taxpayer.is_some())), "{}", person.fin);
            for writ in &person.writs {
                assert!(writ.deduction_basis_points <= 5_000 && writ.opened_on <= TODAY, "{}", writ.number);
                assert!(
                    writ.creditor.as_deref().is_none_or(|fin| personas.by_fin(fin).is_some() && fin != &*person.fin),
                    "{}",
                    writ.number
                );
            }
            for loan in person.credit.iter().flat_map(|credit| &credit.loans) {
                assert!(
                    loan.outstanding_qapik <= loan.amount_qapik && loan.monthly_payment_qapik <= loan.outstanding_qapik,
                    "{}",
                    person.fin
                );
                assert!(loan.granted_on.seen_from(TODAY) <= TODAY);
            }
            for deal in &person.deals {
                assert!(matches!(deal.on, Day::Ago { days_ago } if days_ago <= year_ago), "{}: a window ends today", deal.registry_no);
                let gone = person.deals.iter().any(|other| other.registry_no == deal.registry_no && !takes(other.side));
                let held = person.property.iter().find(|object| object.registry_no == deal.registry_no);
                assert_eq!(held.is_some(), takes(deal.side) && !gone, "{}", deal.registry_no);
                assert!(held.is_none_or(|object| object.acquired_on == deal.on), "{}", deal.registry_no);
            }
        }
    }
}

fn takes(side: DealSide) -> bool {
    matches!(side, DealSide::Buyer | DealSide::Donee)
}

#[test]
fn shares_of_an_object_are_of_one_object_and_no_more_than_the_whole() {
    for personas in worlds() {
        let mut objects: HashMap<&str, Vec<&PropertyObject>> = HashMap::new();
        for object in personas.people().flat_map(|person| &person.property) {
            objects.entry(&object.registry_no).or_default().push(object);
            for number in [Some(&object.total_area_m2), object.land_area_ha.as_ref()].into_iter().flatten() {
                let (whole, part) = number.split_once('.').expect("a decimal with a point");
                assert!(!whole.is_empty() && !part.is_empty() && [whole, part].concat().bytes().all(|b| b.is_ascii_digit()), "{number}");
            }
        }
        for (number, shares) in objects {
            // In twelfths, which halves, thirds and quarters are whole numbers of.
            let twelfths = |share: &Share| 12 * share.numerator / share.denominator;
            assert!(shares.iter().all(|object| 12 % object.share.denominator == 0), "{number}");
            let owned =
                shares.iter().filter(|object| object.right == RightKind::Ownership).map(|object| twelfths(&object.share)).sum::<u32>();
            assert!(owned <= 12, "{number}");
            let first = shares[0];
            assert!(shares.iter().all(|other| other.total_area_m2 == first.total_area_m2 && other.kind == first.kind), "{number}");
        }
    }
}

#[test]
fn documents_and_vehicles_have_their_dates_in_order() {
    for personas in worlds() {
        for person in personas.people() {
            let document = &person.document;
            assert!(document.issued_on >= person.birth_date && document.issued_on <= TODAY, "{}", person.fin);
            let valid = document.valid_until.is_none_or(|until| until >= TODAY);
            assert!(document.valid_until.is_none_or(|until| until > document.issued_on), "{}", person.fin);
            assert_eq!(document.status == DocumentStatus::Expired, !valid, "{}", person.fin);
            for vehicle in &person.vehicles {
                assert!(vehicle.registered_on.year() >= vehicle.production_year, "{}", vehicle.plate);
                assert!(vehicle.deregistered_on.is_none_or(|off| off > vehicle.registered_on), "{}", vehicle.plate);
            }
        }
    }
}

#[test]
fn families_show_what_they_say() {
    let personas = Personas::embedded();
    let family = |name: &str| personas.family(name).unwrap_or_else(|| panic!("no family {name}"));
    let applicant = |name: &str| family(name).applicant();
    let on_register = |person: &Person| person.vehicles.iter().filter(|vehicle| vehicle.deregistered_on.is_none()).count();
    let reference = applicant("reference");
    let territory = |person: &Person| person.residence.as_ref().map(|residence| residence.territory_code.to_string()).unwrap_or_default();
    assert!(territory(reference).ends_with(['1', '3', '5', '7', '9']), "odd territories are rural");
    assert_eq!(reference.credit.as_ref().map(|credit| credit.summary(TODAY).active_loans), Some(1));
    assert_eq!((reference.writs[0].kind, reference.writs[0].outstanding_qapik), (WritKind::Alimony, 12_050));
    assert_eq!(reference.writs[0].creditor.as_deref(), Some(&*applicant("former-partner").fin));
    assert_eq!((on_register(reference), reference.property.len(), reference.water.is_some()), (1, 1, true));
    let requests = applicant("requests");
    assert!(requests.taxpayer.is_some() && requests.water.is_some() && !requests.deals.is_empty() && requests.credit.is_some());
    assert!(!requests.vehicles.is_empty() && !requests.writs.is_empty() && !requests.property.is_empty());
    assert_eq!(on_register(applicant("two-cars")), 2);
    assert_eq!((applicant("expired-document").vehicles.len(), on_register(applicant("expired-document"))), (1, 0));
    assert!(applicant("landlord").property.len() >= 4 && applicant("landlord").incomes[0].kind == IncomeKind::Rent);
    let status = |name: &str| applicant(name).taxpayer.as_ref().map(|taxpayer| taxpayer.status);
    assert_eq!(status("business-owner"), Some(TaxpayerStatus::Active));
    assert_eq!(status("suspended-taxpayer"), Some(TaxpayerStatus::Suspended));
    assert!(applicant("no-trace").unknown_to_taxes && applicant("no-trace").residence.is_none());
    assert!(family("no-mains-water").members.iter().all(|person| person.water.is_none()));
    let meter = family("meter-by-spouse");
    assert!(meter.applicant().electricity.is_none() && meter.members[1].electricity.is_some());
    let widow = family("widow");
    assert!(widow.members.iter().all(|person| person.electricity.is_none()) && widow.relatives[0].electricity.is_some());
    assert!(valid_acts(&personas, &widow.applicant().fin, ActKind::Death).len() == 1);
    assert_eq!(applicant("consent-rejected").credit.as_ref().map(|credit| credit.consent), Some(Consent::Rejected));
    assert!(applicant("no-credit-history").credit.is_none());
    let debts = applicant("over-indebted").credit.as_ref().expect("loans").summary(TODAY);
    assert_eq!((debts.active_loans, debts.max_days_past_due, debts.granted_12m_qapik), (3, 94, 550_000));
    assert_eq!((debts.outstanding_qapik, debts.monthly_payment_qapik), (850_000, 61_000));
    let alimony = &applicant("divorced-father").writs[0];
    assert_eq!(alimony.creditor.as_deref(), Some(&*applicant("divorced-mother").fin));
    assert_eq!(valid_acts(&personas, &family("adopted").members[2].fin, ActKind::Adoption).len(), 1);
    assert_eq!(personas.acts_of(&applicant("name-change").fin).filter(|act| act.kind == ActKind::NameChange).count(), 2);
    assert!(family("displaced").members.iter().all(|person| person.residence.as_ref().is_some_and(|r| r.kind == ResidenceKind::Temporary)));
    assert!(applicant("displaced").water.as_ref().is_some_and(|account| account.average && account.persons.is_none()));
    let grown = &family("adult-child").members[2];
    assert!(grown.role == FamilyRole::Child && grown.birth_date.year() == 2006 && grown.has_income());
    assert_eq!(family("grandparents").with_role(FamilyRole::Adult).count(), 2);
    let largest = applicant("large-purchase").deals.iter().map(|deal| deal.amount_qapik).max();
    assert!(largest > Some(5_000_000));
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
    let people: Vec<_> = personas.people().collect();
    let shown = format!("{personas:?} {:?} {people:?}", personas.families());
    assert!(!shown.contains("5K7QX2O") && !shown.contains("Sınaqlı") && !shown.contains("TEST-"), "{shown}");
}

/// Whole years of a person on a day.
fn age_on(person: &Person, day: Date) -> i16 {
    let born = person.birth_date;
    day.year() - born.year() - i16::from((day.month(), day.day()) < (born.month(), born.day()))
}

#[test]
fn what_one_source_alone_knows_is_of_persons_there_are_and_fits_them() {
    for personas in worlds() {
        what_one_source_alone_knows(&personas);
    }
}

fn what_one_source_alone_knows(personas: &Personas) {
    let person = |fin: &str| known(personas, fin);
    let age_on = |fin: &str, day: Date| age_on(person(fin), day);
    for (fin, farm) in personas.farms() {
        assert!(age_on(fin, TODAY) >= 18, "{fin} has a farm");
        assert!(farm.declarations.iter().all(|own| own.crop.starts_with("TEST-") && own.paid.as_deref().is_none_or(|day| day.len() == 5)));
        assert!(farm.livestock.as_ref().is_none_or(|count| count.counted_on <= TODAY && count.animals.iter().all(|own| own.heads > 0)));
    }
    all_differ_as_text(personas.farms().values().flat_map(|farm| &farm.declarations).map(|own| own.number.to_string()));
    for (fin, learning) in personas.learning() {
        for own in &learning.enrolments {
            assert!(own.institution.starts_with("TEST-") && own.until.is_none_or(|until| own.on < until), "{fin}");
            let ages = match own.level {
                Level::PreSchool => 1..=6,
                Level::General => 5..=8,
                Level::Vocational | Level::SecondarySpecial => 14..=40,
                Level::Bachelor | Level::Master | Level::Doctoral => 17..=60,
            };
            assert!(ages.contains(&age_on(fin, own.on)), "{fin} begins {:?} at {}", own.level, age_on(fin, own.on));
        }
        for own in &learning.diplomas {
            assert!(own.number.starts_with("TEST-D-") && age_on(fin, own.on) >= 17 && own.on <= TODAY, "{fin}");
        }
    }
    for (fin, results) in personas.exams() {
        assert!(results.iter().all(|own| own.work_no.starts_with("TEST-")), "{fin}");
        let years: Vec<_> = results.iter().map(|own| own.years_ago.to_string()).collect();
        all_differ_as_text(years.into_iter());
    }
    for (fin, record) in personas.military() {
        assert_eq!(person(fin).sex, Sex::Male, "{fin}");
        assert!(record.ticket.starts_with("TEST-HB-") && age_on(fin, TODAY) >= 16, "{fin}");
        assert!(
            record.from.is_none_or(|from| age_on(fin, from) >= 17) && record.to.is_none_or(|to| record.from.is_some_and(|from| from < to))
        );
        assert_eq!(record.ground.is_some(), record.deferred_until.is_some(), "{fin}");
    }
    all_differ_as_text(personas.military().values().map(|record| record.ticket.to_string()));
    for (fin, entry) in personas.displaced() {
        assert!(entry.card_no.starts_with("TEST-") && entry.settled_territory.starts_with("9900000"), "{fin}");
        assert!(entry.from.is_none_or(|from| from >= person(fin).birth_date), "{fin}");
    }
    all_differ_as_text(personas.displaced().values().map(|entry| entry.card_no.to_string()));
    // Every source knows the applicant whom nobody else asks about.
    let fin = &personas.requests_family().applicant().fin;
    assert!(personas.farms().contains_key(fin) && personas.learning().contains_key(fin) && personas.exams().contains_key(fin));
    assert!(personas.military().contains_key(fin) && personas.displaced().contains_key(fin));
}

fn all_differ_as_text(keys: impl Iterator<Item = String>) {
    let keys: Vec<_> = keys.collect();
    all_differ(keys.iter().map(String::as_str));
}

/// The families of one story in the population of a seed, each with all the registers.
fn told(seed: u64, story: &str, each: impl Fn(&Personas, &Family)) {
    let personas = Personas::populated(seed);
    let by_hand = Personas::embedded().families().len();
    let families: Vec<_> = personas.families().iter().skip(by_hand).filter(|family| family.name.starts_with(story)).collect();
    assert!(families.len() >= 10, "{story}");
    for family in families {
        each(&personas, family);
    }
}

#[test]
fn students_were_admitted_where_they_are_enrolled_and_are_called_up_later() {
    for seed in SEEDS {
        told(seed, "students-", |personas, family| {
            let student = family.with_role(FamilyRole::Child).next().expect("a student");
            let learning = &personas.learning()[&student.fin];
            let enrolment = &learning.enrolments[0];
            let result = &personas.exams()[&student.fin][0];
            assert!(result.admitted && result.institution.as_deref() == Some(&*enrolment.institution), "{}", family.name);
            assert_eq!(i16::try_from(result.years_ago), Ok(TODAY.year() - enrolment.on.year()), "{}", family.name);
            assert_eq!(result.state_order, enrolment.funding == Funding::State, "{}", family.name);
            assert_eq!(enrolment.fee_qapik.is_some(), enrolment.funding == Funding::Paid, "{}", family.name);
            let studies = enrolment.status == EnrolmentStatus::Active;
            assert_eq!(studies, enrolment.until.is_some_and(|until| until > TODAY), "{}", family.name);
            assert_eq!(studies, learning.diplomas.is_empty(), "{}", family.name);
            if student.sex == Sex::Male {
                let record = &personas.military()[&student.fin];
                assert_eq!((record.status, record.from), (RegisterStatus::Conscript, None), "{}", family.name);
                assert_eq!(record.deferred_until, enrolment.until.filter(|_| studies), "{}", family.name);
            }
        });
    }
}

#[test]
fn farmers_declare_no_more_than_they_own_and_keep_what_both_registers_say() {
    let sots = |own: &Declaration| match own.unit {
        AreaUnit::Sot => own.area.parse::<u32>().expect("whole"),
        AreaUnit::Ha => own.area.replace('.', "").parse().expect("two places"),
    };
    let owned = |land: &PropertyObject| land.total_area_m2.split('.').next().and_then(|m2| m2.parse::<u32>().ok()).expect("an area") / 100;
    for seed in SEEDS {
        told(seed, "farmers-", |personas, family| {
            let farmer = family.applicant();
            let farm = &personas.farms()[&farmer.fin];
            let declared: u32 = farm.declarations.iter().map(sots).sum();
            let land: u32 = farmer.property.iter().filter(|object| object.kind == ObjectKind::Land).map(owned).sum();
            assert!(declared > 0 && declared <= land, "{}: {declared} of {land}", family.name);
            let herd: u32 = farm.livestock.as_ref().expect("counted").animals.iter().map(|own| own.heads).sum();
            for household in personas.local_executive().households.iter().filter(|household| household.head == farmer.fin) {
                assert_eq!(household.livestock.iter().map(|own| own.heads).sum::<u32>(), herd, "{}", family.name);
            }
            for adult in family.members.iter().filter(|person| age_on(person, TODAY) >= 18) {
                assert!(personas.farms()[&adult.fin].livestock.is_some(), "{}", family.name);
            }
        });
    }
}

#[test]
fn in_the_country_whom_agriculture_has_not_counted_the_household_register_knows() {
    for seed in SEEDS {
        let personas = Personas::populated(seed);
        let mut uncounted = 0;
        for family in personas.families().iter().skip(Personas::embedded().families().len()) {
            let head = family.applicant();
            let permanent = |residence: &&Residence| residence.kind == ResidenceKind::Permanent;
            let Some(residence) = head.residence.as_ref().filter(permanent) else { continue };
            if !residence.territory_code.ends_with(['1', '3', '5']) {
                continue;
            }
            let counted = personas.farms().get(&head.fin).is_some_and(|farm| farm.livestock.is_some());
            let household = personas.local_executive().households.iter().find(|household| household.head == head.fin);
            assert!(counted || household.is_some(), "{}", family.name);
            assert!(household.is_none_or(|own| own.territory_code == residence.territory_code), "{}", family.name);
            uncounted += u32::from(!counted);
        }
        assert!(uncounted >= 3, "{uncounted}");
        all_differ_as_text(personas.local_executive().households.iter().map(|household| household.number.to_string()));
    }
}

#[test]
fn the_displaced_are_settled_where_they_are_registered() {
    for seed in SEEDS {
        told(seed, "displaced-", |personas, family| {
            let displaced_from = &personas.displaced()[&family.applicant().fin].displaced_from;
            for person in &family.members {
                let entry = &personas.displaced()[&person.fin];
                let residence = person.residence.as_ref().expect("registered");
                assert_eq!((entry.status, residence.kind), (DisplacementStatus::Idp, ResidenceKind::Temporary), "{}", family.name);
                assert_eq!(entry.settled_territory, residence.territory_code, "{}", family.name);
                assert_eq!(entry.settlement_address, residence.address, "{}", family.name);
                assert_eq!(entry.displaced_from, *displaced_from, "{}", family.name);
            }
        });
    }
}

#[test]
fn foreigners_have_a_permit_and_those_who_were_naturalised_two_pins() {
    for seed in SEEDS {
        let counted = std::cell::Cell::new((0, 0));
        told(seed, "foreigner-", |personas, family| {
            let person = family.applicant();
            let (pin, own) = personas.migration().by_pin(&person.fin).expect("a permit");
            let (residents, citizens) = counted.get();
            assert_eq!(own.birth_date, person.birth_date, "{}", family.name);
            assert!(own.surname.bytes().chain(own.given_name.bytes()).all(|letter| letter.is_ascii_uppercase()), "{}", family.name);
            if person.citizenship == own.citizenship {
                assert!(pin == &*person.fin && own.naturalised.is_none() && own.permit.status == PermitStatus::Valid, "{}", family.name);
                assert_eq!(own.passport.number, person.document.number, "{}", family.name);
                assert!(!personas.military().contains_key(&person.fin), "{}", family.name);
                counted.set((residents + 1, citizens));
            } else {
                assert!(pin != &*person.fin && personas.by_fin(pin).is_none(), "{}", family.name);
                assert_eq!((own.naturalised.as_ref(), own.permit.status), (Some(&person.fin), PermitStatus::Expired), "{}", family.name);
                assert_ne!(own.passport.number, person.document.number, "{}", family.name);
                counted.set((residents, citizens + 1));
            }
            // Whom a permit binds to an employer, that one pays.
            let employer = own.permit.employer.as_ref();
            assert_eq!(employer.is_some(), own.permit.kind == PermitKind::Work, "{}", family.name);
            assert!(employer.is_none_or(|tin| person.incomes.iter().any(|income| income.payer_tin == *tin)), "{}", family.name);
        });
        let (residents, citizens) = counted.get();
        assert!(residents >= 3 && citizens >= 3, "{residents} {citizens}");
    }
    for personas in worlds() {
        assert_eq!(personas.migration().resident(), Personas::embedded().migration().resident());
        all_differ(personas.migration().foreigners.values().map(|own| &*own.passport.number));
        all_differ(personas.migration().foreigners.values().map(|own| &*own.permit.number));
    }
}

#[test]
fn who_crosses_the_border_goes_and_comes_in_turn_and_some_are_still_away() {
    let by_hand = Personas::embedded();
    for seed in SEEDS {
        let personas = Personas::populated(seed);
        let mut away = 0;
        for (fin, crossings) in personas.border().crossings.iter().filter(|(fin, _)| by_hand.by_fin(fin).is_none()) {
            let person = known(&personas, fin);
            assert!(crossings.is_sorted_by(|older, newer| older.at(TODAY) < newer.at(TODAY)), "{fin}");
            assert!(crossings.windows(2).all(|two| two[0].direction != two[1].direction), "{fin}");
            assert!(crossings.iter().all(|crossing| crossing.day(TODAY) > person.birth_date && crossing.day(TODAY) <= TODAY), "{fin}");
            let came_first = crossings.first().is_some_and(|crossing| crossing.direction == Direction::Entry);
            assert_eq!(came_first, &*person.citizenship == "UTO", "{fin}");
            away += u32::from(crossings.last().is_some_and(|crossing| crossing.direction == Direction::Exit));
        }
        assert!(away >= 1, "nobody is abroad");
    }
}

#[test]
fn births_at_health_are_those_of_children_there_are() {
    let by_hand = Personas::embedded();
    for seed in SEEDS {
        let personas = Personas::populated(seed);
        let births: Vec<_> = personas.health().births.iter().filter(|(mother, _)| by_hand.by_fin(mother).is_none()).collect();
        assert!(births.len() >= 3, "{}", births.len());
        for (mother, facts) in births {
            let of_hers = |act: &&CivilAct| act.kind == ActKind::Birth && with_role(act, ActRole::Mother) == [&**mother];
            let acts: Vec<_> = personas.acts_of(mother).filter(of_hers).collect();
            for fact in facts {
                let act = acts.iter().find(|act| Day::On(act.event_on) == fact.day).unwrap_or_else(|| panic!("{mother}"));
                assert_eq!(known(&personas, with_role(act, ActRole::Child)[0]).sex, fact.sex, "{mother}");
            }
        }
        all_differ(personas.health().births.values().flatten().map(|fact| &*fact.certificate));
    }
}

#[test]
fn whoever_is_of_an_age_to_serve_stands_on_the_military_register() {
    for seed in SEEDS {
        let personas = Personas::populated(seed);
        let by_hand = Personas::embedded().families().len();
        for person in personas.families().iter().skip(by_hand).flat_map(|family| &family.members) {
            let of_age = person.sex == Sex::Male && &*person.citizenship == "AZE" && age_on(person, TODAY) >= 17;
            assert_eq!(personas.military().contains_key(&person.fin), of_age, "{}", person.fin);
            if let Some(record) = personas.military().get(&person.fin) {
                let removed = record.status == RegisterStatus::Removed;
                assert!(!removed || age_on(person, TODAY) >= 50 || record.from.is_none(), "{}", person.fin);
            }
        }
    }
}

#[test]
fn numbers_and_certificates_are_of_persons_there_are() {
    for personas in worlds() {
        let digital = personas.digital();
        assert!(digital.numbers.iter().all(|(number, own)| number.starts_with("+99400") && personas.by_fin(&own.owner).is_some()));
        let subjects = digital.certificates.values().filter_map(|certificate| certificate.subject.as_deref());
        assert!(subjects.into_iter().all(|fin| personas.by_fin(fin).is_some()));
        assert!(digital.certificates.keys().all(|serial| serial.starts_with("TEST-CERT-")));
    }
}
