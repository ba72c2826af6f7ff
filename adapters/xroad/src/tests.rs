//! SOAP: messages, echoes and faults; and the adapter against a loopback security server.

use std::sync::Arc;
use std::time::Duration;

use adapter_core::{
    Call, CallError, CallErrorKind, Context, Identity, Origin, Question, Request, Sent, Transport, TransportOptions, WireAnswer,
};
use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use proptest::sample::select;
use tokio::time::Instant;
use uuid::Uuid;

use crate::codec::{check, write};
use crate::fault::classify;
use crate::{ConfigError, Dialect, Member, RequestHash, XroadConfig, XroadSoap};
use server::{Authority, Reply, Seen, Server};

mod rest;
mod vocabulary;

#[path = "../../core/src/tests/server.rs"]
mod server;

const LONG: Duration = Duration::from_secs(30);
const ID: &str = "018f3a52-0000-7000-8000-00000000002a";
const BODY: &str =
    r#"<d:SexsMelumatiSorgusu xmlns:d="http://daxili-isler.example/xroad/v2"><d:FIN>5K7QX2O</d:FIN></d:SexsMelumatiSorgusu>"#;
const SHA512: &str = "http://www.w3.org/2001/04/xmlenc#sha512";

fn member(class: &str, member: &str, subsystem: &str) -> Member {
    Member { class: class.to_owned(), member: member.to_owned(), subsystem: subsystem.to_owned() }
}

fn config() -> XroadConfig {
    XroadConfig {
        instance: "AZ-TEST".to_owned(),
        client: member("GOV", "10000034", "meis-qovsaq"),
        provider: member("GOV", "10000013", "daxili-isler"),
        service_code: "SexsMelumatiSorgusu".to_owned(),
        service_version: Some("v2".to_owned()),
        idempotency_key: false,
        dialect: Dialect::default(),
    }
}

/// A moment for contexts whose deadline is not looked at.
fn moment() -> Instant {
    static MOMENT: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *MOMENT.get_or_init(Instant::now)
}

fn context_of<'a>(official: &'a str, case: &'a str) -> Context<'a> {
    let exchange_id = ID.parse::<Uuid>().expect("uuid");
    Context { exchange_id, repeat_key: Uuid::from_u128(9), official, case, deadline: moment() + LONG }
}

fn context() -> Context<'static> {
    context_of("AZ-0001", "c-2026-000042")
}

fn transport(url: &str, roots: String, client: server::Issued) -> Transport {
    let identity = Identity::new(client.certificate, client.key);
    Transport::new(TransportOptions::new(url.to_owned(), roots, Some(identity))).expect("options are good")
}

fn question(body: &'static str) -> Question {
    Question::Soap { action: None, body: Bytes::from_static(body.as_bytes()) }
}

fn sent(config: &XroadConfig, context: &Context<'_>) -> Request {
    write(config, &question(BODY), context).expect("good question")
}

fn text(request: &Request) -> String {
    String::from_utf8(request.body.clone().expect("body").to_vec()).expect("utf-8")
}

#[tokio::test]
async fn every_law_of_calls_is_kept() {
    // The header comes back as it was, and for what is asked here any element is an answer.
    let echo = |seen: &Seen| ("content-type: text/xml\r\n".to_owned(), seen.body.clone());
    let adapter = |url: &str, roots: String, client: server::Issued| -> Arc<dyn Call> {
        Arc::new(XroadSoap::new(Arc::new(transport(url, roots, client)), config()).expect("settings are good"))
    };
    server::check_laws(adapter, question(BODY), echo).await;
}

