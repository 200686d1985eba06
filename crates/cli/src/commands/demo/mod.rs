//! `sockeye demo`: bytes between the kernel's TCP and ours, both ways, and the figures.
//!
//! Needs no set-up: the process moves into a network namespace of its own, before it has a thread, and makes its TUN device
//! there. Everything is gone when it ends.

mod ladder;
mod report;
mod transfers;
mod world;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use crate::failure::{Failure, written};
use report::Report;
use world::World;

/// What to carry.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  sockeye demo                    as root or not: it makes a namespace of its own
  sockeye demo --pcap demo.pcapng
  sockeye demo --json | jq '.transfers[] | {direction, gbit_per_s}'")]
pub struct DemoArgs {
    /// Print one JSON object on standard output; everything else goes to standard error
    #[arg(long)]
    json: bool,
    /// Write all packets to a pcapng file, for Wireshark or tcpdump
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
    /// Octets of each large transfer, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 128, value_parser = clap::value_parser!(u64).range(1..=65_536))]
    mib: u64,
    /// Use two hosts of ours joined in memory instead of the kernel and a TUN device
    #[arg(long)]
    memory: bool,
}

/// Carries the bytes and shows the figures.
///
/// # Errors
/// When a transfer fails, or what arrived isn't what was sent.
pub fn run(args: &DemoArgs) -> Result<(), Failure> {
    let world = World::make(args.memory, args.pcap.as_deref())?;
    tell!("{}", world.about());
    let transfers = transfers::run_all(&world, args.mib << 20, !args.json)?;
    let report = Report::new(world.device(), transfers, world.ladder());
    let text = if args.json { report.json()? } else { report.to_string() };
    written(writeln!(io::stdout(), "{text}"))?;
    if report.ok() { Ok(()) } else { Err(Failure::new("the demo", "what arrived isn't what was sent")) }
}
