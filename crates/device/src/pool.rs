//! Buffers that packets are read into: slabs, so that a packet costs no allocation.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Octets of a slab: some 170 packets of an Ethernet's MTU, or four super-segments.
const SLAB: usize = 256 << 10;
/// Slabs that are kept until everybody has let go of their packets, to be used again.
const KEPT: usize = 16;

/// Hands out room for one frame after the other. A slab whose packets are all gone is used again.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    /// What is left of the present slab: zeroed, not handed out.
    slab: BytesMut,
    /// Used up slabs, the oldest first.
    used: VecDeque<BytesMut>,
}

impl Pool {
    /// Room for a frame of up to `length` octets.
    pub(crate) fn room(&mut self, length: usize) -> &mut [u8] {
        if self.slab.len() < length {
            let next = self.next_slab(length);
            let used = std::mem::replace(&mut self.slab, next);
            // The first of all is replaced by nobody: it has no octets.
            if used.capacity() > 0 {
                self.used.push_back(used);
            }
            if self.used.len() > KEPT {
                self.used.pop_front();
            }
        }
        self.slab.get_mut(..length).unwrap_or_default()
    }

    fn next_slab(&mut self, length: usize) -> BytesMut {
        let size = SLAB.max(length);
        // Only the oldest is likely to be free, and trying costs little.
        if let Some(mut oldest) = self.used.pop_front() {
            oldest.clear();
            if oldest.try_reclaim(size) {
                oldest.resize(size, 0);
                return oldest;
            }
            self.used.push_front(oldest);
        }
        BytesMut::zeroed(size)
    }

    /// The first `length` octets of the room given last are a packet.
    pub(crate) fn take(&mut self, length: usize) -> Bytes {
        self.slab.split_to(length.min(self.slab.len())).freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slab_is_used_again_once_its_packets_are_gone() {
        let mut pool = Pool::default();
        let mut addresses = Vec::new();
        for i in 0..10_000 {
            let room = pool.room(1500);
            addresses.push(room.as_ptr() as usize / SLAB);
            room[0] = u8::try_from(i % 256).unwrap();
            assert_eq!(pool.take(1500)[0], u8::try_from(i % 256).unwrap());
        }
        addresses.sort_unstable();
        addresses.dedup();
        assert!(addresses.len() <= 8, "{} slabs for packets that nobody keeps", addresses.len());
    }

    #[test]
    fn packets_that_are_kept_keep_their_octets() {
        let mut pool = Pool::default();
        let kept: Vec<Bytes> = (0..3000_u32)
            .map(|i| {
                pool.room(1500)[..4].copy_from_slice(&i.to_le_bytes());
                pool.take(1400)
            })
            .collect();
        for (i, packet) in (0_u32..).zip(&kept) {
            assert_eq!(packet[..4], i.to_le_bytes());
        }
    }
}
