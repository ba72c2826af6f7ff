//! Paths: qualified names for XML, keys for JSON, joined by `/`. No wildcards, axes or expressions.

use std::collections::BTreeMap;

/// Most parts of a path: no source needs more, and a bound keeps every walk shallow.
pub(crate) const PARTS_MAX: usize = 16;

/// One part of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    /// Namespace; `None` for none and for JSON.
    pub(crate) ns: Option<Box<str>>,
    /// Local name or key.
    pub(crate) local: Box<str>,
    /// As the mapping writes it.
    pub(crate) text: Box<str>,
}

/// Why a text is not a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PathError {
    /// The prefix stands for no namespace.
    UnknownPrefix(String),
    /// A part is not a name.
    BadName(String),
    /// Too many parts.
    TooLong,
}

/// Parses a path of qualified names; a name without prefix is in no namespace.
pub(crate) fn xml(text: &str, namespaces: &BTreeMap<String, String>) -> Result<Vec<Name>, PathError> {
    parts(text, |part| {
        let (prefix, local) = part.split_once(':').map_or((None, part), |(prefix, local)| (Some(prefix), local));
        if !is_xml_name(local) {
            return Err(PathError::BadName(part.to_owned()));
        }
        let ns = match prefix {
            None => None,
            Some(prefix) => {
                let ns = namespaces.get(prefix).ok_or_else(|| PathError::UnknownPrefix(prefix.to_owned()))?;
                Some(ns.as_str().into())
            }
        };
        Ok(Name { ns, local: local.into(), text: part.into() })
    })
}

/// Parses a path of keys.
pub(crate) fn json(text: &str) -> Result<Vec<Name>, PathError> {
    parts(text, |part| {
        // The signs of path languages this is not: somebody who writes `a[0]` should be told.
        if part.is_empty() || part.chars().any(|sign| sign.is_control() || matches!(sign, '[' | ']' | '*' | '$' | '@')) {
            return Err(PathError::BadName(part.to_owned()));
        }
        Ok(Name { ns: None, local: part.into(), text: part.into() })
    })
}

fn parts(text: &str, one: impl Fn(&str) -> Result<Name, PathError>) -> Result<Vec<Name>, PathError> {
    let names = text.split('/').map(one).collect::<Result<Vec<_>, _>>()?;
    if names.len() > PARTS_MAX { Err(PathError::TooLong) } else { Ok(names) }
}

/// Whether a text is a local name (the part of XML Names section 3 that sources use).
pub(crate) fn is_xml_name(text: &str) -> bool {
    let starts_well = text.chars().next().is_some_and(|sign| sign.is_alphabetic() || sign == '_');
    starts_well && text.chars().all(|sign| sign.is_alphanumeric() || matches!(sign, '_' | '-' | '.'))
}
