//! How much new text may leave now: the peer's window, the congestion window, Nagle, silly windows, cork (RFC 9293
//! sections 3.7.4 and 3.8.6.2.1). Pure.

/// What the decision rests on; all in octets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Situation {
    /// D: text queued and not sent.
    pub(crate) unsent: u32,
    /// U: what the peer's window still takes.
    pub(crate) usable: u32,
    /// What the congestion window still takes.
    pub(crate) congestion: u32,
    /// What may leave at this instant at the pacing rate.
    pub(crate) paced: u32,
    /// Eff.snd.MSS.
    pub(crate) mss: u32,
    /// Max(SND.WND): the largest window that the peer ever offered.
    pub(crate) max_window: u32,
    /// Nothing is unacknowledged: SND.NXT = SND.UNA.
    pub(crate) idle: bool,
    /// Nagle is off.
    pub(crate) nodelay: bool,
    /// Only full segments may leave.
    pub(crate) corked: bool,
    /// The FIN follows the last octet: nothing more is to come that a segment could be filled with.
    pub(crate) closing: bool,
    /// What was held back has waited long enough.
    pub(crate) overdue: bool,
    /// What one [`crate::Transmit`] may carry.
    pub(crate) limit: u32,
    /// Sent, and as far as anybody knows on its way.
    pub(crate) in_flight: u32,
    /// The next ACK of what is in flight is expected at once.
    pub(crate) ack_is_near: bool,
    /// The path is short, whatever waits on it, and nothing is missing: then each ACK lets out what it is to.
    pub(crate) may_gather: bool,
}

/// What may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// So many octets.
    Send(u32),
    /// Nothing, because of this.
    Hold(Hold),
}

/// Why nothing leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// There is nothing to send.
    Nothing,
    /// The peer's window is closed, or too small to be worth it: the persist timer watches.
    Window,
    /// The congestion window is full.
    Congestion,
    /// It would leave faster than the pacing rate.
    Pacing,
    /// Nagle waits for an ACK.
    Nagle,
    /// A super-segment that isn't full waits for more, or for the next ACK.
    Batch,
    /// The application holds text back.
    Cork,
}

impl Situation {
    /// True if `offered` octets, some segments but fewer than go out in one, had better wait: a super-segment costs a device
    /// as much if it is small. While twice as much is in flight an ACK comes soon, and with it more to send; or else this.
    /// `tcp_tso_should_defer` of Linux asks for the same millisecond.
    fn batches(&self, offered: u32) -> bool {
        let patient = self.ack_is_near && !self.nodelay && !self.closing && !self.overdue;
        patient && offered < self.limit && offered <= self.in_flight / 2
    }

    /// True if `room`, all that congestion control has left for more than that, had better become more. A window that is full
    /// lets out what each ACK frees, and so what left as half a super-segment comes again as half of one for ever. By the
    /// same measure as above, which is a third of the window at most, as in `tcp_tso_should_defer`; without its limits in time:
    /// if the peer is slow to acknowledge, so much of the window waits for it.
    fn gathers(&self, room: u32) -> bool {
        self.may_gather && room < self.limit && room <= self.in_flight / 2
    }
}

/// How much new text may leave now; whole segments if it is more than one.
pub(crate) fn decide(situation: &Situation) -> Decision {
    let Situation { unsent, usable, congestion, paced, mss, .. } = *situation;
    if unsent == 0 {
        return Decision::Hold(Hold::Nothing);
    }
    if usable == 0 {
        return Decision::Hold(Hold::Window);
    }
    let offered = unsent.min(usable);
    //= rfc9293#3.8.6.2.1-1
    //= rfc9293#SHLD-28
    if offered >= mss {
        // A part of a segment isn't worth what congestion control has left: wait for room for a whole one.
        return match offered.min(congestion) / mss * mss {
            0 => Decision::Hold(Hold::Congestion),
            _ if paced < mss => Decision::Hold(Hold::Pacing),
            _ if offered <= congestion && situation.batches(offered) => Decision::Hold(Hold::Batch),
            room if congestion < offered && situation.gathers(room) => Decision::Hold(Hold::Congestion),
            whole => Decision::Send(whole.min(paced)),
        };
    }
    match small(situation, offered) {
        Some(hold) => Decision::Hold(hold),
        None if congestion < offered => Decision::Hold(Hold::Congestion),
        None if paced < offered => Decision::Hold(Hold::Pacing),
        None => Decision::Send(offered),
    }
}

