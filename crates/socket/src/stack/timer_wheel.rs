//! Deadlines of very many connections: a hierarchical timer wheel on an index-linked slab.
//!
//! Arming, moving and cancelling are O(1). A deadline that is pushed later stays where it is and is looked at again when
//! its old time comes, since most are pushed on before they are ever due. Varghese and Lauck, 1987.

use sockeye_wire::Instant;

/// One tick is 2^14 ns, 16 microseconds: a timer is at most that late, and never early.
const TICK_BITS: u32 = 14;
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
/// 64^9 ticks are more than all of time.
const LEVELS: usize = 9;
const NONE: u32 = u32::MAX;

/// A timer of a [`TimerWheel`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimerId(u32);

/// Timers that carry a `T` each, which tells whose it is.
#[derive(Debug)]
pub(crate) struct TimerWheel<T> {
    nodes: Vec<Node<T>>,
    free: u32,
    /// The first node of each slot.
    heads: [[u32; SLOTS]; LEVELS],
    /// Which slots have any.
    occupied: [u64; LEVELS],
    /// Which levels have any.
    levels: u16,
    /// All before this tick has fired.
    elapsed: u64,
    armed: usize,
}

#[derive(Clone, Copy, Debug)]
struct Node<T> {
    owner: T,
    /// When it is due: it may stand in an earlier slot.
    due: u64,
    prev: u32,
    next: u32,
    /// Level and slot, while it is armed.
    place: Option<(u8, u8)>,
}

impl<T: Copy> TimerWheel<T> {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            nodes: Vec::new(),
            free: NONE,
            heads: [[NONE; SLOTS]; LEVELS],
            occupied: [0; LEVELS],
            levels: 0,
            elapsed: now.as_nanos() >> TICK_BITS,
            armed: 0,
        }
    }

    /// How many timers are armed.
    pub(crate) const fn armed(&self) -> usize {
        self.armed
    }

    /// A timer for `owner`, not armed.
    pub(crate) fn add(&mut self, owner: T) -> TimerId {
        let node = Node { owner, due: 0, prev: NONE, next: NONE, place: None };
        if let Some(free) = self.nodes.get_mut(self.free as usize) {
            let id = self.free;
            self.free = free.next;
            *free = node;
            return TimerId(id);
        }
        self.nodes.push(node);
        TimerId(u32::try_from(self.nodes.len() - 1).unwrap_or(NONE))
    }

    /// The timer belongs to `owner` from now on.
    pub(crate) fn set_owner(&mut self, id: TimerId, owner: T) {
        if let Some(node) = self.nodes.get_mut(id.0 as usize) {
            node.owner = owner;
        }
    }

    /// Gives the timer up.
    pub(crate) fn remove(&mut self, id: TimerId) {
        self.unlink(id.0);
        let free = self.free;
        if let Some(node) = self.nodes.get_mut(id.0 as usize) {
            node.next = free;
            self.free = id.0;
        }
    }

    /// Arms the timer for `deadline`, or disarms it.
    pub(crate) fn set(&mut self, id: TimerId, deadline: Option<Instant>) {
        let Some(node) = self.nodes.get_mut(id.0 as usize) else {
            return;
        };
        let Some(deadline) = deadline else {
            self.unlink(id.0);
            return;
        };
        let due = tick_at_or_after(deadline);
        let later = due >= node.due;
        node.due = due;
        if node.place.is_some() && later {
            return; // looked at again when its old time comes
        }
        self.unlink(id.0);
        self.link(id.0);
    }

    /// The next instant at which [`Self::expire`] has something to do. It may turn out to be only a look.
    pub(crate) fn next(&self) -> Option<Instant> {
        let (_, _, tick) = self.next_slot()?;
        Some(Instant::from_nanos(tick.max(self.elapsed).saturating_mul(1 << TICK_BITS)))
    }

    /// Takes one timer that is due; it is disarmed then.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<T> {
        let now = now.as_nanos() >> TICK_BITS;
        while let Some((level, slot, tick)) = self.next_slot().filter(|&(_, _, tick)| tick <= now) {
            self.elapsed = self.elapsed.max(tick);
            let id = self.heads[level][slot];
            self.unlink(id);
            let Some(node) = self.nodes.get(id as usize) else { continue };
            if node.due <= now {
                return Some(node.owner);
            }
            self.link(id);
        }
        self.elapsed = self.elapsed.max(now);
        None
    }

    /// The earliest slot that has any timers: level, slot, and the tick at which it begins. A slot that has begun and is
    /// not empty yet counts before those below it into which its timers move.
    fn next_slot(&self) -> Option<(usize, usize, u64)> {
        let first_of = |level: usize| {
            let shift = SLOT_BITS * u32::try_from(level).unwrap_or(0);
            let position = (self.elapsed >> shift) & (SLOTS as u64 - 1);
            let ahead = self.occupied[level] >> position << position;
            let slot = u64::from((ahead != 0).then(|| ahead.trailing_zeros())?);
            let base = self.elapsed >> shift >> SLOT_BITS << SLOT_BITS;
            Some((level, usize::try_from(slot).unwrap_or(0), (base | slot) << shift))
        };
        // Of nine levels one or two have any timers, and to look at each of the others was as dear as all the rest.
        let (mut levels, mut first) = (self.levels, None);
        while levels != 0 {
            let next = first_of(levels.trailing_zeros() as usize);
            levels &= levels - 1;
            first = match (first, next) {
                (Some((_, _, tick)), Some((_, _, other))) if other >= tick => first,
                (_, None) => first,
                _ => next,
            };
        }
        first
    }

    fn link(&mut self, id: u32) {
        let elapsed = self.elapsed;
        let Some(node) = self.nodes.get_mut(id as usize) else {
            return;
        };
        let tick = node.due.max(elapsed);
        // The level is that of the highest digit in which the two differ: below it the slot has not begun yet.
        let differing = (tick ^ elapsed) | (SLOTS as u64 - 1);
        let level = (u64::BITS - 1 - differing.leading_zeros()) / SLOT_BITS;
        let slot = (tick >> (level * SLOT_BITS)) & (SLOTS as u64 - 1);
        #[expect(clippy::cast_possible_truncation, reason = "both are below 64")]
        let place = (level as u8, slot as u8);
        let head = &mut self.heads[usize::from(place.0)][usize::from(place.1)];
        node.place = Some(place);
        node.prev = NONE;
        node.next = *head;
        let old = std::mem::replace(head, id);
        if let Some(old) = self.nodes.get_mut(old as usize) {
            old.prev = id;
        }
        self.occupied[usize::from(place.0)] |= 1 << place.1;
        self.levels |= 1 << place.0;
        self.armed += 1;
    }

    fn unlink(&mut self, id: u32) {
        let Some(node) = self.nodes.get_mut(id as usize) else {
            return;
        };
        let Some((level, slot)) = node.place.take() else {
            return;
        };
        let (prev, next) = (node.prev, node.next);
        let (level, slot) = (usize::from(level), usize::from(slot));
        match self.nodes.get_mut(prev as usize) {
            Some(prev) => prev.next = next,
            None => self.heads[level][slot] = next,
        }
        if let Some(next) = self.nodes.get_mut(next as usize) {
            next.prev = prev;
        }
        if self.heads[level][slot] == NONE {
            self.occupied[level] &= !(1 << slot);
            if self.occupied[level] == 0 {
                self.levels &= !(1 << level);
            }
        }
        self.armed -= 1;
    }
}

