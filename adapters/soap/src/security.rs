//! WS-Security `UsernameToken` Profile 1.1 (OASIS, wss-v1.1-spec-os-UsernameTokenProfile), whose
//! namespaces and type names are those of 1.0. Pure: nonce and time are given.

use std::io;

use adapter_core::SecretText;
use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use quick_xml::events::BytesText;
use quick_xml::writer::Writer;

use crate::config::{PasswordKind, UsernameToken};

/// Namespace of `Security` and most within.
pub const SECURITY: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
/// Namespace of `Created`.
pub const UTILITY: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";

const DIGEST: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest";
const TEXT: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText";
const BASE64: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary";

/// What makes a message's token its own: a service that sees a nonce twice refuses the second.
#[derive(Debug, Clone, Copy)]
pub struct Stamp {
    /// Random bytes, never used before.
    pub nonce: [u8; 16],
    /// Now. Services commonly refuse what is more than five minutes off.
    pub created: Timestamp,
}

/// Writes the header `wsse:Security`, which the service must understand, with the token. The
/// envelope declares `wsse` and `wsu`, and `soap` for itself.
///
/// # Errors
/// As the writer's.
pub fn write(writer: &mut Writer<Vec<u8>>, token: &UsernameToken, stamp: &Stamp) -> io::Result<()> {
    let created = format!("{:.3}", stamp.created);
    let (kind, password) = match token.kind {
        PasswordKind::Digest => (DIGEST, SecretText::new(password_digest(&stamp.nonce, &created, token.password.expose()))),
        PasswordKind::Text => (TEXT, token.password.clone()),
    };
    writer.create_element("wsse:Security").with_attribute(("soap:mustUnderstand", "1")).write_inner_content(|writer| {
        writer.create_element("wsse:UsernameToken").write_inner_content(|writer| {
            text(writer, "wsse:Username", None, &token.username)?;
            text(writer, "wsse:Password", Some(("Type", kind)), password.expose())?;
            text(writer, "wsse:Nonce", Some(("EncodingType", BASE64)), &STANDARD.encode(stamp.nonce))?;
            text(writer, "wsu:Created", None, &created)
        })?;
        Ok(())
    })?;
    Ok(())
}

fn text(writer: &mut Writer<Vec<u8>>, name: &str, attribute: Option<(&str, &str)>, text: &str) -> io::Result<()> {
    writer.create_element(name).with_attributes(attribute).write_text_content(BytesText::new(text)).map(|_| ())
}

/// `Base64(SHA-1(nonce + created + password))`, of the nonce's own bytes and the other two as
/// written, in UTF-8 (section 3.1).
#[must_use]
pub fn password_digest(nonce: &[u8], created: &str, password: &str) -> String {
    let mut hash = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    for part in [nonce, created.as_bytes(), password.as_bytes()] {
        hash.update(part);
    }
    STANDARD.encode(hash.finish())
}
