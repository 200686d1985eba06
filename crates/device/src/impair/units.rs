//! The units in which a link is described, spelled as `tc` spells them, on integers: a seed gives the same run everywhere.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::ConfigError;

/// Nanoseconds of a second.
pub(super) const SECOND: u64 = 1_000_000_000;

/// Bits per second; 0 is a link that stands still. In words `10mbit`, `2.5gbit`, `9600` (bits), `100kbps` (octets).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(u64);

impl Rate {
    /// Faster than any packet could tell: all are out at once.
    pub const UNLIMITED: Self = Self(u64::MAX);

    /// So many bits per second.
    pub const fn bits(bits: u64) -> Self {
        Self(bits)
    }

    /// So many times 1,000 bits per second.
    pub const fn kbit(kbit: u64) -> Self {
        Self(kbit.saturating_mul(1_000))
    }

    /// So many times 1,000,000 bits per second.
    pub const fn mbit(mbit: u64) -> Self {
        Self(mbit.saturating_mul(1_000_000))
    }

    /// Bits per second.
    pub const fn as_bits(self) -> u64 {
        self.0
    }

    /// Octets that pass in this time, rounded down.
    pub fn octets_in(self, time: Duration) -> u64 {
        let bits = u128::from(self.0) * time.as_nanos() / u128::from(SECOND);
        u64::try_from(bits / 8).unwrap_or(u64::MAX)
    }

    /// How long so many octets take, rounded down to nanoseconds; a standing link takes 584 years.
    pub fn time_for(self, octets: u64) -> Duration {
        Duration::from_nanos(self.time_with(octets, &mut 0))
    }

    /// Nanoseconds for so many octets. What rounding leaves over goes to `remainder`, and is counted the next time, so
    /// that many packets take exactly as long as all of their octets.
    pub(super) fn time_with(self, octets: u64, remainder: &mut u64) -> u64 {
        if self.0 == 0 {
            return u64::MAX;
        }
        let (octet, rest) = (8 * SECOND, *remainder);
        // Of up to 2 GiB: a division of 64 bits takes a tenth of the time of one of 128.
        if let Some(whole) = octets.checked_mul(octet).and_then(|whole| whole.checked_add(rest)) {
            *remainder = whole % self.0;
            return whole / self.0;
        }
        let whole = u128::from(octets) * u128::from(octet) + u128::from(rest);
        *remainder = u64::try_from(whole % u128::from(self.0)).unwrap_or(0);
        u64::try_from(whole / u128::from(self.0)).unwrap_or(u64::MAX)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_scaled(f, self.0, &[(1_000_000_000, "gbit"), (1_000_000, "mbit"), (1_000, "kbit"), (1, "bit")])
    }
}

impl FromStr for Rate {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        const WHAT: &str = "a rate such as 10mbit";
        let (number, unit) = decimal(text, WHAT)?;
        let unit = unit.to_ascii_lowercase();
        let (prefix, octets) = match unit.as_str() {
            "" => ("", 1),
            unit => match (unit.strip_suffix("bit"), unit.strip_suffix("bps")) {
                (Some(prefix), _) => (prefix, 1),
                (_, Some(prefix)) => (prefix, 8),
                _ => return Err(ConfigError::invalid(text, WHAT)),
            },
        };
        let factor = match prefix {
            "" => 1,
            "k" => 1_000,
            "m" => 1_000_000,
            "g" => 1_000_000_000,
            "t" => 1_000_000_000_000,
            "ki" => 1 << 10,
            "mi" => 1 << 20,
            "gi" => 1 << 30,
            "ti" => 1_u64 << 40,
            _ => return Err(ConfigError::invalid(text, WHAT)),
        };
        scale(number, factor * octets, text, WHAT).map(Self)
    }
}

/// A probability in parts of 1,000,000,000. In words `1%`, `0.003%`; a bare number is per cent too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Chance(u32);

impl Chance {
    /// What never happens.
    pub const NEVER: Self = Self(0);
    /// What always happens.
    pub const ALWAYS: Self = Self(1_000_000_000);

    /// So many in a thousand million, no more than all.
    pub const fn parts_per_billion(parts: u32) -> Self {
        if parts < Self::ALWAYS.0 { Self(parts) } else { Self::ALWAYS }
    }

