//! The developer's commands: `cargo xtask --help`.

mod bench;
mod conformance;
mod gallery;
mod interrupt;
mod netns;
mod output;
mod seconds;
mod setup;
mod shell;
mod smoltcp_device;
mod swarm;
mod test;
mod versus;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The developer's commands of Sockeye.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what the tests need (Debian, as root); elsewhere say what is missing.
    Setup(setup::Arguments),
    /// Run all tests: format, lints, documentation, unit, property and simulated tests, kernel peers, conformance.
    Test(test::Arguments),
    /// Run the tests with real peers in network namespaces.
    NetnsTest(netns::Arguments),
    /// Measure beside rivals in the same run.
    Bench(bench::Arguments),
    /// Compare TCPs over the same emulated links: Sockeye, the kernel's, smoltcp.
    Versus(versus::Arguments),
    /// Run random scenarios, each checked by every invariant; or plant bugs and see that they are found.
    Swarm(swarm::Arguments),
    /// Draw the pictures of docs/gallery.md and docs/pictures anew.
    Gallery(gallery::Arguments),
    /// Report which requirements of the RFCs are implemented, tested, passing.
    Conformance(conformance::Arguments),
}

fn main() -> ExitCode {
    env_logger::init();
    let outcome = match Arguments::parse().command {
        Command::Setup(arguments) => setup::run(&arguments),
        Command::Test(arguments) => test::run_stages(&arguments),
        Command::NetnsTest(arguments) => netns::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Versus(arguments) => versus::run(&arguments),
        Command::Swarm(arguments) => swarm::run(&arguments),
        Command::Gallery(arguments) => gallery::run(&arguments),
        Command::Conformance(arguments) => conformance::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
