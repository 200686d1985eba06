//! Who may write to the device, and what waits to be written.
//!
//! Packets leave in the order in which they were queued, so that segments of a connection never overtake each other,
//! and no thread writes under the shard's lock. Both hold because only the thread that has the token writes: it takes a
//! batch under the lock, writes it outside, comes back. A thread that finds the token taken leaves its packets to the
//! one that has it. After [`MOST_IN_PASSING`] batches a thread with work of its own hands over to the driver.
//!
//! Everything here happens under the shard's lock; what this module leaves to others is the lock, the writing, and
//! waking the driver when [`TransmitToken::hand_back`] says so.

use std::collections::VecDeque;
use std::mem;

use sockeye_device::Outgoing;

use super::contention::Meetings;
use crate::scatter::Scatter;

/// Octets after which a batch is full: it may exceed this by less than one packet.
pub(crate) const BATCH: usize = 256 * 1024;
/// Batches that a thread writes in passing: waking the driver for what one thread has written itself costs as much as
/// writing 64 KiB, but what others queue meanwhile must not keep it for ever.
pub(crate) const MOST_IN_PASSING: u32 = 8;

/// Packets in the order in which they leave. One that [`TransmitToken`] has given out is the token: it comes back by
/// [`TransmitToken::hand_back`] or [`TransmitToken::drive`].
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// What is left to write, from the front.
    pub(crate) packets: VecDeque<Outgoing>,
    /// Octets that were pushed since the batch was new.
    octets: usize,
    /// They are as the device wants them.
    ready: bool,
    /// Storage.
    spare: VecDeque<Outgoing>,
}

impl Batch {
    fn push(&mut self, packet: Outgoing) {
        self.octets += packet.len();
        self.packets.push_back(packet);
    }

    fn is_full(&self) -> bool {
        self.octets >= BATCH
    }

    /// Makes the packets ready for the device, once.
    pub(crate) fn make_ready(&mut self, scatter: &Scatter) {
        if mem::replace(&mut self.ready, true) || scatter.is_idle() {
            return;
        }
        mem::swap(&mut self.packets, &mut self.spare);
        for packet in self.spare.drain(..) {
            scatter.make_ready(packet, &mut self.packets);
        }
    }

    /// The same storage, to be filled anew.
    fn emptied(mut self) -> Self {
        self.packets.clear();
        self.octets = 0;
        self.ready = false;
        self
    }
}

/// Who has the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holder {
    Nobody,
    /// A thread that writes a few batches on its way.
    Passer,
    /// The driver, whether it knows already or not.
    Driver,
}

/// The right to write to the device, and the queue of what waits for it.
///
/// Holds: nothing is in the second batch unless the first is full; something is in `returned` only while the driver is
/// to write it.
#[derive(Debug)]
pub(crate) struct TransmitToken {
    holder: Holder,
    /// The rest of the batch of a thread that handed over to the driver: leaves before all others.
    returned: Option<Batch>,
    first: Batch,
    second: Batch,
    /// Storage of a batch that was written.
    spare: Batch,
    meetings: Meetings,
}

impl TransmitToken {
    pub(crate) fn new() -> Self {
        Self {
            holder: Holder::Nobody,
            returned: None,
            first: Batch::default(),
            second: Batch::default(),
            spare: Batch::default(),
            meetings: Meetings::default(),
        }
    }

    /// False while two batches wait: what isn't sent yet is then better left to the connections to decide.
    pub(crate) fn has_room(&self) -> bool {
        !self.second.is_full()
    }

    /// Queues a packet behind all others.
    pub(crate) fn push(&mut self, packet: Outgoing) {
        let batch = if self.first.is_full() { &mut self.second } else { &mut self.first };
        batch.push(packet);
    }

    /// Takes the token, if it is free and anything waits, to write the batch that comes with it.
    pub(crate) fn claim(&mut self) -> Option<Batch> {
        if self.first.packets.is_empty() {
            return None;
        }
        let taken = self.holder != Holder::Nobody;
        self.meetings.count(taken);
        if taken {
            return None;
        }
        let batch = self.next()?;
        self.holder = Holder::Passer;
        Some(batch)
    }

