//! A shard: one [`Stack`] behind one mutex, one device queue, one driver thread, in whose seat a thread that waits may sit.
//! A host has one, or one for each queue of its device: they share nothing but what they hand over to each other.
//!
//! Whoever wants something of the stack calls it under the lock. What follows from the call is gathered while the lock is
//! still held (packets to send, threads to wake, a deadline to arm, text to let go of) and done by the same thread after it is
//! released. So nothing under the lock costs more than references moved, texts under 1 KiB aside, which join the one before them;
//! no other mutex is taken under it but that of the pool to which acknowledged chunks go back, for a push; and of users' code
//! only a congestion control of their own runs there.

pub(crate) mod afterwards;
mod alarm;
mod contention;
mod driver;
mod driver_seat;
mod hand_over;
mod locked;
mod sitter;
mod transmit_token;
mod waiters;

use std::io;
use std::mem;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sockeye_device::{Clock, Device, Packet};
use sockeye_wire::Instant;

use crate::chunk_pool::ChunkPool;
use crate::gather::Gather;
use crate::scatter::Scatter;
use crate::stack::{ConnectionId, Counters, Stack};
use afterwards::Busy;
use alarm::{Alarm, Cushion};
pub use contention::{Contention, Meetings};
use driver::Driver;
use hand_over::{HandOver, Inbox};
use locked::{Chores, Held, LAST_WORDS};
pub(crate) use locked::{Locked, Ticket};
use sitter::Sitter;
use transmit_token::{Batch, MOST_IN_PASSING};
use waiters::WakeUp;
pub(crate) use waiters::{Until, Waiter};

/// A stack, its device and what threads share of them.
pub(crate) struct Shard {
    device: Arc<dyn Device>,
    gather: Gather,
    scatter: Scatter,
    hand_over: HandOver,
    clock: Clock,
    alarm: Arc<Alarm>,
    /// Where the thread in the driver's seat sleeps.
    cushion: Arc<Cushion>,
    /// How long that thread asks the device again and again before it sleeps.
    busy_poll: Duration,
    locked: Mutex<Locked>,
    /// What is written to its connections is copied there, and comes back when it is acknowledged.
    pub(crate) copies: ChunkPool,
    /// Octets of text that were copied into readers' buffers.
    pub(crate) copied_out: AtomicU64,
    /// Notified when the last connection has finished after [`Locked::close_all`], and when its last packets have left.
    finished: Condvar,
}

/// Which thread sleeps, for what, and for how long.
#[derive(Clone, Copy)]
pub(crate) struct Sleeper<'a> {
    /// The connection.
    pub(crate) id: ConnectionId,
    /// Its waiter.
    pub(crate) waiter: &'a Waiter,
    /// What is waited for.
    pub(crate) until: Until,
    /// How long; zero: not at all; `None`: for ever.
    pub(crate) patience: Option<Duration>,
}

impl Shard {
    fn new(
        stack: Stack,
        device: Arc<dyn Device>,
        inboxes: Arc<[Inbox]>,
        alarm: Arc<Alarm>,
        clock: Clock,
        busy_poll: Duration,
    ) -> io::Result<Self> {
        let capabilities = device.capabilities();
        let cushion = Arc::new(Cushion::new()?);
        let hand_over = HandOver::new(stack.share(), inboxes);
        let locked = Mutex::new(Locked::new(stack, Arc::clone(&cushion)));
        let (gather, scatter) = (Gather::new(capabilities), Scatter::new(capabilities));
        Ok(Self {
            device,
            gather,
            scatter,
            hand_over,
            clock,
            alarm,
            cushion,
            busy_poll,
            locked,
            copies: ChunkPool::default(),
            copied_out: AtomicU64::new(0),
            finished: Condvar::new(),
        })
    }

