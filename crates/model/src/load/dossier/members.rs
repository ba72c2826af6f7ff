//! Checks how an answer names the members of a family.

use crate::contract::{FieldDef, FieldKind, Members, PersonRole, Service, Shape, Type};
use crate::document::escape;
use crate::load::file::{self, File};
use crate::raw;
use crate::rule;

/// `first` is the element above that names members already. The result is of use only where no
/// problem was added.
pub(super) fn check(
    file: &mut File<'_>,
    at: &str,
    raw: &raw::Members,
    roles: &[PersonRole],
    service: &Service,
    first: Option<&str>,
) -> Members {
    if let Some(first) = first {
        let message = format!("`{first}` names the members already");
        file.refuse_key(at, rule::WRONG_MEMBERS, message, "one element of the dossier");
    }
    if roles != [PersonRole::Applicant] {
        // Else a member would name members of his own, and so on.
        file.refuse_key(at, rule::WRONG_MEMBERS, "members are those of the applicant", "for: [applicant]");
    }
    match records(service, &raw.list) {
        None => {
            let lists = service.shape.fields.iter().filter(|field| field.agreed && matches!(field.kind, FieldKind::List { .. }));
            let message = format!("`{}` is not a list of records that `{}` delivers", raw.list, service.id);
            file.refuse(&format!("{at}/list"), rule::WRONG_MEMBERS, message, file::words(lists.map(|field| &*field.name)));
        }
        Some(shape) => {
            let fin = |field: &FieldDef| matches!(field.kind, FieldKind::Scalar { kind: Type::Fin, .. });
            if item(shape, &raw.fin).is_none_or(|field| !fin(field)) {
                let message = format!("`{}` is not a FIN of the list's items", raw.fin);
                let accepted = file::words(shape.fields.iter().filter(|field| field.agreed && fin(field)).map(|field| &*field.name));
                file.refuse(&format!("{at}/fin"), rule::WRONG_MEMBERS, message, accepted);
            }
            relations(file, at, raw, shape);
        }
    }
    if let Some(until) = &raw.until {
        // A day that may be missing would have to mean either never or for ever.
        let day = |field: &FieldDef| matches!(field.kind, FieldKind::Scalar { kind: Type::Date, .. }) && !field.optional;
        if item(&service.shape, until).is_none_or(|field| !day(field)) {
            let days = service.shape.fields.iter().filter(|field| field.agreed && day(field));
            let message = format!("`{until}` is not a date that every answer of `{}` has", service.id);
            file.refuse(&format!("{at}/until"), rule::WRONG_MEMBERS, message, file::words(days.map(|field| &*field.name)));
        }
    }
    Members {
        list: raw.list.as_str().into(),
        fin: raw.fin.as_str().into(),
        relation: raw.relation.as_str().into(),
        roles: raw.roles.0.iter().map(|(code, role)| (code.as_str().into(), *role)).collect(),
        until: raw.until.as_deref().map(Box::from),
    }
}

/// A relation that gives no role would leave a member out of the dossier without a word.
fn relations(file: &mut File<'_>, at: &str, raw: &raw::Members, shape: &Shape) {
    let codes = |field: &FieldDef| match &field.kind {
        FieldKind::Scalar { kind: Type::Code, codes } if !codes.is_empty() && !field.optional => Some(codes.clone()),
        FieldKind::Scalar { .. } | FieldKind::List { .. } | FieldKind::Values { .. } => None,
    };
    let Some(codes) = item(shape, &raw.relation).and_then(codes) else {
        let message = format!("`{}` is not a code that every item has, of a closed list", raw.relation);
        let accepted = file::words(shape.fields.iter().filter(|field| field.agreed && codes(field).is_some()).map(|field| &*field.name));
        file.refuse(&format!("{at}/relation"), rule::WRONG_MEMBERS, message, accepted);
        return;
    };
    for (code, role) in &raw.roles.0 {
        let at = format!("{at}/roles/{}", escape(code));
        if !codes.iter().any(|known| **known == **code) {
            let accepted = file::words(codes.iter().map(|code| &**code));
            file.refuse_key(&at, rule::UNKNOWN_CODE, format!("`{}` has no code `{code}`", raw.relation), accepted);
        }
        if *role == PersonRole::Applicant {
            file.refuse(&at, rule::WRONG_MEMBERS, "nobody becomes the applicant by an answer", "spouse, child, adult, other");
        }
    }
    let missing: Vec<_> = codes.iter().filter(|code| raw.roles.0.iter().all(|(known, _)| **known != ***code)).map(|code| &**code).collect();
    if !missing.is_empty() {
        let message = format!("some codes of `{}` give no role", raw.relation);
        file.refuse_key(&format!("{at}/roles"), rule::WRONG_MEMBERS, message, format!("a role for {}", file::words(missing.into_iter())));
    }
}

fn records<'a>(service: &'a Service, name: &str) -> Option<&'a Shape> {
    service.shape.fields.iter().find(|field| *field.name == *name && field.agreed).and_then(|field| match &field.kind {
        FieldKind::List { shape, .. } => Some(shape),
        FieldKind::Scalar { .. } | FieldKind::Values { .. } => None,
    })
}

fn item<'a>(shape: &'a Shape, name: &str) -> Option<&'a FieldDef> {
    shape.fields.iter().find(|field| *field.name == *name && field.agreed)
}
