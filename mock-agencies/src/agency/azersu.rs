//! Azərsu: SOAP 1.1 in the old ASMX way (agency catalogue, `azersu.consumption`).

use std::collections::HashMap;

use http::request::Parts;
use http::{Method, StatusCode};
use model::Profile;

use super::months::Month;
use super::soap::{self, EnvelopeError};
use super::{Answer, Request, media_type};
use crate::fault::Fault;
use crate::personas::{Person, Personas, Water};
use crate::xml::{self, Element};

pub(super) const SERVICES: &[&str] = &["consumption"];

const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const SUBSCRIBERS: &str = "urn:azersu:abonent";
const PATH: &str = "/AbonentXidmeti.asmx";
/// As it must stand in `SOAPAction`, quotes included.
const ACTION: &str = "\"urn:abonent#SuSerfiyyatiSorgusu\"";
const OPERATION: &str = "SuSerfiyyatiSorgusu";
const CONTENT_TYPE: &str = "text/xml; charset=utf-8";

/// Months a question may span, both ends counted.
const WINDOW_MAX: i32 = 12;
/// How far back bills go, in months.
const HISTORY: i32 = 36;
/// What a month uses of December's water, in per cent, from January.
const SEASON: [u32; 12] = [95, 92, 98, 102, 110, 125, 140, 138, 120, 105, 98, 100];
/// What a tenth of a cubic metre costs, in qəpik.
const TARIFF_PER_TENTH: u32 = 7;

/// The agency.
pub(crate) struct Azersu {
    accounts: Vec<Account>,
    by_fin: HashMap<Box<str>, usize>,
    by_code: HashMap<Box<str>, usize>,
}

struct Account {
    /// The elements before the debt.
    subscriber: String,
    december_m3_tenths: u32,
    average: bool,
    balance_qapik: u32,
}

/// The one service has one address.
pub(super) fn service(head: &Parts, _body: &[u8]) -> Option<usize> {
    (head.uri.path() == PATH).then_some(0)
}

impl Azersu {
    pub(super) fn new(personas: &Personas) -> Self {
        let mut agency = Self { accounts: Vec::new(), by_fin: HashMap::new(), by_code: HashMap::new() };
        for (person, water) in personas.people().filter_map(|person| Some((person, person.water.as_ref()?))) {
            agency.by_fin.insert(person.fin.clone(), agency.accounts.len());
            agency.by_code.insert(water.subscriber_code.clone(), agency.accounts.len());
            let Water { december_m3_tenths, average, balance_qapik, .. } = *water;
            agency.accounts.push(Account { subscriber: write_subscriber(person, water), december_m3_tenths, average, balance_qapik });
        }
        agency
    }

    pub(super) fn answer(&self, request: &Request<'_>) -> Answer {
        self.try_answer(request).unwrap_or_else(|refusal| refusal)
    }