    fn lock(&self) -> Held<'_> {
        Held::lock(&self.locked)
    }

    /// How often threads have met here.
    pub(crate) fn contention(&self) -> Contention {
        let locked = self.lock();
        Contention { lock: locked.lock_meetings, seat: locked.seat.meetings(), token: locked.token.meetings() }
    }

    /// Makes a call under the lock, and afterwards does what follows from it.
    pub(crate) fn call<R>(&self, call: impl FnOnce(&mut Locked, Instant) -> R) -> R {
        let mut locked = self.lock();
        let now = self.clock.now();
        let outcome = call(&mut locked, now);
        self.leave(locked, now);
        outcome
    }

    /// What its stack has counted, and what was copied besides.
    pub(crate) fn counters(&self) -> Counters {
        let mut counters = self.call(|locked, _now| locked.stack.counters().clone());
        counters.copied.by_write += self.copies.copied();
        counters.copied.by_read += self.copied_out.load(Ordering::Relaxed);
        counters.copied.on_the_way += self.gather.copied();
        counters
    }

    /// Makes a call under the lock until it gives something, and in between sits in the driver's seat or sleeps.
    ///
    /// # Errors
    /// `WouldBlock` once the patience is used up; what has happened to the device if it has failed.
    pub(crate) fn wait_for<R>(
        &self,
        sleeper: Sleeper<'_>,
        mut call: impl FnMut(&mut Stack, Instant) -> Option<R>,
    ) -> io::Result<R> {
        let mut give_up_at = None;
        let mut sitter = Sitter::standing(self);
        let mut locked = self.lock();
        loop {
            // What has arrived can still be read, but nothing leaves any more.
            if sleeper.until == Until::Writable {
                locked.check_alive()?;
            }
            let now = self.clock.now();
            if let Some(outcome) = call(&mut locked.stack, now) {
                let mut chores = Chores::default();
                sitter.get_up(&mut locked, now, &mut chores);
                self.finish(locked, now, chores);
                return Ok(outcome);
            }
            let give_up_at = sleeper.patience.map(|patience| *give_up_at.get_or_insert(now + patience));
            locked = match self.leave_or_keep(locked, now) {
                Some(locked) => Self::pause(&mut sitter, locked, sleeper, give_up_at.map(|at| at.since(now)))?,
                None => self.lock(), // it was released: what is waited for may have come
            };
        }
    }

    /// Waits, the lock released, until what is waited for may have come, for `left` at most.
    fn pause<'a>(
        sitter: &mut Sitter<'a>,
        mut locked: Held<'a>,
        sleeper: Sleeper<'_>,
        left: Option<Duration>,
    ) -> io::Result<Held<'a>> {
        locked.check_alive()?;
        if left == Some(Duration::ZERO) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if sitter.sit(&mut locked) {
            return Ok(sitter.take_in(locked, Some(sleeper.id), left));
        }
        locked.waiters.sleeps(sleeper.id, sleeper.until);
        Ok(locked.wait(sleeper.waiter.condvar(sleeper.until), left))
    }

    /// Takes in what has arrived, without waiting, if nobody else is at work in the driver's seat: for a thread that writes
    /// much and so keeps being asked for more. Left to the driver, each batch of ACKs would cost a wake-up, and the two
    /// would write by turns.
    pub(crate) fn glance(&self) {
        Sitter::standing(self).glance();
    }

    /// Sits in the driver's seat until `satisfied`, or until nothing works any more; if somebody else is at work there,
    /// returns at once.
    pub(crate) fn sit_until(&self, mut satisfied: impl FnMut() -> bool) {
        let mut sitter = Sitter::standing(self);
        let mut locked = self.lock();
        while locked.check_alive().is_ok() && sitter.sit(&mut locked) {
            let now = self.clock.now();
            let released = self.leave_or_keep(locked, now);
            if satisfied() {
                break; // the sitter gets up as it is dropped, after the lock
            }
            locked = match released {
                Some(locked) => sitter.take_in(locked, None, None),
                None => self.lock(),
            };
        }
    }

    /// Waits for packets in the driver's seat, for `at_most` at the longest: a while by asking again and again, then
    /// asleep. Says how many it has read.
    fn await_packets(&self, packets: &mut Vec<Packet>, at_most: Option<Duration>) -> io::Result<usize> {
        let began = self.clock.now();
        while !self.busy_poll.is_zero() && !self.cushion.is_rung() {
            let received = self.receive(packets)?;
            let passed = self.clock.now().since(began);
            if received > 0 || at_most.is_some_and(|at_most| passed >= at_most) {
                return Ok(received);
            }
            if passed >= self.busy_poll {
                break;
            }
            std::hint::spin_loop();
        }
        if let Some(device) = self.device.as_fd() {
            self.cushion.sleep(device, at_most)?;
        }
        self.receive(packets)
    }

    /// Reads a batch: see [`Gather::receive`]. What is other shards' goes to them.
    fn receive(&self, packets: &mut Vec<Packet>) -> io::Result<usize> {
        let _busy = Busy::new();
        let received = self.gather.receive(&*self.device, self.clock.now(), packets);
        self.hand_over.sort(packets);
        received
    }

    /// Tells the stack what has arrived, and the time.
    fn tell_stack(&self, locked: &mut Locked, packets: &mut Vec<Packet>) {
        let now = self.clock.now();
        self.alarm.passed(now);
        let (handed_over, lost) = self.hand_over.take();
        for packet in packets.drain(..).chain(handed_over) {
            locked.stack.on_packet(now, packet);
        }
        locked.stack.lost_in_hand_over(lost);
        if locked.stack.next_timeout().is_some_and(|due| due <= now) {
            locked.stack.on_timeout(now);
        }
    }

    /// Releases the lock and does what follows from the calls that were made.
    fn leave(&self, locked: Held<'_>, now: Instant) {
        self.finish(locked, now, Chores::default());
    }

    /// As [`Self::leave`], and does `chores` with it.
    fn finish(&self, mut locked: Held<'_>, now: Instant, mut chores: Chores) {
        self.settle(&mut locked, now, &mut chores);
        let batch = locked.token.claim();
        drop(locked);
        self.carry_out(batch, chores);
    }

    /// As [`Self::leave`], but keeps the lock if nothing follows, and nothing was told: text that leaves may make the room that
    /// was lacking a moment ago.
    fn leave_or_keep<'a>(&self, mut locked: Held<'a>, now: Instant) -> Option<Held<'a>> {
        let mut chores = Chores::default();
        self.settle(&mut locked, now, &mut chores);
        let batch = locked.token.claim();
        if batch.is_none() && chores.is_empty() && !afterwards::is_due() {
            return Some(locked);
        }
        drop(locked);
        self.carry_out(batch, chores);
        None
    }

    /// Gathers what follows from the calls that were made; packets are queued behind the token.
    fn settle(&self, locked: &mut Locked, now: Instant, chores: &mut Chores) {
        locked.fill(now, self.scatter.most_text());
        locked.gather(chores);
        self.note_deadline(locked, chores);
    }

    /// The driver must be awake when something is due, and to take its seat.
    fn note_deadline(&self, locked: &mut Locked, chores: &mut Chores) {
        let due = locked.stack.next_timeout().into_iter().chain(locked.seat.takeover()).min();
        chores.arm |= due.is_some_and(|due| self.alarm.wants(due));
    }

    /// Does what follows, the lock released: what others wait for first.
    fn carry_out(&self, batch: Option<Batch>, mut chores: Chores) {
        let will = LastWill(self);
        self.perform(&mut chores);
        if let Some(batch) = batch {
            self.pass(batch, &mut chores);
        }
        mem::forget(will);
        afterwards::let_go();
    }

    /// Writes what waits in passing. What the device doesn't take, and what is left after some batches, is the driver's.
    fn pass(&self, batch: Batch, chores: &mut Chores) {
        let mut next = Some(batch);
        for left in (0..MOST_IN_PASSING).rev() {
            let Some(mut written) = next else {
                return;
            };
            let outcome = self.transmit(&mut written);
            let mut locked = self.lock();
            if let Err(error) = outcome {
                written.packets.clear();
                locked.die(&error, chores);
            }
            self.settle(&mut locked, self.clock.now(), chores);
            if left == 0 || !written.packets.is_empty() {
                chores.ring |= locked.token.hand_back(written);
                next = None;
            } else {
                next = locked.token.go_on(written);
            }
            let has_left = locked.has_left();
            drop(locked);
            if has_left {
                self.finished.notify_all();
            }
            self.perform(chores);
        }
    }

    /// Hands packets to the device, as far as it takes them.
    fn transmit(&self, batch: &mut Batch) -> io::Result<usize> {
        let _busy = Busy::new();
        batch.make_ready(&self.scatter);
        self.device.transmit(&mut batch.packets)
    }

    /// Does what was gathered.
    fn perform(&self, chores: &mut Chores) {
        chores.announce();
        if mem::take(&mut chores.rouse) {
            self.cushion.ring();
        }
        if mem::take(&mut chores.ring) {
            self.alarm.ring();
        }
        if mem::take(&mut chores.arm)
            && let Err(error) = self.alarm.arm()
        {
            self.die(&error);
        }
    }

    /// Nothing works any more.
    fn die(&self, error: &io::Error) {
        let mut chores = Chores::default();
        self.lock().die(error, &mut chores);
        self.perform(&mut chores);
        self.finished.notify_all();
    }

    /// Closes all that is open; says until when that may take.
    fn begin_closing(&self, linger: Duration) -> Instant {
        let (until, wake_ups) = self.call(|locked, now| (now + linger, locked.close_all(now)));
        wake_ups.iter().for_each(WakeUp::notify);
        self.cushion.ring();
        until
    }

    /// Waits until all that was closed has finished, and resets what has not by then; and until the last packets, be they
    /// those of another thread, have left, or the device hasn't taken them for so long: whoever captures has seen them then.
    fn finish_closing(&self, until: Instant, patience: Duration) {
        self.wait_until(until, Locked::is_finished);
        let at_latest = self.call(|locked, now| {
            locked.stack.abort_all(now);
            now + patience
        });
        self.wait_until(at_latest, Locked::has_left);
    }

    fn wait_until(&self, until: Instant, is_over: impl Fn(&Locked) -> bool) {
        let mut locked = self.lock();
        loop {
            let left = until.since(self.clock.now());
            if is_over(&locked) || left.is_zero() {
                return;
            }
            locked = locked.wait(&self.finished, Some(left));
        }
    }
}

