//! Placeholder until the wire form lands.
use http::StatusCode;
use http::request::Parts;

use super::{Answer, Request};
use crate::personas::Personas;

pub(crate) struct Interior;

impl Interior {
    pub(crate) fn new(_: &Personas) -> Self {
        Self
    }

    pub(crate) fn answer(&self, _: &Request<'_>) -> Answer {
        Answer::new(StatusCode::NOT_IMPLEMENTED, "text/plain", "")
    }
}

pub(crate) fn service(_: &Parts) -> Option<usize> {
    None
}
