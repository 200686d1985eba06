//! What outlives a flight: counters, how far the path reorders, the last probe, the last recovery.

use sockeye_wire::SeqNumber;

use super::rack::Reordering;
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
    /// More duplicates were reported than we ever sent: from then on they don't tell what was needless.
    pub(super) network_duplicates: bool,
}

impl Default for History {
    fn default() -> Self {
        Self {
            counts: Counts::NONE,
            reordering: Reordering::NONE,
            tlp: Tlp::NONE,
            undo: Undo::NONE,
            recovered_to: None,
            network_duplicates: false,
        }
    }
}

impl History {
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
    /// Segments sent again, for whatever reason.
    pub(crate) retransmissions: u64,
    /// Those of them that were sent again after a timeout.
    pub(crate) slow_retransmissions: u64,
    /// Tail loss probes, new data and retransmissions.
    pub(crate) probes: u64,
    /// Retransmission timeouts.
    pub(crate) timeouts: u64,
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
        slow_retransmissions: 0,
        probes: 0,
        timeouts: 0,
        fast_recoveries: 0,
        lost: 0,
        duplicates: 0,
        undone: 0,
        spurious_timeouts: 0,
        renegings: 0,
    };
}
