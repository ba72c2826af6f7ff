//! One wire value to one canonical value: trim, absent texts, steps, table, type, contract.

use std::borrow::Cow;
use std::sync::Arc;

use encoding_rs::Encoding;
use jiff::Timestamp;
use model::{Decimal, Profile, Type, Value};
use regex_lite::Regex;
use unicode_normalization::{UnicodeNormalization as _, is_nfc_quick};

use crate::format::{self, DecimalFormat, Pattern};
use crate::raw::{MoneyUnit, Unmapped, UnmappedWord};

/// Longest canonical text, in characters (`model::Type::Text`).
const TEXT_CHARS_MAX: usize = 4_096;

/// Why a value is flagged: its table does not know the code.
const UNMAPPED: &str = "unmapped-code";
/// Why a value is flagged: a wrong code page was undone.
const RESTORED: &str = "code-page";
/// The letters of Azerbaijani beyond ASCII that a code page of one byte can hold; `ə` is in none.
const LETTERS: &str = "çğıöşüÇĞİÖŞÜ";

/// A wire value as its syntax gives it. XML has texts alone.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Token<'t> {
    /// A text, entities and escapes resolved.
    Text(&'t str),
    /// A JSON number, its digits as sent.
    Number(&'t str),
    /// A JSON truth value.
    Bool(bool),
    /// JSON null, or an element that says it is nil.
    Null,
}

/// What a wire value becomes.
#[derive(Debug, PartialEq)]
pub(crate) enum Converted {
    /// A canonical value.
    Value(Value),
    /// A canonical value with something to know about it: why, such as `unmapped-code`.
    Flagged(Value, &'static str),
    /// The source states "none".
    Absent,
}

/// How one field's values are converted.
#[derive(Debug, Clone)]
pub(crate) struct Conversion {
    /// The contract's type.
    pub(crate) kind: Type,
    /// Texts that stand for "none".
    pub(crate) absent: Arc<[Box<str>]>,
    /// Changes to the text, in order.
    pub(crate) steps: Box<[Step]>,
    /// The code table.
    pub(crate) table: Option<Arc<Table>>,
    /// Patterns of a date, month or moment, tried in order; for a moment none means RFC 3339.
    pub(crate) patterns: Box<[Pattern]>,
    /// Signs inside numbers written as text.
    pub(crate) decimal: DecimalFormat,
    /// Unit of amounts.
    pub(crate) money: MoneyUnit,
    /// The contract's codes; empty where the list is open.
    pub(crate) codes: Box<[Box<str>]>,
}

/// A change to a text.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// One blank for every run of white space.
    Collapse,
    /// Capital letters.
    Upper,
    /// Small letters.
    Lower,
    /// The day in Baku of a moment, in ISO form.
    BakuDay,
    /// The one group of an expression; linear in the text.
    Capture(Regex),
    /// Fills up on the left.
    Pad(usize, char),
    /// Undoes a wrong code page: written in the first, read in the second.
    CodePage(&'static Encoding, &'static Encoding),
}

/// A checked code table.
#[derive(Debug)]
pub(crate) struct Table {
    /// Rows by code, sorted.
    pub(crate) rows: Vec<(Box<str>, Value)>,
    /// What a code without a row does.
    pub(crate) unmapped: Unmapped,
}

impl Conversion {
    /// Converts a value under a profile.
    ///
    /// # Errors
    /// The broken rule's name.
    pub(crate) fn convert(&self, token: Token<'_>, profile: Profile) -> Result<Converted, &'static str> {
        let (mut text, is_text): (Cow<'_, str>, bool) = match token {
            Token::Null => return Ok(Converted::Absent),
            Token::Text(text) => (normal(text.trim_ascii()), true),
            Token::Number(digits) => (Cow::Borrowed(digits), false),
            Token::Bool(value) => (Cow::Borrowed(if value { "true" } else { "false" }), false),
        };
        if text.is_empty() || self.absent.iter().any(|absent| **absent == *text) {
            return Ok(Converted::Absent);
        }
        let mut restored = false;
        if !self.steps.is_empty() {
            if !is_text {
                return Err("wrong-kind");
            }
            for step in &self.steps {
                let changed = step.apply(&text)?;
                restored |= matches!(step, Step::CodePage(..)) && changed != *text;
                text = Cow::Owned(changed);
            }
            if text.is_empty() {
                return Err("empty-text");
            }
        }
        if let Some(table) = &self.table {
            return table.look_up(text);
        }
        let value = match (token, self.kind) {
            (Token::Text(_), Type::Text | Type::Code | Type::Fin | Type::Tin) => self.textual(text, profile)?,
            (Token::Bool(value), Type::Bool) => Value::Bool(value),
            (Token::Text(_), Type::Bool) => Value::Bool(xsd_boolean(&text)?),
            (Token::Text(_), Type::Int | Type::Decimal | Type::Money) => self.numeric(&text, self.decimal)?,
            (Token::Number(_), Type::Int | Type::Decimal | Type::Money) => self.numeric(&text, DecimalFormat::PLAIN)?,
            (Token::Text(_), Type::Date | Type::Month | Type::Datetime | Type::PartialDate) => self.temporal(&text)?,
            (Token::Text(_), Type::Fraction) => Value::Text(format::read_fraction(&text).ok_or("wrong-fraction")?.into()),
            // A number where a text is promised may have lost its leading zeros: it is refused.
            _ => return Err("wrong-kind"),
        };
        Ok(if restored { Converted::Flagged(value, RESTORED) } else { Converted::Value(value) })
    }

    fn textual(&self, text: Cow<'_, str>, profile: Profile) -> Result<Value, &'static str> {
        match self.kind {
            Type::Fin if !profile.accepts_fin(&text) => return Err("wrong-fin"),
            Type::Tin if !profile.accepts_tin(&text) => return Err("wrong-tin"),
            Type::Code if !self.codes.is_empty() && !self.codes.iter().any(|code| **code == *text) => return Err("unknown-code"),
            _ => {}
        }
        if text.len() > TEXT_CHARS_MAX && text.chars().count() > TEXT_CHARS_MAX {
            return Err("text-too-long");
        }
        if has_controls(&text) {
            return Err("control-character");
        }
        Ok(Value::Text(text.into()))
    }

    fn numeric(&self, text: &str, format: DecimalFormat) -> Result<Value, &'static str> {
        let number = format::read_number(text, format);
        match self.kind {
            Type::Int => number.and_then(|number| number.int()).map(Value::Int).ok_or("wrong-int"),
            Type::Money => {
                let amount = number.and_then(|number| match self.money {
                    MoneyUnit::Azn => number.qapik(),
                    MoneyUnit::Qapik => number.int(),
                });
                amount.map(Value::Int).ok_or("wrong-money")
            }
            _ => number.and_then(|number| Decimal::new(&number.digits())).map(Value::Decimal).ok_or("wrong-decimal"),
        }
    }

    fn temporal(&self, text: &str) -> Result<Value, &'static str> {
        let first = self.patterns.first();
        let (read, rule) = match self.kind {
            Type::Date => (first.and_then(|pattern| pattern.read_date(text)).map(format::iso_date), "wrong-date"),
            Type::Month => (first.and_then(|pattern| pattern.read_date(text)).map(format::iso_month), "wrong-month"),
            Type::PartialDate => (self.patterns.iter().find_map(|pattern| pattern.read_partial(text)), "wrong-date"),
            _ => (moment(text, first), "wrong-datetime"),
        };
        read.map(|iso| Value::Text(iso.into_boxed_str())).ok_or(rule)
    }
}

/// RFC 3339 in Baku. Without a pattern the source must state an offset; with one its local time must
/// have been shown by the clocks of Baku exactly once (past years had summer time).
fn moment(text: &str, pattern: Option<&Pattern>) -> Option<String> {
    let at = match pattern {
        Some(pattern) => model::time::baku().to_ambiguous_timestamp(pattern.read_datetime(text)?).unambiguous().ok()?,
        None => instant(text)?,
    };
    Some(model::time::rfc3339(at))
}

/// A moment of RFC 3339, which states its offset and, unlike what jiff reads besides, no zone in brackets.
fn instant(text: &str) -> Option<Timestamp> {
    if text.contains('[') { None } else { text.parse().ok() }
}

/// Whether a text has a control character other than line ends and tabulators. Nearly every text is
/// ASCII, where bytes tell it faster than characters.
fn has_controls(text: &str) -> bool {
    let ascii = text.bytes().any(|b| b.is_ascii_control() && !matches!(b, b'\n' | b'\t'));
    ascii || !text.is_ascii() && text.chars().any(|sign| !sign.is_ascii() && sign.is_control())
}

fn xsd_boolean(text: &str) -> Result<bool, &'static str> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err("wrong-bool"),
    }
}

