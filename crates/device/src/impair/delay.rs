//! The time that packets are on their way, and how it varies.

use std::collections::VecDeque;
use std::time::Duration;

use sockeye_wire::Instant;

use super::Chance;
use super::carried::Carried;
use super::random::Dice;

/// How long a packet is on its way: `delay 40ms`, `delay 40ms 5ms 25% distribution normal`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Delay {
    /// On average.
    pub base: Duration,
    /// How much it varies: the standard deviation, or with [`Distribution::Uniform`] the most.
    pub jitter: Duration,
    /// How much of its deviation a packet has from the one before.
    pub correlation: Chance,
    /// How it varies.
    pub distribution: Distribution,
    /// No packet overtakes another: one that would waits behind it. Without this, jitter reorders, as netem's does.
    pub in_order: bool,
}

impl Delay {
    /// Always the same.
    pub const fn fixed(base: Duration) -> Self {
        Self {
            base,
            jitter: Duration::ZERO,
            correlation: Chance::NEVER,
            distribution: Distribution::Uniform,
            in_order: false,
        }
    }

    /// The shortest that it may be, as far as that is certain.
    pub(super) const fn least(&self) -> Duration {
        match self.distribution {
            _ if self.jitter.is_zero() => self.base,
            Distribution::Uniform => self.base.saturating_sub(self.jitter),
            Distribution::Normal | Distribution::Pareto | Distribution::ParetoNormal => Duration::ZERO,
        }
    }
}

/// How delays are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Distribution {
    /// All within the jitter are as likely.
    #[default]
    Uniform,
    /// A bell (the sum of twelve uniform numbers, which ends at six standard deviations).
    Normal,
    /// Most are a little early, few come very late: shape 3, as netem's.
    Pareto,
    /// A quarter of the first and three quarters of the second.
    ParetoNormal,
}

impl Distribution {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Normal => "normal",
            Self::Pareto => "pareto",
            Self::ParetoNormal => "paretonormal",
        }
    }

    /// Of a word.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Uniform, Self::Normal, Self::Pareto, Self::ParetoNormal].into_iter().find(|one| one.name() == name)
    }
}

/// Binary digits behind the point of a deviation.
const POINT: u32 = 16;
const ONE: i64 = 1 << POINT;

/// Draws deviations, in units of the jitter.
#[derive(Clone, Debug)]
pub(super) struct Deviations {
    dice: Dice,
    last: i64,
}

impl Deviations {
    pub(super) const fn new(dice: Dice) -> Self {
        Self { dice, last: 0 }
    }

    /// Such a delay.
    pub(super) fn delay(&mut self, delay: &Delay) -> Duration {
        let Delay { base, jitter, correlation, distribution, .. } = *delay;
        if jitter.is_zero() {
            return base;
        }
        let deviation = i128::from(self.draw(distribution, correlation));
        let nanos = |duration: Duration| i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX >> 64);
        let whole = nanos(base) + ((nanos(jitter) * deviation) >> POINT);
        Duration::from_nanos(u64::try_from(whole.max(0)).unwrap_or(u64::MAX))
    }

    fn draw(&mut self, distribution: Distribution, correlation: Chance) -> i64 {
        let fresh = match distribution {
            Distribution::Uniform => self.uniform(),
            Distribution::Normal => self.normal(),
            Distribution::Pareto => self.pareto(),
            Distribution::ParetoNormal => (self.normal() + 3 * self.pareto()) / 4,
        };
        if correlation == Chance::NEVER {
            return fresh;
        }
        // rho * last + sqrt(1 - rho^2) * fresh: the deviation as a whole stays as large as asked.
        let rho = (i64::from(correlation.as_parts_per_billion()) << POINT) / 1_000_000_000;
        let rest = (ONE * ONE - rho * rho).isqrt();
        self.last = (rho * self.last + rest * fresh) >> POINT;
        self.last
    }

    /// From -1 to 1.
    fn uniform(&mut self) -> i64 {
        (i64::from(self.dice.word()) >> (31 - POINT)) - ONE
    }

    fn normal(&mut self) -> i64 {
        let mut sum = 0;
        for _ in 0..6 {
            let word = self.dice.word();
            sum += i64::from(word >> 16) + i64::from(word & 0xffff);
        }
        sum - 6 * ONE
    }

    /// `(u^(-1/3) - 3/2) / sqrt(3/4)`: mean 0, standard deviation 1.
    fn pareto(&mut self) -> i64 {
        let uniform = u128::from(self.dice.word() >> 8) + 1; // of 2^24
        let root = cube_root((1 << (3 * POINT + 24)) / uniform);
        let root = i64::try_from(root).unwrap_or(i64::MAX / (2 * ONE));
        (root - ONE * 3 / 2) * ONE / 56_756 // sqrt(3/4) with 16 binary digits
    }
}

