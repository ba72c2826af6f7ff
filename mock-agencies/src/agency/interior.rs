//! Ministry of Internal Affairs behind its security server: X-Road SOAP message protocol 4.0.
//!
//! Plays two parts at once. The security server checks the message and answers in X-Road's own
//! vocabulary, always with HTTP 200 as the real one does; the ministry behind it answers
//! `SexsMelumatiSorgusu/v2` (agency catalogue, `interior.person-identity`).

use std::collections::HashMap;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use http::{Method, StatusCode};
use jiff::civil::Date;
use model::Profile;
use uuid::Uuid;

use super::soap::{self, EnvelopeError};
use super::{Answer, Request, media_type};
use crate::fault::Fault;
use crate::personas::{DocumentStatus, Person, Personas, Sex};
use crate::xml::{self, Element};

const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const XROAD: &str = "http://x-road.eu/xsd/xroad.xsd";
const IDENTIFIERS: &str = "http://x-road.eu/xsd/identifiers";
const REPRESENTATION: &str = "http://x-road.eu/xsd/representation.xsd";
const MINISTRY: &str = "http://daxili-isler.example/xroad/v2";

const SERVICE_CODE: &str = "SexsMelumatiSorgusu";
const SERVICE_VERSION: &str = "v2";

const CONTENT_TYPE: &str = "text/xml; charset=utf-8";
/// Other prefixes than the documentation's, so that only a reader of namespaces succeeds.
const PREFIXES: &[(&str, &str)] = &[(SOAP, "SOAP-ENV"), (XROAD, "xro"), (IDENTIFIERS, "iden"), (REPRESENTATION, "repr")];

/// The agency, with every answer's inner part written beforehand.
pub(crate) struct Interior {
    people: Vec<Entry>,
    by_fin: HashMap<Box<str>, usize>,
    by_document: HashMap<(Box<str>, Box<str>), usize>,
}

struct Entry {
    birth_date: Date,
    /// `<d:Sexs>…</d:Sexs>`.
    plain: String,
    /// With the elements no contract declares.
    undeclared: String,
    /// With a birth date that is none.
    wrong_type: String,
}

/// The one service is called at the server's root.
pub(super) fn service(head: &Parts) -> Option<usize> {
    (head.uri.path() == "/").then_some(0)
}

impl Interior {
    pub(super) fn new(personas: &Personas) -> Self {
        let mut agency = Self { people: Vec::new(), by_fin: HashMap::new(), by_document: HashMap::new() };
        for person in personas.people() {
            agency.by_fin.insert(person.fin.clone(), agency.people.len());
            agency.by_document.insert((person.document.series.clone(), person.document.number.clone()), agency.people.len());
            let birth_date = soap::dotted(person.birth_date);
            agency.people.push(Entry {
                birth_date: person.birth_date,
                plain: write_person(person, &birth_date, ""),
                undeclared: write_person(person, &birth_date, UNDECLARED),
                wrong_type: write_person(person, "14 mart, səhər", ""),
            });
        }
        agency
    }

    pub(super) fn answer(&self, request: &Request<'_>) -> Answer {
        self.try_answer(request).unwrap_or_else(|refusal| refusal)
    }

