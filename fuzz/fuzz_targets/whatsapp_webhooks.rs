//! Feeds `commands::untrusted::whatsapp_webhooks`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| commands::untrusted::whatsapp_webhooks(bytes));
