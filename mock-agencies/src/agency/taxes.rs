//! Ministry of Taxes: SOAP 1.2 with WS-Addressing, `FizikiSexsGelirleri` (agency catalogue,
//! `taxes.person-income`).

use std::collections::HashMap;

use http::request::Parts;
use http::{Method, StatusCode};
use jiff::civil::Date;
use model::Profile;
use uuid::Uuid;

use super::soap::{self, EnvelopeError};
use super::{Answer, Request, media_type};
use crate::fault::Fault;
use crate::personas::{IncomeKind, Personas};
use crate::xml::{self, Element};

const SOAP: &str = "http://www.w3.org/2003/05/soap-envelope";
const ADDRESSING: &str = "http://www.w3.org/2005/08/addressing";
const INCOME: &str = "urn:vergiler:gelir:v1";

pub(super) const SERVICES: &[&str] = &["person-income"];

const OPERATION: &str = "FizikiSexsGelirleri";
const CONTENT_TYPE: &str = "application/soap+xml; charset=utf-8";

/// Months a question may span, both ends counted.
const WINDOW_MAX: i32 = 12;
/// How far back incomes go, in months.
const HISTORY: i32 = 60;

/// The agency, with every income's texts written beforehand.
pub(crate) struct Taxes {
    by_fin: HashMap<Box<str>, Vec<Entry>>,
}

struct Entry {
    calendar_months: Vec<i8>,
    /// The elements after the month.
    plain: String,
    /// With an element no contract declares.
    undeclared: String,
    /// With an amount that is none.
    wrong_type: String,
}

/// The one service has one address.
pub(super) fn service(head: &Parts, _body: &[u8]) -> Option<usize> {
    (head.uri.path() == "/gelir").then_some(0)
}

impl Taxes {
    pub(super) fn new(personas: &Personas) -> Self {
        let entries = |person: &crate::personas::Person| {
            let mut entries = Vec::with_capacity(person.incomes.len());
            for income in &person.incomes {
                let mut payer = String::new();
                xml::put(&mut payer, "t:OdeyiciVOEN", &income.payer_tin);
                xml::put(&mut payer, "t:GelirNovu", kind(income.kind));
                let amounts = |gross: &str| {
                    let mut out = payer.clone();
                    xml::put(&mut out, "t:HesablanmisGelir", gross);
                    xml::put(&mut out, "t:GelirVergisi", &manat(income.income_tax_qapik));
                    xml::put(&mut out, "t:MDSS", &manat(income.social_insurance_qapik));
                    out
                };
                let plain = amounts(&manat(income.gross_qapik));
                entries.push(Entry {
                    calendar_months: income.calendar_months.clone(),
                    undeclared: format!("{plain}<t:OdeyiciAdi>Nümunə MMC</t:OdeyiciAdi>"),
                    wrong_type: amounts("dörd yüz"),
                    plain,
                });
            }
            (person.fin.clone(), entries)
        };
        Self { by_fin: personas.people().map(entries).collect() }
    }

    pub(super) fn answer(&self, request: &Request<'_>) -> Answer {
        self.try_answer(request).unwrap_or_else(|refusal| refusal)
    }

    fn try_answer(&self, request: &Request<'_>) -> Result<Answer, Answer> {
        let received = receive(request)?;
        let relates_to = Some(&*received.message_id);
        match request.fault {
            Some(Fault::FilingDay) => {
                let page = "<!DOCTYPE html><html lang=\"az\"><title>503</title><p>Xidmət müvəqqəti olaraq əlçatan deyil.</p></html>\n";
                return Err(Answer::new(StatusCode::SERVICE_UNAVAILABLE, "text/html; charset=utf-8", page).with("retry-after", "120"));
            }
            Some(Fault::RetryAfter) => {
                return Err(receiver(StatusCode::SERVICE_UNAVAILABLE, "Sistem məşğuldur", relates_to).with("retry-after", "2"));
            }
            Some(Fault::Error) => return Err(receiver(StatusCode::INTERNAL_SERVER_ERROR, "Daxili xəta", relates_to)),
            Some(Fault::FaultIn200) => return Err(receiver(StatusCode::OK, "Daxili xəta", relates_to)),
            _ => {}
        }
        let question = read_question(&received.body).map_err(|reason| sender("t:SorguYanlisdir", reason, relates_to))?;
        let Some(entries) = self.by_fin.get(&*question.fin) else {
            return Err(sender("t:MelumatYoxdur", "Bu FIN üzrə məlumat yoxdur", relates_to));
        };
        let (doctype, months) = match soap::hostile(request.fault) {
            Some((doctype, content)) => (doctype, format!("<t:Ay_Melumati><t:Ay>{content}</t:Ay></t:Ay_Melumati>")),
            None => (String::new(), write_months(entries, &question, request)),
        };
        let header = addressing(&format!("{INCOME}:{OPERATION}Cavabi"), relates_to);
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>{doctype}<env:Envelope xmlns:env=\"{SOAP}\" xmlns:wsa=\"{ADDRESSING}\"><env:Header>{header}\
             </env:Header><env:Body><t:{OPERATION}Cavabi xmlns:t=\"{INCOME}\"><t:FIN>{fin}</t:FIN>{months}</t:{OPERATION}Cavabi></env:Body>\
             </env:Envelope>",
            fin = question.fin,
            months = if months.is_empty() { "<t:Aylar/>".to_owned() } else { format!("<t:Aylar>{months}</t:Aylar>") },
        );
        Ok(Answer::new(StatusCode::OK, CONTENT_TYPE, body))
    }
}

