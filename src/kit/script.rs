//! What the played source does with a question, and how an answer of a mapping's examples goes on the wire
//! of each protocol.

use std::sync::Arc;

use adapter_core::kit::{Reply, Seen};
use bytes::Bytes;
use mapping::Protocol;
use tokio::sync::Notify;
use uuid::Uuid;

use super::spoil::{Syntax, Tag, tags};

/// What an oversized answer grows to where nobody stops it, in bytes.
pub const FLOOD_BYTES: usize = 64 << 20;
/// What a dripping answer promises beyond its right length, in bytes.
const DRIPPED_BYTES: usize = 100_000;
/// One piece of an oversized answer.
const FLOOD_PIECE: usize = 64 << 10;

/// An answer as the source gives it.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Its media type.
    pub content_type: &'static str,
    /// Seconds of `Retry-After`, where it has one.
    pub retry_after: Option<u64>,
    /// The body.
    pub body: Bytes,
}

/// What the source does with a question.
#[derive(Debug, Clone)]
pub enum Script {
    /// Answers.
    Answer(Answer),
    /// Reads it and loses the line, then answers its repetition.
    LoseOnce(Answer),
    /// Reads it and loses the line, each time.
    Reset,
    /// Loses the line after half of the answer's body.
    Half(Answer),
    /// Reads it and never answers.
    Hang,
    /// Answers when it is told to.
    Hold(Arc<Notify>, Answer),
    /// The head and half of the body, then a blank now and then for ever.
    Drip(Answer),
    /// An answer that does not end.
    Flood(Answer),
}

/// Which certificate the source shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certificate {
    /// Its own.
    Own,
    /// Its own name, signed by an authority that nobody has named.
    Foreign,
    /// Another name, signed by the right authority.
    WrongName,
    /// Its own, which has run out.
    Expired,
}

/// Which of the kit's places a protocol's services are played in; a protocol that is not asked by a call has
/// another, and says here which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// One HTTP exchange with a body of this syntax.
    Http(Syntax),
    /// None: the source delivers files, and what is wrong with one is judged when it is loaded.
    Delivered,
}

impl Stage {
    /// Where a protocol is played.
    #[must_use]
    pub fn of(protocol: &Protocol) -> Self {
        match protocol {
            Protocol::RestJson { .. } | Protocol::XroadRest { .. } => Self::Http(Syntax::Json),
            Protocol::Soap11 | Protocol::Soap12 | Protocol::XroadSoap { .. } => Self::Http(Syntax::Xml),
            Protocol::Files(_) => Self::Delivered,
        }
    }
}

/// The media type of a protocol's answers.
#[must_use]
pub fn content_type(protocol: &Protocol) -> &'static str {
    match protocol {
        // Rows are looked up as JSON.
        Protocol::RestJson { .. } | Protocol::XroadRest { .. } | Protocol::Files(_) => "application/json",
        Protocol::Soap11 | Protocol::XroadSoap { .. } => "text/xml; charset=utf-8",
        Protocol::Soap12 => "application/soap+xml; charset=utf-8",
    }
}

/// A technical error in the protocol's own most general form.
#[must_use]
pub fn fault(protocol: &Protocol) -> Bytes {
    let envelope = |namespace: &str, fault: &str| {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><s:Envelope xmlns:s=\"{namespace}\"><s:Body><s:Fault>{fault}</s:Fault></s:Body></s:Envelope>"
        )
    };
    Bytes::from(match protocol {
        Protocol::RestJson { .. } | Protocol::XroadRest { .. } | Protocol::Files(_) => "{\"error\":\"internal\"}".to_owned(),
        Protocol::Soap11 | Protocol::XroadSoap { .. } => {
            envelope("http://schemas.xmlsoap.org/soap/envelope/", "<faultcode>s:Server</faultcode><faultstring>internal</faultstring>")
        }
        Protocol::Soap12 => envelope(
            "http://www.w3.org/2003/05/soap-envelope",
            "<s:Code><s:Value>s:Receiver</s:Value></s:Code><s:Reason><s:Text xml:lang=\"en\">internal</s:Text></s:Reason>",
        ),
    })
}

/// What a script comes to for one request. `first` says whether it is the first one since the script began.
#[must_use]
pub fn reply(protocol: &Protocol, script: &Script, seen: &Seen, first: bool) -> Reply {
    match script {
        Script::Answer(answer) => Reply::Bytes(whole(protocol, seen, answer)),
        Script::LoseOnce(_) if first => Reply::Cut(Vec::new()),
        Script::LoseOnce(answer) => Reply::Bytes(whole(protocol, seen, answer)),
        Script::Reset => Reply::Cut(Vec::new()),
        Script::Half(answer) => {
            let body = body(protocol, seen, answer);
            let mut bytes = head(protocol, seen, answer, Some(body.len()));
            bytes.extend_from_slice(body.get(..body.len() / 2).unwrap_or_default());
            Reply::Cut(bytes)
        }
        Script::Hang => Reply::Hang,
        Script::Hold(release, answer) => Reply::After(Arc::clone(release), Box::new(Reply::Bytes(whole(protocol, seen, answer)))),
        Script::Drip(answer) => {
            let body = body(protocol, seen, answer);
            // Not too large by what it says of itself, and not whole before any contract's time has passed.
            let mut bytes = head(protocol, seen, answer, Some(body.len() + DRIPPED_BYTES));
            bytes.extend_from_slice(body.get(..body.len() / 2).unwrap_or_default());
            Reply::Drip(bytes)
        }
        Script::Flood(answer) => Reply::Flood(head(protocol, seen, answer, None), vec![b' '; FLOOD_PIECE], FLOOD_BYTES),
    }
}

