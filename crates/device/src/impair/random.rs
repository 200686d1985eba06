//! Chance: seeded, and of each element its own, so that switching one on doesn't change what the others do.

use rand_core::Rng;
use rand_pcg::Pcg32;

use super::Chance;

/// A generator of one element.
#[derive(Clone, Debug)]
pub(super) struct Dice(Pcg32);

impl Dice {
    /// Of the element `name`, whose first octets choose the sequence.
    pub(super) fn new(seed: u64, name: &str) -> Self {
        let stream = name.bytes().fold(0, |stream: u64, octet| stream << 8 | u64::from(octet));
        Self(Pcg32::new(seed, stream))
    }

    /// 32 random bits.
    pub(super) fn word(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// A number from 0 to `end` - 1, each as likely as any other but for one part in 2^32; 0 if `end` is 0.
    pub(super) fn below(&mut self, end: u32) -> u32 {
        let scaled = u64::from(self.word()) * u64::from(end);
        u32::try_from(scaled >> 32).unwrap_or(0)
    }

    /// True with this chance.
    pub(super) fn hit(&mut self, chance: Chance) -> bool {
        match chance {
            Chance::NEVER => false,
            Chance::ALWAYS => true,
            _ => self.below(Chance::ALWAYS.as_parts_per_billion()) < chance.as_parts_per_billion(),
        }
    }
}

/// Something that happens to some packets: how often, and how much it depends on what happened to the last one.
///
/// With a correlation of 25 % one outcome in four is that of the packet before, and the others are drawn afresh. So the
/// share stays what it says, which the kernel's netem misses when its outcomes depend on each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Odds {
    /// The share of packets.
    pub chance: Chance,
    /// The share of outcomes that repeat the last one.
    pub correlation: Chance,
}

impl Odds {
    /// Independent of each other.
    pub const fn new(chance: Chance) -> Self {
        Self { chance, correlation: Chance::NEVER }
    }
}

/// A coin that knows its last fall.
#[derive(Clone, Debug)]
pub(super) struct Coin {
    odds: Odds,
    last: bool,
    pub(super) dice: Dice,
}

impl Coin {
    pub(super) fn new(odds: Odds, dice: Dice) -> Self {
        Self { odds, last: false, dice }
    }

    pub(super) fn toss(&mut self) -> bool {
        if !self.dice.hit(self.odds.correlation) {
            self.last = self.dice.hit(self.odds.chance);
        }
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tosses(odds: Odds) -> Vec<bool> {
        let mut coin = Coin::new(odds, Dice::new(7, "test"));
        (0..100_000).map(|_| coin.toss()).collect()
    }

    #[test]
    fn the_share_is_what_was_asked_with_correlation_too() {
        for correlation in [0, 25, 50] {
            let odds = Odds { chance: Chance::percent(10), correlation: Chance::percent(correlation) };
            let tosses = tosses(odds);
            let hits = tosses.iter().filter(|hit| **hit).count();
            assert!((9_400..10_600).contains(&hits), "{hits} with {correlation} %");
            let repeated = tosses.windows(2).filter(|pair| pair[0] && pair[1]).count() * 100 / hits;
            let expected = correlation as usize + (100 - correlation as usize) / 10;
            assert!(repeated.abs_diff(expected) <= 2, "{repeated} %, expected {expected} %");
        }
    }

    #[test]
    fn elements_have_sequences_of_their_own() {
        assert_ne!(Dice::new(7, "loss").word(), Dice::new(7, "delay").word());
        assert_eq!(Dice::new(7, "loss").word(), Dice::new(7, "loss").word());
    }
}
