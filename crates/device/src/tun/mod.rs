//! A TUN device: IP packets to and from the kernel of this machine.

mod create;
mod open;
mod queue;
// The processors that `io-uring` is there for, by Cargo.toml.
#[cfg_attr(
    not(any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "riscv64",
        target_arch = "loongarch64",
        target_arch = "powerpc64"
    )),
    path = "no_ring.rs"
)]
mod ring;
pub mod vnet_hdr;

use std::collections::VecDeque;
use std::io;
use std::iter;
use std::os::fd::{BorrowedFd, OwnedFd};

use sockeye_wire::Instant;

use crate::ethernet::Carrier;
use crate::{Capabilities, Counter, Counters, Device, Error, Outgoing, Packet};
pub use create::TunConfig;
pub(crate) use create::{MIN_MTU_V6, create};
pub(crate) use open::{Layer, Opened};
pub(crate) use queue::Queue;

/// A queue of a TUN device: one packet or super-segment a system call, or without offload, where the kernel has `io_uring`, a
/// batch of packets. The device is gone when the last of its queues is dropped.
#[derive(Debug)]
pub struct Tun {
    name: String,
    queue: Queue,
}

impl Tun {
    /// Makes the device, gives it its addresses and sets it up, in the namespace of the calling thread.
    ///
    /// # Errors
    /// [`Error::NoTunDevice`] and those that follow it, down to [`Error::MtuOutOfRange`]; [`Error::Io`].
    pub fn create(config: &TunConfig) -> Result<Self, Error> {
        let Opened { first, name, offloads, .. } = create(config, Layer::Ip, 1)?;
        Ok(Self { name, queue: Queue::new(first, offloads, config.mtu, 0) })
    }

    /// Makes a device with `count` queues (at least 1), to be read and written by a thread each. The kernel puts what is
    /// for us into the queue that the same connection was last written to, and spreads by hash what it has not met yet.
    /// A kernel that knows no queues gives one, with a line in the log.
    ///
    /// # Errors
    /// Those of [`Self::create`].
    pub fn create_queues(config: &TunConfig, count: usize) -> Result<Vec<Self>, Error> {
        let Opened { first, more, name, offloads } = create(config, Layer::Ip, count)?;
        let queue = |fd| Self { name: name.clone(), queue: Queue::new(fd, offloads, config.mtu, 0) };
        Ok(iter::once(first).chain(more).map(queue).collect())
    }

    /// A queue that somebody else has opened, who may make devices where this process may not, and has handed on: with
    /// `IFF_NO_PI`, non-blocking, and where `offloads` with `IFF_VNET_HDR`, its header of [`vnet_hdr::LEN`] octets.
    pub fn from_queue(queue: OwnedFd, name: String, offloads: bool, mtu: u16) -> Self {
        Self { name, queue: Queue::new(queue, offloads, mtu, 0) }
    }

    /// The name that the kernel gave the device.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Device for Tun {
    fn capabilities(&self) -> Capabilities {
        self.queue.capabilities()
    }

    fn receive(&self, now: Instant, batch: &mut Vec<Packet>, max: usize) -> io::Result<usize> {
        let before = batch.len();
        let received = self.queue.receive(now, max, &mut |packet| batch.push(packet));
        let count = batch.len() - before;
        self.queue.tally().add(Counter::Received, count);
        received.map(|()| count)
    }

    fn transmit(&self, batch: &mut VecDeque<Outgoing>) -> io::Result<usize> {
        self.queue.transmit(batch)
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.queue.as_fd())
    }

    fn counters(&self) -> Counters {
        self.queue.tally().snapshot()
    }

    fn is_low_on_buffers(&self) -> bool {
        self.queue.is_low_on_buffers()
    }
}
