//! An IP host's side of an Ethernet: frames to and from whatever carries them, IP packets to and from the stack.
//!
//! What Ethernet needs besides, ARP and neighbour discovery, is done in here, small: answers for the stack's own
//! addresses, a cache of neighbours, packets that wait for them. What carries the frames is a [`Carrier`].

mod alarm;
mod frames;
mod neighbors;
mod next_hop;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use sockeye_wire::Instant;
use sockeye_wire::ethernet::{self, MacAddr};

use crate::counters::Tally;
use crate::device::Sent;
use crate::{Capabilities, Cidr, Clock, Counter, Counters, Device, Error, Outgoing, Packet};
use alarm::Alarm;
use frames::{Arrived, Host};
use neighbors::{Answer, NeighborCache};
use next_hop::{NextHop, Routes, destination};

pub(crate) use ethernet::HEADER_LEN;

/// How soon to try again to get out what a carrier has not sent.
const FLUSH_AGAIN: Duration = Duration::from_millis(1);

/// What carries Ethernet frames, one at a time, and never blocks.
pub(crate) trait Carrier: fmt::Debug + Send + Sync {
    /// As [`Device::capabilities`].
    fn capabilities(&self) -> Capabilities;

    /// Hands up to `max` frames that have arrived to `take`, each as a packet stamped with `now`.
    fn receive(&self, now: Instant, max: usize, take: &mut dyn FnMut(Packet)) -> io::Result<()>;

    /// Sends a packet behind a header of [`HEADER_LEN`] octets; at the latest when it is [flushed](Self::flush).
    ///
    /// # Errors
    /// When the device itself is gone.
    fn send(&self, header: &[u8], packet: &Outgoing) -> io::Result<Sent>;

    /// Sends a frame of the host's own, which is lost if it can't go now.
    fn send_frame(&self, frame: &[u8]);

    /// All that was to be sent leaves, or as much of it as can now: true if something is left, to be flushed again soon.
    ///
    /// # Errors
    /// When the device itself is gone.
    fn flush(&self) -> io::Result<bool>;

    /// What to wait on for frames.
    fn as_fd(&self) -> BorrowedFd<'_>;

    /// What else wakes whoever waits, as the device may be gone.
    fn as_second_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// What is counted.
    fn tally(&self) -> &Tally;

    /// As [`Device::is_low_on_buffers`].
    fn is_low_on_buffers(&self) -> bool;
}

/// A host on an Ethernet.
#[derive(Debug)]
pub(crate) struct Ethernet<C> {
    carrier: C,
    host: Host,
    neighbors: Mutex<NeighborCache<Outgoing>>,
    /// Times of the neighbours; those of packets are the caller's.
    clock: Clock,
    alarm: Alarm,
}

impl<C: Carrier> Ethernet<C> {
    /// A host with this hardware address and these IP addresses, which sends what is for none of their networks to the
    /// first gateway of either family.
    pub(crate) fn new(carrier: C, address: MacAddr, own: &[Cidr], gateways: &[IpAddr]) -> Result<Self, Error> {
        if address.is_multicast() || address == MacAddr::ZERO {
            return Err(Error::HardwareAddress(address));
        }
        let alarm = Alarm::new([Some(carrier.as_fd()), carrier.as_second_fd()].into_iter().flatten());
        let alarm = alarm.map_err(Error::io("making a timer for the neighbours"))?;
        let host = Host::new(address, Routes::new(own.to_vec(), gateways.to_vec()));
        Ok(Self { carrier, host, neighbors: Mutex::new(NeighborCache::new()), clock: Clock::start(), alarm })
    }

    /// The stack's hardware address.
    pub(crate) const fn hardware_address(&self) -> MacAddr {
        self.host.address
    }

    fn lock(&self) -> MutexGuard<'_, NeighborCache<Outgoing>> {
        self.neighbors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts the questions that are due, and sees to it that the next ones are.
    fn tend(&self, now: Instant, neighbors: &mut NeighborCache<Outgoing>) {
        for question in neighbors.poll(now) {
            if let Some(frame) = self.host.question(question) {
                self.carrier.send_frame(&frame);
            }
        }
        self.carrier.tally().add(Counter::Unresolved, neighbors.take_lost());
        self.alarm.arm(now, neighbors.next_timeout());
    }

