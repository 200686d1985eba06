//! The tables of requirements.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use crate::shell::Outcome;

/// One requirement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// As citations name it: `rfc9293#MUST-58`.
    pub name: String,
    pub level: String,
    pub section: String,
    pub requirement: String,
}

/// All requirements, by RFC, and those that are left out on purpose.
#[derive(Debug, Default)]
pub struct Tables {
    pub rfcs: BTreeMap<String, Vec<Row>>,
    pub excused: HashMap<String, String>,
}

impl Tables {
    /// Reads every table in `directory`.
    pub fn read(directory: &Path) -> Outcome<Self> {
        let mut tables = Self::default();
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            if path.extension().is_none_or(|extension| extension != "tsv") {
                continue;
            }
            let text = fs::read_to_string(&path)?;
            if stem == "excused" {
                tables.excused = excused(&text);
            } else {
                tables.rfcs.insert(stem.clone(), rows(&stem, &text));
            }
        }
        Ok(tables)
    }
}

fn rows(rfc: &str, text: &str) -> Vec<Row> {
    let row = |line: &str| {
        let mut columns = line.split('\t');
        let (id, level, section) = (columns.next()?, columns.next()?, columns.next()?);
        let requirement = columns.nth(1)?;
        Some(Row {
            name: format!("{rfc}#{id}"),
            level: level.to_owned(),
            section: section.to_owned(),
            requirement: requirement.to_owned(),
        })
    };
    text.lines().skip(1).filter_map(row).collect()
}

fn excused(text: &str) -> HashMap<String, String> {
    let pairs = text.lines().skip(1).filter_map(|line| line.split_once('\t'));
    pairs.map(|(name, reason)| (name.to_owned(), reason.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_row_and_the_header_is_none() {
        let rows = rows("rfc1", "id\tlevel\tsection\tside\trequirement\tnote\nMUST-1\tMUST\t3.1\twire\tDo it.\tnote\n");
        assert_eq!(rows.len(), 1);
        assert_eq!((&rows[0].name[..], &rows[0].requirement[..]), ("rfc1#MUST-1", "Do it."));
    }
}
