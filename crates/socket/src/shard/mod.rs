//! A shard: one [`Stack`] behind one mutex, one device, one driver thread.
//!
//! Whoever wants something of the stack calls it under the lock. What follows from the call is gathered while the lock is
//! still held (packets to send, threads to wake, a deadline to arm) and done by the same thread after it is released. So
//! nothing under the lock costs more than references moved, and no other mutex is ever taken under it.

mod alarm;
mod checksum;
mod driver;
mod locked;
mod transmit_token;
mod waiters;

use std::io;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sockeye_device::{Capabilities, Clock, Device};
use sockeye_wire::Instant;

use crate::stack::{ConnectionId, Stack};
use alarm::Alarm;
use driver::Driver;
use locked::Chores;
pub(crate) use locked::{Locked, Ticket};
use transmit_token::Batch;
use waiters::WakeUp;
pub(crate) use waiters::{Until, Waiter};

/// A stack, its device and what threads share of them.
pub(crate) struct Shard {
    device: Arc<dyn Device>,
    /// What the device does itself.
    capabilities: Capabilities,
    clock: Clock,
    alarm: Alarm,
    locked: Mutex<Locked>,
    /// Notified when the last connection has finished after [`Locked::close_all`].
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
    fn new(stack: Stack, device: Arc<dyn Device>, clock: Clock) -> io::Result<Self> {
        let Some(fd) = device.as_fd() else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the device can't be waited for"));
        };
        let alarm = Alarm::new(fd, clock)?;
        let capabilities = device.capabilities();
        let locked = Mutex::new(Locked::new(stack));
        Ok(Self { device, capabilities, clock, alarm, locked, finished: Condvar::new() })
    }

    fn lock(&self) -> MutexGuard<'_, Locked> {
        // A panic under the lock is the end of the driver or of one caller, who has said so, and not of all others.
        self.locked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a call under the lock, and afterwards does what follows from it.
    pub(crate) fn call<R>(&self, call: impl FnOnce(&mut Locked, Instant) -> R) -> R {
        let mut locked = self.lock();
        let now = self.clock.now();
        let outcome = call(&mut locked, now);
        self.leave(locked, now);
        outcome
    }

    /// Makes a call under the lock until it gives something, and sleeps in between.
    ///
    /// # Errors
    /// `WouldBlock` once the patience is used up; what has happened to the device if it has failed.
    pub(crate) fn wait_for<R>(
        &self,
        sleeper: Sleeper<'_>,
        mut call: impl FnMut(&mut Stack, Instant) -> Option<R>,
    ) -> io::Result<R> {
        let mut give_up_at = None;
        let mut locked = self.lock();
        loop {
            // What has arrived can still be read, but nothing leaves any more.
            if sleeper.until == Until::Writable {
                locked.check_alive()?;
            }
            let now = self.clock.now();
            if let Some(outcome) = call(&mut locked.stack, now) {
                self.leave(locked, now);
                return Ok(outcome);
            }
            let patience = sleeper.patience.map(|patience| *give_up_at.get_or_insert(now + patience));
            locked = match self.leave_or_keep(locked, now) {
                Some(locked) => Self::sleep(locked, now, sleeper, patience)?,
                None => self.lock(), // it was released: what is waited for may have come
            };
        }
    }

    /// Sleeps, the lock released, until woken or until `give_up_at`.
    fn sleep<'a>(
        mut locked: MutexGuard<'a, Locked>,
        now: Instant,
        sleeper: Sleeper<'_>,
        give_up_at: Option<Instant>,
    ) -> io::Result<MutexGuard<'a, Locked>> {
        locked.check_alive()?;
        locked.waiters.sleeps(sleeper.id, sleeper.until);
        let condvar = sleeper.waiter.condvar(sleeper.until);
        match give_up_at.map(|at| at.since(now)) {
            Some(Duration::ZERO) => Err(io::ErrorKind::WouldBlock.into()),
            Some(left) => Ok(condvar.wait_timeout(locked, left).unwrap_or_else(PoisonError::into_inner).0),
            None => Ok(condvar.wait(locked).unwrap_or_else(PoisonError::into_inner)),
        }
    }

    /// Releases the lock and does what follows from the calls that were made.
    fn leave(&self, mut locked: MutexGuard<'_, Locked>, now: Instant) {
        let mut chores = Chores::default();
        self.settle(&mut locked, now, &mut chores);
        let batch = locked.token.claim();
        drop(locked);
        self.pass(batch, &mut chores);
        self.perform(&mut chores);
    }

    /// As [`Self::leave`], but keeps the lock if nothing follows.
    fn leave_or_keep<'a>(&self, mut locked: MutexGuard<'a, Locked>, now: Instant) -> Option<MutexGuard<'a, Locked>> {
        let mut chores = Chores::default();
        self.settle(&mut locked, now, &mut chores);
        let batch = locked.token.claim();
        if batch.is_none() && chores.is_empty() {
            return Some(locked);
        }
        drop(locked);
        self.pass(batch, &mut chores);
        self.perform(&mut chores);
        None
    }

    /// Gathers what follows from the calls that were made; packets are queued behind the token.
    fn settle(&self, locked: &mut Locked, now: Instant, chores: &mut Chores) {
        locked.fill(now, self.capabilities.segmentation);
        locked.gather(chores);
        chores.arm |= locked.stack.next_timeout().is_some_and(|due| self.alarm.wants(due));
    }

    /// Writes a batch in passing. What the device doesn't take, and what was queued meanwhile, is the driver's.
    fn pass(&self, batch: Option<Batch>, chores: &mut Chores) {
        let Some(mut batch) = batch else {
            return;
        };
        let written = self.transmit(&mut batch);
        let mut locked = self.lock();
        if let Err(error) = written {
            batch.packets.clear();
            locked.die(&error, chores);
        }
        self.settle(&mut locked, self.clock.now(), chores);
        chores.ring |= locked.token.hand_back(batch);
    }

    /// Hands packets to the device, as far as it takes them.
    fn transmit(&self, batch: &mut Batch) -> io::Result<usize> {
        if !self.capabilities.checksum {
            batch.finish_checksums();
        }
        self.device.transmit(&mut batch.packets)
    }

    /// Does what was gathered.
    fn perform(&self, chores: &mut Chores) {
        chores.announce();
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
    }

    /// Closes all that is open, waits at most `linger` until all of it has finished, and resets what has not.
    fn close(&self, linger: Duration) {
        let (until, wake_ups) = self.call(|locked, now| (now + linger, locked.close_all(now)));
        wake_ups.iter().for_each(WakeUp::notify);
        self.wait_until_finished(until);
        self.call(|locked, now| locked.stack.abort_all(now));
    }

    fn wait_until_finished(&self, until: Instant) {
        let mut locked = self.lock();
        loop {
            let left = until.since(self.clock.now());
            if locked.is_finished() || left.is_zero() {
                return;
            }
            locked = self.finished.wait_timeout(locked, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// A shard whose driver runs, until the last of those who share this is dropped: then it closes what is open, resets
/// what doesn't finish within the linger time, and joins the driver.
pub(crate) struct Running {
    pub(crate) shard: Arc<Shard>,
    linger: Duration,
    driver: Option<JoinHandle<()>>,
}

impl Running {
    /// Starts the driver.
    pub(crate) fn start(stack: Stack, device: Arc<dyn Device>, clock: Clock, linger: Duration) -> io::Result<Self> {
        let shard = Arc::new(Shard::new(stack, device, clock)?);
        let driver = Driver::new(Arc::clone(&shard));
        let driver = thread::Builder::new().name("sockeye".to_owned()).spawn(move || driver.run())?;
        Ok(Self { shard, linger, driver: Some(driver) })
    }

    /// Closes all that is open, gives it the linger time to finish, and resets what has not.
    pub(crate) fn close(&self) {
        self.shard.close(self.linger);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.close();
        self.shard.call(Locked::end);
        self.shard.alarm.ring();
        if let Some(driver) = self.driver.take() {
            // If it panicked, everybody has heard of it.
            let _ = driver.join();
        }
    }
}