    /// So many in a million.
    pub const fn parts_per_million(parts: u32) -> Self {
        Self::parts_per_billion(parts.saturating_mul(1_000))
    }

    /// So many in a hundred.
    pub const fn percent(percent: u32) -> Self {
        Self::parts_per_billion(percent.saturating_mul(10_000_000))
    }

    /// The parts of 1,000,000,000.
    pub const fn as_parts_per_billion(self) -> u32 {
        self.0
    }

    /// What is left to certainty.
    #[must_use]
    pub const fn complement(self) -> Self {
        Self(Self::ALWAYS.0 - self.0)
    }
}

impl fmt::Display for Chance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 10_000_000, self.0 % 10_000_000);
        if part == 0 {
            write!(f, "{whole}%")
        } else {
            let digits = format!("{part:07}");
            write!(f, "{whole}.{}%", digits.trim_end_matches('0'))
        }
    }
}

impl FromStr for Chance {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        const WHAT: &str = "a share from 0% to 100%";
        let (number, unit) = decimal(text, WHAT)?;
        let parts = u32::try_from(number / 100).unwrap_or(u32::MAX);
        if !matches!(unit, "" | "%") || parts > Self::ALWAYS.0 {
            return Err(ConfigError::invalid(text, WHAT));
        }
        Ok(Self(parts))
    }
}

/// A number of octets. In words as `tc` writes it: `3000b`, `64kb` (of 1,024), `1MB`; a bare number is octets.
///
/// ```
/// # use sockeye_device::impair::Size;
/// assert_eq!("1.5kb".parse().map(Size::octets), Ok(1536));
/// assert!("1 parsec".parse::<Size>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(u64);

impl Size {
    /// The octets.
    pub const fn octets(self) -> u64 {
        self.0
    }
}

impl FromStr for Size {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        size(text).map(Self)
    }
}

/// A time as `tc` writes it: `40ms`, `1.5s`, `20us`; a bare number is microseconds.
pub(super) fn time(text: &str) -> Result<Duration, ConfigError> {
    const WHAT: &str = "a time such as 40ms";
    let (number, unit) = decimal(text, WHAT)?;
    let factor = match unit {
        "s" | "sec" | "secs" => SECOND,
        "ms" | "msec" | "msecs" => 1_000_000,
        "us" | "usec" | "usecs" | "" => 1_000,
        "ns" | "nsec" | "nsecs" => 1,
        _ => return Err(ConfigError::invalid(text, WHAT)),
    };
    scale(number, factor, text, WHAT).map(Duration::from_nanos)
}

/// A size in octets as `tc` writes it: `3000b`, `64kb` (of 1,024), `1mb`; a bare number is octets.
pub(super) fn size(text: &str) -> Result<u64, ConfigError> {
    const WHAT: &str = "a size such as 64kb";
    let (number, unit) = decimal(text, WHAT)?;
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1 << 10,
        "m" | "mb" => 1 << 20,
        "g" | "gb" => 1 << 30,
        _ => return Err(ConfigError::invalid(text, WHAT)),
    };
    scale(number, factor, text, WHAT)
}

/// Shows a time so that [`time`] reads the same again.
pub(super) struct Time(pub(super) Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX);
        write_scaled(f, nanos, &[(SECOND, "s"), (1_000_000, "ms"), (1_000, "us"), (1, "ns")])
    }
}

/// A value in the largest unit of which it is a whole number.
fn write_scaled(f: &mut fmt::Formatter<'_>, value: u64, units: &[(u64, &str)]) -> fmt::Result {
    let fits = |(factor, _): &&(u64, &str)| value != 0 && value.is_multiple_of(*factor);
    match units.iter().find(fits).or(units.last()) {
        Some((factor, unit)) => write!(f, "{}{unit}", value / factor),
        None => write!(f, "{value}"),
    }
}

