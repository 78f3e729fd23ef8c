//! Feeds `replay_tool::untrusted::import_lines`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| replay_tool::untrusted::import_lines(bytes));
