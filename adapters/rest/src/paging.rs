//! An answer that comes in pages, put together again. Pure; any bytes of a peer are safe.
//!
//! Nothing of an item is read here: the items' own bytes are handed on, and the mapping judges them. What the pages must
//! agree in is what makes them pages of one answer.

use std::collections::HashSet;
use std::fmt;

use adapter_core::{CallError, CallErrorKind, Received, Sent};
use bytes::Bytes;
use http::StatusCode;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::config::Paging;

/// Longest cursor, in bytes.
const CURSOR_MAX: usize = 512;

/// The pages of one answer so far. `Debug` shows how many.
pub(crate) struct Pages<'a> {
    paging: &'a Paging,
    bytes_max: usize,
    bytes: usize,
    count: usize,
    /// The first page's members in order, its list without content.
    head: Vec<(String, Option<Box<RawValue>>)>,
    /// The items, joined by commas.
    items: Vec<u8>,
    cursors: HashSet<String>,
}

impl fmt::Debug for Pages<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("count", &self.count).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

/// What a page comes to.
#[derive(Debug)]
pub(crate) enum Taken {
    /// There is another one, to be asked for by this cursor.
    Next(String),
    /// The answer is whole; or it is none in pages, and stands for itself.
    Whole(Received),
    /// The source does not know its cursor any more.
    Expired(Received),
}

impl<'a> Pages<'a> {
    /// `bytes_max` bounds all pages together.
    pub(crate) fn new(paging: &'a Paging, bytes_max: usize) -> Self {
        Self { paging, bytes_max, bytes: 0, count: 0, head: Vec::new(), items: Vec::new(), cursors: HashSet::new() }
    }

    /// Whether no page has come yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Takes what was answered for the next page. A first answer that is no page is an answer like any other; a later one
    /// must be a page, or say that the source is out of order.
    ///
    /// # Errors
    /// When the pages are not those of one answer, go round in a circle, or are too many or too large.
    pub(crate) fn take(&mut self, received: Received) -> Result<Taken, CallError> {
        let (first, status) = (self.is_empty(), received.status);
        if status != StatusCode::OK.as_u16() {
            return match status {
                _ if first => Ok(Taken::Whole(received)),
                _ if self.paging.expired == Some(status) => Ok(Taken::Expired(received)),
                429 | 500.. => Ok(Taken::Whole(received)),
                _ => Err(CallError::malformed("a later page is refused")),
            };
        }
        self.bytes = self.bytes.saturating_add(received.body.len());
        if self.bytes > self.bytes_max {
            return Err(too_large());
        }
        let text = std::str::from_utf8(&received.body).ok().map(|text| text.strip_prefix('\u{feff}').unwrap_or(text));
        let page = text.and_then(|text| serde_json::from_str::<Page<'_>>(text).ok());
        let list = page.as_ref().and_then(|page| inside(page.get(&self.paging.items)?.get()));
        let (Some(page), Some(list)) = (page, list) else {
            return if first { Ok(Taken::Whole(received)) } else { Err(CallError::malformed("a later page is none")) };
        };
        let cursor = self.cursor(&page)?;
        if first && cursor.is_none() {
            return Ok(Taken::Whole(received));
        }
        self.add(&page, list)?;
        match cursor {
            None => Ok(Taken::Whole(Received { body: self.whole(), ..received })),
            Some(_) if self.count >= self.paging.pages_max => Err(too_large()),
            Some(cursor) if self.cursors.insert(cursor.clone()) => Ok(Taken::Next(cursor)),
            Some(_) => Err(CallError::malformed("a cursor leads back to an earlier page")),
        }
    }

    fn cursor(&self, page: &Page<'_>) -> Result<Option<String>, CallError> {
        let Some(raw) = page.get(&self.paging.cursor) else { return Ok(None) };
        let refused = |_| CallError::malformed("a cursor is no text");
        let cursor: Option<String> = serde_json::from_str(raw.get()).map_err(refused)?;
        match cursor.filter(|cursor| !cursor.is_empty()) {
            Some(cursor) if cursor.len() > CURSOR_MAX => Err(CallError::malformed("a cursor is too long")),
            cursor => Ok(cursor),
        }
    }

    fn add(&mut self, page: &Page<'_>, list: &str) -> Result<(), CallError> {
        if self.is_empty() {
            let kept = page.0.iter().filter(|(name, _)| *name != self.paging.cursor);
            self.head = kept.map(|(name, raw)| (name.clone(), (*name != self.paging.items).then(|| (*raw).to_owned()))).collect();
        } else {
            let stood = |key: &str| self.head.iter().find(|(name, _)| name == key).and_then(|(_, raw)| raw.as_deref());
            let differs = |key: &&String| stood(key).map(RawValue::get) != page.get(key).map(RawValue::get);
            if self.paging.same.iter().any(|key| differs(&key)) {
                return Err(CallError::malformed("the pages are of different answers"));
            }
        }
        if !list.is_empty() {
            if !self.items.is_empty() {
                self.items.push(b',');
            }
            self.items.extend_from_slice(list.as_bytes());
        }
        self.count += 1;
        Ok(())
    }

    /// The first page with the items of all.
    fn whole(&mut self) -> Bytes {
        let mut out = vec![b'{'];
        for (place, (name, raw)) in self.head.iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            out.extend_from_slice(serde_json::Value::from(name.as_str()).to_string().as_bytes());
            out.push(b':');
            match raw {
                Some(raw) => out.extend_from_slice(raw.get().as_bytes()),
                None => {
                    out.push(b'[');
                    out.append(&mut self.items);
                    out.push(b']');
                }
            }
        }
        out.push(b'}');
        out.into()
    }
}

fn too_large() -> CallError {
    CallError::new(CallErrorKind::TooLarge, Sent::Maybe)
}

/// What stands between the brackets of a list; the parser has accepted it as a value.
fn inside(raw: &str) -> Option<&str> {
    Some(raw.strip_prefix('[')?.strip_suffix(']')?.trim_ascii())
}

/// A page's members in their order, unread; none of them twice.
struct Page<'de>(Vec<(String, &'de RawValue)>);

impl<'de> Page<'de> {
    fn get(&self, key: &str) -> Option<&'de RawValue> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, raw)| *raw)
    }
}

impl<'de> serde::Deserialize<'de> for Page<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Page<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Page<'de>, A::Error> {
                let mut members: Vec<(String, &'de RawValue)> = Vec::new();
                let mut names = HashSet::new();
                while let Some(name) = map.next_key::<String>()? {
                    // Of two equal keys parsers differ on which one counts (RFC 8259 section 4).
                    if !names.insert(name.clone()) {
                        return Err(serde::de::Error::custom("a key stands twice"));
                    }
                    members.push((name, map.next_value()?));
                }
                Ok(Page(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}
