//! Feeds `domain::untrusted::stored_events`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| domain::untrusted::stored_events(bytes));
