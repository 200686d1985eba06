//! Citations in the sources: `//= rfc9293#MUST-58` on a line of its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::shell::Outcome;

/// A place that cites a requirement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// From the project's root.
    pub file: PathBuf,
    pub line: usize,
    /// The test that follows, if it is one.
    pub test: Option<String>,
}

/// Where each requirement is cited, by its name.
#[derive(Debug, Default)]
pub struct Citations(pub BTreeMap<String, Vec<Place>>);

/// Where sources are.
const ROOTS: [&str; 3] = ["crates", "tests", "xtask/src/netns"];

impl Citations {
    /// Reads every source of the project.
    pub fn read(root: &Path) -> Outcome<Self> {
        let mut citations = Self::default();
        for directory in ROOTS {
            citations.walk(root, &root.join(directory))?;
        }
        Ok(citations)
    }

    fn walk(&mut self, root: &Path, directory: &Path) -> Outcome {
        let mut entries: Vec<_> = fs::read_dir(directory)?.collect::<Result<_, _>>()?;
        entries.sort_by_key(fs::DirEntry::path);
        for entry in entries {
            let path = entry.path();
            if path.is_dir() {
                if path.file_name().is_some_and(|name| name != "target") {
                    self.walk(root, &path)?;
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let file = path.strip_prefix(root).unwrap_or(&path);
                self.add(file, &fs::read_to_string(&path)?);
            }
        }
        Ok(())
    }

    /// Adds the citations in one file.
    fn add(&mut self, file: &Path, text: &str) {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for (at, line) in lines.iter().enumerate() {
            if let Some(name) = line.strip_prefix("//= ") {
                let test = test_after(&lines[at..]);
                let place = Place { file: file.to_path_buf(), line: at + 1, test };
                self.0.entry(name.trim().to_owned()).or_default().push(place);
            }
        }
    }
}

/// The test whose attributes and comments the citation stands among: a function marked `#[test]` or `#[case]`, or one in a
/// `proptest!` block.
fn test_after(lines: &[&str]) -> Option<String> {
    let mut marked = false;
    for line in lines {
        if line.starts_with("#[test]") || line.starts_with("/// Case:") {
            marked = true;
        } else if let Some(rest) = line.strip_prefix("fn ").or_else(|| line.strip_prefix("pub fn ")) {
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            return marked.then_some(name);
        } else if !line.is_empty() && !line.starts_with("//") && !line.starts_with("#[") {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_citation_above_a_test_is_the_tests_and_any_other_the_codes() {
        let mut citations = Citations::default();
        let text = "//= rfc1#MUST-1\n/// Why.\n#[test]\nfn it_works() {\n//= rfc1#MUST-2\nlet x = 1;\n}\n//= rfc1#MUST-3\nfn production() {}\n";
        citations.add(Path::new("a.rs"), text);
        let tests: Vec<_> = citations.0.values().flatten().map(|place| place.test.as_deref()).collect();
        assert_eq!(tests, [Some("it_works"), None, None]);
    }
}
