//! What came of a run, in figures.

use std::time::Duration;

use serde::Serialize;
use sockeye::TcpInfo;
use sockeye_device::impair::{HostId, Link, LinkConfig};
use sockeye_wire::Instant;

use super::invariants::Violation;
use super::scenario::{Application, Bank, HostSpec, Scenario};
use super::told::Told;
use super::world::{End, Flow, World};

/// What came of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// A row for each flow of the scenario; that of short flows stands for all of them.
    pub flows: Vec<FlowReport>,
    /// From left to right.
    pub forward: DirectionReport,
    /// From right to left.
    pub back: DirectionReport,
    /// The links of the hosts that have one of their own.
    pub access: Vec<AccessReport>,
    /// Of the direction in which more was read.
    pub link_share: Option<f64>,
    /// Jain's index of the goodput of flows other than short ones: 1 is fair, 1/n is all for one.
    pub jain: f64,
    /// Of that direction.
    pub queue_delay_ms: Percentiles,
    /// Of that direction.
    pub drops: u64,
    /// Of that direction.
    pub marks: u64,
    /// Packets that hosts have sent.
    pub packets: u64,
    /// Virtual time that passed until the last flow ended or was stopped, in seconds.
    pub virtual_s: f64,
    /// Time that the run took, in seconds.
    pub wall_s: f64,
    /// All rules were checked, after every event.
    pub judged: bool,
    /// The rule that was broken; `None` if none was.
    pub violation: Option<Violation>,
}

/// What came of the bottleneck in one direction.
#[derive(Clone, Debug, Serialize)]
pub struct DirectionReport {
    /// What applications read that came this way, in bits a second of the whole run.
    pub goodput_bps: f64,
    /// That by the link's rate; `None` if it has no fixed one.
    pub link_share: Option<f64>,
    /// The link itself.
    #[serde(flatten)]
    pub link: LinkReport,
}

/// What came of a host's own link.
#[derive(Clone, Debug, Serialize)]
pub struct AccessReport {
    /// The host.
    pub host: String,
    /// From it to the bottleneck.
    pub up: LinkReport,
    /// From the bottleneck to it.
    pub down: LinkReport,
}

/// What happened to packets on a link.
#[derive(Clone, Debug, Serialize)]
pub struct LinkReport {
    /// How long they waited in its queue.
    pub queue_delay_ms: Percentiles,
    /// Those that were lost or dropped.
    pub drops: u64,
    /// Those that were marked.
    pub marks: u64,
    /// Those that arrived damaged, which a TCP takes for lost.
    pub corrupted: u64,
    /// Those that were too long for it.
    pub too_long: u64,
}

impl LinkReport {
    fn of(link: &Link) -> Self {
        let (waits, counters) = (link.queue_waits(), link.counters());
        let at = |per_mille| millis(waits.per_mille(per_mille));
        Self {
            queue_delay_ms: Percentiles { p50: at(500), p99: at(990), max: millis(waits.max()) },
            drops: counters.lost
                + counters.lost_down
                + counters.dropped_full
                + counters.dropped_early
                + counters.policed,
            marks: counters.marked,
            corrupted: counters.corrupted,
            too_long: counters.too_long,
        }
    }
}

/// What came of a flow.
#[derive(Clone, Debug, Serialize)]
pub struct FlowReport {
    /// What it did.
    pub application: &'static str,
    /// Its congestion control.
    pub congestion: String,
    /// Connections of which it consisted.
    pub connections: usize,
    /// Octets read by the ends that listened.
    pub bytes: u64,
    /// Octets read by the ends that connected.
    pub bytes_back: u64,
    /// Octets that one of them, whichever read more, read by the time that took: from connecting to the last octet, or to
    /// the end of the run. In bits a second.
    pub goodput_bps: f64,
    /// Segments sent again, both ways.
    pub retransmits: u64,
    /// Of these, needless ones: as many as receivers report to have got twice (D-SACK). What the network makes two of is reported, too,
    /// so it may be fewer.
    pub spurious: u64,
    /// Retransmission timeouts, both ways.
    pub rtos: u64,
    /// Times that what a needless retransmission had cost was given back, both ways: after a timeout or without one.
    pub undone: u64,
    /// Of these, those after a timeout.
    pub spurious_timeouts: u64,
    /// The smoothed round-trip time when it was last told, of the end that sent more.
    pub srtt_ms: Option<f64>,
    /// Its least round-trip time of the last five to ten seconds before it was told.
    pub min_rtt_ms: Option<f64>,
    /// Its congestion window, in octets.
    pub cwnd: Option<u32>,
    /// The last rate at which the path delivered what it sent, in bits a second.
    pub delivery_rate_bps: Option<f64>,
    /// From connecting to the end of each connection that ended, and not with an error.
    pub completion_ms: Option<Percentiles>,
    /// From each request to the end of its response.
    pub response_ms: Option<Percentiles>,
    /// Connections that ended with an error, but for those that were to be aborted.
    pub errors: usize,
    /// Connections that have an end, and had come to none when the time was up.
    pub unfinished: usize,
    /// What the end that connected told of itself last: of many connections, that of the newest that told of a round trip.
    pub client: Option<Told>,
    /// What the end that listened told, of the same connection.
    pub server: Option<Told>,
}

