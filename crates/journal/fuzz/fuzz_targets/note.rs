//! Any text as a signed note, a checkpoint or a key: `cargo fuzz run note fuzz/found fuzz/corpus/note` in `crates/journal`.
//!
//! New inputs go to `fuzz/found`. What is found becomes a file of the corpus, which the crate's tests run.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| journal_fuzz::note(data));
