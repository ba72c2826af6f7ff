//! Records as bytes, for sealing alone. Private to the cache, and not serde: a value leaves the process
//! through [`model::Facts::show`] or not at all.
//!
//! Every value starts with a tag and says its length before its content, so the form is unambiguous:
//! two values never have the same bytes, and no value's bytes begin another's. [`super::key`] rests on
//! that.

use model::{Decimal, Record, Value};

/// Deepest nesting of lists. Contracts nest less; what is deeper is not kept.
const DEPTH_MAX: usize = 8;

const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const INT: u8 = 3;
const DECIMAL: u8 = 4;
const TEXT: u8 = 5;
const RECORDS: u8 = 6;
const VALUES: u8 = 7;

/// Where bytes go.
pub(super) trait Sink {
    /// Takes some more.
    fn take(&mut self, bytes: &[u8]);

    /// Takes a number: seven bits a byte, the lowest first, the eighth bit telling that more follow.
    fn number(&mut self, mut number: usize) {
        while number > 0x7f {
            self.take(&[number.to_le_bytes()[0] | 0x80]);
            number >>= 7;
        }
        self.take(&[number.to_le_bytes()[0]]);
    }

    /// Takes bytes with their length before them.
    fn sized(&mut self, bytes: &[u8]) {
        self.number(bytes.len());
        self.take(bytes);
    }
}

impl Sink for Vec<u8> {
    fn take(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Counts what it is given.
struct Count(usize);

impl Sink for Count {
    fn take(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
}

/// How many bytes [`encode`] will write; none for a record that is nested too deeply to be kept.
pub(super) fn encoded_bytes(record: &Record) -> Option<usize> {
    let mut count = Count(0);
    (depth(&record.values) <= DEPTH_MAX).then(|| {
        encode(record, &mut count);
        count.0
    })
}

/// Writes a record.
pub(super) fn encode(record: &Record, out: &mut impl Sink) {
    values(&record.values, out);
}

/// Writes one value.
pub(super) fn value(value: &Value, out: &mut impl Sink) {
    match value {
        Value::Null => out.take(&[NULL]),
        Value::Bool(false) => out.take(&[FALSE]),
        Value::Bool(true) => out.take(&[TRUE]),
        Value::Int(number) => {
            out.take(&[INT]);
            out.take(&number.to_le_bytes());
        }
        Value::Decimal(decimal) => {
            out.take(&[DECIMAL]);
            out.sized(decimal.as_str().as_bytes());
        }
        Value::Text(text) => {
            out.take(&[TEXT]);
            out.sized(text.as_bytes());
        }
        Value::Records(records) => {
            out.take(&[RECORDS]);
            out.number(records.len());
            for record in records {
                values(&record.values, out);
            }
        }
        Value::Values(list) => {
            out.take(&[VALUES]);
            values(list, out);
        }
    }
}

fn values(list: &[Value], out: &mut impl Sink) {
    out.number(list.len());
    for item in list {
        value(item, out);
    }
}

fn depth(list: &[Value]) -> usize {
    let of = |value: &Value| match value {
        Value::Records(records) => 1 + records.iter().map(|record| depth(&record.values)).max().unwrap_or(0),
        Value::Values(list) => 1 + depth(list),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Decimal(_) | Value::Text(_) => 0,
    };
    list.iter().map(of).max().unwrap_or(0)
}

/// Reads a record that fills the bytes to the end. None for anything [`encode`] does not write.
pub(super) fn decode(bytes: &[u8]) -> Option<Record> {
    let mut rest = Rest(bytes);
    let values = rest.values(0)?;
    rest.0.is_empty().then_some(Record { values })
}

/// The bytes not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// A length or count of things that take a byte each at least: more than there are bytes is a lie,
    /// and nothing is allocated for it.
    fn number(&mut self) -> Option<usize> {
        let mut number = 0_usize;
        for shift in (0..usize::BITS).step_by(7) {
            let byte = self.byte()?;
            let part = usize::from(byte & 0x7f);
            number |= part.checked_shl(shift).filter(|shifted| shifted >> shift == part)?;
            if byte & 0x80 == 0 {
                return (number <= self.0.len()).then_some(number);
            }
        }
        None
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = self.number()?;
        std::str::from_utf8(self.take(length)?).ok()
    }

    fn values(&mut self, depth: usize) -> Option<Vec<Value>> {
        let count = self.number()?;
        let mut values = Vec::with_capacity(count);
        for _ in 0..count {
            values.push(self.value(depth)?);
        }
        Some(values)
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > DEPTH_MAX {
            return None;
        }
        Some(match self.byte()? {
            NULL => Value::Null,
            FALSE => Value::Bool(false),
            TRUE => Value::Bool(true),
            INT => Value::Int(i64::from_le_bytes(self.take(8)?.try_into().ok()?)),
            DECIMAL => Value::Decimal(Decimal::new(self.text()?)?),
            TEXT => Value::Text(self.text()?.into()),
            RECORDS => {
                let count = self.number()?;
                let mut records = Vec::with_capacity(count);
                for _ in 0..count {
                    records.push(Record { values: self.values(depth + 1)? });
                }
                Value::Records(records)
            }
            VALUES => Value::Values(self.values(depth + 1)?),
            _ => return None,
        })
    }
}
