//! Which of a host's connections a stack has, where the host has several stacks: those whose two sockets hash to it.
//!
//! All stacks of a host have the same seed, and so the same keys. They listen on the same sockets, and choose for their own
//! connections only ports that hash to themselves; so each knows all that concerns its connections, and nothing of others.

use std::net::IpAddr;

use sockeye_device::Packet;
use sockeye_wire::icmp::{self, IcmpMessage, QuotedTransport};
use sockeye_wire::ip::{IpView, protocol};
use sockeye_wire::tcp::TcpView;

use super::demux::{KeyedHash, Pair};

/// One of so many parts of a host's connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    /// Below `count`.
    index: usize,
    count: usize,
    hash: KeyedHash,
}

/// Whose a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Of whoever has it.
    Here,
    /// Of the stack with this number.
    To(usize),
    /// A piece of a datagram, which only the whole tells.
    Everybody,
}

impl Share {
    /// All connections.
    pub(super) const fn whole(hash: KeyedHash) -> Self {
        Self { index: 0, count: 1, hash }
    }

    /// Those of part `index` of `count`.
    pub(super) const fn part(self, index: usize, count: usize) -> Self {
        Self { index, count, ..self }
    }

    /// The number of this part.
    pub(crate) const fn index(&self) -> usize {
        self.index
    }

    /// True if there are no others.
    pub(crate) const fn is_whole(&self) -> bool {
        self.count == 1
    }

    /// The part that a connection belongs to.
    pub(crate) fn owner(&self, pair: &Pair) -> usize {
        if self.is_whole() {
            return 0;
        }
        // The high half, scaled to the count: below it, so that nothing is cut.
        usize::try_from(((self.hash.of(pair) >> 32) * self.count as u64) >> 32).unwrap_or(0)
    }

    /// True if a connection is one of this part.
    pub(super) fn owns(&self, pair: &Pair) -> bool {
        self.owner(pair) == self.index
    }

    /// True if a datagram that all parts have put together is for this one. What belongs to no connection is the first's.
    pub(super) fn takes(&self, source: IpAddr, destination: IpAddr, protocol: u8, payload: &[u8]) -> bool {
        self.is_whole() || self.owner_of(source, destination, protocol, payload).unwrap_or(0) == self.index
    }

    /// Whose `packet` is.
    pub(crate) fn way_of(&self, packet: &Packet) -> Way {
        match IpView::parse_front(&packet.bytes, packet.text_len()) {
            Ok(ip) if ip.fragment().is_some() => Way::Everybody,
            Ok(ip) => {
                let owner = self.owner_of(ip.source(), ip.destination(), ip.protocol(), ip.payload());
                owner.filter(|owner| *owner != self.index).map_or(Way::Here, Way::To)
            }
            Err(_) => Way::Here, // to be counted, and dropped
        }
    }

    /// The part that a segment belongs to, or an error about one; `None` if it is neither.
    fn owner_of(&self, source: IpAddr, destination: IpAddr, protocol: u8, payload: &[u8]) -> Option<usize> {
        let pair = match protocol {
            protocol::TCP => Pair::of_segment(source, destination, &TcpView::parse(payload).ok()?),
            protocol::ICMP | protocol::ICMPV6 => {
                let Ok(IcmpMessage::Error(_, quoted)) = icmp::parse(payload, source, destination) else {
                    return None;
                };
                Pair::of_quoted(&QuotedTransport::parse(quoted).ok()?)
            }
            _ => return None,
        };
        Some(self.owner(&pair))
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use sockeye_wire::icmp::IcmpError;
    use sockeye_wire::ip::IpHeader;
    use sockeye_wire::tcp::{Flags, Options, TcpHeader};
    use sockeye_wire::{Instant, SeqNumber};

    use super::*;

    const COUNT: usize = 3;

    fn share(index: usize) -> Share {
        Share::whole(KeyedHash::new([7; 16])).part(index, COUNT)
    }

    fn way_of(share: &Share, packet: &[u8]) -> Way {
        share.way_of(&Packet::new(packet.to_vec().into(), Instant::ZERO))
    }

    fn datagram(source: IpAddr, destination: IpAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
        let (payload_len, hop_limit, traffic_class, dont_fragment) = (payload.len(), 64, 0, true);
        let ip = IpHeader { source, destination, protocol, payload_len, hop_limit, traffic_class, dont_fragment };
        let mut packet = vec![0; 60];
        let length = ip.emit(&mut packet).unwrap();
        packet.truncate(length);
        packet.extend_from_slice(payload);
        packet
    }

    fn segment(from: SocketAddr, to: SocketAddr) -> Vec<u8> {
        let tcp = TcpHeader {
            source_port: from.port(),
            destination_port: to.port(),
            seq: SeqNumber::new(1),
            ack: SeqNumber::new(1),
            flags: Flags::ACK,
            window: 1,
            urgent: 0,
            options: Options::NONE,
        };
        let mut octets = vec![0; tcp.len()];
        tcp.emit(&mut octets).unwrap();
        datagram(from.ip(), to.ip(), protocol::TCP, &octets)
    }

    fn sockets(port: u16) -> [(SocketAddr, SocketAddr); 2] {
        [("10.0.0.1:80", "10.0.0.2"), ("[fd00::1]:80", "fd00::2")]
            .map(|(local, remote)| (local.parse().unwrap(), SocketAddr::new(remote.parse().unwrap(), port)))
    }

    #[test]
    fn every_connection_has_one_owner_and_every_part_connections() {
        let mut owned = [0; COUNT];
        for (local, remote) in (1..1000).flat_map(sockets) {
            let pair = Pair { local, remote };
            let owner = share(0).owner(&pair);
            owned[owner] += 1;
            for index in 0..COUNT {
                assert_eq!(share(index).owns(&pair), index == owner);
            }
        }
        assert!(owned.iter().all(|&count| count > 500), "{owned:?}");
    }

    #[test]
    fn a_segment_and_an_error_about_its_answer_go_to_the_same_part() {
        for (local, remote) in (1..100).flat_map(sockets) {
            let owner = share(0).owner(&Pair { local, remote });
            let way = |packet: &[u8]| way_of(&share((owner + 1) % COUNT), packet);
            assert_eq!(way(&segment(remote, local)), Way::To(owner));
            assert_eq!(way_of(&share(owner), &segment(remote, local)), Way::Here);

            let quoted = segment(local, remote);
            let mut message = vec![0; icmp::HEADER_LEN + quoted.len()];
            icmp::emit_error(remote.ip(), local.ip(), IcmpError::PortUnreachable, &quoted, &mut message).unwrap();
            let protocol = if local.is_ipv4() { protocol::ICMP } else { protocol::ICMPV6 };
            assert_eq!(way(&datagram(remote.ip(), local.ip(), protocol, &message)), Way::To(owner));
        }
    }

    #[test]
    fn what_is_no_ones_stays_and_what_only_the_whole_tells_goes_to_all() {
        let [(local, remote), _] = sockets(1);
        assert_eq!(way_of(&share(0), b"noise"), Way::Here);
        assert_eq!(way_of(&share(0), &datagram(remote.ip(), local.ip(), protocol::UDP, &[0; 8])), Way::Here);
        let mut piece = segment(remote, local);
        piece[6] = 0x20; // more fragments follow
        assert_eq!(way_of(&share(0), &piece), Way::Everybody);
    }
}