fn whole(protocol: &Protocol, seen: &Seen, answer: &Answer) -> Vec<u8> {
    let body = body(protocol, seen, answer);
    let mut bytes = head(protocol, seen, answer, Some(body.len()));
    bytes.extend_from_slice(&body);
    bytes
}

/// The head of an answer; without a length it ends with the line.
fn head(protocol: &Protocol, seen: &Seen, answer: &Answer, length: Option<usize>) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {} -\r\ncontent-type: {}\r\n", answer.status, answer.content_type);
    if let Some(seconds) = answer.retry_after {
        head.push_str(&format!("retry-after: {seconds}\r\n"));
    }
    if matches!(protocol, Protocol::XroadRest { .. }) {
        head.push_str(&repeated_headers(seen));
    }
    match length {
        Some(length) => head.push_str(&format!("content-length: {length}\r\n\r\n")),
        None => head.push_str("connection: close\r\n\r\n"),
    }
    head.into_bytes()
}

/// The headers that a security server of X-Road REST repeats (PR-REST section 4.2).
#[must_use]
pub fn repeated_headers(seen: &Seen) -> String {
    // /r1/ and five segments that name the service, then the source's own path.
    let path = seen.line().split(' ').nth(1).unwrap_or_default();
    let service = path.split('/').skip(2).take(5).collect::<Vec<_>>().join("/");
    let mut headers = format!("x-road-service: {service}\r\nx-road-request-id: {}\r\n", Uuid::new_v4());
    for name in ["x-road-client", "x-road-id"] {
        if let Some(value) = seen.header(name) {
            headers.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    headers
}

fn body(protocol: &Protocol, seen: &Seen, answer: &Answer) -> Bytes {
    let text = std::str::from_utf8(&answer.body).ok().filter(|_| matches!(protocol, Protocol::XroadSoap { .. }));
    match text.and_then(|text| with_repeated_header(text, &String::from_utf8_lossy(&seen.body))) {
        Some(text) => Bytes::from(text),
        None => answer.body.clone(),
    }
}

/// An envelope with the request's own header in it, as a security server repeats it (PR-MESS section 2.4);
/// none where either is no envelope.
fn with_repeated_header(envelope: &str, request: &str) -> Option<String> {
    let namespaces = tags(request).find(|tag| tag.name == "Envelope")?.attributes;
    let asked = element(request, "Header")?;
    let inner = request.get(asked.0.end..asked.1.start)?;
    let place = tags(envelope).find(|tag| !tag.closes && tag.name == "Body")?;
    let prefix = place.qualified.strip_suffix("Body")?;
    let header = format!("<{prefix}Header {namespaces}>{inner}</{prefix}Header>");
    let (before, after) = match element(envelope, "Header") {
        Some((open, close)) => (envelope.get(..open.start)?, envelope.get(close.end..)?),
        None => envelope.split_at_checked(place.start)?,
    };
    Some(format!("{before}{header}{after}"))
}

/// The tags around the first element of a name; an empty one begins and ends with the same.
fn element<'a>(text: &'a str, name: &str) -> Option<(Tag<'a>, Tag<'a>)> {
    let open = tags(text).find(|tag| !tag.closes && tag.name == name)?;
    let close = if open.empty { Some(open) } else { tags(text).find(|tag| tag.closes && tag.name == name && tag.start >= open.end) };
    Some((open, close?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_security_server_repeats_the_header_of_the_request() {
        let request = "<s:Envelope xmlns:s=\"e\" xmlns:x=\"h\"><s:Header><x:id>7</x:id></s:Header><s:Body/></s:Envelope>";
        let right =
            "<E:Envelope xmlns:E=\"e\"><E:Header xmlns:s=\"e\" xmlns:x=\"h\"><x:id>7</x:id></E:Header><E:Body><a/></E:Body></E:Envelope>";
        for answer in [
            "<E:Envelope xmlns:E=\"e\"><E:Header><y>1</y></E:Header><E:Body><a/></E:Body></E:Envelope>",
            "<E:Envelope xmlns:E=\"e\"><E:Header/><E:Body><a/></E:Body></E:Envelope>",
            "<E:Envelope xmlns:E=\"e\"><E:Body><a/></E:Body></E:Envelope>",
        ] {
            assert_eq!(with_repeated_header(answer, request).as_deref(), Some(right));
        }
        assert_eq!(with_repeated_header("<html>", request), None);
    }
}
