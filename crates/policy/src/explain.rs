//! A decision told step by step, for `qovsaq explain`.

use std::fmt;

use jiff::Timestamp;
use model::contract::{Bilingual, Consumer, Handling};
use model::{ActId, ConsumerId, FieldSet, Profile, PurposeId, RoleId, Service, ServiceId, Snapshot, Version};
use serde::Serialize;

use crate::ask::{Ask, CaseView};
use crate::decide::{Basis, ConsentFound, Findings};
use crate::decision::{DenialReason, Withheld};
use crate::powers::Powers;

/// Why an ask is allowed or denied, and what each step lets through. Holds no personal datum.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// Who asks.
    pub consumer: ConsumerId,
    /// What is asked.
    pub service: ServiceId,
    /// The contract's version, where there is one.
    pub version: Option<Version>,
    /// What for.
    pub purpose: PurposeId,
    /// In which role.
    pub role: RoleId,
    /// The act it would rest on.
    pub act: Option<ActId>,
    /// The emergency override that it needs and has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub emergency: Option<Box<str>>,
    /// What the consents come to.
    pub consent: ConsentUse,
    /// Whether it is allowed.
    pub allowed: bool,
    /// One line for each condition, in the order of the decision.
    pub checks: Vec<Check>,
    /// One entry for each party that limits the fields; empty where no grant fits.
    pub steps: Vec<Step>,
    /// What is answered with yes or no instead of fields, in words.
    pub answer: Option<Bilingual>,
    /// The strictest handling mark of what is told.
    pub handling: Option<Handling>,
    /// Paths delivered if allowed, in the contract's order.
    pub delivered: Vec<Box<str>>,
    /// What the answer would list as withheld.
    pub withheld: Vec<Withheld>,
}

/// What the consents of an ask come to, without a word of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConsentUse {
    /// The contract wants none.
    NotNeeded,
    /// None is this person's for this provider.
    Missing,
    /// There is one, signed in the future or ended.
    NotInForce,
    /// One is in force, but withdrawn, or not what it was at its first use.
    Refused,
    /// One is in force.
    InForce,
}

impl ConsentUse {
    fn english(self) -> &'static str {
        match self {
            Self::NotNeeded => "not needed",
            Self::Missing => "needed, and missing",
            Self::NotInForce => "needed, and not in force",
            Self::Refused => "needed, and refused by the registry",
            Self::InForce => "needed, and in force",
        }
    }
}

/// One condition of the decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at: `agreement`, `function`, `powers`, `case`, `consent`.
    pub part: &'static str,
    /// The reason it fails with.
    pub reason: DenialReason,
    /// Whether it holds.
    pub passed: bool,
}

/// What one party lets through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// `agreement`, `function`, `class`, `powers` or `fields`.
    pub name: &'static str,
    /// What it rests on, in English.
    pub basis: String,
    /// The same in Azerbaijani.
    pub basis_az: String,
    /// Paths that pass this step and all before it.
    pub allowed: Vec<Box<str>>,
    /// Paths that end here.
    pub withheld: Vec<Box<str>>,
}

