//! What every check of a file needs: problems at places, and the small values.

use std::path::Path;
use std::time::Duration;

use jiff::civil::Date;

use crate::contract::{Bilingual, Input, Type};
use crate::document::{Document, escape};
use crate::id::IdError;
use crate::problem::Problems;
use crate::raw;
use crate::rule;

/// Longest title or clause, in characters.
const TEXT_CHARS_MAX: usize = 500;

/// One file under check: adds problems at its places and counts those that make its content unfit.
pub(super) struct File<'a> {
    document: &'a Document,
    problems: &'a mut Problems,
    faults: usize,
}

impl<'a> File<'a> {
    pub(super) fn new(document: &'a Document, problems: &'a mut Problems) -> Self {
        Self { document, problems, faults: 0 }
    }

    /// Problems so far that make the content unfit.
    pub(super) fn faults(&self) -> usize {
        self.faults
    }

    pub(super) fn refuse(&mut self, pointer: &str, rule: &'static str, message: impl Into<String>, accepted: impl Into<String>) {
        self.faults += 1;
        self.problems.push(self.document.problem(pointer, rule, message, accepted));
    }

    pub(super) fn refuse_key(&mut self, pointer: &str, rule: &'static str, message: impl Into<String>, accepted: impl Into<String>) {
        self.faults += 1;
        self.problems.push(self.document.problem_at_key(pointer, rule, message, accepted));
    }

    /// A problem that leaves the content usable: the policy refuses by itself what has lapsed.
    pub(super) fn note(&mut self, pointer: &str, rule: &'static str, message: impl Into<String>, accepted: impl Into<String>) {
        self.problems.push(self.document.problem(pointer, rule, message, accepted));
    }

    pub(super) fn id<T>(&mut self, pointer: &str, text: &str, new: impl Fn(&str) -> Result<T, IdError>) -> Option<T> {
        new(text).map_err(|error| self.refuse(pointer, rule::WRONG_NAME, format!("not a valid {}", error.kind), error.accepted)).ok()
    }

    /// As [`Self::id`], for an identifier that is the key itself.
    pub(super) fn id_key<T>(&mut self, pointer: &str, text: &str, new: impl Fn(&str) -> Result<T, IdError>) -> Option<T> {
        new(text).map_err(|error| self.refuse_key(pointer, rule::WRONG_NAME, format!("not a valid {}", error.kind), error.accepted)).ok()
    }

    pub(super) fn text(&mut self, pointer: &str, text: &str) -> Box<str> {
        if text.trim().is_empty() {
            self.refuse(pointer, rule::EMPTY_TEXT, "the text is empty", "a text");
        } else if text.chars().count() > TEXT_CHARS_MAX {
            self.refuse(pointer, rule::OUT_OF_BOUNDS, "the text is too long", format!("at most {TEXT_CHARS_MAX} characters"));
        }
        text.into()
    }

    pub(super) fn bilingual(&mut self, pointer: &str, name: &Bilingual) {
        self.text(&format!("{pointer}/az"), &name.az);
        self.text(&format!("{pointer}/en"), &name.en);
    }

    pub(super) fn date(&mut self, pointer: &str, text: &str) -> Option<Date> {
        // jiff also reads forms that a writer of contracts does not mean.
        let date = (text.len() == 10).then(|| text.parse().ok()).flatten();
        if date.is_none() {
            self.refuse(pointer, rule::WRONG_DATE, format!("`{text}` is not a date"), "yyyy-mm-dd");
        }
        date
    }

    /// A duration of whole seconds, minutes, hours or days between two bounds, both included.
    pub(super) fn duration(&mut self, pointer: &str, text: &str, min: Duration, max: Duration) -> Duration {
        let Some(duration) = duration(text) else {
            self.refuse(
                pointer,
                rule::WRONG_DURATION,
                format!("`{text}` is not a duration"),
                "a whole number with s, m, h or d, such as 24h",
            );
            return min;
        };
        if duration < min || duration > max {
            let accepted = format!("{} s to {} s", min.as_secs(), max.as_secs());
            self.refuse(pointer, rule::OUT_OF_BOUNDS, format!("`{text}` is out of bounds"), accepted);
        }
        duration
    }

    /// Minutes from midnight, of `hh:mm`.
    pub(super) fn minute(&mut self, pointer: &str, text: &str) -> Option<u16> {
        let two =
            |digits: &str| (digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse::<u16>().ok()).flatten();
        let parsed = text.split_once(':').and_then(|(hour, minute)| Some((two(hour)?, two(minute)?)));
        let minute = parsed.filter(|(hour, minute)| *minute < 60 && hour * 60 + minute <= 24 * 60).map(|(hour, minute)| hour * 60 + minute);
        if minute.is_none() {
            self.refuse(pointer, rule::WRONG_HOURS, format!("`{text}` is not a time of day"), "hh:mm, from 00:00 to 24:00");
        }
        minute
    }

    /// The key of an input, in the envelope or the contract.
    pub(super) fn key_name(&mut self, pointer: &str, name: &str) {
        if !is_key(name) {
            self.refuse_key(pointer, rule::WRONG_NAME, format!("`{name}` is not a valid name"), KEY_RULE);
        }
    }

