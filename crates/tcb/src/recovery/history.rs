//! What outlives a flight: counters, how far the path reorders, the last probe, the last recovery.

use core::time::Duration;

use sockeye_wire::{Instant, SeqNumber};

use super::rack::Reordering;
use super::repeats::Repeats;
use super::tlp::Tlp;
use super::undo::{Cause, Undo};

/// See the module's page.
#[derive(Debug)]
pub(super) struct History {
    pub(super) counts: Counts,
    pub(super) reordering: Reordering,
    pub(super) tlp: Tlp,
    pub(super) undo: Undo,
    /// Where the last recovery ended, if all that was outstanding was acknowledged by then: duplicate ACKs of that place
    /// answer what was sent again needlessly.
    pub(super) recovered_to: Option<SeqNumber>,
    /// When the timer expired first, while there has been no news since.
    pub(super) timed_out_at: Option<Instant>,
    /// What was sent again, and what was reported as duplicate.
    pub(super) repeats: Repeats,
}

impl Default for History {
    fn default() -> Self {
        Self {
            counts: Counts::NONE,
            reordering: Reordering::NONE,
            tlp: Tlp::NONE,
            undo: Undo::NONE,
            recovered_to: None,
            timed_out_at: None,
            repeats: Repeats::default(),
        }
    }
}

impl History {
    /// The retransmission timer expired.
    pub(super) fn count_timeout(&mut self, now: Instant) {
        self.counts.timeouts += 1;
        if self.timed_out_at.is_none() {
            self.timed_out_at = Some(now);
            self.counts.timeout_runs += 1;
        }
    }

    /// No answer is awaited to a probe of the tail or to what was sent again.
    pub(super) const fn is_quiet(&self) -> bool {
        self.tlp.is_free() && !self.undo.awaits_answer()
    }

    /// Something new was acknowledged.
    pub(super) fn on_news(&mut self, now: Instant) {
        if let Some(at) = self.timed_out_at.take() {
            self.counts.timeout_time += now.since(at);
        }
    }

    /// The last recovery proved needless: once.
    pub(super) fn note_undone(&mut self, cause: Cause) {
        self.undo.end();
        self.counts.undone += 1;
        self.counts.spurious_timeouts += u64::from(cause == Cause::Timeout);
    }
}

/// Figures over the life of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Segments sent again, for whatever reason, and their octets of text.
    pub(crate) retransmissions: u64,
    pub(crate) bytes_resent: u64,
    /// Those of them that were sent again after a timeout.
    pub(crate) slow_retransmissions: u64,
    /// Tail loss probes, new data and retransmissions.
    pub(crate) probes: u64,
    /// Retransmission timeouts; runs of them without news, and the time from the first of each to the news.
    pub(crate) timeouts: u64,
    pub(crate) timeout_runs: u64,
    pub(crate) timeout_time: Duration,
    /// Recoveries without one.
    pub(crate) fast_recoveries: u64,
    /// Segments held lost.
    pub(crate) lost: u64,
    /// Segments that the peer reported to have received twice.
    pub(crate) duplicates: u64,
    /// Recoveries that proved needless, those after a timeout included, and those alone.
    pub(crate) undone: u64,
    pub(crate) spurious_timeouts: u64,
    /// Times that the peer dropped what it had selectively acknowledged.
    pub(crate) renegings: u64,
}

impl Counts {
    pub(crate) const NONE: Self = Self {
        retransmissions: 0,
        bytes_resent: 0,
        slow_retransmissions: 0,
        probes: 0,
        timeouts: 0,
        timeout_runs: 0,
        timeout_time: Duration::ZERO,
        fast_recoveries: 0,
        lost: 0,
        duplicates: 0,
        undone: 0,
        spurious_timeouts: 0,
        renegings: 0,
    };
}
