//! The commands, one a module.

pub mod analyze;
pub mod complete;
pub mod connect;
pub mod demo;
pub mod dump;
pub mod link;
pub mod listen;
pub mod manual;
pub mod probe;
pub mod script;
pub mod serve;
pub mod sim;

mod relay;

use clap::CommandFactory;

use crate::args::{Arguments, Command};
use crate::failure::Failure;

/// Runs one.
///
/// # Errors
/// When it didn't work.
pub fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Demo(args) => demo::run(&args),
        Command::Link(args) => link::run(&args),
        Command::Dump(args) => dump::run(&args),
        Command::Script(args) => script::run(&args),
        Command::Sim(args) => sim::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Connect(args) => connect::run(&args),
        Command::Listen(args) => listen::run(&args),
        Command::Probe(args) => probe::run(&args),
        Command::Analyze(args) => analyze::run(&args),
        Command::Completions(args) => complete::run(&args, Arguments::command()),
        Command::Man(args) => manual::run(&args, Arguments::command()),
    }
}
