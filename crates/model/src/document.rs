//! A YAML file with the place of every value, so that any problem found later, by whatever rule,
//! can be printed as `file:line:column`.
//!
//! The accepted YAML is a plain subset: one document, no anchors, aliases or tags, no key twice.
//! Structure is checked against the JSON Schema generated from the Rust type, so that editors and
//! `qovsaq check` cannot disagree and every problem of a file is reported at once.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::problem::{Problem, Problems};
use crate::rule;

/// Largest data or configuration file, in bytes.
pub const FILE_BYTES_MAX: u64 = 1 << 20;
/// Deepest nesting accepted in a file.
const DEPTH_MAX: usize = 32;

/// A parsed YAML file: its JSON value and the place of each part, by JSON pointer.
#[derive(Debug)]
pub struct Document {
    /// The file it came from.
    pub path: PathBuf,
    /// The content as JSON.
    pub value: Value,
    places: HashMap<String, Place>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    key: Option<(usize, usize)>,
    value: (usize, usize),
}

impl Document {
    /// Reads and parses a file of at most [`FILE_BYTES_MAX`] bytes.
    ///
    /// # Errors
    /// One problem: unreadable, too large, not UTF-8, or not the accepted YAML.
    pub fn read(path: &Path) -> Result<Self, Problem> {
        let whole_file = |rule, message: String, accepted: &str| Problem {
            file: path.to_path_buf(),
            line: 1,
            column: 1,
            rule,
            message,
            accepted: accepted.to_owned(),
        };
        let file = std::fs::File::open(path).map_err(|error| whole_file(rule::UNREADABLE_FILE, error.to_string(), "a readable file"))?;
        let mut text = String::new();
        // Bounded while reading, not by the length the file had a moment before.
        let read = file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text);
        let size = read.map_err(|error| whole_file(rule::UNREADABLE_FILE, error.to_string(), "UTF-8 text"))?;
        if u64::try_from(size).is_ok_and(|size| size > FILE_BYTES_MAX) {
            return Err(whole_file(rule::FILE_TOO_LARGE, "the file is too large".to_owned(), "at most 1 MiB"));
        }
        Self::parse(path, &text)
    }

    /// Parses a text as the content of `path`.
    ///
    /// # Errors
    /// The first place where it is not the accepted YAML.
    pub fn parse(path: &Path, text: &str) -> Result<Self, Problem> {
        let mut reader = Reader { path, parser: Parser::new_from_str(text), places: HashMap::new() };
        let value = reader.document()?;
        Ok(Self { path: path.to_path_buf(), value, places: reader.places })
    }

    /// A problem at the value behind a JSON pointer, or at the nearest part of the file that exists.
    #[must_use]
    pub fn problem(&self, pointer: &str, rule: &'static str, message: impl Into<String>, accepted: impl Into<String>) -> Problem {
        let (line, column) = self.place(pointer).value;
        Problem { file: self.path.clone(), line, column, rule, message: message.into(), accepted: accepted.into() }
    }

    /// As [`Self::problem`], but at the key rather than at its value.
    #[must_use]
    pub fn problem_at_key(&self, pointer: &str, rule: &'static str, message: impl Into<String>, accepted: impl Into<String>) -> Problem {
        let place = self.place(pointer);
        let (line, column) = place.key.unwrap_or(place.value);
        Problem { file: self.path.clone(), line, column, rule, message: message.into(), accepted: accepted.into() }
    }

    fn place(&self, pointer: &str) -> Place {
        let mut pointer = pointer;
        loop {
            if let Some(place) = self.places.get(pointer) {
                return *place;
            }
            match pointer.rfind('/') {
                Some(cut) => pointer = pointer.split_at(cut).0,
                None => return Place { key: None, value: (1, 1) },
            }
        }
    }

    /// Checks the document against the schema of `T` and decodes it. Every structural problem is
    /// added to `problems`; `None` when there was one.
    ///
    /// # Panics
    /// When a schema generated from our own types is not a valid schema, which a test would show.
    pub fn decode<T: DeserializeOwned + JsonSchema>(&self, problems: &mut Problems) -> Option<T> {
        let schema = schemars::schema_for!(T);
        let validator = jsonschema::validator_for(schema.as_value()).expect("generated schemas are valid");
        let mut sound = true;
        for error in validator.iter_errors(&self.value) {
            sound = false;
            self.explain(&error, schema.as_value(), problems);
        }
        if !sound {
            return None;
        }
        match serde_json::from_value(self.value.clone()) {
            Ok(value) => Some(value),
            Err(error) => {
                problems.push(self.problem("", rule::WRONG_FORM, error.to_string(), "the form the schema describes"));
                None
            }
        }
    }

    fn explain(&self, error: &ValidationError<'_>, schema: &Value, problems: &mut Problems) {
        let pointer = error.instance_path().as_str().to_owned();
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
                let accepted = accepted_keys(error, schema);
                for key in unexpected {
                    let at = format!("{pointer}/{}", escape(key));
                    problems.push(self.problem_at_key(&at, rule::UNKNOWN_KEY, format!("unknown key `{key}`"), accepted.clone()));
                }
            }
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                problems.push(self.problem_at_key(
                    &pointer,
                    rule::MISSING_KEY,
                    format!("the key `{name}` is missing"),
                    format!("`{name}`"),
                ));
            }
            ValidationErrorKind::Type { kind } => {
                let accepted = match kind {
                    TypeKind::Single(kind) => kind.to_string(),
                    TypeKind::Multiple(kinds) => kinds.iter().map(|kind| kind.to_string()).collect::<Vec<_>>().join(" or "),
                };
                problems.push(self.problem(&pointer, rule::WRONG_TYPE, "a value of the wrong type", accepted));
            }
            ValidationErrorKind::Enum { options } => {
                problems.push(self.problem(&pointer, rule::UNKNOWN_WORD, "a word that is not in the list", list_words(options)));
            }
            ValidationErrorKind::Constant { expected_value } => {
                let word = expected_value.as_str().map_or_else(|| expected_value.to_string(), str::to_owned);
                problems.push(self.problem(&pointer, rule::UNKNOWN_WORD, "a word that is not in the list", word));
            }
            // Among alternatives, the one of the right kind is the one the writer meant.
            ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
                let wrong_kind = |inner: &ValidationError<'_>| {
                    matches!(inner.kind(), ValidationErrorKind::Type { .. }) && inner.instance_path().as_str() == pointer
                };
                let mut meant = context.iter().filter(|errors| !errors.is_empty() && !errors.iter().any(wrong_kind));
                if let Some(words) = constants(context) {
                    problems.push(self.problem(&pointer, rule::UNKNOWN_WORD, "a word that is not in the list", words));
                    return;
                }
                match (meant.next(), meant.next()) {
                    (Some(errors), None) => errors.iter().for_each(|inner| self.explain(inner, schema, problems)),
                    _ => {
                        let mut words: Vec<String> = context.iter().flatten().map(|inner| self.accepted(inner, schema)).collect();
                        words.sort();
                        words.dedup();
                        problems.push(self.problem(&pointer, rule::WRONG_FORM, "none of the accepted forms", words.join(" or ")));
                    }
                }
            }
            other => {
                let rule = match other {
                    ValidationErrorKind::Pattern { .. } => rule::WRONG_PATTERN,
                    ValidationErrorKind::MinItems { .. } | ValidationErrorKind::MinProperties { .. } => rule::TOO_FEW,
                    ValidationErrorKind::MaxItems { .. } | ValidationErrorKind::MaxProperties { .. } => rule::TOO_MANY,
                    _ => rule::WRONG_VALUE,
                };
                problems.push(self.problem(&pointer, rule, error.masked().to_string(), String::new()));
            }
        }
    }

    fn accepted(&self, error: &ValidationError<'_>, schema: &Value) -> String {
        match error.kind() {
            ValidationErrorKind::Type { kind: TypeKind::Single(kind) } => kind.to_string(),
            ValidationErrorKind::Enum { options } => list_words(options),
            ValidationErrorKind::Constant { expected_value } => format!("`{expected_value}`"),
            ValidationErrorKind::Required { property } => format!("an object with {}", property.as_str().unwrap_or_default()),
            ValidationErrorKind::AdditionalProperties { .. } => format!("an object with {}", accepted_keys(error, schema)),
            ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
                context.iter().flatten().map(|inner| self.accepted(inner, schema)).collect::<Vec<_>>().join(" or ")
            }
            _ => error.masked().to_string(),
        }
    }
}

