//! Lexical forms: date patterns, decimals, the case rules of Azerbaijani. Pure, total, exact.

use std::borrow::Cow;

use jiff::civil::{Date, DateTime};

use crate::raw;

/// A pattern of a date, month or moment: fixed-width digits and signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    tokens: Vec<Token>,
    text: Box<str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Part(Part),
    Sign(char),
}

/// A part of a date or moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

/// Numbers read by a pattern, by [`Part`]; 0 or 1 where the pattern has none.
#[derive(Debug, Clone, Copy)]
struct Parts {
    year: i16,
    month: i8,
    day: i8,
    hour: i8,
    minute: i8,
    second: i8,
}

const PARTS: [(&str, Part); 6] =
    [("yyyy", Part::Year), ("MM", Part::Month), ("dd", Part::Day), ("HH", Part::Hour), ("mm", Part::Minute), ("ss", Part::Second)];

impl Pattern {
    /// Parses a pattern: each part at most once, no other letters or digits.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let mut tokens = Vec::new();
        let mut rest = text;
        'next: while let Some(sign) = rest.chars().next() {
            for (word, part) in PARTS {
                if let Some(after) = rest.strip_prefix(word) {
                    if tokens.contains(&Token::Part(part)) {
                        return None;
                    }
                    tokens.push(Token::Part(part));
                    rest = after;
                    continue 'next;
                }
            }
            // `T` stands between date and time in ISO 8601; any other letter is a misspelt part.
            if sign.is_alphanumeric() && sign != 'T' {
                return None;
            }
            tokens.push(Token::Sign(sign));
            rest = rest.strip_prefix(sign)?;
        }
        Some(Self { tokens, text: text.into() })
    }

    /// The pattern as written.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the pattern has exactly these parts, in whatever order.
    pub(crate) fn has_exactly(&self, parts: &[Part]) -> bool {
        let mut own: Vec<Part> =
            self.tokens.iter().filter_map(|token| if let Token::Part(part) = token { Some(*part) } else { None }).collect();
        own.sort_unstable();
        own == parts
    }

    fn parse(&self, text: &str) -> Option<Parts> {
        let mut parts = Parts { year: 0, month: 1, day: 1, hour: 0, minute: 0, second: 0 };
        let mut rest = text;
        for token in &self.tokens {
            match *token {
                Token::Sign(sign) => rest = rest.strip_prefix(sign)?,
                Token::Part(Part::Year) => parts.year = digits(&mut rest, 4)?,
                Token::Part(part) => {
                    let number = i8::try_from(digits(&mut rest, 2)?).ok()?;
                    match part {
                        Part::Year => return None,
                        Part::Month => parts.month = number,
                        Part::Day => parts.day = number,
                        Part::Hour => parts.hour = number,
                        Part::Minute => parts.minute = number,
                        Part::Second => parts.second = number,
                    }
                }
            }
        }
        rest.is_empty().then_some(parts)
    }

    /// Reads a date; a pattern without a day reads the first of the month.
    pub(crate) fn read_date(&self, text: &str) -> Option<Date> {
        let parts = self.parse(text)?;
        Date::new(parts.year, parts.month, parts.day).ok()
    }

    /// Reads a moment without offset.
    pub(crate) fn read_datetime(&self, text: &str) -> Option<DateTime> {
        let parts = self.parse(text)?;
        DateTime::new(parts.year, parts.month, parts.day, parts.hour, parts.minute, parts.second, 0).ok()
    }

    /// Writes a date.
    pub(crate) fn write_date(&self, date: Date) -> String {
        let mut out = String::with_capacity(self.text.len());
        for token in &self.tokens {
            match token {
                Token::Sign(sign) => out.push(*sign),
                Token::Part(Part::Year) => push_year(&mut out, date.year()),
                Token::Part(Part::Month) => push_two(&mut out, date.month()),
                Token::Part(Part::Day) => push_two(&mut out, date.day()),
                Token::Part(Part::Hour | Part::Minute | Part::Second) => push_two(&mut out, 0),
            }
        }
        out
    }

    /// The ISO form of what a text states to the precision of this pattern: `yyyy`, `yyyy-MM` or `yyyy-MM-dd`.
    pub(crate) fn read_partial(&self, text: &str) -> Option<String> {
        let date = self.read_date(text)?;
        let has = |part| self.tokens.contains(&Token::Part(part));
        Some(match (has(Part::Month), has(Part::Day)) {
            (_, true) => iso_date(date),
            (true, false) => iso_month(date),
            (false, false) => format!("{:04}", date.year()),
        })
    }
}

