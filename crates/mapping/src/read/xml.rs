//! SOAP answers as a stream of XML events: envelope, body and fault in the same single pass.

use quick_xml::NsReader;
use quick_xml::errors::SyntaxError;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, QName, ResolveResult};

use super::ReadError;
use super::tree::{Node, Syntax};
use super::walk::{Enter, Walk};
use crate::convert::Token;

/// Namespace of SOAP 1.1 (section 3).
pub(crate) const SOAP11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
/// Namespace of SOAP 1.2 (part 1, section 5).
pub(crate) const SOAP12: &str = "http://www.w3.org/2003/05/soap-envelope";
/// Namespace of `xsi:nil` (XML Schema part 1, section 2.6).
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// Most namespaces in scope at once.
const NAMESPACES_MAX: usize = 64;

/// Walks an envelope.
///
/// # Errors
/// When it is not the promised syntax or exceeds a limit.
pub(crate) fn walk(walk: &mut Walk<'_>, body: &str) -> Result<(), ReadError> {
    let mut reader = NsReader::from_str(body);
    // An empty element then comes as a start and an end: one path through the code for both.
    reader.config_mut().expand_empty_elements = true;
    reader.resolver_mut().set_max_namespace_bindings(NAMESPACES_MAX);
    let envelope_ns = if walk.tree.syntax == Syntax::Soap12 { SOAP12 } else { SOAP11 };
    let root = &walk.tree.nodes[0];
    let stack = Vec::with_capacity(16);
    let mut envelope = Envelope {
        walk,
        reader,
        envelope_ns,
        stage: Stage::Prolog,
        depth: 0,
        nodes: 0,
        root,
        stack,
        skipped: 0,
        text: Text::Nothing,
        near: Near::default(),
    };
    envelope.run()
}

struct Envelope<'w, 'p, 'i> {
    walk: &'w mut Walk<'p>,
    reader: NsReader<&'i [u8]>,
    envelope_ns: &'static str,
    stage: Stage,
    /// Open elements, all counted.
    depth: usize,
    /// Elements so far.
    nodes: usize,
    root: &'p Node,
    /// Open known nodes of the payload.
    stack: Vec<Open<'p>>,
    /// Open elements of a part that is skipped.
    skipped: usize,
    /// Text of the innermost value.
    text: Text<'i>,
    /// The namespace resolved last.
    near: Near<'p>,
}

/// A namespace that was resolved, and for how long it holds.
///
/// An element without attributes binds nothing, so its prefix stands for what an open ancestor bound.
/// Until that ancestor can be over, and no element with attributes has come, the same prefix stands for
/// the same namespace: most elements of an answer need no resolving.
#[derive(Debug, Default)]
struct Near<'p> {
    /// Depth of the element it was resolved for; 0 holds for nothing.
    depth: usize,
    /// Its prefix; empty for none.
    prefix: String,
    /// Its namespace, as the mapping writes it.
    ns: Option<&'p str>,
}

/// Where in the envelope the walk is. `Prolog → Envelope → Body → (Payload | Fault) → Done → Epilog`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Before the envelope.
    Prolog,
    /// In the envelope, outside header and body.
    Envelope,
    /// In the body, before its one element.
    Body,
    /// In the body's one element.
    Payload,
    /// In a fault; `code` is the depth of the text that is a code, 0 for none.
    Fault {
        /// Depth of the code's element.
        code: usize,
        /// Depth of the SOAP 1.2 `Code` element.
        codes: usize,
    },
    /// In the body, after its one element.
    Done,
    /// In the envelope, after the body.
    After,
    /// After the envelope.
    Epilog,
}

struct Open<'p> {
    node: &'p Node,
    /// Where the next child is sought first: sources keep their order.
    next: usize,
    /// Whether nothing was inside so far.
    empty: bool,
    /// `xsi:nil`.
    nil: bool,
}

/// A text in pieces: borrowed while there is one piece only.
enum Text<'i> {
    Nothing,
    One(std::borrow::Cow<'i, str>),
}

