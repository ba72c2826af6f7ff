//! What a decision is.

use std::fmt;
use std::sync::Arc;

use model::contract::{Grant, Handling, RowRule, SubjectForm, Volume};
use model::{ActId, CaseId, Consent, ConsumerId, FieldSet, PurposeId, RoleId, Service, ServiceId, Subject};
use serde::{Deserialize, Serialize};

use crate::sight::Sight;

/// The result of [`crate::decide`].
#[derive(Debug)]
#[must_use]
pub enum Decision {
    /// The question may be asked and this much of the answer delivered.
    Authorised(Authorised),
    /// It may not.
    Denied(Denial),
}

impl Decision {
    /// The authorisation, or the denial as the error.
    ///
    /// # Errors
    /// The denial.
    pub fn into_result(self) -> Result<Authorised, Denial> {
        match self {
            Self::Authorised(authorised) => Ok(authorised),
            Self::Denied(denial) => Err(denial),
        }
    }
}

/// Proof that one ask was decided and allowed, and how much of the answer it may have.
///
/// Only [`crate::decide`] makes it; it can be neither copied nor stored, so it cannot serve another
/// exchange or outlive its moment:
///
/// ```compile_fail,E0277
/// fn needs_clone<T: Clone>() {}
/// needs_clone::<policy::Authorised>();
/// ```
/// ```compile_fail,E0277
/// fn needs_serialize<T: serde::Serialize>() {}
/// needs_serialize::<policy::Authorised>();
/// ```
/// ```compile_fail,E0277
/// fn needs_deserialize<T: serde::de::DeserializeOwned>() {}
/// needs_deserialize::<policy::Authorised>();
/// ```
/// ```compile_fail,E0451
/// fn forge(genuine: policy::Authorised) -> policy::Authorised {
///     policy::Authorised { withheld: Vec::new(), ..genuine }
/// }
/// ```
#[derive(Debug)]
#[must_use]
pub struct Authorised {
    pub(crate) sight: Sight,
    pub(crate) consumer: ConsumerId,
    pub(crate) subject: Option<Box<Subject>>,
    pub(crate) case: CaseId,
    pub(crate) purpose: PurposeId,
    pub(crate) role: RoleId,
    pub(crate) act: ActId,
    pub(crate) emergency: Option<Box<str>>,
    pub(crate) consent: Option<Box<Consent>>,
    pub(crate) withheld: Vec<Withheld>,
    pub(crate) handling: Handling,
    pub(crate) allowance: Option<Box<Allowance>>,
}

impl Authorised {
    /// The contract it was decided under.
    #[must_use]
    pub fn service(&self) -> &Arc<Service> {
        &self.sight.service
    }

    /// What it shows of facts, cut loose from the right to ask and to be told.
    #[must_use]
    pub fn sight(&self) -> &Sight {
        &self.sight
    }

    /// Who may have the answer.
    #[must_use]
    pub fn consumer(&self) -> &ConsumerId {
        &self.consumer
    }

    /// Whom may be asked about.
    #[must_use]
    pub fn subject(&self) -> Option<&Subject> {
        self.subject.as_deref()
    }

    /// In which case.
    #[must_use]
    pub fn case(&self) -> &CaseId {
        &self.case
    }

    /// For which purpose.
    #[must_use]
    pub fn purpose(&self) -> &PurposeId {
        &self.purpose
    }

    /// In which role.
    #[must_use]
    pub fn role(&self) -> &RoleId {
        &self.role
    }

    /// The act the grant rests on: the first of the grant's acts that is in force.
    #[must_use]
    pub fn act(&self) -> &ActId {
        &self.act
    }

    /// The emergency override it rests on, by its id; `None` where it needs none.
    #[must_use]
    pub fn emergency(&self) -> Option<&str> {
        self.emergency.as_deref()
    }

