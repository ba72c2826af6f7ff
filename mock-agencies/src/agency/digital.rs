//! Ministry of Digital Development and Transport behind its security server: mobile numbers, certificates and post
//! offices over X-Road REST (agency catalogue, `digital.*`).

use std::sync::Arc;

use http::request::Parts;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::xroad::register::{self, answer, committed, is_fin, wrong};
use super::xroad::rest::{self, Published};
use super::{Answer, Request};
use crate::fault::Fault;
use crate::personas::{Branch, Certificate, CertificateStatus, Digital as Registers, Personas};

pub(super) const SERVICES: &[&str] = &["mobile-number-owner", "certificate-status", "postal-branch"];

/// Places in [`SERVICES`]; the post offices are the last.
const NUMBER: usize = 0;
const CERTIFICATE: usize = 1;

/// In the order of [`SERVICES`].
const PUBLISHED: Published = Published {
    member_class: "GOV",
    member_code: "10000008",
    subsystem: "reqemsal",
    services: &["nomre-yoxlama", "sertifikat-yoxlama", "poct-sobeleri"],
};

/// The ministry.
pub(crate) struct Digital {
    personas: Arc<Personas>,
}

pub(super) fn service(head: &Parts, _body: &[u8]) -> Option<usize> {
    rest::service(head.uri.path(), &PUBLISHED)
}

impl Digital {
    pub(super) fn new(personas: &Arc<Personas>) -> Self {
        Self { personas: Arc::clone(personas) }
    }

    pub(super) fn answer(&self, request: &Request<'_>) -> Answer {
        let registers = self.personas.digital();
        let answered = rest::serve(request, &PUBLISHED, |place, path| match place {
            NUMBER => number(registers, request, path),
            CERTIFICATE => certificate(registers, request, path),
            _ => branches(registers, request, path),
        });
        answered.unwrap_or_else(|refusal| refusal)
    }
}

/// `POST /nomre/v1/yoxla`: whether a number is a person's, and never whose it is.
fn number(registers: &Registers, request: &Request<'_>, path: &str) -> Result<Answer, Answer> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Question {
        msisdn: String,
        fin: String,
    }
    if path != "/nomre/v1/yoxla" || request.head.uri.query().is_some() {
        return Err(register::no_such_address());
    }
    register::method(request, &Method::POST)?;
    if request.header("content-type").is_none_or(|media| !media.starts_with("application/json")) {
        return Err(wrong());
    }
    let Ok(Question { msisdn, fin }) = serde_json::from_slice(request.body) else { return Err(wrong()) };
    if !is_msisdn(&msisdn) || !is_fin(&fin) {
        return Err(wrong());
    }
    committed(request, "uygundur")?;
    let number = registers.numbers.get(&*msisdn).ok_or_else(|| register::not_found("NOMRE_TAPILMADI"))?;
    // While it is being ported, the operator it comes from still names its own owner.
    let ported = number.ported_from.is_some() || request.fault == Some(Fault::NumberPorted);
    let own = *number.owner == *fin || number.ported_from.as_deref() == Some(&fin) || request.fault == Some(Fault::NumberPorted);
    let mut out = json!({
        "uygundur": own,
        "sahib_sayi": if ported { 2 } else { 1 },
        "yoxlama_vaxti": model::time::rfc3339(request.now),
    });
    match request.fault {
        Some(Fault::WrongType) => out["uygundur"] = "bəli".into(),
        Some(Fault::Undeclared) => {
            out["operator"] = "TEST-MOBIL".into();
            out["sahib"] = json!({"soyad": "Sınaqov", "ad": "Nümunə"});
        }
        _ => {}
    }
    Ok(answer(StatusCode::OK, &out))
}

/// `+994` and the nine figures of a number in the country.
fn is_msisdn(text: &str) -> bool {
    text.strip_prefix("+994").is_some_and(|own| own.len() == 9 && own.bytes().all(|b| b.is_ascii_digit()))
}

/// `GET /sertifikat/v1/{seriya}`.
fn certificate(registers: &Registers, request: &Request<'_>, path: &str) -> Result<Answer, Answer> {
    let serial = register::resource(request, path, "/sertifikat/v1/", "")?;
    if request.head.uri.query().is_some() {
        return Err(wrong());
    }
    committed(request, "status")?;
    let own = registers.certificates.get_key_value(&*serial);
    let found = match request.fault {
        Some(Fault::WrongPerson) => registers.certificates.iter().find(|(other, _)| ***other != *serial),
        _ => own,
    };
    let (serial, certificate) = found.ok_or_else(|| register::not_found("SERTIFIKAT_TAPILMADI"))?;
    Ok(answer(StatusCode::OK, &write_certificate(serial, certificate, request)))
}

fn write_certificate(serial: &str, certificate: &Certificate, request: &Request<'_>) -> Value {
    let status = match certificate.status {
        CertificateStatus::Valid => "ETIBARLI",
        CertificateStatus::Revoked => "LEGV",
        CertificateStatus::Expired => "BITIB",
        CertificateStatus::Unknown => "NAMELUM",
    };
    let until = certificate.until.map(|until| model::time::rfc3339(until.seen_from(request.today)));
    let mut out = json!({"seriya": serial, "status": status, "fin": certificate.subject, "bitme": until});
    match request.fault {
        Some(Fault::WrongType) => out["status"] = 1.into(),
        Some(Fault::Undeclared) => out["merkez"] = "TEST-MHM".into(),
        _ => {}
    }
    out
}

/// `GET /poct/v1/sobeler?erazi=…`.
fn branches(registers: &Registers, request: &Request<'_>, path: &str) -> Result<Answer, Answer> {
    if path != "/poct/v1/sobeler" {
        return Err(register::no_such_address());
    }
    register::get(request)?;
    let [territory] = register::query(request, ["erazi"])?;
    if territory.len() != 8 || !territory.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    committed(request, "sobeler")?;
    let own = |branch: &&Branch| *branch.territory_code == *territory;
    let found: Vec<&Branch> = match request.fault {
        Some(Fault::WrongPerson) => registers.branches.iter().filter(|branch| !own(branch)).take(1).collect(),
        _ => registers.branches.iter().filter(own).collect(),
    };
    let told = found.first().map_or(&*territory, |branch| &branch.territory_code);
    let list: Vec<Value> = found.iter().map(|branch| write_branch(branch, request.fault)).collect();
    Ok(answer(StatusCode::OK, &json!({"erazi_kodu": told, "sobeler": list})))
}

fn write_branch(branch: &Branch, fault: Option<Fault>) -> Value {
    let mut out = json!({
        "sobe_kodu": branch.code,
        "ad": branch.name,
        "unvan": branch.address,
        "muraciet_qebulu": branch.accepts_applications,
    });
    match fault {
        Some(Fault::WrongType) => out["muraciet_qebulu"] = "bəli".into(),
        Some(Fault::Undeclared) => out["mudir"] = "Sınaqov N.".into(),
        _ => {}
    }
    out
}
