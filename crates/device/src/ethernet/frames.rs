//! What our host on an Ethernet says and hears there besides IP: ARP (RFC 826) and neighbour discovery (RFC 4861).

use std::net::{IpAddr, Ipv6Addr};

use sockeye_wire::arp::{self, Arp, Operation};
use sockeye_wire::ethernet::{self, EthernetHeader, EthernetView, MacAddr, ethertype};
use sockeye_wire::ip::protocol;
use sockeye_wire::ip::v6::{self, Ipv6Header, Ipv6View};
use sockeye_wire::ndp::{self, NdpMessage, NeighborAdvertisement};
use sockeye_wire::{BufferTooSmall, ParseError};

use super::neighbors::{Answer, Question};
use super::next_hop::Routes;
use crate::Outgoing;

/// Octets of the longest frame written here: a solicitation or its answer.
const LONGEST: usize = ethernet::HEADER_LEN + v6::HEADER_LEN + 32;

/// Our host on the link: its hardware address, its IP addresses, whom it sends to.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) address: MacAddr,
    pub(super) routes: Routes,
}

/// What a frame turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrived {
    /// An IP packet for the stack.
    Packet,
    /// Something between neighbours: what it taught us, and the frame that answers it.
    Ours(Option<Answer>, Option<Vec<u8>>),
    /// For others, or nothing that we speak.
    NotForUs,
    /// ARP or neighbour discovery that breaks its rules.
    Malformed(ParseError),
}

impl Host {
    pub(super) const fn new(address: MacAddr, routes: Routes) -> Self {
        Self { address, routes }
    }

    /// What stands before `packet` in a frame to `to`.
    pub(super) fn header(&self, to: MacAddr, packet: &Outgoing) -> [u8; ethernet::HEADER_LEN] {
        let is_v6 = packet.head().first().is_some_and(|first| first >> 4 == 6);
        let ethertype = if is_v6 { ethertype::IPV6 } else { ethertype::IPV4 };
        let mut header = [0; ethernet::HEADER_LEN];
        // It fits: that is what the length is for.
        let _ = EthernetHeader { destination: to, source: self.address, ethertype }.emit(&mut header);
        header
    }

    /// What `frame` is to us.
    pub(super) fn arrived(&self, frame: &[u8]) -> Arrived {
        let frame = match EthernetView::parse(frame) {
            Ok(frame) => frame,
            Err(why) => return Arrived::Malformed(why),
        };
        if frame.destination() != self.address && !frame.destination().is_multicast() {
            return Arrived::NotForUs;
        }
        match frame.ethertype() {
            ethertype::IPV4 => Arrived::Packet,
            ethertype::IPV6 => self.ipv6(&frame).unwrap_or(Arrived::Packet),
            ethertype::ARP => match Arp::parse(frame.payload()) {
                Ok(arp) => self.arp(&arp),
                Err(why) => Arrived::Malformed(why),
            },
            _ => Arrived::NotForUs,
        }
    }

    /// The frame that puts a question; `None` without an address of the family to speak from.
    pub(super) fn question(&self, question: Question) -> Option<Vec<u8>> {
        match (question.target, self.routes.source_for(question.target)?) {
            (IpAddr::V4(target), IpAddr::V4(ours)) => {
                let to = question.to.unwrap_or(MacAddr::BROADCAST);
                self.frame(to, ethertype::ARP, |buffer| Arp::request(self.address, ours, target).emit(buffer))
            }
            (IpAddr::V6(target), IpAddr::V6(ours)) => {
                let group = ndp::solicited_node(target);
                let (link, to) = match question.to {
                    Some(link) => (link, target),
                    None => (MacAddr::of_group(group.into())?, group),
                };
                let message = NdpMessage::NeighborSolicitation { target, source_link: Some(self.address) };
                self.ndp_frame(link, ours, to, &message)
            }
            _ => None,
        }
    }

    /// RFC 826's algorithm: whoever asks for us is remembered; whoever else speaks, only if known already.
    fn arp(&self, arp: &Arp) -> Arrived {
        let for_us = self.routes.is_ours(arp.target_protocol.into());
        let answer = Answer {
            neighbor: arp.sender_protocol.into(),
            address: arp.sender_hardware,
            unasked: for_us,
            overrides: true,
        };
        let reply = (for_us && arp.operation == Operation::Request)
            .then(|| self.frame(arp.sender_hardware, ethertype::ARP, |buffer| arp.reply(self.address).emit(buffer)));
        Arrived::Ours(self.credible(answer), reply.flatten())
    }

