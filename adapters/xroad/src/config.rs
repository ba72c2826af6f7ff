//! Who asks whom for which service, and the dialect of the exchange system.

use http::HeaderName;

use crate::error::ConfigError;
use crate::identifier;

/// One service as we ask for it.
#[derive(Debug, Clone)]
pub struct XroadConfig {
    /// The exchange system's instance, such as `AZ-TEST`.
    pub instance: String,
    /// We, as a subsystem of the exchange system.
    pub client: Member,
    /// The provider's subsystem.
    pub provider: Member,
    /// The service's code; in SOAP also the local name of the request's element.
    pub service_code: String,
    /// The service's version, where it has one: SOAP, and REST where the dialect names the service in
    /// a header. A path has no place for it.
    pub service_version: Option<String>,
    /// Whether to send the repeat key as `Idempotency-Key` with what is not a GET: the services of REST alone.
    pub idempotency_key: bool,
    /// What the exchange system calls things.
    pub dialect: Dialect,
}

/// A subsystem of a member of the exchange system.
#[derive(Debug, Clone)]
pub struct Member {
    /// Member class, such as `GOV`.
    pub class: String,
    /// Member code.
    pub member: String,
    /// Subsystem code.
    pub subsystem: String,
}

/// What differs between exchange systems that speak these protocols: X-Road's versions, and systems
/// that kept its shape under other names (UXP, and perhaps EHİS, whose wire format is not public).
/// Hence settings, each of which can be given by itself.
///
/// [`Dialect::default`] is for a system of which no more is known than that it speaks X-Road: hashes
/// are checked where they are given. The constructors are for systems whose version is known.
///
/// The error codes of 7.7 and older and of 7.8 are understood in every dialect, also mixed: a request
/// may pass two security servers of different versions, and the answer carries the code of either.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialect {
    /// Path of the SOAP endpoint below the transport's base address; default `/`, the server's root.
    pub soap_path: String,
    /// Namespace of the SOAP header elements; default `http://x-road.eu/xsd/xroad.xsd`.
    pub header_namespace: String,
    /// Namespace of identifiers in SOAP; default `http://x-road.eu/xsd/identifiers`.
    pub identifier_namespace: String,
    /// Text of `protocolVersion` in SOAP; default `4.0`.
    pub protocol_version: String,
    /// What to do about the hash of our message in a SOAP answer; default [`RequestHash::IfPresent`].
    pub soap_request_hash: RequestHash,
    /// What REST paths begin with, below the transport's base address; default `/r1`, where the digit
    /// is the protocol's version. Empty, or `/` and segments without a `/` at the end.
    pub rest_prefix: String,
    /// Where a REST request says which service it is for; default [`ServicePlace::Path`].
    pub rest_service: ServicePlace,
    /// What the names of the REST headers begin with; default `X-Road-`. Case does not matter.
    pub rest_header_prefix: String,
    /// What to do about a REST answer without the headers that the exchange system repeats; default
    /// [`Echo::Required`].
    pub rest_echo: Echo,
    /// What to do about the hash of our request in a REST answer; default [`RequestHash::IfPresent`].
    /// It covers the headers as they reach the security server, so a balancer in between that adds
    /// one (`X-Forwarded-For`, say) breaks it: then [`RequestHash::Ignored`] is the only choice.
    pub rest_request_hash: RequestHash,
}

/// What to do about the request hash, the exchange system's statement that this answer belongs to
/// exactly the bytes we sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestHash {
    /// Checked where it is given (in SOAP: in an algorithm we know: SHA-512, SHA-384, SHA-256).
    IfPresent,
    /// An answer without it, or in another algorithm, is refused.
    Required,
    /// Not looked at, for systems that compute it otherwise.
    Ignored,
}

/// Where a REST request names its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServicePlace {
    /// In five segments of the path, after the prefix (X-Road). The document lets the subsystem be
    /// left out, X-Road's code does not; we always give it.
    Path,
    /// In the header `Service`, with the version where there is one (UXP); the path is the prefix and
    /// the service's own.
    Header,
}

