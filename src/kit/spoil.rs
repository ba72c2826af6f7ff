//! Spoils a right answer in one place. Works on the text, so that everything else of it stays as it was
//! written: digits, blanks, prefixes.

/// The syntax of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// JSON.
    Json,
    /// XML.
    Xml,
}

/// Name of the part that [`undeclared`] adds: no contract declares it.
pub const UNDECLARED: &str = "qovsaq_undeclared";

/// Adds one part that no contract declares; none where there is no place for it.
#[must_use]
pub fn undeclared(syntax: Syntax, body: &str) -> Option<String> {
    match syntax {
        Syntax::Json => {
            let (before, after) = body.split_once('{')?;
            let comma = if after.trim_start().starts_with('}') { "" } else { "," };
            Some(format!("{before}{{\"{UNDECLARED}\":{{\"a\":[1]}}{comma}{after}"))
        }
        Syntax::Xml => {
            let end = tags(body).rfind(|tag| tag.closes && tag.name == "Body")?.start;
            // The last closing tag before that of the body is the answer's own element.
            let inner = body.get(..end)?.rfind("</")?;
            let (before, after) = body.split_at_checked(inner)?;
            Some(format!("{before}<q:{UNDECLARED} xmlns:q=\"urn:qovsaq:kit\"><q:a>1</q:a></q:{UNDECLARED}>{after}"))
        }
    }
}

/// Puts something else in the place of every value of this name; none where there is none. `structure` puts
/// an object or element where a plain value is promised, otherwise a text that is no number, date or truth value.
#[must_use]
pub fn wrong_type(syntax: Syntax, body: &str, name: &str, structure: bool) -> Option<String> {
    let mut spoilt = String::with_capacity(body.len() + 64);
    let mut rest_from = 0;
    for (start, end) in places(syntax, body, name) {
        // Places inside one that is spoilt are gone with it.
        if start < rest_from {
            continue;
        }
        spoilt.push_str(body.get(rest_from..start)?);
        spoilt.push_str(match (syntax, structure) {
            (Syntax::Json, true) => r#"{"a":{"b":1}}"#,
            (Syntax::Json, false) => r#""çox az""#,
            (Syntax::Xml, true) => r#"<q:a xmlns:q="urn:qovsaq:kit">1</q:a>"#,
            (Syntax::Xml, false) => "çox az",
        });
        rest_from = end;
    }
    spoilt.push_str(body.get(rest_from..)?);
    (rest_from > 0).then_some(spoilt)
}

/// Where the values of a name stand, as byte ranges.
fn places(syntax: Syntax, body: &str, name: &str) -> Vec<(usize, usize)> {
    match syntax {
        Syntax::Json => json_values(body, name),
        Syntax::Xml => xml_texts(body, name),
    }
}

fn json_values(body: &str, name: &str) -> Vec<(usize, usize)> {
    let key = format!("\"{name}\"");
    let mut found = Vec::new();
    for (at, _) in body.match_indices(&key) {
        let Some(after) = body.get(at + key.len()..) else { continue };
        let Some(value) = after.trim_start().strip_prefix(':').map(str::trim_start) else { continue };
        let start = body.len() - value.len();
        let mut values = serde_json::Deserializer::from_str(value).into_iter::<serde::de::IgnoredAny>();
        if values.next().is_some_and(|read| read.is_ok()) && !value.starts_with("null") {
            found.push((start, start + values.byte_offset()));
        }
    }
    found
}

fn xml_texts(body: &str, name: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut opened = None;
    for tag in tags(body).filter(|tag| tag.name == name) {
        match (tag.closes, opened) {
            (false, None) if !tag.empty => opened = Some(tag.end),
            (true, Some(start)) => {
                found.push((start, tag.start));
                opened = None;
            }
            _ => {}
        }
    }
    found
}

/// A tag of an XML text.
#[derive(Debug, Clone, Copy)]
pub struct Tag<'a> {
    /// Where its `<` stands.
    pub start: usize,
    /// Behind its `>`.
    pub end: usize,
    /// The name as it is written, with its prefix.
    pub qualified: &'a str,
    /// The name without prefix.
    pub name: &'a str,
    /// What stands behind the name.
    pub attributes: &'a str,
    /// Whether it ends an element.
    pub closes: bool,
    /// Whether it is an element by itself.
    pub empty: bool,
}

/// The tags of an XML text in order. Comments, declarations and CDATA are passed over.
pub fn tags(text: &str) -> impl DoubleEndedIterator<Item = Tag<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = text.get(at..).and_then(|rest| rest.find('<')).map(|offset| at + offset) {
        let Some(rest) = text.get(start..) else { break };
        let passed = [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>"), ("<!", ">")]
            .into_iter()
            .find_map(|(open, close)| rest.strip_prefix(open).map(|inside| (open.len(), inside.find(close), close.len())));
        if let Some((open, close, close_len)) = passed {
            let Some(close) = close else { break };
            at = start + open + close + close_len;
            continue;
        }
        let Some(length) = rest.find('>') else { break };
        let end = start + length + 1;
        let inside = text.get(start + 1..end - 1).unwrap_or_default();
        let (closes, inside) = inside.strip_prefix('/').map_or((false, inside), |inside| (true, inside));
        let (empty, inside) = inside.strip_suffix('/').map_or((false, inside), |inside| (true, inside));
        let (qualified, attributes) = inside.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((inside, ""));
        let name = qualified.rsplit(':').next().unwrap_or(qualified);
        found.push(Tag { start, end, qualified, name, attributes, closes, empty });
        at = end;
    }
    found.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    const XML: &str = "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"x\"><s:Body><a:R xmlns:a=\"u\"><!-- <a:N>9</a:N> --><a:N>1</a:N><a:E/></a:R></s:Body></s:Envelope>";

    #[test]
    fn one_place_is_spoilt_and_the_rest_stays() {
        let json = r#"{ "a" : 212.0, "b": {"a": [1, "}"]}, "c": null}"#;
        assert_eq!(wrong_type(Syntax::Json, json, "a", false).as_deref(), Some(r#"{ "a" : "çox az", "b": {"a": "çox az"}, "c": null}"#));
        assert_eq!(wrong_type(Syntax::Json, json, "c", true), None, "none is no value");
        assert_eq!(wrong_type(Syntax::Json, json, "212", true), None);
        let spoilt = wrong_type(Syntax::Xml, XML, "N", false).expect("there is one");
        assert_eq!(spoilt, XML.replace("<a:N>1<", "<a:N>çox az<"), "a comment is no value");
        assert_eq!(wrong_type(Syntax::Xml, XML, "E", true), None, "nothing stands in it");
    }

    #[test]
    fn one_part_is_added_inside_the_answer() {
        assert_eq!(undeclared(Syntax::Json, "{}").as_deref(), Some("{\"qovsaq_undeclared\":{\"a\":[1]}}"));
        assert_eq!(undeclared(Syntax::Json, "{\"a\":1}").as_deref(), Some("{\"qovsaq_undeclared\":{\"a\":[1]},\"a\":1}"));
        assert_eq!(undeclared(Syntax::Json, "[]"), None);
        let added = undeclared(Syntax::Xml, XML).expect("there is a place");
        assert!(added.contains("<a:E/><q:qovsaq_undeclared"), "{added}");
        assert_eq!(undeclared(Syntax::Xml, "<html>"), None);
    }
}
