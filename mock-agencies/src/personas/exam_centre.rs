//! What the State Examination Centre knows of a person.

use serde::Deserialize;

use super::hidden;

/// The result of an exam. `Debug` hides it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExamResult {
    /// Its year, counted back from today's.
    pub years_ago: u16,
    /// Kind of exam.
    pub kind: ExamKind,
    /// Number of the work, `TEST-…`.
    pub work_no: Box<str>,
    /// Points, as a decimal from 0 to 700.
    pub score: Box<str>,
    /// Whether the person was admitted.
    pub admitted: bool,
    /// Code of the institution that admitted, `TEST-…`.
    pub institution: Option<Box<str>>,
    /// Code of the speciality, `TEST-…`.
    pub speciality: Option<Box<str>>,
    /// Whether the state pays.
    pub state_order: bool,
}

/// Kind of exam.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExamKind {
    /// At the end of school.
    Graduation,
    /// To a university.
    Admission,
    /// To a master's course.
    Master,
    /// To the civil service.
    Recruitment,
}

hidden!(ExamResult);
