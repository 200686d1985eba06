//! One case: a scenario, and what is measured of it.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path as FilePath;
use std::time::Duration;

use sockeye::{Algorithm, LossPhase};
use sockeye_lab::sim::{FlowSample, FlowSamples, HostSpec, Record, Report, Samples, Scenario, Simulation};

use super::Row;
use crate::output::drawn;
use crate::shell::Outcome;

/// Octets of text in a packet of 1500: IPv4, TCP with timestamps.
pub const PAYLOAD: f64 = 1448.0 / 1500.0;

/// The congestion controls that each path is tried with.
pub const ALL: [Algorithm; 3] = [Algorithm::CUBIC, Algorithm::NEWRENO, Algorithm::BBR];

/// What a run gave.
pub struct Ran {
    pub report: Report,
    samples: Samples,
    /// What its twin gave, if it has one.
    twin: Option<Box<Ran>>,
}

/// What is made of it: the value, and a note.
type Judge = Box<dyn Fn(&Ran) -> (f64, String) + Send + Sync>;

/// How a value is compared with its target.
#[derive(Clone, Copy)]
pub enum Target {
    AtLeast(f64),
    AtMost(f64),
    /// It is only reported.
    None,
}

/// One figure of a run.
struct Measure {
    name: String,
    target: Target,
    judge: Judge,
}

/// A scenario, and what is measured of it.
pub struct Case {
    pub name: String,
    pub cc: &'static str,
    scenario: Scenario,
    /// The same without what it is about, to be compared with.
    twin: Option<Scenario>,
    measures: Vec<Measure>,
}

impl Case {
    pub fn new(name: impl Into<String>, cc: Algorithm, scenario: Scenario) -> Self {
        Self { name: name.into(), cc: cc.name(), scenario, twin: None, measures: Vec::new() }
    }

    /// Chance begins from `seed`.
    pub fn seeded(mut self, seed: u64) -> Self {
        self.scenario.seed = seed;
        if let Some(twin) = &mut self.twin {
            twin.seed = seed;
        }
        self
    }

    /// Runs `twin` as well, to compare with.
    pub fn beside(mut self, twin: Scenario) -> Self {
        self.twin = Some(twin);
        self
    }

    /// Measures something of it, under the case's name and `what`.
    pub fn measure<J>(mut self, what: &str, target: Target, judge: J) -> Self
    where
        J: Fn(&Ran) -> (f64, String) + Send + Sync + 'static,
    {
        let name = if what.is_empty() { self.name.clone() } else { format!("{}: {what}", self.name) };
        self.measures.push(Measure { name, target, judge: Box::new(judge) });
        self
    }

    /// Runs it, and draws it into the directory `plot` if there is one. A run that breaks a rule of the simulator misses all it
    /// has to reach.
    pub fn run(&self, plot: Option<&FilePath>) -> Outcome<Vec<Row>> {
        let mut ran = self.simulate(&self.scenario, plot)?;
        let twin = self.twin.as_ref().map(|twin| self.simulate(twin, None)).transpose()?;
        ran.twin = twin.map(Box::new);
        let broken =
            [Some(&ran), ran.twin.as_deref()].into_iter().flatten().find_map(|ran| ran.report.violation.as_ref());
        let broken = broken.map(ToString::to_string);
        Ok(self.measures.iter().map(|measure| self.row(measure, &ran, broken.as_deref())).collect())
    }

    fn simulate(&self, scenario: &Scenario, plot: Option<&FilePath>) -> Outcome<Ran> {
        let mut record = Record::nothing().series((scenario.duration.0 / 400).max(Duration::from_millis(1)));
        if plot.is_some() {
            record = record.sequence_of(0);
        }
        let simulation = Simulation::new(scenario, record);
        let simulation = simulation.map_err(|error| format!("{} {}: {error}", self.name, self.cc))?;
        let (report, record) = simulation.finish_with_record();
        plot.map_or(Ok(()), |directory| self.draw(scenario, &record, directory))?;
        Ok(Ran { report, samples: record.samples().cloned().unwrap_or_default(), twin: None })
    }

    /// Values over time, and the time-sequence graph of the first flow, each in a file of its own.
    fn draw(&self, scenario: &Scenario, record: &Record, directory: &FilePath) -> Outcome {
        let title = format!("{}, {}: {} | back: {}", self.name, self.cc, scenario.forward, scenario.back);
        let pictures =
            [("", record.draw_series(&title, scenario, None)?), ("-sequence", record.draw_sequence(&title, None)?)];
        for (which, svg) in pictures {
            let path = directory.join(format!("{}{which}.svg", self.file_name()));
            drawn(&path, fs::write(&path, svg.unwrap_or_default()).map_err(Into::into))?;
        }
        Ok(())
    }

