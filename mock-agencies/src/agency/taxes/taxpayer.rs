//! `OdeyiciStatusu`: who is a taxpayer (agency catalogue, `taxes.taxpayer-status`).

use std::collections::HashMap;

use jiff::civil::Date;
use model::Profile;

use super::{Operation, Received, committed};
use crate::agency::{Answer, Request, soap};
use crate::fault::Fault;
use crate::personas::{Personas, TaxpayerStatus};
use crate::xml;

pub(super) const OPERATION: Operation = Operation { path: "/odeyici", name: "OdeyiciStatusu", namespace: "urn:vergiler:odeyici:v1" };

/// Every taxpayer, written beforehand: persons and companies.
pub(super) struct Taxpayers {
    records: Vec<Record>,
    by_tin: HashMap<Box<str>, usize>,
    by_fin: HashMap<Box<str>, usize>,
}

struct Record {
    plain: String,
    /// With an element no contract declares.
    undeclared: String,
    /// With a count that is none.
    wrong_type: String,
}

impl Taxpayers {
    pub(super) fn new(personas: &Personas) -> Self {
        let mut own = Self { records: Vec::new(), by_tin: HashMap::new(), by_fin: HashMap::new() };
        for company in personas.companies() {
            let (tin, name, activity) = (&company.tin, &company.name, &company.activity_code);
            let registration = Registration { kind: "1", status: company.status, on: company.registered_on, objects: company.objects };
            own.by_tin.insert(tin.clone(), own.records.len());
            own.records.push(registration.record(tin, name, activity));
        }
        for (person, taxpayer) in personas.people().filter_map(|person| Some((person, person.taxpayer.as_ref()?))) {
            let registration = Registration { kind: "2", status: taxpayer.status, on: taxpayer.registered_on, objects: taxpayer.objects };
            own.by_tin.insert(taxpayer.tin.clone(), own.records.len());
            own.by_fin.insert(person.fin.clone(), own.records.len());
            own.records.push(registration.record(&taxpayer.tin, &person.full_name(), &taxpayer.activity_code));
        }
        own
    }

    pub(super) fn answer(&self, request: &Request<'_>, received: &Received) -> Result<Answer, Answer> {
        let relates = received.relates();
        let place = self.find(received).map_err(|reason| relates.sender("t:SorguYanlisdir", reason))?;
        committed(request, relates)?;
        let Some(record) = place.and_then(|place| self.records.get(place)) else {
            return Err(relates.sender("t:OdeyiciTapilmadi", "Belə vergi ödəyicisi yoxdur"));
        };
        let (doctype, inner) = match (soap::hostile(request.fault), request.fault) {
            (Some((doctype, content)), _) => (doctype, format!("<t:VOEN>{content}</t:VOEN>")),
            (None, Some(Fault::Undeclared)) => (String::new(), record.undeclared.clone()),
            (None, Some(Fault::WrongType)) => (String::new(), record.wrong_type.clone()),
            (None, _) => (String::new(), record.plain.clone()),
        };
        Ok(relates.reply(&doctype, &format!("<t:Odeyici>{inner}</t:Odeyici>")))
    }

    /// The place of the taxpayer that the question names; `None` when it is nobody's.
    fn find(&self, received: &Received) -> Result<Option<usize>, &'static str> {
        match *received.inputs()? {
            [("VOEN", tin)] if Profile::Test.accepts_tin(tin) || Profile::Production.accepts_tin(tin) => Ok(self.by_tin.get(tin).copied()),
            [("FIN", fin)] if Profile::Test.accepts_fin(fin) || Profile::Production.accepts_fin(fin) => Ok(self.by_fin.get(fin).copied()),
            [("VOEN" | "FIN", _)] => Err("VOEN və ya FIN formatı yanlışdır"),
            _ => Err("VOEN, yaxud FIN tələb olunur"),
        }
    }
}

/// What a person's and a company's registrations have in common.
struct Registration {
    /// `1` legal, `2` natural.
    kind: &'static str,
    status: TaxpayerStatus,
    on: Date,
    objects: u32,
}

impl Registration {
    fn record(&self, tin: &str, name: &str, activity: &str) -> Record {
        let status = match self.status {
            TaxpayerStatus::Active => "A",
            TaxpayerStatus::Suspended => "D",
            TaxpayerStatus::Liquidated => "L",
        };
        let write = |objects: &str, more: &str| {
            let mut out = String::new();
            xml::put(&mut out, "t:VOEN", tin);
            xml::put(&mut out, "t:Ad", name);
            xml::put(&mut out, "t:SexsNovu", self.kind);
            xml::put(&mut out, "t:FealiyyetKodu", activity);
            xml::put(&mut out, "t:Status", status);
            xml::put(&mut out, "t:UcotTarixi", &soap::dotted(self.on));
            xml::put(&mut out, "t:ObyektSayi", objects);
            out.push_str(more);
            out
        };
        let objects = self.objects.to_string();
        Record {
            plain: write(&objects, ""),
            undeclared: write(&objects, "<t:HuquqiUnvan>Bakı ş., Sınaq küç. 2</t:HuquqiUnvan><t:Borc>12.30</t:Borc>"),
            wrong_type: write("bir neçə", ""),
        }
    }
}
