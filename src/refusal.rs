//! Which part of the envelope a denial's reason speaks of.

use policy::DenialReason;

/// JSON pointer into the envelope.
#[must_use]
pub fn pointer(reason: DenialReason) -> &'static str {
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
        DenialReason::NothingLeft => "/fields",
    }
}
