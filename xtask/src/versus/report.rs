//! What came of a comparison: for machines, as a table, as a drawing.

use std::path::Path;

use comfy_table::{CellAlignment, Table, presets};
use plotters::prelude::*;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::grid::Cell;
use crate::shell::Outcome;

const OURS: &str = "sockeye_cubic";
const LINUX: &str = "linux_cubic";
const SMOLTCP: &str = "smoltcp";

/// A cell's rounds: in each, bits per second of each pairing.
pub struct Measured {
    pub cell: Cell,
    pub names: Vec<String>,
    pub rounds: Vec<Vec<f64>>,
}

/// The whole.
#[derive(Serialize)]
pub struct Report {
    cells: Vec<Row>,
    /// Of Sockeye's goodput to that of the kernel, both cubic, in the middle cell.
    median_ratio_linux: Option<f64>,
    /// The same in the worst cell.
    worst_ratio_linux: Option<f64>,
    /// Of Sockeye's goodput to that of smoltcp, in the middle cell with loss.
    median_ratio_smoltcp_with_loss: Option<f64>,
}

#[derive(Serialize)]
struct Row {
    link: String,
    /// In bits per second: by who sends, `median`, `min` and `max`.
    goodput: Map<String, Value>,
    ratio_linux: Option<f64>,
    ratio_smoltcp: Option<f64>,
    #[serde(skip)]
    has_loss: bool,
    #[serde(skip)]
    shown: Vec<(String, String)>,
}

impl Report {
    pub fn new(measured: &[Measured]) -> Self {
        let cells: Vec<Row> = measured.iter().map(Row::new).collect();
        let linux: Vec<f64> = cells.iter().filter_map(|row| row.ratio_linux).collect();
        let lossy = cells.iter().filter(|row| row.has_loss).filter_map(|row| row.ratio_smoltcp);
        Self {
            median_ratio_linux: median(linux.clone()),
            worst_ratio_linux: linux.iter().copied().reduce(f64::min),
            median_ratio_smoltcp_with_loss: median(lossy.collect()),
            cells,
        }
    }
}

impl Row {
    fn new(measured: &Measured) -> Self {
        let (mut goodput, mut shown) = (Map::new(), Vec::new());
        for name in &measured.names {
            let values = measured.of(name);
            let min = values.iter().copied().fold(f64::INFINITY, f64::min);
            let max = values.iter().copied().fold(0.0, f64::max);
            let middle = median(values).unwrap_or_default();
            goodput.insert(name.clone(), json!({ "median": middle, "min": min, "max": max }));
            shown.push((name.clone(), format!("{:.2} [{:.2}-{:.2}]", middle / 1e6, min / 1e6, max / 1e6)));
        }
        Self {
            link: measured.cell.there.to_string(),
            goodput,
            ratio_linux: measured.ratio(LINUX),
            ratio_smoltcp: measured.ratio(SMOLTCP),
            has_loss: measured.cell.there.loss != sockeye_device::impair::Loss::None,
            shown,
        }
    }
}

impl Measured {
    fn of(&self, name: &str) -> Vec<f64> {
        let at = self.names.iter().position(|other| other == name);
        self.rounds.iter().filter_map(|round| round.get(at?).copied()).collect()
    }

    /// Of our cubic to a rival: the median of the rounds' own ratios.
    fn ratio(&self, rival: &str) -> Option<f64> {
        let ratios = self.of(OURS).into_iter().zip(self.of(rival)).map(|(ours, its)| ours / its.max(1.0));
        median(ratios.collect())
    }
}

/// The middle one, or the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = *values.get((values.len() - 1) / 2)?;
    Some(f64::midpoint(lower, upper))
}

pub fn table(report: &Report) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    let names = report.cells.first().map(|row| row.shown.iter().map(|(name, _)| format!("{name}, Mbit/s")));
    let mut header = vec!["link".to_owned()];
    header.extend(names.into_iter().flatten());
    header.extend(["/ linux", "/ smoltcp"].map(str::to_owned));
    table.set_header(header);
    let ratio = |ratio: Option<f64>| ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
    for row in &report.cells {
        let goodput = row.shown.iter().map(|(_, shown)| shown.clone());
        let ratios = [ratio(row.ratio_linux), ratio(row.ratio_smoltcp)];
        table.add_row(std::iter::once(row.link.clone()).chain(goodput).chain(ratios));
    }
    let (middle, worst) = (ratio(report.median_ratio_linux), ratio(report.worst_ratio_linux));
    table.add_row([format!("median / linux {middle}, worst {worst}")]);
    table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    table
}

/// A bar a cell: our goodput as a multiple of the kernel's, with a line where they are alike.
pub fn draw(report: &Report, path: &Path) -> Outcome {
    const LINE: i32 = 22;
    const LABELS: i32 = 420;
    const UNIT: f64 = 300.0;
    let height = u32::try_from(report.cells.len())? * LINE.unsigned_abs() + 60;
    let root = SVGBackend::new(path, (1_100, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let text = |size: i32| ("sans-serif", size).into_text_style(&root);
    root.draw_text("Goodput of Sockeye / Linux, both cubic (1 = alike)", &text(16), (10, 8))?;
    for (row, at) in report.cells.iter().zip(0..) {
        let (top, ratio) = (40 + at * LINE, row.ratio_linux.unwrap_or_default());
        #[expect(clippy::cast_possible_truncation, reason = "pixels")]
        let end = LABELS + (ratio.min(2.0) * UNIT) as i32;
        let colour = if ratio >= 0.85 { RGBColor(0, 158, 115) } else { RGBColor(213, 94, 0) };
        root.draw_text(&row.link, &text(12), (10, top + 3))?;
        root.draw(&Rectangle::new([(LABELS, top + 2), (end, top + 17)], colour.filled()))?;
        root.draw_text(&format!("{ratio:.2}"), &text(12), (end + 4, top + 3))?;
    }
    #[expect(clippy::cast_possible_truncation, reason = "pixels")]
    let one = LABELS + UNIT as i32;
    root.draw(&PathElement::new(vec![(one, 34), (one, i32::try_from(height)? - 14)], BLACK))?;
    root.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_within_a_round_and_told_by_their_median() {
        let names = [OURS, LINUX, SMOLTCP].map(str::to_owned).to_vec();
        let cell = Cell::described("rate 10mbit loss 1%").expect("a link");
        let rounds = vec![vec![8.0, 8.0, 2.0], vec![6.0, 4.0, 3.0], vec![9.0, 10.0, 9.0]];
        let report = Report::new(&[Measured { cell, names, rounds }]);
        assert_eq!((report.median_ratio_linux, report.worst_ratio_linux), (Some(1.0), Some(1.0)));
        assert_eq!(report.median_ratio_smoltcp_with_loss, Some(2.0));
        let json = serde_json::to_value(&report).expect("JSON");
        assert_eq!(json["cells"][0]["goodput"][LINUX], json!({ "median": 8.0, "min": 4.0, "max": 10.0 }));
    }

    #[test]
    fn the_median_of_an_even_number_is_between_two() {
        assert_eq!((median(vec![3.0, 1.0, 2.0, 10.0]), median(vec![])), (Some(2.5), None));
    }
}
