//! Envelopes there and back, hostile answers, and the adapter against a loopback server.

use std::sync::Arc;
use std::time::Duration;

use adapter_core::{Call, CallErrorKind, Context, Identity, Question, Sent, Transport, TransportOptions};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::{any, prop_assert_eq, proptest};
use tokio::time::Instant;
use uuid::Uuid;

use crate::codec::{Element, Payload, check_body, check_relation, http_headers, prologue, prologue_with, write};
use crate::security::{SECURITY, Stamp, UTILITY, password_digest};
use crate::{Addressing, Basic, ConfigError, PasswordKind, PrologueError, Soap, SoapConfig, SoapVersion, UsernameToken};
use server::{Authority, Reply, Seen, Server};

#[path = "../../core/src/tests/server.rs"]
mod server;

const LONG: Duration = Duration::from_secs(30);
const ID: &str = "018f3a52-0000-7000-8000-00000000002a";
const BODY: &str = r#"<t:Sorgu xmlns:t="urn:t"><t:FIN>5K7QX2O</t:FIN></t:Sorgu>"#;
const ADDRESSING: &str = "http://www.w3.org/2005/08/addressing";
const ENV11: &str = "http://schemas.xmlsoap.org/soap/envelope/";

fn id() -> Uuid {
    ID.parse().expect("uuid")
}

fn context() -> Context<'static> {
    Context {
        exchange_id: id(),
        repeat_key: Uuid::from_u128(9),
        official: "AZ-0001",
        case: "c-2026-000042",
        deadline: Instant::now() + LONG,
    }
}

fn config(version: SoapVersion, to: Option<&str>) -> SoapConfig {
    SoapConfig {
        version,
        path: "/gelir".to_owned(),
        addressing: to.map(|to| Addressing { to: to.to_owned() }),
        security: None,
        basic: None,
    }
}

fn token(kind: PasswordKind) -> UsernameToken {
    UsernameToken { username: "meis".to_owned(), password: "gizli <söz>".into(), kind }
}

/// What a service sees of a token.
struct TokenSeen {
    username: String,
    password_type: String,
    password: String,
    nonce: Vec<u8>,
    created: String,
}

/// Reads the token as a service does: one that must be understood, and whole.
fn token_seen(envelope: &[u8]) -> TokenSeen {
    let read = prologue(envelope).expect("our own envelope");
    let security = read.headers.iter().find(|header| header.is(SECURITY, "Security")).expect("Security");
    let must = (read.version.namespace().to_owned(), "mustUnderstand".to_owned(), "1".to_owned());
    assert_eq!(security.attributes, [must]);
    let [token] = security.children.as_slice() else { panic!("one token") };
    assert!(token.is(SECURITY, "UsernameToken"));
    let [username, password, nonce, created] = token.children.as_slice() else { panic!("four parts") };
    let names =
        [(username, SECURITY, "Username"), (password, SECURITY, "Password"), (nonce, SECURITY, "Nonce"), (created, UTILITY, "Created")];
    assert!(names.iter().all(|(element, namespace, name)| element.is(namespace, name)));
    let attribute = |element: &Element, wanted: &str| match element.attributes.as_slice() {
        [(namespace, name, value)] if namespace.is_empty() && name == wanted => value.clone(),
        _ => panic!("one attribute {wanted}"),
    };
    let encoding = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary";
    assert_eq!(attribute(nonce, "EncodingType"), encoding);
    TokenSeen {
        username: username.text.clone(),
        password_type: attribute(password, "Type"),
        password: password.text.clone(),
        nonce: STANDARD.decode(&nonce.text).expect("base64"),
        created: created.text.clone(),
    }
}

fn question(action: Option<&str>) -> Question {
    Question::Soap { action: action.map(str::to_owned), body: Bytes::from_static(BODY.as_bytes()) }
}