/// The words of a closed list whose members each carry their own description: alternatives that ask
/// for one constant each.
fn constants(alternatives: &[Vec<ValidationError<'_>>]) -> Option<String> {
    let words = alternatives.iter().map(|errors| match errors.as_slice() {
        [only] => match only.kind() {
            ValidationErrorKind::Constant { expected_value } => expected_value.as_str().map(str::to_owned),
            ValidationErrorKind::Enum { options } => Some(list_words(options)),
            _ => None,
        },
        _ => None,
    });
    Some(words.collect::<Option<Vec<_>>>()?.join(", "))
}

fn list_words(options: &Value) -> String {
    let words = options.as_array().map(Vec::as_slice).unwrap_or_default();
    words.iter().map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned)).collect::<Vec<_>>().join(", ")
}

/// The keys an object schema accepts: the failing keyword is `…/additionalProperties`, its
/// neighbour `properties` has them.
fn accepted_keys(error: &ValidationError<'_>, schema: &Value) -> String {
    let keyword = error.schema_path().as_str();
    let parent = keyword.rfind('/').map_or("", |cut| keyword.split_at(cut).0);
    let properties = schema.pointer(&format!("{parent}/properties")).and_then(Value::as_object);
    properties.map(|keys| keys.keys().cloned().collect::<Vec<_>>().join(", ")).unwrap_or_default()
}

