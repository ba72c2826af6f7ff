//! What the two SOAP agencies share: the envelope, and the hostile answers.

use crate::fault::Fault;
use crate::xml::{self, Element, XmlError};

/// An envelope taken apart.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) header: Option<Vec<Element>>,
    /// The elements in the body.
    pub(super) body: Vec<Element>,
}

/// Why bytes are not an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EnvelopeError {
    /// Not XML as SOAP wants it.
    Xml(XmlError),
    /// An envelope of another SOAP version.
    Version,
    /// XML, but not an envelope.
    Form,
    /// An envelope without a body.
    NoBody,
}

/// Takes an envelope of one SOAP version (`namespace`) apart.
pub(super) fn open(bytes: &[u8], namespace: &str) -> Result<Message, EnvelopeError> {
    let root = xml::read(bytes).map_err(EnvelopeError::Xml)?;
    if root.name != "Envelope" || root.elements().is_none() {
        return Err(EnvelopeError::Form);
    }
    if root.namespace != namespace {
        return Err(EnvelopeError::Version);
    }
    let mut parts = root.children.into_iter().peekable();
    let header = parts.next_if(|part| part.is(namespace, "Header"));
    let body = parts.next_if(|part| part.is(namespace, "Body")).ok_or(EnvelopeError::NoBody)?;
    let in_order = parts.next().is_none() && body.elements().is_some() && header.as_ref().is_none_or(|header| header.elements().is_some());
    if !in_order {
        return Err(EnvelopeError::Form);
    }
    Ok(Message { header: header.map(|header| header.children), body: body.children })
}

/// What a hostile peer sends in place of an answer's inner part: the document type to declare
/// before the envelope, and the content to put where text or elements belong.
pub(super) fn hostile(fault: Option<Fault>) -> Option<(String, String)> {
    match fault? {
        Fault::XmlBomb => {
            // Nine levels of ten: 10^9 copies of the innermost text.
            let mut doctype = String::from("<!DOCTYPE bomb [<!ENTITY b0 \"Nümunə\">");
            for level in 1..=9 {
                let below = format!("&b{};", level - 1).repeat(10);
                doctype.push_str(&format!("<!ENTITY b{level} \"{below}\">"));
            }
            doctype.push_str("]>");
            Some((doctype, "&b9;".to_owned()))
        }
        Fault::ExternalEntity => Some(("<!DOCTYPE leak [<!ENTITY leak SYSTEM \"file:///etc/hostname\">]>".to_owned(), "&leak;".to_owned())),
        Fault::DeepNesting => Some((String::new(), "<x>".repeat(DEEP) + &"</x>".repeat(DEEP))),
        _ => None,
    }
}

/// How many elements or arrays [`Fault::DeepNesting`] nests.
pub(super) const DEEP: usize = 200_000;

/// `yyyy-mm-dd` as `dd.MM.yyyy`.
pub(super) fn dotted(date: jiff::civil::Date) -> String {
    format!("{:02}.{:02}.{:04}", date.day(), date.month(), date.year())
}

/// Reads `dd.MM.yyyy`.
pub(super) fn read_dotted(text: &str) -> Option<jiff::civil::Date> {
    let mut parts = text.split('.');
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    let digits = |part: &str, length: usize| part.len() == length && part.bytes().all(|b| b.is_ascii_digit());
    if parts.next().is_some() || !digits(day, 2) || !digits(month, 2) || !digits(year, 4) {
        return None;
    }
    jiff::civil::Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn dates_have_two_two_and_four_digits() {
        assert_eq!(read_dotted("14.03.1985"), Some(date(1985, 3, 14)));
        assert_eq!(dotted(date(1985, 3, 14)), "14.03.1985");
        for bad in ["1985-03-14", "14.3.1985", "30.02.1985", "14.03.85", "14.03.1985.", "+4.03.1985", ""] {
            assert_eq!(read_dotted(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_envelope_is_header_then_body() {
        let open = |inner: &str| open(format!("<e:Envelope xmlns:e='urn:soap'>{inner}</e:Envelope>").as_bytes(), "urn:soap");
        assert!(open("<e:Header/><e:Body><x/></e:Body>").is_ok_and(|message| message.body.len() == 1));
        assert_eq!(open("<e:Header/>").expect_err("no body"), EnvelopeError::NoBody);
        for bad in ["<e:Body/><e:Header/>", "<e:Body/><e:Body/>", "<e:Body>text</e:Body>", "text<e:Body/>"] {
            assert_eq!(open(bad).expect_err(bad), EnvelopeError::Form, "{bad}");
        }
    }
}
