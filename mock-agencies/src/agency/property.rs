//! State Service on Property Issues: SOAP 1.1 with WS-Security (agency catalogue, `property.*`).
//!
//! As WS-Security stacks do, it looks at who asks before it looks at what is asked.

use std::sync::{Arc, Mutex, PoisonError};

use http::request::Parts;
use http::{Method, StatusCode};
use jiff::ToSpan;
use jiff::civil::Date;
use model::Profile;

use self::token::{Nonces, TokenError};
use super::soap::{self, EnvelopeError};
use super::{Answer, Request, media_type};
use crate::fault::Fault;
use crate::personas::{Deal, DealSide, ObjectKind, Person, Personas, PropertyObject, RightKind};
use crate::xml::{self, Element};

mod token;

pub use token::{PROPERTY_PASSWORD, PROPERTY_USERNAME};

const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const REGISTER: &str = "urn:emlak:reyestr:v1";
const PATH: &str = "/emdk/xidmet";
const CONTENT_TYPE: &str = "text/xml; charset=utf-8";

pub(super) const SERVICES: &[&str] = &["ownership", "transactions"];

/// The requests' elements, in the order of the agency's services. The action is the namespace, a slash, the element.
const OPERATIONS: [&str; 2] = ["MulkiyyetSorgusu", "EqdSorgusu"];
const OWNERSHIP: usize = 0;

/// The agency.
pub(crate) struct Property {
    personas: Arc<Personas>,
    nonces: Mutex<Nonces>,
}

/// Both services have one address; `SOAPAction` tells them apart.
pub(super) fn service(head: &Parts, _body: &[u8]) -> Option<usize> {
    if head.uri.path() != PATH {
        return None;
    }
    let mut actions = head.headers.get_all("soapaction").iter();
    let (action, second) = (actions.next()?.to_str().ok()?, actions.next());
    let action = action.strip_prefix('"')?.strip_suffix('"').filter(|_| second.is_none())?;
    let operation = action.strip_prefix(REGISTER)?.strip_prefix('/')?;
    OPERATIONS.iter().position(|own| *own == operation)
}

impl Property {
    pub(super) fn new(personas: &Arc<Personas>) -> Self {
        Self { personas: Arc::clone(personas), nonces: Mutex::default() }
    }

    pub(super) fn answer(&self, request: &Request<'_>) -> Answer {
        self.try_answer(request).unwrap_or_else(|refusal| refusal)
    }

    fn try_answer(&self, request: &Request<'_>) -> Result<Answer, Answer> {
        let message = receive(request)?;
        self.authenticate(message.header.as_deref().unwrap_or_default(), request)?;
        let mut body = message.body;
        let Some(question) = body.pop().filter(|_| body.is_empty()) else {
            return Err(wrong("Sorğu bir element olmalıdır"));
        };
        let operation = service(request.head, request.body).ok_or_else(|| wrong("SOAPAction yanlışdır"))?;
        let name = OPERATIONS.get(operation).copied().unwrap_or_default();
        if !question.is(REGISTER, name) {
            return Err(wrong("Sorğunun elementi SOAPAction-a uyğun deyil"));
        }
        let inputs = inputs(&question)?;
        if operation == OWNERSHIP { self.ownership(&inputs, request) } else { self.transactions(&inputs, request) }
    }

    fn authenticate(&self, header: &[Element], request: &Request<'_>) -> Result<(), Answer> {
        let mut security = header.iter().filter(|field| field.is(token::WSSE, "Security"));
        let (first, second) = (security.next(), security.next());
        let understood = |field: &Element| field.is(token::WSSE, "Security") || field.attribute(SOAP, "mustUnderstand") != Some("1");
        if !header.iter().all(understood) {
            return Err(fault("SOAP-ENV:MustUnderstand", "Başlıq elementi tanınmır"));
        }
        // Every change to the nonces leaves them whole, so a panic elsewhere spoils nothing.
        let mut nonces = self.nonces.lock().unwrap_or_else(PoisonError::into_inner);
        token::check(first.filter(|_| second.is_none()), &mut nonces, request.now).map_err(|error| match error {
            TokenError::Form => fault("wsse:InvalidSecurity", "An error was discovered processing the <wsse:Security> header"),
            TokenError::Untrusted => fault("wsse:FailedAuthentication", "The security token could not be authenticated or authorized"),
        })
    }

    fn ownership(&self, inputs: &[(&str, &str)], request: &Request<'_>) -> Result<Answer, Answer> {
        let [("SahibFIN", fin)] = *inputs else { return Err(wrong("SahibFIN tələb olunur")) };
        let (fin, person) = self.person(fin, request, |person| person.property.is_empty())?;
        committed(request)?;
        let mut inner = String::new();
        let (doctype, fin) = hostile(request, fin);
        inner.push_str(&format!("<e:SahibFIN>{fin}</e:SahibFIN><e:Obyektler>"));
        for object in person.map(|person| person.property.as_slice()).unwrap_or_default() {
            write_object(&mut inner, object, request);
        }
        inner.push_str("</e:Obyektler>");
        Ok(reply("MulkiyyetSorgusuCavabi", &doctype, &inner))
    }

