//! Times, as arguments give them and results show them.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use sockeye_lab::sim::Time;

/// From one time to another, as `200ms..1s`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span(pub Range<Duration>);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", Time(self.0.start), Time(self.0.end))
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (from, to) = text.split_once("..").ok_or("it takes two times with dots between, such as 200ms..1s")?;
        let (from, to): (Time, Time) = (from.parse()?, to.parse()?);
        if from < to { Ok(Self(from.0..to.0)) } else { Err(format!("it ends at {to}, before it begins")) }
    }
}

/// Seconds, or a time with a unit; more than none.
///
/// # Errors
/// What is wrong with it.
pub fn running_time(text: &str) -> Result<Duration, String> {
    let time = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => text.parse::<Time>()?.0,
    };
    if time.is_zero() { Err("it must be more than 0".to_owned()) } else { Ok(time) }
}

/// In milliseconds.
pub fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
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

    #[test]
    fn it_runs_for_seconds_or_for_a_time_with_a_unit() {
        assert_eq!(running_time("6"), Ok(Duration::from_secs(6)));
        assert_eq!(running_time("6s"), running_time("6"));
        assert_eq!(running_time("1m 500ms"), Ok(Duration::from_millis(60_500)));
        for wrong in ["0", "0s", "-1", "6x", ""] {
            assert!(running_time(wrong).is_err(), "{wrong}");
        }
    }
}
