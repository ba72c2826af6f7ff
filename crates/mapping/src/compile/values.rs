//! Formats and tables, and how one field's value is converted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use encoding_rs::Encoding;
use model::document::escape;
use model::{Type, Value};
use regex_lite::RegexBuilder;

use super::Check;
use crate::convert::{Conversion, Step, Table, normal};
use crate::format::{DecimalFormat, Part, Pattern};
use crate::raw::{self, Kind, MoneyUnit, Scalar, TableType, Unmapped, UnmappedWord};

const DATE: [Part; 3] = [Part::Year, Part::Month, Part::Day];
const MONTH: [Part; 2] = [Part::Year, Part::Month];
const DATETIME: [Part; 6] = [Part::Year, Part::Month, Part::Day, Part::Hour, Part::Minute, Part::Second];
const MINUTES: [Part; 5] = [Part::Year, Part::Month, Part::Day, Part::Hour, Part::Minute];
/// Largest compiled expression, in bytes.
const EXPRESSION_BYTES_MAX: usize = 64 << 10;

/// Checked formats and tables of a mapping.
#[derive(Debug)]
pub(super) struct Values {
    pub(super) decimal: DecimalFormat,
    pub(super) money: MoneyUnit,
    pub(super) date: Pattern,
    pub(super) month: Pattern,
    datetime: Option<Pattern>,
    partial_date: Vec<Pattern>,
    absent: Arc<[Box<str>]>,
    tables: BTreeMap<String, (TableType, Arc<Table>)>,
}

/// A contract's scalar, as a field or as the items of a list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scalars<'a> {
    pub(super) kind: Type,
    pub(super) codes: &'a [Box<str>],
    pub(super) optional: bool,
}

impl Values {
    pub(super) fn new(check: &mut Check<'_>) -> Self {
        let formats = &check.raw.formats;
        let date = pattern(check, "/formats/date", formats.date.as_deref().unwrap_or("yyyy-MM-dd"), &[&DATE]);
        let month = pattern(check, "/formats/month", formats.month.as_deref().unwrap_or("yyyy-MM"), &[&MONTH]);
        let datetime = formats.datetime.as_deref().map(|text| pattern(check, "/formats/datetime", text, &[&DATETIME, &MINUTES]));
        let partial = if formats.partial_date.is_empty() {
            ["yyyy-MM-dd", "yyyy-MM", "yyyy"].map(str::to_owned).to_vec()
        } else {
            formats.partial_date.clone()
        };
        let partial_date = partial
            .iter()
            .enumerate()
            .map(|(place, text)| pattern(check, &format!("/formats/partial-date/{place}"), text, &[&DATE, &MONTH, &[Part::Year]]))
            .collect();
        let absent = formats.absent.iter().map(|text| normal(text.trim_ascii()).into()).collect();
        let mut values = Self {
            decimal: decimal(check),
            money: formats.money,
            date: date.unwrap_or_else(|| iso("yyyy-MM-dd")),
            month: month.unwrap_or_else(|| iso("yyyy-MM")),
            datetime: datetime.flatten(),
            partial_date: Vec::new(),
            absent,
            tables: BTreeMap::new(),
        };
        let partial_date: Vec<Option<Pattern>> = partial_date;
        values.partial_date = partial_date.into_iter().flatten().collect();
        for (name, table) in &check.raw.tables {
            let compiled = values.table(check, name, table);
            values.tables.insert(name.clone(), (table.to, Arc::new(compiled)));
        }
        values
    }

    fn table(&self, check: &mut Check<'_>, name: &str, raw: &raw::Table) -> Table {
        let pointer = format!("/tables/{}", escape(name));
        let mut rows: Vec<(Box<str>, Value)> = Vec::new();
        for (code, target) in &raw.rows {
            let at = format!("{pointer}/rows/{}", escape(code));
            let code = normal(code.trim_ascii());
            if code.is_empty() || self.absent.iter().any(|absent| **absent == *code) {
                check.problem_at_key(&at, "unreachable-row", "this text stands for \"none\" and never reaches the table", "another code");
            }
            let value = match (raw.to, target) {
                (TableType::Bool, Scalar::Bool(value)) => Value::Bool(*value),
                (TableType::Int, Scalar::Int(number)) => Value::Int(*number),
                (TableType::Code | TableType::Text, Scalar::Text(text)) => Value::Text(normal(text).into()),
                _ => {
                    check.problem(&at, "wrong-type", "the target is not of the table's type", type_name(raw.to));
                    continue;
                }
            };
            if rows.iter().any(|(known, _)| **known == *code) {
                check.problem_at_key(&at, "doubled-row", "the code stands twice", "each code once");
            }
            rows.push((code.into(), value));
        }
        if rows.is_empty() {
            check.problem(&pointer, "too-few", "a table without rows", "at least one row");
        }
        rows.sort_by(|(left, _), (right, _)| left.cmp(right));
        Table { rows, unmapped: raw.unmapped }
    }

