//! Everything `qovsaq-verify` must accept and refuse.

mod command;
mod exports;
mod files;
mod hostile;
mod notes;
mod support;
mod tree;
