//! A denial's reasons as the caller sees them: code, words, and the part of the envelope each speaks of.

use policy::{Denial, DenialReason};

use crate::problem::{FieldError, Language};

/// One reason with its place.
#[must_use]
pub fn field_error(reason: DenialReason, language: Language) -> FieldError {
    let words = language.pick(reason.azerbaijani(), reason.english());
    FieldError { pointer: pointer(reason).to_owned(), detail: format!("{}: {words}", reason.code()) }
}

/// Every reason of a denial with its place, one for each input where it is an input's codes.
#[must_use]
pub fn field_errors(denial: &Denial, language: Language) -> Vec<FieldError> {
    let mut errors = Vec::with_capacity(denial.reasons().len());
    for reason in denial.reasons() {
        let error = field_error(*reason, language);
        match reason {
            DenialReason::CodesNotGranted => {
                for input in denial.inputs() {
                    errors.push(FieldError { pointer: format!("{}/{input}", error.pointer), detail: error.detail.clone() });
                }
            }
            _ => errors.push(error),
        }
    }
    errors
}

/// JSON pointer into the envelope.
#[must_use]
fn pointer(reason: DenialReason) -> &'static str {
    match reason {
        DenialReason::ServiceUnknown
        | DenialReason::AgreementNotInForce
        | DenialReason::NoGrant
        | DenialReason::ActNotInForce
        | DenialReason::SpecialNever
        | DenialReason::OnwardTransfer
        | DenialReason::OutsideHours
        | DenialReason::AnswerDenied => "",
        DenialReason::PurposeNotGranted => "/purpose",
        DenialReason::RoleUnknown
        | DenialReason::RoleNotGranted
        | DenialReason::RobotNotAllowed
        | DenialReason::EmergencyNotGranted
        | DenialReason::RoleNotHeld
        | DenialReason::RightNotBegun
        | DenialReason::RoleNotAcknowledged
        | DenialReason::RightWithdrawn => "/role",
        DenialReason::OfficialMissing
        | DenialReason::AssertionOtherOfficial
        | DenialReason::OfficialUnknown
        | DenialReason::OfficialDeactivated => "/official",
        DenialReason::RobotWithoutResponsible => "/responsible",
        DenialReason::RepresentationNotGranted => "/on_behalf_of/kind",
        DenialReason::RepresentationNotInForce => "/on_behalf_of/basis/valid_until",
        DenialReason::AssertionRequired
        | DenialReason::AssertionNotVerified
        | DenialReason::AssertionMalformed
        | DenialReason::AssertionSignature
        | DenialReason::AssertionPurpose
        | DenialReason::AssertionOtherConsumer
        | DenialReason::AssertionTime
        | DenialReason::AssertionReplayed
        | DenialReason::AssuranceTooLow => "/assertion",
        DenialReason::SubjectNotGranted | DenialReason::SubjectNotAccepted | DenialReason::PersonNotInCase => "/subject",
        DenialReason::CaseUnknown | DenialReason::CaseClosed | DenialReason::CasePurpose | DenialReason::CaseOfAnother => "/case",
        DenialReason::InputNotFromCase | DenialReason::CodesNotGranted => "/input",
        DenialReason::ConsentMissing | DenialReason::ConsentNotInForce | DenialReason::ConsentWithdrawn | DenialReason::ConsentDiffers => {
            "/consent"
        }
        DenialReason::NothingLeft => "/fields",
    }
}
