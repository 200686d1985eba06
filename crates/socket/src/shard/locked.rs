//! What the shard's mutex guards, and what is gathered under it to be done once it is released.

use std::collections::HashMap;
use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use crossbeam_channel::Sender;
use rustix::io::Errno;
use smallvec::SmallVec;
use sockeye_device::Packet;
use sockeye_wire::Instant;

use super::afterwards::Busy;
use super::alarm::Cushion;
use super::contention::Meetings;
use super::driver_seat::DriverSeat;
use super::transmit_token::TransmitToken;
use super::waiters::{Waiters, WakeUp};
use crate::stack::{ConnectionId, ListenerId, Stack, StackEvent};

/// How long the last packets may take to get out.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(1);

/// A stack, and what threads have to agree on.
pub(crate) struct Locked {
    pub(crate) stack: Stack,
    pub(crate) waiters: Waiters,
    pub(super) token: TransmitToken,
    pub(super) seat: DriverSeat,
    /// How often the lock was found taken.
    pub(super) lock_meetings: Meetings,
    /// Where the next thread in the seat reads packets to.
    pub(super) spare: Vec<Packet>,
    /// For each listener where to announce connections that wait to be accepted.
    doors: HashMap<ListenerId, (Sender<Ticket>, Ticket)>,
    stage: Stage,
    death: Option<Death>,
}

/// The lock, while a thread holds it.
pub(super) struct Held<'a> {
    locked: MutexGuard<'a, Locked>,
    /// Until the lock is released: fields are dropped in their order.
    busy: Busy,
}

impl<'a> Held<'a> {
    pub(super) fn lock(mutex: &'a Mutex<Locked>) -> Self {
        // A panic under the lock is the end of the driver or of one caller, who has said so, and not of all others.
        let (mut locked, taken) = match mutex.try_lock() {
            Ok(locked) => (locked, false),
            Err(TryLockError::Poisoned(poisoned)) => (poisoned.into_inner(), false),
            Err(TryLockError::WouldBlock) => (mutex.lock().unwrap_or_else(PoisonError::into_inner), true),
        };
        locked.lock_meetings.count(taken);
        Self { locked, busy: Busy::new() }
    }

    /// Sleeps, the lock released, until `condvar` is notified, and for so long at most.
    pub(super) fn wait(self, condvar: &Condvar, at_most: Option<Duration>) -> Self {
        let Self { locked, busy } = self;
        let locked = match at_most {
            Some(at_most) => condvar.wait_timeout(locked, at_most).unwrap_or_else(PoisonError::into_inner).0,
            None => condvar.wait(locked).unwrap_or_else(PoisonError::into_inner),
        };
        Self { locked, busy }
    }
}

impl Deref for Held<'_> {
    type Target = Locked;

    fn deref(&self) -> &Locked {
        &self.locked
    }
}

impl DerefMut for Held<'_> {
    fn deref_mut(&mut self) -> &mut Locked {
        &mut self.locked
    }
}

/// Stands for one connection in the accept queue of a listener on the shard with this number: whoever receives it may accept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket(pub(crate) usize);

/// How far a shard is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Open,
    /// All is closed; what was handed over is still being delivered.
    Closing,
    /// The driver is to end once all that waits has left, and at this time at the latest.
    Ending(Instant),
}

/// Why nothing works any more.
#[derive(Debug)]
struct Death {
    kind: io::ErrorKind,
    text: String,
}

impl Locked {
    pub(super) fn new(stack: Stack, cushion: Arc<Cushion>) -> Self {
        Self {
            stack,
            waiters: Waiters::new(cushion),
            token: TransmitToken::new(),
            seat: DriverSeat::new(),
            lock_meetings: Meetings::default(),
            spare: Vec::new(),
            doors: HashMap::new(),
            stage: Stage::Open,
            death: None,
        }
    }

    /// Asks the stack for packets while there is room for them.
    pub(super) fn fill(&mut self, now: Instant, limit: u32) {
        while self.death.is_none() && self.token.has_room() {
            let Some(packet) = self.stack.poll_transmit(now, limit) else {
                return;
            };
            self.token.push(packet);
        }
    }

    /// Gathers who is to hear of what has happened.
    pub(super) fn gather(&mut self, chores: &mut Chores) {
        while let Some(event) = self.stack.poll_event() {
            chores.news = true;
            match event {
                StackEvent::Connection(id, event) => chores.wake_ups.extend(self.waiters.on_event(id, event)),
                StackEvent::Incoming(listener) => chores.tickets.extend(self.doors.get(&listener).cloned()),
            }
        }
    }

