//! `cargo xtask versus`: one workload over one impaired link, with one TCP after the other at its ends.
//!
//! A cell is a link; in each round every pairing moves the same bytes over it, one after the other, with the same seed, so
//! that what disturbs the machine disturbs them all. A transfer that fails is said, and counts for nobody. The kernel's ends
//! are sockets in namespaces of their own behind TUN devices, the others run in this process;
//! [`Emulator`](sockeye_lab::link::Emulator) is between them.

mod ends;
mod grid;
mod picture;
mod report;
mod smoltcp;

use std::path::PathBuf;
use std::time::Duration;

use sockeye_device::netns::{Namespace, enter_user_namespace, sysctl};

use crate::shell::Outcome;
use ends::{Control, Pairing, transfer};
use grid::Cell;
use report::{Measured, Report};

/// Compare TCPs over the same emulated links: Sockeye, the kernel's, smoltcp.
#[derive(clap::Args)]
pub struct Arguments {
    /// Cells of the grid, spread over it.
    #[arg(long, value_name = "N", default_value_t = grid::SIZE)]
    cells: usize,
    /// One link of one's own instead, in netem's words, on the way of the data; its delay and rate are those of the way
    /// back too.
    #[arg(long, value_name = "WORDS", conflicts_with = "cells")]
    link: Option<String>,
    /// Congestion controls, of Sockeye and of the kernel: cubic, reno, bbr.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "cubic,reno,bbr")]
    cc: Vec<String>,
    /// Rounds; the table shows medians and spread.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Seconds of each transfer.
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// What the links' chance begins from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print one JSON object on standard output.
    #[arg(long)]
    json: bool,
    /// Draw the ratios into this file.
    #[arg(long, value_name = "FILE.svg")]
    svg: Option<PathBuf>,
}

/// What a transfer takes by the time that it is to take: connecting, slow ends.
const OVERHEAD: f64 = 1.1;

pub fn run(arguments: &Arguments) -> Outcome {
    if rustix::process::geteuid().is_root() {
        Namespace::create()?.enter()?;
    } else {
        enter_user_namespace()?;
    }
    let cells = match &arguments.link {
        Some(words) => vec![Cell::described(words)?],
        None => grid::cells(arguments.cells),
    };
    let pairings = pairings(&arguments.cc)?;
    let transfers = u32::try_from(cells.len() * pairings.len())? * arguments.rounds;
    let minutes = f64::from(transfers) * arguments.seconds * OVERHEAD / 60.0;
    eprintln!("{} cells, {} pairings, {transfers} transfers: about {minutes:.0} minutes", cells.len(), pairings.len());
    let measured = cells.iter().zip(1_u64..).map(|(cell, number)| {
        eprintln!("{number} of {}: {}", cells.len(), cell.name());
        measure(arguments, cell, number, &pairings)
    });
    let report = Report::new(&measured.collect::<Vec<Measured>>());
    if let Some(path) = &arguments.svg {
        picture::draw(&report, path)?;
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{}", report::table(&report));
    }
    Ok(())
}

/// All rounds of a cell.
fn measure(arguments: &Arguments, cell: &Cell, number: u64, pairings: &[Pairing]) -> Measured {
    let time = Duration::from_secs_f64(arguments.seconds);
    let mut rounds = Vec::new();
    for round in 0..arguments.rounds {
        let seed = arguments.seed.wrapping_add(number * 1_000 + u64::from(round));
        let goodput = pairings.iter().map(|pairing| {
            let goodput = transfer(*pairing, cell, seed, time);
            goodput.inspect_err(|why| eprintln!("versus: {} failed in round {round}: {why}", pairing.name())).ok()
        });
        rounds.push(goodput.collect());
    }
    Measured { cell: cell.clone(), pairings: pairings.to_vec(), rounds }
}

/// Who is tried against whom: each congestion control of ours and of the kernel towards the kernel, the kernel towards
/// us, smoltcp towards the kernel. What one side lacks is said, and left out.
fn pairings(names: &[String]) -> Outcome<Vec<Pairing>> {
    let kernels = sysctl("net.ipv4.tcp_available_congestion_control")?;
    let mut pairings = Vec::new();
    for name in names {
        let control = Control::named(name)?;
        match control.ours() {
            Some(_) => pairings.push(Pairing::SockeyeToLinux(control)),
            None => eprintln!("versus: Sockeye has no {name} yet"),
        }
        if kernels.split_whitespace().any(|kernels| kernels == control.name()) {
            pairings.push(Pairing::LinuxToLinux(control));
        } else {
            eprintln!("versus: this kernel has no {name}: it offers {kernels} (modprobe tcp_{name} may load it)");
        }
    }
    pairings.extend([Pairing::LinuxToSockeye, Pairing::SmoltcpToLinux]);
    Ok(pairings)
}
