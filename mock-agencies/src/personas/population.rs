//! Families made from a seed: several hundred more persons, so that lists, files and loads have somebody in
//! them. The hand-written families each show one thing; these repeat the common stories with other numbers.
//!
//! The same seed makes the same persons on every machine. They obey the same laws as the hand-written ones
//! (`tests.rs` reads both), and their identifiers never meet: documents begin with 7, acts with `TEST-P`,
//! addresses with `TEST-ADR-1`.

use jiff::ToSpan;
use jiff::civil::{Date, date};
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

mod registers;

pub(super) use registers::fill;

use super::{
    ActKind, ActPerson, ActRole, ActStatus, Application, ApplicationMember, CivilAct, Company, Credit, Day, DocumentStatus, Electricity,
    Family, FamilyRole, IdentityDocument, Income, IncomeKind, Loan, MeterKind, ObjectKind, Person, PropertyObject, Relation, Residence,
    ResidenceKind, RightKind, Sex, Share, TariffGroup, Taxpayer, TaxpayerStatus, Vehicle, VehicleKind, Water, Writ, WritKind, WritStatus,
};

/// The day the stories are told on: what has a fixed day has happened by then.
const TOLD_ON: Date = date(2026, 3, 11);

/// What a family of the population is there for. Its name begins with the story's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Story {
    /// Two adults with one to three children in a town, both employed.
    Employed,
    /// A divorced mother with her children; the father lives alone and owes her alimony: two families.
    Divorced,
    /// A widow or widower with children.
    Widowed,
    /// One or two old persons without declared income.
    Pensioners,
    /// A displaced family in a hostel.
    Displaced,
    /// A rural family on land of its own.
    Farmers,
    /// A family whose grown child studies.
    Students,
    /// Somebody of another country, married here.
    Foreigner,
    /// A grown person with a disability who lives with the parents.
    Disabled,
    /// Justice has registered a death that no other source has heard of.
    DeadAtJustice,
}

const STORIES: [Story; 10] = [
    Story::Employed,
    Story::Divorced,
    Story::Widowed,
    Story::Pensioners,
    Story::Displaced,
    Story::Farmers,
    Story::Students,
    Story::Foreigner,
    Story::Disabled,
    Story::DeadAtJustice,
];

impl Story {
    fn name(self) -> &'static str {
        match self {
            Self::Employed => "employed",
            Self::Divorced => "divorced",
            Self::Widowed => "widowed",
            Self::Pensioners => "pensioners",
            Self::Displaced => "displaced",
            Self::Farmers => "farmers",
            Self::Students => "students",
            Self::Foreigner => "foreigner",
            Self::Disabled => "disabled",
            Self::DeadAtJustice => "dead-at-justice",
        }
    }

    fn shows(self) -> &'static str {
        match self {
            Self::Employed => "both adults are employed; a flat in halves",
            Self::Divorced => "a divorced couple: the father lives alone and owes the mother alimony",
            Self::Widowed => "one parent has died; the act of death stands at justice, the account may still be in the dead's name",
            Self::Pensioners => "old persons without declared income",
            Self::Displaced => "a displaced family, registered temporarily in a hostel",
            Self::Farmers => "a rural family with land and a tractor",
            Self::Students => "a grown child studies and has no income",
            Self::Foreigner => "the applicant is a citizen of another country, or was, with a temporary registration",
            Self::Disabled => "a grown person with a disability in the parents' household",
            Self::DeadAtJustice => "justice has registered the spouse's death, the other sources still know a couple",
        }
    }

    /// Rural territories are odd.
    fn territories(self) -> &'static [u8] {
        match self {
            Self::Farmers => &[1, 3, 5],
            Self::Employed | Self::Students | Self::Foreigner | Self::Displaced => &[2, 4],
            _ => &[1, 2, 3, 4, 5],
        }
    }
}

/// Makes `stories` stories, each a family or two, whose incomes are paid by `companies`.
pub(super) fn families(seed: u64, stories: u32, companies: &[Company]) -> Vec<Family> {
    let payers = companies.iter().filter(|company| company.status == TaxpayerStatus::Active).map(|company| company.tin.clone()).collect();
    let mut maker = Maker { rng: ChaCha8Rng::seed_from_u64(seed), payers, persons: 0, acts: 0, households: 0 };
    (0..stories).zip(STORIES.into_iter().cycle()).flat_map(|(number, story)| maker.tell(story, number)).collect()
}

