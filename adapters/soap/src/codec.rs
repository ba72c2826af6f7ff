//! Question to envelope, and the beginning of an answer as far as its headers. Pure; any bytes of a
//! peer are safe. The body belongs to the mapping and is not read here.

use std::borrow::Cow;
use std::io;

use adapter_core::{CallError, Context, Expected, Question, Request};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesDecl, BytesEnd, BytesRef, BytesStart, BytesText, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;
use quick_xml::writer::Writer;
use uuid::Uuid;

use crate::config::{SoapConfig, SoapVersion};
use crate::error::PrologueError;
use crate::security::{self, Stamp};

/// Either version's media type is taken from either: services of one version answer their errors
/// in the other's now and then.
pub const EXPECTED: Expected = Expected { media_types: &["text/xml", "application/soap+xml"], empty: false };

/// WS-Addressing 1.0 (Core and SOAP Binding).
const ADDRESSING: &str = "http://www.w3.org/2005/08/addressing";

/// Most header elements read in an answer.
const HEADER_ELEMENTS_MAX: usize = 128;
/// Deepest nesting read in an answer's headers.
const HEADER_DEPTH_MAX: usize = 16;
/// Most attributes of one header element.
const HEADER_ATTRIBUTES_MAX: usize = 16;
/// Longest text or attribute value of one header element, in bytes.
const HEADER_TEXT_MAX: usize = 4096;
/// Longest action accepted, in bytes.
const ACTION_MAX: usize = 1024;

/// Writes the request for a question; `stamp` is for a configuration with a user name.
///
/// # Errors
/// A question that is not a SOAP question, whose action cannot stand in a header, or whose body is
/// not one element; a user name without a stamp.
pub fn write(config: &SoapConfig, question: &Question, context: &Context<'_>, stamp: Option<&Stamp>) -> Result<Request, CallError> {
    let Question::Soap { action, body } = question else {
        return Err(CallError::question("a SOAP adapter was asked something else"));
    };
    check_body(body)?;
    let action = action.as_deref();
    let mut headers = http_headers(config.version, action)?;
    if let Some(basic) = &config.basic {
        headers.insert(AUTHORIZATION, adapter_core::header::basic(&basic.username, basic.password.expose()));
    }
    let addressing = match (&config.addressing, action) {
        (None, _) => None,
        (Some(addressing), Some(action)) => Some((addressing.to.as_str(), action, format!("urn:uuid:{}", context.exchange_id))),
        (Some(_), None) => return Err(CallError::question("WS-Addressing needs an action")),
    };
    let security = match (&config.security, stamp) {
        (None, _) => None,
        (Some(token), Some(stamp)) => Some((token, stamp)),
        (Some(_), None) => return Err(CallError::question("a user name needs a stamp")),
    };
    let mut namespaces = Vec::with_capacity(3);
    if addressing.is_some() {
        namespaces.push(("xmlns:wsa", ADDRESSING));
    }
    if security.is_some() {
        namespaces.extend([("xmlns:wsse", security::SECURITY), ("xmlns:wsu", security::UTILITY)]);
    }
    let write_headers = |writer: &mut Writer<Vec<u8>>| {
        if let Some((to, action, message_id)) = &addressing {
            text_element(writer, "wsa:To", to)?;
            text_element(writer, "wsa:Action", action)?;
            text_element(writer, "wsa:MessageID", message_id)?;
        }
        security.map_or(Ok(()), |(token, stamp)| security::write(writer, token, stamp))
    };
    let write_headers: Option<WriteHeaders<'_>> = if namespaces.is_empty() { None } else { Some(&write_headers) };
    let envelope = envelope(config.version, &namespaces, write_headers, body);
    Ok(Request { method: Method::POST, path_and_query: config.path.as_str().into(), headers, body: Some(envelope) })
}

