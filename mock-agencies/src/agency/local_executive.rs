//! Local executive bodies: REST JSON (agency catalogue, `local-executive`). Each body knows the families of its own
//! territories and of no other; whoever asks has chosen the body.

use std::collections::HashMap;
use std::sync::Arc;

use http::request::Parts;
use http::{Method, StatusCode};
use jiff::civil::Date;
use model::Profile;

use super::json::{accepts_json, json, query, text, wrong};
use super::soap::DEEP;
use super::{Answer, Request, percent_decoded};
use crate::fault::Fault;
use crate::instance::Instance;
use crate::personas::{Dwelling, FamilyCertificate, Guardianship, GuardianshipKind, Household, Personas, Relation};

pub(super) const SERVICES: &[&str] = &["family-composition", "guardianship", "household-register"];

const FAMILY: usize = 0;
const GUARDIANSHIP: usize = 1;
const HOUSEHOLD: usize = 2;

/// A PDF of one empty page: what an office sends that has put a paper on a scanner.
const SCAN: &[u8] = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n\
    3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n";

/// One body, or all of them at once.
pub(crate) struct LocalExecutive {
    personas: Arc<Personas>,
    families: Register,
    guardianships: Register,
    households: Register,
}

/// Which records of the data it keeps: their places, in order, and which of these is found by which FIN.
#[derive(Default)]
struct Register {
    places: Vec<usize>,
    by_fin: HashMap<Box<str>, usize>,
}

impl Register {
    fn of<'a>(keys: impl Iterator<Item = (&'a str, &'a str)>, instance: Option<&Instance>) -> Self {
        let mut register = Self::default();
        let own = |territory: &str| instance.is_none_or(|instance| instance.keys.contains(&territory));
        for (place, (fin, _)) in keys.enumerate().filter(|(_, (_, territory))| own(territory)) {
            register.by_fin.insert(fin.into(), register.places.len());
            register.places.push(place);
        }
        register
    }

    /// The place of a person's record; under [`Fault::WrongPerson`] the next one's, which is somebody else's.
    fn find(&self, fin: &str, request: &Request<'_>) -> Option<usize> {
        let own = *self.by_fin.get(fin)?;
        let own = if request.fault == Some(Fault::WrongPerson) { (own + 1) % self.places.len() } else { own };
        self.places.get(own).copied()
    }
}

/// Told by the path.
pub(super) fn service(head: &Parts, _body: &[u8]) -> Option<usize> {
    route(head.uri.path()).map(|(service, _)| service)
}

/// The service, and the segment behind its address, percent-encoded.
fn route(path: &str) -> Option<(usize, Option<&str>)> {
    let mut segments = path.strip_prefix('/')?.split('/');
    match (segments.next()?, segments.next()?, segments.next(), segments.next()) {
        ("aile-terkibi", "v1", Some(fin), None) if !fin.is_empty() => Some((FAMILY, Some(fin))),
        ("qeyyumluq", "v1", Some(fin), None) if !fin.is_empty() => Some((GUARDIANSHIP, Some(fin))),
        ("ev-teserrufati", "v1", None, None) => Some((HOUSEHOLD, None)),
        _ => None,
    }
}

impl LocalExecutive {
    pub(super) fn new(instance: Option<&Instance>, personas: &Arc<Personas>) -> Self {
        let all = personas.local_executive();
        let of = |keys: Vec<(&str, &str)>| Register::of(keys.into_iter(), instance);
        Self {
            families: of(all.certificates.iter().map(|own| (&*own.head, &*own.territory_code)).collect()),
            guardianships: of(all.guardianships.iter().map(|own| (&*own.child, &*own.territory_code)).collect()),
            households: of(all.households.iter().map(|own| (&*own.head, &*own.territory_code)).collect()),
            personas: Arc::clone(personas),
        }
    }

    pub(super) fn answer(&self, request: &Request<'_>) -> Answer {
        self.try_answer(request).unwrap_or_else(|refusal| refusal)
    }