fn written(config: &SoapConfig, action: Option<&str>) -> (String, String) {
    let request = write(config, &question(action), &context(), None).expect("good question");
    assert_eq!(request.path_and_query.expose(), "/gelir");
    let body = request.body.expect("body").to_vec();
    (request.headers.get(CONTENT_TYPE).expect("media type").to_str().expect("text").to_owned(), String::from_utf8(body).expect("utf-8"))
}

#[tokio::test]
async fn every_law_of_calls_is_kept() {
    // What comes back is what was sent, with its headers: a relation where one is wanted.
    let related = |seen: &Seen| {
        let media_type = seen.header("content-type").unwrap_or_default();
        let body = String::from_utf8_lossy(&seen.body).replace("MessageID>", "RelatesTo>");
        (format!("content-type: {media_type}\r\n"), body.into_bytes())
    };
    let with_token = SoapConfig { security: Some(token(PasswordKind::Digest)), ..config(SoapVersion::V11, None) };
    for config in [config(SoapVersion::V11, None), config(SoapVersion::V12, Some("urn:source")), with_token] {
        let adapter = |url: &str, roots: String, client: server::Issued| -> Arc<dyn Call> {
            let identity = Identity::new(client.certificate, client.key);
            let transport = Transport::new(TransportOptions::new(url.to_owned(), roots, Some(identity))).expect("options are good");
            Arc::new(Soap::new(Arc::new(transport), config.clone()).expect("settings are good"))
        };
        server::check_laws(adapter, question(Some("urn:t#Sorgu")), related).await;
    }
}

#[tokio::test]
async fn soap_11_is_an_envelope_around_the_element() {
    let (media_type, envelope) = written(&config(SoapVersion::V11, None), Some("urn:t#Sorgu"));
    assert_eq!(media_type, "text/xml; charset=utf-8");
    assert_eq!(
        envelope,
        format!(
            r#"<?xml version="1.0" encoding="UTF-8"?><soap:Envelope xmlns:soap="{ENV11}"><soap:Body>{BODY}</soap:Body></soap:Envelope>"#
        )
    );
}

