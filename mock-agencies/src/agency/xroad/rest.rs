//! The security server's other half: X-Road message protocol for REST (PR-REST).
//!
//! Takes a request as it arrived, names in their case and headers in their order, since the hash in
//! the answer is made of exactly that. Its own refusals carry `X-Road-Error`; what the agency behind
//! it says is passed on with the echo, whatever the status.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde_json::json;
use uuid::Uuid;

use crate::agency::{Answer, Request, percent_decoded};
use crate::fault::Fault;
use crate::xml;

/// Headers that never reach the agency and are no part of the hash (PR-REST, section 4.3).
const SKIPPED: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    // The server's own to add; dropped where a client sends them.
    "x-road-request-hash",
    "x-road-request-id",
];

const VERBS: &[&str] = &["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT", "TRACE"];

/// A request as it came off the line.
#[derive(Debug, Clone, Copy)]
pub(in crate::agency) struct Arrived<'a> {
    pub(in crate::agency) verb: &'a str,
    /// Raw, percent-encoded.
    pub(in crate::agency) path: &'a str,
    /// Raw, without the question mark.
    pub(in crate::agency) query: Option<&'a str>,
    /// In arrival order.
    pub(in crate::agency) headers: &'a [(&'a str, &'a str)],
    pub(in crate::agency) body: &'a [u8],
}

impl Arrived<'_> {
    /// The value of a header, the last one where it is repeated.
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().rev().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }
}

/// The subsystem behind the server, and the codes of its services.
#[derive(Debug, Clone, Copy)]
pub(in crate::agency) struct Published {
    pub(in crate::agency) member_class: &'static str,
    pub(in crate::agency) member_code: &'static str,
    pub(in crate::agency) subsystem: &'static str,
    pub(in crate::agency) services: &'static [&'static str],
}

/// A request the server lets through to the agency.
#[derive(Debug)]
pub(in crate::agency) struct Call<'a> {
    /// The service's place among those published.
    pub(in crate::agency) place: usize,
    /// What follows the five identifiers, encoded as it arrived.
    pub(in crate::agency) path: &'a str,
    echo: Echo,
}

/// What the server puts on the answer.
#[derive(Debug)]
struct Echo {
    id: String,
    client: String,
    service: String,
    request_id: String,
    hash: String,
}

/// The five raw identifiers of the address and what follows them; `None` when it is no address of
/// this protocol's form.
fn split(path: &str) -> Option<([&str; 5], &str)> {
    let rest = path.strip_prefix("/r1/")?;
    let mut parts = rest.splitn(6, '/');
    let identifiers = [parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?];
    let length = identifiers.iter().map(|part| part.len() + 1).sum::<usize>() - 1;
    Some((identifiers, rest.get(length..)?))
}

/// Which service an address names, told as far as counting needs it; the request may still be refused.
pub(in crate::agency) fn service(path: &str, published: &Published) -> Option<usize> {
    let code = percent_decoded(split(path)?.0[4])?;
    published.services.iter().position(|own| *own == code)
}

/// Takes a request through the server to the register behind it (the service's place, the path that follows its
/// code) and back.
pub(in crate::agency) fn serve(
    request: &Request<'_>,
    published: &Published,
    register: impl FnOnce(usize, &str) -> Result<Answer, Answer>,
) -> Result<Answer, Answer> {
    // Every other address is that of the server's SOAP side, which offers nothing here.
    if !request.head.uri.path().starts_with("/r") {
        return Err(Answer::new(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "not found\n"));
    }
    let headers = request.arrived_headers();
    let (path, query) = (request.head.uri.path(), request.head.uri.query());
    let arrived = Arrived { verb: request.head.method.as_str(), path, query, headers: &headers, body: request.body };
    let call = receive(&arrived, published, request.fault)?;
    let answer = register(call.place, call.path).unwrap_or_else(|refusal| refusal);
    Ok(call.pass_on(answer))
}