    fn try_answer(&self, request: &Request<'_>) -> Result<Answer, Answer> {
        let (service, segment) =
            route(request.head.uri.path()).ok_or_else(|| json(StatusCode::NOT_FOUND, r#"{"xeta":"unvan_tapilmadi"}"#))?;
        if request.head.method != Method::GET {
            return Err(json(StatusCode::METHOD_NOT_ALLOWED, r#"{"xeta":"metod_yanlisdir"}"#).with("allow", "GET"));
        }
        if !request.body.is_empty() {
            return Err(wrong("GET gövdəsiz olmalıdır"));
        }
        if !accepts_json(request) {
            return Err(json(StatusCode::NOT_ACCEPTABLE, r#"{"xeta":"yalniz_json"}"#));
        }
        let fin = match segment {
            Some(_) if request.head.uri.query().is_some() => return Err(wrong("parametr qəbul edilmir")),
            Some(segment) => percent_decoded(segment).ok_or_else(|| wrong("fin oxunmur"))?,
            None => {
                let [fin] = query(request, ["aile_basi_fin"])?;
                fin
            }
        };
        if !Profile::Test.accepts_fin(&fin) && !Profile::Production.accepts_fin(&fin) {
            return Err(wrong("fin: 7 simvol"));
        }
        committed(request)?;
        let (all, fault) = (self.personas.local_executive(), request.fault);
        match service {
            FAMILY => {
                let own = self.families.find(&fin, request).and_then(|place| all.certificates.get(place));
                let certificates = own.map(|own| write_family(own, fault, request.today)).unwrap_or_default();
                Ok(json(StatusCode::OK, format!("{{\"arayislar\":[{certificates}]}}")))
            }
            GUARDIANSHIP => {
                let own = self.guardianships.find(&fin, request).and_then(|place| all.guardianships.get(place));
                found(own.map(|own| write_guardianship(own, fault)), r#"{"xeta":"qerar_tapilmadi"}"#)
            }
            _ => {
                let own = self.households.find(&fin, request).and_then(|place| all.households.get(place));
                found(own.map(|own| write_household(own, fault)), r#"{"xeta":"teserrufat_tapilmadi"}"#)
            }
        }
    }
}

fn found(record: Option<String>, none: &'static str) -> Result<Answer, Answer> {
    record.map(|record| json(StatusCode::OK, record)).ok_or_else(|| json(StatusCode::NOT_FOUND, none))
}

/// The faults that take the answer's place; the request was right.
fn committed(request: &Request<'_>) -> Result<(), Answer> {
    match request.fault {
        Some(Fault::Error) => Err(json(StatusCode::INTERNAL_SERVER_ERROR, r#"{"xeta":"daxili_xeta"}"#)),
        Some(Fault::FaultIn200) => Err(json(StatusCode::OK, r#"{"xeta":"daxili_xeta"}"#)),
        Some(Fault::RetryAfter) => Err(json(StatusCode::TOO_MANY_REQUESTS, r#"{"xeta":"limit_asildi"}"#).with("retry-after", "2")),
        Some(Fault::ScannedPage) => Err(Answer::new(StatusCode::OK, "application/pdf", SCAN)),
        Some(Fault::DeepNesting) => Err(json(StatusCode::OK, format!("{{\"arayislar\":{}{}}}", "[".repeat(DEEP), "]".repeat(DEEP)))),
        _ => Ok(()),
    }
}

fn write_family(own: &FamilyCertificate, fault: Option<Fault>, today: Date) -> String {
    let one = |number: &str, left_out: usize| {
        let members = own.members.iter().skip(left_out).map(|member| {
            let fin = member.fin.as_deref().map_or_else(|| "null".to_owned(), text);
            let together = if fault == Some(Fault::WrongType) { "\"bəli\"".to_owned() } else { member.living_together.to_string() };
            format!("{{\"fin\":{fin},\"qohumluq\":\"{}\",\"birge_yasayir\":{together}}}", relation(member.relation))
        });
        let more = if fault == Some(Fault::Undeclared) { r#","sekil":"","milliyyet":"Nümunə""# } else { "" };
        format!(
            "{{\"arayis_nomresi\":{},\"verilme_tarixi\":\"{}\",\"aile_basi_fin\":{},\"uzvler\":[{}],\"ayri_saygac\":{},\"numayendelik_kodu\":{}{more}}}",
            text(number),
            own.issued_on.seen_from(today),
            text(&own.head),
            members.collect::<Vec<_>>().join(","),
            own.separate_meters,
            text(&own.office),
        )
    };
    match fault {
        // The other one was issued by mistake, or this one: nobody can tell from here.
        Some(Fault::TwoCertificates) => format!("{},{}", one(&own.number, 0), one(&format!("{}-2", own.number), 1)),
        _ => one(&own.number, 0),
    }
}

fn write_guardianship(own: &Guardianship, fault: Option<Fault>) -> String {
    let kind = match own.kind {
        GuardianshipKind::Guardianship => "qeyyumluq",
        GuardianshipKind::Trusteeship => "himayecilik",
        GuardianshipKind::Foster => "himayedar_aile",
    };
    let decided = if fault == Some(Fault::WrongType) { "keçən il".to_owned() } else { own.decided_on.to_string() };
    let ended = own.ended_on.map_or_else(|| "null".to_owned(), |day| format!("\"{day}\""));
    let more = if fault == Some(Fault::Undeclared) { r#","qerar_metni":"Nümunə""# } else { "" };
    format!(
        "{{\"usaq_fin\":{},\"qeyyum_fin\":{},\"nov\":\"{kind}\",\"qerar_nomresi\":{},\"qerar_tarixi\":\"{decided}\",\"bitme_tarixi\":{ended}{more}}}",
        text(&own.child),
        text(&own.guardian),
        text(&own.number),
    )
}

fn write_household(own: &Household, fault: Option<Fault>) -> String {
    let dwelling = match own.dwelling {
        Dwelling::House => "ev",
        Dwelling::Flat => "menzil",
        Dwelling::Hostel => "yataqxana",
        Dwelling::None => "yoxdur",
    };
    let animals =
        own.livestock.iter().map(|animals| format!("{{\"heyvan_novu\":\"{}\",\"bas_sayi\":{}}}", animal(&animals.kind), animals.heads));
    let area = if fault == Some(Fault::WrongType) { "\"az\"" } else { &*own.plot_ha };
    let more = if fault == Some(Fault::Undeclared) { r#","telefon":"+994 00 000 00 00""# } else { "" };
    format!(
        "{{\"teserrufat_no\":{},\"ev_novu\":\"{dwelling}\",\"heyetyani_sahe\":{area},\"heyvanlar\":[{}],\"qeyd_tarixi\":\"{}\"{more}}}",
        text(&own.number),
        animals.collect::<Vec<_>>().join(","),
        own.recorded_on,
    )
}

fn relation(relation: Relation) -> &'static str {
    match relation {
        Relation::Spouse => "heyat_yoldasi",
        Relation::Child => "ovlad",
        Relation::Parent => "valideyn",
        Relation::Sibling => "baci_qardas",
        Relation::Other => "diger",
    }
}

/// The word of the register for a kind of animal.
fn animal(kind: &str) -> &'static str {
    match kind {
        "cow" => "inek",
        "buffalo" => "camis",
        "sheep" => "qoyun",
        "goat" => "keci",
        "bee-colony" => "ari_ailesi",
        "hen" => "toyuq",
        "duck" => "ordek",
        "goose" => "qaz",
        "turkey" => "hindusqa",
        _ => "diger",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_three_addresses_are_services() {
        assert_eq!(route("/aile-terkibi/v1/X"), Some((FAMILY, Some("X"))));
        assert_eq!(route("/qeyyumluq/v1/X"), Some((GUARDIANSHIP, Some("X"))));
        assert_eq!(route("/ev-teserrufati/v1"), Some((HOUSEHOLD, None)));
        for other in ["/", "/aile-terkibi/v1", "/aile-terkibi/v1/", "/aile-terkibi/v1/X/Y", "/ev-teserrufati/v1/X", "/qeyyumluq/v2/X"] {
            assert_eq!(route(other), None, "{other}");
        }
    }

    #[test]
    fn every_animal_of_the_data_has_its_word() {
        let personas = Personas::embedded();
        let kinds = personas.local_executive().households.iter().flat_map(|household| &household.livestock);
        assert!(kinds.map(|animals| animal(&animals.kind)).all(|word| word != "diger"));
    }
}