impl<'i> Envelope<'_, '_, 'i> {
    fn run(&mut self) -> Result<(), ReadError> {
        loop {
            let event = match self.reader.read_event() {
                Ok(event) => event,
                Err(error) => return Err(self.malformed("XML", syntax_rule(&error))),
            };
            match event {
                Event::Start(start) => self.start(&start)?,
                Event::End(_) => self.end()?,
                Event::Text(text) => {
                    if self.wants_text() {
                        self.text.push(text.xml10_content());
                    } else {
                        self.stray(&text)?;
                    }
                }
                Event::CData(text) => {
                    if self.wants_text() {
                        self.text.push(text.xml10_content());
                    } else {
                        self.stray(&text)?;
                    }
                }
                Event::GeneralRef(reference) => {
                    // The five entities of XML 1.0 section 4.6 and character references; no entity is ever defined here.
                    let sign = match reference.resolve_char_ref() {
                        Ok(Some(sign)) if allowed(sign) => Some(sign),
                        Ok(Some(_)) | Err(_) => None,
                        Ok(None) => predefined(&reference),
                    };
                    let Some(sign) = sign else { return Err(self.malformed("XML", "entity")) };
                    let mut buffer = [0; 4];
                    if self.wants_text() {
                        self.text.push(std::borrow::Cow::Owned(sign.to_string()));
                    } else {
                        self.stray(sign.encode_utf8(&mut buffer))?;
                    }
                }
                Event::Comment(_) => {}
                Event::Decl(declaration) => {
                    let utf8 = declaration.encoding().is_none_or(|name| name.is_ok_and(|name| name.eq_ignore_ascii_case("utf-8")));
                    if self.stage != Stage::Prolog || !utf8 {
                        return Err(self.malformed("XML", if utf8 { "declaration" } else { "encoding" }));
                    }
                }
                // SOAP 1.1 section 3 forbids both; a DOCTYPE is also how bombs and file reads come in.
                Event::DocType(_) => return Err(self.malformed("XML", "doctype")),
                Event::PI(_) => return Err(self.malformed("XML", "processing-instruction")),
                Event::Empty(_) => return Err(self.malformed("XML", "syntax")),
                Event::Eof if self.stage == Stage::Epilog => return Ok(()),
                Event::Eof => return Err(self.malformed("XML", "cut-off")),
            }
        }
    }

    fn start(&mut self, start: &BytesStart<'i>) -> Result<(), ReadError> {
        self.depth += 1;
        self.nodes += 1;
        if self.depth > self.walk.limits.depth {
            return Err(ReadError::Limit { what: "levels of nesting", limit: self.walk.limits.depth });
        }
        if self.nodes > self.walk.limits.nodes {
            return Err(ReadError::Limit { what: "elements", limit: self.walk.limits.nodes });
        }
        if self.skipped > 0 {
            self.skipped += 1;
            return Ok(());
        }
        match self.stage {
            // Prolog => (Envelope | malformed)
            Stage::Prolog => {
                if !self.is_soap(start.name(), "Envelope") {
                    return Err(self.malformed("SOAP", "not-an-envelope"));
                }
                self.stage = Stage::Envelope;
            }
            // Envelope => (Envelope, skipping a header | Body | malformed)
            Stage::Envelope => {
                if self.is_soap(start.name(), "Body") {
                    self.stage = Stage::Body;
                } else if self.is_soap(start.name(), "Header") {
                    self.skipped = 1;
                } else {
                    return Err(self.malformed("SOAP", "not-an-envelope"));
                }
            }
            // Body => (Fault | Payload)
            Stage::Body => {
                if self.is_soap(start.name(), "Fault") {
                    self.walk.fault();
                    self.stage = Stage::Fault { code: 0, codes: 0 };
                } else {
                    self.stage = Stage::Payload;
                    self.stack.push(Open { node: self.root, next: 0, empty: true, nil: false });
                    self.child(start);
                }
            }
            Stage::Payload => self.child(start),
            Stage::Fault { code, codes } => self.fault_part(start, code, codes),
            // A second element in the body, a second body, a second root: which one would count?
            Stage::Done | Stage::After => return Err(self.malformed("SOAP", "second-body")),
            Stage::Epilog => return Err(self.malformed("XML", "second-root")),
        }
        Ok(())
    }

