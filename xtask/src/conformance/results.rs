//! What the tests said.

use std::collections::HashMap;

use serde_json::Value;

/// Results by the path of the test, or by the name of the case.
#[derive(Debug, Default)]
pub struct Results {
    passed: HashMap<String, bool>,
    /// How many tests and cases passed.
    pub count_passed: usize,
    /// How many failed.
    pub count_failed: usize,
}

impl Results {
    /// Adds the output of `cargo test`, or of `cargo xtask netns-test --json`.
    pub fn add(&mut self, text: &str) {
        match serde_json::from_str::<Value>(text) {
            Ok(json) => self.add_cases(&json),
            Err(_) => text.lines().for_each(|line| self.add_line(line)),
        }
    }

    /// True if all tests of this path passed; `None` if none ran.
    pub fn passed(&self, test: &str) -> Option<bool> {
        self.passed.get(test).copied()
    }

    /// `12 passed, 0 failed`.
    pub fn summary(&self) -> String {
        format!("{} passed, {} failed", self.count_passed, self.count_failed)
    }

    fn add_line(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result: ") {
            // Of a whole test binary, however its lines came out.
            self.count_passed += count(counts, " passed");
            self.count_failed += count(counts, " failed");
        } else if let Some((path, outcome)) = line.strip_prefix("test ").and_then(|rest| rest.rsplit_once(" ... ")) {
            // `module::name - should panic` is how libtest shows a test that is to panic.
            let path = path.split(" - ").next().unwrap_or(path);
            match outcome.split_whitespace().next() {
                Some("ok") => self.note(path, true),
                Some("FAILED") => self.note(path, false),
                _ => {} // ignored
            }
        }
    }

    fn add_cases(&mut self, json: &Value) {
        for case in json["cases"].as_array().into_iter().flatten() {
            if let (Some(name), Some(ok)) = (case["name"].as_str(), case["ok"].as_bool()) {
                self.note(name, ok);
                self.count_passed += usize::from(ok);
                self.count_failed += usize::from(!ok);
            }
        }
    }

    fn note(&mut self, path: &str, passed: bool) {
        *self.passed.entry(path.to_owned()).or_insert(true) &= passed;
    }
}

/// The number before `what` in `ok. 5 passed; 0 failed; …`.
fn count(counts: &str, what: &str) -> usize {
    let before = counts.split(';').find_map(|part| part.trim().strip_suffix(what));
    before.and_then(|text| text.rsplit(' ').next()).and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_of_cargo_test_is_read() {
        let mut results = Results::default();
        results.add(
            "running 4 tests\ntest a::b::works ... ok\ntest a::fails ... FAILED\ntest later ... ignored\n\
             test panics - should panic ... ok\n\n\
             test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n\n\
             running 1 test\ntest crates/wire/src/seq.rs - seq::SeqNumber (line 12) ... ok\n\n\
             test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.40s\n",
        );
        let tests = ["a::b::works", "a::fails", "later", "panics", "works"];
        assert_eq!(tests.map(|test| results.passed(test)), [Some(true), Some(false), None, Some(true), None]);
        assert_eq!(results.summary(), "3 passed, 1 failed");
    }

    #[test]
    fn the_output_of_netns_test_is_read() {
        let mut results = Results::default();
        results
            .add(r#"{"passed":1,"failed":1,"cases":[{"name":"nc","ok":true},{"name":"curl","ok":false,"error":"1"}]}"#);
        assert_eq!(["nc", "curl", "ping"].map(|case| results.passed(case)), [Some(true), Some(false), None]);
        assert_eq!(results.summary(), "1 passed, 1 failed");
    }

    #[test]
    fn a_test_of_which_one_copy_fails_has_failed() {
        let mut results = Results::default();
        results.add("test it ... ok\ntest it ... FAILED\ntest it ... ok\n");
        assert_eq!(results.passed("it"), Some(false));
    }
}
