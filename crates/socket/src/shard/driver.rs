//! The thread that minds the deadlines, writes what nobody else writes, and reads what arrives unless another thread sits
//! in its seat.

use std::io;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use sockeye_device::Packet;

use super::locked::Chores;
use super::transmit_token::Batch;
use super::{LastWill, Shard, afterwards};
use crate::gather::MOST_PACKETS;

/// How soon to try again to write to a device whose queue is full.
const RETRY: Duration = Duration::from_millis(1);

/// What the driver does after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// There may be more to read or to write.
    GoOn,
    /// There is nothing to do until somebody wakes it, and for so long at most.
    Sleep(Option<Duration>),
    End,
}

/// The driver of one shard.
pub(super) struct Driver {
    shard: Arc<Shard>,
    packets: Vec<Packet>,
    chores: Chores,
    /// It has the seat.
    reads: bool,
    /// What it is writing.
    batch: Option<Batch>,
}

impl Driver {
    pub(super) fn new(shard: Arc<Shard>) -> Self {
        let packets = Vec::with_capacity(MOST_PACKETS);
        Self { shard, packets, chores: Chores::default(), reads: true, batch: None }
    }

    /// Runs until the shard is closed or its device fails.
    pub(super) fn run(mut self) {
        let shard = Arc::clone(&self.shard);
        let will = LastWill(&shard);
        loop {
            match self.turn() {
                Next::GoOn => {}
                Next::Sleep(at_most) => {
                    let on = shard.lock().seat.driver_sleeps();
                    if let Err(error) = shard.alarm.sleep(on, at_most) {
                        shard.die(&error);
                    }
                    self.reads = shard.lock().seat.driver_wakes(shard.clock.now());
                }
                Next::End => break,
            }
        }
        mem::forget(will);
    }

    /// Reads a batch if the seat is the driver's, tells the stack, wakes whom it concerns, writes a batch.
    pub(super) fn turn(&mut self) -> Next {
        let shard = Arc::clone(&self.shard);
        let received = if self.reads { shard.receive(&mut self.packets) } else { Ok(0) };
        let over = self.tell_stack(&received);
        shard.perform(&mut self.chores);
        let written = if over { Next::End } else { self.write() };
        afterwards::let_go();
        match received {
            Ok(packets) if packets >= MOST_PACKETS && !over => Next::GoOn,
            _ => written,
        }
    }

    /// The part under the lock. True if it was the last time.
    fn tell_stack(&mut self, received: &io::Result<usize>) -> bool {
        let shard = &*self.shard;
        let mut locked = shard.lock();
        shard.tell_stack(&mut locked, &mut self.packets);
        if let Err(error) = received {
            locked.die(error, &mut self.chores);
        }
        let now = shard.clock.now();
        shard.settle(&mut locked, now, &mut self.chores);
        if self.reads && self.chores.wakes_one() && received.as_ref().is_ok_and(|&packets| packets < MOST_PACKETS) {
            let shared = locked.waiters.anybody_sleeps();
            locked.seat.vacate(now, shared);
            shard.note_deadline(&mut locked, &mut self.chores);
        }
        // It may be the driver's by now though the driver has not slept: then nobody else reads.
        self.reads = locked.seat.driver_reads(now);
        self.batch = locked.token.drive(self.batch.take());
        let (finished, over) = (locked.is_finished(), locked.is_over(now));
        drop(locked);
        if finished {
            shard.finished.notify_all();
        }
        over
    }

    /// Writes what the driver has to write, as far as the device takes it.
    fn write(&mut self) -> Next {
        let Some(batch) = &mut self.batch else {
            return Next::Sleep(None);
        };
        if let Err(error) = self.shard.transmit(batch) {
            batch.packets.clear();
            self.shard.die(&error);
        }
        if batch.packets.is_empty() { Next::GoOn } else { Next::Sleep(Some(RETRY)) }
    }
}
