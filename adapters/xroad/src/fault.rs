//! The exchange system's own fault codes, in both vocabularies: `Server.ServerProxy.AccessDenied`
//! up to X-Road 7.7, `server.serverproxy.access_denied` from 7.8. Case and underscores dropped, the
//! old codes are the new ones, but for one alias.
//!
//! In SOAP a fault of the provider itself passes the exchange system unchanged. A SOAP 1.1 fault code
//! may have a dotted tail too ("Client.Authentication", section 4.4.1), so only what stands in the
//! vocabulary is taken for the exchange system's. In REST its codes have a header of their own.

use adapter_core::{CallError, CallErrorKind, Origin, RouteCode, Sent};

/// Longest code looked at, in bytes.
const CODE_MAX: usize = 256;

/// What a fault of the exchange system means for the question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteFault {
    code: RouteCode,
    meaning: Meaning,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// The provider has not granted us the service.
    Denied,
    /// Something is configured wrongly, at the exchange system, the provider or here, and stays so
    /// until changed. Not a denial: nobody decided against the question.
    Lasting,
    /// May be over in a moment.
    Passing,
    /// The exchange system reached the provider's system, which then failed.
    Provider,
}

impl RouteFault {
    pub(crate) fn into_error(self) -> CallError {
        let Self { code, meaning } = self;
        let unavailable = |code, lasting| CallError::new(CallErrorKind::RouteUnavailable { code, lasting }, Sent::Maybe);
        match meaning {
            Meaning::Denied => CallError::new(CallErrorKind::RouteRefused { code }, Sent::Maybe),
            Meaning::Lasting => unavailable(code, true),
            Meaning::Passing => unavailable(code, false),
            Meaning::Provider => unavailable(code, false).with_origin(Origin::Provider),
        }
    }
}

/// Says what a SOAP `faultcode` means, if it is the exchange system's. The code is kept as it was
/// spelt, unless a part of it is unknown: then only the known beginning is, since a peer's free text
/// must not reach a log.
#[must_use]
pub fn classify(faultcode: &str) -> Option<RouteFault> {
    // A qualified name by schema; the exchange system sends it without a prefix.
    let spelt = faultcode.rsplit(':').next().unwrap_or(faultcode);
    let (prefix, tail) = split(spelt)?;
    if let Some(meaning) = known(prefix, tail) {
        return Some(RouteFault { code: RouteCode::new(spelt), meaning });
    }
    match prefix {
        // The SOAP standard's own word; the others only the exchange system uses.
        Prefix::Client => None,
        Prefix::ServerProxy | Prefix::ClientProxy | Prefix::Signer => Some(unlisted(prefix, tail)),
    }
}

/// Says what the code in a REST answer's error header means. The header alone makes the answer the
/// exchange system's own, so a code outside its vocabulary is a fault all the same: one that lasts
/// where the status (or the prefix) puts the blame on the request, else one that may pass.
#[must_use]
pub fn classify_header(value: &[u8], status: u16) -> RouteFault {
    let spelt = std::str::from_utf8(value).ok().map(str::trim).filter(|text| text.len() <= CODE_MAX).unwrap_or_default();
    match split(spelt) {
        Some((prefix, tail)) => match known(prefix, tail) {
            Some(meaning) => RouteFault { code: RouteCode::new(spelt), meaning },
            None => unlisted(prefix, tail),
        },
        None => RouteFault { code: RouteCode::new("(unlisted)"), meaning: by_status(status) },
    }
}

/// The failure of something between us and the security server, such as a balancer, which answers
/// in its own words: all there is to judge is the status. 408 and 429 ask for another try.
pub(crate) fn outside(status: u16) -> RouteFault {
    let meaning = if matches!(status, 408 | 429) { Meaning::Passing } else { by_status(status) };
    RouteFault { code: RouteCode::new(format!("(http {status})")), meaning }
}

fn by_status(status: u16) -> Meaning {
    if status < 500 { Meaning::Lasting } else { Meaning::Passing }
}

/// What a code begins with: who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Prefix {
    /// The provider's security server.
    ServerProxy,
    /// Our own security server, about itself or the network.
    ClientProxy,
    /// A security server's signer.
    Signer,
    /// Our own security server, about our request.
    Client,
}

impl Prefix {
    const ALL: [Self; 4] = [Self::ServerProxy, Self::ClientProxy, Self::Signer, Self::Client];

    fn text(self) -> &'static str {
        match self {
            Self::ServerProxy => "server.serverproxy",
            Self::ClientProxy => "server.clientproxy",
            Self::Signer => "signer",
            Self::Client => "client",
        }
    }
}

fn split(spelt: &str) -> Option<(Prefix, &str)> {
    Prefix::ALL.into_iter().find_map(|prefix| {
        let (head, tail) = spelt.split_at_checked(prefix.text().len())?;
        Some((prefix, tail.strip_prefix('.').filter(|_| head.eq_ignore_ascii_case(prefix.text()))?))
    })
}

/// The meaning of a code every part of which is in the vocabulary: that of the first.
fn known(prefix: Prefix, tail: &str) -> Option<Meaning> {
    let first = meaning(prefix, tail.split('.').next()?)?;
    tail.split('.').all(|part| meaning(prefix, part).is_some()).then_some(first)
}

fn unlisted(prefix: Prefix, tail: &str) -> RouteFault {
    let otherwise = match prefix {
        Prefix::Client => Meaning::Lasting,
        Prefix::ServerProxy | Prefix::ClientProxy | Prefix::Signer => Meaning::Passing,
    };
    let meaning = tail.split('.').next().and_then(|first| meaning(prefix, first)).unwrap_or(otherwise);
    RouteFault { code: RouteCode::new(format!("{}.(unlisted)", prefix.text())), meaning }
}

