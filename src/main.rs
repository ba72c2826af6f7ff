//! The `qovsaq` program: arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser as _;
use qovsaq::cli::Cli;

fn main() -> ExitCode {
    qovsaq::cli::run(Cli::parse())
}
