//! Any text as a tile's path: `cargo fuzz run tile_path fuzz/found fuzz/corpus/tile_path` in `crates/journal`.
//!
//! New inputs go to `fuzz/found`. What is found becomes a file of the corpus, which the crate's tests run.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| journal_fuzz::tile_path(data));
