//! By whom, under what and when a grant may be used: class ceilings, the special category, handling marks, hours
//! and volumes.

use super::{File, Scope};
use crate::contract::{Class, ConsumerType, Days, Grant, Hours, Service, Volume};
use crate::id::ActId;
use crate::load::file::words;
use crate::raw;
use crate::rule;

/// A role of a class that its consumer may never be given is a mistake in one of the two (Decree 634, 2.5).
pub(super) fn role_within_type(file: &mut File<'_>, at: &str, kind: ConsumerType, class_max: Class) {
    let highest = kind.class_max();
    if class_max > highest {
        let message = format!("a consumer of type {} is given nothing of class {class_max:?}", kind.as_str());
        file.refuse(at, rule::CLASS_ABOVE_TYPE, message, format!("class_max {highest:?} or lower"));
    }
}

/// What the consumer, the purpose and the source's own marks let the grant give.
pub(super) fn check(file: &mut File<'_>, at: &str, grant: &Grant, service: &Service, scope: &Scope<'_>) {
    let touched = grant.touches(service);
    let highest = service.class_of(touched).unwrap_or(Class::O);
    let place = format!("{at}/{}", if grant.answer.is_some() { "answer" } else { "fields" });

    let allowed = scope.kind.class_max();
    if highest > allowed {
        let message = format!("fields of class {highest:?} for a consumer of type {}", scope.kind.as_str());
        file.refuse(&place, rule::CLASS_ABOVE_TYPE, message, format!("fields up to class {allowed:?}"));
    }
    special(file, at, &place, grant, highest == Class::S, scope);

    let kept = |index: &usize| service.leaves.get(*index).is_some_and(|leaf| !leaf.handling.reaches(scope.kind));
    if let Some(leaf) = touched.iter().find(kept).and_then(|index| service.leaves.get(index)) {
        let message = format!("`{}` is marked {} and may not be passed on to a {}", leaf.path, leaf.handling.as_str(), scope.kind.as_str());
        let reached: Vec<usize> = touched.iter().filter(|index| !kept(index)).collect();
        let accepted = words(reached.iter().filter_map(|index| Some(&*service.leaves.get(*index)?.path)));
        file.refuse(&place, rule::ONWARD_TRANSFER, message, accepted);
    }
}

/// Data of the special category need an act that allows them, named by the grant itself (Decree 634, 6.2.4).
fn special(file: &mut File<'_>, at: &str, place: &str, grant: &Grant, gives: bool, scope: &Scope<'_>) {
    let named = format!("{at}/special");
    let allows = |id: &ActId| scope.snapshot.acts.get(id).is_none_or(|act| act.special);
    for (place, act) in grant.special.iter().enumerate() {
        let at = format!("{named}/{place}");
        if !grant.acts.contains(act) {
            let accepted = words(grant.acts.iter().map(ActId::as_str));
            file.refuse(&at, rule::SPECIAL_WITHOUT_ACT, format!("`{act}` is none of the grant's acts"), accepted);
        } else if !allows(act) {
            let message = format!("`{act}` does not allow data of the special category");
            let accepted = words(grant.acts.iter().filter(|act| allows(act)).map(ActId::as_str));
            file.refuse(&at, rule::SPECIAL_WITHOUT_ACT, message, accepted);
        }
    }
    match (gives, grant.special.is_empty()) {
        (true, true) => {
            let accepted = "special: [an act that allows it], or fields without class S";
            file.refuse(place, rule::SPECIAL_WITHOUT_ACT, "fields of the special category, and no act that allows them", accepted);
        }
        (false, false) => {
            let message = "the grant gives nothing of the special category";
            file.refuse_key(&named, rule::SPECIAL_WITHOUT_ACT, message, "no such key");
        }
        (true, false) | (false, true) => {}
    }
    if !gives {
        return;
    }
    if !scope.special {
        let message = "this consumer is declared without data of the special category";
        file.refuse(place, rule::SPECIAL_NEVER, message, "fields without class S");
    }
    for (place, purpose) in grant.purposes.iter().enumerate() {
        if scope.snapshot.purposes.get(purpose).is_some_and(|purpose| !purpose.special) {
            let message = format!("`{purpose}` is declared without data of the special category");
            file.refuse(&format!("{at}/purposes/{place}"), rule::SPECIAL_NEVER, message, "a purpose that they may serve");
        }
    }
}

/// Hours of a day and its days.
pub(super) fn hours(file: &mut File<'_>, at: &str, raw: &raw::Hours) -> Option<Hours> {
    let days = match &raw.days {
        raw::Days::Working(_) => Days::Working,
        raw::Days::OfWeek(listed) => {
            file.no_repetition(&format!("{at}/days"), listed);
            let mut days = [false; 7];
            listed.iter().for_each(|day| days[*day as usize] = true);
            Days::OfWeek(days)
        }
    };
    let (from, to) = (file.minute(&format!("{at}/from"), &raw.from), file.minute(&format!("{at}/to"), &raw.to));
    let (from, to) = (from?, to?);
    if to <= from {
        file.refuse(&format!("{at}/to"), rule::WRONG_HOURS, "the end does not lie after the beginning", format!("later than {}", raw.from));
    }
    Some(Hours { days, from, to })
}

pub(super) fn volume(file: &mut File<'_>, at: &str, raw: &raw::Volume) -> Volume {
    if raw.requests_per_day.is_none() && raw.persons_per_day.is_none() {
        file.refuse(at, rule::TOO_FEW, "the volume bounds nothing", "requests_per_day, persons_per_day or both");
    }
    Volume { requests_per_day: raw.requests_per_day, persons_per_day: raw.persons_per_day }
}
