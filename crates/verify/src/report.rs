//! What was found, for people and for machines.

use serde_json::{Value as Json, json};

use crate::encoding::visible;
use crate::evidence::Kind;
use crate::language::Language;
use crate::words::Says;

/// What a finding means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// It is so, as the log's key has signed.
    Proven,
    /// What no file of this kind can prove; said so that nobody takes it for proven.
    Limit,
    /// It may be so; something that would prove it is missing.
    Unproven,
    /// It is not so, or not what it should be.
    Refused,
    /// The log has signed two histories.
    Fork,
}

/// The worst of the findings; limits do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// All of it is proven.
    Proven,
    /// Something is missing.
    Unproven,
    /// Something is wrong.
    Refused,
    /// The log is convicted.
    Fork,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The part of the file, where it is not the whole.
    pub part: Option<String>,
    /// What it means.
    pub level: Level,
    /// What it is.
    pub says: Says,
}

impl Finding {
    /// A finding about a whole file.
    #[must_use]
    pub fn new(level: Level, says: Says) -> Self {
        Self { part: None, level, says }
    }

    /// The same about a part.
    #[must_use]
    pub fn of(self, part: &str) -> Self {
        Self { part: Some(part.to_owned()), ..self }
    }

    fn to_json(&self, language: Language) -> Json {
        let mut shown = json!(self.says);
        shown["level"] = json!(self.level);
        shown["text"] = json!(self.says.words(language));
        if let Some(part) = &self.part {
            shown["part"] = json!(part);
        }
        shown
    }
}

/// What was found in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileReport {
    /// Its name.
    pub file: String,
    /// What it is.
    pub kind: Kind,
    /// What was found, its limits among it where anything is proven.
    pub findings: Vec<Finding>,
}

impl FileReport {
    /// A file's findings, and what they leave open.
    #[must_use]
    pub fn new(file: &str, kind: Kind, mut findings: Vec<Finding>) -> Self {
        if findings.iter().any(|finding| finding.level == Level::Proven) {
            findings.extend(Says::limits(kind).into_iter().map(|says| Finding::new(Level::Limit, says)));
        }
        Self { file: file.to_owned(), kind, findings }
    }

    /// The worst of its findings. A file in which nothing was proven is never better than unproven.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let nothing = !self.findings.iter().any(|finding| finding.level == Level::Proven);
        let least = if nothing { Verdict::Unproven } else { Verdict::Proven };
        worst(&self.findings).max(least)
    }
}

/// What was found in all files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// File by file.
    pub files: Vec<FileReport>,
    /// What they prove of each other.
    pub together: Vec<Finding>,
}

impl Report {
    /// The worst of everything; without a file nothing is proven.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.files.iter().map(FileReport::verdict).max().unwrap_or(Verdict::Unproven).max(worst(&self.together))
    }

    /// 0 when all of it is proven, else 1.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        u8::from(self.verdict() != Verdict::Proven)
    }

    /// For machines.
    #[must_use]
    pub fn to_json(&self, language: Language) -> Json {
        let all = |findings: &[Finding]| findings.iter().map(|finding| finding.to_json(language)).collect::<Vec<_>>();
        let file =
            |file: &FileReport| json!({"file": file.file, "kind": file.kind, "verdict": file.verdict(), "findings": all(&file.findings)});
        json!({
            "verdict": self.verdict(),
            "files": self.files.iter().map(file).collect::<Vec<_>>(),
            "together": all(&self.together),
        })
    }

    /// For people, in whole sentences; ends with a newline.
    #[must_use]
    pub fn to_text(&self, language: Language) -> String {
        let mut lines = Vec::new();
        for file in &self.files {
            lines.push(format!("{}: {}", visible(&file.file), language.kind(file.kind)));
            write(&mut lines, &file.findings, language);
            lines.push(String::new());
        }
        if !self.together.is_empty() {
            lines.push(language.pick("All files together:", "Bütün fayllar birlikdə:"));
            write(&mut lines, &self.together, language);
            lines.push(String::new());
        }
        lines.push(language.verdict(self.verdict()));
        lines.join("\n") + "\n"
    }
}

/// The findings under headings, what is proven first.
fn write(lines: &mut Vec<String>, findings: &[Finding], language: Language) {
    for level in [Level::Proven, Level::Fork, Level::Refused, Level::Unproven, Level::Limit] {
        let mut of_level = findings.iter().filter(|finding| finding.level == level).peekable();
        if of_level.peek().is_some() {
            lines.push(format!("  {}", language.level(level)));
        }
        for finding in of_level {
            let part = finding.part.as_ref().map(|part| format!("{}: ", visible(part))).unwrap_or_default();
            lines.push(format!("    - {part}{}", finding.says.words(language)));
        }
    }
}

fn worst(findings: &[Finding]) -> Verdict {
    let of = |finding: &Finding| match finding.level {
        Level::Proven | Level::Limit => Verdict::Proven,
        Level::Unproven => Verdict::Unproven,
        Level::Refused => Verdict::Refused,
        Level::Fork => Verdict::Fork,
    };
    findings.iter().map(of).max().unwrap_or(Verdict::Proven)
}