    /// Reports the tables that no field uses.
    pub(super) fn unused(&self, check: &mut Check<'_>, used: &BTreeSet<String>) {
        for name in self.tables.keys().filter(|name| !used.contains(*name)) {
            check.problem_at_key(&format!("/tables/{}", escape(name)), "unused-table", format!("no field uses the table `{name}`"), "");
        }
    }

    /// How a field's value is converted; every problem is reported.
    pub(super) fn conversion(&self, check: &mut Check<'_>, pointer: &str, field: &raw::Field, to: Scalars<'_>) -> Option<Conversion> {
        let Some(kind) = field.kind else {
            check.problem_at_key(pointer, "missing-type", "the field does not say its type", format!("as: {}", word(to.kind)));
            return None;
        };
        if !fits(kind, to.kind) {
            let message = "the type is not the contract's";
            check.problem(&format!("{pointer}/as"), "wrong-type", message, format!("as: {}", word(to.kind)));
            return None;
        }
        if field.optional && !to.optional {
            let message = "the contract does not let the source state none";
            check.problem(&format!("{pointer}/optional"), "wrong-optional", message, "an optional field of the contract");
        }
        let patterns = if self.is_baku_day(check, pointer, field, kind) {
            Some(vec![iso("yyyy-MM-dd")])
        } else {
            self.patterns(check, pointer, field, kind)
        };
        let steps = field.steps.iter().enumerate();
        let steps: Vec<Option<Step>> = steps.map(|(place, raw)| step(check, &format!("{pointer}/steps/{place}"), raw)).collect();
        let table = match &field.table {
            None => None,
            Some(name) => Some(self.used_table(check, pointer, name, field, to)?),
        };
        Some(Conversion {
            kind: to.kind,
            absent: Arc::clone(&self.absent),
            steps: steps.into_iter().collect::<Option<_>>()?,
            table,
            patterns: patterns?.into(),
            decimal: self.decimal,
            money: self.money,
            codes: to.codes.into(),
        })
    }

    /// Whether the field is the day of a moment, which the step gives in ISO form whatever the source's dates look like.
    fn is_baku_day(&self, check: &mut Check<'_>, pointer: &str, field: &raw::Field, kind: Kind) -> bool {
        let Some(place) = field.steps.iter().position(|step| matches!(step, raw::Step::BakuDay)) else { return false };
        if kind != Kind::Date || place + 1 != field.steps.len() {
            let accepted = "as: date, with `baku-day` as the last step";
            check.problem(&format!("{pointer}/steps/{place}"), "wrong-type", "`baku-day` gives a whole date", accepted);
        }
        if field.format.is_some() {
            check.problem_at_key(&format!("{pointer}/format"), "unused-key", "`baku-day` reads RFC 3339", "no format");
        }
        true
    }

    /// How a text is read of which nothing is known but that it is one.
    pub(super) fn plain_text(&self) -> Conversion {
        Conversion {
            kind: Type::Text,
            absent: Arc::clone(&self.absent),
            steps: Box::default(),
            table: None,
            patterns: Box::default(),
            decimal: self.decimal,
            money: self.money,
            codes: Box::default(),
        }
    }

