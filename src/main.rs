//! The `qovsaq` program: arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser as _;
use mimalloc::MiMalloc;
use qovsaq::cli::Cli;

/// An exchange makes a few hundred short-lived values on several threads; the system's allocator took a
/// fifth of the processor time under load.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    qovsaq::cli::run(Cli::parse())
}
