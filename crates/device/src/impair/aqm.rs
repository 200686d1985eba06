//! Queues that are managed: RED when a packet comes, CoDel when it goes.
//!
//! Both answer only whether a packet meets congestion; the queue then marks it or drops it.

use std::time::Duration;

use sockeye_wire::Instant;

use super::random::Dice;
use super::{Chance, Rate};

/// How a queue is kept short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Discipline {
    /// Not at all: what finds it full is dropped.
    #[default]
    TailDrop,
    /// Random early detection (Floyd and Jacobson 1993): `red min 30kb max 90kb probability 10%`.
    Red(Red),
    /// Controlled delay (RFC 8289): `codel target 5ms interval 100ms`.
    CoDel(CoDel),
}

/// Between which average lengths, in octets, packets meet congestion, and how often just below the upper one; above it
/// all are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Red {
    /// Below, none.
    pub min: u64,
    /// From here on, all.
    pub max: u64,
    /// Just below `max`.
    pub probability: Chance,
}

/// How long a packet may wait, and for how long it may be longer before that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoDel {
    /// The delay that is accepted.
    pub target: Duration,
    /// About the longest round-trip time of the flows.
    pub interval: Duration,
}

impl Default for CoDel {
    /// RFC 8289 section 4.4: 5 ms and 100 ms.
    fn default() -> Self {
        Self { target: Duration::from_millis(5), interval: Duration::from_millis(100) }
    }
}

/// What RED says of a packet that comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Early {
    /// Nothing.
    Accept,
    /// It meets congestion.
    Congested,
    /// The average is too long for a mark to help (RFC 3168 section 7).
    TooLong,
}

/// Binary digits behind the point in RED's average.
const POINT: u32 = 16;
/// The weight of a new sample in the average is 2^-9, the nearest to Floyd and Jacobson's 0.002.
const WEIGHT: u32 = 9;
/// Octets of the packet in whose times RED counts an empty queue.
const TYPICAL: u64 = 1_000;

/// RED at work.
#[derive(Clone, Debug)]
pub(super) struct RedState {
    config: Red,
    /// In octets, with [`POINT`] binary digits behind the point.
    average: u64,
    /// Packets since the last one that met congestion; `None` while the average is below `min`.
    since_last: Option<u64>,
    empty_since: Option<Instant>,
    dice: Dice,
}

impl RedState {
    pub(super) fn new(config: Red, dice: Dice) -> Self {
        Self { config, average: 0, since_last: None, empty_since: Some(Instant::ZERO), dice }
    }

    /// The queue has become empty.
    pub(super) fn emptied(&mut self, now: Instant) {
        self.empty_since = Some(now);
    }

    /// A packet comes and finds so many octets waiting in front of a link of this rate.
    pub(super) fn on_packet(&mut self, now: Instant, waiting: u64, rate: Rate) -> Early {
        match self.empty_since.take() {
            Some(since) => self.fade(now.since(since), rate),
            None => self.average = self.average - (self.average >> WEIGHT) + ((waiting << POINT) >> WEIGHT),
        }
        let average = self.average >> POINT;
        if average < self.config.min {
            self.since_last = None;
            return Early::Accept;
        }
        if average >= self.config.max {
            self.since_last = Some(0);
            return Early::TooLong;
        }
        let count = self.since_last.map_or(0, |count| count + 1);
        let hit = self.dice.hit(self.chance(average, count));
        self.since_last = Some(if hit { 0 } else { count });
        if hit { Early::Congested } else { Early::Accept }
    }

    /// `p_a = p_b / (1 - count * p_b)`: the packets that meet congestion so lie evenly apart.
    fn chance(&self, average: u64, count: u64) -> Chance {
        let all = u128::from(Chance::ALWAYS.as_parts_per_billion());
        let (above, range) = (average - self.config.min, self.config.max - self.config.min);
        let base = u128::from(self.config.probability.as_parts_per_billion()) * u128::from(above) / u128::from(range);
        let rest = all.saturating_sub(base * u128::from(count));
        let chance = (base * all).checked_div(rest).unwrap_or(all);
        Chance::parts_per_billion(u32::try_from(chance).unwrap_or(u32::MAX))
    }

    /// The queue was empty for so long: the average falls as if as many small packets had found it empty.
    fn fade(&mut self, idle: Duration, rate: Rate) {
        let one = rate.time_for(TYPICAL).as_nanos().max(1);
        let packets = u32::try_from(idle.as_nanos() / one).unwrap_or(u32::MAX);
        // (1 - 2^-9)^packets by repeated squaring, with 32 binary digits.
        let (mut factor, mut power, mut left) = (1_u64 << 32, (1_u64 << 32) - (1 << (32 - WEIGHT)), packets);
        while left > 0 {
            if left & 1 == 1 {
                factor = (factor * (power >> 1)) >> 31;
            }
            power = (power * (power >> 1)) >> 31;
            left >>= 1;
        }
        let faded = (u128::from(self.average) * u128::from(factor)) >> 32;
        self.average = u64::try_from(faded).unwrap_or(u64::MAX);
    }
}

/// CoDel at work: RFC 8289 section 5, one packet at a time.
#[derive(Clone, Debug)]
pub(super) struct CoDelState {
    config: CoDel,
    /// When the delay will have been above the target for an interval.
    first_above: Option<Instant>,
    /// When the next packet meets congestion, while `dropping`.
    next: Instant,
    dropping: bool,
    /// Packets that met congestion in this phase.
    count: u32,
    /// `count` when the phase began.
    last_count: u32,
}

