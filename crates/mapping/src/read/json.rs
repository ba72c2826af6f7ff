//! JSON answers, walked while they are parsed: a known key goes to its node, an unknown one is
//! skipped without being built. Numbers keep the digits that were sent.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::ReadError;
use super::tree::{Node, Opens};
use super::walk::{Enter, Walk};
use crate::convert::Token;

/// Walks a document. Nesting is bounded: known nodes by the mapping's own depth, unknown parts by the
/// parser, which skips them without recursion.
///
/// # Errors
/// When it is not JSON, has a known key twice, or exceeds a limit.
pub(crate) fn walk(walk: &mut Walk<'_>, body: &str) -> Result<(), ReadError> {
    let mut parser = serde_json::Deserializer::from_str(body);
    let root = &walk.tree.nodes[0];
    let mut state = State { walk, nodes: 0, stop: None };
    let parsed = Child { state: &mut state, node: root, in_list: false }.deserialize(&mut parser).and_then(|()| parser.end());
    if let Some(stop) = state.stop {
        return Err(stop);
    }
    parsed.map_err(|error| {
        let rule = match error.classify() {
            serde_json::error::Category::Eof => "cut-off",
            serde_json::error::Category::Io | serde_json::error::Category::Syntax | serde_json::error::Category::Data => "syntax",
        };
        malformed(body, error.line(), error.column(), rule)
    })
}

struct State<'w, 'p> {
    walk: &'w mut Walk<'p>,
    nodes: usize,
    /// Why the walk stopped, where it is not the parser's own error.
    stop: Option<ReadError>,
}

impl State<'_, '_> {
    fn count(&mut self) -> Result<(), ReadError> {
        self.nodes += 1;
        let limit = self.walk.limits.nodes;
        if self.nodes > limit { Err(ReadError::Limit { what: "keys and items", limit }) } else { Ok(()) }
    }
}

/// The value of a known key, or an item of its list.
struct Child<'s, 'w, 'p> {
    state: &'s mut State<'w, 'p>,
    node: &'p Node,
    /// Already inside the node's list: a list in a list has no meaning here.
    in_list: bool,
}

impl<'de> DeserializeSeed<'de> for Child<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let lists = matches!(self.node.opens, Opens::Plain(_)) && !self.in_list;
        if self.node.is_value() && !lists {
            let raw = <&RawValue as serde::Deserialize>::deserialize(deserializer)?;
            self.leaf(raw.get());
            return Ok(());
        }
        deserializer.deserialize_any(self)
    }
}

impl<'p> Child<'_, '_, 'p> {
    /// A value, from its text in the document.
    fn leaf(self, raw: &str) {
        let (walk, node) = (&mut *self.state.walk, self.node);
        let first = raw.bytes().next().unwrap_or_default();
        match first {
            // Null is a key without a value: it does not exist, and reads as "none".
            b'n' => return walk.value(node, Token::Null),
            b'[' | b'{' if is_empty(raw) => {
                walk.came_empty(node);
                return walk.misshapen(node);
            }
            _ => {}
        }
        if walk.enter(node) == Enter::Skip {
            return;
        }
        match first {
            b'"' => match unquote(raw) {
                Some(text) => walk.value(node, Token::Text(&text)),
                // A lone surrogate: the parser skips it, no text can hold it.
                None => walk.misshapen(node),
            },
            b't' => walk.value(node, Token::Bool(true)),
            b'f' => walk.value(node, Token::Bool(false)),
            b'[' | b'{' => walk.misshapen(node),
            _ => walk.value(node, Token::Number(raw)),
        }
        walk.leave(node, false);
    }

    fn stop<E: serde::de::Error>(state: &mut State<'_, 'p>, error: ReadError) -> E {
        state.stop = Some(error);
        E::custom("stopped")
    }

