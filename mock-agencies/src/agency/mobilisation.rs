//! State Service for Mobilisation and Conscription: SOAP 1.1 (agency catalogue, `mobilisation.service-status`).

use std::sync::Arc;

use http::StatusCode;
use http::request::Parts;
use jiff::civil::Date;

use super::soap::{self, dotted};
use super::soap11::Endpoint;
use super::{Answer, Request};
use crate::fault::Fault;
use crate::personas::{MilitaryRecord, Personas, RegisterStatus};
use crate::xml;

pub(super) const SERVICES: &[&str] = &["service-status"];

const REGISTER: Endpoint = Endpoint {
    path: "/herbi-ucot",
    namespace: "urn:seferberlik:ucot",
    operations: &[("urn:seferberlik:ucot/HerbiUcotSorgusu", "HerbiUcotSorgusu")],
};

/// The agency.
pub(crate) struct Mobilisation {
    personas: Arc<Personas>,
}

pub(super) fn service(head: &Parts, _body: &[u8]) -> Option<usize> {
    REGISTER.operation(head)
}

impl Mobilisation {
    pub(super) fn new(personas: &Arc<Personas>) -> Self {
        Self { personas: Arc::clone(personas) }
    }

    pub(super) fn answer(&self, request: &Request<'_>) -> Answer {
        self.try_answer(request).unwrap_or_else(|refusal| refusal)
    }

    fn try_answer(&self, request: &Request<'_>) -> Result<Answer, Answer> {
        let question = REGISTER.receive(request)?;
        let [("Fin", fin)] = *REGISTER.inputs(&question)? else { return Err(REGISTER.client("Fin tələb olunur")) };
        let fin = REGISTER.fin(fin)?;
        REGISTER.committed(request)?;
        let record = self.personas.military().get_key_value(fin);
        let other = || {
            self.personas
                .people()
                .filter(|person| *person.fin != *fin)
                .find_map(|person| self.personas.military().get_key_value(&person.fin))
        };
        let record = if request.fault == Some(Fault::WrongPerson) { record.and_then(|_| other()) } else { record };
        let Some((fin, record)) = record else {
            return Err(REGISTER.fault(StatusCode::INTERNAL_SERVER_ERROR, "n:UcotdaYoxdur", "Şəxs uçotda deyil"));
        };
        let (doctype, fin) = soap::hostile(request.fault).unwrap_or_else(|| (String::new(), fin.to_string()));
        Ok(REGISTER.reply(&doctype, "HerbiUcotCavabi", &write(&fin, record, request.fault)))
    }
}

/// `fin` is XML already.
fn write(fin: &str, record: &MilitaryRecord, fault: Option<Fault>) -> String {
    let status = match record.status {
        RegisterStatus::PreConscript => "1",
        RegisterStatus::Conscript => "2",
        RegisterStatus::Reserve => "3",
        RegisterStatus::Removed => "4",
    };
    let date = |date: Option<Date>| date.map_or_else(|| "-".to_owned(), dotted);
    let mut out = format!("<n:Ucot><n:Fin>{fin}</n:Fin>");
    xml::put(&mut out, "n:UcotStatusu", if fault == Some(Fault::WrongType) { "ehtiyatda" } else { status });
    xml::put(&mut out, "n:XidmetBaslama", &date(record.from));
    xml::put(&mut out, "n:XidmetBitme", &date(record.to));
    xml::put(&mut out, "n:HazirdaXidmetde", if record.serving { "1" } else { "0" });
    xml::put(&mut out, "n:MohletTarixi", &date(record.deferred_until));
    xml::put(&mut out, "n:MohletEsasi", record.ground.as_deref().unwrap_or("-"));
    let ticket = if fault == Some(Fault::TicketReissued) { format!("{}-2", record.ticket) } else { record.ticket.to_string() };
    xml::put(&mut out, "n:HerbiBiletNo", &ticket);
    if fault == Some(Fault::Undeclared) {
        xml::put(&mut out, "n:SaglamliqQrupu", "TEST-1");
    }
    out.push_str("</n:Ucot>");
    out
}
