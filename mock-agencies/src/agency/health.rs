//! Ministry of Health behind its security server: births over X-Road REST (agency catalogue, `health.birth-fact`).

use std::sync::Arc;

use http::StatusCode;
use http::request::Parts;
use jiff::ToSpan;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::xroad::register::{self, answer, committed, is_fin, wrong};
use super::xroad::rest::{self, Published};
use super::{Answer, Request};
use crate::fault::Fault;
use crate::personas::{BirthFact, Health as Register, Personas, Sex};

pub(super) const SERVICES: &[&str] = &["birth-fact"];

const PUBLISHED: Published =
    Published { member_class: "GOV", member_code: "10000007", subsystem: "sehiyye", services: &["dogum-faktlari"] };

/// The ministry.
pub(crate) struct Health {
    personas: Arc<Personas>,
}

pub(super) fn service(head: &Parts, _body: &[u8]) -> Option<usize> {
    rest::service(head.uri.path(), &PUBLISHED)
}

impl Health {
    pub(super) fn new(personas: &Arc<Personas>) -> Self {
        Self { personas: Arc::clone(personas) }
    }

    pub(super) fn answer(&self, request: &Request<'_>) -> Answer {
        let answered = rest::serve(request, &PUBLISHED, |_, path| births(self.personas.health(), request, path));
        answered.unwrap_or_else(|refusal| refusal)
    }
}

/// `GET /vahid-sehiyye/v1/dogumlar?ana_fin=…&tarixden=…&tarixedek=…`.
fn births(register: &Register, request: &Request<'_>, path: &str) -> Result<Answer, Answer> {
    if path != "/vahid-sehiyye/v1/dogumlar" {
        return Err(register::no_such_address());
    }
    register::get(request)?;
    let [fin, from, to] = register::query(request, ["ana_fin", "tarixden", "tarixedek"])?;
    let day = |text: &str| if text.len() == 10 { text.parse::<Date>().map_err(|_bad| wrong()) } else { Err(wrong()) };
    let (from, to) = (day(&from)?, day(&to)?);
    if !is_fin(&fin) || to < from || to > from.saturating_add(12.months()) {
        return Err(wrong());
    }
    committed(request, "dogumlar")?;
    let window = from..=to;
    let within = |births: &[BirthFact]| births.iter().any(|birth| window.contains(&birth.at(request.today).date()));
    let own = within(register.of(&fin));
    let mother = match request.fault {
        // Another who has something in the window, or has nothing there, as the one asked about.
        Some(Fault::WrongPerson) => {
            let other = register.births.iter().find(|(other, births)| ***other != *fin && within(births) == own);
            other.map_or(&*fin, |(other, _)| other)
        }
        _ => &*fin,
    };
    let found = register.of(mother).iter().filter(|birth| window.contains(&birth.at(request.today).date()));
    let list: Vec<Value> = found.map(|birth| write(birth, request)).collect();
    Ok(answer(StatusCode::OK, &json!({"ana_fin": mother, "dogumlar": list})))
}

fn write(birth: &BirthFact, request: &Request<'_>) -> Value {
    let mut out = json!({
        "tibbi_sehadetname_no": birth.certificate,
        "dogum_vaxti": birth.at(request.today).strftime("%d.%m.%Y %H:%M").to_string(),
        "usaq_cinsi": match birth.sex { Sex::Male => "O", Sex::Female => "Q" },
        "diri_dogum": if birth.live { "B" } else { "X" },
        "muessise_kodu": birth.org,
    });
    match request.fault {
        Some(Fault::WrongType) => out["diri_dogum"] = "1".into(),
        Some(Fault::Undeclared) => {
            out["diaqnoz"] = "O80".into();
            out["ceki_qram"] = 3200.into();
        }
        _ => {}
    }
    out
}
