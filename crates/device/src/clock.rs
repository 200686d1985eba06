//! The real clock: the only place where time comes into the house.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sockeye_wire::Instant;

/// A monotonic clock that shows one second at its start and never goes back. Copies agree. A reading costs some 30 ns:
/// read it once a batch.
///
/// ```
/// # use sockeye_device::Clock;
/// let clock = Clock::start();
/// let before = clock.now();
/// assert!(clock.now() >= before);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: std::time::Instant,
    zero_on_the_wall: Duration,
}

impl Clock {
    /// What it shows at its start: above zero, so that what lies a moment back can be said.
    const START: Duration = Duration::from_secs(1);

    /// A clock that starts now.
    pub fn start() -> Self {
        // A wall clock before 1970 shows 1970: it only dates captures.
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: std::time::Instant::now(), zero_on_the_wall: wall.saturating_sub(Self::START) }
    }

    /// What it shows.
    pub fn now(&self) -> Instant {
        Instant::ZERO + Self::START + self.started.elapsed()
    }

    /// [`Instant::ZERO`] as time since the first of January 1970 UTC, by the wall clock at the start: what turns an
    /// instant into the timestamp of a capture.
    pub const fn zero_on_the_wall(&self) -> Duration {
        self.zero_on_the_wall
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_at_one_second_runs_forwards_and_copies_agree() {
        let clock = Clock::start();
        let copy = clock;
        let first = clock.now();
        assert!(first >= Instant::from_millis(1000) && first < Instant::from_millis(60_000));
        std::thread::sleep(Duration::from_millis(2));
        assert!(copy.now().since(first) >= Duration::from_millis(2));
    }

    #[test]
    fn zero_and_what_it_shows_make_the_wall_clock() {
        let clock = Clock::start();
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let shown = clock.zero_on_the_wall() + clock.now().since(Instant::ZERO);
        assert!(shown.abs_diff(wall) < Duration::from_secs(5), "{shown:?} for {wall:?}");
    }
}