    fn try_answer(&self, request: &Request<'_>) -> Result<Answer, Answer> {
        let body = receive(request)?;
        let question = self.read_question(&body).map_err(client)?;
        committed(request)?;
        let Some(account) = question.place.and_then(|place| self.accounts.get(place)) else {
            return Err(fault(StatusCode::INTERNAL_SERVER_ERROR, "abn:AbonentTapilmadi", "Belə abonent yoxdur"));
        };
        let (doctype, subscriber) = match soap::hostile(request.fault) {
            Some((doctype, content)) => (doctype, format!("<abn:AbonentKodu>{content}</abn:AbonentKodu>")),
            None => (String::new(), write_account(account, &question, request)),
        };
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>{doctype}<soap:Envelope xmlns:soap=\"{SOAP}\"><soap:Body>\
             <abn:SuSerfiyyatiCavabi xmlns:abn=\"{SUBSCRIBERS}\"><abn:Abonent>{subscriber}</abn:Abonent></abn:SuSerfiyyatiCavabi>\
             </soap:Body></soap:Envelope>"
        );
        Ok(Answer::new(StatusCode::OK, CONTENT_TYPE, body))
    }

    fn read_question(&self, body: &Element) -> Result<Question, &'static str> {
        if !body.is(SUBSCRIBERS, OPERATION) {
            return Err("Belə əməliyyat yoxdur");
        }
        let inputs = body.elements().ok_or("Sorğuda mətn ola bilməz")?;
        let mut values = Vec::with_capacity(inputs.len());
        for input in inputs {
            let value = input.leaf().filter(|_| input.namespace == SUBSCRIBERS && input.attributes.is_empty());
            values.push((&*input.name, value.ok_or("Sorğunun elementi yanlışdır")?));
        }
        let [who, ("AyEvvel", from), ("AySon", to)] = *values else {
            return Err("FIN, yaxud AbonentKodu, sonra AyEvvel və AySon tələb olunur");
        };
        let place = match who {
            ("FIN", fin) if Profile::Test.accepts_fin(fin) || Profile::Production.accepts_fin(fin) => self.by_fin.get(fin),
            ("AbonentKodu", code) if is_code(code) => self.by_code.get(code),
            ("FIN" | "AbonentKodu", _) => return Err("FIN və ya AbonentKodu formatı yanlışdır"),
            _ => return Err("FIN, yaxud AbonentKodu tələb olunur"),
        };
        let (Some(from), Some(to)) = (Month::read_month_first(from, '/'), Month::read_month_first(to, '/')) else {
            return Err("Ay MM/yyyy formatında olmalıdır");
        };
        match from.count_to(to) {
            ..=0 => Err("AyEvvel AySon-dan sonra ola bilməz"),
            1..=WINDOW_MAX => Ok(Question { place: place.copied(), from, to }),
            _ => Err("Müddət 12 aydan çox ola bilməz"),
        }
    }
}

struct Question {
    /// The account that is asked about; `None` when there is no such subscriber.
    place: Option<usize>,
    from: Month,
    to: Month,
}

fn is_code(text: &str) -> bool {
    !text.is_empty() && text.len() <= 30 && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-')
}

fn write_subscriber(person: &Person, water: &Water) -> String {
    let mut out = String::new();
    xml::put(&mut out, "abn:AbonentKodu", &water.subscriber_code);
    xml::put(&mut out, "abn:Ad", &person.full_name());
    xml::put(&mut out, "abn:Unvan", &water.address);
    xml::put(&mut out, "abn:AdamSayi", &water.persons.map_or_else(|| "-".to_owned(), |persons| persons.to_string()));
    out
}

fn write_account(account: &Account, question: &Question, request: &Request<'_>) -> String {
    let mut out = account.subscriber.clone();
    let mark = if request.fault == Some(Fault::DecimalPoint) { '.' } else { ',' };
    xml::put(&mut out, "abn:Borc", &decimal(account.balance_qapik, 2, mark));
    if request.fault == Some(Fault::Undeclared) {
        xml::put(&mut out, "abn:SaygacNo", "TEST-0001");
    }
    let months: Vec<_> = question.from.closed_to(question.to, request.today, HISTORY).collect();
    out.push_str("<abn:Aylar>");
    for month in months {
        write_month(&mut out, account, month, mark, request);
    }
    out.push_str("</abn:Aylar>");
    out
}

/// One bill. The debt is what the last bill leaves open.
fn write_month(out: &mut String, account: &Account, month: Month, mark: char, request: &Request<'_>) {
    let average = account.average || request.fault == Some(Fault::AverageReading);
    let per_cent = if average { SEASON.iter().sum::<u32>() / 12 } else { month.of_year(&SEASON) };
    let tenths = account.december_m3_tenths * per_cent / 100;
    let charged = tenths * TARIFF_PER_TENTH;
    let paid = if month.is_last_closed(request.today) { charged.saturating_sub(account.balance_qapik) } else { charged };
    let quantity = if request.fault == Some(Fault::WrongType) { "çox".to_owned() } else { decimal(tenths, 1, mark) };
    out.push_str("<abn:AyMelumati>");
    xml::put(out, "abn:Ay", &month.month_first('/'));
    xml::put(out, "abn:Serfiyyat", &quantity);
    xml::put(out, "abn:Mebleg", &decimal(charged, 2, mark));
    xml::put(out, "abn:Odenis", &decimal(paid, 2, mark));
    xml::put(out, "abn:OrtaHesab", if average { "B" } else { "X" });
    out.push_str("</abn:AyMelumati>");
}

