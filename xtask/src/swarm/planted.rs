//! Bugs planted on purpose: a patch each, applied to a copy of the tree and built there. The swarm must find each.
//!
//! A net is proved by the fish that it catches, each mesh by its own: the second line of a patch names the rules that it must
//! break, `Breaks: TimesTrue, BacksOff`, and one that only breaks others is missed. The code itself carries no switch for this.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use serde::Serialize;
use sockeye_lab::sim::Invariant;

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
    eprintln!("building a copy of the tree in {}", copy.display());
    if let Verdict::Found(rule) = finds(&copy, scenarios, &[])? {
        return Err(format!("no bug is planted yet, and still: {rule}").into());
    }
    eprintln!(" 0/{all} {:36} breaks no rule ({:.0} s)", "nothing planted", start.elapsed().as_secs_f32());
    let mut missed = Vec::new();
    for (number, patch) in (1..).zip(&patches) {
        let name = name(patch);
        let start = Instant::now();
        let rules = rules_of(patch)?;
        apply(&copy, patch, false)?;
        let verdict = finds(&copy, scenarios, &rules);
        apply(&copy, patch, true)?;
        let verdict = verdict?;
        eprintln!("{number:2}/{all} {name:36} {verdict} ({:.0} s)", start.elapsed().as_secs_f32());
        if !matches!(verdict, Verdict::Found(_)) {
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

/// What came of looking for a planted bug.
enum Verdict {
    /// A rule that it must break is broken.
    Found(String),
    /// Only others are.
    Otherwise(String),
    Missed,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Found(rule) => f.write_str(rule),
            Self::Otherwise(rules) => write!(f, "MISSED: {rules}"),
            Self::Missed => f.write_str("MISSED"),
        }
    }
}

/// The rules that a patch says it breaks.
fn rules_of(patch: &Path) -> Outcome<Vec<String>> {
    let text = fs::read_to_string(patch)?;
    named_rules(&text).ok_or_else(|| format!("{} names no rule that it breaks", patch.display()).into())
}

fn named_rules(text: &str) -> Option<Vec<String>> {
    let line =
        text.lines().take_while(|line| !line.starts_with("--- ")).find_map(|line| line.strip_prefix("Breaks: "))?;
    Some(line.split(", ").map(str::to_owned).collect())
}

/// Sees that every patch still applies to the tree as it is, and names what it breaks: between them they name each rule.
pub fn check() -> Outcome {
    let named = patches()?.iter().map(|patch| rules_of(patch)).collect::<Outcome<Vec<_>>>()?;
    let unproved = unproved(&named);
    if !unproved.is_empty() {
        return Err(format!("no planted bug is to break nothing but {}", unproved.join(", nor ")).into());
    }
    let stale: Vec<String> = patches()?
        .iter()
        .filter(|patch| !git_apply(&root(), patch, &["--check"]).is_ok_and(|applies| applies))
        .map(|patch| name(patch))
        .collect();
    if stale.is_empty() { Ok(()) } else { Err(format!("no longer apply: {}", stale.join(", ")).into()) }
}

/// The rules that no patch names by themselves, given what each names. That nothing panics is no rule of its own: any test tells.
fn unproved(named: &[Vec<String>]) -> Vec<String> {
    let all = Invariant::ALL.into_iter().filter(|rule| *rule != Invariant::NoPanic).map(|rule| rule.to_string());
    all.filter(|rule| !named.iter().any(|rules| std::slice::from_ref(rule) == rules)).collect()
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

/// Whether the swarm finds a scenario that breaks one of `rules`, or any if there are none.
fn finds(tree: &Path, scenarios: u64, rules: &[String]) -> Outcome<Verdict> {
    let mut command = cargo();
    command.current_dir(tree).env("CARGO_TARGET_DIR", tree.with_file_name("target"));
    command.env("CARGO_PROFILE_DEV_OPT_LEVEL", "1").env("CARGO_PROFILE_DEV_DEBUG", "0").env("CARGO_INCREMENTAL", "1");
    command.args(["run", "--quiet", "--package", "sockeye-lab", "--example", "swarm", "--"]);
    let output = command.args([&scenarios.to_string(), "0", "1"]).args(rules).stderr(Stdio::piped()).output()?;
    let first_line = || String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned();
    match output.status.code() {
        Some(0) => Ok(Verdict::Missed),
        Some(3) => Ok(Verdict::Found(first_line())),
        Some(4) => Ok(Verdict::Otherwise(first_line())),
        _ => Err(format!("the patched tree doesn't build or run:\n{}", String::from_utf8_lossy(&output.stderr)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_names_the_rules_that_it_breaks() {
        let named = |text| named_rules(text).map(|rules| rules.join("+"));
        assert_eq!(named("A bug.\nBreaks: TimesTrue, BacksOff\n\n--- a/x\n"), Some("TimesTrue+BacksOff".to_owned()));
        assert_eq!(named("A bug.\n\n--- a/x\n+++ b/x\n Breaks: TimesTrue\nBreaks: TimesTrue\n"), None);
    }

    #[test]
    fn a_rule_that_no_patch_names_by_itself_is_unproved() {
        let alone = |rule: Invariant| vec![rule.to_string()];
        let mut named: Vec<_> = Invariant::ALL.into_iter().map(alone).collect();
        assert_eq!(unproved(&named), Vec::<String>::new());
        named.retain(|rules| *rules != alone(Invariant::NoPanic));
        assert_eq!(unproved(&named), Vec::<String>::new());
        named.retain(|rules| *rules != alone(Invariant::BacksOff));
        named.push(vec!["TimesTrue".to_owned(), "BacksOff".to_owned()]);
        assert_eq!(unproved(&named), ["BacksOff"]);
    }

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
