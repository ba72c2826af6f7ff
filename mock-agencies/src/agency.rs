//! The agencies that are played, and what all of them share: a request in, an answer out.
//!
//! One module per agency, written from `docs/wire-forms.md` and from nothing else. Each checks a request
//! in the order its real counterpart would (HTTP, envelope, who asks, the question's form), then commits
//! the fault it was told to, then looks the person up; so a wrong request is refused whatever the fault.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;
use jiff::Timestamp;
use jiff::civil::Date;

use crate::fault::Fault;
use crate::instance::Instance;
use crate::latency::Latency;
use crate::personas::Personas;

// In the catalogue's order, then what they share.
mod agriculture;
mod azerishiq;
mod azersu;
mod border;
mod credit_bureau;
mod digital;
mod education;
mod exam_centre;
mod health;
mod interior;
mod justice;
mod local_executive;
mod migration;
mod mobilisation;
mod property;
mod refugee_committee;
mod taxes;

mod json;
mod months;
mod soap;
mod soap11;
mod xroad;

/// An agency that can be played (agency catalogue, section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AgencyCode {
    /// Ministry of Internal Affairs, behind its X-Road security server (X-Road SOAP 4.0).
    Interior,
    /// Ministry of Justice, behind its own (X-Road SOAP 4.0 and X-Road REST).
    Justice,
    /// Ministry of Taxes (SOAP 1.2 with WS-Addressing).
    Taxes,
    /// Ministry of Agriculture (REST JSON, in pages).
    Agriculture,
    /// Ministry of Education (REST JSON).
    Education,
    /// Ministry of Health, behind its own (X-Road REST).
    Health,
    /// Ministry of Digital Development and Transport, behind its own (X-Road REST).
    Digital,
    /// State Committee for Refugees and IDPs (SOAP 1.1 with HTTP basic authentication).
    RefugeeCommittee,
    /// State Service on Property Issues (SOAP 1.1 with WS-Security).
    Property,
    /// State Migration Service, behind its own (X-Road REST).
    Migration,
    /// State Border Service, behind its own (X-Road SOAP 4.0).
    Border,
    /// State Service for Mobilisation and Conscription (SOAP 1.1).
    Mobilisation,
    /// A credit bureau (REST JSON, asynchronous, OAuth 2.0).
    CreditBureau,
    /// State Examination Centre (REST JSON with a key).
    ExamCentre,
    /// Azərsu (SOAP 1.1).
    Azersu,
    /// Azərişıq (REST JSON).
    Azerishiq,
    /// Local executive bodies (REST JSON), one for some territories each.
    LocalExecutive,
}

impl AgencyCode {
    /// Every agency.
    pub const ALL: [Self; 17] = [
        Self::Interior,
        Self::Justice,
        Self::Taxes,
        Self::Agriculture,
        Self::Education,
        Self::Health,
        Self::Digital,
        Self::RefugeeCommittee,
        Self::Property,
        Self::Migration,
        Self::Border,
        Self::Mobilisation,
        Self::CreditBureau,
        Self::ExamCentre,
        Self::Azersu,
        Self::Azerishiq,
        Self::LocalExecutive,
    ];