/// A number of tenths (one place) or hundredths (two), with blanks between thousands.
fn decimal(value: u32, places: usize, mark: char) -> String {
    let digits = format!("{value:0width$}", width = places + 1);
    let whole = digits.len() - places;
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place == whole {
            out.push(mark);
        } else if place > 0 && place < whole && (whole - place).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// HTTP, the action and the envelope; gives the body's one element.
fn receive(request: &Request<'_>) -> Result<Element, Answer> {
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
    let mut actions = request.head.headers.get_all("soapaction").iter();
    let (action, second) = (actions.next(), actions.next());
    if action.is_none_or(|action| action.as_bytes() != ACTION.as_bytes()) || second.is_some() {
        return Err(client("SOAPAction yanlışdır"));
    }
    let message = soap::open(request.body, SOAP).map_err(|error| match error {
        EnvelopeError::Version => fault(StatusCode::INTERNAL_SERVER_ERROR, "soap:VersionMismatch", "SOAP 1.1 tələb olunur"),
        EnvelopeError::Xml(_) | EnvelopeError::Form | EnvelopeError::NoBody => client("SOAP zərfi oxunmur"),
    })?;
    let must = |field: &Element| field.attribute(SOAP, "mustUnderstand") == Some("1");
    if message.header.unwrap_or_default().iter().any(must) {
        return Err(fault(StatusCode::INTERNAL_SERVER_ERROR, "soap:MustUnderstand", "Başlıq başa düşülmür"));
    }
    let mut body = message.body;
    body.pop().filter(|_| body.is_empty()).ok_or_else(|| client("Gövdədə bir element olmalıdır"))
}

/// The faults that take the answer's place; the question was right.
fn committed(request: &Request<'_>) -> Result<(), Answer> {
    match request.fault {
        Some(Fault::Error) => Err(fault(StatusCode::INTERNAL_SERVER_ERROR, "soap:Server", "Daxili xəta")),
        Some(Fault::FaultIn200) => Err(fault(StatusCode::OK, "soap:Server", "Daxili xəta")),
        Some(Fault::RetryAfter) => Err(fault(StatusCode::SERVICE_UNAVAILABLE, "soap:Server", "Sistem məşğuldur").with("retry-after", "2")),
        _ => Ok(()),
    }
}

/// The caller's own mistake.
fn client(reason: &str) -> Answer {
    fault(StatusCode::INTERNAL_SERVER_ERROR, "soap:Client", reason)
}

/// A SOAP 1.1 fault, with HTTP 500 where it is none of the faults on demand (SOAP 1.1, section 6.2).
fn fault(status: StatusCode, code: &str, reason: &str) -> Answer {
    let mut inner = String::new();
    xml::put(&mut inner, "faultcode", code);
    xml::put(&mut inner, "faultstring", reason);
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><soap:Envelope xmlns:soap=\"{SOAP}\"><soap:Body><soap:Fault xmlns:abn=\"{SUBSCRIBERS}\">\
         {inner}</soap:Fault></soap:Body></soap:Envelope>"
    );
    Answer::new(status, CONTENT_TYPE, body)
}

fn plain(status: StatusCode, text: &'static str) -> Answer {
    Answer::new(status, "text/plain; charset=utf-8", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_a_comma_and_blanks_between_thousands() {
        for (value, places, text) in
            [(0, 2, "0,00"), (5, 2, "0,05"), (798, 2, "7,98"), (114, 1, "11,4"), (4_500_000, 2, "45 000,00"), (12_345, 1, "1 234,5")]
        {
            assert_eq!(decimal(value, places, ','), text);
        }
        assert_eq!(decimal(798, 2, '.'), "7.98");
    }
}
