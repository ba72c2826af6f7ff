//! Azərişıq: REST JSON (agency catalogue, `azerishiq.subscriber` and `azerishiq.consumption`).

use std::collections::HashMap;

use http::StatusCode;
use http::request::Parts;

use super::json::{committed, fin, json, manat, query, receive, text, wrong};
use super::months::Month;
use super::{Answer, Request, percent_decoded};
use crate::fault::Fault;
use crate::personas::{Electricity, MeterKind, Person, Personas, TariffGroup};

/// Months a question may span, both ends counted.
const WINDOW_MAX: i32 = 36;
/// How far back bills go, in months.
const HISTORY: i32 = 60;
/// What a month uses of December's electricity, in per cent, from January: heating and air conditioning.
const SEASON: [u32; 12] = [105, 95, 80, 70, 65, 85, 110, 112, 80, 70, 85, 100];
/// What ten kilowatt-hours cost, in qəpik.
const TARIFF_PER_10_KWH: u32 = 90;

/// The agency, with every subscriber's record written beforehand.
pub(crate) struct Azerishiq {
    /// Every account with its holder, in the personas' order.
    accounts: Vec<Account>,
    /// Places of accounts by their holder's FIN, by code of the address register, by their own code.
    by_fin: HashMap<Box<str>, usize>,
    /// Where one address has several meters, the account that was there first.
    by_address: HashMap<Box<str>, usize>,
    by_code: HashMap<Box<str>, usize>,
}

struct Record {
    plain: String,
    /// With keys no contract declares.
    undeclared: String,
    /// With a text where a truth value belongs.
    wrong_type: String,
}

struct Account {
    code: Box<str>,
    record: Record,
    december_kwh_tenths: u32,
    balance_qapik: u32,
    estimated: bool,
}

pub(super) const SERVICES: &[&str] = &["subscriber", "consumption"];

const SUBSCRIBER: usize = 0;
const CONSUMPTION: usize = 1;

/// Told by the path.
pub(super) fn service(head: &Parts, _body: &[u8]) -> Option<usize> {
    match route(head.uri.path())? {
        Route::Subscriber => Some(SUBSCRIBER),
        Route::Consumption(_) => Some(CONSUMPTION),
    }
}

enum Route<'a> {
    Subscriber,
    /// With the code as it stands in the path, percent-encoded.
    Consumption(&'a str),
}

fn route(path: &str) -> Option<Route<'_>> {
    let mut segments = path.split('/');
    if (segments.next(), segments.next(), segments.next()) != (Some(""), Some("abonent"), Some("v1")) {
        return None;
    }
    match (segments.next(), segments.next(), segments.next()) {
        (None, None, None) => Some(Route::Subscriber),
        (Some(code), Some("hesablamalar"), None) if !code.is_empty() => Some(Route::Consumption(code)),
        _ => None,
    }
}

impl Azerishiq {
    pub(super) fn new(personas: &Personas) -> Self {
        let mut agency = Self { accounts: Vec::new(), by_fin: HashMap::new(), by_address: HashMap::new(), by_code: HashMap::new() };
        for (person, own) in personas.people().filter_map(|person| Some((person, person.electricity.as_ref()?))) {
            let place = agency.accounts.len();
            agency.by_fin.insert(person.fin.clone(), place);
            agency.by_code.insert(own.subscriber_code.clone(), place);
            if let Some(code) = &own.address_code {
                agency.by_address.entry(code.clone()).or_insert(place);
            }
            let Electricity { december_kwh_tenths, balance_qapik, estimated, .. } = *own;
            let (code, record) = (own.subscriber_code.clone(), record(person, own));
            agency.accounts.push(Account { code, record, december_kwh_tenths, balance_qapik, estimated });
        }
        agency
    }

    pub(super) fn answer(&self, request: &Request<'_>) -> Answer {
        self.try_answer(request).unwrap_or_else(|refusal| refusal)
    }

    fn try_answer(&self, request: &Request<'_>) -> Result<Answer, Answer> {
        match receive(request, route(request.head.uri.path()))? {
            Route::Subscriber => self.subscriber(request),
            Route::Consumption(code) => self.consumption(code, request),
        }
    }

