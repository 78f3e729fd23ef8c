//! Feeds `projections::untrusted::search_texts`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| projections::untrusted::search_texts(bytes));
