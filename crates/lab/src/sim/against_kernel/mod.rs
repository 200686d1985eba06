//! The differential mode: a scenario in virtual time beside the same one in real time, with the kernel at one end.
//!
//! Three runs: Sockeye at both ends, simulated; Sockeye connecting to the kernel; the kernel connecting to Sockeye. The path
//! is the same [`Link`](sockeye_device::impair::Link) with the same seed, the applications are the same code, on our stack
//! or on the kernel's sockets behind a TUN device. What differs by more than chance explains is named.

mod kernel;
mod run;

use std::fmt;
use std::io;

use serde::Serialize;
use sockeye_wire::Instant;

use super::application::Role;
use super::report::{FlowReport, Percentiles, Report, bits_per_second};
use super::scenario::{Bank, HostSpec, Scenario, ScenarioError};
use run::{Flow, Run};

/// By which factor goodput and times may differ between two TCPs on one path: what chance brings, and what each is free to do.
const FACTOR: f64 = 1.5;
/// As many retransmissions more are never worth a word, and as many timeouts.
const RETRANSMITS: u64 = 20;
const TIMEOUTS: u64 = 2;

/// What came of a scenario, thrice.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Simulated; with the kernel listening; with the kernel connecting.
    pub runs: [Figures; 3],
    /// What differs from the simulated run, a line each; empty if nothing does.
    pub differences: Vec<String>,
    /// True if in each run all that was sent arrived as it was, and every flow that has an end came to it.
    pub intact: bool,
}

/// What came of one run.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Who connects to whom.
    pub ends: &'static str,
    /// A row for each flow of the scenario.
    pub flows: Vec<FlowFigures>,
    /// Segments sent again, by both ends.
    pub retransmits: u64,
    /// Retransmission timeouts, of both ends.
    pub rtos: u64,
    /// What arrived that hadn't been sent.
    pub damage: Option<String>,
}

/// What came of a flow.
#[derive(Clone, Debug, Serialize)]
pub struct FlowFigures {
    /// What it did.
    pub application: &'static str,
    /// Octets read by the ends that listened.
    pub bytes: u64,
    /// Octets read by the ends that connected.
    pub bytes_back: u64,
    /// As [`FlowReport::goodput_bps`].
    pub goodput_bps: f64,
    /// From connecting to the last octet, of those connections that ended: the middle one.
    pub completion_ms: Option<f64>,
    /// Connections that didn't come to their end, endless ones left out.
    pub unfinished: usize,
}

/// Why a scenario can't be compared.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// It makes no sense, or has something in it that the kernel can't take part in.
    Scenario(ScenarioError),
    /// The kernel's end can't be made.
    Device(sockeye_device::Error),
    /// A call of the kernel failed.
    Io(io::Error),
}

