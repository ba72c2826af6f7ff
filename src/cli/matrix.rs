//! Who is given which field of which service, for people and for whoever reviews the grants (Decree 634, 2.6).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use model::contract::{Consumer, Days, Grant, Hours, Volume};
use model::{Profile, RoleId, Service, Snapshot};
use policy::Explanation;

use super::explain::explained;

/// The matrix consumer × service × field, as Markdown. Every cell is what the policy decides at `now`, for a sound
/// case, person and consent; hours are stated and not judged.
#[must_use]
pub fn consumer_service_field(snapshot: &Snapshot, now: Timestamp) -> String {
    let mut out = String::from(
        "# Who is given which field\n\nWritten by `qovsaq explain --matrix`; a test keeps it current.\n\
         A cell says who is given the field: *yes* all roles of the grant, or the roles; *rows* only some rows of its list; *yes/no* its value never leaves, but an answer rests on it.\n\
         Beside a field stand its class and, where the contract marks it, its handling.\n",
    );
    for service in snapshot.services.values() {
        let given: Vec<(&Consumer, Vec<Given<'_>>)> = snapshot
            .consumers
            .values()
            .map(|consumer| (consumer, given(snapshot, consumer, service, now)))
            .filter(|(_, given)| !given.is_empty())
            .collect();
        // Writing to a String cannot fail.
        write(&mut out, service, &given).unwrap_or_default();
    }
    out
}

/// A grant with what the policy makes of it for each of its roles.
struct Given<'a> {
    grant: &'a Grant,
    roles: BTreeMap<&'a RoleId, Explanation>,
}

fn given<'a>(snapshot: &Snapshot, consumer: &'a Consumer, service: &Service, now: Timestamp) -> Vec<Given<'a>> {
    let of_service = consumer.grants.iter().filter(|grant| grant.service == service.id);
    of_service
        .map(|grant| {
            let explain = |role: &'a RoleId| {
                let purpose = grant.purposes.first()?;
                Some((role, explained(snapshot, consumer, &service.id, purpose, role, Profile::Test, now)))
            };
            Given { grant, roles: grant.roles.iter().filter_map(explain).collect() }
        })
        .collect()
}

fn write(out: &mut String, service: &Service, given: &[(&Consumer, Vec<Given<'_>>)]) -> std::fmt::Result {
    let head: Vec<&str> = given.iter().map(|(consumer, _)| consumer.id.as_str()).collect();
    write!(out, "\n## {}\n\n| Field | {} |\n|---|{}\n", service.versioned(), head.join(" | "), "---|".repeat(head.len()))?;
    for (index, leaf) in service.leaves.iter().enumerate() {
        let mark =
            if leaf.handling == model::contract::Handling::NoOnward { String::new() } else { format!(", {}", leaf.handling.as_str()) };
        let cells: Vec<String> = given.iter().map(|(_, given)| cell(given, index, &leaf.path)).collect();
        let agreed = if leaf.agreed { "" } else { ", not agreed" };
        writeln!(out, "| `{}` ({:?}{mark}{agreed}) | {} |", leaf.path, leaf.class, cells.join(" | "))?;
    }
    writeln!(out)?;
    for (consumer, given) in given {
        for Given { grant, .. } in given {
            writeln!(out, "- `{}` ({}): {}", consumer.id, consumer.kind.as_str(), terms(grant))?;
        }
    }
    Ok(())
}

fn cell(given: &[Given<'_>], index: usize, path: &str) -> String {
    let mut parts = Vec::new();
    for Given { grant, roles } in given {
        let tests = grant.answer.as_ref().is_some_and(|predicate| predicate.leaves.contains(index));
        let gives: Vec<&str> = roles
            .iter()
            .filter(|(_, explained)| if tests { explained.allowed } else { explained.delivered.iter().any(|given| **given == *path) })
            .map(|(role, _)| role.as_str())
            .collect();
        if gives.is_empty() {
            continue;
        }
        let ruled = grant.answer.is_none() && grant.rows.iter().any(|rule| rule.leaves.contains(index));
        let what = match (tests, ruled) {
            (true, _) => "yes/no",
            (false, true) => "rows",
            (false, false) => "yes",
        };
        parts.push(if gives.len() == roles.len() { what.to_owned() } else { format!("{what}: {}", gives.join(", ")) });
    }
    parts.join("; ")
}

/// For what, under what, in which roles and when a grant may be used.
fn terms(grant: &Grant) -> String {
    let words = |words: &mut dyn Iterator<Item = &str>| words.collect::<Vec<_>>().join(", ");
    let mut terms = format!(
        "for {}; under {}; in {}",
        words(&mut grant.purposes.iter().map(|purpose| purpose.as_str())),
        words(&mut grant.acts.iter().map(|act| act.as_str())),
        words(&mut grant.roles.iter().map(RoleId::as_str)),
    );
    let mut more = Vec::new();
    if !grant.subject.is_empty() {
        more.push(format!("by {}", words(&mut grant.subject.iter().map(|form| form.as_str()))));
    }
    if !grant.special.is_empty() {
        more.push(format!("special category under {}", words(&mut grant.special.iter().map(|act| act.as_str()))));
    }
    more.extend(grant.rows.iter().map(|rule| format!("rows of `{}` with {}: {}", rule.list, rule.field, rule.allow.join(", "))));
    more.extend(grant.answer.as_ref().map(|predicate| format!("yes or no: {}", predicate.question.en)));
    more.extend(grant.hours.as_ref().map(hours));
    more.extend(grant.volume.as_ref().map(volume));
    for part in more {
        terms.push_str("; ");
        terms.push_str(&part);
    }
    terms
}

fn hours(hours: &Hours) -> String {
    let days = match hours.days {
        Days::Working => "working days".to_owned(),
        Days::OfWeek(days) => {
            let names = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
            names.iter().zip(days).filter(|(_, covered)| *covered).map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
        }
    };
    format!("{days} {:02}:{:02} to {:02}:{:02}", hours.from / 60, hours.from % 60, hours.to / 60, hours.to % 60)
}

fn volume(volume: &Volume) -> String {
    let bound = |count: Option<u32>, what: &str| count.map(|count| format!("{count} {what} a day"));
    [bound(volume.requests_per_day, "questions"), bound(volume.persons_per_day, "persons")]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(", ")
}
