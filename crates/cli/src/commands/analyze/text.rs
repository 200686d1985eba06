//! The analysis for people.

use std::io::{self, Write};

use comfy_table::{CellAlignment, LineStyle, Table, presets};
use sockeye_lab::analyze::{
    ConnectionReport, Distribution, Ending, Explained, Figures, Offer, Report, Skipped, Vantage,
};
use sockeye_wire::Instant;

use crate::times::millis;

/// Up to so many connections each gets its page; of more there is a table.
const PAGES: usize = 8;

/// Writes pages or a table, the problems, and what was left out.
pub fn write(to: &mut impl Write, report: &Report) -> io::Result<()> {
    if report.connections.len() > PAGES {
        write_table(to, report)?;
    } else {
        report.connections.iter().try_for_each(|connection| write_page(to, connection))?;
    }
    write_left_out(to, report)
}

/// Writes a line about a segment.
pub fn write_explained(to: &mut impl Write, segment: &Explained) -> io::Result<()> {
    let Explained { connection, at, from, what, why } = segment;
    let arrow = if *from == 0 { "a \u{2192} b" } else { "b \u{2192} a" };
    writeln!(to, "{connection:>4} {:>11.6}  {arrow}  {what:<38}  {why}", at.as_secs_f64())
}

fn write_page(to: &mut impl Write, connection: &ConnectionReport) -> io::Result<()> {
    let [a, b] = &connection.directions;
    writeln!(
        to,
        "connection {}: {} (a) \u{2192} {} (b), {}",
        connection.number,
        a.address,
        b.address,
        summary(connection)
    )?;
    writeln!(to, "  a offers {}; b offers {}", offer(a.offer), offer(b.offer))?;
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["", "a \u{2192} b", "b \u{2192} a"]);
    for (name, value) in ROWS {
        let cells = [value(&a.figures), value(&b.figures)];
        if cells.iter().any(|cell| !cell.is_empty()) {
            let [first, second] = cells;
            table.add_row([format!("  {name}"), first, second]);
        }
    }
    for column in [1, 2] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    writeln!(to, "{table}")?;
    write_findings(to, connection)?;
    writeln!(to)
}

fn write_findings(to: &mut impl Write, connection: &ConnectionReport) -> io::Result<()> {
    for (by, found) in connection.findings() {
        let (name, section) = (found.problem.name(), found.problem.section());
        let at = found.at.since(connection.began).as_secs_f64();
        writeln!(to, "  problem of {by}: {name} (RFC 2525 section {section}), at {at:.3} s: {}", found.why)?;
    }
    Ok(())
}

/// How one figure is written; empty where there is nothing to say.
type Row = (&'static str, fn(&Figures) -> String);

const ROWS: [Row; 23] = [
    ("segments", |figures| figures.segments.to_string()),
    ("text sent, octets", |figures| figures.octets_sent.to_string()),
    ("text acknowledged, octets", |figures| figures.octets_acked.to_string()),
    ("goodput", |figures| if figures.octets_acked > 0 { rate(figures.goodput_bps()) } else { String::new() }),
    ("RTT min / p50 / p95 / max, ms", |figures| rtt(&figures.rtt)),
    ("retransmissions", |figures| unless_zero(figures.retransmits())),
    ("  fast", |figures| unless_zero(figures.fast)),
    ("  by timeout", |figures| unless_zero(figures.timeout)),
    ("  tail probes", |figures| unless_zero(figures.tail_probes)),
    ("  spurious, of all", |figures| unless_zero(figures.spurious)),
    ("timeouts", |figures| unless_zero(figures.rtos)),
    ("copied by the network", |figures| unless_zero(figures.copied)),
    ("out of order", |figures| unless_zero(figures.out_of_order)),
    ("not captured before", |figures| unless_zero(figures.gaps)),
    ("duplicate ACKs sent", |figures| unless_zero(figures.duplicate_acks)),
    ("SACKs / D-SACKs sent", |figures| {
        if figures.sacks > 0 { format!("{} / {}", figures.sacks, figures.d_sacks) } else { String::new() }
    }),
    ("own window closed", |figures| {
        let (times, time) = (figures.zero_windows, figures.zero_window_time.as_secs_f64());
        if times > 0 { format!("{times} \u{d7}, {time:.3} s") } else { String::new() }
    }),
    ("filled the other's window", |figures| unless_zero(figures.window_full)),
    ("window probes", |figures| unless_zero(figures.window_probes)),
    ("keep-alive probes", |figures| unless_zero(figures.keep_alives)),
    ("largest window offered, octets", |figures| {
        let scale = if figures.window_is_unscaled { " (scale unknown)" } else { "" };
        format!("{}{scale}", figures.max_window)
    }),
    ("in flight mean / max, octets", |figures| {
        let (mean, most) = (figures.mean_in_flight(), figures.max_in_flight);
        if most > 0 { format!("{mean} / {most}") } else { String::new() }
    }),
    ("limited by window / cwnd / application, s", |figures| {
        let times = [figures.window_limited, figures.cwnd_limited, figures.application_limited];
        let [window, cwnd, application] = times.map(|time| time.as_secs_f64());
        if figures.octets_sent > 0 { format!("{window:.3} / {cwnd:.3} / {application:.3}") } else { String::new() }
    }),
];

fn write_table(to: &mut impl Write, report: &Report) -> io::Result<()> {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none()));
    table.set_header(["", "a", "b", "s", "a\u{2192}b octets", "b\u{2192}a octets", "resent", "RTT ms", "problems"]);
    for connection in &report.connections {
        let [a, b] = &connection.directions;
        let both = [&a.figures, &b.figures];
        let slowest = both.iter().filter_map(|figures| figures.rtt.percentile(50)).max();
        table.add_row([
            connection.number.to_string(),
            a.address.to_string(),
            b.address.to_string(),
            format!("{:.3}", connection.lasted.as_secs_f64()),
            a.figures.octets_acked.to_string(),
            b.figures.octets_acked.to_string(),
            unless_zero(both.iter().map(|figures| figures.retransmits()).sum()),
            slowest.map_or(String::new(), |rtt| format!("{:.3}", millis(rtt))),
            unless_zero(connection.findings().count() as u64),
        ]);
    }
    writeln!(to, "{table}")?;
    for connection in report.connections.iter().filter(|connection| connection.findings().next().is_some()) {
        writeln!(to, "connection {}:", connection.number)?;
        write_findings(to, connection)?;
    }
    writeln!(to, "--connection NUMBER shows one in full")
}

