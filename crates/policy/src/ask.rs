//! The question as it is stored and decided.

use std::collections::BTreeMap;
use std::fmt;

use model::{CaseId, Consent, PurposeId, Representation, RoleId, ServiceId, Subject};
use serde::{Deserialize, Serialize};

/// One question of one consumer: everything a decision needs that the consumer says itself.
///
/// This, not the decision, is what a store may keep (sealed: it names a person). `Debug` hides the
/// subject, the official and the assertion.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// The service asked.
    pub service: ServiceId,
    /// Whom it is about; `None` where the contract asks about no person.
    pub subject: Option<Subject>,
    /// What for.
    pub purpose: PurposeId,
    /// The consumer's case.
    pub case: CaseId,
    /// Who asks.
    pub official: Official,
    /// In which role.
    pub role: RoleId,
    /// The signed statement of the official's identity provider (JWS), as sent.
    pub assertion: Option<String>,
    /// The consents the consumer holds; a service that needs none looks at none.
    #[serde(default)]
    pub consents: Vec<Consent>,
    /// Who acts for whom, where the question is asked because somebody does.
    #[serde(default)]
    pub on_behalf_of: Option<Representation>,
    /// What it asks with in the service's inputs of codes, by their names: a row rule may bound them. An
    /// input that is not given stands here without a code or not at all.
    #[serde(default)]
    pub codes: BTreeMap<Box<str>, Vec<Box<str>>>,
    /// Narrower field set: paths of leaves, or of lists for all below them. A name the contract does
    /// not know narrows to nothing; the surface refuses it before.
    pub fields: Option<Vec<String>>,
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ask")
            .field("service", &self.service)
            .field("subject", &self.subject)
            .field("purpose", &self.purpose)
            .field("case", &self.case)
            .field("official", &self.official)
            .field("role", &self.role)
            .field("assertion", &self.assertion.as_ref().map(|_| "…"))
            .field("consents", &self.consents)
            .field("on_behalf_of", &self.on_behalf_of)
            .field("codes", &self.codes)
            .field("fields", &self.fields)
            .finish()
    }
}

/// Who asks: a person, or an automated caller with a person answerable for it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Official {
    /// An official's number, such as `AZ-0001`.
    Person(String),
    /// An automated caller.
    Robot {
        /// Its name, without the `robot:` of the surface.
        name: String,
        /// The official answerable for it; without one the ask is denied.
        responsible: Option<String>,
    },
}

impl Official {
    /// Reads the surface's `official` and `responsible`: `robot:<name>` is an automated caller,
    /// anything else an official's number. `responsible` means nothing for a person and is dropped.
    #[must_use]
    pub fn parse(official: &str, responsible: Option<&str>) -> Self {
        match official.strip_prefix("robot:") {
            Some(name) => Self::Robot { name: name.to_owned(), responsible: responsible.map(str::to_owned) },
            None => Self::Person(official.to_owned()),
        }
    }

    /// Whether it is an automated caller.
    #[must_use]
    pub fn is_robot(&self) -> bool {
        matches!(self, Self::Robot { .. })
    }
}

/// The form of the surface and the journal: the number, or `robot:<name>`.
impl fmt::Display for Official {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(number) => f.write_str(number),
            Self::Robot { name, .. } => write!(f, "robot:{name}"),
        }
    }
}

impl fmt::Debug for Official {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Person(_) => "Person(…)",
            Self::Robot { .. } => "Robot(…)",
        })
    }
}

/// What the store says about the case the ask names, for this consumer, official and subject, and about the ask's
/// consents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseView {
    /// Whether it is open.
    pub open: bool,
    /// The purpose it was opened for.
    pub purpose: PurposeId,
    /// Whether the ask's subject is one of its persons; of no meaning where there is no subject.
    pub has_subject: bool,
    /// Whether every identifying input stems from an answer in this case, where the contract wants it.
    pub inputs_known: bool,
    /// Whether it is another official's. A case that is nobody's is every official's of the consumer.
    #[serde(default)]
    pub of_another: bool,
    /// The emergency override under which the official acts in the ask's role.
    #[serde(default)]
    pub emergency: Option<EmergencyView>,
    /// Those of the ask's consents, by their place in it, that the registry of consents refuses.
    #[serde(default)]
    pub refused_consents: Vec<(usize, ConsentRefused)>,
}

impl CaseView {
    /// A case of this purpose against which nothing stands.
    #[must_use]
    pub fn sound(purpose: PurposeId) -> Self {
        Self {
            open: true,
            purpose,
            has_subject: true,
            inputs_known: true,
            of_another: false,
            emergency: None,
            refused_consents: Vec::new(),
        }
    }
}

/// An emergency override as the store says it: it lets an official act in another's case, and about persons it names.
/// It lifts nothing else: neither grant nor act, consent, class or rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmergencyView {
    /// Its id.
    pub id: Box<str>,
    /// Whether it names the ask's subject.
    pub has_subject: bool,
}

/// Why the registry of consents refuses one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConsentRefused {
    /// The person has withdrawn it.
    Withdrawn,
    /// It says something else than it did when it was first used.
    Differs,
}