/// Explains what [`crate::decide`] decides for the same arguments.
#[must_use]
pub fn explain(
    ask: &Ask,
    consumer: &Consumer,
    snapshot: &Snapshot,
    case: Option<&CaseView>,
    powers: Powers,
    profile: Profile,
    now: Timestamp,
) -> Explanation {
    let findings = Findings::of(ask, consumer, snapshot, case, powers, profile, now);
    // A dossier's and an override's own reasons are never a decision's.
    let elsewhere = [DenialReason::AnswerDenied, DenialReason::EmergencyNotGranted];
    let decided = DenialReason::ALL.iter().filter(|reason| !elsewhere.contains(reason));
    let checks = decided.map(|reason| Check { part: part(*reason), reason: *reason, passed: !findings.reasons.contains(reason) });
    let mut explanation = Explanation {
        consumer: consumer.id.clone(),
        service: ask.service.clone(),
        version: findings.service.map(|service| service.version.clone()),
        purpose: ask.purpose.clone(),
        role: ask.role.clone(),
        act: findings.basis.map(|basis| basis.act.clone()),
        emergency: findings.emergency.map(|emergency| emergency.id.clone()),
        consent: match findings.consent {
            ConsentFound::NotNeeded => ConsentUse::NotNeeded,
            ConsentFound::Missing => ConsentUse::Missing,
            ConsentFound::Refused(_) => ConsentUse::Refused,
            ConsentFound::NotInForce => ConsentUse::NotInForce,
            ConsentFound::InForce(_) => ConsentUse::InForce,
        },
        allowed: findings.reasons.is_empty(),
        checks: checks.collect(),
        steps: Vec::new(),
        answer: None,
        handling: None,
        delivered: Vec::new(),
        withheld: Vec::new(),
    };
    if let (Some(service), Some(basis)) = (findings.service, findings.basis) {
        explanation.steps = steps(ask, consumer, service, basis, &findings);
        explanation.answer = basis.grant.answer.as_ref().map(|predicate| predicate.question.clone());
        explanation.handling = findings.sets.leave_something().then(|| findings.sets.handling(service));
        explanation.delivered = paths(service, findings.sets.delivered());
        explanation.withheld = findings.sets.withheld(service, &basis.grant.rows);
    }
    explanation
}

fn steps(ask: &Ask, consumer: &Consumer, service: &Service, basis: Basis<'_>, findings: &Findings<'_>) -> Vec<Step> {
    let sets = &findings.sets;
    let agreement = &service.agreement;
    let class_max = findings.role.map(|role| format!("{:?}", role.class_max.min(consumer.kind.class_max()))).unwrap_or_default();
    let (special, special_az) = match (&basis.grant.special[..], sets.special) {
        ([], _) => (String::new(), String::new()),
        (acts, true) => {
            let acts = acts.iter().map(ActId::as_str).collect::<Vec<_>>().join(", ");
            (format!(", special category under {acts}"), format!(", xüsusi kateqoriya üçün əsas: {acts}"))
        }
        (_, false) => {
            (", no act for the special category in force".to_owned(), ", xüsusi kateqoriya üçün qüvvədə olan akt yoxdur".to_owned())
        }
    };
    let (kept, kept_az) = if basis.grant.role_withholds.contains_key(&ask.role) {
        ("some fields kept from it by the grant", "icazə bəzi sahələri ondan gizlədir")
    } else {
        ("nothing kept from it", "ondan heç nə gizlədilmir")
    };
    let (number, from, until) = (&agreement.number, agreement.signed_on, agreement.valid_until);
    let (purpose, act, role) = (&ask.purpose, basis.act, &ask.role);
    let mut parts = vec![
        ("agreement", sets.agreed, format!("{number}, in force {from} to {until}"), format!("{number}, {from} – {until} arası qüvvədədir")),
        (
            "function",
            sets.granted,
            format!("the consumer's grant for {purpose} under {act}"),
            format!("istehlakçının {purpose} məqsədi üçün icazəsi, əsası {act}"),
        ),
        (
            "class",
            sets.class,
            format!("role {role} sees up to class {class_max}{special}"),
            format!("{role} rolu {class_max} sinfinədək görür{special_az}"),
        ),
        ("powers", sets.powers, format!("role {role}: {kept}"), format!("{role} rolu: {kept_az}")),
    ];
    if ask.fields.is_some() {
        parts.push(("fields", sets.asked, "the ask narrows".to_owned(), "sorğu özü məhdudlaşdırır".to_owned()));
    }
    let mut passing = FieldSet::first(service.leaves.len());
    let mut steps = Vec::with_capacity(parts.len());
    for (name, allowed, basis, basis_az) in parts {
        let withheld = passing.difference(allowed);
        passing = passing.intersection(allowed);
        steps.push(Step { name, basis, basis_az, allowed: paths(service, passing), withheld: paths(service, withheld) });
    }
    steps
}