    /// The provider code of the catalogue, such as `interior`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Interior => "interior",
            Self::Justice => "justice",
            Self::Taxes => "taxes",
            Self::Health => "health",
            Self::Digital => "digital",
            Self::Property => "property",
            Self::Migration => "migration",
            Self::Border => "border",
            Self::CreditBureau => "credit-bureau",
            Self::Agriculture => "agriculture",
            Self::Education => "education",
            Self::RefugeeCommittee => "refugee-committee",
            Self::Mobilisation => "mobilisation",
            Self::ExamCentre => "exam-centre",
            Self::Azersu => "azersu",
            Self::Azerishiq => "azerishiq",
            Self::LocalExecutive => "local-executive",
        }
    }

    /// Whether it is reached through a security server of X-Road.
    #[must_use]
    pub fn is_behind_xroad(self) -> bool {
        match self {
            Self::Interior | Self::Justice | Self::Health | Self::Digital | Self::Migration | Self::Border => true,
            Self::Taxes
            | Self::Agriculture
            | Self::Education
            | Self::RefugeeCommittee
            | Self::Mobilisation
            | Self::ExamCentre
            | Self::Property
            | Self::CreditBureau
            | Self::LocalExecutive
            | Self::Azersu
            | Self::Azerishiq => false,
        }
    }

    /// The names of the services it offers, as `GET /calls` and `PUT /faults` know them.
    #[must_use]
    pub fn services(self) -> &'static [&'static str] {
        match self {
            Self::Interior => interior::SERVICES,
            Self::Justice => justice::SERVICES,
            Self::Taxes => taxes::SERVICES,
            Self::Health => health::SERVICES,
            Self::Digital => digital::SERVICES,
            Self::Property => property::SERVICES,
            Self::Migration => migration::SERVICES,
            Self::Border => border::SERVICES,
            Self::CreditBureau => credit_bureau::SERVICES,
            Self::Agriculture => agriculture::SERVICES,
            Self::Education => education::SERVICES,
            Self::RefugeeCommittee => refugee_committee::SERVICES,
            Self::Mobilisation => mobilisation::SERVICES,
            Self::ExamCentre => exam_centre::SERVICES,
            Self::Azersu => azersu::SERVICES,
            Self::Azerishiq => azerishiq::SERVICES,
            Self::LocalExecutive => local_executive::SERVICES,
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
#[error("no such mock agency; accepted: {}", AgencyCode::ALL.map(AgencyCode::as_str).join(", "))]
pub struct UnknownAgency;

pub use credit_bureau::{CREDIT_BUREAU_CLIENT, CREDIT_BUREAU_SECRET};
pub use exam_centre::{EXAM_CENTRE_KEY, EXAM_CENTRE_NEXT_KEY};
pub use property::{PROPERTY_PASSWORD, PROPERTY_USERNAME};
pub use refugee_committee::{REFUGEE_COMMITTEE_PASSWORD, REFUGEE_COMMITTEE_USERNAME};

/// One agency with everything it answers from, prepared once at start.
///
/// An agency is asked twice about each request, from many tasks at once: [`Agency::service`] (for the
/// count, the fault and the latency) and then [`Agency::answer`]. Both take `&self`: an agency that
/// remembers, as the credit bureau does its inquiries, keeps that behind a lock of its own, held for no
/// longer than a map operation, and tells time by [`Request::now`] alone.
pub(crate) enum Agency {
    Interior(interior::Interior),
    Justice(justice::Justice),
    Taxes(taxes::Taxes),
    Health(health::Health),
    Digital(digital::Digital),
    Property(property::Property),
    Migration(migration::Migration),
    Border(border::Border),
    CreditBureau(credit_bureau::CreditBureau),
    Agriculture(agriculture::Agriculture),
    Education(education::Education),
    RefugeeCommittee(refugee_committee::RefugeeCommittee),
    Mobilisation(mobilisation::Mobilisation),
    ExamCentre(exam_centre::ExamCentre),
    Azersu(azersu::Azersu),
    Azerishiq(azerishiq::Azerishiq),
    LocalExecutive(local_executive::LocalExecutive),
}

impl Agency {
    /// `instance` is the one body of several that is played; without it the first bureau, or all territories at once.
    /// `latency` is for what is made ready after its request was answered; the server waits out the rest.
    pub(crate) fn new(code: AgencyCode, instance: Option<&Instance>, personas: &Arc<Personas>, latency: Latency) -> Self {
        match code {
            AgencyCode::Interior => Self::Interior(interior::Interior::new(personas)),
            AgencyCode::Justice => Self::Justice(justice::Justice::new(personas)),
            AgencyCode::Taxes => Self::Taxes(taxes::Taxes::new(personas)),
            AgencyCode::Health => Self::Health(health::Health::new(personas)),
            AgencyCode::Digital => Self::Digital(digital::Digital::new(personas)),
            AgencyCode::Property => Self::Property(property::Property::new(personas)),
            AgencyCode::Migration => Self::Migration(migration::Migration::new(personas)),
            AgencyCode::Border => Self::Border(border::Border::new(personas)),
            AgencyCode::CreditBureau => Self::CreditBureau(credit_bureau::CreditBureau::new(instance, personas, latency)),
            AgencyCode::Agriculture => Self::Agriculture(agriculture::Agriculture::new(personas)),
            AgencyCode::Education => Self::Education(education::Education::new(personas)),
            AgencyCode::RefugeeCommittee => Self::RefugeeCommittee(refugee_committee::RefugeeCommittee::new(personas)),
            AgencyCode::Mobilisation => Self::Mobilisation(mobilisation::Mobilisation::new(personas)),
            AgencyCode::ExamCentre => Self::ExamCentre(exam_centre::ExamCentre::new(personas)),
            AgencyCode::Azersu => Self::Azersu(azersu::Azersu::new(personas)),
            AgencyCode::Azerishiq => Self::Azerishiq(azerishiq::Azerishiq::new(personas)),
            AgencyCode::LocalExecutive => Self::LocalExecutive(local_executive::LocalExecutive::new(instance, personas)),
        }
    }

    /// Which service (its place in [`AgencyCode::services`]) a request is a call of. `None` for what is
    /// no call: an unknown address, or a part of a call that was counted before, such as the credit
    /// bureau's tokens and polls.
    pub(crate) fn service(&self, head: &Parts, body: &[u8]) -> Option<usize> {
        match self {
            Self::Interior(_) => interior::service(head, body),
            Self::Justice(_) => justice::service(head, body),
            Self::Taxes(_) => taxes::service(head, body),
            Self::Health(_) => health::service(head, body),
            Self::Digital(_) => digital::service(head, body),
            Self::Property(_) => property::service(head, body),
            Self::Migration(_) => migration::service(head, body),
            Self::Border(_) => border::service(head, body),
            Self::CreditBureau(_) => credit_bureau::service(head, body),
            Self::Agriculture(_) => agriculture::service(head, body),
            Self::Education(_) => education::service(head, body),
            Self::RefugeeCommittee(_) => refugee_committee::service(head, body),
            Self::Mobilisation(_) => mobilisation::service(head, body),
            Self::ExamCentre(_) => exam_centre::service(head, body),
            Self::Azersu(_) => azersu::service(head, body),
            Self::Azerishiq(_) => azerishiq::service(head, body),
            Self::LocalExecutive(_) => local_executive::service(head, body),
        }
    }

    /// The answer to a request. The same request, fault and moment give the same answer, but for message
    /// identifiers and what the agency remembers. A wrong request gets its refusal whatever the fault.
    pub(crate) fn answer(&self, request: &Request<'_>) -> Answer {
        match self {
            Self::Interior(agency) => agency.answer(request),
            Self::Justice(agency) => agency.answer(request),
            Self::Taxes(agency) => agency.answer(request),
            Self::Health(agency) => agency.answer(request),
            Self::Digital(agency) => agency.answer(request),
            Self::Property(agency) => agency.answer(request),
            Self::Migration(agency) => agency.answer(request),
            Self::Border(agency) => agency.answer(request),
            Self::CreditBureau(agency) => agency.answer(request),
            Self::Agriculture(agency) => agency.answer(request),
            Self::Education(agency) => agency.answer(request),
            Self::RefugeeCommittee(agency) => agency.answer(request),
            Self::Mobilisation(agency) => agency.answer(request),
            Self::ExamCentre(agency) => agency.answer(request),
            Self::Azersu(agency) => agency.answer(request),
            Self::Azerishiq(agency) => agency.answer(request),
            Self::LocalExecutive(agency) => agency.answer(request),
        }
    }

    /// Whether it needs [`Request::raw_head`], which costs a copy of every head.
    pub(crate) fn wants_raw_heads(&self) -> bool {
        // The request hash of X-Road REST is made of the head as it arrived.
        matches!(self, Self::Justice(_) | Self::Digital(_))
    }

    /// Inquiries or opinions that differ by idempotency key, where the agency has such.
    pub(crate) fn distinct_inquiries(&self) -> Option<u64> {
        match self {
            Self::CreditBureau(agency) => Some(agency.distinct_inquiries()),
            Self::Migration(agency) => Some(agency.recorded()),
            Self::Interior(_)
            | Self::Justice(_)
            | Self::Taxes(_)
            | Self::Health(_)
            | Self::Digital(_)
            | Self::Property(_)
            | Self::Border(_)
            | Self::Agriculture(_)
            | Self::Education(_)
            | Self::RefugeeCommittee(_)
            | Self::Mobilisation(_)
            | Self::ExamCentre(_)
            | Self::Azersu(_)
            | Self::Azerishiq(_)
            | Self::LocalExecutive(_) => None,
        }
    }
}

/// A request, wholly read.
pub(crate) struct Request<'a> {
    pub(crate) head: &'a Parts,
    pub(crate) body: &'a [u8],
    /// The fault to commit in the answer's content; those of the line are the server's to commit.
    pub(crate) fault: Option<Fault>,
    /// The moment it is answered at.
    pub(crate) now: Timestamp,
    /// Its day in Baku.
    pub(crate) today: Date,
    /// The request line and the header lines as they arrived, up to and with the empty line. Only where
    /// [`Agency::wants_raw_heads`] asks for it, and not for HTTP/2 or a request sent before the answer
    /// to the one before it: those have no head of their own on the line.
    pub(crate) raw_head: Option<&'a [u8]>,
}

impl Request<'_> {
    /// Every header in the order of arrival with its name in the case of arrival, or as near to that as
    /// is known. Values without the blanks around them; those that are not visible ASCII are left out.
    pub(crate) fn arrived_headers(&self) -> Vec<(&str, &str)> {
        match self.raw_head.and_then(|head| str::from_utf8(head).ok()) {
            Some(head) => {
                let lines = head.split("\r\n").skip(1);
                lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name, value.trim_matches([' ', '\t']))).collect()
            }
            None => self.head.headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))).collect(),
        }
    }

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
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
    pub(crate) spoilt: Spoilt,
}

