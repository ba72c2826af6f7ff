//! What stands behind the REST services: Elektron notariat and Elektron icra.

use http::{Method, StatusCode};
use jiff::civil::Date;
use model::Profile;
use serde_json::{Map, Value, json};

use crate::agency::soap::DEEP;
use crate::agency::{Answer, Request, percent_decoded};
use crate::fault::Fault;
use crate::personas::{Application, Personas, Relation, Writ, WritKind, WritStatus};

const CONTENT_TYPE: &str = "application/json; charset=utf-8";

/// `GET /v1/erizeler/{nomre}?temsilci_fin=…`: a notarised application, for its own representative alone.
pub(super) fn application(personas: &Personas, request: &Request<'_>, path: &str) -> Result<Answer, Answer> {
    let number = resource(request, path, "/v1/erizeler/")?;
    let query = request.head.uri.query().and_then(|query| query.strip_prefix("temsilci_fin=")).and_then(percent_decoded);
    let fin = query.filter(|fin| is_fin(fin)).ok_or_else(wrong)?;
    committed(request, "uzvler")?;
    let own = personas.applications().find(|application| *application.number == *number && *application.representative == *fin);
    let found = match request.fault {
        Some(Fault::WrongPerson) => personas.applications().find(|application| *application.representative != *fin),
        _ => own,
    };
    let found = found.ok_or_else(|| json_answer(StatusCode::NOT_FOUND, &json!({"kod": "ERIZE_TAPILMADI"})))?;
    Ok(json_answer(StatusCode::OK, &json!({"erize": write_application(found, request.today, request.fault)})))
}

/// `GET /v1/borclular/{fin}`: the writs against a person.
pub(super) fn debts(personas: &Personas, request: &Request<'_>, path: &str) -> Result<Answer, Answer> {
    let fin = resource(request, path, "/v1/borclular/")?;
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
    Ok(json_answer(StatusCode::OK, &Value::Object(body)))
}

/// The last segment of a right question's path, decoded.
fn resource(request: &Request<'_>, path: &str, below: &str) -> Result<String, Answer> {
    let name = path.strip_prefix(below).filter(|name| !name.is_empty() && !name.contains('/'));
    let name = name.ok_or_else(|| json_answer(StatusCode::NOT_FOUND, &json!({"kod": "UNVAN_TAPILMADI"})))?;
    if request.head.method != Method::GET {
        return Err(json_answer(StatusCode::METHOD_NOT_ALLOWED, &json!({"kod": "METOD_YANLISDIR"})).with("allow", "GET"));
    }
    let name = percent_decoded(name).filter(|name| name.chars().count() <= 64).ok_or_else(wrong)?;
    if request.body.is_empty() { Ok(name) } else { Err(wrong()) }
}

fn is_fin(text: &str) -> bool {
    Profile::Test.accepts_fin(text) || Profile::Production.accepts_fin(text)
}

/// The faults of the registers themselves; the request was right. `list` is the key of the answer's list.
fn committed(request: &Request<'_>, list: &str) -> Result<(), Answer> {
    let broken = json!({"kod": "DAXILI_XETA"});
    match request.fault {
        Some(Fault::Error) => Err(json_answer(StatusCode::INTERNAL_SERVER_ERROR, &broken)),
        Some(Fault::FaultIn200) => Err(json_answer(StatusCode::OK, &broken)),
        Some(Fault::RetryAfter) => {
            let refusal = json_answer(StatusCode::TOO_MANY_REQUESTS, &json!({"kod": "LIMIT_ASILDI"}));
            Err(refusal.with("retry-after", "2"))
        }
        Some(Fault::DeepNesting) => {
            let nested = format!("{{\"{list}\":{}{}}}", "[".repeat(DEEP), "]".repeat(DEEP));
            Err(Answer::new(StatusCode::OK, CONTENT_TYPE, nested))
        }
        _ => Ok(()),
    }
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

fn wrong() -> Answer {
    json_answer(StatusCode::BAD_REQUEST, &json!({"kod": "SORGU_YANLISDIR"}))
}

fn json_answer(status: StatusCode, body: &Value) -> Answer {
    Answer::new(status, CONTENT_TYPE, body.to_string())
}