/// The security server's checks, then the faults that are its own or take the answer's place.
pub(in crate::agency) fn receive<'a>(arrived: &Arrived<'a>, published: &Published, fault: Option<Fault>) -> Result<Call<'a>, Answer> {
    // A request that cannot be read at all surfaces as an internal error of the server we asked.
    let unreadable = |message: &str| xroad_error(arrived, "server.clientproxy.internal_error", message);
    if !VERBS.contains(&arrived.verb) {
        return Err(Answer::new(StatusCode::METHOD_NOT_ALLOWED, "text/plain; charset=utf-8", "Unsupported HTTP method\n"));
    }
    let (raw, path) = split(arrived.path).ok_or_else(|| unreadable("Invalid request URI"))?;
    let service = raw.map(percent_decoded);
    let [Some(instance), Some(class), Some(member), Some(subsystem), Some(code)] = service else {
        return Err(unreadable("Invalid request URI"));
    };
    let client = arrived.header("x-road-client").ok_or_else(|| unknown_client(arrived))?;
    let client = identifiers(client, 3..=4).ok_or_else(|| unreadable("Invalid Client Id"))?;
    if let Some(server) = arrived.header("x-road-security-server") {
        identifiers(server, 4..=4).ok_or_else(|| unreadable("Invalid SecurityServer Id"))?;
    }
    if let Some(party) = arrived.header("x-road-represented-party") {
        identifiers(party, 1..=2).ok_or_else(|| unreadable("Invalid RepresentedParty Id"))?;
    }
    let service = vec![instance, class, member, subsystem, code];
    if !client.iter().chain(&service).all(|part| is_identifier(part)) {
        let reason = "an identifier is empty, too long or has a forbidden character";
        return Err(xroad_error(arrived, "client.invalid_client_identifier", reason));
    }
    if client.first() != service.first() {
        return Err(unknown_client(arrived));
    }
    if service.get(1..4) != Some(&[published.member_class, published.member_code, published.subsystem].map(str::to_owned)) {
        return Err(xroad_error(arrived, "server.clientproxy.unknown_member", "Could not find addresses for service provider"));
    }
    let Some(place) = published.services.iter().position(|own| service.last().is_some_and(|code| code == own)) else {
        return Err(xroad_error(arrived, "server.serverproxy.unknown_service", "Unknown service"));
    };
    commit(arrived, fault)?;
    let request_id = Uuid::new_v4().to_string();
    let sent_id = arrived.header("x-road-id").filter(|id| !id.is_empty());
    let made_id = if sent_id.is_none() { Some(format!("{}-{}", service.first().map_or("", String::as_str), Uuid::new_v4())) } else { None };
    let mut hash = request_hash(arrived, &request_id, made_id.as_deref());
    if fault == Some(Fault::WrongHash) {
        hash = STANDARD.encode(digest::digest(&digest::SHA512, b"another request"));
    }
    let id = match fault {
        Some(Fault::WrongEcho) => Uuid::new_v4().to_string(),
        _ => sent_id.map(str::to_owned).or(made_id).unwrap_or_default(),
    };
    let echo = Echo { id, client: encoded(&client), service: encoded(&service), request_id, hash };
    Ok(Call { place, path, echo })
}

/// The request was right, and what goes wrong is not its fault.
fn commit(arrived: &Arrived<'_>, fault: Option<Fault>) -> Result<(), Answer> {
    const NETWORK: &str = "Could not connect to any target host";
    const ACCESS: &str = "Request is not allowed";
    match fault {
        Some(Fault::NetworkError) => Err(xroad_error(arrived, "Server.ServerProxy.NetworkError", NETWORK)),
        Some(Fault::NetworkErrorNew) => Err(xroad_error(arrived, "server.serverproxy.network_error", NETWORK)),
        Some(Fault::AccessDenied) => Err(xroad_error(arrived, "Server.ServerProxy.AccessDenied", ACCESS)),
        Some(Fault::AccessDeniedNew) => Err(xroad_error(arrived, "server.serverproxy.access_denied", ACCESS)),
        Some(Fault::ErrorAsXml) => Err(own_error("server.serverproxy.network_error", NETWORK, Some("text/xml"))),
        _ => Ok(()),
    }
}

impl Call<'_> {
    /// The agency's answer with what the server puts on it, in the real one's order.
    pub(in crate::agency) fn pass_on(self, answer: Answer) -> Answer {
        let Echo { id, client, service, request_id, hash } = self.echo;
        answer
            .with("x-road-id", id)
            .with("x-road-client", client)
            .with("x-road-service", service)
            .with("x-road-request-id", request_id)
            .with("x-road-request-hash", hash)
    }
}

