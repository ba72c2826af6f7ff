//! What is about to be given, as the metadata of one entry or of as many as it takes.
//!
//! An entry's body is bounded ([`BODY_BYTES_MAX`]), and a dossier of fifty persons is larger than that.
//! Each part stands by itself: the question, the items it tells of, the persons they are about. Items are
//! put in order by element and fields first, so that those with the same fields come together: the paths of
//! fields make up nearly all of an item, and each part names a list of them once.

use std::collections::{BTreeSet, HashMap, HashSet};

use journal::BODY_BYTES_MAX;
use model::{Outcome, Subject};
use seal::entry::BODY_OVERHEAD;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{NoRecord, Place, Question, joined, json, question_json};

/// Most parts of one disclosure. The largest dossier that the contracts allow, with the longest names and
/// the most fields, each service in two versions, takes fewer (`tests.rs`).
const PARTS_MAX: usize = 200;

/// Bytes of the member `related` without its tokens.
const RELATED_KEY_BYTES: usize = r#","related":[]"#.len();

/// Bytes kept for `part`: its name and numbers, and up to [`PARTS_MAX`] indices of at most 20 digits.
const PART_BYTES_MAX: usize = 64 + 21 * PARTS_MAX;

/// What is about to be given to a consumer.
#[derive(Debug)]
pub struct Disclosure<'a> {
    /// Who asked what.
    pub question: &'a Question<'a>,
    /// One item per question answered: one for a service, one per element and person for a dossier.
    pub given: Vec<Given<'a>>,
}

/// What one answer gives.
#[derive(Debug)]
pub struct Given<'a> {
    /// Whom it tells about; none where the contract asks about no person.
    pub subject: Option<&'a Subject>,
    /// The dossier's element; none for a single service.
    pub element: Option<&'a str>,
    /// The entry it rests on: Answered, Failed or Denied; an Intent where the source had not answered in time.
    pub rests_on: Option<u64>,
    /// The outcome told; none where the element is not answered yet.
    pub outcome: Option<Outcome>,
    /// Where the answer was got from: `provider`, `cache` for one that was obtained for another question, or `meis` for what
    /// the contract itself says.
    pub via: Option<&'static str>,
    /// The key of the body that is not connected, which is all that the answer rests on.
    pub not_connected: Option<&'a str>,
    /// Paths of the fields given.
    pub fields: Vec<&'a str>,
    /// The emergency override without which it would not be given.
    pub emergency: Option<&'a str>,
    /// Whom the values given name, the subject himself among them or not.
    pub named: HashSet<Subject>,
}

/// An item as it is written.
#[derive(Serialize)]
struct Item<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    element: Option<&'a str>,
    rests_on: Option<u64>,
    outcome: Option<Outcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    via: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_connected: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<&'a [&'a str]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    emergency: Option<&'a str>,
    /// In place of `fields`: the place, from 0, of the item in the same entry that has the same ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    fields_as: Option<usize>,
}

/// The metadata of an entry, behind the question's members.
#[derive(Serialize)]
struct Metadata<'a> {
    subjects: &'a BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    related: &'a BTreeSet<String>,
    given: &'a [Box<RawValue>],
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<Number>,
}

/// Which part an entry is.
#[derive(Serialize)]
struct Number {
    /// From 1.
    number: usize,
    /// How many there are.
    of: usize,
    /// In the last one: indices of those before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Vec<u64>>,
}

/// A disclosure as it goes into entries.
#[derive(Debug)]
pub(super) struct Divided {
    /// The question as JSON, the same for all parts.
    question: Vec<u8>,
    /// All parts but the last; mostly none.
    pub(super) rest: Vec<Part>,
    pub(super) last: Part,
    /// For each item of what is given, the number of its part, from 0.
    pub(super) part_of: Vec<usize>,
}

/// The items of one entry.
#[derive(Debug, Default)]
pub(super) struct Part {
    subjects: BTreeSet<String>,
    /// Others whom the values name; one who is asked about too may stand in both.
    related: BTreeSet<String>,
    given: Vec<Box<RawValue>>,
    /// Bytes of both as JSON, at most.
    bytes: usize,
}