    /// An element of the payload, below the innermost open node.
    fn child(&mut self, start: &BytesStart<'i>) {
        let Some(open) = self.stack.last_mut() else { return };
        open.empty = false;
        let (parent, tree) = (open.node, self.walk.tree);
        let (local, prefix) = start.name().decompose();
        let (local, prefix) = (local.as_ref(), prefix.map_or("", |prefix| prefix.into_inner()));
        let plain = start.attributes_raw().is_empty();
        if !plain {
            self.near.depth = 0;
        }
        let count = parent.children.len();
        let mut found = None;
        for offset in 0..count {
            let place = (open.next + offset) % count;
            let child = &tree.nodes[parent.children[place]];
            if *child.name != *local {
                continue;
            }
            let ns = child.ns.as_deref();
            let same = if self.near.depth > 0 && self.near.prefix == prefix {
                self.near.ns == ns
            } else {
                let same = same_namespace(&self.reader, start.name(), ns);
                if same && plain {
                    self.near.depth = self.depth;
                    self.near.ns = ns;
                    self.near.prefix.clear();
                    self.near.prefix.push_str(prefix);
                }
                same
            };
            if same {
                found = Some((child, place));
                break;
            }
        }
        let Some((node, place)) = found else {
            self.skipped = 1;
            if parent.is_value() {
                self.walk.misshapen(parent);
            }
            return self.walk.undeclared(local);
        };
        // The same child again is as likely as the one after it; `next` starts at this one.
        open.next = place;
        match self.walk.enter(node) {
            Enter::Skip => self.skipped = 1,
            Enter::Into => {
                let nil = !plain && is_nil(&self.reader, start);
                self.stack.push(Open { node, next: 0, empty: true, nil });
                self.text = Text::Nothing;
            }
        }
    }

    /// An element inside a fault: only codes are read, nothing of a fault's text is kept.
    fn fault_part(&mut self, start: &BytesStart<'i>, code: usize, codes: usize) {
        if code > 0 {
            self.skipped = 1;
            return;
        }
        let depth = self.depth;
        self.stage = if self.walk.tree.syntax == Syntax::Soap12 {
            // Code/Value, Code/Subcode/Value, Code/Subcode/Subcode/Value … (SOAP 1.2 part 1, section 5.4.1).
            if codes == 0 && self.is_soap(start.name(), "Code") {
                Stage::Fault { code: 0, codes: depth }
            } else if codes > 0 && self.is_soap(start.name(), "Subcode") {
                Stage::Fault { code: 0, codes }
            } else if codes > 0 && self.is_soap(start.name(), "Value") {
                self.text = Text::Nothing;
                Stage::Fault { code: depth, codes }
            } else {
                self.skipped = 1;
                return;
            }
        } else if start.name().as_ref() == "faultcode" {
            self.text = Text::Nothing;
            Stage::Fault { code: depth, codes: 0 }
        } else {
            self.skipped = 1;
            return;
        };
    }

    fn end(&mut self) -> Result<(), ReadError> {
        let depth = self.depth;
        self.depth = depth.saturating_sub(1);
        if depth < self.near.depth {
            self.near.depth = 0;
        }
        if self.skipped > 0 {
            self.skipped -= 1;
            // What was skipped may be the payload's own element.
            if self.skipped == 0 && self.stage == Stage::Payload && self.stack.len() == 1 {
                self.payload_over();
            }
            return Ok(());
        }
        match self.stage {
            Stage::Payload => {
                let Some(open) = self.stack.pop() else { return Ok(()) };
                if open.node.is_value() {
                    let text = std::mem::replace(&mut self.text, Text::Nothing);
                    let text = text.as_str();
                    let empty = open.empty && text.trim_ascii().is_empty();
                    self.walk.value(open.node, if open.nil { Token::Null } else { Token::Text(text) });
                    self.walk.leave(open.node, empty);
                } else {
                    self.walk.leave(open.node, open.empty);
                }
                if self.stack.len() == 1 {
                    self.payload_over();
                }
            }
            // Fault => (Fault | Done)
            Stage::Fault { code, codes } if code == depth => {
                self.fault_code();
                self.stage = Stage::Fault { code: 0, codes };
            }
            Stage::Fault { codes, .. } if codes == depth => self.stage = Stage::Fault { code: 0, codes: 0 },
            Stage::Fault { .. } if depth == 3 => self.stage = Stage::Done,
            Stage::Fault { .. } => {}
            Stage::Body | Stage::Done => self.stage = Stage::After,
            Stage::Envelope => return Err(self.malformed("SOAP", "no-body")),
            Stage::After => self.stage = Stage::Epilog,
            Stage::Prolog | Stage::Epilog => return Err(self.malformed("XML", "syntax")),
        }
        Ok(())
    }

    fn payload_over(&mut self) {
        self.stack.clear();
        self.stage = Stage::Done;
    }

