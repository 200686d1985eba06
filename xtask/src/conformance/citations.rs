//! Citations in the sources: a comment line `= rfc9293#MUST-58` behind the two slashes, on a line of its own.
//!
//! One directly above a test is that test's; one in other test code proves nothing and is an error; any other says that
//! the code below does what the row asks.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::shell::Outcome;

/// A place that cites a requirement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// From the project's root.
    pub file: PathBuf,
    /// Counted from 1.
    pub line: usize,
    /// The test that stands below, by the path that `cargo test` prints, or the case in a namespace, by its name.
    pub test: Option<String>,
}

/// Where each requirement is cited, by its name, and what is wrong with citations.
#[derive(Debug, Default)]
pub struct Citations {
    /// The places, by the names of rows.
    pub places: BTreeMap<String, Vec<Place>>,
    /// One line for each citation that can't count.
    pub errors: Vec<String>,
}

/// Where sources are.
const ROOTS: [&str; 3] = ["crates", "tests", "xtask/src/netns"];

/// Folders of sources that are neither the product nor its tests.
const LEFT_OUT: [&str; 4] = ["examples", "benches", "fuzz", "target"];

/// The test that runs all scripts (`tests/tests/scripts.rs`).
const SCRIPTS: &str = "every_script_passes_or_is_marked_with_what_is_to_come";

/// How a citation starts. In two pieces, so that this isn't one.
const MARK: &str = concat!("//", "=");

impl Citations {
    /// Reads every source of the project.
    ///
    /// # Errors
    /// When a file can't be read.
    pub fn read(root: &Path) -> Outcome<Self> {
        let mut citations = Self::default();
        for directory in ROOTS {
            citations.walk(root, &root.join(directory))?;
        }
        Ok(citations)
    }

    fn walk(&mut self, root: &Path, directory: &Path) -> Outcome {
        let entries: Result<Vec<_>, _> = fs::read_dir(directory)?.collect();
        let mut paths: Vec<_> = entries?.iter().map(fs::DirEntry::path).collect();
        paths.sort();
        for path in paths {
            if path.is_dir() {
                if !path.file_name().is_some_and(|name| LEFT_OUT.iter().any(|left_out| name == *left_out)) {
                    self.walk(root, &path)?;
                }
                continue;
            }
            let file = path.strip_prefix(root).unwrap_or(&path);
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("rs") => self.add(file, &fs::read_to_string(&path)?),
                Some("pkt") => self.add_script(file, &fs::read_to_string(&path)?),
                _ => {}
            }
        }
        Ok(())
    }

    /// Adds the citations in a script, all of which are the scripts' test's. A script of what is still to come proves
    /// nothing.
    fn add_script(&mut self, file: &Path, text: &str) {
        if text.lines().any(|line| line.starts_with("// to come:")) {
            return;
        }
        for (at, line) in text.lines().enumerate() {
            let Some(name) = line.strip_prefix(MARK) else {
                continue;
            };
            let Some(name) = name.strip_prefix(' ').filter(|name| is_name(name)) else {
                self.errors.push(format!("{}:{}: a citation is `{MARK} rfcNNNN#ID`", file.display(), at + 1));
                continue;
            };
            let place = Place { file: file.to_path_buf(), line: at + 1, test: Some(SCRIPTS.to_owned()) };
            self.places.entry(name.to_owned()).or_default().push(place);
        }
    }

    /// Adds the citations in one file.
    fn add(&mut self, file: &Path, text: &str) {
        let lines: Vec<&str> = text.lines().collect();
        let mut modules = Modules::of_file(file);
        for (at, line) in lines.iter().enumerate() {
            modules.enter_and_leave(line);
            let Some(column) = line.find(MARK) else {
                continue;
            };
            let here = || format!("{}:{}", file.display(), at + 1);
            let name = line[column + MARK.len()..].strip_prefix(' ').filter(|name| is_name(name));
            let Some(name) = name.filter(|_| line[..column].trim().is_empty()) else {
                self.errors.push(format!("{}: a citation is `{MARK} rfcNNNN#ID` on a line of its own", here()));
                continue;
            };
            let test = match below(&lines[at..]) {
                Below::Test(function) => Some(modules.path(function)),
                Below::Case(function) => Some(function.to_owned()),
                Below::Code if modules.are_tests() => {
                    self.errors.push(format!("{}: {name} is cited in a test's code, but above no test", here()));
                    continue;
                }
                Below::Code => None,
            };
            let place = Place { file: file.to_path_buf(), line: at + 1, test };
            self.places.entry(name.to_owned()).or_default().push(place);
        }
    }
}

