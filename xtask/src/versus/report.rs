//! What came of a comparison: for machines, and as a table.

use std::collections::BTreeMap;

use serde::Serialize;

use super::ends::{Control, Pairing};
use super::grid::Cell;

/// A cell's rounds: in each, bits per second of each pairing; `None` where the transfer failed.
pub struct Measured {
    pub cell: Cell,
    pub pairings: Vec<Pairing>,
    pub rounds: Vec<Vec<Option<f64>>>,
}

/// The whole.
#[derive(Serialize)]
pub struct Report {
    pub cells: Vec<Row>,
    /// Of Sockeye's goodput to that of the kernel, both with the first congestion control that was asked for, in the middle cell.
    median_ratio_linux: Option<f64>,
    /// The same in the worst cell.
    worst_ratio_linux: Option<f64>,
    /// The same of every pairing with a rival of its own, by its name.
    ratios: BTreeMap<String, Summary>,
    /// Of Sockeye's goodput to that of smoltcp, in the middle cell with loss.
    median_ratio_smoltcp_with_loss: Option<f64>,
}

/// Of one pairing's ratios in all cells.
#[derive(Serialize)]
struct Summary {
    median: Option<f64>,
    worst: Option<f64>,
}

/// A cell.
#[derive(Serialize)]
pub struct Row {
    pub link: String,
    /// In bits per second: by who sends.
    pub goodput: BTreeMap<String, Goodput>,
    /// Of Sockeye to the kernel, both with the first congestion control that was asked for.
    pub ratio_linux: Option<f64>,
    /// Of the same to smoltcp, which has cubic.
    ratio_smoltcp: Option<f64>,
    /// Of each pairing with a rival to that: the median of the rounds' own ratios, and the least and greatest of them.
    pub ratios: BTreeMap<String, Goodput>,
    #[serde(skip)]
    has_loss: bool,
    #[serde(skip)]
    pairings: Vec<Pairing>,
}

/// Of all rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Goodput {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Goodput {
    fn of(values: Vec<f64>) -> Option<Self> {
        let min = values.iter().copied().reduce(f64::min)?;
        let max = values.iter().copied().reduce(f64::max)?;
        Some(Self { median: median(values)?, min, max })
    }
}

impl Report {
    pub fn new(measured: &[Measured]) -> Self {
        let cells: Vec<Row> = measured.iter().map(Row::new).collect();
        let names = cells.iter().flat_map(|row| row.ratios.keys().cloned());
        let of = |name: &str| cells.iter().filter_map(|row| row.ratios.get(name)).map(|ratio| ratio.median).collect();
        let ratios: BTreeMap<String, Summary> = names.map(|name| (name.clone(), Summary::of(of(&name)))).collect();
        let linux = Summary::of(cells.iter().filter_map(|row| row.ratio_linux).collect());
        let lossy = cells.iter().filter(|row| row.has_loss).filter_map(|row| row.ratio_smoltcp);
        Self {
            median_ratio_linux: linux.median,
            worst_ratio_linux: linux.worst,
            median_ratio_smoltcp_with_loss: median(lossy.collect()),
            ratios,
            cells,
        }
    }
}

impl Summary {
    fn of(ratios: Vec<f64>) -> Self {
        Self { worst: ratios.iter().copied().reduce(f64::min), median: median(ratios) }
    }
}

impl Row {
    fn new(measured: &Measured) -> Self {
        let named = |pairing: &Pairing, values| Some((pairing.name(), Goodput::of(values)?));
        let goodput = measured.pairings.iter().filter_map(|pairing| named(pairing, measured.of(*pairing)));
        let ratios = measured.pairings.iter().filter_map(|pairing| {
            let rival = pairing.rival()?;
            named(pairing, measured.ratios(*pairing, rival))
        });
        let ours = ours(&measured.pairings);
        let beside = |rival| ours.and_then(|ours| median(measured.ratios(ours, rival)));
        Self {
            link: measured.cell.name(),
            goodput: goodput.collect(),
            ratio_linux: ours.and_then(Pairing::rival).and_then(beside),
            ratio_smoltcp: beside(Pairing::SmoltcpToLinux),
            ratios: ratios.collect(),
            has_loss: measured.cell.there.loss != sockeye_device::impair::Loss::None,
            pairings: measured.pairings.clone(),
        }
    }
}

impl Measured {
    /// True if a transfer didn't fail.
    pub fn has_any(&self) -> bool {
        self.rounds.iter().flatten().any(Option::is_some)
    }

