//! What arrives, on its way from the device to the stack: segments that follow each other become one, checksums are
//! verified. Outside a shard's lock, because both cost by the octet.

use std::mem;
use std::sync::{Mutex, PoisonError};

use sockeye_device::segment::Merge;
use sockeye_device::{Capabilities, Packet};

use crate::checksum;

/// Makes batches ready for the stack. The lock is free always: one thread reads the device at a time.
#[derive(Debug)]
pub(crate) struct Gather {
    /// `None` if the device's other side merges.
    merging: Option<Mutex<Merging>>,
}

#[derive(Debug, Default)]
struct Merging {
    merge: Merge,
    /// Storage of a batch as it arrived.
    raw: Vec<Packet>,
}

impl Gather {
    pub(crate) fn new(device: Capabilities) -> Self {
        Self { merging: (device.segmentation == 0).then(Mutex::default) }
    }

    /// Merges and verifies a batch in place.
    pub(crate) fn gather(&self, packets: &mut Vec<Packet>) {
        if let Some(merging) = &self.merging
            && packets.len() > 1
        {
            let mut merging = merging.lock().unwrap_or_else(PoisonError::into_inner);
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
