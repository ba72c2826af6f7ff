//! Whether a file may follow the one that is loaded. Pure.

use crate::period::Period;
use crate::refusal::{Refusal, Rule};

/// The file that is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loaded {
    /// What it is of.
    pub period: Period,
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
}

/// Judges a file by its name and its bytes' hash, before any row of it is read.
///
/// # Errors
/// Where it does not come after the loaded one.
pub fn judge(loaded: Option<Loaded>, period: Period, sha256: [u8; 32]) -> Result<(), Refusal> {
    let Some(loaded) = loaded else { return Ok(()) };
    if period == loaded.period && sha256 == loaded.sha256 {
        return Err(Refusal::new(Rule::Replayed, format!("the file of {period} is the loaded one")));
    }
    if period == loaded.period {
        return Err(Refusal::new(Rule::PeriodTwice, format!("another file of {period} is loaded")));
    }
    if period < loaded.period {
        return Err(Refusal::new(Rule::Older, format!("the file is of {period}, the loaded one of {}", loaded.period)));
    }
    Ok(())
}

/// Judges what its last row says it is of, against its name.
///
/// # Errors
/// Where it is another file under this name. What is of another day may be word for word the same: only the file's own
/// word tells one that was sent again.
pub fn judge_period(period: Period, own: Option<Period>) -> Result<(), Refusal> {
    match own {
        Some(own) if own != period => Err(Refusal::new(Rule::Replayed, format!("the file is of {own} and named as of {period}"))),
        Some(_) | None => Ok(()),
    }
}

/// Judges what its last row says it changes; `base` is none for a whole file.
///
/// # Errors
/// Where it changes another file than the loaded one.
pub fn judge_base(loaded: Option<Loaded>, base: Option<Period>) -> Result<(), Refusal> {
    match (base, loaded) {
        (None, _) => Ok(()),
        (Some(base), None) => Err(Refusal::new(Rule::NoBase, format!("a change of the file of {base}, and nothing is loaded"))),
        (Some(base), Some(loaded)) if base == loaded.period => Ok(()),
        (Some(base), Some(loaded)) => {
            let rule = if base > loaded.period { Rule::Skipped } else { Rule::Reordered };
            Err(Refusal::new(rule, format!("a change of the file of {base}, and the loaded one is of {}", loaded.period)))
        }
    }
}
