//! Wire texts for people to look at: the structure stays to be read, values become dots. What cannot
//! be told apart is hidden.

/// A wire question: an XML body, or a REST request line. Values are those it was asked with; a REST
/// path carries some of them without saying where.
pub(super) fn question(text: &str, values: &[&str]) -> String {
    if text.starts_with('<') {
        return xml(text);
    }
    let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
    let mut shown = values.iter().filter(|value| !value.is_empty()).fold(path.to_owned(), |path, value| path.replace(*value, &dots(value)));
    for (place, pair) in query.into_iter().flat_map(|query| query.split('&')).enumerate() {
        shown.push(if place == 0 { '?' } else { '&' });
        match pair.split_once('=') {
            Some((name, value)) => shown.push_str(&format!("{name}={}", dots(value))),
            None => shown.push_str(&dots(pair)),
        }
    }
    shown
}

/// A wire body of any kind.
pub(super) fn body(text: &str) -> String {
    match text.trim_start_matches('\u{feff}').trim_start().chars().next() {
        Some('<') => xml(text),
        Some('{' | '[') => json(text),
        _ => dots(text),
    }
}

/// Letters and digits become dots.
fn dots(text: &str) -> String {
    text.chars().map(|character| if character.is_alphanumeric() { '•' } else { character }).collect()
}

/// Names of elements and attributes and the namespaces stay.
fn xml(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, tag)) = rest.split_once('<') {
        shown.push_str(&dots(before));
        shown.push('<');
        let hidden =
            [("![CDATA[", "]]>"), ("!--", "-->")].into_iter().find_map(|(open, close)| Some((open, close, tag.strip_prefix(open)?)));
        rest = if let Some((open, close, inside)) = hidden {
            let (inside, after) = inside.split_once(close).unwrap_or((inside, ""));
            shown.push_str(&format!("{open}{}{close}", dots(inside)));
            after
        } else if let Some((markup, after)) = tag.split_once('>') {
            shown.push_str(&markup_without_values(markup));
            shown.push('>');
            after
        } else {
            // Cut off in the middle of a tag: nobody knows what it would have become.
            shown.push_str(&dots(tag));
            ""
        };
    }
    shown.push_str(&dots(rest));
    shown
}

/// A tag without the values of its attributes, but for namespaces and the XML declaration.
fn markup_without_values(markup: &str) -> String {
    if markup.starts_with("?xml ") {
        return markup.to_owned();
    }
    let mut shown = String::with_capacity(markup.len());
    let mut rest = markup;
    while let Some((name, quoted)) = rest.split_once(['"', '\'']) {
        let quote = if rest.strip_prefix(name).is_some_and(|rest| rest.starts_with('"')) { '"' } else { '\'' };
        let (value, after) = quoted.split_once(quote).unwrap_or((quoted, ""));
        let is_namespace = name.split_whitespace().next_back().is_some_and(|name| name.starts_with("xmlns"));
        shown.push_str(&format!("{name}{quote}{}{quote}", if is_namespace { value.to_owned() } else { dots(value) }));
        rest = after;
    }
    shown.push_str(rest);
    shown
}

/// Keys stay, unless a digit in one makes it look like a value.
fn json(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, quoted)) = rest.split_once('"') {
        shown.push_str(&dots(before));
        let mut escaped = false;
        let end = quoted.find(|character| {
            let closes = character == '"' && !escaped;
            escaped = character == '\\' && !escaped;
            closes
        });
        let (string, after) = end.map_or((quoted, ""), |end| quoted.split_at(end));
        rest = after.strip_prefix('"').unwrap_or_default();
        let is_key = rest.trim_start().starts_with(':') && !string.contains(|character: char| character.is_ascii_digit());
        shown.push_str(&format!("\"{}\"", if is_key { string.to_owned() } else { dots(string) }));
    }
    shown.push_str(&dots(rest));
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masking_hides_values_and_keeps_structure() {
        assert_eq!(body("<a:FIN>5K7QX2O</a:FIN>"), "<a:FIN>•••••••</a:FIN>");
        assert_eq!(body(r#"<a xmlns:b="urn:b:1" id="5K7">x</a>"#), r#"<a xmlns:b="urn:b:1" id="•••">•</a>"#);
        assert_eq!(body(r#"{"fin":"5K7QX2O","n":12}"#), r#"{"fin":"•••••••","n":••}"#);
        assert_eq!(question("GET /abonent/v1?fin=5K7QX2O", &["5K7QX2O"]), "GET /abonent/v1?fin=•••••••");
        assert_eq!(question("GET /abonent/v1/TEST-EL-000111/ay", &["TEST-EL-000111", ""]), "GET /abonent/v1/••••-••-••••••/ay");
    }

    #[test]
    fn no_place_shows_a_value() {
        for text in [
            "<a><![CDATA[5K7QX2O]]></a>",
            "<a><!-- 5K7QX2O --></a>",
            "<a><![CDATA[ <b>5K7QX2O",
            "<a b='5K7QX2O'/>",
            "<a b='1 > 5K7QX2O'/>",
            "<a b=\"it's 5K7QX2O\"/>",
            "<a>x > 5K7QX2O</a>",
            "<a b='x' 5K7QX2O",
            "\u{feff} <a>5K7QX2O</a>",
            r#"{"address": "Bakı, 5K7QX2O, {5K7QX2O: 5K7QX2O"}"#,
            r#"{"a": "\"5K7QX2O\": \\", "b": "5K7QX2O"}"#,
            r#"["5K7QX2O", "x", {"5K7QX2O": 1}]"#,
            r#"{"a": "5K7QX2O"#,
            "5K7QX2O: it went wrong",
        ] {
            assert!(!body(text).contains("5K7QX2O"), "{text} -> {}", body(text));
        }
        assert!(!question("GET /a?5K7QX2O&fin=5K7QX2O&x=y=5K7QX2O", &[]).contains("5K7QX2O"));
    }
}
