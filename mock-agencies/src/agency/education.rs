//! Ministry of Education: REST JSON (agency catalogue, `education.enrolment` and `education.qualification`).

use std::sync::Arc;

use http::StatusCode;
use http::request::Parts;

use super::json::{committed, fin, json, manat, optional, query, receive, text};
use super::{Answer, Request};
use crate::fault::Fault;
use crate::personas::{Diploma, Enrolment, EnrolmentStatus, Funding, Learning, Level, Personas, StudyForm};

pub(super) const SERVICES: &[&str] = &["enrolment", "qualification"];

/// The agency.
pub(crate) struct Education {
    personas: Arc<Personas>,
}

#[derive(Clone, Copy)]
enum Route {
    Enrolment,
    Qualification,
}

fn route(path: &str) -> Option<Route> {
    match path {
        "/tehsil/v2/telebeler" => Some(Route::Enrolment),
        "/tehsil/v2/senedler" => Some(Route::Qualification),
        _ => None,
    }
}

/// Told by the path.
pub(super) fn service(head: &Parts, _body: &[u8]) -> Option<usize> {
    route(head.uri.path()).map(|route| route as usize)
}

impl Education {
    pub(super) fn new(personas: &Arc<Personas>) -> Self {
        Self { personas: Arc::clone(personas) }
    }

    pub(super) fn answer(&self, request: &Request<'_>) -> Answer {
        self.try_answer(request).unwrap_or_else(|refusal| refusal)
    }

    fn try_answer(&self, request: &Request<'_>) -> Result<Answer, Answer> {
        let route = receive(request, route(request.head.uri.path()))?;
        let [asked] = query(request, ["fin"])?;
        let asked = fin(&asked)?;
        let list = match route {
            Route::Enrolment => "qeydiyyatlar",
            Route::Qualification => "senedler",
        };
        committed(request, list)?;
        let written = |learning: &Learning| -> Vec<String> {
            match route {
                Route::Enrolment => learning.enrolments.iter().map(|own| enrolment(own, request.fault)).collect(),
                Route::Qualification => learning.diplomas.iter().map(|own| diploma(own, request.fault)).collect(),
            }
        };
        let (named, learning) = self.learning(asked, request.fault, |learning| !written(learning).is_empty());
        let items = learning.map(written).filter(|_| request.fault != Some(Fault::EmptyList)).unwrap_or_default();
        let paper = matches!(route, Route::Qualification) && items.is_empty() && learning.is_some_and(|learning| learning.paper_archive);
        let archive = if paper { ",\"arxiv\":\"kagiz\"" } else { "" };
        let more = if request.fault == Some(Fault::Undeclared) { ",\"telefon\":\"+994 00 000 00 00\"" } else { "" };
        Ok(json(StatusCode::OK, format!("{{\"fin\":{},\"{list}\":[{}]{archive}{more}}}", text(named), items.join(","))))
    }

    /// What is known of who was asked about; under [`Fault::WrongPerson`] of another of whom something is known as well, or
    /// nothing as well.
    fn learning<'a>(&'a self, asked: &'a str, fault: Option<Fault>, has: impl Fn(&Learning) -> bool) -> (&'a str, Option<&'a Learning>) {
        let own = self.personas.learning().get(asked);
        if fault == Some(Fault::WrongPerson) {
            let had = own.is_some_and(&has);
            let mut others = self.personas.people().filter(|person| *person.fin != *asked);
            let like = others.find(|person| self.personas.learning().get(&person.fin).is_some_and(&has) == had);
            return like.map_or((asked, own), |person| (&*person.fin, self.personas.learning().get(&person.fin)));
        }
        (asked, own)
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::PreSchool => "mektebeqeder",
        Level::General => "umumi",
        Level::Vocational => "pese",
        Level::SecondarySpecial => "orta-ixtisas",
        Level::Bachelor => "bakalavr",
        Level::Master => "magistr",
        Level::Doctoral => "doktorantura",
    }
}

fn enrolment(own: &Enrolment, fault: Option<Fault>) -> String {
    let form = match own.form {
        StudyForm::FullTime => "eyani",
        StudyForm::PartTime => "qiyabi",
    };
    let funding = match own.funding {
        Funding::State => "dovlet",
        Funding::Paid => "odenisli",
    };
    let status = match own.status {
        EnrolmentStatus::Active => "oxuyur",
        EnrolmentStatus::AcademicLeave => "akademik-mezuniyyet",
        EnrolmentStatus::Expelled => "xaric",
        EnrolmentStatus::Graduated => "mezun",
    };
    let status = if fault == Some(Fault::WrongType) { "7".to_owned() } else { text(status) };
    let fee = own.fee_qapik.map_or_else(|| "null".to_owned(), manat);
    let until = own.until.map(|until| until.to_string());
    format!(
        "{{\"muessise_kodu\":{},\"muessise_adi\":{},\"pille\":\"{}\",\"forma\":\"{form}\",\"maliyye\":\"{funding}\",\"tehsil_haqqi\":{fee},\
         \"qebul_tarixi\":\"{}\",\"bitme_tarixi\":{},\"status\":{status}}}",
        text(&own.institution),
        text(&own.name),
        level(own.level),
        own.on,
        optional(until.as_deref())
    )
}

fn diploma(own: &Diploma, fault: Option<Fault>) -> String {
    let on = if fault == Some(Fault::WrongType) { format!("\"{}\"", own.on.year()) } else { format!("\"{}\"", own.on) };
    format!(
        "{{\"senedin_nomresi\":{},\"pille\":\"{}\",\"ixtisas_kodu\":{},\"bitirme_tarixi\":{on}}}",
        text(&own.number),
        level(own.level),
        text(&own.speciality)
    )
}
