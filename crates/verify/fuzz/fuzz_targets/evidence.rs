//! Any file, recognised, read and judged: `cargo fuzz run evidence fuzz/found fuzz/corpus/evidence` in `crates/verify`.
//!
//! New inputs go to `fuzz/found`. What is found becomes a file of the corpus, which the crate's tests run.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| verify_fuzz::evidence(data));