/// The HTTP headers of a SOAP request. `SOAPAction` is a quoted URI or a pair of quotes (SOAP 1.1
/// section 6.1.1); SOAP 1.2 has a parameter of the media type instead (part 2 section 6.5.3).
///
/// # Errors
/// An action with characters that a URI does not have.
pub fn http_headers(version: SoapVersion, action: Option<&str>) -> Result<HeaderMap, CallError> {
    let refused = || CallError::question("action is not a URI");
    let is_plain = |action: &str| action.len() <= ACTION_MAX && action.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\');
    if !action.is_none_or(is_plain) {
        return Err(refused());
    }
    let value = |text: String| HeaderValue::try_from(text).map_err(|_| refused());
    let mut headers = HeaderMap::new();
    match version {
        SoapVersion::V11 => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/xml; charset=utf-8"));
            headers.insert(HeaderName::from_static("soapaction"), value(format!("\"{}\"", action.unwrap_or_default()))?);
            headers.insert(ACCEPT, HeaderValue::from_static("text/xml"));
        }
        SoapVersion::V12 => {
            let action = action.map(|action| format!("; action=\"{action}\"")).unwrap_or_default();
            headers.insert(CONTENT_TYPE, value(format!("application/soap+xml; charset=utf-8{action}"))?);
            headers.insert(ACCEPT, HeaderValue::from_static("application/soap+xml"));
        }
    }
    Ok(headers)
}

/// Writes the SOAP header's children.
pub type WriteHeaders<'a> = &'a dyn Fn(&mut Writer<Vec<u8>>) -> io::Result<()>;

/// Writes an envelope: `namespaces` are the declarations (`xmlns:p`, URI) of the envelope element,
/// `body` the one element that [`check_body`] has accepted.
///
/// # Panics
/// Never: writing into memory does not fail.
#[must_use]
pub fn envelope(version: SoapVersion, namespaces: &[(&str, &str)], headers: Option<WriteHeaders<'_>>, body: &[u8]) -> Bytes {
    let mut writer = Writer::new(Vec::with_capacity(body.len() + 2048));
    let mut write = || -> io::Result<()> {
        writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        let mut root = BytesStart::new("soap:Envelope");
        root.push_attribute(("xmlns:soap", version.namespace()));
        for (name, uri) in namespaces {
            root.push_attribute((*name, *uri));
        }
        writer.write_event(Event::Start(root))?;
        if let Some(headers) = headers {
            writer.write_event(Event::Start(BytesStart::new("soap:Header")))?;
            headers(&mut writer)?;
            writer.write_event(Event::End(BytesEnd::new("soap:Header")))?;
        }
        writer.write_event(Event::Start(BytesStart::new("soap:Body")))?;
        // The element was written by the mapping's own XML writer and has just been read through.
        io::Write::write_all(writer.get_mut(), body)?;
        writer.write_event(Event::End(BytesEnd::new("soap:Body")))?;
        writer.write_event(Event::End(BytesEnd::new("soap:Envelope")))
    };
    write().expect("writing into memory does not fail");
    writer.into_inner().into()
}

/// Writes an element that holds a text.
///
/// # Errors
/// As the writer's.
pub fn text_element(writer: &mut Writer<Vec<u8>>, name: &str, text: &str) -> io::Result<()> {
    writer.create_element(name).write_text_content(BytesText::new(text)).map(|_| ())
}

/// Checks that a question's body is exactly one well-formed element that declares its prefixes, and
/// returns the element's local name.
///
/// # Errors
/// What is not so, as a question error.
pub fn check_body(body: &[u8]) -> Result<String, CallError> {
    let refused = || CallError::question("the SOAP body is not one well-formed element");
    let text = std::str::from_utf8(body).map_err(|_| refused())?;
    let mut reader = NsReader::from_str(text);
    let mut depth = 0_usize;
    let mut root: Option<String> = None;
    loop {
        let (resolved, event) = reader.read_resolved_event().map_err(|_| refused())?;
        if matches!(resolved, ResolveResult::Unknown(_)) {
            return Err(CallError::question("the SOAP body uses a prefix it does not declare"));
        }
        match event {
            Event::Start(start) if depth > 0 || root.is_none() => {
                root.get_or_insert_with(|| start.local_name().as_ref().to_owned());
                depth += 1;
            }
            Event::Empty(start) if depth > 0 || root.is_none() => {
                root.get_or_insert_with(|| start.local_name().as_ref().to_owned());
            }
            Event::End(_) => depth = depth.checked_sub(1).ok_or_else(refused)?,
            Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) if depth > 0 => {}
            Event::Eof if depth == 0 => return root.ok_or_else(refused),
            Event::Start(_)
            | Event::Empty(_)
            | Event::Text(_)
            | Event::CData(_)
            | Event::GeneralRef(_)
            | Event::Eof
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::DocType(_) => return Err(refused()),
        }
    }
}