    /// A plain value where an object is promised.
    fn plain<E>(self) -> Result<(), E> {
        if self.node.is_structure() || matches!(self.node.opens, Opens::Plain(_)) {
            self.state.walk.misshapen(self.node);
        } else if self.state.walk.enter(self.node) == Enter::Into {
            self.state.walk.leave(self.node, false);
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for Child<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { state, node, .. } = self;
        // A list of plain values that came as an object.
        if matches!(node.opens, Opens::Plain(_)) {
            state.walk.misshapen(node);
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
                state.count().map_err(|error| Self::stop(state, error))?;
            }
            return Ok(());
        }
        let entered = state.walk.enter(node);
        let mut empty = true;
        let mut next = 0;
        let mut seen: u128 = 0;
        while let Some(key) = map.next_key::<Key<'de>>()? {
            empty = false;
            state.count().map_err(|error| Self::stop(state, error))?;
            let found = if entered == Enter::Into { find(state.walk, node, next, key.as_str()) } else { None };
            let Some((place, child)) = found else {
                map.next_value::<IgnoredAny>()?;
                if entered == Enter::Into {
                    state.walk.undeclared(key.as_str());
                }
                continue;
            };
            next = place + 1;
            // Of two equal keys parsers differ on which one counts (RFC 8259 section 4).
            if seen & (1 << place) != 0 {
                let error = ReadError::Malformed { syntax: "JSON", rule: "doubled-key", at: 0 };
                return Err(Self::stop(state, error));
            }
            seen |= 1 << place;
            if child.ignore {
                state.walk.enter(child);
                map.next_value::<IgnoredAny>()?;
            } else {
                map.next_value_seed(Child { state: &mut *state, node: child, in_list: false })?;
            }
        }
        if entered == Enter::Into {
            state.walk.leave(node, empty);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Self { state, node, in_list } = self;
        if in_list {
            state.walk.misshapen(node);
            while seq.next_element::<IgnoredAny>()?.is_some() {
                state.count().map_err(|error| Self::stop(state, error))?;
            }
            return Ok(());
        }
        // A list stands for its items, as repeated elements do in XML.
        let mut empty = true;
        while seq.next_element_seed(Child { state: &mut *state, node, in_list: true })?.is_some() {
            empty = false;
            state.count().map_err(|error| Self::stop(state, error))?;
        }
        if empty {
            state.walk.came_empty(node);
        }
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        // A key with null does not exist; an item that is null breaks its list.
        if self.in_list && self.node.is_structure() {
            self.state.walk.misshapen(self.node);
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.plain()
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.plain()
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        self.plain()
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.plain()
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        self.plain()
    }
}

/// The known child of this name; the one after the last is tried first, since sources keep their order.
fn find<'p>(walk: &Walk<'p>, node: &'p Node, next: usize, name: &str) -> Option<(usize, &'p Node)> {
    let count = node.children.len();
    (0..count).map(|offset| (next + offset) % count).find_map(|place| {
        let child = &walk.tree.nodes[node.children[place]];
        (*child.name == *name).then_some((place, child))
    })
}

/// A key: borrowed unless it has escapes.
enum Key<'de> {
    Borrowed(&'de str),
    Owned(String),
}

impl Key<'_> {
    fn as_str(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Owned(text) => text,
        }
    }
}

impl<'de> serde::Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key::Borrowed(text))
            }

            fn visit_str<E>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key::Owned(text.to_owned()))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// The content of a JSON string that the parser has accepted.
fn unquote(raw: &str) -> Option<std::borrow::Cow<'_, str>> {
    if raw.contains('\\') {
        return serde_json::from_str::<String>(raw).ok().map(std::borrow::Cow::Owned);
    }
    raw.strip_prefix('"')?.strip_suffix('"').map(std::borrow::Cow::Borrowed)
}

/// Whether an accepted list or object has nothing inside.
fn is_empty(raw: &str) -> bool {
    let inside = raw.strip_prefix(['[', '{']).and_then(|rest| rest.strip_suffix([']', '}']));
    inside.is_some_and(|inside| inside.trim_ascii().is_empty())
}

fn malformed(body: &str, line: usize, column: usize, rule: &'static str) -> ReadError {
    let before: usize = body.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let at = u64::try_from(before + column).unwrap_or(u64::MAX);
    ReadError::Malformed { syntax: "JSON", rule, at }
}