fn paths(service: &Service, set: FieldSet) -> Vec<Box<str>> {
    set.iter().filter_map(|index| Some(service.leaves.get(index)?.path.clone())).collect()
}

fn part(reason: DenialReason) -> &'static str {
    match reason {
        DenialReason::ServiceUnknown | DenialReason::AgreementNotInForce => "agreement",
        DenialReason::NoGrant
        | DenialReason::PurposeNotGranted
        | DenialReason::RoleUnknown
        | DenialReason::RoleNotGranted
        | DenialReason::SubjectNotGranted
        | DenialReason::ActNotInForce
        | DenialReason::CodesNotGranted
        | DenialReason::SpecialNever
        | DenialReason::OnwardTransfer
        | DenialReason::OutsideHours
        | DenialReason::NothingLeft => "function",
        DenialReason::OfficialMissing
        | DenialReason::EmergencyNotGranted
        | DenialReason::RobotWithoutResponsible
        | DenialReason::RepresentationNotGranted
        | DenialReason::RepresentationNotInForce
        | DenialReason::RobotNotAllowed
        | DenialReason::AssertionRequired
        | DenialReason::AssertionNotVerified
        | DenialReason::AssertionMalformed
        | DenialReason::AssertionSignature
        | DenialReason::AssertionPurpose
        | DenialReason::AssertionOtherConsumer
        | DenialReason::AssertionOtherOfficial
        | DenialReason::AssertionTime
        | DenialReason::AssertionReplayed
        | DenialReason::AssuranceTooLow
        | DenialReason::OfficialUnknown
        | DenialReason::OfficialDeactivated
        | DenialReason::RoleNotHeld
        | DenialReason::RightNotBegun
        | DenialReason::RoleNotAcknowledged
        | DenialReason::RightWithdrawn => "powers",
        DenialReason::SubjectNotAccepted
        | DenialReason::CaseUnknown
        | DenialReason::CaseClosed
        | DenialReason::CasePurpose
        | DenialReason::CaseOfAnother
        | DenialReason::PersonNotInCase
        | DenialReason::InputNotFromCase
        | DenialReason::AnswerDenied => "case",
        DenialReason::ConsentMissing | DenialReason::ConsentWithdrawn | DenialReason::ConsentDiffers | DenialReason::ConsentNotInForce => {
            "consent"
        }
    }
}

/// The explanation as text, a line for each thing said.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.version.as_ref().map(|version| format!("@{version}")).unwrap_or_default();
        writeln!(f, "{} asks {}{version} for {} in role {}", self.consumer, self.service, self.purpose, self.role)?;
        writeln!(f, "{}", if self.allowed { "allowed" } else { "denied" })?;
        for check in self.checks.iter().filter(|check| !check.passed) {
            writeln!(f, "  {}: {} ({})", check.part, check.reason.english(), check.reason)?;
        }
        if self.consent != ConsentUse::NotNeeded {
            writeln!(f, "{:<10} the person's own to this provider: {}", "consent", self.consent.english())?;
        }
        for step in &self.steps {
            writeln!(f, "{:<10} {}: {} of {} pass", step.name, step.basis, step.allowed.len(), step.allowed.len() + step.withheld.len())?;
            if !step.withheld.is_empty() {
                writeln!(f, "{:<10} withheld: {}", "", step.withheld.join(", "))?;
            }
        }
        for withheld in self.withheld.iter().filter(|withheld| withheld.reason == crate::WithheldReason::Row) {
            writeln!(f, "{:<10} {}: only the granted rows", "row", withheld.field)?;
        }
        match &self.answer {
            Some(question) if self.allowed => writeln!(f, "{:<10} yes or no alone: {}", "answer", question.en)?,
            None if self.allowed => writeln!(f, "{:<10} {}", "delivered", self.delivered.join(", "))?,
            Some(_) | None => {}
        }
        if let Some(handling) = self.handling.filter(|handling| self.allowed && *handling != Handling::NoOnward) {
            writeln!(f, "{:<10} {}", "handling", handling.as_str())?;
        }
        Ok(())
    }
}
