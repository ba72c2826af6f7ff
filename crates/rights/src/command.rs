//! What can be asked of the register, and its bounds.

use jiff::{SignedDuration, Timestamp};

use crate::id::{DocumentRef, OfficialNumber, PersonKey, RequestId, RightId};
use crate::power::Power;
use crate::register::Wanted;

/// Longest reason or document reference, in bytes.
pub const TEXT_BYTES_MAX: usize = 500;
/// Longest name of a certificate or subject, in bytes.
pub(crate) const NAME_BYTES_MAX: usize = 253;
/// Most rights that one transfer gives.
pub const POWERS_MAX: usize = 16;
/// Most accounts.
pub(crate) const ACCOUNTS_MAX: usize = 100_000;
/// Most rights of one account that are kept, ended ones included.
pub(crate) const RIGHTS_MAX: usize = 200;
/// Most requests that wait for a decision.
pub(crate) const OPEN_REQUESTS_MAX: usize = 10_000;
/// Most of them by one requester.
pub(crate) const OPEN_REQUESTS_EACH_MAX: usize = 200;
/// How far back a right may begin or end, or a transfer take effect: 31 days. (Assumption.)
pub(crate) const BEGIN_BEHIND_MAX: SignedDuration = SignedDuration::from_hours(31 * 24);
/// How far ahead a right may begin, or a transfer take effect: a year. (Assumption.)
pub const BEGIN_AHEAD_MAX: SignedDuration = SignedDuration::from_hours(366 * 24);
/// Longest right taken in an emergency: 4 hours. (Assumption.)
pub const BREAK_GLASS_MAX: SignedDuration = SignedDuration::from_hours(4);
/// How long leavers' accounts, ended rights and decided requests are kept: a year.
pub const ERASED_AFTER: SignedDuration = SignedDuration::from_hours(365 * 24);

/// Working days within which a request is decided (004, 17.5).
pub(crate) const DECIDED_WITHIN: u32 = 2;

/// Something that the register is told to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Opens an account. Whoever administers, or answers for a consumer, may.
    OpenAccount {
        /// Its number.
        official: OfficialNumber,
        /// Whose it is.
        person: PersonKey,
        /// The name in his client certificate, in lower case: needed for the console.
        certificate_name: Option<Box<str>>,
        /// His name at the identity provider of officials.
        subject: Option<Box<str>>,
        /// What it rests on.
        document: DocumentRef,
    },
    /// Takes down that somebody has left: all his rights end at once.
    Leave {
        /// His number.
        official: OfficialNumber,
        /// What it rests on.
        document: DocumentRef,
    },
    /// Opens a leaver's account again; he holds nothing. A central administrator may.
    Reopen {
        /// His number.
        official: OfficialNumber,
        /// What it rests on.
        document: DocumentRef,
    },
    /// Asks for a change of rights (004, 17). Whoever has an account may; a transfer, which ends rights by itself, only
    /// somebody who may withdraw every one of them.
    Request {
        /// What is asked for.
        wanted: Wanted,
        /// The written request.
        document: DocumentRef,
        /// When it was received.
        received_at: Timestamp,
    },
    /// Approves a request.
    Approve {
        /// Which.
        request: RequestId,
    },
    /// Refuses a request. What a transfer has ended stays ended.
    Refuse {
        /// Which.
        request: RequestId,
        /// Why.
        reason: Box<str>,
    },
    /// Takes one's own request back. What a transfer has ended stays ended.
    Cancel {
        /// Which.
        request: RequestId,
        /// Why.
        reason: Box<str>,
    },
    /// Acknowledges the duties of one's own right.
    Acknowledge {
        /// Which.
        right: RightId,
    },
    /// Ends a right at once, in danger or at the review (004, 17.7, 11.3).
    Withdraw {
        /// Which.
        right: RightId,
        /// Why.
        reason: Box<str>,
    },
    /// Gives oneself a right from the short list, at once and for hours (001, 3.1.10).
    BreakGlass {
        /// What is taken.
        power: Power,
        /// Why.
        reason: Box<str>,
        /// Until when, at most [`BREAK_GLASS_MAX`] away.
        until: Timestamp,
    },
    /// Takes down that a right which was taken in an emergency has been looked at.
    ReviewBreakGlass {
        /// Which.
        right: RightId,
        /// What was found.
        reason: Box<str>,
    },
    /// Confirms a right at the quarterly review.
    Confirm {
        /// Which.
        right: RightId,
    },
    /// Takes down what has lapsed, erases who left a year ago and forgets what ended a year ago. The gateway's alone.
    Upkeep,
}
