//! What the other sources hold of a population: the same stories, as the registers tell them that know persons by
//! themselves. Students are enrolled where their exam admitted them and their call-up is deferred as long; farmers declare
//! the land that they own; displaced families are settled where they are registered; foreigners have a permit, those
//! who were naturalised two PINs; whoever works abroad has left and not come back.

use jiff::ToSpan;
use jiff::civil::{Date, Time, date};
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::super::{
    ActKind, ActRole, AnimalKind, Animals, AreaUnit, BirthFact, Certificate, CertificateStatus, Crossing, Day, Declaration,
    DeclaredAnimals, Diploma, Direction, Displacement, DisplacementStatus, Dwelling, Enrolment, EnrolmentStatus, ExamKind, ExamResult,
    Family, FamilyRole, Farm, Foreigner, Funding, Household, Housing, HousingKind, Learning, Level, Livestock, MilitaryRecord,
    MobileNumber, ObjectKind, Passport, Permit, PermitKind, PermitStatus, Person, RegisterStatus, Registers, ResidenceKind, Sex, StudyForm,
    Until,
};
use super::{STORIES, Story, TOLD_ON, fin, years_before};

/// Where the foreigners of the population come from.
const UTOPIA: &str = "UTO";
/// The register of births has those since this day.
const BIRTHS_SINCE: Date = date(2021, 1, 1);
/// PINs of those who were naturalised are counted from here on: persons are never so many.
const PINS_FROM: u32 = 900_000;

/// Goes on with the stories of these families, in all registers. The same seed tells the same.
pub(in crate::personas) fn fill(seed: u64, families: &[Family], registers: &mut Registers) {
    // A stream of its own: what is told here changes nobody.
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(1);
    let mut teller = Teller { rng, number: 0, registers };
    for family in families {
        if let Some(story) = STORIES.into_iter().find(|story| family.name.starts_with(story.name())) {
            teller.tell(story, family);
        }
    }
}

/// Draws, counts what has been given out, and writes it down.
struct Teller<'a> {
    rng: ChaCha8Rng,
    number: u32,
    registers: &'a mut Registers,
}

