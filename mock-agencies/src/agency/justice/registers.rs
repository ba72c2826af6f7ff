//! What stands behind the REST services: Elektron notariat and Elektron icra.

use http::StatusCode;
use jiff::civil::Date;
use serde_json::{Map, Value, json};

use crate::agency::xroad::register::{self, answer, committed, is_fin, wrong};
use crate::agency::{Answer, Request};
use crate::fault::Fault;
use crate::personas::{Application, Personas, Relation, Writ, WritKind, WritStatus};

/// `GET /v1/erizeler/{nomre}?temsilci_fin=…`: a notarised application, for its own representative alone.
pub(super) fn application(personas: &Personas, request: &Request<'_>, path: &str) -> Result<Answer, Answer> {
    let number = register::resource(request, path, "/v1/erizeler/", "")?;
    let [fin] = register::query(request, ["temsilci_fin"])?;
    if !is_fin(&fin) {
        return Err(wrong());
    }
    committed(request, "uzvler")?;
    let own = personas.applications().find(|application| *application.number == *number && *application.representative == *fin);
    let found = match request.fault {
        Some(Fault::WrongPerson) => personas.applications().find(|application| *application.representative != *fin),
        _ => own,
    };
    let found = found.ok_or_else(|| register::not_found("ERIZE_TAPILMADI"))?;
    Ok(answer(StatusCode::OK, &json!({"erize": write_application(found, request.today, request.fault)})))
}

/// `GET /v1/borclular/{fin}`: the writs against a person.
pub(super) fn debts(personas: &Personas, request: &Request<'_>, path: &str) -> Result<Answer, Answer> {
    let fin = register::resource(request, path, "/v1/borclular/", "")?;
    if request.head.uri.query().is_some() || !is_fin(&fin) {
        return Err(wrong());
    }
    committed(request, "icraatlar")?;
    let own = personas.by_fin(&fin);
    // Who owes nothing is answered with another who owes nothing.
    let owes_nothing = own.is_none_or(|person| person.writs.is_empty());
    let person = match request.fault {
        Some(Fault::WrongPerson) => personas.people().find(|other| *other.fin != *fin && (!owes_nothing || other.writs.is_empty())),
        _ => own,
    };
    let writs = person.map(|person| person.writs.as_slice()).unwrap_or_default();
    let mut body = Map::new();
    body.insert("fin".to_owned(), person.map_or(&*fin, |person| &person.fin).into());
    if request.fault == Some(Fault::Undeclared) {
        body.insert("is_yeri".to_owned(), "Nümunə MMC".into());
    }
    let writs: Vec<_> = writs.iter().map(|writ| write_writ(writ, request.fault)).collect();
    body.insert("icraatlar".to_owned(), if request.fault == Some(Fault::WrongType) { "çox".into() } else { writs.into() });
    Ok(answer(StatusCode::OK, &Value::Object(body)))
}

fn write_application(application: &Application, today: Date, fault: Option<Fault>) -> Value {
    let relation = |relation| match relation {
        Relation::Spouse => "HY",
        Relation::Child => "OV",
        Relation::Parent => "VA",
        Relation::Sibling => "BQ",
        Relation::Other => "DG",
    };
    let members = application.members.iter();
    let members: Vec<_> = members.map(|member| json!({"uzv_fin": member.fin, "qohumluq_kodu": relation(member.relation)})).collect();
    let mut out = json!({
        "erize_nomresi": application.number,
        "tesdiq_tarixi": application.notarised_on.seen_from(today).to_string(),
        "etibarliliq_tarixi": application.valid_until(today).to_string(),
        "temsilci_fin": application.representative,
        "uzvler": members,
        "arayis_nomresi": application.certificate,
    });
    if fault == Some(Fault::WrongType) {
        out["tesdiq_tarixi"] = 20_260_302.into();
    }
    if fault == Some(Fault::Undeclared) {
        out["notarius"] = "Sınaqov N.".into();
    }
    out
}

fn write_writ(writ: &Writ, fault: Option<Fault>) -> Value {
    let kind = match writ.kind {
        WritKind::Alimony => "ALIMENT",
        WritKind::Loan => "KREDIT",
        WritKind::Fine => "CERIME",
        WritKind::Other => "DIGER",
    };
    let status = match writ.status {
        WritStatus::Open => "ACIQ",
        WritStatus::Closed => "BAGLI",
        WritStatus::Suspended => "DAYANDIRILIB",
    };
    let mut out = json!({
        "icra_senedi_no": writ.number,
        "borc_novu": kind,
        "qaliq": format!("{}.{:02}", writ.outstanding_qapik / 100, writ.outstanding_qapik % 100),
        "tutulma_faizi": f64::from(writ.deduction_basis_points) / 100.0,
        "baslanma": writ.opened_on.to_string(),
        "status": status,
    });
    if fault == Some(Fault::Undeclared) {
        out["tələbkar"] = "Örnək".into();
    }
    out
}
