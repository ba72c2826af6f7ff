//! What a decision was made from, besides what its question says: kept in the entries that rest on the decision, so that
//! it can be made again later. Holds no identifier of a person: of the subject its form, of consents their times.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use model::contract::SubjectForm;
use model::subject::{Document, DocumentSubject};
use model::{Consent, Profile, ProviderId, Representation, RepresentativeKind, Service, Subject};
use policy::{Ask, CaseView, ConsentRefused, DenialReason, Identity, Powers, Standing};
use serde::{Deserialize, Serialize};

use crate::change::difference::somebody;

/// What the policy decided from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Premises {
    /// The moment of the decision.
    decided_at: Timestamp,
    profile: Profile,
    /// How the subject was named; none where nobody was.
    subject: Option<Named>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    codes: BTreeMap<Box<str>, Vec<Box<str>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fields: Option<Vec<String>>,
    identity: Identity,
    standing: Standing,
    /// What the store said of the case; none where there is no such case.
    case: Option<CaseView>,
    /// One for each consent that was sent, where the contract needs one: its times if it is this person's to this
    /// provider, else none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    consents: Vec<Option<Span>>,
    /// As what somebody acted for the subject, and until when; none where nobody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    acting: Option<Acting>,
}

/// As what somebody acts for a person, and the last day of what that rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Acting {
    kind: RepresentativeKind,
    valid_until: Date,
}

/// How somebody is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Named {
    form: SubjectForm,
    /// Whether the identifier has the form and profile it must have.
    sound: bool,
}

/// From when to when a consent is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Span {
    signed_at: Timestamp,
    expires_at: Timestamp,
}

impl Premises {
    /// What this ask is decided from.
    #[must_use]
    pub fn of(ask: &Ask, service: &Service, case: Option<CaseView>, powers: Powers, profile: Profile, now: Timestamp) -> Self {
        let own = |consent: &Consent| consent.provider.as_str() == service.id.provider() && Some(&consent.subject) == ask.subject.as_ref();
        let span = |consent: &Consent| own(consent).then_some(Span { signed_at: consent.signed_at, expires_at: consent.expires_at });
        Self {
            decided_at: now,
            profile,
            subject: ask.subject.as_ref().map(|subject| Named { form: subject.form(), sound: subject.check(profile).is_ok() }),
            codes: ask.codes.clone(),
            fields: ask.fields.clone(),
            identity: powers.identity,
            standing: powers.standing,
            case,
            consents: if service.consent { ask.consents.iter().map(span).collect() } else { Vec::new() },
            acting: ask.on_behalf_of.as_ref().map(|acting| Acting { kind: acting.kind, valid_until: acting.valid_until }),
        }
    }

    /// What the store said of the case.
    #[must_use]
    pub fn case(&self) -> Option<&CaseView> {
        self.case.as_ref()
    }

    /// Notes that the registry has refused a consent after all, when its first use was to be entered.
    pub fn refuse_consent(&mut self, ask: &Ask, consent: Option<&Consent>, reason: DenialReason) {
        let refused = match reason {
            DenialReason::ConsentWithdrawn => ConsentRefused::Withdrawn,
            DenialReason::ConsentDiffers => ConsentRefused::Differs,
            _ => return,
        };
        let place = ask.consents.iter().position(|sent| Some(sent) == consent);
        if let (Some(case), Some(place)) = (&mut self.case, place) {
            case.refused_consents.push((place, refused));
        }
    }

    /// When the decision was made.
    #[must_use]
    pub fn decided_at(&self) -> Timestamp {
        self.decided_at
    }

    /// Under which profile.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// What was known of who asked.
    #[must_use]
    pub fn powers(&self) -> Powers {
        Powers { identity: self.identity, standing: self.standing }
    }

    /// Makes the ask whole again, about somebody who is nobody and yet decides alike.
    #[must_use]
    pub fn restore(&self, mut ask: Ask) -> Ask {
        ask.subject = self.subject.map(|named| if named.sound { somebody(named.form, self.profile) } else { unsound(named.form) });
        let provider = ProviderId::new(ask.service.provider()).ok();
        let consents = self.consents.iter().filter_map(|span| {
            // Another's consent is nobody's whom the ask names.
            let other = || Span { signed_at: self.decided_at, expires_at: self.decided_at };
            let subject = span.and(ask.subject.clone()).unwrap_or_else(|| Subject::Fin(String::new()));
            let Span { signed_at, expires_at } = span.unwrap_or_else(other);
            Some(Consent { provider: provider.clone()?, subject, reference: String::new(), sha256: String::new(), signed_at, expires_at })
        });
        ask.consents = consents.collect();
        ask.on_behalf_of = self.acting.map(|Acting { kind, valid_until }| {
            let nobody = || Subject::Fin(String::new());
            let (reference, sha256) = (String::new(), String::new());
            Representation { kind, representative: nobody(), represented: nobody(), reference, sha256, valid_until }
        });
        ask.codes = self.codes.clone();
        ask.fields = self.fields.clone();
        ask
    }
}

/// A subject of this form that no contract takes.
fn unsound(form: SubjectForm) -> Subject {
    match form {
        SubjectForm::Fin => Subject::Fin("-".to_owned()),
        SubjectForm::Pin => Subject::Pin("-".to_owned()),
        SubjectForm::Tin => Subject::Tin("-".to_owned()),
        SubjectForm::Document => Subject::Document(DocumentSubject {
            document: Document { series: String::new(), number: "-".to_owned() },
            birth_date: jiff::civil::date(2000, 1, 1),
        }),
    }
}