/// Draws, and counts what has been given out.
struct Maker {
    rng: ChaCha8Rng,
    payers: Vec<Box<str>>,
    persons: u32,
    acts: u32,
    households: u32,
}

/// Where a family lives.
struct Home {
    residence: ResidenceKind,
    address: String,
    address_code: String,
    territory_code: String,
    number: u32,
}

impl Maker {
    fn tell(&mut self, story: Story, number: u32) -> Vec<Family> {
        let home = self.home(story);
        let family_name = self.surname();
        match story {
            Story::Pensioners => {
                let mut head = self.adult(FamilyRole::Applicant, &family_name, 66..=84);
                let together = self.rng.random_bool(0.5);
                let partner = together.then(|| self.spouse_of(&head, &family_name));
                self.accounts(&mut head, &home);
                let acts = partner.iter().map(|partner| self.marriage(&head, partner, 40)).collect();
                let members = std::iter::once(head).chain(partner).collect();
                vec![family(story, number, members, Vec::new(), acts, &home, self)]
            }
            Story::Divorced => {
                let mut mother = self.adult_of(Sex::Female, FamilyRole::Applicant, &family_name, 27..=44);
                let mut father = self.adult_of(Sex::Male, FamilyRole::Applicant, &family_name, 29..=46);
                self.employ(&mut father);
                self.accounts(&mut mother, &home);
                let children: Vec<_> = (0..self.rng.random_range(1..=2)).map(|_| self.child(&father, &mother)).collect();
                let marriage = self.marriage(&father, &mother, 9);
                let parted = self.days_ago(200..=900);
                let divorce = self.act(ActKind::Divorce, parted, &[(&father, ActRole::Spouse), (&mother, ActRole::Spouse)]);
                let mut acts = vec![marriage];
                acts.extend(children.iter().map(|child| self.birth(child, Some(&father), Some(&mother))));
                // A child is born before its parents part, so the oldest event stands first.
                acts.push(divorce);
                acts.sort_by_key(|act| act.event_on);
                father.writs.push(Writ {
                    number: format!("TEST-IC-P{number:04}").into(),
                    kind: WritKind::Alimony,
                    outstanding_qapik: self.rng.random_range(0..40_000),
                    deduction_basis_points: 2_500,
                    opened_on: self.days_ago(30..=190),
                    status: WritStatus::Open,
                    creditor: Some(mother.fin.clone()),
                });
                let elsewhere = self.home(story);
                let alone = family(story, number, vec![father], Vec::new(), Vec::new(), &elsewhere, self);
                let members = std::iter::once(mother).chain(children).collect();
                vec![family(story, number, members, Vec::new(), acts, &home, self), renamed(alone, "father")]
            }
            Story::Widowed => {
                let mut head = self.adult(FamilyRole::Applicant, &family_name, 32..=50);
                let mut dead = self.spouse_of(&head, &family_name);
                dead.role = FamilyRole::Other;
                let children: Vec<_> = (0..self.rng.random_range(1..=3)).map(|_| self.child_of(&head, &dead)).collect();
                let mut acts = vec![self.marriage(&head, &dead, 12)];
                acts.extend(children.iter().map(|child| self.birth_to(child, &head, &dead)));
                acts.sort_by_key(|act| act.event_on);
                let died = self.days_ago(60..=600);
                let death = self.act(ActKind::Death, died, &[(&dead, ActRole::Deceased), (&head, ActRole::Spouse)]);
                dead.residence = Some(Residence { until: Some(death.event_on), ..residence(&home, &dead) });
                // The account may still be in the dead's name, as happens.
                let holder = if self.rng.random_bool(0.5) { &mut dead } else { &mut head };
                self.accounts(holder, &home);
                acts.push(death);
                let members = std::iter::once(head).chain(children).collect();
                vec![family(story, number, members, vec![dead], acts, &home, self)]
            }
            Story::Disabled => {
                let mut applicant = self.adult(FamilyRole::Applicant, &family_name, 20..=34);
                let father = self.parent_of(&mut applicant, Sex::Male, &family_name);
                let mut mother = self.parent_of(&mut applicant, Sex::Female, &family_name);
                self.accounts(&mut mother, &home);
                let marriage = self.act(
                    ActKind::Marriage,
                    years_before(applicant.birth_date, 1),
                    &[(&father, ActRole::Spouse), (&mother, ActRole::Spouse)],
                );
                let birth = self.birth(&applicant, Some(&father), Some(&mother));
                vec![family(story, number, vec![applicant, father, mother], Vec::new(), vec![marriage, birth], &home, self)]
            }
            Story::Employed | Story::Displaced | Story::Farmers | Story::Students | Story::Foreigner | Story::DeadAtJustice => {
                vec![self.couple(story, number, &family_name, &home)]
            }
        }
    }

