//! Every example of every crate runs without arguments, says what it should, and ends.

use std::collections::HashMap;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use sockeye_tests::{Package, cargo, packages};

/// What each example prints, among other things: package, example, text.
const EXAMPLES: [(&str, &str, &str); 9] = [
    ("sockeye", "echo", "Is there anybody?"),
    ("sockeye", "xdp", "two arguments"),
    ("sockeye", "memory", "1000000 octets came"),
    ("own-congestion-control", "beside_cubic", "vegas "),
    ("sockeye-device", "dump", "UDP 1001 > 9, 33 octets"),
    ("sockeye-lab", "simulate", "newreno"),
    ("sockeye-lab", "swarm", "200 scenarios, and no rule is broken"),
    ("sockeye-wire", "dissect", "10.9.0.1:54321 > 10.9.0.2:22"),
    ("sockeye-tcb", "two_endpoints", "client CLOSED, server CLOSED"),
];

/// How long an example may run.
const PATIENCE: Duration = Duration::from_secs(60);

/// The project's packages.
static PACKAGES: LazyLock<Vec<Package>> = LazyLock::new(packages);

/// The executables of all examples, by package and name: those that cargo has built for these tests.
static EXECUTABLES: LazyLock<HashMap<(String, String), PathBuf>> = LazyLock::new(|| {
    let built = cargo()
        .args(["build", "--profile", "test", "--workspace", "--examples", "--message-format", "json"])
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo starts");
    assert!(built.status.success(), "the examples don't build");
    let lines = String::from_utf8(built.stdout).expect("cargo prints UTF-8");
    lines.lines().filter_map(|line| executable(&serde_json::from_str(line).ok()?)).collect()
});

/// The example that one of cargo's messages tells of.
fn executable(message: &Value) -> Option<((String, String), PathBuf)> {
    let target = &message["target"];
    target["kind"].as_array()?.iter().find(|kind| **kind == "example")?;
    let manifest = message["manifest_path"].as_str()?;
    let package = PACKAGES.iter().find(|package| package.directory.join("Cargo.toml").as_os_str() == manifest)?;
    Some(((package.name.clone(), target["name"].as_str()?.to_owned()), message["executable"].as_str()?.into()))
}

/// Runs a program to its end, and gives what it printed; fails if it fails, or if it takes too long.
fn run(program: &PathBuf) -> String {
    let mut child = Command::new(program)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    let mut output = child.stdout.take().expect("the output is a pipe");
    let reader = thread::spawn(move || {
        let mut text = String::new();
        output.read_to_string(&mut text).map(|_| text)
    });
    let start = Instant::now();
    let status = loop {
        match child.try_wait().expect("the child is ours") {
            Some(status) => break status,
            None if start.elapsed() < PATIENCE => thread::sleep(Duration::from_millis(10)),
            None => {
                child.kill().expect("the child is ours");
                panic!("{} doesn't end", program.display());
            }
        }
    };
    let text = reader.join().expect("the reader doesn't panic").expect("the output is UTF-8");
    assert!(status.success(), "{}: {status}; it printed:\n{text}", program.display());
    text
}

#[test]
fn every_example_says_what_it_should() {
    for (package, example, expected) in EXAMPLES {
        let Some(program) = EXECUTABLES.get(&(package.to_owned(), example.to_owned())) else {
            panic!("{package} has no example {example}");
        };
        let printed = run(program);
        assert!(printed.contains(expected), "{package}'s example {example} doesn't say {expected:?} but:\n{printed}");
    }
}

#[test]
fn every_example_is_checked() {
    for package in PACKAGES.iter() {
        for example in &package.examples {
            let known = EXAMPLES.iter().any(|(of, name, _)| *of == package.name && name == example);
            assert!(known, "nothing is expected of {}'s example {example}: tell it here", package.name);
        }
    }
}
