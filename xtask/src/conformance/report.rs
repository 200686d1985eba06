//! The report: every row with its verdict, and the counts.

use std::collections::BTreeMap;
use std::fmt::Write;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use super::citations::{Citations, Place};
use super::results::Results;
use super::tables::{Row, Tables};
use crate::shell::Outcome;

/// What is known of one requirement.
#[derive(Debug)]
pub struct Entry {
    /// The requirement.
    pub row: Row,
    /// Where the code says that it does it.
    pub code: Vec<Place>,
    /// Tests that prove it, each with its result; `None` if it didn't run.
    pub tests: Vec<(Place, Option<bool>)>,
    /// Why it is left out on purpose.
    pub excuse: Option<String>,
}

/// What is to be said of one requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Implemented, tested, and the tests pass.
    Done,
    /// Left out on purpose, and said why.
    Excused,
    /// A test of it fails.
    Failing,
    /// It has tests, but none ran.
    NotRun,
    /// Tests prove it, but no code claims it.
    Unclaimed,
    /// Code claims it, but no test proves it.
    Untested,
    /// Nobody claims it.
    Open,
}

impl Verdict {
    /// In a word or two.
    pub fn text(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Excused => "excused",
            Self::Failing => "failing",
            Self::NotRun => "test not run",
            Self::Unclaimed => "not cited in code",
            Self::Untested => "not tested",
            Self::Open => "not implemented",
        }
    }

    /// True if nothing is left to do.
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Done | Self::Excused)
    }
}

impl Entry {
    fn implemented(&self) -> bool {
        !self.code.is_empty()
    }

    fn tested(&self) -> bool {
        !self.tests.is_empty()
    }

    /// True if a test of it has run, and none has failed.
    fn passing(&self) -> bool {
        self.tests.iter().any(|(_, passed)| *passed == Some(true)) && !self.failing()
    }

    fn failing(&self) -> bool {
        self.tests.iter().any(|(_, passed)| *passed == Some(false))
    }

    /// What is to be said of it.
    pub fn verdict(&self) -> Verdict {
        match self {
            _ if self.excuse.is_some() => Verdict::Excused,
            _ if self.failing() => Verdict::Failing,
            _ if self.tested() && !self.passing() => Verdict::NotRun,
            _ if self.tested() && !self.implemented() => Verdict::Unclaimed,
            _ if self.tested() => Verdict::Done,
            _ if self.implemented() => Verdict::Untested,
            _ => Verdict::Open,
        }
    }
}

/// One RFC.
#[derive(Debug)]
pub struct Chapter {
    /// `rfc9293`.
    pub rfc: String,
    /// Its subject.
    pub title: String,
    /// Its rows.
    pub entries: Vec<Entry>,
}

impl Chapter {
    /// How many rows are done or excused.
    pub fn settled(&self) -> usize {
        self.entries.iter().filter(|entry| entry.verdict().is_settled()).count()
    }

    /// True if nobody has begun with it.
    pub fn is_untouched(&self) -> bool {
        self.entries.iter().all(|entry| entry.verdict() == Verdict::Open)
    }

    /// `RFC 9293`.
    pub fn name(&self) -> String {
        self.rfc.replacen("rfc", "RFC ", 1)
    }
}

/// All requirements of all RFCs.
#[derive(Debug)]
pub struct Report {
    /// By the RFC's number.
    pub chapters: Vec<Chapter>,
}

/// The counts of the rows of one RFC that have one level.
#[derive(Clone, Copy, Debug, Default, Serialize, PartialEq, Eq)]
pub struct Counts {
    /// Rows.
    pub total: usize,
    /// Rows that code cites.
    pub implemented: usize,
    /// Rows that tests cite.
    pub tested: usize,
    /// Rows of which a test has run and none has failed.
    pub passing: usize,
    /// Rows left out on purpose.
    pub excused: usize,
}