/// Which fault of the line spoils an answer's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spoilt {
    /// The one of its own request, if any.
    ByOwn,
    /// Another request's, or none: what was asked for comes with the answer to a later request.
    By(Option<Fault>),
}

impl Answer {
    pub(crate) fn new(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self { status, content_type, headers: Vec::new(), body: body.into(), spoilt: Spoilt::ByOwn }
    }

    /// Adds a header; its name in lower case, its value visible ASCII.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
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

/// Undoes percent-encoding (RFC 3986, section 2.1) of one segment; `None` when it is not valid or not UTF-8.
pub(crate) fn percent_decoded(segment: &str) -> Option<String> {
    let mut bytes = segment.bytes();
    let mut out = Vec::with_capacity(segment.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let (high, low) = (digit()?, digit()?);
        out.push(high * 16 + low);
    }
    String::from_utf8(out).ok()
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
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    /// Noon of 11 March 2026 in Baku.
    fn now() -> Timestamp {
        "2026-03-11T12:00:00+04:00".parse().expect("a time")
    }

    /// A right request for each service; `None` where none can be written down, since it must be fresh.
    fn right(code: AgencyCode, service: &str) -> Option<(Parts, Vec<u8>)> {
        const IDS: &str = "<i:xRoadInstance>T</i:xRoadInstance><i:memberClass>G</i:memberClass><i:memberCode>M</i:memberCode>";
        let xroad_of = |namespace: &str, code: &str, version: &str, inputs: &str| {
            format!(
                "<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/' xmlns:x='http://x-road.eu/xsd/xroad.xsd' \
                 xmlns:i='http://x-road.eu/xsd/identifiers' xmlns:d='{namespace}'><s:Header>\
                 <x:client i:objectType='MEMBER'>{IDS}</x:client><x:service i:objectType='SERVICE'>{IDS}\
                 <i:serviceCode>{code}</i:serviceCode><i:serviceVersion>{version}</i:serviceVersion></x:service><x:id>1</x:id>\
                 <x:protocolVersion>4.0</x:protocolVersion></s:Header><s:Body><d:{code}><d:FIN>5K7QX2O</d:FIN>{inputs}</d:{code}></s:Body></s:Envelope>"
            )
        };
        let xroad = |code: &str, version: &str, part: &str| {
            xroad_of(&format!("http://daxili-isler.example/xroad/{part}{version}"), code, version, "")
        };
        let border = |code: &str, part: &str| {
            let window = "<d:Baslangic>2025-03-11</d:Baslangic><d:Son>2026-03-11</d:Son>";
            xroad_of(&format!("http://serhed.example/xroad/{part}/v1"), code, "v1", window)
        };
        let addressed = |action: &str, body: &str| {
            format!(
                "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope' xmlns:a='http://www.w3.org/2005/08/addressing'><s:Header>\
                 <a:To>urn:t</a:To><a:Action>{action}</a:Action><a:MessageID>urn:m</a:MessageID></s:Header><s:Body>{body}</s:Body></s:Envelope>"
            )
        };
        let post = |uri: &str, content_type: &str, body: String| {
            let request = http::Request::post(uri).header("content-type", content_type).body(()).expect("request");
            (request.into_parts().0, body.into_bytes())
        };
        let plain = |namespace: &str, operation: &str| {
            format!(
                "<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/' xmlns:n='{namespace}'><s:Body><n:{operation}>\
                 <n:Fin>7D4GK9O</n:Fin></n:{operation}></s:Body></s:Envelope>"
            )
        };
        let get = |uri: &str| (http::Request::get(uri).body(()).expect("request").into_parts().0, Vec::new());
        Some(match (code, service) {
            (AgencyCode::Interior, "person-identity") => post("/", "text/xml", xroad("SexsMelumatiSorgusu", "v2", "")),
            (AgencyCode::Interior, "residence-registration") => post("/", "text/xml", xroad("QeydiyyatSorgusu", "v1", "qeydiyyat/")),
            (AgencyCode::Interior, _) => post("/", "text/xml", xroad("NeqliyyatSorgusu", "v1", "neqliyyat/")),
            (AgencyCode::Border, "absence-summary") => post("/", "text/xml", border("OlkedenKenardaQalma", "kenarda")),
            (AgencyCode::Border, _) => post("/", "text/xml", border("SerhedKecmeSiyahisi", "kecid")),
            (AgencyCode::Taxes, "person-income") => post(
                "/gelir",
                "application/soap+xml; action=\"urn:vergiler:gelir:v1:FizikiSexsGelirleri\"",
                addressed(
                    "urn:vergiler:gelir:v1:FizikiSexsGelirleri",
                    "<t:FizikiSexsGelirleri xmlns:t='urn:vergiler:gelir:v1'><t:FIN>5K7QX2O</t:FIN><t:AyEvvel>03.2025</t:AyEvvel>\
                     <t:AySon>02.2026</t:AySon></t:FizikiSexsGelirleri>",
                ),
            ),
            (AgencyCode::Taxes, _) => post(
                "/odeyici",
                "application/soap+xml; action=\"urn:vergiler:odeyici:v1:OdeyiciStatusu\"",
                addressed(
                    "urn:vergiler:odeyici:v1:OdeyiciStatusu",
                    "<t:OdeyiciStatusu xmlns:t='urn:vergiler:odeyici:v1'><t:FIN>7D4GK9O</t:FIN></t:OdeyiciStatusu>",
                ),
            ),
            (AgencyCode::Azersu, _) => {
                let (mut head, body) = post(
                    "/AbonentXidmeti.asmx",
                    "text/xml; charset=utf-8",
                    "<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/' xmlns:a='urn:azersu:abonent'><s:Body><a:SuSerfiyyatiSorgusu>\
                     <a:FIN>5K7QX2O</a:FIN><a:AyEvvel>03/2025</a:AyEvvel><a:AySon>02/2026</a:AySon></a:SuSerfiyyatiSorgusu></s:Body></s:Envelope>"
                        .to_owned(),
                );
                head.headers.insert("soapaction", HeaderValue::from_static("\"urn:abonent#SuSerfiyyatiSorgusu\""));
                (head, body)
            }
            (AgencyCode::Agriculture, "farm-support") => get("/ektis/v1/fermerler/7D4GK9O/beyanlar?il=2025&novbeti=n-4"),
            (AgencyCode::Agriculture, _) => get("/heyvan/v1/sahibler/7D4GK9O"),
            (AgencyCode::Education, "enrolment") => get("/tehsil/v2/telebeler?fin=7D4GK9O"),
            (AgencyCode::Education, _) => get("/tehsil/v2/senedler?fin=7D4GK9O"),
            (AgencyCode::ExamCentre, _) => {
                let (mut head, body) = get("/neticeler?fin=7D4GK9O&il=2025");
                head.headers.insert("x-api-key", HeaderValue::from_static(EXAM_CENTRE_KEY));
                (head, body)
            }
            (AgencyCode::Mobilisation, _) => {
                let (mut head, body) = post("/herbi-ucot", "text/xml; charset=utf-8", plain("urn:seferberlik:ucot", "HerbiUcotSorgusu"));
                head.headers.insert("soapaction", HeaderValue::from_static("\"urn:seferberlik:ucot/HerbiUcotSorgusu\""));
                (head, body)
            }
            (AgencyCode::RefugeeCommittee, service) => {
                let (operation, action) = match service {
                    "status" => ("StatusSorgusu", "\"http://qmk.example/reyestr/StatusSorgusu\""),
                    _ => ("KocurulmeSorgusu", "\"http://qmk.example/reyestr/KocurulmeSorgusu\""),
                };
                let body = plain("http://qmk.example/reyestr", operation);
                let (mut head, body) = post("/QMKReyestr/Reyestr.asmx", "text/xml; charset=utf-8", body);
                head.headers.insert("soapaction", HeaderValue::from_static(action));
                // base64("meis:şəbəkə-parolu-4")
                head.headers.insert("authorization", HeaderValue::from_static("Basic bWVpczrFn8mZYsmZa8mZLXBhcm9sdS00"));
                (head, body)
            }
            (AgencyCode::Azerishiq, "subscriber") => get("/abonent/v1?fin=5K7QX2O"),
            (AgencyCode::Azerishiq, _) => get("/abonent/v1/TEST-EL-000111/hesablamalar?ay_evvel=2025-03&ay_son=2026-02"),
            (AgencyCode::LocalExecutive, "family-composition") => get("/aile-terkibi/v1/5K7QX2O"),
            (AgencyCode::LocalExecutive, "guardianship") => get("/qeyyumluq/v1/8B2HN6O"),
            (AgencyCode::LocalExecutive, _) => get("/ev-teserrufati/v1?aile_basi_fin=5K7QX2O"),
            (
                AgencyCode::Justice
                | AgencyCode::Health
                | AgencyCode::Digital
                | AgencyCode::Property
                | AgencyCode::Migration
                | AgencyCode::CreditBureau,
                _,
            ) => return None,
        })
    }

    fn agency(code: AgencyCode) -> Agency {
        Agency::new(code, None, &Personas::embedded(), Latency::None)
    }

    fn answer(agency: &Agency, (head, body): &(Parts, Vec<u8>), fault: Option<Fault>) -> Answer {
        agency.answer(&Request { head, body, fault, now: now(), today: model::time::day(now()), raw_head: None })
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
                let Some(request) = right(code, service) else { continue };
                let plain = answer(&agency, &request, None);
                assert_eq!(plain.status, StatusCode::OK, "{code}/{service}: {plain:?}");
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
                        | Fault::SlowHalfMinute
                        | Fault::LostAccept
                        | Fault::WorkThenHang
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
                        | Fault::WrongHash
                        | Fault::ErrorAsXml
                        | Fault::ActCorrected
                        | Fault::FilingDay
                        | Fault::WrongPerson
                        | Fault::WrongCount
                        | Fault::DecimalPoint
                        | Fault::BadShare
                        | Fault::TokenExpired
                        | Fault::NeverReady
                        | Fault::ConsentRejected
                        | Fault::OldReport
                        | Fault::AverageReading
                        | Fault::NumberPorted
                        | Fault::TwoPins
                        | Fault::ExitWithoutEntry
                        | Fault::LocalTime
                        | Fault::Estimated
                        | Fault::CursorExpired
                        | Fault::CursorEndless
                        | Fault::CursorRepeats
                        | Fault::TooManyItems
                        | Fault::AreaInSot
                        | Fault::UnknownUnit
                        | Fault::EmptyList
                        | Fault::KeyRotated
                        | Fault::KeyRefused
                        | Fault::ScoreRevised
                        | Fault::TicketReissued
                        | Fault::Mojibake
                        | Fault::LostLetter
                        | Fault::PlaceholderDate
                        | Fault::ScannedPage
                        | Fault::TwoCertificates => false,
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
        fn a_changed_byte_never_finds_another_person(
            (code, service, own) in prop::sample::select(vec![
                (AgencyCode::Interior, "person-identity", ">5K7QX2O<"),
                (AgencyCode::Interior, "residence-registration", ">5K7QX2O<"),
                (AgencyCode::Interior, "vehicle-ownership", ">5K7QX2O<"),
                (AgencyCode::Taxes, "person-income", ">5K7QX2O<"),
                (AgencyCode::Taxes, "taxpayer-status", ">9900011024<"),
                (AgencyCode::Azersu, "consumption", ">TEST-SU-000222<"),
            ]),
            place in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let agency = agency(code);
            let (head, mut body) = right(code, service).expect("a request");
            let place = place.index(body.len());
            body[place] = byte;
            let text = lasting(&answer(&agency, &(head, body), None));
            let refused = text.contains("Fault>") || text.contains("Tapilmadi");
            prop_assert!(refused || text.contains(own), "{}", text);
        }

        #[test]
        fn any_address_gets_an_answer(path in "/(abonent/v1|aile-terkibi/v1|qeyyumluq/v1)?[/a-z0-9%?&=.-]{0,40}", code in prop::sample::select(AgencyCode::ALL.to_vec())) {
            if let Ok(request) = http::Request::get(path).body(()) {
                let agency = agency(code);
                let head = request.into_parts().0;
                // A security server calls what it cannot read its own internal error.
                let may_fail = code.is_behind_xroad() && head.uri.path().starts_with("/r");
                let answer = answer(&agency, &(head, Vec::new()), None);
                let refused = answer.status.is_client_error() || may_fail && answer.status.is_server_error();
                prop_assert!(refused || answer.body.starts_with(b"{\"abon"), "{:?}", answer);
            }
        }
    }

    #[test]
    fn agencies_are_named_as_in_the_catalogue() {
        for code in AgencyCode::ALL {
            assert_eq!(code.as_str().parse(), Ok(code));
        }
        assert_eq!("customs".parse::<AgencyCode>(), Err(UnknownAgency));
        let all = "interior, justice, taxes, agriculture, education, health, digital, refugee-committee, property, \
                   migration, border, mobilisation, credit-bureau, exam-centre, azersu, azerishiq, local-executive";
        assert!(UnknownAgency.to_string().ends_with(all));
    }

    #[test]
    fn segments_come_percent_encoded() {
        assert_eq!(percent_decoded("TEST%2DEL%C9%99").as_deref(), Some("TEST-ELə"));
        for bad in ["%", "%2", "%zz", "%ff"] {
            assert_eq!(percent_decoded(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_media_type_keeps_quoted_separators() {
        let (media, parameters) = media_type("Application/SOAP+xml; charset=utf-8; action=\"urn:a;b\"").expect("valid");
        assert_eq!(media, "application/soap+xml");
        assert_eq!(parameters[1], ("action".to_owned(), "urn:a;b".to_owned()));
        assert!(media_type("text/xml; charset=\"utf-8").is_none());
    }
}