    /// What is in a frame for the stack, after all that is for us has been done.
    fn take(&self, now: Instant, frame: &Bytes) -> Option<Bytes> {
        match self.host.arrived(frame) {
            Arrived::Packet => return Some(frame.slice(HEADER_LEN..)),
            Arrived::Ours(answer, reply) => {
                if let Some(reply) = reply {
                    self.carrier.send_frame(&reply);
                }
                if let Some(answer) = answer {
                    self.learn(now, answer);
                }
            }
            Arrived::NotForUs => self.carrier.tally().add(Counter::NotForUs, 1),
            Arrived::Malformed(why) => {
                log::debug!("a malformed frame: {why}");
                self.carrier.tally().add(Counter::Malformed, 1);
            }
        }
        None
    }

    fn learn(&self, now: Instant, answer: Answer) {
        // What was held goes out under the lock, so that nothing sent later overtakes it.
        let mut neighbors = self.lock();
        for packet in neighbors.learn(now, answer) {
            match self.carrier.send(&self.host.header(answer.address, &packet), &packet) {
                Ok(Sent::Full) => self.carrier.tally().add(Counter::Unresolved, 1),
                // If it fails, whoever reads or writes next hears of it.
                Ok(Sent::Gone | Sent::Lost) | Err(_) => {}
            }
        }
    }

    /// All leaves that can; for the rest whoever waits is woken.
    fn flush(&self) -> io::Result<()> {
        if self.carrier.flush()? {
            let _neighbors = self.lock(); // the alarm is theirs
            let now = self.clock.now();
            self.alarm.arm(now, Some(now + FLUSH_AGAIN));
        }
        Ok(())
    }

    /// The hardware address that the first packet of a batch goes to; `None` after it has been taken off, because it is
    /// held until that is known.
    fn resolve(&self, now: Instant, next_hop: IpAddr, batch: &mut VecDeque<Outgoing>) -> Option<MacAddr> {
        let mut neighbors = self.lock();
        let address = neighbors.lookup(now, next_hop);
        if address.is_none()
            && let Some(packet) = batch.pop_front()
        {
            neighbors.hold(now, next_hop, packet);
        }
        self.tend(now, &mut neighbors);
        address
    }

    /// Takes a packet off that can't be sent.
    fn lose(&self, why: Counter, batch: &mut VecDeque<Outgoing>) {
        batch.pop_front();
        self.carrier.tally().add(why, 1);
    }
}

impl<C: Carrier> Device for Ethernet<C> {
    fn capabilities(&self) -> Capabilities {
        self.carrier.capabilities()
    }

    fn receive(&self, now: Instant, batch: &mut Vec<Packet>, max: usize) -> io::Result<usize> {
        let ours = self.clock.now();
        {
            let mut neighbors = self.lock();
            if self.alarm.silence(ours) {
                self.tend(ours, &mut neighbors);
            }
        }
        let before = batch.len();
        let received = self.carrier.receive(now, max, &mut |frame| {
            batch.extend(self.take(ours, &frame.bytes).map(|bytes| Packet { bytes, ..frame }));
        });
        let count = batch.len() - before;
        self.carrier.tally().add(Counter::Received, count);
        received?;
        self.flush()?; // the answers to neighbours
        Ok(count)
    }

    fn transmit(&self, batch: &mut VecDeque<Outgoing>) -> io::Result<usize> {
        let now = self.clock.now();
        let mut gone = 0;
        while let Some(packet) = batch.front() {
            let Some(destination) = destination(packet) else {
                self.lose(Counter::Refused, batch);
                continue;
            };
            let address = match self.host.routes.next_hop(destination) {
                NextHop::Group(address) => Some(address),
                NextHop::Neighbor(next_hop) => self.resolve(now, next_hop, batch),
            };
            if let (Some(address), Some(packet)) = (address, batch.front()) {
                match self.carrier.send(&self.host.header(address, packet), packet)? {
                    Sent::Gone => gone += 1,
                    Sent::Lost => {}
                    Sent::Full => break,
                }
                batch.pop_front();
            } else {
                gone += 1;
            }
        }
        self.flush()?;
        Ok(gone)
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.alarm.as_fd())
    }

    fn counters(&self) -> Counters {
        self.carrier.tally().snapshot()
    }

    fn is_low_on_buffers(&self) -> bool {
        self.carrier.is_low_on_buffers()
    }
}

#[cfg(test)]
mod tests;
