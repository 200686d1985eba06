//! Tail loss probes (RFC 8985 section 7).

use std::time::Duration;

use sockeye_tcb::Config;
use sockeye_wire::tcp::SackBlocks;

use crate::pair::{Fate, Pair, Side, text};
use crate::unpaced::config;

/// Both ends ESTABLISHED, the round-trip time of 20 ms measured, nothing in flight.
fn warm(with: Config) -> Pair {
    let mut pair = Pair::established_with(with, config());
    for _ in 0..30 {
        pair.send(Side::A, text(2 * 988));
        pair.run_for(Duration::from_millis(200));
    }
    pair.log.clear();
    pair
}

//= rfc8985#7.2-1
//= rfc8985#7.2-2
//= rfc8985#7.2-6
//= rfc8985#7.3-4
//= rfc8985#7.3-5
//= rfc8985#5.4-1
//= rfc8985#8-1
#[test]
fn a_lost_tail_is_probed_after_two_round_trips() {
    let mut pair = warm(config());
    pair.lose(&[8, 9]);
    let start = pair.now;
    pair.send(Side::A, text(10 * 988));
    let last = pair.sent_by(Side::A)[9].seq;
    assert!(pair.run_until(Duration::from_secs(1), |pair| pair.times_sent(Side::A, last) == 2));
    // The PTO counts from the last ACK, one round trip after the start: two round trips, two ticks.
    let took = pair.now.since(start);
    assert!(took > Duration::from_millis(60) && took < Duration::from_millis(66), "{took:?}");
    pair.run_for(Duration::from_secs(2));
    assert_eq!(pair.b.received.len(), 30 * 2 * 988 + 10 * 988);
    assert_eq!((pair.info().timeouts, pair.info().tail_probes, pair.info().retransmissions), (0, 1, 2));
}

