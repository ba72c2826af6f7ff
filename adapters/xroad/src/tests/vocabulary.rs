//! Every code of the exchange system in both spellings. The table is written from the error codes of
//! X-Road 7.7.1 and 7.8.0 and not from ours, so that a code we forgot is missed.

use adapter_core::{CallErrorKind, Origin};

use crate::fault::{classify, classify_header};

/// What a code means for the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Means {
    /// We may not ask.
    Denied,
    /// Someone has to change something.
    Lasting,
    /// May be over in a moment.
    Passing,
}

use Means::{Denied, Lasting, Passing};

/// Spelling of 7.7 and older (empty where 7.8 is the first to have it), that of 7.8 (empty where it
/// is gone), meaning.
const CODES: &[(&str, &str, Means)] = &[
    ("IOError", "io_error", Passing),
    ("NetworkError", "network_error", Passing),
    ("InternalError", "internal_error", Passing),
    ("BadRequest", "bad_request", Lasting),
    ("NotFound", "not_found", Lasting),
    ("HttpError", "http_error", Passing),
    ("DatabaseError", "database_error", Passing),
    ("InvalidResponse", "invalid_response", Passing),
    ("InvalidRequest", "invalid_request", Lasting),
    ("", "unknown_host", Passing),
    ("", "cryptography_error", Passing),
    ("CannotCreateSignature", "cannot_create_signature", Passing),
    ("CertValidation", "cert_validation", Passing),
    ("MissingValidationInfo", "missing_validation_info", Passing),
    ("IncorrectValidationInfo", "incorrect_validation_info", Passing),
    ("CannotCreateCertPath", "cannot_create_cert_path", Passing),
    ("CertValidityTime", "cert_validity_time", Passing),
    ("IncorrectCertificate", "incorrect_certificate", Passing),
    ("UnsupportedAlgorithm", "unsupported_algorithm", Lasting),
    ("InvalidSignatureValue", "invalid_signature_value", Passing),
    ("MalformedSignature", "malformed_signature", Passing),
    ("InvalidXml", "invalid_xml", Lasting),
    ("InvalidReference", "invalid_reference", Passing),
    ("InvalidCertPath", "invalid_cert_path", Passing),
    ("SignatureVerification", "signature_verification", Passing),
    ("MalformedSoap", "malformed_soap", Lasting),
    ("TimestampValidation", "", Passing),
    ("InvalidHashChain", "invalid_hash_chain", Passing),
    ("MalformedHashChain", "malformed_hash_chain", Passing),
    ("HashChainUnusedInputs", "hashchain_unused_inputs", Passing),
    ("InvalidHashChainRef", "invalid_hash_chain_ref", Passing),
    ("", "invalid_encoded_id", Lasting),
    ("SslAuthenticationFailed", "ssl_authentication_failed", Lasting),
    ("LoggingFailed", "logging_failed", Passing),
    ("TimestampingFailed", "timestamping_failed", Passing),
    ("InvalidContentType", "invalid_content_type", Lasting),
    ("InvalidSoapAction", "invalid_soap_action", Lasting),
    ("InvalidHttpMethod", "invalid_http_method", Lasting),
    ("InvalidMessage", "invalid_message", Lasting),
    ("InvalidSecurityServer", "invalid_security_server", Lasting),
    ("MimeParsingFailed", "mime_parsing_failed", Lasting),
    ("MissingHeader", "missing_header", Lasting),
    ("MissingHeaderField", "missing_header_field", Lasting),
    ("DuplicateHeaderField", "duplicate_header_field", Lasting),
    ("MissingBody", "missing_body", Lasting),
    ("InvalidBody", "invalid_body", Lasting),
    ("InconsistentHeaders", "inconsistent_headers", Lasting),
    ("InconsistentResponse", "inconsistent_response", Passing),
    ("MissingSoap", "missing_soap", Lasting),
    ("InvalidSoap", "invalid_soap", Lasting),
    ("MissingRest", "missing_rest", Lasting),
    ("InvalidRest", "invalid_rest", Lasting),
    ("AccessDenied", "access_denied", Denied),
    ("ServiceDisabled", "service_disabled", Passing),
    ("ServiceFailed", "service_failed", Passing),
    ("MissingSignature", "missing_signature", Passing),
    ("UnknownService", "unknown_service", Lasting),
    ("InvalidProtocolVersion", "invalid_protocol_version", Lasting),
    ("InvalidClientIdentifier", "invalid_client_identifier", Lasting),
    ("ServiceType", "service_type", Lasting),
    ("ClientProxyVersionNotSupported", "client_proxy_version_not_supported", Lasting),
    ("UnknownMember", "unknown_member", Lasting),
    ("MalformedServerConf", "malformed_server_conf", Lasting),
    ("MalformedKeyConf", "malformed_key_conf", Lasting),
    ("MalformedGlobalConf", "malformed_global_conf", Lasting),
    ("MalformedOptionalPartsConf", "malformed_optional_parts_conf", Lasting),
    ("OutdatedGlobalConf", "global_conf_outdated", Passing),
    ("ServiceMissingUrl", "service_missing_url", Lasting),
    ("ServiceMalformedUrl", "service_malformed_url", Lasting),
    ("AdapterWsdlNotFound", "adapter_wsdl_not_found", Lasting),
    ("HSMNonOperational", "hsm_non_operational", Passing),
    ("", "hsm_internal_error", Passing),
    ("MaintenanceMode", "maintenance_mode", Passing),
    ("KeyNotFound", "key_not_found", Passing),
    ("KeyNotAvailable", "key_not_available", Passing),
    ("CertNotFound", "cert_not_found", Passing),
    ("TokenNotFound", "token_not_found", Passing),
    ("TokenNotActive", "token_not_active", Passing),
    ("TokenNotInitialized", "token_not_initialized", Passing),
    ("TokenNotAvailable", "token_not_available", Passing),
    ("TokenReadOnly", "token_readonly", Passing),
    ("CannotSign", "cannot_sign", Passing),
    ("UnsupportedSignAlgorithm", "unsupported_sign_algorithm", Lasting),
    ("CannotGetMemberIdFromCertificate", "cannot_get_member_id_from_certificate", Lasting),
    ("WrongCertUsage", "wrong_cert_usage", Lasting),
    ("CannotFindMember", "cannot_find_member", Lasting),
    ("LoginFailed", "login_failed", Passing),
    ("PinIncorrect", "pin_incorrect", Passing),
    ("TimestamperFailed", "timestamper_failed", Passing),
    ("", "mlog.timestamp_request_timed_out", Passing),
    ("", "mlog.malformed_timestamp_server_url", Passing),
    ("", "mlog.timestamping_non_ok_response", Passing),
    ("", "mlog.log_manager_unavailable", Passing),
    ("", "mlog.no_timestamping_provider_found", Passing),
    ("", "mlog.timestamp_token_signer_info_not_found", Passing),
    ("", "mlog.tsp_certificate_not_found", Passing),
    ("", "mlog.adding_signature_to_ts_token_failed", Passing),
    ("", "mlog.timestamp_token_encoding_failed", Passing),
    ("", "mlog.updating_message_signature_failed", Passing),
    ("", "mlog.no_log_records_specified", Passing),
    ("", "mlog.message_log_record_not_found", Passing),
    ("", "mlog.failed_to_build_signature_hash_chain", Passing),
    ("", "mlog.failed_to_prepare_signature_data", Passing),
    ("", "mlog.no_signature_hashes_specified", Passing),
    ("", "mlog.calculating_message_digest_failed", Passing),
    ("", "mlog.reading_timestamp_response_failed", Passing),
    ("", "mlog.timestamp_provider_connection_failed", Passing),
    ("", "mlog.timestamp_response_object_creation_failed", Passing),
    ("", "mlog.timestamp_non_granted_response", Passing),
    ("", "mlog.timestamp_record_save_failure", Passing),
    ("", "mlog.timestamp_response_validation_failed", Passing),
    ("", "mlog.timestamp_signer_verification_failed", Passing),
    ("", "ocsp_connection_error", Passing),
    ("", "ocsp_response_parsing_failure", Passing),
    ("", "ocsp_failed", Passing),
    ("", "ocsp_response_verification_failure", Passing),
    ("", "security_server_not_found", Lasting),
    ("", "service_not_found", Lasting),
    ("", "client_not_found", Lasting),
    ("", "endpoint_not_found", Lasting),
];

