//! A span of time in an argument.

use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use sockeye_lab::sim::Time;

/// From one time to another, as `200ms..1s`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span(pub Range<Duration>);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (from, to) = text.split_once("..").ok_or("it takes two times with dots between, such as 200ms..1s")?;
        let (from, to): (Time, Time) = (from.parse()?, to.parse()?);
        if from < to { Ok(Self(from.0..to.0)) } else { Err(format!("it ends at {to}, before it begins")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_times_make_a_span_if_the_later_comes_last() {
        assert_eq!("200ms..1s".parse(), Ok(Span(Duration::from_millis(200)..Duration::from_secs(1))));
        for wrong in ["1s", "1s..", "..1s", "1..2", "2s..1s", "1s..1s"] {
            assert!(wrong.parse::<Span>().is_err(), "{wrong}");
        }
    }
}
