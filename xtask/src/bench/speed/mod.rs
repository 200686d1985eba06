//! The speed of the whole, beside rivals in the same run.
//!
//! Every round makes every measurement once, one after the other, each in network namespaces of its own, so that what
//! disturbs the machine disturbs them all; ratios are taken within a round. The clients are the kernel's, the same for
//! whoever serves.

mod clients;
mod fake;
mod figure;
mod figures;
mod kernel;
mod long_fat;
mod memory;
mod ours;
mod programs;
mod report;
mod room;
mod smoltcp;

use std::path::PathBuf;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::output::{check_picture, drawn, print};
use crate::seconds::seconds;
use crate::shell::Outcome;
use clients::Sample;
use figure::{Cell, Figure, Row, Workload};

/// Measure beside rivals in the same run.
#[derive(clap::Args)]
pub struct Arguments {
    /// Rounds; the table shows the median, the least and the most.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds of each measurement, after a warm-up.
    #[arg(long, default_value_t = 1.2, value_parser = seconds)]
    seconds: f64,
    /// Short measurements: under three minutes in all.
    #[arg(long, conflicts_with = "seconds")]
    quick: bool,
    /// Only figures whose names contain this.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Print one JSON object on standard output.
    #[arg(long)]
    json: bool,
    /// Print a table in Markdown, as the README has it.
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
    /// Draw the ratios as bars into this file.
    #[arg(long, value_name = "FILE.svg")]
    svg: Option<PathBuf>,
}

/// Seconds of a measurement of a quick run.
const QUICK: f64 = 0.2;

pub fn run(arguments: &Arguments) -> Outcome {
    arguments.svg.as_deref().map_or(Ok(()), check_picture)?;
    let seconds = if arguments.quick { QUICK } else { arguments.seconds };
    let mut figures = figures::all(Duration::from_secs_f64(seconds));
    let names: Vec<String> = figures.iter().map(|figure| figure.name.clone()).collect();
    figures.retain(|figure| arguments.only.as_ref().is_none_or(|only| figure.name.contains(only)));
    if figures.is_empty() {
        return Err(format!("no figure has such a name; there are:\n  {}", names.join("\n  ")).into());
    }
    let figures = without_missing(figures);
    if figures.iter().any(|figure| matches!(figure.ours.workload, Workload::Http { .. })) {
        programs::build_sockeye()?;
    }
    let mut cells = Cells::of(&figures);
    cells.measure(arguments.rounds)?;
    let rows: Vec<Row> = figures.iter().flat_map(|figure| cells.rows(figure)).collect();
    if arguments.json {
        print(serde_json::to_string_pretty(&serde_json::json!({ "rows": rows }))?)?;
    } else if arguments.markdown {
        print(report::markdown(&rows).trim_end())?;
    } else {
        print(report::table(&rows))?;
    }
    // Last: a picture that fails doesn't cost the figures.
    arguments.svg.as_deref().map_or(Ok(()), |path| drawn(path, report::draw(&rows, path)))
}

/// Leaves out, with a line on standard error, what needs a program that isn't there.
fn without_missing(figures: Vec<Figure>) -> Vec<Figure> {
    eprintln!("bench: gVisor's netstack is left out: Debian has its Go sources, and no program of it to measure");
    let is_possible = |figure: &str, cell: &Cell| {
        let lacks = cell.lacks();
        if let Some(program) = lacks {
            eprintln!("bench: {figure}: {} is left out, for lack of {program}: cargo xtask setup", cell.who.name());
        }
        lacks.is_none()
    };
    figures
        .into_iter()
        .filter_map(|mut figure| {
            figure.rivals.retain(|(rival, _)| is_possible(&figure.name, rival));
            is_possible(&figure.name, &figure.ours).then_some(figure)
        })
        .collect()
}

/// All measurements, each once, with what every round gave.
struct Cells(Vec<(Cell, Vec<Sample>)>);

impl Cells {
    fn of(figures: &[Figure]) -> Self {
        let mut cells: Vec<(Cell, Vec<Sample>)> = Vec::new();
        for figure in figures {
            for cell in figure.rivals.iter().map(|(rival, _)| rival).chain([&figure.ours]) {
                if !cells.iter().any(|(known, _)| known.is(cell)) {
                    cells.push((*cell, Vec::new()));
                }
            }
        }
        Self(cells)
    }

    fn measure(&mut self, rounds: u32) -> Outcome {
        let bar = ProgressBar::new(u64::from(rounds) * self.0.len() as u64);
        bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} {eta} {msg}")?);
        for _ in 0..rounds {
            for (cell, samples) in &mut self.0 {
                bar.set_message(format!("{}: {:?}", cell.who.name(), cell.workload));
                let known = samples.first().copied().filter(|_| cell.workload.is_exact());
                samples.push(match known {
                    Some(sample) => sample,
                    None => cell.measure()?,
                });
                bar.inc(1);
            }
        }
        bar.finish_and_clear();
        Ok(())
    }

    fn samples(&self, cell: &Cell) -> &[Sample] {
        self.0.iter().find(|(known, _)| known.is(cell)).map_or(&[], |(_, samples)| samples)
    }

    fn rows(&self, figure: &Figure) -> Vec<Row> {
        let ours = self.samples(&figure.ours);
        let rows = figure.rivals.iter().map(|(cell, target)| {
            let rival = self.samples(cell);
            let ratios: Vec<f64> = ours.iter().zip(rival).map(|(ours, rival)| ours.value / rival.value).collect();
            let ratio = report::median(&ratios);
            let workload = figure.ours.workload;
            let met = |target: f64| if workload.is_a_cost() { ratio <= target } else { ratio >= target };
            let (mine, theirs) = (report::Spread::of(ours), report::Spread::of(rival));
            Row {
                figure: figure.name.clone(),
                ours: mine.median,
                ours_min: mine.min,
                ours_max: mine.max,
                ours_cpu_s_per_gb: mine.cpu_s_per_gb,
                ours_p99: mine.p99,
                rival: theirs.median,
                rival_min: theirs.min,
                rival_max: theirs.max,
                rival_cpu_s_per_gb: theirs.cpu_s_per_gb,
                rival_p99: theirs.p99,
                rival_name: cell.who.name(),
                ratio,
                target: *target,
                met: target.map(met),
                unit: workload.unit(),
                runs: ours.len(),
                conditions: figure.ours.plan.conditions(),
            }
        });
        rows.collect()
    }
}