const PREFIXES: [(&str, &str); 6] = [
    ("Server.ServerProxy", "server.serverproxy"),
    ("Server.ClientProxy", "server.clientproxy"),
    ("Server.ServerProxy.ServiceFailed", "server.serverproxy.service_failed"),
    ("Server.ClientProxy.ServiceFailed", "server.clientproxy.service_failed"),
    ("Signer", "signer"),
    ("Client", "client"),
];

#[test]
fn every_code_is_known_in_both_spellings_behind_every_prefix() {
    for (old, new, means) in CODES {
        for (old_prefix, new_prefix) in PREFIXES {
            let spellings = [(old_prefix, *old), (new_prefix, *new)];
            for (prefix, tail) in spellings.into_iter().filter(|(_, tail)| !tail.is_empty()) {
                let code = format!("{prefix}.{tail}");
                // In SOAP and in REST alike.
                let soap = classify(&code).unwrap_or_else(|| panic!("{code}"));
                assert_eq!(soap, classify_header(code.as_bytes(), 500));
                let error = soap.into_error();
                // Behind "service failed" it is that which counts.
                let means = if new_prefix.ends_with("service_failed") { Passing } else { *means };
                let (kept, got) = match error.kind() {
                    CallErrorKind::RouteRefused { code } => (code, Denied),
                    CallErrorKind::RouteUnavailable { code, lasting: true } => (code, Lasting),
                    CallErrorKind::RouteUnavailable { code, lasting: false } => (code, Passing),
                    other => panic!("{code}: {other:?}"),
                };
                assert_eq!((kept.as_str(), got), (code.as_str(), means), "kept as it was spelt");
                let failed =
                    new_prefix == "server.serverproxy.service_failed" || (new_prefix, *new) == ("server.serverproxy", "service_failed");
                assert_eq!(error.origin(), if failed { Origin::Provider } else { Origin::Route }, "{code}");
            }
        }
    }
}

