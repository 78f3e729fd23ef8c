//! Feeds `commands::untrusted::pawapay_signatures`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| commands::untrusted::pawapay_signatures(bytes));