    /// Neighbour discovery, if the packet in `frame` is that.
    fn ipv6(&self, frame: &EthernetView<'_>) -> Option<Arrived> {
        let packet = Ipv6View::parse(frame.payload()).ok()?;
        if packet.protocol() != protocol::ICMPV6 || packet.fragment().is_some() || !ndp::is_ndp(packet.payload()) {
            return None;
        }
        let (source, destination) = (packet.source(), packet.destination());
        Some(match NdpMessage::parse(packet.payload(), source, destination, packet.hop_limit()) {
            Ok(NdpMessage::NeighborSolicitation { target, source_link }) if self.routes.is_ours(target.into()) => {
                let answer = source_link.and_then(|address| {
                    let neighbor = source.into();
                    self.credible(Answer { neighbor, address, unasked: true, overrides: true })
                });
                let to = source_link.unwrap_or(frame.source());
                Arrived::Ours(answer, self.advertisement(to, source, target))
            }
            Ok(NdpMessage::NeighborAdvertisement(advertisement)) => {
                let answer = advertisement.target_link.and_then(|address| {
                    let (neighbor, overrides) = (advertisement.target.into(), advertisement.overrides);
                    self.credible(Answer { neighbor, address, unasked: false, overrides })
                });
                Arrived::Ours(answer, None)
            }
            // Routers are told to us by configuration.
            Ok(_) => Arrived::Ours(None, None),
            Err(why) => Arrived::Malformed(why),
        })
    }

    /// The answer unless it can't be true: nobody else has our address, nobody has none, no host is many.
    fn credible(&self, answer: Answer) -> Option<Answer> {
        let possible = !answer.neighbor.is_unspecified()
            && !answer.neighbor.is_multicast()
            && !self.routes.is_ours(answer.neighbor)
            && !answer.address.is_multicast()
            && answer.address != MacAddr::ZERO;
        possible.then_some(answer)
    }

    /// We have `target`: said to `asker`, or to all if it has no address yet (RFC 4861 section 7.2.4).
    fn advertisement(&self, link: MacAddr, asker: Ipv6Addr, target: Ipv6Addr) -> Option<Vec<u8>> {
        let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
        let solicited = !asker.is_unspecified();
        let (link, to) = if solicited { (link, asker) } else { (MacAddr::of_group(all_nodes.into())?, all_nodes) };
        let message = NdpMessage::NeighborAdvertisement(NeighborAdvertisement {
            target,
            router: false,
            solicited,
            overrides: true,
            target_link: Some(self.address),
        });
        self.ndp_frame(link, target, to, &message)
    }

    fn ndp_frame(&self, link: MacAddr, from: Ipv6Addr, to: Ipv6Addr, message: &NdpMessage<'_>) -> Option<Vec<u8>> {
        self.frame(link, ethertype::IPV6, |buffer| {
            let (header, body) = buffer.split_at_mut_checked(v6::HEADER_LEN).ok_or(BufferTooSmall(v6::HEADER_LEN))?;
            let payload_len = message.emit(from, to, body)?;
            let ip = Ipv6Header {
                source: from,
                destination: to,
                protocol: protocol::ICMPV6,
                payload_len,
                hop_limit: ndp::HOP_LIMIT,
                traffic_class: 0,
            };
            Ok(ip.emit(header)? + payload_len)
        })
    }

    /// A frame to `to` with what `write` puts into it; `None` if that is too long for the frames of this module.
    fn frame(
        &self,
        to: MacAddr,
        ethertype: u16,
        write: impl FnOnce(&mut [u8]) -> Result<usize, BufferTooSmall>,
    ) -> Option<Vec<u8>> {
        let mut frame = vec![0; LONGEST];
        let header = EthernetHeader { destination: to, source: self.address, ethertype };
        let start = header.emit(&mut frame).ok()?;
        let length = write(frame.get_mut(start..)?).ok()?;
        frame.truncate(start + length);
        Some(frame)
    }
}

const _: () = assert!(arp::LEN <= LONGEST - ethernet::HEADER_LEN);

#[cfg(test)]
mod tests;
