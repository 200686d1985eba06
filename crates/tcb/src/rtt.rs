//! Round-trip time and retransmission timeout (RFC 6298).

use core::time::Duration;

use sockeye_wire::Instant;

use crate::Config;

/// The estimator. Before the first sample the RTO is 1 s.
///
/// ```
/// # use {core::time::Duration, sockeye_tcb::{Config, Rtt}};
/// let mut rtt = Rtt::new(&Config::default());
/// assert_eq!(rtt.rto(), Duration::from_secs(1));
/// rtt.on_sample(Duration::from_millis(100));
/// assert_eq!(rtt.rto(), Duration::from_millis(300)); // 100 + max(200, 4 * 50)
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Rtt {
    /// In nanoseconds; 0 before the first sample.
    srtt: u64,
    rttvar: u64,
    /// The RTO without back-off, in nanoseconds.
    base: u64,
    /// The least that the variance term may be, or that the RTO may be if `floors_all`.
    floor: u64,
    max: u64,
    /// G, in nanoseconds.
    granularity: u32,
    floors_all: bool,
    backoff: u8,
    /// The timer expired though nothing was lost: the next sample raises the estimate at once.
    was_too_short: bool,
    /// The estimate is that of an earlier connection: there was no sample yet.
    recalled: bool,
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Rtt {
    //= rfc6298#2.1-1
    const INITIAL: u64 = 1_000_000_000;
    /// For one whose SYN had to be sent again.
    const AFTER_LOST_SYN: u64 = 3_000_000_000;

    /// No sample yet. Minimum, maximum and granularity are those of `config`.
    pub fn new(config: &Config) -> Self {
        Self {
            srtt: 0,
            rttvar: 0,
            base: Self::INITIAL,
            //= rfc6298#4-1
            floor: nanos(config.granularity.max(config.min_rto)),
            //= rfc6298#2.5-1
            max: nanos(config.max_rto),
            granularity: u32::try_from(nanos(config.granularity)).unwrap_or(u32::MAX),
            // A minimum below the RFC's belongs to the variance term, as in Linux: flooring the sum would leave no room for a
            // peer that delays its ACKs once the RTT itself exceeds the floor.
            //= rfc6298#2.4-1
            floors_all: nanos(config.min_rto) >= Self::INITIAL,
            backoff: 0,
            was_too_short: false,
            recalled: false,
        }
    }

    /// Goes on from the estimate of an earlier connection over the same path (RFC 9040 section 6). Until the first sample
    /// the RTO isn't below 1 s nevertheless.
    //= rfc9040#6.1-2
    pub fn recall(&mut self, srtt: Duration, rttvar: Duration) {
        let sampled = self.srtt();
        (self.srtt, self.rttvar) = (nanos(srtt).max(1), nanos(rttvar));
        self.base = self.estimate().max(Self::INITIAL);
        self.recalled = true;
        if let Some(sample) = sampled {
            self.on_sample(sample);
        }
    }

    /// A round trip took `sample`. It must not come from a segment sent more than once, unless a timestamp tells which
    /// transmission was acknowledged (Karn's algorithm).
    pub fn on_sample(&mut self, sample: Duration) {
        self.on_sample_of(nanos(sample));
    }

    /// The same of a sample in nanoseconds.
    pub(crate) fn on_sample_of(&mut self, sample: u64) {
        let sample = sample.max(1);
        if self.srtt == 0 {
            //= rfc6298#2.2-1
            self.srtt = sample;
            self.rttvar = sample / 2;
        } else if core::mem::take(&mut self.was_too_short) {
            //= rfc4015#3.1-9
            self.srtt = self.srtt.max(sample);
            self.rttvar = self.rttvar.max(sample / 2);
        } else {
            //= rfc6298#2.3-1
            //= rfc6298#2.3-2
            //= rfc6298#2.3-3
            self.rttvar = self.rttvar - self.rttvar / 4 + self.srtt.abs_diff(sample) / 4;
            self.srtt = (self.srtt - self.srtt / 8 + sample / 8).max(1);
        }
        self.base = self.estimate();
        self.recalled = false;
        //= rfc6298#5-3
        self.backoff = 0;
    }

    /// The RTO by the present estimate, in nanoseconds.
    fn estimate(&self) -> u64 {
        //= rfc6298#2.3-4
        let (deviation, granularity) = (self.rttvar.saturating_mul(4), u64::from(self.granularity));
        let rto = if self.floors_all {
            self.srtt.saturating_add(deviation.max(granularity)).max(self.floor)
        } else {
            self.srtt.saturating_add(deviation.max(self.floor))
        };
        rto.min(self.max)
    }

    /// The smoothed round-trip time; `None` before the first sample.
    pub const fn srtt(&self) -> Option<Duration> {
        if self.srtt == 0 { None } else { Some(Duration::from_nanos(self.srtt)) }
    }

    /// The mean deviation.
    pub const fn rttvar(&self) -> Duration {
        Duration::from_nanos(self.rttvar)
    }

    /// The retransmission timeout, back-off included.
    pub fn rto(&self) -> Duration {
        Duration::from_nanos(self.rto_nanos())
    }

    /// [`Self::rto`] in nanoseconds.
    pub(crate) fn rto_nanos(&self) -> u64 {
        self.base.saturating_mul(1 << u32::from(self.backoff)).min(self.max)
    }

    /// G.
    pub(crate) const fn granularity(&self) -> Duration {
        Duration::from_nanos(self.granularity as u64)
    }

    /// [`Self::srtt`] in nanoseconds; 0 before the first sample.
    pub(crate) const fn srtt_nanos(&self) -> u64 {
        self.srtt
    }

    /// How often the RTO is doubled at present.
    pub const fn backoff(&self) -> u8 {
        self.backoff
    }

    //= rfc6298#5.5-1
    /// The timer expired: doubles the RTO, up to the maximum.
    pub fn back_off(&mut self) {
        if self.rto() < Duration::from_nanos(self.max) {
            self.backoff += 1;
        }
    }

    /// A timeout proved spurious: its back-off is taken back, and the next sample lifts the estimate at once, so that a
    /// path that has become longer isn't misjudged again (RFC 4015 section 3.1, steps 0 and 11). `granularity` is G.
    //= rfc4015#3.1-4
    pub fn on_spurious_timeout(&mut self, granularity: Duration) {
        self.backoff = 0;
        self.was_too_short = self.srtt != 0;
        if self.was_too_short {
            self.srtt = self.srtt.saturating_add(2 * nanos(granularity));
        }
    }

    //= rfc6298#5.7-1
    /// Our SYN had to be sent again and data transmission begins: without a sample of the path the RTO is 3 s.
    pub fn syn_was_lost(&mut self) {
        self.backoff = 0;
        if self.srtt == 0 || self.recalled {
            self.base = Self::AFTER_LOST_SYN;
        }
    }
}

/// The least of the samples of the last five to ten seconds: of the present five and of the five before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WindowedMin {
    /// When the present five seconds began.
    since: Instant,
    /// In nanoseconds; `u64::MAX` for none.
    present: u64,
    before: u64,
}

