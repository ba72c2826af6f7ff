//! Ministry of Justice behind a security server of its own: civil acts over X-Road SOAP, the notary's
//! and the bailiff's registers over X-Road REST (agency catalogue, `justice.*`).

use std::sync::Arc;

use http::request::Parts;

use super::xroad::rest::{self, Published};
use super::{Answer, Request};
use crate::personas::Personas;

mod acts;
mod registers;

pub(super) const SERVICES: &[&str] = &["family-acts", "notarial-application", "enforcement-debt"];

/// The place of the one SOAP service; the REST ones follow in the order they are published in.
const FAMILY_ACTS: usize = 0;
/// Place of the notary's register among the published.
const NOTARY: usize = 0;

/// What the security server publishes for REST, in the order of the agency's services.
const PUBLISHED: Published =
    Published { member_class: "GOV", member_code: "10000004", subsystem: "adliyye", services: &["elektron-notariat", "elektron-icra"] };

/// The agency.
pub(crate) struct Justice {
    personas: Arc<Personas>,
}

/// Told by the path: SOAP at the server's root, REST by the service code in the address.
pub(super) fn service(head: &Parts, _body: &[u8]) -> Option<usize> {
    let path = head.uri.path();
    if path == "/" {
        return Some(FAMILY_ACTS);
    }
    rest::service(path, &PUBLISHED).map(|place| FAMILY_ACTS + 1 + place)
}

impl Justice {
    pub(super) fn new(personas: &Arc<Personas>) -> Self {
        Self { personas: Arc::clone(personas) }
    }

    pub(super) fn answer(&self, request: &Request<'_>) -> Answer {
        let answered = if request.head.uri.path().starts_with("/r") { self.rest(request) } else { acts::answer(&self.personas, request) };
        answered.unwrap_or_else(|refusal| refusal)
    }

    fn rest(&self, request: &Request<'_>) -> Result<Answer, Answer> {
        rest::serve(request, &PUBLISHED, |place, path| {
            let register = if place == NOTARY { registers::application } else { registers::debts };
            register(&self.personas, request, path)
        })
    }
}
