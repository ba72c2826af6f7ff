//! Any bytes as a segment of a journal: `cargo fuzz run frame fuzz/found fuzz/corpus/frame` in `crates/journal`.
//!
//! New inputs go to `fuzz/found`. What is found becomes a file of the corpus, which the crate's tests run.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| journal_fuzz::frame(data));
