//! State Committee for Refugees and IDPs: SOAP 1.1 in the old ASMX way, with HTTP basic authentication, and with rows whose
//! texts a move between code pages has spoilt (agency catalogue, `refugee-committee.status` and `.resettlement`).

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::request::Parts;
use jiff::civil::Date;

use super::soap::{self, dotted};
use super::soap11::Endpoint;
use super::{Answer, Request};
use crate::fault::Fault;
use crate::personas::{Displacement, DisplacementStatus, Housing, HousingKind, Person, Personas};
use crate::xml;

/// The user whom the committee knows.
pub const REFUGEE_COMMITTEE_USERNAME: &str = "meis";
/// The user's password.
pub const REFUGEE_COMMITTEE_PASSWORD: &str = "şəbəkə-parolu-4";

pub(super) const SERVICES: &[&str] = &["status", "resettlement"];

const STATUS: usize = 0;

const REGISTER: Endpoint = Endpoint {
    path: "/QMKReyestr/Reyestr.asmx",
    namespace: "http://qmk.example/reyestr",
    operations: &[
        ("http://qmk.example/reyestr/StatusSorgusu", "StatusSorgusu"),
        ("http://qmk.example/reyestr/KocurulmeSorgusu", "KocurulmeSorgusu"),
    ],
};

/// Where the register has no date.
const NO_DATE: &str = "01.01.1900";
/// Width of the register's columns, in characters.
const WIDTH: usize = 40;

/// The agency.
pub(crate) struct RefugeeCommittee {
    personas: Arc<Personas>,
    /// The right value of `Authorization`.
    authorization: String,
}

pub(super) fn service(head: &Parts, _body: &[u8]) -> Option<usize> {
    REGISTER.operation(head)
}