    fn patterns(&self, check: &mut Check<'_>, pointer: &str, field: &raw::Field, kind: Kind) -> Option<Vec<Pattern>> {
        let at = format!("{pointer}/format");
        let own = field.format.as_deref();
        let one = |check: &mut Check<'_>, default: &Pattern, parts: &[&[Part]]| match own {
            Some(text) => pattern(check, &at, text, parts).map(|pattern| vec![pattern]),
            None => Some(vec![default.clone()]),
        };
        match kind {
            Kind::Date => one(check, &self.date, &[&DATE]),
            Kind::Month => one(check, &self.month, &[&MONTH]),
            Kind::Datetime => match (own, &self.datetime) {
                (Some(text), _) => pattern(check, &at, text, &[&DATETIME, &MINUTES]).map(|pattern| vec![pattern]),
                (None, default) => Some(default.iter().cloned().collect()),
            },
            Kind::PartialDate if own.is_none() => Some(self.partial_date.clone()),
            Kind::PartialDate => one(check, &self.date, &[&DATE, &MONTH, &[Part::Year]]),
            Kind::Text | Kind::Int | Kind::Decimal | Kind::Money | Kind::Bool | Kind::Code | Kind::Fraction => {
                if own.is_some() {
                    check.problem_at_key(&at, "unused-key", "only dates, months and moments have a format", "");
                }
                Some(Vec::new())
            }
        }
    }

    /// A table by its name.
    fn known_table(&self, check: &mut Check<'_>, at: &str, name: &str) -> Option<&(TableType, Arc<Table>)> {
        let found = self.tables.get(name);
        if found.is_none() {
            let known = self.tables.keys().cloned().collect::<Vec<_>>().join(", ");
            check.problem(at, "unknown-table", format!("there is no table `{name}`"), known);
        }
        found
    }

    /// A table read backwards, for a question: each of the contract's codes has exactly one on the wire, so that
    /// whatever the contract accepts can be asked and is asked in one way.
    pub(super) fn reversed(
        &self,
        check: &mut Check<'_>,
        at: &str,
        name: &str,
        kind: Type,
        codes: &[Box<str>],
    ) -> Option<Vec<(Value, Box<str>)>> {
        let (to, table) = self.known_table(check, at, name)?;
        let wanted: Vec<Value> = match (to, kind) {
            (TableType::Code, Type::Code) if !codes.is_empty() => codes.iter().cloned().map(Value::Text).collect(),
            (TableType::Bool, Type::Bool) => vec![Value::Bool(true), Value::Bool(false)],
            _ => {
                check.problem(
                    at,
                    "wrong-type",
                    format!("`{name}` cannot be read backwards here"),
                    "a table to code or bool, for such an input",
                );
                return None;
            }
        };
        let rows = format!("/tables/{}/rows", escape(name));
        let mut reversed = Vec::new();
        for value in wanted {
            let mut on_the_wire = table.rows.iter().filter(|(_, target)| *target == value).map(|(code, _)| code);
            let shown = match &value {
                Value::Text(code) => code.to_string(),
                Value::Bool(true) => "true".to_owned(),
                _ => "false".to_owned(),
            };
            match (on_the_wire.next(), on_the_wire.next()) {
                (Some(code), None) => reversed.push((value, code.clone())),
                (None, _) => {
                    let message = format!("no row gives the contract's code `{shown}`");
                    check.problem_at_key(&rows, "unreachable-code", message, "a row for each of the contract's codes");
                }
                (Some(_), Some(_)) => {
                    let message = format!("several rows give `{shown}`, and a question needs one");
                    check.problem_at_key(&rows, "ambiguous-code", message, "a table of its own for the question");
                }
            }
        }
        Some(reversed)
    }

    fn used_table(&self, check: &mut Check<'_>, pointer: &str, name: &str, field: &raw::Field, to: Scalars<'_>) -> Option<Arc<Table>> {
        let at = format!("{pointer}/table");
        let (kind, table) = self.known_table(check, &at, name)?;
        let same = matches!(
            (kind, to.kind),
            (TableType::Code, Type::Code) | (TableType::Bool, Type::Bool) | (TableType::Text, Type::Text) | (TableType::Int, Type::Int)
        );
        if !same {
            check.problem(&at, "wrong-type", format!("the table gives {}", type_name(*kind)), word(to.kind));
            return None;
        }
        if to.kind == Type::Code && !to.codes.is_empty() {
            let rows = format!("/tables/{}/rows", escape(name));
            let targets: BTreeSet<&str> = table.rows.iter().filter_map(|(_, value)| value.as_text()).collect();
            for (code, value) in &table.rows {
                if !to.codes.iter().any(|known| value.as_text() == Some(&**known)) {
                    let message = "the row's target is not one of the contract's codes";
                    check.problem(&format!("{rows}/{}", escape(code)), "unmapped-code", message, to.codes.join(", "));
                }
            }
            for code in to.codes.iter().filter(|code| !targets.contains(&***code)) {
                let message = format!("no row gives the contract's code `{code}`");
                check.problem_at_key(&rows, "unreachable-code", message, "a row for each of the contract's codes");
            }
        }
        let unmapped = format!("/tables/{}/unmapped", escape(name));
        match table.unmapped {
            Unmapped::Word(UnmappedWord::Invalid) => {}
            Unmapped::Word(UnmappedWord::Keep) if matches!(to.kind, Type::Text) || to.kind == Type::Code && to.codes.is_empty() => {}
            Unmapped::Word(UnmappedWord::Keep) => {
                check.problem(
                    &unmapped,
                    "wrong-unmapped",
                    "a kept code would not be one of the contract's",
                    "invalid, or null where optional",
                );
            }
            Unmapped::Null(()) if field.optional && to.optional => {}
            Unmapped::Null(()) => {
                check.problem(&unmapped, "wrong-unmapped", "the field that uses the table is not optional", "invalid");
            }
        }
        Some(Arc::clone(table))
    }
}

