//! What the agencies that speak plain SOAP 1.1 share: an envelope in, an envelope or a fault out.

use http::{Method, StatusCode};
use model::Profile;

use super::soap::{self, EnvelopeError};
use super::{Answer, Request, media_type};
use crate::fault::Fault;
use crate::xml::{self, Element};

pub(super) const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const CONTENT_TYPE: &str = "text/xml; charset=utf-8";

/// One endpoint: its path, its namespace, and its operations, each asked for by an action of its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Endpoint {
    pub(super) path: &'static str,
    pub(super) namespace: &'static str,
    /// Action and name of the question's element, in the order of the agency's services.
    pub(super) operations: &'static [(&'static str, &'static str)],
}

impl Endpoint {
    /// Which operation a request is one of: told by the quoted action at the endpoint's path.
    pub(super) fn operation(&self, head: &http::request::Parts) -> Option<usize> {
        let action = head.headers.get("soapaction").and_then(|action| action.to_str().ok())?;
        let action = action.strip_prefix('"')?.strip_suffix('"')?;
        (head.uri.path() == self.path).then(|| self.operations.iter().position(|(own, _)| *own == action)).flatten()
    }

    /// HTTP, action and envelope; gives the question's element.
    pub(super) fn receive(&self, request: &Request<'_>) -> Result<Element, Answer> {
        if request.head.uri.path() != self.path {
            return Err(plain(StatusCode::NOT_FOUND, "not found\n"));
        }
        if request.head.method != Method::POST {
            return Err(plain(StatusCode::METHOD_NOT_ALLOWED, "POST only\n").with("allow", "POST"));
        }
        let (media, parameters) = request.header("content-type").and_then(media_type).unwrap_or_default();
        let charset = parameters.iter().find(|(name, _)| name == "charset");
        if media != "text/xml" || charset.is_some_and(|(_, charset)| !charset.eq_ignore_ascii_case("utf-8")) {
            return Err(plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, "text/xml in UTF-8 only\n"));
        }
        let single = request.head.headers.get_all("soapaction").iter().count() == 1;
        let operation = self.operation(request.head).filter(|_| single).ok_or_else(|| self.client("SOAPAction yanlışdır"))?;
        let message = soap::open(request.body, SOAP).map_err(|error| match error {
            EnvelopeError::Version => self.fault(StatusCode::INTERNAL_SERVER_ERROR, "soap:VersionMismatch", "SOAP 1.1 tələb olunur"),
            EnvelopeError::Xml(_) | EnvelopeError::Form | EnvelopeError::NoBody => self.client("SOAP zərfi oxunmur"),
        })?;
        let must = |field: &Element| field.attribute(SOAP, "mustUnderstand") == Some("1");
        if message.header.unwrap_or_default().iter().any(must) {
            return Err(self.fault(StatusCode::INTERNAL_SERVER_ERROR, "soap:MustUnderstand", "Başlıq başa düşülmür"));
        }
        let mut body = message.body;
        let question = body.pop().filter(|_| body.is_empty()).ok_or_else(|| self.client("Gövdədə bir element olmalıdır"))?;
        let name = self.operations.get(operation).map_or("", |(_, name)| *name);
        if question.is(self.namespace, name) { Ok(question) } else { Err(self.client("Belə əməliyyat yoxdur")) }
    }

    /// The question's elements by name, in their order; each a text of the endpoint's namespace.
    pub(super) fn inputs<'a>(&self, question: &'a Element) -> Result<Vec<(&'a str, &'a str)>, Answer> {
        let elements = question.elements().filter(|_| question.attributes.is_empty());
        let elements = elements.ok_or_else(|| self.client("Sorğuda mətn ola bilməz"))?;
        let input = |input: &Element| input.namespace == self.namespace && input.attributes.is_empty() && input.children.is_empty();
        if !elements.iter().all(input) {
            return Err(self.client("Sorğunun elementi yanlışdır"));
        }
        Ok(elements.iter().map(|input| (&*input.name, &*input.text)).collect())
    }

    /// A FIN as the caller must write it.
    pub(super) fn fin<'a>(&self, text: &'a str) -> Result<&'a str, Answer> {
        let good = Profile::Test.accepts_fin(text) || Profile::Production.accepts_fin(text);
        good.then_some(text).ok_or_else(|| self.client("Fin formatı yanlışdır"))
    }

    /// The faults that take the answer's place; the question was right.
    pub(super) fn committed(&self, request: &Request<'_>) -> Result<(), Answer> {
        match request.fault {
            Some(Fault::Error) => Err(self.fault(StatusCode::INTERNAL_SERVER_ERROR, "soap:Server", "Daxili xəta")),
            Some(Fault::FaultIn200) => Err(self.fault(StatusCode::OK, "soap:Server", "Daxili xəta")),
            Some(Fault::RetryAfter) => {
                Err(self.fault(StatusCode::SERVICE_UNAVAILABLE, "soap:Server", "Sistem məşğuldur").with("retry-after", "2"))
            }
            _ => Ok(()),
        }
    }

    /// An answer: a document type, empty but for hostile answers, and the one element of the body, in which the prefix `n`
    /// stands for the endpoint's namespace.
    pub(super) fn reply(&self, doctype: &str, name: &str, inner: &str) -> Answer {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>{doctype}<soap:Envelope xmlns:soap=\"{SOAP}\"><soap:Body>\
             <n:{name} xmlns:n=\"{}\">{inner}</n:{name}></soap:Body></soap:Envelope>",
            self.namespace
        );
        Answer::new(StatusCode::OK, CONTENT_TYPE, body)
    }

    /// The caller's own mistake.
    pub(super) fn client(&self, reason: &str) -> Answer {
        self.fault(StatusCode::INTERNAL_SERVER_ERROR, "soap:Client", reason)
    }

    /// A fault (SOAP 1.1 section 4.4); a code of the source's own has the prefix `n`.
    pub(super) fn fault(&self, status: StatusCode, code: &str, reason: &str) -> Answer {
        let mut inner = String::new();
        xml::put(&mut inner, "faultcode", code);
        xml::put(&mut inner, "faultstring", reason);
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><soap:Envelope xmlns:soap=\"{SOAP}\"><soap:Body><soap:Fault xmlns:n=\"{}\">\
             {inner}</soap:Fault></soap:Body></soap:Envelope>",
            self.namespace
        );
        Answer::new(status, CONTENT_TYPE, body)
    }
}

fn plain(status: StatusCode, text: &'static str) -> Answer {
    Answer::new(status, "text/plain; charset=utf-8", text)
}