impl Teller<'_> {
    fn tell(&mut self, story: Story, family: &Family) {
        self.births(family);
        self.numbers(family);
        if is_rural(family.applicant()) {
            self.farm(story, family);
        }
        match story {
            Story::Displaced => self.displacement(family),
            Story::Foreigner => self.permit(family.applicant()),
            _ => {}
        }
        for person in &family.members {
            let until = self.learning(story, person);
            self.service(story, person, until);
        }
        self.trips(story, family);
    }

    fn next(&mut self) -> u32 {
        self.number += 1;
        self.number
    }

    /// At health: each child's birth since the register began, in the name of its mother.
    fn births(&mut self, family: &Family) {
        for act in family.acts.iter().filter(|act| act.kind == ActKind::Birth && act.event_on >= BIRTHS_SINCE) {
            let of = |role| act.persons.iter().find(move |person| person.role == role).map(|person| &person.fin);
            let (Some(mother), Some(child)) = (of(ActRole::Mother), of(ActRole::Child)) else { continue };
            let Some(child) = family.members.iter().find(|person| person.fin == *child) else { continue };
            let fact = BirthFact {
                certificate: format!("TEST-DT-7{:05}", self.next()).into(),
                day: Day::On(child.birth_date),
                time: Time::constant(self.rng.random_range(0..24), self.rng.random_range(0..60), 0, 0),
                sex: child.sex,
                live: true,
                org: format!("TM-TEST-{:02}", self.rng.random_range(1..=12)).into(),
            };
            self.registers.health.births.entry(mother.clone()).or_default().push(fact);
        }
    }

    /// At digital: the applicant's number, and now and then a certificate.
    fn numbers(&mut self, family: &Family) {
        let owner = &family.applicant().fin;
        let number = self.next();
        let own = MobileNumber { owner: owner.clone(), ported_from: None };
        self.registers.digital.numbers.insert(format!("+994007{number:06}").into(), own);
        if self.rng.random_bool(0.3) {
            let expired = self.rng.random_bool(0.2);
            let days = self.rng.random_range(10..=700);
            let certificate = Certificate {
                subject: Some(owner.clone()),
                status: if expired { CertificateStatus::Expired } else { CertificateStatus::Valid },
                until: Some(if expired { Until::DaysAgo(days) } else { Until::DaysAhead(days) }),
            };
            self.registers.digital.certificates.insert(format!("TEST-CERT-7{number:05}").into(), certificate);
        }
    }

    /// At agriculture and in the household register, of a family in the country. Where agriculture has counted nobody, the
    /// household register knows.
    fn farm(&mut self, story: Story, family: &Family) {
        let head = family.applicant();
        let counted_on = date(2025, 10, 1).saturating_add(i64::from(self.rng.random_range(0..20)).days());
        let farmers = story == Story::Farmers;
        let counted = farmers || self.rng.random_bool(0.7);
        let animals = if farmers { self.rng.random_range(1..=3) } else { self.rng.random_range(0..=1) };
        let kinds: Vec<_> = KINDS.choose_multiple(&mut self.rng, animals).copied().collect();
        let herd: Vec<_> = kinds.into_iter().map(|(kind, word, most)| (kind, word, self.rng.random_range(1..=most))).collect();
        for adult in family.members.iter().filter(|person| age(person, TOLD_ON) >= 18) {
            let own = adult.fin == head.fin;
            let declarations = if own && farmers { self.declarations(adult) } else { Vec::new() };
            let kept = || herd.iter().filter(|_| own).map(|(kind, _, heads)| Animals { kind: *kind, heads: *heads }).collect();
            let livestock = counted.then(|| Livestock { counted_on, animals: kept() });
            if livestock.is_some() || !declarations.is_empty() {
                self.registers.farms.insert(adult.fin.clone(), Farm { declarations, livestock });
            }
        }
        if !counted || self.rng.random_bool(0.5) {
            let household = Household {
                head: head.fin.clone(),
                number: format!("TEST-ET-7{:05}", self.next()).into(),
                dwelling: Dwelling::House,
                plot_ha: format!("0.{:02}", self.rng.random_range(4..=30)).into(),
                livestock: herd.iter().map(|(_, word, heads)| DeclaredAnimals { kind: (*word).into(), heads: *heads }).collect(),
                recorded_on: date(2025, 1, 10).saturating_add(i64::from(self.rng.random_range(0..120)).days()),
                territory_code: territory(head).into(),
            };
            self.registers.local_executive.households.push(household);
        }
    }

    /// Declarations of last year, which share the land that the farmer owns.
    fn declarations(&mut self, farmer: &Person) -> Vec<Declaration> {
        let land = farmer.property.iter().filter(|object| object.kind == ObjectKind::Land);
        let sots: u32 = land.filter_map(|object| object.total_area_m2.split('.').next()?.parse::<u32>().ok()).map(|m2| m2 / 100).sum();
        let parts = self.rng.random_range(1..=2);
        let share = sots / parts;
        let mut declarations = Vec::new();
        for _ in 0..parts {
            let in_sot = self.rng.random_bool(0.3);
            declarations.push(Declaration {
                number: 70_000 + self.next(),
                years_ago: 1,
                crop: (*CROPS.choose(&mut self.rng).expect("never empty")).into(),
                area: if in_sot { share.to_string() } else { format!("{}.{:02}", share / 100, share % 100) }.into(),
                unit: if in_sot { AreaUnit::Sot } else { AreaUnit::Ha },
                subsidy_qapik: u64::from(share) * 210,
                paid: self.rng.random_bool(0.9).then(|| "07-18".into()),
            });
        }
        declarations
    }

    /// At the committee: everybody of a displaced family, settled where they are registered.
    fn displacement(&mut self, family: &Family) {
        let from = format!("990000{}", self.rng.random_range(77..=79));
        let since = date(1993, self.rng.random_range(4..=10), self.rng.random_range(1..=28));
        let moved = self.rng.random_bool(0.2);
        for person in &family.members {
            let Some(residence) = &person.residence else { continue };
            let housing = (person.role == FamilyRole::Applicant).then(|| Housing {
                on: None,
                kind: HousingKind::Hostel,
                address: residence.address.clone(),
                returned: false,
            });
            let entry = Displacement {
                card_no: format!("TEST-MK-7{:05}", self.next()).into(),
                status: DisplacementStatus::Idp,
                displaced_from: from.as_str().into(),
                settled_territory: residence.territory_code.clone(),
                settlement_address: residence.address.clone(),
                // Whoever was born later has the status by descent.
                from: Some(since.max(person.birth_date)),
                until: None,
                monthly_allowance: true,
                moved,
                housing,
            };
            self.registers.displaced.insert(person.fin.clone(), entry);
        }
    }

    /// At migration: the permit of a foreigner; of one who was naturalised the last one, under the PIN of before.
    fn permit(&mut self, person: &Person) {
        let number = self.next();
        let was_naturalised = !is_foreign(person);
        let employer = person.incomes.first().map(|income| income.payer_tin.clone());
        let since = self.rng.random_range(100..=300_u16);
        let permit = match employer {
            _ if was_naturalised => Permit {
                kind: PermitKind::PermanentResidence,
                number: format!("TEST-DY-7{number:05}").into(),
                from: Day::Ago { days_ago: 2_100 },
                until: Until::DaysAgo(since),
                employer: None,
                status: PermitStatus::Expired,
            },
            Some(employer) if self.rng.random_bool(0.5) => Permit {
                kind: PermitKind::Work,
                number: format!("TEST-IS-7{number:05}").into(),
                from: Day::Ago { days_ago: since },
                until: Until::DaysAhead(365 - since),
                employer: Some(employer),
                status: PermitStatus::Valid,
            },
            _ => Permit {
                kind: PermitKind::TemporaryResidence,
                number: format!("TEST-MY-7{number:05}").into(),
                from: Day::Ago { days_ago: since },
                until: Until::DaysAhead(365 - since),
                employer: None,
                status: PermitStatus::Valid,
            },
        };
        let (series, passport) = (&person.document.series, &person.document.number);
        let foreigner = Foreigner {
            surname: latin(&person.surname),
            given_name: latin(&person.given_name),
            citizenship: UTOPIA.into(),
            passport: Passport {
                series: series.clone(),
                // A citizen's document is not the passport that he had.
                number: if was_naturalised { format!("8{number:06}").into() } else { passport.clone() },
            },
            birth_date: person.birth_date,
            naturalised: was_naturalised.then(|| person.fin.clone()),
            permit,
        };
        let pin = if was_naturalised { fin(PINS_FROM + number) } else { person.fin.clone() };
        self.registers.migration.foreigners.insert(pin, foreigner);
    }

    /// At education and the examination centre. Gives the day until which a grown person studies.
    fn learning(&mut self, story: Story, person: &Person) -> Option<Date> {
        let age = age(person, TOLD_ON);
        let school = format!("7{}", territory(person).chars().last().unwrap_or('0'));
        let (enrolments, diplomas, until) = match (story, person.role, age) {
            (Story::Students, FamilyRole::Child, 18..) => {
                let (enrolment, diplomas) = self.study(person);
                let until = enrolment.until.filter(|_| enrolment.status == EnrolmentStatus::Active);
                (vec![enrolment], diplomas, until)
            }
            (_, FamilyRole::Child, 6..=17) => {
                let on = school_begins(person.birth_date);
                // Who is displaced has moved: one in five is not on the register.
                let listed = self.rng.random_bool(if story == Story::Displaced { 0.8 } else { 0.97 });
                let enrolment = (on <= TOLD_ON && listed).then(|| Enrolment {
                    institution: format!("TEST-M-{school}").into(),
                    name: format!("{school} nömrəli Sınaq məktəbi").into(),
                    level: Level::General,
                    form: StudyForm::FullTime,
                    funding: Funding::State,
                    fee_qapik: None,
                    on,
                    until: Some(date(on.year() + 11, 6, 14)),
                    status: EnrolmentStatus::Active,
                });
                (enrolment.into_iter().collect(), Vec::new(), None)
            }
            (_, FamilyRole::Child, 3..=5) if self.rng.random_bool(0.4) => {
                let enrolment = Enrolment {
                    institution: format!("TEST-B-{school}").into(),
                    name: format!("{school} nömrəli Sınaq bağçası").into(),
                    level: Level::PreSchool,
                    form: StudyForm::FullTime,
                    funding: Funding::State,
                    fee_qapik: None,
                    on: date(TOLD_ON.year() - 1, 9, 15),
                    until: None,
                    status: EnrolmentStatus::Active,
                };
                (vec![enrolment], Vec::new(), None)
            }
            (_, _, 30..) if self.rng.random_bool(0.25) => {
                (Vec::new(), vec![self.diploma(date(person.birth_date.year() + 22, 6, 30))], None)
            }
            _ => return None,
        };
        if !enrolments.is_empty() || !diplomas.is_empty() {
            let learning = Learning { enrolments, diplomas, paper_archive: false };
            self.registers.learning.insert(person.fin.clone(), learning);
        }
        until
    }

    /// Studies of somebody grown, from the autumn after his eighteenth birthday or the one before it, by the result of an
    /// exam.
    fn study(&mut self, person: &Person) -> (Enrolment, Vec<Diploma>) {
        let autumn = |year: i16| date(year, 9, 15);
        let mut on = autumn(person.birth_date.year() + 18);
        if on > TOLD_ON {
            on = autumn(on.year() - 1);
        }
        let until = date(on.year() + 4, 6, 30);
        let by_state = self.rng.random_bool(0.6);
        let institution = format!("TEST-U-{:03}", self.rng.random_range(10..=14));
        let active = until > TOLD_ON;
        let result = ExamResult {
            years_ago: u16::try_from(TOLD_ON.year() - on.year()).unwrap_or_default(),
            kind: ExamKind::Admission,
            work_no: format!("TEST-7{:06}", 100_000 + self.next()).into(),
            score: format!("{}.{}", self.rng.random_range(250..=650), self.rng.random_range(0..=9)).into(),
            admitted: true,
            institution: Some(institution.as_str().into()),
            speciality: Some("TEST-050101".into()),
            state_order: by_state,
        };
        self.registers.exams.insert(person.fin.clone(), vec![result]);
        let enrolment = Enrolment {
            institution: institution.into(),
            name: "Nümunə universiteti".into(),
            level: Level::Bachelor,
            form: StudyForm::FullTime,
            funding: if by_state { Funding::State } else { Funding::Paid },
            fee_qapik: (!by_state).then(|| self.rng.random_range(100..=350) * 1_000),
            on,
            until: Some(until),
            status: if active { EnrolmentStatus::Active } else { EnrolmentStatus::Graduated },
        };
        (enrolment, if active { Vec::new() } else { vec![self.diploma(until)] })
    }

    fn diploma(&mut self, on: Date) -> Diploma {
        let speciality = format!("TEST-05{:02}01", self.rng.random_range(1..=9));
        Diploma { number: format!("TEST-D-7{:05}", self.next()).into(), level: Level::Bachelor, speciality: speciality.into(), on }
    }

    /// On the military register: every man of this country from seventeen on.
    fn service(&mut self, story: Story, person: &Person, studies_until: Option<Date>) {
        let age = age(person, TOLD_ON);
        if person.sex != Sex::Male || is_foreign(person) || age < 17 {
            return;
        }
        let served = |record: MilitaryRecord| MilitaryRecord {
            from: Some(date(person.birth_date.year() + 18, 7, 10).max(years_before(person.birth_date, -18))),
            to: Some(date(person.birth_date.year() + 20, 1, 10)),
            ..record
        };
        let record = |ticket: u32, status| MilitaryRecord {
            ticket: format!("TEST-HB-7{ticket:05}").into(),
            status,
            from: None,
            to: None,
            serving: false,
            deferred_until: None,
            ground: None,
        };
        let ticket = self.next();
        let unfit = story == Story::Disabled && person.role == FamilyRole::Applicant;
        let graduate = story == Story::Students && person.role == FamilyRole::Child;
        let came_late = story == Story::Foreigner && person.role == FamilyRole::Applicant;
        let record = match (age, studies_until) {
            _ if unfit => record(ticket, RegisterStatus::Removed),
            (..18, _) => record(ticket, RegisterStatus::PreConscript),
            (_, Some(until)) => MilitaryRecord {
                deferred_until: Some(until),
                ground: Some("TEST-M-07".into()),
                ..record(ticket, RegisterStatus::Conscript)
            },
            (_, None) if graduate => record(ticket, RegisterStatus::Conscript),
            (18..=20, None) => record(ticket, RegisterStatus::Conscript),
            (21..50, None) if came_late || self.rng.random_bool(0.15) => record(ticket, RegisterStatus::Reserve),
            (21..50, None) => served(record(ticket, RegisterStatus::Reserve)),
            (50.., None) if came_late => record(ticket, RegisterStatus::Removed),
            (50.., None) => served(record(ticket, RegisterStatus::Removed)),
        };
        self.registers.military.insert(person.fin.clone(), record);
    }

    /// At the border: whole families that travelled; a father who works abroad and has not come back; a foreigner who came.
    fn trips(&mut self, story: Story, family: &Family) {
        let head = family.applicant();
        if is_foreign(head) {
            let came = self.rng.random_range(310..=600);
            let crossing = self.crossing(Direction::Entry, came, 0);
            self.registers.border.crossings.insert(head.fin.clone(), vec![crossing]);
            return;
        }
        let works_abroad = story == Story::Divorced && family.members.len() == 1 && self.rng.random_bool(0.4);
        if works_abroad {
            let left = self.rng.random_range(40..=500);
            let crossing = self.crossing(Direction::Exit, left, 0);
            self.registers.border.crossings.insert(head.fin.clone(), vec![crossing]);
            return;
        }
        // Nobody knows when the dead were back.
        if story == Story::DeadAtJustice || !self.rng.random_bool(0.25) {
            return;
        }
        let left = self.rng.random_range(30..=330);
        let back = left - self.rng.random_range(3..=21);
        // Whoever was born since then was not there.
        let born = |person: &&Person| age_in_days(person) > i64::from(left) + 400;
        let travellers: Vec<_> = family.members.iter().filter(born).map(|person| person.fin.clone()).collect();
        for (minute, fin) in (0..).zip(travellers) {
            let way = [self.crossing(Direction::Exit, left, minute), self.crossing(Direction::Entry, back, minute)];
            self.registers.border.crossings.insert(fin, way.into());
        }
    }

    fn crossing(&mut self, direction: Direction, days_ago: u16, minute: i8) -> Crossing {
        Crossing {
            direction,
            days_ago,
            time: Time::constant(if direction == Direction::Exit { 5 } else { 21 }, minute % 60, 0, 0),
            checkpoint: "BM-TEST-2".into(),
            neighbour: UTOPIA.into(),
        }
    }
}

