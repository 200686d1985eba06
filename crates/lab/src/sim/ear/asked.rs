//! Empty ACKs without news: each must have been asked for, or two ends could keep each other busy for ever.

use std::time::Duration;

use sockeye_wire::Instant;

use super::super::invariants::Limits;

/// ACKs that segments without sequence space may provoke, in so long (RFC 5961 section 7). A connection counts ten in each
/// such time of its own, two of which may meet one of ours, and begins to count anew as it goes over into TIME-WAIT.
const CHALLENGES: u32 = 3 * 10;
const CHALLENGE_PERIOD: Duration = Duration::from_secs(5);

/// Counts what asks for ACKs, and ACKs that nobody asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    /// Segments with sequence space that have arrived at this instant, as many as were merged: each may have one ACK at
    /// once (RFC 5681 section 4.2).
    segments: u32,
    at: Instant,
    challenges: u32,
    since: Instant,
    /// When the last keep-alive probe left.
    probed_at: Instant,
}

impl Asked {
    /// Segments with sequence space arrive.
    pub(super) fn hears(&mut self, now: Instant, segments: u32) {
        self.segments = if self.at == now { self.segments + segments } else { segments };
        self.at = now;
    }

    /// An empty ACK leaves that tells nothing new; true if something has asked for it.
    pub(super) fn may_answer(&mut self, now: Instant) -> bool {
        if self.at == now && self.segments > 0 {
            self.segments -= 1;
            return true;
        }
        if now.since(self.since) >= CHALLENGE_PERIOD {
            (self.since, self.challenges) = (now, 0);
        }
        self.challenges += 1;
        self.challenges <= CHALLENGES
    }

    /// A keep-alive probe leaves; true if one may.
    pub(super) fn may_probe(&mut self, now: Instant, limits: &Limits) -> bool {
        let waited = now.since(std::mem::replace(&mut self.probed_at, now));
        limits.keep_alive.is_some_and(|interval| waited + limits.tick * 2 >= interval)
    }
}
