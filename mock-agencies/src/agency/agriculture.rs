//! Ministry of Agriculture: REST JSON (agency catalogue, `agriculture.farm-support` and `agriculture.livestock`).

use std::sync::Arc;

use http::StatusCode;
use http::request::Parts;

use super::json::{committed, fin, json, manat, query, receive, text, wrong, year};
use super::{Answer, Request, percent_decoded};
use crate::fault::Fault;
use crate::personas::{AnimalKind, AreaUnit, Declaration, Farm, Livestock, Personas};

pub(super) const SERVICES: &[&str] = &["farm-support", "livestock"];

/// Declarations on a page.
const PAGE: usize = 2;
/// Declarations that [`Fault::TooManyItems`] tells: more than any farm has.
const TOO_MANY: usize = 1_000;
/// What a cursor begins with; the rest is the place of the page's first declaration.
const CURSOR: &str = "n-";

/// The agency.
pub(crate) struct Agriculture {
    personas: Arc<Personas>,
}

enum Route<'a> {
    /// With the FIN as it stands in the path, percent-encoded.
    Declarations(&'a str),
    Livestock(&'a str),
}

fn route(path: &str) -> Option<Route<'_>> {
    match *path.split('/').collect::<Vec<_>>() {
        ["", "ektis", "v1", "fermerler", fin, "beyanlar"] => Some(Route::Declarations(fin)),
        ["", "heyvan", "v1", "sahibler", fin] => Some(Route::Livestock(fin)),
        _ => None,
    }
}

/// Told by the path. Each page is a call of its own here.
pub(super) fn service(head: &Parts, _body: &[u8]) -> Option<usize> {
    match route(head.uri.path())? {
        Route::Declarations(_) => Some(0),
        Route::Livestock(_) => Some(1),
    }
}

impl Agriculture {
    pub(super) fn new(personas: &Arc<Personas>) -> Self {
        Self { personas: Arc::clone(personas) }
    }

    pub(super) fn answer(&self, request: &Request<'_>) -> Answer {
        self.try_answer(request).unwrap_or_else(|refusal| refusal)
    }

    fn try_answer(&self, request: &Request<'_>) -> Result<Answer, Answer> {
        let route = receive(request, route(request.head.uri.path()))?;
        let (Route::Declarations(asked) | Route::Livestock(asked)) = route;
        let asked = percent_decoded(asked).ok_or_else(|| wrong("fin oxunmur"))?;
        let asked = fin(&asked)?;
        match route {
            Route::Declarations(_) => self.declarations(asked, request),
            Route::Livestock(_) => self.livestock(asked, request),
        }
    }

    fn declarations(&self, asked: &str, request: &Request<'_>) -> Result<Answer, Answer> {
        let (year, cursor) = match query(request, ["il"]) {
            Ok([il]) => (year(&il)?, None),
            Err(_) => {
                let [il, novbeti] = query(request, ["il", "novbeti"])?;
                (year(&il)?, Some(novbeti))
            }
        };
        committed(request, "beyanlar")?;
        let from = match cursor.as_deref() {
            None => 0,
            Some(_) if request.fault == Some(Fault::CursorExpired) => return Err(expired()),
            Some(cursor) => cursor.strip_prefix(CURSOR).and_then(|place| place.parse::<usize>().ok()).ok_or_else(expired)?,
        };
        let of_year = |farm: &&Declaration| request.today.year() - i16::try_from(farm.years_ago).unwrap_or(i16::MAX) == year;
        let has_any = |farm: &Farm| farm.declarations.iter().any(|own| of_year(&own));
        let (named, farm) = self.farm(asked, request.fault, has_any);
        let all: Vec<&Declaration> = farm.map(|farm| farm.declarations.iter().filter(of_year).collect()).unwrap_or_default();
        let mut page: Vec<String> = all.iter().skip(from).take(PAGE).map(|own| declaration(own, year, request.fault)).collect();
        if request.fault == Some(Fault::TooManyItems)
            && let Some(first) = page.first().cloned()
        {
            page = vec![first; TOO_MANY];
        }
        let next = match request.fault {
            // Round and round, or on and on: both lead nowhere.
            Some(Fault::CursorRepeats) => Some(format!("{CURSOR}0")),
            Some(Fault::CursorEndless) => Some(format!("{CURSOR}{}", from + PAGE)),
            _ => (from + PAGE < all.len()).then(|| format!("{CURSOR}{}", from + PAGE)),
        };
        let next = next.map_or_else(|| "null".to_owned(), |cursor| text(&cursor));
        let more = if request.fault == Some(Fault::Undeclared) { ",\"bank_hesabi\":\"TEST-IBAN\"" } else { "" };
        let body = format!("{{\"fin\":{},\"beyanlar\":[{}],\"novbeti\":{next}{more}}}", text(named), page.join(","));
        Ok(json(StatusCode::OK, body))
    }

