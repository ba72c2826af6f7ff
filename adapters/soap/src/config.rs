//! What differs between one SOAP source and the next.

use adapter_core::SecretText;

use crate::error::ConfigError;

/// The SOAP version of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SoapVersion {
    /// SOAP 1.1: `text/xml` and a `SOAPAction` header.
    V11,
    /// SOAP 1.2: `application/soap+xml` with an `action` parameter.
    V12,
}

impl SoapVersion {
    /// The envelope's namespace.
    #[must_use]
    pub fn namespace(self) -> &'static str {
        match self {
            Self::V11 => "http://schemas.xmlsoap.org/soap/envelope/",
            Self::V12 => "http://www.w3.org/2003/05/soap-envelope",
        }
    }
}

/// How to speak to a SOAP service.
#[derive(Debug, Clone)]
pub struct SoapConfig {
    /// The version.
    pub version: SoapVersion,
    /// Path of the endpoint below the transport's base address, beginning with `/`.
    pub path: String,
    /// WS-Addressing headers, where the service wants them.
    pub addressing: Option<Addressing>,
    /// A WS-Security user name, where the service wants one.
    pub security: Option<UsernameToken>,
    /// HTTP basic authentication, where the service wants that.
    pub basic: Option<Basic>,
}

/// HTTP basic authentication (RFC 7617): the password goes as it is in every message, so this leans on TLS alone.
#[derive(Debug, Clone)]
pub struct Basic {
    /// Our name at the service, without a colon.
    pub username: String,
    /// Our password there.
    pub password: SecretText,
}

/// WS-Addressing 1.0: `To`, `Action` and `MessageID` are sent.
#[derive(Debug, Clone)]
pub struct Addressing {
    /// The service's logical address, an absolute IRI; not necessarily where we connect to.
    pub to: String,
}

/// WS-Security 1.1 `UsernameToken` Profile: who asks, in every message.
#[derive(Debug, Clone)]
pub struct UsernameToken {
    /// Our name at the service.
    pub username: String,
    /// Our password there.
    pub password: SecretText,
    /// How the password is shown.
    pub kind: PasswordKind,
}

/// How a password is shown to the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordKind {
    /// Hashed with the message's nonce and time by SHA-1, as the profile orders. Whoever sees a
    /// message can guess passwords at leisure, so this leans on TLS too.
    Digest,
    /// As it is.
    Text,
}

impl SoapConfig {
    /// Checks what the wire would refuse.
    ///
    /// # Errors
    /// Names the setting that is not usable.
    pub fn check(&self) -> Result<(), ConfigError> {
        if !self.path.starts_with('/') || self.path.contains(['?', '#']) {
            return Err(ConfigError::Path);
        }
        if self.addressing.as_ref().is_some_and(|a| a.to.is_empty() || a.to.chars().any(|c| c.is_control() || c.is_whitespace())) {
            return Err(ConfigError::To);
        }
        let is_text = |text: &str| !text.is_empty() && !text.chars().any(is_not_xml);
        let is_plain = |text: &str| !text.is_empty() && !text.chars().any(char::is_control);
        match &self.basic {
            Some(basic) if !is_plain(&basic.username) || basic.username.contains(':') => return Err(ConfigError::BasicUsername),
            Some(basic) if !is_plain(basic.password.expose()) => return Err(ConfigError::BasicPassword),
            Some(_) | None => {}
        }
        match &self.security {
            Some(token) if !is_text(&token.username) => Err(ConfigError::Username),
            Some(token) if !is_text(token.password.expose()) => Err(ConfigError::Password),
            Some(_) | None => Ok(()),
        }
    }
}

/// Characters that XML forbids or does not keep as they are (XML 1.0 sections 2.2 and 2.11).
fn is_not_xml(c: char) -> bool {
    c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}')
}
