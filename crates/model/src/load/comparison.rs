//! Checks a comparison of what two sources say.

use super::consumer::answer;
use super::file::{self, File, words};
use super::{Names, raw};
use crate::comparison::{Agree, Compared, Comparison};
use crate::contract::{FieldDef, FieldKind, Shape, Type};
use crate::document::Document;
use crate::id::{ComparisonId, ServiceId};
use crate::problem::Problems;
use crate::rule;
use crate::snapshot::Snapshot;

/// The comparison, when it is sound.
pub(super) fn check(
    document: &Document,
    raw: &raw::ComparisonFile,
    snapshot: &Snapshot,
    names: &Names,
    problems: &mut Problems,
) -> Option<Comparison> {
    let mut file = File::new(document, problems);
    let id = file.id("/comparison", &raw.comparison, ComparisonId::new);
    let stem = file::stem(&document.path);
    if stem != raw.comparison {
        file.refuse("/comparison", rule::FILE_NAME, "the file has another name", format!("`{stem}`"));
    }
    file.bilingual("/name", &raw.name);
    let clause = file.text("/clause", &raw.clause);
    let primary = side(&mut file, "/primary", &raw.primary, snapshot, names);
    let other = side(&mut file, "/other", &raw.other, snapshot, names);
    let (Some((primary, kind)), Some((other, other_kind))) = (primary, other) else { return None };
    if primary.service == other.service {
        let message = "both sides are one service's: that is the contract's affair";
        file.refuse("/other/service", rule::WRONG_COMPARISON, message, "another service than the primary's");
    }
    let is_time = |kind| matches!(kind, Type::Date | Type::Month);
    let meet = match raw.agree {
        Agree::NotAfter => is_time(kind) && is_time(other_kind),
        Agree::Equal | Agree::Within => kind == other_kind,
    };
    if !meet {
        let accepted = "two fields of one type, or two days or months with not-after";
        file.refuse("/agree", rule::WRONG_COMPARISON, "the two fields cannot be compared so", accepted);
    }
    (file.faults() == 0).then_some(Comparison { id: id?, name: raw.name.clone(), clause, primary, other, agree: raw.agree })
}

/// One side, and the type of what is compared.
fn side(file: &mut File<'_>, at: &str, raw: &raw::Compared, snapshot: &Snapshot, names: &Names) -> Option<(Compared, Type)> {
    let id = file.id(&format!("{at}/service"), &raw.service, ServiceId::new)?;
    if names.services.is_unknown(id.as_str()) {
        file.refuse(&format!("{at}/service"), rule::UNKNOWN_SERVICE, format!("there is no service `{id}`"), names.services.accepted());
    }
    let service = snapshot.services.get(&id)?;
    let Some((field, kind)) = field(&service.shape, &raw.field) else {
        let known = service.shape.fields.iter().flat_map(comparable);
        let accepted = words(known.collect::<Vec<_>>().iter().map(String::as_str));
        let message = format!("`{}` is not an agreed text, code, FIN, day or month of {id}", raw.field);
        file.refuse(&format!("{at}/field"), rule::WRONG_COMPARISON, message, accepted);
        return None;
    };
    let list = raw.field.split_once("[].").map(|(list, _)| list);
    if list.is_none() && !raw.conditions.0.is_empty() {
        file.refuse_key(
            &format!("{at}/where"),
            rule::MISPLACED_KEY,
            "the field is in no list",
            "a field of a list, such as acts[].event_on",
        );
        return None;
    }
    let mut conditions = Vec::new();
    let mut tells = vec![field.path.clone()];
    if let Some(list) = list {
        let top = service.shape.fields.iter().find(|field| *field.name == *list)?;
        let FieldKind::List { shape, .. } = &top.kind else { return None };
        let (checked, leaves) = answer::conditions(file, &format!("{at}/where"), &raw.conditions, shape, service)?;
        conditions = checked;
        let asked = service.leaves.iter().enumerate().filter(|(index, _)| leaves.contains(*index)).map(|(_, leaf)| leaf.path.clone());
        tells.extend(asked);
    }
    Some((Compared { service: id, path: field.path.clone(), list: list.map(Box::from), conditions, tells }, kind))
}

/// The agreed field at a path, where it is of a type that can be compared.
fn field<'a>(shape: &'a Shape, path: &str) -> Option<(&'a FieldDef, Type)> {
    if let Some((list, rest)) = path.split_once("[].") {
        let FieldKind::List { shape, .. } = &shape.fields.iter().find(|field| *field.name == *list)?.kind else { return None };
        return field(shape, rest);
    }
    let found = shape.fields.iter().find(|field| *field.name == *path && field.agreed)?;
    match &found.kind {
        FieldKind::Scalar { kind: kind @ (Type::Text | Type::Code | Type::Fin | Type::Tin | Type::Date | Type::Month), .. } => {
            Some((found, *kind))
        }
        FieldKind::Scalar { .. } | FieldKind::Values { .. } | FieldKind::List { .. } => None,
    }
}

/// The paths below a field that can be compared.
fn comparable(top: &FieldDef) -> Vec<String> {
    match &top.kind {
        FieldKind::List { shape, .. } => shape.fields.iter().flat_map(comparable).collect(),
        FieldKind::Scalar { .. } | FieldKind::Values { .. } => {
            let alone = Shape { fields: vec![top.clone()] };
            field(&alone, &top.name).map(|_| top.path.to_string()).into_iter().collect()
        }
    }
}
