//! The rate at which the path delivers (draft-ietf-ccwg-bbr-05 section 4.1): each segment remembers how much was
//! delivered when it left, and when; its acknowledgment so measures what was delivered over one flight.

use core::time::Duration;

use sockeye_wire::Instant;

use super::RateSample;

/// What a segment remembers of the moment when it was last sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// Octets delivered until then (`P.delivered`), and when the last of them were.
    pub(crate) delivered: u64,
    delivered_at: Instant,
    /// When the segment was sent whose acknowledgment is the beginning of this flight (`P.first_send_time`).
    first_sent_at: Instant,
    /// Octets lost and marked until then.
    lost: u64,
    marked: u64,
    /// Octets in flight, the segment included.
    pub(crate) tx_in_flight: u32,
    pub(crate) app_limited: bool,
}

/// The sampler of one flight: it begins when something is sent on an idle connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sampler {
    delivered: u64,
    delivered_at: Instant,
    first_sent_at: Instant,
    lost: u64,
    marked: u64,
    /// Until so much is delivered, samples are limited by the application; 0 if they aren't.
    app_limited_until: u64,
}

/// The newest segment that an ACK tells of, by which its rate is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Newest {
    pub(crate) sent_at: Instant,
    end: u64,
    pub(crate) snapshot: Snapshot,
}

impl Sampler {
    /// After an idle time, before which `delivered` octets were delivered; `starved` if the application was idle, so that
    /// the first flight proves nothing of the path.
    pub(crate) fn new(now: Instant, delivered: u64, starved: bool) -> Self {
        let app_limited_until = if starved { delivered.max(1) } else { 0 };
        Self { delivered, delivered_at: now, first_sent_at: now, lost: 0, marked: 0, app_limited_until }
    }

    /// Octets delivered over the life of the connection.
    pub(crate) const fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Octets found lost since `snapshot` was taken.
    pub(crate) const fn lost_since(&self, snapshot: &Snapshot) -> u64 {
        self.lost - snapshot.lost
    }

    /// True if the application doesn't fill the path.
    pub(crate) const fn is_app_limited(&self) -> bool {
        self.app_limited_until != 0
    }

    /// The application has nothing more to send though the window had room: samples tell less than the path could until
    /// the `in_flight` octets are delivered.
    //= draft-ietf-ccwg-bbr-05#4.1.2-3
    pub(crate) fn on_app_limited(&mut self, in_flight: u32) {
        self.app_limited_until = (self.delivered + u64::from(in_flight)).max(1);
    }

    /// What a segment that leaves now, and is the last of `tx_in_flight` octets, is to remember.
    //= draft-ietf-ccwg-bbr-05#4.1.2-1
    pub(crate) fn snapshot(&self, tx_in_flight: u32) -> Snapshot {
        Snapshot {
            delivered: self.delivered,
            delivered_at: self.delivered_at,
            first_sent_at: self.first_sent_at,
            lost: self.lost,
            marked: self.marked,
            tx_in_flight,
            app_limited: self.is_app_limited(),
        }
    }

    pub(crate) fn on_lost(&mut self, octets: u32) {
        self.lost += u64::from(octets);
    }

    /// `octets` that were sent at `sent_at`, and end at the place `end`, were delivered.
    pub(crate) fn on_delivered(
        &mut self,
        newest: &mut Option<Newest>,
        now: Instant,
        (sent_at, end, octets): (Instant, u64, u32),
        snapshot: Snapshot,
    ) {
        self.delivered += u64::from(octets);
        self.delivered_at = now;
        if newest.is_none_or(|newest| (newest.sent_at, newest.end) < (sent_at, end)) {
            *newest = Some(Newest { sent_at, end, snapshot });
            self.first_sent_at = sent_at;
        }
    }

    /// The same of `octets` that end with the newest of all that was sent once: what was delivered before them was sent before.
    pub(crate) const fn on_delivered_in_order(
        &mut self,
        now: Instant,
        (sent_at, end, octets): (Instant, u64, u32),
        snapshot: Snapshot,
    ) -> Newest {
        self.delivered += octets as u64;
        self.delivered_at = now;
        self.first_sent_at = sent_at;
        Newest { sent_at, end, snapshot }
    }