fn decimal(check: &mut Check<'_>) -> DecimalFormat {
    let raw = &check.raw.formats.decimal;
    let point = raw.point.as_deref().map_or(Some('.'), single);
    let group = raw.group.as_deref().filter(|group| !group.is_empty()).map(single);
    let good = |sign: char| !sign.is_ascii_digit() && !matches!(sign, '-' | '+');
    let sound = point.is_some_and(good) && group.is_none_or(|group| group.is_some_and(good)) && Some(point) != group;
    if !sound {
        check.problem(
            "/formats/decimal",
            "wrong-value",
            "not the signs of a number",
            "one sign each, different, no digit or sign of a number",
        );
    }
    DecimalFormat { point: point.unwrap_or('.'), group: group.flatten() }
}

fn single(text: &str) -> Option<char> {
    let mut signs = text.chars();
    signs.next().filter(|_| signs.next().is_none())
}

fn pattern(check: &mut Check<'_>, pointer: &str, text: &str, accepted: &[&[Part]]) -> Option<Pattern> {
    let pattern = Pattern::new(text).filter(|pattern| accepted.iter().any(|parts| pattern.has_exactly(parts)));
    if pattern.is_none() {
        check.problem(pointer, "wrong-format", "not a pattern of this type", "yyyy, MM, dd, HH, mm and ss, as far as the type has them");
    }
    pattern
}

/// A pattern of ISO 8601.
fn iso(text: &str) -> Pattern {
    Pattern::new(text).expect("the patterns of ISO 8601 are patterns")
}

fn step(check: &mut Check<'_>, pointer: &str, raw: &raw::Step) -> Option<Step> {
    match raw {
        raw::Step::Collapse => Some(Step::Collapse),
        raw::Step::BakuDay => Some(Step::BakuDay),
        raw::Step::Upper => Some(Step::Upper),
        raw::Step::Lower => Some(Step::Lower),
        raw::Step::Pad(pad) => {
            let with = single(&pad.with).filter(|sign| !sign.is_control());
            if with.is_none() || pad.to > 64 {
                check.problem(
                    &format!("{pointer}/pad"),
                    "wrong-value",
                    "not a length and a character",
                    "to: at most 64, with: one character",
                );
            }
            with.map(|with| Step::Pad(pad.to, with))
        }
        raw::Step::Capture(text) => {
            let expression = RegexBuilder::new(&normal(text)).size_limit(EXPRESSION_BYTES_MAX).build().ok();
            let expression = expression.filter(|expression| expression.captures_len() == 2);
            if expression.is_none() {
                check.problem(&format!("{pointer}/capture"), "wrong-expression", "not an expression with one group", "such as ^(.+) oğlu$");
            }
            expression.map(Step::Capture)
        }
        raw::Step::CodePage(pages) => {
            if pages.written == pages.read {
                check.problem(&format!("{pointer}/code-page"), "wrong-value", "nothing goes wrong within one code page", "two code pages");
            }
            Some(Step::CodePage(encoding(pages.written), encoding(pages.read)))
        }
    }
}

fn encoding(page: raw::CodePage) -> &'static Encoding {
    match page {
        raw::CodePage::Windows1251 => encoding_rs::WINDOWS_1251,
        raw::CodePage::Windows1254 => encoding_rs::WINDOWS_1254,
    }
}

/// Whether a mapping's word fits a contract's type. Identifiers are read as text; the contract checks their form.
pub(super) fn fits(kind: Kind, contract: Type) -> bool {
    match kind {
        Kind::Text => matches!(contract, Type::Text | Type::Fin | Type::Tin),
        Kind::Int => contract == Type::Int,
        Kind::Decimal => contract == Type::Decimal,
        Kind::Money => contract == Type::Money,
        Kind::Bool => contract == Type::Bool,
        Kind::Code => contract == Type::Code,
        Kind::Date => contract == Type::Date,
        Kind::Month => contract == Type::Month,
        Kind::Datetime => contract == Type::Datetime,
        Kind::PartialDate => contract == Type::PartialDate,
        Kind::Fraction => contract == Type::Fraction,
    }
}

/// The mapping's word for a contract's type.
pub(super) fn word(kind: Type) -> &'static str {
    match kind {
        Type::Text | Type::Fin | Type::Tin => "text",
        Type::Int => "int",
        Type::Decimal => "decimal",
        Type::Money => "money",
        Type::Bool => "bool",
        Type::Code => "code",
        Type::Date => "date",
        Type::Month => "month",
        Type::Datetime => "datetime",
        Type::PartialDate => "partial-date",
        Type::Fraction => "fraction",
        Type::Bytes => "bytes, which no mapping can read yet",
    }
}

fn type_name(kind: TableType) -> &'static str {
    match kind {
        TableType::Code => "code",
        TableType::Bool => "bool",
        TableType::Text => "text",
        TableType::Int => "int",
    }
}
