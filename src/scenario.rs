//! Scripted scenarios for the mock agencies: at which second which fault is set on which service, for how many
//! calls. A file, checked as all others are; what it says happens in its order, the same each time.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use mock_agencies::{AgencyCode, Fault, Running};
use model::document::Document;
use model::{Problems, rule};
use schemars::JsonSchema;
use serde::Deserialize;

/// The longest scenario.
const LENGTH_MAX: Duration = Duration::from_secs(24 * 3600);

/// A scenario as it is written.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawScenario {
    /// What happens; at the same moment in this order.
    #[schemars(length(min = 1, max = 10_000))]
    steps: Vec<RawStep>,
}

/// One thing that happens.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawStep {
    /// When, counted from the start, such as `90s`.
    at: String,
    /// The agency, such as `interior`.
    agency: String,
    /// Its service, such as `person-identity`; all of its services where it is left out.
    #[serde(default)]
    service: Option<String>,
    /// The fault that is set; without it the faults are cleared.
    #[serde(default)]
    fault: Option<String>,
    /// For how many calls of each service; until something else is said where it is left out.
    #[serde(default)]
    #[schemars(range(min = 1))]
    times: Option<u32>,
}

/// One thing that happens, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// When, counted from the start.
    pub at: Duration,
    /// At which agency.
    pub agency: AgencyCode,
    /// What.
    pub change: Change,
}

/// What happens at an agency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// These services commit a fault.
    Set {
        /// The services.
        services: Vec<&'static str>,
        /// The fault.
        fault: Fault,
        /// For how many calls of each; until something else is said where there is none.
        times: Option<u32>,
    },
    /// Nothing is committed any more.
    Clear,
}

/// A checked scenario: its steps in the order in which they happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario(Vec<Step>);

impl Scenario {
    /// Reads a file.
    ///
    /// # Errors
    /// Every problem of it, with its place.
    pub fn read(file: &Path) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let document = match Document::read(file) {
            Ok(document) => document,
            Err(problem) => {
                problems.push(problem);
                return Err(problems);
            }
        };
        let Some(raw) = document.decode::<RawScenario>(&mut problems) else { return Err(problems) };
        let checked = raw.steps.iter().enumerate().filter_map(|(place, step)| check(&document, place, step, &mut problems));
        let mut steps: Vec<Step> = checked.collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        // Stable: what is written first happens first.
        steps.sort_by_key(|step| step.at);
        Ok(Self(steps))
    }

    /// The steps in the order in which they happen.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Lets it happen at running agencies, every body of a source alike; ends with the last step. `told` hears of
    /// each step when it has happened.
    pub async fn play(&self, agencies: &BTreeMap<&'static str, Running>, mut told: impl FnMut(&Step)) {
        let start = tokio::time::Instant::now();
        let (mut before, mut at) = (None, Duration::ZERO);
        loop {
            for step in self.due(before, at) {
                let is_its = |body: &&str| body.split('/').next() == Some(step.agency.as_str());
                for (_, body) in agencies.iter().filter(|(body, _)| is_its(body)) {
                    match &step.change {
                        Change::Clear => body.clear_faults(),
                        Change::Set { services, fault, times } => {
                            for service in services {
                                if let Err(refused) = body.set_fault(service, fault.as_str(), *times) {
                                    tracing::error!(agency = step.agency.as_str(), service, %refused, "a checked step is refused");
                                }
                            }
                        }
                    }
                }
                told(step);
            }
            before = Some(at);
            let Some(next) = self.next(at) else { return };
            at = next;
            tokio::time::sleep_until(start + at).await;
        }
    }

    /// The steps that happen after `before` and not after `now`, both counted from the start; without `before`
    /// those of the start as well.
    fn due(&self, before: Option<Duration>, now: Duration) -> &[Step] {
        let from = before.map_or(0, |before| self.0.partition_point(|step| step.at <= before));
        let to = self.0.partition_point(|step| step.at <= now);
        self.0.get(from..to).unwrap_or_default()
    }

    /// When the next step happens after `now`; none where it is over.
    fn next(&self, now: Duration) -> Option<Duration> {
        self.0.get(self.0.partition_point(|step| step.at <= now)).map(|step| step.at)
    }
}

