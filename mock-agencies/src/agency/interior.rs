//! Ministry of Internal Affairs behind its security server: X-Road SOAP (agency catalogue,
//! `interior.person-identity`, `interior.residence-registration`, `interior.vehicle-ownership`).

use std::collections::HashMap;

use http::request::Parts;
use jiff::civil::Date;
use model::Profile;

use super::soap;
use super::xroad::{self, Offer, Received};
use super::{Answer, Request};
use crate::fault::Fault;
use crate::personas::{DocumentStatus, Person, Personas, Residence, ResidenceKind, Sex, Vehicle, VehicleKind};
use crate::xml;

pub(super) const SERVICES: &[&str] = &["person-identity", "residence-registration", "vehicle-ownership"];

const IDENTITY: usize = 0;
const RESIDENCE: usize = 1;

/// In the order of [`SERVICES`].
const OFFERS: &[Offer] = &[
    Offer { code: "SexsMelumatiSorgusu", version: "v2", namespace: "http://daxili-isler.example/xroad/v2" },
    Offer { code: "QeydiyyatSorgusu", version: "v1", namespace: "http://daxili-isler.example/xroad/qeydiyyat/v1" },
    Offer { code: "NeqliyyatSorgusu", version: "v1", namespace: "http://daxili-isler.example/xroad/neqliyyat/v1" },
];

/// The agency, with every answer's inner part written beforehand.
pub(crate) struct Interior {
    people: Vec<Entry>,
    by_fin: HashMap<Box<str>, usize>,
    by_document: HashMap<(Box<str>, Box<str>), usize>,
}

struct Entry {
    birth_date: Date,
    /// By service; `None` where its register does not have the person.
    records: [Option<Record>; SERVICES.len()],
}

struct Record {
    plain: String,
    /// With elements that no contract declares.
    undeclared: String,
    /// With a value that is none of its type.
    wrong_type: String,
    /// With a count that its list denies; the plain record where there is no count.
    wrong_count: String,
    /// Whether it is a list of nothing.
    nothing: bool,
}

pub(super) fn service(head: &Parts, body: &[u8]) -> Option<usize> {
    xroad::service(OFFERS, head, body)
}

impl Interior {
    pub(super) fn new(personas: &Personas) -> Self {
        let mut agency = Self { people: Vec::new(), by_fin: HashMap::new(), by_document: HashMap::new() };
        for person in personas.people() {
            agency.by_fin.insert(person.fin.clone(), agency.people.len());
            agency.by_document.insert((person.document.series.clone(), person.document.number.clone()), agency.people.len());
            let others = personas.co_registered(person).unwrap_or(0);
            let residence = person.residence.as_ref().map(|residence| residence_record(person, residence, others));
            agency.people.push(Entry {
                birth_date: person.birth_date,
                records: [Some(identity_record(person)), residence, Some(vehicles_record(person))],
            });
        }
        agency
    }

    pub(super) fn answer(&self, request: &Request<'_>) -> Answer {
        self.try_answer(request).unwrap_or_else(|refusal| refusal)
    }

    fn try_answer(&self, request: &Request<'_>) -> Result<Answer, Answer> {
        let received = xroad::receive(request, OFFERS)?;
        let asked = self.ask(&received)?;
        if let Some((doctype, content)) = soap::hostile(request.fault) {
            return Ok(xroad::reply(&received, request, &doctype, &around(received.place, &content)));
        }
        let found = asked.and_then(|person| self.record(received.place, person, request.fault));
        let inner = found.map_or("<d:Tapilmadi/>", |record| match request.fault {
            Some(Fault::Undeclared) => &record.undeclared,
            Some(Fault::WrongType) => &record.wrong_type,
            Some(Fault::WrongCount) => &record.wrong_count,
            _ => &record.plain,
        });
        Ok(xroad::reply(&received, request, "", inner))
    }

