//! The gateway as a whole, over the wire: one binary, every test against real mutual TLS, real mock
//! agencies and a real journal on disk.
//!
//! `house` starts everything in the test's own process; `child` starts the program itself, to be
//! killed, traced or starved; `program` runs other commands; `played` is a source that says what a test
//! wants; `ledger` reads back what the journal holds.

mod child;
mod house;
#[expect(unreachable_pub, reason = "public to the fuzz target")]
#[path = "../fuzz/src/lib.rs"]
mod laws;
mod ledger;
mod played;
mod program;
mod raw;
mod trace;

mod accesses;
mod authorisation;
mod cache;
mod cases;
mod change;
mod cli;
mod corpus;
mod crash;
mod dossier;
mod drops;
mod faults;
mod feeds;
mod flight;
mod guide;
mod instances;
mod kit;
mod lapsed;
mod large;
mod life;
mod limits;
mod logs;
mod matrices;
mod mistakes;
mod officials;
mod outages;
mod privacy;
mod proofs;
mod quality;
mod questions;
mod registers;
mod rights;
mod rows;
mod rules;
mod search;
mod sftp;
mod suite;
mod syscalls;
mod wire;
mod xroad;
