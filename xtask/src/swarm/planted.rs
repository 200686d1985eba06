//! Bugs planted on purpose: a patch each, applied to a copy of the tree and built there. The swarm must find each.
//!
//! A net is proved by the fish that it catches. The code itself carries no switch for this.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use serde::Serialize;

use crate::output::print;
use crate::shell::{Outcome, cargo, root};

/// Scenarios within which a planted bug must be found.
pub const SCENARIOS: u64 = 2_000;

#[derive(Serialize)]
struct Summary {
    planted: usize,
    found: usize,
    missed: Vec<String>,
}

/// Plants the bugs whose names contain `only`, one after the other: each build is of what the last two patches touch.
pub fn run(scenarios: u64, only: &str, json: bool) -> Outcome {
    let patches = chosen(patches()?, only)?;
    let copy = copy_tree()?;
    let (all, start) = (patches.len(), Instant::now());
    if let Some(rule) = finds(&copy, scenarios)? {
        return Err(format!("no bug is planted yet, and still: {rule}").into());
    }
    eprintln!(" 0/{all} {:36} breaks no rule ({:.0} s)", "nothing planted", start.elapsed().as_secs_f32());
    let mut missed = Vec::new();
    for (number, patch) in (1..).zip(&patches) {
        let name = name(patch);
        let start = Instant::now();
        apply(&copy, patch, false)?;
        let found = finds(&copy, scenarios);
        apply(&copy, patch, true)?;
        let found = found?;
        let verdict = found.as_deref().unwrap_or("MISSED");
        eprintln!("{number:2}/{all} {name:36} {verdict} ({:.0} s)", start.elapsed().as_secs_f32());
        if found.is_none() {
            missed.push(name);
        }
    }
    let summary = Summary { planted: patches.len(), found: patches.len() - missed.len(), missed };
    if json {
        print(serde_json::to_string_pretty(&summary)?)?;
    } else {
        print(format_args!("{} bugs planted, {} found", summary.planted, summary.found))?;
    }
    if summary.missed.is_empty() { Ok(()) } else { Err(format!("missed: {}", summary.missed.join(", ")).into()) }
}

/// Sees that every patch still applies to the tree as it is.
pub fn check() -> Outcome {
    let stale: Vec<String> = patches()?
        .iter()
        .filter(|patch| !git_apply(&root(), patch, &["--check"]).is_ok_and(|applies| applies))
        .map(|patch| name(patch))
        .collect();
    if stale.is_empty() { Ok(()) } else { Err(format!("no longer apply: {}", stale.join(", ")).into()) }
}

/// Those whose names contain `only`: at least one.
fn chosen(mut patches: Vec<PathBuf>, only: &str) -> Outcome<Vec<PathBuf>> {
    let names: Vec<String> = patches.iter().map(|patch| name(patch)).collect();
    patches.retain(|patch| name(patch).contains(&only.replace('_', " ")));
    if patches.is_empty() {
        return Err(format!("no planted bug has {only:?} in its name; there are: {}", names.join(", ")).into());
    }
    Ok(patches)
}

fn patches() -> Outcome<Vec<PathBuf>> {
    let entries = fs::read_dir(root().join("tests/planted"))?.collect::<Result<Vec<_>, _>>()?;
    let mut patches: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    patches.retain(|path| path.extension().is_some_and(|extension| extension == "patch"));
    patches.sort();
    Ok(patches)
}

fn name(patch: &Path) -> String {
    patch.file_stem().map(|stem| stem.to_string_lossy().replace('_', " ")).unwrap_or_default()
}

/// Copies what git knows of the tree to target/planted/tree. What hasn't changed keeps its time, so that it isn't built
/// again.
fn copy_tree() -> Outcome<PathBuf> {
    let copy = root().join("target/planted/tree");
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let listed = git.current_dir(root()).output()?;
    let listed = String::from_utf8(listed.stdout)?;
    let files: BTreeSet<&str> = listed.split('\0').filter(|file| root().join(file).is_file()).collect();
    prune(&copy, &copy, &files)?;
    for file in files {
        let (from, to) = (root().join(file), copy.join(file));
        let Ok(text) = fs::read(&from) else { continue };
        if fs::read(&to).is_ok_and(|there| there == text) {
            continue;
        }
        to.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(to, text)?;
    }
    Ok(copy)
}

/// Removes what the copy has and the tree hasn't.
fn prune(copy: &Path, directory: &Path, files: &BTreeSet<&str>) -> Outcome {
    let Ok(entries) = fs::read_dir(directory) else {
        return Ok(()); // the first copy
    };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            prune(copy, &path, files)?;
        } else if path.strip_prefix(copy)?.to_str().is_none_or(|file| !files.contains(file)) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn apply(tree: &Path, patch: &Path, back: bool) -> Outcome {
    let way: &[&str] = if back { &["--reverse"] } else { &[] };
    if git_apply(tree, patch, way)? { Ok(()) } else { Err(format!("{} doesn't apply", patch.display()).into()) }
}

fn git_apply(tree: &Path, patch: &Path, options: &[&str]) -> Outcome<bool> {
    let mut git = Command::new("git");
    // Within another repository git would look for the files from its root on, and skip what it doesn't find.
    git.env("GIT_CEILING_DIRECTORIES", tree.parent().unwrap_or(tree));
    let status = git.arg("apply").args(options).arg(patch).current_dir(tree).stderr(Stdio::null()).status()?;
    Ok(status.success())
}

/// The rule that the planted bug breaks, if the swarm finds it.
fn finds(tree: &Path, scenarios: u64) -> Outcome<Option<String>> {
    let mut command = cargo();
    command.current_dir(tree).env("CARGO_TARGET_DIR", tree.with_file_name("target"));
    command.env("CARGO_PROFILE_DEV_OPT_LEVEL", "1").env("CARGO_PROFILE_DEV_DEBUG", "0").env("CARGO_INCREMENTAL", "1");
    command.args(["run", "--quiet", "--package", "sockeye-lab", "--example", "swarm", "--"]);
    let output = command.arg(scenarios.to_string()).stderr(Stdio::piped()).output()?;
    match output.status.code() {
        Some(0) => Ok(None),
        Some(3) => {
            let text = String::from_utf8_lossy(&output.stdout);
            Ok(Some(text.lines().next().unwrap_or_default().to_owned()))
        }
        _ => Err(format!("the patched tree doesn't build or run:\n{}", String::from_utf8_lossy(&output.stderr)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_no_planted_bug_has_is_refused_with_those_that_there_are() {
        let patches = || ["a/late_ack.patch", "a/lost_fin.patch"].map(PathBuf::from).to_vec();
        let chosen = |only| chosen(patches(), only).map_err(|why| why.to_string());
        assert_eq!(chosen(""), Ok(patches()));
        assert_eq!(chosen("late_a"), Ok(vec![PathBuf::from("a/late_ack.patch")]));
        assert_eq!(chosen("late a"), chosen("late_a"));
        let why = chosen("nosuch").unwrap_err();
        assert_eq!(why, "no planted bug has \"nosuch\" in its name; there are: late ack, lost fin");
    }
}
