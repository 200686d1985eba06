//! What a figure is made of: measurements, ours and those of rivals.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::clients::{self, Sample};
use super::room::{Joint, Plan, Room, Server};
use super::{fake, kernel, long_fat, memory, ours, programs, smoltcp};
use crate::setup::is_there;
use crate::shell::Outcome;

/// Who serves, over what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Sockeye,
    SockeyePolling,
    /// With a shard for each of two queues.
    SockeyeTwoShards,
    /// A stack that costs nothing.
    Ceiling,
    Smoltcp,
    KernelOverVeth,
    KernelOverVethWithoutTso,
    KernelOverLoopback,
    /// iperf3 with itself, on the kernel.
    Iperf3OverVeth,
    NginxOverVeth,
    /// Nothing but copies.
    Copies,
    /// What a line can carry.
    Line,
    /// Ourselves, with a window a hundredth as large.
    SockeyeOnThinLine,
}

impl Who {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sockeye => "Sockeye",
            Self::SockeyePolling => "Sockeye, polling",
            Self::SockeyeTwoShards => "Sockeye, two shards",
            Self::Ceiling => "ceiling (a fake that only answers)",
            Self::Smoltcp => "smoltcp 0.14",
            Self::KernelOverVeth => "kernel over veth",
            Self::KernelOverVethWithoutTso => "kernel over veth without TSO",
            Self::KernelOverLoopback => "kernel over loopback",
            Self::Iperf3OverVeth => "iperf3, kernel over veth",
            Self::NginxOverVeth => "nginx, kernel over veth",
            Self::Copies => "copying 64 KiB in cache",
            Self::Line => "what the line carries",
            Self::SockeyeOnThinLine => "Sockeye with 10 MB under way",
        }
    }

    /// The program without which it can't be measured.
    pub const fn program(self) -> Option<&'static str> {
        match self {
            Self::Iperf3OverVeth => Some("iperf3"),
            Self::NginxOverVeth => Some("nginx"),
            _ => None,
        }
    }

    /// Where it serves, if what others do is `joint`.
    pub const fn joint(self, joint: Joint) -> Joint {
        match self {
            Self::KernelOverVeth | Self::Iperf3OverVeth | Self::NginxOverVeth => Joint::Veth,
            Self::KernelOverVethWithoutTso => Joint::VethWithoutTso,
            Self::KernelOverLoopback => Joint::Loopback,
            Self::SockeyeOnThinLine => Joint::LongLink { gbit: 1 },
            _ => joint,
        }
    }

    fn start(self, room: &Room, workload: Workload) -> Outcome<Server> {
        let task = room.plan.task;
        if let Workload::Http { octets } = workload {
            return match self {
                Self::NginxOverVeth => programs::start_nginx(room, octets),
                _ => programs::start_sockeye(room, octets),
            };
        }
        match self {
            Self::Sockeye => ours::start(room, task, 1),
            Self::SockeyeTwoShards => ours::start(room, task, 2),
            Self::Iperf3OverVeth => programs::start_iperf3(room),
            Self::SockeyePolling => ours::start_polling(room, task),
            Self::Ceiling => fake::start(room, task),
            Self::Smoltcp => smoltcp::start(room, task),
            Self::KernelOverVeth | Self::KernelOverVethWithoutTso | Self::KernelOverLoopback => {
                kernel::start(room, task)
            }
            Self::NginxOverVeth | Self::Copies | Self::Line | Self::SockeyeOnThinLine => {
                Err("it serves nothing of this kind".into())
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
    /// Files of so many octets over HTTP.
    Http { octets: usize },
    /// Bulk between two stacks in memory.
    Memory,
    /// Bulk over a long link, in virtual time.
    LongLink,
    /// What an ACK costs there.
    PerAck,
}

impl Workload {
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Bulk | Self::Many | Self::Memory | Self::LongLink => "Gbit/s",
            Self::Exchange => "µs (p50)",
            Self::Connections | Self::Http { .. } => "thousand/s",
            Self::PerAck => "ns",
        }
    }

    /// True if less is better.
    pub const fn is_a_cost(self) -> bool {
        matches!(self, Self::Exchange | Self::PerAck)
    }

    /// The program without which it can't be measured.
    pub const fn program(self) -> Option<&'static str> {
        if matches!(self, Self::Http { .. }) { Some("wrk") } else { None }
    }

    /// True if it is the same in every round: virtual time knows no noise.
    pub const fn is_exact(self) -> bool {
        matches!(self, Self::LongLink)
    }

    /// Asks whoever serves in `room`.
    fn ask(self, room: &Room, who: Who) -> Outcome<Sample> {
        match self {
            Self::Bulk if who == Who::Iperf3OverVeth => programs::bulk(room),
            Self::Bulk => clients::bulk(room),
            Self::Many => clients::many(room),
            Self::Exchange => clients::exchange(room),
            Self::Connections => clients::connections(room),
            Self::Http { .. } => programs::requests(room),
            Self::Memory | Self::LongLink | Self::PerAck => Err("nobody serves in memory".into()),
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

    /// The program that it lacks, if it lacks one.
    pub fn lacks(&self) -> Option<&'static str> {
        [self.who.program(), self.workload.program()].into_iter().flatten().find(|program| !is_there(program))
    }

    /// Measures it once, on a thread of its own.
    pub fn measure(self) -> Outcome<Sample> {
        let measured = std::thread::spawn(move || -> Result<Sample, String> {
            let measured = match self.plan.joint {
                Joint::Memory | Joint::MemoryOffload => self.measure_in_memory(),
                Joint::LongLink { gbit } => self.measure_in_virtual_time(gbit),
                _ => self.measure_in_a_room(),
            };
            measured.map_err(|error| format!("{}: {error}", self.who.name()))
        });
        Ok(measured.join().map_err(|_| "a measurement has panicked")??)
    }

    /// In namespaces of its own.
    fn measure_in_a_room(self) -> Outcome<Sample> {
        let room = Room::enter(self.plan)?;
        let _server = self.who.start(&room, self.workload)?;
        tell_once(room.conditions()?);
        self.workload.ask(&room, self.who)
    }

    fn measure_in_memory(self) -> Outcome<Sample> {
        match self.who {
            Who::Smoltcp => memory::smoltcp(&self.plan),
            Who::Copies => memory::copies(&self.plan),
            _ => memory::ours(&self.plan),
        }
    }

    fn measure_in_virtual_time(self, gbit: u32) -> Outcome<Sample> {
        if self.who == Who::Line {
            return Ok(long_fat::payload_rate(gbit));
        }
        let run = long_fat::run(gbit)?;
        Ok(Sample::of(if self.workload == Workload::PerAck { run.per_ack } else { run.goodput }))
    }
}

/// Prints conditions that were not printed yet.
fn tell_once(conditions: String) {
    static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    if !told.contains(&conditions) {
        eprintln!("bench: {conditions}");
        told.insert(conditions);
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