    fn try_answer(&self, request: &Request<'_>) -> Result<Answer, Answer> {
        let message = receive(request)?;
        // From here on the message is right, and what goes wrong is not its fault.
        match request.fault {
            Some(Fault::NetworkError) => {
                return Err(xroad_fault("Server.ServerProxy.NetworkError", "Could not connect to any target host"));
            }
            Some(Fault::NetworkErrorNew) => {
                return Err(xroad_fault("server.serverproxy.network_error", "Could not connect to any target host"));
            }
            Some(Fault::AccessDenied) => return Err(xroad_fault("Server.ServerProxy.AccessDenied", "Request is not allowed")),
            Some(Fault::AccessDeniedNew) => return Err(xroad_fault("server.serverproxy.access_denied", "Request is not allowed")),
            Some(Fault::RetryAfter) => {
                let refusal = provider_fault(StatusCode::SERVICE_UNAVAILABLE, "SOAP-ENV:Server", "Sistem məşğuldur");
                return Err(refusal.with("retry-after", "2"));
            }
            Some(Fault::Error) => return Err(provider_fault(StatusCode::INTERNAL_SERVER_ERROR, "SOAP-ENV:Server", "Daxili xəta")),
            Some(Fault::FaultIn200) => return Err(provider_fault(StatusCode::OK, "SOAP-ENV:Server", "Daxili xəta")),
            _ => {}
        }
        let found = self.ask(&message.body)?;
        let (doctype, inner) = match (soap::hostile(request.fault), found) {
            (Some((doctype, content)), _) => (doctype, format!("<d:Sexs><d:Soyad>{content}</d:Soyad></d:Sexs>")),
            (None, None) => (String::new(), "<d:Tapilmadi/>".to_owned()),
            (None, Some(entry)) => {
                let inner = match request.fault {
                    Some(Fault::Undeclared) => &entry.undeclared,
                    Some(Fault::WrongType) => &entry.wrong_type,
                    _ => &entry.plain,
                };
                (String::new(), inner.clone())
            }
        };
        let header = echo(&message.header, request);
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{doctype}<SOAP-ENV:Envelope xmlns:SOAP-ENV=\"{SOAP}\" xmlns:xro=\"{XROAD}\" \
             xmlns:iden=\"{IDENTIFIERS}\" xmlns:repr=\"{REPRESENTATION}\"><SOAP-ENV:Header>{header}</SOAP-ENV:Header><SOAP-ENV:Body>\
             <d:{SERVICE_CODE}Response xmlns:d=\"{MINISTRY}\">{inner}</d:{SERVICE_CODE}Response></SOAP-ENV:Body></SOAP-ENV:Envelope>"
        );
        Ok(Answer::new(StatusCode::OK, CONTENT_TYPE, body))
    }

    /// The ministry's own part: whom the question names, or `None` when it knows no such person.
    fn ask(&self, question: &Element) -> Result<Option<&Entry>, Answer> {
        let wrong = |reason: &str| provider_fault(StatusCode::OK, "SOAP-ENV:Client", reason);
        if !question.is(MINISTRY, SERVICE_CODE) {
            return Err(wrong("Sorğunun ad sahəsi yanlışdır"));
        }
        let inputs = question.elements().ok_or_else(|| wrong("Sorğuda mətn ola bilməz"))?;
        let mut values = Vec::with_capacity(inputs.len());
        for input in inputs {
            let value = input.leaf().filter(|_| input.namespace == MINISTRY && input.attributes.is_empty());
            values.push((&*input.name, value.ok_or_else(|| wrong("Sorğunun elementi yanlışdır"))?));
        }
        match *values {
            [("FIN", fin)] => {
                if !Profile::Test.accepts_fin(fin) && !Profile::Production.accepts_fin(fin) {
                    return Err(wrong("FIN formatı yanlışdır"));
                }
                Ok(self.by_fin.get(fin).and_then(|place| self.people.get(*place)))
            }
            [("Seriya", series), ("Nomre", number), ("DogumTarixi", birth_date)] => {
                let letters = !series.is_empty() && series.len() <= 4 && series.bytes().all(|b| b.is_ascii_uppercase());
                let digits = !number.is_empty() && number.len() <= 12 && number.bytes().all(|b| b.is_ascii_digit());
                let (true, true, Some(birth_date)) = (letters, digits, soap::read_dotted(birth_date)) else {
                    return Err(wrong("Sənəd məlumatlarının formatı yanlışdır"));
                };
                let entry = self.by_document.get(&(series.into(), number.into())).and_then(|place| self.people.get(*place));
                Ok(entry.filter(|entry| entry.birth_date == birth_date))
            }
            _ => Err(wrong("FIN, yaxud Seriya, Nomre və DogumTarixi tələb olunur")),
        }
    }
}