//= rfc8985#7.4.1-1
//= rfc8985#4-1
#[test]
fn any_loss_in_the_tail_of_a_short_answer_is_repaired_without_a_timeout() {
    let patterns: [&'static [usize]; 6] =
        [&[8, 9], &[5, 6, 7, 8, 9], &[1, 2, 3, 4, 5, 6, 7, 8, 9], &[7, 9], &[9], &[0, 9]];
    for lost in patterns {
        let mut pair = warm(config());
        pair.lose(lost);
        let before = pair.b.received.len();
        pair.send(Side::A, text(10 * 988));
        pair.run_for(Duration::from_secs(3));
        assert_eq!(pair.b.received.len() - before, 10 * 988);
        assert_eq!(pair.info().timeouts, 0, "{lost:?}: {:?}", pair.info());
    }
}

//= rfc8985#7.3-3
//= rfc8985#7.3-7
#[test]
fn a_probe_is_new_text_if_there_is_any_even_beyond_the_window() {
    let mut pair = Pair::established();
    pair.filter = Box::new(|sent| if sent.from == Side::B { Fate::Lost } else { Fate::Arrives });
    pair.send(Side::A, text(50 * 988));
    assert_eq!(pair.sent_by(Side::A).len(), 10, "the window is full");
    let end = pair.sent_by(Side::A)[9].end();
    assert!(pair.run_until(Duration::from_millis(150), |pair| pair.sent_by(Side::A).len() == 11));
    assert_eq!(pair.sent_by(Side::A)[10].seq, end);
    assert_eq!(pair.info().tail_probes, 1);
    // It was no retransmission, so its ACK is no sign of a loss.
    let ssthresh = pair.info().ssthresh;
    pair.filter = Box::new(|_| Fate::Arrives);
    pair.run_for(Duration::from_secs(3));
    assert_eq!(pair.info().ssthresh, ssthresh);
}

//= rfc8985#7.3-1
//= rfc8985#7.3-2
//= rfc8985#7.3-6
#[test]
fn one_probe_and_then_the_retransmission_timer() {
    let mut pair = warm(config());
    let rto = pair.info().rto;
    pair.filter = Box::new(|_| Fate::Lost);
    let start = pair.now;
    pair.send(Side::A, text(5 * 988));
    assert!(pair.run_until(Duration::from_secs(5), |pair| pair.a.tcb.info(pair.now).timeouts == 1));
    assert_eq!(pair.info().tail_probes, 1);
    // The probe after two round trips (40 ms and two ticks); the RTO counts from it.
    let took = pair.now.since(start);
    assert!(took >= rto + Duration::from_millis(40) && took < rto + Duration::from_millis(45), "{took:?}");
}

/// FIELD D48 again: a lone segment's ACK may be delayed.
//= rfc8985#7.2-4
#[test]
fn a_lone_segment_is_not_probed_while_its_ack_may_be_delayed() {
    let mut pair = Pair::established_with(config(), Config { delayed_ack: Duration::from_millis(190), ..config() });
    for _ in 0..50 {
        pair.send(Side::A, text(100));
        pair.run_for(Duration::from_secs(1));
    }
    assert_eq!((pair.info().tail_probes, pair.info().retransmissions), (0, 0));
}

//= rfc8985#7.2-3
#[test]
fn without_a_measured_round_trip_the_probe_comes_after_a_second() {
    let mut pair = Pair::opening(config(), config());
    let mut count = 0;
    pair.filter = Box::new(move |sent| {
        count += u32::from(sent.from == Side::A);
        if count == 1 || !sent.segment.payload.is_empty() { Fate::Lost } else { Fate::Arrives }
    });
    pair.run_for(Duration::from_secs(2));
    assert_eq!(pair.info().srtt, None);
    pair.log.clear();
    let start = pair.now;
    pair.send(Side::A, text(988));
    assert!(pair.run_until(Duration::from_secs(5), |pair| pair.sent_by(Side::A).len() == 2));
    assert_eq!(pair.now.since(start), Duration::from_secs(1));
}

//= rfc8985#7.2-5
#[test]
fn a_probe_never_comes_later_than_the_timeout_would() {
    let mut pair = warm(Config { max_rto: Duration::from_millis(230), ..config() });
    pair.delay = Duration::from_millis(200);
    for _ in 0..20 {
        pair.send(Side::A, text(2 * 988));
        pair.run_for(Duration::from_secs(2));
    }
    let rto = pair.info().rto;
    pair.log.clear();
    pair.filter = Box::new(|_| Fate::Lost);
    let start = pair.now;
    pair.send(Side::A, text(2 * 988));
    assert!(pair.run_until(Duration::from_secs(5), |pair| pair.sent_by(Side::A).len() == 3));
    assert_eq!(pair.now.since(start), rto);
}

//= rfc8985#7.1-1
//= rfc8985#7.4.2-1
//= rfc8985#7.4.2-2
//= rfc8985#7.4.2-3
#[test]
fn a_loss_that_the_probe_repaired_counts_and_a_needless_probe_does_not() {
    for needless in [false, true] {
        let mut pair = warm(config());
        let mut count = 0;
        pair.filter = Box::new(move |sent| {
            count += u32::from(sent.from == Side::A && !sent.segment.payload.is_empty());
            match (count, sent.from) {
                (10, Side::A) if needless => Fate::Late(Duration::from_millis(215)),
                (10, Side::A) => Fate::Lost,
                _ => Fate::Arrives,
            }
        });
        let ssthresh = pair.info().ssthresh;
        pair.send(Side::A, text(10 * 988));
        pair.run_for(Duration::from_secs(1));
        assert_eq!((pair.info().tail_probes, pair.info().timeouts), (1, 0));
        assert_eq!(pair.info().ssthresh, ssthresh, "it isn't known yet");
        pair.send(Side::A, text(10 * 988));
        pair.run_for(Duration::from_secs(1));
        assert_eq!(pair.info().ssthresh == ssthresh, needless, "{:?}", pair.info());
    }
}

/// A receiver without D-SACK answers the needless probe with a plain duplicate.
//= rfc8985#7.4.2-3
#[test]
fn a_plain_duplicate_ack_tells_that_a_probe_was_needless() {
    let mut pair = warm(config());
    pair.filter = Box::new(|sent| if sent.from == Side::B { Fate::Lost } else { Fate::Arrives });
    pair.send(Side::A, text(2 * 988));
    pair.run_for(Duration::from_millis(100));
    assert_eq!(pair.info().tail_probes, 1);
    let mut answer = pair.sent_by(Side::B).last().unwrap().clone();
    answer.options.sack = SackBlocks::NONE;
    let ssthresh = pair.info().ssthresh;
    answer.arrived_at = pair.now;
    pair.inject(Side::A, answer.clone()).unwrap(); // the ACK of both
    pair.inject(Side::A, answer).unwrap(); // the answer to the probe
    pair.filter = Box::new(|_| Fate::Arrives);
    pair.send(Side::A, text(2 * 988));
    pair.run_for(Duration::from_secs(1));
    assert_eq!((pair.info().ssthresh, pair.info().timeouts), (ssthresh, 0));
}

//= rfc8985#4-4
#[test]
fn a_peer_without_sack_is_not_probed() {
    let mut pair = warm(Config { sack: false, ..config() });
    pair.lose(&[9]);
    pair.send(Side::A, text(10 * 988));
    pair.run_for(Duration::from_secs(3));
    assert_eq!((pair.info().tail_probes, pair.info().timeouts), (0, 1));
}
