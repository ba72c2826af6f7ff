//! Whom a question is about. `Debug` and error texts never show the identifier.

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::contract::SubjectForm;
use crate::profile::Profile;

/// The person or taxpayer a question is about, as the envelope names it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Subject {
    /// A citizen's FIN.
    Fin(String),
    /// A foreigner's PIN.
    Pin(String),
    /// A taxpayer's number.
    Tin(String),
    /// A document with the holder's birth date.
    #[serde(untagged)]
    Document(DocumentSubject),
}

/// A person named by document and birth date.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DocumentSubject {
    /// The document.
    pub document: Document,
    /// The holder's birth date.
    #[schemars(with = "String")]
    pub birth_date: Date,
}

/// Series and number of an identity document.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Series, such as `AZE`.
    pub series: String,
    /// Number, digits.
    pub number: String,
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fin(_) => "Fin(…)",
            Self::Pin(_) => "Pin(…)",
            Self::Document(_) => "Document(…)",
            Self::Tin(_) => "Tin(…)",
        })
    }
}

impl fmt::Debug for DocumentSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DocumentSubject(…)")
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Document(…)")
    }
}

/// Which part of a subject breaks which rule; carries no part of the identifier itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubjectFault {
    /// JSON pointer inside the subject, such as `/fin`.
    pub pointer: &'static str,
    /// The rule.
    pub rule: SubjectRule,
}

/// The form of a part of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubjectRule {
    /// Seven of digits and A-Z without I and O; synthetic ones end in the letter O.
    Fin,
    /// As [`Self::Fin`].
    Pin,
    /// Ten digits; synthetic ones end in 3 or 4.
    Tin,
    /// One to four letters A-Z; synthetic documents have the series ZZ.
    DocumentSeries,
    /// One to twelve digits.
    DocumentNumber,
}

impl Subject {
    /// Which form this is.
    #[must_use]
    pub fn form(&self) -> SubjectForm {
        match self {
            Self::Fin(_) => SubjectForm::Fin,
            Self::Pin(_) => SubjectForm::Pin,
            Self::Document(_) => SubjectForm::Document,
            Self::Tin(_) => SubjectForm::Tin,
        }
    }

    /// Checks the identifier's form under a profile: synthetic marks are required in the test
    /// profile and refused in production.
    ///
    /// # Errors
    /// The part and the rule it breaks, without the value.
    pub fn check(&self, profile: Profile) -> Result<(), SubjectFault> {
        let (good, pointer, rule) = match self {
            Self::Fin(fin) => (profile.accepts_fin(fin), "/fin", SubjectRule::Fin),
            Self::Pin(pin) => (profile.accepts_fin(pin), "/pin", SubjectRule::Pin),
            Self::Tin(tin) => (profile.accepts_tin(tin), "/tin", SubjectRule::Tin),
            Self::Document(by) => {
                let number = &by.document.number;
                if !(1..=12).contains(&number.len()) || !number.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(SubjectFault { pointer: "/document/number", rule: SubjectRule::DocumentNumber });
                }
                (profile.accepts_document_series(&by.document.series), "/document/series", SubjectRule::DocumentSeries)
            }
        };
        if good { Ok(()) } else { Err(SubjectFault { pointer, rule }) }
    }

    /// The one canonical text of this subject: what subject tokens and case membership are computed
    /// over. Never logged, stored in clear or put into a URL.
    #[must_use]
    pub fn canonical(&self) -> String {
        match self {
            Self::Fin(fin) => format!("fin:{fin}"),
            Self::Pin(pin) => format!("pin:{pin}"),
            Self::Tin(tin) => format!("tin:{tin}"),
            Self::Document(by) => format!("document:{}:{}:{}", by.document.series, by.document.number, by.birth_date),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_read_from_the_envelope_forms_of_the_interface() {
        let read = |text: &str| serde_json::from_str::<Subject>(text);
        assert_eq!(read(r#"{"fin":"5K7QX2O"}"#).expect("fin").form(), SubjectForm::Fin);
        let document = r#"{"document":{"series":"ZZ","number":"0012345"},"birth_date":"1985-03-14"}"#;
        assert_eq!(read(document).expect("document").form(), SubjectForm::Document);
        assert!(read(r#"{"fin":"5K7QX2O","pin":"x"}"#).is_err());
        assert!(read(r#"{"name":"x"}"#).is_err());
    }

    #[test]
    fn faults_and_debug_never_show_the_identifier() {
        let subject = Subject::Fin("5K7QX2OX".to_owned());
        let fault = subject.check(Profile::Test).expect_err("eight characters");
        assert!(!format!("{subject:?}{fault:?}").contains("5K7QX2OX"));
        assert_eq!(fault.pointer, "/fin");
    }
}