impl Report {
    /// Joins the three.
    ///
    /// # Errors
    /// When a citation names no row, or can't count.
    pub fn join(mut tables: Tables, citations: &Citations, results: &Results) -> Outcome<Self> {
        check(&tables, citations)?;
        let excused = std::mem::take(&mut tables.excused);
        let same = std::mem::take(&mut tables.same);
        let entry = |row: Row| {
            let names = || [Some(&row.name), same.get(&row.name)].into_iter().flatten();
            let places = names().filter_map(|name| citations.places.get(name)).flatten().cloned();
            let (tests, code): (Vec<_>, Vec<_>) = places.partition(|place| place.test.is_some());
            let result = |place: Place| {
                let passed = place.test.as_deref().and_then(|test| results.passed(test));
                (place, passed)
            };
            let excuse = names().find_map(|name| excused.get(name)).cloned();
            Entry { row, code, tests: tests.into_iter().map(result).collect(), excuse }
        };
        let chapter = |(rfc, table): (String, super::tables::Rfc)| Chapter {
            rfc,
            title: table.title,
            entries: table.rows.into_iter().map(entry).collect(),
        };
        Ok(Self { chapters: tables.rfcs.into_iter().map(chapter).collect() })
    }

    /// Per RFC and level.
    pub fn counts(&self) -> BTreeMap<&str, BTreeMap<&str, Counts>> {
        let mut all: BTreeMap<_, BTreeMap<_, Counts>> = BTreeMap::new();
        for chapter in &self.chapters {
            for entry in &chapter.entries {
                let levels = all.entry(chapter.rfc.as_str()).or_default();
                let counts = levels.entry(entry.row.level.as_str()).or_default();
                counts.total += 1;
                counts.implemented += usize::from(entry.implemented());
                counts.tested += usize::from(entry.tested());
                counts.passing += usize::from(entry.passing());
                counts.excused += usize::from(entry.excuse.is_some());
            }
        }
        all
    }

    /// The counts for people. RFCs that nobody has begun with are only named below.
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["RFC", "level", "total", "implemented", "tested", "passing", "excused"]);
        table.column_iter_mut().skip(2).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
        let all = self.counts();
        for chapter in self.chapters.iter().filter(|chapter| !chapter.is_untouched()) {
            for (level, Counts { total, implemented, tested, passing, excused }) in &all[chapter.rfc.as_str()] {
                let counts = [total, implemented, tested, passing, excused].map(ToString::to_string);
                table.add_row([chapter.name(), (*level).to_owned()].into_iter().chain(counts));
            }
        }
        let untouched: Vec<_> =
            self.chapters.iter().filter(|chapter| chapter.is_untouched()).map(|c| &c.rfc[3..]).collect();
        format!("{table}\nNothing yet of RFC {}.", untouched.join(", "))
    }

    /// The MUSTs of an RFC: how many are done or excused, how many there are, and those that are neither.
    pub fn musts(&self, rfc: &str) -> (usize, usize, Vec<&Entry>) {
        let chapter = self.chapters.iter().filter(|chapter| chapter.rfc == rfc);
        let musts: Vec<_> = chapter.flat_map(|chapter| &chapter.entries).filter(|entry| entry.row.is_must()).collect();
        let total = musts.len();
        let open: Vec<_> = musts.into_iter().filter(|entry| !entry.verdict().is_settled()).collect();
        (total - open.len(), total, open)
    }

    /// What is left of RFC 9293's MUSTs, in words.
    pub fn summary(&self) -> String {
        let (settled, total, open) = self.musts("rfc9293");
        let mut text = format!("RFC 9293: {settled} of {total} MUSTs done or excused");
        for entry in open {
            let Row { name, requirement, .. } = &entry.row;
            // Writing to a string doesn't fail.
            let _ = write!(text, "\n  {name} ({}): {requirement}", entry.verdict().text());
        }
        text
    }
}

/// Fails with all that is wrong with the citations.
fn check(tables: &Tables, citations: &Citations) -> Outcome {
    let names = tables.names();
    let strangers = citations.places.iter().filter(|(name, _)| !names.contains(name.as_str()));
    let strangers = strangers.flat_map(|(name, places)| {
        places.iter().map(move |place| format!("{}:{}: no table has a row {name}", place.file.display(), place.line))
    });
    let errors: Vec<_> = citations.errors.iter().cloned().chain(strangers).collect();
    if errors.is_empty() { Ok(()) } else { Err(format!("citations are wrong:\n{}", errors.join("\n")).into()) }
}

#[cfg(test)]
pub mod tests {
    use std::collections::HashMap;
    use std::path::PathBuf;

