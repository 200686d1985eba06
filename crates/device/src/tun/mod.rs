//! A TUN device: IP packets to and from the kernel of this machine.

mod create;

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::io::Errno;
use sockeye_wire::Instant;
use tun_tap::Iface;

use crate::pool::Pool;
use crate::{Capabilities, Device, Outgoing, Packet};
pub use create::TunConfig;

/// A TUN device, one packet a system call. It is gone when this is dropped.
#[derive(Debug)]
pub struct Tun {
    iface: Iface,
    fd: std::os::fd::OwnedFd,
    mtu: u16,
    pool: Mutex<Pool>,
    refused: AtomicU64,
}

impl Tun {
    /// The name that the kernel gave it.
    pub fn name(&self) -> &str {
        self.iface.name()
    }

    /// Packets that the kernel refused for good: the link was down, or no memory was left.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    fn send(&self, packet: &Outgoing) -> Result<usize, Errno> {
        let mut pieces = smallvec::SmallVec::<[io::IoSlice<'_>; 8]>::new();
        pieces.push(io::IoSlice::new(packet.head()));
        pieces.extend(packet.payload.iter().map(|slice| io::IoSlice::new(slice)));
        // The kernel takes at most 1024 pieces; so many tiny ones are joined first.
        if pieces.len() > 1024 {
            return rustix::io::write(&self.fd, &packet.to_bytes());
        }
        rustix::io::writev(&self.fd, &pieces)
    }
}

impl Device for Tun {
    fn capabilities(&self) -> Capabilities {
        Capabilities { mtu: self.mtu, checksum: false, segmentation: 0 }
    }

    fn receive(&self, now: Instant, batch: &mut Vec<Packet>, max: usize) -> io::Result<usize> {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        for count in 0..max {
            match pool.read(&self.fd) {
                Ok(Some(packet)) => batch.push(Packet::new(packet, now)),
                Ok(None) => return Ok(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(max)
    }

    fn transmit(&self, batch: &mut VecDeque<Outgoing>) -> io::Result<usize> {
        let mut sent = 0;
        while let Some(packet) = batch.front() {
            match self.send(packet) {
                Ok(_) => sent += 1,
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => continue,
                Err(error @ (Errno::BADFD | Errno::NODEV | Errno::BADF)) => return Err(error.into()),
                // The link is down, memory is short, or the packet is none that the kernel takes: lost, as on any wire.
                Err(error) => {
                    log::debug!("{}: a packet of {} octets was refused: {error}", self.name(), packet.len());
                    self.refused.fetch_add(1, Ordering::Relaxed);
                }
            }
            batch.pop_front();
        }
        Ok(sent)
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.fd.as_fd())
    }
}