    /// What each round gave, those that failed left out.
    fn of(&self, pairing: Pairing) -> Vec<f64> {
        self.rounds.iter().filter_map(|round| self.within(round, pairing)).collect()
    }

    /// Of one to another, within each round in which neither failed.
    fn ratios(&self, one: Pairing, other: Pairing) -> Vec<f64> {
        let ratio = |round: &Vec<Option<f64>>| {
            let other = self.within(round, other).filter(|other| *other > 0.0)?;
            Some(self.within(round, one)? / other)
        };
        self.rounds.iter().filter_map(ratio).collect()
    }

    fn within(&self, round: &[Option<f64>], pairing: Pairing) -> Option<f64> {
        let at = self.pairings.iter().position(|other| *other == pairing)?;
        *round.get(at)?
    }
}

/// Sockeye with the first congestion control that was asked for.
fn ours(pairings: &[Pairing]) -> Option<Pairing> {
    pairings.iter().copied().find(|pairing| matches!(pairing, Pairing::SockeyeToLinux(_)))
}

/// The middle one, or the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = *values.get((values.len() - 1) / 2)?;
    Some(f64::midpoint(lower, upper))
}

/// For each cell its link, and a line for each congestion control; then what is common to all.
pub fn table(report: &Report) -> String {
    let mut lines = vec![line("Mbit/s: median ± half the spread", &COLUMNS.map(str::to_owned))];
    for row in &report.cells {
        lines.push(row.link.clone());
        lines.extend(row.controls().into_iter().map(|control| row.line(control)));
        lines.extend(row.pairings.contains(&Pairing::SmoltcpToLinux).then(|| row.smoltcp_line()));
    }
    lines.push(String::new());
    let summary = |(name, summary): (&String, &Summary)| {
        let [median, worst] = [summary.median, summary.worst].map(part);
        format!("{} / linux: median {median}, worst {worst}", name.replace('_', " "))
    };
    lines.extend(report.ratios.iter().map(summary));
    let smoltcp = part(report.median_ratio_smoltcp_with_loss);
    let first = report.cells.iter().find_map(|row| ours(&row.pairings)?.control()).map_or("", Control::name);
    lines.push(format!("sockeye {first} / smoltcp, with loss: median {smoltcp}"));
    lines.join("\n")
}

/// Who sends to whom, and what part of the kernel's own that is.
const COLUMNS: [&str; 5] = ["linux → linux", "sockeye → linux", "part", "linux → sockeye", "part"];

/// What a line is of, and its columns: 97 characters.
fn line(of: &str, [linux, ours, part, theirs, their_part]: &[String; 5]) -> String {
    format!("{of:<33}{linux:>15}{ours:>17}{part:>6}{theirs:>19}{their_part:>7}").trim_end().to_owned()
}

fn part(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"))
}

impl Row {
    /// Those that are compared in it, in their order.
    fn controls(&self) -> Vec<Control> {
        let mut controls: Vec<_> = self.pairings.iter().filter_map(|pairing| pairing.control()).collect();
        controls.dedup();
        controls
    }

    fn line(&self, control: Control) -> String {
        let [ours, theirs] = [Pairing::SockeyeToLinux(control), Pairing::LinuxToSockeye(control)];
        let linux = self.goodput(Pairing::LinuxToLinux(control));
        let columns =
            [linux, self.goodput(ours), self.part_of_rival(ours), self.goodput(theirs), self.part_of_rival(theirs)];
        line(&format!("    {}", control.name()), &columns)
    }

    fn smoltcp_line(&self) -> String {
        let smoltcp = Pairing::SmoltcpToLinux;
        let said = format!("    smoltcp → linux: {}", self.goodput(smoltcp));
        format!("{said}, {} of linux, sockeye {} of it", self.part_of_rival(smoltcp), part(self.ratio_smoltcp))
    }

    /// Nothing of one that isn't compared.
    fn goodput(&self, pairing: Pairing) -> String {
        let failed = if self.pairings.contains(&pairing) { "failed" } else { "" };
        self.goodput.get(&pairing.name()).map_or_else(|| failed.to_owned(), shown)
    }

    fn part_of_rival(&self, pairing: Pairing) -> String {
        self.ratios.get(&pairing.name()).map_or_else(String::new, |ratio| part(Some(ratio.median)))
    }
}

