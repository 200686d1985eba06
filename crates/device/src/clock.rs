//! The real clock: the only place where time comes into the house.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sockeye_wire::Instant;

/// A monotonic clock whose origin is the moment of its creation. Copies share the origin.
///
/// ```
/// # use sockeye_device::Clock;
/// let clock = Clock::start();
/// let before = clock.now();
/// assert!(clock.now() >= before);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: std::time::Instant,
    origin_on_the_wall: Duration,
}

impl Clock {
    /// A clock that shows zero now.
    pub fn start() -> Self {
        // A wall clock before 1970 shows 1970: it only dates captures.
        let origin_on_the_wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { origin: std::time::Instant::now(), origin_on_the_wall }
    }

    /// Nanoseconds since the origin.
    pub fn now(&self) -> Instant {
        Instant::ZERO + self.origin.elapsed()
    }

    /// The origin as time since the first of January 1970 UTC, as the wall clock showed it then: what turns an
    /// [`Instant`] into the timestamp of a capture.
    pub const fn origin_on_the_wall(&self) -> Duration {
        self.origin_on_the_wall
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_near_zero_runs_forwards_and_copies_agree() {
        let clock = Clock::start();
        let copy = clock;
        let first = clock.now();
        assert!(first < Instant::from_millis(60_000));
        std::thread::sleep(Duration::from_millis(2));
        assert!(copy.now().since(first) >= Duration::from_millis(2));
    }

    #[test]
    fn the_origin_on_the_wall_is_after_this_was_written() {
        assert!(Clock::start().origin_on_the_wall() > Duration::from_secs(1_750_000_000));
    }
}
