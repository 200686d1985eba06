//! Two devices joined by a cable in memory.
//!
//! For tests, simulations in virtual time and stacks that talk within one process. The queues between the two are
//! bounded: when one is full, packets stay with who wants to send them and nothing is lost. Who receives by
//! [`Device::receive_shared`] gets long text as its sender holds it, not copied. Copies are made by the receiving side,
//! outside the lock of either direction.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::{io, mem};

use bytes::Bytes;
use rustix::event::{EventfdFlags, eventfd};
use sockeye_wire::Instant;

use crate::counters::Tally;
use crate::{Capabilities, Counter, Counters, Device, Outgoing, Packet, Pool};

/// Packets that wait each way unless [`pair_with_queue`] says otherwise: as many as the queue of a Linux interface holds.
pub const QUEUE: usize = 1000;
/// Payload from so many octets on is shared. Less, a segment of the common MTU too, is copied sooner than counted.
const SHARED: usize = 4096;

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
    intake: Mutex<Intake>,
    tally: Tally,
}

/// What the receiving side works with.
#[derive(Debug)]
struct Intake {
    pool: Pool,
    /// Storage of a batch as it was sent.
    taken: VecDeque<Outgoing>,
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

    /// Moves up to `max` packets to `taken`, and says whether the sender waits for the room that this makes.
    fn take(&self, max: usize, taken: &mut VecDeque<Outgoing>) -> bool {
        let mut waiting = self.lock();
        if waiting.packets.len() <= max {
            mem::swap(taken, &mut waiting.packets);
        } else {
            taken.extend(waiting.packets.drain(..max));
        }
        if waiting.packets.is_empty() {
            // Under the lock: whoever puts a packet in afterwards rings again.
            self.bell.silence();
        }
        let roomy = waiting.packets.len() <= self.room / 2;
        roomy && mem::take(&mut waiting.sender_waits)
    }
}

impl MemoryDevice {
    fn new(capabilities: Capabilities, inbound: Arc<Lane>, outbound: Arc<Lane>) -> Self {
        let longest = usize::from(capabilities.mtu).max(capabilities.segmentation as usize);
        let intake = Intake { pool: Pool::new(longest), taken: VecDeque::new() };
        Self { capabilities, inbound, outbound, intake: Mutex::new(intake), tally: Tally::default() }
    }

    fn intake(&self) -> MutexGuard<'_, Intake> {
        self.intake.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in up to `max` packets, each as `receive` makes it.
    fn take_in(
        &self,
        now: Instant,
        batch: &mut Vec<Packet>,
        max: usize,
        receive: impl Fn(&mut Pool, Outgoing) -> (Bytes, Vec<Bytes>),
    ) -> usize {
        let Intake { pool, taken } = &mut *self.intake();
        if self.inbound.take(max, taken) {
            self.outbound.bell.ring();
        }
        let count = taken.len();
        batch.extend(taken.drain(..).map(|packet| {
            let (segment_size, link_header) = (packet.segment_size, packet.link_header);
            let (bytes, text) = receive(pool, packet);
            let checksum_verified = self.capabilities.checksum;
            Packet { bytes, text, arrived_at: now, checksum_verified, segment_size, link_header }
        }));
        self.tally.add(Counter::Received, count);
        count
    }
}

impl Device for MemoryDevice {
    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn receive(&self, now: Instant, batch: &mut Vec<Packet>, max: usize) -> io::Result<usize> {
        Ok(self.take_in(now, batch, max, |pool, packet| (pool.copy(&packet), Vec::new())))
    }

    fn receive_shared(&self, now: Instant, batch: &mut Vec<Packet>, max: usize) -> io::Result<usize> {
        Ok(self.take_in(now, batch, max, |pool, packet| {
            if packet.len() - packet.head().len() < SHARED {
                (pool.copy(&packet), Vec::new())
            } else {
                (pool.copy_slice(packet.head()), packet.payload.into_vec())
            }
        }))
    }

    fn transmit(&self, batch: &mut VecDeque<Outgoing>) -> io::Result<usize> {
        let before = batch.len();
        batch.retain(|packet| self.capabilities.carries(packet));
        self.tally.add(Counter::TooLong, before - batch.len());
        let mut waiting = self.outbound.lock();
        if waiting.unplugged {
            self.tally.add(Counter::LinkDown, batch.len());
            batch.clear();
            return Ok(0);
        }
        let was_empty = waiting.packets.is_empty();
        let sent = batch.len().min(self.outbound.room.saturating_sub(waiting.packets.len()));
        let left = batch.split_off(sent);
        if was_empty {
            mem::swap(batch, &mut waiting.packets);
        } else {
            waiting.packets.append(batch);
        }
        if !left.is_empty() {
            waiting.sender_waits = true;
            self.tally.add(Counter::QueueFull, 1);
            *batch = left;
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
        self.intake().pool.is_low()
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