    /// Connections to `listener` are announced behind `door` from now on, each by a `ticket`.
    pub(crate) fn open_door(&mut self, listener: ListenerId, door: Sender<Ticket>, ticket: Ticket) {
        if self.death.is_none() {
            self.doors.insert(listener, (door, ticket));
        }
    }

    /// Nobody accepts any more.
    pub(crate) fn close_door(&mut self, now: Instant, listener: ListenerId) {
        self.doors.remove(&listener);
        self.stack.close_listener(now, listener);
    }

    /// Nothing works any more: everybody is to hear of it, the driver too.
    pub(super) fn die(&mut self, error: &io::Error, chores: &mut Chores) {
        if self.death.is_none() {
            let what =
                if is_gone(error) { "the device is gone, somebody has removed it" } else { "the device has failed" };
            log::error!("{what}, and all connections with it: {error}");
            self.death = Some(Death { kind: error.kind(), text: format!("{what}: {error}") });
            self.doors.clear();
            chores.wake_ups.extend(self.waiters.wake_all());
        }
        chores.ring = true;
        chores.rouse = true;
    }

    /// Why nothing can be begun or waited for any more, if that is so.
    pub(crate) fn check_alive(&self) -> io::Result<()> {
        match &self.death {
            Some(death) => Err(io::Error::new(death.kind, death.text.clone())),
            None if self.stage != Stage::Open => {
                Err(io::Error::new(io::ErrorKind::NotConnected, "the host was shut down"))
            }
            None => Ok(()),
        }
    }

    /// Closes all that is open, and says who is to hear of it.
    pub(super) fn close_all(&mut self, now: Instant) -> Vec<WakeUp> {
        self.stage = Stage::Closing;
        for (listener, _door) in self.doors.drain() {
            self.stack.close_listener(now, listener);
        }
        let all: Vec<ConnectionId> = self.stack.connections(now).map(|(id, ..)| id).collect();
        all.into_iter().for_each(|id| self.stack.close(now, id));
        self.waiters.wake_all().collect()
    }

    /// True if nothing that was closed is still being delivered.
    pub(super) fn is_finished(&self) -> bool {
        self.death.is_some() || (self.stage != Stage::Open && self.stack.usage().connections == 0)
    }

    /// True if, beyond that, nobody writes packets any more, nor has any to write.
    pub(super) fn has_left(&self) -> bool {
        self.is_finished() && (self.death.is_some() || self.token.is_idle())
    }

    /// The driver is to end once all that waits has left.
    pub(super) fn end(&mut self, now: Instant) {
        self.stage = Stage::Ending(now + LAST_WORDS);
    }

    /// True if the driver is to end.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        match self.stage {
            _ if self.death.is_some() => true,
            Stage::Open | Stage::Closing => false,
            Stage::Ending(at_latest) => self.token.is_idle() || now >= at_latest,
        }
    }
}

/// What is to be done once the lock is released.
#[derive(Debug, Default)]
pub(super) struct Chores {
    /// Arm the timer.
    pub(super) arm: bool,
    /// Wake the driver.
    pub(super) ring: bool,
    /// Wake who sits in the driver's seat.
    pub(super) rouse: bool,
    /// Something was told, be it that nobody sleeps who is to hear of it: who is about to sleep looks again.
    news: bool,
    wake_ups: SmallVec<[WakeUp; 4]>,
    tickets: SmallVec<[(Sender<Ticket>, Ticket); 4]>,
}

/// True if there is no device any more, as a TUN's descriptor says, or a socket on an interface.
fn is_gone(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::BADFD | Errno::NODEV | Errno::NXIO))
}

impl Chores {
    pub(super) fn is_empty(&self) -> bool {
        !self.arm && !self.ring && !self.rouse && !self.news && self.wake_ups.is_empty() && self.tickets.is_empty()
    }

    /// True if anybody is to hear of something.
    pub(super) fn wakes_anybody(&self) -> bool {
        !self.wake_ups.is_empty() || !self.tickets.is_empty()
    }

    /// True if a single connection's threads are to hear of something, and nobody else.
    pub(super) fn wakes_one(&self) -> bool {
        self.wake_ups.len() == 1 && self.tickets.is_empty()
    }

    /// How many waiters are to be notified.
    #[cfg(test)]
    pub(super) fn wake_ups(&self) -> usize {
        self.wake_ups.len()
    }

    /// Wakes up those who are to hear of something.
    pub(super) fn announce(&mut self) {
        self.wake_ups.drain(..).for_each(|wake_up| wake_up.notify());
        for (door, ticket) in self.tickets.drain(..) {
            // If nobody is behind the door any more, nobody waits.
            let _ = door.send(ticket);
        }
    }
}
