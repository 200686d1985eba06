//! Loss recovery and congestion control, in virtual time: how near to what a path allows, in numbers that anybody gets.
//!
//! Each case is a scenario of the simulator and what is measured of it; none runs on a clock. The fixed grid is the
//! project's promise; the random one is drawn from a seed that changes daily, so that nobody can fit a constant to it.

mod case;
mod fixed;
mod grid;
mod model;
mod short;
mod varied;

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::ValueEnum;
use comfy_table::{Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use sockeye::Algorithm;

use crate::output::{prepare, print};
use crate::shell::Outcome;
use case::Case;

/// Measure loss recovery and congestion control in virtual time.
///
/// A target that is missed is a row of the report, not a failure: the exit status is 0.
#[derive(clap::Args)]
pub struct Arguments {
    /// Print one JSON object on standard output.
    #[arg(long)]
    json: bool,
    /// Only scenarios whose names contain this.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Only this congestion control: cubic, newreno (or reno), bbr, dctcp.
    #[arg(long, value_name = "NAME")]
    cc: Option<Algorithm>,
    /// Which scenarios; both grids if absent.
    #[arg(long)]
    grid: Option<Grid>,
    /// What the random grid is drawn from; today's date if absent.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Draw each scenario into this directory: values over time, and the time-sequence graph of its first flow.
    #[arg(long, value_name = "DIRECTORY")]
    plot: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Grid {
    /// Fixed ones, beside the targets of docs/congestion.md.
    Fixed,
    /// Those that chance draws.
    Random,
}

/// What came of a case.
#[derive(Serialize)]
struct Row {
    scenario: String,
    cc: &'static str,
    /// What was measured, as `target` is.
    value: f64,
    /// What it has to reach; none where the figure is only reported.
    target: Option<f64>,
    /// True if that is the most it may be, false if the least.
    at_most: bool,
    /// Whether it does; true without a target.
    met: bool,
    /// What the value is of, and anything worth knowing besides.
    #[serde(skip_serializing_if = "String::is_empty")]
    note: String,
}

impl Row {
    /// Value, target and whether it is met, as the table shows them; a mark without a target is that of a broken rule.
    fn verdict(&self) -> [String; 3] {
        let sign = if self.at_most { '≤' } else { '≥' };
        let target = self.target.map_or_else(|| "-".to_owned(), |target| format!("{sign} {}", shown(target)));
        let met = match (self.met, self.target) {
            (true, Some(_)) => "✓",
            (true, None) => "-",
            (false, _) => "✗",
        };
        [format!("{:.3}", self.value), target, met.to_owned()]
    }
}

/// With three decimals, those left out that say nothing.
fn shown(target: f64) -> String {
    let text = format!("{target:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[derive(Serialize)]
struct Rows {
    seed: u64,
    rows: Vec<Row>,
}

pub fn run(arguments: &Arguments) -> Outcome {
    let seed = arguments.seed.unwrap_or_else(today);
    let mut cases = Vec::new();
    if arguments.grid != Some(Grid::Random) {
        cases.extend(fixed::all());
    }
    if arguments.grid != Some(Grid::Fixed) {
        cases.extend(grid::random(seed));
    }
    let cases = chosen(cases, arguments.only.as_deref().unwrap_or_default(), arguments.cc)?;
    arguments.plot.as_deref().map_or(Ok(()), prepare)?;
    let rows = Rows { seed, rows: measure(&cases, arguments.plot.as_deref())? };
    if arguments.json {
        print(serde_json::to_string_pretty(&rows)?)?;
    } else {
        print(table(&rows))?;
    }
    Ok(())
}

/// Names that are told to whoever asked for one that there isn't.
const TOLD: usize = 20;

/// Those whose names contain `only`, of that congestion control if there is one: at least one.
fn chosen(mut cases: Vec<Case>, only: &str, cc: Option<Algorithm>) -> Outcome<Vec<Case>> {
    cases.retain(|case| cc.is_none_or(|cc| case.cc == cc.name()));
    let names: BTreeSet<String> = cases.iter().map(|case| case.name.clone()).collect();
    cases.retain(|case| case.name.contains(only));
    if cases.is_empty() {
        let of = cc.map_or_else(String::new, |cc| format!(" of {}", cc.name()));
        return Err(format!("no scenario{of} has {only:?} in its name; there are:{}", nearest(names, only)).into());
    }
    Ok(cases)
}

/// A line for each of the names that have most in common with `only`, and how many more there are.
fn nearest(names: BTreeSet<String>, only: &str) -> String {
    let wanted = pairs(only);
    let mut names: Vec<String> = names.into_iter().collect();
    names.sort_by_cached_key(|name| Reverse(pairs(name).intersection(&wanted).count()));
    let more = names.len().saturating_sub(TOLD);
    names.truncate(TOLD);
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    names.iter().flat_map(|name| ["\n  ", name]).collect()
}

/// The pairs of letters that follow each other in a name, all lower case.
fn pairs(name: &str) -> BTreeSet<(char, char)> {
    let name = name.to_lowercase();
    name.chars().zip(name.chars().skip(1)).collect()
}

/// Runs the cases on all processors, and draws them if they are to be; the rows come in the cases' order.
fn measure(cases: &[Case], plot: Option<&Path>) -> Outcome<Vec<Row>> {
    let style = ProgressStyle::with_template("{pos}/{len} {wide_msg} {elapsed}")?;
    let progress = ProgressBar::new(cases.len() as u64).with_style(style);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let index = next.fetch_add(1, Ordering::Relaxed)
            && let Some(case) = cases.get(index)
        {
            progress.set_message(format!("{} {}", case.name, case.cc));
            done.push((index, case.run(plot).map_err(|error| error.to_string())));
            progress.inc(1);
        }
        done
    };
    let workers = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let mut done: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    progress.finish_and_clear();
    done.sort_by_key(|(index, _)| *index);
    let rows: Outcome<Vec<Vec<Row>>> = done.into_iter().map(|(_, rows)| rows.map_err(Into::into)).collect();
    Ok(rows?.into_iter().flatten().collect())
}

/// For people: a line each, and how many miss.
fn table(rows: &Rows) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["scenario", "cc", "value", "target", "met", "what it was like"]);
    for row in &rows.rows {
        let [value, target, met] = row.verdict();
        table.add_row([row.scenario.as_str(), row.cc, &value, &target, &met, &row.note]);
    }
    let missed = rows.rows.iter().filter(|row| !row.met).count();
    format!("{table}\n{} rows, {missed} missed; seed of the random grid: {}", rows.rows.len(), rows.seed)
}

/// Days since 1970.
fn today() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / 86_400)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_shows_which_way_it_has_to_be_and_whether_it_is() {
        let row = |target, at_most, met| {
            let (scenario, note) = ("clean".to_owned(), String::new());
            Row { scenario, cc: "cubic", value: 0.9, target, at_most, met, note }
        };
        assert_eq!(row(Some(0.855), false, true).verdict(), ["0.900", "≥ 0.855", "✓"]);
        assert_eq!(row(Some(0.01), true, false).verdict(), ["0.900", "≤ 0.01", "✗"]);
        assert_eq!(row(Some(0.0), true, false).verdict(), ["0.900", "≤ 0", "✗"]);
        assert_eq!(row(None, false, true).verdict(), ["0.900", "-", "-"]);
        let json = serde_json::to_value(row(Some(5.0), true, true)).expect("JSON");
        let expected = serde_json::json!({
            "scenario": "clean", "cc": "cubic", "value": 0.9, "target": 5.0, "at_most": true, "met": true
        });
        assert_eq!(json, expected);
    }

    #[test]
    fn what_no_scenario_is_called_is_refused_with_the_names_that_there_are() {
        let names = |only, cc| {
            let cases = chosen(fixed::all(), only, cc).map_err(|why| why.to_string())?;
            Ok::<_, String>(cases.into_iter().map(|case| case.name).collect::<Vec<_>>())
        };
        assert_eq!(names("late", Some(Algorithm::CUBIC)), Ok(vec!["late comer".to_owned()]));
        let why = names("nosuch", Some(Algorithm::DCTCP)).unwrap_err();
        assert_eq!(why, "no scenario of dctcp has \"nosuch\" in its name; there are:\n  marks at 1ms");
    }

    #[test]
    fn of_many_names_those_are_told_that_come_nearest_a_line_each() {
        let why = chosen(fixed::all(), "Queue 2BDP", None).map(|_| ()).unwrap_err().to_string();
        let lines: Vec<&str> = why.lines().collect();
        assert_eq!(lines[..2], ["no scenario has \"Queue 2BDP\" in its name; there are:", "  queue 2 BDP"], "{why}");
        assert!(lines.len() == 22 && lines[21].starts_with("  and ") && lines[21].ends_with(" more"), "{why}");
    }
}