/// SHA-512 of the request's canonical head, or of that hash and the body's where there is a body, in
/// base64. The server has put its own identifiers after the headers that arrived; in published answers of
/// real servers the name of the request id stands in lower case there.
fn request_hash(arrived: &Arrived<'_>, request_id: &str, made_id: Option<&str>) -> String {
    let mut head = format!("{}\r\n{}", arrived.verb, arrived.path);
    if let Some(query) = arrived.query {
        head.push('?');
        head.push_str(query);
    }
    head.push_str("\r\n");
    let kept = arrived.headers.iter().copied().filter(|(name, _)| !SKIPPED.contains(&&*name.to_ascii_lowercase()));
    let added = [("x-road-request-id", Some(request_id)), ("X-Road-Id", made_id)];
    for (name, value) in kept.chain(added.into_iter().filter_map(|(name, value)| Some((name, value?)))) {
        head.push_str(&format!("{name}:{value}\r\n"));
    }
    let head = digest::digest(&digest::SHA512, head.as_bytes());
    if arrived.body.is_empty() {
        return STANDARD.encode(head);
    }
    let body = digest::digest(&digest::SHA512, arrived.body);
    STANDARD.encode(digest::digest(&digest::SHA512, &[head.as_ref(), body.as_ref()].concat()))
}

fn unknown_client(arrived: &Arrived<'_>) -> Answer {
    xroad_error(arrived, "server.clientproxy.unknown_member", "Client not found")
}

/// An error of X-Road itself, as XML where the request lists that among what it accepts.
fn xroad_error(arrived: &Arrived<'_>, code: &str, message: &str) -> Answer {
    let accepted = arrived.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("accept")).flat_map(|(_, value)| value.split(','));
    let xml = accepted.filter_map(|range| range.split(';').next()).find_map(|media| match media.trim() {
        "text/xml" | "text/*" => Some("text/xml"),
        "application/xml" => Some("application/xml"),
        _ => None,
    });
    own_error(code, message, xml)
}

/// The same in JSON, or in XML of a media type.
fn own_error(code: &str, message: &str, media: Option<&'static str>) -> Answer {
    let side = code.split('.').next().unwrap_or_default();
    let status = if side.eq_ignore_ascii_case("server") { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::BAD_REQUEST };
    let detail = Uuid::new_v4().to_string();
    let (content_type, body) = match media {
        None => ("application/json;charset=utf-8", json!({"type": code, "message": message, "detail": detail}).to_string()),
        Some(media) => {
            let mut body = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?><error>");
            for (name, text) in [("type", code), ("message", message), ("detail", &detail)] {
                xml::put(&mut body, name, text);
            }
            body.push_str("</error>");
            (if media == "text/xml" { "text/xml;charset=utf-8" } else { "application/xml;charset=utf-8" }, body)
        }
    };
    Answer::new(status, content_type, body).with("x-road-error", code)
}

/// Takes identifiers joined by slashes apart; `None` when there are not so many, or one is wrongly encoded.
fn identifiers(text: &str, count: std::ops::RangeInclusive<usize>) -> Option<Vec<String>> {
    let parts: Option<Vec<_>> = text.split('/').map(percent_decoded).collect();
    parts.filter(|parts| count.contains(&parts.len()))
}

/// What the real server refuses in identifiers; other characters it only warns about.
fn is_identifier(text: &str) -> bool {
    let forbidden = |c: char| c.is_control() || matches!(c, '%' | ':' | ';' | '/' | '\\' | '\u{200B}' | '\u{FEFF}');
    !text.is_empty() && text.len() <= 255 && !text.contains(forbidden)
}

