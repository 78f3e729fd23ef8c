//! The program `replay-tool`.

use std::process::ExitCode;

/// As the server has: events are made of many short texts.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    replay_tool::main().await
}
