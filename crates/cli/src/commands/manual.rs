//! `sockeye man`: the manual, made from the same source as `--help`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Command};

use crate::failure::{Failure, OrFail, written};

/// Where to.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  sockeye man | man -l -
  sockeye man --out /usr/local/share/man/man1")]
pub struct ManArgs {
    /// Write this page and those of all commands into a directory instead
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Prints the page of `command`, our command line, or writes it and those of all commands.
///
/// # Errors
/// When they can't be written.
pub fn run(args: &ManArgs, command: Command) -> Result<(), Failure> {
    if let Some(directory) = &args.out {
        std::fs::create_dir_all(directory).or_fail(format!("making the folder {}", directory.display()))?;
        clap_mangen::generate_to(command, directory)
            .or_fail(format!("writing manual pages into {}", directory.display()))
    } else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page).or_fail("making the manual page")?;
        written(io::stdout().write_all(&page)).map(drop)
    }
}