    /// All that an ACK tells is told: the rate, unless it is so short a time since its newest segment was sent that it
    /// can't have been one round trip of `min_rtt` nanoseconds; `u64::MAX` if none is known.
    //= draft-ietf-ccwg-bbr-05#4.1.2-2
    pub(crate) fn sample(&mut self, newest: &Newest, marked: u32, min_rtt: u64) -> Option<RateSample> {
        self.marked += u64::from(marked);
        if self.app_limited_until != 0 && self.delivered > self.app_limited_until {
            self.app_limited_until = 0;
        }
        let snapshot = newest.snapshot;
        let sending = newest.sent_at.nanos_since(snapshot.first_sent_at);
        let acknowledging = self.delivered_at.nanos_since(snapshot.delivered_at);
        let interval = sending.max(acknowledging);
        if interval == 0 || (min_rtt != u64::MAX && interval < min_rtt) {
            return None;
        }
        let octets = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        Some(RateSample {
            delivered: octets(self.delivered - snapshot.delivered),
            lost: octets(self.lost_since(&snapshot)),
            marked: octets(self.marked - snapshot.marked),
            interval: Duration::from_nanos(interval),
            tx_in_flight: snapshot.tx_in_flight,
            app_limited: snapshot.app_limited,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    //= draft-ietf-ccwg-bbr-05#4.1.2-1
    //= draft-ietf-ccwg-bbr-05#4.1.2-2
    #[test]
    fn the_rate_is_what_was_delivered_over_the_longer_of_sending_and_acknowledging() {
        let mut sampler = Sampler::new(at(0), 0, false);
        let flight: [Snapshot; 4] = core::array::from_fn(|i| sampler.snapshot(1000 * (u32::try_from(i).unwrap() + 1)));
        // Sent at once; the path takes 10 ms for each.
        for (i, snapshot) in (0..).zip(flight) {
            let mut newest = None;
            sampler.on_delivered(&mut newest, at(100 + 10 * i), (at(0), 1000 * (i + 1), 1000), snapshot);
            let sample = sampler.sample(&newest.unwrap(), 0, 100_000_000).unwrap();
            assert_eq!(
                (sample.delivered, sample.interval),
                (1000 * (u32::try_from(i).unwrap() + 1), Duration::from_millis(100 + 10 * i))
            );
        }
        let second = sampler.snapshot(1000);
        let mut newest = None;
        sampler.on_delivered(&mut newest, at(230), (at(130), 5000, 1000), second);
        let sample = sampler.sample(&newest.unwrap(), 0, u64::MAX).unwrap();
        // It was sent 130 ms after the segment whose ACK began its flight: the sender was the slower one.
        assert_eq!((sample.delivered, sample.interval, sample.rate()), (1000, Duration::from_millis(130), 7692));
    }

    //= draft-ietf-ccwg-bbr-05#4.1.2-3
    #[test]
    fn a_sample_of_an_idle_application_is_marked_until_what_was_in_flight_then_is_delivered() {
        let mut sampler = Sampler::new(at(0), 0, false);
        let first = sampler.snapshot(1000);
        sampler.on_app_limited(1000);
        let second = sampler.snapshot(2000);
        assert!(!first.app_limited && second.app_limited);
        let mut newest = None;
        sampler.on_delivered(&mut newest, at(100), (at(0), 2000, 2000), second);
        assert!(sampler.sample(&newest.unwrap(), 0, u64::MAX).unwrap().app_limited);
        assert!(!sampler.is_app_limited());
    }

    #[test]
    fn an_interval_shorter_than_the_shortest_round_trip_proves_nothing() {
        let mut sampler = Sampler::new(at(0), 0, false);
        let snapshot = sampler.snapshot(1000);
        let mut newest = None;
        sampler.on_delivered(&mut newest, at(3), (at(0), 1000, 1000), snapshot);
        assert_eq!(sampler.sample(&newest.unwrap(), 0, 10_000_000), None);
    }

    #[test]
    fn what_leaves_after_an_idle_time_is_limited_by_the_application_until_the_first_ack() {
        let mut sampler = Sampler::new(at(0), 5000, true);
        let first = sampler.snapshot(1000);
        assert!(first.app_limited && sampler.is_app_limited());
        let mut newest = None;
        sampler.on_delivered(&mut newest, at(10), (at(0), 1000, 1000), first);
        assert!(sampler.sample(&newest.unwrap(), 0, u64::MAX).unwrap().app_limited);
        assert!(!sampler.snapshot(1000).app_limited);
    }
}
