//! When things are sent: RFC 2525 sections 2.7, 2.9, 2.10 and 2.11.

use std::time::Duration;

use sockeye_wire::Instant;

use super::{Finding, Moment, Problem, finding};
use crate::analyze::side::{Class, Side};

/// Section 2.7: a SYN again before a second is over, or the first text again before a round trip is.
#[derive(Default)]
pub struct FirstRto {
    syn_at: Option<Instant>,
    text_at: Option<Instant>,
    /// Something came that may be the reason.
    is_told: bool,
}

impl FirstRto {
    //= rfc2525#2.7-1
    pub fn sent(&mut self, moment: &Moment<'_>, me: &Side) -> Option<Finding> {
        let segment = moment.segment;
        if segment.flags.syn {
            // An answer to a SYN that came again says nothing of the timer.
            if self.syn_at.is_some() && std::mem::take(&mut self.is_told) {
                return None;
            }
            self.is_told = false;
            let waited = moment.at().since(self.syn_at.replace(moment.at())?);
            // RFC 6298 section 2.1: one second, less what a coarse clock may take from it.
            if me.numbers.una > 0 || waited >= Duration::from_millis(900) {
                return None;
            }
            return finding(Problem::InitialRtoTooLow, moment.at(), format!("SYN sent again after {waited:?}"));
        }
        if segment.text_len == 0 || moment.range.start != 1 || me.numbers.una > 1 {
            return None;
        }
        let Some(before) = self.text_at.replace(moment.at()) else {
            self.is_told = false;
            return None;
        };
        let waited = moment.at().since(before);
        let handshake = moment.handshake?;
        if self.is_told || !matches!(moment.class, Class::Again(_)) || waited >= handshake.mul_f64(0.95) {
            return None;
        }
        let why = format!("first segment sent again after {waited:?}; the handshake took {handshake:?}");
        finding(Problem::InitialRtoTooLow, moment.at(), why)
    }

    pub fn heard(&mut self) {
        self.is_told = true;
    }
}

/// Section 2.10: the same segment again and again at the same interval.
#[derive(Default)]
pub struct BackOff {
    start: i64,
    last_at: Option<Instant>,
    interval: Option<Duration>,
    /// Intervals in a row that were no longer than the one before.
    constant: u32,
}

impl BackOff {
    /// Where back-off may end (RFC 6298 rule 2.5: at least a minute), with room for a coarse clock.
    const CEILING: Duration = Duration::from_secs(50);

    //= rfc2525#2.10-1
    pub fn sent(&mut self, moment: &Moment<'_>) -> Option<Finding> {
        let flags = moment.segment.flags;
        if moment.range.is_empty() || flags.syn || moment.class == Class::WindowProbe {
            return None;
        }
        if moment.class == Class::New || moment.range.start != self.start {
            *self = Self { start: moment.range.start, last_at: Some(moment.at()), ..Self::default() };
            return None;
        }
        let waited = moment.at().since(self.last_at.replace(moment.at())?);
        let before = self.interval.replace(waited)?;
        let is_longer = waited >= before.mul_f64(1.5) || waited >= Self::CEILING;
        self.constant = if is_longer { 0 } else { self.constant + 1 };
        if self.constant < 3 {
            return None;
        }
        let why = format!("the same segment sent again {waited:?} after the last time, and {before:?} before that");
        finding(Problem::FailureToBackOff, moment.at(), why)
    }

    pub fn heard(&mut self) {
        (self.last_at, self.interval, self.constant) = (None, None, 0);
    }
}

/// Sections 2.9 and 2.11: probes of an idle connection that come too soon, or give up too soon.
#[derive(Default)]
pub struct KeepAlive {
    active_at: Option<Instant>,
    /// The probes that nothing answers.
    probed: Option<Probes>,
}

struct Probes {
    first_at: Instant,
    last_at: Instant,
    count: u32,
}

impl KeepAlive {
    /// RFC 1122 section 4.2.3.6, less a little for clocks that differ.
    const IDLE: Duration = Duration::from_secs(7_200 - 72);
    /// Less than this is no time to get over a disturbance (RFC 1122 section 4.2.3.5 gives text as long).
    const PATIENCE: Duration = Duration::from_secs(100);
    /// Between probes: nine of them so far apart are over before [`Self::PATIENCE`] is.
    const HASTE: Duration = Duration::from_secs(10);

    //= rfc2525#2.9-1
    //= rfc2525#2.11-1
    pub fn sent(&mut self, moment: &Moment<'_>) -> Option<Finding> {
        let at = moment.at();
        if moment.class == Class::KeepAlive {
            if let Some(probes) = &mut self.probed {
                (probes.last_at, probes.count) = (at, probes.count + 1);
                return None;
            }
            self.probed = Some(Probes { first_at: at, last_at: at, count: 1 });
            let idle = at.since(self.active_at?);
            let why = format!("a probe after {:.0} s without traffic", idle.as_secs_f64());
            return if idle < Self::IDLE { finding(Problem::InsufficientKeepAliveInterval, at, why) } else { None };
        }
        self.active_at = Some(at);
        let probes = self.probed.take()?;
        let tried = at.since(probes.first_at);
        if !moment.segment.flags.rst || tried >= Self::PATIENCE {
            return None;
        }
        let why = format!("{} probes in {:.1} s without an answer, then a RST", probes.count, tried.as_secs_f64());
        finding(Problem::ShortKeepAliveTimeout, at, why)
    }

    /// Not every TCP says that it gives up: probes in quick succession, and then nothing, though the capture goes on.
    pub fn verdict(&self, until: Instant) -> Option<Finding> {
        let probes = self.probed.as_ref().filter(|probes| probes.count >= 3)?;
        let tried = probes.last_at.since(probes.first_at);
        let is_over = until.since(probes.last_at) >= Self::PATIENCE;
        if tried / (probes.count - 1) > Self::HASTE || tried >= Self::PATIENCE || !is_over {
            return None;
        }
        let why = format!("{} probes in {:.1} s without an answer, and none after", probes.count, tried.as_secs_f64());
        finding(Problem::ShortKeepAliveTimeout, probes.last_at, why)
    }

    pub fn heard(&mut self, moment: &Moment<'_>) {
        self.active_at = Some(moment.at());
        self.probed = None;
    }
}
