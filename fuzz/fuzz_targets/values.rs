//! Feeds `domain::untrusted::values`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| domain::untrusted::values(bytes));
