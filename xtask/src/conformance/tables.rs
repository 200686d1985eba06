//! The tables of requirements: one file per RFC, one row per requirement.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::Path;

use crate::shell::Outcome;

/// What the columns are called, in every table.
const HEADER: &str = "id\tlevel\tsection\tside\trequirement\tnote";

/// The words of RFC 2119 that are levels, and `RULE` for what an RFC states without one.
const LEVELS: [&str; 6] = ["MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "MAY", "RULE"];

/// One requirement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// As citations name it: `rfc9293#MUST-58`.
    pub name: String,
    /// One of [`LEVELS`].
    pub level: String,
    /// The section of the RFC.
    pub section: String,
    /// What is asked.
    pub requirement: String,
    /// A remark, or nothing.
    pub note: String,
}

impl Row {
    /// The part of the name that says which row of its table it is: `MUST-58`.
    pub fn id(&self) -> &str {
        self.name.split_once('#').map_or(&self.name, |(_, id)| id)
    }

    /// True if the RFC leaves no choice.
    pub fn is_must(&self) -> bool {
        self.level.starts_with("MUST")
    }
}

/// The requirements of one RFC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rfc {
    /// Its subject in a few words.
    pub title: String,
    /// Its rows, in the table's order.
    pub rows: Vec<Row>,
}

/// All requirements, by the names of their RFCs, and those that are left out on purpose.
#[derive(Debug, Default)]
pub struct Tables {
    /// `rfc9293` and so on.
    pub rfcs: BTreeMap<String, Rfc>,
    /// The reasons, by the names of rows.
    pub excused: HashMap<String, String>,
    /// Rows that ask what a row of another RFC asks, by their names: what is cited or excused there counts here.
    pub same: HashMap<String, String>,
}

impl Tables {
    /// Reads every table in `directory`.
    ///
    /// # Errors
    /// When a table is not what it should be: says where and why.
    pub fn read(directory: &Path) -> Outcome<Self> {
        let mut tables = Self::default();
        let mut titles = HashMap::new();
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "tsv") {
                continue;
            }
            let text = fs::read_to_string(&path)?;
            let within = |error: String| format!("{}: {error}", path.display());
            match path.file_stem().unwrap_or_default().to_string_lossy().as_ref() {
                "excused" => tables.excused = pairs("row\treason", &text).map_err(within)?,
                "same" => tables.same = pairs("row\tsame as", &text).map_err(within)?,
                "titles" => titles = pairs("rfc\ttitle", &text).map_err(within)?,
                rfc => {
                    let rows = rows(rfc, &text).map_err(within)?;
                    tables.rfcs.insert(rfc.to_owned(), Rfc { title: String::new(), rows });
                }
            }
        }
        for (rfc, title) in titles {
            tables.rfcs.get_mut(&rfc).ok_or_else(|| format!("titles.tsv: there is no table {rfc}"))?.title = title;
        }
        tables.check_names()?;
        Ok(tables)
    }

    /// The names of all rows.
    pub fn names(&self) -> HashSet<&str> {
        self.rfcs.values().flat_map(|rfc| &rfc.rows).map(|row| row.name.as_str()).collect()
    }

    fn check_names(&self) -> Result<(), String> {
        let names = self.names();
        let excused = self.excused.keys().map(|name| ("excused.tsv", name));
        let same = self.same.iter().flat_map(|(name, other)| [("same.tsv", name), ("same.tsv", other)]);
        match excused.chain(same).find(|(_, name)| !names.contains(name.as_str())) {
            Some((file, stranger)) => Err(format!("{file}: no table has a row {stranger}")),
            None => Ok(()),
        }
    }
}

