//! A thread that waits for something of the stack, and takes packets in meanwhile if the driver's seat is free.

use std::io;
use std::time::Duration;

use sockeye_device::Packet;
use sockeye_wire::Instant;

use super::Shard;
use super::locked::{Chores, Held, Locked};
use crate::stack::ConnectionId;

/// A thread that may sit. Gets up when dropped, which must not happen under the shard's lock.
pub(super) struct Sitter<'a> {
    shard: &'a Shard,
    sits: bool,
    /// It sat down where the driver slept, who is to hear of it once the lock is released.
    moves_driver: bool,
    /// Where it reads packets to.
    packets: Vec<Packet>,
}

impl<'a> Sitter<'a> {
    pub(super) const fn standing(shard: &'a Shard) -> Self {
        Self { shard, sits: false, moves_driver: false, packets: Vec::new() }
    }

    /// True if this thread sits, or could sit down now.
    pub(super) fn sit(&mut self, locked: &mut Locked) -> bool {
        if !self.sits
            && let Some(ring) = locked.seat.sit()
        {
            self.sits = true;
            self.moves_driver = ring;
            self.packets = std::mem::take(&mut locked.spare);
        }
        self.sits
    }

    /// Sleeps, the lock released, until packets have come or somebody rings, and at most for `at_most`; then tells the stack
    /// of the packets. `id` is the connection that it waits for, if it waits for one.
    pub(super) fn take_in(
        &mut self,
        mut locked: Held<'a>,
        id: Option<ConnectionId>,
        at_most: Option<Duration>,
    ) -> Held<'a> {
        let shard = self.shard;
        if let Some(id) = id {
            locked.waiters.sitter_sleeps(id, true);
        }
        drop(locked);
        self.move_driver();
        let received = shard.await_packets(&mut self.packets, at_most);
        let mut locked = self.tell(received);
        if let Some(id) = id {
            locked.waiters.sitter_sleeps(id, false);
        }
        locked
    }

    /// Rings the driver, so that it no longer sleeps on the device where this thread does.
    fn move_driver(&mut self) {
        if std::mem::take(&mut self.moves_driver) {
            self.shard.alarm.ring();
        }
    }

    /// Tells the stack of the packets that were read, `received` of them.
    fn tell(&mut self, received: io::Result<usize>) -> Held<'a> {
        let shard = self.shard;
        let mut locked = shard.lock();
        shard.tell_stack(&mut locked, &mut self.packets);
        if let Err(error) = received {
            let mut chores = Chores::default();
            locked.die(&error, &mut chores);
            drop(locked);
            shard.perform(&mut chores);
            locked = shard.lock();
        }
        locked
    }

    /// Takes in what has arrived, without waiting, if nobody else is at work in the seat.
    pub(super) fn glance(mut self) {
        let mut locked = self.shard.lock();
        if self.sit(&mut locked) {
            drop(locked);
            self.move_driver();
            let received = self.shard.receive(&mut self.packets);
            drop(self.tell(received));
        } // it gets up as it is dropped
    }

    /// Gets up, if it sits. What follows is added to `chores`.
    pub(super) fn get_up(&mut self, locked: &mut Locked, now: Instant, chores: &mut Chores) {
        if !std::mem::take(&mut self.sits) {
            return;
        }
        locked.spare = std::mem::take(&mut self.packets);
        locked.gather(chores);
        chores.ring |= std::mem::take(&mut self.moves_driver);
        let shared = locked.waiters.anybody_sleeps();
        chores.ring |= locked.seat.get_up(now, chores.wakes_anybody(), shared);
    }
}

impl Drop for Sitter<'_> {
    fn drop(&mut self) {
        if self.sits {
            let shard = self.shard;
            let mut locked = shard.lock();
            let now = shard.clock.now();
            let mut chores = Chores::default();
            self.get_up(&mut locked, now, &mut chores);
            shard.finish(locked, now, chores);
        }
    }
}