/// Elements that exist at the source and are deliberately in no contract (002 M 6.2.12). The
/// picture is one transparent pixel.
const UNDECLARED: &str = "<d:QanQrupu>A(II) Rh+</d:QanQrupu><d:Boy>177</d:Boy><d:GozRengi>qəhvəyi</d:GozRengi>\
    <d:Sekil>R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7</d:Sekil>";

fn write_person(person: &Person, birth_date: &str, more: &str) -> String {
    let document = &person.document;
    let mut out = String::from("<d:Sexs>");
    xml::put(&mut out, "d:FIN", &person.fin);
    xml::put(&mut out, "d:Soyad", &person.surname);
    xml::put(&mut out, "d:Ad", &person.given_name);
    xml::put(&mut out, "d:AtaAdi", &person.patronymic());
    xml::put(
        &mut out,
        "d:Cins",
        match person.sex {
            Sex::Male => "K",
            Sex::Female => "Q",
        },
    );
    xml::put(&mut out, "d:DogumTarixi", birth_date);
    xml::put(&mut out, "d:DogumYeri", &person.birth_place);
    xml::put(&mut out, "d:Vetendasliq", &person.citizenship);
    xml::put(&mut out, "d:Seriya", &document.series);
    xml::put(&mut out, "d:Nomre", &document.number);
    xml::put(&mut out, "d:VerilmeTarixi", &soap::dotted(document.issued_on));
    xml::put(&mut out, "d:EtibarliliqTarixi", &document.valid_until.map_or_else(|| "-".to_owned(), soap::dotted));
    xml::put(
        &mut out,
        "d:SenedStatusu",
        match document.status {
            DocumentStatus::Valid => "1",
            DocumentStatus::Lost => "2",
            DocumentStatus::Expired => "3",
            DocumentStatus::Cancelled => "4",
        },
    );
    out.push_str(more);
    out.push_str("</d:Sexs>");
    out
}

/// A message the security server lets through.
struct Received {
    header: Vec<Element>,
    body: Element,
}

/// The security server's checks, in its order: HTTP, XML, header, body, service.
fn receive(request: &Request<'_>) -> Result<Received, Answer> {
    if request.head.uri.path() != "/" {
        return Err(plain(StatusCode::NOT_FOUND, "not found\n"));
    }
    if request.head.method != Method::POST {
        return Err(plain(StatusCode::METHOD_NOT_ALLOWED, "must use POST request method\n").with("allow", "POST"));
    }
    let (media, parameters) = request.header("content-type").and_then(media_type).unwrap_or_default();
    let charset = parameters.iter().find(|(name, _)| name == "charset");
    if media != "text/xml" || charset.is_some_and(|(_, charset)| !charset.eq_ignore_ascii_case("utf-8")) {
        return Err(client_fault("invalid_content_type", "the content type must be text/xml in UTF-8"));
    }
    if !soap_action_ok(request) {
        return Err(client_fault("invalid_soap_action", "SOAPAction must be absent, empty or a quoted URI"));
    }
    let message = soap::open(request.body, SOAP).map_err(|error| match error {
        EnvelopeError::Xml(error) => client_fault("invalid_xml", &error.to_string()),
        EnvelopeError::Version | EnvelopeError::Form => client_fault("invalid_soap", "not a SOAP 1.1 envelope"),
        EnvelopeError::NoBody => client_fault("missing_body", "the message has no body"),
    })?;
    let header = message.header.ok_or_else(|| client_fault("missing_header", "the message has no header"))?;
    let service = check_header(&header)?;
    let mut body = message.body;
    let Some(wrapper) = body.pop().filter(|_| body.is_empty()) else {
        return Err(client_fault("invalid_body", "the body must hold exactly one element"));
    };
    if wrapper.name != service.code {
        return Err(client_fault("invalid_body", "the body's element must be named like the service code"));
    }
    if (service.code, service.version) != (SERVICE_CODE, Some(SERVICE_VERSION)) {
        return Err(xroad_fault("server.serverproxy.unknown_service", "Unknown service"));
    }
    Ok(Received { header, body: wrapper })
}

