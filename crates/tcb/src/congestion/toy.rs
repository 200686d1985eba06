//! A path in a few lines, to drive algorithms through the trait alone: one bottleneck with a queue, no reordering, a loss
//! known as soon as something sent later arrives.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use sockeye_wire::Instant;

use super::delivery_rate::{Newest, Sampler, Snapshot};
use super::{AckSample, CongestionControl, LostSegment};

const MSS: u32 = 1000;

/// A segment on its way.
struct Sent {
    place: u64,
    at: Instant,
    /// When its ACK arrives, and whether it tells of a mark; `None` if the queue was full.
    acked_at: Option<(Instant, bool)>,
    snapshot: Snapshot,
}

/// One sender on one path.
pub(super) struct Toy {
    pub(super) algorithm: Box<dyn CongestionControl>,
    pub(super) now: Instant,
    /// Octets a second.
    pub(super) rate: u64,
    pub(super) rtt: Duration,
    /// Octets that the queue holds, and above how many it marks.
    pub(super) queue: u64,
    pub(super) mark_above: u64,
    /// Every so manyth segment is lost on the way; 0 for none.
    pub(super) lose_every: u64,
    /// Octets that the application has yet to send.
    pub(super) unsent: u64,
    free_at: Instant,
    next_send: Instant,
    place: u64,
    flight: VecDeque<Sent>,
    in_flight: u32,
    sampler: Sampler,
    /// The application has had nothing to send.
    starved: bool,
    srtt: Option<Duration>,
    min_rtt: Option<Duration>,
    recover: Option<u64>,
    /// Losses begin a recovery; false while a timeout is repaired.
    pub(super) recovers: bool,
    filled_until: u64,
    pub(super) lost: u64,
    pub(super) sent: u64,
    /// Octets that waited when each segment came to the queue.
    pub(super) waited: Vec<u64>,
}

impl Toy {
    /// A path of `rate` octets a second whose queue holds `bdps` hundredths of what it takes in flight.
    pub(super) fn new(mut algorithm: Box<dyn CongestionControl>, rate: u64, rtt: Duration, bdps: u64) -> Self {
        algorithm.set_mss(1000);
        let now = Instant::from_millis(1000);
        let bdp = rate * u64::try_from(rtt.as_micros()).unwrap() / 1_000_000;
        Self {
            algorithm,
            now,
            rate,
            rtt,
            queue: (bdp * bdps / 100).max(20_000),
            mark_above: u64::MAX,
            lose_every: 0,
            unsent: u64::MAX,
            free_at: now,
            next_send: now,
            place: 0,
            flight: VecDeque::new(),
            in_flight: 0,
            sampler: Sampler::new(now, 0, true),
            starved: true,
            srtt: None,
            min_rtt: None,
            recover: None,
            recovers: true,
            filled_until: 0,
            lost: 0,
            sent: 0,
            waited: Vec::new(),
        }
    }

    /// Runs for so long; the octets delivered meanwhile.
    pub(super) fn run(&mut self, time: Duration) -> u64 {
        let (until, before) = (self.now + time, self.sampler.delivered());
        self.waited.clear();
        loop {
            let ack = self.flight.iter().find_map(|sent| sent.acked_at).map(|(at, _)| at);
            if self.unsent == 0 && !self.starved {
                self.starved = true;
                self.sampler.on_app_limited(self.in_flight);
            }
            let room = self.in_flight + MSS <= self.algorithm.cwnd();
            if !room {
                self.filled_until = self.place;
            }
            let send = (room && self.unsent > 0).then_some(self.next_send.max(self.now));
            let Some(next) = [ack, send].into_iter().flatten().min().filter(|next| *next <= until) else { break };
            self.now = next;
            if ack == Some(next) { self.on_ack() } else { self.send() }
        }
        self.now = until;
        self.sampler.delivered() - before
    }