/// Joins identifiers again. The real server leaves the characters that RFC 3986, section 3.3, allows in
/// a segment as they are, so an echo equals what was sent in its value and not always in its bytes.
fn encoded(parts: &[String]) -> String {
    let mut out = String::new();
    for part in parts {
        if !out.is_empty() {
            out.push('/');
        }
        for byte in part.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~!$'()*,;&=@:+".contains(&byte) {
                out.push(char::from(byte));
            } else {
                out.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PUBLISHED: Published = Published { member_class: "GOV", member_code: "1", subsystem: "s/b", services: &["first", "second"] };

    fn arrived<'a>(path: &'a str, headers: &'a [(&'a str, &'a str)]) -> Arrived<'a> {
        Arrived { verb: "GET", path, query: Some("a=b%20c"), headers, body: b"" }
    }

    #[test]
    fn an_address_is_five_identifiers_and_a_path() {
        assert_eq!(split("/r1/A/B/C/D/E"), Some((["A", "B", "C", "D", "E"], "")));
        assert_eq!(split("/r1/A/B/C/D/E/"), Some((["A", "B", "C", "D", "E"], "/")));
        assert_eq!(split("/r1/A/B/C/D/E/x%2Fy/z"), Some((["A", "B", "C", "D", "E"], "/x%2Fy/z")));
        for bad in ["/r1/A/B/C/D", "/r2/A/B/C/D/E", "/A/B/C/D/E", "/r1", ""] {
            assert_eq!(split(bad), None, "{bad}");
        }
        assert_eq!(service("/r1/A/B/C/D/sec%6Fnd/x", &PUBLISHED), Some(1));
    }

    #[test]
    fn the_hash_is_made_of_what_arrived_and_of_the_servers_own_identifiers() {
        let headers =
            [("X-Road-Client", "A/G/M"), ("Host", "h"), ("aCCept", "*/*"), ("x-road-request-id", "theirs"), ("b", "2"), ("B", "1")];
        let request = Arrived { body: b"", ..arrived("/r1/A/GOV/1/s%2Fb/first", &headers) };
        let head = "GET\r\n/r1/A/GOV/1/s%2Fb/first?a=b%20c\r\nX-Road-Client:A/G/M\r\naCCept:*/*\r\nb:2\r\nB:1\r\nx-road-request-id:r\r\nX-Road-Id:i\r\n";
        let plain = digest::digest(&digest::SHA512, head.as_bytes());
        assert_eq!(request_hash(&request, "r", Some("i")), STANDARD.encode(plain));
        let body = digest::digest(&digest::SHA512, b"body");
        let both = digest::digest(&digest::SHA512, &[plain.as_ref(), body.as_ref()].concat());
        assert_eq!(request_hash(&Arrived { body: b"body", ..request }, "r", Some("i")), STANDARD.encode(both));
    }

    #[test]
    fn the_echo_is_equal_in_value_and_its_last_client_wins() {
        // A slash inside an identifier is forbidden even when it comes encoded.
        let refused = receive(&arrived("/r1/A/GOV/1/s%2Fb/first", &[("X-Road-Client", "A/G/M")]), &PUBLISHED, None).expect_err("refused");
        assert!(refused.headers.iter().any(|(_, value)| value.as_str() == "client.invalid_client_identifier"), "{refused:?}");
        let published = Published { subsystem: "s b,c", ..PUBLISHED };
        let headers = [("X-Road-Client", "A/G/Old"), ("x-road-client", "A/G/%c6%8f/S%2Cub"), ("X-Road-Id", "7")];
        let call = receive(&arrived("/r1/A/GOV/1/s%20b%2cc/second/x/y", &headers), &published, None).expect("right");
        assert_eq!((call.place, call.path), (1, "/x/y"));
        assert_eq!((&*call.echo.client, &*call.echo.service, &*call.echo.id), ("A/G/%C6%8F/S,ub", "A/GOV/1/s%20b,c/second", "7"));
    }

    proptest! {
        #[test]
        fn identifiers_survive_their_encoding(parts in proptest::collection::vec("[^/]{1,8}", 1..5)) {
            let text = encoded(&parts);
            prop_assert_eq!(identifiers(&text, 1..=4), Some(parts));
            prop_assert!(text.is_ascii());
        }

        #[test]
        fn no_request_makes_it_panic(path in "/r1(/[A-Z%0-9a-z;.]{0,4}){0,8}", client in "[A-Z/%0-9é]{0,12}", verb in "GET|PUT|OPTIONS|x") {
            let headers = [("X-Road-Client", &*client)];
            let request = Arrived { verb: &verb, ..arrived(&path, &headers) };
            let _either = receive(&request, &PUBLISHED, None).is_ok();
        }
    }
}