    fn subscriber(&self, request: &Request<'_>) -> Result<Answer, Answer> {
        let place = match query(request, ["fin"]) {
            Ok([asked]) => self.by_fin.get(fin(&asked)?),
            Err(_) => {
                let [code] = query(request, ["unvan_kodu"]).map_err(|_| wrong("parametrlər: fin, yaxud unvan_kodu"))?;
                if code.is_empty() || code.len() > 40 || !code.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-') {
                    return Err(wrong("unvan_kodu: böyük latın hərfləri, rəqəmlər və tire"));
                }
                self.by_address.get(&*code)
            }
        };
        committed(request, "abonentler")?;
        let record = place.and_then(|place| self.account(*place, request)).map(|Account { record, .. }| match request.fault {
            Some(Fault::Undeclared) => &*record.undeclared,
            Some(Fault::WrongType) => &*record.wrong_type,
            _ => &*record.plain,
        });
        Ok(json(StatusCode::OK, format!("{{\"abonentler\":[{}]}}", record.unwrap_or_default())))
    }

    fn consumption(&self, code: &str, request: &Request<'_>) -> Result<Answer, Answer> {
        let code = percent_decoded(code).ok_or_else(|| wrong("abonent kodu oxunmur"))?;
        let [from, to] = query(request, ["ay_evvel", "ay_son"])?;
        let (Some(from), Some(to)) = (Month::read_iso(&from), Month::read_iso(&to)) else {
            return Err(wrong("ay_evvel, ay_son: yyyy-MM"));
        };
        if !(1..=WINDOW_MAX).contains(&from.count_to(to)) {
            return Err(wrong("ay_evvel ay_son-dan sonra və ya müddət 36 aydan çox ola bilməz"));
        }
        committed(request, "hesablamalar")?;
        let account = self.by_code.get(&*code).and_then(|place| self.account(*place, request));
        let account = account.ok_or_else(|| json(StatusCode::NOT_FOUND, r#"{"xeta":"abonent_tapilmadi"}"#))?;
        let months = from.closed_to(to, request.today, HISTORY);
        let months: Vec<_> = months.map(|month| write_month(account, month, month.is_last_closed(request.today), request.fault)).collect();
        let more = if request.fault == Some(Fault::Undeclared) { r#""operator":"Nümunə","# } else { "" };
        let body = format!(
            "{{\"abonent_kodu\":{},{more}\"qaliq\":{},\"hesablamalar\":[{}]}}",
            text(&account.code),
            manat(account.balance_qapik),
            months.join(",")
        );
        Ok(json(StatusCode::OK, body))
    }

    /// An account, or under [`Fault::WrongPerson`] the next one, which is another holder's.
    fn account(&self, place: usize, request: &Request<'_>) -> Option<&Account> {
        let place = if request.fault == Some(Fault::WrongPerson) { (place + 1) % self.accounts.len() } else { place };
        self.accounts.get(place)
    }
}

fn record(person: &Person, account: &Electricity) -> Record {
    let meter = match account.meter {
        MeterKind::Smart => "smart",
        MeterKind::Mechanical => "mexaniki",
    };
    let tariff = match account.tariff {
        TariffGroup::Population => "ehali",
        TariffGroup::Other => "qeyri-ehali",
    };
    let write = |active: &str, more: &str| {
        format!(
            "{{\"abonent_kodu\":{},\"sahib_fin\":{},\"unvan\":{},\"saygac_novu\":\"{meter}\",\"tarif_qrupu\":\"{tariff}\",\"aktiv\":{active}{more}}}",
            text(&account.subscriber_code),
            text(&person.fin),
            text(&account.address)
        )
    };
    let active = if account.active { "true" } else { "false" };
    let more = format!(",\"sahib_ad\":{},\"telefon\":\"+994 00 000 00 00\"", text(&person.full_name()));
    Record { plain: write(active, ""), undeclared: write(active, &more), wrong_type: write("\"bəli\"", "") }
}

/// One bill. The debt is what the last bill (`unpaid`) leaves open.
fn write_month(account: &Account, month: Month, unpaid: bool, fault: Option<Fault>) -> String {
    let tenths = account.december_kwh_tenths * month.of_year(&SEASON) / 100;
    let charged = (tenths * TARIFF_PER_10_KWH + 50) / 100;
    let paid = if unpaid { charged.saturating_sub(account.balance_qapik) } else { charged };
    let quantity = match fault {
        Some(Fault::WrongType) => "\"çox\"".to_owned(),
        _ => format!("{}.{}", tenths / 10, tenths % 10),
    };
    let more = if fault == Some(Fault::Undeclared) { r#","nezaretci":"Sınaqlı""# } else { "" };
    let estimated = account.estimated || fault == Some(Fault::Estimated);
    format!(
        "{{\"ay\":\"{}\",\"serfiyyat\":{quantity},\"hesablanib\":{},\"odenilib\":{},\"teqribi\":{estimated}{more}}}",
        month.iso(),
        manat(charged),
        manat(paid)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_december_of_the_reference_family_is_the_catalogues() {
        let record = Record { plain: String::new(), undeclared: String::new(), wrong_type: String::new() };
        let account = Account { code: "X".into(), record, december_kwh_tenths: 2_120, balance_qapik: 0, estimated: false };
        let month = Month::read_iso("2025-12").expect("valid");
        let expected = r#"{"ay":"2025-12","serfiyyat":212.0,"hesablanib":19.08,"odenilib":19.08,"teqribi":false}"#;
        assert_eq!(write_month(&account, month, false, None), expected);
    }

    #[test]
    fn only_the_two_addresses_are_services() {
        assert!(matches!(route("/abonent/v1"), Some(Route::Subscriber)));
        assert!(matches!(route("/abonent/v1/X/hesablamalar"), Some(Route::Consumption("X"))));
        for other in ["/", "/abonent", "/abonent/v1/", "/abonent/v1/X", "/abonent/v1//hesablamalar", "/abonent/v1/X/hesablamalar/"] {
            assert!(route(other).is_none(), "{other}");
        }
    }
}