#[test]
fn the_message_is_that_of_protocol_40() {
    let request = sent(&config(), &context());
    assert_eq!(request.path_and_query.expose(), "/");
    assert_eq!(request.headers.get("soapaction").expect("action"), "\"\"");
    assert_eq!(request.headers.get("content-type").expect("type"), "text/xml; charset=utf-8");
    let expected = [
        r#"<?xml version="1.0" encoding="UTF-8"?>"#,
        r#"<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xrd="http://x-road.eu/xsd/xroad.xsd""#,
        r#" xmlns:id="http://x-road.eu/xsd/identifiers"><soap:Header>"#,
        r#"<xrd:client id:objectType="SUBSYSTEM"><id:xRoadInstance>AZ-TEST</id:xRoadInstance><id:memberClass>GOV</id:memberClass>"#,
        "<id:memberCode>10000034</id:memberCode><id:subsystemCode>meis-qovsaq</id:subsystemCode></xrd:client>",
        r#"<xrd:service id:objectType="SERVICE"><id:xRoadInstance>AZ-TEST</id:xRoadInstance><id:memberClass>GOV</id:memberClass>"#,
        "<id:memberCode>10000013</id:memberCode><id:subsystemCode>daxili-isler</id:subsystemCode>",
        "<id:serviceCode>SexsMelumatiSorgusu</id:serviceCode><id:serviceVersion>v2</id:serviceVersion></xrd:service>",
        "<xrd:userId>AZ-0001</xrd:userId><xrd:id>018f3a52-0000-7000-8000-00000000002a</xrd:id><xrd:issue>c-2026-000042</xrd:issue>",
        "<xrd:protocolVersion>4.0</xrd:protocolVersion></soap:Header><soap:Body>",
        BODY,
        "</soap:Body></soap:Envelope>",
    ]
    .concat();
    assert_eq!(text(&request), expected);

    let unversioned = XroadConfig { service_version: None, ..config() };
    assert!(!text(&sent(&unversioned, &context())).contains("serviceVersion"));
}

