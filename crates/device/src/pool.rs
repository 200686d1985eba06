//! Buffers for received packets: slabs of 256 KiB, in which packets lie one behind the other.
//!
//! A packet is handed out as a [`Bytes`] that shares its slab; one allocation a slab, not one a packet. A slab comes back
//! when the last packet in it has been dropped. The pool remembers [`Pool::KEPT`] slabs to take back; what is beyond that
//! frees itself. So the pool never refuses a buffer: it tells when it runs [low](Pool::is_low), and whoever holds packets
//! then copies what it wants to keep.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;

use bytes::{BufMut, Bytes, BytesMut};

use crate::Outgoing;

/// Slabs for the packets that one thread at a time reads.
#[derive(Debug)]
pub struct Pool {
    /// What is read into; empty, with capacity for what is left of the slab.
    current: BytesMut,
    /// Used up, the longest used one first; each with packets still held somewhere when last looked at.
    used: VecDeque<BytesMut>,
    /// Taken back whole.
    free: Vec<BytesMut>,
    /// Octets that the longest packet takes.
    frame: usize,
    /// Slabs allocated so far.
    allocated: u64,
}

impl Pool {
    /// Octets of a slab.
    pub const SLAB: usize = 256 * 1024;
    /// Slabs remembered to be taken back: 16 MiB.
    pub const KEPT: usize = 64;
    /// The pool is low while at least so many of the slabs remembered are in use.
    pub const LOW_WATER: usize = 48;
    /// Used slabs looked at when one is wanted, so that many held ones don't cost a walk over all.
    const LOOKS: usize = 8;

    /// A pool for packets of up to `frame` octets, from 1 to 64 KiB (more is cut down to a slab). The first slab is
    /// allocated with the first packet.
    pub fn new(frame: usize) -> Self {
        let frame = frame.clamp(1, Self::SLAB);
        Self { current: BytesMut::new(), used: VecDeque::new(), free: Vec::new(), frame, allocated: 0 }
    }

    /// Reads one packet from `source`, to be edited and then frozen; `None` if it ended or gave an empty one. A packet
    /// longer than the pool's frame is cut, as the operating system does it.
    ///
    /// # Errors
    /// What `read` says, `WouldBlock` too.
    #[expect(unsafe_code, reason = "reading into a buffer that nobody has cleared")]
    pub fn read(&mut self, source: impl AsFd) -> io::Result<Option<BytesMut>> {
        self.make_room();
        let room = self.current.spare_capacity_mut();
        let frame = room.len().min(self.frame);
        let Some(room) = room.get_mut(..frame) else {
            return Ok(None); // cannot be: `frame` is at most its length
        };
        let (packet, _) = rustix::io::read(source, room)?;
        let length = packet.len();
        if length == 0 {
            return Ok(None);
        }
        // SAFETY: `read` has initialised the first `length` octets of the spare capacity.
        unsafe { self.current.advance_mut(length) };
        Ok(Some(self.current.split()))
    }

    /// Copies a packet in. One longer than the pool's frame gets an allocation of its own.
    pub fn copy(&mut self, packet: &Outgoing) -> Bytes {
        if packet.len() > self.frame {
            return packet.to_bytes();
        }
        self.make_room();
        self.current.extend_from_slice(packet.head());
        packet.payload.iter().for_each(|slice| self.current.extend_from_slice(slice));
        self.current.split().freeze()
    }

    /// As [`Self::copy`], of a packet in one piece.
    pub fn copy_slice(&mut self, packet: &[u8]) -> Bytes {
        if packet.len() > self.frame {
            return Bytes::copy_from_slice(packet);
        }
        self.make_room();
        self.current.extend_from_slice(packet);
        self.current.split().freeze()
    }

    /// True while few slabs are left of those that the pool takes back: packets that wait for long should be copied out.
    pub fn is_low(&self) -> bool {
        self.used.len() >= Self::LOW_WATER
    }

    /// Slabs allocated so far; stays as it is while those that there are come back in time.
    pub const fn allocated(&self) -> u64 {
        self.allocated
    }

    /// Leaves a slab in `current` with room for a whole frame.
    fn make_room(&mut self) {
        if self.current.capacity() >= self.frame {
            return;
        }
        if self.allocated > 0 {
            self.used.push_back(std::mem::take(&mut self.current));
        }
        self.take_back();
        if self.used.len() + self.free.len() > Self::KEPT {
            self.used.pop_front(); // forgotten: frees itself with its last packet
        }
        self.current = self.free.pop().unwrap_or_else(|| {
            self.allocated += 1;
            BytesMut::with_capacity(Self::SLAB)
        });
    }

    /// Looks whether some of the used slabs are free again.
    fn take_back(&mut self) {
        for _ in 0..self.used.len().min(Self::LOOKS) {
            let Some(mut slab) = self.used.pop_front() else {
                return;
            };
            if slab.try_reclaim(Self::SLAB) {
                self.free.push(slab);
            } else {
                self.used.push_back(slab);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::pipe::pipe;

    use super::*;
    use crate::Slices;

    fn packet(octet: u8, length: usize) -> Outgoing {
        Outgoing::build(Slices::from_iter([Bytes::from(vec![octet; length - 20])]), |head| {
            head.fill(octet);
            20
        })
    }

    #[test]
    fn packets_lie_one_behind_the_other_in_a_slab() {
        let mut pool = Pool::new(1500);
        let first = pool.copy(&packet(1, 60));
        let second = pool.copy(&packet(2, 1500));
        assert_eq!(first.as_ptr() as usize + 60, second.as_ptr() as usize);
        assert_eq!((&first[..], &second[..]), (&[1; 60][..], &[2; 1500][..]));
    }

    #[test]
    fn a_slab_comes_back_when_its_last_packet_is_dropped() {
        let mut pool = Pool::new(1500);
        for _ in 0..10_000 {
            drop(pool.copy(&packet(7, 1500)));
        }
        assert!(pool.allocated() <= 2, "{} slabs for packets dropped at once", pool.allocated());
    }

    #[test]
    fn a_reader_that_never_reads_makes_the_pool_low_and_never_overwrites_what_it_holds() {
        let mut pool = Pool::new(65_535);
        let held: Vec<Bytes> = (0..=255).map(|octet| pool.copy(&packet(octet, 60_000))).collect();
        assert!(pool.is_low());
        for (octet, bytes) in (0_u8..=255).zip(&held) {
            assert!(bytes.iter().all(|have| *have == octet), "{octet}");
        }
        let before = pool.allocated();
        drop(held);
        for _ in 0..1000 {
            drop(pool.copy(&packet(7, 60_000)));
        }
        assert!(!pool.is_low());
        assert_eq!(pool.allocated(), before);
    }

    #[test]
    fn reads_what_a_descriptor_gives_and_cuts_what_is_longer_than_a_frame() {
        let (reader, writer) = pipe().expect("a pipe");
        let mut pool = Pool::new(100);
        rustix::io::write(&writer, &[9; 250]).expect("room in the pipe");
        drop(writer);
        let lengths: Vec<usize> =
            std::iter::from_fn(|| pool.read(&reader).expect("readable")).map(|packet| packet.len()).collect();
        assert_eq!(lengths, [100, 100, 50]);
    }

    #[test]
    fn a_packet_longer_than_the_frame_gets_its_own_allocation() {
        let mut pool = Pool::new(100);
        assert_eq!(pool.copy(&packet(3, 5000)).len(), 5000);
        assert_eq!(pool.allocated(), 0);
    }
}
