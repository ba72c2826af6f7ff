//! The register of officials' rights: who may act in which role, since when, on what basis, and who has seen to it
//! (Decree 634, 3.4, 6.2.8; 001, 3.1.10, 3.1.20; 004, 3.4, 5–7, 11.3, 15–18).
//!
//! A pure state machine. [`Register::decide`] takes a [`Command`], who gives it and the moment, and answers with the
//! [`Event`]s that it comes to or with the [`Refusal`]; [`Register::apply`] takes an event over. Nothing here does I/O or
//! reads a clock, and replaying all events gives an equal register: whoever keeps the events keeps the register.
//!
//! What always holds, whatever happens in whatever order:
//! - one person has one account (004, 6.1);
//! - a right acts only while it has begun, has not ended, has not lapsed, its account is active and its holder has
//!   acknowledged its duties;
//! - of a transfer nobody ever holds an old right and a new one at one moment, and a process that stops between any two
//!   events leaves none rather than both (004, 17.6, 18.2);
//! - who administers or operates never oversees, and the other way round;
//! - who approves a request is neither its requester nor the one whom it serves;
//! - time never runs backwards: a clock that is put back brings no ended right to life.

mod command;
mod decide;
mod event;
mod id;
mod initial;
mod power;
mod refusal;
mod register;
mod review;
#[cfg(test)]
mod tests;

pub use command::{BEGIN_AHEAD_MAX, BREAK_GLASS_MAX, Command, ERASED_AFTER, POWERS_MAX, TEXT_BYTES_MAX};
pub use event::{Basis, By, Change, Event, Granted};
pub use id::{DocumentRef, IdError, OfficialNumber, PersonKey, RequestId, RightId, Sha256, Territory};
pub use initial::{InitialAccount, InitialFile, InitialRight, WrongInitial, schema, take_over};
pub use power::Power;
pub use refusal::Refusal;
pub use register::{Account, Ending, Register, Request, RequestState, Right, RightState, Standing, Wanted};
pub use review::{QUARTER_GRACE, Review, ReviewItem, UNUSED_AFTER, Uses};