    /// The consent it rests on: the first of the ask's that is this person's for this provider and in
    /// force at the moment of the decision. `None` where the contract needs none.
    #[must_use]
    pub fn consent(&self) -> Option<&Consent> {
        self.consent.as_deref()
    }

    /// Delivered leaves of [`Self::service`]; empty where the answer is yes or no, and never otherwise.
    #[must_use]
    pub fn fields(&self) -> FieldSet {
        self.sight.fields
    }

    /// Paths of the delivered leaves, in the contract's order.
    pub fn field_paths(&self) -> impl Iterator<Item = &str> {
        self.sight.fields.iter().filter_map(|index| Some(&*self.sight.service.leaves.get(index)?.path))
    }

    /// What is withheld and why, in the contract's order: from contract and grant, never from data.
    #[must_use]
    pub fn withheld(&self) -> &[Withheld] {
        &self.withheld
    }

    /// How the answer is to be handled: the strictest mark of what it delivers, or rests on (Decree 634, 6.1.5).
    #[must_use]
    pub fn handling(&self) -> Handling {
        self.handling
    }

    /// How much the grant may be used, where it is bounded (Decree 634, 6.2.13). Counting is the edge's.
    #[must_use]
    pub fn allowance(&self) -> Option<&Allowance> {
        self.allowance.as_deref()
    }

    /// Row rules of the grant, also those for lists of which nothing is delivered.
    #[must_use]
    pub fn rows(&self) -> &[RowRule] {
        &self.sight.rows
    }
}

/// How much a grant may be used on one day, and which grant it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// The bounds.
    pub volume: Volume,
    /// The grant among those of its consumer: no two have service, purpose, role and form of subject in common, so
    /// the first of each names it, also after a reload.
    pub grant: GrantKey,
}

/// Which grant of a consumer it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GrantKey {
    /// The service.
    pub service: ServiceId,
    /// The first purpose.
    pub purpose: Option<PurposeId>,
    /// The first role.
    pub role: Option<RoleId>,
    /// The first form of subject.
    pub subject: Option<SubjectForm>,
}

impl GrantKey {
    pub(crate) fn of(grant: &Grant) -> Self {
        Self {
            service: grant.service.clone(),
            purpose: grant.purposes.first().cloned(),
            role: grant.roles.first().cloned(),
            subject: grant.subject.first().copied(),
        }
    }
}

/// One field that is not delivered, or not wholly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withheld {
    /// Path as the contract writes it, such as `photo` or `months[].payer_tin`; with
    /// [`WithheldReason::Row`] the list's, such as `acts[]`.
    pub field: Box<str>,
    /// Why.
    pub reason: WithheldReason,
}

/// Why a field is withheld. Where several reasons hold, the first in this order is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WithheldReason {
    /// The agreement with the provider does not cover it (Decree 634, 2.6 a).
    Agreement,
    /// The consumer's grant does not cover it (2.6 b).
    Function,
    /// Its class is above what the role, the official's assurance or the type of consumer may be given, or it is of
    /// the special category and no act that allows it is named and in force.
    Class,
    /// The grant keeps it from this role (2.6 c).
    Powers,
    /// Only some rows of the list are granted.
    Row,
}

impl WithheldReason {
    /// The word on every surface.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agreement => "agreement",
            Self::Function => "function",
            Self::Class => "class",
            Self::Powers => "powers",
            Self::Row => "row",
        }
    }
}

impl fmt::Display for WithheldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A refusal with every reason that held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[must_use]
pub struct Denial {
    pub(crate) reasons: Vec<DenialReason>,
    pub(crate) inputs: Vec<Box<str>>,
}

impl Denial {
    /// A denial for one reason, decided outside [`crate::decide`] (a consumer that is gone).
    pub fn of(reason: DenialReason) -> Self {
        Self { reasons: vec![reason], inputs: Vec::new() }
    }

    /// A denial for these reasons, decided outside [`crate::decide`] (a dossier as a whole).
    ///
    /// # Errors
    /// The denial, where there is any reason.
    pub fn unless_none(reasons: Vec<DenialReason>) -> Result<(), Self> {
        if reasons.is_empty() { Ok(()) } else { Err(Self { reasons, inputs: Vec::new() }) }
    }

