//! Which algorithm a connection runs under: a name and how to make one.

use alloc::boxed::Box;
use core::fmt;
use core::str::FromStr;

use super::{Bbr, CongestionControl, Cubic, Dctcp, NewReno};

/// A kind of [`CongestionControl`], for [`Config::congestion`](crate::Config::congestion). Two of the same name are the
/// same.
///
/// ```
/// # use sockeye_tcb::Config;
/// # use sockeye_tcb::congestion::Algorithm;
/// let config = Config { congestion: "newreno".parse()?, ..Config::default() };
/// assert_eq!(config.congestion, Algorithm::NEWRENO);
/// # Ok::<(), sockeye_tcb::congestion::UnknownAlgorithm>(())
/// ```
#[derive(Clone, Copy)]
pub struct Algorithm {
    name: &'static str,
    make: fn(u8) -> Box<dyn CongestionControl>,
    counts_marks: bool,
}

impl Algorithm {
    /// [`Cubic`], the default: RFC 9438.
    pub const CUBIC: Self = Self::new("cubic", |initial| Box::new(Cubic::new(initial)));
    /// [`NewReno`]: slow start and congestion avoidance by RFC 5681.
    pub const NEWRENO: Self = Self::new("newreno", |initial| Box::new(NewReno::new(initial)));

    /// [`Bbr`]: `BBRv3`, draft-ietf-ccwg-bbr.
    pub const BBR: Self = Self::new("bbr", |initial| Box::new(Bbr::new(initial)));
    /// [`Dctcp`]: RFC 8257, for data centres.
    pub const DCTCP: Self = Self::new("dctcp", |initial| Box::new(Dctcp::new(initial))).counting_marks();

    /// One of your own: its name, in lower case, and how to make it for a connection, given how many segments the
    /// initial window has ([`Config::initial_window`](crate::Config::initial_window)).
    pub const fn new(name: &'static str, make: fn(u8) -> Box<dyn CongestionControl>) -> Self {
        Self { name, make, counts_marks: false }
    }

    /// The same, which lives by marks of the network ([`EcnUse::Counting`](super::EcnUse::Counting)): connections that
    /// open under it ask for explicit congestion notification.
    #[must_use]
    pub const fn counting_marks(self) -> Self {
        Self { counts_marks: true, ..self }
    }

    /// All that are built in.
    pub const fn all() -> &'static [Self] {
        &[Self::CUBIC, Self::NEWRENO, Self::BBR, Self::DCTCP]
    }

    /// Its name, as [`CongestionControl::name`] tells it too.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) const fn counts_marks(&self) -> bool {
        self.counts_marks
    }

    /// One for a new connection.
    pub(crate) fn make(self, initial_window: u8) -> Box<dyn CongestionControl> {
        (self.make)(initial_window)
    }
}

impl Default for Algorithm {
    fn default() -> Self {
        Self::CUBIC
    }
}

impl PartialEq for Algorithm {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Algorithm {}

impl fmt::Debug for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Algorithm({})", self.name)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name)
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        // As Linux calls it.
        let name = if name == "reno" { "newreno" } else { name };
        Self::all().iter().copied().find(|algorithm| algorithm.name == name).ok_or(UnknownAlgorithm)
    }
}

/// No algorithm of this name is built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownAlgorithm;

impl fmt::Display for UnknownAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such congestion control; there are")?;
        for (index, algorithm) in Algorithm::all().iter().enumerate() {
            write!(f, "{} {algorithm}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl core::error::Error for UnknownAlgorithm {}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn each_is_found_by_its_name_and_makes_what_it_says() {
        for algorithm in Algorithm::all() {
            assert_eq!(algorithm.to_string().parse(), Ok(*algorithm));
            assert_eq!(algorithm.make(10).name(), algorithm.name());
        }
        assert_eq!("reno".parse(), Ok(Algorithm::NEWRENO));
    }

    #[test]
    fn an_unknown_name_is_refused_with_those_that_are_known() {
        let error = "vegas".parse::<Algorithm>().unwrap_err();
        assert!(error.to_string().starts_with("no such congestion control; there are cubic, newreno"));
    }
}
