//! What is measured: figures, each ours beside its rivals.

use std::time::Duration;

use serde::Serialize;

use super::clients::{self, Sample};
use super::room::{Joint, Plan, Room, Server, Task};
use super::{fake, kernel, ours, smoltcp};
use crate::shell::Outcome;

/// Who serves, over what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Sockeye,
    SockeyePolling,
    /// A stack that costs nothing.
    Ceiling,
    Smoltcp,
    KernelOverVeth,
    KernelOverVethWithoutTso,
    KernelOverLoopback,
}

impl Who {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sockeye => "Sockeye",
            Self::SockeyePolling => "Sockeye, polling",
            Self::Ceiling => "ceiling (a fake that only answers)",
            Self::Smoltcp => "smoltcp 0.14",
            Self::KernelOverVeth => "kernel over veth",
            Self::KernelOverVethWithoutTso => "kernel over veth without TSO",
            Self::KernelOverLoopback => "kernel over loopback",
        }
    }

    /// Where it serves, if what others do is `joint`.
    const fn joint(self, joint: Joint) -> Joint {
        match self {
            Self::Sockeye | Self::SockeyePolling | Self::Ceiling | Self::Smoltcp => joint,
            Self::KernelOverVeth => Joint::Veth,
            Self::KernelOverVethWithoutTso => Joint::VethWithoutTso,
            Self::KernelOverLoopback => Joint::Loopback,
        }
    }

    fn start(self, room: &Room) -> Outcome<Server> {
        let task = room.plan.task;
        match self {
            Self::Sockeye => ours::start(room, task),
            Self::SockeyePolling => ours::start_polling(room, task),
            Self::Ceiling => fake::start(room, task),
            Self::Smoltcp => smoltcp::start(room, task),
            Self::KernelOverVeth | Self::KernelOverVethWithoutTso | Self::KernelOverLoopback => {
                kernel::start(room, task)
            }
        }
    }
}

/// What clients do, and what they count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// One connection, as fast as it goes.
    Bulk,
    /// Many, as fast as they go together.
    Many,
    /// An octet there and back.
    Exchange,
    /// Connections, one after the other.
    Connections,
}

impl Workload {
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Bulk | Self::Many => "Gbit/s",
            Self::Exchange => "µs (p50)",
            Self::Connections => "thousand/s",
        }
    }

    /// True if less is better.
    pub const fn is_a_cost(self) -> bool {
        matches!(self, Self::Exchange)
    }

    fn measure(self, room: &Room) -> Outcome<Sample> {
        match self {
            Self::Bulk => clients::bulk(room),
            Self::Many => clients::many(room),
            Self::Exchange => clients::exchange(room),
            Self::Connections => clients::connections(room),
        }
    }
}

/// One measurement; equal ones are made once a round.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    pub who: Who,
    pub workload: Workload,
    pub plan: Plan,
}

impl Cell {
    pub fn is(&self, other: &Self) -> bool {
        let key = |cell: &Self| format!("{cell:?}");
        key(self) == key(other)
    }

    /// Measures it once, in namespaces of its own.
    pub fn measure(self) -> Outcome<Sample> {
        let measured = std::thread::spawn(move || -> Result<Sample, String> {
            let measured = Room::enter(self.plan).and_then(|room| {
                let _server = self.who.start(&room)?;
                self.workload.measure(&room)
            });
            measured.map_err(|error| format!("{}: {error}", self.who.name()))
        });
        Ok(measured.join().map_err(|_| "a measurement has panicked")??)
    }
}

/// A figure: ours, and what it is held against.
pub struct Figure {
    pub name: String,
    pub ours: Cell,
    /// Each with the ratio, ours to it, that is aimed at.
    pub rivals: Vec<(Cell, Option<f64>)>,
}

/// A line of the report.
#[derive(Serialize)]
pub struct Row {
    pub figure: String,
    pub ours: f64,
    pub ours_min: f64,
    pub ours_max: f64,
    pub ours_cpu_s_per_gb: Option<f64>,
    pub ours_p99: Option<f64>,
    pub rival: f64,
    pub rival_min: f64,
    pub rival_max: f64,
    pub rival_cpu_s_per_gb: Option<f64>,
    pub rival_p99: Option<f64>,
    pub rival_name: &'static str,
    /// The median of the rounds' ratios, ours to the rival's.
    pub ratio: f64,
    pub target: Option<f64>,
    pub met: Option<bool>,
    pub unit: &'static str,
    pub runs: usize,
    pub conditions: String,
}

/// All figures, in the order of the report.
pub fn all(time: Duration) -> Vec<Figure> {
    let mut figures = bulk(time);
    figures.extend(exchanges(time));
    figures.extend(connections(time));
    figures.extend(many(time));
    figures
}

fn cell(who: Who, workload: Workload, plan: Plan) -> Cell {
    Cell { who, workload, plan: Plan { joint: who.joint(plan.joint), ..plan } }
}