    /// The stories of a couple, with or without children.
    fn couple(&mut self, story: Story, number: u32, family_name: &str, home: &Home) -> Family {
        let ages = if story == Story::Students { 43..=52 } else { 28..=45 };
        let mut head = self.adult(FamilyRole::Applicant, family_name, ages);
        let mut spouse = self.spouse_of(&head, family_name);
        let children: Vec<_> = match story {
            Story::Students => {
                let mut grown = self.child_of(&head, &spouse);
                grown.birth_date = self.born(18..=22);
                vec![grown]
            }
            Story::Foreigner | Story::DeadAtJustice => (0..self.rng.random_range(0..=1)).map(|_| self.child_of(&head, &spouse)).collect(),
            _ => (0..self.rng.random_range(1..=3)).map(|_| self.child_of(&head, &spouse)).collect(),
        };
        match story {
            Story::Employed => {
                self.employ(&mut head);
                self.employ(&mut spouse);
                let flat = self.object(ObjectKind::Flat, home, number, 1);
                for owner in [&mut head, &mut spouse] {
                    owner.property.push(PropertyObject { share: Share { numerator: 1, denominator: 2 }, ..copied(&flat) });
                }
                if self.rng.random_bool(0.4) {
                    head.vehicles.push(self.vehicle(VehicleKind::Car, number));
                }
                if self.rng.random_bool(0.5) {
                    head.credit = Some(self.credit());
                }
            }
            Story::Farmers => {
                let house = self.object(ObjectKind::House, home, number, 1);
                let land = self.object(ObjectKind::Land, home, number, 2);
                head.property.extend([house, land]);
                head.vehicles.push(self.vehicle(VehicleKind::Tractor, number));
                head.taxpayer = Some(Taxpayer {
                    tin: format!("99{:07}4", 5_000_000 + number).into(),
                    activity_code: "01.11".into(),
                    status: TaxpayerStatus::Active,
                    registered_on: self.days_ago(400..=3_000),
                    objects: 1,
                });
            }
            Story::Foreigner => {
                // One in two has become a citizen since, and kept what he was registered with.
                if number % 20 != 17 {
                    head.citizenship = "UTO".into();
                }
                head.birth_place = "Utopia".into();
                self.employ(&mut head);
            }
            Story::Students | Story::DeadAtJustice => self.employ(&mut head),
            _ => {}
        }
        self.accounts(&mut head, home);
        let mut acts = vec![self.marriage(&head, &spouse, if story == Story::Students { 24 } else { 11 })];
        acts.extend(children.iter().map(|child| self.birth_to(child, &head, &spouse)));
        acts.sort_by_key(|act| act.event_on);
        if story == Story::DeadAtJustice {
            let died = self.days_ago(5..=20);
            acts.push(self.act(ActKind::Death, died, &[(&spouse, ActRole::Deceased), (&head, ActRole::Spouse)]));
        }
        let members = [head, spouse].into_iter().chain(children).collect();
        family(story, number, members, Vec::new(), acts, home, self)
    }

    fn home(&mut self, story: Story) -> Home {
        self.households += 1;
        let number = self.households;
        let territory = *story.territories().choose(&mut self.rng).expect("never empty");
        let place = match territory {
            1 => format!("Lerik r., Sınaq k., Nümunə küç. {}", 100 + number),
            2 => format!("Bakı ş., Sınaq küç. {}, mən. {}", 200 + number, self.rng.random_range(1..=90)),
            3 => format!("Qusar r., Örnək k., Sınaq küç. {}", 100 + number),
            4 => format!("Mingəçevir ş., Örnək küç. {}, mən. {}", 200 + number, self.rng.random_range(1..=60)),
            _ => format!("Göyçay r., Nümunə k., Örnək küç. {}", 100 + number),
        };
        let displaced = story == Story::Displaced;
        Home {
            residence: if displaced || story == Story::Foreigner { ResidenceKind::Temporary } else { ResidenceKind::Permanent },
            address: if displaced {
                format!("Bakı ş., Sınaq yataqxanası {number}, otaq {}", self.rng.random_range(1..=60))
            } else {
                place
            },
            address_code: format!("TEST-ADR-1{number:05}"),
            territory_code: format!("9900000{territory}"),
            number,
        }
    }

