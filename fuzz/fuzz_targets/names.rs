//! Feeds `api::untrusted::names`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| api::untrusted::names(bytes));
