//! What a dossier's plan says about one element: which values it takes from others, whether its
//! conditions hold, which members an answer names. Pure: values and the day go in, a decision comes out.

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use model::contract::{Input, Members, PersonRole, Test, Type};
use model::{Absence, Facts, Outcome, Subject, Value};
use policy::Sight;

use crate::obtained::{Obtained, Trouble};

/// Whether a condition holds of a value; the text says what does not, without the value.
pub(crate) fn holds(test: &Test, value: Option<&Value>, today: Date) -> Result<(), String> {
    let Some(value) = value.filter(|value| !matches!(value, Value::Null)) else { return Err("not given".to_owned()) };
    match test {
        Test::Given => Ok(()),
        Test::Is(accepted) => {
            let is = match value {
                Value::Text(text) => accepted.iter().any(|word| **word == **text),
                Value::Bool(flag) => accepted.iter().any(|word| **word == *if *flag { "true" } else { "false" }),
                _ => false,
            };
            if is { Ok(()) } else { Err(format!("not {}", accepted.join(" or "))) }
        }
        Test::Years { at_least, below } => {
            let Some(years) = value.as_text().and_then(|text| text.parse::<Date>().ok()).and_then(|since| whole_years(since, today)) else {
                return Err("no date".to_owned());
            };
            match (at_least, below) {
                (Some(least), _) if years < i32::try_from(*least).unwrap_or(i32::MAX) => Err(format!("under {least} years")),
                (_, Some(below)) if years >= i32::try_from(*below).unwrap_or(i32::MAX) => Err(format!("{below} years or more")),
                _ => Ok(()),
            }
        }
    }
}

/// Whether what an element has come to calls for the one that is declared to stand in for it: its source has no record,
/// which proves nothing, or gives no answer. What was never asked, or was refused, calls for nothing.
pub(crate) fn calls_for_fallback(obtained: &Obtained) -> bool {
    match obtained.outcome {
        Outcome::Unavailable | Outcome::InvalidData => matches!(
            obtained.trouble,
            Some(Trouble::Deadline { .. } | Trouble::Unreachable { .. } | Trouble::Suspended { .. } | Trouble::Broken)
        ),
        outcome => opens_document(outcome, obtained.absence),
    }
}

/// Whether an outcome opens the way to a paper document: never an outage (`docs/guide/for-subsystems.md`).
pub(crate) fn opens_document(outcome: Outcome, absence: Option<Absence>) -> bool {
    match outcome {
        Outcome::NotHeldElectronically => true,
        Outcome::NotFound => absence == Some(Absence::Unknown),
        Outcome::Found | Outcome::Unavailable | Outcome::Denied | Outcome::InvalidData | Outcome::Stale => false,
    }
}

/// Whole years from one day to another. Who is born on 29 February is a year older on 1 March.
fn whole_years(since: Date, today: Date) -> Option<i32> {
    if today < since {
        return None;
    }
    let years = i32::from(today.year()) - i32::from(since.year());
    let before_birthday = (today.month(), today.day()) < (since.month(), since.day());
    Some(years - i32::from(before_birthday))
}

/// The month, or the day, so many months before today, as the input's type wants it.
pub(crate) fn months_ago(input: Option<&Input>, now: Timestamp, months: u32) -> Value {
    let today = model::time::day(now);
    let back = i64::from(months).months();
    if input.is_some_and(|input| input.kind == Type::Date) {
        return Value::Text(today.saturating_sub(back).to_string().into());
    }
    let month = today.first_of_month().saturating_sub(back);
    Value::Text(month.strftime("%Y-%m").to_string().into())
}

/// The year so many years before this one.
pub(crate) fn years_ago(now: Timestamp, years: u32) -> Value {
    Value::Int(i64::from(model::time::day(now).year()) - i64::from(years))
}

/// The members an answer names to whom this right shows it: each with his FIN, where the source has one, and
/// his role. `None` where the right does not show who they are, or until when it names them.
pub(crate) fn members(declared: &Members, facts: &Facts, sight: &Sight) -> Option<Vec<(Option<Subject>, PersonRole)>> {
    if let Some(until) = &declared.until {
        sight.value(facts, until)?;
    }
    let fins = sight.column(facts, &declared.list, &declared.fin)?;
    let relations = sight.column(facts, &declared.list, &declared.relation)?;
    let member = |(fin, relation): (&Value, &Value)| {
        let role = declared.roles.iter().find(|(code, _)| Some(&**code) == relation.as_text()).map(|(_, role)| *role);
        (fin.as_text().map(|fin| Subject::Fin(fin.to_owned())), role.unwrap_or(PersonRole::Other))
    };
    Some(fins.into_iter().zip(relations).map(member).collect())
}

