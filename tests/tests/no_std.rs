//! `wire` and `tcb` run without a standard library: programs that have none are built and run.

use std::path::{Path, PathBuf};
use std::process::Command;

use sockeye_tests::{cargo, root};

/// Builds the two programs; gives the folder they are in.
fn built() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no_std");
    let manifest = root().join("tests/no_std/Cargo.toml");
    let mut build = cargo();
    build.args(["build", "--locked", "--manifest-path"]).arg(manifest).arg("--target-dir").arg(&target);
    let status = build.status().expect("cargo starts");
    assert!(status.success(), "the programs without a standard library don't build");
    target.join("debug")
}

#[test]
fn wire_and_tcb_run_without_a_standard_library() {
    let folder = built();
    for program in ["wire", "tcb"] {
        let status = Command::new(folder.join(program)).status().expect("it has been built");
        assert!(status.success(), "{program}: {status}");
    }
}
