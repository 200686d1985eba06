//! `sockeye completions`: scripts that let a shell complete our command line.

use std::io;

use clap::{Args, Command};
use clap_complete::Shell;

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

/// Prints the script for `command`, our command line.
///
/// # Errors
/// When standard output can't be written.
pub fn run(args: &CompletionsArgs, mut command: Command) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "sockeye", &mut script);
    written(io::Write::write_all(&mut io::stdout(), &script)).map(drop)
}
