//! `AktQeydleriSorgusu/v3`: a person's civil acts.

use std::fmt::Write as _;

use model::Profile;

use crate::agency::xroad::{self, Offer, Received};
use crate::agency::{Answer, Request, soap};
use crate::fault::Fault;
use crate::personas::{ActKind, ActRole, ActStatus, CivilAct, Personas};
use crate::xml::{self, Element};

const OFFERS: &[Offer] = &[Offer { code: "AktQeydleriSorgusu", version: "v3", namespace: "http://adliyye.example/xroad/akt/v3" }];

/// Ethnic origin: exists at the source and must never be asked for, and sometimes comes unasked. The
/// value is invented.
const UNDECLARED: &str = "<d:Milliyyet>örnək</d:Milliyyet>";

pub(super) fn answer(personas: &Personas, request: &Request<'_>) -> Result<Answer, Answer> {
    let received = xroad::receive(request, OFFERS)?;
    let (fin, kinds) = question(&received)?;
    let person = match request.fault {
        Some(Fault::WrongPerson) => personas.people().find(|other| *other.fin != *fin),
        _ => personas.by_fin(fin),
    };
    let (doctype, inner) = match (soap::hostile(request.fault), person) {
        (Some((doctype, content)), _) => (doctype, format!("<d:Aktlar><d:FIN>{content}</d:FIN></d:Aktlar>")),
        (None, None) => (String::new(), "<d:Tapilmadi/>".to_owned()),
        (None, Some(person)) => {
            let acts = personas.acts_of(&person.fin).filter(|act| kinds.contains(&act.kind));
            (String::new(), write_acts(&person.fin, acts, request.fault))
        }
    };
    Ok(xroad::reply(&received, request, &doctype, &inner))
}

/// Whose acts and of which kinds; a question without kinds is given none.
fn question(received: &Received) -> Result<(&str, Vec<ActKind>), Answer> {
    let (fin, kinds) = match received.elements()? {
        [fin] if fin.name == "FIN" => (fin, None),
        [fin, kinds] if fin.name == "FIN" && kinds.name == "AktNovleri" => (fin, Some(kinds)),
        _ => return Err(xroad::wrong("FIN və AktNovleri tələb olunur")),
    };
    let fin = text(fin).unwrap_or_default();
    if !Profile::Test.accepts_fin(fin) && !Profile::Production.accepts_fin(fin) {
        return Err(xroad::wrong("FIN formatı yanlışdır"));
    }
    let Some(kinds) = kinds else { return Ok((fin, Vec::new())) };
    let listed = kinds.elements().filter(|_| kinds.attributes.is_empty()).ok_or_else(|| xroad::wrong("AktNovleri yanlışdır"))?;
    let mut wanted = Vec::with_capacity(listed.len());
    for kind in listed {
        let code = text(kind).filter(|_| kind.is(&kinds.namespace, "AktNovu"));
        match code.and_then(kind_of) {
            Some(kind) if !wanted.contains(&kind) => wanted.push(kind),
            Some(_) | None => return Err(xroad::wrong("AktNovu yanlışdır")),
        }
    }
    Ok((fin, wanted))
}

/// An element's text, if it is nothing but text.
fn text(element: &Element) -> Option<&str> {
    element.leaf().filter(|_| element.attributes.is_empty())
}

const KINDS: &[(ActKind, &str)] = &[
    (ActKind::Birth, "01"),
    (ActKind::Marriage, "02"),
    (ActKind::Divorce, "03"),
    (ActKind::Paternity, "04"),
    (ActKind::Adoption, "05"),
    (ActKind::NameChange, "06"),
    (ActKind::Death, "07"),
];

fn kind_of(code: &str) -> Option<ActKind> {
    KINDS.iter().find(|(_, own)| *own == code).map(|(kind, _)| *kind)
}

fn code_of(kind: ActKind) -> &'static str {
    KINDS.iter().find(|(own, _)| *own == kind).map_or("", |(_, code)| code)
}

fn write_acts<'a>(fin: &str, acts: impl Iterator<Item = &'a CivilAct>, fault: Option<Fault>) -> String {
    let mut out = String::from("<d:Aktlar>");
    xml::put(&mut out, "d:FIN", fin);
    if fault == Some(Fault::Undeclared) {
        out.push_str(UNDECLARED);
    }
    for act in acts {
        write_act(&mut out, act, fault);
    }
    out.push_str("</d:Aktlar>");
    out
}

fn write_act(out: &mut String, act: &CivilAct, fault: Option<Fault>) {
    let corrected = fault == Some(Fault::ActCorrected);
    // A correction mends what was registered: the day of the event, and the certificate issued anew.
    let event_on = if corrected { act.event_on.yesterday().unwrap_or(act.event_on) } else { act.event_on };
    let event_on = if fault == Some(Fault::WrongType) { "keçən bahar".to_owned() } else { event_on.to_string() };
    let mut certificate = act.certificate.to_string();
    if corrected {
        certificate.push_str("-D");
    }
    out.push_str("<d:Akt>");
    xml::put(out, "d:AktNovu", code_of(act.kind));
    xml::put(out, "d:AktNomresi", &act.number);
    xml::put(out, "d:QeydTarixi", &act.registered_on.to_string());
    xml::put(out, "d:HadiseTarixi", &event_on);
    xml::put(out, "d:QeydiyyatSobesi", &act.office);
    xml::put(out, "d:SehadetnameNo", &certificate);
    out.push_str("<d:Sexsler>");
    for person in &act.persons {
        let role = match person.role {
            ActRole::Father => "ATA",
            ActRole::Mother => "ANA",
            ActRole::Child => "USAQ",
            ActRole::Spouse => "HY",
            ActRole::Deceased => "OLEN",
        };
        let more = if fault == Some(Fault::Undeclared) { UNDECLARED } else { "" };
        // Writing to a text cannot fail.
        let _ok = write!(out, "<d:Sexs><d:ElaqeliFIN>{}</d:ElaqeliFIN><d:Rol>{role}</d:Rol>{more}</d:Sexs>", person.fin);
    }
    out.push_str("</d:Sexsler>");
    let status = match act.status {
        ActStatus::Valid if !corrected => "1",
        ActStatus::Valid | ActStatus::Corrected => "2",
        ActStatus::Annulled => "3",
    };
    xml::put(out, "d:AktStatusu", status);
    out.push_str("</d:Akt>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_own_code_and_back() {
        for (kind, code) in KINDS {
            assert_eq!((kind_of(code), code_of(*kind)), (Some(*kind), *code));
        }
        assert_eq!(kind_of("08"), None);
    }
}
