//! The figures, in the order of the report, each ours beside its rivals.

use std::time::Duration;

use super::figure::{Cell, Figure, Who, Workload};
use super::room::{Joint, Plan, Task};

/// Connections that the HTTP client keeps open.
const HTTP_CONNECTIONS: usize = 16;

/// All figures, in the order of the report.
pub fn all(time: Duration) -> Vec<Figure> {
    let mut figures = bulk(time);
    figures.extend(xdp(time));
    figures.extend(exchanges(time));
    figures.extend(connections(time));
    figures.extend(many(time));
    figures.extend(shards(time));
    figures.extend(memory(time));
    figures.extend(long_link(time));
    figures.extend(http(time));
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
    use Who::{
        Ceiling, Iperf3OverVeth, KernelOverLoopback, KernelOverVeth, KernelOverVethWithoutTso, Smoltcp, Sockeye,
    };
    let plan = |joint, task| Plan { joint, task, processors: None, spins: false, connections: 1, time };
    let (sink, source) = (Task::Sink { chunks: false }, Task::Source { chunks: false });
    let veth = (KernelOverVeth, Some(1.0));
    let one = |name, joint, task, rivals: &[_]| figure(name, Workload::Bulk, plan(joint, task), Sockeye, rivals);
    let mut all = vec![
        one(
            "in, offload TUN, read_chunk",
            Joint::OffloadTun,
            Task::Sink { chunks: true },
            &[(Ceiling, Some(0.9)), veth],
        ),
        one(
            "in, offload TUN, read",
            Joint::OffloadTun,
            sink,
            &[(Ceiling, Some(0.8)), veth, (Iperf3OverVeth, None), (KernelOverLoopback, None)],
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

/// An interface taken over from the kernel, beside what the kernel itself makes of it.
fn xdp(time: Duration) -> Vec<Figure> {
    use Who::{KernelOverVeth, KernelOverVethWithoutTso, Sockeye};
    let rivals = [(KernelOverVeth, None), (KernelOverVethWithoutTso, None)];
    let tasks = [("in", "read", Task::Sink { chunks: false }), ("out", "write", Task::Source { chunks: false })];
    let one = |(direction, call, task)| {
        let plan = Plan { joint: Joint::VethXdp, task, processors: None, spins: false, connections: 1, time };
        figure(&format!("{direction}, AF_XDP on veth, {call}"), Workload::Bulk, plan, Sockeye, &rivals)
    };
    tasks.map(one).into()
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

/// The polling skin is one thread, as the fake is; the blocking skin a thread for each connection at a time, as the
/// kernel's server is.
fn connections(time: Duration) -> Vec<Figure> {
    use Who::{Ceiling, KernelOverVeth, Sockeye, SockeyePolling};
    let mut all = vec![];
    for clients in [1, 8, 32] {
        let plan = Plan {
            joint: Joint::PlainTun,
            task: Task::Echo,
            processors: None,
            spins: false,
            connections: clients,
            time,
        };
        let mut one = |skin, ours, rivals: &[_]| {
            let name = format!("connections, {clients} at a time, {skin} skin");
            all.push(figure(&name, Workload::Connections, plan, ours, rivals));
        };
        // smoltcp refuses connections while none of its sockets listens, which fails a measurement: it is left out.
        let rivals = &[(Ceiling, Some(0.85)), (KernelOverVeth, Some(1.0))];
        one("polling", SockeyePolling, rivals);
        one("blocking", Sockeye, rivals);
    }
    all
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

/// What a second shard gives: the clients, which are the kernel's, want processors too.
fn shards(time: Duration) -> Vec<Figure> {
    use Who::{KernelOverVeth, Sockeye, SockeyeTwoShards};
    let plan = |joint, task| Plan { joint, task, processors: None, spins: false, connections: 8, time };
    let rivals = [(Sockeye, None), (KernelOverVeth, None)];
    let (sink, echo) = (Task::Sink { chunks: false }, Task::Echo);
    vec![
        figure(
            "in, 8 connections, two shards",
            Workload::Many,
            plan(Joint::OffloadTun, sink),
            SockeyeTwoShards,
            &rivals,
        ),
        figure(
            "connections, 8 at a time, two shards",
            Workload::Connections,
            plan(Joint::PlainTun, echo),
            SockeyeTwoShards,
            &rivals,
        ),
    ]
}

fn memory(time: Duration) -> Vec<Figure> {
    use Who::{Copies, Smoltcp, Sockeye};
    let one = |name, joint, chunks, rivals: &[_]| {
        let task = Task::Sink { chunks };
        let plan = Plan { joint, task, processors: None, spins: false, connections: 1, time };
        figure(name, Workload::Memory, plan, Sockeye, rivals)
    };
    let mut all = vec![
        one("in memory, MTU 1500, write and read", Joint::Memory, false, &[(Smoltcp, Some(1.5))]),
        one("in memory, 64 KiB, write and read", Joint::MemoryOffload, false, &[(Copies, Some(0.35))]),
        one("in memory, 64 KiB, chunks", Joint::MemoryOffload, true, &[(Copies, Some(1.5))]),
    ];
    // Copies are the same whatever they are held against.
    for (rival, _) in all.iter_mut().flat_map(|figure| &mut figure.rivals) {
        rival.plan.task = Task::Sink { chunks: false };
    }
    all
}

fn long_link(time: Duration) -> Vec<Figure> {
    use Who::{Line, Sockeye, SockeyeOnThinLine};
    let joint = Joint::LongLink { gbit: 100 };
    let task = Task::Sink { chunks: true };
    let plan = Plan { joint, task, processors: None, spins: false, connections: 1, time };
    vec![
        figure("100 Gbit/s × 80 ms, simulated", Workload::LongLink, plan, Sockeye, &[(Line, Some(0.95))]),
        figure("an ACK with 1 GB under way", Workload::PerAck, plan, Sockeye, &[(SockeyeOnThinLine, Some(1.2))]),
    ]
}

fn http(time: Duration) -> Vec<Figure> {
    let (joint, task) = (Joint::OffloadTun, Task::Source { chunks: false });
    let plan = Plan { joint, task, processors: None, spins: false, connections: HTTP_CONNECTIONS, time };
    [("HTTP, objects of 1 KiB", 1 << 10, None), ("HTTP, objects of 1 MiB", 1 << 20, Some(1.0))]
        .map(|(name, octets, target)| {
            figure(name, Workload::Http { octets }, plan, Who::Sockeye, &[(Who::NginxOverVeth, target)])
        })
        .into()
}
