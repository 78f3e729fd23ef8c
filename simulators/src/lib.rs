//! Stand-ins for the providers that customers reach us through: what they would send, made up
//! here, for the demo, the tests and the benchmarks. Nothing here reads, writes or connects.

pub mod whatsapp;
