//! The order of the house: a crate uses only crates above it.

use sockeye_tests::{Dependency, Package, Purpose, cargo, packages};

/// The crates from top to bottom.
const ORDER: [&str; 6] = ["sockeye-wire", "sockeye-tcb", "sockeye-device", "sockeye", "sockeye-lab", "sockeye-cli"];

/// Other people's stacks and parsers: oracles and rivals in tests, never part of ours.
const RIVALS: [&str; 2] = ["smoltcp", "etherparse"];

/// Crates that bring an executor. Below the sockets there is none, and in the sockets only on demand.
const RUNTIMES: [&str; 6] = ["tokio", "async-std", "smol", "mio", "futures-executor", "async-executor"];

fn products() -> Vec<Package> {
    packages().into_iter().filter(Package::is_product).collect()
}

fn place(name: &str) -> Option<usize> {
    ORDER.iter().position(|known| *known == name)
}

/// What a package depends on though it stands above it.
fn reached_downwards(package: &Package) -> Vec<&str> {
    let names = package.dependencies.iter().map(|dependency| dependency.name.as_str());
    names.filter(|name| place(name).is_some_and(|below| Some(below) >= place(&package.name))).collect()
}

/// The rivals that a package needs for more than its tests.
fn rivals_used(package: &Package) -> Vec<&str> {
    let used = package.dependencies.iter().filter(|dependency| dependency.purpose != Purpose::Test);
    used.map(|dependency| dependency.name.as_str()).filter(|name| RIVALS.contains(name)).collect()
}

#[test]
fn every_crate_has_a_place_in_the_order() {
    for package in products() {
        assert!(place(&package.name).is_some(), "{} has no place in the order of the crates", package.name);
    }
}

#[test]
fn a_crate_uses_only_crates_above_it() {
    for package in products() {
        assert_eq!(reached_downwards(&package), Vec::<&str>::new(), "{} reaches downwards", package.name);
    }
}

#[test]
fn rivals_are_for_tests_only() {
    for package in products() {
        assert_eq!(rivals_used(&package), Vec::<&str>::new(), "{} is built on a rival", package.name);
    }
}

#[test]
fn no_crate_brings_an_async_runtime_by_default() {
    for package in products() {
        let tree = cargo()
            .args([
                "tree",
                "--edges",
                "normal,build",
                "--prefix",
                "none",
                "--format",
                "{p}",
                "--package",
                &package.name,
            ])
            .output()
            .expect("cargo starts");
        assert!(tree.status.success(), "cargo tree: {}", String::from_utf8_lossy(&tree.stderr));
        let tree = String::from_utf8_lossy(&tree.stdout);
        let names: Vec<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
        assert!(names.contains(&package.name.as_str()), "the tree of {} starts with it", package.name);
        let found: Vec<_> = names.into_iter().filter(|name| RUNTIMES.contains(name)).collect();
        assert_eq!(found, Vec::<&str>::new(), "{} brings an async runtime", package.name);
    }
}

#[test]
fn a_crate_that_reached_downwards_would_be_found() {
    let dependency = |name: &str, purpose| Dependency { name: name.to_owned(), purpose };
    let tcb = Package {
        name: "sockeye-tcb".to_owned(),
        directory: "crates/tcb".into(),
        dependencies: vec![
            dependency("sockeye-wire", Purpose::Use),
            dependency("sockeye-device", Purpose::Test),
            dependency("bytes", Purpose::Use),
            dependency("smoltcp", Purpose::Test),
            dependency("etherparse", Purpose::Build),
        ],
        is_library: true,
        examples: Vec::new(),
    };
    assert_eq!(reached_downwards(&tcb), ["sockeye-device"]);
    assert_eq!(rivals_used(&tcb), ["etherparse"]);
}
