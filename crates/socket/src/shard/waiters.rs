//! Who sleeps until a connection has something to tell.
//!
//! A waiter's condition variables belong to the shard's mutex: a thread that checks and then sleeps misses nothing, and
//! no second mutex is taken under the first. They are notified after the lock is released, and only if somebody sleeps:
//! a notification is a system call. A thread that sits in the driver's seat sleeps on the device instead, and is rung.

use std::mem;
use std::sync::{Arc, Condvar};

use sockeye_tcb::{ClosedBecause, Event, SoftError};

use super::alarm::Cushion;
use crate::stack::ConnectionId;

/// Where the threads sleep that use one connection.
#[derive(Debug)]
pub(crate) struct Waiter {
    readers: Condvar,
    writers: Condvar,
    /// The shard's: one of the threads may sit there.
    cushion: Arc<Cushion>,
}

/// What a thread sleeps for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// There is something to read.
    Readable,
    /// There is room to write, or the handshake is over.
    Writable,
}

impl Waiter {
    fn new(cushion: Arc<Cushion>) -> Self {
        Self { readers: Condvar::new(), writers: Condvar::new(), cushion }
    }

    pub(crate) const fn condvar(&self, until: Until) -> &Condvar {
        match until {
            Until::Readable => &self.readers,
            Until::Writable => &self.writers,
        }
    }
}

/// A waiter to notify once the lock is released.
#[derive(Debug)]
pub(crate) struct WakeUp {
    waiter: Arc<Waiter>,
    readers: bool,
    writers: bool,
    sitter: bool,
}

impl WakeUp {
    pub(crate) fn notify(&self) {
        if self.sitter {
            self.waiter.cushion.ring();
        }
        if self.readers {
            self.waiter.readers.notify_all();
        }
        if self.writers {
            self.waiter.writers.notify_all();
        }
    }
}

/// What the shard knows of the threads that use a connection.
#[derive(Debug)]
struct Entry {
    id: ConnectionId,
    waiter: Arc<Waiter>,
    readers_sleep: bool,
    writers_sleep: bool,
    /// A thread that waits for this connection sleeps in the driver's seat.
    sitter_sleeps: bool,
    soft_error: Option<SoftError>,
    ended: Option<ClosedBecause>,
}

impl Entry {
    fn new(id: ConnectionId, cushion: Arc<Cushion>) -> Self {
        Self {
            id,
            waiter: Arc::new(Waiter::new(cushion)),
            readers_sleep: false,
            writers_sleep: false,
            sitter_sleeps: false,
            soft_error: None,
            ended: None,
        }
    }

    const fn is_asleep(&self) -> bool {
        self.readers_sleep || self.writers_sleep
    }

    /// The waiter to notify if any of those sleep whom it concerns, who no longer count as `asleep`. Who isn't satisfied says
    /// so again before sleeping on.
    fn wake(&mut self, readers: bool, writers: bool, asleep: &mut usize) -> Option<WakeUp> {
        let was_asleep = self.is_asleep();
        let readers = readers && mem::take(&mut self.readers_sleep);
        let writers = writers && mem::take(&mut self.writers_sleep);
        let sitter = mem::take(&mut self.sitter_sleeps);
        *asleep -= usize::from(was_asleep && !self.is_asleep());
        (readers || writers || sitter).then(|| WakeUp { waiter: Arc::clone(&self.waiter), readers, writers, sitter })
    }
}

/// The entry of a connection.
fn entry_of(entries: &mut [Option<Box<Entry>>], id: ConnectionId) -> Option<&mut Entry> {
    entries.get_mut(id.index())?.as_deref_mut().filter(|entry| entry.id == id)
}

/// The waiters of all connections that a stream stands for, in the places that the connections have in the stack.
#[derive(Debug)]
pub(crate) struct Waiters {
    entries: Vec<Option<Box<Entry>>>,
    /// How many of them have somebody asleep, or had until a patience was used up.
    asleep: usize,
    cushion: Arc<Cushion>,
}

impl Waiters {
    /// None yet; who sits in the driver's seat sleeps on `cushion`.
    pub(super) const fn new(cushion: Arc<Cushion>) -> Self {
        Self { entries: Vec::new(), asleep: 0, cushion }
    }

    /// A waiter for a new connection. Whoever had its place is gone.
    pub(crate) fn add(&mut self, id: ConnectionId) -> Arc<Waiter> {
        if self.entries.len() <= id.index() {
            self.entries.resize_with(id.index() + 1, || None);
        }
        let entry = Entry::new(id, Arc::clone(&self.cushion));
        let waiter = Arc::clone(&entry.waiter);
        if let Some(place) = self.entries.get_mut(id.index()) {
            let before = place.replace(Box::new(entry));
            self.asleep -= usize::from(before.is_some_and(|entry| entry.is_asleep()));
        }
        waiter
    }

    fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Entry> {
        entry_of(&mut self.entries, id)
    }

    /// True if a thread may be asleep other than in the driver's seat.
    pub(super) const fn anybody_sleeps(&self) -> bool {
        self.asleep > 0
    }

    /// The stream is gone.
    pub(crate) fn remove(&mut self, id: ConnectionId) {
        if let Some(place) = self.entries.get_mut(id.index())
            && let Some(entry) = place.take_if(|entry| entry.id == id)
        {
            self.asleep -= usize::from(entry.is_asleep());
        }
    }

    /// Somebody is about to sleep.
    pub(crate) fn sleeps(&mut self, id: ConnectionId, until: Until) {
        if let Some(entry) = entry_of(&mut self.entries, id) {
            self.asleep += usize::from(!entry.is_asleep());
            match until {
                Until::Readable => entry.readers_sleep = true,
                Until::Writable => entry.writers_sleep = true,
            }
        }
    }

    /// Somebody is about to sleep in the driver's seat, or is awake there again.
    pub(super) fn sitter_sleeps(&mut self, id: ConnectionId, sleeps: bool) {
        if let Some(entry) = self.get_mut(id) {
            entry.sitter_sleeps = sleeps;
        }
    }

    /// Whom `event` wakes.
    pub(crate) fn on_event(&mut self, id: ConnectionId, event: Event) -> Option<WakeUp> {
        let entry = entry_of(&mut self.entries, id)?;
        match event {
            Event::Readable | Event::Urgent => entry.wake(true, false, &mut self.asleep),
            Event::Writable | Event::Established => entry.wake(false, true, &mut self.asleep),
            Event::Closed(because) => {
                entry.ended = Some(because);
                entry.wake(true, true, &mut self.asleep)
            }
            Event::SoftError(error) => {
                entry.soft_error = Some(error);
                None
            }
        }
    }

    /// All who sleep for this connection: one of its directions was closed by another thread.
    pub(crate) fn wake(&mut self, id: ConnectionId) -> Option<WakeUp> {
        entry_of(&mut self.entries, id)?.wake(true, true, &mut self.asleep)
    }

    /// All who sleep for any.
    pub(crate) fn wake_all(&mut self) -> impl Iterator<Item = WakeUp> {
        let (entries, asleep) = (&mut self.entries, &mut self.asleep);
        entries.iter_mut().flatten().filter_map(|entry| entry.wake(true, true, asleep))
    }

    /// Why this connection is gone, if it is.
    pub(crate) fn ended(&mut self, id: ConnectionId) -> Option<ClosedBecause> {
        self.get_mut(id)?.ended
    }

    /// The last trouble that this connection was told of; clears it.
    pub(crate) fn take_soft_error(&mut self, id: ConnectionId) -> Option<SoftError> {
        self.get_mut(id)?.soft_error.take()
    }
}