fn soap_action_ok(request: &Request<'_>) -> bool {
    let mut actions = request.head.headers.get_all("soapaction").iter();
    let (first, second) = (actions.next(), actions.next());
    let Some(action) = first else { return true };
    let Some(action) = action.to_str().ok().filter(|_| second.is_none()) else { return false };
    if action.is_empty() {
        return true;
    }
    let uri = action.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    // RFC 3986, appendix A: the characters a URI is made of.
    uri.is_some_and(|uri| uri.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&b)))
}

struct ServiceName<'a> {
    code: &'a str,
    version: Option<&'a str>,
}

/// Checks the header fields of the message protocol and finds the service.
fn check_header(header: &[Element]) -> Result<ServiceName<'_>, Answer> {
    const FIELDS: &[&str] = &["client", "service", "id", "protocolVersion", "userId", "issue", "securityServer"];
    for field in header.iter().filter(|field| field.namespace == XROAD) {
        // `requestHash` is the server's to add; information systems never send it.
        if !FIELDS.contains(&&*field.name) {
            return Err(client_fault("invalid_soap", "a header field that information systems do not send"));
        }
    }
    let one = |name: &str| {
        let mut fields = header.iter().filter(|field| field.is(XROAD, name));
        let first = fields.next();
        if fields.next().is_some() {
            return Err(client_fault("duplicate_header_field", &format!("header field {name} occurs twice")));
        }
        Ok(first)
    };
    let mandatory =
        |name: &str| one(name)?.ok_or_else(|| client_fault("missing_header_field", &format!("required field {name} is missing")));
    let text = |field: &Element| match field.leaf().filter(|text| !text.trim().is_empty()) {
        Some(_) => Ok(()),
        None => Err(client_fault("invalid_soap", "an empty header field")),
    };

    let client = mandatory("client")?;
    match client.attribute(IDENTIFIERS, "objectType") {
        Some("MEMBER") => identifier(client, &["xRoadInstance", "memberClass", "memberCode"], &[])?,
        Some("SUBSYSTEM") => identifier(client, &["xRoadInstance", "memberClass", "memberCode", "subsystemCode"], &[])?,
        _ => return Err(client_fault("invalid_xml", "the client needs objectType MEMBER or SUBSYSTEM")),
    }
    let service = mandatory("service")?;
    if service.attribute(IDENTIFIERS, "objectType") != Some("SERVICE") {
        return Err(client_fault("invalid_xml", "the service needs objectType SERVICE"));
    }
    identifier(service, &["xRoadInstance", "memberClass", "memberCode", "serviceCode"], &["subsystemCode", "serviceVersion"])?;
    if let Some(server) = one("securityServer")? {
        if server.attribute(IDENTIFIERS, "objectType") != Some("SERVER") {
            return Err(client_fault("invalid_xml", "the security server needs objectType SERVER"));
        }
        identifier(server, &["xRoadInstance", "memberClass", "memberCode", "serverCode"], &[])?;
    }
    text(mandatory("id")?)?;
    for optional in ["userId", "issue"] {
        if let Some(field) = one(optional)? {
            text(field)?;
        }
    }
    if mandatory("protocolVersion")?.leaf() != Some("4.0") {
        return Err(client_fault("invalid_protocol_version", "the protocol version must be 4.0"));
    }
    let part = |name: &str| service.children.iter().find(|part| part.name == name).map(|part| &*part.text);
    Ok(ServiceName { code: part("serviceCode").unwrap_or_default(), version: part("serviceVersion") })
}

