//! Devices that do to a real one's packets what kernels under strain do.

use std::collections::VecDeque;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicUsize, Ordering};

use sockeye_device::{Capabilities, Device, Outgoing, Packet};
use sockeye_wire::Instant;

/// What goes wrong with what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Of so many packets one is refused, and lost.
    Refuses(usize),
    /// A packet at a time is taken, and every so often none, as if the queue were full.
    IsFull(usize),
    /// For so many calls on end nothing is taken, then a packet at a time for as many.
    TakesNothing(usize),
}

/// A device with a fault.
pub struct Faulty<D> {
    inner: D,
    fault: Fault,
    offered: AtomicUsize,
}

impl<D> Faulty<D> {
    pub const fn new(inner: D, fault: Fault) -> Self {
        Self { inner, fault, offered: AtomicUsize::new(0) }
    }

    /// True at every `nth` call.
    fn strikes(&self, nth: usize) -> bool {
        self.offered.fetch_add(1, Ordering::Relaxed) % nth == nth - 1
    }

    /// True for `count` calls on end of twice as many.
    fn refuses_for(&self, count: usize) -> bool {
        self.offered.fetch_add(1, Ordering::Relaxed) / count % 2 == 1
    }
}

impl<D: Device> Device for Faulty<D> {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn receive(&self, now: Instant, batch: &mut Vec<Packet>, max: usize) -> io::Result<usize> {
        self.inner.receive(now, batch, max)
    }

    fn transmit(&self, batch: &mut VecDeque<Outgoing>) -> io::Result<usize> {
        match self.fault {
            Fault::Refuses(nth) => {
                batch.retain(|_| !self.strikes(nth));
                self.inner.transmit(batch)
            }
            Fault::IsFull(nth) if self.strikes(nth) => Ok(0),
            Fault::TakesNothing(calls) if self.refuses_for(calls) => Ok(0),
            Fault::IsFull(_) | Fault::TakesNothing(_) => {
                let mut one: VecDeque<_> = batch.pop_front().into_iter().collect();
                let sent = self.inner.transmit(&mut one);
                one.into_iter().for_each(|left| batch.push_front(left));
                sent
            }
        }
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.inner.as_fd()
    }

    fn is_low_on_buffers(&self) -> bool {
        self.inner.is_low_on_buffers()
    }
}
