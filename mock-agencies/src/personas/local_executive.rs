//! What local executive bodies keep: certificates of family composition, decisions on guardianship, the household register.

use std::collections::HashSet;

use jiff::civil::Date;
use serde::Deserialize;

use super::{Application, Day, Family, Relation, hidden};

/// The registers of all territories.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalExecutive {
    /// Certificates in force, one for each family that has one.
    pub certificates: Vec<FamilyCertificate>,
    /// Decisions, those that have ended included.
    pub guardianships: Vec<Guardianship>,
    /// Entries of the household register.
    pub households: Vec<Household>,
}

impl LocalExecutive {
    /// Adds a certificate for every family that has applied with one that is not there yet.
    pub(super) fn certify(&mut self, families: &[Family]) {
        let known: HashSet<Box<str>> = self.certificates.iter().map(|certificate| certificate.number.clone()).collect();
        let further = families.iter().filter_map(|family| FamilyCertificate::of(family, family.application()?));
        self.certificates.extend(further.filter(|certificate| !known.contains(&certificate.number)));
    }
}

impl FamilyCertificate {
    /// The certificate that an application rests on; none where its applicant is registered nowhere.
    fn of(family: &Family, application: &Application) -> Option<Self> {
        let residence = |fin: &str| family.everyone().find(|person| &*person.fin == fin)?.residence.as_ref();
        let home = residence(&application.representative)?;
        let members = application.members.iter().map(|member| CertifiedMember {
            fin: member.fin.clone(),
            relation: member.relation,
            living_together: member.fin.as_deref().and_then(residence).is_none_or(|own| own.address_code == home.address_code),
        });
        Some(Self {
            number: application.certificate.clone(),
            issued_on: application.notarised_on,
            head: application.representative.clone(),
            members: members.collect(),
            separate_meters: true,
            office: format!("IH-TEST-{}", home.territory_code.get(6..).unwrap_or_default()).into(),
            territory_code: home.territory_code.clone(),
        })
    }
}

/// A certificate of who a family consists of. `Debug` hides it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FamilyCertificate {
    /// Its number, `TEST-IH-…`, unique: the one that the family's notarised application names.
    pub number: Box<str>,
    /// Day of issue, before the application.
    pub issued_on: Day,
    /// FIN of the head of the family, to whom it is issued.
    pub head: Box<str>,
    /// The others.
    pub members: Vec<CertifiedMember>,
    /// Whether the family has meters of its own.
    pub separate_meters: bool,
    /// The representation that issued it, `IH-TEST-…`.
    pub office: Box<str>,
    /// The head's territory.
    pub territory_code: Box<str>,
}

/// A member of a family. `Debug` hides it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertifiedMember {
    /// FIN; `None` for a new-born who has none yet.
    pub fin: Option<Box<str>>,
    /// What he is to the head.
    pub relation: Relation,
    /// Whether he lives with the head.
    pub living_together: bool,
}

/// A decision that a child is cared for by somebody. `Debug` hides it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guardianship {
    /// The child's FIN.
    pub child: Box<str>,
    /// The FIN of who cares for it.
    pub guardian: Box<str>,
    /// As what.
    pub kind: GuardianshipKind,
    /// Number of the decision, `TEST-QR-…`, unique.
    pub number: Box<str>,
    /// Day of the decision.
    pub decided_on: Date,
    /// Day on which it ended.
    #[serde(default)]
    pub ended_on: Option<Date>,
    /// The territory of who decided.
    pub territory_code: Box<str>,
}

/// As what somebody cares for a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GuardianshipKind {
    /// Of a child under 14.
    Guardianship,
    /// Of one from 14 on.
    Trusteeship,
    /// A foster family.
    Foster,
}

/// An entry of the household register. `Debug` hides it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Household {
    /// FIN of its head.
    pub head: Box<str>,
    /// Its number, `TEST-ET-…`, unique.
    pub number: Box<str>,
    /// What they live in.
    pub dwelling: Dwelling,
    /// Area of the plot in hectares, as it is written.
    pub plot_ha: Box<str>,
    /// Animals that the head has declared.
    pub livestock: Vec<DeclaredAnimals>,
    /// Day of the entry.
    pub recorded_on: Date,
    /// The territory.
    pub territory_code: Box<str>,
}

/// What a household lives in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dwelling {
    /// House.
    House,
    /// Flat.
    Flat,
    /// Hostel.
    Hostel,
    /// Nothing of its own.
    None,
}

/// Animals of one kind.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredAnimals {
    /// Kind, as contracts call it, such as `cow`.
    pub kind: Box<str>,
    /// How many.
    pub heads: u32,
}

hidden!(FamilyCertificate, CertifiedMember, Guardianship, Household);
