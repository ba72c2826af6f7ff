//! SOAP: question to X-Road message, and the exchange system's part of an answer: echoed headers and
//! its own faults. Pure; any bytes of a peer are safe.

use std::io;

use adapter_core::{CallError, Context, Expected, Question, Request, WireAnswer};
use adapter_soap::codec::{self as soap, Element, Payload, Prologue};
use adapter_soap::{PrologueError, SoapVersion};
use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use quick_xml::writer::Writer;

use crate::config::{Dialect, Member, RequestHash, XroadConfig};
use crate::fault;

/// Only SOAP 1.1 without attachments.
pub(crate) const EXPECTED: Expected = Expected { media_types: &["text/xml"], empty: false };

/// Longest `userId` and `issue`, in characters.
pub(crate) const HEADER_TEXT_MAX: usize = 255;

/// Writes the message.
///
/// # Errors
/// A question that is not a SOAP question, whose element is not the service's, or a context whose
/// texts cannot stand in a header.
pub fn write(config: &XroadConfig, question: &Question, context: &Context<'_>) -> Result<Request, CallError> {
    let Question::Soap { action, body } = question else {
        return Err(CallError::question("an X-Road adapter was asked something else"));
    };
    if soap::check_body(body)? != config.service_code {
        return Err(CallError::question("the request's element does not bear the service's code"));
    }
    for text in [context.official, context.case] {
        // White space at the ends would not survive the echo; control characters are not XML.
        if text.is_empty() || text.trim() != text || text.chars().any(char::is_control) || text.chars().count() > HEADER_TEXT_MAX {
            return Err(CallError::question("official and case must be 1 to 255 printable characters"));
        }
    }
    let headers = soap::http_headers(SoapVersion::V11, action.as_deref())?;
    let id = context.exchange_id.to_string();
    let write_headers = |writer: &mut Writer<Vec<u8>>| {
        identifier(writer, "xrd:client", "SUBSYSTEM", &subsystem(config, &config.client))?;
        identifier(writer, "xrd:service", "SERVICE", &service(config))?;
        soap::text_element(writer, "xrd:userId", context.official)?;
        soap::text_element(writer, "xrd:id", &id)?;
        soap::text_element(writer, "xrd:issue", context.case)?;
        soap::text_element(writer, "xrd:protocolVersion", &config.dialect.protocol_version)
    };
    let namespaces = [("xmlns:xrd", config.dialect.header_namespace.as_str()), ("xmlns:id", config.dialect.identifier_namespace.as_str())];
    let envelope = soap::envelope(SoapVersion::V11, &namespaces, Some(&write_headers), body);
    Ok(Request { method: Method::POST, path_and_query: config.dialect.soap_path.as_str().into(), headers, body: Some(envelope) })
}

/// Identifier parts of a subsystem, in the order the schema wants.
fn subsystem<'a>(config: &'a XroadConfig, member: &'a Member) -> Vec<(&'static str, &'a str)> {
    vec![
        ("xRoadInstance", &config.instance),
        ("memberClass", &member.class),
        ("memberCode", &member.member),
        ("subsystemCode", &member.subsystem),
    ]
}

/// Identifier parts of the service.
fn service(config: &XroadConfig) -> Vec<(&'static str, &str)> {
    let mut parts = subsystem(config, &config.provider);
    parts.push(("serviceCode", &config.service_code));
    parts.extend(config.service_version.as_deref().map(|version| ("serviceVersion", version)));
    parts
}

fn identifier(writer: &mut Writer<Vec<u8>>, name: &str, object_type: &str, parts: &[(&str, &str)]) -> io::Result<()> {
    let write_parts = |writer: &mut Writer<Vec<u8>>| {
        for (part, text) in parts {
            soap::text_element(writer, &format!("id:{part}"), text)?;
        }
        Ok(())
    };
    writer.create_element(name).with_attribute(("id:objectType", object_type)).write_inner_content(write_parts).map(|_| ())
}

