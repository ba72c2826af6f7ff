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
mod xroad;

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
    use proptest::prelude::*;

    use super::*;

    const TODAY: Date = jiff::civil::date(2026, 3, 11);

    /// A right request for each service.
    fn right(code: AgencyCode, service: &str) -> (Parts, Vec<u8>) {
        const IDS: &str = "<i:xRoadInstance>T</i:xRoadInstance><i:memberClass>G</i:memberClass><i:memberCode>M</i:memberCode>";
        let post = |uri: &str, content_type: &str, body: String| {
            let request = http::Request::post(uri).header("content-type", content_type).body(()).expect("request");
            (request.into_parts().0, body.into_bytes())
        };
        let get = |uri: &str| (http::Request::get(uri).body(()).expect("request").into_parts().0, Vec::new());
        match (code, service) {
            (AgencyCode::Interior, _) => post(
                "/",
                "text/xml",
                format!(
                    "<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/' xmlns:x='http://x-road.eu/xsd/xroad.xsd' \
                     xmlns:i='http://x-road.eu/xsd/identifiers' xmlns:d='http://daxili-isler.example/xroad/v2'><s:Header>\
                     <x:client i:objectType='MEMBER'>{IDS}</x:client><x:service i:objectType='SERVICE'>{IDS}\
                     <i:serviceCode>SexsMelumatiSorgusu</i:serviceCode><i:serviceVersion>v2</i:serviceVersion></x:service><x:id>1</x:id>\
                     <x:protocolVersion>4.0</x:protocolVersion></s:Header><s:Body><d:SexsMelumatiSorgusu><d:FIN>5K7QX2O</d:FIN>\
                     </d:SexsMelumatiSorgusu></s:Body></s:Envelope>"
                ),
            ),
            (AgencyCode::Taxes, _) => post(
                "/gelir",
                "application/soap+xml; action=\"urn:a\"",
                "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope' xmlns:a='http://www.w3.org/2005/08/addressing' \
                 xmlns:t='urn:vergiler:gelir:v1'><s:Header><a:To>urn:t</a:To><a:Action>urn:a</a:Action><a:MessageID>urn:m</a:MessageID>\
                 </s:Header><s:Body><t:FizikiSexsGelirleri><t:FIN>5K7QX2O</t:FIN><t:AyEvvel>03.2025</t:AyEvvel><t:AySon>02.2026</t:AySon>\
                 </t:FizikiSexsGelirleri></s:Body></s:Envelope>"
                    .to_owned(),
            ),
            (AgencyCode::Azerishiq, "subscriber") => get("/abonent/v1?fin=5K7QX2O"),
            (AgencyCode::Azerishiq, _) => get("/abonent/v1/TEST-EL-000111/hesablamalar?ay_evvel=2025-03&ay_son=2026-02"),
        }
    }

    fn agency(code: AgencyCode) -> Agency {
        Agency::new(code, &Personas::embedded())
    }

    fn answer(agency: &Agency, (head, body): &(Parts, Vec<u8>), fault: Option<Fault>) -> Answer {
        agency.answer(&Request { head, body, fault, today: TODAY })
    }

    /// An answer as text, without the identifiers that differ each time.
    fn lasting(answer: &Answer) -> String {
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        let kept: Vec<_> = body.split('<').filter(|part| !part.contains("urn:uuid:")).collect();
        format!("{} {} {:?} {}", answer.status, answer.content_type, answer.headers, kept.join("<"))
    }

    #[test]
    fn every_fault_of_content_changes_the_answer_and_no_fault_of_the_line_does() {
        for code in AgencyCode::ALL {
            let agency = agency(code);
            for service in code.services() {
                let request = right(code, service);
                let plain = answer(&agency, &request, None);
                assert!(plain.status == StatusCode::OK && lasting(&plain).contains("5K7QX2O") || *service == "consumption", "{plain:?}");
                for fault in Fault::accepted(code, service) {
                    let of_the_line = match fault {
                        Fault::Hang
                        | Fault::Slow
                        | Fault::SlowTail
                        | Fault::Drip
                        | Fault::Reset
                        | Fault::ResetMidway
                        | Fault::Oversize
                        | Fault::Malformed
                        | Fault::WrongContentType
                        | Fault::Down => true,
                        Fault::WrongType
                        | Fault::Undeclared
                        | Fault::Error
                        | Fault::FaultIn200
                        | Fault::RetryAfter
                        | Fault::XmlBomb
                        | Fault::ExternalEntity
                        | Fault::DeepNesting
                        | Fault::NetworkError
                        | Fault::NetworkErrorNew
                        | Fault::AccessDenied
                        | Fault::AccessDeniedNew
                        | Fault::WrongEcho
                        | Fault::FilingDay
                        | Fault::Estimated => false,
                    };
                    let same = lasting(&answer(&agency, &request, Some(fault))) == lasting(&plain);
                    assert_eq!(same, of_the_line, "{code}/{service} {fault}");
                }
            }
        }
    }

    proptest! {
        /// A request with one byte changed is either still right or refused; nothing panics, and
        /// nobody gets somebody else's record.
        #[test]
        fn a_changed_byte_never_finds_another_person(soap in any::<bool>(), place in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let code = if soap { AgencyCode::Taxes } else { AgencyCode::Interior };
            let agency = agency(code);
            let (head, mut body) = right(code, "");
            let place = place.index(body.len());
            body[place] = byte;
            let text = lasting(&answer(&agency, &(head, body), None));
            let refused = text.contains("Fault>") || text.contains("Tapilmadi");
            prop_assert!(refused || text.contains(">5K7QX2O<"), "{}", text);
        }

        #[test]
        fn any_address_gets_an_answer(path in "/(abonent/v1)?[/a-z0-9%?&=.-]{0,40}", code in prop::sample::select(AgencyCode::ALL.to_vec())) {
            if let Ok(request) = http::Request::get(path).body(()) {
                let agency = agency(code);
                let head = request.into_parts().0;
                let answer = answer(&agency, &(head, Vec::new()), None);
                prop_assert!(answer.status.is_client_error() || answer.body.starts_with(b"{\"abon"), "{:?}", answer);
            }
        }
    }

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