fn digits(rest: &mut &str, count: usize) -> Option<i16> {
    let (digits, after) = rest.split_at_checked(count)?;
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    *rest = after;
    digits.parse().ok()
}

/// `yyyy-MM-dd`, in exactly its room: formatting through `fmt`, or growing, costs more than the whole date.
pub(crate) fn iso_date(date: Date) -> String {
    let mut out = String::with_capacity(10);
    push_month(&mut out, date);
    out.push('-');
    push_two(&mut out, date.day());
    out
}

/// `yyyy-MM`.
pub(crate) fn iso_month(date: Date) -> String {
    let mut out = String::with_capacity(7);
    push_month(&mut out, date);
    out
}

fn push_month(out: &mut String, date: Date) {
    push_year(out, date.year());
    out.push('-');
    push_two(out, date.month());
}

fn push_year(out: &mut String, year: i16) {
    let year = year.unsigned_abs();
    for scale in [1000, 100, 10, 1] {
        push_figure(out, year / scale % 10);
    }
}

fn push_two(out: &mut String, number: i8) {
    let number = u16::from(number.unsigned_abs());
    push_figure(out, number / 10);
    push_figure(out, number % 10);
}

fn push_figure(out: &mut String, figure: u16) {
    out.push(char::from_digit(u32::from(figure), 10).unwrap_or('?'));
}

/// Signs inside numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DecimalFormat {
    /// Between whole and fraction.
    pub(crate) point: char,
    /// Between groups of three digits.
    pub(crate) group: Option<char>,
}

impl DecimalFormat {
    /// The signs of JSON and of `xsd:decimal`.
    pub(crate) const PLAIN: Self = Self { point: '.', group: None };
}

/// A number's parts: sign, whole digits without leading zeros, fraction digits as they stand.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Number<'a> {
    pub(crate) negative: bool,
    pub(crate) whole: Cow<'a, str>,
    pub(crate) fraction: &'a str,
}

/// Reads `[-+]digits[point digits]`, groups allowed only as threes from the right. No exponent: a
/// source that writes one is not writing an amount, and guessing its precision is not ours.
pub(crate) fn read_number(text: &str, format: DecimalFormat) -> Option<Number<'_>> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = match unsigned.split_once(format.point) {
        Some((_, "")) => return None,
        Some((whole, fraction)) => (whole, fraction),
        None => (unsigned, ""),
    };
    let whole = match format.group {
        Some(group) if whole.contains(group) => Cow::Owned(ungroup(whole, group)?),
        _ => Cow::Borrowed(whole),
    };
    let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !all_digits(&whole) || !all_digits(fraction) {
        return None;
    }
    let whole = match whole {
        Cow::Borrowed(digits) => Cow::Borrowed(without_leading_zeros(digits)),
        Cow::Owned(digits) => Cow::Owned(without_leading_zeros(&digits).to_owned()),
    };
    let zero = &*whole == "0" && fraction.bytes().all(|b| b == b'0');
    Some(Number { negative: negative && !zero, whole, fraction })
}

fn ungroup(whole: &str, group: char) -> Option<String> {
    for (place, part) in whole.split(group).enumerate() {
        let good = if place == 0 { (1..=3).contains(&part.len()) } else { part.len() == 3 };
        if !good {
            return None;
        }
    }
    Some(whole.chars().filter(|sign| *sign != group).collect())
}

fn without_leading_zeros(digits: &str) -> &str {
    let trimmed = digits.trim_start_matches('0');
    if trimmed.is_empty() && !digits.is_empty() { "0" } else { trimmed }
}