/// What stands before an answer's payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prologue {
    /// By the envelope's namespace.
    pub version: SoapVersion,
    /// The header's children, in order.
    pub headers: Vec<Element>,
    /// The first element of the body.
    pub body: Payload,
}

/// What the body begins with.
#[derive(Clone, PartialEq, Eq)]
pub enum Payload {
    /// Nothing.
    Empty,
    /// An element, not read any further.
    Element,
    /// A fault.
    Fault {
        /// SOAP 1.1 `faultcode` as written, prefix included; empty where there is none, for SOAP 1.2
        /// and where it is longer than 256 bytes. A peer's text: not to be shown unchecked.
        code: String,
    },
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Empty => "Empty",
            Self::Element => "Element",
            Self::Fault { .. } => "Fault(…)",
        })
    }
}

/// A header element. `Debug` shows its name only.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Element {
    /// Namespace URI; empty for none.
    pub namespace: String,
    /// Local name.
    pub name: String,
    /// Attributes with namespace URI, local name and value; no namespace declarations.
    pub attributes: Vec<(String, String, String)>,
    /// Its own text, trimmed, without that of its children.
    pub text: String,
    /// Its child elements.
    pub children: Vec<Self>,
}

impl std::fmt::Debug for Element {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Element").field("namespace", &self.namespace).field("name", &self.name).finish_non_exhaustive()
    }
}

impl Element {
    /// Whether it has this expanded name.
    #[must_use]
    pub fn is(&self, namespace: &str, name: &str) -> bool {
        self.name == name && self.namespace == namespace
    }
}

/// Reads an answer up to the first element of its body, or through its fault's code, with all of its
/// headers. A byte order mark is tolerated. Work and memory are bounded by the limits above and by
/// the length of a fault.
///
/// # Errors
/// [`PrologueError`] says which rule the answer breaks.
pub fn prologue(answer: &[u8]) -> Result<Prologue, PrologueError> {
    prologue_with(answer, |_, _| true)
}

/// As [`prologue`], keeping of the headers only those, with all within them, whose namespace URI and
/// local name are wanted. The others are read over, as strictly and within the same limits.
///
/// # Errors
/// [`PrologueError`] says which rule the answer breaks.
pub fn prologue_with(answer: &[u8], wanted: impl Fn(&str, &str) -> bool) -> Result<Prologue, PrologueError> {
    let text = std::str::from_utf8(answer).map_err(|_| PrologueError::Encoding)?;
    let mut scan = Scan { reader: NsReader::from_str(text.strip_prefix('\u{feff}').unwrap_or(text)) };

    let Step::Start { tag, .. } = scan.element_or_end()? else { return Err(PrologueError::Envelope) };
    let version = match scan.resolve(&tag)? {
        (uri, "Envelope") if uri == SoapVersion::V11.namespace() => SoapVersion::V11,
        (uri, "Envelope") if uri == SoapVersion::V12.namespace() => SoapVersion::V12,
        _ => return Err(PrologueError::Envelope),
    };

    let mut headers = None;
    loop {
        let Step::Start { tag, empty } = scan.element_or_end()? else { return Err(PrologueError::Envelope) };
        match scan.resolve(&tag)? {
            (uri, "Header") if uri == version.namespace() && headers.is_none() => {
                headers = Some(if empty { Vec::new() } else { scan.headers(&wanted)? });
            }
            (uri, "Body") if uri == version.namespace() => {
                let body = if empty { Payload::Empty } else { scan.payload(version)? };
                return Ok(Prologue { version, headers: headers.unwrap_or_default(), body });
            }
            _ => return Err(PrologueError::Envelope),
        }
    }
}

/// One step of the reading. Borrows from the answer wherever it can.
enum Step<'a> {
    /// An element begins; it ends at once if `empty`. Its name is not resolved and its attributes
    /// are not read yet.
    Start { tag: BytesStart<'a>, empty: bool },
    /// An element ends.
    End,
    /// Text, of which a part may come as a reference or in CDATA.
    Text(Cow<'a, str>),
    /// The document ends.
    Eof,
}

struct Scan<'a> {
    reader: NsReader<&'a [u8]>,
}

