//! What the credit bureau knows of a person, and what it makes of their consent.

use jiff::ToSpan;
use jiff::civil::Date;
use serde::Deserialize;

use super::{Day, hidden};

/// A person the bureau has heard of; who has none of this has no credit history. `Debug` hides it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credit {
    /// What the bureau does with a consent of this person.
    #[serde(default)]
    pub consent: Consent,
    /// Loans being paid back; paid ones are history without obligations.
    #[serde(default)]
    pub loans: Vec<Loan>,
}

impl Credit {
    /// The figures of a report made on a day.
    #[must_use]
    pub fn summary(&self, today: Date) -> CreditSummary {
        let year_ago = today.saturating_sub(1.year());
        let granted = self.loans.iter().filter(|loan| loan.granted_on.seen_from(today) > year_ago);
        CreditSummary {
            active_loans: self.loans.len(),
            outstanding_qapik: self.loans.iter().map(|loan| loan.outstanding_qapik).sum(),
            monthly_payment_qapik: self.loans.iter().map(|loan| loan.monthly_payment_qapik).sum(),
            granted_12m_qapik: granted.map(|loan| loan.amount_qapik).sum(),
            max_days_past_due: self.loans.iter().map(|loan| loan.days_past_due).max().unwrap_or(0),
        }
    }
}

/// What the bureau does with a consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Consent {
    /// Takes it.
    #[default]
    Accepted,
    /// Refuses the inquiry: the person has forbidden the bureau to answer.
    Rejected,
}

/// A loan that is being paid back. `Debug` hides it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Loan {
    /// Day it was granted.
    pub granted_on: Day,
    /// What was granted, in qəpik.
    pub amount_qapik: u64,
    /// What is still owed, in qəpik.
    pub outstanding_qapik: u64,
    /// What is paid each month, in qəpik.
    pub monthly_payment_qapik: u64,
    /// Days the oldest unpaid instalment is late.
    #[serde(default)]
    pub days_past_due: u32,
}

/// The figures of a report. `Debug` hides them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CreditSummary {
    /// Loans being paid back.
    pub active_loans: usize,
    /// What is owed on all of them, in qəpik.
    pub outstanding_qapik: u64,
    /// What is paid on all of them each month, in qəpik.
    pub monthly_payment_qapik: u64,
    /// What was granted within the last twelve months, in qəpik.
    pub granted_12m_qapik: u64,
    /// Days the oldest unpaid instalment is late.
    pub max_days_past_due: u32,
}

hidden!(Credit, Loan, CreditSummary);
