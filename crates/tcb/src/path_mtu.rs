//! How long a segment may be: what ICMP errors claim (RFC 1191, RFC 8201, doubted as RFC 5927 has it), what arrives, and
//! probes of more (RFC 4821, RFC 8899).
//!
//! Sizes are octets of text and options, as an MSS has them: what an MTU leaves without the IP and TCP headers. Pure: the
//! connection sends the probes, and cuts what is outstanding anew when the path proves narrower. Holds:
//! `size <= most <= limit`, and while a search is under way `size < next <= most`.

use core::time::Duration;

use sockeye_wire::Instant;

use crate::Config;
use crate::negotiated::MIN_MSS;

/// Probes of one size that are lost before the path counts as too narrow for it (`MAX_PROBES` of RFC 8899).
//= rfc8899#5.1.2-1
const MAX_PROBES: u8 = 3;
/// A search ends when it could gain no more than this; Linux's `tcp_probe_threshold` is 8.
//= rfc4821#7.3-1
const WORTHWHILE: u16 = 16;
/// Retransmissions of the first segment in vain, after timeouts, after which the path counts as a black hole if none of its
/// length was ever seen to arrive. If one was it takes R1 of them (RFC 9293 section 3.8.3), as in Linux, and twice as many to
/// go below [`Config::base_mss`].
const IN_VAIN: u8 = 1;

/// When to look for the path MTU with probes: `tcp_mtu_probing` of Linux.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MtuProbing {
    /// Never: only ICMP errors tell (RFC 1191, RFC 8201).
    Off,
    /// Once long segments vanish without a word, and to see after ten minutes whether a path has grown.
    #[default]
    OnBlackHole,
    /// From the start: the first segments are of [`Config::base_mss`].
    Always,
}

/// The first segment outstanding, which is lost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LostFirst {
    /// Its octets of text and options.
    pub(crate) size: u16,
    /// It was sent again before, or the timer has expired.
    pub(crate) again: bool,
    /// How often it was sent again without a timeout, since only shorter ones arrive.
    pub(crate) overtaken: u8,
}

/// What became of a claim that a segment was too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooBig {
    /// Believed: segments are shorter from now on.
    Believed,
    /// It was about a probe, which has failed.
    Probe,
    /// Segments that are longer than it says have arrived: believed if no more do.
    Doubted,
    /// It says nothing that isn't known: the segment wasn't longer than what it says would fit.
    NothingNew,
}

/// What is known of the path, for a table that outlives the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathMss {
    /// Octets of text and options that a segment may have.
    pub octets: u16,
    /// When to try more.
    pub doubted_at: Instant,
}

/// See the module's page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PathMtu {
    /// The longest that a segment is to be.
    size: u16,
    /// The longest that both ends allow.
    limit: u16,
    /// The longest that was seen to arrive: `search_low` of RFC 4821, `maxsizeacked` of RFC 5927.
    proven: u16,
    /// The longest that may be possible: `search_high`.
    most: u16,
    /// What to probe next, or what is being probed.
    next: u16,
    /// Probes of it that were lost.
    losses: u8,
    /// One is on its way.
    probing: bool,
    /// An ICMP error or another connection has told what the path takes, and more wasn't tried since.
    told: bool,
    /// What an ICMP error claims that isn't believed yet; 0 for none.
    claim: u16,
    /// How often the first segment was sent again, after timeouts, since anything was acknowledged.
    in_vain: u8,
    /// When the next probe may leave.
    probe_at: Instant,
}

impl PathMtu {
    /// Before the SYNs have told what the peer takes.
    pub(crate) const fn new(limit: u16) -> Self {
        Self {
            size: limit,
            limit,
            proven: 0,
            most: limit,
            next: limit,
            losses: 0,
            probing: false,
            told: false,
            claim: 0,
            in_vain: 0,
            probe_at: Instant::ZERO,
        }
    }

