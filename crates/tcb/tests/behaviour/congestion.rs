//! Congestion control as the connection carries it: selection, pacing, marks.

use std::time::Duration;

use sockeye_tcb::Config;
use sockeye_tcb::congestion::{AckSample, Algorithm, CongestionControl};
use sockeye_wire::Instant;

use crate::pair::{Pair, Side, config, text};

/// One of our own: always the same window.
#[derive(Debug)]
struct Steady;

const WINDOW: u32 = 4000;
const STEADY: Algorithm = Algorithm::new("steady", |_initial| Box::new(Steady));

impl CongestionControl for Steady {
    fn name(&self) -> &'static str {
        "steady"
    }

    fn cwnd(&self) -> u32 {
        WINDOW
    }

    fn ssthresh(&self) -> u32 {
        u32::MAX
    }

    fn on_ack(&mut self, _sample: &AckSample) {}
    fn on_loss(&mut self, _now: Instant, _flight: u32) {}
    fn on_recovered(&mut self, _now: Instant, _flight: u32) {}
    fn on_timeout(&mut self, _now: Instant, _flight: u32, _again: bool) {}
    fn undo(&mut self, _now: Instant) {}
    fn on_idle(&mut self, _now: Instant) {}
    fn set_mss(&mut self, _mss: u16) {}
    fn on_lost_handshake(&mut self) {}
}

/// The most that `a` had in flight while it sent 200,000 octets.
fn most_in_flight(pair: &mut Pair) -> u32 {
    pair.send(Side::A, text(200_000));
    let expected = pair.b.received.len() + 200_000;
    let mut most = 0;
    assert!(pair.run_until(Duration::from_secs(20), |pair| {
        most = most.max(pair.a.tcb.info().in_flight);
        pair.b.received.len() == expected
    }));
    most
}

#[test]
fn an_algorithm_of_ones_own_governs_the_connection() {
    let mut pair = Pair::opening(Config { congestion: STEADY, ..config() }, config());
    pair.run_for(Duration::from_millis(100));
    assert_eq!(pair.a.tcb.info().congestion_control, "steady");
    let most = most_in_flight(&mut pair);
    assert!(most > 3000 && most <= WINDOW, "{most}");
}

#[test]
fn it_can_be_changed_while_the_connection_lives_and_goes_on_from_the_window_that_there_is() {
    let mut pair = Pair::opening(Config { congestion: STEADY, ..config() }, config());
    pair.run_for(Duration::from_millis(100));
    let now = pair.now;
    pair.a.tcb.set_congestion_control(now, Algorithm::NEWRENO);
    let info = pair.a.tcb.info();
    assert_eq!((info.congestion_control, info.cwnd), ("newreno", WINDOW));
    assert!(most_in_flight(&mut pair) > 4 * WINDOW);
}