    /// The thread that claimed `batch` has written all of it, and gets what was queued meanwhile. `None` gives the token
    /// back.
    pub(crate) fn go_on(&mut self, batch: Batch) -> Option<Batch> {
        debug_assert_eq!(self.holder, Holder::Passer, "only who has claimed goes on");
        self.spare = batch.emptied();
        let next = self.next();
        if next.is_none() {
            self.holder = Holder::Nobody;
        }
        next
    }

    /// The thread that claimed `batch` has written what the device took. True if the driver is to be woken because
    /// something is left, which is now the driver's.
    #[must_use = "what is left waits until the driver wakes"]
    pub(crate) fn hand_back(&mut self, batch: Batch) -> bool {
        debug_assert_eq!(self.holder, Holder::Passer, "only who has claimed hands back");
        if batch.packets.is_empty() {
            self.spare = batch.emptied();
        } else {
            self.returned = Some(batch);
        }
        let left = self.returned.is_some() || !self.first.packets.is_empty();
        self.holder = if left { Holder::Driver } else { Holder::Nobody };
        left
    }

    /// The driver's turn: gives back the batch that it has written, as far as the device took it, and gets what to write
    /// next, which is the same batch while anything is left of it. `None` gives the token back, or leaves it with the
    /// thread that has it.
    pub(crate) fn drive(&mut self, written: Option<Batch>) -> Option<Batch> {
        if let Some(batch) = written {
            debug_assert_eq!(self.holder, Holder::Driver, "the driver held a batch without the token");
            if !batch.packets.is_empty() {
                return Some(batch);
            }
            self.spare = batch.emptied();
        }
        if self.holder == Holder::Passer {
            return None;
        }
        let next = self.returned.take().or_else(|| self.next());
        self.holder = if next.is_some() { Holder::Driver } else { Holder::Nobody };
        next
    }

    /// How often another thread was writing when there was something to write.
    pub(super) const fn meetings(&self) -> Meetings {
        self.meetings
    }

    /// True if nothing waits and nobody writes.
    pub(crate) fn is_idle(&self) -> bool {
        self.holder == Holder::Nobody && self.first.packets.is_empty()
    }