#[test]
fn a_dialect_has_its_own_names() {
    let dialect = Dialect {
        soap_path: "/ehis/soap".to_owned(),
        header_namespace: "urn:ehis:headers".to_owned(),
        identifier_namespace: "urn:ehis:ids".to_owned(),
        protocol_version: "5.1".to_owned(),
        soap_request_hash: RequestHash::Required,
        ..Dialect::default()
    };
    let request = sent(&XroadConfig { dialect, ..config() }, &context());
    assert_eq!(request.path_and_query.expose(), "/ehis/soap");
    let text = text(&request);
    assert!(
        text.contains(r#"xmlns:xrd="urn:ehis:headers" xmlns:id="urn:ehis:ids""#) && text.contains(">5.1<") && !text.contains("x-road.eu")
    );
}

#[test]
fn what_the_exchange_system_would_refuse_is_refused_first() {
    for bad in ["", " ", ".", "..", "a/b", "a:b", "a;b", "a%b", "a\\b", "a\u{200b}b", "\u{feff}a", "a\nb", " a", &"x".repeat(256)] {
        let config = XroadConfig { client: member("GOV", bad, "s"), ..config() };
        assert_eq!(config.check(), Err(ConfigError::Identifier("client.member")), "{bad:?}");
    }
    assert_eq!(XroadConfig { service_version: Some(String::new()), ..config() }.check(), Err(ConfigError::Identifier("service_version")));
    let dialect = Dialect { soap_path: "x".to_owned(), ..Dialect::default() };
    assert_eq!(XroadConfig { dialect, ..config() }.check(), Err(ConfigError::Path));
    let dialect = Dialect { protocol_version: String::new(), ..Dialect::default() };
    assert_eq!(XroadConfig { dialect, ..config() }.check(), Err(ConfigError::Dialect));

    for (official, case) in [("", "c"), ("o", ""), ("o\n", "c"), ("o", "\u{7}c"), (" o", "c"), (&*"x".repeat(256), "c")] {
        let error = write(&config(), &question(BODY), &context_of(official, case)).expect_err("refused");
        assert_eq!((error.sent(), error.origin()), (Sent::No, Origin::Gateway));
    }
    for body in ["<BasqaSorgu/>", "<SexsMelumatiSorgusuX/>", "<a/><b/>", "x"] {
        assert!(matches!(write(&config(), &question(body), &context()).expect_err("refused").kind(), CallErrorKind::Question(_)));
    }
    let rest = Question::Rest { method: http::Method::GET, path_and_query: "/".into(), body: None };
    assert!(write(&config(), &rest, &context()).is_err());
}

/// Answers as a security server does: our own message with the provider's element in place of ours
/// and the hash of our bytes.
fn echo(sent: &str) -> String {
    let hash = STANDARD.encode(digest::digest(&digest::SHA512, sent.as_bytes()));
    let (head, _) = sent.split_once("</soap:Header>").expect("a header");
    format!(
        r#"{head}<xrd:requestHash algorithmId="{SHA512}">{hash}</xrd:requestHash></soap:Header><soap:Body><r:SexsMelumatiSorgusuResponse xmlns:r="urn:r"/></soap:Body></soap:Envelope>"#
    )
}

fn fault(code: &str) -> String {
    format!(
        r#"<?xml version="1.0"?><SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"><SOAP-ENV:Body><SOAP-ENV:Fault><faultcode>{code}</faultcode><faultstring>FIN 5K7QX2O</faultstring><faultactor/><detail><faultDetail>018f</faultDetail></detail></SOAP-ENV:Fault></SOAP-ENV:Body></SOAP-ENV:Envelope>"#
    )
}

fn judge(status: u16, body: &str) -> Result<WireAnswer, CallError> {
    judge_as(&config(), status, body)
}

fn judge_as(config: &XroadConfig, status: u16, body: &str) -> Result<WireAnswer, CallError> {
    let request = sent(config, &context());
    let answer = WireAnswer {
        status,
        body: Bytes::copy_from_slice(body.as_bytes()),
        retry_after: Some(Duration::from_secs(9)),
        route_id: None,
        key_switched: false,
        as_of: None,
    };
    check(config, &context(), &request.body.expect("body"), answer)
}

#[test]
fn an_answer_that_echoes_our_headers_is_handed_on_with_the_message_id() {
    let good = echo(&text(&sent(&config(), &context())));
    let answer = judge(200, &good).expect("echo");
    assert_eq!((answer.status, answer.body.as_ref(), answer.route_id.as_deref()), (200, good.as_bytes(), Some(ID)));
    assert_eq!(answer.retry_after, Some(Duration::from_secs(9)));

    // The same values under other prefixes, with white space, a byte order mark and extra headers.
    let other = good
        .replace("<xrd:", "<x:")
        .replace("</xrd:", "</x:")
        .replace("xmlns:xrd", "xmlns:x")
        .replace(">AZ-TEST<", ">\n  AZ-TEST <")
        .replace("<soap:Header>", "<soap:Header><extra xmlns='urn:e'>1</extra>");
    judge(200, &format!("\u{feff}{other}")).expect("the same values");
}

#[test]
fn an_answer_that_is_not_the_echo_is_refused_and_not_quoted() {
    let good = echo(&text(&sent(&config(), &context())));
    let alterations: &[(&str, &str)] = &[
        (">AZ-0001<", ">5K7QX2O<"),
        (">c-2026-000042<", ">c-2026-000043<"),
        ("00000000002a", "00000000002b"),
        (">4.0<", ">3.1<"),
        (">AZ-TEST<", ">AZ<"),
        (">GOV<", ">COM<"),
        (">10000034<", ">10000035<"),
        (">meis-qovsaq<", ">Meis-Qovsaq<"),
        (">daxili-isler<", "><"),
        (">SexsMelumatiSorgusu<", ">SexsMelumatiSorgusuResponse<"),
        (">v2<", ">v1<"),
        ("\"SERVICE\"", "\"SERVER\""),
        (" id:objectType=\"SUBSYSTEM\"", ""),
        (" id:objectType=\"SUBSYSTEM\"", " objectType=\"SUBSYSTEM\""),
        ("<id:serviceVersion>v2</id:serviceVersion>", ""),
        ("<xrd:userId>AZ-0001</xrd:userId>", ""),
        ("<xrd:id>", "<xrd:id>x</xrd:id><xrd:id>"),
        ("http://x-road.eu/xsd/xroad.xsd", "http://x-road.ee/xsd/x-road.xsd"),
        ("http://x-road.eu/xsd/identifiers", "urn:other"),
        ("#sha512\">", "#sha512\">AAAA"),
        ("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"),
        ("<soap:Header>", "<!DOCTYPE x><soap:Header>"),
        ("<soap:Header>", "<soap:Header>&fin;"),
    ];
    for (from, to) in alterations {
        let altered = good.replacen(from, to, 1);
        assert_ne!(altered, good, "{from}");
        let error = judge(200, &altered).expect_err(from);
        assert_eq!(
            (error.kind(), error.sent(), error.origin(), error.retryable()),
            (&CallErrorKind::Malformed, Sent::Maybe, Origin::Route, false)
        );
        assert!(!format!("{error} {error:?}").contains("5K7QX2O"));
    }
    for text in ["", "<x/>", "not XML"] {
        assert!(judge(200, text).is_err(), "{text}");
    }
}

#[test]
fn the_request_hash_is_checked_as_the_dialect_says() {
    let with = |soap_request_hash| XroadConfig { dialect: Dialect { soap_request_hash, ..Dialect::default() }, ..config() };
    let good = echo(&text(&sent(&config(), &context())));
    let start = good.find("<xrd:requestHash").expect("hash");
    let (head, rest) = good.split_at(start);
    let (_, tail) = rest.split_once("</xrd:requestHash>").expect("hash");
    let absent = format!("{head}{tail}");
    let unknown = good.replace(SHA512, "urn:md5");
    let sha256 = STANDARD.encode(digest::digest(&digest::SHA256, text(&sent(&config(), &context())).as_bytes()));
    let other = format!("{head}<xrd:requestHash algorithmId='http://www.w3.org/2001/04/xmlenc#sha256'>{sha256}</xrd:requestHash>{tail}");
    let wrong = good.replace(SHA512, "http://www.w3.org/2001/04/xmlenc#sha256");

    for (answer, expected) in [
        (&good, [true, true, true]),
        (&other, [true, true, true]),
        (&absent, [true, false, true]),
        (&unknown, [true, false, true]),
        (&wrong, [false, false, true]),
    ] {
        let got =
            [RequestHash::IfPresent, RequestHash::Required, RequestHash::Ignored].map(|mode| judge_as(&with(mode), 200, answer).is_ok());
        assert_eq!(got, expected, "{answer}");
    }
}

#[test]
fn the_exchange_systems_faults_are_known_in_both_vocabularies() {
    // (7.7 and older, 7.8, refused, lasting, origin)
    let cases = [
        ("Server.ServerProxy.AccessDenied", "server.serverproxy.access_denied", true, true, Origin::Route),
        ("Server.ServerProxy.NetworkError", "server.serverproxy.network_error", false, false, Origin::Route),
        ("Server.ClientProxy.NetworkError", "server.clientproxy.network_error", false, false, Origin::Route),
        ("Server.ServerProxy.UnknownService", "server.serverproxy.unknown_service", false, true, Origin::Route),
        ("Server.ClientProxy.UnknownMember", "server.clientproxy.unknown_member", false, true, Origin::Route),
        ("Server.ServerProxy.ServiceDisabled", "server.serverproxy.service_disabled", false, false, Origin::Route),
        ("Server.ClientProxy.SslAuthenticationFailed", "server.clientproxy.ssl_authentication_failed", false, true, Origin::Route),
        ("Server.ClientProxy.OutdatedGlobalConf", "server.clientproxy.global_conf_outdated", false, false, Origin::Route),
        (
            "Server.ClientProxy.LoggingFailed.TimestamperFailed",
            "server.clientproxy.logging_failed.timestamper_failed",
            false,
            false,
            Origin::Route,
        ),
        ("Server.ServerProxy.ServiceFailed.HttpError", "server.serverproxy.service_failed.http_error", false, false, Origin::Provider),
        (
            "Server.ClientProxy.CannotCreateSignature.Signer.TokenNotActive",
            "server.clientproxy.cannot_create_signature.signer.token_not_active",
            false,
            false,
            Origin::Route,
        ),
        ("Signer.TokenNotActive", "signer.token_not_active", false, false, Origin::Route),
        ("Client.MissingHeader", "client.missing_header", false, true, Origin::Route),
        ("Client.InvalidProtocolVersion", "client.invalid_protocol_version", false, true, Origin::Route),
    ];
    for (old, new, refused, lasting, origin) in cases {
        for code in [old, new] {
            let error = judge(500, &fault(code)).expect_err(code);
            assert_eq!((error.origin(), error.retryable(), error.sent()), (origin, !lasting, Sent::Maybe), "{code}");
            assert_eq!(error.retry_after(), Some(Duration::from_secs(9)));
            assert!(!format!("{error} {error:?}").contains("5K7QX2O"));
            match error.kind() {
                CallErrorKind::RouteRefused { code } if refused => assert!([old, new].contains(&code.as_str())),
                CallErrorKind::RouteUnavailable { code, lasting: is } if !refused => {
                    assert_eq!(*is, lasting, "{code}");
                    assert!([old, new].contains(&code.as_str()), "{code}");
                }
                other => panic!("{code}: {other:?}"),
            }
        }
    }
    // Spelt with a prefix of the envelope's namespace, and with HTTP 200: the same.
    assert!(judge(200, &fault("SOAP-ENV:Server.ServerProxy.AccessDenied")).is_err());
}

#[test]
fn the_original_spelling_is_kept_and_free_text_is_not() {
    let code = |text: &str| match judge(500, &fault(text)).expect_err("a fault").kind() {
        CallErrorKind::RouteUnavailable { code, .. } | CallErrorKind::RouteRefused { code } => code.as_str().to_owned(),
        other => panic!("{other:?}"),
    };
    assert_eq!(code("Server.ServerProxy.NetworkError"), "Server.ServerProxy.NetworkError");
    assert_eq!(code("server.serverproxy.network_error"), "server.serverproxy.network_error");
    // Development builds between 7.7 and 7.8 mix both.
    assert_eq!(code("Server.ServerProxy.network_error"), "Server.ServerProxy.network_error");
    assert_eq!(code("Server.ServerProxy.Fin5K7QX2O"), "server.serverproxy.(unlisted)");
    assert_eq!(code("signer."), "signer.(unlisted)");
}

#[test]
fn a_providers_own_fault_is_an_answer() {
    for code in ["SOAP-ENV:Server", "Client", "soap:Client.Authentication", "d:Tapilmadi", "Server", "Server.Internal", ""] {
        for status in [200, 500] {
            assert_eq!(judge(status, &fault(code)).expect(code).status, status);
        }
    }
    // Its headers, where it has some, must be ours all the same.
    let echoed = echo(&text(&sent(&config(), &context())));
    let (head, _) = echoed.split_once("<soap:Body>").expect("body");
    let with_headers = format!("{head}<soap:Body><soap:Fault><faultcode>Server</faultcode></soap:Fault></soap:Body></soap:Envelope>");
    judge(500, &with_headers).expect("its fault");
    let error = judge(500, &with_headers.replace(">AZ-0001<", ">AZ-0002<")).expect_err("another's");
    assert_eq!(error.kind(), &CallErrorKind::Malformed);
}

#[test]
fn an_error_page_without_xml_is_left_to_the_status_rules() {
    let answer = judge(503, "").expect("answer");
    assert_eq!((answer.status, answer.body.len()), (503, 0));
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in any::<Vec<u8>>(), text in ".{0,60}") {
        let config = config();
        for body in [bytes, fault(&text).into_bytes(), text.into_bytes()] {
            let answer = WireAnswer { status: 200, body: body.into(), retry_after: None, route_id: None, key_switched: false, as_of: None };
            // A provider's fault, the exchange system's, or nothing that is ours.
            match check(&config, &context(), b"", answer) {
                Ok(answer) => prop_assert!(answer.body.starts_with(b"<?xml")),
                Err(error) => prop_assert_eq!(error.sent(), Sent::Maybe),
            }
        }
    }

    /// Whatever official and case, the echo of our message is accepted as its answer, and that of
    /// another official's is not.
    #[test]
    fn every_message_accepts_its_own_echo(official in "[!-~əğıİş]([ -~əğıİş]{0,30}[!-~əğıİş])?", case in "[!-~]{1,30}", other in "[!-~]{1,30}") {
        let config = config();
        let context = context_of(&official, &case);
        let request = sent(&config, &context).body.expect("body");
        let body = Bytes::from(echo(std::str::from_utf8(&request).expect("utf-8")));
        let answer = || WireAnswer { status: 200, body: body.clone(), retry_after: None, route_id: None, key_switched: false, as_of: None };
        prop_assert!(check(&config, &context, &request, answer()).is_ok());
        if other != official {
            prop_assert!(check(&config, &context_of(&other, &case), &request, answer()).is_err());
        }
    }

    /// Case and underscores do not matter, in any mixture.
    #[test]
    fn a_code_is_known_in_any_mixture_of_the_vocabularies(
        words in select(vec![&["access", "denied"][..], &["network", "error"], &["unknown", "service"], &["global", "conf", "outdated"]]),
        upper in any::<[bool; 3]>(), joined in any::<bool>(), prefix in select(vec!["Server.ServerProxy", "server.clientproxy"]),
    ) {
        let tail: Vec<String> = words.iter().zip(upper).map(|(word, upper)| if upper { word.to_uppercase() } else { (*word).to_owned() }).collect();
        let code = format!("{prefix}.{}", tail.join(if joined { "" } else { "_" }));
        let plain = format!("{prefix}.{}", words.join("_"));
        prop_assert!(classify(&code).is_some());
        prop_assert_eq!(classify(&code).map(|f| f.into_error().retryable()), classify(&plain).map(|f| f.into_error().retryable()));
    }
}

