//! What an end asks of its peer and hears no answer to: only who was met with silence for long enough may give up.

use std::time::Duration;

use sockeye_wire::Instant;

use super::super::invariants::Limits;

/// Counts what was asked in vain, and knows what this end owes an answer to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Silence {
    /// Keep-alive probes since something that counts was last heard.
    probes: u32,
    /// How often what the peer is to acknowledge next has left since it last acknowledged anything, and when it last did.
    tries: u32,
    tried_at: Option<Instant>,
    /// Since when the peer owes an acknowledgment; `None` if it owes none.
    waits_since: Option<Instant>,
    /// When the peer may have acknowledged something, and after how many tries: the segment that said so need not count.
    doubt: Option<(Instant, u32)>,
    /// The peer has acknowledged our SYN.
    open: bool,
    /// Once it had reason to give up. It may have done so unseen, its application being gone already.
    had_reason: bool,
    /// When something arrived that is still to be answered, and when something last left.
    owes_since: Option<Instant>,
    said_at: Option<Instant>,
}

/// So long after an answer there may be none, where many were asked for (RFC 5961 section 7).
const CHALLENGE_PERIOD: Duration = Duration::from_secs(5);

impl Silence {
    /// What is to be acknowledged next leaves, for the first time or again; `first` if nothing else was outstanding.
    pub(super) fn tries(&mut self, now: Instant, first: bool) {
        if first || self.waits_since.is_none() {
            (self.waits_since, self.tries, self.doubt) = (Some(now), 0, None);
        }
        self.tries += 1;
        self.tried_at = Some(now);
    }

    /// A keep-alive probe leaves.
    pub(super) const fn probes(&mut self) {
        self.probes += 1;
    }

    /// Something arrives that counts, but need not acknowledge anything.
    pub(super) fn ends(&mut self, now: Instant, limits: &Limits) {
        self.had_reason |= self.is_over(now, limits);
        self.probes = 0;
    }

    /// The peer acknowledges something, or has closed its window and says so; `more` waits for it.
    pub(super) fn moves(&mut self, now: Instant, more: bool, limits: &Limits) {
        self.had_reason |= self.is_over(now, limits);
        self.open = true;
        self.tries = 0;
        self.doubt = None;
        self.waits_since = more.then_some(now);
    }

    /// The peer acknowledges something in a segment that need not count.
    pub(super) fn may_move(&mut self, now: Instant) {
        self.doubt.get_or_insert((now, self.tries));
    }

    /// As [`Self::moves`] where such a segment has already said so: since then at the earliest the rest was waited for.
    pub(super) fn has_moved(&mut self, now: Instant, more: bool, limits: &Limits) {
        let tries = self.tries;
        let (since, before) = self.doubt.unwrap_or((now, tries));
        self.moves(since, more, limits);
        self.tries = tries - before;
    }

    /// Something arrives that asks for an answer.
    pub(super) fn is_asked(&mut self, now: Instant) {
        if self.said_at.is_none_or(|at| now.since(at) > CHALLENGE_PERIOD) {
            self.owes_since.get_or_insert(now);
        }
    }

    /// Something leaves: whatever was asked is answered.
    pub(super) const fn answers(&mut self, now: Instant) {
        self.owes_since = None;
        self.said_at = Some(now);
    }

    /// True if the peer was asked as often and for as long as was set, and nothing was heard. Tries are no further apart than
    /// the longest timeout.
    fn is_over(&self, now: Instant, limits: &Limits) -> bool {
        let unheard = limits.keep_alive_probes.is_some_and(|most| self.probes >= most);
        let timeout = if self.open { limits.user_timeout } else { Some(limits.handshake_timeout) };
        let (Some(since), Some(timeout)) = (self.waits_since, timeout) else {
            return unheard;
        };
        let waited = now.since(since);
        let often = || waited.min(timeout) <= (limits.max_rto + limits.tick * 3) * (self.tries + 1);
        unheard || (waited + limits.tick * 3 >= timeout && often())
    }

    /// True if there is, or ever was, reason to give up.
    pub(super) fn was_over(&self, now: Instant, limits: &Limits) -> bool {
        self.had_reason || self.is_over(now, limits)
    }

    /// True if something was to be answered and wasn't, though there was time.
    pub(super) fn owes(&self, now: Instant, limits: &Limits) -> bool {
        self.owes_since.is_some_and(|since| now.since(since) > limits.ack_within)
    }

    /// True if it still tries: no longer ago than the longest timeout.
    pub(super) fn is_trying(&self, now: Instant, limits: &Limits) -> bool {
        self.tried_at.is_some_and(|at| now.since(at) <= limits.max_rto + limits.tick * 3)
    }
}