fn check(document: &Document, place: usize, raw: &RawStep, problems: &mut Problems) -> Option<Step> {
    let pointer = format!("/steps/{place}");
    let mut report = |key: &str, rule, message: String, accepted: String| {
        problems.push(document.problem(&format!("{pointer}/{key}"), rule, message, accepted));
    };
    let at = raw.at.parse::<jiff::SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok()).filter(|at| *at <= LENGTH_MAX);
    if at.is_none() {
        report("at", rule::WRONG_DURATION, format!("`{}` is no time of a scenario", raw.at), "0s to 24h, such as 90s".to_owned());
    }
    let Ok(agency) = raw.agency.parse::<AgencyCode>() else {
        let accepted = AgencyCode::ALL.map(AgencyCode::as_str).join(", ");
        report("agency", rule::UNKNOWN_WORD, format!("there is no mock agency `{}`", raw.agency), accepted);
        return None;
    };
    let all = agency.services();
    let services: Vec<&'static str> =
        all.iter().copied().filter(|own| raw.service.as_deref().is_none_or(|wanted| wanted == *own)).collect();
    if services.is_empty() {
        let service = raw.service.as_deref().unwrap_or_default();
        report("service", rule::UNKNOWN_WORD, format!("{agency} has no service `{service}`"), all.join(", "));
        return None;
    }
    let change = match &raw.fault {
        None if raw.times.is_some() || raw.service.is_some() => {
            let message = "without a fault all faults of the agency are cleared".to_owned();
            report("agency", rule::MISPLACED_KEY, message, "`fault`, or neither `service` nor `times`".to_owned());
            return None;
        }
        None => Change::Clear,
        Some(name) => {
            let accepts = |fault: &Fault| services.iter().all(|service| Fault::accepted(agency, service).contains(fault));
            let Some(fault) = name.parse::<Fault>().ok().filter(accepts) else {
                let accepted: Vec<&str> = Fault::ALL.iter().filter(|fault| accepts(fault)).map(|fault| fault.as_str()).collect();
                report("fault", rule::UNKNOWN_WORD, format!("these services have no fault `{name}`"), accepted.join(", "));
                return None;
            };
            Change::Set { services, fault, times: raw.times }
        }
    };
    Some(Step { at: at?, agency, change })
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:>6} s  {}", self.at.as_secs(), self.agency)?;
        match &self.change {
            Change::Clear => f.write_str("  all faults cleared"),
            Change::Set { services, fault, times } => {
                write!(f, "  {}: {fault}", services.join(", "))?;
                times.map_or(Ok(()), |times| write!(f, ", {times} calls"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Scenario, Vec<String>> {
        let folder = tempfile::TempDir::new().expect("a folder");
        let file = folder.path().join("scenario.yaml");
        std::fs::write(&file, text).expect("writable");
        let told = |problem: &model::Problem| format!("{}:{}: {}", problem.line, problem.column, problem.rule);
        Scenario::read(&file).map_err(|problems| problems.into_sorted().iter().map(told).collect())
    }

    #[test]
    fn what_is_written_happens_in_its_order() {
        let scenario = read(
            "steps:\n\
             \x20 - {at: 10s, agency: taxes}\n\
             \x20 - {at: 0s, agency: taxes, service: person-income, fault: hang, times: 3}\n\
             \x20 - {at: 10s, agency: azerishiq, fault: down}\n",
        )
        .expect("sound");
        let second = Duration::from_secs;
        let at = |steps: &[Step]| steps.iter().map(|step| (step.at, step.agency)).collect::<Vec<_>>();
        assert_eq!(at(scenario.due(None, second(0))), [(second(0), AgencyCode::Taxes)]);
        assert_eq!(at(scenario.due(Some(second(0)), second(9))), []);
        assert_eq!(at(scenario.due(Some(second(9)), second(20))), [(second(10), AgencyCode::Taxes), (second(10), AgencyCode::Azerishiq)]);
        assert_eq!((scenario.next(second(0)), scenario.next(second(10))), (Some(second(10)), None));
        let Change::Set { services, times, .. } = &scenario.steps()[2].change else { panic!("{scenario:?}") };
        assert_eq!((services.as_slice(), times), (&["subscriber", "consumption"][..], &None));
    }

    #[test]
    fn every_mistake_is_named_with_its_place() {
        let mistakes = read(
            "steps:\n\
             \x20 - {at: soon, agency: taxes}\n\
             \x20 - {at: 25h, agency: taxes}\n\
             \x20 - {at: 1s, agency: customs}\n\
             \x20 - {at: 1s, agency: taxes, service: subscriber, fault: hang}\n\
             \x20 - {at: 1s, agency: azerishiq, service: subscriber, fault: estimated}\n\
             \x20 - {at: 1s, agency: taxes, times: 2}\n",
        );
        let expected = [
            "2:10: wrong-duration",
            "3:10: wrong-duration",
            "4:22: unknown-word",
            "5:38: unknown-word",
            "6:61: unknown-word",
            "7:22: misplaced-key",
        ];
        assert_eq!(mistakes.expect_err("six of them"), expected);
    }
}
