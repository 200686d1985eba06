//! `sockeye completions`: scripts that let a shell complete our command line.

use std::io;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::args::Arguments;
use crate::failure::{Failure, written};

/// For which shell.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  sockeye completions bash > /etc/bash_completion.d/sockeye
  sockeye completions zsh > ~/.zfunc/_sockeye
  sockeye completions fish > ~/.config/fish/completions/sockeye.fish")]
pub struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Prints the script.
///
/// # Errors
/// When standard output can't be written.
pub fn run(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Arguments::command(), "sockeye", &mut script);
    written(io::Write::write_all(&mut io::stdout(), &script)).map(drop)
}