/// The decimal number at the start of `text`, times 10^9, and the unit behind it. As C reads it, and so `tc`: `.5` and `5e-1`
/// are the same.
fn decimal<'a>(text: &'a str, what: &'static str) -> Result<(u128, &'a str), ConfigError> {
    let invalid = || ConfigError::invalid(text, what);
    let (number, rest) = split_at_end(text, |c| c.is_ascii_digit() || c == '.');
    let (exponent, unit) = exponent(rest).unwrap_or((0, rest));
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits: u128 = [whole, part].concat().parse().map_err(|_| invalid())?;
    let places =
        i32::try_from(part.len()).ok().and_then(|part| (9 - part).checked_add(exponent)).ok_or_else(invalid)?;
    let factor = 10_u128.checked_pow(places.unsigned_abs()).ok_or_else(invalid)?;
    let number = if places >= 0 { digits.checked_mul(factor) } else { exact(digits, factor) };
    Ok((number.ok_or_else(invalid)?, unit))
}

/// The exponent at the start of `text`, and what follows it.
fn exponent(text: &str) -> Option<(i32, &str)> {
    let (sign, digits) = match text.strip_prefix(['e', 'E'])? {
        signed if signed.starts_with(['+', '-']) => signed.split_at(1),
        unsigned => ("", unsigned),
    };
    let (digits, unit) = split_at_end(digits, |c| c.is_ascii_digit());
    Some((format!("{sign}{digits}").parse().ok()?, unit))
}

/// The quotient, if there is no remainder: what is finer than a thousand-millionth would be lost.
const fn exact(number: u128, divisor: u128) -> Option<u128> {
    if number.is_multiple_of(divisor) { Some(number / divisor) } else { None }
}

/// What `text` has of such characters at its start, and the rest.
fn split_at_end(text: &str, is_part: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !is_part(c)).unwrap_or(text.len()))
}

/// A number times 10^9, in units of `factor`.
fn scale(number: u128, factor: u64, text: &str, what: &'static str) -> Result<u64, ConfigError> {
    let scaled = number.checked_mul(u128::from(factor)).map(|scaled| scaled / u128::from(SECOND));
    scaled.and_then(|scaled| u64::try_from(scaled).ok()).ok_or_else(|| ConfigError::invalid(text, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_those_of_tc() {
        for (text, bits) in [
            ("10mbit", 10_000_000),
            ("2.5gbit", 2_500_000_000),
            ("9600", 9_600),
            ("1Kibit", 1_024),
            ("100kbps", 800_000),
            ("0bit", 0),
        ] {
            assert_eq!(text.parse::<Rate>().map(Rate::as_bits).ok(), Some(bits), "{text}");
        }
        for (text, nanos) in [("40ms", 40_000_000), ("1.5s", 1_500_000_000), ("20", 20_000), ("7ns", 7), ("0ms", 0)] {
            assert_eq!(time(text).ok(), Some(Duration::from_nanos(nanos)), "{text}");
        }
        for (text, octets) in [("3000b", 3000), ("1.5k", 1536), ("64kb", 65_536), ("12", 12)] {
            assert_eq!(size(text).ok(), Some(octets), "{text}");
        }
        for (text, parts) in [("1%", 10_000_000), ("0.003%", 30_000), ("100", 1_000_000_000), ("0.0000001%", 1)] {
            assert_eq!(text.parse::<Chance>().map(Chance::as_parts_per_billion).ok(), Some(parts), "{text}");
        }
        for (text, parts) in [(".5%", 5_000_000), ("1e-1%", 1_000_000), ("1E+1%", 100_000_000), ("1.50e0", 15_000_000)]
        {
            assert_eq!(text.parse::<Chance>().map(Chance::as_parts_per_billion).ok(), Some(parts), "{text}");
        }
        assert_eq!("1e3kbit".parse(), Ok(Rate::mbit(1)));
        for text in [".", ".mbit", "1e", "1e+mbit", "1ee3", "1e99", "1e-99", "1e99999999999", "1e-10", "0.0000000001"] {
            assert!(text.parse::<Rate>().is_err() && text.parse::<Chance>().is_err() && time(text).is_err(), "{text}");
        }
        for text in ["", "x", "1.2.3mbit", "10 mbit", "-1%", "101%", "10parsec", "99999999999999999tbit"] {
            assert!(text.parse::<Rate>().is_err() && text.parse::<Chance>().is_err() && time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn many_packets_take_exactly_as_long_as_their_octets() {
        let (mut remainder, mut total) = (0, 0);
        for _ in 0..3_000 {
            total += Rate::bits(7).time_with(1, &mut remainder);
        }
        assert_eq!((total, remainder), (3_000 * 8 * SECOND / 7, 3_000 * 8 * SECOND % 7));
    }
}
