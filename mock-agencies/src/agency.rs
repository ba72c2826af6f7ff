//! The agencies that are played, and what all of them share: a request in, an answer out.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;
use jiff::civil::Date;

use crate::fault::Fault;
use crate::personas::Personas;

mod azerishiq;
mod interior;
mod soap;
mod taxes;

/// An agency that can be played (agency catalogue, section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AgencyCode {
    /// Ministry of Internal Affairs, behind its X-Road security server (X-Road SOAP 4.0).
    Interior,
    /// Ministry of Taxes (SOAP 1.2 with WS-Addressing).
    Taxes,
    /// Azərişıq (REST JSON).
    Azerishiq,
}

impl AgencyCode {
    /// Every agency, in the catalogue's order.
    pub const ALL: [Self; 3] = [Self::Interior, Self::Taxes, Self::Azerishiq];

    /// The provider code of the catalogue, such as `interior`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Interior => "interior",
            Self::Taxes => "taxes",
            Self::Azerishiq => "azerishiq",
        }
    }

    /// The names of the services it offers, as `GET /calls` and `PUT /faults` know them.
    #[must_use]
    pub fn services(self) -> &'static [&'static str] {
        match self {
            Self::Interior => &["person-identity"],
            Self::Taxes => &["person-income"],
            Self::Azerishiq => &["subscriber", "consumption"],
        }
    }
}

impl fmt::Display for AgencyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for AgencyCode {
    type Err = UnknownAgency;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|code| code.as_str() == text).ok_or(UnknownAgency)
    }
}

/// A text that names no agency this crate can play.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such mock agency; accepted: interior, taxes, azerishiq")]
pub struct UnknownAgency;

/// One agency with everything it answers from, prepared once at start.
pub(crate) enum Agency {
    Interior(interior::Interior),
    Taxes(taxes::Taxes),
    Azerishiq(azerishiq::Azerishiq),
}

impl Agency {
    pub(crate) fn new(code: AgencyCode, personas: &Personas) -> Self {
        match code {
            AgencyCode::Interior => Self::Interior(interior::Interior::new(personas)),
            AgencyCode::Taxes => Self::Taxes(taxes::Taxes::new(personas)),
            AgencyCode::Azerishiq => Self::Azerishiq(azerishiq::Azerishiq::new(personas)),
        }
    }

    /// Which service (its place in [`AgencyCode::services`]) a request is for, told from its head alone.
    pub(crate) fn service(&self, head: &Parts) -> Option<usize> {
        match self {
            Self::Interior(_) => interior::service(head),
            Self::Taxes(_) => taxes::service(head),
            Self::Azerishiq(_) => azerishiq::service(head),
        }
    }

    /// The answer to a request. Pure: the same request, fault and day give the same answer, but for
    /// message identifiers. A wrong request gets its refusal whatever the fault.
    pub(crate) fn answer(&self, request: &Request<'_>) -> Answer {
        match self {
            Self::Interior(agency) => agency.answer(request),
            Self::Taxes(agency) => agency.answer(request),
            Self::Azerishiq(agency) => agency.answer(request),
        }
    }
}

/// A request, wholly read.
pub(crate) struct Request<'a> {
    pub(crate) head: &'a Parts,
    pub(crate) body: &'a [u8],
    /// The fault to commit in the answer's content; those of the line are the server's to commit.
    pub(crate) fault: Option<Fault>,
    /// The day in Baku.
    pub(crate) today: Date,
}

impl Request<'_> {
    /// A header's text, `None` when absent or not visible ASCII.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name)?.to_str().ok()
    }
}

/// An answer before it goes on the line.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: &'static str,
    /// Further headers, such as `Retry-After`.
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn new(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self { status, content_type, headers: Vec::new(), body: body.into() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// Parses a `Content-Type` into its media type (lower-case) and parameters (names lower-case, quotes
/// taken off). `None` when it is not of that form.
pub(crate) fn media_type(text: &str) -> Option<(String, Vec<(String, String)>)> {
    let mut parts = split_outside_quotes(text, ';').into_iter();
    let media = parts.next()?.trim().to_ascii_lowercase();
    let mut parameters = Vec::new();
    for part in parts {
        let (name, value) = part.split_once('=')?;
        let value = value.trim();
        let value = value.strip_prefix('"').map_or(Some(value), |rest| rest.strip_suffix('"'))?;
        parameters.push((name.trim().to_ascii_lowercase(), value.to_owned()));
    }
    Some((media, parameters))
}

fn split_outside_quotes(text: &str, separator: char) -> Vec<&str> {
    let mut quoted = false;
    text.split(move |c: char| {
        quoted ^= c == '"';
        c == separator && !quoted
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agencies_are_named_as_in_the_catalogue() {
        for code in AgencyCode::ALL {
            assert_eq!(code.as_str().parse(), Ok(code));
        }
        assert_eq!("justice".parse::<AgencyCode>(), Err(UnknownAgency));
    }

    #[test]
    fn a_media_type_keeps_quoted_separators() {
        let (media, parameters) = media_type("Application/SOAP+xml; charset=utf-8; action=\"urn:a;b\"").expect("valid");
        assert_eq!(media, "application/soap+xml");
        assert_eq!(parameters[1], ("action".to_owned(), "urn:a;b".to_owned()));
        assert!(media_type("text/xml; charset=\"utf-8").is_none());
    }
}
