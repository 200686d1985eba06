//! What a run has recorded, drawn.

use std::cmp::Reverse;
use std::ops::Range;
use std::time::Duration;

use sockeye_wire::Instant;

use super::record::{FlowSample, FlowSamples, Record, Samples};
use super::scenario::Scenario;
use crate::plot::{Error, LINES, Panel, Series, Shape, TimeSequence, Unit, stacked};

/// More flows than that share one panel for their congestion windows; up to so many have one each, with all that limits them.
const FEW: usize = 4;
/// More flows than that aren't told apart in one panel: the smaller ones are drawn as one, in the last colour that there is.
const MOST: usize = LINES - 1;

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

    /// Panels over time, or a part of it: throughput (what readers get: where a hole is filled, all behind it at once, which for a
    /// moment is more than the link carries), windows, round-trip time, pacing, queue; `None` if no values were
    /// recorded. Of more than twelve flows those that delivered most have lines of their own; the throughput of the others is
    /// summed.
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
    let (drawn, others) = largest(samples);
    let flows: Vec<(String, &FlowSamples)> = drawn.into_iter().map(|flow| (name(flow, scenario), flow)).collect();
    let each = |shape, value: fn(&FlowSample) -> f64| -> Vec<Series> {
        let series =
            flows.iter().map(|(name, flow)| Series { name: name.clone(), points: points(samples, flow, value), shape });
        series.collect()
    };
    let whose = whose(&flows, samples.flows.len());
    let panel = |name: &str, unit, series| Panel { name: name.to_owned(), unit, series };
    let of_each = |name: &str, unit, series| panel(&format!("{name}{whose}"), unit, series);
    let mut panels = vec![panel("throughput", Unit::BitsPerSecond, throughput(samples, &flows, &others))];
    if flows.len() <= FEW {
        panels.extend(flows.iter().map(|(name, flow)| {
            let which = if flow.connections > 1 { ": its oldest open connection" } else { "" };
            panel(&format!("window, {name}{which}"), Unit::Octets, window(samples, flow))
        }));
    } else {
        let windows = each(Shape::Steps, |row| f64::from(row.info.cwnd));
        panels.push(of_each("congestion window", Unit::Octets, windows));
    }
    let round_trips = each(Shape::Steps, |row| row.info.srtt.map_or(f64::NAN, |srtt| srtt.as_secs_f64()));
    panels.push(of_each("smoothed round-trip time", Unit::Seconds, round_trips));
    let pacing = each(Shape::Steps, pacing);
    if pacing.iter().flat_map(|series| &series.points).any(|(_, rate)| rate.is_finite()) {
        panels.push(of_each("pacing rate", Unit::BitsPerSecond, pacing));
    }
    let points = samples.times.iter().zip(&samples.queue).map(|(at, octets)| (*at, as_float(*octets))).collect();
    let queue = Series { name: "waiting".to_owned(), points, shape: Shape::Steps };
    panels.push(panel("bottleneck queue", Unit::Octets, vec![queue]));
    panels
}

/// The flows that delivered most, and the others; each in the scenario's order.
fn largest(samples: &Samples) -> (Vec<&FlowSamples>, Vec<&FlowSamples>) {
    let mut flows: Vec<&FlowSamples> = samples.flows.iter().collect();
    flows.sort_by_key(|flow| Reverse(flow.total()));
    let mut others = flows.split_off(flows.len().min(MOST));
    flows.sort_by_key(|flow| flow.flow);
    others.sort_by_key(|flow| flow.flow);
    (flows, others)
}

/// What a panel's name says of what it leaves out: other flows, and other connections of the same flow.
fn whose(drawn: &[(String, &FlowSamples)], flows: usize) -> String {
    let mut notes = Vec::new();
    if drawn.len() < flows {
        notes.push(format!("the {} largest of {flows} flows", drawn.len()));
    }
    if drawn.iter().any(|(_, flow)| flow.connections > 1) {
        notes.push("of each flow its oldest open connection".to_owned());
    }
    if notes.is_empty() { String::new() } else { format!(" ({})", notes.join("; ")) }
}

/// What one flow may have in flight, and has. A threshold that was never set is none to draw.
fn window(samples: &Samples, flow: &FlowSamples) -> Vec<Series> {
    let series = |name: &str, value: fn(&FlowSample) -> f64| Series {
        name: name.to_owned(),
        points: points(samples, flow, value),
        shape: Shape::Steps,
    };
    let mut all = vec![series("cwnd", |row| f64::from(row.info.cwnd)), series("ssthresh", ssthresh)];
    all.push(series("in flight", |row| f64::from(row.info.in_flight)));
    all.retain(|series| series.points.iter().any(|(_, value)| value.is_finite()));
    all
}

