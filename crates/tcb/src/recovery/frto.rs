//! F-RTO: was the timeout spurious? The first two ACKs after it tell, without any option (RFC 5682).
//!
//! One that acknowledges what was sent once, before the timeout, can't be the answer to the one segment that the timeout
//! has sent again: the others were only late.

/// Where the algorithm stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Frto {
    /// No timeout, or it is judged.
    #[default]
    Off,
    /// Step 2: the first segment, which ends at the place `until`, was sent again; nothing was heard since.
    Resent {
        /// Where it ends.
        until: u64,
    },
    /// Step 3: an ACK came and new segments were let out instead of retransmissions.
    Probing,
}

/// An ACK after the timeout.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// The place of SND.UNA after it.
    pub(super) una: u64,
    /// It acknowledged something cumulatively.
    pub(super) advanced: bool,
    /// It says nothing new at all.
    pub(super) duplicate: bool,
    /// It told first of something that was sent before the timeout, and once only.
    pub(super) original: bool,
    /// It told first of something that was sent after the timeout for the first time.
    pub(super) beyond: bool,
    /// The highest place sent when the timer expired.
    pub(super) recover: u64,
    /// The peer acknowledges selectively.
    pub(super) sack: bool,
    /// Something new may leave, as far as it isn't for congestion control to say.
    pub(super) has_new: bool,
}

impl Frto {
    /// True while new segments are to go instead of retransmissions.
    pub(super) const fn holds_retransmissions(self) -> bool {
        matches!(self, Self::Probing)
    }

    /// Takes an ACK into account; true if it proves that the timeout was spurious.
    pub(super) fn on_ack(&mut self, step: &Step) -> bool {
        let (next, spurious) = match *self {
            Self::Off => (Self::Off, false),
            Self::Resent { until } => (Self::first(until, step), false),
            Self::Probing => Self::second(step),
        };
        *self = next;
        spurious
    }

    //= rfc5682#2.1-3
    //= rfc5682#2.1-6
    //= rfc5682#2.1-7
    //= rfc5682#2.1-9
    //= rfc5682#3.1-5
    //= rfc5682#3.1-6
    //= rfc5682#3.1-7
    fn first(until: u64, step: &Step) -> Self {
        if !step.advanced {
            // A plain duplicate tells that a segment left after the lost one; with SACK it may tell of an old one.
            return if step.duplicate && !step.sack { Self::Off } else { Self::Resent { until } };
        }
        if step.una >= step.recover || step.una < until || !step.has_new { Self::Off } else { Self::Probing }
    }

    //= rfc5682#2.1-10
    //= rfc5682#2.1-11
    //= rfc5682#3.1-8
    //= rfc5682#3.1-9
    const fn second(step: &Step) -> (Self, bool) {
        if step.beyond || (step.duplicate && !step.original) {
            (Self::Off, false)
        } else if step.original {
            (Self::Off, true)
        } else {
            (Self::Probing, false)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADVANCE: Step = Step {
        una: 2000,
        advanced: true,
        duplicate: false,
        original: true,
        beyond: false,
        recover: 10_000,
        sack: false,
        has_new: true,
    };
    const DUPLICATE: Step = Step { advanced: false, duplicate: true, original: false, ..ADVANCE };

    fn after(steps: &[Step]) -> (Frto, bool) {
        let mut frto = Frto::Resent { until: 1000 };
        let spurious = steps.iter().map(|step| frto.on_ack(step)).last().unwrap_or(false);
        (frto, spurious)
    }

    //= rfc5682#2.1-1
    //= rfc5682#2.1-7
    //= rfc5682#2.1-11
    //= rfc5682#3.1-7
    //= rfc5682#3.1-9
    #[test]
    fn two_acks_that_advance_prove_a_spurious_timeout() {
        assert_eq!(after(&[ADVANCE]), (Frto::Probing, false));
        for sack in [true, false] {
            assert_eq!(after(&[ADVANCE, Step { una: 3000, sack, ..ADVANCE }]), (Frto::Off, true));
        }
    }

    //= rfc5682#2.1-6
    //= rfc5682#2.1-10
    //= rfc5682#3.1-5
    //= rfc5682#3.1-6
    //= rfc5682#3.1-8
    #[test]
    fn a_duplicate_at_either_step_or_an_ack_of_all_proves_nothing() {
        assert_eq!(after(&[DUPLICATE]).0, Frto::Off);
        assert_eq!(after(&[Step { sack: true, ..DUPLICATE }]).0, Frto::Resent { until: 1000 });
        assert_eq!(after(&[ADVANCE, DUPLICATE]), (Frto::Off, false));
        assert_eq!(after(&[Step { una: 10_000, ..ADVANCE }]).0, Frto::Off);
        assert_eq!(after(&[Step { una: 500, ..ADVANCE }]).0, Frto::Off, "a part of the segment only");
        assert_eq!(after(&[ADVANCE, Step { beyond: true, ..ADVANCE }]), (Frto::Off, false));
    }

    //= rfc5682#2.1-3
    //= rfc5682#2.1-9
    #[test]
    fn what_says_nothing_is_passed_over_and_without_new_data_the_timeout_stands() {
        let nothing = Step { duplicate: false, ..DUPLICATE };
        assert_eq!(after(&[nothing]).0, Frto::Resent { until: 1000 });
        assert_eq!(after(&[ADVANCE, nothing]).0, Frto::Probing);
        assert_eq!(after(&[Step { has_new: false, ..ADVANCE }]).0, Frto::Off);
    }
}
