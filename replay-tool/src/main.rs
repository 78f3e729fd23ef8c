//! The program `replay-tool`.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    replay_tool::main().await
}
