//! Packets that overtake others: netem's way, by distance, and by a late few.

use std::time::Duration;

use sockeye_wire::Instant;

use super::carried::Carried;
use super::random::{Coin, Dice};
use super::{Chance, Odds};

/// netem's reordering: `reorder 25% 50% gap 5`. Of the packets after each `gap` - 1 delayed ones a share takes no time on
/// its way. Does nothing on a link without delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reorder {
    /// The share.
    pub odds: Odds,
    /// At least 1.
    pub gap: u32,
}

/// Reordering by distance: `displace 1% 3`. A share of the packets is held at the far end until so many others have gone
/// past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Displace {
    /// The share.
    pub chance: Chance,
    /// How many go past.
    pub distance: u32,
    /// For how long at most one waits for them.
    pub at_most: Duration,
}

impl Displace {
    /// How long a displaced packet waits unless told otherwise.
    pub const AT_MOST: Duration = Duration::from_millis(100);
}

/// Reordering by time: `late 10% 25ms`. A share of the packets takes longer, by anything up to this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Late {
    /// The share.
    pub chance: Chance,
    /// The most.
    pub up_to: Duration,
}

/// Says which packets skip the delay, and which take longer.
#[derive(Debug)]
pub(super) struct Overtaking {
    reorder: Option<Reorder>,
    coin: Coin,
    /// Packets delayed since the last one that wasn't.
    delayed: u32,
    late: Option<Late>,
    dice: Dice,
}

impl Overtaking {
    pub(super) fn new(reorder: Option<Reorder>, late: Option<Late>, seed: u64) -> Self {
        let odds = reorder.map_or(Odds::default(), |reorder| reorder.odds);
        let coin = Coin::new(odds, Dice::new(seed, "reorder"));
        Self { reorder, coin, delayed: 0, late, dice: Dice::new(seed, "late") }
    }

    /// True if the next packet takes no time.
    pub(super) fn skips(&mut self) -> bool {
        let Some(Reorder { gap, .. }) = self.reorder else {
            return false;
        };
        let skips = self.delayed + 1 >= gap && self.coin.toss();
        self.delayed = if skips { 0 } else { self.delayed.saturating_add(1) };
        skips
    }

    /// How much longer the next packet takes.
    pub(super) fn extra(&mut self) -> Duration {
        match self.late {
            Some(Late { chance, up_to }) if self.dice.hit(chance) => {
                let share = u128::from(self.dice.word());
                Duration::from_nanos(u64::try_from((up_to.as_nanos() * share) >> 32).unwrap_or(u64::MAX))
            }
            _ => Duration::ZERO,
        }
    }
}

#[derive(Debug)]
struct Held {
    carried: Carried,
    /// How many more have to go past.
    left: u32,
    until: Instant,
}

/// Holds packets until others have gone past.
#[derive(Debug)]
pub(super) struct Displacement {
    config: Option<Displace>,
    dice: Dice,
    held: Vec<Held>,
}

impl Displacement {
    pub(super) fn new(config: Option<Displace>, seed: u64) -> Self {
        Self { config, dice: Dice::new(seed, "displace"), held: Vec::new() }
    }

    /// Another configuration; what is held stays held.
    pub(super) fn change(&mut self, config: Option<Displace>) {
        self.config = config;
    }

    /// True if packets just go by.
    pub(super) fn is_idle(&self) -> bool {
        self.config.is_none() && self.held.is_empty()
    }

    /// A packet comes by; those that go on now are in `out`.
    pub(super) fn push(&mut self, now: Instant, carried: Carried, out: &mut Vec<Carried>) {
        if let Some(Displace { chance, distance, at_most }) = self.config
            && distance > 0
            && self.dice.hit(chance)
        {
            self.held.push(Held { carried, left: distance, until: now + at_most });
            return;
        }
        out.push(carried);
        for held in &mut self.held {
            held.left = held.left.saturating_sub(1);
        }
        self.release(now, out);
    }

    pub(super) fn next_event(&self) -> Option<Instant> {
        self.held.iter().fold(None, |next, held| Instant::earlier(next, Some(held.until)))
    }

    /// Lets go of those that have waited long enough.
    pub(super) fn release(&mut self, now: Instant, out: &mut Vec<Carried>) {
        let due = self.held.extract_if(.., |held| held.left == 0 || held.until <= now);
        out.extend(due.map(|held| held.carried));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}