    fn livestock(&self, asked: &str, request: &Request<'_>) -> Result<Answer, Answer> {
        query(request, [])?;
        committed(request, "heyvanlar")?;
        let (named, farm) = self.farm(asked, request.fault, |farm| farm.livestock.is_some());
        let Some(livestock) = farm.and_then(|farm| farm.livestock.as_ref()) else {
            return Err(json(StatusCode::NOT_FOUND, r#"{"xeta":"sahib_tapilmadi"}"#));
        };
        Ok(json(StatusCode::OK, animals(named, livestock, request.fault)))
    }

    /// The farm of who was asked about; under [`Fault::WrongPerson`] another's who has something as well, or nothing as well.
    fn farm<'a>(&'a self, asked: &'a str, fault: Option<Fault>, has: impl Fn(&Farm) -> bool) -> (&'a str, Option<&'a Farm>) {
        let own = self.personas.farms().get(asked);
        if fault == Some(Fault::WrongPerson) {
            let had = own.is_some_and(&has);
            let mut others = self.personas.people().filter(|person| *person.fin != *asked);
            let like = others.find(|person| self.personas.farms().get(&person.fin).is_some_and(&has) == had);
            return like.map_or((asked, own), |person| (&*person.fin, self.personas.farms().get(&person.fin)));
        }
        (asked, own)
    }
}

fn expired() -> Answer {
    json(StatusCode::GONE, r#"{"xeta":"kursor_kohnelib"}"#)
}

fn declaration(own: &Declaration, year: i16, fault: Option<Fault>) -> String {
    let (area, unit) = match (own.unit, fault) {
        (AreaUnit::Ha, Some(Fault::AreaInSot)) => (hundredfold(&own.area), "sot"),
        (_, Some(Fault::UnknownUnit)) => (own.area.to_string(), "desyatin"),
        (_, Some(Fault::WrongType)) => ("\"çox\"".to_owned(), "ha"),
        (AreaUnit::Ha, _) => (own.area.to_string(), "ha"),
        (AreaUnit::Sot, _) => (own.area.to_string(), "sot"),
    };
    let paid = own.paid.as_deref().map_or_else(|| "null".to_owned(), |day| format!("\"{year}-{day}\""));
    format!(
        "{{\"beyan_nomresi\":\"TEST-B-{year}-{}\",\"mehsul_kodu\":{},\"sahe\":{area},\"olcu_vahidi\":\"{unit}\",\"subsidiya_meblegi\":{},\"odenis_tarixi\":{paid}}}",
        own.number,
        text(&own.crop),
        manat(own.subsidy_qapik)
    )
}

/// A decimal of hectares in hundredths of one.
fn hundredfold(area: &str) -> String {
    let (whole, fraction) = area.split_once('.').unwrap_or((area, ""));
    let digits = format!("{whole}{fraction:0<2}");
    let point = whole.len() + 2;
    let (whole, fraction) = digits.split_at_checked(point).unwrap_or((&digits, ""));
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

fn animals(named: &str, livestock: &Livestock, fault: Option<Fault>) -> String {
    let kind = |kind: AnimalKind| match kind {
        AnimalKind::Cow => "inek",
        AnimalKind::Buffalo => "camis",
        AnimalKind::Sheep => "qoyun",
        AnimalKind::Goat => "keci",
        AnimalKind::Pig => "donuz",
        AnimalKind::BeeColony => "ari-ailesi",
        AnimalKind::Hen => "toyuq",
        AnimalKind::Duck => "ordek",
        AnimalKind::Goose => "qaz",
        AnimalKind::Turkey => "hinduska",
    };
    let one = |kind: &str, heads: &str| format!("{{\"nov\":\"{kind}\",\"bas_sayi\":{heads}}}");
    let mut animals: Vec<String> = livestock.animals.iter().map(|own| one(kind(own.kind), &own.heads.to_string())).collect();
    if fault == Some(Fault::WrongType) {
        animals = vec![one("inek", "1.5")];
    }
    let more = if fault == Some(Fault::Undeclared) { ",\"baytar_qeydi\":\"TEST\"" } else { "" };
    format!("{{\"fin\":{},\"sayim_tarixi\":\"{}\",\"heyvanlar\":[{}]{more}}}", text(named), livestock.counted_on, animals.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hectares_are_a_hundred_times_as_many_hundredths() {
        for (ha, sot) in [("1.25", "125"), ("2.5", "250"), ("3", "300"), ("0.06", "6"), ("0.125", "12.5"), ("8.4", "840")] {
            assert_eq!(hundredfold(ha), sot, "{ha}");
        }
    }

    #[test]
    fn only_the_two_addresses_are_services() {
        assert!(matches!(route("/ektis/v1/fermerler/X/beyanlar"), Some(Route::Declarations("X"))));
        assert!(matches!(route("/heyvan/v1/sahibler/X"), Some(Route::Livestock("X"))));
        for other in ["/", "/ektis/v1/fermerler/X", "/heyvan/v1/sahibler/X/", "/heyvan/v2/sahibler/X"] {
            assert!(route(other).is_none(), "{other}");
        }
    }
}