    fn transactions(&self, inputs: &[(&str, &str)], request: &Request<'_>) -> Result<Answer, Answer> {
        let [("FIN", fin), ("Baslangic", from), ("Son", to)] = *inputs else {
            return Err(wrong("FIN, Baslangic və Son tələb olunur"));
        };
        let (Some(from), Some(to)) = (soap::read_dotted(from), soap::read_dotted(to)) else {
            return Err(wrong("Tarix gg.aa.iiii olmalıdır"));
        };
        if from > to || to > from.saturating_add(12.months()) {
            return Err(wrong("Müddət 12 aydan çox ola bilməz"));
        }
        let within = |deal: &Deal| Some(deal.on.seen_from(request.today)).filter(|on| (from..=to).contains(on));
        let (fin, person) = self.person(fin, request, |person| !person.deals.iter().any(|deal| within(deal).is_some()))?;
        committed(request)?;
        let (doctype, fin) = hostile(request, fin);
        let mut inner = format!("<e:FIN>{fin}</e:FIN><e:Eqdler>");
        for deal in person.map(|person| person.deals.as_slice()).unwrap_or_default() {
            if let Some(on) = within(deal) {
                write_deal(&mut inner, deal, on, request.fault);
            }
        }
        inner.push_str("</e:Eqdler>");
        Ok(reply("EqdSorgusuCavabi", &doctype, &inner))
    }

    /// Whose record is answered: the person's who was asked about, known or not, unless the fault is another's. Then
    /// who has nothing is answered with another who has nothing.
    fn person<'a>(
        &'a self,
        fin: &'a str,
        request: &Request<'_>,
        has_nothing: impl Fn(&Person) -> bool,
    ) -> Result<(&'a str, Option<&'a Person>), Answer> {
        if !Profile::Test.accepts_fin(fin) && !Profile::Production.accepts_fin(fin) {
            return Err(wrong("FIN formatı yanlışdır"));
        }
        let own = self.personas.by_fin(fin);
        let nothing = own.is_none_or(&has_nothing);
        if request.fault == Some(Fault::WrongPerson)
            && let Some(other) = self.personas.people().find(|other| *other.fin != *fin && (!nothing || has_nothing(other)))
        {
            return Ok((&other.fin, Some(other)));
        }
        Ok((fin, own))
    }
}

