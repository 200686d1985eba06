//! A narrow place: packets longer than it takes are dropped, and their sender told or not.

use sockeye_wire::icmp::{self, IcmpError};
use sockeye_wire::ip::{IpHeader, IpView, protocol};
use sockeye_wire::{Instant, icmp::quotable};

use crate::{LinkHeader, Packet};

/// The longest packet: `mtu 1400` is a black hole, `mtu 1400 icmp` sends an error back, as RFC 1191 and RFC 8201 want it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPacket {
    /// Octets.
    pub octets: u16,
    /// Whether the sender is told. Of an IPv4 packet that might be fragmented it isn't: we don't, and drop it.
    pub icmp: bool,
}

impl MaxPacket {
    /// The least that words may ask for: what every link must take (RFC 791 section 3.2).
    pub const LEAST: u16 = 68;
}

/// The largest error: an IPv6 packet of 1,280 octets.
const LARGEST: usize = 1280;
/// Hops that an error of ours may go.
const HOP_LIMIT: u8 = 64;

/// The error that tells the sender of `packet`. It comes from the packet's destination, as this place has no address of
/// its own.
pub(super) fn error_about(packet: &Packet, mtu: u16, now: Instant) -> Option<Packet> {
    let ip = IpView::parse(&packet.bytes).ok()?;
    let (source, destination) = (ip.destination(), ip.source());
    let mut message = [0; LARGEST];
    let error = IcmpError::PacketTooBig(u32::from(mtu));
    let length = icmp::emit_error(source, destination, error, quotable(&packet.bytes), &mut message).ok()?;
    let message = message.get(..length)?;
    let mut whole = vec![0; 40];
    let protocol = match ip {
        IpView::V4(view) if view.dont_fragment() => protocol::ICMP,
        IpView::V4(_) => return None,
        IpView::V6(_) => protocol::ICMPV6,
    };
    let header = IpHeader {
        source,
        destination,
        protocol,
        payload_len: length,
        hop_limit: HOP_LIMIT,
        traffic_class: 0,
        dont_fragment: false,
    };
    let header_len = header.emit(&mut whole).ok()?;
    whole.truncate(header_len);
    whole.extend_from_slice(message);
    let link_header = packet.link_header.map(turned_round);
    Some(Packet { link_header, ..Packet::new(whole.into(), now) })
}

/// The header of a frame that goes back where another came from.
fn turned_round([d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, kind @ ..]: LinkHeader) -> LinkHeader {
    let [k0, k1] = kind;
    [s0, s1, s2, s3, s4, s5, d0, d1, d2, d3, d4, d5, k0, k1]
}
