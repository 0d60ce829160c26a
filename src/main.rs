//! The program `kite`: runs the command line and turns its result into an exit status.

use std::process::ExitCode;

/// Requests are taken apart on one thread and stored on another: the system's allocator makes such threads wait for one
/// another.
#[cfg(feature = "server")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    kite::cli::run()
}
