//! A TUN device: IP packets to and from the kernel of this machine.

mod create;
mod plain;

use std::collections::VecDeque;
use std::io;
use std::os::fd::BorrowedFd;

use sockeye_wire::Instant;

use crate::{Capabilities, Counter, Counters, Device, Outgoing, Packet};
pub use create::TunConfig;
pub(crate) use create::{MIN_MTU_V6, create};
pub(crate) use plain::{PlainQueue, Sent};

/// A TUN device, one packet a system call. It is gone when this is dropped.
#[derive(Debug)]
pub struct Tun {
    name: String,
    mtu: u16,
    queue: PlainQueue,
}

impl Tun {
    /// Makes the device, gives it its addresses and sets it up, in the namespace of the calling thread.
    ///
    /// # Errors
    /// [`Error::NoTunDevice`](crate::Error::NoTunDevice) and those that follow it, down to
    /// [`Error::MtuOutOfRange`](crate::Error::MtuOutOfRange); [`Error::Io`](crate::Error::Io).
    pub fn create(config: &TunConfig) -> Result<Self, crate::Error> {
        let (fd, name) = create(config, tun_tap::Mode::Tun)?;
        let TunConfig { mtu, .. } = *config;
        Ok(Self { name, mtu, queue: PlainQueue::new(fd, usize::from(mtu)) })
    }

    /// The name that the kernel gave it.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Device for Tun {
    fn capabilities(&self) -> Capabilities {
        Capabilities { mtu: self.mtu, checksum: false, segmentation: 0 }
    }

    fn receive(&self, now: Instant, batch: &mut Vec<Packet>, max: usize) -> io::Result<usize> {
        let count = self.queue.receive(max, |packet| batch.push(Packet::new(packet, now)))?;
        self.queue.tally.add(Counter::Received, count);
        Ok(count)
    }

    fn transmit(&self, batch: &mut VecDeque<Outgoing>) -> io::Result<usize> {
        let mut sent = 0;
        while let Some(packet) = batch.front() {
            if packet.len() > usize::from(self.mtu) {
                self.queue.tally.add(Counter::TooLong, 1);
            } else {
                match self.queue.send(&[], packet)? {
                    Sent::Gone => sent += 1,
                    Sent::Lost => {}
                    Sent::Full => break,
                }
            }
            batch.pop_front();
        }
        Ok(sent)
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.queue.as_fd())
    }

    fn counters(&self) -> Counters {
        self.queue.tally.snapshot()
    }

    fn is_low_on_buffers(&self) -> bool {
        self.queue.is_low_on_buffers()
    }
}
