//! The `sockeye` command: arguments to library calls, results to people.
#![forbid(unsafe_code)]

/// Writes a line to standard error, if anybody reads that.
macro_rules! tell {
    ($($what:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($what)*);
    }};
}

mod args;
mod commands;
mod failure;
mod http;
mod interrupt;
mod link;
mod services;
mod shelf;
mod socket;
mod times;

use std::process::ExitCode;

use clap::Parser;
use env_logger::{Env, Target};

use args::Arguments;

// No thread may start before `demo` has moved the process into a namespace of its own.
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    env_logger::Builder::from_env(Env::default().default_filter_or("warn")).target(Target::Stderr).init();
    match commands::run(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.is_interrupted() {
                tell!("sockeye: {failure}");
            }
            failure.exit_code()
        }
    }
}