    fn send(&mut self) {
        let now = self.now;
        if self.flight.is_empty() {
            self.sampler = Sampler::new(now, self.sampler.delivered(), self.starved);
        }
        self.starved = false;
        self.algorithm.on_sent(now, self.in_flight, MSS, self.sampler.is_app_limited());
        let snapshot = self.sampler.snapshot(self.in_flight + MSS);
        let rate = self.algorithm.pacing_rate().or_else(|| {
            let percent = if self.algorithm.cwnd() < self.algorithm.ssthresh() / 2 { 200 } else { 120 };
            Some(u64::from(self.algorithm.cwnd()) * percent * 10_000_000 / u64::try_from(self.srtt?.as_nanos()).ok()?)
        });
        if let Some(rate) = rate {
            self.next_send =
                self.next_send.max(now) + Duration::from_nanos(u64::from(MSS) * 1_000_000_000 / rate.max(1));
        }
        let waiting = u64::try_from(self.free_at.since(now).as_nanos()).unwrap() * self.rate / 1_000_000_000;
        self.waited.push(waiting);
        self.sent += 1;
        let unlucky = self.lose_every > 0 && self.sent.is_multiple_of(self.lose_every);
        let acked_at = (waiting + u64::from(MSS) <= self.queue && !unlucky).then(|| {
            self.free_at = self.free_at.max(now) + Duration::from_nanos(u64::from(MSS) * 1_000_000_000 / self.rate);
            (self.free_at + self.rtt, waiting > self.mark_above)
        });
        self.flight.push_back(Sent { place: self.place, at: now, acked_at, snapshot });
        self.place += u64::from(MSS);
        self.in_flight += MSS;
        self.unsent -= u64::from(MSS);
    }

    fn on_ack(&mut self) {
        let (now, prior_in_flight) = (self.now, self.in_flight);
        let mut newly_lost = 0;
        let sent = loop {
            let Some(sent) = self.flight.pop_front() else { return };
            self.in_flight -= MSS;
            if sent.acked_at.is_some() {
                break sent;
            }
            self.lost += 1;
            newly_lost += MSS;
            self.sampler.on_lost(MSS);
            self.algorithm.on_segment_lost(&LostSegment {
                now,
                octets: MSS,
                tx_in_flight: sent.snapshot.tx_in_flight,
                lost_since_sent: u32::try_from(self.sampler.lost_since(&sent.snapshot)).unwrap(),
                prior_delivered: sent.snapshot.delivered,
                app_limited: sent.snapshot.app_limited,
            });
        };
        if newly_lost > 0 && self.recover.is_none() && self.recovers {
            self.algorithm.on_loss(now, prior_in_flight);
            self.recover = Some(self.place);
        }
        let rtt = now.since(sent.at);
        self.srtt = Some(self.srtt.map_or(rtt, |srtt| srtt * 7 / 8 + rtt / 8));
        self.min_rtt = Some(self.min_rtt.map_or(rtt, |min| min.min(rtt)));
        let mut newest: Option<Newest> = None;
        self.sampler.on_delivered(&mut newest, now, (sent.at, sent.place, MSS), sent.snapshot);
        let marked = if sent.acked_at.is_some_and(|(_, marked)| marked) { MSS } else { 0 };
        let min_rtt = self.min_rtt.map_or(u64::MAX, |min_rtt| u64::try_from(min_rtt.as_nanos()).unwrap());
        let rate = newest.and_then(|newest| self.sampler.sample(&newest, marked, min_rtt));
        self.algorithm.on_ack(&AckSample {
            now,
            newly_acked: MSS,
            unpaced: false,
            newly_lost,
            prior_in_flight,
            in_flight: self.in_flight,
            rtt: Some(rtt),
            min_rtt: self.min_rtt,
            srtt: self.srtt,
            app_limited: sent.place >= self.filled_until,
            recovering: self.recover.is_some(),
            marked,
            delivered: self.sampler.delivered(),
            prior_delivered: sent.snapshot.delivered,
            rate,
        });
        if self.recover.is_some_and(|recover| sent.place >= recover) {
            self.recover = None;
            self.algorithm.on_recovered(now, self.in_flight);
        }
    }

    /// Octets delivered in `time` as a percentage of what the path takes.
    pub(super) fn utilization(&mut self, time: Duration) -> u64 {
        let octets = self.run(time);
        octets * 100 / (self.rate * u64::try_from(time.as_millis()).unwrap() / 1000)
    }

    /// The median of what waited in the queue, in octets, since the last run began.
    pub(super) fn median_queue(&self) -> u64 {
        let mut waited = self.waited.clone();
        waited.sort_unstable();
        waited.get(waited.len() / 2).copied().unwrap_or(0)
    }
}
