//! `cargo xtask versus`: one workload over one impaired link, with one TCP after the other at its ends.
//!
//! A cell is a link; in each round every pairing moves the same bytes over it, one after the other, with the same seed, so
//! that what disturbs the machine disturbs them all. A transfer that fails is said, and counts for nobody. The kernel's ends
//! are sockets in namespaces of their own behind TUN devices, the others run in this process;
//! [`Emulator`](sockeye_lab::link::Emulator) is between them.

mod capture;
mod ends;
mod grid;
mod picture;
mod report;
mod smoltcp;

use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use sockeye_device::Error;
use sockeye_device::netns::{Namespace, enter_user_namespace, sysctl};

use crate::interrupt::{INTERRUPTED, stop_on_interrupt};
use crate::output::{check_picture, drawn, prepare, print};
use crate::seconds::seconds;
use crate::shell::Outcome;
use ends::{Control, Pairing, transfer};
use grid::Cell;
use report::{Measured, Report};

/// Compare TCPs over the same emulated links: Sockeye, the kernel's, smoltcp.
#[derive(clap::Args)]
pub struct Arguments {
    /// Cells of the grid, spread over it.
    #[arg(long, value_name = "N", default_value_t = grid::SIZE, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    cells: usize,
    /// One link of one's own instead, in netem's words, on the way of the data; its delay and rate are those of the way
    /// back too.
    #[arg(long, value_name = "WORDS", conflicts_with = "cells")]
    link: Option<String>,
    /// Congestion controls, of Sockeye and of the kernel: cubic, reno (or newreno, as ours is called), bbr.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "cubic,reno,bbr")]
    cc: Vec<String>,
    /// Rounds; the table shows medians and spread. With random loss one round tells little: 0.4 and 0.9 have come from the same link.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: u32,
    /// Seconds of each transfer.
    #[arg(long, default_value_t = 4.0, value_parser = seconds)]
    seconds: f64,
    /// What the links' chance begins from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print one JSON object on standard output: `ratios` has each sender's goodput by the kernel's with the same congestion
    /// control, `ratio_linux` and `ratio_smoltcp` Sockeye's with the first of `--cc`.
    #[arg(long)]
    json: bool,
    /// Draw the ratios into this file.
    #[arg(long, value_name = "FILE.svg")]
    svg: Option<PathBuf>,
    /// Capture each transfer at its sender into this directory, whole packets, and draw its time-sequence graph beside it:
    /// CELL-WHO-ROUND.pcapng and .svg.
    #[arg(long, value_name = "DIRECTORY")]
    pcap: Option<PathBuf>,
}

/// What a transfer takes by the time that it is to take: connecting, slow ends.
const OVERHEAD: f64 = 1.1;

pub fn run(arguments: &Arguments) -> Outcome {
    arguments.svg.as_deref().map_or(Ok(()), check_picture)?;
    arguments.pcap.as_deref().map_or(Ok(()), prepare)?;
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
    let stopped =
        stop_on_interrupt("versus: ends with this transfer; Ctrl-C again ends at once, without what was measured")?;
    let mut measured = Vec::new();
    for (cell, number) in cells.iter().zip(1_u64..) {
        eprintln!("{number} of {}: {}", cells.len(), cell.name());
        measured.push(measure(arguments, cell, number, &pairings, &stopped)?);
        if stopped.load(Ordering::Relaxed) {
            break;
        }
    }
    measured.retain(|measured| !measured.rounds.is_empty());
    if measured.iter().any(Measured::has_any) {
        show(arguments, &Report::new(&measured))?;
    } else if !stopped.load(Ordering::Relaxed) {
        return Err("nothing could be measured: every transfer failed, see above".into());
    }
    if stopped.load(Ordering::Relaxed) {
        eprintln!("versus: ended by Ctrl-C, with whole rounds of {} of {} cells", measured.len(), cells.len());
        process::exit(INTERRUPTED);
    }
    Ok(())
}

