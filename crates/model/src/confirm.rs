//! Whether an answer is the answer to its question: what the contract says it must repeat.

#[cfg(test)]
mod tests;

use jiff::Timestamp;

use crate::contract::{Confirm, Confirmed, Service, SubjectPart};
use crate::subject::Subject;
use crate::value::{Facts, Record, Value};

/// How much earlier than our question an answer may say it was made, since clocks differ.
const CLOCKS_DIFFER: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);

/// What an answer without a record repeats of its question: the values of the contract's confirming
/// fields, and nothing else of the answer. "No record" about somebody else would otherwise pass for a
/// fact about the person asked about.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Repeated {
    /// One for each of [`Service::confirms`], in their order; none where the answer has no place for a record.
    told: Vec<Told>,
    /// Whether what is missing contradicts the question, as it does in a record.
    demanded: bool,
}

/// What an answer tells of one rule.
#[derive(Debug, Clone, PartialEq)]
struct Told {
    /// The field's value, where the answer has it.
    value: Option<Value>,
    /// How many items the list has that the rule counts; 0 where it counts none.
    items: usize,
}

impl Repeated {
    /// Keeps of a record's place what confirms its question, and drops the rest.
    ///
    /// `demanded` holds the answer to `confirms` as strictly as a record: what it leaves out contradicts
    /// the question. Otherwise what is not there says nothing, and what is there must agree.
    #[must_use]
    pub fn of(service: &Service, mut record: Option<Record>, demanded: bool) -> Self {
        let Some(record) = &mut record else { return Self { told: Vec::new(), demanded } };
        let items = service.confirms.iter().map(|rule| items(rule, |name| record.values.get(place(service, name)?))).collect::<Vec<_>>();
        let mut take = |name: &str| record.values.get_mut(place(service, name)?).map(|value| std::mem::replace(value, Value::Null));
        let told = service.confirms.iter().zip(items).map(|(rule, items)| {
            let value = take(&rule.field).filter(|value| *value != Value::Null);
            Told { value, items }
        });
        Self { told: told.collect(), demanded }
    }

    /// Whether nothing of the question is repeated.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.told.iter().all(|told| told.value.is_none())
    }
}

impl Service {
    /// The first field of a record that contradicts its question, by the contract's `confirms`.
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
        let question = Question { subject, inputs, asked };
        self.confirms.iter().find(|rule| {
            let items = items(rule, |list| facts.top_level(list));
            question.denies(rule, facts.top_level(&rule.field), items)
        })
    }

    /// The first field by which an answer without a record is the answer to another question.
    ///
    /// As [`Self::contradiction`], but what the answer does not repeat says nothing, unless it was demanded.
    #[must_use]
    pub fn contradiction_without_record(
        &self,
        repeated: &Repeated,
        subject: Option<&Subject>,
        inputs: &[(Box<str>, Value)],
        asked: Timestamp,
    ) -> Option<&Confirm> {
        let question = Question { subject, inputs, asked };
        let mut told = repeated.told.iter();
        self.confirms.iter().find(|rule| {
            let (value, items) = told.next().map_or((None, 0), |told| (told.value.as_ref(), told.items));
            (value.is_some() || repeated.demanded) && question.denies(rule, value, items)
        })
    }
}

/// What was asked, as far as an answer can repeat it.
struct Question<'a> {
    subject: Option<&'a Subject>,
    inputs: &'a [(Box<str>, Value)],
    asked: Timestamp,
}

impl Question<'_> {
    fn input(&self, name: &str) -> Option<&Value> {
        self.inputs.iter().find(|(own, _)| **own == *name).map(|(_, value)| value)
    }

    /// Whether this value of a rule's field makes the answer one to another question.
    fn denies(&self, rule: &Confirm, told: Option<&Value>, items: usize) -> bool {
        let lifted = rule.unless.as_deref().is_some_and(|name| self.input(name).is_some());
        // A field left empty repeats nothing, whatever the question has.
        !lifted && !self.agrees(rule, told.filter(|value| **value != Value::Null), items)
    }

    fn agrees(&self, rule: &Confirm, told: Option<&Value>, items: usize) -> bool {
        let text = told.and_then(Value::as_text);
        match &rule.with {
            Confirmed::Subject(part) => self.subject.is_none_or(|subject| repeats(text, subject, *part)),
            Confirmed::Input(name) => self.input(name).is_none_or(|wanted| told == Some(wanted)),
            Confirmed::Count(_) => matches!(told, Some(Value::Int(count)) if usize::try_from(*count) == Ok(items)),
            Confirmed::Asked => {
                let at = text.and_then(|text| text.parse::<Timestamp>().ok());
                at.is_some_and(|at| at.duration_since(self.asked) >= -CLOCKS_DIFFER)
            }
        }
    }
}

/// How many items the list has that the rule counts.
fn items<'a>(rule: &Confirm, list: impl FnOnce(&str) -> Option<&'a Value>) -> usize {
    let Confirmed::Count(name) = &rule.with else { return 0 };
    match list(name) {
        Some(Value::Records(items)) => items.len(),
        Some(Value::Values(items)) => items.len(),
        _ => 0,
    }
}

/// The place of a top-level field in its record.
fn place(service: &Service, name: &str) -> Option<usize> {
    service.shape.fields.iter().position(|field| *field.name == *name)
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
