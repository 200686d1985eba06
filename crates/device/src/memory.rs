//! Two devices joined by a cable in memory.
//!
//! For tests, simulations in virtual time and stacks that talk within one process. The queues between the two are
//! bounded: when one is full, packets stay with who wants to send them and nothing is lost. Copies are made by the
//! receiving side, outside any lock.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rustix::event::{EventfdFlags, eventfd};
use sockeye_wire::Instant;

use crate::counters::Tally;
use crate::{Capabilities, Counter, Counters, Device, Outgoing, Packet, Pool};

/// Packets that wait each way unless [`pair_with_queue`] says otherwise: as many as the queue of a Linux interface holds.
pub const QUEUE: usize = 1000;

/// Two joined devices, with room for [`QUEUE`] packets each way, of up to `mtu` octets (at least 68).
///
/// ```
/// # use sockeye_device::{Device, Outgoing, Slices, memory};
/// # use sockeye_wire::Instant;
/// let (left, right) = memory::pair(1500);
/// let ping = Outgoing::build(Slices::new(), |head| {
///     head[..4].copy_from_slice(b"ping");
///     4
/// });
/// left.transmit(&mut [ping].into()).expect("memory doesn't break");
///
/// let mut arrived = Vec::new();
/// right.receive(Instant::from_millis(7), &mut arrived, 64).expect("memory doesn't break");
/// assert_eq!(&arrived[0].bytes[..], b"ping");
/// ```
pub fn pair(mtu: u16) -> (MemoryDevice, MemoryDevice) {
    pair_with_queue(mtu, QUEUE)
}

/// As [`pair`], with room for `queue` packets each way (at least 1).
pub fn pair_with_queue(mtu: u16, queue: usize) -> (MemoryDevice, MemoryDevice) {
    let plain = Capabilities { mtu: mtu.max(68), checksum: false, segmentation: 0 };
    joined(plain, queue)
}

/// As [`pair_with_queue`], of devices that offload: super-segments of up to 64 KiB pass whole, and checksums are left
/// undone, as between two virtual machines on one host.
pub fn pair_offloading(mtu: u16, queue: usize) -> (MemoryDevice, MemoryDevice) {
    let offloading = Capabilities { mtu: mtu.max(68), checksum: true, segmentation: Capabilities::LARGEST };
    joined(offloading, queue)
}

fn joined(capabilities: Capabilities, queue: usize) -> (MemoryDevice, MemoryDevice) {
    let [there, back] = [(); 2].map(|()| Arc::new(Lane::new(queue.max(1))));
    let end = |inbound, outbound| MemoryDevice::new(capabilities, inbound, outbound);
    (end(Arc::clone(&back), Arc::clone(&there)), end(there, back))
}

/// One end of a cable in memory; made by [`pair`]. When the other end is dropped, what is sent is lost and counted, as
/// on a cable pulled out.
#[derive(Debug)]
pub struct MemoryDevice {
    capabilities: Capabilities,
    inbound: Arc<Lane>,
    outbound: Arc<Lane>,
    pool: Mutex<Pool>,
    tally: Tally,
}

/// One direction.
#[derive(Debug)]
struct Lane {
    room: usize,
    waiting: Mutex<Waiting>,
    /// Wakes the receiving end.
    bell: Bell,
}

#[derive(Debug, Default)]
struct Waiting {
    packets: VecDeque<Outgoing>,
    /// The sender found no room and waits to hear that there is.
    sender_waits: bool,
    /// The receiving end is gone.
    unplugged: bool,
}

/// A descriptor that is readable from [`ring`](Self::ring) to [`silence`](Self::silence). It exists only once somebody
/// has asked for it: a simulation in virtual time makes no system call.
#[derive(Debug, Default)]
struct Bell(OnceLock<Option<OwnedFd>>);

