//! What an axis shows: units, scaled so that its numbers are short.

use std::ops::Range;

/// What a number means, so that it can be shown in the fitting multiple.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Octets: shown as octets, kB, MB or GB (powers of 1,000).
    Octets,
    /// Bits a second, up to Gbit/s.
    BitsPerSecond,
    /// Seconds: shown as µs, ms or s.
    Seconds,
    /// Shown as they are, with this name.
    Plain(&'static str),
}

impl Unit {
    /// The multiple for numbers up to `largest`: its name, and what to multiply with.
    pub(super) fn scale(self, largest: f64) -> (&'static str, f64) {
        let steps: &[(f64, &'static str, f64)] = match self {
            Self::Octets => &[(1e9, "GB", 1e-9), (1e6, "MB", 1e-6), (1e4, "kB", 1e-3), (0.0, "octets", 1.0)],
            Self::BitsPerSecond => {
                &[(1e9, "Gbit/s", 1e-9), (1e6, "Mbit/s", 1e-6), (1e3, "kbit/s", 1e-3), (0.0, "bit/s", 1.0)]
            }
            Self::Seconds => &[(1.0, "s", 1.0), (1e-3, "ms", 1e3), (0.0, "µs", 1e6)],
            Self::Plain(name) => return (name, 1.0),
        };
        let fitting = steps.iter().find(|(from, ..)| largest >= *from);
        fitting.map_or(("", 1.0), |(_, name, factor)| (*name, *factor))
    }
}

/// A range with some air at its upper end, never empty.
pub(super) fn airy(range: Range<f64>) -> Range<f64> {
    let span = range.end - range.start;
    if span > 0.0 { range.start..range.end + span * 0.03 } else { range.start..range.start + 1.0 }
}

/// A tick's number without needless zeros.
pub(super) fn number(value: &f64) -> String {
    let text = format!("{value:.4}");
    let short = text.trim_end_matches('0').trim_end_matches('.');
    if short == "-0" { "0".to_owned() } else { short.to_owned() }
}

/// The smallest and the largest of the finite ones; `None` if there is none.
pub(super) fn extent(values: impl Iterator<Item = f64>) -> Option<Range<f64>> {
    values.filter(|value| value.is_finite()).fold(None, |so_far: Option<Range<f64>>, value| {
        let range = so_far.unwrap_or(value..value);
        Some(range.start.min(value)..range.end.max(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_in_their_unit() {
        let shown = |unit: Unit, value: f64| {
            let (name, factor) = unit.scale(value);
            format!("{} {name}", number(&(value * factor)))
        };
        assert_eq!(shown(Unit::Octets, 1_460.0), "1460 octets");
        assert_eq!(shown(Unit::Octets, 2_500_000.0), "2.5 MB");
        assert_eq!(shown(Unit::Seconds, 0.025), "25 ms");
        assert_eq!(shown(Unit::BitsPerSecond, 1e7), "10 Mbit/s");
        assert_eq!(shown(Unit::Plain("packets"), 12.0), "12 packets");
        assert_eq!(number(&-0.0), "0");
    }

    #[test]
    fn what_is_not_finite_does_not_stretch_an_axis() {
        assert_eq!(extent([3.0, f64::INFINITY, f64::NAN, 1.0].into_iter()), Some(1.0..3.0));
        assert_eq!(extent([f64::NAN].into_iter()), None);
        assert_eq!(airy(5.0..5.0), 5.0..6.0);
    }
}