    use super::super::tables::Rfc;
    use super::Verdict::{Done, Excused, Failing, NotRun, Open, Unclaimed, Untested};
    use super::*;

    fn tables() -> Tables {
        let row = |id: &str, level: &str| Row {
            name: format!("rfc9293#{id}"),
            level: level.to_owned(),
            section: "3".to_owned(),
            requirement: format!("Do {id} & co."),
            note: String::new(),
        };
        let rows = vec![
            row("done", "MUST"),
            row("excused", "MUST"),
            row("failing", "MUST NOT"),
            row("half", "MUST"),
            row("not-run", "MUST"),
            row("unclaimed", "SHOULD"),
            row("untested", "SHOULD"),
            row("open", "MAY"),
        ];
        let title = "TCP".to_owned();
        let excused = HashMap::from([("rfc9293#excused".to_owned(), "on purpose".to_owned())]);
        let older = Row { name: "rfc1122#twin".to_owned(), ..rows[0].clone() };
        let same = HashMap::from([(older.name.clone(), rows[0].name.clone())]);
        let older = Rfc { title: title.clone(), rows: vec![older] };
        let rfcs = [("rfc1122".to_owned(), older), ("rfc9293".to_owned(), Rfc { title, rows })];
        Tables { rfcs: BTreeMap::from(rfcs), excused, same }
    }

    fn citations(cited: &[(&str, Option<&str>)]) -> Citations {
        let mut citations = Citations::default();
        for (line, (id, test)) in (1..).zip(cited) {
            let place = Place { file: PathBuf::from("crates/tcb/src/rtt.rs"), line, test: test.map(str::to_owned) };
            citations.places.entry(format!("rfc9293#{id}")).or_default().push(place);
        }
        citations
    }

    pub fn report() -> Report {
        let citations = citations(&[
            ("done", None),
            ("done", Some("works")),
            ("failing", None),
            ("failing", Some("works")),
            ("failing", Some("fails")),
            ("half", None),
            ("half", Some("works")),
            ("half", Some("elsewhere")),
            ("not-run", None),
            ("not-run", Some("elsewhere")),
            ("unclaimed", Some("works")),
            ("untested", None),
        ]);
        let mut results = Results::default();
        results.add("test works ... ok\ntest fails ... FAILED\n");
        Report::join(tables(), &citations, &results).unwrap()
    }

    #[test]
    fn code_tests_and_results_make_the_verdict() {
        let verdicts = report().chapters[1].entries.iter().map(Entry::verdict).collect::<Vec<_>>();
        assert_eq!(verdicts, [Done, Excused, Failing, Done, NotRun, Unclaimed, Untested, Open]);
    }

    #[test]
    fn a_row_that_asks_the_same_as_another_is_done_with_it() {
        let report = report();
        let twin = &report.chapters[0].entries[0];
        assert_eq!((twin.row.name.as_str(), twin.verdict()), ("rfc1122#twin", Done));
    }

    #[test]
    fn counts_are_per_rfc_and_level() {
        let report = report();
        let counts = serde_json::to_value(report.counts()).unwrap();
        let musts = r#"{"total":4,"implemented":3,"tested":3,"passing":2,"excused":1}"#;
        assert_eq!(counts["rfc9293"]["MUST"], serde_json::from_str::<serde_json::Value>(musts).unwrap());
        let must_nots = r#"{"total":1,"implemented":1,"tested":1,"passing":0,"excused":0}"#;
        assert_eq!(counts["rfc9293"]["MUST NOT"], serde_json::from_str::<serde_json::Value>(must_nots).unwrap());
    }

    #[test]
    fn the_summary_names_the_musts_that_are_left() {
        assert_eq!(
            report().summary(),
            "RFC 9293: 3 of 5 MUSTs done or excused\n  rfc9293#failing (failing): Do failing & co.\n  \
             rfc9293#not-run (test not run): Do not-run & co."
        );
    }

    #[test]
    fn a_citation_of_a_row_that_no_table_has_is_an_error() {
        let error = Report::join(tables(), &citations(&[("MUST-999", None)]), &Results::default()).unwrap_err();
        let expected = "citations are wrong:\ncrates/tcb/src/rtt.rs:1: no table has a row rfc9293#MUST-999";
        assert_eq!(error.to_string(), expected);
    }
}
