//! What differs between one SOAP source and the next.

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
}

/// WS-Addressing 1.0: `To`, `Action` and `MessageID` are sent.
#[derive(Debug, Clone)]
pub struct Addressing {
    /// The service's logical address, an absolute IRI; not necessarily where we connect to.
    pub to: String,
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
        match &self.addressing {
            Some(addressing) if addressing.to.is_empty() || addressing.to.chars().any(|c| c.is_control() || c.is_whitespace()) => {
                Err(ConfigError::To)
            }
            Some(_) | None => Ok(()),
        }
    }
}
