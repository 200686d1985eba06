//! The scripts below `scripts/`, each on a stack of its own in virtual time.

use std::fs;
use std::path::{Path, PathBuf};

use sockeye_lab::script::{Outcome, Overrides, Script};

/// All scripts, by name.
fn scripts() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let mut found = Vec::new();
    for feature in fs::read_dir(directory).unwrap() {
        let files = fs::read_dir(feature.unwrap().path()).unwrap().map(|file| file.unwrap().path());
        found.extend(files.filter(|file| file.extension().is_some_and(|extension| extension == "pkt")));
    }
    found.sort();
    found
}

#[test]
fn every_script_passes_or_is_marked_with_what_is_to_come() {
    let overrides = Overrides::default();
    let mut failures = Vec::new();
    for path in scripts() {
        let name = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap_or(&path).display().to_string();
        let text = fs::read_to_string(&path).unwrap();
        match Script::parse(&name, &text, &overrides) {
            Err(error) => failures.push(format!("{name}:{error}")),
            Ok(script) => match script.run(&overrides) {
                Outcome::Failed(mismatch) => failures.push(format!("{name}:{mismatch}")),
                Outcome::ToCome(what) if script.to_come.is_none() => {
                    failures.push(format!("{name}: it asks for {what}, and isn't marked"));
                }
                Outcome::Passed | Outcome::ToCome(_) => {}
            },
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// What the README shows of a script that fails is what the command prints: `sed` makes the same script of one of these.
#[test]
fn the_failure_in_the_readme_is_what_one_sees() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("../README.md")).unwrap();
    let (_, sample) = readme.split_once("$ sed 's/").unwrap();
    let (command, sample) = sample.split_once(" > wrong.pkt\n$ sockeye script wrong.pkt\n").unwrap();
    let (replace, path) = command.split_once("/' tests/").unwrap();
    let (from, to) = replace.split_once('/').unwrap();
    let text = fs::read_to_string(root.join(path)).unwrap().replacen(from, to, 1);
    let overrides = Overrides::default();
    let Outcome::Failed(mismatch) = Script::parse("wrong.pkt", &text, &overrides).unwrap().run(&overrides) else {
        panic!("it should fail");
    };
    assert_eq!(format!("wrong.pkt:{mismatch}"), sample.split_once("\n```").unwrap().0);
}
