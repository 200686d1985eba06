//! The descriptor of a TUN or TAP device without offload: a packet a system call.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use rustix::io::Errno;
use smallvec::SmallVec;

use crate::counters::Tally;
use crate::{Counter, Outgoing, Pool};

/// Pieces that the kernel takes in one write (`UIO_MAXIOV`).
const MOST_PIECES: usize = 1024;

/// A descriptor that gives and takes one packet at a time and never blocks.
#[derive(Debug)]
pub(crate) struct PlainQueue {
    fd: OwnedFd,
    pool: Mutex<Pool>,
    /// What its device counts.
    pub(crate) tally: Tally,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// The kernel has it.
    Gone,
    /// The kernel refused it for good; counted.
    Lost,
    /// The kernel has no room now: it is to be sent again; counted.
    Full,
}

impl PlainQueue {
    /// `fd` doesn't block and gives packets of up to `frame` octets.
    pub(crate) fn new(fd: OwnedFd, frame: usize) -> Self {
        Self { fd, pool: Mutex::new(Pool::new(frame)), tally: Tally::default() }
    }

    /// Hands up to `max` packets that wait to `take` and says how many.
    pub(crate) fn receive(&self, max: usize, mut take: impl FnMut(Bytes)) -> io::Result<usize> {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        for count in 0..max {
            match pool.read(&self.fd) {
                Ok(Some(packet)) => take(packet),
                Ok(None) => return Ok(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(count),
                // The packets read so far are the caller's, who hears of the error when it asks for more.
                Err(_) if count > 0 => return Ok(count),
                Err(error) => return Err(error),
            }
        }
        Ok(max)
    }

    /// Sends a packet, behind what the link wants before it.
    ///
    /// # Errors
    /// When the device itself is gone.
    pub(crate) fn send(&self, link_header: &[u8], packet: &Outgoing) -> io::Result<Sent> {
        let why = match rustix::io::retry_on_intr(|| self.write(link_header, packet)) {
            Ok(_) => {
                self.tally.add(Counter::Sent, 1);
                return Ok(Sent::Gone);
            }
            Err(Errno::AGAIN) => {
                self.tally.add(Counter::QueueFull, 1);
                return Ok(Sent::Full);
            }
            Err(error @ (Errno::BADFD | Errno::BADF | Errno::NODEV)) => return Err(error.into()),
            Err(Errno::IO) => Counter::LinkDown,
            Err(Errno::NOBUFS | Errno::NOMEM) => Counter::NoMemory,
            Err(error) => {
                log::debug!("the kernel refused a packet of {} octets: {error}", packet.len());
                Counter::Refused
            }
        };
        self.tally.add(why, 1);
        Ok(Sent::Lost)
    }

    /// Sends a frame of the device's own, which is lost if it can't go now.
    pub(crate) fn send_frame(&self, frame: &[u8]) {
        if let Err(error) = rustix::io::retry_on_intr(|| rustix::io::write(&self.fd, frame)) {
            log::debug!("a frame of {} octets is lost: {error}", frame.len());
        }
    }

    fn write(&self, link_header: &[u8], packet: &Outgoing) -> rustix::io::Result<usize> {
        if packet.payload.len() + 2 > MOST_PIECES {
            return rustix::io::writev(&self.fd, &[IoSlice::new(link_header), IoSlice::new(&packet.to_bytes())]);
        }
        let mut pieces = SmallVec::<[IoSlice<'_>; 8]>::new();
        pieces.extend([IoSlice::new(link_header), IoSlice::new(packet.head())]);
        pieces.extend(packet.payload.iter().map(|slice| IoSlice::new(slice)));
        rustix::io::writev(&self.fd, &pieces)
    }

    /// What to wait on.
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub(crate) fn is_low_on_buffers(&self) -> bool {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).is_low()
    }
}
