//! A packet on its way through a link, and the few looks into it that elements need.

use bytes::BytesMut;
use sockeye_wire::SeqNumber;
use sockeye_wire::checksum::incremental;
use sockeye_wire::ip::{Ecn, IpView, protocol};
use sockeye_wire::tcp::TcpView;

use crate::Packet;

/// A packet with its number.
#[derive(Clone, Debug)]
pub(super) struct Carried {
    pub(super) packet: Packet,
    /// In the order in which packets entered; of a duplicate its own.
    pub(super) serial: u64,
}

impl Carried {
    pub(super) fn octets(&self) -> u64 {
        self.packet.bytes.len() as u64
    }

    /// The packet's octets, to be edited; copied if somebody else holds them too.
    pub(super) fn edit(&mut self, edit: impl FnOnce(&mut [u8])) {
        let bytes = std::mem::take(&mut self.packet.bytes);
        let mut own = bytes.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        edit(&mut own);
        self.packet.bytes = own.freeze();
    }

    /// Says that the packet met congestion, if its transport understands that (RFC 3168 section 5); else false.
    pub(super) fn mark_ce(&mut self) -> bool {
        let (Some(version), Some(second)) =
            (self.packet.bytes.first().map(|first| first >> 4), self.packet.bytes.get(1))
        else {
            return false;
        };
        let ecn = Ecn::of(if version == 6 { second >> 4 } else { *second });
        match ecn {
            Ecn::NotEct => return false,
            Ecn::Ce => return true,
            Ecn::Ect0 | Ecn::Ect1 => {}
        }
        self.edit(|bytes| if version == 6 { mark_v6(bytes) } else { mark_v4(bytes) });
        true
    }
}

fn mark_v6(bytes: &mut [u8]) {
    if let Some(octet) = bytes.get_mut(1) {
        *octet |= Ecn::Ce.bits() << 4;
    }
}

fn mark_v4(bytes: &mut [u8]) {
    let Some(&mut [first, ref mut class, _, _, _, _, _, _, _, _, ref mut high, ref mut low]) =
        bytes.first_chunk_mut::<12>()
    else {
        return;
    };
    let old = u16::from_be_bytes([first, *class]);
    *class |= Ecn::Ce.bits();
    let checksum = incremental(u16::from_be_bytes([*high, *low]), old, u16::from_be_bytes([first, *class]));
    [*high, *low] = checksum.to_be_bytes();
}

/// One direction of a connection: addresses and ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flow {
    addresses: [std::net::IpAddr; 2],
    ports: [u16; 2],
}

/// The connection that a packet belongs to, and what it acknowledges if it does nothing else; `None` if it isn't TCP.
pub(super) fn tcp_of(bytes: &[u8]) -> Option<(Flow, Option<SeqNumber>)> {
    let ip = IpView::parse(bytes).ok()?;
    if ip.protocol() != protocol::TCP || ip.fragment().is_some() {
        return None;
    }
    let tcp = TcpView::parse(ip.payload()).ok()?;
    let flow = Flow { addresses: [ip.source(), ip.destination()], ports: [tcp.source_port(), tcp.destination_port()] };
    let flags = tcp.flags();
    let acknowledges = flags.ack && !(flags.syn || flags.fin || flags.rst || flags.urg) && tcp.payload().is_empty();
    Some((flow, acknowledges.then(|| tcp.ack())))
}
