//! Small trees of XML, read as strictly as a schema-aware stack reads them.
//!
//! Requests are a few kilobytes, so a tree is the plain way to check them; names are compared by
//! namespace, never by prefix.

use quick_xml::XmlVersion;
use quick_xml::escape::{escape, partial_escape, resolve_xml_entity};
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;

/// Deepest nesting accepted.
const DEPTH_MAX: usize = 32;
/// Most elements and attributes accepted.
const NODES_MAX: usize = 1_024;

/// An element.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Element {
    /// Namespace, empty where there is none.
    pub(crate) namespace: String,
    /// Name without prefix.
    pub(crate) name: String,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) children: Vec<Self>,
    /// All its own text, joined.
    pub(crate) text: String,
}

/// An attribute; namespace declarations are not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attribute {
    /// Namespace, empty where there is none.
    pub(crate) namespace: String,
    /// Name without prefix.
    pub(crate) name: String,
    pub(crate) value: String,
}

impl Element {
    pub(crate) fn is(&self, namespace: &str, name: &str) -> bool {
        self.namespace == namespace && self.name == name
    }

    pub(crate) fn attribute(&self, namespace: &str, name: &str) -> Option<&str> {
        self.attributes.iter().find(|a| a.namespace == namespace && a.name == name).map(|a| &*a.value)
    }

    /// Its text, if it holds nothing but text.
    pub(crate) fn leaf(&self) -> Option<&str> {
        self.children.is_empty().then_some(&*self.text)
    }

    /// Its children, if it holds nothing but elements.
    pub(crate) fn elements(&self) -> Option<&[Self]> {
        self.text.trim().is_empty().then_some(&*self.children)
    }
}

/// Why a document was refused. Carries none of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum XmlError {
    #[error("not UTF-8")]
    Encoding,
    #[error("not well-formed")]
    Form,
    #[error("a DOCTYPE or processing instruction, which SOAP forbids")]
    Forbidden,
    #[error("an entity that is not predefined")]
    Entity,
    #[error("an undeclared namespace prefix")]
    Prefix,
    #[error("too deep or too many elements")]
    TooMuch,
}

/// Reads one document. A byte order mark is tolerated; DOCTYPE and processing instructions are not.
pub(crate) fn read(bytes: &[u8]) -> Result<Element, XmlError> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|_| XmlError::Encoding)?;
    let mut reader = NsReader::from_str(text);
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    let mut nodes = 0;
    let mut first = true;
    loop {
        let event = reader.read_event().map_err(|_| XmlError::Form)?;
        match event {
            Event::Start(tag) => {
                if root.is_some() {
                    return Err(XmlError::Form);
                }
                open.push(element(&reader, &tag, &mut nodes)?);
                if open.len() > DEPTH_MAX {
                    return Err(XmlError::TooMuch);
                }
            }
            Event::Empty(tag) => {
                let element = element(&reader, &tag, &mut nodes)?;
                close(element, &mut open, &mut root)?;
            }
            Event::End(_) => {
                let element = open.pop().ok_or(XmlError::Form)?;
                close(element, &mut open, &mut root)?;
            }
            Event::Text(text) => add(&mut open, &text.xml10_content())?,
            Event::CData(text) if !open.is_empty() => add(&mut open, &text.xml10_content())?,
            Event::CData(_) => return Err(XmlError::Form),
            Event::GeneralRef(reference) => {
                if open.is_empty() {
                    return Err(XmlError::Form);
                }
                match reference.resolve_char_ref().map_err(|_| XmlError::Form)? {
                    Some(character) => add(&mut open, character.encode_utf8(&mut [0; 4]))?,
                    None => add(&mut open, resolve_xml_entity(&reference).ok_or(XmlError::Entity)?)?,
                }
            }
            Event::Decl(declaration) => {
                if !first {
                    return Err(XmlError::Form);
                }
                match declaration.encoding() {
                    None => {}
                    Some(Ok(name)) if name.eq_ignore_ascii_case("utf-8") => {}
                    Some(_) => return Err(XmlError::Encoding),
                }
            }
            Event::Comment(_) => {}
            Event::PI(_) | Event::DocType(_) => return Err(XmlError::Forbidden),
            Event::Eof => break,
        }
        first = false;
    }
    if open.is_empty() { root.ok_or(XmlError::Form) } else { Err(XmlError::Form) }
}

fn element(reader: &NsReader<&[u8]>, tag: &BytesStart<'_>, nodes: &mut usize) -> Result<Element, XmlError> {
    let (namespace, name) = reader.resolver().resolve_element(tag.name());
    let mut element = Element { namespace: bound(&namespace)?, name: name.as_ref().to_owned(), ..Element::default() };
    *nodes += 1;
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(|_| XmlError::Form)?;
        *nodes += 1;
        if *nodes > NODES_MAX {
            return Err(XmlError::TooMuch);
        }
        if attribute.key.as_namespace_binding().is_some() {
            continue;
        }
        let (namespace, name) = reader.resolver().resolve_attribute(attribute.key);
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|_| XmlError::Entity)?.into_owned();
        element.attributes.push(Attribute { namespace: bound(&namespace)?, name: name.as_ref().to_owned(), value });
    }
    if *nodes > NODES_MAX { Err(XmlError::TooMuch) } else { Ok(element) }
}

fn bound(namespace: &ResolveResult<'_>) -> Result<String, XmlError> {
    match namespace {
        ResolveResult::Unbound => Ok(String::new()),
        ResolveResult::Bound(namespace) => Ok(namespace.as_ref().to_owned()),
        ResolveResult::Unknown(_) => Err(XmlError::Prefix),
    }
}

