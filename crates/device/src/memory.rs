//! Two devices joined in memory: what one sends the other receives.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use rustix::event::{EventfdFlags, eventfd};
use sockeye_wire::Instant;

use crate::{Capabilities, Device, Outgoing, Packet};

/// Packets that wait in one direction at most; more stay with the sender, as with any full queue.
const QUEUE: usize = 1024;

/// One end of the pair that [`pair`] makes. Works between threads, and in virtual time as well.
#[derive(Debug)]
pub struct MemoryDevice {
    mtu: u16,
    incoming: Arc<Direction>,
    outgoing: Arc<Direction>,
}

/// What goes one way. The descriptor is readable while packets wait.
#[derive(Debug)]
struct Direction {
    packets: Mutex<VecDeque<Bytes>>,
    ready: OwnedFd,
}

impl Direction {
    fn new() -> io::Result<Arc<Self>> {
        let flags = EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC;
        Ok(Arc::new(Self { packets: Mutex::default(), ready: eventfd(0, flags)? }))
    }
}

/// Makes two devices of the same MTU, joined.
///
/// # Errors
/// When the process has no descriptors left.
///
/// ```
/// use std::collections::VecDeque;
/// use sockeye_device::{Device, Outgoing, memory};
/// use sockeye_wire::Instant;
///
/// let (here, there) = memory::pair(1500)?;
/// let packet = Outgoing::build([][..].into(), |head| {
///     head[..3].copy_from_slice(b"abc");
///     3
/// });
/// here.transmit(&mut VecDeque::from([packet]))?;
/// let mut batch = Vec::new();
/// there.receive(Instant::ZERO, &mut batch, 10)?;
/// assert_eq!(&batch[0].bytes[..], b"abc");
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn pair(mtu: u16) -> io::Result<(MemoryDevice, MemoryDevice)> {
    let (forth, back) = (Direction::new()?, Direction::new()?);
    let a = MemoryDevice { mtu, incoming: back.clone(), outgoing: forth.clone() };
    let b = MemoryDevice { mtu, incoming: forth, outgoing: back };
    Ok((a, b))
}

impl Device for MemoryDevice {
    fn capabilities(&self) -> Capabilities {
        Capabilities { mtu: self.mtu, checksum: false, segmentation: 0 }
    }

    fn receive(&self, now: Instant, batch: &mut Vec<Packet>, max: usize) -> io::Result<usize> {
        let mut packets = self.incoming.packets.lock().unwrap_or_else(PoisonError::into_inner);
        let count = packets.len().min(max);
        batch.extend(packets.drain(..count).map(|bytes| Packet::new(bytes, now)));
        if packets.is_empty() {
            // Cleared under the lock, so that no packet arrives between the two.
            drain(&self.incoming.ready);
        }
        Ok(count)
    }

    fn transmit(&self, batch: &mut VecDeque<Outgoing>) -> io::Result<usize> {
        let mut packets = self.outgoing.packets.lock().unwrap_or_else(PoisonError::into_inner);
        let was_empty = packets.is_empty();
        let count = batch.len().min(QUEUE.saturating_sub(packets.len()));
        packets.extend(batch.drain(..count).map(|packet| packet.to_bytes()));
        if was_empty && count > 0 {
            signal(&self.outgoing.ready);
        }
        Ok(count)
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.incoming.ready.as_fd())
    }
}

fn signal(event: &OwnedFd) {
    // Fails only when the counter is full, and then it is readable.
    let _ = rustix::io::write(event, &1_u64.to_ne_bytes());
}

fn drain(event: &OwnedFd) {
    // Fails only when there is nothing to take.
    let _ = rustix::io::read(event, &mut [0_u8; 8]);
}
