//! `sockeye script`: scripts in packetdrill's language, run on our stack in virtual time.

use std::fmt;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use serde::Serialize;
use sockeye_lab::script::{Outcome, Overrides, Script};

use crate::failure::{Failure, OrFail, unopened, written};

/// What to run, and how strictly to judge it.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  sockeye script tests/scripts                      all scripts below a directory
  sockeye script --verbose handshake.pkt            each script with what came of it
  sockeye script --as-packetdrill gtests/net/tcp    the public scripts, judged as their own tool does
  sockeye script -o --ip_version=ipv6 some.pkt      an option of the language, instead of what the script says

A script marked with a comment line `// to come: FEATURE` is run too; to pass is an error then: the mark must go.")]
pub struct ScriptArgs {
    /// Scripts, or directories with scripts (*.pkt)
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// An option of the language, as it would stand in the script; it wins over the script's own
    #[arg(long = "option", short, value_name = "--NAME=VALUE", allow_hyphen_values = true)]
    options: Vec<String>,
    /// Judge as packetdrill does: tolerate 4 ms or 12.5 % of the interval, look at neither checksums nor echoed timestamps
    #[arg(long)]
    as_packetdrill: bool,
    /// Show each script, not only those that fail or are to come
    #[arg(long, short)]
    verbose: bool,
    /// Print one JSON object on standard output: how many scripts `passed`, `failed` (and which: `failures`), and are `to_come`
    #[arg(long)]
    json: bool,
}

/// How many scripts came to what.
#[derive(Debug, Default, Serialize)]
struct Counts {
    passed: usize,
    failed: usize,
    to_come: usize,
    /// Those that failed, by their names.
    failures: Vec<String>,
}

impl Counts {
    fn failed(&mut self, name: String, why: impl fmt::Display) {
        tell!("{name}:{why}\n");
        self.failed += 1;
        self.failures.push(name);
    }
}

/// Runs the command.
///
/// # Errors
/// When a directory can't be read, or a script fails or can't be read.
pub fn run(args: &ScriptArgs) -> Result<(), Failure> {
    let mut files = Vec::new();
    for path in &args.paths {
        collect(path, &mut files)?;
    }
    if files.is_empty() {
        return Err(
            Failure::usage("looking for scripts", "there is none").advice("name a file, or a directory with *.pkt")
        );
    }
    let started = Instant::now();
    let counts = run_all(args, &files);
    let Counts { passed, failed, to_come, .. } = counts;
    let text = if args.json {
        serde_json::to_string(&counts).or_fail("writing JSON")?
    } else {
        let seconds = started.elapsed().as_secs_f64();
        format!(
            "{passed} passed, {failed} failed, {to_come} to come; {:.0} scripts a second",
            rate(files.len(), seconds)
        )
    };
    written(writeln!(std::io::stdout(), "{text}"))?;
    if failed > 0 {
        return Err(Failure::new("running the scripts", format!("{failed} of {} don't hold", files.len())));
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn rate(count: usize, seconds: f64) -> f64 {
    count as f64 / seconds.max(1e-6)
}

fn run_all(args: &ScriptArgs, files: &[PathBuf]) -> Counts {
    let overrides = Overrides { options: args.options.clone(), as_packetdrill: args.as_packetdrill };
    let mut counts = Counts::default();
    for file in files {
        let name = file.display().to_string();
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(why) => {
                counts.failed(name, format_args!(" {}", unopened(file, why)));
                continue;
            }
        };
        match Script::parse(&name, &text, &overrides).map(|script| script.run(&overrides)) {
            Ok(Outcome::Passed) => {
                counts.passed += 1;
                if args.verbose {
                    tell!("{name}: passed");
                }
            }
            Ok(Outcome::ToCome(what)) => {
                counts.to_come += 1;
                tell!("{name}: to come: {what}");
            }
            Ok(Outcome::Failed(mismatch)) => counts.failed(name, mismatch),
            Err(error) => counts.failed(name, error),
        }
    }
    counts
}

/// Adds a file, or all scripts below a directory in the order of their names.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let entries = fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut paths: Vec<_> =
        entries.or_fail(format!("reading {}", path.display()))?.iter().map(fs::DirEntry::path).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() || path.extension().is_some_and(|extension| extension == "pkt") {
            collect(&path, files)?;
        }
    }
    Ok(())
}