/// Checks the exchange system's part of an answer to the message whose bytes were `sent`. The
/// provider's own answer or fault is handed on with the message id.
///
/// # Errors
/// The exchange system's own fault; or an answer whose headers are not the echo of ours, which then
/// is not known to be the answer to our question.
pub fn check(config: &XroadConfig, context: &Context<'_>, sent: &[u8], answer: WireAnswer) -> Result<WireAnswer, CallError> {
    // The transport leaves a body out only of an error that is not in XML, as of a balancer in front
    // of the security server: the status is all there is to judge.
    if answer.status < 400 || !answer.body.is_empty() {
        // Other headers than the protocol's own are none of our business.
        let wanted = |namespace: &str, _: &str| namespace == config.dialect.header_namespace;
        let prologue = soap::prologue_with(&answer.body, wanted).map_err(|error| malformed(PrologueError::rule(error)))?;
        if prologue.version != SoapVersion::V11 {
            return Err(malformed("not a SOAP 1.1 envelope"));
        }
        match &prologue.body {
            Payload::Fault { code } => {
                if let Some(fault) = fault::classify(code) {
                    return Err(fault.into_error().with_retry_after(answer.retry_after));
                }
                // A provider's fault need not carry headers; those that it carries must be ours.
                echo(config, context, &prologue, false)?;
            }
            Payload::Element | Payload::Empty => {
                echo(config, context, &prologue, true)?;
                request_hash(config, &prologue, sent)?;
            }
        }
    }
    Ok(WireAnswer { route_id: Some(context.exchange_id.to_string()), ..answer })
}

fn malformed(rule: &'static str) -> CallError {
    CallError::malformed(rule).through_route()
}

/// The one header element of a name; `None` where there is none.
fn header<'a>(prologue: &'a Prologue, dialect: &Dialect, name: &str) -> Result<Option<&'a Element>, CallError> {
    let mut found = prologue.headers.iter().filter(|element| element.is(&dialect.header_namespace, name));
    let first = found.next();
    if found.next().is_some() { Err(malformed("answer repeats a header")) } else { Ok(first) }
}

/// Every header must have come back with the same value (PR-MESS section 2.4). Compared is the
/// value, not the bytes: prefixes and white space around it may differ.
fn echo(config: &XroadConfig, context: &Context<'_>, prologue: &Prologue, required: bool) -> Result<(), CallError> {
    let dialect = &config.dialect;
    let id = context.exchange_id.to_string();
    let texts = [("userId", context.official), ("id", &id), ("issue", context.case), ("protocolVersion", &dialect.protocol_version)];
    for (name, ours) in texts {
        match header(prologue, dialect, name)? {
            Some(element) if element.text == ours && element.children.is_empty() => {}
            None if !required => {}
            Some(_) | None => return Err(malformed("answer does not echo userId, id, issue or protocolVersion")),
        }
    }
    let identifiers = [("client", "SUBSYSTEM", subsystem(config, &config.client)), ("service", "SERVICE", service(config))];
    for (name, object_type, parts) in identifiers {
        match header(prologue, dialect, name)? {
            Some(element) if is_identifier(element, dialect, object_type, &parts) => {}
            None if !required => {}
            Some(_) | None => return Err(malformed("answer does not echo client or service")),
        }
    }
    Ok(())
}

fn is_identifier(element: &Element, dialect: &Dialect, object_type: &str, parts: &[(&str, &str)]) -> bool {
    let typed = element
        .attributes
        .iter()
        .any(|(namespace, name, value)| *namespace == dialect.identifier_namespace && name == "objectType" && value.trim() == object_type);
    let same = |(child, (name, text)): (&Element, &(&str, &str))| {
        child.is(&dialect.identifier_namespace, name) && child.text == *text && child.children.is_empty()
    };
    typed && element.children.len() == parts.len() && element.children.iter().zip(parts).all(same)
}

fn request_hash(config: &XroadConfig, prologue: &Prologue, sent: &[u8]) -> Result<(), CallError> {
    let required = match config.dialect.soap_request_hash {
        RequestHash::Ignored => return Ok(()),
        RequestHash::IfPresent => false,
        RequestHash::Required => true,
    };
    let missing = || if required { Err(malformed("answer carries no usable requestHash")) } else { Ok(()) };
    let Some(element) = header(prologue, &config.dialect, "requestHash")? else { return missing() };
    let named = element.attributes.iter().find(|(_, name, _)| name == "algorithmId").map(|(_, _, value)| value.trim());
    let algorithm = match named {
        Some("http://www.w3.org/2001/04/xmlenc#sha512") => &digest::SHA512,
        Some("http://www.w3.org/2001/04/xmldsig-more#sha384") => &digest::SHA384,
        Some("http://www.w3.org/2001/04/xmlenc#sha256") => &digest::SHA256,
        Some(_) | None => return missing(),
    };
    // Encoders may break lines.
    let encoded: String = element.text.split_ascii_whitespace().collect();
    let same = STANDARD.decode(encoded).is_ok_and(|hash| hash == digest::digest(algorithm, sent).as_ref());
    if same { Ok(()) } else { Err(malformed("answer's requestHash is not that of our message")) }
}