/// True for `rfc9293#MUST-58`, and for a row of a draft: its name and revision, such as `draft-ietf-ccwg-bbr-05#5.3.2-1`.
fn is_name(text: &str) -> bool {
    let word = |text: &str, is: fn(char) -> bool| !text.is_empty() && text.chars().all(is);
    let Some((document, id)) = text.split_once('#') else {
        return false;
    };
    let digits = document.strip_prefix("rfc").is_some_and(|number| word(number, |c| c.is_ascii_digit()));
    let draft =
        document.strip_prefix("draft-").is_some_and(|name| word(name, |c| c.is_ascii_alphanumeric() || c == '-'));
    (digits || draft) && word(id, |c| c.is_ascii_alphanumeric() || ".-".contains(c))
}

/// What a citation stands above.
#[derive(Debug, PartialEq, Eq)]
enum Below<'a> {
    /// A function marked as a test, also one inside `proptest!`.
    Test(&'a str),
    /// A case for a namespace: a function that takes the bench.
    Case(&'a str),
    Code,
}

/// What stands below the comments and attributes with which `lines` start.
fn below<'a>(lines: &[&'a str]) -> Below<'a> {
    let mut is_test = false;
    let mut lines = lines.iter().map(|line| line.trim());
    let first = lines.find(|line| {
        is_test |= *line == "#[test]";
        !(line.is_empty() || line.starts_with("//") || line.starts_with("#["))
    });
    let Some(signature) = first else {
        return Below::Code;
    };
    let rest =
        ["fn ", "pub fn ", "pub(super) fn ", "pub(crate) fn "].iter().find_map(|start| signature.strip_prefix(start));
    let Some((name, arguments)) = rest.and_then(|rest| rest.split_once('(')) else {
        return Below::Code;
    };
    if is_test {
        Below::Test(name)
    } else if arguments.starts_with("bench: &Bench)") || arguments.starts_with("_bench: &Bench)") {
        Below::Case(name)
    } else {
        Below::Code
    }
}

/// The modules around a line, as the file's place and the blocks `mod name {` tell.
struct Modules {
    /// Of the file itself.
    file: Vec<String>,
    /// Within the file, each with the blanks before its first and its last line.
    inner: Vec<(usize, String)>,
    /// True for a file of tests only.
    file_of_tests: bool,
}

impl Modules {
    /// The modules of a file, by its path from the project's root.
    fn of_file(path: &Path) -> Self {
        let names: Vec<_> = path.with_extension("").components().filter_map(name_of).collect();
        let folders = names.split_last().map_or(&[][..], |(_file, folders)| folders);
        let source = folders.iter().position(|name| name == "src");
        let at = source.or(folders.iter().rposition(|name| name == "tests")).unwrap_or(0);
        let (folder, within) = names.split_at((at + 1).min(names.len()));
        let integration = folder.last().is_some_and(|name| name == "tests");
        // Each file or folder directly in `tests` is a crate of its own, which has the modules below it. What several of
        // them share is a module of each: `common/mod.rs`.
        let own_crate = integration && !(within.len() == 2 && within[1] == "mod");
        let mut file = within[usize::from(own_crate).min(within.len())..].to_vec();
        if file.last().is_some_and(|name| ["mod", "lib", "main"].contains(&name.as_str())) {
            file.pop();
        }
        let file_of_tests = integration || file.last().is_some_and(|name| name == "tests");
        Self { file, inner: Vec::new(), file_of_tests }
    }

    /// Takes note of the module that a line begins or ends. Formatted code has both on lines of their own, equally far in.
    fn enter_and_leave(&mut self, line: &str) {
        let text = line.trim_start();
        let indent = line.len() - text.len();
        if text == "}" && self.inner.last().is_some_and(|(begin, _)| *begin == indent) {
            self.inner.pop();
        }
        let named = ["mod ", "pub mod ", "pub(crate) mod "].iter().find_map(|start| text.strip_prefix(start));
        if let Some(name) = named.and_then(|rest| rest.strip_suffix(" {")) {
            self.inner.push((indent, name.to_owned()));
        }
    }

    fn are_tests(&self) -> bool {
        self.file_of_tests || self.inner.iter().any(|(_, name)| name == "tests")
    }

    /// The path of a function here, as `cargo test` prints it.
    fn path(&self, function: &str) -> String {
        let inner = self.inner.iter().map(|(_, name)| name.as_str());
        let all: Vec<_> = self.file.iter().map(String::as_str).chain(inner).chain([function]).collect();
        all.join("::")
    }
}

