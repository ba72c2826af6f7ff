//! Any text as a receipt or a consistency proof, and the arithmetic of both: `cargo fuzz run proof fuzz/found fuzz/corpus/proof` in `crates/journal`.
//!
//! New inputs go to `fuzz/found`. What is found becomes a file of the corpus, which the crate's tests run.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| journal_fuzz::proof(data));