impl Bell {
    /// Born ringing: what was there before it can't have rung it.
    fn fd(&self) -> Option<&OwnedFd> {
        self.0.get_or_init(|| eventfd(1, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).ok()).as_ref()
    }

    fn ring(&self) {
        if let Some(Some(fd)) = self.0.get() {
            // Fails only if it has been rung 2^64 times unheard.
            let _ = rustix::io::write(fd, &1_u64.to_ne_bytes());
        }
    }

    fn silence(&self) {
        if let Some(Some(fd)) = self.0.get() {
            // Fails only if it isn't ringing.
            let _ = rustix::io::read(fd, &mut [0; 8]);
        }
    }
}

impl Lane {
    fn new(room: usize) -> Self {
        Self { room, waiting: Mutex::default(), bell: Bell::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes up to `max` packets out, and says whether the sender waits for the room that this makes.
    fn take(&self, max: usize) -> (Vec<Outgoing>, bool) {
        let mut waiting = self.lock();
        let count = max.min(waiting.packets.len());
        let taken = waiting.packets.drain(..count).collect();
        if waiting.packets.is_empty() {
            // Under the lock: whoever puts a packet in afterwards rings again.
            self.bell.silence();
        }
        let roomy = waiting.packets.len() <= self.room / 2;
        let wake_sender = roomy && std::mem::take(&mut waiting.sender_waits);
        (taken, wake_sender)
    }
}

impl MemoryDevice {
    fn new(capabilities: Capabilities, inbound: Arc<Lane>, outbound: Arc<Lane>) -> Self {
        let longest = usize::from(capabilities.mtu).max(capabilities.segmentation as usize);
        Self { capabilities, inbound, outbound, pool: Mutex::new(Pool::new(longest)), tally: Tally::default() }
    }
}

impl Device for MemoryDevice {
    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn receive(&self, now: Instant, batch: &mut Vec<Packet>, max: usize) -> io::Result<usize> {
        let (taken, wake_sender) = self.inbound.take(max);
        if wake_sender {
            self.outbound.bell.ring();
        }
        let count = taken.len();
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        batch.extend(taken.iter().map(|packet| Packet {
            bytes: pool.copy(packet),
            arrived_at: now,
            checksum_verified: self.capabilities.checksum,
            segment_size: packet.segment_size,
            link_header: packet.link_header,
        }));
        self.tally.add(Counter::Received, count);
        Ok(count)
    }

    fn transmit(&self, batch: &mut VecDeque<Outgoing>) -> io::Result<usize> {
        let mut sent = 0;
        let mut waiting = self.outbound.lock();
        let was_empty = waiting.packets.is_empty();
        while let Some(packet) = batch.front() {
            if !self.capabilities.carries(packet) {
                batch.pop_front();
                self.tally.add(Counter::TooLong, 1);
            } else if waiting.unplugged {
                batch.pop_front();
                self.tally.add(Counter::LinkDown, 1);
            } else if waiting.packets.len() >= self.outbound.room {
                waiting.sender_waits = true;
                self.tally.add(Counter::QueueFull, 1);
                break;
            } else {
                waiting.packets.extend(batch.pop_front());
                sent += 1;
            }
        }
        drop(waiting);
        if was_empty && sent > 0 {
            self.outbound.bell.ring();
        }
        self.tally.add(Counter::Sent, sent);
        Ok(sent)
    }

    /// Readable while packets wait; now and then also when none do, and when there is room again after
    /// [`transmit`](Self::transmit) has left packets with its caller. A `receive` that finds nothing makes it silent.
    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.inbound.bell.fd().map(AsFd::as_fd)
    }

    fn counters(&self) -> Counters {
        self.tally.snapshot()
    }

    fn is_low_on_buffers(&self) -> bool {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).is_low()
    }
}

impl Drop for MemoryDevice {
    fn drop(&mut self) {
        let mut waiting = self.inbound.lock();
        waiting.unplugged = true;
        waiting.packets.clear();
    }
}

#[cfg(test)]
mod tests;
