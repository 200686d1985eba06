//! Probes of the path's MTU: segments longer than others, whose loss isn't congestion's (RFC 4821 section 7.6).

use sockeye_wire::{Instant, SeqNumber};

use super::outstanding::{Mark, Pieces, Run};
use super::{Flight, Phase, Recovery};

/// What became of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProbeFate {
    Arrived,
    /// It was lost, and nothing else.
    Lost,
    /// It was lost, and so was other text: that may have been congestion.
    Inconclusive,
    /// The retransmission timer expired.
    TimedOut,
}

/// What was learnt of the path's MTU since it was last asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct News {
    /// Octets of text in the longest segment that has arrived; 0 for none.
    pub(crate) longest: u32,
    pub(crate) probe: Option<ProbeFate>,
}

impl News {
    pub(super) const NONE: Self = Self { longest: 0, probe: None };

    /// A run, or a piece of one, has arrived.
    //= rfc4821#4-2
    //= rfc8899#3-3
    //= rfc8899#4.2-1
    pub(super) fn on_delivered(&mut self, run: &Run) {
        self.longest = self.longest.max(run.size.min(run.len));
        if run.probe {
            self.probe = Some(ProbeFate::Arrived);
        }
    }
}

impl Recovery {
    /// What is new of the path's MTU.
    pub(crate) const fn take_news(&mut self) -> News {
        core::mem::replace(&mut self.news, News::NONE)
    }

    /// True if nothing is missing, nothing out of order, so that a probe's loss would show, and alone.
    //= rfc4821#7.4-1
    pub(crate) fn is_orderly(&self) -> bool {
        self.flight.as_ref().is_none_or(|flight| {
            let outstanding = &flight.outstanding;
            flight.phase == Phase::Open
                && flight.left_network == 0
                && outstanding.tally(Mark::Sacked).octets == 0
                && outstanding.tally(Mark::Lost).octets == 0
        })
    }

    /// A probe left: `octets` from `start` on in one segment.
    pub(crate) fn on_path_probe_sent(&mut self, now: Instant, start: SeqNumber, octets: u32, mss: u32) {
        self.book(now, start, octets, mss, |outstanding, place, snapshot| {
            outstanding.on_probe_sent(now, place, octets, snapshot);
        });
    }

    /// Octets in the segment with the sequence number `seq`, if it is on its way or held lost.
    pub(crate) fn segment_at(&self, seq: SeqNumber) -> Option<u32> {
        let flight = self.flight.as_ref()?;
        flight.outstanding.segment_at(flight.place(seq))
    }

    /// Octets in the first segment, if it is held lost, and whether it was sent again before.
    pub(crate) fn lost_at_front(&self) -> Option<(u32, bool)> {
        let front = self.outstanding()?.front()?;
        (front.mark == Mark::Lost).then(|| (front.size.min(front.len), front.resent))
    }

    /// How often the first segment was sent again into an open window, without a timeout, since one as long arrived.
    pub(crate) fn overtaken(&self) -> u8 {
        self.flight.as_ref().map_or(0, |flight| flight.overtaken)
    }

    /// An ICMP error says that the probe was too long: it is held lost, and that excused.
    //= rfc8201#5.4-4
    pub(crate) fn on_path_probe_refuted(&mut self) {
        if let Some(flight) = &mut self.flight
            && flight.phase == Phase::Open
        {
            flight.excused += flight.outstanding.mark_probe_lost();
            flight.front_is_urgent = true;
        }
    }

    /// Nothing has followed a probe that would show its loss: true if it was the last that was sent. What it carried goes
    /// again in segments that are known to fit.
    pub(super) fn give_up_last_path_probe(&mut self) -> bool {
        let Some(flight) = self.flight.as_mut().filter(|flight| flight.outstanding.ends_with_probe()) else {
            return false;
        };
        flight.excused += flight.outstanding.mark_probe_lost();
        self.news.probe = Some(ProbeFate::TimedOut);
        true
    }

    /// Of what was found lost just now, `lost`, takes out the probe if it is all that is missing. What it carried goes again
    /// at once, in segments that are known to fit.
    //= rfc4821#4-3
    //= rfc4821#4-4
    //= rfc4821#4-5
    //= rfc4821#7.6.2-1
    //= rfc4821#6.1-1
    //= rfc4821#7.1-4
    //= rfc4821#7.6.4-1
    //= rfc8899#3-5
    //= rfc8899#3-6
    //= rfc8899#3-11
    //= rfc8899#3-16
    pub(super) fn excuse_probe(&mut self, flight: &mut Flight, lost: &mut Pieces) {
        let Some(&(_, probe)) = lost.iter().find(|(_, run)| run.probe) else {
            return;
        };
        if flight.phase == Phase::Open && flight.outstanding.tally(Mark::Lost).octets == probe.len {
            flight.excused = probe.len;
            flight.front_is_urgent = true;
            lost.clear();
            self.news.probe = Some(ProbeFate::Lost);
        } else {
            self.news.probe = Some(ProbeFate::Inconclusive);
        }
    }
}

impl Flight {
    /// The path takes segments as long as the first: one has arrived, or that has itself.
    pub(super) fn forget_overtaken(&mut self, advanced: bool, longest: u32) {
        let first = self.outstanding.front().map_or(0, |front| front.size.min(front.len));
        if advanced || longest >= first {
            self.overtaken = 0;
        }
    }

    /// Octets held lost for which congestion may be to blame.
    pub(super) fn blamed(&mut self) -> u32 {
        self.forget_excuses();
        self.outstanding.tally(Mark::Lost).octets - self.excused
    }

    /// What was excused and isn't held lost any more excuses nothing else.
    //= rfc4821#4-3
    //= rfc4821#4-5
    pub(super) fn forget_excuses(&mut self) {
        self.excused = self.excused.min(self.outstanding.tally(Mark::Lost).octets);
    }
}
