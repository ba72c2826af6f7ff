//! The contract test suite: every service of a data folder × every [`Case`], over the wire, driven by the
//! data alone.
//!
//! The source is played: its right answers are the mapping's own examples, which were written by hand from
//! the source's documentation, and the line between is spoilt as each case says ([`script`]). The gateway is
//! the real one, with mutual TLS and a journal, and asks as a consumer that is granted everything
//! ([`place`]). Which questions are asked, what must be told and what must stand in the journal is worked
//! out beforehand from the contract ([`material`], [`case`]); nothing of it knows a service by its name. A
//! source that is added as data is in the suite from then on.
//!
//! A case that does not apply to a service is listed with its reason, never left out.
//!
//! Beside it: one question to a real test source ([`live`]), recorded as a fixture about nobody ([`synthetic`],
//! [`recorder`]).

pub mod case;
pub mod live;
pub mod material;
pub mod place;
pub mod recorder;
pub mod script;
pub mod spoil;
pub mod suite;
pub mod synthetic;
pub mod told;

pub use case::{Case, Expect, Step};
pub use material::{Ask, Material, Shown};
pub use place::Workplace;
pub use script::{Answer, Certificate, Script};
pub use suite::{Cell, Ended, Suite};
pub use told::Told;
