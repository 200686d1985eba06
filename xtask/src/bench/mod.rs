//! `cargo xtask bench`: figures that anybody can repeat.

pub mod instructions;
mod recovery;
mod speed;

use crate::shell::Outcome;

/// Measure beside rivals in the same run, or count instructions.
#[derive(clap::Args)]
#[group(id = "bench")]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    topic: Option<Topic>,
    #[command(flatten)]
    speed: speed::Arguments,
}

#[derive(clap::Subcommand)]
enum Topic {
    Instructions(instructions::Arguments),
    Recovery(recovery::Arguments),
}

pub fn run(arguments: &Arguments) -> Outcome {
    match &arguments.topic {
        None => speed::run(&arguments.speed),
        Some(Topic::Instructions(arguments)) => instructions::run(arguments),
        Some(Topic::Recovery(arguments)) => recovery::run(arguments),
    }
}