impl<'a> Scan<'a> {
    /// The next step; comments and declarations are passed over, what SOAP forbids is an error.
    fn step(&mut self) -> Result<Step<'a>, PrologueError> {
        loop {
            let event = self.reader.read_event().map_err(|_| PrologueError::Xml)?;
            return Ok(match event {
                Event::Start(tag) => Step::Start { tag, empty: false },
                Event::Empty(tag) => Step::Start { tag, empty: true },
                Event::End(_) => Step::End,
                Event::Text(text) => Step::Text(text.xml_content(XmlVersion::Explicit1_0)),
                Event::CData(text) => Step::Text(text.xml_content(XmlVersion::Explicit1_0)),
                Event::GeneralRef(reference) => Step::Text(resolve(&reference)?),
                Event::Eof => Step::Eof,
                Event::Comment(_) => continue,
                Event::Decl(declaration) => match declaration.encoding() {
                    None => continue,
                    Some(Ok(name)) if name.eq_ignore_ascii_case("utf-8") => continue,
                    Some(_) => return Err(PrologueError::Encoding),
                },
                Event::PI(_) | Event::DocType(_) => return Err(PrologueError::Forbidden),
            });
        }
    }

    /// The next beginning or end of an element, where no text may stand.
    fn element_or_end(&mut self) -> Result<Step<'a>, PrologueError> {
        loop {
            match self.step()? {
                Step::Text(text) if text.trim().is_empty() => {}
                Step::Text(_) => return Err(PrologueError::Envelope),
                step @ (Step::Start { .. } | Step::End | Step::Eof) => return Ok(step),
            }
        }
    }

    /// Namespace URI, empty for none, and local name of an element that has just begun.
    fn resolve<'s>(&'s self, tag: &'s BytesStart<'_>) -> Result<(&'s str, &'s str), PrologueError> {
        let (resolved, name) = self.reader.resolver().resolve_element(tag.name());
        Ok((namespace(&resolved)?, name.into_inner()))
    }

    /// Reads the attributes of an element that has just begun, into `kept` as
    /// [`Element::attributes`] if given.
    fn attributes(&self, tag: &BytesStart<'_>, mut kept: Option<&mut Element>) -> Result<(), PrologueError> {
        let mut count = 0_usize;
        for attribute in tag.attributes() {
            let attribute = attribute.map_err(|_| PrologueError::Xml)?;
            if attribute.key.as_namespace_binding().is_some() {
                continue;
            }
            count += 1;
            if count > HEADER_ATTRIBUTES_MAX || attribute.value.len() > HEADER_TEXT_MAX {
                return Err(PrologueError::TooLarge);
            }
            let (resolved, key) = self.reader.resolver().resolve_attribute(attribute.key);
            let namespace = namespace(&resolved)?;
            let value = attribute.normalized_value(XmlVersion::Explicit1_0).map_err(|_| PrologueError::Forbidden)?;
            if let Some(element) = &mut kept {
                element.attributes.push((namespace.to_owned(), key.as_ref().to_owned(), value.into_owned()));
            }
        }
        Ok(())
    }

    /// The header's wanted children; the header has just begun.
    fn headers(&mut self, wanted: &impl Fn(&str, &str) -> bool) -> Result<Vec<Element>, PrologueError> {
        // The open elements that are kept, outermost first; the bottom stands for the header itself.
        let mut open = vec![Element::default()];
        // Elements open below the last of those, with the length of their texts.
        let mut passed: Vec<usize> = Vec::new();
        let mut count = 0_usize;
        loop {
            match self.step()? {
                Step::Start { tag, empty } => {
                    count += 1;
                    if count > HEADER_ELEMENTS_MAX || open.len() + passed.len() > HEADER_DEPTH_MAX {
                        return Err(PrologueError::TooLarge);
                    }
                    let (namespace, name) = self.resolve(&tag)?;
                    if passed.is_empty() && (open.len() > 1 || wanted(namespace, name)) {
                        let mut element = Element { namespace: namespace.to_owned(), name: name.to_owned(), ..Element::default() };
                        self.attributes(&tag, Some(&mut element))?;
                        open.push(element);
                        if empty {
                            close(&mut open);
                        }
                    } else {
                        self.attributes(&tag, None)?;
                        if !empty {
                            passed.push(0);
                        }
                    }
                }
                Step::End if passed.pop().is_some() => {}
                Step::End if open.len() == 1 => return Ok(open.pop().unwrap_or_default().children),
                Step::End => close(&mut open),
                Step::Text(text) => {
                    let before = passed.last().copied().or(open.last().map(|top| top.text.len())).unwrap_or_default();
                    if before + text.len() > HEADER_TEXT_MAX {
                        return Err(PrologueError::TooLarge);
                    }
                    if let Some(length) = passed.last_mut() {
                        *length += text.len();
                    } else if let Some(top) = open.last_mut() {
                        top.text.push_str(&text);
                    }
                }
                Step::Eof => return Err(PrologueError::Xml),
            }
        }
    }

    /// The body's beginning; the body has just begun.
    fn payload(&mut self, version: SoapVersion) -> Result<Payload, PrologueError> {
        let (tag, empty) = match self.element_or_end()? {
            Step::Start { tag, empty } => (tag, empty),
            Step::End => return Ok(Payload::Empty),
            Step::Text(_) | Step::Eof => return Err(PrologueError::Xml),
        };
        if self.resolve(&tag)? != (version.namespace(), "Fault") {
            return Ok(Payload::Element);
        }
        let code = if empty || version == SoapVersion::V12 { String::new() } else { self.fault_code()? };
        Ok(Payload::Fault { code })
    }

    /// Text of the fault's child `faultcode`, wherever among the children it stands.
    fn fault_code(&mut self) -> Result<String, PrologueError> {
        const CODE_MAX: usize = 256;
        let mut depth = 0_usize;
        let mut code: Option<String> = None;
        loop {
            match self.step()? {
                Step::Start { tag, empty } => {
                    // Below, too, a prefix must be declared.
                    let is_code = self.resolve(&tag)? == ("", "faultcode");
                    if depth == 0 && is_code {
                        code = Some(String::new());
                    }
                    depth += usize::from(!empty);
                }
                Step::End if depth == 0 => return Ok(String::new()),
                Step::End => {
                    depth -= 1;
                    if let (0, Some(code)) = (depth, &code) {
                        return Ok(if code.len() > CODE_MAX { String::new() } else { code.trim().to_owned() });
                    }
                }
                Step::Text(text) => {
                    if let Some(code) = &mut code
                        && code.len() <= CODE_MAX
                    {
                        code.push_str(&text);
                    }
                }
                Step::Eof => return Err(PrologueError::Xml),
            }
        }
    }
}