#[tokio::test]
async fn soap_12_names_its_action_in_the_media_type_and_addressing_in_the_header() {
    let (media_type, envelope) = written(&config(SoapVersion::V12, Some("https://vergi.test/gelir?a=1&b")), Some("urn:t#Sorgu"));
    assert_eq!(media_type, r#"application/soap+xml; charset=utf-8; action="urn:t#Sorgu""#);
    let read = prologue(envelope.as_bytes()).expect("our own envelope");
    assert_eq!((read.version, read.body), (SoapVersion::V12, Payload::Element));
    let headers: Vec<_> =
        read.headers.iter().map(|element| (element.is(ADDRESSING, &element.name), element.name.as_str(), element.text.as_str())).collect();
    let message_id = format!("urn:uuid:{ID}");
    assert_eq!(
        headers,
        [(true, "To", "https://vergi.test/gelir?a=1&b"), (true, "Action", "urn:t#Sorgu"), (true, "MessageID", &message_id)]
    );
}

#[tokio::test]
async fn what_cannot_be_written_is_refused() {
    let refused = |config: &SoapConfig, question: &Question| write(config, question, &context(), None).expect_err("refused");
    let addressed = config(SoapVersion::V12, Some("urn:to"));
    assert!(matches!(refused(&addressed, &question(None)).kind(), CallErrorKind::Question(_)));
    let rest = Question::Rest { method: http::Method::GET, path_and_query: "/".into(), body: None };
    assert_eq!(refused(&addressed, &rest).sent(), Sent::No);
    for action in ["a\"b", "a b", "a\\b", "ə", "a\r\nx: y", &"a".repeat(2000)] {
        assert!(http_headers(SoapVersion::V11, Some(action)).is_err() && http_headers(SoapVersion::V12, Some(action)).is_err(), "{action}");
    }
    for body in [
        "",
        " ",
        "text",
        "<a/><b/>",
        "<a>",
        "</a>",
        "<a></b>",
        "<a/>x",
        "x<a/>",
        "<?xml version='1.0'?><a/>",
        "<!DOCTYPE a><a/>",
        "<a/><!-- -->",
        "<x:a/>",
        "<a><x:b/></a>",
        "<?pi?><a/>",
    ] {
        assert!(check_body(body.as_bytes()).is_err(), "{body}");
    }
    assert!(check_body(b"<a>\xff</a>").is_err());
    assert_eq!(check_body(BODY.as_bytes()).expect("good"), "Sorgu");
    assert_eq!(check_body("<Sorğu>&amp;&#601;<b/></Sorğu>".as_bytes()).expect("good"), "Sorğu");
}

#[test]
fn settings_that_the_wire_would_refuse_are_refused() {
    for path in ["", "gelir", "/gelir?x", "/gelir#x"] {
        assert_eq!(SoapConfig { path: path.to_owned(), ..config(SoapVersion::V11, None) }.check(), Err(ConfigError::Path), "{path}");
    }
    for to in ["", "a b", "a\n"] {
        assert_eq!(config(SoapVersion::V12, Some(to)).check(), Err(ConfigError::To), "{to}");
    }
    for text in ["", "a\nb", "a\u{ffff}"] {
        let check = |token| SoapConfig { security: Some(token), ..config(SoapVersion::V11, None) }.check();
        assert_eq!(check(UsernameToken { username: text.to_owned(), ..token(PasswordKind::Digest) }), Err(ConfigError::Username), "{text}");
        assert_eq!(check(UsernameToken { password: text.into(), ..token(PasswordKind::Digest) }), Err(ConfigError::Password), "{text}");
    }
}

/// A SOAP 1.1 answer with this inside its envelope.
fn answer(inside: &str) -> String {
    format!(r#"<s:Envelope xmlns:s="{ENV11}">{inside}</s:Envelope>"#)
}

fn fault_code(inside: &str) -> String {
    let text = answer(&format!("<s:Body><s:Fault>{inside}</s:Fault></s:Body>"));
    match prologue(text.as_bytes()).expect("a fault").body {
        Payload::Fault { code } => code,
        Payload::Empty | Payload::Element => panic!("not read as a fault"),
    }
}

#[test]
fn the_beginning_of_an_answer_is_read() {
    let text = answer(
        "<s:Header>\n <h:a xmlns:h='urn:h' h:t='1' u='&lt;'> x&amp;<![CDATA[y]]> <h:b>z</h:b></h:a><c/></s:Header><s:Body><d>not <e>read</d>",
    );
    let read = prologue(format!("\u{feff}<?xml version='1.0' encoding='utf-8'?><!-- c -->{text}").as_bytes()).expect("read");
    let [a, c] = read.headers.as_slice() else { panic!("two headers") };
    assert!(a.is("urn:h", "a") && c.is("", "c"));
    assert_eq!(a.text, "x&y");
    assert_eq!(a.attributes, [("urn:h".to_owned(), "t".to_owned(), "1".to_owned()), (String::new(), "u".to_owned(), "<".to_owned())]);
    assert_eq!(a.children.iter().map(|b| b.text.as_str()).collect::<Vec<_>>(), ["z"]);
    assert_eq!(read.body, Payload::Element);

    for empty in ["<s:Body/>", "<s:Body></s:Body>", "<s:Header/><s:Body> <!-- --> </s:Body>"] {
        assert_eq!(prologue(answer(empty).as_bytes()).expect("read").body, Payload::Empty, "{empty}");
    }
}

#[test]
fn a_fault_code_is_found_wherever_it_stands() {
    assert_eq!(fault_code("<faultcode> s:Server </faultcode><faultstring>x</faultstring>"), "s:Server");
    assert_eq!(fault_code("<detail><faultcode>no</faultcode></detail><faultcode>yes&amp;</faultcode>"), "yes&");
    assert_eq!(fault_code("<faultstring>x</faultstring>"), "");
    assert_eq!(fault_code("<s:faultcode>other namespace</s:faultcode>"), "");
    assert_eq!(fault_code(&format!("<faultcode>{}</faultcode>", "x".repeat(1000))), "");
    assert_eq!(fault_code("<faultcode/><detail/>"), "");
}

#[test]
fn what_soap_forbids_is_refused() {
    let check = |text: String, expected: PrologueError| assert_eq!(prologue(text.as_bytes()), Err(expected), "{text}");
    let good = answer("<s:Body><a/></s:Body>");
    check(format!("<!DOCTYPE x [<!ENTITY a 'aaaa'>]>{good}"), PrologueError::Forbidden);
    check(format!("<?xml-stylesheet href='x'?>{good}"), PrologueError::Forbidden);
    check(answer("<s:Header><a>&x;</a></s:Header><s:Body/>"), PrologueError::Forbidden);
    check(answer("<s:Header><a b='&x;'/></s:Header><s:Body/>"), PrologueError::Forbidden);
    check(format!("<?xml version='1.0' encoding='iso-8859-9'?>{good}"), PrologueError::Encoding);
    check(answer("<s:Header><a></b></s:Header>"), PrologueError::Xml);
    check(answer("<s:Header><x:a/></s:Header>"), PrologueError::Xml);
    check(answer("<s:Header/><s:Header/><s:Body/>"), PrologueError::Envelope);
    check(answer("text<s:Body/>"), PrologueError::Envelope);
    check(answer("<Body/>"), PrologueError::Envelope);
    check(answer(""), PrologueError::Envelope);
    check("<Envelope/>".to_owned(), PrologueError::Envelope);
    check(String::new(), PrologueError::Envelope);
    check(answer(&format!("<s:Header>{}</s:Header>", "<a>".repeat(200_000))), PrologueError::TooLarge);
    check(answer(&format!("<s:Header>{}</s:Header>", "<a/>".repeat(200_000))), PrologueError::TooLarge);
    check(answer(&format!("<s:Header><a>{}</a></s:Header>", "x".repeat(100_000))), PrologueError::TooLarge);
    let many: String = (0..50_000).map(|n| format!(" a{n}=''")).collect();
    check(answer(&format!("<s:Header><a{many}/></s:Header>")), PrologueError::TooLarge);
    let spaces: String = (0..50_000).map(|n| format!(" xmlns:a{n}='u'")).collect();
    check(answer(&format!("<s:Header><a{spaces}/></s:Header>")), PrologueError::Xml);
    assert_eq!(prologue(b"<a>\xff</a>"), Err(PrologueError::Encoding));
}

#[test]
fn nesting_without_end_in_a_body_or_fault_is_survived() {
    let tags = "<a>".repeat(200_000);
    assert_eq!(prologue(answer(&format!("<s:Body>{tags}")).as_bytes()).expect("not read").body, Payload::Element);
    assert_eq!(prologue(answer(&format!("<s:Body><s:Fault>{tags}")).as_bytes()), Err(PrologueError::Xml));
}

#[test]
fn an_answer_cut_anywhere_is_an_error_or_an_answer() {
    let text = answer("<s:Header><a t='1'>ə&amp;</a></s:Header><s:Body><s:Fault><faultcode>s:Server</faultcode></s:Fault></s:Body>");
    for end in 0..=text.len() {
        if let Ok(read) = prologue(text.as_bytes().get(..end).expect("in range")) {
            assert_eq!(read.body, Payload::Fault { code: "s:Server".to_owned() });
        }
    }
}

#[test]
fn an_answer_that_relates_to_another_message_is_refused() {
    let relates =
        |inside: &str| check_relation(answer(&format!("<s:Header xmlns:a='{ADDRESSING}'>{inside}</s:Header><s:Body/>")).as_bytes(), id());
    assert!(relates("").is_ok());
    assert!(relates(&format!("<a:RelatesTo>\n urn:uuid:{} </a:RelatesTo>", ID.to_uppercase())).is_ok());
    assert!(
        relates(&format!("<a:RelatesTo RelationshipType='urn:else'>urn:x</a:RelatesTo><a:RelatesTo>urn:uuid:{ID}</a:RelatesTo>")).is_ok()
    );
    let error = relates("<a:RelatesTo>urn:uuid:5K7QX2O</a:RelatesTo>").expect_err("another's");
    assert_eq!(error.kind(), &CallErrorKind::Malformed);
    assert!(!format!("{error:?}").contains("5K7QX2O"));
    assert!(check_relation(b"not XML at all", id()).is_ok(), "left to the mapping");
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in any::<Vec<u8>>(), text in "[<>/&;!?a-c:= '\"\\[\\]\u{feff}ə]{0,80}") {
        for answer in [bytes, answer(&text).into_bytes(), answer(&format!("<s:Header>{text}</s:Header><s:Body>")).into_bytes(), text.into_bytes()] {
            // Errors are fine; panics and endless loops are not.
            assert!(prologue(&answer).is_ok_and(|read| read.headers.len() < 200) || prologue(&answer).is_err());
            assert!(check_body(&answer).is_ok_and(|name| !name.is_empty()) || check_body(&answer).is_err());
        }
    }

    /// Reading over the headers that are not wanted is as strict, and finds the same, as reading all.
    #[test]
    fn headers_read_over_are_read_as_strictly(text in "(<h:[ab]( [uv]='[&x]?')?/?>|</h:[ab]>|<c>|</c>|<x:y/>|[t &]|&amp;|<!-- -->|<!\\[CDATA\\[z\\]\\]>|<\\?p\\?>){0,12}") {
        let text = answer(&format!("<s:Header xmlns:h='urn:h'>{text}</s:Header><s:Body><d/></s:Body>"));
        let all = prologue(text.as_bytes());
        let wanted = |namespace: &str, name: &str| namespace == "urn:h" && name == "a";
        let some = prologue_with(text.as_bytes(), wanted);
        prop_assert_eq!(some, all.map(|mut all| {
            all.headers.retain(|header| header.is("urn:h", "a"));
            all
        }));
    }

    /// Whatever name and password, the service reads what was meant and finds the digest right.
    #[test]
    fn a_user_name_is_read_back_as_written(username in "[ -~əğıİ]{0,20}[!-~ə]", password in "[ -~ə]{0,20}[!-~ə]", nonce in any::<[u8; 16]>()) {
        let stamp = Stamp { nonce, created: Timestamp::UNIX_EPOCH };
        for kind in [PasswordKind::Digest, PasswordKind::Text] {
            let token = UsernameToken { username: username.clone(), password: password.as_str().into(), kind };
            let config = SoapConfig { security: Some(token), ..config(SoapVersion::V11, None) };
            prop_assert_eq!(config.check(), Ok(()));
            let context = Context { exchange_id: id(), repeat_key: id(), official: "o", case: "c", deadline: frozen() };
            let envelope = write(&config, &question(None), &context, Some(&stamp)).expect("good question").body.expect("body");
            let seen = token_seen(&envelope);
            prop_assert_eq!(seen.username.as_str(), username.trim());
            let shown = match kind {
                PasswordKind::Digest => password_digest(&nonce, &seen.created, &password),
                PasswordKind::Text => password.trim().to_owned(),
            };
            prop_assert_eq!((seen.password, seen.nonce), (shown, nonce.to_vec()));
        }
    }

    /// Whatever the logical address, the reader sees it as it was meant.
    #[test]
    fn addressing_is_read_back_as_written(to in "[!-~əğıİ]{1,60}") {
        let config = config(SoapVersion::V11, Some(&to));
        prop_assert_eq!(config.check(), Ok(()));
        let context = Context { exchange_id: id(), repeat_key: id(), official: "o", case: "c", deadline: frozen() };
        let envelope = write(&config, &question(Some("urn:t")), &context, None).expect("good question").body.expect("body");
        let read = prologue(&envelope).expect("our own envelope");
        prop_assert_eq!(&read.headers.first().expect("To").text, &to);
    }
}

/// A moment for contexts whose deadline is not looked at.
fn frozen() -> Instant {
    static MOMENT: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *MOMENT.get_or_init(Instant::now)
}

fn soap(authority: &Authority, url: String, config: SoapConfig) -> Soap {
    let issued = authority.issue("gateway.test");
    let identity = Identity::new(issued.certificate, issued.key);
    let transport = Transport::new(TransportOptions::new(url, authority.pem(), Some(identity))).expect("options are good");
    Soap::new(Arc::new(transport), config).expect("settings are good")
}

#[tokio::test]
async fn a_fault_is_an_answer_with_any_status_and_a_foreign_page_is_left_out() {
    let fault = answer("<s:Body><s:Fault><faultcode>s:Server</faultcode></s:Fault></s:Body>");
    let authority = Authority::new("test authority");
    let server = Server::start(&authority, {
        let fault = fault.clone();
        move |nth, _| match nth {
            0 => Reply::answer("500 Internal Server Error", "text/xml; charset=utf-8", &fault),
            1 => Reply::answer("200 OK", "application/soap+xml", &fault),
            2 => Reply::with("503 Busy", "content-type: text/html\r\nretry-after: 60\r\n", "<html>5K7QX2O"),
            _ => Reply::answer("200 OK", "text/html", "<html>5K7QX2O"),
        }
    })
    .await;
    let soap = soap(&authority, server.url(), config(SoapVersion::V11, None));
    let question = question(Some("urn:t#Sorgu"));

    for status in [500, 200] {
        let answer = soap.call(&question, &context()).await.expect("answer");
        assert_eq!((answer.status, answer.body.as_ref()), (status, fault.as_bytes()));
    }
    let busy = soap.call(&question, &context()).await.expect("answer");
    assert_eq!((busy.status, busy.body.len(), busy.retry_after), (503, 0, Some(Duration::from_secs(60))));
    let error = soap.call(&question, &context()).await.expect_err("html");
    assert_eq!(error.kind(), &CallErrorKind::ContentType);

    let seen = server.seen().remove(0);
    assert_eq!((seen.line(), seen.header("soapaction")), ("POST /gelir HTTP/1.1", Some("\"urn:t#Sorgu\"")));
    assert_eq!(seen.body, soap.write(&question, &context()).expect("good question").body.expect("body"), "sent is what write shows");
}

#[tokio::test]
async fn an_answer_to_another_message_is_refused() {
    let other = answer(&format!("<s:Header xmlns:a='{ADDRESSING}'><a:RelatesTo>urn:uuid:0</a:RelatesTo></s:Header><s:Body/>"));
    let authority = Authority::new("test authority");
    let server = Server::start(&authority, move |_, _| Reply::answer("200 OK", "application/soap+xml", &other)).await;
    let soap = soap(&authority, server.url(), config(SoapVersion::V12, Some("urn:to")));
    let error = soap.call(&question(Some("urn:t")), &context()).await.expect_err("another's");
    assert_eq!((error.kind(), error.sent()), (&CallErrorKind::Malformed, Sent::Maybe));
}

/// The example of ONVIF's Application Programmer's Guide (section on authentication), computed again
/// by hand with another SHA-1.
#[test]
fn the_digest_is_that_of_a_known_example() {
    let nonce = STANDARD.decode("LKqI6G/AikKCQrN0zqZFlg==").expect("base64");
    assert_eq!(password_digest(&nonce, "2010-09-16T07:50:45Z", "userpassword"), "tuOSpGlFlIXsozq4HFNeeGeFLEI=");
}

#[tokio::test]
async fn a_user_name_stands_beside_addressing_in_either_version() {
    let stamp = Stamp { nonce: [7; 16], created: "2026-11-22T10:20:30.5Z".parse().expect("moment") };
    for version in [SoapVersion::V11, SoapVersion::V12] {
        for (kind, name) in [(PasswordKind::Digest, "PasswordDigest"), (PasswordKind::Text, "PasswordText")] {
            let config = SoapConfig { security: Some(token(kind)), ..config(version, Some("urn:to")) };
            let request = write(&config, &question(Some("urn:t")), &context(), Some(&stamp)).expect("good question");
            let shown = format!("{request:?} {config:?}");
            assert!(!shown.contains("gizli"), "{shown}");
            let envelope = request.body.expect("body");
            let read = prologue(&envelope).expect("our own envelope");
            let names: Vec<_> = read.headers.iter().map(|header| header.name.as_str()).collect();
            assert_eq!((names, read.version), (vec!["To", "Action", "MessageID", "Security"], version));
            let seen = token_seen(&envelope);
            let profile = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0";
            assert_eq!((seen.username.as_str(), seen.password_type), ("meis", format!("{profile}#{name}")));
            assert_eq!(seen.created, "2026-11-22T10:20:30.500Z");
        }
    }
    let config = SoapConfig { security: Some(token(PasswordKind::Text)), ..config(SoapVersion::V11, None) };
    assert!(write(&config, &question(None), &context(), None).is_err(), "never without its stamp");
}

#[tokio::test]
async fn every_message_has_its_own_nonce_and_time() {
    let fine = answer("<s:Body><a/></s:Body>");
    let authority = Authority::new("test authority");
    let server = Server::start(&authority, move |_, _| Reply::answer("200 OK", "text/xml", &fine)).await;
    let config = SoapConfig { security: Some(token(PasswordKind::Digest)), ..config(SoapVersion::V11, None) };
    let soap = soap(&authority, server.url(), config);
    for _ in 0..3 {
        soap.call(&question(None), &context()).await.expect("answer");
    }
    let mut nonces = std::collections::HashSet::new();
    for seen in server.seen() {
        let token = token_seen(&seen.body);
        assert_eq!(token.password, password_digest(&token.nonce, &token.created, "gizli <söz>"));
        let age = Timestamp::now().duration_since(token.created.parse().expect("moment"));
        assert!((SignedDuration::ZERO..SignedDuration::from_mins(1)).contains(&age), "{age}");
        assert!(token.nonce.len() == 16 && nonces.insert(token.nonce));
    }
    assert!(!format!("{soap:?}").contains("gizli"));
}

#[tokio::test]
async fn a_user_is_shown_by_basic_authentication_where_wanted() {
    let fine = answer("<s:Body><a/></s:Body>");
    let authority = Authority::new("test authority");
    let server = Server::start(&authority, move |_, _| Reply::answer("200 OK", "text/xml", &fine)).await;
    let basic = |username: &str, password: &str| SoapConfig {
        basic: Some(Basic { username: username.to_owned(), password: password.into() }),
        ..config(SoapVersion::V11, None)
    };
    soap(&authority, server.url(), basic("meis", "gizli söz:1")).call(&question(None), &context()).await.expect("answer");
    // base64("meis:gizli söz:1")
    let seen = server.seen();
    assert_eq!(seen.first().expect("asked").header("authorization"), Some("Basic bWVpczpnaXpsaSBzw7Z6OjE="));
    let shown = format!("{:?}", write(&basic("meis", "gizli"), &question(None), &context(), None).expect("good question"));
    assert!(!shown.contains("gizli") && !shown.contains("Basic"), "{shown}");
    for (username, password, error) in [
        ("", "x", ConfigError::BasicUsername),
        ("a:b", "x", ConfigError::BasicUsername),
        ("a\n", "x", ConfigError::BasicUsername),
        ("a", "", ConfigError::BasicPassword),
    ] {
        assert_eq!(basic(username, password).check(), Err(error), "{username}");
    }
}
