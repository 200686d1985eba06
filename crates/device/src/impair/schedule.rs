//! A link that changes by the clock: `at 5s rate 2mbit delay 80ms at 8s down at 9s up repeat 20s`.

use std::time::Duration;

use super::{Delay, Loss, Rate};

/// What is different from some time on; what is `None` stays as it was.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Change {
    /// Counted from the link's start, or from where the schedule began again.
    pub at: Duration,
    /// The rate.
    pub rate: Option<Rate>,
    /// The delay.
    pub delay: Option<Delay>,
    /// The loss.
    pub loss: Option<Loss>,
    /// An outage, or its end.
    pub down: Option<bool>,
}

/// Changes in the order of their times.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Schedule {
    /// The changes.
    pub changes: Vec<Change>,
    /// After how long all is again as the configuration says, and the changes come anew; never if `None` or zero.
    pub repeat: Option<Duration>,
}

impl Schedule {
    /// The shortest time after which words may have it begin again.
    pub const LEAST_PERIOD: Duration = Duration::from_micros(1);

    /// True if nothing ever changes.
    pub const fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// True if the rate is among what changes.
    pub(super) fn sets_rate(&self) -> bool {
        self.changes.iter().any(|change| change.rate.is_some())
    }

    fn period(&self) -> Option<Duration> {
        self.repeat.filter(|period| !period.is_zero())
    }

    /// What has changed by `elapsed`, taken together.
    pub(super) fn at(&self, elapsed: Duration) -> Change {
        let within = self.period().map_or(elapsed, |period| modulo(elapsed, period));
        let mut sum = Change::default();
        for change in self.changes.iter().filter(|change| change.at <= within) {
            sum.rate = change.rate.or(sum.rate);
            sum.delay = change.delay.or(sum.delay);
            sum.loss = change.loss.clone().or(sum.loss);
            sum.down = change.down.or(sum.down);
        }
        sum
    }

    /// When after `elapsed` something changes next.
    pub(super) fn next_after(&self, elapsed: Duration) -> Option<Duration> {
        if self.is_empty() {
            return None;
        }
        let within = self.period().map_or(elapsed, |period| modulo(elapsed, period));
        let start = elapsed.saturating_sub(within);
        let in_this_round = |at: &Duration| *at > within && self.period().is_none_or(|period| *at < period);
        let next = self.changes.iter().map(|change| change.at).find(in_this_round);
        next.or(self.period()).map(|at| start + at)
    }
}

fn modulo(time: Duration, period: Duration) -> Duration {
    let rest = time.as_nanos() % period.as_nanos();
    Duration::from_nanos(u64::try_from(rest).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_add_up_and_begin_again() {
        let at = |seconds| Change { at: Duration::from_secs(seconds), ..Change::default() };
        let changes = vec![
            Change { rate: Some(Rate::mbit(2)), ..at(5) },
            Change { down: Some(true), ..at(8) },
            Change { down: Some(false), rate: Some(Rate::mbit(3)), ..at(9) },
        ];
        let schedule = Schedule { changes, repeat: Some(Duration::from_secs(20)) };
        let seen = |seconds| {
            let sum = schedule.at(Duration::from_secs(seconds));
            (sum.rate, sum.down)
        };
        assert_eq!(seen(4), (None, None));
        assert_eq!(seen(5), (Some(Rate::mbit(2)), None));
        assert_eq!(seen(28), (Some(Rate::mbit(2)), Some(true)));
        assert_eq!(seen(39), (Some(Rate::mbit(3)), Some(false)));
        assert_eq!(seen(40), (None, None), "as at the start");
        let next = |seconds| schedule.next_after(Duration::from_secs(seconds)).map(|at| at.as_secs());
        assert_eq!([next(0), next(5), next(8), next(9), next(20)], [Some(5), Some(8), Some(9), Some(20), Some(25)]);
        let once = Schedule { repeat: None, ..schedule };
        assert_eq!(once.next_after(Duration::from_secs(9)), None);
    }
}
