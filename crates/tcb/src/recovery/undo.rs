//! Was the recovery needless? Then what it took is given back: detection by timestamps (RFC 3522) and by reported
//! duplicates (RFC 3708); F-RTO is the third ([`super::frto`]).

use sockeye_wire::Instant;

use super::{Arrival, Echo};

/// What began a recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// A loss found while ACKs came.
    Loss,
    /// The retransmission timer.
    Timeout,
}

/// What is known of the present or last recovery. Outlives what is outstanding: the last duplicate is reported when all is
/// acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Undo {
    /// What began it, as long as it can be undone.
    cause: Option<Cause>,
    /// Segments sent again that weren't reported as duplicates; `u32::MAX` if that can't be told.
    unreported: u32,
    /// When the first segment was sent again (`RetransmitTS`), until an ACK has told which one it answers.
    resent_at: Option<Instant>,
    /// The ACK is to be the first acceptable one.
    awaits_first_ack: bool,
}

impl Undo {
    /// There is nothing to undo.
    pub(super) const NONE: Self = Self { cause: None, unreported: 0, resent_at: None, awaits_first_ack: false };

    //= rfc3522#3.2-1
    //= rfc3522#3.2-3
    pub(super) const fn begin(&mut self, cause: Cause) {
        *self = Self { cause: Some(cause), awaits_first_ack: true, ..Self::NONE };
    }

    /// It was needed, or is undone.
    pub(super) const fn end(&mut self) {
        *self = Self::NONE;
    }

    /// `segments` were sent again, `often` if not for the first time.
    //= rfc3522#3.2-2
    //= rfc3708#3-4
    pub(super) fn on_resent(&mut self, now: Instant, segments: u32, often: bool) {
        if self.cause.is_none() {
            return;
        }
        self.resent_at = self.resent_at.or(Some(now));
        self.unreported = if often { u32::MAX } else { self.unreported.saturating_add(segments) };
    }

    /// `segments` that we had sent again were reported as duplicates.
    //= rfc3708#3-3
    pub(super) fn on_duplicates(&mut self, segments: u32) {
        if self.unreported != u32::MAX {
            self.unreported = self.unreported.saturating_sub(segments);
        }
    }

    /// The duplicate may be the answer to a whole window of lost ACKs: whoever lost them was congested.
    //= rfc3708#3-2
    pub(super) const fn cannot_be_told_by_duplicates(&mut self) {
        self.unreported = u32::MAX;
    }

    /// What to undo, if all that was sent again was reported as duplicate.
    //= rfc3708#3-6
    //= rfc3708#3-7
    pub(super) fn by_duplicates(&self) -> Option<Cause> {
        self.cause.filter(|_| self.resent_at.is_some() && self.unreported == 0)
    }

    /// What to undo, if the first ACK of something new answers an original: its timestamp is older than the first
    /// retransmission. `everything` if it acknowledges all that is outstanding; `dsacks` if duplicates were ever reported.
    //= rfc3522#3.2-4
    //= rfc3522#3.2-5
    //= rfc3522#3.2-6
    pub(super) fn by_timestamp(
        &mut self,
        echo: Option<Echo>,
        dsack: bool,
        everything: bool,
        dsacks: bool,
    ) -> Option<Cause> {
        let (resent_at, echo) = (self.resent_at?, echo?);
        if !core::mem::take(&mut self.awaits_first_ack) || !echo.is_before(resent_at) || dsack {
            return None;
        }
        self.cause.filter(|_| dsacks || !everything)
    }
}

/// True if the ACK tells of congestion itself: nothing is given back on its word.
//= rfc4015#3.4-1
pub(super) const fn is_forbidden(arrival: &Arrival<'_>) -> bool {
    arrival.ece
}
