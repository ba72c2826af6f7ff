//! What a right shows of facts. A consumer learns from more than the bytes of an answer: from whether there
//! is a record at all, and from what a dossier asks next. All of it is decided here, so that it follows from
//! what the consumer may see and from nothing else.

use std::sync::Arc;

use model::comparison::Compared;
use model::contract::{Confirmed, FieldKind, RowRule};
use model::{Facts, FieldSet, Predicate, Service, Value};

/// Fields and rows that a right shows. It lets nothing be asked and nothing be told: for that there is
/// [`crate::Authorised`], from which it comes.
#[derive(Debug, Clone)]
pub struct Sight {
    pub(crate) service: Arc<Service>,
    /// Delivered leaves of `service`.
    pub(crate) fields: FieldSet,
    /// All row rules of the grant.
    pub(crate) rows: Arc<[RowRule]>,
    /// What is answered with yes or no instead.
    pub(crate) answer: Option<Arc<Predicate>>,
}

impl Sight {
    /// Whether the facts are, to whom this sight is given, no record.
    ///
    /// They are where rows are withheld by a rule, none of a ruled list is left, and everything else that
    /// would be delivered only repeats the question. Such a record would say nothing but that there are
    /// withheld rows. A question that narrows its fields to less is judged by the same rows.
    ///
    /// Where the answer is yes or no, everything but a yes is: whether the source has no record, or one of which the
    /// predicate does not hold, must not show in what is kept.
    #[must_use]
    pub fn hides(&self, facts: &Facts) -> bool {
        if self.answer.is_some() {
            return self.verdict(facts) != Some(true);
        }
        if self.rows.is_empty() {
            return false;
        }
        let contract = &facts.service;
        let ruled = self.rows.iter().fold(FieldSet::EMPTY, |set, rule| set.union(contract.fields_under(&rule.list)));
        let repeated = contract.confirms.iter().filter(|confirm| confirm.unless.is_none());
        let silent = repeated.fold(ruled, |mut set, confirm| {
            let repeats = match &confirm.with {
                Confirmed::Subject(_) | Confirmed::Input(_) | Confirmed::Asked => true,
                Confirmed::Count(list) => self.rows.iter().any(|rule| rule.list == *list),
            };
            if let Some(leaf) = contract.leaf(&confirm.field).filter(|_| repeats) {
                set.insert(leaf);
            }
            set
        });
        self.fields_of(facts).is_subset(silent) && self.rows.iter().all(|rule| facts.rows(&rule.list, &self.rows).next().is_none())
    }

    /// The contract that it was decided under.
    #[must_use]
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// What is answered with yes or no, where that is all the right lets be told.
    #[must_use]
    pub fn predicate(&self) -> Option<&Arc<Predicate>> {
        self.answer.as_ref()
    }

    /// Yes or no, by these facts. `None` where the right gives fields, and where the facts are another contract's.
    #[must_use]
    pub fn verdict(&self, facts: &Facts) -> Option<bool> {
        let predicate = self.answer.as_ref().filter(|_| self.service.id == facts.service.id)?;
        predicate.holds(facts, &self.rows)
    }

    /// The value of a top-level field that is not a list of records; `None` where it is withheld or unknown.
    #[must_use]
    pub fn value<'a>(&self, facts: &'a Facts, field: &str) -> Option<&'a Value> {
        let place = facts.service.shape.fields.iter().position(|known| *known.name == *field)?;
        let known = facts.service.shape.fields.get(place)?;
        let shown = match &known.kind {
            FieldKind::Scalar { .. } | FieldKind::Values { .. } => known.leaves.is_subset(self.fields_of(facts)),
            FieldKind::List { .. } => false,
        };
        facts.record.values.get(place).filter(|_| shown)
    }

    /// The values of one field in the shown rows of a top-level list; `None` where the field is withheld or
    /// unknown.
    #[must_use]
    pub fn column<'a>(&'a self, facts: &'a Facts, list: &'a str, field: &str) -> Option<Vec<&'a Value>> {
        let listed = facts.service.shape.fields.iter().find(|known| *known.name == *list)?;
        let FieldKind::List { shape, .. } = &listed.kind else { return None };
        let place = shape.fields.iter().position(|known| *known.name == *field)?;
        let shown = shape.fields.get(place)?.leaves.is_subset(self.fields_of(facts));
        shown.then(|| facts.rows(list, &self.rows).filter_map(|(_, record)| record.values.get(place)).collect())
    }

    /// The values of one side of a comparison; `None` where anything that it tells of is withheld, or the facts are another
    /// contract's.
    #[must_use]
    pub fn compared<'a>(&'a self, facts: &'a Facts, side: &'a Compared) -> Option<Vec<&'a str>> {
        let fields = self.fields_of(facts);
        let shown = |path: &str| facts.service.leaf(path).is_some_and(|leaf| fields.contains(leaf));
        let all = self.answer.is_none() && side.tells.iter().all(|path| shown(path));
        if all { side.values(facts, &self.rows) } else { None }
    }

    /// The delivered leaves, counted as the facts' own contract counts them.
    pub(crate) fn fields_of(&self, facts: &Facts) -> FieldSet {
        let contract = &self.service;
        if contract.id != facts.service.id {
            return FieldSet::EMPTY;
        }
        if Arc::ptr_eq(contract, &facts.service) || contract.leaves == facts.service.leaves {
            return self.fields;
        }
        let mut translated = FieldSet::EMPTY;
        for (index, leaf) in facts.service.leaves.iter().enumerate() {
            if contract.leaf(&leaf.path).is_some_and(|known| self.fields.contains(known)) {
                translated.insert(index);
            }
        }
        translated
    }
}
