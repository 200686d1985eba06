//! Dumps packets, a line each, as long as any come.
//!
//! `cargo run --example dump` sends itself some over the device in memory; `cargo run --example dump -- NAME ADDRESS`
//! makes a TUN device (as root), such as `dump tun7 10.9.0.1/24`, and shows what the kernel sends into it: try
//! `ping 10.9.0.2` beside it, and end it with Ctrl-C.

use std::env;
use std::error::Error;
use std::net::Ipv4Addr;
use std::process::ExitCode;

use bytes::Bytes;
use rustix::event::{PollFd, PollFlags, poll};
use sockeye_device::{Clock, Device, Outgoing, Slices, Tun, TunConfig, memory};
use sockeye_wire::ip::{IpView, protocol, v4};
use sockeye_wire::tcp::TcpView;
use sockeye_wire::udp::{self, UdpView};

fn main() -> ExitCode {
    run().map_or_else(
        |why| {
            eprintln!("dump: {why}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let Some(name) = arguments.next() else {
        let (ours, theirs) = memory::pair(1500);
        ours.transmit(&mut (1..=3).map(hello).collect::<Result<_, _>>()?)?;
        drop(ours);
        return dump(&theirs, 3);
    };
    let addresses = arguments.map(|text| text.parse()).collect::<Result<_, _>>()?;
    let tun = Tun::create(&TunConfig { name, addresses, ..TunConfig::default() })?;
    println!("{} is up", tun.name());
    dump(&tun, usize::MAX)
}

/// Prints packets until there were so many.
fn dump(device: &impl Device, count: usize) -> Result<(), Box<dyn Error>> {
    let clock = Clock::start();
    let fd = device.as_fd().ok_or("the device can't be waited for")?;
    let mut seen = 0;
    let mut batch = Vec::new();
    while seen < count {
        poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)], None)?;
        seen += device.receive(clock.now(), &mut batch, 64)?;
        for packet in batch.drain(..) {
            let at = packet.arrived_at.as_nanos();
            println!("{}.{:06} {}", at / 1_000_000_000, at / 1000 % 1_000_000, describe(&packet.bytes));
        }
    }
    Ok(())
}

fn describe(packet: &[u8]) -> String {
    let view = match IpView::parse(packet) {
        Ok(view) => view,
        Err(why) => return format!("{} octets that are no IP packet: {why}", packet.len()),
    };
    let (source, destination, payload) = (view.source(), view.destination(), view.payload());
    let what = match view.protocol() {
        protocol::TCP => {
            TcpView::parse(payload).map(|tcp| format!("TCP {} > {}", tcp.source_port(), tcp.destination_port()))
        }
        protocol::UDP => {
            UdpView::parse(payload).map(|udp| format!("UDP {} > {}", udp.source_port(), udp.destination_port()))
        }
        protocol::ICMP | protocol::ICMPV6 => Ok("ICMP".to_owned()),
        other => Ok(format!("protocol {other}")),
    };
    let what = what.unwrap_or_else(|why| format!("malformed: {why}"));
    format!("{source} > {destination} {what}, {} octets", packet.len())
}

/// The datagram number `number` of a host that greets another.
fn hello(number: u8) -> Result<Outgoing, Box<dyn Error>> {
    let (source, destination) = (Ipv4Addr::new(10, 9, 0, 1), Ipv4Addr::new(10, 9, 0, 2));
    let mut datagram = [0; 13];
    udp::emit((source.into(), 1000 + u16::from(number)), (destination.into(), 9), b"hello", &mut datagram)?;
    let header = v4::Ipv4Header {
        source,
        destination,
        protocol: protocol::UDP,
        payload_len: datagram.len(),
        ttl: 64,
        traffic_class: 0,
        identification: number.into(),
        dont_fragment: true,
    };
    let mut written = Ok(0);
    let packet = Outgoing::build(Slices::from_iter([Bytes::copy_from_slice(&datagram)]), |head| {
        written = header.emit(head);
        v4::HEADER_LEN
    });
    written?;
    Ok(packet)
}
