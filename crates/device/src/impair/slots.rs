//! Packets that come out in slots, as of a radio or a cable that gathers them until it is their turn: netem's `slot`.

use std::collections::VecDeque;

use sockeye_wire::Instant;

use super::Delay;
use super::carried::Carried;
use super::delay::Deviations;
use super::random::Dice;

/// When a link is next given a turn, and what it may deliver then: `slot 800us 1ms packets 42`,
/// `slot distribution normal 2ms 500us bytes 64kb`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// How long after the first packet that waits the turn comes, and, where more wait than may pass, the next one.
    pub gap: Delay,
    /// Packets that pass in one; any number if `None`.
    pub packets: Option<u64>,
    /// Octets after which no other packet passes; any number if `None`.
    pub octets: Option<u64>,
}

/// Packets that wait for the link's turn, in order.
#[derive(Debug)]
pub(super) struct Slots {
    slot: Option<Slot>,
    deviations: Deviations,
    waiting: VecDeque<Carried>,
    octets: u64,
    /// When the next turn comes; `None` if nothing waits for it.
    next: Option<Instant>,
}

impl Slots {
    pub(super) fn new(slot: Option<Slot>, seed: u64) -> Self {
        let deviations = Deviations::new(Dice::new(seed, "slot"));
        Self { slot, deviations, waiting: VecDeque::new(), octets: 0, next: None }
    }

    /// Another configuration; what waits is delivered at the turn it waits for.
    pub(super) fn change(&mut self, slot: Option<Slot>) {
        self.slot = slot;
    }

    /// True if packets just go by.
    pub(super) fn is_idle(&self) -> bool {
        self.slot.is_none() && self.waiting.is_empty()
    }

    /// Packets that wait, and their octets.
    pub(super) fn waiting(&self) -> (u64, u64) {
        (self.waiting.len() as u64, self.octets)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// A packet comes to the far end.
    pub(super) fn push(&mut self, now: Instant, carried: Carried) {
        self.octets += carried.octets();
        self.waiting.push_back(carried);
        if self.next.is_none() {
            self.next = Some(self.turn_after(now));
        }
    }

    pub(super) const fn next_event(&self) -> Option<Instant> {
        self.next
    }

    /// The turn of `now`: what passes is in `out`.
    pub(super) fn release(&mut self, now: Instant, out: &mut Vec<Carried>) {
        let limit = |of: fn(&Slot) -> Option<u64>| self.slot.as_ref().and_then(of).unwrap_or(u64::MAX);
        let (mut packets, mut octets) = (limit(|slot| slot.packets).max(1), limit(|slot| slot.octets));
        while let Some(carried) = self.waiting.pop_front() {
            packets -= 1;
            octets = octets.saturating_sub(carried.octets());
            self.octets -= carried.octets();
            out.push(carried);
            if packets == 0 || octets == 0 {
                break;
            }
        }
        self.next = if self.waiting.is_empty() { None } else { Some(self.turn_after(now)) };
    }

    fn turn_after(&mut self, now: Instant) -> Instant {
        self.slot.map_or(now, |slot| now + self.deviations.delay(&slot.gap))
    }
}
