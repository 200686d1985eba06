//! Times of sending that keep the order of sending, even where a coarse clock stands still meanwhile.

use core::time::Duration;

use sockeye_wire::Instant;

/// The least by which times differ.
const LEAST: Duration = Duration::from_nanos(1);

/// Stamps what leaves. Of two segments that left at one instant RACK takes the one with the higher place for the later (RFC
/// 8985 section 6.2, step 2), which is so where both left for the first time. What is sent again has a low place, and is
/// later nevertheless: it is stamped a nanosecond later than all that left at that instant before it, and so is what follows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stamps {
    latest: Instant,
    /// The latest is that of something that left for the first time.
    is_first: bool,
}

impl Stamps {
    /// Something leaves for the first time.
    pub(super) fn first(&mut self, now: Instant) -> Instant {
        self.latest = self.latest.max(now);
        self.is_first = true;
        self.latest
    }

    /// Something is sent again.
    pub(super) fn again(&mut self, now: Instant) -> Instant {
        if now > self.latest {
            self.latest = now;
        } else if self.is_first {
            self.latest += LEAST;
        }
        self.is_first = false;
        self.latest
    }
}