impl Error {
    fn other(why: impl fmt::Display) -> Self {
        Self::Scenario(ScenarioError(why.to_string()))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scenario(error) => error.fmt(f),
            Self::Device(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<ScenarioError> for Error {
    fn from(error: ScenarioError) -> Self {
        Self::Scenario(error)
    }
}

impl From<sockeye_device::Error> for Error {
    fn from(error: sockeye_device::Error) -> Self {
        Self::Device(error)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Runs `scenario` thrice, twice of that in real time, and compares. The kernel's ends are in namespaces of their own, which
/// needs root, or to be in a user namespace. Of the settings of a host the kernel takes MTU, SACK, timestamps, window scaling,
/// `nodelay` and the flow's congestion control; its buffers are Linux's own.
///
/// # Errors
/// [`Error`].
pub fn compare(scenario: &Scenario) -> Result<Comparison, Error> {
    check(scenario)?;
    let simulated = Figures::simulated(&super::run(scenario)?);
    let runs = [simulated, Figures::measured(scenario, 0)?, Figures::measured(scenario, 1)?];
    let [simulated, rest @ ..] = &runs;
    let differences: Vec<String> = rest.iter().flat_map(|run| run.differences(simulated)).collect();
    let intact = runs.iter().all(Figures::is_intact);
    Ok(Comparison { runs, differences, intact })
}

/// The kernel has a clock and a link of its own, and plays no tricks.
fn check(scenario: &Scenario) -> Result<(), Error> {
    let hosts = scenario.all_hosts();
    let sides: Vec<Bank> = hosts.iter().map(|host| host.side).collect();
    if sides != [Bank::Left, Bank::Right] {
        return Err(Error::other(
            "beside the kernel a scenario has two hosts, the first on the left, one on the right",
        ));
    }
    let simple = |host: &HostSpec| {
        let HostSpec { bare, trick, vanishes, tso, .. } = host;
        host.access_links().next().is_none() && !bare && trick.is_none() && vanishes.is_none() && !tso
    };
    match hosts.iter().find(|host| !simple(host)) {
        Some(host) => {
            let why = "beside the kernel a host has no access, bare, trick, vanishes or tso";
            Err(Error::other(format!("{}: {why}", host.name)))
        }
        None => Ok(()),
    }
}

impl Figures {
    fn simulated(report: &Report) -> Self {
        let sum = |of: fn(&FlowReport) -> u64| report.flows.iter().map(of).sum();
        let flows = report.flows.iter().map(|flow| FlowFigures {
            application: flow.application,
            bytes: flow.bytes,
            bytes_back: flow.bytes_back,
            goodput_bps: flow.goodput_bps,
            completion_ms: flow.completion_ms.map(|completion| completion.p50),
            unfinished: 0,
        });
        Self {
            ends: "simulated",
            flows: flows.collect(),
            retransmits: sum(|flow| flow.retransmits),
            rtos: sum(|flow| flow.rtos),
            damage: report.violation.as_ref().map(ToString::to_string),
        }
    }

    /// In real time; `ours` is the host that is ours.
    fn measured(scenario: &Scenario, ours: usize) -> Result<Self, Error> {
        let mut run = Run::new(scenario, ours)?;
        let ended = run.run(scenario.duration.0)?;
        let kernels = run.kernel.counted()?;
        let infos = || run.flows.iter().filter_map(|flow| flow.info);
        let damage = run.flows.iter().flat_map(|flow| &flow.ends).find_map(|end| end.ledger.damage.clone());
        let figures = |spec: usize| {
            let flows: Vec<&Flow> = run.flows.iter().filter(|flow| flow.spec == spec).collect();
            FlowFigures::measured(scenario.flows[spec].application.name(), &flows, ended)
        };
        Ok(Self {
            ends: if ours == 0 { "sockeye to kernel" } else { "kernel to sockeye" },
            flows: (0..scenario.flows.len()).map(figures).collect(),
            retransmits: kernels.retransmits + infos().map(|info| info.retransmissions).sum::<u64>(),
            rtos: kernels.timeouts + infos().map(|info| info.timeouts).sum::<u64>(),
            damage,
        })
    }

    /// True if all that was sent arrived as it was, and each flow with an end came to it.
    pub fn is_intact(&self) -> bool {
        self.damage.is_none() && self.flows.iter().all(|flow| flow.unfinished == 0)
    }

    /// What is otherwise than in the simulated run.
    fn differences(&self, simulated: &Self) -> Vec<String> {
        let mut lines: Vec<String> = self.damage.iter().cloned().collect();
        for (number, (flow, other)) in (1..).zip(self.flows.iter().zip(&simulated.flows)) {
            lines.extend(flow.differences(other).into_iter().map(|line| format!("flow {number}: {line}")));
        }
        let counts = [
            ("retransmissions", self.retransmits, simulated.retransmits, RETRANSMITS),
            ("timeouts", self.rtos, simulated.rtos, TIMEOUTS),
        ];
        for (what, here, there, free) in counts {
            if here.max(there) > here.min(there) * 2 + free {
                lines.push(format!("{here} {what}, simulated {there}"));
            }
        }
        lines.into_iter().map(|line| format!("{}: {line}", self.ends)).collect()
    }
}

impl FlowFigures {
    fn measured(application: &'static str, flows: &[&Flow], ended: Instant) -> Self {
        let read = |role: Role| flows.iter().map(|flow| flow.ends[role as usize].ledger.read).sum::<u64>();
        let busy = |flow: &Flow| {
            let last = flow.ends.iter().map(|end| end.ledger.moved_at).max().filter(|_| flow.is_done());
            last.unwrap_or(ended).since(flow.start)
        };
        let (bytes, bytes_back) = (read(Role::Server), read(Role::Client));
        let completions = flows.iter().filter(|flow| flow.is_done()).map(|flow| busy(flow)).collect();
        Self {
            application,
            bytes,
            bytes_back,
            goodput_bps: bits_per_second(bytes.max(bytes_back), flows.iter().map(|flow| busy(flow)).sum()),
            completion_ms: Percentiles::of(completions).map(|completion| completion.p50),
            unfinished: flows.iter().filter(|flow| !flow.is_done() && !flow.is_endless()).count(),
        }
    }

    fn differences(&self, simulated: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.unfinished > 0 {
            lines.push(format!("{} of its connections didn't end", self.unfinished));
        }
        let far = |here: f64, there: f64| here > there * FACTOR || there > here * FACTOR;
        match (self.completion_ms, simulated.completion_ms) {
            (Some(here), Some(there)) => {
                if (self.bytes, self.bytes_back) != (simulated.bytes, simulated.bytes_back) {
                    let (bytes, back) = (simulated.bytes, simulated.bytes_back);
                    lines.push(format!(
                        "{} octets and {} back, simulated {bytes} and {back}",
                        self.bytes, self.bytes_back
                    ));
                }
                if far(here, there) {
                    lines.push(format!("took {here:.0} ms, simulated {there:.0} ms"));
                }
            }
            _ if far(self.goodput_bps, simulated.goodput_bps) => {
                let [here, there] = [self.goodput_bps, simulated.goodput_bps].map(|bits| bits / 1e6);
                lines.push(format!("{here:.2} Mbit/s, simulated {there:.2}"));
            }
            _ => {}
        }
        lines
    }
}
