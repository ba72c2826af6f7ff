//! How the demo asks each service: as which consumer, about whom, with what. The ready-made requests, `try` and the
//! tests ask alike.

use std::cmp::Reverse;

use jiff::ToSpan as _;
use mock_agencies::{Family, OCCUPATIONS_VERSION, Personas, TERRITORIES_VERSION};
use model::contract::SubjectForm;
use model::{Service, Snapshot, Type};
use serde_json::{Value as Json, json};

use super::{CONSUMER, OFFICIAL, consents, dossier_inputs, month_ago, role, subject_of};
use crate::clock;

/// The purpose that the demo asks for where it may choose.
pub const PURPOSE: &str = "adsy-means-test";

/// The occupation that is looked up: an accountant.
const OCCUPATION: &str = "TEST-2411";

/// The right by which the demo asks a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Right {
    /// Who asks.
    pub consumer: String,
    /// For what; the purpose of the case.
    pub purpose: String,
    /// In which role.
    pub role: String,
    /// Whether the answer is a yes or no.
    pub boolean: bool,
}

impl Right {
    /// The demo's own right where it has one, else that of another consumer: fields rather than a yes or no, the role
    /// of a person who may see most rather than a robot's. `None` where nobody may ask.
    #[must_use]
    pub fn to_ask(snapshot: &Snapshot, service: &Service) -> Option<Self> {
        let all = snapshot.consumers.values().flat_map(|consumer| consumer.grants.iter().map(move |grant| (consumer, grant)));
        let all = all.filter(|(_, grant)| grant.service == service.id);
        // Of equals the first.
        let (consumer, grant) = all.min_by_key(|(consumer, grant)| (consumer.id.as_str() != CONSUMER, grant.answer.is_some()))?;
        let usual = grant.purposes.iter().find(|purpose| purpose.as_str() == PURPOSE);
        let roles = grant.roles.iter().filter_map(|id| Some((id, consumer.roles.get(id)?)));
        let (role, _) = roles.min_by_key(|(_, role)| (role.automated, Reverse(role.class_max)))?;
        Some(Self {
            consumer: consumer.id.to_string(),
            purpose: usual.or(grant.purposes.first())?.to_string(),
            role: role.to_string(),
            boolean: grant.answer.is_some(),
        })
    }

    /// An envelope of this right.
    #[must_use]
    pub fn envelope(&self, sample: &Sample<'_>, case: &str) -> Json {
        json!({
            "subject": sample.subject, "input": sample.input, "purpose": self.purpose, "case": case, "official": OFFICIAL,
            "role": self.role, "assertion": null, "on_behalf_of": null, "consent": consents(sample.family),
        })
    }

    /// What opens a case of this right for a family and whom else it is about.
    #[must_use]
    pub fn case(&self, family: &Family, about: &[Json], case: &str) -> Json {
        let mut persons: Vec<Json> =
            family.members.iter().map(|member| json!({"subject": {"fin": &*member.fin}, "role": role(member.role)})).collect();
        for subject in about.iter().filter(|subject| !subject.is_null()) {
            if persons.iter().all(|person| person["subject"] != *subject) {
                persons.push(json!({"subject": subject, "role": "other"}));
            }
        }
        json!({"case": case, "purpose": self.purpose, "persons": persons})
    }
}

/// Whom a service is asked about, and with what.
#[derive(Debug, Clone)]
pub struct Sample<'a> {
    /// The family of the case.
    pub family: &'a Family,
    /// The subject; null where the service asks about nobody.
    pub subject: Json,
    /// The inputs that can be told beforehand.
    pub input: Json,
}

impl<'a> Sample<'a> {
    /// A question about a family's applicant, or about the child in somebody's care.
    #[must_use]
    pub fn of(snapshot: &Snapshot, service: &Service, personas: &Personas, family: &'a Family) -> Self {
        let about = subject_of(service.id.as_str(), personas, family);
        let subject = match service.subject.first() {
            None => Json::Null,
            Some(SubjectForm::Fin | SubjectForm::Document | SubjectForm::Tin) => json!({"fin": about}),
            Some(SubjectForm::Pin) => json!({"pin": about}),
        };
        Self { family, subject, input: inputs(snapshot, service, personas, family) }
    }
}

/// The inputs of a service that can be told beforehand: months and days up to now, what the family has to name, the
/// codes whose rows the grants cover.
fn inputs(snapshot: &Snapshot, service: &Service, personas: &Personas, family: &Family) -> Json {
    let right = Right::to_ask(snapshot, service);
    let grants = snapshot.consumers.values().filter(|consumer| right.as_ref().is_some_and(|right| consumer.id.as_str() == right.consumer));
    let grants: Vec<_> = grants.flat_map(|consumer| &consumer.grants).filter(|grant| grant.service == service.id).collect();
    let rules = || grants.iter().flat_map(|grant| grant.rows.iter());
    let named = named(service, personas, family);
    let window = service.window.as_ref();
    let mut inputs = json!({});
    for input in service.inputs.iter().filter(|input| input.required && input.comes_from.is_none()) {
        let back = match window {
            Some(window) if window.from == input.name => i64::from(window.months_max),
            _ => i64::from(input.kind == Type::Month),
        };
        inputs[&*input.name] = match input.kind {
            Type::Month => json!(month_ago(back)),
            // The whole numbers that services ask with are years; of the last whole one every source has something.
            Type::Int => json!(model::time::day(clock::now()).year() - 1),
            Type::Date => json!(model::time::day(clock::now()).saturating_sub(back.months()).to_string()),
            Type::Code => {
                let granted = |code: &&str| rules().filter(|rule| rule.input.as_ref() == Some(&input.name)).all(|rule| rule.allows(code));
                let codes: Vec<&str> = input.codes.iter().map(|code| &**code).filter(granted).collect();
                if input.list_max.is_some() { json!(codes) } else { json!(codes.first()) }
            }
            _ => named[&*input.name].clone(),
        };
    }
    inputs
}

/// What a family would state or show: its application and number, its territory, the certificate it signs with. For
/// a classifier the code that is looked up, and the version in force.
fn named(service: &Service, personas: &Personas, family: &Family) -> Json {
    let applicant = family.applicant();
    let mut named = dossier_inputs(personas, family);
    named["case_no"] = json!(personas.migration().cases.keys().next());
    named["opinion_ground"] = json!("Sınaq əsası");
    (named["code"], named["version"]) = match service.id.as_str() {
        "statistics/territory-classifier" => (named["territory_code"].clone(), json!(TERRITORIES_VERSION)),
        "statistics/occupation-and-activity" => (json!(OCCUPATION), json!(OCCUPATIONS_VERSION)),
        _ => (Json::Null, Json::Null),
    };
    named["certificate_serial"] = json!(personas.digital().certificate_of(&applicant.fin));
    named
}