/// A value over time, with a gap where no connection of the flow was open.
fn points(samples: &Samples, flow: &FlowSamples, value: fn(&FlowSample) -> f64) -> Vec<(Instant, f64)> {
    let mut points = Vec::with_capacity(flow.rows().len());
    let mut next = None;
    for row in flow.rows() {
        points.extend(next.filter(|next| *next < row.at).map(|next| (next, f64::NAN)));
        points.push((row.at, value(row)));
        next = Some(row.at + samples.interval());
    }
    points
}

/// Its number in the table, counted from 1, and its congestion control.
fn name(flow: &FlowSamples, scenario: &Scenario) -> String {
    let chosen = || scenario.flows.get(flow.flow)?.congestion.map(|congestion| congestion.to_string());
    let control = flow.rows().first().map(|row| row.info.congestion_control.to_owned()).or_else(chosen);
    format!("flow {} {}", flow.flow + 1, control.unwrap_or_default()).trim_end().to_owned()
}

/// No threshold yet is no value.
fn ssthresh(row: &FlowSample) -> f64 {
    if row.info.ssthresh > 1 << 30 { f64::NAN } else { f64::from(row.info.ssthresh) }
}

fn pacing(row: &FlowSample) -> f64 {
    row.info.pacing_rate.map_or(f64::NAN, |octets| as_float(octets) * 8.0)
}

/// Samples over which a rate is taken: a single one has too few segments for a smooth line.
const OVER: usize = 30;
/// At the start it is taken over those that there are, once they are so many.
const AT_LEAST: usize = 5;

/// What all connections of each flow have delivered over the last samples, and what those flows have that aren't drawn.
fn throughput(samples: &Samples, flows: &[(String, &FlowSamples)], others: &[&FlowSamples]) -> Vec<Series> {
    let mut all: Vec<Series> = flows
        .iter()
        .map(|(name, flow)| {
            let mut points = rates(samples, &flow.delivered().collect::<Vec<_>>());
            // Before it is open and once it has gone there is nothing to tell.
            let open = flow.rows().first().zip(flow.rows().last()).map(|(first, last)| first.at..=last.at);
            let is_open = |at: &Instant| open.as_ref().is_some_and(|open| open.contains(at));
            points.retain(|(at, rate)| *rate > 0.0 || is_open(at));
            Series { name: name.clone(), points, shape: Shape::Line }
        })
        .collect();
    if !others.is_empty() {
        let mut sums = vec![0; samples.times.len()];
        for flow in others {
            sums.iter_mut().zip(flow.delivered()).for_each(|(sum, octets)| *sum += octets);
        }
        let name = format!("others ({})", others.len());
        all.push(Series { name, points: rates(samples, &sums), shape: Shape::Line });
    }
    all
}

/// Bits a second, from octets delivered at each time.
fn rates(samples: &Samples, delivered: &[u64]) -> Vec<(Instant, f64)> {
    let interval = samples.interval().as_secs_f64();
    let mut rates = Vec::with_capacity(delivered.len());
    for (ends, (at, now)) in samples.times.iter().zip(delivered).enumerate().skip(AT_LEAST) {
        let begins = ends.saturating_sub(OVER);
        let before = delivered.get(begins).copied().unwrap_or_default();
        let seconds = interval * f64::from(u32::try_from(ends - begins).unwrap_or(u32::MAX));
        rates.push((*at, as_float(now - before) * 8.0 / seconds));
    }
    rates
}

