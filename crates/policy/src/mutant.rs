//! The decision's rules, each of which a test can switch off: a rule that nobody misses then is not tested.

use crate::decision::{DenialReason, WithheldReason};

/// One rule of the decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// It denies.
    Denies(DenialReason),
    /// It withholds fields or rows.
    Withholds(WithheldReason),
    /// Parts of [`WithheldReason::Class`]: the role's ceiling,
    RoleClass,
    /// the ceiling of the consumer's type,
    TypeClass,
    /// the ceiling of the official's assurance,
    AssuranceClass,
    /// and the special category's need of an act.
    SpecialAct,
}

/// Whether a rule is in force: always, but in a test that has switched it off.
#[cfg(not(test))]
pub(crate) const fn holds(_: Rule) -> bool {
    true
}

#[cfg(test)]
pub(crate) use self::switch::{holds, without};

#[cfg(test)]
mod switch {
    use std::cell::Cell;

    use super::Rule;

    thread_local! {
        static OFF: Cell<Option<Rule>> = const { Cell::new(None) };
    }

    pub(crate) fn holds(rule: Rule) -> bool {
        OFF.get() != Some(rule)
    }

    /// Does something, on this thread, with one rule switched off.
    pub(crate) fn without<T>(rule: Rule, act: impl FnOnce() -> T) -> T {
        OFF.set(Some(rule));
        let result = act();
        OFF.set(None);
        result
    }
}