    /// Its name and congestion control, in what every file system takes.
    fn file_name(&self) -> String {
        let name = format!("{} {}", self.name, self.cc);
        let words = name.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '.');
        words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
    }

    fn row(&self, measure: &Measure, ran: &Ran, broken: Option<&str>) -> Row {
        let (value, note) = (measure.judge)(ran);
        let (target, met) = match measure.target {
            Target::AtLeast(target) => (Some(target), value >= target),
            Target::AtMost(target) => (Some(target), value <= target),
            Target::None => (None, true),
        };
        let at_most = matches!(measure.target, Target::AtMost(_));
        let note = broken.map_or(note, |broken| format!("broke a rule: {broken}"));
        Row { scenario: measure.name.clone(), cc: self.cc, value, target, at_most, met: met && broken.is_none(), note }
    }
}

impl Ran {
    /// Goodput of flow `flow` from `from` to `to`, in bits a second.
    pub fn goodput(&self, flow: usize, from: Duration, to: Duration) -> f64 {
        let Some(rows) = self.samples.flows.iter().find(|rows| rows.flow == flow) else {
            return 0.0;
        };
        let at = |time: Duration| rows.rows().iter().rfind(|row| row.at.since(sockeye_wire::Instant::ZERO) <= time);
        let (Some(first), Some(last)) = (at(from), at(to)) else {
            return 0.0;
        };
        let took = last.at.since(first.at).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let octets = (last.delivered - first.delivered) as f64;
        if took > 0.0 { octets * 8.0 / took } else { 0.0 }
    }

    /// What flow 0 was like, in the order of time.
    fn rows(&self) -> impl DoubleEndedIterator<Item = &FlowSample> {
        self.samples.flows.iter().filter(|rows| rows.flow == 0).flat_map(FlowSamples::rows)
    }

    /// What flow 0 was like last until `time`.
    fn row_at(&self, time: Duration) -> Option<&FlowSample> {
        self.rows().rfind(|row| row.at.since(sockeye_wire::Instant::ZERO) <= time)
    }

    /// Segments that flow 0 sent until `time`.
    pub fn sent(&self, time: Duration) -> u64 {
        self.row_at(time).map_or(0, |row| row.info.segments_out)
    }

    /// Segments that flow 0 lost by its first slow start: those that it held lost until two round trips after the end of that,
    /// so that the last that left in it are acknowledged or found lost.
    pub fn lost_in_slow_start(&self) -> u64 {
        let Some(end) = self.rows().find(|row| !row.info.congestion.phase.ends_with("slow start")) else {
            return self.rows().last().map_or(0, |row| row.info.segments_lost);
        };
        let shown = end.at.since(sockeye_wire::Instant::ZERO) + end.info.srtt.unwrap_or_default() * 2;
        self.row_at(shown).map_or(0, |row| row.info.segments_lost)
    }

    /// Timeouts of flow 0 that came in fast recovery, as the row before each tells: rows are nearer to each other than an RTO is
    /// long. One whose recovery began after that row counts as any other.
    pub fn timeouts_amid_recovery(&self) -> u64 {
        let amid = |(before, after): (&FlowSample, &FlowSample)| match before.info.phase {
            LossPhase::Recovery => after.info.timeouts - before.info.timeouts,
            _ => 0,
        };
        self.rows().zip(self.rows().skip(1)).map(amid).sum()
    }

    /// Octets of flow 0's window at `time`.
    pub fn window(&self, time: Duration) -> u32 {
        self.row_at(time).map_or(0, |row| row.info.cwnd)
    }

    /// How long flow 0 was in each phase of its congestion control from `from` on, in hundredths of the time, those first in
    /// which it was longest.
    pub fn phases(&self, from: Duration) -> String {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for row in self.rows().filter(|row| row.at.since(sockeye_wire::Instant::ZERO) >= from) {
            *counts.entry(row.info.congestion.phase).or_default() += 1;
        }
        let all = counts.values().sum::<usize>().max(1);
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| Reverse(*count));
        counts.iter().map(|(phase, count)| format!("{} % {phase}", count * 100 / all)).collect::<Vec<_>>().join(", ")
    }

    /// What is worth knowing of any run: losses, timeouts, and how long packets waited.
    pub fn note(&self) -> String {
        let report = &self.report;
        let sum = |what: fn(&sockeye_lab::sim::FlowReport) -> u64| report.flows.iter().map(what).sum::<u64>();
        let (resent, spurious) = (sum(|flow| flow.retransmits), sum(|flow| flow.spurious));
        let (rtos, undone) = (sum(|flow| flow.rtos), sum(|flow| flow.undone));
        format!(
            "{} lost, {resent} resent, {spurious} of them needless, {rtos} RTOs, {undone} undone, queue p50 {:.1} ms p99 {:.1} ms",
            report.drops, report.queue_delay_ms.p50, report.queue_delay_ms.p99
        )
    }
}