/// The incomes of the asked months, oldest first. Months are closed ones: the current month has none yet.
fn write_months(entries: &[Entry], question: &Question, request: &Request<'_>) -> String {
    let current = Month::of(request.today);
    let mut out = String::new();
    for number in question.from.0.max(current.0 - HISTORY)..=question.to.0.min(current.0 - 1) {
        let month = Month(number);
        for entry in entries {
            if !entry.calendar_months.is_empty() && !entry.calendar_months.contains(&month.calendar()) {
                continue;
            }
            out.push_str("<t:Ay_Melumati>");
            xml::put(&mut out, "t:Ay", &month.write());
            out.push_str(match request.fault {
                Some(Fault::Undeclared) => &entry.undeclared,
                Some(Fault::WrongType) => &entry.wrong_type,
                _ => &entry.plain,
            });
            out.push_str("</t:Ay_Melumati>");
        }
    }
    out
}

fn kind(kind: IncomeKind) -> &'static str {
    match kind {
        IncomeKind::Wage => "ƏH",
        IncomeKind::Contract => "MQ",
        IncomeKind::Rent => "İC",
        IncomeKind::Dividend => "DV",
        IncomeKind::Business => "SB",
        IncomeKind::Other => "DG",
    }
}

/// Qəpik as decimal AZN with a point.
fn manat(qapik: u64) -> String {
    format!("{}.{:02}", qapik / 100, qapik % 100)
}

/// A month, counted from the year 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Month(i32);

impl Month {
    fn of(date: Date) -> Self {
        Self(i32::from(date.year()) * 12 + i32::from(date.month()) - 1)
    }

    /// Reads `MM.yyyy`.
    fn read(text: &str) -> Option<Self> {
        soap::read_dotted(&format!("01.{text}")).map(Self::of)
    }

    /// Writes `MM.yyyy`.
    fn write(self) -> String {
        format!("{:02}.{:04}", self.calendar(), self.0.div_euclid(12))
    }

    /// The month of the year, 1 to 12.
    fn calendar(self) -> i8 {
        i8::try_from(self.0.rem_euclid(12) + 1).unwrap_or(1)
    }
}

#[derive(Debug)]
struct Question {
    fin: String,
    from: Month,
    to: Month,
}

fn read_question(body: &Element) -> Result<Question, &'static str> {
    if !body.is(INCOME, OPERATION) {
        return Err("Belə əməliyyat yoxdur");
    }
    let inputs = body.elements().ok_or("Sorğuda mətn ola bilməz")?;
    let mut values = Vec::with_capacity(inputs.len());
    for input in inputs {
        let value = input.leaf().filter(|_| input.namespace == INCOME && input.attributes.is_empty());
        values.push((&*input.name, value.ok_or("Sorğunun elementi yanlışdır")?));
    }
    let [("FIN", fin), ("AyEvvel", from), ("AySon", to)] = *values else {
        return Err("FIN, AyEvvel və AySon bu ardıcıllıqla tələb olunur");
    };
    if !Profile::Test.accepts_fin(fin) && !Profile::Production.accepts_fin(fin) {
        return Err("FIN formatı yanlışdır");
    }
    let (Some(from), Some(to)) = (Month::read(from), Month::read(to)) else {
        return Err("Ay MM.yyyy formatında olmalıdır");
    };
    match to.0 - from.0 + 1 {
        ..=0 => Err("AyEvvel AySon-dan sonra ola bilməz"),
        1..=WINDOW_MAX => Ok(Question { fin: fin.to_owned(), from, to }),
        _ => Err("Müddət 12 aydan çox ola bilməz"),
    }
}

struct Received {
    message_id: String,
    body: Element,
}

