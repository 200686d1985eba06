//! What a run has recorded, drawn.

use std::ops::Range;
use std::time::Duration;

use sockeye_wire::Instant;

use super::record::{FlowSample, FlowSamples, Record, Samples};
use super::scenario::Scenario;
use crate::plot::{Error, Panel, Series, Shape, TimeSequence, Unit, stacked};

/// More flows than that share one panel for their congestion windows; up to so many have one each, with all that limits them.
const FEW: usize = 4;

impl Record {
    /// The time-sequence graph of the flow that was recorded, or of a part of the time; `None` if none was.
    ///
    /// # Errors
    /// When the drawing library refuses.
    pub fn draw_sequence(&self, title: &str, zoom: Option<&Range<Duration>>) -> Result<Option<String>, Error> {
        let Some((events, marks)) = self.sequence() else {
            return Ok(None);
        };
        TimeSequence { title, events, marks, zoom: zoom.map(instants) }.draw().map(Some)
    }

    /// Panels over time, or a part of it: throughput, windows, round-trip time, pacing, queue; `None` if no values were
    /// recorded.
    ///
    /// # Errors
    /// When the drawing library refuses.
    pub fn draw_series(
        &self,
        title: &str,
        scenario: &Scenario,
        zoom: Option<&Range<Duration>>,
    ) -> Result<Option<String>, Error> {
        let Some(samples) = self.samples() else {
            return Ok(None);
        };
        let mut panels = panels(samples, scenario);
        if let Some(zoom) = zoom.map(instants) {
            let series = panels.iter_mut().flat_map(|panel| &mut panel.series);
            series.for_each(|series| series.points.retain(|(at, _)| zoom.contains(at)));
        }
        stacked(title, &panels).map(Some)
    }
}

fn instants(span: &Range<Duration>) -> Range<Instant> {
    Instant::ZERO + span.start..Instant::ZERO + span.end
}

fn panels(samples: &Samples, scenario: &Scenario) -> Vec<Panel> {
    let flows: Vec<(String, &FlowSamples)> =
        samples.flows.iter().map(|flow| (name(samples, flow, scenario), flow)).collect();
    let each = |what: &str, shape, value: fn(&FlowSample) -> f64| -> Vec<Series> {
        let series = flows.iter().map(|(name, flow)| Series {
            name: [name.as_str(), what].join(" ").trim().to_owned(),
            points: flow.rows.iter().map(|row| (row.at, value(row))).collect(),
            shape,
        });
        series.collect()
    };
    let panel = |name: &str, unit, series| Panel { name: name.to_owned(), unit, series };
    let round_trips = each("", Shape::Steps, |row| row.info.srtt.map_or(f64::NAN, |srtt| srtt.as_secs_f64()));
    let mut panels = vec![panel("throughput", Unit::BitsPerSecond, throughput(samples, &flows))];
    if flows.len() <= FEW {
        panels.extend(flows.iter().map(|(name, flow)| panel(&format!("window, {name}"), Unit::Octets, window(flow))));
    } else {
        let windows = each("cwnd", Shape::Steps, |row| f64::from(row.info.cwnd));
        panels.push(panel("congestion window", Unit::Octets, windows));
    }
    panels.push(panel("smoothed round-trip time", Unit::Seconds, round_trips));
    let pacing = each("", Shape::Steps, pacing);
    if pacing.iter().flat_map(|series| &series.points).any(|(_, rate)| rate.is_finite()) {
        panels.push(panel("pacing rate", Unit::BitsPerSecond, pacing));
    }
    let points = samples.times.iter().zip(&samples.queue).map(|(at, octets)| (*at, as_float(*octets))).collect();
    let queue = Series { name: "waiting".to_owned(), points, shape: Shape::Steps };
    panels.push(panel("bottleneck queue", Unit::Octets, vec![queue]));
    panels
}

/// What one flow may have in flight, and has. A threshold that was never set is none to draw.
fn window(flow: &FlowSamples) -> Vec<Series> {
    let series = |name: &str, value: fn(&FlowSample) -> f64| Series {
        name: name.to_owned(),
        points: flow.rows.iter().map(|row| (row.at, value(row))).collect(),
        shape: Shape::Steps,
    };
    let mut all = vec![series("cwnd", |row| f64::from(row.info.cwnd)), series("ssthresh", ssthresh)];
    all.push(series("in flight", |row| f64::from(row.info.in_flight)));
    all.retain(|series| series.points.iter().any(|(_, value)| value.is_finite()));
    all
}

/// Its congestion control, and a number where several have the same.
fn name(samples: &Samples, flow: &FlowSamples, scenario: &Scenario) -> String {
    let control = |flow: &FlowSamples| flow.rows.first().map_or("", |row| row.info.congestion_control);
    let same = samples.flows.iter().filter(|other| control(other) == control(flow)).count();
    match (samples.flows.len(), same) {
        (_, 1) => control(flow).to_owned(),
        _ if scenario.flows.len() > 1 => format!("{} {}", control(flow), flow.flow + 1),
        _ => (flow.flow + 1).to_string(),
    }
}

/// No threshold yet is no value.
fn ssthresh(row: &FlowSample) -> f64 {
    if row.info.ssthresh > 1 << 30 { f64::NAN } else { f64::from(row.info.ssthresh) }
}

fn pacing(row: &FlowSample) -> f64 {
    row.info.pacing_rate.map_or(f64::NAN, |octets| as_float(octets) * 8.0)
}

/// What was delivered over the last samples: a single one has too few segments for a smooth line.
fn throughput(samples: &Samples, flows: &[(String, &FlowSamples)]) -> Vec<Series> {
    const OVER: usize = 30;
    let seconds = samples.interval().as_secs_f64() * 30.0;
    let series = flows.iter().map(|(name, flow)| Series {
        name: name.clone(),
        points: flow
            .rows
            .iter()
            .zip(flow.rows.iter().skip(OVER))
            .map(|(before, row)| (row.at, as_float(row.delivered - before.delivered) * 8.0 / seconds))
            .collect(),
        shape: Shape::Line,
    });
    series.collect()
}

#[expect(clippy::cast_precision_loss, reason = "a pixel for people")]
const fn as_float(number: u64) -> f64 {
    number as f64
}
