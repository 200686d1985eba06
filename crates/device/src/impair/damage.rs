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

/// Octets of header that garbage may fall on: those of IPv4 and TCP without options, or IPv6's.
const HEADERS: u32 = 40;
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
    let headers = u32::try_from(bytes.len()).unwrap_or(u32::MAX).min(HEADERS);
    let (start, length) = (dice.below(headers), 1 + dice.below(GARBAGE));
    let range = start as usize..(start + length).min(headers) as usize;
    bytes.get_mut(range).unwrap_or_default().iter_mut().for_each(|octet| *octet = dice.word().to_be_bytes()[0]);
    if verifies(bytes) {
        spoil(bytes);
    }
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
