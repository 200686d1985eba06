//! Probes of the path's MTU with text that is to be sent anyhow (RFC 4821 sections 7 and 10.1), and what follows from them.

use sockeye_wire::Instant;

use crate::path_mtu::LostFirst;
use crate::recovery::{News, ProbeFate};
use crate::tcb::Tcb;
use crate::{MtuProbing, PathMss, Transmit};

/// Segments that follow a probe, so that its loss shows by what arrives after it (`DupThresh`).
const FOLLOWERS: u32 = 3;

/// Whether a probe is to leave now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Probing {
    No,
    /// As soon as the congestion window has room for one.
    Soon,
    /// With so many octets of text.
    Now(u32),
}

impl Tcb {
    /// What another connection to the same host has learnt of the path. Never makes segments longer.
    //= rfc8201#5.2-2
    pub fn learn_path(&mut self, path: PathMss) {
        if self.path.learn(path) && self.state.is_synchronized() {
            self.narrow();
            self.arm_retransmit();
        }
    }

    /// What is known of the path, if it takes less than both ends would.
    pub fn path_mss(&self) -> Option<PathMss> {
        self.path.known()
    }

    /// Octets of text and options in a segment with `text`.
    pub(crate) fn with_options(&self, text: u32) -> u16 {
        u16::try_from(text).unwrap_or(u16::MAX).saturating_add(self.agreed.options_len())
    }

    /// Segments are shorter from now on, those outstanding that are longer go again.
    //= rfc1191#3-3
    //= rfc1191#3-4
    //= rfc1191#6.4-2
    //= rfc8201#4-5
    //= rfc8201#4-6
    //= rfc8201#5.2-3
    pub(crate) fn narrow(&mut self) {
        self.cut_anew();
        self.recovery.on_narrow_path(u32::from(self.send.mss()));
    }

    fn cut_anew(&mut self) {
        self.send.set_mss(self.agreed.effective_mss(self.path.size()));
        self.congestion.set_mss(self.send.mss());
    }

    /// Takes up what an ACK or a timer has told.
    #[inline]
    pub(crate) fn learn_of_path(&mut self, now: Instant) {
        let News { longest, probe } = self.recovery.take_news();
        if longest > 0 {
            self.path.on_arrival(self.with_options(longest));
        }
        if let Some(fate) = probe {
            self.learn_of_probe(now, fate);
        }
    }

    fn learn_of_probe(&mut self, now: Instant, fate: ProbeFate) {
        // One round trip for each segment of the window: as often a loss may be expected of anybody (RFC 4821 section 4).
        //= rfc4821#4-6
        let window = self.congestion.cwnd() / u32::from(self.send.mss());
        let wait = self.rtt.srtt().unwrap_or_default() * window.max(1);
        let age = self.config.path_mtu_age;
        //= rfc4821#7.6-1
        //= rfc8899#8-1
        match fate {
            ProbeFate::Arrived => self.path.on_probe_arrived(now, age),
            ProbeFate::Lost => self.path.on_probe_lost(now, wait, age),
            ProbeFate::Inconclusive => self.path.on_probe_inconclusive(now, wait, age),
            //= rfc4821#7.6.3-1
            ProbeFate::TimedOut => self.path.on_probe_inconclusive(now, 5 * wait, age),
        }
        //= rfc4821#4-8
        //= rfc8899#3-12
        self.cut_anew();
    }

    /// The first segment is about to be sent again: the path may be too narrow for it.
    pub(super) fn doubt_path(&mut self, now: Instant) {
        let Some((text, resent)) = self.recovery.lost_at_front() else {
            return;
        };
        // At a closed window the timer expires, too, though the network isn't blamed for it.
        let again = resent || self.recovery.timeouts() > 0 || self.send.snd_wnd() == 0;
        let first = LostFirst { size: self.with_options(text), again, overtaken: self.recovery.overtaken() };
        if self.path.is_too_narrow(now, first, &self.config) {
            self.narrow();
        }
    }

    /// Text that is to be sent anyhow, in a segment longer than others.
    //= rfc4821#4-11
    //= rfc4821#5.1-1
    //= rfc4821#7.1-1
    //= rfc8201#5.4-1
    //= rfc4821#7.5-1
    //= rfc4821#10.1-1
    #[cold]
    pub(super) fn send_path_probe(&mut self, now: Instant, octets: u32) -> Transmit {
        let seq = self.send.snd_nxt();
        self.path.on_probe_sent();
        self.note_path_probe(now, octets);
        let mark = self.mark_of_new_text();
        self.text_segment(now, seq, octets, octets, mark)
    }

    //= rfc4821#7.4-1
    //= rfc4821#7.4-2
    /// Whether new text is to probe the path: as soon as there is room, it waits, so that the window gets room for it.
    #[inline]
    pub(super) fn probing(&self, now: Instant) -> Probing {
        match self.path.due(now) {
            Some(size) if self.config.mtu_probing != MtuProbing::Off => self.probing_with(now, size),
            _ => Probing::No,
        }
    }

    #[cold]
    fn probing_with(&self, now: Instant, size: u16) -> Probing {
        let (octets, mss) = (u32::from(self.agreed.effective_mss(size)), u32::from(self.send.mss()));
        let wanted = octets + FOLLOWERS * mss;
        let there_is_text = self.send.unsent() >= wanted && self.send.usable() >= wanted;
        // What follows may leave as ACKs come. A window of four segments, as BBR's least, is enough.
        let is_wide = self.congestion.cwnd() >= octets + mss;
        // An ACK of what begins with the octet of a window probe tells nothing of it, and so nothing of the path.
        if octets <= mss || !there_is_text || !is_wide || self.send.probed || !self.recovery.is_orderly() {
            return Probing::No;
        }
        let room = self.recovery.room(mss, self.agreed.sack, self.congestion.as_ref());
        if room < octets {
            return if self.recovery.is_idle() { Probing::No } else { Probing::Soon };
        }
        if self.paced(now) < mss { Probing::No } else { Probing::Now(octets) }
    }

    /// Without probes a path is taken to have grown after ten minutes.
    //= rfc1191#6.3-1
    //= rfc1191#6.3-2
    //= rfc8201#5.3-1
    pub(super) fn age_path(&mut self, now: Instant) {
        if self.config.mtu_probing == MtuProbing::Off && self.path.forget_if_old(now) {
            self.cut_anew();
        }
    }
}