/// The largest number whose cube isn't above `cube`.
fn cube_root(cube: u128) -> u64 {
    let mut root = 0_u64;
    for bit in (0..32).rev() {
        let tried = root | 1 << bit;
        if u128::from(tried).pow(3) <= cube {
            root = tried;
        }
    }
    root
}

/// Packets on their way, in the order in which they will arrive.
#[derive(Debug)]
pub(super) struct DelayLine {
    delay: Delay,
    deviations: Deviations,
    flying: VecDeque<(Instant, Carried)>,
    /// When the last one arrives that was sent.
    last: Instant,
}

impl DelayLine {
    pub(super) fn new(delay: Delay, seed: u64) -> Self {
        let deviations = Deviations::new(Dice::new(seed, "delay"));
        Self { delay, deviations, flying: VecDeque::new(), last: Instant::ZERO }
    }

    /// From now on another delay; what is on its way arrives as it would have.
    pub(super) fn change(&mut self, delay: Delay) {
        self.delay = delay;
    }

    /// Sends a packet on its way at `now`. It takes `extra` longer; with `skips` it takes no time at all.
    #[inline]
    pub(super) fn push(&mut self, now: Instant, carried: Carried, extra: Duration, skips: bool) {
        let mut at = if skips { now } else { now + self.deviations.delay(&self.delay) + extra };
        if self.delay.in_order && extra.is_zero() && !skips {
            at = at.max(self.last);
        }
        // Most arrive behind all others, and the rest are looked for from there.
        if at >= self.last {
            self.last = at;
            self.flying.push_back((at, carried));
            return;
        }
        let later = self.flying.iter().rev().take_while(|(other, _)| *other > at).count();
        self.flying.insert(self.flying.len() - later, (at, carried));
    }

    pub(super) fn next_event(&self) -> Option<Instant> {
        self.flying.front().map(|(at, _)| *at)
    }

    /// The next packet, if it has arrived by `at`, and when it did.
    pub(super) fn pop(&mut self, at: Instant) -> Option<(Instant, Carried)> {
        self.flying.pop_front_if(|(arrives, _)| *arrives <= at)
    }

    /// Takes back a packet that isn't on its way yet, by its number.
    pub(super) fn take_back(&mut self, serial: u64) -> Option<Carried> {
        let place = self.flying.iter().position(|(_, carried)| carried.serial == serial)?;
        let taken = self.flying.remove(place);
        self.last = self.flying.back().map_or(Instant::ZERO, |(at, _)| *at);
        taken.map(|(_, carried)| carried)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.flying.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean and standard deviation of so many deviations, in thousandths of the jitter, and how many of 1,000 are beyond
    /// twice the jitter.
    fn shape(distribution: Distribution, correlation: u32) -> (i64, i64, i64) {
        let mut deviations = Deviations { dice: Dice::new(5, "delay"), last: 0 };
        let drawn: Vec<i64> =
            (0..200_000).map(|_| deviations.draw(distribution, Chance::percent(correlation))).collect();
        let count = 200_000;
        let mean = drawn.iter().sum::<i64>() / count;
        let variance = drawn.iter().map(|one| (one - mean) * (one - mean) / ONE).sum::<i64>() / count;
        let far = drawn.iter().filter(|one| **one > 2 * ONE).count();
        (mean * 1_000 / ONE, (variance * ONE).isqrt() * 1_000 / ONE, i64::try_from(far).unwrap_or(0) / 200)
    }

    #[test]
    fn distributions_have_the_shape_that_they_are_named_for() {
        // Mean, deviation and far ones, each with what chance may add or take.
        let uniform = [(0, 6), (577, 6), (0, 0)];
        let normal = [(0, 20), (1_000, 20), (23, 3)];
        // A heavy tail: its deviation converges slowly; beyond 2 it has (1.5 + 1.732)^-3 of all.
        let pareto = [(0, 15), (1_000, 120), (29, 3)];
        let both = [(0, 15), (790, 90), (22, 6)];
        for (distribution, correlation, expected) in [
            (Distribution::Uniform, 0, uniform),
            (Distribution::Normal, 0, normal),
            (Distribution::Normal, 80, normal),
            (Distribution::Pareto, 0, pareto),
            (Distribution::ParetoNormal, 0, both),
        ] {
            let (mean, deviation, far) = shape(distribution, correlation);
            for (value, (wanted, by)) in [mean, deviation, far].into_iter().zip(expected) {
                assert!((value - wanted).abs() <= by, "{distribution:?}: {value}, not {wanted}");
            }
        }
    }

    #[test]
    fn cube_roots_are_exact() {
        for root in [0_u64, 1, 2, 100, 65_535, 4_000_000_000] {
            let cube = u128::from(root).pow(3);
            assert_eq!(cube_root(cube), root);
            assert_eq!(cube_root(cube + 1), root + u64::from(root == 0));
        }
    }
}
