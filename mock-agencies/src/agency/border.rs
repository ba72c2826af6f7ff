//! State Border Service behind its security server: X-Road SOAP, time stamps in UTC (agency catalogue, `border.*`).

use std::sync::Arc;

use http::request::Parts;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use model::Profile;

use super::soap;
use super::xroad::{self, Offer, Received};
use super::{Answer, Request};
use crate::fault::Fault;
use crate::personas::{Crossing, Direction, Personas};
use crate::xml;

pub(super) const SERVICES: &[&str] = &["absence-summary", "crossings"];

const SUMMARY: usize = 0;
/// Longest window of a question, in months.
const WINDOW_MONTHS_MAX: i64 = 12;

/// In the order of [`SERVICES`].
const OFFERS: &[Offer] = &[
    Offer { code: "OlkedenKenardaQalma", version: "v1", namespace: "http://serhed.example/xroad/kenarda/v1" },
    Offer { code: "SerhedKecmeSiyahisi", version: "v1", namespace: "http://serhed.example/xroad/kecid/v1" },
];

/// The service.
pub(crate) struct Border {
    personas: Arc<Personas>,
}

pub(super) fn service(head: &Parts, body: &[u8]) -> Option<usize> {
    xroad::service(OFFERS, head, body)
}

/// Whom a question is about, and the days of Baku that it asks for.
struct Question<'a> {
    fin: &'a str,
    from: Date,
    to: Date,
}

impl Border {
    pub(super) fn new(personas: &Arc<Personas>) -> Self {
        Self { personas: Arc::clone(personas) }
    }

    pub(super) fn answer(&self, request: &Request<'_>) -> Answer {
        self.try_answer(request).unwrap_or_else(|refusal| refusal)
    }

    fn try_answer(&self, request: &Request<'_>) -> Result<Answer, Answer> {
        let received = xroad::receive(request, OFFERS)?;
        let question = ask(&received)?;
        if let Some((doctype, content)) = soap::hostile(request.fault) {
            let inner = match received.place {
                SUMMARY => format!("<d:Xulase><d:FIN>{content}</d:FIN></d:Xulase>"),
                _ => format!("<d:FIN>{content}</d:FIN><d:Kecidler/>"),
            };
            return Ok(xroad::reply(&received, request, &doctype, &inner));
        }
        let today = request.today;
        let (fin, all) = self.found(&question, request);
        // Nobody recorded that the person came back.
        let all = all.iter().filter(|crossing| request.fault != Some(Fault::ExitWithoutEntry) || crossing.direction == Direction::Exit);
        let all: Vec<&Crossing> = all.collect();
        let inner = match received.place {
            SUMMARY => write_summary(fin, &summary(&all, question.from, question.to, today), request.fault),
            _ => {
                let inside = all.into_iter().filter(|crossing| (question.from..=question.to).contains(&crossing.day(today)));
                write_crossings(fin, inside, today, request.fault)
            }
        };
        Ok(xroad::reply(&received, request, "", &inner))
    }

    /// The person asked about, or under [`Fault::WrongPerson`] another: one who has crossed, or else one who has not.
    fn found<'a>(&'a self, question: &Question<'a>, request: &Request<'_>) -> (&'a str, &'a [Crossing]) {
        let border = self.personas.border();
        let own = (question.fin, border.of(question.fin));
        if request.fault != Some(Fault::WrongPerson) {
            return own;
        }
        let others = self.personas.people().filter(|person| *person.fin != *question.fin);
        let mut others = others.map(|person| (&*person.fin, border.of(&person.fin)));
        others.find(|(_, crossings)| crossings.is_empty() == own.1.is_empty()).unwrap_or(own)
    }
}

fn ask(question: &Received) -> Result<Question<'_>, Answer> {
    let &[("FIN", fin), ("Baslangic", from), ("Son", to)] = &*question.inputs()? else {
        return Err(xroad::wrong("FIN, Baslangic və Son tələb olunur"));
    };
    if !Profile::Test.accepts_fin(fin) && !Profile::Production.accepts_fin(fin) {
        return Err(xroad::wrong("FIN formatı yanlışdır"));
    }
    let day = |text: &str| if text.len() == 10 { text.parse::<Date>().ok() } else { None };
    let (Some(from), Some(to)) = (day(from), day(to)) else { return Err(xroad::wrong("Tarix formatı yanlışdır")) };
    if to < from || from.saturating_add(WINDOW_MONTHS_MAX.months()) < to {
        return Err(xroad::wrong("Müddət 12 aydan çox ola bilməz"));
    }
    Ok(Question { fin, from, to })
}

/// What the register counts of a person's crossings.
#[derive(Debug, PartialEq, Eq)]
struct Summary {
    trips: usize,
    /// `None` where nobody recorded when the person came back.
    days: Option<i64>,
    abroad_now: bool,
    last_exit: Option<Timestamp>,
}

/// Counts the days at whose end the person was abroad: from the day of an exit to the day before the entry.
fn summary(crossings: &[&Crossing], from: Date, to: Date, today: Date) -> Summary {
    let exits = || crossings.iter().filter(|crossing| crossing.direction == Direction::Exit);
    let inside = |day: Date| (from..=to).contains(&day);
    // How many of the days from `first` to before `end` lie in the window.
    let overlap = |first: Date, end: Date| {
        let (first, end) = (first.max(from), end.min(to.saturating_add(1.day())));
        first.until(end).map_or(0, |span| i64::from(span.get_days())).max(0)
    };
    let mut days = Some(0);
    let mut exit: Option<Date> = None;
    for crossing in crossings {
        let day = crossing.day(today);
        let away = exit.map_or(0, |exit| overlap(exit, day));
        match (crossing.direction, exit) {
            (Direction::Exit, Some(_)) if away > 0 => days = None,
            (Direction::Entry, _) => days = days.map(|days| days + away),
            (Direction::Exit, _) => {}
        }
        exit = (crossing.direction == Direction::Exit).then_some(day);
    }
    let still = exit.map_or(0, |exit| overlap(exit, today.saturating_add(1.day())));
    Summary {
        trips: exits().filter(|crossing| inside(crossing.day(today))).count(),
        days: days.map(|days| days + still),
        abroad_now: exit.is_some(),
        last_exit: exits().filter(|crossing| inside(crossing.day(today))).map(|crossing| crossing.at(today)).next_back(),
    }
}