impl CoDelState {
    pub(super) fn new(config: CoDel) -> Self {
        Self { config, first_above: None, next: Instant::ZERO, dropping: false, count: 0, last_count: 0 }
    }

    /// The queue has become empty.
    pub(super) fn emptied(&mut self) {
        self.first_above = None;
        self.dropping = false;
    }

    /// True if a packet that leaves after waiting for `waited` meets congestion; `more_than_one` if the queue holds
    /// more than a packet of the longest size behind it.
    pub(super) fn on_packet(&mut self, now: Instant, waited: Duration, more_than_one: bool) -> bool {
        let persistent = self.is_persistent(now, waited, more_than_one);
        if self.dropping {
            self.dropping = persistent;
            let due = persistent && now >= self.next;
            if due {
                self.count += 1;
                self.next = self.law(self.next);
            }
            return due;
        }
        if persistent {
            self.begin(now);
        }
        persistent
    }

    /// Whether the delay has been above the target for a whole interval.
    fn is_persistent(&mut self, now: Instant, waited: Duration, more_than_one: bool) -> bool {
        if waited < self.config.target || !more_than_one {
            self.first_above = None;
            return false;
        }
        now >= *self.first_above.get_or_insert(now + self.config.interval)
    }

    /// A phase begins; soon after the last one it goes on where that left off.
    fn begin(&mut self, now: Instant) {
        self.dropping = true;
        let grown = self.count.wrapping_sub(self.last_count);
        let soon = now.since(self.next) < self.config.interval * 16;
        self.count = if soon && grown > 1 { grown } else { 1 };
        self.last_count = self.count;
        self.next = self.law(now);
    }

    /// The control law: the more packets, the sooner the next, by the square root.
    fn law(&self, from: Instant) -> Instant {
        let root = (u64::from(self.count.max(1)) << 32).isqrt();
        let nanos = (self.config.interval.as_nanos() << 16) / u128::from(root);
        from + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate::mbit(8); // 1,000 octets in a millisecond

    fn red() -> RedState {
        let config = Red { min: 10_000, max: 30_000, probability: Chance::percent(10) };
        RedState::new(config, Dice::new(1, "red"))
    }

    /// What RED says of so many packets, one a millisecond, each finding `waiting` octets.
    fn judge(red: &mut RedState, from: u64, packets: u64, waiting: u64) -> (u64, u64) {
        let verdicts: Vec<Early> =
            (from..from + packets).map(|at| red.on_packet(Instant::from_millis(at), waiting, RATE)).collect();
        let count = |what| verdicts.iter().filter(|verdict| **verdict == what).count() as u64;
        (count(Early::Congested), count(Early::TooLong))
    }

    #[test]
    fn red_averages_before_it_acts() {
        let mut red = red();
        assert_eq!(judge(&mut red, 0, 150, 29_000), (0, 0), "a burst of 150 is let pass");
        judge(&mut red, 150, 5_000, 20_000);
        let (congested, dropped) = judge(&mut red, 5_150, 10_000, 20_000);
        // Half way up 5 %; of 1 to 19 packets apart, each as likely, one in ten.
        assert!((950..1_050).contains(&congested) && dropped == 0, "{congested} congested, {dropped} dropped");
        judge(&mut red, 15_150, 5_000, 40_000);
        assert_eq!(judge(&mut red, 20_150, 100, 40_000), (0, 100), "above the upper end all");
    }

    #[test]
    fn red_forgets_while_the_queue_is_empty() {
        let mut red = red();
        judge(&mut red, 0, 10_000, 40_000);
        red.emptied(Instant::from_millis(10_000));
        // 355 packets' times halve the average: 2^-9 * 355 = ln 2.
        red.on_packet(Instant::from_millis(10_355), 0, RATE);
        assert!((19_500..20_500).contains(&(red.average >> POINT)), "{}", red.average >> POINT);
        red.emptied(Instant::from_millis(10_355));
        red.on_packet(Instant::from_millis(3_600_000), 0, RATE);
        assert_eq!(red.average, 0);
    }

    /// When CoDel finds congestion among packets that leave each millisecond after waiting for `waited`.
    fn congested(codel: &mut CoDelState, millis: std::ops::Range<u64>, waited: u64) -> Vec<u64> {
        let waited = Duration::from_millis(waited);
        millis.filter(|at| codel.on_packet(Instant::from_millis(*at), waited, true)).collect()
    }

    #[test]
    fn codel_waits_an_interval_then_presses_by_the_square_root() {
        let mut codel = CoDelState::new(CoDel::default());
        assert_eq!(congested(&mut codel, 0..1_000, 4), [0; 0], "below the target nothing");
        // 100 ms after the delay rose; then 100, 100 / sqrt(2), 100 / sqrt(3), 50 ms later.
        assert_eq!(congested(&mut codel, 1_000..1_450, 6), [1_100, 1_200, 1_271, 1_329, 1_379, 1_424]);
        assert_eq!(congested(&mut codel, 1_450..1_500, 4), [0; 0]);
        // Soon after: it goes on at the pace it had reached, 6 - 1 = 5 packets.
        assert_eq!(congested(&mut codel, 1_500..1_690, 6), [1_600, 1_645, 1_686]);
    }

    #[test]
    fn codel_leaves_a_queue_of_one_packet_alone() {
        let mut codel = CoDelState::new(CoDel::default());
        let any = (0..1_000).any(|at| codel.on_packet(Instant::from_millis(at), Duration::from_millis(50), false));
        assert!(!any);
    }
}