    /// A person's record, or under [`Fault::WrongPerson`] that of the next who has one; for a list of nothing, that of
    /// the next who has nothing.
    fn record(&self, service: usize, person: usize, fault: Option<Fault>) -> Option<&Record> {
        let of = |person: usize| self.people.get(person)?.records.get(service)?.as_ref();
        let own = of(person)?;
        let after = (person + 1..self.people.len()).chain(0..person);
        if fault == Some(Fault::WrongPerson) { after.filter_map(of).find(|other| !own.nothing || other.nothing) } else { Some(own) }
    }

    /// The ministry's own part: whom the question names, or `None` when it knows no such person.
    fn ask(&self, question: &Received) -> Result<Option<usize>, Answer> {
        match *question.inputs()? {
            [("FIN", fin)] => {
                if !Profile::Test.accepts_fin(fin) && !Profile::Production.accepts_fin(fin) {
                    return Err(xroad::wrong("FIN formatı yanlışdır"));
                }
                Ok(self.by_fin.get(fin).copied())
            }
            [("Seriya", series), ("Nomre", number), ("DogumTarixi", birth_date)] if question.place == IDENTITY => {
                let letters = !series.is_empty() && series.len() <= 4 && series.bytes().all(|b| b.is_ascii_uppercase());
                let digits = !number.is_empty() && number.len() <= 12 && number.bytes().all(|b| b.is_ascii_digit());
                let (true, true, Some(birth_date)) = (letters, digits, soap::read_dotted(birth_date)) else {
                    return Err(xroad::wrong("Sənəd məlumatlarının formatı yanlışdır"));
                };
                let person = self.by_document.get(&(series.into(), number.into())).copied();
                Ok(person.filter(|person| self.people.get(*person).is_some_and(|entry| entry.birth_date == birth_date)))
            }
            _ if question.place == IDENTITY => Err(xroad::wrong("FIN, yaxud Seriya, Nomre və DogumTarixi tələb olunur")),
            _ => Err(xroad::wrong("FIN tələb olunur")),
        }
    }
}

/// Hostile content where a text belongs.
fn around(service: usize, content: &str) -> String {
    match service {
        IDENTITY => format!("<d:Sexs><d:Soyad>{content}</d:Soyad></d:Sexs>"),
        RESIDENCE => format!("<d:Qeydiyyat><d:QeydiyyatUnvani>{content}</d:QeydiyyatUnvani></d:Qeydiyyat>"),
        _ => format!("<d:NVSayi>1</d:NVSayi><d:NVler><d:NV><d:Marka>{content}</d:Marka></d:NV></d:NVler>"),
    }
}

/// A date or, where there is none, the source's sign for it.
fn or_dash(date: Option<Date>) -> String {
    date.map_or_else(|| "-".to_owned(), soap::dotted)
}

fn identity_record(person: &Person) -> Record {
    let birth_date = soap::dotted(person.birth_date);
    let plain = write_person(person, &birth_date, "");
    Record {
        undeclared: write_person(person, &birth_date, UNDECLARED),
        wrong_type: write_person(person, "14 mart, səhər", ""),
        wrong_count: plain.clone(),
        plain,
        nothing: false,
    }
}

/// Elements that exist at the source and are deliberately in no contract (002 M 6.2.12). The
/// picture is one transparent pixel.
const UNDECLARED: &str = "<d:QanQrupu>A(II) Rh+</d:QanQrupu><d:Boy>177</d:Boy><d:GozRengi>qəhvəyi</d:GozRengi>\
    <d:Sekil>R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7</d:Sekil>";

fn write_person(person: &Person, birth_date: &str, more: &str) -> String {
    let document = &person.document;
    let sex = match person.sex {
        Sex::Male => "K",
        Sex::Female => "Q",
    };
    let status = match document.status {
        DocumentStatus::Valid => "1",
        DocumentStatus::Lost => "2",
        DocumentStatus::Expired => "3",
        DocumentStatus::Cancelled => "4",
    };
    let mut out = String::from("<d:Sexs>");
    xml::put(&mut out, "d:FIN", &person.fin);
    xml::put(&mut out, "d:Soyad", &person.surname);
    xml::put(&mut out, "d:Ad", &person.given_name);
    xml::put(&mut out, "d:AtaAdi", &person.patronymic());
    xml::put(&mut out, "d:Cins", sex);
    xml::put(&mut out, "d:DogumTarixi", birth_date);
    xml::put(&mut out, "d:DogumYeri", &person.birth_place);
    xml::put(&mut out, "d:Vetendasliq", &person.citizenship);
    xml::put(&mut out, "d:Seriya", &document.series);
    xml::put(&mut out, "d:Nomre", &document.number);
    xml::put(&mut out, "d:VerilmeTarixi", &soap::dotted(document.issued_on));
    xml::put(&mut out, "d:EtibarliliqTarixi", &or_dash(document.valid_until));
    xml::put(&mut out, "d:SenedStatusu", status);
    out.push_str(more);
    out.push_str("</d:Sexs>");
    out
}

