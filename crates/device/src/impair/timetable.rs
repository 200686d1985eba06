//! Packets that go out one after the other at a rate that stays as it is: when each does is known as it comes.

use std::collections::VecDeque;
use std::time::Duration;

use sockeye_wire::Instant;

use super::Rate;

/// Who goes out when.
#[derive(Clone, Debug)]
pub(super) struct Timetable {
    rate: Rate,
    /// See [`Rate::time_with`].
    remainder: u64,
    /// When the last one has gone out.
    free_at: Instant,
    /// The number of the one that goes out, or went out last.
    going: u64,
    /// Those that wait, in order.
    waiting: VecDeque<Entry>,
}

/// A packet that waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) serial: u64,
    pub(super) octets: u64,
    pub(super) since: Instant,
    /// When it begins to go out.
    begins: Instant,
}

impl Entry {
    /// How long it waits.
    pub(super) fn waits(&self) -> Duration {
        self.begins.since(self.since)
    }
}

impl Timetable {
    pub(super) const fn new(rate: Rate) -> Self {
        Self { rate, remainder: 0, free_at: Instant::ZERO, going: 0, waiting: VecDeque::new() }
    }

    pub(super) const fn rate(&self) -> Rate {
        self.rate
    }

    /// True if nothing goes out at `now`.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        self.free_at <= now
    }

    /// Packets that wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// A packet waits from `since` on, of which `cost` octets go over the link: when it has gone out.
    pub(super) fn add(&mut self, now: Instant, serial: u64, octets: u64, since: Instant, cost: u64) -> Instant {
        let begins = self.free_at.max(now);
        self.free_at = begins.plus_nanos(self.rate.time_with(cost, &mut self.remainder));
        self.waiting.push_back(Entry { serial, octets, since, begins });
        self.free_at
    }

    /// The next one that has begun to go out by `now`.
    #[inline]
    pub(super) fn begin(&mut self, now: Instant) -> Option<Entry> {
        let begun = self.waiting.pop_front_if(|entry| entry.begins <= now)?;
        self.going = begun.serial;
        Some(begun)
    }

    /// Numbers of those that have not gone out by `now`, and since when they wait; that goes for the one that is going out,
    /// too: if it has to start again, it waits from now on.
    pub(super) fn unsent(&self, now: Instant) -> impl Iterator<Item = (u64, Instant)> {
        let gone_at = self.waiting.front().map_or(self.free_at, |next| next.begins);
        let going = (gone_at > now).then_some((self.going, now));
        going.into_iter().chain(self.waiting.iter().map(|entry| (entry.serial, entry.since)))
    }
}
