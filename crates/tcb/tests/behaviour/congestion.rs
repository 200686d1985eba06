//! Congestion control as the connection carries it: selection, pacing, marks.

use std::time::Duration;

use sockeye_tcb::Config;
use sockeye_tcb::congestion::{AckSample, Algorithm, CongestionControl, Details};
use sockeye_wire::Instant;

use crate::pair::{Pair, Side, config, text};

/// One of our own: always the same window and rate.
#[derive(Debug)]
pub struct Steady {
    pub window: u32,
    pub rate: Option<u64>,
    pub quantum: Option<u32>,
    /// The last ACK said that nothing is paced.
    pub unpaced: bool,
}

const WINDOW: u32 = 4000;
const STEADY: Algorithm = Algorithm::new("steady", |_initial| Box::new(Steady { window: WINDOW, ..WIDE }));
/// Octets a second.
const RATE: u64 = 1_000_000;
const PACED: Algorithm = Algorithm::new("paced", |_initial| Box::new(Steady { rate: Some(RATE), ..WIDE }));
const IN_FIVES: Algorithm =
    Algorithm::new("paced", |_initial| Box::new(Steady { rate: Some(RATE), quantum: Some(5 * 988), ..WIDE }));
pub const WIDE: Steady = Steady { window: 100_000, rate: None, quantum: None, unpaced: false };

impl CongestionControl for Steady {
    fn name(&self) -> &'static str {
        if self.rate.is_some() { "paced" } else { "steady" }
    }

    fn cwnd(&self) -> u32 {
        self.window
    }

    fn ssthresh(&self) -> u32 {
        u32::MAX
    }

    fn pacing_rate(&self) -> Option<u64> {
        self.rate
    }

    fn send_quantum(&self) -> Option<u32> {
        self.quantum
    }

    fn on_ack(&mut self, sample: &AckSample) {
        self.unpaced = sample.unpaced;
    }
    fn on_loss(&mut self, _now: Instant, _flight: u32) {}
    fn on_recovered(&mut self, _now: Instant, _flight: u32) {}
    fn on_timeout(&mut self, _now: Instant, _flight: u32, _again: bool) {}
    fn undo(&mut self, _now: Instant) {}
    fn on_idle(&mut self, _now: Instant) {}
    fn set_mss(&mut self, _mss: u16) {}
    fn on_lost_handshake(&mut self) {}

    fn details(&self) -> Details {
        Details { phase: if self.unpaced { "unpaced" } else { "" }, ..Details::default() }
    }
}

/// `a` runs under [`PACED`] and has sent what isn't paced: the first ten segments.
fn paced() -> Pair {
    paced_by(PACED)
}

fn paced_by(congestion: Algorithm) -> Pair {
    let mut pair = Pair::opening(Config { congestion, ..config() }, config());
    pair.run_for(Duration::from_millis(100));
    assert_eq!(pair.a.tcb.info(pair.now).pacing_rate, None);
    let before = pair.now;
    pair.send(Side::A, text(10 * 988));
    pair.settle();
    assert_eq!(octets_of_a(&pair, before, before + Duration::from_nanos(1)), 9880, "a short answer leaves at once");
    pair.run_for(Duration::from_millis(100));
    assert_eq!(pair.a.tcb.info(pair.now).pacing_rate, Some(RATE));
    pair
}

/// Octets of text that `a` sent from `from` on, before `until`.
fn octets_of_a(pair: &Pair, from: Instant, until: Instant) -> usize {
    let sent = pair.log.iter().filter(|sent| sent.from == Side::A && (from..until).contains(&sent.at));
    sent.map(|sent| sent.segment.payload.len()).sum()
}

/// The most that `a` had in flight while it sent 200,000 octets.
fn most_in_flight(pair: &mut Pair) -> u32 {
    pair.send(Side::A, text(200_000));
    let expected = pair.b.received.len() + 200_000;
    let mut most = 0;
    assert!(pair.run_until(Duration::from_secs(20), |pair| {
        most = most.max(pair.a.tcb.info(pair.now).in_flight);
        pair.b.received.len() == expected
    }));
    most
}

#[test]
fn an_algorithm_of_ones_own_governs_the_connection() {
    let mut pair = Pair::opening(Config { congestion: STEADY, ..config() }, config());
    pair.run_for(Duration::from_millis(100));
    assert_eq!(pair.a.tcb.info(pair.now).congestion_control, "steady");
    let most = most_in_flight(&mut pair);
    assert!(most > 3000 && most <= WINDOW, "{most}");
}

