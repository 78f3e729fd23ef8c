//! Feeds `commands::untrusted::access_tokens`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| commands::untrusted::access_tokens(bytes));