    /// The stable codes of all reasons.
    #[must_use]
    pub fn codes(&self) -> Vec<&'static str> {
        self.reasons.iter().map(|reason| reason.code()).collect()
    }

    /// All reasons, in the order of [`DenialReason::ALL`]; never empty.
    #[must_use]
    pub fn reasons(&self) -> &[DenialReason] {
        &self.reasons
    }

    /// Names of the inputs that [`DenialReason::CodesNotGranted`] speaks of; empty without it.
    #[must_use]
    pub fn inputs(&self) -> &[Box<str>] {
        &self.inputs
    }

    /// Whether this reason is among them.
    #[must_use]
    pub fn has(&self, reason: DenialReason) -> bool {
        self.reasons.contains(&reason)
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, reason) in self.reasons.iter().enumerate() {
            if place > 0 {
                f.write_str(", ")?;
            }
            f.write_str(reason.code())?;
        }
        Ok(())
    }
}

macro_rules! denial_reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $en:literal, $az:literal;)+) => {
        /// Why an ask is denied. The list is closed and the codes are stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum DenialReason {
            $($(#[$doc])* #[serde(rename = $code)] $name,)+
        }

        impl DenialReason {
            /// All reasons, in the order in which a denial lists them.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The stable code, such as `no-grant`.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)+
                }
            }

            /// The reason in English, without a full stop.
            #[must_use]
            pub fn english(self) -> &'static str {
                match self {
                    $(Self::$name => $en,)+
                }
            }

            /// The reason in Azerbaijani, without a full stop.
            #[must_use]
            pub fn azerbaijani(self) -> &'static str {
                match self {
                    $(Self::$name => $az,)+
                }
            }
        }
    };
}

