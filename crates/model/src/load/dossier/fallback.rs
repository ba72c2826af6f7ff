//! Checks the element that another one stands in for.

use super::Scope;
use super::answer::{element_above, word};
use crate::load::file::File;
use crate::outcome::Absence;
use crate::rule;

/// The element of this name. It is asked about the same persons, and finding nothing proves nothing there: where absence
/// is a fact there is nothing to fall back for.
pub(super) fn check(file: &mut File<'_>, at: &str, wanted: &str, scope: &Scope<'_>) -> Option<usize> {
    let (element, needed) = element_above(file, at, wanted, scope)?;
    if let Some(role) = scope.own.roles.iter().find(|role| !needed.roles.contains(role)) {
        let message = format!("`{wanted}` is not asked about every person this element is");
        file.refuse(at, rule::ELEMENT_ROLES, message, format!("`{wanted}` for {} too", word(*role)));
    }
    let service = crate::id::ServiceId::new(&needed.service).ok().and_then(|id| scope.snapshot.services.get(&id))?;
    if needed.absence.unwrap_or(service.absence) == Absence::Fact {
        let message = format!("that `{wanted}` finds nothing is an answer");
        file.refuse(at, rule::WRONG_FALLBACK, message, "an element whose absence is unknown");
        return None;
    }
    if needed.fallback_for.is_some() {
        let message = format!("`{wanted}` stands in for another element itself");
        file.refuse(at, rule::WRONG_FALLBACK, message, "an element that is asked first");
        return None;
    }
    Some(element)
}