/// Of a set of times, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Percentiles {
    /// Half of them are at most this.
    pub p50: f64,
    /// 99 of 100 are at most this.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

impl Percentiles {
    pub(super) fn of(mut times: Vec<Duration>) -> Option<Self> {
        times.sort_unstable();
        let max = *times.last()?;
        let rank = |per_mille: usize| times[(times.len() * per_mille).div_ceil(1000).saturating_sub(1)];
        Some(Self { p50: millis(rank(500)), p99: millis(rank(990)), max: millis(max) })
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

impl World {
    /// What has come of everything by now.
    pub(super) fn report(&mut self, scenario: &Scenario, wall: Duration) -> Report {
        let flows: Vec<FlowReport> = (0..scenario.flows.len()).map(|spec| self.flow_report(scenario, spec)).collect();
        self.network.advance(self.now);
        let forward = self.direction(&scenario.forward, Bank::Left, scenario);
        let back = self.direction(&scenario.back, Bank::Right, scenario);
        let long = scenario.flows.iter().zip(&flows);
        let long = long.filter(|(spec, _)| !matches!(spec.application, Application::ShortFlows { .. }));
        let busier = if back.goodput_bps > forward.goodput_bps { &back } else { &forward };
        Report {
            link_share: busier.link_share,
            jain: jain(long.map(|(_, flow)| flow.goodput_bps)),
            queue_delay_ms: busier.link.queue_delay_ms,
            drops: busier.link.drops,
            marks: busier.link.marks,
            packets: self.packet_count,
            virtual_s: self.now.since(Instant::ZERO).as_secs_f64(),
            wall_s: wall.as_secs_f64(),
            judged: self.judges,
            violation: self.violation.clone(),
            access: self.access(scenario),
            flows,
            forward,
            back,
        }
    }

    /// What came from the hosts on one side through the bottleneck, which is such a link in their direction.
    fn direction(&self, config: &LinkConfig, from: Bank, scenario: &Scenario) -> DirectionReport {
        let hosts = scenario.all_hosts();
        // What an end has read, came from the other side.
        let ends = self.flows.iter().flat_map(|flow| &flow.ends).filter(|end| hosts[end.host].side != from);
        let goodput_bps = self.rate(ends.map(|end| end.ledger.read).sum());
        let is_fixed = config.schedule.is_empty() && config.trace.is_none();
        let rate = config.rate.filter(|rate| is_fixed && rate.as_bits() > 0);
        DirectionReport {
            goodput_bps,
            link_share: rate.map(|rate| goodput_bps / as_float(rate.as_bits())),
            link: LinkReport::of(self.network.bottleneck(from.side())),
        }
    }

    fn access(&self, scenario: &Scenario) -> Vec<AccessReport> {
        let hosts = scenario.hosts.iter().enumerate().filter(|(_, host)| host.access_links().next().is_some());
        let report = |(number, host): (usize, &HostSpec)| {
            let (up, down) = self.network.access(HostId(number))?;
            Some(AccessReport { host: host.name.clone(), up: LinkReport::of(up), down: LinkReport::of(down) })
        };
        hosts.filter_map(report).collect()
    }

    /// Bits a second that so many octets make over the whole run.
    fn rate(&self, octets: u64) -> f64 {
        bits_per_second(octets, self.now.since(Instant::ZERO))
    }

    fn flow_report(&self, scenario: &Scenario, spec: usize) -> FlowReport {
        let flows: Vec<&Flow> = self.flows.iter().filter(|flow| flow.spec == spec).collect();
        let ends = || flows.iter().flat_map(|flow| &flow.ends);
        let told: Vec<TcpInfo> = ends().filter_map(|end| end.told(&self.nodes, self.now)).collect();
        let [bytes, bytes_back] = [1, 0].map(|role| flows.iter().map(|flow| flow.ends[role].ledger.read).sum());
        let took = flows.iter().map(|flow| self.busy(flow)).sum();
        let responses = ends().flat_map(End::response_times).copied().collect();
        let ends_told = |flow: &&Flow| [0, 1].map(|role| flow.ends[role].told(&self.nodes, self.now));
        let [client, server] = flows
            .iter()
            .map(ends_told)
            .rfind(|[client, _]| client.is_some_and(|info| info.srtt.is_some()))
            .unwrap_or_default();
        let sender = if bytes_back > bytes { server } else { client };
        let ended_badly = |end: &End| end.ledger.because.is_some_and(|because| !because.is_clean());
        let failed = |flow: &&&Flow| !flow.aborts && flow.ends.iter().any(ended_badly);
        let is_late = |flow: &&&Flow| !flow.endless && !flow.is_done() && flow.start <= self.now && !failed(flow);
        let ended_well = flows.iter().filter(|flow| flow.is_done() && !failed(flow));
        let completed = ended_well.map(|flow| self.busy(flow)).collect();
        FlowReport {
            application: scenario.flows[spec].application.name(),
            congestion: flows.first().map(|flow| flow.ends[0].config.congestion.to_string()).unwrap_or_default(),
            connections: flows.len(),
            bytes,
            bytes_back,
            goodput_bps: bits_per_second(bytes.max(bytes_back), took),
            retransmits: told.iter().map(|info| info.retransmissions).sum(),
            spurious: told.iter().map(|info| info.duplicates_reported.min(info.retransmissions)).sum(),
            rtos: told.iter().map(|info| info.timeouts).sum(),
            undone: told.iter().map(|info| info.undone).sum(),
            spurious_timeouts: told.iter().map(|info| info.spurious_timeouts).sum(),
            srtt_ms: sender.and_then(|info| info.srtt).map(millis),
            min_rtt_ms: sender.and_then(|info| info.min_rtt).map(millis),
            cwnd: sender.map(|info| info.cwnd),
            delivery_rate_bps: sender.map(|info| as_float(info.delivery_rate) * 8.0),
            completion_ms: Percentiles::of(completed),
            response_ms: Percentiles::of(responses),
            errors: flows.iter().filter(failed).count(),
            unfinished: flows.iter().filter(is_late).count(),
            client: client.map(Told),
            server: server.map(Told),
        }
    }

    /// How long a flow took, or has taken so far.
    fn busy(&self, flow: &Flow) -> Duration {
        let last = flow.ends.iter().map(|end| end.ledger.moved_at).max().unwrap_or(self.now);
        let end = if flow.is_done() { last } else { self.now };
        end.since(flow.start)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
const fn as_float(number: u64) -> f64 {
    number as f64
}

pub(super) fn bits_per_second(octets: u64, time: Duration) -> f64 {
    if time.is_zero() { 0.0 } else { as_float(octets) * 8.0 / time.as_secs_f64() }
}

/// Jain's fairness index; 1 for nobody.
fn jain(rates: impl Iterator<Item = f64>) -> f64 {
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for rate in rates {
        count += 1.0;
        sum += rate;
        squares += rate * rate;
    }
    if squares > 0.0 { sum * sum / (count * squares) } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jains_index_is_one_for_equals_and_one_over_n_for_a_winner() {
        assert!((jain([3.0, 3.0, 3.0].into_iter()) - 1.0).abs() < 1e-9);
        assert!((jain([5.0, 0.0, 0.0, 0.0].into_iter()) - 0.25).abs() < 1e-9);
        assert!((jain(std::iter::empty()) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn percentiles_are_of_those_that_there_are() {
        let times = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(Percentiles::of(times), Some(Percentiles { p50: 50.0, p99: 99.0, max: 100.0 }));
        assert_eq!(Percentiles::of(Vec::new()), None);
    }
}