/// Divides what is given into parts that each fit into an entry, the fuller the better. `token` makes the
/// keyed token of a subject.
///
/// # Errors
/// When there are more than [`PARTS_MAX`] parts.
pub(super) fn divide(disclosure: &Disclosure<'_>, token: impl Fn(&Subject) -> String) -> Result<Divided, NoRecord> {
    let question = question_json(disclosure.question, &token)?;
    let none = BTreeSet::new();
    let frame = question.len() + json(&Metadata { subjects: &none, related: &none, given: &[], part: None })?.len() + RELATED_KEY_BYTES;
    let room = BODY_BYTES_MAX.saturating_sub(BODY_OVERHEAD + frame + PART_BYTES_MAX);

    let mut divided = Divided { question, rest: Vec::new(), last: Part::default(), part_of: vec![0; disclosure.given.len()] };
    // Which item of the present part has named these fields.
    let mut named: HashMap<&[&str], usize> = HashMap::new();
    for place in in_order(&disclosure.given) {
        let given = &disclosure.given[place];
        let subject = given.subject.map(&token);
        let mut item = written(given, named.get(given.fields.as_slice()).copied())?;
        if divided.last.bytes + divided.last.cost(subject.as_deref(), &item) > room && !divided.last.given.is_empty() {
            divided.rest.push(std::mem::take(&mut divided.last));
            named.clear();
            item = written(given, None)?;
        }
        divided.part_of[place] = divided.rest.len();
        named.entry(&given.fields).or_insert(divided.last.given.len());
        divided.last.add(subject, item);
        for person in given.named.iter().filter(|person| Some(*person) != given.subject).map(&token) {
            // One answer may name more persons than an entry holds: they go on in the next part.
            if !divided.last.related.contains(&person) && divided.last.bytes + person.len() + 3 > room {
                divided.rest.push(std::mem::take(&mut divided.last));
                named.clear();
            }
            divided.last.add_related(person);
        }
    }
    if divided.rest.len() < PARTS_MAX { Ok(divided) } else { Err(NoRecord::TooLarge) }
}

/// The places of items: element by element, in the order in which elements first occur, and within an
/// element those with the same fields together (there are others where its contract has changed meanwhile).
fn in_order(given: &[Given<'_>]) -> Vec<usize> {
    let mut elements = HashMap::new();
    let mut fields = HashMap::new();
    let mut ranked: Vec<(usize, usize, usize)> = Vec::with_capacity(given.len());
    for (place, item) in given.iter().enumerate() {
        let element = *elements.entry(item.element).or_insert(place);
        ranked.push((element, *fields.entry((element, &*item.fields)).or_insert(place), place));
    }
    ranked.sort_unstable();
    ranked.into_iter().map(|(_, _, place)| place).collect()
}

/// An item as JSON; no fields are said as such, which is shorter than where else there are none.
fn written(given: &Given<'_>, same_as: Option<usize>) -> Result<Box<RawValue>, NoRecord> {
    let fields_as = same_as.filter(|_| !given.fields.is_empty());
    let item = Item {
        element: given.element,
        rests_on: given.rests_on,
        outcome: given.outcome,
        via: given.via,
        not_connected: given.not_connected,
        fields: fields_as.is_none().then_some(&given.fields),
        emergency: given.emergency,
        fields_as,
    };
    serde_json::value::to_raw_value(&item).map_err(NoRecord::Metadata)
}

impl Part {
    /// What an item adds, with its comma, and its subject's token with quotes and comma.
    fn cost(&self, subject: Option<&str>, item: &RawValue) -> usize {
        let subject = subject.filter(|subject| !self.subjects.contains(*subject));
        item.get().len() + 1 + subject.map_or(0, |subject| subject.len() + 3)
    }

    fn add(&mut self, subject: Option<String>, item: Box<RawValue>) {
        self.bytes += self.cost(subject.as_deref(), &item);
        self.subjects.extend(subject);
        self.given.push(item);
    }

    fn add_related(&mut self, person: String) {
        let bytes = person.len() + 3;
        if self.related.insert(person) {
            self.bytes += bytes;
        }
    }
}

impl Divided {
    /// How many parts there are.
    pub(super) fn count(&self) -> usize {
        self.rest.len() + 1
    }

    /// The metadata of the next part as JSON, where these stand before it.
    ///
    /// # Errors
    /// When they cannot be written as JSON.
    pub(super) fn metadata(&self, part: &Part, before: &[Place]) -> Result<Vec<u8>, NoRecord> {
        let (number, of) = (before.len() + 1, self.count());
        let before = (number == of).then(|| before.iter().map(|place| place.index).collect());
        let number = (of > 1).then_some(Number { number, of, before });
        let part = Metadata { subjects: &part.subjects, related: &part.related, given: &part.given, part: number };
        joined(&self.question, &part)
    }
}
