//! Everything `qovsaq-verify` must accept and refuse.

mod files;
mod hostile;
mod notes;
mod support;
mod tree;