    fn fault_code(&mut self) {
        let text = std::mem::replace(&mut self.text, Text::Nothing);
        let code = QName(text.as_str().trim_ascii());
        let (local, prefix) = code.decompose();
        // An unprefixed code is in the default namespace as a qualified name, and at the same time what
        // X-Road and many SOAP 1.1 servers mean by a bare `Server.…`.
        let bare = prefix.is_none();
        let ns = match self.reader.resolver().resolve_prefix(prefix, true) {
            ResolveResult::Bound(Namespace(ns)) => Some(ns),
            ResolveResult::Unbound | ResolveResult::Unknown(_) => None,
        };
        self.walk.fault_code(ns, bare || ns == Some(self.envelope_ns), local.as_ref());
    }

    fn wants_text(&self) -> bool {
        self.skipped == 0
            && match self.stage {
                Stage::Payload => self.stack.last().is_some_and(|open| open.node.is_value()),
                Stage::Fault { code, .. } => code > 0,
                Stage::Prolog | Stage::Envelope | Stage::Body | Stage::Done | Stage::After | Stage::Epilog => false,
            }
    }

    /// Text where no value is read: blanks between elements, or something undeclared.
    fn stray(&mut self, text: &str) -> Result<(), ReadError> {
        if self.skipped > 0 || text.trim_ascii_start().is_empty() {
            return Ok(());
        }
        match self.stage {
            Stage::Payload => {
                if let Some(open) = self.stack.last_mut() {
                    open.empty = false;
                    let node = open.node;
                    if node.is_structure() {
                        self.walk.undeclared(&node.name);
                    }
                }
                Ok(())
            }
            Stage::Fault { .. } => Ok(()),
            Stage::Prolog | Stage::Epilog => Err(self.malformed("XML", "text-outside-root")),
            Stage::Envelope | Stage::Body | Stage::Done | Stage::After => Err(self.malformed("SOAP", "text-in-envelope")),
        }
    }

    fn is_soap(&self, name: QName<'_>, local: &str) -> bool {
        name.local_name().as_ref() == local && same_namespace(&self.reader, name, Some(self.envelope_ns))
    }

    fn malformed(&self, syntax: &'static str, rule: &'static str) -> ReadError {
        ReadError::Malformed { syntax, rule, at: self.reader.buffer_position() }
    }
}

impl<'i> Text<'i> {
    fn push(&mut self, piece: std::borrow::Cow<'i, str>) {
        match self {
            Self::Nothing => *self = Self::One(piece),
            Self::One(text) => text.to_mut().push_str(&piece),
        }
    }

    fn as_str(&self) -> &str {
        match self {
            Self::Nothing => "",
            Self::One(text) => text,
        }
    }
}

fn same_namespace(reader: &NsReader<&[u8]>, name: QName<'_>, wanted: Option<&str>) -> bool {
    match (reader.resolver().resolve_element(name).0, wanted) {
        (ResolveResult::Bound(Namespace(ns)), Some(wanted)) => ns == wanted,
        (ResolveResult::Unbound, None) => true,
        (ResolveResult::Bound(_) | ResolveResult::Unbound | ResolveResult::Unknown(_), _) => false,
    }
}

fn is_nil(reader: &NsReader<&[u8]>, start: &BytesStart<'_>) -> bool {
    start.attributes().with_checks(false).flatten().any(|attribute| {
        let (ns, local) = reader.resolver().resolve_attribute(attribute.key);
        local.as_ref() == "nil"
            && matches!(ns, ResolveResult::Bound(Namespace(XSI)))
            && matches!(attribute.value.trim_ascii(), "true" | "1")
    })
}

fn predefined(name: &str) -> Option<char> {
    match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "apos" => Some('\''),
        "quot" => Some('"'),
        _ => None,
    }
}

/// Characters of XML 1.0 section 2.2.
fn allowed(sign: char) -> bool {
    matches!(sign, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..)
}

fn syntax_rule(error: &quick_xml::Error) -> &'static str {
    match error {
        quick_xml::Error::Namespace(_) => "namespace",
        quick_xml::Error::IllFormed(_) => "ill-formed",
        quick_xml::Error::Encoding(_) => "encoding",
        quick_xml::Error::Syntax(SyntaxError::InvalidBangMarkup) => "syntax",
        // All the others are something still open at the end.
        quick_xml::Error::Syntax(_) => "cut-off",
        _ => "syntax",
    }
}
