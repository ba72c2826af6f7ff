//! Whether an answer is the answer to its question: what the contract says it must repeat.

#[cfg(test)]
mod tests;

use jiff::Timestamp;

use crate::contract::{Confirm, Confirmed, Service, SubjectPart};
use crate::subject::Subject;
use crate::value::{Facts, Value};

/// How much earlier than our question an answer may say it was made, since clocks differ.
const CLOCKS_DIFFER: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);

impl Service {
    /// The first field of an answer that contradicts its question, by the contract's `confirms`.
    ///
    /// A rule about something the question does not have (a FIN where it was put by document) says
    /// nothing; a field the source left empty does not confirm.
    #[must_use]
    pub fn contradiction(
        &self,
        facts: &Facts,
        subject: Option<&Subject>,
        inputs: &[(Box<str>, Value)],
        asked: Timestamp,
    ) -> Option<&Confirm> {
        let input = |name: &str| inputs.iter().find(|(own, _)| **own == *name).map(|(_, value)| value);
        self.confirms.iter().find(|rule| {
            let lifted = rule.unless.as_deref().is_some_and(|name| input(name).is_some());
            !lifted && !agrees(rule, facts, subject, input, asked)
        })
    }
}

fn agrees<'a>(
    rule: &Confirm,
    facts: &Facts,
    subject: Option<&Subject>,
    input: impl Fn(&str) -> Option<&'a Value>,
    asked: Timestamp,
) -> bool {
    let told = facts.top_level(&rule.field);
    let text = told.and_then(Value::as_text);
    match &rule.with {
        Confirmed::Subject(part) => subject.is_none_or(|subject| repeats(text, subject, *part)),
        Confirmed::Input(name) => input(name).is_none_or(|wanted| told == Some(wanted)),
        Confirmed::Count(list) => {
            let items = match facts.top_level(list) {
                Some(Value::Records(items)) => items.len(),
                Some(Value::Values(items)) => items.len(),
                _ => 0,
            };
            matches!(told, Some(Value::Int(count)) if usize::try_from(*count) == Ok(items))
        }
        Confirmed::Asked => {
            let at = text.and_then(|text| text.parse::<Timestamp>().ok());
            at.is_some_and(|at| at.duration_since(asked) >= -CLOCKS_DIFFER)
        }
    }
}

/// Whether a text is this part of the subject; so where the subject has no such part.
fn repeats(text: Option<&str>, subject: &Subject, part: SubjectPart) -> bool {
    let wanted = match (subject, part) {
        (Subject::Fin(wanted), SubjectPart::Fin) | (Subject::Pin(wanted), SubjectPart::Pin) | (Subject::Tin(wanted), SubjectPart::Tin) => {
            wanted
        }
        (Subject::Document(named), SubjectPart::DocumentSeries) => &named.document.series,
        (Subject::Document(named), SubjectPart::DocumentNumber) => &named.document.number,
        (Subject::Document(named), SubjectPart::BirthDate) => {
            return text.and_then(|text| text.parse().ok()) == Some(named.birth_date);
        }
        (Subject::Fin(_) | Subject::Pin(_) | Subject::Tin(_) | Subject::Document(_), _) => return true,
    };
    text == Some(wanted)
}
