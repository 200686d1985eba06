//! What the tests said.

use std::collections::HashMap;

/// Results by the name of the test's function.
#[derive(Debug, Default)]
pub struct Results {
    passed: HashMap<String, bool>,
    /// Tests that passed, those of one name counted each.
    pub count_passed: usize,
    pub count_failed: usize,
}

impl Results {
    /// Adds the output of `cargo test`, or of `cargo xtask netns-test --json`.
    pub fn add(&mut self, text: &str) {
        match serde_json::from_str::<serde_json::Value>(text) {
            Ok(json) => self.add_cases(&json),
            Err(_) => text.lines().for_each(|line| self.add_line(line)),
        }
    }

    /// True if all tests of this name passed; `None` if none ran.
    pub fn passed(&self, test: &str) -> Option<bool> {
        self.passed.get(test).copied()
    }

    fn add_line(&mut self, line: &str) {
        let Some((path, outcome)) = line.strip_prefix("test ").and_then(|rest| rest.rsplit_once(" ... ")) else {
            return;
        };
        let passed = match outcome.split_whitespace().next() {
            Some("ok") => true,
            Some("FAILED") => false,
            _ => return,
        };
        // Of `module::tests::name - should panic` the name is what stands before the blank, after the last colon.
        let path = path.split(' ').next().unwrap_or(path);
        self.note(path.rsplit("::").next().unwrap_or(path), passed);
    }

    fn add_cases(&mut self, json: &serde_json::Value) {
        for case in json["cases"].as_array().into_iter().flatten() {
            if let (Some(name), Some(ok)) = (case["name"].as_str(), case["ok"].as_bool()) {
                self.note(name, ok);
            }
        }
    }

    fn note(&mut self, name: &str, passed: bool) {
        if passed {
            self.count_passed += 1;
        } else {
            self.count_failed += 1;
        }
        let all = self.passed.entry(name.to_owned()).or_insert(true);
        *all &= passed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_cargo_test_and_cases_of_namespaces_are_read() {
        let mut results = Results::default();
        results.add("running 2 tests\ntest a::b::works ... ok\ntest a::fails ... FAILED\ntest result: ok. 1 passed\n");
        results.add(r#"{"passed":1,"failed":0,"cases":[{"name":"nc","ok":true}]}"#);
        assert_eq!(
            ["works", "fails", "nc", "other"].map(|name| results.passed(name)),
            [Some(true), Some(false), Some(true), None]
        );
        assert_eq!((results.count_passed, results.count_failed), (2, 1));
    }
}
