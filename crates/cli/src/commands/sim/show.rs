//! A report for people, and for spreadsheets.

use std::fmt::Write;

use comfy_table::{CellAlignment, LineStyle, Table, presets};
use sockeye_lab::sim::{FlowReport, LinkReport, Percentiles, Report};

const HEADS: [&str; 13] = [
    "flow",
    "what",
    "control",
    "goodput Mbit/s",
    "delivered Mbit/s",
    "resent",
    "spurious",
    "RTOs",
    "cwnd KiB",
    "RTT ms",
    "least RTT ms",
    "took ms: p50",
    "took ms: p99",
];

/// What of the whole run stands in each line for spreadsheets.
const COMMON_HEADS: [&str; 7] = [
    "share of the link",
    "fairness (Jain)",
    "queue delay ms: p50",
    "queue delay ms: p99",
    "queue delay ms: longest",
    "lost or dropped",
    "marked",
];

/// A table, and what is common to all flows below it. Columns in which no flow has a value are left out.
pub fn table(report: &Report) -> String {
    let rows: Vec<_> = rows(report).collect();
    let told: Vec<usize> = (0..HEADS.len()).filter(|at| rows.iter().any(|row| !row[*at].is_empty())).collect();
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none()));
    table.set_header(told.iter().map(|at| in_two_lines(HEADS[*at])));
    for row in &rows {
        table.add_row(told.iter().map(|at| &row[*at]));
    }
    for (column, at) in table.column_iter_mut().zip(told) {
        column.set_padding((0, 1));
        if at >= 3 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = format!("{table}\n\n");
    let mut say = |line: std::fmt::Arguments<'_>| {
        // A string takes whatever is written to it.
        let _ = writeln!(text, "{line}");
    };
    say(format_args!("fairness (Jain)     {:.3}", report.jain));
    for (name, direction) in [("forward", &report.forward), ("back", &report.back)] {
        let share = direction.link_share.filter(|share| *share > 0.0);
        let share = share.map_or_else(String::new, |share| format!("{:.1} %, ", share * 100.0));
        say(format_args!("{name:<20}{share}{}", link(&direction.link)));
    }
    for access in &report.access {
        for (way, of) in [("from", &access.up), ("to", &access.down)] {
            say(format_args!("{:<20}{}", format!("{way} {}", access.host), link(of)));
        }
    }
    let speed = report.virtual_s / report.wall_s.max(1e-9);
    say(format_args!(
        "time                {:.1} s, simulated in {:.3} s ({speed:.0} times as fast), {} packets",
        report.virtual_s, report.wall_s, report.packets
    ));
    if report.judged && report.violation.is_none() {
        say(format_args!("rules               all kept"));
    }
    for (number, flow) in report.flows.iter().enumerate() {
        for (count, how) in [(flow.unfinished, "not finished in time"), (flow.errors, "ended with an error")] {
            if count > 0 {
                say(format_args!("flow {:<15}{how}: {count} of {}", number + 1, connections(flow.connections)));
            }
        }
    }
    text
}

/// What became of packets on a link.
fn link(report: &LinkReport) -> String {
    let Percentiles { p50, p99, max } = report.queue_delay_ms;
    let counts = [(report.marks, "marked"), (report.corrupted, "damaged"), (report.too_long, "too long")];
    let counts = counts.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!(", {count} {what}"));
    let counts: String = counts.collect();
    format!("queue delay {p50:.1} ms (p99 {p99:.1}, most {max:.1}), {} lost or dropped{counts}", report.drops)
}

fn connections(count: usize) -> String {
    if count == 1 { "1 connection".into() } else { format!("{count} connections") }
}

/// A line for each flow, with what is common to all in each.
pub fn csv(report: &Report) -> String {
    let Percentiles { p50, p99, max } = report.queue_delay_ms;
    let common = [
        report.link_share.map(|share| format!("{share:.4}")).unwrap_or_default(),
        format!("{:.4}", report.jain),
        format!("{p50:.1}"),
        format!("{p99:.1}"),
        format!("{max:.1}"),
        report.drops.to_string(),
        report.marks.to_string(),
    ];
    let mut text = [&HEADS[..], &COMMON_HEADS].concat().join(",");
    for row in rows(report) {
        text.push('\n');
        text.push_str(&[&row[..], &common].concat().join(","));
    }
    text
}

/// A head whose unit, or last word, stands below the rest: columns as narrow as their values.
fn in_two_lines(head: &str) -> String {
    head.rsplit_once(' ').map_or_else(|| head.to_owned(), |(above, below)| format!("{above}\n{below}"))
}

fn rows(report: &Report) -> impl Iterator<Item = [String; 13]> + '_ {
    report.flows.iter().zip(1..).map(|(flow, number)| row(number, flow))
}

fn row(number: usize, flow: &FlowReport) -> [String; 13] {
    let what = match flow.connections {
        1 => flow.application.replace('_', " "),
        connections => format!("{connections} {}", flow.application.replace('_', " ")),
    };
    let took = flow.response_ms.or(flow.completion_ms);
    let millis = |value: Option<f64>| value.map(|value| format!("{value:.1}")).unwrap_or_default();
    [
        number.to_string(),
        what,
        flow.congestion.clone(),
        format!("{:.3}", flow.goodput_bps / 1e6),
        flow.delivery_rate_bps.map(|rate| format!("{:.3}", rate / 1e6)).unwrap_or_default(),
        flow.retransmits.to_string(),
        flow.spurious.to_string(),
        flow.rtos.to_string(),
        flow.cwnd.map(|octets| (octets / 1024).to_string()).unwrap_or_default(),
        millis(flow.srtt_ms),
        millis(flow.min_rtt_ms),
        millis(took.map(|took| took.p50)),
        millis(took.map(|took| took.p99)),
    ]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sockeye_lab::sim::{self, Scenario};

    use super::*;

    #[test]
    fn a_table_fits_a_terminal_and_has_no_column_without_values() {
        let (forward, back) = ("rate 100mbit delay 50ms loss 1%".parse().unwrap(), "delay 50ms".parse().unwrap());
        let scenario = Scenario::bulk(forward, back, &[sockeye::Algorithm::CUBIC; 2], Duration::from_secs(3));
        let text = table(&sim::run(&scenario).unwrap());
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        assert!(text.contains("least RTT") && !text.contains("p99  \n"), "{text}");
    }

    #[test]
    fn a_line_of_the_spreadsheet_has_a_value_under_each_head_also_of_what_is_common() {
        let (forward, back) = ("rate 10mbit delay 5ms limit 20".parse().unwrap(), "delay 5ms".parse().unwrap());
        let scenario = Scenario::bulk(forward, back, &[sockeye::Algorithm::CUBIC; 2], Duration::from_secs(3));
        let text = csv(&sim::run(&scenario).unwrap());
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| line.len() == HEADS.len() + COMMON_HEADS.len()), "{text}");
        let value = |head: &str| {
            let at = lines[0].iter().position(|known| *known == head).unwrap();
            lines[1][at].parse::<f64>().unwrap()
        };
        assert!(value("fairness (Jain)") > 0.5 && value("queue delay ms: p50") > 1.0 && value("lost or dropped") > 0.0);
    }
}