    pub(super) fn no_repetition<T: PartialEq>(&mut self, pointer: &str, words: &[T]) {
        for (place, word) in words.iter().enumerate() {
            if words.iter().take(place).any(|earlier| earlier == word) {
                self.refuse(&format!("{pointer}/{place}"), rule::REPEATED_WORD, "stands twice", "each once");
            }
        }
    }

    /// Least and greatest value of a whole number.
    fn range(&mut self, at: &str, input: &raw::Input) -> Option<(i64, i64)> {
        if input.min.is_none() && input.max.is_none() {
            return None;
        }
        let (min, max) = (input.min.unwrap_or(i64::MIN), input.max.unwrap_or(i64::MAX));
        if input.kind != Type::Int || min > max {
            self.refuse_key(at, rule::WRONG_RANGE, "only a whole number is bounded, the least value first", "type: int, min up to max");
        }
        Some((min, max))
    }

    /// Inputs of a service or dossier; `comes_from` is read, and resolved by the caller.
    pub(super) fn inputs(&mut self, raw: &raw::Ordered<raw::Input>) -> Vec<Input> {
        let mut inputs = Vec::with_capacity(raw.0.len());
        for (name, input) in &raw.0 {
            let at = format!("/input/{}", escape(name));
            self.key_name(&at, name);
            match input.kind {
                Type::Decimal | Type::Datetime | Type::PartialDate | Type::Bytes | Type::Fraction => {
                    let accepted = "text, fin, tin, int, money, bool, code, date, month";
                    self.refuse(&format!("{at}/type"), rule::WRONG_INPUT_TYPE, "this type is not taken as an input", accepted);
                }
                Type::Code if input.codes.is_empty() => {
                    self.refuse_key(&at, rule::CODE_WITHOUT_CODES, "a code input without codes", "codes: […]");
                }
                Type::Code => self.no_repetition(&format!("{at}/codes"), &input.codes),
                Type::Text | Type::Fin | Type::Tin | Type::Int | Type::Money | Type::Bool | Type::Date | Type::Month => {
                    if !input.codes.is_empty() {
                        self.refuse_key(&format!("{at}/codes"), rule::MISPLACED_KEY, "codes belong to the type code", "type: code");
                    }
                }
            }
            if input.list_max.is_some() && !matches!(input.kind, Type::Text | Type::Code) {
                self.refuse_key(&format!("{at}/list_max"), rule::MISPLACED_KEY, "only texts and codes are taken as a list", "text, code");
            } else if input.list_max.is_some() && input.comes_from.is_some() {
                let message = "a list cannot come from one field of an answer";
                self.refuse_key(&format!("{at}/list_max"), rule::MISPLACED_KEY, message, "comes_from or list_max, not both");
            }
            let range = self.range(&at, input);
            let comes_from = input.comes_from.as_deref().and_then(|text| {
                let parsed =
                    text.split_once('.').and_then(|(service, field)| Some((crate::ServiceId::new(service).ok()?, Box::from(field))));
                if parsed.is_none() {
                    self.refuse(&format!("{at}/comes_from"), rule::WRONG_NAME, "not an answer's field", "provider/service.field");
                }
                parsed
            });
            inputs.push(Input {
                name: name.as_str().into(),
                kind: input.kind,
                codes: boxed(&input.codes),
                list_max: input.list_max.and_then(|max| usize::try_from(max).ok()),
                required: input.need == raw::InputNeed::Required,
                comes_from,
                range,
                instances: None,
            });
        }
        inputs
    }
}

pub(super) const KEY_RULE: &str = "lower-case letters, digits and underscores, a letter first, at most 64";

/// A key of inputs and answers, such as `month_from`.
pub(super) fn is_key(text: &str) -> bool {
    text.len() <= 64
        && text.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn duration(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    Some(Duration::from_secs(number.checked_mul(seconds)?))
}

pub(super) fn boxed(words: &[String]) -> Vec<Box<str>> {
    words.iter().map(|word| word.as_str().into()).collect()
}

/// Words as a message lists them, the first twenty.
pub(super) fn words<'a>(words: impl Iterator<Item = &'a str>) -> String {
    const SHOWN: usize = 20;
    let all: Vec<_> = words.collect();
    if all.is_empty() {
        return "none is declared".to_owned();
    }
    let more = if all.len() > SHOWN { ", …" } else { "" };
    format!("{}{more}", all.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", "))
}

/// The name of the folder a file lies in.
pub(super) fn folder_name(path: &Path) -> String {
    path.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The file's name without `.yaml`.
pub(super) fn stem(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name.strip_suffix(".yaml").map(str::to_owned).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_whole_numbers_with_a_unit() {
        let seconds = |text| duration(text).map(|duration| duration.as_secs());
        assert_eq!([seconds("0s"), seconds("15m"), seconds("24h"), seconds("7d")], [Some(0), Some(900), Some(86_400), Some(604_800)]);
        for bad in ["", "s", "5", "5 s", "-5s", "5ms", "1.5h", "5ə", "99999999999999999999s", "9999999999999999999d"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }
}
