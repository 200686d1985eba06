//! Rules about text that leaves: how much of it, and how soon again.

use std::time::Duration;

use sockeye_tcb::Vitals;
use sockeye_wire::{Instant, SeqNumber};

use super::super::invariants::{Broken, Invariant, Limits, broken};
use super::sent::Before;

/// What was told of the connection so far, as far as these rules need it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Repeats {
    /// How much may be in flight during a recovery: what was in flight, or allowed to be, when it began.
    ceiling: u32,
    /// What was in flight after the last event.
    in_flight: u32,
    /// SND.NXT when the present recovery began.
    recover: Option<SeqNumber>,
    recoveries: u64,
    undone: u64,
    timeouts: u64,
    /// When the last of them was.
    timed_out_at: Option<Instant>,
    probes: u64,
    /// Octets that were sent again since the peer had last something new to tell, and timers that expired.
    again: u32,
    timers: u64,
    pub(super) news: bool,
    mss: u16,
    narrowings: u64,
    /// Since when it is known that the path reorders.
    reorders_since: Option<Instant>,
    /// When the last window probe left.
    probed_at: Option<Instant>,
}

/// Text that leaves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text {
    pub(super) snd_una: SeqNumber,
    /// Before it left.
    pub(super) snd_nxt: SeqNumber,
    pub(super) outstanding: u32,
    /// Octets of the last probe of the path's MTU, if they are outstanding.
    pub(super) probe: u32,
    /// What of it left before.
    pub(super) before: Option<Before>,
    /// The peer acknowledges selectively.
    pub(super) sack: bool,
    pub(super) is_new: bool,
    pub(super) fin: bool,
}

impl Repeats {
    /// An event is over.
    pub(super) fn settled(&mut self, now: Instant, info: &Vitals, una: SeqNumber, nxt: SeqNumber) {
        self.follow(now, info, una, nxt);
        if std::mem::take(&mut self.news) {
            self.again = 0;
            self.timers = info.timeouts + info.tail_probes;
            self.probed_at = None;
        }
        self.in_flight = info.in_flight;
        if self.recover.is_none() {
            self.ceiling = info.cwnd.max(info.in_flight);
        }
    }

    fn follow(&mut self, now: Instant, info: &Vitals, una: SeqNumber, nxt: SeqNumber) {
        let undone = info.undone > std::mem::replace(&mut self.undone, info.undone);
        if undone {
            self.recover = None;
        }
        if info.fast_recoveries > self.recoveries {
            self.recover = Some(nxt);
            // What an undo gave back just before isn't told.
            if undone {
                self.ceiling = u32::MAX;
            }
        }
        if info.timeouts > self.timeouts {
            self.timed_out_at = Some(now);
        }
        if info.timeouts > self.timeouts || self.recover.is_some_and(|recover| una.at_or_after(recover)) {
            self.recover = None;
        }
        (self.recoveries, self.timeouts) = (info.fast_recoveries, info.timeouts);
        if info.reordering_seen {
            self.reorders_since.get_or_insert(now);
        }
    }

    /// True if the path has become narrower: what is outstanding goes again in smaller segments, at once (RFC 1191 section
    /// 6.5).
    pub(super) fn narrowed(&mut self, info: &Vitals) -> bool {
        let narrowed = info.snd_mss < self.mss;
        self.mss = info.snd_mss;
        self.news |= narrowed;
        self.narrowings += u64::from(narrowed);
        narrowed
    }

    /// How often that has happened.
    pub(super) const fn narrowings(&self) -> u64 {
        self.narrowings
    }

    /// Text leaves; `info` is what the connection tells afterwards.
    pub(super) fn leaves(&mut self, now: Instant, text: &Text, info: &Vitals, limits: &Limits) -> Result<(), Broken> {
        self.follow(now, info, text.snd_una, text.snd_nxt);
        self.probed_at = None;
        let probes = info.tail_probes > std::mem::replace(&mut self.probes, info.tail_probes);
        self.fits_the_window(text, probes, info)?;
        let Some(before) = text.before else {
            return Ok(());
        };
        // Without SACK an ACK of a part tells that the next segment is lost, however young it is (RFC 6582 section 3.2), and
        // after an undo duplicate ACKs may answer what was sent needlessly. Where a peer has a trick up its sleeve
        // a single segment may be answered by any number of them. A timeout takes all that left before it for lost.
        let counted = info.undone == 0 && limits.trusted;
        let since_timeout = |at: &Instant| self.timed_out_at.is_none_or(|timeout| *at >= timeout);
        let last = if text.sack { Some(before.at) } else { before.again_at.filter(|at| counted && since_timeout(at)) };
        // A probe takes the place of the timeout that would come sooner (RFC 8985 section 7.2), however young its segment. Of
        // what was sent again because it was too long the first transmission may arrive nevertheless.
        if let Some(at) = last.filter(|_| !probes && self.narrowings == 0) {
            self.not_too_soon(now.since(at), at, info, limits)?;
        }
        self.not_too_often(before.octets, text, info)
    }