    fn surname(&mut self) -> String {
        let root = ["Sınaq", "Örnək", "Nümunə"].choose(&mut self.rng).expect("never empty");
        let ending =
            ["zadə", "gil", "soy", "bağ", "çay", "dağlı", "yurd", "bulaq", "kənd", "təpə"].choose(&mut self.rng).expect("never empty");
        format!("{root}{ending}")
    }

    fn given_name(&mut self, sex: Sex) -> String {
        let root = ["Sınaq", "Örnək", "Nümunə"].choose(&mut self.rng).expect("never empty");
        let endings: &[&str] = match sex {
            Sex::Male => &["bəy", "bala", "can", "xan", "şah", "yar", "mir", "ağa", "əli", "din"],
            Sex::Female => &["gül", "nur", "ay", "xanım", "su", "naz", "lalə", "banu", "çiçək", "tac"],
        };
        format!("{root}{}", endings.choose(&mut self.rng).expect("never empty"))
    }

    fn adult(&mut self, role: FamilyRole, surname: &str, age: std::ops::RangeInclusive<i16>) -> Person {
        let sex = if self.rng.random_bool(0.5) { Sex::Male } else { Sex::Female };
        self.adult_of(sex, role, surname, age)
    }

    fn adult_of(&mut self, sex: Sex, role: FamilyRole, surname: &str, age: std::ops::RangeInclusive<i16>) -> Person {
        let birth_date = self.born(age);
        let father_name = self.given_name(Sex::Male);
        self.person(sex, role, surname, &father_name, birth_date)
    }

    /// Of the other sex, and of about the same age.
    fn spouse_of(&mut self, head: &Person, surname: &str) -> Person {
        let sex = match head.sex {
            Sex::Male => Sex::Female,
            Sex::Female => Sex::Male,
        };
        let age = TOLD_ON.year() - head.birth_date.year();
        self.adult_of(sex, FamilyRole::Spouse, surname, age - 2..=age + 1)
    }

    fn parent_of(&mut self, child: &mut Person, sex: Sex, surname: &str) -> Person {
        let age = TOLD_ON.year() - child.birth_date.year();
        let parent = self.adult_of(sex, FamilyRole::Adult, surname, age + 24..=age + 32);
        if sex == Sex::Male {
            child.father_name = parent.given_name.clone();
        }
        parent
    }

    fn child(&mut self, father: &Person, mother: &Person) -> Person {
        let youngest = TOLD_ON.year() - father.birth_date.year().max(mother.birth_date.year());
        let birth_date = self.born(3..=(youngest - 20).clamp(4, 15));
        let sex = if self.rng.random_bool(0.5) { Sex::Male } else { Sex::Female };
        self.person(sex, FamilyRole::Child, &father.surname, &father.given_name, birth_date)
    }

    fn child_of(&mut self, one: &Person, other: &Person) -> Person {
        let (father, mother) = parents(one, other);
        self.child(father, mother)
    }

    fn person(&mut self, sex: Sex, role: FamilyRole, surname: &str, father_name: &str, birth_date: Date) -> Person {
        self.persons += 1;
        let issued_on = self.days_ago(60..=700);
        Person {
            role,
            fin: fin(self.persons),
            surname: surname.into(),
            given_name: self.given_name(sex).into(),
            father_name: father_name.into(),
            sex,
            birth_date,
            birth_place: "Bakı şəhəri".into(),
            citizenship: "AZE".into(),
            document: IdentityDocument {
                series: "ZZ".into(),
                number: format!("7{:06}", self.persons).into(),
                issued_on,
                valid_until: Some(issued_on.saturating_add(10.years())),
                status: DocumentStatus::Valid,
            },
            residence: None,
            vehicles: Vec::new(),
            writs: Vec::new(),
            incomes: Vec::new(),
            taxpayer: None,
            unknown_to_taxes: false,
            property: Vec::new(),
            deals: Vec::new(),
            credit: None,
            electricity: None,
            water: None,
        }
    }

