//! Feeds `event_store::untrusted::personal_tokens`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| event_store::untrusted::personal_tokens(bytes));
