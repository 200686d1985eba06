//! Habits of this code base that no compiler checks.

use std::collections::BTreeSet;
use std::path::PathBuf;

use sockeye_tests::{Package, packages, root};

/// The longest a file of the product may be, its tests included.
const LONGEST: usize = 700;

/// Libraries that have nothing to show yet.
const WITHOUT_EXAMPLE: [&str; 0] = [];

fn products() -> Vec<Package> {
    packages().into_iter().filter(Package::is_product).collect()
}

/// Every source of every crate, those of tests and examples too.
fn all_sources() -> impl Iterator<Item = (PathBuf, String)> {
    packages()
        .into_iter()
        .flat_map(|package| ["src", "tests", "examples", "benches"].map(|f| package.sources(f)))
        .flatten()
}

/// What is left of a line without its comment. (A `//` in a string ends it too early, which hides nothing looked for here.)
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

/// True if `word` stands in `line` by itself, neither in a longer name nor in a comment.
fn has_word(line: &str, word: &str) -> bool {
    code(line).split(|c: char| !c.is_alphanumeric() && c != '_').any(|found| found == word)
}

/// The lines with an `unsafe` for which no comment within the three lines above says why it is sound.
fn unexplained_unsafe(text: &str) -> Vec<usize> {
    let lines: Vec<_> = text.lines().collect();
    let explained = |at: usize| lines[at.saturating_sub(3)..=at].iter().any(|line| line.contains("SAFETY:"));
    (0..lines.len()).filter(|at| has_word(lines[*at], "unsafe") && !explained(*at)).map(|at| at + 1).collect()
}

#[test]
fn no_file_is_longer_than_a_reader_can_hold() {
    for package in products() {
        for (path, text) in package.sources("src") {
            let length = text.lines().count();
            assert!(length <= LONGEST, "{} has {length} lines: more than {LONGEST}", path.display());
        }
    }
}

#[test]
fn every_module_says_what_it_is_for() {
    for package in products() {
        for (path, text) in package.sources("src") {
            let opens = text.lines().find(|line| !line.trim().is_empty() && !line.starts_with("#!["));
            assert!(
                opens.is_some_and(|line| line.starts_with("//!")),
                "{} doesn't open with what it is for",
                path.display()
            );
        }
    }
}

#[test]
fn unsafe_stays_in_the_device_crate_and_says_why_it_is_sound() {
    for package in products() {
        for (path, text) in package.sources("src") {
            if package.name == "sockeye-device" {
                assert_eq!(unexplained_unsafe(&text), Vec::<usize>::new(), "{}: no SAFETY comment", path.display());
            } else {
                let found = text.lines().position(|line| has_word(line, "unsafe"));
                assert_eq!(found, None, "{}: unsafe outside crates/device", path.display());
            }
        }
    }
}

#[test]
fn no_test_is_ignored_and_nothing_is_left_to_do() {
    // In two pieces each, so that this file passes.
    let left = [("to", "do!("), ("unimpl", "emented!("), ("db", "g!("), ("#[ig", "nore"), ("TO", "DO"), ("FIX", "ME")];
    for (path, text) in all_sources() {
        for (at, line) in text.lines().enumerate() {
            let found = left.iter().find(|(start, end)| line.contains(&format!("{start}{end}")));
            assert_eq!(found, None, "{}:{}", path.display(), at + 1);
        }
    }
}

#[test]
fn every_library_has_an_example() {
    for package in products().iter().filter(|package| package.is_library) {
        let excused = WITHOUT_EXAMPLE.contains(&package.name.as_str());
        assert_eq!(
            package.examples.is_empty(),
            excused,
            "{} (or the list of those without is out of date)",
            package.name
        );
    }
}

#[test]
fn what_these_checks_look_for_would_be_found() {
    assert!(has_word("    unsafe { ioctl(fd) }", "unsafe"));
    assert!(!has_word("#[expect(unsafe_code, reason = \"ioctl\")] // unsafe, and no way around it", "unsafe"));
    assert_eq!(unexplained_unsafe("fn f() {\n    unsafe { g() }\n}"), [2]);
    assert_eq!(unexplained_unsafe("// SAFETY: g has no conditions.\nunsafe { g() }"), Vec::<usize>::new());
}

/// The rows of docs/field.md that a line names: `FIELD D7`.
fn rows_named(line: &str) -> impl Iterator<Item = String> + '_ {
    let after = line.split("FIELD D").skip(1);
    after.map(|rest| rest.chars().take_while(char::is_ascii_digit).collect())
}

#[test]
fn every_defect_that_a_test_names_is_in_the_list() {
    let list = std::fs::read_to_string(root().join("docs/field.md")).expect("docs/field.md");
    for (path, text) in all_sources() {
        for row in text.lines().flat_map(rows_named).filter(|row| !row.is_empty()) {
            assert!(list.contains(&format!("| D{row} |")), "{} names D{row}", path.display());
        }
    }
}

#[test]
fn every_defect_in_the_list_is_one_that_a_test_names() {
    let list = std::fs::read_to_string(root().join("docs/field.md")).expect("docs/field.md");
    let sources: Vec<_> = all_sources().collect();
    let lines = sources.iter().flat_map(|(_, text)| text.lines());
    let named: BTreeSet<String> = lines.filter_map(rows_of).flatten().collect();
    let listed = list.lines().filter_map(|line| line.strip_prefix("| D")?.split_once(" |"));
    let unnamed: Vec<&str> = listed.map(|(row, _)| row).filter(|row| !named.contains(*row)).collect();
    assert!(unnamed.is_empty(), "no test names {unnamed:?}");
}

/// The rows that a line with `FIELD` names: the first behind it, and those that follow with commas between.
fn rows_of(line: &str) -> Option<impl Iterator<Item = String> + '_> {
    let (_, rest) = line.split_once("FIELD ")?;
    let rows = rest.split(", ").map_while(|word| {
        let number: String = word.strip_prefix('D')?.chars().take_while(char::is_ascii_digit).collect();
        (!number.is_empty()).then_some(number)
    });
    Some(rows)
}