    /// The batch that leaves next.
    fn next(&mut self) -> Option<Batch> {
        if self.first.packets.is_empty() {
            return None;
        }
        let second = mem::replace(&mut self.second, mem::take(&mut self.spare));
        Some(mem::replace(&mut self.first, second))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use sockeye_device::Slices;

    use super::*;

    /// A packet that can be told from others by `mark`.
    fn packet(mark: u8, octets: usize) -> Outgoing {
        let payload = Slices::from_iter([Bytes::from(vec![mark; octets - 1])]);
        Outgoing::build(payload, |head| {
            head[0] = mark;
            1
        })
    }

    fn marks(batch: &Batch) -> Vec<u8> {
        batch.packets.iter().map(|packet| packet.head()[0]).collect()
    }

    #[test]
    fn nothing_to_write_gives_no_token() {
        let mut token = TransmitToken::new();
        assert!(token.claim().is_none());
        assert!(token.drive(None).is_none());
        assert!(token.is_idle());
    }

    #[test]
    fn only_one_thread_has_the_token() {
        let mut token = TransmitToken::new();
        token.push(packet(1, 100));
        let mine = token.claim().unwrap();
        token.push(packet(2, 100));
        assert!(token.claim().is_none(), "a second thread");
        assert!(token.drive(None).is_none(), "the driver");
        assert_eq!(marks(&mine), [1]);
        assert_eq!(token.meetings(), Meetings { wanted: 2, taken: 1 });
    }

    #[test]
    fn a_written_batch_with_nothing_behind_it_frees_the_token() {
        let mut token = TransmitToken::new();
        token.push(packet(1, 100));
        let mut mine = token.claim().unwrap();
        mine.packets.clear();
        assert!(!token.hand_back(mine));
        assert!(token.is_idle());
        token.push(packet(2, 100));
        assert_eq!(marks(&token.claim().unwrap()), [2]);
    }

    #[test]
    fn what_others_queued_meanwhile_is_the_drivers() {
        let mut token = TransmitToken::new();
        token.push(packet(1, 100));
        let mut mine = token.claim().unwrap();
        token.push(packet(2, 100));
        mine.packets.clear();
        assert!(token.hand_back(mine), "the driver is to be woken");
        token.push(packet(3, 100));
        assert!(token.claim().is_none(), "it is the driver's already");
        assert_eq!(marks(&token.drive(None).unwrap()), [2, 3]);
    }

    #[test]
    fn who_goes_on_keeps_the_token_while_anything_waits() {
        let mut token = TransmitToken::new();
        token.push(packet(1, 100));
        let mut mine = token.claim().unwrap();
        token.push(packet(2, 100));
        mine.packets.clear();
        let mut mine = token.go_on(mine).unwrap();
        assert_eq!(marks(&mine), [2]);
        assert!(token.claim().is_none(), "it is still out");
        mine.packets.clear();
        assert!(token.go_on(mine).is_none());
        assert!(token.is_idle());
    }

    #[test]
    fn what_a_full_device_left_leaves_first() {
        let mut token = TransmitToken::new();
        token.push(packet(1, 100));
        token.push(packet(2, 100));
        let mut mine = token.claim().unwrap();
        mine.packets.pop_front();
        token.push(packet(3, 100));
        assert!(token.hand_back(mine));

        let mut drivers = token.drive(None).unwrap();
        assert_eq!(marks(&drivers), [2]);
        drivers = token.drive(Some(drivers)).unwrap();
        assert_eq!(marks(&drivers), [2], "the device is still full");
        drivers.packets.clear();
        let mut last = token.drive(Some(drivers)).unwrap();
        assert_eq!(marks(&last), [3]);
        last.packets.clear();
        assert!(token.drive(Some(last)).is_none());
        assert!(token.is_idle());
    }

    #[test]
    fn two_batches_may_wait_and_no_more() {
        let mut token = TransmitToken::new();
        let mut pushed = 0;
        while token.has_room() {
            token.push(packet(7, 50_000));
            pushed += 1;
        }
        assert_eq!(pushed, 2 * BATCH.div_ceil(50_000));
        let first = token.claim().unwrap();
        assert_eq!(first.packets.len(), BATCH.div_ceil(50_000));
        assert!(token.has_room(), "one of the two is out");
    }

    /// Any interleaving of three threads and a device that takes a few packets at a time keeps the order, loses nothing
    /// and ends with the token free.
    #[test]
    fn order_holds_whoever_writes() {
        for seed in 0..2_000_u32 {
            let mut random = seed.wrapping_mul(2_654_435_761) | 1;
            let mut pick = |below: u32| {
                random ^= random << 13;
                random ^= random >> 17;
                random ^= random << 5;
                random % below
            };
            let mut token = TransmitToken::new();
            let (mut queued, mut left) = (0_u8, Vec::new());
            let (mut passer, mut driver): (Option<Batch>, Option<Batch>) = (None, None);
            let write = |batch: &mut Batch, most: u32, left: &mut Vec<u8>| {
                let taken = batch.packets.len().min(most as usize);
                left.extend(batch.packets.drain(..taken).map(|packet| packet.head()[0]));
            };
            while left.len() < 100 {
                match pick(4) {
                    0 if queued < 100 && token.has_room() => {
                        token.push(packet(queued, 40_000));
                        queued += 1;
                    }
                    1 if passer.is_none() => passer = token.claim(),
                    2 if passer.is_some() => {
                        let mut batch = passer.take().unwrap();
                        write(&mut batch, pick(8), &mut left);
                        let _wakes = token.hand_back(batch);
                    }
                    3 => {
                        driver = token.drive(driver.take());
                        if let Some(batch) = &mut driver {
                            assert!(passer.is_none(), "seed {seed}: two have the token");
                            write(batch, pick(8), &mut left);
                        }
                    }
                    _ => {}
                }
            }
            assert_eq!(left, (0..100).collect::<Vec<u8>>(), "seed {seed}");
            assert!(token.drive(driver).is_none(), "seed {seed}");
        }
    }

    /// A shard's lock, its device and what was written to it; sleeping is a condition variable.
    struct World {
        token: TransmitToken,
        queued: u8,
        written: Vec<u8>,
        writing: bool,
        /// Packets that the device takes before it is full once.
        room: usize,
        rung: bool,
    }

    type Shared = loom::sync::Arc<(loom::sync::Mutex<World>, loom::sync::Condvar)>;

    /// Writes to the device, outside the lock: `writing` is taken under it before and after.
    fn write(shared: &Shared, batch: &mut Batch) {
        assert!(!std::mem::replace(&mut shared.0.lock().unwrap().writing, true), "two write");
        let mut world = shared.0.lock().unwrap();
        let taken = batch.packets.len().min(world.room);
        world.room = if taken < batch.packets.len() { usize::MAX } else { world.room - taken };
        world.written.extend(batch.packets.drain(..taken).map(|packet| packet.head()[0]));
        world.writing = false;
    }

    /// A thread with packets of its own: queues them, writes in passing if the token is free, as [`Shard::pass`] does.
    ///
    /// [`Shard::pass`]: crate::shard::Shard
    fn passes(shared: &Shared, packets: u8) {
        let mut world = shared.0.lock().unwrap();
        for _ in 0..packets {
            let mark = world.queued;
            world.token.push(packet(mark, 100));
            world.queued += 1;
        }
        let batch = world.token.claim();
        drop(world);
        let Some(mut batch) = batch else { return };
        write(shared, &mut batch);
        let mut world = shared.0.lock().unwrap();
        if batch.packets.is_empty() {
            let Some(mut next) = world.token.go_on(batch) else { return };
            drop(world);
            write(shared, &mut next);
            world = shared.0.lock().unwrap();
            world.rung |= world.token.hand_back(next);
        } else {
            world.rung |= world.token.hand_back(batch);
        }
        shared.1.notify_all();
    }

    /// The driver: sleeps until it is rung, or, as its retry has it, for a while if the device was full.
    fn drives(shared: &Shared, until: usize) {
        let mut batch = None;
        loop {
            let mut world = shared.0.lock().unwrap();
            while !world.rung && batch.is_none() && world.written.len() < until {
                world = shared.1.wait(world).unwrap();
            }
            world.rung = false;
            batch = world.token.drive(batch.take());
            let over = world.written.len() == until;
            drop(world);
            match &mut batch {
                Some(batch) => write(shared, batch),
                None if over => return,
                None => {}
            }
        }
    }

    /// Two threads write in passing, the device is full once, the driver writes what they leave: all leaves, in the order in
    /// which it was queued, never do two write, and nobody waits for packets that nobody minds (a deadlock, to loom).
    #[test]
    fn whatever_was_queued_leaves_in_order() {
        for room in [0, 1, 2, 3] {
            let mut model = loom::model::Builder::new();
            model.preemption_bound = Some(3);
            model.check(move || {
                let world = World {
                    token: TransmitToken::new(),
                    queued: 0,
                    written: Vec::new(),
                    writing: false,
                    room,
                    rung: false,
                };
                let shared = Shared::new((loom::sync::Mutex::new(world), loom::sync::Condvar::new()));
                let threads: Vec<_> = [2, 1]
                    .map(|packets| {
                        let shared = Shared::clone(&shared);
                        loom::thread::spawn(move || {
                            passes(&shared, packets);
                            shared.1.notify_all();
                        })
                    })
                    .into();
                drives(&shared, 3);
                threads.into_iter().for_each(|thread| thread.join().unwrap());
                let mut world = shared.0.lock().unwrap();
                assert_eq!(world.written, [0, 1, 2]);
                assert!(world.token.drive(None).is_none() && world.token.is_idle());
            });
        }
    }
}
