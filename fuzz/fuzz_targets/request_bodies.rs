//! Feeds `api::untrusted::request_bodies`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| api::untrusted::request_bodies(bytes));