fn shown(Goodput { median, min, max }: &Goodput) -> String {
    let half = (max - min) / median.max(1.0) * 50.0;
    format!("{:.2} ±{half:.0}%", median / 1e6)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ratios_are_taken_within_a_round_and_told_by_their_median() {
        let cubic = Control::named("cubic").expect("known");
        let linux = [Pairing::LinuxToLinux(cubic), Pairing::LinuxToSockeye(cubic)];
        let pairings = [&[Pairing::SockeyeToLinux(cubic)][..], &linux, &[Pairing::SmoltcpToLinux]].concat();
        let cell = Cell::described("rate 10mbit loss 1%").expect("a link");
        let rounds = [[8.0, 8.0, 4.0, 2.0], [6.0, 4.0, 1.0, 3.0], [9.0, 10.0, 5.0, 9.0]];
        let rounds = rounds.iter().map(|round| round.map(Some).to_vec()).collect();
        let report = Report::new(&[Measured { cell, pairings, rounds }]);
        assert_eq!((report.median_ratio_linux, report.worst_ratio_linux), (Some(1.0), Some(1.0)));
        assert_eq!(report.median_ratio_smoltcp_with_loss, Some(2.0));
        let json = serde_json::to_value(&report).expect("JSON");
        let cell = &json["cells"][0];
        assert_eq!(cell["goodput"]["linux_cubic"], json!({ "median": 8.0, "min": 4.0, "max": 10.0 }));
        assert_eq!(cell["ratios"]["linux_cubic_to_sockeye"], json!({ "median": 0.5, "min": 0.25, "max": 0.5 }));
        assert_eq!(json["ratios"]["sockeye_cubic"], json!({ "median": 1.0, "worst": 1.0 }));
        assert!(table(&report).contains("sockeye cubic / smoltcp, with loss: median 2.00"), "{}", table(&report));
    }

    #[test]
    fn the_first_congestion_control_is_the_one_that_is_compared() {
        let bbr = Control::named("bbr").expect("known");
        let pairings = vec![Pairing::SockeyeToLinux(bbr), Pairing::LinuxToLinux(bbr), Pairing::SmoltcpToLinux];
        let cell = Cell::described("rate 10mbit loss 1%").expect("a link");
        let report = Report::new(&[Measured { cell, pairings, rounds: vec![vec![Some(9.0), Some(10.0), Some(3.0)]] }]);
        assert_eq!((report.cells[0].ratio_linux, report.median_ratio_smoltcp_with_loss), (Some(0.9), Some(3.0)));
        assert!(table(&report).contains("sockeye bbr / smoltcp, with loss: median 3.00"), "{}", table(&report));
    }

    #[test]
    fn the_table_fits_a_hundred_columns_and_says_what_failed() {
        let [cubic, bbr] = ["cubic", "bbr"].map(|name| Control::named(name).expect("known"));
        let all = |control| {
            [Pairing::SockeyeToLinux(control), Pairing::LinuxToLinux(control), Pairing::LinuxToSockeye(control)]
        };
        let pairings = [&all(cubic)[..], &all(bbr)[..2], &[Pairing::SmoltcpToLinux]].concat();
        let cell = Cell::described("rate 100mbit limit 12500us delay 50ms loss 1%").expect("a link");
        let rounds = vec![
            vec![Some(91.2e6), Some(90e6), Some(1e10), None, Some(9e7), Some(123_456.0)],
            vec![Some(9.12e6), Some(90e6), Some(1e10), None, Some(9e7), Some(123_456.0)],
        ];
        let table = table(&Report::new(&[Measured { cell, pairings, rounds }]));
        assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
        let line = |start: &str| table.lines().find(|line| line.trim_start().starts_with(start)).unwrap_or_default();
        assert!(line("cubic").ends_with("10000.00 ±0% 111.11"), "{table}");
        assert!(line("bbr").ends_with("90.00 ±0%           failed"), "{table}");
        assert_eq!(line("smoltcp"), "    smoltcp → linux: 0.12 ±0%, 0.00 of linux, sockeye 406.30 of it");
    }

    #[test]
    fn a_transfer_that_failed_counts_for_nobody() {
        let cubic = Control::named("cubic").expect("known");
        let pairings = vec![Pairing::SockeyeToLinux(cubic), Pairing::LinuxToLinux(cubic)];
        let cell = Cell::described("rate 10mbit").expect("a link");
        let rounds = vec![vec![Some(8.0), None], vec![None, Some(9.0)]];
        let report = Report::new(&[Measured { cell, pairings, rounds }]);
        assert_eq!((report.median_ratio_linux, report.worst_ratio_linux), (None, None));
        assert_eq!(report.cells[0].goodput["sockeye_cubic"].median.to_string(), "8");
    }

    #[test]
    fn the_median_of_an_even_number_is_between_two() {
        assert_eq!((median(vec![3.0, 1.0, 2.0, 10.0]), median(vec![])), (Some(2.5), None));
    }
}