/// Why `offered`, less than a segment, may not leave; `None` if it may.
fn small(situation: &Situation, offered: u32) -> Option<Hold> {
    let all = offered == situation.unsent;
    //= rfc9293#3.8.6.2.1-4
    if situation.overdue {
        return None;
    }
    if situation.corked && !(all && situation.closing) {
        return Some(Hold::Cork);
    }
    //= rfc9293#3.8.6.2.1-2
    //= rfc9293#3.8.6.2.1-3
    //= rfc9293#MUST-38
    if !all && offered < situation.max_window / 2 {
        return Some(Hold::Window);
    }
    //= rfc9293#SHLD-7
    //= rfc9293#MUST-17
    let may_leave = situation.nodelay || situation.idle || (all && situation.closing);
    (!may_leave).then_some(Hold::Nagle)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: Situation = Situation {
        unsent: 5000,
        usable: 50_000,
        congestion: 10_000,
        paced: u32::MAX,
        mss: 1000,
        max_window: 50_000,
        idle: true,
        nodelay: false,
        corked: false,
        closing: false,
        overdue: false,
        limit: 1000,
        in_flight: 0,
        ack_is_near: true,
        may_gather: false,
    };

    #[test]
    fn whole_segments_leave_as_far_as_both_windows_allow() {
        assert_eq!(decide(&OPEN), Decision::Send(5000));
        assert_eq!(decide(&Situation { congestion: 2999, ..OPEN }), Decision::Send(2000));
        assert_eq!(decide(&Situation { usable: 3500, ..OPEN }), Decision::Send(3000));
        assert_eq!(decide(&Situation { congestion: 999, ..OPEN }), Decision::Hold(Hold::Congestion));
    }

    #[test]
    fn pacing_holds_what_the_windows_allow() {
        assert_eq!(decide(&Situation { paced: 2000, ..OPEN }), Decision::Send(2000));
        assert_eq!(decide(&Situation { paced: 0, ..OPEN }), Decision::Hold(Hold::Pacing));
        assert_eq!(decide(&Situation { paced: 0, congestion: 0, ..OPEN }), Decision::Hold(Hold::Congestion));
        assert_eq!(decide(&Situation { paced: 0, unsent: 10, ..OPEN }), Decision::Hold(Hold::Pacing));
    }

    #[test]
    fn a_super_segment_that_is_not_full_waits_for_an_ack_that_is_near() {
        let rest = Situation { unsent: 3000, limit: 60_000, in_flight: 6000, idle: false, ..OPEN };
        assert_eq!(decide(&rest), Decision::Hold(Hold::Batch));
        assert_eq!(decide(&Situation { in_flight: 5999, ..rest }), Decision::Send(3000), "little is in flight");
        assert_eq!(decide(&Situation { ack_is_near: false, ..rest }), Decision::Send(3000));
        assert_eq!(decide(&Situation { closing: true, ..rest }), Decision::Send(3000), "nothing more is to come");
        assert_eq!(decide(&Situation { nodelay: true, ..rest }), Decision::Send(3000));
        assert_eq!(decide(&Situation { limit: 3000, ..rest }), Decision::Send(3000), "it is full");
        assert_eq!(decide(&Situation { congestion: 2000, ..rest }), Decision::Send(2000), "there is more");
    }

    #[test]
    fn room_for_less_than_a_super_segment_waits_for_more_while_the_window_is_full() {
        let full = Situation {
            unsent: 90_000,
            usable: 90_000,
            congestion: 3000,
            limit: 60_000,
            in_flight: 6000,
            idle: false,
            may_gather: true,
            ..OPEN
        };
        assert_eq!(decide(&full), Decision::Hold(Hold::Congestion));
        assert_eq!(decide(&Situation { in_flight: 5999, ..full }), Decision::Send(3000), "little is in flight");
        assert_eq!(decide(&Situation { limit: 3000, ..full }), Decision::Send(3000), "it is full");
        assert_eq!(decide(&Situation { may_gather: false, ..full }), Decision::Send(3000));
        assert_eq!(
            decide(&Situation { nodelay: true, ..full }),
            Decision::Hold(Hold::Congestion),
            "there is more to send"
        );
    }

    //= rfc9293#SHLD-7
    //= rfc9293#MUST-17
    #[test]
    fn nagle_holds_a_small_segment_while_anything_is_unacknowledged() {
        let small = Situation { unsent: 10, idle: false, ..OPEN };
        assert_eq!(decide(&small), Decision::Hold(Hold::Nagle));
        assert_eq!(decide(&Situation { idle: true, ..small }), Decision::Send(10));
        assert_eq!(decide(&Situation { nodelay: true, ..small }), Decision::Send(10));
        assert_eq!(decide(&Situation { closing: true, ..small }), Decision::Send(10));
    }

    //= rfc9293#MUST-38
    //= rfc9293#3.8.6.2.1-1
    //= rfc9293#3.8.6.2.1-2
    //= rfc9293#3.8.6.2.1-3
    #[test]
    fn a_window_that_opens_a_little_gets_no_small_segment() {
        let silly = Situation { usable: 200, ..OPEN };
        assert_eq!(decide(&silly), Decision::Hold(Hold::Window));
        assert_eq!(decide(&Situation { unsent: 200, ..silly }), Decision::Send(200), "all there is");
        assert_eq!(decide(&Situation { max_window: 400, ..silly }), Decision::Send(200), "half the largest window");
    }

    //= rfc9293#3.8.6.2.1-4
    #[test]
    fn the_override_timer_lets_a_small_segment_go() {
        assert_eq!(decide(&Situation { usable: 200, overdue: true, ..OPEN }), Decision::Send(200));
    }

    #[test]
    fn a_cork_lets_only_full_segments_go_and_the_last_one() {
        let corked = Situation { corked: true, nodelay: true, unsent: 2500, ..OPEN };
        assert_eq!(decide(&corked), Decision::Send(2000));
        assert_eq!(decide(&Situation { unsent: 500, ..corked }), Decision::Hold(Hold::Cork));
        assert_eq!(decide(&Situation { unsent: 500, closing: true, ..corked }), Decision::Send(500));
    }
}
