//! What the tests of this package share: the project's packages as cargo describes them, and their sources.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A package of the workspace.
#[derive(Clone, Debug)]
pub struct Package {
    /// Its name in the registry, such as `sockeye-wire`.
    pub name: String,
    /// Where its `Cargo.toml` is.
    pub directory: PathBuf,
    /// What it depends on, for whatever purpose.
    pub dependencies: Vec<Dependency>,
    /// True if others can depend on it.
    pub is_library: bool,
    /// Its examples, by name.
    pub examples: Vec<String>,
}

impl Package {
    /// True for the packages in `crates`, which people use; false for the harness around them.
    pub fn is_product(&self) -> bool {
        self.directory.parent() == Some(&root().join("crates"))
    }

    /// Every Rust source in one of its folders, such as `src`, sorted: where it is, and its text.
    pub fn sources(&self, folder: &str) -> Vec<(PathBuf, String)> {
        let mut sources = Vec::new();
        let folder = self.directory.join(folder);
        if folder.is_dir() {
            collect(&folder, &mut sources);
        }
        sources
    }
}

/// A dependency of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// The package's name.
    pub name: String,
    /// What it is needed for.
    pub purpose: Purpose,
}

/// What a dependency is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// `[dependencies]`.
    Use,
    /// `[build-dependencies]`.
    Build,
    /// `[dev-dependencies]`: tests, examples and benchmarks.
    Test,
}

/// The project's root.
///
/// # Panics
/// If this package has been moved out of the project.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package is a folder of the project").to_path_buf()
}

/// Cargo, to be run in the project's root, without the network.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).env("CARGO_NET_OFFLINE", "true");
    command
}

/// The packages of the workspace, sorted by name.
///
/// # Panics
/// If cargo doesn't describe them.
pub fn packages() -> Vec<Package> {
    let output = cargo().args(["metadata", "--format-version", "1", "--no-deps"]).output().expect("cargo starts");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let mut packages: Vec<_> = list(&metadata, "packages").map(package).collect();
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(!packages.is_empty(), "the workspace has packages");
    packages
}

fn package(value: &Value) -> Package {
    let manifest = PathBuf::from(text(value, "manifest_path"));
    let of_kind =
        |kind: &'static str| list(value, "targets").filter(move |t| list(t, "kind").any(|found| *found == *kind));
    Package {
        name: text(value, "name"),
        directory: manifest.parent().expect("a manifest is in a folder").to_path_buf(),
        dependencies: list(value, "dependencies").map(dependency).collect(),
        is_library: of_kind("lib").next().is_some(),
        examples: of_kind("example").map(|target| text(target, "name")).collect(),
    }
}

fn dependency(value: &Value) -> Dependency {
    let purpose = match value["kind"].as_str() {
        None => Purpose::Use,
        Some("build") => Purpose::Build,
        Some("dev") => Purpose::Test,
        Some(other) => panic!("cargo has a new kind of dependency: {other}"),
    };
    Dependency { name: text(value, "name"), purpose }
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_else(|| panic!("cargo metadata has no {key} in {value}")).to_owned()
}

fn collect(folder: &Path, sources: &mut Vec<(PathBuf, String)>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("the folder can be read").path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let path = path.strip_prefix(root()).map(Path::to_path_buf).unwrap_or(path);
            sources.push((path, text));
        }
    }
}
