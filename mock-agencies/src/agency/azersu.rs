//! Azərsu: SOAP 1.1 (agency catalogue, `azersu.consumption`).

use http::StatusCode;
use http::request::Parts;

use super::{Answer, Request};
use crate::personas::Personas;

pub(super) const SERVICES: &[&str] = &["consumption"];

/// The agency.
pub(crate) struct Azersu;

pub(super) fn service(_head: &Parts, _body: &[u8]) -> Option<usize> {
    None
}

impl Azersu {
    pub(super) fn new(_personas: &Personas) -> Self {
        Self
    }

    pub(super) fn answer(&self, _request: &Request<'_>) -> Answer {
        Answer::new(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "not found\n")
    }
}