    /// The peer takes segments of at most `peer_mss`.
    //= rfc4821#7.2-1
    //= rfc4821#7.2-2
    //= rfc4821#7.2-3
    //= rfc8201#5.4-2
    pub(crate) fn agree(&mut self, peer_mss: u16, config: &Config) {
        self.limit = self.limit.min(peer_mss);
        self.size = self.size.min(self.limit);
        if config.mtu_probing == MtuProbing::Always && self.size == self.limit {
            self.size = self.size.min(config.base_mss);
        }
        self.most = self.limit;
        self.next = self.limit;
    }

    /// Octets of text and options that a segment may have.
    pub(crate) const fn size(&self) -> u16 {
        self.size
    }

    /// What is known, if it is less than both ends allow.
    pub(crate) fn known(&self) -> Option<PathMss> {
        (self.size < self.limit).then_some(PathMss { octets: self.size, doubted_at: self.probe_at })
    }

    /// What another connection has learnt of the path; true if segments are to be shorter.
    pub(crate) fn learn(&mut self, path: PathMss) -> bool {
        let shorter = path.octets < self.size;
        if shorter && path.octets < self.proven {
            self.claim = path.octets;
            return false;
        }
        if shorter {
            self.believe(path.octets, path.doubted_at);
        }
        shorter
    }

    /// A segment of `size` has arrived.
    //= rfc4821#7.1-3
    pub(crate) fn on_arrival(&mut self, size: u16) {
        self.proven = self.proven.max(size.min(self.size));
        if size > self.claim {
            self.claim = 0; // the connection makes progress with segments that are longer
        }
    }

    /// Something new was acknowledged.
    pub(crate) const fn on_progress(&mut self) {
        self.in_vain = 0;
    }

    /// The first segment is sent again after a timeout.
    pub(crate) const fn on_resent(&mut self) {
        self.in_vain = self.in_vain.saturating_add(1);
    }

    /// An ICMP error says that a segment of ours, of `sent` octets, was too long, and that `claim` would fit.
    //= rfc1191#3-1
    //= rfc1191#3-8
    //= rfc1191#3-9
    //= rfc8201#4-3
    //= rfc8201#4-4
    //= rfc8201#4-8
    //= rfc5927#7.2-1
    //= rfc8899#3-8
    //= rfc8899#3-9
    pub(crate) fn on_too_big(&mut self, now: Instant, sent: u16, claim: u16, config: &Config) -> TooBig {
        let claim = claim.max(config.min_path_mss).max(MIN_MSS);
        if claim >= sent {
            return TooBig::NothingNew;
        }
        //= rfc4821#7.6.2-3
        if self.probing && sent > self.size {
            self.refute(now, claim.max(self.size), config.path_mtu_age);
            return TooBig::Probe;
        }
        if claim >= self.size {
            return TooBig::NothingNew;
        }
        if claim < self.proven {
            self.claim = claim;
            return TooBig::Doubted;
        }
        self.believe(claim, now + config.path_mtu_age);
        TooBig::Believed
    }

    /// The first segment is about to be sent again: true if the path proves too narrow for it, and segments are shorter from
    /// now on.
    //= rfc5927#7.2-1
    //= rfc4821#7.7-1
    //= rfc4821#7.7-2
    //= rfc8899#4.3-1
    //= rfc8899#4.6.2-2
    pub(crate) fn is_too_narrow(&mut self, now: Instant, first: LostFirst, config: &Config) -> bool {
        let size = first.size;
        if self.claim > 0 && size > self.claim && first.again {
            self.believe(self.claim, now + config.path_mtu_age);
            return true;
        }
        let base = config.base_mss;
        let r1 = config.r1.max(IN_VAIN);
        let (less, is_black) = match () {
            // Every path takes this much, or nearly every one: it is more likely that it is broken.
            () if self.size <= base => (self.size / 2, self.in_vain >= r1.saturating_mul(2)),
            () if size <= self.proven => (base, self.in_vain >= r1 || first.overtaken >= r1),
            () => (base, self.in_vain >= IN_VAIN || first.overtaken >= r1),
        };
        let less = less.max(config.min_path_mss).max(MIN_MSS);
        if config.mtu_probing == MtuProbing::Off || !is_black || size <= less {
            return false;
        }
        //= rfc1191#3-6
        //= rfc8201#4-7
        let told = self.told;
        let probe_at = match told {
            true if self.most < self.limit => now + config.path_mtu_age, // it was told just now: it is being searched for
            true => self.probe_at.max(now),
            false => now,
        };
        self.shrink(less, probe_at);
        self.told = told;
        // What has just vanished needn't vanish as often again. It may have been an outage: then once is enough to tell.
        self.losses = MAX_PROBES - 1;
        true
    }