/// A figure over one plan: ours, then each rival with its target.
fn figure(name: &str, workload: Workload, plan: Plan, ours: Who, rivals: &[(Who, Option<f64>)]) -> Figure {
    Figure {
        name: name.to_owned(),
        ours: cell(ours, workload, plan),
        rivals: rivals.iter().map(|&(who, target)| (cell(who, workload, plan), target)).collect(),
    }
}

fn bulk(time: Duration) -> Vec<Figure> {
    use Who::{Ceiling, KernelOverLoopback, KernelOverVeth, KernelOverVethWithoutTso, Smoltcp, Sockeye};
    let plan = |joint, task| Plan { joint, task, processors: None, spins: false, connections: 1, time };
    let (sink, source) = (Task::Sink { chunks: false }, Task::Source { chunks: false });
    let veth = (KernelOverVeth, Some(1.0));
    let one = |name, joint, task, rivals: &[_]| figure(name, Workload::Bulk, plan(joint, task), Sockeye, rivals);
    let mut all = vec![
        one("in, offload TUN, read_chunk", Joint::OffloadTun, Task::Sink { chunks: true }, &[(Ceiling, Some(0.9))]),
        one(
            "in, offload TUN, read",
            Joint::OffloadTun,
            sink,
            &[(Ceiling, Some(0.8)), veth, (KernelOverLoopback, None)],
        ),
        one("out, offload TUN, write_chunk", Joint::OffloadTun, Task::Source { chunks: true }, &[(Ceiling, Some(0.9))]),
        one("out, offload TUN, write", Joint::OffloadTun, source, &[(Ceiling, Some(0.7)), (KernelOverVeth, None)]),
        one(
            "in, plain TUN",
            Joint::PlainTun,
            sink,
            &[(Ceiling, Some(0.8)), (Smoltcp, Some(1.2)), (KernelOverVethWithoutTso, None)],
        ),
        one("out, plain TUN", Joint::PlainTun, source, &[(Ceiling, Some(0.9)), (Smoltcp, Some(1.5))]),
    ];
    // The ceiling is the same whether what is behind it copies.
    for figure in &mut all {
        for (rival, _) in &mut figure.rivals {
            rival.plan.task = match rival.plan.task {
                Task::Sink { .. } => sink,
                Task::Source { .. } => source,
                Task::Echo => Task::Echo,
            };
        }
    }
    all
}

fn exchanges(time: Duration) -> Vec<Figure> {
    use Who::{Ceiling, KernelOverVeth, Smoltcp, Sockeye, SockeyePolling};
    let mut all = Vec::new();
    for (where_, processors) in [("one processor", (0, 0)), ("two processors", (0, 1))] {
        let plan = Plan {
            joint: Joint::PlainTun,
            task: Task::Echo,
            processors: Some(processors),
            spins: false,
            connections: 1,
            time,
        };
        let one = |name: &str, plan, ours, rivals: &[_]| {
            figure(&format!("octet and back, {name}, {where_}"), Workload::Exchange, plan, ours, rivals)
        };
        all.push(one("polling skin", plan, SockeyePolling, &[(Ceiling, Some(1.15)), (Smoltcp, None)]));
        all.push(one("blocking skin", plan, Sockeye, &[(KernelOverVeth, Some(1.2))]));
        if processors == (0, 1) {
            all.push(one("busy polling", Plan { spins: true, ..plan }, Sockeye, &[(Ceiling, Some(1.3))]));
        }
    }
    all
}

fn connections(time: Duration) -> Vec<Figure> {
    use Who::{Ceiling, KernelOverVeth, Smoltcp, Sockeye};
    [1, 8, 32]
        .map(|clients| {
            let plan = Plan {
                joint: Joint::PlainTun,
                task: Task::Echo,
                processors: None,
                spins: false,
                connections: clients,
                time,
            };
            // smoltcp refuses connections under load, which fails a measurement: it is measured where it does not.
            let rivals: &[_] = match clients {
                1 => &[(Ceiling, Some(0.85)), (KernelOverVeth, Some(1.0)), (Smoltcp, None)],
                _ => &[(Ceiling, Some(0.85)), (KernelOverVeth, Some(1.0))],
            };
            let name = format!("connections, {clients} at a time");
            figure(&name, Workload::Connections, plan, Sockeye, rivals)
        })
        .into()
}

fn many(time: Duration) -> Vec<Figure> {
    use Who::{Ceiling, SockeyePolling};
    let plan = |task| Plan { joint: Joint::OffloadTun, task, processors: None, spins: false, connections: 1000, time };
    let one = |name, task| figure(name, Workload::Many, plan(task), SockeyePolling, &[(Ceiling, Some(0.9))]);
    vec![
        one("in, 1,000 connections together", Task::Sink { chunks: false }),
        one("out, 1,000 connections together", Task::Source { chunks: false }),
    ]
}
