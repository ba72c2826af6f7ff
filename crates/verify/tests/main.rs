//! Everything `qovsaq-verify` must accept and refuse.

mod command;
mod files;
mod hostile;
mod notes;
mod support;
mod tree;
