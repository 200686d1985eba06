//! Where the packets of a run lie until nobody holds them any more.

use std::collections::VecDeque;
use std::iter::once;

use bytes::{Bytes, BytesMut};
use sockeye_device::Outgoing;

/// Octets of a slab, unless a packet is longer.
const SLAB: usize = 64 * 1024;

/// Slabs looked at when one is wanted: packets are dropped in about the order in which they left.
const LOOKS: usize = 4;

/// Packets one behind the other in slabs, each of which is used again once the last packet in it has been dropped: no
/// allocation a packet, and what is still held shows. That is why this isn't a [`sockeye_device::Pool`], which forgets slabs that
/// don't come back.
#[derive(Debug, Default)]
pub(crate) struct Packets {
    /// The last one is written into.
    slabs: VecDeque<BytesMut>,
}

impl Packets {
    /// A packet in one piece.
    pub(crate) fn join(&mut self, packet: &Outgoing) -> Bytes {
        let slices = packet.payload.iter().map(|slice| &slice[..]);
        self.write(packet.len(), once(packet.head()).chain(slices))
    }

    /// A copy of a packet, which counts as held in its place.
    pub(crate) fn copy(&mut self, packet: &[u8]) -> Bytes {
        self.write(packet.len(), once(packet))
    }

    /// True if nobody holds a packet, nor a piece of one.
    pub(crate) fn are_returned(&mut self) -> bool {
        self.slabs.iter_mut().all(|slab| slab.try_reclaim(SLAB))
    }

    fn write<'a>(&mut self, octets: usize, pieces: impl Iterator<Item = &'a [u8]>) -> Bytes {
        if self.slabs.back().is_none_or(|slab| slab.capacity() < octets) {
            self.make_room(octets);
        }
        let Some(slab) = self.slabs.back_mut() else { unreachable!("room was just made") };
        pieces.for_each(|piece| slab.extend_from_slice(piece));
        slab.split().freeze()
    }

    /// Leaves a slab at the end with room for so many octets.
    fn make_room(&mut self, octets: usize) {
        let octets = octets.max(SLAB);
        for _ in 0..self.slabs.len().min(LOOKS) {
            let Some(mut slab) = self.slabs.pop_front() else { break };
            let is_free = slab.try_reclaim(octets);
            self.slabs.push_back(slab);
            if is_free {
                return;
            }
        }
        self.slabs.push_back(BytesMut::with_capacity(octets));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slabs_are_used_again_and_what_is_held_shows() {
        let mut packets = Packets::default();
        assert!(packets.are_returned());
        for _ in 0..1_000 {
            drop(packets.copy(&[7; 1_500]));
        }
        assert_eq!(packets.slabs.len(), 1);
        let held = packets.copy(&[8; 100]).slice(99..);
        (0..1_000).for_each(|_| drop(packets.copy(&[9; 1_500])));
        assert!(!packets.are_returned());
        assert_eq!((&held[..], packets.slabs.len()), (&[8][..], 2));
        drop(held);
        assert!(packets.are_returned());
    }

    #[test]
    fn a_packet_longer_than_a_slab_has_one_to_itself() {
        let mut packets = Packets::default();
        assert_eq!(packets.copy(&[1; 2 * SLAB]).len(), 2 * SLAB);
        assert!(packets.are_returned());
    }
}
