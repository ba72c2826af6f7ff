//! State Migration Service behind its security server: permits of foreigners, cases of work permits, and the opinions
//! that it is sent on them, over X-Road REST (agency catalogue, `migration.*`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use http::request::Parts;
use http::{Method, StatusCode};
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::{Value, json};

use super::xroad::register::{self, answer, committed, is_fin, wrong};
use super::xroad::rest::{self, Published};
use super::{Answer, Request};
use crate::fault::Fault;
use crate::personas::{Foreigner, Migration as Register, PermitKind, PermitStatus, Personas};

pub(super) const SERVICES: &[&str] = &["permit", "work-permit-case", "work-permit-opinion"];

/// Places in [`SERVICES`]; the opinion is the last.
const PERMIT: usize = 0;
const CASE: usize = 1;

/// Longest idempotency key, in bytes.
const KEY_MAX: usize = 255;
/// Longest ground of an opinion, in characters.
const GROUND_MAX: usize = 1_000;

const PUBLISHED: Published = Published {
    member_class: "GOV",
    member_code: "10000012",
    subsystem: "miqrasiya",
    services: &["icazeler", "is-icazesi", "is-icazesi-reyi"],
};

/// A second PIN, for whoever has but one.
const OTHER_PIN: &str = "5H4TB6O";

/// The service.
pub(crate) struct Migration {
    personas: Arc<Personas>,
    /// By the case's number: the key it came with, and what was answered. A case has one.
    opinions: Mutex<HashMap<String, (String, Value)>>,
}

pub(super) fn service(head: &Parts, _body: &[u8]) -> Option<usize> {
    rest::service(head.uri.path(), &PUBLISHED)
}

impl Migration {
    pub(super) fn new(personas: &Arc<Personas>) -> Self {
        Self { personas: Arc::clone(personas), opinions: Mutex::default() }
    }

    /// Opinions that were recorded.
    pub(super) fn recorded(&self) -> u64 {
        self.opinions.lock().unwrap_or_else(PoisonError::into_inner).len() as u64
    }

    pub(super) fn answer(&self, request: &Request<'_>) -> Answer {
        let answered = rest::serve(request, &PUBLISHED, |place, path| match place {
            PERMIT => permits(self.personas.migration(), request, path),
            CASE => case(self.personas.migration(), request, path),
            _ => self.opinion(request, path),
        });
        answered.unwrap_or_else(|refusal| refusal)
    }
}

/// `GET /vmms/v2/is-icazesi/{is_no}`.
fn case(register: &Register, request: &Request<'_>, path: &str) -> Result<Answer, Answer> {
    let number = register::resource(request, path, "/vmms/v2/is-icazesi/", "")?;
    if request.head.uri.query().is_some() {
        return Err(wrong());
    }
    committed(request, "is_no")?;
    let (number, own) = register.cases.get_key_value(&*number).ok_or_else(no_such_case)?;
    let told = if request.fault == Some(Fault::WrongPerson) { another(register, number) } else { number };
    let mut out = json!({
        "is_no": told,
        "isegoturen_voen": own.employer,
        "pese_kodu": own.occupation,
        "muddet_ay": own.months,
    });
    match request.fault {
        Some(Fault::WrongType) => out["muddet_ay"] = "on iki".into(),
        Some(Fault::Undeclared) => out["ecnebi_soyad"] = "TESTER".into(),
        _ => {}
    }
    Ok(answer(StatusCode::OK, &out))
}

fn no_such_case() -> Answer {
    register::not_found("IS_TAPILMADI")
}

/// The number of another case.
fn another<'a>(register: &'a Register, number: &'a str) -> &'a str {
    register.cases.keys().find(|other| ***other != *number).map_or(number, |other| &**other)
}

impl Migration {
    /// `POST /vmms/v2/is-icazesi/{is_no}/rey`.
    fn opinion(&self, request: &Request<'_>, path: &str) -> Result<Answer, Answer> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Opinion {
            rey: String,
            rey_esasi: String,
        }
        let own = path.strip_prefix("/vmms/v2/is-icazesi/").and_then(|rest| rest.strip_suffix("/rey"));
        let own = own.filter(|own| !own.is_empty() && !own.contains('/') && request.head.uri.query().is_none());
        let own = own.ok_or_else(register::no_such_address)?;
        register::method(request, &Method::POST)?;
        let number = register::named(own)?;
        if request.header("content-type").is_none_or(|media| !media.starts_with("application/json")) {
            return Err(wrong());
        }
        let Ok(Opinion { rey, rey_esasi }) = serde_json::from_slice(request.body) else { return Err(wrong()) };
        if !matches!(&*rey, "MUSBET" | "MENFI") || !(1..=GROUND_MAX).contains(&rey_esasi.chars().count()) {
            return Err(wrong());
        }
        let key = request.header("idempotency-key").filter(|key| (1..=KEY_MAX).contains(&key.len()));
        let key = key.ok_or_else(|| answer(StatusCode::BAD_REQUEST, &json!({"kod": "ACAR_YOXDUR"})))?;
        committed(request, "is_no")?;
        let register = self.personas.migration();
        if !register.cases.contains_key(&*number) {
            return Err(no_such_case());
        }
        let mut opinions = self.opinions.lock().unwrap_or_else(PoisonError::into_inner);
        let next = opinions.len() + 1;
        let (first, recorded) = opinions.entry(number.clone()).or_insert_with(|| {
            let out = json!({
                "is_no": number,
                "rey": rey,
                "rey_nomresi": format!("TEST-REY-{next:05}"),
                "qebul_vaxti": model::time::rfc3339(request.now),
            });
            (key.to_owned(), out)
        });
        if first != key {
            return Err(answer(StatusCode::CONFLICT, &json!({"kod": "REY_VERILIB"})));
        }
        let mut out = recorded.clone();
        match request.fault {
            Some(Fault::WrongPerson) => out["is_no"] = another(register, &number).into(),
            Some(Fault::WrongType) => out["rey"] = 1.into(),
            Some(Fault::Undeclared) => out["icraci"] = "Sınaqov N.".into(),
            _ => {}
        }
        Ok(answer(StatusCode::OK, &out))
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