    /// Somebody says that the path takes `size`: it isn't probed before `until`.
    //= rfc1191#3-6
    //= rfc8201#4-7
    fn believe(&mut self, size: u16, until: Instant) {
        self.shrink(size, until);
        self.told = true;
    }

    //= rfc4821#7.6.2-2
    fn shrink(&mut self, size: u16, probe_at: Instant) {
        *self = Self {
            size,
            proven: self.proven.min(size),
            most: self.limit,
            next: self.limit,
            probe_at,
            ..Self::new(self.limit)
        };
    }

    /// What to probe now, if anything.
    //= rfc4821#7.1-2
    //= rfc8899#5.2-1
    pub(crate) fn due(&self, now: Instant) -> Option<u16> {
        (self.size < self.limit && !self.probing && now >= self.probe_at).then_some(self.next)
    }

    /// Without probes what was believed has its time (RFC 1191 section 6.3): true if it is over.
    pub(crate) fn forget_if_old(&mut self, now: Instant) -> bool {
        let old = self.size < self.limit && now >= self.probe_at;
        if old {
            *self = Self { proven: self.proven, ..Self::new(self.limit) };
        }
        old
    }

    pub(crate) const fn on_probe_sent(&mut self) {
        self.probing = true;
        self.told &= self.most < self.limit;
    }

    /// The probe has arrived: segments may be as long.
    //= rfc4821#7.6.1-1
    pub(crate) fn on_probe_arrived(&mut self, now: Instant, age: Duration) {
        if core::mem::take(&mut self.probing) {
            (self.size, self.proven) = (self.next, self.next);
            self.losses = 0;
            self.probe_at = now;
            self.halve(now, age);
        }
    }

    /// The probe was lost, and nothing else. The next waits for `wait`.
    //= rfc4821#4-7
    //= rfc4821#7.6.2-1
    //= rfc4821#7.6.2-4
    pub(crate) fn on_probe_lost(&mut self, now: Instant, wait: Duration, age: Duration) {
        if !core::mem::take(&mut self.probing) {
            return;
        }
        self.probe_at = now + wait.min(age);
        self.losses += 1;
        if self.losses >= MAX_PROBES {
            self.losses = 0;
            self.most = self.next - 1;
            self.halve(now, age);
        }
    }

    /// Nothing can be told from the probe: the same is tried again after `wait`.
    //= rfc4821#7.6.4-1
    pub(crate) fn on_probe_inconclusive(&mut self, now: Instant, wait: Duration, age: Duration) {
        if core::mem::take(&mut self.probing) {
            self.probe_at = now + wait.min(age);
        }
    }

    /// A router says that `most` would have fitted: that is tried next.
    //= rfc1191#3-6
    //= rfc8201#4-7
    fn refute(&mut self, now: Instant, most: u16, age: Duration) {
        (self.probing, self.told) = (false, true);
        self.losses = 0;
        self.most = most;
        self.next = most;
        self.probe_at = now;
        if most - self.size < WORTHWHILE && most < self.limit {
            self.rest(now, age);
        }
    }

    /// The middle between what fits and what may is next.
    //= rfc8899#5.3.2-1
    fn halve(&mut self, now: Instant, age: Duration) {
        self.next = self.size + (self.most - self.size).div_ceil(2);
        if self.most - self.size < WORTHWHILE {
            self.rest(now, age);
        }
    }

    /// The search is over, until a path that has changed would be worth another.
    //= rfc4821#7.3-2
    fn rest(&mut self, now: Instant, age: Duration) {
        self.most = self.limit;
        self.next = self.limit;
        self.probe_at = now + age;
    }
}

#[cfg(test)]
mod tests;
