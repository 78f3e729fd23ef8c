//! Feeds `commands::untrusted::pawapay_answers`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| commands::untrusted::pawapay_answers(bytes));
