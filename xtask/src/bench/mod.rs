//! `cargo xtask bench`: the same bytes over the same kind of device through us and through others, in one run.
//!
//! Every round runs every candidate once, one after the other, so that what disturbs the machine disturbs them all. The
//! namespace and its settings are those of `netns-test`, and are printed.

mod ours;
mod smoltcp_peer;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use comfy_table::{Table, presets};
use serde::Serialize;
use sockeye_device::netns::{Namespace, Settings};
use sockeye_device::{Tun, TunConfig};

use crate::shell::Outcome;

/// Measure bulk transfer over a TUN device, offloading and plain, beside smoltcp, in one run.
#[derive(clap::Args)]
pub struct Arguments {
    /// Rounds; the table shows the median, the least and the most.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 2)]
    seconds: u64,
    /// Print one JSON object on standard output.
    #[arg(long)]
    json: bool,
}

/// Which way the bytes go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    FromKernel,
    ToKernel,
}

/// Who stands at the other end of the device.
type Candidate = fn(Tun, Direction, Duration) -> Outcome<f64>;

/// Name, whether its device offloads, and what it does.
const CANDIDATES: [(&str, bool, Candidate); 3] = [
    ("sockeye, offload", true, ours::measure),
    ("sockeye", false, ours::measure),
    ("smoltcp", false, smoltcp_peer::measure),
];
const KERNEL: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const PEER: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
const PORT: u16 = 9;

#[derive(Serialize)]
struct Row {
    figure: &'static str,
    stack: &'static str,
    unit: &'static str,
    median: f64,
    min: f64,
    max: f64,
    runs: usize,
}

pub fn run(arguments: &Arguments) -> Outcome {
    Namespace::create()?.enter()?;
    Settings::default().apply()?;
    eprintln!("kernel: {}; TUN, MTU 1500, txqueuelen 10000; one connection, IPv4", Settings::read()?);
    let mut figures: Vec<(Direction, &'static str, Vec<f64>)> = Vec::new();
    for round in 1..=arguments.rounds {
        for direction in [Direction::FromKernel, Direction::ToKernel] {
            for (name, offload, candidate) in CANDIDATES {
                let figure = candidate(tun(offload)?, direction, Duration::from_secs(arguments.seconds))?;
                eprintln!("round {round}: {name}, {}: {figure:.2} Gbit/s", direction.name());
                match figures.iter_mut().find(|(way, stack, _)| *way == direction && *stack == name) {
                    Some((.., all)) => all.push(figure),
                    None => figures.push((direction, name, vec![figure])),
                }
            }
        }
    }
    let rows: Vec<Row> = figures.into_iter().map(|(direction, stack, all)| row(direction, stack, all)).collect();
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&serde_json::json!({ "rows": rows }))?);
    } else {
        println!("{}", table(&rows));
    }
    Ok(())
}

impl Direction {
    const fn name(self) -> &'static str {
        match self {
            Self::FromKernel => "kernel to user space",
            Self::ToKernel => "user space to kernel",
        }
    }
}

fn row(direction: Direction, stack: &'static str, mut all: Vec<f64>) -> Row {
    all.sort_by(f64::total_cmp);
    let at = |index: usize| all.get(index).copied().unwrap_or_default();
    Row {
        figure: direction.name(),
        stack,
        unit: "Gbit/s",
        median: at(all.len() / 2),
        min: at(0),
        max: at(all.len().saturating_sub(1)),
        runs: all.len(),
    }
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["direction", "stack", "Gbit/s: median [min-max]"]);
    for Row { figure, stack, median, min, max, .. } in rows {
        table.add_row([(*figure).to_owned(), (*stack).to_owned(), format!("{median:.2} [{min:.2}-{max:.2}]")]);
    }
    table
}

fn tun(offload: bool) -> Outcome<Tun> {
    Ok(Tun::create(&TunConfig { addresses: vec!["10.9.0.1/24".parse()?], offload, ..TunConfig::default() })?)
}

/// The kernel sends to the peer for as long as it is listened to.
fn kernel_sends() -> thread::JoinHandle<()> {
    thread::spawn(|| {
        let to = SocketAddr::from((PEER, PORT));
        let patience = Instant::now() + Duration::from_secs(5);
        let mut stream = loop {
            match TcpStream::connect_timeout(&to, Duration::from_secs(1)) {
                Ok(stream) => break stream,
                Err(_) if Instant::now() < patience => thread::sleep(Duration::from_millis(10)),
                Err(_) => return,
            }
        };
        let block = vec![7; 256 << 10];
        while stream.write_all(&block).is_ok() {}
    })
}

/// The kernel takes what the peer sends, until it stops; the octets that came within `time` after the first.
fn kernel_receives(listener: TcpListener, time: Duration) -> thread::JoinHandle<Counted> {
    thread::spawn(move || {
        let (mut stream, _) = listener.accept()?;
        let mut block = vec![0; 256 << 10];
        count_for(time, || stream.read(&mut block))
    })
}

/// Octets and how long they took.
type Counted = std::io::Result<(u64, Duration)>;

/// Calls `read` after a warm-up, for `time`; the octets that it gave.
fn count_for(time: Duration, mut read: impl FnMut() -> std::io::Result<usize>) -> Counted {
    let warm = Instant::now() + Duration::from_millis(500);
    while Instant::now() < warm {
        read()?;
    }
    let start = Instant::now();
    let mut octets = 0;
    while start.elapsed() < time {
        match read()? {
            0 => break,
            count => octets += count as u64,
        }
    }
    Ok((octets, start.elapsed()))
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn gbit_per_s(octets: u64, time: Duration) -> f64 {
    octets as f64 * 8.0 / time.as_secs_f64() / 1e9
}
