//! What the agencies that speak plain REST with JSON share: a GET in, a JSON answer out.

use axum::extract::Query;
use http::{Method, StatusCode};
use model::Profile;

use super::soap::DEEP;
use super::{Answer, Request};
use crate::fault::Fault;

const CONTENT_TYPE: &str = "application/json; charset=utf-8";

/// A GET without a body that takes JSON, of an address that there is.
pub(super) fn receive<R>(request: &Request<'_>, route: Option<R>) -> Result<R, Answer> {
    let route = route.ok_or_else(|| json(StatusCode::NOT_FOUND, r#"{"xeta":"unvan_tapilmadi"}"#))?;
    if request.head.method != Method::GET {
        return Err(json(StatusCode::METHOD_NOT_ALLOWED, r#"{"xeta":"metod_yanlisdir"}"#).with("allow", "GET"));
    }
    if !request.body.is_empty() {
        return Err(wrong("GET gövdəsiz olmalıdır"));
    }
    if !accepts_json(request) {
        return Err(json(StatusCode::NOT_ACCEPTABLE, r#"{"xeta":"yalniz_json"}"#));
    }
    Ok(route)
}

/// The faults that take the answer's place; the request was right. `list` is the key of the answer's list.
pub(super) fn committed(request: &Request<'_>, list: &str) -> Result<(), Answer> {
    match request.fault {
        Some(Fault::Error) => Err(json(StatusCode::INTERNAL_SERVER_ERROR, r#"{"xeta":"daxili_xeta"}"#)),
        Some(Fault::FaultIn200) => Err(json(StatusCode::OK, r#"{"xeta":"daxili_xeta"}"#)),
        Some(Fault::RetryAfter) => Err(json(StatusCode::TOO_MANY_REQUESTS, r#"{"xeta":"limit_asildi"}"#).with("retry-after", "2")),
        Some(Fault::DeepNesting) => {
            let body = format!("{{\"{list}\":{}{}}}", "[".repeat(DEEP), "]".repeat(DEEP));
            Err(json(StatusCode::OK, body))
        }
        _ => Ok(()),
    }
}

/// The query's values by name: exactly these names, each once, in any order.
pub(super) fn query<const N: usize>(request: &Request<'_>, names: [&str; N]) -> Result<[String; N], Answer> {
    let Query(mut given) = Query::<Vec<(String, String)>>::try_from_uri(&request.head.uri).map_err(|_| wrong("sorğu oxunmur"))?;
    if given.len() != N {
        return Err(wrong(&format!("parametrlər: {}", names.join(", "))));
    }
    let mut values = [const { String::new() }; N];
    for (name, value) in names.iter().zip(&mut values) {
        let place = given.iter().position(|(own, _)| own == name).ok_or_else(|| wrong(&format!("parametr yoxdur: {name}")))?;
        *value = given.swap_remove(place).1;
    }
    Ok(values)
}

pub(super) fn accepts_json(request: &Request<'_>) -> bool {
    let Some(accept) = request.header("accept") else { return true };
    accept.split(',').any(|range| {
        let media = range.split(';').next().unwrap_or_default().trim();
        matches!(media, "*/*" | "application/*" | "application/json")
    })
}

/// A FIN as the caller must write it.
pub(super) fn fin(text: &str) -> Result<&str, Answer> {
    let good = Profile::Test.accepts_fin(text) || Profile::Production.accepts_fin(text);
    good.then_some(text).ok_or_else(|| wrong("fin: 7 simvol"))
}

/// A year as the caller must write it.
pub(super) fn year(text: &str) -> Result<i16, Answer> {
    let year = (text.len() == 4).then(|| text.parse().ok()).flatten();
    year.filter(|year| (1990..=2100).contains(year)).ok_or_else(|| wrong("il: iiii"))
}

/// A text as JSON.
pub(super) fn text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A text or null as JSON.
pub(super) fn optional(value: Option<&str>) -> String {
    value.map_or_else(|| "null".to_owned(), text)
}

/// Qəpik as a number of manats.
pub(super) fn manat(qapik: impl Into<u64>) -> String {
    let qapik = qapik.into();
    format!("{}.{:02}", qapik / 100, qapik % 100)
}

/// The caller's own mistake.
pub(super) fn wrong(reason: &str) -> Answer {
    json(StatusCode::BAD_REQUEST, format!("{{\"xeta\":\"sorgu_yanlisdir\",\"izah\":{}}}", text(reason)))
}

/// An answer.
pub(super) fn json(status: StatusCode, body: impl Into<bytes::Bytes>) -> Answer {
    Answer::new(status, CONTENT_TYPE, body)
}
