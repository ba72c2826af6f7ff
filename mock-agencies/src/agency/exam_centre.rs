//! State Examination Centre: REST JSON with a key in a header (agency catalogue, `exam-centre.admission-result`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::StatusCode;
use http::request::Parts;

use super::json::{committed, fin, json, optional, query, receive, text, year};
use super::{Answer, Request};
use crate::fault::Fault;
use crate::personas::{ExamKind, ExamResult, Personas};

/// The key that the centre takes.
pub const EXAM_CENTRE_KEY: &str = "TEST-key-of-this-year-7d1f0c";
/// The one that it takes from the day on which it changes keys ([`Fault::KeyRotated`]), and the other no more.
pub const EXAM_CENTRE_NEXT_KEY: &str = "TEST-key-of-next-year-a94e22";

pub(super) const SERVICES: &[&str] = &["admission-result"];

const PATH: &str = "/neticeler";

/// The agency.
pub(crate) struct ExamCentre {
    personas: Arc<Personas>,
    rotated: AtomicBool,
}

/// The one service has one address.
pub(super) fn service(head: &Parts, _body: &[u8]) -> Option<usize> {
    (head.uri.path() == PATH).then_some(0)
}

impl ExamCentre {
    pub(super) fn new(personas: &Arc<Personas>) -> Self {
        Self { personas: Arc::clone(personas), rotated: AtomicBool::new(false) }
    }

    pub(super) fn answer(&self, request: &Request<'_>) -> Answer {
        self.try_answer(request).unwrap_or_else(|refusal| refusal)
    }

    fn try_answer(&self, request: &Request<'_>) -> Result<Answer, Answer> {
        receive(request, (request.head.uri.path() == PATH).then_some(()))?;
        // Once and for all: a centre does not go back to a key it has given up.
        if request.fault == Some(Fault::KeyRotated) {
            self.rotated.store(true, Ordering::Relaxed);
        }
        let key = if self.rotated.load(Ordering::Relaxed) { EXAM_CENTRE_NEXT_KEY } else { EXAM_CENTRE_KEY };
        let mut keys = request.head.headers.get_all("x-api-key").iter();
        let right = keys.next().is_some_and(|own| own.as_bytes() == key.as_bytes()) && keys.next().is_none();
        if !right || request.fault == Some(Fault::KeyRefused) {
            return Err(json(StatusCode::UNAUTHORIZED, r#"{"xeta":"acar_yanlisdir"}"#));
        }
        let [asked, il] = query(request, ["fin", "il"])?;
        let (asked, year) = (fin(&asked)?, year(&il)?);
        committed(request, "netice")?;
        let of_year = |own: &&ExamResult| request.today.year() - i16::try_from(own.years_ago).unwrap_or(i16::MAX) == year;
        let result = |fin: &str| self.personas.exams().get(fin)?.iter().find(of_year);
        let mut named = asked;
        if request.fault == Some(Fault::WrongPerson) && result(asked).is_some() {
            let mut others = self.personas.people().map(|person| &*person.fin).filter(|fin| *fin != asked);
            named = others.find(|fin| result(fin).is_some()).unwrap_or(asked);
        }
        match result(named) {
            Some(result) => Ok(json(StatusCode::OK, format!("{{\"netice\":{}}}", write(named, result, request.fault)))),
            None => Err(json(StatusCode::NOT_FOUND, r#"{"xeta":"netice_yoxdur"}"#)),
        }
    }
}

fn write(fin: &str, own: &ExamResult, fault: Option<Fault>) -> String {
    let kind = match own.kind {
        ExamKind::Graduation => "buraxilis",
        ExamKind::Admission => "qebul",
        ExamKind::Master => "magistratura",
        ExamKind::Recruitment => "dovlet-qullugu",
    };
    let score = match fault {
        Some(Fault::ScoreRevised) => format!("1{}", own.score),
        Some(Fault::WrongType) => "\"yüksək\"".to_owned(),
        _ => own.score.to_string(),
    };
    let more = if fault == Some(Fault::Undeclared) { ",\"zal\":\"TEST-12\",\"apellyasiya\":false" } else { "" };
    format!(
        "{{\"fin\":{},\"imtahan_novu\":\"{kind}\",\"is_nomresi\":{},\"bal\":{score},\"qebul\":\"{}\",\"muessise_kodu\":{},\"ixtisas_kodu\":{},\"dovlet_sifarisi\":{}{more}}}",
        text(fin),
        text(&own.work_no),
        if own.admitted { "H" } else { "Y" },
        optional(own.institution.as_deref()),
        optional(own.speciality.as_deref()),
        own.state_order
    )
}
