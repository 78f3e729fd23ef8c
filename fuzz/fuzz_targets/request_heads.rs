//! Feeds `api::untrusted::request_heads`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| api::untrusted::request_heads(bytes));
