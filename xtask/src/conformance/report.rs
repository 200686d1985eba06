//! The report: every row with its verdict, and the counts.

use std::collections::BTreeMap;
use std::fmt::Write;

use comfy_table::{Table, presets};
use serde::Serialize;

use super::citations::{Citations, Place};
use super::results::Results;
use super::tables::{Row, Tables};
use crate::shell::Outcome;

/// What is known of one requirement.
#[derive(Debug)]
pub struct Entry {
    pub row: Row,
    /// Where the code says that it does it.
    pub code: Vec<Place>,
    /// Tests that prove it, each with its result; `None` if it didn't run.
    pub tests: Vec<(Place, Option<bool>)>,
    /// Why it is left out on purpose.
    pub excuse: Option<String>,
}

impl Entry {
    fn implemented(&self) -> bool {
        !self.code.is_empty()
    }

    fn tested(&self) -> bool {
        !self.tests.is_empty()
    }

    fn passing(&self) -> bool {
        self.tested() && self.tests.iter().all(|(_, passed)| *passed == Some(true))
    }

    /// True if nothing is left to do.
    fn done(&self) -> bool {
        self.excuse.is_some() || (self.implemented() && self.passing())
    }

    /// In one word.
    pub fn verdict(&self) -> &'static str {
        match self {
            _ if self.excuse.is_some() => "excused",
            _ if self.done() => "done",
            _ if self.tests.iter().any(|(_, passed)| *passed == Some(false)) => "failing",
            _ if self.tested() => "tested",
            _ if self.implemented() => "untested",
            _ => "to come",
        }
    }
}

/// All requirements of all RFCs.
#[derive(Debug)]
pub struct Report {
    pub rfcs: BTreeMap<String, Vec<Entry>>,
}

/// The counts of the rows of one RFC that have one level.
#[derive(Clone, Copy, Debug, Default, Serialize, PartialEq, Eq)]
pub struct Counts {
    pub total: usize,
    pub implemented: usize,
    pub tested: usize,
    pub passing: usize,
    pub excused: usize,
}

impl Report {
    /// Joins the three.
    pub fn join(tables: &Tables, citations: &Citations, results: &Results) -> Outcome<Self> {
        let mut rfcs = BTreeMap::new();
        let mut known = std::collections::HashSet::new();
        for (rfc, rows) in &tables.rfcs {
            let entries = rows.iter().map(|row| {
                known.insert(row.name.clone());
                let places = citations.0.get(&row.name).into_iter().flatten().cloned();
                let (tests, code): (Vec<_>, Vec<_>) = places.partition(|place| place.test.is_some());
                let result = |place: Place| {
                    let passed = place.test.as_deref().and_then(|test| results.passed(test));
                    (place, passed)
                };
                let excuse = tables.excused.get(&row.name).cloned();
                Entry { row: row.clone(), code, tests: tests.into_iter().map(result).collect(), excuse }
            });
            rfcs.insert(rfc.clone(), entries.collect());
        }
        let cited = citations.0.iter().filter(|(name, _)| !known.contains(*name));
        let strangers: Vec<_> =
            cited.map(|(name, places)| format!("{name} ({}:{})", places[0].file.display(), places[0].line)).collect();
        if strangers.is_empty() {
            Ok(Self { rfcs })
        } else {
            Err(format!("citations of requirements that no table has: {}", strangers.join(", ")).into())
        }
    }

    /// Per RFC and level.
    pub fn counts(&self) -> BTreeMap<String, BTreeMap<String, Counts>> {
        let mut all: BTreeMap<String, BTreeMap<String, Counts>> = BTreeMap::new();
        for (rfc, entries) in &self.rfcs {
            for entry in entries {
                let counts = all.entry(rfc.clone()).or_default().entry(entry.row.level.clone()).or_default();
                counts.total += 1;
                counts.implemented += usize::from(entry.implemented());
                counts.tested += usize::from(entry.tested());
                counts.passing += usize::from(entry.passing());
                counts.excused += usize::from(entry.excuse.is_some());
            }
        }
        all
    }

    /// The counts for people. RFCs of which nothing is cited yet are left out.
    pub fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        table.set_header(["RFC", "level", "rows", "implemented", "tested", "passing", "excused"]);
        for (rfc, levels) in self.counts() {
            if levels.values().all(|counts| counts.implemented + counts.tested + counts.excused == 0) {
                continue;
            }
            for (level, Counts { total, implemented, tested, passing, excused }) in levels {
                let counts = [total, implemented, tested, passing, excused].map(|count| count.to_string());
                table.add_row([rfc.clone(), level].into_iter().chain(counts));
            }
        }
        table
    }

    /// What is left of RFC 9293's MUSTs, in words.
    pub fn summary(&self) -> String {
        let musts: Vec<&Entry> = self
            .rfcs
            .get("rfc9293")
            .into_iter()
            .flatten()
            .filter(|entry| entry.row.level.starts_with("MUST"))
            .collect();
        let open: Vec<_> = musts.iter().filter(|entry| !entry.done()).collect();
        let done = musts.len() - open.len();
        let percent = done * 100 / musts.len().max(1);
        let mut text = format!("RFC 9293: {done} of {} MUSTs done or excused ({percent} %).", musts.len());
        for entry in open {
            let Row { name, requirement, .. } = &entry.row;
            let _ = write!(text, "\n  {name} ({}): {requirement}", entry.verdict());
        }
        text
    }
}