/// The stack's checks before the operation: HTTP, media type, envelope, addressing.
fn receive(request: &Request<'_>) -> Result<Received, Answer> {
    if request.head.uri.path() != "/gelir" {
        return Err(Answer::new(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "not found\n"));
    }
    if request.head.method != Method::POST {
        return Err(Answer::new(StatusCode::METHOD_NOT_ALLOWED, "text/plain; charset=utf-8", "POST only\n").with("allow", "POST"));
    }
    let (media, parameters) = request.header("content-type").and_then(media_type).unwrap_or_default();
    let parameter = |wanted: &str| parameters.iter().find(|(name, _)| name == wanted).map(|(_, value)| &**value);
    if media != "application/soap+xml" || parameter("charset").is_some_and(|charset| !charset.eq_ignore_ascii_case("utf-8")) {
        return Err(Answer::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "text/plain; charset=utf-8", "application/soap+xml in UTF-8 only\n"));
    }
    let message = soap::open(request.body, SOAP).map_err(|error| match error {
        EnvelopeError::Xml(_) | EnvelopeError::Form | EnvelopeError::NoBody => sender("t:SorguYanlisdir", "Zərf SOAP 1.2 deyil", None),
        EnvelopeError::Version => fault(StatusCode::INTERNAL_SERVER_ERROR, "env:VersionMismatch", None, "SOAP 1.2 tələb olunur", None),
    })?;
    let (message_id, action) = check_addressing(message.header.as_deref().unwrap_or_default())?;
    // RFC 3902: the action parameter; WS-Addressing 1.0 SOAP Binding, section 4.4: it is the header's.
    if parameter("action") != Some(&*action) {
        return Err(sender("wsa:ActionMismatch", "action parametri wsa:Action ilə eyni olmalıdır", Some(&message_id)));
    }
    let mut body = message.body;
    match body.pop() {
        Some(operation) if body.is_empty() => Ok(Received { message_id, body: operation }),
        _ => Err(sender("t:SorguYanlisdir", "Gövdədə bir element olmalıdır", Some(&message_id))),
    }
}

/// Checks the addressing headers and gives message id and action.
fn check_addressing(header: &[Element]) -> Result<(String, String), Answer> {
    const KNOWN: &[&str] = &["To", "From", "ReplyTo", "FaultTo", "Action", "MessageID", "RelatesTo"];
    let one = |name: &str| {
        let mut fields = header.iter().filter(|field| field.is(ADDRESSING, name));
        match (fields.next(), fields.next()) {
            (Some(field), None) => {
                // An IRI: a scheme, and no blanks.
                let text = field.leaf().unwrap_or_default();
                let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
                let good = !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric()) && !text.contains(char::is_whitespace);
                if good { Ok(text.to_owned()) } else { Err(sender("wsa:InvalidAddressingHeader", "wsa başlığı IRI deyil", None)) }
            }
            (None, _) => Err(sender("wsa:MessageAddressingHeaderRequired", "wsa:To, wsa:Action və wsa:MessageID tələb olunur", None)),
            (Some(_), Some(_)) => Err(sender("wsa:InvalidAddressingHeader", "wsa başlığı təkrarlanır", None)),
        }
    };
    let (message_id, action) = (one("MessageID")?, one("Action")?);
    one("To")?;
    let understood = |field: &&Element| field.namespace == ADDRESSING && KNOWN.contains(&&*field.name);
    let required = |field: &&Element| matches!(field.attribute(SOAP, "mustUnderstand"), Some("true" | "1"));
    if header.iter().any(|field| required(&field) && !understood(&field)) {
        return Err(fault(StatusCode::INTERNAL_SERVER_ERROR, "env:MustUnderstand", None, "Başlıq başa düşülmür", Some(&message_id)));
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

/// The caller's mistake, or a question without an answer: HTTP 400 (SOAP 1.2 part 2, table 20).
fn sender(subcode: &str, reason: &str, relates_to: Option<&str>) -> Answer {
    fault(StatusCode::BAD_REQUEST, "env:Sender", Some(subcode), reason, relates_to)
}

/// The ministry's own trouble.
fn receiver(status: StatusCode, reason: &str, relates_to: Option<&str>) -> Answer {
    fault(status, "env:Receiver", Some("t:DaxiliXeta"), reason, relates_to)
}

fn fault(status: StatusCode, code: &str, subcode: Option<&str>, reason: &str, relates_to: Option<&str>) -> Answer {
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
    let header = addressing("http://www.w3.org/2005/08/addressing/soap/fault", relates_to);
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><env:Envelope xmlns:env=\"{SOAP}\" xmlns:wsa=\"{ADDRESSING}\" xmlns:t=\"{INCOME}\">\
         <env:Header>{header}</env:Header><env:Body><env:Fault>{inner}</env:Fault></env:Body></env:Envelope>"
    );
    Answer::new(status, CONTENT_TYPE, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_go_over_the_turn_of_the_year() {
        let month = Month::read("12.2025").expect("valid");
        assert_eq!((Month(month.0 + 1).write(), Month(month.0 + 1).calendar()), ("01.2026".to_owned(), 1));
        for bad in ["13.2025", "2025-12", "1.2025", "00.2025", ""] {
            assert_eq!(Month::read(bad), None, "{bad}");
        }
    }

    #[test]
    fn money_is_decimal_with_a_point() {
        assert_eq!([40_000, 1, 100_050, 0].map(manat), ["400.00", "0.01", "1000.50", "0.00"]);
    }
}