/// Prints, and only then draws: a picture that fails doesn't cost the figures.
fn show(arguments: &Arguments, report: &Report) -> Outcome {
    if arguments.json {
        print(serde_json::to_string_pretty(report)?)?;
    } else {
        print(report::table(report))?;
    }
    arguments.svg.as_deref().map_or(Ok(()), |path| drawn(path, picture::draw(report, path)))
}

/// All rounds of a cell; once it is stopped, those that are whole.
///
/// # Errors
/// What every other transfer would meet, too.
fn measure(
    arguments: &Arguments,
    cell: &Cell,
    number: u64,
    pairings: &[Pairing],
    stopped: &AtomicBool,
) -> Outcome<Measured> {
    let time = Duration::from_secs_f64(arguments.seconds);
    let mut rounds = Vec::new();
    'rounds: for round in 0..arguments.rounds {
        let seed = arguments.seed.wrapping_add(number * 1_000 + u64::from(round));
        let mut goodput = Vec::new();
        for pairing in pairings {
            let capture = arguments.pcap.as_deref();
            let capture = capture.map(|directory| capture::path(directory, number, &pairing.name(), round + 1));
            let outcome = transfer(*pairing, cell, seed, time, capture.as_deref());
            if stopped.load(Ordering::Relaxed) {
                break 'rounds;
            }
            goodput.push(match outcome {
                Ok(goodput) => {
                    capture.map_or(Ok(()), |capture| drawn(&capture, capture::draw(&capture)))?;
                    Some(goodput)
                }
                Err(why) if is_refusal(&*why) => return Err(format!("nothing can be measured: {why}").into()),
                Err(why) => {
                    eprintln!("versus: {} failed in round {round}: {why}", pairing.name());
                    None
                }
            });
        }
        rounds.push(goodput);
    }
    Ok(Measured { cell: cell.clone(), pairings: pairings.to_vec(), rounds })
}

/// True if the machine lets this process make no device, whatever is tried next.
fn is_refusal(why: &(dyn std::error::Error + 'static)) -> bool {
    use Error::{NoTunDevice, NoUserNamespaces, NotPermitted, TunNotAccessible};
    matches!(why.downcast_ref(), Some(NoTunDevice | TunNotAccessible | NotPermitted(_) | NoUserNamespaces(_)))
}

/// Who is tried against whom: each congestion control of ours towards the kernel, each of the kernel's towards the kernel
/// and towards us, smoltcp towards the kernel. What one side lacks is said, and left out.
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
            pairings.extend([Pairing::LinuxToLinux(control), Pairing::LinuxToSockeye(control)]);
        } else {
            eprintln!("versus: this kernel has no {name}: it offers {kernels} (modprobe tcp_{name} may load it)");
        }
    }
    pairings.push(Pairing::SmoltcpToLinux);
    Ok(pairings)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    #[test]
    fn nothing_to_measure_is_refused() {
        let line = Line::try_parse_from(["versus", "--cells", "1", "--rounds", "1", "--seconds", "0.1"]);
        assert!(line.is_ok_and(|line| line.arguments.cells == 1));
        for option in ["--cells", "--rounds", "--seconds"] {
            assert!(Line::try_parse_from(["versus", option, "0"]).is_err(), "{option} 0");
        }
    }

    #[test]
    fn what_the_machine_refuses_is_told_from_what_one_transfer_met() {
        let boxed = |error: Error| -> Box<dyn std::error::Error> { error.into() };
        assert!(is_refusal(&*boxed(Error::TunNotAccessible)));
        assert!(is_refusal(&*boxed(Error::NotPermitted("making a namespace"))));
        assert!(!is_refusal(&*boxed(Error::NameInUse("tun0".to_owned()))));
        assert!(!is_refusal(&*Box::<dyn std::error::Error>::from("no answer")));
    }
}
