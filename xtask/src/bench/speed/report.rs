//! The figures, for people: a table, Markdown, a drawing.

use std::fmt::Write as _;
use std::path::Path;

use comfy_table::{Table, presets};
use plotters::prelude::*;

use super::clients::Sample;
use super::figure::Row;
use crate::shell::Outcome;

/// What the rounds of one measurement gave.
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
    pub cpu_s_per_gb: Option<f64>,
    pub p99: Option<f64>,
}

impl Spread {
    pub fn of(samples: &[Sample]) -> Self {
        let values: Vec<f64> = samples.iter().map(|sample| sample.value).collect();
        let costs: Vec<f64> = samples.iter().filter_map(|sample| sample.cpu_s_per_gb).collect();
        let tails: Vec<f64> = samples.iter().filter_map(|sample| sample.p99).collect();
        Self {
            median: median(&values),
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            max: values.iter().copied().fold(0.0, f64::max),
            cpu_s_per_gb: (!costs.is_empty()).then(|| median(&costs)),
            p99: (!tails.is_empty()).then(|| median(&tails)),
        }
    }
}

/// The middle one, or the mean of the two in the middle; 0 of none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
    match sorted.len() {
        0 => 0.0,
        even if even % 2 == 0 => f64::midpoint(at(even / 2 - 1), at(even / 2)),
        odd => at(odd / 2),
    }
}

/// `7.1 [6.9-7.4]`, and the tail or the processor time if there is one.
fn spread(median: f64, min: f64, max: f64, cpu: Option<f64>, p99: Option<f64>) -> String {
    let mut text = format!("{median:.2} [{min:.2}-{max:.2}]");
    if let Some(cpu) = cpu {
        // Writing to a string doesn't fail.
        let _ = write!(text, ", {cpu:.2} CPU s/GB");
    }
    if let Some(p99) = p99 {
        let _ = write!(text, ", p99 {p99:.0}");
    }
    text
}

impl Row {
    /// True if less is better: it is no rate, but a time.
    fn is_a_cost(&self) -> bool {
        !self.unit.ends_with("/s")
    }

    fn cells(&self) -> [String; 6] {
        let sign = if self.is_a_cost() { '≤' } else { '≥' };
        let verdict = match (self.target, self.met) {
            (Some(target), Some(met)) => format!("{sign} {target} {}", if met { "✓" } else { "✗" }),
            _ => "-".to_owned(),
        };
        let ours = (self.ours, self.ours_min, self.ours_max, self.ours_cpu_s_per_gb, self.ours_p99);
        let rival = (self.rival, self.rival_min, self.rival_max, self.rival_cpu_s_per_gb, self.rival_p99);
        let of = |(median, min, max, cpu, p99)| spread(median, min, max, cpu, p99);
        [
            format!("{}, {}", self.figure, self.unit),
            of(ours),
            self.rival_name.to_owned(),
            of(rival),
            format!("{:.2}", self.ratio),
            verdict,
        ]
    }
}

const HEADER: [&str; 6] = ["figure", "Sockeye: median [min-max]", "rival", "its", "ratio", "target"];

pub fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(HEADER);
    for row in rows {
        table.add_row(row.cells());
    }
    table
}

pub fn markdown(rows: &[Row]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut text = line(&HEADER.map(str::to_owned));
    text.push_str(&line(&HEADER.map(|_| "---".to_owned())));
    rows.iter().for_each(|row| text.push_str(&line(&row.cells())));
    text
}

/// A bar a row: the ratio, and a mark where it should be.
pub fn draw(rows: &[Row], path: &Path) -> Outcome {
    const LINE: i32 = 22;
    const TOP: i32 = 56;
    const LABELS: i32 = 560;
    const BARS: f64 = 560.0;
    const MOST: f64 = 3.0;
    let height = TOP + LINE * i32::try_from(rows.len())? + 10;
    let root = SVGBackend::new(path, (1180, height.unsigned_abs())).into_drawing_area();
    root.fill(&WHITE)?;
    let write = |text: &str, size: i32, at| root.draw_text(text, &("sans-serif", size).into_text_style(&root), at);
    let runs = rows.first().map_or(0, |row| row.runs);
    write(&format!("Sockeye's figure / the rival's, median of {runs} rounds"), 17, (10, 8))?;
    write(
        "black mark: what is aimed at; green: reached; red: not; grey: nothing is aimed at; bars end at 3",
        13,
        (10, 30),
    )?;
    #[expect(clippy::cast_possible_truncation, reason = "pixels")]
    let x = |ratio: f64| LABELS + (ratio.min(MOST) / MOST * BARS) as i32;
    root.draw(&PathElement::new([(x(1.0), TOP - 4), (x(1.0), height - 8)], RGBColor(170, 170, 170)))?;
    for (top, row) in (0..).map(|index| TOP + index * LINE).zip(rows) {
        let colour = match row.met {
            Some(true) => RGBColor(46, 125, 80),
            Some(false) => RGBColor(190, 80, 60),
            None => RGBColor(120, 130, 150),
        };
        let less = if row.is_a_cost() { " (less is better)" } else { "" };
        write(&format!("{} / {}{less}", row.figure, row.rival_name), 13, (10, top + 2))?;
        root.draw(&Rectangle::new([(LABELS, top + 2), (x(row.ratio), top + 16)], colour.filled()))?;
        let mut end = x(row.ratio);
        if let Some(target) = row.target {
            root.draw(&Rectangle::new([(x(target) - 1, top), (x(target) + 1, top + 18)], BLACK.filled()))?;
            end = if x(target) >= end && x(target) < end + 40 { x(target) } else { end };
        }
        write(&format!("{:.2}", row.ratio), 12, (end + 5, top + 3))?;
    }
    root.present()?;
    Ok(())
}
