//! Everything that `qovsaq-verify` must accept and refuse.

mod command;
mod corpus;
mod exports;
mod files;
mod hostile;
#[expect(unreachable_pub, reason = "public to the fuzz target")]
#[path = "../fuzz/src/lib.rs"]
mod laws;
mod notes;
mod support;
mod tree;