/// The rows of one table.
fn rows(rfc: &str, text: &str) -> Result<Vec<Row>, String> {
    let mut rows: Vec<Row> = Vec::new();
    let mut ids = HashSet::new();
    for (number, line) in body(HEADER, text)? {
        let columns: Vec<_> = line.split('\t').collect();
        let &[id, level, section, _side, requirement, note] = columns.as_slice() else {
            return Err(format!("line {number} has {} columns, not 6", columns.len()));
        };
        if !LEVELS.contains(&level) {
            return Err(format!("line {number} has an unknown level, {level:?}"));
        }
        if !ids.insert(id) {
            return Err(format!("line {number} repeats the id {id}"));
        }
        rows.push(Row {
            name: format!("{rfc}#{id}"),
            level: level.to_owned(),
            section: section.to_owned(),
            requirement: requirement.to_owned(),
            note: note.to_owned(),
        });
    }
    Ok(rows)
}

/// A table of two columns, the first of which is unique.
fn pairs(header: &str, text: &str) -> Result<HashMap<String, String>, String> {
    let mut pairs = HashMap::new();
    for (number, line) in body(header, text)? {
        let Some((name, value)) = line.split_once('\t').filter(|(_, value)| !value.trim().is_empty()) else {
            return Err(format!("line {number} doesn't have two columns"));
        };
        if pairs.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(format!("line {number} repeats {name}"));
        }
    }
    Ok(pairs)
}

/// The lines below the header, with their numbers.
fn body<'a>(header: &str, text: &'a str) -> Result<impl Iterator<Item = (usize, &'a str)>, String> {
    let mut lines = (1..).zip(text.lines());
    match lines.next() {
        Some((_, first)) if first == header => Ok(lines),
        _ => Err(format!("the first line is not {header:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(lines: &str) -> Result<Vec<Row>, String> {
        rows("rfc1", &format!("{HEADER}\n{lines}"))
    }

    #[test]
    fn a_line_is_a_row_and_the_header_is_none() {
        let rows = table("MUST-1\tMUST NOT\t3.1\twire\tDo it.\t\n2-1\tRULE\t2\tsend\tSo.\toptional\n").unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0].name.as_str(), rows[0].id(), rows[0].is_must()), ("rfc1#MUST-1", "MUST-1", true));
        assert_eq!(
            (rows[1].requirement.as_str(), rows[1].note.as_str(), rows[1].is_must()),
            ("So.", "optional", false)
        );
    }

    #[test]
    fn a_table_that_is_not_one_says_where() {
        assert_eq!(table("MUST-1\tMUST\t3.1\n").unwrap_err(), "line 2 has 3 columns, not 6");
        assert_eq!(table("1\tOUGHT\t3\twire\tDo it.\t\n").unwrap_err(), "line 2 has an unknown level, \"OUGHT\"");
        assert_eq!(table("1\tMAY\t3\tip\tA.\t\n1\tMAY\t3\tip\tB.\t\n").unwrap_err(), "line 3 repeats the id 1");
        assert!(rows("rfc1", "1\tMAY\t3\tip\tA.\t\n").unwrap_err().starts_with("the first line is not"));
    }

    #[test]
    fn an_excuse_has_a_reason_and_excuses_a_row_that_exists() {
        assert_eq!(pairs("row\treason", "row\treason\nrfc1#1\t \n").unwrap_err(), "line 2 doesn't have two columns");
        let mut tables =
            Tables { excused: pairs("row\treason", "row\treason\nrfc1#1\twhy\n").unwrap(), ..Tables::default() };
        assert_eq!(tables.check_names().unwrap_err(), "excused.tsv: no table has a row rfc1#1");
        let rows = table("1\tMAY\t3\tip\tA.\t\n").unwrap();
        tables.rfcs.insert("rfc1".to_owned(), Rfc { title: String::new(), rows });
        assert_eq!(tables.check_names(), Ok(()));
        tables.same.insert("rfc1#1".to_owned(), "rfc2#1".to_owned());
        assert_eq!(tables.check_names().unwrap_err(), "same.tsv: no table has a row rfc2#1");
    }

    #[test]
    fn the_projects_own_tables_are_sound() {
        let tables = Tables::read(&crate::shell::root().join("requirements")).unwrap();
        assert!(tables.rfcs.len() >= 42);
        assert!(tables.rfcs.values().all(|rfc| !rfc.title.is_empty() && !rfc.rows.is_empty()));
        assert!(tables.names().contains("rfc9293#MUST-58"));
    }
}