#[test]
fn the_spellings_of_a_code_differ_in_case_and_underscores_only_but_for_one() {
    let plain = |text: &str| text.replace('_', "").to_lowercase();
    let others: Vec<_> = CODES.iter().filter(|(old, new, _)| !old.is_empty() && !new.is_empty() && plain(old) != plain(new)).collect();
    assert_eq!(others, [&("OutdatedGlobalConf", "global_conf_outdated", Passing)]);
}

#[test]
fn a_code_outside_the_vocabulary_shows_nothing_of_itself() {
    let long = "server.clientproxy.".to_owned() + &"x".repeat(1000);
    let cases: [(&str, u16, &str, bool); 9] = [
        ("server.serverproxy.fin_5K7QX2O", 500, "server.serverproxy.(unlisted)", false),
        ("Server.ServerProxy.UnknownService.Fin5K7QX2O", 500, "server.serverproxy.(unlisted)", true),
        ("client.fin_5K7QX2O", 400, "client.(unlisted)", true),
        ("client.", 500, "client.(unlisted)", true),
        ("5K7QX2O", 400, "(unlisted)", true),
        ("5K7QX2O", 500, "(unlisted)", false),
        ("5K7QX2O", 200, "(unlisted)", true),
        ("", 503, "(unlisted)", false),
        (&long, 500, "(unlisted)", false),
    ];
    for (value, status, shown, lasting) in cases {
        let error = classify_header(value.as_bytes(), status).into_error();
        let CallErrorKind::RouteUnavailable { code, lasting: is } = error.kind() else { panic!("{value}") };
        assert_eq!((code.as_str(), *is), (shown, lasting), "{value}");
        assert!(!format!("{error} {error:?}").contains("5K7QX2O"));
    }
    assert_eq!(classify("client.fin_5K7QX2O"), None, "in SOAP that may be the provider's own");
}
