//! `sockeye probe`: what a path carries, towards a host that only answers echoes.

use std::io::{self, Write};
use std::net::{IpAddr, ToSocketAddrs};
use std::time::Duration;

use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use serde_json::json;
use sockeye_device::Clock;
use sockeye_lab::probe::{Plan, Report, measure};
use sockeye_wire::icmp::IcmpError;

use crate::failure::{Failure, OrFail, written};
use crate::interrupt::Interrupt;
use crate::link::DeviceArgs;
use crate::times::{millis, running_time};

/// Whereto, and how long.
#[derive(Args, Debug)]
#[command(after_help = "\
Our TCP's segments go out as the data of ICMP echo requests; what comes back goes to a receiver of ours. So the path is loaded \
as a TCP of ours would load it, whatever the host's own is like, and nothing need run there. Segments go both ways at full \
length: the narrower direction is what is measured. Hosts and routers that answer only so many echoes a second look narrow.

Only this machine's kernel is at the other end of the device: other hosts can be reached if it forwards (and translates) \
our packets.

Examples:
  sudo sockeye probe 10.9.0.1                        the kernel at the other end of the device
  sudo sockeye probe --cc bbr --for 30s --json example.org")]
pub struct ProbeArgs {
    /// Name or address of the host
    host: String,
    /// Measure for so many seconds, or a time such as 500ms or 2min
    #[arg(long = "for", value_name = "TIME", default_value = "10", value_parser = running_time)]
    time: Duration,
    /// Print one JSON object on standard output
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Measures.
///
/// # Errors
/// When there is no device, the host doesn't answer, or the path doesn't take such packets.
pub fn run(args: &ProbeArgs) -> Result<(), Failure> {
    let mut looked_up = (args.host.as_str(), 0).to_socket_addrs().or_fail(format!("looking up {}", args.host))?;
    let (source, host) =
        looked_up.find_map(|found| Some((args.source_for(found.ip())?, found.ip()))).ok_or_else(|| {
            Failure::usage(format!("measuring the path to {}", args.host), "we have no address of its family")
        })?;
    let opened = args.device.open()?;
    let interrupt = Interrupt::install(|| ())?;
    let Some(device) = opened.queues.first() else {
        return Err(Failure::new("making the device", "it has no queue"));
    };
    let plan = Plan { source, host, mtu: device.capabilities().mtu, algorithm: opened.cc, seed: seed(opened.clock) };
    let report = measure(device, opened.clock, &plan, args.time, || interrupt.happened());
    let report = report.or_fail("carrying packets")?;
    if let Some(failure) = failure(host, &report) {
        return interrupt.unless(Err(failure));
    }
    let text = if args.json { object(&report).to_string() } else { table(&report).to_string() };
    written(writeln!(io::stdout(), "{text}"))?;
    interrupt.unless(Ok(()))
}

impl ProbeArgs {
    /// Our address of the family of `host`'s.
    fn source_for(&self, host: IpAddr) -> Option<IpAddr> {
        self.device.addr.iter().map(|ours| ours.address()).find(|ours| ours.is_ipv4() == host.is_ipv4())
    }
}

/// Differs from run to run, so that late replies to an earlier one aren't taken for ours.
fn seed(clock: Clock) -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    (u64::from(std::process::id()) << 48) ^ (u64::from(since.subsec_nanos()) << 16) ^ clock.now().as_nanos()
}

/// Why there is nothing to tell, if that is so.
fn failure(host: IpAddr, report: &Report) -> Option<Failure> {
    let what = format!("measuring the path to {host}");
    match report.error {
        Some(IcmpError::PacketTooBig(mtu)) => {
            let why = format!("a link on the way takes packets of {mtu} octets at most");
            Some(Failure::new(what, why).advice(format!("give --mtu {mtu}")))
        }
        Some(error) if report.replies == 0 => {
            let advice = "check the address, and that the kernel forwards";
            Some(Failure::new(what, format!("{error:?}")).advice(advice))
        }
        None if report.replies == 0 => {
            let advice = "check with ping that it answers echoes, and that the kernel forwards";
            Some(Failure::new(what, "no echo came back").advice(advice))
        }
        _ => None,
    }
}

fn object(report: &Report) -> serde_json::Value {
    let sender = &report.sender;
    json!({
        "goodput_bps": report.goodput_bps(),
        "time_s": report.time.as_secs_f64(),
        "octets": report.octets,
        "requests": report.requests,
        "replies": report.replies,
        "retransmits": sender.retransmissions,
        "rtos": sender.slow_retransmissions,
        "rtt_ms": millis(sender.srtt.unwrap_or_default()),
        "min_rtt_ms": millis(sender.min_rtt.unwrap_or_default()),
        "cwnd": sender.cwnd,
        "cc": sender.congestion_control,
    })
}

fn table(report: &Report) -> Table {
    let sender = &report.sender;
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let rows = [
        ("goodput, Mbit/s", format!("{:.3}", report.goodput_bps() / 1e6)),
        ("octets that came back", report.octets.to_string()),
        ("in, s", format!("{:.3}", report.time.as_secs_f64())),
        ("echo requests", report.requests.to_string()),
        ("replies", report.replies.to_string()),
        ("sent again", sender.retransmissions.to_string()),
        ("by timeout", sender.slow_retransmissions.to_string()),
        ("round trip, ms", format!("{:.3}", millis(sender.srtt.unwrap_or_default()))),
        ("at least, ms", format!("{:.3}", millis(sender.min_rtt.unwrap_or_default()))),
        ("cwnd, octets", sender.cwnd.to_string()),
        ("control", sender.congestion_control.to_owned()),
    ];
    for (name, value) in rows {
        table.add_row([name, value.as_str()]);
    }
    if let Some(values) = table.column_mut(1) {
        values.set_cell_alignment(CellAlignment::Right);
    }
    table
}
