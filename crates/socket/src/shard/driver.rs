//! The thread that sleeps on the device: reads what arrives, minds the deadlines, writes what nobody else writes.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use sockeye_device::Packet;

use super::locked::Chores;
use super::transmit_token::Batch;
use super::{Shard, checksum};

/// Packets to read before the stack hears of them: ACKs answer a whole batch, so a large one saves writes; but the lock
/// is held while the stack takes it in.
const MOST_PACKETS: usize = 128;

/// How soon to try again to write to a device whose queue is full.
const RETRY: Duration = Duration::from_millis(1);

/// What the driver does after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// There may be more to read or to write.
    GoOn,
    /// There is nothing to do until somebody wakes it.
    Sleep,
    /// The device's queue is full.
    SleepBriefly,
    End,
}

/// The driver of one shard.
pub(super) struct Driver {
    shard: Arc<Shard>,
    packets: Vec<Packet>,
    chores: Chores,
    /// What it is writing.
    batch: Option<Batch>,
}

impl Driver {
    pub(super) fn new(shard: Arc<Shard>) -> Self {
        Self { shard, packets: Vec::with_capacity(MOST_PACKETS), chores: Chores::default(), batch: None }
    }

    /// Runs until the shard is closed or its device fails.
    pub(super) fn run(mut self) {
        let _last_will = LastWill(Arc::clone(&self.shard));
        loop {
            let slept = match self.turn() {
                Next::GoOn => Ok(()),
                Next::Sleep => self.shard.alarm.sleep(None),
                Next::SleepBriefly => self.shard.alarm.sleep(Some(RETRY)),
                Next::End => return,
            };
            if let Err(error) = slept {
                self.shard.die(&error);
            }
        }
    }

    /// Reads a batch, tells the stack, wakes whom it concerns, writes a batch.
    fn turn(&mut self) -> Next {
        let shard = Arc::clone(&self.shard);
        let received = shard.device.receive(shard.clock.now(), &mut self.packets, MOST_PACKETS);
        self.packets.iter_mut().for_each(checksum::verify);
        if shard.device.is_low_on_buffers() {
            // What nobody reads must not keep the device from receiving: its buffers go back, a copy stays.
            self.packets.iter_mut().for_each(|packet| packet.bytes = Bytes::copy_from_slice(&packet.bytes));
        }
        let over = self.tell_stack(received.as_ref().err());
        shard.perform(&mut self.chores);
        if over {
            return Next::End;
        }
        let written = self.write();
        match received {
            Ok(packets) if packets >= MOST_PACKETS => Next::GoOn,
            _ => written,
        }
    }

    /// The part under the lock. True if it was the last time.
    fn tell_stack(&mut self, failed: Option<&io::Error>) -> bool {
        let shard = &*self.shard;
        let mut locked = shard.lock();
        let now = shard.clock.now();
        shard.alarm.passed(now);
        for packet in self.packets.drain(..) {
            locked.stack.on_packet(now, packet);
        }
        if locked.stack.next_timeout().is_some_and(|due| due <= now) {
            locked.stack.on_timeout(now);
        }
        if let Some(error) = failed {
            locked.die(error, &mut self.chores);
        }
        shard.settle(&mut locked, now, &mut self.chores);
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
            return Next::Sleep;
        };
        if let Err(error) = self.shard.transmit(batch) {
            batch.packets.clear();
            self.shard.die(&error);
        }
        if batch.packets.is_empty() { Next::GoOn } else { Next::SleepBriefly }
    }
}

/// If the driver panics, those who wait must not wait for ever.
struct LastWill(Arc<Shard>);

impl Drop for LastWill {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.die(&io::Error::other("the driver has panicked"));
        }
    }
}