/// HTTP and the envelope.
fn receive(request: &Request<'_>) -> Result<soap::Message, Answer> {
    if request.head.uri.path() != PATH {
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
    soap::open(request.body, SOAP).map_err(|error| match error {
        EnvelopeError::Version => fault("SOAP-ENV:VersionMismatch", "SOAP 1.1 tələb olunur"),
        EnvelopeError::Xml(_) | EnvelopeError::Form | EnvelopeError::NoBody => wrong("SOAP zərfi oxunmur"),
    })
}

/// The question's elements by name, in their order; each a text of the register's namespace.
fn inputs(question: &Element) -> Result<Vec<(&str, &str)>, Answer> {
    let elements = question.elements().filter(|_| question.attributes.is_empty()).ok_or_else(|| wrong("Sorğuda mətn ola bilməz"))?;
    let input = |input: &Element| input.namespace == REGISTER && input.attributes.is_empty() && input.children.is_empty();
    if !elements.iter().all(input) {
        return Err(wrong("Sorğunun elementi yanlışdır"));
    }
    Ok(elements.iter().map(|input| (&*input.name, &*input.text)).collect())
}

/// The faults that take the answer's place; the request was right.
fn committed(request: &Request<'_>) -> Result<(), Answer> {
    const BROKEN: &str = "Daxili xəta";
    match request.fault {
        Some(Fault::Error) => Err(fault("SOAP-ENV:Server", BROKEN)),
        Some(Fault::FaultIn200) => {
            let mut answer = fault("SOAP-ENV:Server", BROKEN);
            answer.status = StatusCode::OK;
            Err(answer)
        }
        Some(Fault::RetryAfter) => {
            let mut answer = fault("SOAP-ENV:Server", "Sistem məşğuldur").with("retry-after", "2");
            answer.status = StatusCode::SERVICE_UNAVAILABLE;
            Err(answer)
        }
        _ => Ok(()),
    }
}

/// The document type and the text for the holder's FIN: as it is, or hostile.
fn hostile(request: &Request<'_>, fin: &str) -> (String, String) {
    soap::hostile(request.fault).unwrap_or_else(|| (String::new(), fin.to_owned()))
}

fn write_object(out: &mut String, object: &PropertyObject, request: &Request<'_>) {
    let kind = match object.kind {
        ObjectKind::Flat => "MENZIL",
        ObjectKind::House => "EV",
        ObjectKind::Land => "TORPAQ",
        ObjectKind::NonResidential => "QEYRI",
        ObjectKind::Other => "DIGER",
    };
    let right = match object.right {
        RightKind::Ownership => "MULK",
        RightKind::Lease => "ICARE",
        RightKind::Use => "ISTIFADE",
    };
    let share = match request.fault {
        Some(Fault::BadShare) => "3/2".to_owned(),
        _ => format!("{}/{}", object.share.numerator, object.share.denominator),
    };
    let area = match request.fault {
        Some(Fault::WrongType) => "altmış dörd".to_owned(),
        _ => decimal(&object.total_area_m2, request.fault),
    };
    out.push_str("<e:Obyekt>");
    xml::put(out, "e:ReyestrNomresi", &object.registry_no);
    xml::put(out, "e:ObyektNovu", kind);
    xml::put(out, "e:Unvan", &object.address);
    xml::put(out, "e:EraziKodu", &object.territory_code);
    xml::put(out, "e:UmumiSahe", &area);
    xml::put(out, "e:TorpaqSahesi", &object.land_area_ha.as_deref().map_or_else(|| "-".to_owned(), |area| decimal(area, request.fault)));
    xml::put(out, "e:Pay", &share);
    xml::put(out, "e:HuquqNovu", right);
    xml::put(out, "e:QeydTarixi", &soap::dotted(object.acquired_on.seen_from(request.today)));
    xml::put(out, "e:Yukluluk", if object.encumbered { "B" } else { "X" });
    if request.fault == Some(Fault::Undeclared) {
        xml::put(out, "e:KadastrDeyeri", "61 250,00");
    }
    out.push_str("</e:Obyekt>");
}

fn write_deal(out: &mut String, deal: &Deal, on: Date, fault: Option<Fault>) {
    let side = match deal.side {
        DealSide::Buyer => "ALICI",
        DealSide::Seller => "SATICI",
        DealSide::Donor => "BAGISLAYAN",
        DealSide::Donee => "BAGISLANAN",
    };
    let amount = if fault == Some(Fault::WrongType) { "qırx beş min".to_owned() } else { manat(deal.amount_qapik, fault) };
    out.push_str("<e:Eqd>");
    xml::put(out, "e:ReyestrNomresi", &deal.registry_no);
    xml::put(out, "e:Teref", side);
    xml::put(out, "e:Mebleg", &amount);
    xml::put(out, "e:Tarix", &soap::dotted(on));
    if fault == Some(Fault::Undeclared) {
        xml::put(out, "e:QarsiTeref", "Sınaqov Örnək");
    }
    out.push_str("</e:Eqd>");
}

/// A decimal of the data as the register writes it: with a comma.
fn decimal(text: &str, fault: Option<Fault>) -> String {
    if fault == Some(Fault::DecimalPoint) { text.to_owned() } else { text.replace('.', ",") }
}

/// Qəpik as manats: a comma, and blanks between thousands.
fn manat(qapik: u64, fault: Option<Fault>) -> String {
    let whole = (qapik / 100).to_string();
    let mut out = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    let mark = if fault == Some(Fault::DecimalPoint) { '.' } else { ',' };
    format!("{out}{mark}{:02}", qapik % 100)
}

fn reply(wrapper: &str, doctype: &str, inner: &str) -> Answer {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{doctype}<SOAP-ENV:Envelope xmlns:SOAP-ENV=\"{SOAP}\"><SOAP-ENV:Header/><SOAP-ENV:Body>\
         <e:{wrapper} xmlns:e=\"{REGISTER}\">{inner}</e:{wrapper}></SOAP-ENV:Body></SOAP-ENV:Envelope>"
    );
    Answer::new(StatusCode::OK, CONTENT_TYPE, body)
}

/// The caller's own mistake.
fn wrong(reason: &str) -> Answer {
    fault("SOAP-ENV:Client", reason)
}

/// A SOAP 1.1 fault, with HTTP 500 (SOAP 1.1, section 6.2).
fn fault(code: &str, reason: &str) -> Answer {
    let mut inner = String::new();
    xml::put(&mut inner, "faultcode", code);
    xml::put(&mut inner, "faultstring", reason);
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<SOAP-ENV:Envelope xmlns:SOAP-ENV=\"{SOAP}\"><SOAP-ENV:Body><SOAP-ENV:Fault \
         xmlns:wsse=\"{}\">{inner}</SOAP-ENV:Fault></SOAP-ENV:Body></SOAP-ENV:Envelope>",
        token::WSSE
    );
    Answer::new(StatusCode::INTERNAL_SERVER_ERROR, CONTENT_TYPE, body)
}

fn plain(status: StatusCode, text: &'static str) -> Answer {
    Answer::new(status, "text/plain; charset=utf-8", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_a_comma_and_blanks_between_thousands() {
        for (qapik, text) in [(0, "0,00"), (5, "0,05"), (99_999, "999,99"), (4_500_000, "45 000,00"), (123_456_789_012, "1 234 567 890,12")]
        {
            assert_eq!(manat(qapik, None), text);
        }
        assert_eq!(manat(4_500_000, Some(Fault::DecimalPoint)), "45 000.00");
        assert_eq!((decimal("64.5", None), decimal("64.5", Some(Fault::DecimalPoint))), ("64,5".to_owned(), "64.5".to_owned()));
    }
}
