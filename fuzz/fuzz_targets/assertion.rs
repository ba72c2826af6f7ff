//! Any text as an official's assertion, or as a key set: `cargo fuzz run assertion` in the repository's folder.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| qovsaq_fuzz::assertion(data));
