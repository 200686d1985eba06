//! Packets that arrive otherwise than they were sent: with a bit flipped, with garbage for a header.
//!
//! No damage to a segment gets past a TCP that verifies its checksums: a flipped bit never does, and garbage that would by
//! chance is given another flipped bit. Only what no checksum covers may change unseen: of an IPv6 header the traffic class,
//! with ECN in it, the flow label and the hop limit.

use sockeye_wire::ip::{IpView, protocol};
use sockeye_wire::tcp::{self, TcpView};

use super::carried::Carried;
use super::random::{Coin, Dice};
use super::{Chance, Odds};

/// The most octets of garbage at once.
const GARBAGE: u32 = 8;

/// Damage at work.
#[derive(Debug)]
pub(super) struct Damage {
    flip: Coin,
    garbage: Chance,
    dice: Dice,
}

impl Damage {
    pub(super) fn new(flip: Odds, garbage: Chance, seed: u64) -> Self {
        Self { flip: Coin::new(flip, Dice::new(seed, "corrupt")), garbage, dice: Dice::new(seed, "garbage") }
    }

    /// Damages a packet, or not, and says whether.
    pub(super) fn pass(&mut self, carried: &mut Carried) -> bool {
        let flips = self.flip.toss();
        if flips {
            let dice = &mut self.flip.dice;
            carried.edit(|bytes| flip_bit(bytes, dice));
        }
        let garbles = self.dice.hit(self.garbage);
        if garbles {
            let dice = &mut self.dice;
            carried.edit(|bytes| write_garbage(bytes, dice));
        }
        if flips || garbles {
            carried.packet.checksum_verified = false;
        }
        flips || garbles
    }
}

fn flip_bit(bytes: &mut [u8], dice: &mut Dice) {
    let at = dice.below(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    let bit = dice.below(8);
    if let Some(octet) = usize::try_from(at).ok().and_then(|at| bytes.get_mut(at)) {
        *octet ^= 1 << bit;
    }
}

fn write_garbage(bytes: &mut [u8], dice: &mut Dice) {
    let headers = headers(bytes);
    let (start, length) = (dice.below(headers), 1 + dice.below(GARBAGE));
    let range = start as usize..(start + length).min(headers) as usize;
    bytes.get_mut(range).unwrap_or_default().iter_mut().for_each(|octet| *octet = dice.word().to_be_bytes()[0]);
    if verifies(bytes) {
        spoil(bytes);
    }
}

/// Octets of header that garbage may fall on: IP's, and TCP's with its options.
fn headers(bytes: &[u8]) -> u32 {
    let Ok(ip) = IpView::parse(bytes) else {
        return u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    };
    let is_tcp = ip.fragment().is_none() && ip.protocol() == protocol::TCP;
    let transport = if is_tcp { TcpView::parse(ip.payload()).map_or(0, |tcp| tcp.header_len()) } else { 0 };
    u32::try_from(ip.header_len() + transport).unwrap_or(u32::MAX)
}

/// True if a receiver would take this for a good segment.
fn verifies(bytes: &[u8]) -> bool {
    let Ok(ip) = IpView::parse(bytes) else {
        return false;
    };
    let header = match ip {
        IpView::V4(v4) => v4.verify_checksum(),
        IpView::V6(_) => true,
    };
    let tcp = TcpView::parse(ip.payload());
    let whole = ip.fragment().is_none() && ip.protocol() == protocol::TCP;
    header && whole && tcp.is_ok_and(|tcp| tcp.verify_checksum(ip.source(), ip.destination()))
}

/// Flips a bit of the TCP checksum.
fn spoil(bytes: &mut [u8]) {
    let at = IpView::parse(bytes).map_or(0, |ip| ip.header_len() + tcp::CHECKSUM_OFFSET);
    if let Some(octet) = bytes.get_mut(at) {
        *octet ^= 1;
    }
}

#[cfg(test)]
mod tests {
    use sockeye_wire::ip::v6::Ipv6Header;
    use sockeye_wire::tcp::{Flags, Options, TcpHeader, Timestamps};
    use sockeye_wire::{Instant, SeqNumber};

    use super::*;
    use crate::Packet;

    /// A segment over IPv6 with timestamps: 40 octets of IP, 32 of TCP, 100 of text.
    fn segment() -> Vec<u8> {
        let mut bytes = vec![7; 172];
        let ip = Ipv6Header {
            source: "fd00::1".parse().unwrap(),
            destination: "fd00::2".parse().unwrap(),
            protocol: 6,
            payload_len: 132,
            hop_limit: 64,
            traffic_class: 0,
        };
        let header = TcpHeader {
            source_port: 1,
            destination_port: 2,
            seq: SeqNumber::new(3),
            ack: SeqNumber::new(4),
            flags: Flags::ACK,
            window: 5,
            urgent: 0,
            options: Options { timestamps: Some(Timestamps { value: 6, echo: 7 }), ..Options::NONE },
        };
        ip.emit(&mut bytes).unwrap();
        header.emit(&mut bytes[40..]).unwrap();
        bytes
    }

    #[test]
    fn garbage_falls_on_every_header_and_on_no_text() {
        let whole = segment();
        let mut damage = Damage::new(Odds::default(), Chance::ALWAYS, 7);
        let mut hit = vec![false; whole.len()];
        for serial in 0..2_000 {
            let mut carried = Carried { packet: Packet::new(whole.clone().into(), Instant::ZERO), serial };
            assert!(damage.pass(&mut carried));
            hit.iter_mut().zip(carried.packet.bytes.iter().zip(&whole)).for_each(|(hit, (is, was))| *hit |= is != was);
        }
        assert!(hit[..72].iter().all(|hit| *hit) && !hit[72..].contains(&true), "{hit:?}");
    }
}
