//! Who may ask what: agreement, function and powers, decided as a pure function.
//!
//! [`decide`] takes the [`Ask`], the consumer that the certificate named, the snapshot, what the
//! store says about the case, and the moment; it does no I/O and never sees an answer, so a
//! decision cannot depend on one. [`filter`] is the only way from [`model::Facts`] to an answer, and
//! it needs an [`Authorised`], which only [`decide`] makes. What is stored is the [`Ask`]: a resumed
//! or repeated exchange is decided anew.
//!
//! Where the contract wants the person's own consent, there is no right without one that is in force
//! for exactly this provider and this person.
//!
//! Delivered = agreement ∩ function ∩ powers (Decree 634, 2.6 a–c), narrowed by what was asked for.

mod ask;
mod decide;
mod decision;
mod explain;
mod filter;
mod mutant;
mod powers;
mod sight;
#[cfg(test)]
mod tests;

pub use ask::{Ask, CaseView, ConsentRefused, EmergencyView, Official};
pub use decide::{decide, representation_refused};
pub use decision::{Allowance, Authorised, Decision, Denial, DenialReason, GrantKey, Withheld, WithheldReason};
pub use explain::{Check, ConsentUse, Explanation, Step, explain};
pub use filter::{Filtered, filter};
pub use powers::{Identity, Powers, Standing, Unproven};
pub use sight::Sight;
