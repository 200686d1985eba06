//! Packets as lines of text, in the manner of tcpdump.
//!
//! A [`Describer`] remembers where each direction of each connection began, and counts sequence numbers from there. What
//! it can't read it says so of; it never fails.

mod internet;
mod line;
mod tcp;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use sockeye_wire::SeqNumber;
use sockeye_wire::arp::{Arp, Operation};
use sockeye_wire::ethernet::{EthernetView, ethertype};
use sockeye_wire::ip::IpView;

use crate::capture::LinkType;
pub use line::{Line, Role};

/// Directions of connections that are remembered; beyond, all are forgotten and numbers start anew.
const MAX_FLOWS: usize = 1 << 16;

/// How much to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// Sequence numbers as they stand in the header.
    pub absolute: bool,
    /// Hop limit, length, ECN, checksums, and who is who on an Ethernet.
    pub verbose: bool,
}

/// Turns packets into lines, in the order in which they were seen.
///
/// ```
/// use sockeye_lab::capture::LinkType;
/// use sockeye_lab::describe::{Describer, Detail};
///
/// let mut describer = Describer::new(Detail::default());
/// assert_eq!(describer.line(LinkType::Ip, &[0x50]).to_string(), "not understood: IP: version 5");
/// ```
#[derive(Debug, Default)]
pub struct Describer {
    detail: Detail,
    flows: HashMap<(SocketAddr, SocketAddr), SeqNumber>,
}

impl Describer {
    /// One that has seen nothing yet.
    pub fn new(detail: Detail) -> Self {
        Self { detail, flows: HashMap::new() }
    }

    /// The line for a packet that was seen on a link.
    pub fn line(&mut self, link: LinkType, octets: &[u8]) -> Line {
        let mut line = Line::default();
        match link {
            LinkType::Ip => self.ip(octets, &mut line),
            LinkType::Ethernet => self.ethernet(octets, &mut line),
            LinkType::Loopback => self.behind(4, octets, &mut line),
            LinkType::Cooked => self.behind(16, octets, &mut line),
            LinkType::Cooked2 => self.behind(20, octets, &mut line),
        }
        line
    }

    /// A header that says nothing worth a word.
    fn behind(&mut self, header: usize, octets: &[u8], line: &mut Line) {
        match octets.get(header..) {
            Some(packet) => self.ip(packet, line),
            None => line.not_understood("the link's header is cut off"),
        }
    }

    fn ethernet(&mut self, octets: &[u8], line: &mut Line) {
        let frame = match EthernetView::parse(octets) {
            Ok(frame) => frame,
            Err(why) => return line.not_understood(why),
        };
        if self.detail.verbose {
            line.push(Role::Plain, format!("{} > {}, ", frame.source(), frame.destination()));
        }
        match frame.ethertype() {
            ethertype::IPV4 | ethertype::IPV6 => self.ip(frame.payload(), line),
            ethertype::ARP => match Arp::parse(frame.payload()) {
                Ok(arp) => line.push(Role::Plain, of_arp(&arp)),
                Err(why) => line.not_understood(why),
            },
            other => line.push(Role::Plain, format!("ethertype 0x{other:04x}, length {}", frame.payload().len())),
        }
    }

    fn ip(&mut self, octets: &[u8], line: &mut Line) {
        match IpView::parse(octets) {
            Ok(ip) => self.internet(&ip, line),
            Err(why) => line.not_understood(why),
        }
    }

    /// Where the direction from `from` to `to` began; `otherwise` if that wasn't seen.
    fn start(&mut self, from: SocketAddr, to: SocketAddr, otherwise: SeqNumber) -> SeqNumber {
        if self.flows.len() >= MAX_FLOWS {
            self.flows.clear();
        }
        *self.flows.entry((from, to)).or_insert(otherwise)
    }
}

fn of_arp(arp: &Arp) -> String {
    match arp.operation {
        Operation::Request => format!("ARP, who has {}? tell {}", arp.target_protocol, arp.sender_protocol),
        Operation::Reply => format!("ARP, {} is at {}", arp.sender_protocol, arp.sender_hardware),
    }
}

/// `10.9.0.1.80`, as tcpdump writes it.
fn end(address: IpAddr, port: u16) -> String {
    format!("{address}.{port}")
}

#[cfg(test)]
mod tests;
