//! What `qovsaq check` prints: every problem, each with its place, its rule and what is accepted.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::rule;

/// One problem in one data or configuration file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file, as the reader of the message would open it.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
    /// Stable name of the broken rule, such as `unknown-key`; documented in `docs/guide/check.md`.
    pub rule: &'static str,
    /// What is wrong, without a personal datum.
    pub message: String,
    /// What would be accepted.
    pub accepted: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}: {}", self.file.display(), self.line, self.column, self.rule, self.message)?;
        if self.accepted.is_empty() { Ok(()) } else { write!(f, ", accepted: {}", self.accepted) }
    }
}

/// Problems in the order they were met; sorted by place when printed.
#[derive(Debug, Default)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Adds one.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// Adds a problem about a whole file, such as one that cannot be read.
    pub fn push_file(&mut self, file: &Path, rule: &'static str, message: impl Into<String>, accepted: impl Into<String>) {
        self.push(Problem { file: file.to_path_buf(), line: 1, column: 1, rule, message: message.into(), accepted: accepted.into() });
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All problems by file, line and column, without repetitions.
    #[must_use]
    pub fn into_sorted(mut self) -> Vec<Problem> {
        self.0.sort();
        self.0.dedup();
        self.0
    }

    /// The problems met so far.
    #[must_use]
    pub fn as_slice(&self) -> &[Problem] {
        &self.0
    }

    /// Parts off what a running gateway can live with: lapsed agreements and acts, and grants that give
    /// nothing. The policy refuses or withholds by itself in each of these, so one of them must not
    /// keep every other service from starting, nor a withdrawal from taking effect.
    #[must_use]
    pub fn part_tolerable(self) -> (Self, Vec<Problem>) {
        let (tolerable, rest) = self.0.into_iter().partition(|problem| rule::TOLERABLE.contains(&problem.rule));
        (Self(rest), tolerable)
    }

    /// Takes over the problems of another list.
    pub fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}
