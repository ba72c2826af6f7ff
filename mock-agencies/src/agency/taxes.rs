//! Ministry of Taxes: SOAP 1.2 with WS-Addressing (agency catalogue, `taxes.person-income` and
//! `taxes.taxpayer-status`). Here is the stack that both services share.

use http::request::Parts;
use http::{Method, StatusCode};
use uuid::Uuid;

use super::soap::{self, EnvelopeError};
use super::{Answer, Request, media_type};
use crate::fault::Fault;
use crate::personas::Personas;
use crate::xml::{self, Element};

mod income;
mod taxpayer;

pub(super) const SERVICES: &[&str] = &["person-income", "taxpayer-status"];

const SOAP: &str = "http://www.w3.org/2003/05/soap-envelope";
const ADDRESSING: &str = "http://www.w3.org/2005/08/addressing";
const CONTENT_TYPE: &str = "application/soap+xml; charset=utf-8";

/// A service's address and names. Its action is the namespace, a colon and the name; its answer is
/// named after it with `Cavabi`.
struct Operation {
    path: &'static str,
    name: &'static str,
    namespace: &'static str,
}

/// In the order of [`SERVICES`].
const OPERATIONS: &[Operation] = &[income::OPERATION, taxpayer::OPERATION];

/// The agency.
pub(crate) struct Taxes {
    incomes: income::Incomes,
    taxpayers: taxpayer::Taxpayers,
}

/// Each service has its own address.
pub(super) fn service(head: &Parts, _body: &[u8]) -> Option<usize> {
    OPERATIONS.iter().position(|operation| operation.path == head.uri.path())
}

impl Taxes {
    pub(super) fn new(personas: &Personas) -> Self {
        Self { incomes: income::Incomes::new(personas), taxpayers: taxpayer::Taxpayers::new(personas) }
    }

    pub(super) fn answer(&self, request: &Request<'_>) -> Answer {
        self.try_answer(request).unwrap_or_else(|refusal| refusal)
    }

    fn try_answer(&self, request: &Request<'_>) -> Result<Answer, Answer> {
        let place = service(request.head, request.body);
        let Some((place, operation)) = place.and_then(|place| Some((place, OPERATIONS.get(place)?))) else {
            return Err(Answer::new(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "not found\n"));
        };
        let received = receive(request, operation)?;
        if place == 0 { self.incomes.answer(request, &received) } else { self.taxpayers.answer(request, &received) }
    }
}

/// The faults that take the answer's place; the question was right.
fn committed(request: &Request<'_>, relates: Relates<'_>) -> Result<(), Answer> {
    match request.fault {
        Some(Fault::FilingDay) => {
            let page = "<!DOCTYPE html><html lang=\"az\"><title>503</title><p>Xidmət müvəqqəti olaraq əlçatan deyil.</p></html>\n";
            Err(Answer::new(StatusCode::SERVICE_UNAVAILABLE, "text/html; charset=utf-8", page).with("retry-after", "120"))
        }
        Some(Fault::RetryAfter) => Err(relates.receiver(StatusCode::SERVICE_UNAVAILABLE, "Sistem məşğuldur").with("retry-after", "2")),
        Some(Fault::Error) => Err(relates.receiver(StatusCode::INTERNAL_SERVER_ERROR, "Daxili xəta")),
        Some(Fault::FaultIn200) => Err(relates.receiver(StatusCode::OK, "Daxili xəta")),
        _ => Ok(()),
    }
}

struct Received {
    operation: &'static Operation,
    message_id: String,
    body: Element,
}

impl Received {
    fn relates(&self) -> Relates<'_> {
        Relates { operation: self.operation, message_id: Some(&self.message_id) }
    }

    /// The elements of the question, each a text without attributes, by name and in order.
    fn inputs(&self) -> Result<Vec<(&str, &str)>, &'static str> {
        if !self.body.is(self.operation.namespace, self.operation.name) {
            return Err("Belə əməliyyat yoxdur");
        }
        let inputs = self.body.elements().ok_or("Sorğuda mətn ola bilməz")?;
        let mut values = Vec::with_capacity(inputs.len());
        for input in inputs {
            let value = input.leaf().filter(|_| input.namespace == self.operation.namespace && input.attributes.is_empty());
            values.push((&*input.name, value.ok_or("Sorğunun elementi yanlışdır")?));
        }
        Ok(values)
    }
}

/// The stack's checks before the operation: HTTP, media type, envelope, addressing.
fn receive(request: &Request<'_>, operation: &'static Operation) -> Result<Received, Answer> {
    let nobody = Relates { operation, message_id: None };
    if request.head.method != Method::POST {
        return Err(Answer::new(StatusCode::METHOD_NOT_ALLOWED, "text/plain; charset=utf-8", "POST only\n").with("allow", "POST"));
    }
    let (media, parameters) = request.header("content-type").and_then(media_type).unwrap_or_default();
    let parameter = |wanted: &str| parameters.iter().find(|(name, _)| name == wanted).map(|(_, value)| &**value);
    if media != "application/soap+xml" || parameter("charset").is_some_and(|charset| !charset.eq_ignore_ascii_case("utf-8")) {
        return Err(Answer::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "text/plain; charset=utf-8", "application/soap+xml in UTF-8 only\n"));
    }
    let message = soap::open(request.body, SOAP).map_err(|error| match error {
        EnvelopeError::Xml(_) | EnvelopeError::Form | EnvelopeError::NoBody => nobody.sender("t:SorguYanlisdir", "Zərf SOAP 1.2 deyil"),
        EnvelopeError::Version => nobody.fault(StatusCode::INTERNAL_SERVER_ERROR, "env:VersionMismatch", None, "SOAP 1.2 tələb olunur"),
    })?;
    let (message_id, action) = check_addressing(message.header.as_deref().unwrap_or_default(), operation)?;
    let relates = Relates { operation, message_id: Some(&message_id) };
    // RFC 3902: the action parameter; WS-Addressing 1.0 SOAP Binding, section 4.4: it is the header's.
    if parameter("action") != Some(&*action) {
        return Err(relates.sender("wsa:ActionMismatch", "action parametri wsa:Action ilə eyni olmalıdır"));
    }
    if action.strip_prefix(operation.namespace).and_then(|rest| rest.strip_prefix(':')) != Some(operation.name) {
        return Err(relates.sender("wsa:ActionNotSupported", "Bu ünvanda belə əməliyyat yoxdur"));
    }
    let mut body = message.body;
    match body.pop() {
        Some(question) if body.is_empty() => Ok(Received { operation, message_id, body: question }),
        _ => Err(relates.sender("t:SorguYanlisdir", "Gövdədə bir element olmalıdır")),
    }
}