fn meaning(prefix: Prefix, part: &str) -> Option<Meaning> {
    let (_, meaning) =
        VOCABULARY.iter().flat_map(|(codes, meaning)| codes.iter().zip(std::iter::repeat(meaning))).find(|(code, _)| same(code, part))?;
    // Our own server says "service failed" of what the provider's security server sent it.
    Some(if *meaning == Meaning::Provider && prefix != Prefix::ServerProxy { Meaning::Passing } else { *meaning })
}

/// Whether two spellings are the same code: case and underscores do not matter.
fn same(ours: &str, theirs: &str) -> bool {
    let mut theirs = theirs.bytes().filter(|byte| *byte != b'_');
    ours.bytes().filter(|byte| *byte != b'_').all(|our| theirs.next().is_some_and(|their| their.eq_ignore_ascii_case(&our)))
        && theirs.next().is_none()
}

/// Codes met on a message's way, as 7.8 spells them. Those of administration are left out.
const VOCABULARY: &[(&[&str], Meaning)] = &[
    (&["access_denied", "security_category"], Meaning::Denied),
    (&["service_failed"], Meaning::Provider),
    (
        &[
            // What we sent, or who we said we are.
            "bad_request",
            "duplicate_header_field",
            "inconsistent_headers",
            "invalid_body",
            "invalid_client_identifier",
            "invalid_content_type",
            "invalid_encoded_id",
            "invalid_http_method",
            "invalid_message",
            "invalid_protocol_version",
            "invalid_request",
            "invalid_rest",
            "invalid_security_server",
            "invalid_soap",
            "invalid_soap_action",
            "invalid_xml",
            "malformed_soap",
            "mime_parsing_failed",
            "missing_body",
            "missing_header",
            "missing_header_field",
            "missing_rest",
            "missing_soap",
            "service_type",
            "ssl_authentication_failed",
            // How we, the provider or the servers are registered.
            "adapter_wsdl_not_found",
            "cannot_find_member",
            "cannot_get_member_id_from_certificate",
            "certificate_authority_not_found",
            "client_not_found",
            "client_proxy_version_not_supported",
            "endpoint_not_found",
            "malformed_global_conf",
            "malformed_key_conf",
            "malformed_optional_parts_conf",
            "malformed_server_conf",
            "not_found",
            "security_server_not_found",
            "service_malformed_url",
            "service_missing_url",
            "service_not_found",
            "unknown_member",
            "unknown_service",
            "unsupported_algorithm",
            "unsupported_sign_algorithm",
            "wrong_cert_usage",
        ],
        Meaning::Lasting,
    ),
    (
        &[
            // The servers, the network between them, and the services they lean on.
            "cryptography_error",
            "database_error",
            "hsm_internal_error",
            "hsm_non_operational",
            "http_error",
            "inconsistent_response",
            "internal_error",
            "invalid_response",
            "io_error",
            "maintenance_mode",
            "network_error",
            "op_monitor",
            "service_disabled",
            "unknown_host",
            // Global configuration; the second is the spelling of 7.7 and older.
            "global_conf_outdated",
            "outdated_global_conf",
            "global_conf_download_url_connection_failure",
            // Message log and time stamps. What 7.8 says of its own log begins with `mlog.`.
            "logging_failed",
            "malformed_record",
            "mlog",
            "timestamper_failed",
            "timestamping_failed",
            "timestamp_validation",
            "adding_signature_to_ts_token_failed",
            "calculating_message_digest_failed",
            "failed_to_build_signature_hash_chain",
            "failed_to_prepare_signature_data",
            "log_manager_unavailable",
            "malformed_timestamp_server_url",
            "message_log_record_not_found",
            "no_log_records_specified",
            "no_signature_hashes_specified",
            "no_timestamping_provider_found",
            "reading_timestamp_response_failed",
            "timestamp_non_granted_response",
            "timestamp_provider_connection_failed",
            "timestamp_record_save_failure",
            "timestamp_request_timed_out",
            "timestamp_response_object_creation_failed",
            "timestamp_response_validation_failed",
            "timestamp_signer_verification_failed",
            "timestamp_token_encoding_failed",
            "timestamp_token_signer_info_not_found",
            "timestamping_non_ok_response",
            "timestamping_service_not_found",
            "tsp_certificate_not_found",
            "updating_message_signature_failed",
            // Signatures, certificates and their validation.
            "cannot_create_cert_path",
            "cannot_create_signature",
            "cannot_sign",
            "cert_not_found",
            "cert_validation",
            "cert_validity_time",
            "hashchain_unused_inputs",
            "incorrect_certificate",
            "incorrect_validation_info",
            "invalid_cert_path",
            "invalid_certificate",
            "invalid_hash_chain",
            "invalid_hash_chain_ref",
            "invalid_reference",
            "invalid_signature_value",
            "key_not_available",
            "key_not_found",
            "login_failed",
            "malformed_hash_chain",
            "malformed_signature",
            "missing_signature",
            "missing_validation_info",
            "ocsp_connection_error",
            "ocsp_failed",
            "ocsp_response_parsing_failure",
            "ocsp_response_verification_failure",
            "pin_incorrect",
            "signature_verification",
            "signer",
            "token_not_active",
            "token_not_available",
            "token_not_found",
            "token_not_initialized",
            "token_readonly",
        ],
        Meaning::Passing,
    ),
];
