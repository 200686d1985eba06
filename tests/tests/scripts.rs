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
