//! Timers as data: a deadline each, no callbacks.

use sockeye_wire::Instant;

/// The timers of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// The oldest outstanding segment, or the SYN, is to be sent again (RFC 6298).
    Retransmit,
    /// The peer's window is closed or too small to use: probe it (RFC 9293 section 3.8.6.1).
    Persist,
    /// An ACK has waited long enough (RFC 9293 section 3.8.6.3).
    DelayedAck,
    /// Nothing was heard for long (RFC 9293 section 3.8.4).
    KeepAlive,
    /// What a cork holds back is to leave.
    Cork,
    /// Text that was held back for the pacing rate may leave.
    Pacing,
    /// 2 MSL have passed in TIME-WAIT, or the peer of an orphan has not closed in FIN-WAIT-2.
    Linger,
}

impl Timer {
    pub(crate) const ALL: [Self; 7] =
        [Self::Retransmit, Self::Persist, Self::DelayedAck, Self::KeepAlive, Self::Cork, Self::Pacing, Self::Linger];
}

/// When each [`Timer`] is due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadlines([Instant; Timer::ALL.len()]);

impl Deadlines {
    /// Nothing is due, ever.
    pub(crate) const NONE: Self = Self([Instant::FAR_FUTURE; Timer::ALL.len()]);

    pub(crate) const fn set(&mut self, timer: Timer, deadline: Instant) {
        self.0[timer as usize] = deadline;
    }

    pub(crate) const fn stop(&mut self, timer: Timer) {
        self.0[timer as usize] = Instant::FAR_FUTURE;
    }

    pub(crate) fn is_set(&self, timer: Timer) -> bool {
        self.0[timer as usize] != Instant::FAR_FUTURE
    }

    /// The next deadline of all.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.iter().copied().min().filter(|&deadline| deadline != Instant::FAR_FUTURE)
    }

    /// Stops and returns a timer that is due.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<Timer> {
        let due = Timer::ALL.into_iter().find(|&timer| self.0[timer as usize] <= now)?;
        self.stop(due);
        Some(due)
    }
}