impl Number<'_> {
    /// Whole qəpik of an amount in manat; `None` for a part of a qəpik or more than 64 bits.
    pub(crate) fn qapik(&self) -> Option<i64> {
        let (two, rest) = self.fraction.split_at_checked(2).unwrap_or((self.fraction, ""));
        if rest.bytes().any(|b| b != b'0') {
            return None;
        }
        let scale = if two.len() == 1 { 10 } else { 1 };
        let cents = if two.is_empty() { 0 } else { two.parse::<i64>().ok()? * scale };
        let whole: i64 = self.whole.parse().ok()?;
        let amount = whole.checked_mul(100)?.checked_add(cents)?;
        Some(if self.negative { -amount } else { amount })
    }

    /// A whole number; a fraction must be zeros.
    pub(crate) fn int(&self) -> Option<i64> {
        if !self.fraction.is_empty() {
            return None;
        }
        let whole: i64 = self.whole.parse().ok()?;
        Some(if self.negative { -whole } else { whole })
    }

    /// Canonical digits.
    pub(crate) fn digits(&self) -> String {
        let mut out = String::with_capacity(self.whole.len() + self.fraction.len() + 2);
        if self.negative {
            out.push('-');
        }
        out.push_str(&self.whole);
        if !self.fraction.is_empty() {
            out.push('.');
            out.push_str(self.fraction);
        }
        out
    }
}

/// Most digits of either number of a fraction.
const FRACTION_DIGITS_MAX: usize = 9;

/// Reads `n/d`, a share of a whole: 0 < n ≤ d, plain digits without leading zeros. It is kept as the source
/// states it: 2/4 of a flat are two of four parts, not one half.
pub(crate) fn read_fraction(text: &str) -> Option<&str> {
    let (part, whole) = text.split_once('/')?;
    let part = read_share(part)?;
    (part <= read_share(whole)?).then_some(text)
}

fn read_share(digits: &str) -> Option<u32> {
    let formed = digits.len() <= FRACTION_DIGITS_MAX && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    digits.parse().ok().filter(|_| formed)
}

/// Writes qəpik as manat with two decimals, or as they are.
pub(crate) fn write_money(qapik: i64, unit: raw::MoneyUnit, format: DecimalFormat) -> String {
    match unit {
        raw::MoneyUnit::Qapik => qapik.to_string(),
        raw::MoneyUnit::Azn => {
            let sign = if qapik < 0 { "-" } else { "" };
            let amount = qapik.unsigned_abs();
            format!("{sign}{}{}{:02}", amount / 100, format.point, amount % 100)
        }
    }
}

/// Capital letters by the rules of Azerbaijani.
pub(crate) fn upper(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            'i' => out.push('İ'),
            'ı' => out.push('I'),
            other => out.extend(other.to_uppercase()),
        }
    }
    out
}

/// Small letters by the rules of Azerbaijani.
pub(crate) fn lower(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            'I' => out.push('ı'),
            'İ' => out.push('i'),
            other => out.extend(other.to_lowercase()),
        }
    }
    out
}

