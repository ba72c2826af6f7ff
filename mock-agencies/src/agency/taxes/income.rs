//! `FizikiSexsGelirleri`: incomes by month (agency catalogue, `taxes.person-income`).

use std::collections::HashMap;

use model::Profile;

use super::{Operation, Received, committed};
use crate::agency::months::Month;
use crate::agency::{Answer, Request, soap};
use crate::fault::Fault;
use crate::personas::{Income, IncomeKind, Personas};
use crate::xml;

pub(super) const OPERATION: Operation = Operation { path: "/gelir", name: "FizikiSexsGelirleri", namespace: "urn:vergiler:gelir:v1" };

/// Months a question may span, both ends counted.
const WINDOW_MAX: i32 = 12;
/// How far back incomes go, in months.
const HISTORY: i32 = 60;

/// Every person whom the service knows, with every income's texts written beforehand.
pub(super) struct Incomes {
    people: Vec<(Box<str>, Vec<Entry>)>,
    by_fin: HashMap<Box<str>, usize>,
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

impl Incomes {
    pub(super) fn new(personas: &Personas) -> Self {
        let known = personas.people().filter(|person| !person.unknown_to_taxes);
        let people: Vec<_> = known.map(|person| (person.fin.clone(), person.incomes.iter().map(entry).collect())).collect();
        let by_fin = people.iter().enumerate().map(|(place, (fin, _))| (fin.clone(), place)).collect();
        Self { people, by_fin }
    }

    pub(super) fn answer(&self, request: &Request<'_>, received: &Received) -> Result<Answer, Answer> {
        let relates = received.relates();
        let question = read_question(received).map_err(|reason| relates.sender("t:SorguYanlisdir", reason))?;
        committed(request, relates)?;
        let Some(place) = self.by_fin.get(question.fin).copied() else {
            return Err(relates.sender("t:MelumatYoxdur", "Bu FIN üzrə məlumat yoxdur"));
        };
        let place = if request.fault == Some(Fault::WrongPerson) { self.another(place) } else { place };
        let (fin, entries) = self.people.get(place).map(|(fin, entries)| (&**fin, entries.as_slice())).unwrap_or_default();
        let (doctype, months) = match soap::hostile(request.fault) {
            Some((doctype, content)) => (doctype, format!("<t:Ay_Melumati><t:Ay>{content}</t:Ay></t:Ay_Melumati>")),
            None => (String::new(), write_months(entries, &question, request)),
        };
        let months = if months.is_empty() { "<t:Aylar/>".to_owned() } else { format!("<t:Aylar>{months}</t:Aylar>") };
        Ok(relates.reply(&doctype, &format!("<t:FIN>{fin}</t:FIN>{months}")))
    }

    /// The next in the register; for who has no income, the next who has none.
    fn another(&self, own: usize) -> usize {
        let has_none = |place: usize| self.people.get(place).is_none_or(|(_, entries)| entries.is_empty());
        let mut others = (1..self.people.len()).map(|step| (own + step) % self.people.len());
        others.find(|other| !has_none(own) || has_none(*other)).unwrap_or(own)
    }
}

fn entry(income: &Income) -> Entry {
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
    Entry {
        calendar_months: income.calendar_months.clone(),
        undeclared: format!("{plain}<t:OdeyiciAdi>Nümunə MMC</t:OdeyiciAdi>"),
        wrong_type: amounts("dörd yüz"),
        plain,
    }
}

/// The incomes of the asked months, oldest first. Months are closed ones: the current month has none yet.
fn write_months(entries: &[Entry], question: &Question<'_>, request: &Request<'_>) -> String {
    let mut out = String::new();
    for month in question.from.closed_to(question.to, request.today, HISTORY) {
        for entry in entries {
            if !entry.calendar_months.is_empty() && !entry.calendar_months.contains(&month.calendar()) {
                continue;
            }
            out.push_str("<t:Ay_Melumati>");
            xml::put(&mut out, "t:Ay", &month.month_first('.'));
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

#[derive(Debug)]
struct Question<'a> {
    fin: &'a str,
    from: Month,
    to: Month,
}

fn read_question(received: &Received) -> Result<Question<'_>, &'static str> {
    let [("FIN", fin), ("AyEvvel", from), ("AySon", to)] = *received.inputs()? else {
        return Err("FIN, AyEvvel və AySon bu ardıcıllıqla tələb olunur");
    };
    if !Profile::Test.accepts_fin(fin) && !Profile::Production.accepts_fin(fin) {
        return Err("FIN formatı yanlışdır");
    }
    let (Some(from), Some(to)) = (Month::read_month_first(from, '.'), Month::read_month_first(to, '.')) else {
        return Err("Ay MM.yyyy formatında olmalıdır");
    };
    match from.count_to(to) {
        ..=0 => Err("AyEvvel AySon-dan sonra ola bilməz"),
        1..=WINDOW_MAX => Ok(Question { fin, from, to }),
        _ => Err("Müddət 12 aydan çox ola bilməz"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_decimal_with_a_point() {
        assert_eq!([40_000, 1, 100_050, 0].map(manat), ["400.00", "0.01", "1000.50", "0.00"]);
    }
}