/// Escapes a key as a part of a JSON pointer (RFC 6901 section 3).
#[must_use]
pub fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

struct Reader<'a> {
    path: &'a Path,
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    places: HashMap<String, Place>,
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<Value, Problem> {
        let value = loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(_) => {}
                Event::StreamEnd => return Err(self.refuse(span, "the file is empty", "a mapping")),
                other => break self.node(other, span, "", None, 0)?,
            }
        };
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(value),
                (Event::DocumentStart(_), span) => return Err(self.refuse(span, "a second document", "one document in a file")),
                _ => {}
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Problem> {
        match self.parser.next() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => {
                let marker = *error.marker();
                Err(Problem {
                    file: self.path.to_path_buf(),
                    line: marker.line(),
                    column: marker.col() + 1,
                    rule: rule::YAML,
                    message: error.info().to_owned(),
                    accepted: "YAML 1.2".to_owned(),
                })
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn refuse(&self, span: Span, message: &str, accepted: &str) -> Problem {
        Problem {
            file: self.path.to_path_buf(),
            line: span.start.line().max(1),
            column: span.start.col() + 1,
            rule: rule::YAML,
            message: message.to_owned(),
            accepted: accepted.to_owned(),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, pointer: &str, key: Option<(usize, usize)>, depth: usize) -> Result<Value, Problem> {
        let value_place = (span.start.line().max(1), span.start.col() + 1);
        self.places.insert(pointer.to_owned(), Place { key, value: value_place });
        if depth > DEPTH_MAX {
            return Err(self.refuse(span, "nested too deeply", "at most 32 levels"));
        }
        match event {
            Event::Scalar(_, _, 1.., _) | Event::SequenceStart(1.., _) | Event::MappingStart(1.., _) | Event::Alias(_) => {
                Err(self.refuse(span, "anchors and aliases are not used here", "the value written out"))
            }
            Event::Scalar(_, _, _, Some(_)) | Event::SequenceStart(_, Some(_)) | Event::MappingStart(_, Some(_)) => {
                Err(self.refuse(span, "tags are not used here", "a plain value"))
            }
            Event::Scalar(text, style, _, None) => {
                Ok(if style == ScalarStyle::Plain { plain(&text) } else { Value::String(text.into_owned()) })
            }
            Event::SequenceStart(_, None) => {
                let mut items = Vec::new();
                loop {
                    let (event, span) = self.next()?;
                    if matches!(event, Event::SequenceEnd) {
                        return Ok(Value::Array(items));
                    }
                    let at = format!("{pointer}/{}", items.len());
                    items.push(self.node(event, span, &at, None, depth + 1)?);
                }
            }
            Event::MappingStart(_, None) => {
                let mut members = Map::new();
                loop {
                    let (event, span) = self.next()?;
                    let name = match event {
                        Event::MappingEnd => return Ok(Value::Object(members)),
                        Event::Scalar(text, _, 0, None) => text.into_owned(),
                        _ => return Err(self.refuse(span, "a key that is not plain text", "a text key")),
                    };
                    if members.contains_key(&name) {
                        return Err(self.refuse(span, &format!("the key `{name}` stands twice"), "each key once"));
                    }
                    let key_place = (span.start.line().max(1), span.start.col() + 1);
                    let at = format!("{pointer}/{}", escape(&name));
                    let (event, span) = self.next()?;
                    let value = self.node(event, span, &at, Some(key_place), depth + 1)?;
                    members.insert(name, value);
                }
            }
            _ => Err(self.refuse(span, "unexpected structure", "a mapping, a list or a value")),
        }
    }
}

/// YAML 1.2 core schema for plain scalars, less octal, hexadecimal and the float words: what looks
/// like anything else is text.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" => return Value::Null,
        "true" => return Value::Bool(true),
        "false" => return Value::Bool(false),
        _ => {}
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    let numeric = digits.bytes().next().is_some_and(|b| b.is_ascii_digit()) && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    // A leading zero means a code, not a number: `01` stays the text it is.
    let code = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    if numeric && !code {
        if let Ok(int) = text.parse::<i64>() {
            return Value::from(int);
        }
        if let Ok(float) = text.parse::<f64>() {
            return Value::from(float);
        }
    }
    Value::String(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Sample {
        name: String,
        count: u32,
        nested: Option<Inner>,
    }

    #[derive(Debug, serde::Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Inner {
        level: u32,
    }

    fn problems(text: &str) -> Vec<String> {
        let mut problems = Problems::default();
        match Document::parse(Path::new("x.yaml"), text) {
            Ok(document) => {
                document.decode::<Sample>(&mut problems);
            }
            Err(problem) => problems.push(problem),
        }
        problems.into_sorted().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_structural_problem_is_reported_with_its_place() {
        let found = problems("nam: x\ncount: many\nnested:\n  level: 1\n  extra: 2\n");
        assert_eq!(
            found,
            [
                "x.yaml:1:1: missing-key: the key `name` is missing, accepted: `name`",
                "x.yaml:1:1: unknown-key: unknown key `nam`, accepted: name, count, nested",
                "x.yaml:2:8: wrong-type: a value of the wrong type, accepted: integer",
                "x.yaml:5:3: unknown-key: unknown key `extra`, accepted: level",
            ]
        );
    }

    #[test]
    fn doubled_keys_anchors_and_second_documents_are_refused() {
        assert_eq!(problems("name: a\nname: b\n"), ["x.yaml:2:1: yaml: the key `name` stands twice, accepted: each key once"]);
        assert!(problems("name: &a x\n")[0].contains("anchors"));
        assert!(problems("name: a\n---\nname: b\n")[0].contains("second document"));
        assert!(problems("")[0].contains("empty"));
    }

    #[test]
    fn codes_with_a_leading_zero_stay_text() {
        let read = |text: &str| Document::parse(Path::new("x"), text).expect("parses").value;
        assert_eq!(read("[01, 1, 1.5, 2026-01-15, 1.0.0, no]"), serde_json::json!(["01", 1, 1.5, "2026-01-15", "1.0.0", "no"]));
    }
}