/// Whether an answer that names members has lapsed on a day. Its own last day is one of those it is good for.
pub(crate) fn has_lapsed(declared: &Members, facts: &Facts, on: Date) -> bool {
    let Some(until) = &declared.until else { return false };
    let last = facts.top_level(until).and_then(Value::as_text).and_then(|text| text.parse::<Date>().ok());
    // Its contract demands the day. Without it there is no ground to ask about anybody.
    last.is_none_or(|last| last < on)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use jiff::civil::date;
    use model::Record;
    use model::load::load;
    use model::problem::Problems;
    use proptest::prelude::*;

    /// How the shipped dossier finds the members, and an application that is good until then.
    fn application(valid_until: &Value) -> (Members, Facts) {
        let contracts = Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts");
        let snapshot = load(&contracts, date(2026, 11, 22), &mut Problems::default());
        let dossier = snapshot.dossiers.values().next().expect("a dossier");
        let element = dossier.elements.iter().find(|element| element.members.is_some()).expect("an element that names members");
        let service = Arc::clone(&snapshot.services[&element.service]);
        let value = |name: &str| if name == "valid_until" { valid_until.clone() } else { Value::Null };
        let values = service.shape.fields.iter().map(|field| value(&field.name)).collect();
        (element.members.clone().expect("members"), Facts { service, record: Record { values }, flags: Vec::new() })
    }

    #[test]
    fn an_application_is_good_on_its_last_day_and_never_without_one() {
        let (mut declared, facts) = application(&Value::Text("2026-11-22".into()));
        for (on, lapsed) in [(date(2026, 11, 21), false), (date(2026, 11, 22), false), (date(2026, 11, 23), true)] {
            assert_eq!(has_lapsed(&declared, &facts, on), lapsed, "{on}");
        }
        for nothing in [Value::Null, Value::Text("31.05.2026".into()), Value::Text("".into()), Value::Bool(true)] {
            assert!(has_lapsed(&declared, &application(&nothing).1, Date::MIN));
        }
        declared.until = Some("no_such_field".into());
        assert!(has_lapsed(&declared, &facts, date(2026, 11, 22)));
        declared.until = None;
        assert!(!has_lapsed(&declared, &facts, Date::MAX), "it names its members for ever");
    }

    #[test]
    fn what_has_lapsed_stays_so() {
        let today = date(2026, 11, 22);
        let (declared, facts) = application(&Value::Text(today.to_string().into()));
        proptest!(|(days in -40_000..40_000_i64)| {
            prop_assert_eq!(has_lapsed(&declared, &facts, today.saturating_add(days.days())), days > 0);
        });
    }

    #[test]
    fn years_are_whole_and_begin_on_the_birthday() {
        let years = |since, today| whole_years(since, today);
        assert_eq!(years(date(2008, 11, 22), date(2026, 11, 21)), Some(17));
        assert_eq!(years(date(2008, 11, 22), date(2026, 11, 22)), Some(18));
        assert_eq!(years(date(2008, 2, 29), date(2026, 2, 28)), Some(17));
        assert_eq!(years(date(2008, 2, 29), date(2026, 3, 1)), Some(18));
        assert_eq!(years(date(2027, 1, 1), date(2026, 3, 1)), None);
    }

    #[test]
    fn a_condition_that_fails_says_why_without_the_value() {
        let today = date(2026, 11, 22);
        let text = |text: &str| Value::Text(text.into());
        let adult = Test::Years { at_least: Some(18), below: None };
        assert_eq!(holds(&adult, Some(&text("1985-03-14")), today), Ok(()));
        assert_eq!(holds(&adult, Some(&text("2011-01-25")), today), Err("under 18 years".to_owned()));
        assert_eq!(holds(&adult, Some(&Value::Null), today), Err("not given".to_owned()));
        assert_eq!(holds(&adult, None, today), Err("not given".to_owned()));
        assert_eq!(holds(&adult, Some(&text("unknown")), today), Err("no date".to_owned()));
        let school = Test::Years { at_least: Some(6), below: Some(18) };
        assert_eq!(holds(&school, Some(&text("2008-01-01")), today), Err("18 years or more".to_owned()));
        let permanent = Test::Is(vec!["permanent".into()]);
        assert_eq!(holds(&permanent, Some(&text("permanent")), today), Ok(()));
        assert_eq!(holds(&permanent, Some(&text("temporary")), today), Err("not permanent".to_owned()));
        assert_eq!(holds(&Test::Given, Some(&text("x")), today), Ok(()));
    }
}