/// The first tick that is not before `deadline`.
fn tick_at_or_after(deadline: Instant) -> u64 {
    deadline.as_nanos().div_ceil(1 << TICK_BITS)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Set(usize, u64),
        Disarm(usize),
        Advance(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let nanos = prop_oneof![0..100_000_u64, 0..10_000_000_000_u64, 0..(1_u64 << 54)];
        prop_oneof![
            4 => (0..20_usize, nanos.clone()).prop_map(|(which, nanos)| Step::Set(which, nanos)),
            1 => (0..20_usize).prop_map(Step::Disarm),
            2 => nanos.prop_map(Step::Advance),
        ]
    }

    proptest! {
        #[test]
        fn agrees_with_a_sorted_map(steps in prop::collection::vec(step(), 1..200)) {
            let mut now = Instant::from_millis(77);
            let mut wheel = TimerWheel::new(now);
            let ids: Vec<_> = (0..20_usize).map(|owner| wheel.add(owner)).collect();
            let mut model = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Set(which, after) => {
                        let at = now + std::time::Duration::from_nanos(after);
                        wheel.set(ids[which], Some(at));
                        model.insert(which, at);
                    }
                    Step::Disarm(which) => {
                        wheel.set(ids[which], None);
                        model.remove(&which);
                    }
                    Step::Advance(by) => {
                        now += std::time::Duration::from_nanos(by);
                        while let Some(owner) = wheel.expire(now) {
                            let due = model.remove(&owner);
                            prop_assert!(due.is_some_and(|due| due <= now), "{owner} fired early or twice");
                        }
                        let late = model.values().filter(|at| at.as_nanos().saturating_add(1 << TICK_BITS) <= now.as_nanos()).count();
                        prop_assert_eq!(late, 0, "a timer was missed");
                    }
                }
                prop_assert_eq!(wheel.armed(), model.len());
                if let (Some(next), Some(first)) = (wheel.next(), model.values().min()) {
                    prop_assert!(next.as_nanos() < first.as_nanos().saturating_add(1 << TICK_BITS));
                }
                prop_assert_eq!(wheel.next().is_some(), !model.is_empty());
            }
        }
    }
}