/// Kinds of animals, their words in the household register, and the most of them.
const KINDS: [(AnimalKind, &str, u32); 6] = [
    (AnimalKind::Cow, "cow", 6),
    (AnimalKind::Sheep, "sheep", 30),
    (AnimalKind::Goat, "goat", 10),
    (AnimalKind::BeeColony, "bee-colony", 12),
    (AnimalKind::Hen, "hen", 40),
    (AnimalKind::Turkey, "turkey", 20),
];

const CROPS: [&str; 5] = ["TEST-WHEAT", "TEST-BARLEY", "TEST-POTATO", "TEST-GRAPES", "TEST-ORCHARD"];

fn is_foreign(person: &Person) -> bool {
    &*person.citizenship == UTOPIA
}

fn territory(person: &Person) -> &str {
    person.residence.as_ref().map_or("99000001", |residence| &residence.territory_code)
}

/// Odd territories are rural. Who is registered for a time in a hostel works no land there.
fn is_rural(person: &Person) -> bool {
    let permanent = person.residence.as_ref().is_some_and(|residence| residence.kind == ResidenceKind::Permanent);
    permanent && territory(person).ends_with(['1', '3', '5', '7', '9'])
}

/// Whole years on a day.
fn age(person: &Person, on: Date) -> i16 {
    let born = person.birth_date;
    on.year() - born.year() - i16::from((on.month(), on.day()) < (born.month(), born.day()))
}

fn age_in_days(person: &Person) -> i64 {
    TOLD_ON.since(person.birth_date).map_or(0, |span| i64::from(span.get_days()))
}

/// The first of the autumns in which a child is six.
fn school_begins(born: Date) -> Date {
    let autumn = date(born.year() + 6, 9, 15);
    if years_before(born, -6) <= autumn { autumn } else { date(born.year() + 7, 9, 15) }
}

/// A name in the letters of a passport's machine-readable zone.
fn latin(name: &str) -> Box<str> {
    let mut out = String::new();
    for letter in name.chars() {
        match letter {
            'Ə' | 'ə' => out.push('E'),
            'Ö' | 'ö' => out.push_str("OE"),
            'Ü' | 'ü' => out.push_str("UE"),
            'Ç' | 'ç' => out.push_str("CH"),
            'Ş' | 'ş' => out.push_str("SH"),
            'Ğ' | 'ğ' => out.push_str("GH"),
            'I' | 'ı' | 'İ' | 'i' => out.push('I'),
            other => out.push(other.to_ascii_uppercase()),
        }
    }
    out.into()
}