/// A path of one bottleneck.
#[derive(Clone, Copy)]
pub struct Path {
    /// Bits a second.
    pub rate: f64,
    pub rtt: Duration,
    /// Of what the path holds in flight.
    pub bdps: f64,
}

impl Path {
    pub const fn new(rate: f64, rtt_ms: u64, bdps: f64) -> Self {
        Self { rate, rtt: Duration::from_millis(rtt_ms), bdps }
    }

    /// Packets of 1500 octets that the path holds in flight.
    pub fn bdp(&self) -> f64 {
        self.rate * self.rtt.as_secs_f64() / 8.0 / 1500.0
    }

    /// Packets that the queue holds.
    pub fn queue(&self) -> f64 {
        (self.bdp() * self.bdps).max(20.0)
    }

    /// What a flow may carry at most, in bits a second.
    pub fn payload(&self) -> f64 {
        self.rate * PAYLOAD
    }

    /// The way there, in netem's words, with more of them.
    pub fn forward(&self, more: &str) -> String {
        let delay = self.rtt.as_nanos() / 2;
        format!("rate {:.0}bit delay {delay}ns limit {:.0} {more}", self.rate, self.queue())
    }

    /// Endless transfers under `controls` for `duration`; `forward` and `back` are more words for the two ways.
    pub fn scenario(&self, controls: &[Algorithm], forward: &str, back: &str, duration: Duration) -> Scenario {
        let back = format!("delay {}ns {back}", self.rtt.as_nanos() / 2);
        let words = |text: &str| text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        let mut scenario = Scenario::bulk(words(&self.forward(forward)), words(&back), controls, duration);
        scenario.hosts = scenario.all_hosts();
        for host in &mut scenario.hosts {
            self.make_room(host);
        }
        scenario
    }

    /// Buffers of four times what path and queue hold.
    fn make_room(&self, host: &mut HostSpec) {
        let octets = ((self.bdp() + self.queue()) * 1500.0 * 4.0).clamp(1e6, f64::from(1_u32 << 30));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is clamped")]
        let octets = octets as u32;
        host.tcp.receive_buffer = Some(octets);
        host.tcp.send_buffer = Some(octets);
    }

    /// When slow start is long over: it doubles each round trip from ten packets on, and then something is mended.
    pub fn warm(&self) -> Duration {
        let doublings = (self.bdp() / 10.0).max(1.0).log2().ceil();
        (self.rtt.mul_f64(doublings + 20.0)).max(Duration::from_secs(2))
    }
}

/// The share of what the path may carry, all flows together, after the start.
pub fn share(path: Path, warm: Duration, duration: Duration) -> impl Fn(&Ran) -> (f64, String) {
    move |ran| {
        let all: f64 = (0..ran.report.flows.len()).map(|flow| ran.goodput(flow, warm, duration)).sum();
        (all / path.payload(), ran.note())
    }
}

/// The share of the link that `reached` measures, as a part of what is `expected` of it in bits a second.
pub fn part_of(path: Path, expected: f64, reached: impl Fn(&Ran) -> (f64, String)) -> impl Fn(&Ran) -> (f64, String) {
    move |ran| {
        let (share, note) = reached(ran);
        (share * path.payload() / expected, format!("of {:.2} Mbit/s; {note}", expected / 1e6))
    }
}

/// What `reached` measures, as a part of what it measures of the twin.
pub fn of_twin(reached: impl Fn(&Ran) -> (f64, String)) -> impl Fn(&Ran) -> (f64, String) {
    move |ran| {
        let (share, note) = reached(ran);
        let (whole, _) = ran.twin.as_deref().map_or((0.0, String::new()), &reached);
        (share / whole.max(f64::MIN_POSITIVE), format!("without it {whole:.3} of the link; {note}"))
    }
}

/// The rate from `from` to `to` by that from `before` to `until`.
pub fn kept(before: [Duration; 2], after: [Duration; 2]) -> impl Fn(&Ran) -> (f64, String) {
    move |ran| (ran.goodput(0, after[0], after[1]) / ran.goodput(0, before[0], before[1]).max(1.0), ran.note())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_drawn_into_files_of_its_name() {
        let path = Path::new(1e6, 20, 1.0);
        let scenario = path.scenario(&[Algorithm::CUBIC], "", "", Duration::from_secs(1));
        let case = Case::new("queue 0.5 BDP, 1/4 RTT", Algorithm::CUBIC, scenario);
        let directory = std::env::temp_dir().join(format!("sockeye-case-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory");
        case.run(Some(&directory)).expect("it runs");
        for name in ["queue-0.5-BDP-1-4-RTT-cubic.svg", "queue-0.5-BDP-1-4-RTT-cubic-sequence.svg"] {
            let svg = fs::read_to_string(directory.join(name)).expect(name);
            assert!(svg.starts_with("<svg") && svg.contains("1/4 RTT, cubic: "), "{name}");
        }
        fs::remove_dir_all(&directory).expect("removed");
    }
}