/// NFC, without work for what already is.
pub(crate) fn normal(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_nfc_quick(text.chars()) == unicode_normalization::IsNormalized::Yes {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.nfc().collect())
    }
}

impl Step {
    fn apply(&self, text: &str) -> Result<String, &'static str> {
        Ok(match self {
            Self::Collapse => format::collapse(text),
            Self::Upper => format::upper(text),
            Self::Lower => format::lower(text),
            Self::BakuDay => format::iso_date(model::time::day(instant(text).ok_or("wrong-datetime")?)),
            Self::Capture(expression) => {
                let group = expression.captures(text).and_then(|captures| captures.get(1)).ok_or("no-match")?;
                group.as_str().to_owned()
            }
            Self::Pad(to, with) => {
                let missing = to.saturating_sub(text.chars().count());
                std::iter::repeat_n(*with, missing).chain(text.chars()).collect()
            }
            Self::CodePage(written, read) => restore(text, written, read)?,
        })
    }
}

/// Undoes a wrong code page, where every sign of it leads back to a letter of Azerbaijani. A text without a sign of
/// it is sound and stays. A letter that has become `?` or U+FFFD is lost, and what it was is nobody's to guess.
fn restore(text: &str, written: &'static Encoding, read: &'static Encoding) -> Result<String, &'static str> {
    if text.contains(['?', char::REPLACEMENT_CHARACTER]) {
        return Err("lost-letter");
    }
    let (mut sound, mut damaged) = (false, false);
    let mut restored = String::with_capacity(text.len());
    for sign in text.chars() {
        let own = sign.encode_utf8(&mut [0; 4]).to_owned();
        let (bytes, _, foreign) = read.encode(&own);
        let (was, _) = written.decode_without_bom_handling(&bytes);
        if foreign {
            sound = true;
        } else if *was != *own {
            damaged = true;
            if !was.chars().all(|letter| LETTERS.contains(letter)) {
                return Err(RESTORED);
            }
            restored.push_str(&was);
            continue;
        }
        restored.push(sign);
    }
    // Letters that the wrong code page does not have were never read in it: such a text is of two kinds.
    if sound && damaged { Err(RESTORED) } else { Ok(restored) }
}

impl Table {
    fn look_up(&self, code: Cow<'_, str>) -> Result<Converted, &'static str> {
        if let Ok(row) = self.rows.binary_search_by(|(own, _)| (**own).cmp(&code)) {
            return Ok(Converted::Value(self.rows[row].1.clone()));
        }
        match self.unmapped {
            Unmapped::Word(UnmappedWord::Invalid) => Err("unmapped-code"),
            Unmapped::Word(UnmappedWord::Keep) if code.chars().any(char::is_control) => Err("control-character"),
            Unmapped::Word(UnmappedWord::Keep) if code.chars().count() > TEXT_CHARS_MAX => Err("text-too-long"),
            Unmapped::Word(UnmappedWord::Keep) => Ok(Converted::Flagged(Value::Text(code.into()), UNMAPPED)),
            Unmapped::Null(()) => Ok(Converted::Flagged(Value::Null, UNMAPPED)),
        }
    }
}
