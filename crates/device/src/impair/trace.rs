//! Links whose rate was recorded: traces as mahimahi writes them.
//!
//! A trace is a text file with a whole number of milliseconds on each line, never decreasing: at that time the link can
//! carry [`OPPORTUNITY`] octets. A line may come several times. The trace begins again at its last line's time. An
//! opportunity that finds nothing to send is gone.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sockeye_wire::Instant;

use super::{ConfigError, Rate};

/// Octets that one line of a trace carries: an Ethernet frame's packet and four more, as mahimahi has it.
pub const OPPORTUNITY: u64 = 1504;

/// When a link can carry something. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Trace {
    path: PathBuf,
    /// Milliseconds, ascending; the last one is above 0. Empty if the file has not been read yet.
    times: Arc<[u64]>,
}

impl Trace {
    /// The one in this file, which nobody has read yet: a link carries nothing by it. See
    /// [`LinkConfig::with_trace_read`](super::LinkConfig::with_trace_read).
    pub fn in_file(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), times: Arc::default() }
    }

    /// False if its file is still to be read.
    pub fn is_read(&self) -> bool {
        !self.times.is_empty()
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`ConfigError::Trace`], with what the system said or the line that is wrong.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let failed = |why: String| ConfigError::Trace(path.to_owned(), why);
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        Self::parse(path.to_owned(), &text).map_err(failed)
    }

    /// A trace made of its lines' numbers: milliseconds, ascending, the last above 0. `name` is for showing; without one
    /// the numbers are shown: `trace list 2,2,5`.
    ///
    /// # Errors
    /// [`ConfigError::Trace`].
    pub fn from_millis(name: impl Into<PathBuf>, times: &[u64]) -> Result<Self, ConfigError> {
        let name = name.into();
        Self::checked(name.clone(), times.into()).map_err(|why| ConfigError::Trace(name, why))
    }

    fn parse(path: PathBuf, text: &str) -> Result<Self, String> {
        let mut times = Vec::new();
        for (line, number) in (1..).zip(text.lines()) {
            if number.trim().is_empty() {
                continue;
            }
            let parsed = number.trim().parse::<u32>();
            times.push(u64::from(parsed.map_err(|_| format!("line {line}: {number:?} is no number of milliseconds"))?));
        }
        Self::checked(path, times)
    }

    fn checked(path: PathBuf, times: Vec<u64>) -> Result<Self, String> {
        if let Some(at) = times.windows(2).position(|pair| matches!(pair, [one, next] if next < one)) {
            return Err(format!("line {}: the time goes back", at + 2));
        }
        if times.last().is_none_or(|last| *last == 0) {
            return Err("a trace needs a time above 0".to_owned());
        }
        Ok(Self { path, times: times.into() })
    }

    /// The file that it came from, or its name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How long until it begins again.
    pub fn period(&self) -> Duration {
        Duration::from_millis(self.times.last().copied().unwrap_or(1))
    }

    /// What it carries on average.
    pub fn mean_rate(&self) -> Rate {
        let octets = self.times.len() as u64 * OPPORTUNITY;
        Rate::bits(octets.saturating_mul(8_000) / self.times.last().copied().unwrap_or(1).max(1))
    }

    /// Opportunities before the time `elapsed`.
    fn before(&self, elapsed: Duration) -> u64 {
        let period = self.period().as_nanos().max(1);
        let rounds = u64::try_from(elapsed.as_nanos() / period).unwrap_or(u64::MAX);
        let rest = elapsed.as_nanos() % period;
        let within = self.times.partition_point(|time| u128::from(*time) * 1_000_000 < rest);
        rounds.saturating_mul(self.times.len() as u64).saturating_add(within as u64)
    }

    /// When the opportunity of this number is, the first being 0; never, if the file has not been read.
    fn time_of(&self, number: u64) -> Duration {
        if !self.is_read() {
            return Duration::MAX;
        }
        let (round, at) = (number / self.times.len() as u64, number % self.times.len() as u64);
        let within = usize::try_from(at).ok().and_then(|at| self.times.get(at)).copied().unwrap_or(0);
        Duration::from_millis(round.saturating_mul(self.times.last().copied().unwrap_or(1)).saturating_add(within))
    }
}

/// As words have it behind `trace`.
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.as_os_str().is_empty() {
            return self.path.display().fmt(f);
        }
        f.write_str("list ")?;
        for (index, time) in self.times.iter().enumerate() {
            write!(f, "{}{time}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trace({}, {} lines, {:?})", self.path.display(), self.times.len(), self.period())
    }
}

/// A trace at work.
#[derive(Clone, Debug)]
pub(super) struct Opportunities {
    trace: Trace,
    origin: Instant,
    /// The number of the next one.
    next: u64,
}

impl Opportunities {
    pub(super) fn new(trace: Trace, origin: Instant) -> Self {
        Self { trace, origin, next: 0 }
    }

    pub(super) fn mean_rate(&self) -> Rate {
        self.trace.mean_rate()
    }

    /// Lets go of those before `now`.
    pub(super) fn skip_to(&mut self, now: Instant) {
        self.next = self.next.max(self.trace.before(now.since(self.origin)));
    }

    /// When the next one is.
    pub(super) fn next_at(&self) -> Instant {
        self.origin + self.trace.time_of(self.next)
    }

    /// Uses the next one up.
    pub(super) fn take(&mut self) {
        self.next += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::super::LinkConfig;
    use super::*;

    #[test]
    fn opportunities_come_when_the_trace_says_and_again() {
        let trace = Trace::parse("t".into(), "2\n2\n5\n\n10\n").expect("a trace");
        assert_eq!((trace.period(), trace.mean_rate()), (Duration::from_millis(10), Rate::bits(4 * 1504 * 800)));
        let mut opportunities = Opportunities::new(trace, Instant::from_millis(1_000));
        let mut times = Vec::new();
        for _ in 0..9 {
            times.push(opportunities.next_at().as_millis() - 1_000);
            opportunities.take();
        }
        assert_eq!(times, [2, 2, 5, 10, 12, 12, 15, 20, 22]);
        opportunities.skip_to(Instant::from_millis(1_033));
        assert_eq!(opportunities.next_at().as_millis(), 1_035);
        opportunities.skip_to(Instant::from_millis(1_035));
        assert_eq!(opportunities.next_at().as_millis(), 1_035, "what is at this instant is still there");
    }

    #[test]
    fn a_short_trace_stands_among_the_words() {
        let words = "trace list 2,2,5,10 delay 5ms";
        let link: LinkConfig = words.parse().expect(words);
        assert_eq!(link.trace.as_ref().map(Trace::period), Some(Duration::from_millis(10)));
        assert_eq!((link.unread_trace(), link.to_string()), (None, words.to_owned()));
        for wrong in ["trace list", "trace list 5,4", "trace list 0", "trace list 1,x"] {
            assert!(wrong.parse::<LinkConfig>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_trace_is_refused_with_its_line() {
        for (text, why) in [
            ("1\nx\n", "line 2: \"x\" is no number of milliseconds"),
            ("5\n4\n", "line 2: the time goes back"),
            ("", "a trace needs a time above 0"),
            ("0\n0\n", "a trace needs a time above 0"),
        ] {
            assert_eq!(Trace::parse("t".into(), text).err().as_deref(), Some(why));
        }
        let unread: LinkConfig = "trace /nonexistent/trace".parse().expect("words alone open no file");
        assert!(unread.trace.as_ref().is_some_and(|trace| !trace.is_read()));
        let error = unread.with_trace_read().expect_err("no file");
        assert!(error.to_string().contains("/nonexistent/trace"), "{error}");
    }
}