fn name_of(component: Component) -> Option<String> {
    match component {
        Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text in which `§` stands for the mark, so that this file cites nothing.
    fn citations(file: &str, text: &str) -> Citations {
        let mut citations = Citations::default();
        citations.add(Path::new(file), &text.replace('§', MARK));
        citations
    }

    fn tests(file: &str, text: &str) -> Vec<Option<String>> {
        let citations = citations(file, text);
        assert_eq!(citations.errors, Vec::<String>::new());
        citations.places.into_values().flatten().map(|place| place.test).collect()
    }

    #[test]
    fn a_citation_above_a_test_is_the_tests_and_any_other_the_codes() {
        let text = "\
            § rfc1#MUST-1\nfn send() {\n    § rfc1#MUST-2\n    let x = 1;\n}\n\
            #[cfg(test)]\nmod tests {\n    use super::*;\n\n    § rfc1#MUST-3\n    § rfc1#MUST-4\n    /// Why.\n    \
            #[test]\n    #[should_panic]\n    fn it_works() {\n    }\n}\n§ rfc1#MUST-5\nfn receive() {}\n";
        let test = Some("send::queue::tests::it_works".to_owned());
        assert_eq!(tests("crates/tcb/src/send/queue.rs", text), [None, None, test.clone(), test, None]);
    }

    #[test]
    fn a_property_test_is_a_test() {
        let text = "mod tests {\n    proptest! {\n        § rfc1#1\n        #[test]\n        fn it_holds(\n            \
                    shift in 0..15,\n        ) {\n        }\n    }\n}\n";
        assert_eq!(tests("crates/tcb/src/recv/mod.rs", text), [Some("recv::tests::it_holds".to_owned())]);
    }

    #[test]
    fn a_case_in_a_namespace_goes_by_its_name() {
        let text = "§ rfc1#1\n/// Why.\npub fn curl_fetches(bench: &Bench) -> Outcome {\n}\n§ rfc1#2\nfn serve(host: &Host) {}\n";
        assert_eq!(tests("xtask/src/netns/programs.rs", text), [Some("curl_fetches".to_owned()), None]);
    }

    #[test]
    fn a_tests_path_follows_from_its_file() {
        let path = |file: &str| Modules::of_file(Path::new(file)).path("f");
        assert_eq!(path("crates/tcb/src/lib.rs"), "f");
        assert_eq!(path("crates/tcb/src/recovery/mod.rs"), "recovery::f");
        assert_eq!(path("crates/tcb/src/recovery/outstanding/tests.rs"), "recovery::outstanding::tests::f");
        assert_eq!(path("crates/tcb/tests/behaviour/main.rs"), "f");
        assert_eq!(path("crates/tcb/tests/behaviour/open.rs"), "open::f");
        assert_eq!(path("crates/tcb/tests/behaviour.rs"), "f");
        assert_eq!(path("crates/tcb/tests/common/mod.rs"), "common::f");
        assert_eq!(path("tests/tests/simulated_loss.rs"), "f");
        assert_eq!(path("tests/src/lib.rs"), "f");
    }

    #[test]
    fn a_citation_in_a_tests_helper_proves_nothing_and_is_an_error() {
        let helper = "§ rfc1#1\nfn helper() {}\n";
        for file in ["crates/tcb/tests/pair.rs", "crates/tcb/src/rtt/tests.rs"] {
            assert_eq!(
                citations(file, helper).errors,
                [format!("{file}:1: rfc1#1 is cited in a test's code, but above no test")]
            );
        }
        assert_eq!(citations("crates/tcb/src/rtt.rs", &format!("mod tests {{\n{helper}}}\n")).errors.len(), 1);
        assert_eq!(citations("crates/tcb/src/rtt.rs", helper).errors.len(), 0);
    }

    #[test]
    fn a_citation_in_a_script_is_the_scripts_tests_unless_it_is_marked() {
        let of = |text: &str| {
            let mut citations = Citations::default();
            citations.add_script(Path::new("tests/scripts/a/b.pkt"), &text.replace('§', MARK));
            (citations.places.into_values().flatten().map(|place| (place.line, place.test)).collect(), citations.errors)
        };
        let (places, errors): (Vec<_>, Vec<String>) = of("// Why.\n§ rfc1#1\n\n0 close(3) = 0\n");
        assert_eq!((places, errors), (vec![(2, Some(SCRIPTS.to_owned()))], Vec::new()));
        assert_eq!(of("// to come: x\n§ rfc1#1\n"), (Vec::new(), Vec::new()));
        assert_eq!(of("§ rfc 1\n").1.len(), 1);
    }

    #[test]
    fn what_looks_like_a_citation_but_is_none_is_an_error() {
        for text in ["let x = 1; § rfc1#1", "§rfc1#1", "§ rfc1#1, see there", "§ RFC 1", "§ rfc#1"] {
            assert_eq!(citations("crates/tcb/src/a.rs", text).errors.len(), 1, "{text}");
        }
    }
}
