//! Many durations in little memory: how many fell near which value.

use std::collections::BTreeMap;
use std::time::Duration;

/// Bits of a duration that are told apart, below its highest: values are kept to 1 part in 64.
const FINE: u32 = 5;

/// A set of durations, exact in its ends and in 3 % steps in between.
#[derive(Clone, Debug, Default)]
pub struct Distribution {
    counts: BTreeMap<u16, u32>,
    total: u64,
    least: u64,
    most: u64,
}

impl Distribution {
    /// Adds one.
    pub fn add(&mut self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.least = if self.total == 0 { nanos } else { self.least.min(nanos) };
        self.most = self.most.max(nanos);
        self.total += 1;
        let count = self.counts.entry(bucket(nanos)).or_default();
        *count = count.saturating_add(1);
    }

    /// How many there are.
    pub const fn len(&self) -> u64 {
        self.total
    }

    /// True if there is none.
    pub const fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// The value that this share of all (0 to 100 percent) doesn't exceed; `None` if there are none.
    pub fn percentile(&self, percent: u64) -> Option<Duration> {
        let rank = (self.total * percent).div_ceil(100).max(1);
        let mut below = 0;
        let (bucket, _) = self.counts.iter().find(|(_, count)| {
            below += u64::from(**count);
            below >= rank
        })?;
        let nanos = if percent == 0 { self.least } else { middle(*bucket).clamp(self.least, self.most) };
        Some(Duration::from_nanos(if rank == self.total { self.most } else { nanos }))
    }
}

/// The number of the bucket: the place of the highest bit, then the bits below it.
fn bucket(nanos: u64) -> u16 {
    let value = nanos.max(1 << FINE);
    let exponent = value.ilog2();
    let fine = (value >> (exponent - FINE)) & ((1 << FINE) - 1);
    u16::try_from(u64::from(exponent) << FINE | fine).unwrap_or(u16::MAX)
}

fn middle(bucket: u16) -> u64 {
    let (exponent, fine) = (u32::from(bucket >> FINE), u64::from(bucket) & ((1 << FINE) - 1));
    let low = (1 << FINE | fine) << exponent.saturating_sub(FINE);
    low + (1_u64 << exponent.saturating_sub(FINE)) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_a_thirtieth() {
        let mut values = Distribution::default();
        (1..=10_000).for_each(|micros| values.add(Duration::from_micros(micros)));
        assert_eq!(values.percentile(0), Some(Duration::from_micros(1)));
        assert_eq!(values.percentile(100), Some(Duration::from_micros(10_000)));
        for percent in [5, 50, 95, 99] {
            let found = values.percentile(percent).unwrap().as_secs_f64();
            let exact = Duration::from_micros(percent * 100).as_secs_f64();
            assert!((found / exact - 1.0).abs() < 1.0 / 30.0, "{percent}: {found} for {exact}");
        }
    }

    #[test]
    fn nothing_has_no_median() {
        assert_eq!(Distribution::default().percentile(50), None);
    }
}