/// If a thread panics while others depend on it, they must not wait for ever: to be forgotten when all has gone well.
struct LastWill<'a>(&'a Shard);

impl Drop for LastWill<'_> {
    fn drop(&mut self) {
        self.0.die(&io::Error::other("a thread at work on it has panicked"));
    }
}

/// The shards of a host, their drivers running, until the last of those who share this is dropped: then it closes what is
/// open, resets what doesn't finish within the linger time, and joins the drivers.
pub(crate) struct Running {
    /// At least one.
    shards: Vec<Arc<Shard>>,
    linger: Duration,
    drivers: Vec<JoinHandle<()>>,
    /// Counts connections that we open, so that each shard gets its part.
    turn: AtomicUsize,
}

impl Running {
    /// Starts a driver for each of the stacks, which has its share of the host's connections, on its device. At least one.
    pub(crate) fn start(
        parts: Vec<(Stack, Arc<dyn Device>)>,
        clock: Clock,
        linger: Duration,
        busy_poll: Duration,
    ) -> io::Result<Self> {
        let alarms = parts.iter().map(|(_, device)| Alarm::on(&**device, clock).map(Arc::new));
        let alarms = alarms.collect::<io::Result<Vec<_>>>()?;
        let inboxes: Arc<[Inbox]> = alarms.iter().map(|alarm| Inbox::new(Arc::clone(alarm))).collect();
        let shards = parts.into_iter().zip(alarms).map(|((stack, device), alarm)| {
            Shard::new(stack, device, Arc::clone(&inboxes), alarm, clock, busy_poll).map(Arc::new)
        });
        let shards = shards.collect::<io::Result<_>>()?;
        // If a thread can't be started, those that were are joined as this is dropped.
        let mut running = Self { shards, linger, drivers: Vec::new(), turn: AtomicUsize::new(0) };
        for shard in &running.shards {
            let driver = Driver::new(Arc::clone(shard));
            let thread = thread::Builder::new().name("sockeye".to_owned());
            running.drivers.push(thread.spawn(move || driver.run())?);
        }
        Ok(running)
    }