fn adapter(authority: &Authority, url: String) -> XroadSoap {
    let issued = authority.issue("gateway.test");
    let identity = Identity::new(issued.certificate, issued.key);
    let transport = Transport::new(TransportOptions::new(url, authority.pem(), Some(identity))).expect("options are good");
    XroadSoap::new(Arc::new(transport), config()).expect("settings are good")
}

#[tokio::test]
async fn a_question_goes_through_the_security_server_and_comes_back() {
    let authority = Authority::new("test authority");
    let server = Server::start(&authority, |nth, seen| match nth {
        0 => Reply::answer("200 OK", "text/xml; charset=UTF-8", echo(std::str::from_utf8(&seen.body).expect("utf-8"))),
        1 => Reply::answer("500 Internal Server Error", "text/xml;charset=UTF-8", fault("Server.ServerProxy.NetworkError")),
        2 => Reply::with("502 Bad Gateway", "content-type: text/html\r\nretry-after: 5\r\n", "<html>5K7QX2O"),
        3 => Reply::answer("200 OK", "multipart/related; type=\"text/xml\"", ""),
        _ => Reply::Cut(Vec::new()),
    })
    .await;
    let adapter = adapter(&authority, server.url());
    let question = question(BODY);
    let context = Context { deadline: Instant::now() + LONG, ..context() };

    let answer = adapter.call(&question, &context).await.expect("answer");
    assert_eq!((answer.status, answer.route_id.as_deref()), (200, Some(ID)));
    let fault = adapter.call(&question, &context).await.expect_err("fault");
    assert!(matches!(fault.kind(), CallErrorKind::RouteUnavailable { lasting: false, .. }));
    let page = adapter.call(&question, &context).await.expect("answer");
    assert_eq!((page.status, page.body.len(), page.retry_after), (502, 0, Some(Duration::from_secs(5))));
    for kind in [CallErrorKind::ContentType, CallErrorKind::Reset] {
        let error = adapter.call(&question, &context).await.expect_err("unusable");
        assert_eq!((error.kind(), error.origin()), (&kind, Origin::Route));
    }

    let seen = server.seen().remove(0);
    assert_eq!(seen.line(), "POST / HTTP/1.1");
    assert_eq!(seen.body, adapter.write(&question, &context).expect("good question").body.expect("body"), "sent is what write shows");
}
