//! Dissects the packets of a capture, a line each: `cargo run --example dissect -- FILE.pcap`.
//!
//! Without a file it takes apart a packet of its own: a SYN, as Linux sends it.

use std::env;
use std::error::Error;
use std::fs::File;

use pcap_file::DataLink;
use pcap_file::pcap::PcapReader;
use sockeye_wire::ParseError;
use sockeye_wire::ethernet::EthernetView;
use sockeye_wire::ip::{IpView, protocol};
use sockeye_wire::tcp::TcpView;
use sockeye_wire::udp::UdpView;

/// 10.9.0.1, port 54321, asks 10.9.0.2 for a connection to port 22.
const SYN: [u8; 60] = [
    0x45, 0x00, 0x00, 0x3c, 0x00, 0x00, 0x40, 0x00, 0x40, 0x06, 0x26, 0xa8, 0x0a, 0x09, 0x00, 0x01, 0x0a, 0x09, 0x00,
    0x02, 0xd4, 0x31, 0x00, 0x16, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0xa0, 0x02, 0xfa, 0xf0, 0x64, 0xb1,
    0x00, 0x00, 0x02, 0x04, 0x05, 0xb4, 0x04, 0x02, 0x08, 0x0a, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x01,
    0x03, 0x03, 0x07,
];

fn main() -> Result<(), Box<dyn Error>> {
    let Some(path) = env::args().nth(1) else {
        println!("{}", dissect(&SYN)?);
        return Ok(());
    };
    let mut capture = PcapReader::new(File::open(path)?)?;
    let link = capture.header().datalink;
    while let Some(packet) = capture.next_packet() {
        let packet = packet?;
        let line = match link {
            DataLink::ETHERNET => EthernetView::parse(&packet.data).and_then(|frame| dissect(frame.payload())),
            _ => dissect(&packet.data),
        };
        println!("{}", line.unwrap_or_else(|why| format!("not understood: {why}")));
    }
    Ok(())
}

/// The line for an IP packet.
fn dissect(packet: &[u8]) -> Result<String, ParseError> {
    let ip = IpView::parse(packet)?;
    let (from, to) = (ip.source(), ip.destination());
    match ip.protocol() {
        _ if ip.fragment().is_some() => Ok(format!("{from} > {to}: a fragment, {} octets", ip.payload().len())),
        protocol::TCP => {
            let tcp = TcpView::parse(ip.payload())?;
            let sum = if tcp.verify_checksum(from, to) { "good" } else { "bad" };
            let options: Vec<_> = tcp.option_iter().map(|option| format!("{option:?}")).collect();
            Ok(format!(
                "{from}:{} > {to}:{}: TCP seq {}, ack {}, {} octets, checksum {sum}, options {}",
                tcp.source_port(),
                tcp.destination_port(),
                tcp.seq(),
                tcp.ack(),
                tcp.payload().len(),
                options.join(" "),
            ))
        }
        protocol::UDP => {
            let udp = UdpView::parse(ip.payload())?;
            let (source, destination) = (udp.source_port(), udp.destination_port());
            Ok(format!("{from}:{source} > {to}:{destination}: UDP, {} octets", udp.payload().len()))
        }
        other => Ok(format!("{from} > {to}: protocol {other}, {} octets", ip.payload().len())),
    }
}