    /// All shards, by number.
    pub(crate) fn shards(&self) -> &[Arc<Shard>] {
        &self.shards
    }

    /// The shard that is to connect to `remote` from this socket.
    pub(crate) fn shard_towards(&self, remote: SocketAddr, local: Option<SocketAddr>) -> Arc<Shard> {
        let [first, others @ ..] = &self.shards[..] else { unreachable!("there is a shard") };
        let index = if others.is_empty() {
            0
        } else {
            let owner = first.call(|locked, _now| locked.stack.owner_towards(remote, local));
            owner.unwrap_or_else(|| self.turn.fetch_add(1, Ordering::Relaxed) % self.shards.len())
        };
        Arc::clone(self.shards.get(index).unwrap_or(first))
    }

    /// Closes all that is open, gives it the linger time to finish, and resets what has not.
    pub(crate) fn close(&self) {
        let until: Vec<_> = self.shards.iter().map(|shard| shard.begin_closing(self.linger)).collect();
        self.shards.iter().zip(until).for_each(|(shard, until)| shard.finish_closing(until, LAST_WORDS));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.close();
        for shard in &self.shards {
            shard.call(Locked::end);
            shard.alarm.ring();
        }
        for driver in self.drivers.drain(..) {
            // If it panicked, everybody has heard of it.
            let _ = driver.join();
        }
    }
}

#[cfg(test)]
mod tests;
