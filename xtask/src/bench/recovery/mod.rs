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

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::ValueEnum;
use comfy_table::{Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::shell::Outcome;
use case::Case;

/// Measure loss recovery and congestion control in virtual time.
#[derive(clap::Args)]
pub struct Arguments {
    /// Print one JSON object on standard output.
    #[arg(long)]
    json: bool,
    /// Only scenarios whose names contain this.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Only this congestion control.
    #[arg(long, value_name = "NAME")]
    cc: Option<String>,
    /// Which scenarios; both grids if absent.
    #[arg(long)]
    grid: Option<Grid>,
    /// What the random grid is drawn from; today's date if absent.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Grid {
    /// Those of the project's promise.
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
    /// Whether it does; true without a target.
    met: bool,
    /// What the value is of, and anything worth knowing besides.
    #[serde(skip_serializing_if = "String::is_empty")]
    note: String,
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
    cases.retain(|case| arguments.only.as_ref().is_none_or(|only| case.name.contains(only)));
    cases.retain(|case| arguments.cc.as_ref().is_none_or(|cc| case.cc == cc));
    if cases.is_empty() {
        return Err("no scenario has such a name; leave --only and --cc out to see them all".into());
    }
    let rows = Rows { seed, rows: measure(&cases)? };
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        print(&rows);
    }
    Ok(())
}

/// Runs the cases on all processors; the rows come in the cases' order.
fn measure(cases: &[Case]) -> Outcome<Vec<Row>> {
    let style = ProgressStyle::with_template("{pos}/{len} {wide_msg} {elapsed}")?;
    let progress = ProgressBar::new(cases.len() as u64).with_style(style);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let index = next.fetch_add(1, Ordering::Relaxed)
            && let Some(case) = cases.get(index)
        {
            progress.set_message(format!("{} {}", case.name, case.cc));
            done.push((index, case.run().map_err(|error| error.to_string())));
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

fn print(rows: &Rows) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["scenario", "cc", "value", "target", "", ""]);
    for row in &rows.rows {
        let target = row.target.map_or_else(String::new, |target| format!("{target:.3}"));
        let met = if row.met { "" } else { "MISSED" };
        table.add_row([row.scenario.as_str(), row.cc, &format!("{:.3}", row.value), &target, met, &row.note]);
    }
    println!("{table}");
    let missed = rows.rows.iter().filter(|row| !row.met).count();
    println!("{} rows, {missed} missed; seed of the random grid: {}", rows.rows.len(), rows.seed);
}

/// Days since 1970.
fn today() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / 86_400)
}
