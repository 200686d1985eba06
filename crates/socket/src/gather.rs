//! What arrives, on its way from the device to the stack: segments that follow each other become one, checksums are
//! verified. Outside a shard's lock, because both cost by the octet.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{io, mem};

use bytes::Bytes;
use sockeye_device::segment::Merge;
use sockeye_device::{Capabilities, Device, Packet};
use sockeye_wire::Instant;

use crate::checksum;

/// Packets to read before the stack hears of them: ACKs answer a whole batch, so a large one saves writes; but a shard's
/// lock is held while the stack takes it in.
pub(crate) const MOST_PACKETS: usize = 128;

/// Makes batches ready for the stack. The lock is free always: one thread reads the device at a time.
#[derive(Debug)]
pub(crate) struct Gather {
    /// `None` if the device's other side merges.
    merging: Option<Mutex<Merging>>,
    /// Octets copied out of buffers of which the device runs low.
    kept: AtomicU64,
}

#[derive(Debug, Default)]
struct Merging {
    merge: Merge,
    /// Storage of a batch as it arrived.
    raw: Vec<Packet>,
}

impl Gather {
    pub(crate) fn new(device: Capabilities) -> Self {
        Self { merging: (device.segmentation == 0).then(Mutex::default), kept: AtomicU64::new(0) }
    }

    /// Reads a batch of at most [`MOST_PACKETS`]; merges what the device doesn't, and sums what it doesn't vouch for. Says how
    /// many packets were read.
    ///
    /// # Errors
    /// Those of [`Device::receive_shared`].
    pub(crate) fn receive(&self, device: &dyn Device, now: Instant, packets: &mut Vec<Packet>) -> io::Result<usize> {
        let received = device.receive_shared(now, packets, MOST_PACKETS);
        self.gather(packets);
        if device.is_low_on_buffers() {
            // What nobody reads must not keep the device from receiving: its buffers go back, a copy stays.
            packets.iter_mut().for_each(|packet| packet.bytes = self.keep(&packet.bytes));
        }
        received
    }

    fn keep(&self, packet: &[u8]) -> Bytes {
        self.kept.fetch_add(packet.len() as u64, Ordering::Relaxed);
        Bytes::copy_from_slice(packet)
    }

    /// Octets that were copied so far.
    pub(crate) fn copied(&self) -> u64 {
        let merged = self.merging.as_ref().map_or(0, |merging| lock(merging).merge.copied());
        merged + self.kept.load(Ordering::Relaxed)
    }

    /// Merges and verifies a batch in place.
    fn gather(&self, packets: &mut Vec<Packet>) {
        if let Some(merging) = &self.merging
            && packets.len() > 1
        {
            let mut merging = lock(merging);
            let Merging { merge, raw } = &mut *merging;
            mem::swap(packets, raw);
            for packet in raw.drain(..) {
                merge.push(packet, packets);
            }
            merge.flush(packets);
        }
        packets.iter_mut().for_each(checksum::verify);
    }
}

fn lock(merging: &Mutex<Merging>) -> MutexGuard<'_, Merging> {
    merging.lock().unwrap_or_else(PoisonError::into_inner)
}
