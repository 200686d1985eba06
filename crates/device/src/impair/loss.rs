//! Packets that get lost on their way: independently, in bursts, in turn, or by a list.

use std::sync::Arc;

use super::random::{Coin, Dice};
use super::{Chance, Odds};

/// Which packets get lost.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Loss {
    /// None.
    #[default]
    None,
    /// A share of them: `loss 1%`, `loss 1% 25%`.
    Random(Odds),
    /// By a Markov chain of four states, `loss state P13 P31 P32 P23 P14`.
    State {
        /// From where packets arrive to where they get lost in a burst.
        p13: Chance,
        /// Back.
        p31: Chance,
        /// From a loss in a burst to a packet that arrives within it.
        p32: Chance,
        /// Back.
        p23: Chance,
        /// From where packets arrive to a lone loss.
        p14: Chance,
    },
    /// Gilbert and Elliott: a good state and a bad one, `loss gemodel P R 1-H 1-K`.
    GilbertElliott {
        /// From good to bad.
        p: Chance,
        /// From bad to good.
        r: Chance,
        /// Of loss while bad (1-h).
        bad: Chance,
        /// Of loss while good (1-k).
        good: Chance,
    },
    /// Each so many-th packet: `loss every 100`. 0 is none.
    Every(u64),
    /// Those with these numbers, the first packet being 1, in ascending order: `loss list 3,17,40`.
    Listed(Arc<[u64]>),
}

/// Where the chain of four states is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// State 1.
    Gap,
    /// State 2.
    ArrivesInBurst,
    /// State 3.
    LostInBurst,
    /// State 4.
    LostAlone,
}

/// Loss at work.
#[derive(Clone, Debug)]
pub(super) struct Losses {
    model: Loss,
    coin: Coin,
    place: Place,
    bad: bool,
    /// Packets seen so far.
    seen: u64,
}

impl Losses {
    pub(super) fn new(model: Loss, seed: u64) -> Self {
        let coin = Self::coin(&model, Dice::new(seed, "loss"));
        Self { model, coin, place: Place::Gap, bad: false, seen: 0 }
    }

    fn coin(model: &Loss, dice: Dice) -> Coin {
        Coin::new(if let Loss::Random(odds) = *model { odds } else { Odds::default() }, dice)
    }

    /// From now on another model; packets are counted on, and chance goes on where it was.
    pub(super) fn change(&mut self, model: &Loss) {
        if self.model != *model {
            self.coin = Self::coin(model, self.coin.dice.clone());
            self.model = model.clone();
        }
    }

    /// True if the next packet is lost.
    pub(super) fn takes_next(&mut self) -> bool {
        self.seen += 1;
        match self.model {
            Loss::None | Loss::Every(0) => false,
            Loss::Random(_) => self.coin.toss(),
            Loss::State { p13, p31, p32, p23, p14 } => {
                self.place = self.moved(p13, p31, p32, p23, p14);
                matches!(self.place, Place::LostInBurst | Place::LostAlone)
            }
            Loss::GilbertElliott { p, r, bad, good } => {
                let dice = &mut self.coin.dice;
                self.bad = if self.bad { !dice.hit(r) } else { dice.hit(p) };
                dice.hit(if self.bad { bad } else { good })
            }
            Loss::Every(nth) => self.seen.is_multiple_of(nth),
            Loss::Listed(ref list) => list.binary_search(&self.seen).is_ok(),
        }
    }

    /// A packet comes where none is lost.
    pub(super) const fn lets_pass(&mut self) {
        self.seen += 1;
    }

    /// The next state of the four.
    fn moved(&mut self, p13: Chance, p31: Chance, p32: Chance, p23: Chance, p14: Chance) -> Place {
        let arrows: &[(Chance, Place)] = match self.place {
            Place::Gap => &[(p14, Place::LostAlone), (p13, Place::LostInBurst)],
            Place::ArrivesInBurst => &[(p23, Place::LostInBurst)],
            Place::LostInBurst => &[(p32, Place::ArrivesInBurst), (p31, Place::Gap)],
            Place::LostAlone => &[(Chance::ALWAYS, Place::Gap)],
        };
        let mut draw = self.coin.dice.below(Chance::ALWAYS.as_parts_per_billion());
        for (chance, place) in arrows {
            match draw.checked_sub(chance.as_parts_per_billion()) {
                None => return *place,
                Some(rest) => draw = rest,
            }
        }
        self.place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of so many packets are lost.
    fn lost(model: Loss, packets: usize) -> Vec<bool> {
        let mut losses = Losses::new(model, 42);
        (0..packets).map(|_| losses.takes_next()).collect()
    }

    fn count(lost: &[bool]) -> usize {
        lost.iter().filter(|lost| **lost).count()
    }

    /// Lengths of the runs of lost packets.
    fn bursts(lost: &[bool]) -> Vec<usize> {
        lost.split(|lost| !lost).map(<[bool]>::len).filter(|length| *length > 0).collect()
    }

    #[test]
    fn independent_losses_are_as_many_as_asked_and_mostly_alone() {
        let lost = lost(Loss::Random(Odds::new(Chance::percent(1))), 200_000);
        assert!((1_850..2_150).contains(&count(&lost)), "{}", count(&lost));
        let mean = count(&lost) * 100 / bursts(&lost).len();
        assert!((100..104).contains(&mean), "bursts of {mean} / 100");
    }

    #[test]
    fn gilbert_elliott_loses_in_bursts_of_one_over_r() {
        let model = Loss::GilbertElliott {
            p: Chance::percent(1),
            r: Chance::percent(25),
            bad: Chance::ALWAYS,
            good: Chance::NEVER,
        };
        let lost = lost(model, 400_000);
        // The share of the bad state is p / (p + r) = 3.85 %.
        assert!((14_400..16_400).contains(&count(&lost)), "{}", count(&lost));
        let mean = count(&lost) * 100 / bursts(&lost).len();
        assert!((380..420).contains(&mean), "bursts of {mean} / 100");
    }

    #[test]
    fn the_four_states_know_lone_losses_and_holes_in_bursts() {
        let percent = Chance::percent;
        let lone =
            Loss::State { p13: percent(0), p31: percent(100), p32: percent(0), p23: percent(100), p14: percent(10) };
        let lost_alone = lost(lone, 100_000);
        assert!(bursts(&lost_alone).iter().all(|length| *length == 1));
        let holes =
            Loss::State { p13: percent(1), p31: percent(10), p32: percent(20), p23: percent(50), p14: percent(0) };
        // Of the stationary shares, 1 : 0.1 : 0.04, lost is state 3: 1 / 11.4.
        let share = count(&lost(holes, 400_000)) * 1_000 / 400_000;
        assert!((83..93).contains(&share), "{share} in a thousand");
    }

    #[test]
    fn every_nth_and_listed_packets_are_those() {
        let numbers = |model| {
            let lost = lost(model, 20);
            (1..).zip(lost).filter(|(_, lost)| *lost).map(|(number, _)| number).collect::<Vec<u64>>()
        };
        assert_eq!(numbers(Loss::Every(7)), [7, 14]);
        assert_eq!(numbers(Loss::Listed([1, 3, 20, 30].into())), [1, 3, 20]);
        assert_eq!(numbers(Loss::Every(0)), []);
    }
}