/// One blank for every run of white space.
pub(crate) fn collapse(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_read_what_they_say_and_nothing_near_it() {
        let pattern = Pattern::new("dd.MM.yyyy").expect("a pattern");
        assert_eq!(pattern.read_date("14.03.1985").map(iso_date).as_deref(), Some("1985-03-14"));
        for bad in ["", "14.3.1985", "31.02.2024", "14.03.19855", "14-03-1985", " 14.03.1985", "+4.03.1985", "14.03.١٩٨٥", "00.00.1985"]
        {
            assert!(pattern.read_date(bad).is_none(), "{bad}");
        }
        for bad in ["dd.mm.yyyy.dd", "DD.MM.yyyy", "yy", "d.M.yyyy"] {
            assert!(Pattern::new(bad).is_none(), "{bad}");
        }
        assert!(pattern.has_exactly(&[Part::Year, Part::Month, Part::Day]) && !pattern.has_exactly(&[Part::Year, Part::Month]));
    }

    #[test]
    fn partial_dates_keep_their_precision() {
        let read = |pattern: &str, text: &str| Pattern::new(pattern).expect("a pattern").read_partial(text);
        assert_eq!(read("yyyy", "1931").as_deref(), Some("1931"));
        assert_eq!(read("MM.yyyy", "05.1931").as_deref(), Some("1931-05"));
        assert_eq!(read("dd.MM.yyyy", "09.05.1931").as_deref(), Some("1931-05-09"));
    }

    #[test]
    fn amounts_are_exact_or_refused() {
        let comma = DecimalFormat { point: ',', group: Some(' ') };
        let qapik = |text: &str, format| read_number(text, format).and_then(|number| number.qapik());
        for (text, format, expected) in [
            ("400.00", DecimalFormat::PLAIN, Some(40_000)),
            ("19.08", DecimalFormat::PLAIN, Some(1_908)),
            ("0.5", DecimalFormat::PLAIN, Some(50)),
            ("7", DecimalFormat::PLAIN, Some(700)),
            ("-0.00", DecimalFormat::PLAIN, Some(0)),
            ("-12.30", DecimalFormat::PLAIN, Some(-1_230)),
            ("19.0800", DecimalFormat::PLAIN, Some(1_908)),
            ("19.081", DecimalFormat::PLAIN, None),
            ("1e2", DecimalFormat::PLAIN, None),
            ("1,5", DecimalFormat::PLAIN, None),
            (".5", DecimalFormat::PLAIN, None),
            ("5.", DecimalFormat::PLAIN, None),
            ("", DecimalFormat::PLAIN, None),
            ("--1", DecimalFormat::PLAIN, None),
            ("92233720368547758.07", DecimalFormat::PLAIN, Some(i64::MAX)),
            ("92233720368547758.08", DecimalFormat::PLAIN, None),
            ("45 000,00", comma, Some(4_500_000)),
            ("1 45 000,00", comma, None),
            ("45 00,00", comma, None),
            ("45000,00", comma, Some(4_500_000)),
            ("7.98", comma, None),
        ] {
            assert_eq!(qapik(text, format), expected, "{text}");
        }
    }

    #[test]
    fn a_share_is_a_part_of_the_whole() {
        for good in ["1/2", "2/4", "1/1", "7/7", "123456789/999999999"] {
            assert_eq!(read_fraction(good), Some(good));
        }
        for bad in [
            "",
            "1",
            "/",
            "1/",
            "/2",
            "0/2",
            "0/0",
            "1/0",
            "3/2",
            "01/2",
            "1/02",
            "1/2/3",
            "1 / 2",
            "-1/2",
            "+1/2",
            "1/-2",
            "1.0/2",
            "½",
            "1⁄2",
            "١/٢",
            "1/1234567890",
            "1234567890/1234567890",
        ] {
            assert_eq!(read_fraction(bad), None, "{bad}");
        }
    }

    #[test]
    fn azerbaijani_letters_change_case_by_their_own_rules() {
        assert_eq!(upper("sınaqlı iş"), "SINAQLI İŞ");
        assert_eq!(lower("SINAQLI İŞ"), "sınaqlı iş");
        assert_eq!(collapse("  a\t b\n\nc "), "a b c");
    }

    proptest! {
        #[test]
        fn money_there_and_back(qapik in -i64::MAX..=i64::MAX, comma in any::<bool>()) {
            let format = DecimalFormat { point: if comma { ',' } else { '.' }, group: None };
            let text = write_money(qapik, raw::MoneyUnit::Azn, format);
            prop_assert_eq!(read_number(&text, format).and_then(|number| number.qapik()), Some(qapik));
        }

        #[test]
        fn shares_are_read_exactly_where_they_are_parts(part in 0u32..=1_100_000_000, whole in 0u32..=1_100_000_000) {
            let text = format!("{part}/{whole}");
            prop_assert_eq!(read_fraction(&text).is_some(), 0 < part && part <= whole && whole < 1_000_000_000, "{}", text);
        }

        #[test]
        fn dates_there_and_back(year in 1i16..=9999, month in 1i8..=12, day in 1i8..=28) {
            let date = Date::new(year, month, day).expect("a date");
            for pattern in ["dd.MM.yyyy", "yyyyMMdd", "yyyy-MM-dd"] {
                let pattern = Pattern::new(pattern).expect("a pattern");
                prop_assert_eq!(pattern.read_date(&pattern.write_date(date)), Some(date));
            }
            prop_assert_eq!(iso_date(date), date.to_string());
        }

        #[test]
        fn no_text_breaks_the_readers(text in "\\PC{0,40}") {
            for pattern in ["dd.MM.yyyy", "yyyyMMdd", "MM/yyyy"] {
                Pattern::new(pattern).expect("a pattern").read_partial(&text);
            }
            prop_assert!(read_fraction(&text).is_none_or(|read| read == text));
            if let Some(number) = read_number(&text, DecimalFormat { point: ',', group: Some(' ') }) {
                prop_assert!(model::Decimal::new(&number.digits()).is_some() || number.digits().len() > 39);
            }
        }
    }
}