/// Checks an identifier: its parts, their one order, and the characters X-Road forbids in them.
fn identifier(element: &Element, required: &[&str], optional: &[&str]) -> Result<(), Answer> {
    const ORDER: &[&str] = &["xRoadInstance", "memberClass", "memberCode", "subsystemCode", "serviceCode", "serviceVersion", "serverCode"];
    let wrong = |reason: &str| client_fault("invalid_xml", reason);
    let parts = element.elements().ok_or_else(|| wrong("an identifier holds elements alone"))?;
    let mut next = 0;
    for part in parts {
        let place = ORDER.iter().position(|name| part.is(IDENTIFIERS, name)).ok_or_else(|| wrong("an unknown part of an identifier"))?;
        if place < next || !(required.contains(&&*part.name) || optional.contains(&&*part.name)) {
            return Err(wrong("a part of an identifier is out of place"));
        }
        next = place + 1;
        let forbidden =
            |c: char| matches!(c, '%' | ':' | ';' | '/' | '\\' | '\u{200B}' | '\u{FEFF}') || c.is_control() || c.is_whitespace();
        let text = part.leaf().unwrap_or_default();
        if text.is_empty() || text.len() > 255 || text.contains(forbidden) {
            return Err(client_fault(
                "invalid_client_identifier",
                "a part of an identifier is empty, too long or has a forbidden character",
            ));
        }
    }
    if required.iter().all(|name| parts.iter().any(|part| part.name == *name)) { Ok(()) } else { Err(wrong("an identifier lacks a part")) }
}

/// The answer's header: every field of the request in its order, then the hash of the request.
fn echo(header: &[Element], request: &Request<'_>) -> String {
    let mut out = String::new();
    for field in header {
        if request.fault == Some(Fault::WrongEcho) && field.is(XROAD, "id") {
            xml::put(&mut out, "xro:id", &Uuid::new_v4().to_string());
        } else {
            xml::write(&mut out, field, PREFIXES);
        }
    }
    let hash = STANDARD.encode(digest::digest(&digest::SHA512, request.body));
    out.push_str(&format!("<xro:requestHash algorithmId=\"http://www.w3.org/2001/04/xmlenc#sha512\">{hash}</xro:requestHash>"));
    out
}

/// A fault for a message that is the information system's own mistake (7.8 vocabulary).
fn client_fault(tail: &str, reason: &str) -> Answer {
    xroad_fault(&format!("client.{tail}"), reason)
}

/// A fault of X-Road itself: no header, the code unqualified, HTTP 200, an empty `SOAPAction`.
fn xroad_fault(code: &str, reason: &str) -> Answer {
    fault(StatusCode::OK, code, reason).with("soapaction", "")
}

/// A fault of the ministry behind the security server.
fn provider_fault(status: StatusCode, code: &str, reason: &str) -> Answer {
    fault(status, code, reason)
}

fn fault(status: StatusCode, code: &str, reason: &str) -> Answer {
    let mut inner = String::new();
    xml::put(&mut inner, "faultcode", code);
    xml::put(&mut inner, "faultstring", reason);
    xml::put(&mut inner, "faultactor", "");
    inner.push_str("<detail>");
    xml::put(&mut inner, "faultDetail", &Uuid::new_v4().to_string());
    inner.push_str("</detail>");
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<SOAP-ENV:Envelope xmlns:SOAP-ENV=\"{SOAP}\"><SOAP-ENV:Body><SOAP-ENV:Fault>{inner}\
         </SOAP-ENV:Fault></SOAP-ENV:Body></SOAP-ENV:Envelope>"
    );
    Answer::new(status, CONTENT_TYPE, body)
}

fn plain(status: StatusCode, text: &'static str) -> Answer {
    Answer::new(status, "text/plain; charset=utf-8", text)
}
