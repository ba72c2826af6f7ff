//! State Migration Service behind its security server: permits of foreigners over X-Road REST (agency catalogue,
//! `migration.*`).

use std::sync::Arc;

use http::StatusCode;
use http::request::Parts;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::xroad::register::{self, answer, committed, is_fin, wrong};
use super::xroad::rest::{self, Published};
use super::{Answer, Request};
use crate::fault::Fault;
use crate::personas::{Foreigner, Migration as Register, PermitKind, PermitStatus, Personas};

pub(super) const SERVICES: &[&str] = &["permit"];

const PUBLISHED: Published = Published { member_class: "GOV", member_code: "10000012", subsystem: "miqrasiya", services: &["icazeler"] };

/// A second PIN, for whoever has but one.
const OTHER_PIN: &str = "5H4TB6O";

/// The service.
pub(crate) struct Migration {
    personas: Arc<Personas>,
}

pub(super) fn service(head: &Parts, _body: &[u8]) -> Option<usize> {
    rest::service(head.uri.path(), &PUBLISHED)
}

impl Migration {
    pub(super) fn new(personas: &Arc<Personas>) -> Self {
        Self { personas: Arc::clone(personas) }
    }

    pub(super) fn answer(&self, request: &Request<'_>) -> Answer {
        let answered = rest::serve(request, &PUBLISHED, |_, path| permits(self.personas.migration(), request, path));
        answered.unwrap_or_else(|refusal| refusal)
    }
}

/// Who is asked about.
enum Asked {
    Pin(String),
    Passport { series: String, number: String, birth_date: Date, citizenship: Option<String> },
}

impl Asked {
    fn read(request: &Request<'_>) -> Result<Self, Answer> {
        const PASSPORT: [&str; 3] = ["pasport_seriya", "pasport_nomre", "dogum_tarixi"];
        if let Ok([pin]) = register::query(request, ["pin"]) {
            return if is_fin(&pin) { Ok(Self::Pin(pin)) } else { Err(wrong()) };
        }
        let ([series, number, born], citizenship) = match register::query(request, PASSPORT) {
            Ok(passport) => (passport, None),
            Err(_more) => {
                let [one, two, three] = PASSPORT;
                let [series, number, born, citizenship] = register::query(request, [one, two, three, "vetendasliq"])?;
                ([series, number, born], Some(citizenship))
            }
        };
        let formed = !series.is_empty() && !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        let country = citizenship.as_ref().is_none_or(|code| code.len() == 3 && code.bytes().all(|b| b.is_ascii_uppercase()));
        match born.parse() {
            Ok(birth_date) if formed && country && born.len() == 10 => Ok(Self::Passport { series, number, birth_date, citizenship }),
            _ => Err(wrong()),
        }
    }

    fn find<'a>(&self, register: &'a Register) -> Option<(&'a str, &'a Foreigner)> {
        match self {
            Self::Pin(pin) => register.by_pin(pin),
            Self::Passport { series, number, birth_date, citizenship } => {
                let own = |foreigner: &Foreigner| {
                    *foreigner.passport.series == **series
                        && *foreigner.passport.number == **number
                        && foreigner.birth_date == *birth_date
                        && citizenship.as_ref().is_none_or(|code| *foreigner.citizenship == **code)
                };
                register.foreigners.iter().find(|(_, foreigner)| own(foreigner)).map(|(pin, foreigner)| (&**pin, foreigner))
            }
        }
    }
}

/// `GET /vmms/v2/icazeler?…`.
fn permits(register: &Register, request: &Request<'_>, path: &str) -> Result<Answer, Answer> {
    if path != "/vmms/v2/icazeler" {
        return Err(register::no_such_address());
    }
    register::get(request)?;
    let asked = Asked::read(request)?;
    committed(request, "icazeler")?;
    let own = asked.find(register);
    let found = match request.fault {
        Some(Fault::WrongPerson) => {
            let other = register.foreigners.iter().find(|(pin, _)| own.is_none_or(|(own, _)| ***pin != *own));
            other.map(|(pin, foreigner)| (&**pin, foreigner))
        }
        _ => own,
    };
    let (pin, foreigner) = found.ok_or_else(|| register::not_found("ICAZE_TAPILMADI"))?;
    let mut list = vec![write(pin, foreigner, &foreigner.citizenship, &asked, request)];
    let second = foreigner.naturalised.as_deref().or((request.fault == Some(Fault::TwoPins)).then_some(OTHER_PIN));
    list.extend(second.map(|fin| write(fin, foreigner, "AZE", &asked, request)));
    Ok(answer(StatusCode::OK, &json!({"icazeler": list})))
}

fn write(pin: &str, foreigner: &Foreigner, citizenship: &str, asked: &Asked, request: &Request<'_>) -> Value {
    let permit = &foreigner.permit;
    let mut out = json!({
        "pin": pin,
        "surname": foreigner.surname,
        "name": foreigner.given_name,
        "vetendasliq": citizenship,
        "icaze_novu": match permit.kind {
            PermitKind::TemporaryResidence => "MY",
            PermitKind::PermanentResidence => "DY",
            PermitKind::Work => "IS",
            PermitKind::Refugee => "QA",
        },
        "icaze_nomresi": permit.number,
        "baslama": permit.from.seen_from(request.today).to_string(),
        "bitme": permit.until.day(request.today).to_string(),
        "isegoturen_voen": permit.employer,
        "status": match permit.status {
            PermitStatus::Valid => "ETIBARLI",
            PermitStatus::Expired => "BITIB",
            PermitStatus::Revoked => "LEGV",
        },
    });
    if let Asked::Passport { .. } = asked {
        out["pasport_seriya"] = json!(foreigner.passport.series);
        out["pasport_nomre"] = json!(foreigner.passport.number);
    }
    match request.fault {
        Some(Fault::WrongType) => out["icaze_novu"] = 1.into(),
        Some(Fault::Undeclared) => {
            out["milliyyet"] = "sınaq".into();
            out["foto"] = "iVBORw0KGgo=".into();
        }
        _ => {}
    }
    out
}