#[test]
fn it_can_be_changed_while_the_connection_lives_and_goes_on_from_the_window_that_there_is() {
    let mut pair = Pair::opening(Config { congestion: STEADY, ..config() }, config());
    pair.run_for(Duration::from_millis(100));
    let now = pair.now;
    pair.a.tcb.set_congestion_control(now, Algorithm::NEWRENO);
    let info = pair.a.tcb.info(pair.now);
    assert_eq!((info.congestion_control, info.cwnd), ("newreno", WINDOW));
    assert!(most_in_flight(&mut pair) > 4 * WINDOW);
}

//= rfc7661#4.4.2-1
#[test]
fn text_leaves_at_the_pacing_rate_in_bursts_of_two_segments() {
    let mut pair = paced();
    let start = pair.now;
    pair.send(Side::A, text(200 * 988));
    pair.run_for(Duration::from_millis(500));
    let window = Duration::from_millis(10);
    let all = (0..300).map(|millis| {
        octets_of_a(&pair, start + Duration::from_millis(millis), start + Duration::from_millis(millis) + window)
    });
    let most = all.max().unwrap();
    assert!(most <= 10_000 + 2 * 988, "{most} octets in 10 ms");
    let last = pair.log.iter().rfind(|sent| sent.from == Side::A && !sent.segment.payload.is_empty());
    let took = last.unwrap().at.since(start);
    assert!((193..=199).contains(&took.as_millis()), "{took:?}");
}

#[test]
fn a_burst_is_as_long_as_the_algorithm_wants() {
    let mut pair = paced_by(IN_FIVES);
    let start = pair.now;
    pair.send(Side::A, text(50 * 988));
    pair.settle();
    assert_eq!(octets_of_a(&pair, start, start + Duration::from_nanos(1)), 5 * 988);
    let due = pair.a.tcb.next_timeout().unwrap();
    assert_eq!(due.since(start), Duration::from_micros(5 * 988));
}

#[test]
fn nothing_leaves_before_the_deadline_that_is_told() {
    let mut pair = paced();
    pair.send(Side::A, text(50_000));
    pair.settle();
    let due = pair.a.tcb.next_timeout().unwrap();
    assert_eq!(due.since(pair.now), Duration::from_nanos(1_976_000), "two segments at a megabyte a second");
    let before = due - Duration::from_nanos(1);
    pair.a.tcb.on_timeout(before);
    assert!(pair.a.tcb.poll_transmit(before, 0).is_none());
    pair.a.tcb.on_timeout(due);
    assert!(pair.a.tcb.poll_transmit(due, 0).is_some());
}

#[test]
fn coarse_clocks_reach_the_rate() {
    for tick in [1, 4, 10] {
        let mut pair = paced();
        pair.tick = Duration::from_millis(tick);
        let expected = pair.b.received.len() + 200 * 988;
        pair.send(Side::A, text(200 * 988));
        let done = pair.run_until(Duration::from_millis(250), |pair| pair.b.received.len() == expected);
        assert!(done, "tick {tick} ms: {} of {expected}", pair.b.received.len());
    }
}

#[test]
fn acknowledgments_are_not_paced() {
    let mut pair = paced();
    pair.send(Side::A, text(50_000));
    pair.send(Side::B, text(3 * 988));
    pair.log.clear();
    let start = pair.now;
    pair.run_until(Duration::from_secs(1), |pair| pair.a.received.len() == 3 * 988);
    let acked = pair.sent_by(Side::A).iter().any(|segment| segment.payload.is_empty());
    assert!(acked && pair.now.since(start) < Duration::from_millis(12));
}

#[test]
fn cubic_is_paced_at_twice_its_window_a_round_trip_in_slow_start() {
    let mut pair = Pair::established();
    pair.send(Side::A, text(9880));
    pair.run_for(Duration::from_millis(100));
    let info = pair.a.tcb.info(pair.now);
    let rate = u64::from(info.cwnd) * 2 * 1_000_000_000 / u64::try_from(info.srtt.unwrap().as_nanos()).unwrap();
    assert_eq!(info.pacing_rate, Some(rate));
}

/// Who has a rate of its own is paced by that, whatever the connection would do.
//= rfc9406#4.3-2
#[test]
fn an_ack_tells_whether_anything_is_paced() {
    for (congestion, pacing, phase) in
        [(STEADY, true, ""), (STEADY, false, "unpaced"), (PACED, true, ""), (PACED, false, "")]
    {
        let mut pair = Pair::established_with(Config { congestion, pacing, ..config() }, config());
        pair.send(Side::A, text(1000));
        pair.run_for(Duration::from_millis(100));
        assert_eq!(pair.info().congestion.phase, phase, "{congestion} with pacing {pacing}");
    }
}