denial_reasons! {
    /// The snapshot has no such service (it may have been withdrawn since the ask was stored).
    ServiceUnknown = "service-unknown", "there is no such service", "belə xidmət yoxdur";
    /// The agreement with the provider is not yet or no longer in force.
    AgreementNotInForce = "agreement-not-in-force", "the agreement with the provider is not in force", "təminatçı ilə razılaşma qüvvədə deyil";
    /// The consumer has no grant for the service.
    NoGrant = "no-grant", "this consumer has no grant for the service", "bu istehlakçıya xidmət üzrə icazə verilməyib";
    /// It has one, but not for this purpose.
    PurposeNotGranted = "purpose-not-granted", "the grant does not cover this purpose", "icazə bu məqsədi əhatə etmir";
    /// The consumer has no such role.
    RoleUnknown = "role-unknown", "this consumer has no such role", "bu istehlakçıda belə rol yoxdur";
    /// The role may not use the grant.
    RoleNotGranted = "role-not-granted", "the grant does not cover this role", "icazə bu rolu əhatə etmir";
    /// The grant does not cover subjects that are named in this form.
    SubjectNotGranted = "subject-not-granted", "the grant does not cover this form of naming the subject",
        "icazə subyektin bu cür göstərilməsini əhatə etmir";
    /// None of the grant's acts is in force.
    ActNotInForce = "act-not-in-force", "no legal act of the grant is in force", "icazənin əsaslandığı hüquqi akt qüvvədə deyil";
    /// An input asks for codes whose rows the grant does not cover, or is left out and so asks for all.
    CodesNotGranted = "codes-not-granted", "the grant does not cover every code that is asked for", "icazə soruşulan kodların hamısını əhatə etmir";
    /// The role may not act in emergencies. Only the opening of an override finds this.
    EmergencyNotGranted = "emergency-not-granted", "this role may not act in emergencies", "bu rol təcili hallarda çıxış edə bilməz";
    /// The consumer or the purpose is declared without data of the special category, and the grant gives some.
    SpecialNever = "special-never", "data of the special category may not serve this consumer or purpose",
        "xüsusi kateqoriyalı məlumat bu istehlakçıya və ya məqsədə verilə bilməz";
    /// A handling mark keeps a field of the grant from a consumer of this type.
    OnwardTransfer = "onward-transfer", "the source's data may not be passed on to this consumer",
        "mənbənin məlumatı bu istehlakçıya ötürülə bilməz";
    /// The grant may not be used at this hour or on this day.
    OutsideHours = "outside-hours", "the grant may not be used at this time", "icazədən bu vaxt istifadə edilə bilməz";
    /// Nobody is named as asking.
    OfficialMissing = "official-missing", "no official is named", "vəzifəli şəxs göstərilməyib";
    /// An automated caller without a person answerable for it.
    RobotWithoutResponsible = "robot-without-responsible", "no person is named as answerable for the automated caller",
        "avtomatlaşdırılmış sorğuya cavabdeh şəxs göstərilməyib";
    /// The role is not open to automated callers.
    RobotNotAllowed = "robot-not-allowed", "automated callers may not act in this role", "avtomatlaşdırılmış sistem bu rolda çıxış edə bilməz";
    /// The production profile needs the official's signed assertion.
    AssertionRequired = "assertion-required", "the official's signed assertion is required", "vəzifəli şəxsin imzalanmış təsdiqi tələb olunur";
    /// An assertion was sent, but this deployment cannot verify assertions, so it proves nothing.
    AssertionNotVerified = "assertion-not-verified", "the official's assertion cannot be verified here",
        "vəzifəli şəxsin təsdiqi burada yoxlanıla bilmir";
    /// It is no compact JWS, or a claim is missing.
    AssertionMalformed = "assertion-malformed", "the official's assertion is no compact JWS with every claim it must have",
        "vəzifəli şəxsin təsdiqi bütün tələb olunan bəyanları olan yığcam JWS deyil";
    /// Its key, algorithm or signature is not the identity provider's.
    AssertionSignature = "assertion-signature", "the signature of the official's assertion does not hold",
        "vəzifəli şəxsin təsdiqindəki imza doğru deyil";
    /// It is another issuer's, for another audience or of an unknown level.
    AssertionPurpose = "assertion-purpose", "the official's assertion is another issuer's or for something else",
        "vəzifəli şəxsin təsdiqi başqa mənbədəndir və ya başqa məqsəd üçündür";
    /// It was made for another consumer.
    AssertionOtherConsumer = "assertion-other-consumer", "the official's assertion was made for another consumer",
        "vəzifəli şəxsin təsdiqi başqa istehlakçı üçün verilib";
    /// It is another official's.
    AssertionOtherOfficial = "assertion-other-official", "the assertion is another official's", "təsdiq başqa vəzifəli şəxsindir";
    /// It has expired, is not valid yet, or lives too long.
    AssertionTime = "assertion-time", "the official's assertion has expired, is not valid yet or lives too long; get a new one",
        "vəzifəli şəxsin təsdiqinin vaxtı keçib, hələ çatmayıb və ya çox uzundur; yenisini alın";
    /// It has been used for something else.
    AssertionReplayed = "assertion-replayed", "the official's assertion has been used for something else; get a new one",
        "vəzifəli şəxsin təsdiqi başqa iş üçün istifadə olunub; yenisini alın";
    /// The register of rights has no account of the official.
    OfficialUnknown = "official-unknown", "the register of rights has no such official", "hüquqlar reyestrində belə vəzifəli şəxs yoxdur";
    /// The official's account is deactivated.
    OfficialDeactivated = "official-deactivated", "the official's account is deactivated", "vəzifəli şəxsin hesabı bağlanıb";
    /// The official does not hold the role.
    RoleNotHeld = "role-not-held", "the official does not hold this role", "vəzifəli şəxs bu rola malik deyil";
    /// The official's right begins later.
    RightNotBegun = "right-not-begun", "the official's right has not begun yet", "vəzifəli şəxsin hüququ hələ başlamayıb";
    /// The official has not acknowledged the role's duties.
    RoleNotAcknowledged = "role-not-acknowledged", "the official has not acknowledged the duties of this role yet",
        "vəzifəli şəxs bu rolun vəzifələri ilə tanışlığı hələ təsdiq etməyib";
    /// The official's right was withdrawn or has run out.
    RightWithdrawn = "right-withdrawn", "the official's right was withdrawn or has run out",
        "vəzifəli şəxsin hüququ geri alınıb və ya müddəti bitib";
    /// The role takes no request of this kind of representative.
    RepresentationNotGranted = "representation-not-granted", "this role takes no request of this kind of representative",
        "bu rol belə təmsilçinin müraciətini qəbul etmir";
    /// What the representation rests on has ended.
    RepresentationNotInForce = "representation-not-in-force", "what the representation rests on is not in force any more",
        "təmsilçiliyin əsası artıq qüvvədə deyil";
    /// The subject is missing, or not of a form or profile that the contract takes.
    SubjectNotAccepted = "subject-not-accepted", "the contract does not take this subject", "müqavilə bu subyekti qəbul etmir";
    /// The consumer has no such case.
    CaseUnknown = "case-unknown", "there is no such case", "belə iş yoxdur";
    /// The case is closed.
    CaseClosed = "case-closed", "the case is closed", "iş bağlanıb";
    /// The case was opened for another purpose.
    CasePurpose = "case-purpose", "the case was opened for another purpose", "iş başqa məqsəd üçün açılıb";
    /// The case is another official's, and no emergency override lets this one act in it.
    CaseOfAnother = "case-of-another", "the case is another official's", "iş başqa vəzifəli şəxsindir";
    /// The subject is not a person of the case.
    PersonNotInCase = "person-not-in-case", "the person is not in the case", "şəxs bu işdə yoxdur";
    /// An identifying input (a subscriber code, say) does not stem from an answer in this case.
    InputNotFromCase = "input-not-from-case", "an identifying input does not stem from an answer in this case",
        "müəyyənləşdirici məlumat bu işdəki cavabdan gəlmir";
    /// An answer of the same dossier that this question builds on was refused, or does not show what it builds
    /// on. Only a dossier finds this, before it asks for a decision.
    AnswerDenied = "answer-denied", "an answer that this question builds on was refused or withheld",
        "bu sorğunun əsaslandığı cavab verilməyib və ya açıqlanmayıb";
    /// The contract needs the person's own consent, and none of the ask's is for this provider and
    /// this subject.
    ConsentMissing = "consent-missing", "the person's consent to this provider is missing",
        "şəxsin bu təminatçıya sorğu verilməsinə razılığı yoxdur";
    /// The person has withdrawn the consent.
    ConsentWithdrawn = "consent-withdrawn", "the person has withdrawn the consent", "şəxs razılığını geri götürüb";
    /// The consent differs from what was first used under its reference.
    ConsentDiffers = "consent-differs", "the consent says something else than when it was first used under this reference",
        "razılıq bu istinadla ilk dəfə istifadə olunandan fərqlənir";
    /// There is such a consent, but it is signed in the future or has ended.
    ConsentNotInForce = "consent-not-in-force", "the person's consent is not yet or no longer in force",
        "şəxsin razılığı hələ qüvvəyə minməyib və ya müddəti bitib";
    /// The assertion proves too little: nothing that is asked for may be seen at its level.
    AssuranceTooLow = "assurance-too-low", "the official's level of assurance is too low for what is asked",
        "vəzifəli şəxsin eyniləşdirmə səviyyəsi soruşulan məlumat üçün kifayət deyil";
    /// Everything asked for would be withheld, so nothing is asked of the provider.
    NothingLeft = "nothing-left", "nothing of the answer could be delivered", "cavabdan heç nə təqdim edilə bilməz";
}

impl fmt::Display for DenialReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
