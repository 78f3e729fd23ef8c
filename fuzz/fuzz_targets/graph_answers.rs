//! Feeds `commands::untrusted::graph_answers`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| commands::untrusted::graph_answers(bytes));
