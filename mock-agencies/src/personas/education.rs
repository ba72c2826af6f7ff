//! What the Ministry of Education knows of a person.

use jiff::civil::Date;
use serde::Deserialize;

use super::hidden;

/// A person's learning. `Debug` hides it.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Learning {
    /// Where he is enrolled or was; several at once are possible.
    pub enrolments: Vec<Enrolment>,
    /// Diplomas in the electronic register.
    pub diplomas: Vec<Diploma>,
    /// Whether the archive has papers of his that were never entered.
    pub paper_archive: bool,
}

/// An enrolment. `Debug` hides it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolment {
    /// Code of the institution, `TEST-…`.
    pub institution: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// Level of education.
    pub level: Level,
    /// Form of study.
    pub form: StudyForm,
    /// Who pays.
    pub funding: Funding,
    /// Fee for a year in qəpik, where there is one.
    pub fee_qapik: Option<u64>,
    /// First day.
    pub on: Date,
    /// Expected last day, where one is.
    pub until: Option<Date>,
    /// How it stands.
    pub status: EnrolmentStatus,
}

/// A diploma. `Debug` hides it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Diploma {
    /// Its number, `TEST-D-…`.
    pub number: Box<str>,
    /// Level of education.
    pub level: Level,
    /// Code of the speciality, `TEST-…`.
    pub speciality: Box<str>,
    /// Day of graduation.
    pub on: Date,
}

/// Level of education.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Kindergarten.
    PreSchool,
    /// School.
    General,
    /// Vocational school.
    Vocational,
    /// College.
    SecondarySpecial,
    /// Bachelor.
    Bachelor,
    /// Master.
    Master,
    /// Doctor.
    Doctoral,
}

/// Form of study.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StudyForm {
    /// By day.
    FullTime,
    /// By correspondence.
    PartTime,
}

/// Who pays for a study.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Funding {
    /// The state.
    State,
    /// The student.
    Paid,
}

/// How an enrolment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EnrolmentStatus {
    /// Studies.
    Active,
    /// Is on leave.
    AcademicLeave,
    /// Was expelled.
    Expelled,
    /// Has graduated.
    Graduated,
}

hidden!(Learning, Enrolment, Diploma);
