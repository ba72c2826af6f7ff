//! Drift: what sources send that neither contract nor mapping knows, counted by service and name (Decree 634, 6.2.12; 004,
//! 12.4). Never a content: names of parts as the mapping samples them, paths and rules of the contract.
//!
//! Sums are gathered in memory and written once a minute: a crash may lose that minute. They are diagnosis; what each
//! answer had stands in its journal entry.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use mapping::Reading;
use model::Service;
use store::StoreError;
use store::quality::{Quality, Tally, What};

use crate::reading::Broken;

/// Most sums between two writings; what is beyond is not counted.
const SUMS_MAX: usize = 10_000;

/// Months of sums that are kept besides the present one.
const MONTHS_KEPT: i64 = 24;

/// Sums that are not written yet.
#[derive(Debug, Default)]
pub struct Drift(Mutex<HashMap<Sum, Counted>>);

/// What is counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Sum {
    month: String,
    what: What,
    matter: String,
    name: String,
}

#[derive(Debug, Clone, Copy)]
struct Counted {
    count: u64,
    first: Timestamp,
    last: Timestamp,
}

impl Drift {
    /// Counts what an answer has besides, or instead of, what its contract and mapping say.
    pub fn read(&self, service: &Service, read: &Result<Reading, Broken>, now: Timestamp) {
        let matter = service.id.as_str();
        self.count(What::Answers, matter, "", now);
        match read {
            Ok(reading) => {
                for name in &reading.undeclared.samples {
                    self.count(What::Undeclared, matter, name, now);
                }
                let flags = reading.facts.iter().flat_map(|facts| &facts.flags);
                for leaf in flags.filter_map(|flag| service.leaves.get(flag.field)) {
                    self.count(What::NewCode, matter, &leaf.path, now);
                }
            }
            Err(Broken { rule, path: Some(path), .. }) => self.count(What::Broken, matter, &format!("{path}: {rule}"), now),
            Err(Broken { rule, path: None, .. }) => self.count(What::Broken, matter, rule, now),
        }
    }

    /// Counts one thing.
    pub fn count(&self, what: What, matter: &str, name: &str, now: Timestamp) {
        if what != What::Answers && what != What::Compared {
            let labels = [("service", matter.to_owned()), ("what", what.as_str().to_owned())];
            metrics::counter!("qovsaq_drift_total", &labels).increment(1);
        }
        let sum = Sum { month: month(now), what, matter: matter.to_owned(), name: name.to_owned() };
        let mut sums = self.sums();
        if sums.len() < SUMS_MAX || sums.contains_key(&sum) {
            let counted = sums.entry(sum).or_insert(Counted { count: 0, first: now, last: now });
            *counted = Counted { count: counted.count + 1, first: counted.first.min(now), last: counted.last.max(now) };
        }
    }

    /// Writes what has gathered. What could not be written waits for the next time.
    ///
    /// # Errors
    /// When the file refuses.
    pub fn write(&self, quality: &Quality, now: Timestamp) -> Result<(), StoreError> {
        let mut months: HashMap<String, Vec<Tally>> = HashMap::new();
        for (sum, counted) in std::mem::take(&mut *self.sums()) {
            let Counted { count, first, last } = counted;
            let Sum { month, what, matter, name } = sum;
            months.entry(month).or_default().push(Tally { what, matter, name, count, first, last });
        }
        let mut failed = Ok(());
        for (month, tallies) in months {
            if let Err(error) = quality.add(&month, &tallies) {
                self.put_back(&month, tallies);
                failed = Err(error);
            }
        }
        failed?;
        quality.forget_before(&oldest(now))
    }

    fn put_back(&self, month: &str, tallies: Vec<Tally>) {
        let mut sums = self.sums();
        for Tally { what, matter, name, count, first, last } in tallies {
            let counted = sums.entry(Sum { month: month.to_owned(), what, matter, name }).or_insert(Counted { count: 0, first, last });
            *counted = Counted { count: counted.count + count, first: counted.first.min(first), last: counted.last.max(last) };
        }
    }

    fn sums(&self) -> MutexGuard<'_, HashMap<Sum, Counted>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The month of a moment in Baku, `yyyy-mm`.
#[must_use]
pub fn month(now: Timestamp) -> String {
    model::time::day(now).strftime("%Y-%m").to_string()
}

/// The first month whose sums are kept.
fn oldest(now: Timestamp) -> String {
    let day = model::time::day(now);
    let months = jiff::Span::new().months(MONTHS_KEPT);
    day.checked_sub(months).unwrap_or(day).strftime("%Y-%m").to_string()
}

/// Writes what has gathered, beside the requests; what fails is told in the log and tried again.
pub async fn write(drift: &Arc<Drift>, quality: &Arc<Quality>, now: Timestamp) {
    let (drift, quality) = (Arc::clone(drift), Arc::clone(quality));
    match tokio::task::spawn_blocking(move || drift.write(&quality, now)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "sums of what differs from the contracts were not written; it is tried again"),
        Err(error) => tracing::error!(%error, "the task that writes sums ended abnormally"),
    }
}
