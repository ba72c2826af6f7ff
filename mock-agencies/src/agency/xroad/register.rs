//! What the registers behind X-Road REST have in common (`docs/wire-forms.md`, "X-Road REST"): JSON, errors as
//! `{"kod": "…"}`, the way to a question and the faults of a register itself.

use http::{Method, StatusCode};
use model::Profile;
use serde_json::{Value, json};

use crate::agency::soap::DEEP;
use crate::agency::{Answer, Request, percent_decoded};
use crate::fault::Fault;

const CONTENT_TYPE: &str = "application/json; charset=utf-8";
/// Longest name of a resource in an address, in characters.
const NAME_CHARS_MAX: usize = 64;

/// The name in a right question's path, decoded: what stands between `before` and `behind`.
pub(in crate::agency) fn resource(request: &Request<'_>, path: &str, before: &str, behind: &str) -> Result<String, Answer> {
    let name = path.strip_prefix(before).and_then(|rest| rest.strip_suffix(behind));
    let name = name.filter(|name| !name.is_empty() && !name.contains('/')).ok_or_else(no_such_address)?;
    get(request)?;
    named(name)
}

/// A resource's name, decoded.
pub(in crate::agency) fn named(name: &str) -> Result<String, Answer> {
    percent_decoded(name).filter(|name| name.chars().count() <= NAME_CHARS_MAX).ok_or_else(wrong)
}

/// Whether the question is a GET without a body.
pub(in crate::agency) fn get(request: &Request<'_>) -> Result<(), Answer> {
    method(request, &Method::GET)?;
    if request.body.is_empty() { Ok(()) } else { Err(wrong()) }
}

/// Whether the question has this method.
pub(in crate::agency) fn method(request: &Request<'_>, method: &Method) -> Result<(), Answer> {
    if request.head.method == *method {
        return Ok(());
    }
    let refusal = answer(StatusCode::METHOD_NOT_ALLOWED, &json!({"kod": "METOD_YANLISDIR"}));
    Err(refusal.with("allow", method.as_str()))
}

/// The values of exactly these names, in their order, of a query; a name that is not there, or another one, is wrong.
pub(in crate::agency) fn query<const N: usize>(request: &Request<'_>, names: [&str; N]) -> Result<[String; N], Answer> {
    let pairs = request.head.uri.query().unwrap_or_default();
    let mut values = pairs.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('='));
    let mut found = [const { String::new() }; N];
    for (place, name) in found.iter_mut().zip(names) {
        let (own, value) = values.next().flatten().ok_or_else(wrong)?;
        *place = percent_decoded(value).filter(|_| own == name).ok_or_else(wrong)?;
    }
    if values.next().is_none() { Ok(found) } else { Err(wrong()) }
}

/// Whether a text has the form of a FIN or a PIN.
pub(in crate::agency) fn is_fin(text: &str) -> bool {
    Profile::Test.accepts_fin(text) || Profile::Production.accepts_fin(text)
}

/// The faults of a register; the request was right. `list` is a key of the answer whose value can nest.
pub(in crate::agency) fn committed(request: &Request<'_>, list: &str) -> Result<(), Answer> {
    let broken = json!({"kod": "DAXILI_XETA"});
    match request.fault {
        Some(Fault::Error) => Err(answer(StatusCode::INTERNAL_SERVER_ERROR, &broken)),
        Some(Fault::FaultIn200) => Err(answer(StatusCode::OK, &broken)),
        Some(Fault::RetryAfter) => {
            let refusal = answer(StatusCode::TOO_MANY_REQUESTS, &json!({"kod": "LIMIT_ASILDI"}));
            Err(refusal.with("retry-after", "2"))
        }
        Some(Fault::DeepNesting) => {
            let nested = format!("{{\"{list}\":{}{}}}", "[".repeat(DEEP), "]".repeat(DEEP));
            Err(Answer::new(StatusCode::OK, CONTENT_TYPE, nested))
        }
        _ => Ok(()),
    }
}

/// A question that the register does not take.
pub(in crate::agency) fn wrong() -> Answer {
    answer(StatusCode::BAD_REQUEST, &json!({"kod": "SORGU_YANLISDIR"}))
}

/// No register has such an address.
pub(in crate::agency) fn no_such_address() -> Answer {
    not_found("UNVAN_TAPILMADI")
}

/// The register has no such thing.
pub(in crate::agency) fn not_found(code: &str) -> Answer {
    answer(StatusCode::NOT_FOUND, &json!({"kod": code}))
}

/// An answer in JSON.
pub(in crate::agency) fn answer(status: StatusCode, body: &Value) -> Answer {
    Answer::new(status, CONTENT_TYPE, body.to_string())
}