/// What to do about headers that the exchange system repeats in a REST answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Echo {
    /// An answer without them is not the source's (X-Road).
    Required,
    /// Those that are there are checked; for systems that do not repeat them. Then an error page of a
    /// balancer cannot be told from the source's own answer, and the mapping has to be the stricter.
    IfPresent,
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            soap_path: "/".to_owned(),
            header_namespace: "http://x-road.eu/xsd/xroad.xsd".to_owned(),
            identifier_namespace: "http://x-road.eu/xsd/identifiers".to_owned(),
            protocol_version: "4.0".to_owned(),
            soap_request_hash: RequestHash::IfPresent,
            rest_prefix: "/r1".to_owned(),
            rest_service: ServicePlace::Path,
            rest_header_prefix: "X-Road-".to_owned(),
            rest_echo: Echo::Required,
            rest_request_hash: RequestHash::IfPresent,
        }
    }
}

impl Dialect {
    /// X-Road 7.7 and older (6.21 and later for REST). Its servers give the hash in every answer of a
    /// source, so an answer without it is refused. Error codes are `Server.ServerProxy.AccessDenied`.
    #[must_use]
    pub fn xroad_7_7() -> Self {
        Self { soap_request_hash: RequestHash::Required, rest_request_hash: RequestHash::Required, ..Self::default() }
    }

    /// X-Road 7.8. What differs from 7.7 on this side of a security server is the spelling of the
    /// error codes alone (`server.serverproxy.access_denied`), and both are understood anyway: the
    /// settings are those of [`Dialect::xroad_7_7`].
    #[must_use]
    pub fn xroad_7_8() -> Self {
        Self::xroad_7_7()
    }

    /// UXP (Cybernetica; Trembita 2): `/restapi`, `Uxp-Client`, and the service in `Uxp-Service`.
    /// Seen in public examples of clients only, which show no answer: headers are checked where they
    /// are there, and the hash is not. SOAP is that of X-Road.
    #[must_use]
    pub fn uxp() -> Self {
        Self {
            rest_prefix: "/restapi".to_owned(),
            rest_service: ServicePlace::Header,
            rest_header_prefix: "Uxp-".to_owned(),
            rest_echo: Echo::IfPresent,
            rest_request_hash: RequestHash::Ignored,
            ..Self::default()
        }
    }

    /// The header of a name below the prefix.
    pub(crate) fn header(&self, name: &str) -> Result<HeaderName, ConfigError> {
        HeaderName::try_from(format!("{}{name}", self.rest_header_prefix)).map_err(|_| ConfigError::HeaderPrefix)
    }
}

impl XroadConfig {
    /// Checks what the exchange system would refuse.
    ///
    /// # Errors
    /// Names the part that is not usable.
    pub fn check(&self) -> Result<(), ConfigError> {
        let parts = [
            ("instance", self.instance.as_str()),
            ("client.class", &self.client.class),
            ("client.member", &self.client.member),
            ("client.subsystem", &self.client.subsystem),
            ("provider.class", &self.provider.class),
            ("provider.member", &self.provider.member),
            ("provider.subsystem", &self.provider.subsystem),
            ("service_code", &self.service_code),
            ("service_version", self.service_version.as_deref().unwrap_or("v1")),
        ];
        for (name, text) in parts {
            if !identifier::is_part(text) {
                return Err(ConfigError::Identifier(name));
            }
        }
        let dialect = &self.dialect;
        if !dialect.soap_path.starts_with('/') || dialect.soap_path.contains(['?', '#']) {
            return Err(ConfigError::Path);
        }
        if !is_prefix(&dialect.rest_prefix) {
            return Err(ConfigError::RestPrefix);
        }
        if dialect.rest_header_prefix.is_empty() {
            return Err(ConfigError::HeaderPrefix);
        }
        dialect.header("Client")?;
        let names = [&dialect.header_namespace, &dialect.identifier_namespace, &dialect.protocol_version];
        if names.iter().any(|text| text.is_empty() || text.chars().any(char::is_control)) {
            return Err(ConfigError::Dialect);
        }
        Ok(())
    }
}

/// Empty, or segments of unreserved characters, each after a `/`.
fn is_prefix(text: &str) -> bool {
    let plain = |segment: &str| {
        let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
        !segment.is_empty() && !matches!(segment, "." | "..") && segment.bytes().all(known)
    };
    text.is_empty() || text.strip_prefix('/').is_some_and(|segments| segments.split('/').all(plain))
}
