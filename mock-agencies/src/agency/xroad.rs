//! The security server in front of an agency: X-Road message protocol for SOAP 4.0 (PR-MESS).
//!
//! Checks a message as the real one does, answers in X-Road's own vocabulary, always with HTTP 200,
//! and frames what the agency behind it says: the header echoed in its order, and the request's hash.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use http::{Method, StatusCode};
use uuid::Uuid;

use super::soap::{self, EnvelopeError};
use super::{Answer, Request, media_type};
use crate::fault::Fault;
use crate::xml::{self, Element};

pub(super) mod register;
pub(super) mod rest;

const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const XROAD: &str = "http://x-road.eu/xsd/xroad.xsd";
const IDENTIFIERS: &str = "http://x-road.eu/xsd/identifiers";
const REPRESENTATION: &str = "http://x-road.eu/xsd/representation.xsd";

const CONTENT_TYPE: &str = "text/xml; charset=utf-8";
/// Other prefixes than the documentation's, so that only a reader of namespaces succeeds.
const PREFIXES: &[(&str, &str)] = &[(SOAP, "SOAP-ENV"), (XROAD, "xro"), (IDENTIFIERS, "iden"), (REPRESENTATION, "repr")];

/// A service as it is published, and the namespace of its elements.
#[derive(Debug, Clone, Copy)]
pub(in crate::agency) struct Offer {
    pub(in crate::agency) code: &'static str,
    pub(in crate::agency) version: &'static str,
    pub(in crate::agency) namespace: &'static str,
}

/// Which of the offers a message is for, told for counting and faults alone. All are called at the
/// server's root, so only the body tells; a code written with a comment or a character reference in it
/// is not found here, and answered all the same.
pub(in crate::agency) fn service(offers: &[Offer], head: &Parts, body: &[u8]) -> Option<usize> {
    // `>code<` stands in the service's identifier alone: the body's own element has a prefix or a namespace.
    let named = |offer: &Offer| {
        let code = offer.code.as_bytes();
        let whole = |part: &[u8]| part.strip_prefix(b">").and_then(|part| part.strip_suffix(b"<")) == Some(code);
        body.windows(code.len() + 2).any(whole)
    };
    offers.iter().position(named).filter(|_| head.uri.path() == "/")
}

/// A message the security server lets through.
pub(in crate::agency) struct Received {
    /// The service's place among the offers.
    pub(in crate::agency) place: usize,
    offer: Offer,
    header: Vec<Element>,
    body: Element,
}

impl Received {
    /// The elements of the question, each a text without attributes, by name and in order.
    pub(in crate::agency) fn inputs(&self) -> Result<Vec<(&str, &str)>, Answer> {
        let inputs = self.elements()?;
        let values = inputs.iter().map(|input| Some((&*input.name, input.leaf().filter(|_| input.attributes.is_empty())?)));
        values.collect::<Option<_>>().ok_or_else(|| wrong("Sorğunun elementi yanlışdır"))
    }

    /// The elements of the question as they stand.
    pub(in crate::agency) fn elements(&self) -> Result<&[Element], Answer> {
        if !self.body.is(self.offer.namespace, self.offer.code) {
            return Err(wrong("Sorğunun ad sahəsi yanlışdır"));
        }
        let inputs = self.body.elements().ok_or_else(|| wrong("Sorğuda mətn ola bilməz"))?;
        if inputs.iter().all(|input| input.namespace == self.offer.namespace) {
            Ok(inputs)
        } else {
            Err(wrong("Sorğunun elementi yanlışdır"))
        }
    }
}

/// What the agency behind the server says to a wrong question.
pub(in crate::agency) fn wrong(reason: &str) -> Answer {
    provider_fault(StatusCode::OK, "SOAP-ENV:Client", reason)
}

/// The security server's checks, in its order: HTTP, XML, header, body, service. Then the faults that
/// take the place of an answer to a right message.
pub(in crate::agency) fn receive(request: &Request<'_>, offers: &[Offer]) -> Result<Received, Answer> {
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
    let offered = |offer: &Offer| (service.code, service.version) == (offer.code, Some(offer.version));
    let place = offers.iter().position(offered);
    let Some((place, offer)) = place.and_then(|place| Some((place, *offers.get(place)?))) else {
        return Err(xroad_fault("server.serverproxy.unknown_service", "Unknown service"));
    };
    commit(request.fault)?;
    Ok(Received { place, offer, header, body: wrapper })
}

/// The message was right, and what goes wrong is not its fault.
fn commit(fault: Option<Fault>) -> Result<(), Answer> {
    match fault {
        Some(Fault::NetworkError) => Err(xroad_fault("Server.ServerProxy.NetworkError", "Could not connect to any target host")),
        Some(Fault::NetworkErrorNew) => Err(xroad_fault("server.serverproxy.network_error", "Could not connect to any target host")),
        Some(Fault::AccessDenied) => Err(xroad_fault("Server.ServerProxy.AccessDenied", "Request is not allowed")),
        Some(Fault::AccessDeniedNew) => Err(xroad_fault("server.serverproxy.access_denied", "Request is not allowed")),
        Some(Fault::RetryAfter) => {
            let refusal = provider_fault(StatusCode::SERVICE_UNAVAILABLE, "SOAP-ENV:Server", "Sistem məşğuldur");
            Err(refusal.with("retry-after", "2"))
        }
        Some(Fault::Error) => Err(provider_fault(StatusCode::INTERNAL_SERVER_ERROR, "SOAP-ENV:Server", "Daxili xəta")),
        Some(Fault::FaultIn200) => Err(provider_fault(StatusCode::OK, "SOAP-ENV:Server", "Daxili xəta")),
        _ => Ok(()),
    }
}

/// The answer: the echo, and the agency's own `inner` part under the prefix `d`. `doctype` is what a
/// hostile answer declares before the envelope, else empty.
pub(in crate::agency) fn reply(received: &Received, request: &Request<'_>, doctype: &str, inner: &str) -> Answer {
    let header = echo(&received.header, request);
    let Offer { code, namespace, .. } = received.offer;
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{doctype}<SOAP-ENV:Envelope xmlns:SOAP-ENV=\"{SOAP}\" xmlns:xro=\"{XROAD}\" \
         xmlns:iden=\"{IDENTIFIERS}\" xmlns:repr=\"{REPRESENTATION}\"><SOAP-ENV:Header>{header}</SOAP-ENV:Header><SOAP-ENV:Body>\
         <d:{code}Response xmlns:d=\"{namespace}\">{inner}</d:{code}Response></SOAP-ENV:Body></SOAP-ENV:Envelope>"
    );
    Answer::new(StatusCode::OK, CONTENT_TYPE, body)
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

/// A fault of the agency behind the security server.
pub(in crate::agency) fn provider_fault(status: StatusCode, code: &str, reason: &str) -> Answer {
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