impl WindowedMin {
    pub(crate) const EMPTY: Self = Self { since: Instant::ZERO, present: u64::MAX, before: u64::MAX };
    /// In nanoseconds.
    const HALF: u64 = 5_000_000_000;

    pub(crate) fn on_sample(&mut self, now: Instant, sample: Duration) {
        self.on_sample_of(now, nanos(sample));
    }

    /// The same of a sample in nanoseconds.
    pub(crate) fn on_sample_of(&mut self, now: Instant, sample: u64) {
        let age = now.nanos_since(self.since);
        if age >= Self::HALF {
            self.before = if age < 2 * Self::HALF { self.present } else { u64::MAX };
            self.present = u64::MAX;
            self.since = now;
        }
        self.present = self.present.min(sample);
    }

    /// `None` before the first sample.
    pub(crate) const fn get(&self) -> Option<Duration> {
        let least = self.least();
        if least == u64::MAX { None } else { Some(Duration::from_nanos(least)) }
    }

    /// In nanoseconds; `u64::MAX` before the first sample.
    pub(crate) const fn least(&self) -> u64 {
        if self.present < self.before { self.present } else { self.before }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rtt_after(samples: &[u64]) -> Rtt {
        let mut rtt = Rtt::new(&Config::default());
        samples.iter().for_each(|&millis| rtt.on_sample(Duration::from_millis(millis)));
        rtt
    }

    //= rfc6298#2.1-1
    #[test]
    fn the_first_timeout_is_one_second() {
        assert_eq!(rtt_after(&[]).rto(), Duration::from_secs(1));
    }

    //= rfc6298#2.2-1
    //= rfc6298#2.3-1
    //= rfc6298#2.3-2
    //= rfc6298#2.3-3
    //= rfc6298#2.3-4
    #[test]
    fn samples_move_the_estimate_by_an_eighth_and_a_quarter() {
        assert_eq!(rtt_after(&[200]).rto(), Duration::from_millis(200 + 4 * 100));
        let rtt = rtt_after(&[200, 280]);
        assert_eq!(rtt.srtt(), Some(Duration::from_millis(210))); // 200 * 7/8 + 280 / 8
        assert_eq!(rtt.rttvar(), Duration::from_millis(95)); // 100 * 3/4 + 80 / 4, with the old srtt
        assert_eq!(rtt.rto(), Duration::from_millis(210 + 4 * 95));
    }

    //= rfc9040#6.1-2
    #[test]
    fn what_an_earlier_connection_measured_is_where_the_next_begins() {
        let mut rtt = rtt_after(&[]);
        rtt.recall(Duration::from_millis(100), Duration::from_millis(60));
        assert_eq!(rtt.rto(), Duration::from_secs(1), "not less before a sample");
        rtt.on_sample(Duration::from_millis(180));
        assert_eq!((rtt.srtt(), rtt.rttvar()), (Some(Duration::from_millis(110)), Duration::from_millis(65)));
        let mut far = rtt_after(&[]);
        far.recall(Duration::from_millis(900), Duration::from_millis(200));
        assert_eq!(far.rto(), Duration::from_millis(1700), "a SYN isn't sent again too early");
        far.syn_was_lost();
        assert_eq!(far.rto(), Duration::from_secs(3));
        let mut sampled = rtt_after(&[180]);
        sampled.recall(Duration::from_millis(100), Duration::from_millis(60));
        assert_eq!(sampled.srtt(), Some(Duration::from_millis(110)), "in whichever order");
    }

    //= rfc6298#4-1
    #[test]
    fn a_steady_path_keeps_the_floor_above_its_rtt() {
        let rtt = rtt_after(&[180; 200]);
        assert!(rtt.rto() >= Duration::from_millis(380 - 1), "{:?}", rtt.rto());
    }

    //= rfc6298#5.5-1
    //= rfc6298#2.5-1
    //= rfc6298#5-3
    #[test]
    fn back_off_doubles_up_to_the_maximum_and_a_sample_ends_it() {
        let mut rtt = rtt_after(&[100]);
        let before = rtt.rto();
        rtt.back_off();
        assert_eq!(rtt.rto(), before * 2);
        (0..100).for_each(|_| rtt.back_off());
        assert_eq!(rtt.rto(), Duration::from_mins(2));
        rtt.on_sample(Duration::from_millis(100));
        assert!(rtt.rto() <= before);
    }

    //= rfc6298#2.4-1
    #[test]
    fn the_minimum_of_the_rfc_can_be_chosen() {
        let mut rtt = Rtt::new(&Config { min_rto: Duration::from_secs(1), ..Config::default() });
        (0..50).for_each(|_| rtt.on_sample(Duration::from_millis(10)));
        assert_eq!(rtt.rto(), Duration::from_secs(1), "max(1 s, SRTT + 4 * RTTVAR)");
        (0..9).for_each(|_| rtt.on_sample(Duration::from_secs(2)));
        assert_eq!(rtt.rto(), rtt.srtt().unwrap() + 4 * rtt.rttvar());
    }

    //= rfc4015#3.1-4
    //= rfc4015#3.1-9
    #[test]
    fn after_a_spurious_timeout_the_next_sample_counts_whole() {
        let mut rtt = rtt_after(&[20; 50]);
        rtt.back_off();
        rtt.on_spurious_timeout(Duration::from_millis(1));
        assert!(rtt.rto() < Duration::from_millis(250), "the back-off is taken back: {:?}", rtt.rto());
        rtt.on_sample(Duration::from_millis(400));
        assert_eq!(rtt.srtt(), Some(Duration::from_millis(400)));
        assert_eq!(rtt.rto(), Duration::from_millis(400 + 4 * 200));
    }

    /// FIELD D22.
    //= rfc8985#6.2-1
    #[test]
    fn the_least_round_trip_time_is_forgotten_when_the_path_has_changed() {
        let mut least = WindowedMin::EMPTY;
        assert_eq!(least.get(), None);
        for second in 1..20 {
            let rtt = if second < 5 { 10 } else { 100 };
            least.on_sample(Instant::from_millis(second * 1000), Duration::from_millis(rtt));
            let expected = if second < 15 { Duration::from_millis(10) } else { Duration::from_millis(100) };
            if !(9..15).contains(&second) {
                assert_eq!(least.get(), Some(expected), "after {second} s");
            }
        }
    }

    //= rfc6298#5.7-1
    #[test]
    fn after_a_lost_syn_the_timeout_is_three_seconds() {
        let mut rtt = rtt_after(&[]);
        rtt.back_off();
        rtt.syn_was_lost();
        assert_eq!(rtt.rto(), Duration::from_secs(3));
    }
}