#[expect(clippy::cast_precision_loss, reason = "a pixel for people")]
const fn as_float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Simulation;

    /// One flow of many short connections, then `count` of one connection, of which the last delivers most.
    fn run(count: usize) -> (Scenario, Record) {
        let path =
            "forward = \"rate 20mbit delay 5ms limit 60\"\nback = \"rate 20mbit delay 5ms\"\nduration = \"5s\"\n";
        let short = "kind = \"short_flows\", times = 20, every = \"20ms\", sizes = { fixed = 10_000 }";
        let sizes = (1..=count).map(|number| if number == count { 500_000 } else { 15_000 * number });
        let bulk = sizes.map(|bytes| format!("kind = \"bulk\", bytes = {bytes}"));
        let flows = std::iter::once(short.to_owned()).chain(bulk);
        let flows: Vec<String> = flows.map(|what| format!("[[flow]]\napplication = {{ {what} }}\n")).collect();
        let text = [path, &flows.concat()].concat();
        let scenario: Scenario = text.parse().unwrap();
        let record = Record::nothing().sequence_of(1).series(Duration::from_millis(5));
        let (report, record) = Simulation::new(&scenario, record).unwrap().finish_with_record();
        assert_eq!(report.violation, None);
        (scenario, record)
    }

    #[test]
    fn the_largest_flows_are_drawn_by_their_numbers_and_the_others_summed() {
        let (scenario, record) = run(20);
        let panels = panels(record.samples().unwrap(), &scenario);
        let names: Vec<&str> = panels[0].series.iter().map(|series| series.name.as_str()).collect();
        assert_eq!(names.len(), MOST + 1, "{names:?}");
        assert!(names.contains(&"flow 1 cubic") && names.contains(&"flow 21 cubic"), "{names:?}");
        assert!(!names.contains(&"flow 2 cubic") && names.last() == Some(&"others (9)"), "{names:?}");
        assert!(panels[1].name.contains("12 largest of 21 flows"), "{}", panels[1].name);
    }

    #[test]
    fn all_connections_of_a_flow_make_its_throughput() {
        let (scenario, record) = run(1);
        let samples = record.samples().unwrap();
        let flows: Vec<(usize, u64)> = samples.flows.iter().map(|flow| (flow.connections, flow.total())).collect();
        assert_eq!(flows, [(20, 200_000), (1, 500_000)]);
        let panels = panels(samples, &scenario);
        let octets: f64 = panels[0].series[0].points.iter().map(|(_, rate)| rate / 8.0 * 0.005).sum();
        // What a connection carries after its last sample isn't drawn: of these, which live for some of them, a third or so.
        assert!(octets > 100_000.0, "{octets}");
    }

    #[test]
    fn the_curve_of_the_throughput_begins_with_the_first_samples() {
        let (scenario, record) = run(1);
        let panels = panels(record.samples().unwrap(), &scenario);
        let (first, rate) = panels[0].series[1].points[0];
        assert!(first.since(Instant::ZERO) <= Duration::from_millis(40) && rate > 1e6, "{first:?}: {rate}");
    }

    #[test]
    fn what_waited_behind_a_hole_is_read_at_once_faster_than_the_link() {
        let text = "forward = 'rate 5mbit delay 50ms loss list 100'\nback = 'rate 5mbit delay 50ms'\nduration = '10s'\n\
                    [[flow]]\napplication = { kind = 'bulk', bytes = 1_000_000 }";
        let scenario: Scenario = text.parse().unwrap();
        let record = Record::nothing().series(Duration::from_millis(5));
        let (_, record) = Simulation::new(&scenario, record).unwrap().finish_with_record();
        let samples = record.samples().unwrap();
        let rates = rates(samples, &samples.flows[0].delivered().collect::<Vec<_>>());
        let above = rates.iter().filter(|(_, rate)| *rate > 5.1e6).count();
        assert!((1..=OVER + 1).contains(&above), "{above} samples");
        // All the same no octet counts twice.
        let octets: f64 = rates.iter().map(|(_, rate)| rate / 8.0 * 0.005).sum();
        assert!(octets < 1_010_000.0, "{octets}");
    }

    #[test]
    fn nothing_is_drawn_where_no_connection_was_open() {
        let (_, record) = run(1);
        let samples = record.samples().unwrap();
        let rows = samples.flows[0].rows();
        let gaps = rows.iter().zip(&rows[1..]).filter(|(row, next)| next.at.since(row.at) > samples.interval());
        let drawn = points(samples, &samples.flows[0], |row| f64::from(row.info.cwnd));
        let (gaps, drawn) = (gaps.count(), drawn.iter().filter(|(_, value)| value.is_nan()).count());
        assert!(gaps > 0 && gaps == drawn, "{gaps} gaps, {drawn} drawn");
    }

    #[test]
    fn the_time_sequence_graph_is_of_the_tables_flow() {
        let (_, record) = run(1);
        let (events, _) = record.sequence().unwrap();
        let sent = events.iter().filter_map(|event| match &event.what {
            crate::plot::What::Sent(octets, _) => Some(octets.end),
            _ => None,
        });
        assert_eq!(sent.max(), Some(500_001), "the SYN and half a megabyte: not one of the short ones");
    }
}