/// What was asked for.
enum Asked<'a> {
    Fin(&'a str),
    Card(&'a str),
}

impl RefugeeCommittee {
    pub(super) fn new(personas: &Arc<Personas>) -> Self {
        let credentials = STANDARD.encode(format!("{REFUGEE_COMMITTEE_USERNAME}:{REFUGEE_COMMITTEE_PASSWORD}"));
        Self { personas: Arc::clone(personas), authorization: format!("Basic {credentials}") }
    }

    pub(super) fn answer(&self, request: &Request<'_>) -> Answer {
        self.try_answer(request).unwrap_or_else(|refusal| refusal)
    }

    fn try_answer(&self, request: &Request<'_>) -> Result<Answer, Answer> {
        if request.header("authorization") != Some(&self.authorization) {
            let refused = Answer::new(StatusCode::UNAUTHORIZED, "text/plain", "");
            return Err(refused.with("www-authenticate", "Basic realm=\"QMKReyestr\""));
        }
        let question = REGISTER.receive(request)?;
        let operation = REGISTER.operation(request.head);
        let asked = match (operation, REGISTER.inputs(&question)?.as_slice()) {
            (_, [("Fin", fin)]) => Asked::Fin(REGISTER.fin(fin)?),
            (Some(STATUS), [("VesiqeNo", card)]) if is_card(card) => Asked::Card(card),
            (Some(STATUS), _) => return Err(REGISTER.client("Fin, yaxud VesiqeNo tələb olunur")),
            _ => return Err(REGISTER.client("Fin tələb olunur")),
        };
        REGISTER.committed(request)?;
        let entry = self.entry(&asked, request.fault);
        if operation == Some(STATUS) {
            return Ok(reply("StatusSorgusu", &asked, entry, request, write_status));
        }
        let housed = entry.filter(|(_, entry)| entry.housing.is_some());
        Ok(reply("KocurulmeSorgusu", &asked, housed, request, |out, entry, fault| {
            if let Some(housing) = &entry.housing {
                write_housing(out, housing, entry.moved, fault);
            }
        }))
    }

    fn entry(&self, asked: &Asked<'_>, fault: Option<Fault>) -> Option<(&Person, &Displacement)> {
        let entries = || self.personas.people().filter_map(|person| Some((person, self.personas.displaced().get(&person.fin)?)));
        let own = entries().find(|(person, entry)| match asked {
            Asked::Fin(fin) => *person.fin == **fin,
            Asked::Card(card) => *entry.card_no == **card,
        })?;
        let another = || entries().find(|(person, entry)| person.fin != own.0.fin && entry.housing.is_some() == own.1.housing.is_some());
        if fault == Some(Fault::WrongPerson) { another() } else { Some(own) }
    }
}

fn is_card(text: &str) -> bool {
    !text.is_empty() && text.len() <= 20 && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-')
}

fn reply(
    operation: &str,
    asked: &Asked<'_>,
    entry: Option<(&Person, &Displacement)>,
    request: &Request<'_>,
    write: impl Fn(&mut String, &Displacement, Option<Fault>),
) -> Answer {
    let mut inner = String::new();
    let mut doctype = String::new();
    match entry {
        None => {
            xml::put(&mut inner, "n:Netice", "1");
            match asked {
                Asked::Fin(fin) => xml::put(&mut inner, "n:Fin", fin),
                Asked::Card(card) => xml::put(&mut inner, "n:VesiqeNo", card),
            }
        }
        Some((person, entry)) => {
            let spoil = |text: &str| spoilt(text, entry.moved, request.fault);
            xml::put(&mut inner, "n:Netice", "0");
            let fin = padded(&person.fin);
            match soap::hostile(request.fault) {
                Some((hostile, content)) => {
                    doctype = hostile;
                    inner.push_str(&format!("<n:Fin>{content}</n:Fin>"));
                }
                None => xml::put(&mut inner, "n:Fin", &fin),
            }
            xml::put(&mut inner, "n:Soyad", &spoil(&person.surname));
            xml::put(&mut inner, "n:Ad", &spoil(&person.given_name));
            write(&mut inner, entry, request.fault);
            if request.fault == Some(Fault::Undeclared) {
                xml::put(&mut inner, "n:EtnikMensubiyyet", &padded("TEST"));
            }
        }
    }
    REGISTER.reply(&doctype, &format!("{operation}Response"), &format!("<n:{operation}Result>{inner}</n:{operation}Result>"))
}

fn write_status(out: &mut String, entry: &Displacement, fault: Option<Fault>) {
    let status = match entry.status {
        DisplacementStatus::Idp => "MK",
        DisplacementStatus::Refugee => "Q",
        DisplacementStatus::Equated => "BT",
        DisplacementStatus::None => "-",
    };
    let from = entry.from.filter(|_| fault != Some(Fault::PlaceholderDate));
    xml::put(out, "n:Status", &padded(if fault == Some(Fault::WrongType) { "7" } else { status }));
    xml::put(out, "n:VesiqeNo", &padded(&entry.card_no));
    xml::put(out, "n:KockunRayonKodu", &padded(&entry.displaced_from));
    xml::put(out, "n:MeskunlasmaKodu", &padded(&entry.settled_territory));
    xml::put(out, "n:MeskunlasmaUnvani", &spoilt(&entry.settlement_address, entry.moved, fault));
    xml::put(out, "n:BaslamaTarixi", &date(from));
    xml::put(out, "n:BitmeTarixi", &date(entry.until));
    xml::put(out, "n:VahidAyliqMuavinet", if entry.monthly_allowance { "B" } else { "X" });
}

fn write_housing(out: &mut String, housing: &Housing, moved: bool, fault: Option<Fault>) {
    let kind = match housing.kind {
        HousingKind::Flat => "M",
        HousingKind::House => "E",
        HousingKind::Hostel => "Y",
    };
    let on = housing.on.filter(|_| fault != Some(Fault::PlaceholderDate));
    xml::put(out, "n:MenzilTarixi", &date(on));
    xml::put(out, "n:MenzilNovu", &padded(if fault == Some(Fault::WrongType) { "7" } else { kind }));
    xml::put(out, "n:Unvan", &spoilt(&housing.address, moved, fault));
    xml::put(out, "n:Qayidib", if housing.returned { "1" } else { "0" });
}

fn date(date: Option<Date>) -> String {
    date.map_or_else(|| NO_DATE.to_owned(), dotted)
}

fn padded(text: &str) -> String {
    format!("{text:<WIDTH$}")
}

/// A text as the register's columns give it back: spoilt where its row was moved. [`Fault::Mojibake`] moves every row, and
/// for once keeps the `ə`, which the move cannot have spoilt; [`Fault::LostLetter`] loses a letter in any case.
fn spoilt(text: &str, moved: bool, fault: Option<Fault>) -> String {
    let text = match fault {
        Some(Fault::Mojibake) => read_wrongly(&text.replace('ə', "e").replace('Ə', "E")),
        Some(Fault::LostLetter) => read_wrongly(&format!("ə{text}")),
        _ if moved => read_wrongly(text),
        _ => text.to_owned(),
    };
    padded(&text)
}

/// Writes in windows-1254, which has no `ə`, and reads the bytes in windows-1251.
fn read_wrongly(text: &str) -> String {
    let moved = |letter: char| match letter {
        'ə' | 'Ə' => '?',
        'ı' => 'э',
        'İ' => 'Э',
        'ş' => 'ю',
        'Ş' => 'Ю',
        'ğ' => 'р',
        'Ğ' => 'Р',
        'ç' => 'з',
        'Ç' => 'З',
        'ö' => 'ц',
        'Ö' => 'Ц',
        'ü' => 'ь',
        'Ü' => 'Ь',
        other => other,
    };
    text.chars().map(moved).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moved_row_is_spoilt_as_the_two_code_pages_spoil_it() {
        assert_eq!(read_wrongly("Sınaq küç. 1, İçərişəhər"), "Sэnaq kьз. 1, Эз?riю?h?r");
        assert_eq!(spoilt("Sınaq", true, None).trim_end(), "Sэnaq");
        assert_eq!(spoilt("Bərdə", false, Some(Fault::Mojibake)).trim_end(), "Berde");
        assert!(spoilt("Sınaq", false, Some(Fault::LostLetter)).starts_with("?Sэnaq"));
    }
}