fn close(element: Element, open: &mut [Element], root: &mut Option<Element>) -> Result<(), XmlError> {
    match (open.last_mut(), &root) {
        (Some(parent), _) => parent.children.push(element),
        (None, None) => *root = Some(element),
        (None, Some(_)) => return Err(XmlError::Form),
    }
    Ok(())
}

fn add(open: &mut [Element], text: &str) -> Result<(), XmlError> {
    // XML 1.0, production 2; quick-xml leaves the check to its caller.
    if text.chars().any(|c| matches!(c, '\0'..='\x08' | '\x0B' | '\x0C' | '\x0E'..='\x1F' | '\u{FFFE}' | '\u{FFFF}')) {
        return Err(XmlError::Form);
    }
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err(XmlError::Form),
    }
    Ok(())
}

/// Writes `<prefix:name>text</prefix:name>`; an empty text gives an empty pair of tags.
pub(crate) fn put(out: &mut String, name: &str, text: &str) {
    out.push('<');
    out.push_str(name);
    out.push('>');
    out.push_str(&partial_escape(text));
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

/// Writes an element again, with `prefixes` (namespace, prefix) taken as declared around it.
pub(crate) fn write(out: &mut String, element: &Element, prefixes: &[(&str, &str)]) {
    let mut declared = String::new();
    let mut attributes = String::new();
    let name = qualified(&element.namespace, &element.name, prefixes, "e", &mut declared);
    for (place, attribute) in element.attributes.iter().enumerate() {
        let name = qualified(&attribute.namespace, &attribute.name, prefixes, &format!("a{place}"), &mut declared);
        attributes.push_str(&format!(" {name}=\"{}\"", escape(&*attribute.value)));
    }
    out.push_str(&format!("<{name}{declared}{attributes}>"));
    out.push_str(&partial_escape(&*element.text));
    for child in &element.children {
        write(out, child, prefixes);
    }
    out.push_str(&format!("</{name}>"));
}

fn qualified(namespace: &str, name: &str, prefixes: &[(&str, &str)], spare: &str, declared: &mut String) -> String {
    if namespace.is_empty() {
        return name.to_owned();
    }
    if namespace == "http://www.w3.org/XML/1998/namespace" {
        return format!("xml:{name}");
    }
    if let Some((_, prefix)) = prefixes.iter().find(|(known, _)| *known == namespace) {
        return format!("{prefix}:{name}");
    }
    declared.push_str(&format!(" xmlns:{spare}=\"{}\"", escape(namespace)));
    format!("{spare}:{name}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_told_by_namespace() {
        let root = read(b"\xEF\xBB\xBF<?xml version='1.0' encoding='UTF-8'?><a:x xmlns:a='urn:1'><y xmlns='urn:2' a:z='&lt;1'>&#x259;&amp;<![CDATA[<]]></y></a:x>");
        let root = root.expect("well-formed");
        assert!(root.is("urn:1", "x"));
        let child = &root.elements().expect("elements alone")[0];
        assert_eq!((child.is("urn:2", "y"), child.leaf(), child.attribute("urn:1", "z")), (true, Some("ə&<"), Some("<1")));
    }

    #[test]
    fn what_soap_forbids_is_refused() {
        let check = |text: &str, error| assert_eq!(read(text.as_bytes()).expect_err(text), error, "{text}");
        check("<!DOCTYPE a><a/>", XmlError::Forbidden);
        check("<?php ?><a/>", XmlError::Forbidden);
        check("<a>&b;</a>", XmlError::Entity);
        check("<b:a/>", XmlError::Prefix);
        for form in [
            "",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "text<a/>",
            "<a/>text",
            "<a b='1' b='2'/>",
            "<a>&#x0;</a>",
            "<a>\u{1}</a>",
            " <?xml version='1.0'?><a/>",
        ] {
            check(form, XmlError::Form);
        }
        check("<?xml version='1.0' encoding='windows-1254'?><a/>", XmlError::Encoding);
        check(&"<a>".repeat(40), XmlError::TooMuch);
        check(&format!("<a>{}</a>", "<b/>".repeat(2_000)), XmlError::TooMuch);
        assert_eq!(read(b"<a>\xFF</a>"), Err(XmlError::Encoding));
    }

    fn tree() -> impl Strategy<Value = Element> {
        let text = "[a-zəğışçöü<>&'\" ]{0,8}";
        let namespace = prop_oneof![Just(""), Just("urn:1"), Just("urn:2"), Just("urn:known")];
        let leaf =
            (namespace, "[a-z]{1,4}", text, proptest::option::of(("[a-z]{1,4}", text))).prop_map(|(namespace, name, text, attribute)| {
                Element {
                    namespace: namespace.to_owned(),
                    name,
                    attributes: attribute
                        .map(|(name, value)| Attribute { namespace: "urn:2".to_owned(), name, value })
                        .into_iter()
                        .collect(),
                    children: Vec::new(),
                    text,
                }
            });
        leaf.prop_recursive(4, 16, 4, |inner| {
            (inner.clone(), proptest::collection::vec(inner, 0..4)).prop_map(|(mut element, children)| {
                element.children = children;
                element
            })
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_the_same(tree in tree()) {
            let mut out = String::from("<k:r xmlns:k='urn:known'>");
            write(&mut out, &tree, &[("urn:known", "k")]);
            out.push_str("</k:r>");
            prop_assert_eq!(&read(out.as_bytes()).expect("well-formed").children[0], &tree);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "[<>/!?&;a-z:='\" -]{0,60}") {
            let _either = (read(&bytes), read(text.as_bytes()));
        }
    }
}