/// A time stamp, in UTC as this source has them; under [`Fault::LocalTime`] Baku's clock, which does not say so.
fn stamp(at: Timestamp, fault: Option<Fault>) -> String {
    if fault == Some(Fault::LocalTime) {
        return at.to_zoned(model::time::baku().clone()).strftime("%Y-%m-%dT%H:%M:%S").to_string();
    }
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn write_summary(fin: &str, summary: &Summary, fault: Option<Fault>) -> String {
    let mut out = String::from("<d:Xulase>");
    xml::put(&mut out, "d:FIN", fin);
    let trips = summary.trips.to_string();
    xml::put(&mut out, "d:SeferSayi", if fault == Some(Fault::WrongType) { "bir neçə" } else { &trips });
    xml::put(&mut out, "d:GunSayi", &summary.days.map_or_else(|| "-".to_owned(), |days| days.to_string()));
    xml::put(&mut out, "d:HazirdaXaricde", if summary.abroad_now { "1" } else { "0" });
    xml::put(&mut out, "d:SonCixis", &summary.last_exit.map(|at| stamp(at, fault)).unwrap_or_default());
    if fault == Some(Fault::Undeclared) {
        xml::put(&mut out, "d:SonOlke", "UTO");
    }
    out.push_str("</d:Xulase>");
    out
}

fn write_crossings<'a>(fin: &str, crossings: impl Iterator<Item = &'a Crossing>, today: Date, fault: Option<Fault>) -> String {
    let mut out = String::new();
    xml::put(&mut out, "d:FIN", fin);
    out.push_str("<d:Kecidler>");
    for crossing in crossings {
        out.push_str("<d:Kecid>");
        let direction = match crossing.direction {
            Direction::Entry => "G",
            Direction::Exit => "C",
        };
        xml::put(&mut out, "d:Istiqamet", direction);
        let at = stamp(crossing.at(today), fault);
        xml::put(&mut out, "d:Vaxt", if fault == Some(Fault::WrongType) { "səhər tezdən" } else { &at });
        xml::put(&mut out, "d:MenteqeKodu", &crossing.checkpoint);
        xml::put(&mut out, "d:Olke", &crossing.neighbour);
        if fault == Some(Fault::Undeclared) {
            xml::put(&mut out, "d:SenedNomresi", "ZZ0000001");
        }
        out.push_str("</d:Kecid>");
    }
    out.push_str("</d:Kecidler>");
    out
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    const TODAY: Date = date(2026, 3, 11);

    fn told(fin: &str, from: Date, to: Date) -> Summary {
        let personas = Personas::embedded();
        summary(&personas.border().of(fin).iter().collect::<Vec<_>>(), from, to, TODAY)
    }

    #[test]
    fn days_are_counted_by_the_clocks_of_baku() {
        // Out at 01:30 of the day after in Baku, 120 days ago; back 110 days ago. And nine days earlier in the year.
        let year = told("5K7QX2O", date(2025, 3, 11), TODAY);
        assert_eq!((year.trips, year.days, year.abroad_now), (2, Some(19), false));
        let exit = TODAY.saturating_sub(120.days());
        assert_eq!(model::time::day(year.last_exit.expect("an exit")), exit);
        // A window that ends before that day in Baku has not begun the trip.
        let before = told("5K7QX2O", exit.saturating_sub(5.days()), exit.saturating_sub(1.day()));
        assert_eq!(before, Summary { trips: 0, days: Some(0), abroad_now: false, last_exit: None });
        let inside = told("5K7QX2O", exit, exit.saturating_add(2.days()));
        assert_eq!((inside.trips, inside.days), (1, Some(3)));
    }

    #[test]
    fn who_has_not_come_back_is_abroad_until_today_and_no_longer() {
        let now = told("1V9KF5O", date(2025, 3, 11), TODAY);
        assert_eq!((now.trips, now.days, now.abroad_now), (1, Some(17), true));
        // Left before the window, and still away.
        let long = told("1AVA8AO", date(2026, 3, 1), TODAY);
        assert_eq!(long, Summary { trips: 0, days: Some(11), abroad_now: true, last_exit: None });
    }

    #[test]
    fn an_exit_after_an_exit_cannot_be_counted() {
        let year = told("24EQDAO", date(2025, 3, 11), TODAY);
        assert_eq!((year.trips, year.days, year.abroad_now), (2, None, false));
        // What lies before the gap does not spoil a later window.
        let later = told("24EQDAO", TODAY.saturating_sub(94.days()), TODAY);
        assert_eq!((later.trips, later.days), (0, Some(4)));
    }

    #[test]
    fn who_has_never_crossed_has_zeros() {
        let none = told("8B2HN6O", date(2025, 3, 11), TODAY);
        assert_eq!(none, Summary { trips: 0, days: Some(0), abroad_now: false, last_exit: None });
        // An entry alone: where the person was before is not counted.
        assert_eq!(told("0Z5QA8O", date(2025, 3, 11), TODAY).days, Some(0));
    }
}
