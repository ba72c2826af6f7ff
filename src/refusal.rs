//! A denial's reasons as the caller sees them: code, words, and the part of the envelope each speaks of.

use policy::DenialReason;

use crate::problem::{FieldError, Language};

/// One reason with its place.
#[must_use]
pub fn field_error(reason: DenialReason, language: Language) -> FieldError {
    let words = language.pick(reason.azerbaijani(), reason.english());
    FieldError { pointer: pointer(reason).to_owned(), detail: format!("{}: {words}", reason.code()) }
}

/// JSON pointer into the envelope.
#[must_use]
fn pointer(reason: DenialReason) -> &'static str {
    match reason {
        DenialReason::ServiceUnknown | DenialReason::AgreementNotInForce | DenialReason::NoGrant | DenialReason::ActNotInForce => "",
        DenialReason::PurposeNotGranted => "/purpose",
        DenialReason::RoleUnknown | DenialReason::RoleNotGranted | DenialReason::RobotNotAllowed => "/role",
        DenialReason::OfficialMissing => "/official",
        DenialReason::RobotWithoutResponsible => "/responsible",
        DenialReason::AssertionRequired | DenialReason::AssertionNotVerified => "/assertion",
        DenialReason::SubjectNotAccepted | DenialReason::PersonNotInCase => "/subject",
        DenialReason::CaseUnknown | DenialReason::CaseClosed | DenialReason::CasePurpose => "/case",
        DenialReason::InputNotFromCase => "/input",
        DenialReason::ConsentMissing | DenialReason::ConsentNotInForce => "/consent",
        DenialReason::NothingLeft => "/fields",
    }
}
