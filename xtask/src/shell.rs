//! Running other programs from the project's root.

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::output::print;

/// What commands return: an error tells what failed and why.
pub type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// The project's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or_else(|| Path::new(".")).to_path_buf()
}

/// Cargo, as it started this command.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Runs a command, its output shown; fails if it fails.
pub fn run(command: &mut Command) -> Outcome {
    let status = command.status().map_err(|error| format!("{} could not be started: {error}", name(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{} failed: {status}", name(command)).into()) }
}

/// What of a command's standard output is shown as it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    All,
    Nothing,
}

/// Runs a command and returns its standard output; the second value tells whether it succeeded.
pub fn run_and_keep(command: &mut Command, show: Show) -> Outcome<(String, bool)> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{} could not be started: {error}", name(command)))?;
    let mut kept = String::new();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines() {
            let line = line?;
            if show == Show::All {
                print(&line)?;
            }
            kept.push_str(&line);
            kept.push('\n');
        }
    }
    Ok((kept, child.wait()?.success()))
}

fn name(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