/// Moves the innermost open element to its parent.
fn close(open: &mut Vec<Element>) {
    if let Some(mut done) = open.pop()
        && let Some(parent) = open.last_mut()
    {
        done.text = done.text.trim().to_owned();
        parent.children.push(done);
    }
}

fn namespace<'a>(resolved: &ResolveResult<'a>) -> Result<&'a str, PrologueError> {
    match resolved {
        ResolveResult::Bound(namespace) => Ok(namespace.0),
        ResolveResult::Unbound => Ok(""),
        ResolveResult::Unknown(_) => Err(PrologueError::Xml),
    }
}

/// A reference to a character or to one of the five entities of XML; there are no others, since
/// document types are refused.
fn resolve(reference: &BytesRef<'_>) -> Result<Cow<'static, str>, PrologueError> {
    if let Some(character) = reference.resolve_char_ref().map_err(|_| PrologueError::Xml)? {
        return Ok(character.to_string().into());
    }
    resolve_predefined_entity(reference).map(Cow::Borrowed).ok_or(PrologueError::Forbidden)
}

/// Checks that an answer, where it says to which message it relates, says ours. An answer without
/// that header, or one that cannot be read as SOAP at all, is left to the mapping to judge.
///
/// # Errors
/// The answer belongs to another message.
pub fn check_relation(answer: &[u8], exchange_id: Uuid) -> Result<(), CallError> {
    let is_relation = |namespace: &str, name: &str| namespace == ADDRESSING && name == "RelatesTo";
    let Ok(prologue) = prologue_with(answer, is_relation) else { return Ok(()) };
    let ours = format!("urn:uuid:{exchange_id}");
    // Other relationships than the default "reply" carry a RelationshipType.
    let is_reply = |header: &&Element| header.attributes.iter().all(|(_, name, _)| name != "RelationshipType");
    if prologue.headers.iter().filter(is_reply).all(|header| header.text.eq_ignore_ascii_case(&ours)) {
        Ok(())
    } else {
        Err(CallError::malformed("answer relates to another message"))
    }
}
