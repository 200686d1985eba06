//! The analysis for machines.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Value, json};
use sockeye_lab::analyze::{ConnectionReport, Direction, Distribution, End, Ending, Finding, Report, Vantage};
use sockeye_wire::Instant;

use crate::times::millis;

/// Writes the whole report as one object.
pub fn write(to: &mut impl Write, report: &Report) -> io::Result<()> {
    let skipped: serde_json::Map<_, _> = report
        .tally
        .skipped
        .iter()
        .map(|(why, count)| (super::text::skipped(*why).0.to_owned(), json!(count)))
        .collect();
    let object = json!({
        "packets": report.tally.packets,
        "skipped": skipped,
        "filtered": report.tally.filtered,
        "not_followed": report.tally.not_followed,
        "capture_ends": match report.end {
            End::Complete => "complete",
            End::Truncated(_) => "truncated",
            End::Garbled(_) => "garbled",
        },
        "connections": report.connections.iter().map(connection).collect::<Vec<_>>(),
    });
    serde_json::to_writer_pretty(&mut *to, &object)?;
    writeln!(to)
}

fn connection(connection: &ConnectionReport) -> Value {
    let [a, b] = &connection.directions;
    let mut problems: Vec<_> = connection.findings().map(|(_, finding)| finding.problem).collect();
    problems.sort_unstable();
    problems.dedup();
    json!({
        "number": connection.number,
        "a": a.address.to_string(),
        "b": b.address.to_string(),
        "began_s": seconds(connection.began.since(Instant::ZERO)),
        "duration_s": seconds(connection.lasted),
        "handshake_ms": connection.handshake.map(millis),
        "ending": match connection.ending {
            Ending::Open => "open",
            Ending::Closed => "closed",
            Ending::Reset(0) => "reset by a",
            Ending::Reset(_) => "reset by b",
        },
        "captured": match connection.vantage {
            Vantage::At(0) => "at a",
            Vantage::At(_) => "at b",
            Vantage::Both => "at both",
            Vantage::Between => "between",
            Vantage::Unknown => "unknown",
        },
        "a_to_b": direction(a),
        "b_to_a": direction(b),
        "problems": problems.iter().map(|problem| problem.name()).collect::<Vec<_>>(),
        "findings": connection.findings().map(|(by, found)| finding(&by.to_string(), found)).collect::<Vec<_>>(),
    })
}

fn direction(side: &Direction) -> Value {
    let figures = &side.figures;
    json!({
        "offer": side.offer.map(|offer| json!({
            "mss": offer.mss,
            "window_scale": offer.window_scale,
            "sack": offer.sack,
            "timestamps": offer.timestamps,
        })),
        "segments": figures.segments,
        "octets_sent": figures.octets_sent,
        "octets_acked": figures.octets_acked,
        "goodput_bps": figures.goodput_bps().round(),
        "rtt_ms": rtt(&figures.rtt),
        "retransmits": figures.retransmits(),
        "fast_retransmits": figures.fast,
        "timeout_retransmits": figures.timeout,
        "tail_probes": figures.tail_probes,
        "rtos": figures.rtos,
        "spurious": figures.spurious,
        "copied": figures.copied,
        "out_of_order": figures.out_of_order,
        "gaps": figures.gaps,
        "duplicate_acks": figures.duplicate_acks,
        "sacks": figures.sacks,
        "d_sacks": figures.d_sacks,
        "window_updates": figures.window_updates,
        "zero_windows": figures.zero_windows,
        "zero_window_s": seconds(figures.zero_window_time),
        "window_full": figures.window_full,
        "window_probes": figures.window_probes,
        "keep_alives": figures.keep_alives,
        "max_window": figures.max_window,
        "max_window_is_scaled": !figures.window_is_unscaled,
        "max_in_flight": figures.max_in_flight,
        "mean_in_flight": figures.mean_in_flight(),
        "window_limited_s": seconds(figures.window_limited),
        "cwnd_limited_s": seconds(figures.cwnd_limited),
        "application_limited_s": seconds(figures.application_limited),
    })
}

fn rtt(samples: &Distribution) -> Value {
    let at = |percent| samples.percentile(percent).map(millis);
    json!({ "samples": samples.len(), "min": at(0), "p50": at(50), "p95": at(95), "max": at(100) })
}

fn finding(by: &str, finding: &Finding) -> Value {
    json!({
        "problem": finding.problem.name(),
        "section": finding.problem.section(),
        "by": by,
        "at_s": seconds(finding.at.since(Instant::ZERO)),
        "why": finding.why,
    })
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}
