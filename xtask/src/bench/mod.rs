//! `cargo xtask bench`: figures that anybody can repeat.

mod speed;

use crate::shell::Outcome;

/// Measure beside rivals in the same run.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(flatten)]
    speed: speed::Arguments,
}

pub fn run(arguments: &Arguments) -> Outcome {
    speed::run(&arguments.speed)
}