fn residence_record(person: &Person, residence: &Residence, others: usize) -> Record {
    let kind = match residence.kind {
        ResidenceKind::Permanent => "D",
        ResidenceKind::Temporary => "M",
    };
    let write = |from: &str, more: &str| {
        let mut out = String::from("<d:Qeydiyyat>");
        xml::put(&mut out, "d:FIN", &person.fin);
        xml::put(&mut out, "d:QeydiyyatNovu", kind);
        xml::put(&mut out, "d:QeydiyyatUnvani", &residence.address);
        xml::put(&mut out, "d:UnvanKodu", &residence.address_code);
        xml::put(&mut out, "d:EraziKodu", &residence.territory_code);
        xml::put(&mut out, "d:QeydiyyatTarixi", from);
        xml::put(&mut out, "d:BitmeTarixi", &or_dash(residence.until));
        xml::put(&mut out, "d:EyniUnvanSayi", &others.to_string());
        out.push_str(more);
        out.push_str("</d:Qeydiyyat>");
        out
    };
    let from = soap::dotted(residence.from);
    let plain = write(&from, "");
    Record {
        undeclared: write(&from, "<d:EvSahibi>Nümunə Sınaqov</d:EvSahibi><d:Telefon>+994 00 000 00 00</d:Telefon>"),
        wrong_type: write("payızda", ""),
        wrong_count: plain.clone(),
        plain,
        nothing: false,
    }
}

/// The count is of the rows, vehicles taken off the register included.
fn vehicles_record(person: &Person) -> Record {
    let write = |count: &str, more: &str| {
        let mut out = String::new();
        xml::put(&mut out, "d:FIN", &person.fin);
        xml::put(&mut out, "d:NVSayi", count);
        out.push_str("<d:NVler>");
        for vehicle in &person.vehicles {
            write_vehicle(&mut out, vehicle, more);
        }
        out.push_str("</d:NVler>");
        out
    };
    let count = person.vehicles.len();
    // Where there are no rows, something undeclared still has to stand somewhere.
    let beside = "<d:CerimeBali>3</d:CerimeBali>";
    Record {
        plain: write(&count.to_string(), ""),
        undeclared: write(&count.to_string(), "<d:BanNomresi>TEST0000000000001</d:BanNomresi>") + beside,
        wrong_type: write("bir neçə", ""),
        wrong_count: write(&(count + 1).to_string(), ""),
        nothing: count == 0,
    }
}

fn write_vehicle(out: &mut String, vehicle: &Vehicle, more: &str) {
    let kind = match vehicle.kind {
        VehicleKind::Car => "01",
        VehicleKind::Truck => "02",
        VehicleKind::Motorcycle => "03",
        VehicleKind::Tractor => "04",
        VehicleKind::Bus => "05",
        VehicleKind::Trailer => "09",
    };
    out.push_str("<d:NV>");
    xml::put(out, "d:DovletNisani", &vehicle.plate);
    xml::put(out, "d:Marka", &vehicle.make_model);
    xml::put(out, "d:BuraxilisIli", &vehicle.production_year.to_string());
    xml::put(out, "d:MuherrikHecmi", &vehicle.engine_cm3.to_string());
    xml::put(out, "d:NVNovu", kind);
    xml::put(out, "d:QeydTarixi", &soap::dotted(vehicle.registered_on));
    xml::put(out, "d:CixarilmaTarixi", &or_dash(vehicle.deregistered_on));
    out.push_str(more);
    out.push_str("</d:NV>");
}