    fn employ(&mut self, person: &mut Person) {
        let gross_qapik = self.rng.random_range(345..=1_400) * 100;
        let payer_tin = self.payers.choose(&mut self.rng).expect("some company is active").clone();
        person.incomes.push(Income {
            kind: IncomeKind::Wage,
            payer_tin,
            gross_qapik,
            income_tax_qapik: 0,
            social_insurance_qapik: gross_qapik / 10,
            calendar_months: Vec::new(),
        });
    }

    fn accounts(&mut self, holder: &mut Person, home: &Home) {
        holder.electricity = Some(Electricity {
            subscriber_code: format!("TEST-EL-1{:05}", home.number).into(),
            address: home.address.as_str().into(),
            address_code: Some(home.address_code.as_str().into()),
            meter: if self.rng.random_bool(0.7) { MeterKind::Smart } else { MeterKind::Mechanical },
            tariff: TariffGroup::Population,
            active: true,
            estimated: self.rng.random_bool(0.1),
            december_kwh_tenths: self.rng.random_range(600..=3_200),
            balance_qapik: self.rng.random_range(0..=5_000),
        });
        if self.rng.random_bool(0.8) {
            holder.water = Some(Water {
                subscriber_code: format!("TEST-SU-1{:05}", home.number).into(),
                address: home.address.as_str().into(),
                persons: None,
                december_m3_tenths: self.rng.random_range(40..=200),
                average: self.rng.random_bool(0.2),
                balance_qapik: 0,
            });
        }
    }

    fn object(&mut self, kind: ObjectKind, home: &Home, number: u32, place: u32) -> PropertyObject {
        let (area, land) = match kind {
            ObjectKind::Land => (self.rng.random_range(4_000..=20_000), Some("1.2".into())),
            ObjectKind::House => (self.rng.random_range(60..=160), Some("0.08".into())),
            _ => (self.rng.random_range(38..=95), None),
        };
        PropertyObject {
            registry_no: format!("TEST-P-{number}-{place}").into(),
            kind,
            address: home.address.as_str().into(),
            territory_code: home.territory_code.as_str().into(),
            total_area_m2: format!("{area}.0").into(),
            land_area_ha: land,
            share: Share { numerator: 1, denominator: 1 },
            right: RightKind::Ownership,
            acquired_on: Day::On(self.days_ago(400..=4_000)),
            encumbered: false,
        }
    }

    fn vehicle(&mut self, kind: VehicleKind, number: u32) -> Vehicle {
        let registered_on = self.days_ago(100..=2_500);
        Vehicle {
            plate: format!("99-ZZ-P{number:03}").into(),
            make_model: "TEST MARKA 3".into(),
            production_year: registered_on.year() - self.rng.random_range(0..=8),
            engine_cm3: self.rng.random_range(12..=30) * 100,
            kind,
            registered_on,
            deregistered_on: None,
        }
    }

    fn credit(&mut self) -> Credit {
        let amount_qapik = self.rng.random_range(1_000..=9_000) * 100;
        let granted_on = Day::On(self.days_ago(100..=600));
        let loan = Loan {
            granted_on,
            amount_qapik,
            outstanding_qapik: amount_qapik / 2,
            monthly_payment_qapik: amount_qapik / 20,
            days_past_due: 0,
        };
        Credit { consent: super::Consent::Accepted, loans: vec![loan] }
    }

    fn marriage(&mut self, one: &Person, other: &Person, years_ago: i16) -> CivilAct {
        let grown = years_before(one.birth_date.max(other.birth_date), -19);
        let on = years_before(TOLD_ON, years_ago).max(grown).min(years_before(TOLD_ON, 4));
        self.act(ActKind::Marriage, on, &[(one, ActRole::Spouse), (other, ActRole::Spouse)])
    }

    fn birth(&mut self, child: &Person, father: Option<&Person>, mother: Option<&Person>) -> CivilAct {
        let parents = father.map(|father| (father, ActRole::Father)).into_iter().chain(mother.map(|mother| (mother, ActRole::Mother)));
        let persons: Vec<_> = std::iter::once((child, ActRole::Child)).chain(parents).collect();
        self.act(ActKind::Birth, child.birth_date, &persons)
    }

    fn birth_to(&mut self, child: &Person, one: &Person, other: &Person) -> CivilAct {
        let (father, mother) = parents(one, other);
        self.birth(child, Some(father), Some(mother))
    }

