//! Ministry of Internal Affairs behind its security server: X-Road SOAP message protocol 4.0.
//!
//! Plays two parts at once. The security server checks the message and answers in X-Road's own
//! vocabulary, always with HTTP 200 as the real one does; the ministry behind it answers
//! `SexsMelumatiSorgusu/v2` (agency catalogue, `interior.person-identity`).

use std::collections::HashMap;

use http::request::Parts;
use jiff::civil::Date;
use model::Profile;

use super::soap;
use super::xroad::{self, Offer, Received};
use super::{Answer, Request};
use crate::fault::Fault;
use crate::personas::{DocumentStatus, Person, Personas, Sex};
use crate::xml;

const OFFERS: &[Offer] = &[Offer { code: "SexsMelumatiSorgusu", version: "v2", namespace: "http://daxili-isler.example/xroad/v2" }];

/// The agency, with every answer's inner part written beforehand.
pub(crate) struct Interior {
    people: Vec<Entry>,
    by_fin: HashMap<Box<str>, usize>,
    by_document: HashMap<(Box<str>, Box<str>), usize>,
}

struct Entry {
    birth_date: Date,
    /// `<d:Sexs>…</d:Sexs>`.
    plain: String,
    /// With the elements no contract declares.
    undeclared: String,
    /// With a birth date that is none.
    wrong_type: String,
}

/// The one service is called at the server's root.
pub(super) fn service(head: &Parts) -> Option<usize> {
    (head.uri.path() == "/").then_some(0)
}

impl Interior {
    pub(super) fn new(personas: &Personas) -> Self {
        let mut agency = Self { people: Vec::new(), by_fin: HashMap::new(), by_document: HashMap::new() };
        for person in personas.people() {
            agency.by_fin.insert(person.fin.clone(), agency.people.len());
            agency.by_document.insert((person.document.series.clone(), person.document.number.clone()), agency.people.len());
            let birth_date = soap::dotted(person.birth_date);
            agency.people.push(Entry {
                birth_date: person.birth_date,
                plain: write_person(person, &birth_date, ""),
                undeclared: write_person(person, &birth_date, UNDECLARED),
                wrong_type: write_person(person, "14 mart, səhər", ""),
            });
        }
        agency
    }

    pub(super) fn answer(&self, request: &Request<'_>) -> Answer {
        self.try_answer(request).unwrap_or_else(|refusal| refusal)
    }

    fn try_answer(&self, request: &Request<'_>) -> Result<Answer, Answer> {
        let received = xroad::receive(request, OFFERS)?;
        let found = self.ask(&received)?;
        let (doctype, inner) = match (soap::hostile(request.fault), found) {
            (Some((doctype, content)), _) => (doctype, format!("<d:Sexs><d:Soyad>{content}</d:Soyad></d:Sexs>")),
            (None, None) => (String::new(), "<d:Tapilmadi/>".to_owned()),
            (None, Some(entry)) => {
                let inner = match request.fault {
                    Some(Fault::Undeclared) => &entry.undeclared,
                    Some(Fault::WrongType) => &entry.wrong_type,
                    _ => &entry.plain,
                };
                (String::new(), inner.clone())
            }
        };
        Ok(xroad::reply(&received, request, &doctype, &inner))
    }

    /// The ministry's own part: whom the question names, or `None` when it knows no such person.
    fn ask(&self, question: &Received) -> Result<Option<&Entry>, Answer> {
        match *question.inputs()? {
            [("FIN", fin)] => {
                if !Profile::Test.accepts_fin(fin) && !Profile::Production.accepts_fin(fin) {
                    return Err(xroad::wrong("FIN formatı yanlışdır"));
                }
                Ok(self.by_fin.get(fin).and_then(|place| self.people.get(*place)))
            }
            [("Seriya", series), ("Nomre", number), ("DogumTarixi", birth_date)] => {
                let letters = !series.is_empty() && series.len() <= 4 && series.bytes().all(|b| b.is_ascii_uppercase());
                let digits = !number.is_empty() && number.len() <= 12 && number.bytes().all(|b| b.is_ascii_digit());
                let (true, true, Some(birth_date)) = (letters, digits, soap::read_dotted(birth_date)) else {
                    return Err(xroad::wrong("Sənəd məlumatlarının formatı yanlışdır"));
                };
                let entry = self.by_document.get(&(series.into(), number.into())).and_then(|place| self.people.get(*place));
                Ok(entry.filter(|entry| entry.birth_date == birth_date))
            }
            _ => Err(xroad::wrong("FIN, yaxud Seriya, Nomre və DogumTarixi tələb olunur")),
        }
    }
}

/// Elements that exist at the source and are deliberately in no contract (002 M 6.2.12). The
/// picture is one transparent pixel.
const UNDECLARED: &str = "<d:QanQrupu>A(II) Rh+</d:QanQrupu><d:Boy>177</d:Boy><d:GozRengi>qəhvəyi</d:GozRengi>\
    <d:Sekil>R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7</d:Sekil>";

fn write_person(person: &Person, birth_date: &str, more: &str) -> String {
    let document = &person.document;
    let mut out = String::from("<d:Sexs>");
    xml::put(&mut out, "d:FIN", &person.fin);
    xml::put(&mut out, "d:Soyad", &person.surname);
    xml::put(&mut out, "d:Ad", &person.given_name);
    xml::put(&mut out, "d:AtaAdi", &person.patronymic());
    xml::put(
        &mut out,
        "d:Cins",
        match person.sex {
            Sex::Male => "K",
            Sex::Female => "Q",
        },
    );
    xml::put(&mut out, "d:DogumTarixi", birth_date);
    xml::put(&mut out, "d:DogumYeri", &person.birth_place);
    xml::put(&mut out, "d:Vetendasliq", &person.citizenship);
    xml::put(&mut out, "d:Seriya", &document.series);
    xml::put(&mut out, "d:Nomre", &document.number);
    xml::put(&mut out, "d:VerilmeTarixi", &soap::dotted(document.issued_on));
    xml::put(&mut out, "d:EtibarliliqTarixi", &document.valid_until.map_or_else(|| "-".to_owned(), soap::dotted));
    xml::put(
        &mut out,
        "d:SenedStatusu",
        match document.status {
            DocumentStatus::Valid => "1",
            DocumentStatus::Lost => "2",
            DocumentStatus::Expired => "3",
            DocumentStatus::Cancelled => "4",
        },
    );
    out.push_str(more);
    out.push_str("</d:Sexs>");
    out
}