/// Checks the addressing headers and gives message id and action.
fn check_addressing(header: &[Element], operation: &'static Operation) -> Result<(String, String), Answer> {
    const KNOWN: &[&str] = &["To", "From", "ReplyTo", "FaultTo", "Action", "MessageID", "RelatesTo"];
    let nobody = Relates { operation, message_id: None };
    let one = |name: &str| {
        let mut fields = header.iter().filter(|field| field.is(ADDRESSING, name));
        match (fields.next(), fields.next()) {
            (Some(field), None) => {
                // An IRI: a scheme, and no blanks.
                let text = field.leaf().unwrap_or_default();
                let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
                let good = !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric()) && !text.contains(char::is_whitespace);
                if good { Ok(text.to_owned()) } else { Err(nobody.sender("wsa:InvalidAddressingHeader", "wsa başlığı IRI deyil")) }
            }
            (None, _) => Err(nobody.sender("wsa:MessageAddressingHeaderRequired", "wsa:To, wsa:Action və wsa:MessageID tələb olunur")),
            (Some(_), Some(_)) => Err(nobody.sender("wsa:InvalidAddressingHeader", "wsa başlığı təkrarlanır")),
        }
    };
    let (message_id, action) = (one("MessageID")?, one("Action")?);
    one("To")?;
    let understood = |field: &&Element| field.namespace == ADDRESSING && KNOWN.contains(&&*field.name);
    let required = |field: &&Element| matches!(field.attribute(SOAP, "mustUnderstand"), Some("true" | "1"));
    if header.iter().any(|field| required(&field) && !understood(&field)) {
        let relates = Relates { operation, message_id: Some(&message_id) };
        return Err(relates.fault(StatusCode::INTERNAL_SERVER_ERROR, "env:MustUnderstand", None, "Başlıq başa düşülmür"));
    }
    Ok((message_id, action))
}

fn addressing(action: &str, relates_to: Option<&str>) -> String {
    let mut out = String::new();
    xml::put(&mut out, "wsa:Action", action);
    xml::put(&mut out, "wsa:MessageID", &format!("urn:uuid:{}", Uuid::new_v4()));
    if let Some(id) = relates_to {
        xml::put(&mut out, "wsa:RelatesTo", id);
    }
    out
}

/// What an answer belongs to: a service, and a message where that could be read.
#[derive(Clone, Copy)]
struct Relates<'a> {
    operation: &'static Operation,
    message_id: Option<&'a str>,
}

impl Relates<'_> {
    /// The answer: the operation's wrapper around `inner`. `doctype` is what a hostile answer declares
    /// before the envelope, else empty.
    fn reply(self, doctype: &str, inner: &str) -> Answer {
        let Operation { name, namespace, .. } = self.operation;
        let header = addressing(&format!("{namespace}:{name}Cavabi"), self.message_id);
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>{doctype}<env:Envelope xmlns:env=\"{SOAP}\" xmlns:wsa=\"{ADDRESSING}\"><env:Header>{header}\
             </env:Header><env:Body><t:{name}Cavabi xmlns:t=\"{namespace}\">{inner}</t:{name}Cavabi></env:Body></env:Envelope>"
        );
        Answer::new(StatusCode::OK, CONTENT_TYPE, body)
    }

    /// The caller's mistake, or a question without an answer: HTTP 400 (SOAP 1.2 part 2, table 20).
    fn sender(self, subcode: &str, reason: &str) -> Answer {
        self.fault(StatusCode::BAD_REQUEST, "env:Sender", Some(subcode), reason)
    }

    /// The ministry's own trouble.
    fn receiver(self, status: StatusCode, reason: &str) -> Answer {
        self.fault(status, "env:Receiver", Some("t:DaxiliXeta"), reason)
    }

    fn fault(self, status: StatusCode, code: &str, subcode: Option<&str>, reason: &str) -> Answer {
        let mut inner = String::from("<env:Code>");
        xml::put(&mut inner, "env:Value", code);
        if let Some(subcode) = subcode {
            inner.push_str("<env:Subcode>");
            xml::put(&mut inner, "env:Value", subcode);
            inner.push_str("</env:Subcode>");
        }
        inner.push_str("</env:Code><env:Reason><env:Text xml:lang=\"az\">");
        inner.push_str(reason);
        inner.push_str("</env:Text></env:Reason>");
        let header = addressing("http://www.w3.org/2005/08/addressing/soap/fault", self.message_id);
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><env:Envelope xmlns:env=\"{SOAP}\" xmlns:wsa=\"{ADDRESSING}\" xmlns:t=\"{}\">\
             <env:Header>{header}</env:Header><env:Body><env:Fault>{inner}</env:Fault></env:Body></env:Envelope>",
            self.operation.namespace
        );
        Answer::new(status, CONTENT_TYPE, body)
    }
}
