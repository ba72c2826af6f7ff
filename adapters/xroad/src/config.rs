//! Who asks whom for which service, and the dialect of the exchange system.

use crate::error::ConfigError;

/// Longest part of an identifier, in characters.
const PART_MAX: usize = 255;

/// One service as we ask for it.
#[derive(Debug, Clone)]
pub struct XroadConfig {
    /// The exchange system's instance, such as `AZ-TEST`.
    pub instance: String,
    /// We, as a subsystem of the exchange system.
    pub client: Member,
    /// The provider's subsystem.
    pub provider: Member,
    /// The service's code; also the local name of the request's element.
    pub service_code: String,
    /// The service's version, where it has one.
    pub service_version: Option<String>,
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

/// What differs between exchange systems that speak this protocol: X-Road itself, and systems that
/// kept its SOAP shape under other names. The wire format of EHİS is not public, hence settings.
#[derive(Debug, Clone)]
pub struct Dialect {
    /// Path of the message endpoint below the transport's base address; default `/`.
    pub path: String,
    /// Namespace of the header elements; default `http://x-road.eu/xsd/xroad.xsd`.
    pub header_namespace: String,
    /// Namespace of identifiers; default `http://x-road.eu/xsd/identifiers`.
    pub identifier_namespace: String,
    /// Text of `protocolVersion`; default `4.0`.
    pub protocol_version: String,
    /// What to do about the hash of our request in the answer; default [`RequestHash::IfPresent`].
    pub request_hash: RequestHash,
}

/// What to do about `requestHash`, the exchange system's statement that this answer belongs to
/// exactly the bytes we sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestHash {
    /// Checked where it stands in an algorithm we know (SHA-512, SHA-384, SHA-256).
    IfPresent,
    /// An answer without it, or in another algorithm, is refused.
    Required,
    /// Not looked at, for systems that compute it otherwise.
    Ignored,
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            path: "/".to_owned(),
            header_namespace: "http://x-road.eu/xsd/xroad.xsd".to_owned(),
            identifier_namespace: "http://x-road.eu/xsd/identifiers".to_owned(),
            protocol_version: "4.0".to_owned(),
            request_hash: RequestHash::IfPresent,
        }
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
            if !is_identifier_part(text) {
                return Err(ConfigError::Identifier(name));
            }
        }
        if !self.dialect.path.starts_with('/') || self.dialect.path.contains(['?', '#']) {
            return Err(ConfigError::Path);
        }
        let names = [&self.dialect.header_namespace, &self.dialect.identifier_namespace, &self.dialect.protocol_version];
        if names.iter().any(|text| text.is_empty() || text.chars().any(char::is_control)) {
            return Err(ConfigError::Dialect);
        }
        Ok(())
    }
}

/// The characters that the exchange system's own code forbids in identifiers (it only warns about
/// others that the document leaves out); white space at the ends would not survive the echo.
fn is_identifier_part(text: &str) -> bool {
    let forbidden = |c: char| c.is_control() || matches!(c, '%' | ':' | ';' | '/' | '\\' | '\u{200b}' | '\u{feff}');
    !text.is_empty() && text.trim() == text && text.chars().count() <= PART_MAX && !text.contains(forbidden)
}