fn write_left_out(to: &mut impl Write, report: &Report) -> io::Result<()> {
    let tally = &report.tally;
    let mut words: Vec<_> = tally.skipped.iter().map(|(why, count)| format!("{count} {}", skipped(*why).1)).collect();
    for (count, what) in
        [(tally.filtered, "of connections not asked for"), (tally.not_followed, "of more than are followed")]
    {
        if count > 0 {
            words.push(format!("{count} {what}"));
        }
    }
    let left_out = if words.is_empty() { String::new() } else { format!("; left out: {}", words.join(", ")) };
    let packets = counted(tally.packets, "packet");
    let connections = counted(report.connections.len() as u64, "connection");
    writeln!(to, "{packets}, {connections}{left_out}")
}

/// So many of that.
fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Its name for machines, and for people.
pub fn skipped(why: Skipped) -> (&'static str, &'static str) {
    match why {
        Skipped::LinkType => ("link_type", "of an unknown link layer"),
        Skipped::NotIp => ("not_ip", "not IP"),
        Skipped::NotTcp => ("not_tcp", "not TCP"),
        Skipped::Fragment => ("fragment", "IP fragments"),
        Skipped::Malformed => ("malformed", "cut short or malformed"),
        Skipped::Checksum => ("checksum", "with a wrong TCP checksum"),
    }
}

fn summary(connection: &ConnectionReport) -> String {
    let handshake = connection
        .handshake
        .map_or_else(|| "no whole handshake".to_owned(), |time| format!("handshake {:.3} ms", millis(time)));
    let ending = match connection.ending {
        Ending::Open => "still open",
        Ending::Closed => "closed by both",
        Ending::Reset(0) => "reset by a",
        Ending::Reset(_) => "reset by b",
    };
    let place = match connection.vantage {
        Vantage::At(0) => "captured at a",
        Vantage::At(_) => "captured at b",
        Vantage::Both => "captured close to both",
        Vantage::Between => "captured between them",
        Vantage::Unknown => "captured somewhere",
    };
    let began = connection.began.since(Instant::ZERO).as_secs_f64();
    format!("{handshake}, began at {began:.6}, lasted {:.3} s, {ending}, {place}", connection.lasted.as_secs_f64())
}

fn offer(offer: Option<Offer>) -> String {
    let Some(offer) = offer else { return "(its SYN is not in the capture)".to_owned() };
    let mss = offer.mss.map_or_else(|| "no MSS".to_owned(), |mss| format!("MSS {mss}"));
    let scale = offer.window_scale.map(|shift| format!("window scale {shift}"));
    let flags = [(offer.sack, "SACK"), (offer.timestamps, "timestamps")];
    let flags = flags.into_iter().filter(|(is_there, _)| *is_there).map(|(_, name)| name.to_owned());
    [mss].into_iter().chain(scale).chain(flags).collect::<Vec<_>>().join(", ")
}

fn rtt(samples: &Distribution) -> String {
    let at = |percent| samples.percentile(percent).map(|time| format!("{:.3}", millis(time)));
    [0, 50, 95, 100].into_iter().filter_map(at).collect::<Vec<_>>().join(" / ")
}

fn rate(bits: f64) -> String {
    let units = [(1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s")];
    let fitting = units.into_iter().find(|(least, _)| bits >= *least);
    fitting.map_or_else(|| format!("{bits:.0} bit/s"), |(least, name)| format!("{:.2} {name}", bits / least))
}

fn unless_zero(count: u64) -> String {
    if count == 0 { String::new() } else { count.to_string() }
}