    fn act(&mut self, kind: ActKind, on: Date, persons: &[(&Person, ActRole)]) -> CivilAct {
        self.acts += 1;
        CivilAct {
            kind,
            number: format!("TEST-P{:05}", self.acts).into(),
            registered_on: on.saturating_add(5.days()).min(TOLD_ON),
            event_on: on,
            office: format!("VV-TEST-{:02}", 1 + self.acts % 12).into(),
            certificate: format!("TEST-I-ZZ 7{:05}", self.acts).into(),
            persons: persons.iter().map(|(person, role)| ActPerson { fin: person.fin.clone(), role: *role }).collect(),
            status: ActStatus::Valid,
        }
    }

    /// A birth date of somebody of such an age on the day of the stories.
    fn born(&mut self, age: std::ops::RangeInclusive<i16>) -> Date {
        years_before(TOLD_ON, self.rng.random_range(age)).saturating_sub(i64::from(self.rng.random_range(1..=300)).days())
    }

    fn days_ago(&mut self, days: std::ops::RangeInclusive<i64>) -> Date {
        TOLD_ON.saturating_sub(self.rng.random_range(days).days())
    }
}

/// Puts a family together: everybody of it lives at its home, and a notary has its application.
fn family(
    story: Story,
    number: u32,
    mut members: Vec<Person>,
    relatives: Vec<Person>,
    acts: Vec<CivilAct>,
    home: &Home,
    maker: &mut Maker,
) -> Family {
    for member in &mut members {
        member.residence = Some(residence(home, member));
        if let Some(water) = &mut member.water {
            water.persons = None;
        }
    }
    let listed = members.iter().skip(1).map(|member| ApplicationMember {
        fin: Some(member.fin.clone()),
        relation: match member.role {
            FamilyRole::Spouse => Relation::Spouse,
            FamilyRole::Child => Relation::Child,
            FamilyRole::Adult => Relation::Parent,
            FamilyRole::Applicant | FamilyRole::Other => Relation::Other,
        },
    });
    let application = Application {
        number: format!("TEST-NOT-2026-7{:04}", home.number).into(),
        notarised_on: Day::Ago { days_ago: maker.rng.random_range(1..=80) },
        representative: members.first().map(|applicant| applicant.fin.clone()).unwrap_or_default(),
        members: listed.collect(),
        certificate: format!("TEST-IH-7{:04}", home.number).into(),
    };
    Family {
        name: format!("{}-{number:03}", story.name()).into(),
        shows: story.shows().into(),
        members,
        relatives,
        acts,
        applications: vec![application],
    }
}

fn renamed(family: Family, suffix: &str) -> Family {
    Family { name: format!("{}-{suffix}", family.name).into(), ..family }
}

fn residence(home: &Home, person: &Person) -> Residence {
    Residence {
        kind: home.residence,
        address: home.address.as_str().into(),
        address_code: home.address_code.as_str().into(),
        territory_code: home.territory_code.as_str().into(),
        from: person.birth_date.max(date(2016, 9, 1)).min(TOLD_ON),
        until: None,
    }
}

fn copied(object: &PropertyObject) -> PropertyObject {
    PropertyObject {
        registry_no: object.registry_no.clone(),
        address: object.address.clone(),
        territory_code: object.territory_code.clone(),
        total_area_m2: object.total_area_m2.clone(),
        land_area_ha: object.land_area_ha.clone(),
        ..*object
    }
}

fn parents<'a>(one: &'a Person, other: &'a Person) -> (&'a Person, &'a Person) {
    if one.sex == Sex::Male { (one, other) } else { (other, one) }
}

/// So many years before a date; after it for a negative number.
fn years_before(date: Date, years: i16) -> Date {
    date.saturating_sub(i64::from(years).years())
}

/// The FIN of person `number` of the population. Steps through the numbers of six places in an order that
/// shows no pattern; `tests.rs` sees that none meets a hand-written one.
fn fin(number: u32) -> Box<str> {
    const DIGITS: &[u8; 34] = b"0123456789ABCDEFGHJKLMNPQRSTUVWXYZ";
    const PLACES: u64 = 34u64.pow(6);
    // The factor is coprime to 34, so that no number comes twice.
    let mut rest = (u64::from(number) * 814_279_607 + 271_828_183) % PLACES;
    let mut text = String::with_capacity(7);
    for _ in 0..6 {
        let digit = usize::try_from(rest % 34).unwrap_or_default();
        text.push(char::from(DIGITS.get(digit).copied().unwrap_or(b'0')));
        rest /= 34;
    }
    text.push('O');
    text.into()
}