    /// New text leaves only if it fits into the congestion window: what leaves by limited transmit does (RFC 3042), since
    /// what a duplicate ACK or a SACK block tells to have arrived is no longer in flight. Beyond it goes one segment that
    /// probes the tail (RFC 8985 section 7.3), and what proportional rate reduction lets out while the flight is on its way
    /// down to the window: never more than is delivered, so the flight doesn't exceed what it was (RFC 6937 section 3).
    fn fits_the_window(&self, text: &Text, probes: bool, info: &Vitals) -> Result<(), Broken> {
        if !text.is_new {
            return Ok(());
        }
        let mut window = if self.recover.is_some() { info.cwnd.max(self.ceiling) } else { info.cwnd };
        if probes {
            window = window.max(self.in_flight).saturating_add(info.snd_mss.into());
        }
        // A FIN goes with its text.
        let most = window.saturating_add(text.fin.into());
        if info.in_flight > most {
            return broken(Invariant::WithinCongestionWindow, move || {
                format!("new text with {} in flight, at most {most}, cwnd {}", info.in_flight, info.cwnd)
            });
        }
        Ok(())
    }

    /// That something is lost shows by the arrival of what was sent after it (RFC 8985 section 6.2, RFC 5681 section 3.2),
    /// or by a timer that waits longer (RFC 6298, RFC 8985 section 7.2): either takes a round trip. A path that reorders gets
    /// a quarter of that more (RFC 8985 section 6.2, step 4), or what the timer has at least beyond a round trip.
    fn not_too_soon(&self, waited: Duration, at: Instant, info: &Vitals, limits: &Limits) -> Result<(), Broken> {
        let known = self.reorders_since.is_some_and(|since| since <= at);
        let more = if known { (limits.least_again / 4).min(limits.min_rto) } else { Duration::ZERO };
        let least = limits.least_again + more;
        // What clocks round, and timestamps.
        if info.srtt.is_some() && waited + limits.tick * 3 + Duration::from_millis(2) < least {
            return broken(Invariant::NotTooSoon, move || {
                format!("sent again after {waited:?}, a round trip takes {least:?}")
            });
        }
        Ok(())
    }

    /// Without news each octet outstanding is sent again once, and a segment each time that a timer expires. A probe that an error
    /// calls too long is cut and sent again at once (RFC 8201 section 5.4), and then is text like any other.
    fn not_too_often(&mut self, octets: u32, text: &Text, info: &Vitals) -> Result<(), Broken> {
        if self.news {
            self.again = 0;
        }
        self.again = self.again.saturating_add(octets);
        let expired = info.timeouts + info.tail_probes - self.timers;
        let expired = u32::try_from(expired).unwrap_or(u32::MAX);
        let timers = expired.saturating_mul(info.snd_mss.into()).saturating_add(1);
        let most = text.outstanding.saturating_add(text.probe).saturating_add(timers);
        if self.again > most {
            return broken(Invariant::NoLiveLock, move || {
                format!("{} octets sent again without news, {} outstanding", self.again, text.outstanding)
            });
        }
        Ok(())
    }

    /// The octet of a window probe leaves: probes are no closer than the shortest retransmission timeout (RFC 9293 section
    /// 3.8.6.1).
    pub(super) fn probes_window(&mut self, now: Instant, limits: &Limits) -> Result<(), Broken> {
        let last = self.probed_at.replace(now).filter(|_| !self.news);
        match last.map(|last| now.since(last)) {
            Some(waited) if waited + limits.tick * 3 < limits.min_rto => {
                broken(Invariant::NoLiveLock, move || format!("the window is probed again after {waited:?}"))
            }
            _ => Ok(()),
        }
    }
}
