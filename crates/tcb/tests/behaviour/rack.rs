//! Losses found by time (RFC 8985 sections 3 and 6).

use std::time::Duration;

use sockeye_tcb::{Buffer, Config};

use crate::pair::{Fate, Pair, Random, Side, text};
use crate::unpaced::config;

/// Both ends ESTABLISHED on a path of `rtt`, `a` with a large window and nothing in flight.
fn warm(with: Config, rtt: Duration) -> Pair {
    let mut pair = Pair::opening(with, config());
    pair.delay = rtt / 2;
    pair.run_for(Duration::from_secs(2));
    for _ in 0..2 {
        pair.send(Side::A, text(100_000));
        pair.run_for(Duration::from_secs(2));
    }
    pair.log.clear();
    pair
}

/// The `nth` segment with text from `a` arrives so much too late.
fn delay(pair: &mut Pair, nth: usize, by: Duration) {
    let mut count = 0;
    pair.filter = Box::new(move |sent| {
        if sent.from == Side::B || sent.segment.payload.is_empty() {
            return Fate::Arrives;
        }
        count += 1;
        if count - 1 == nth { Fate::Late(by) } else { Fate::Arrives }
    });
}

//= rfc8985#1-1
//= rfc8985#3.3.1-1
//= rfc8985#6.1-1
//= rfc8985#6.2-3
//= rfc8985#6.2-4
//= rfc8985#6.2-10
//= rfc8985#6.2-11
//= rfc8985#6.2-13
//= rfc8985#6.2-14
//= rfc8985#9.2-1
#[test]
fn a_lost_retransmission_is_found_without_a_timeout() {
    let mut pair = Pair::established();
    let mut victim = None;
    let mut left = 3; // the original and two retransmissions
    let mut count = 0;
    pair.filter = Box::new(move |sent| {
        count += u32::from(sent.from == Side::A);
        if count == 30 && sent.from == Side::A {
            victim = Some(sent.segment.seq);
        }
        if sent.from == Side::A && Some(sent.segment.seq) == victim && left > 0 {
            left -= 1;
            return Fate::Lost;
        }
        Fate::Arrives
    });
    pair.send(Side::A, text(200_000));
    assert!(pair.run_until(Duration::from_secs(1), |pair| pair.b.received.len() == 200_000));
    let info = pair.info();
    assert_eq!((info.timeouts, info.retransmissions, info.segments_lost), (0, 3, 3), "{info:?}");
}

/// FIELD D53: not lost before the round trip and the window are over.
//= rfc8985#3.3.2-2
//= rfc8985#6.2-5
//= rfc8985#6.2-6
//= rfc8985#6.2-12
#[test]
fn a_segment_overtaken_by_two_milliseconds_is_waited_for() {
    let mut pair = warm(config(), Duration::from_millis(50));
    assert!(!pair.info().reordering_seen);
    // Two segments overtake it, too few to mean a loss.
    delay(&mut pair, 0, Duration::from_millis(2));
    pair.send(Side::A, text(3 * 988));
    pair.run_for(Duration::from_secs(1));
    assert_eq!((pair.info().retransmissions, pair.info().segments_lost), (0, 0));
    // Now that the path is known to reorder, not even thirty do.
    assert!(pair.info().reordering_seen);
    delay(&mut pair, 0, Duration::from_millis(9));
    pair.send(Side::A, text(30 * 988));
    pair.run_for(Duration::from_secs(1));
    assert_eq!((pair.info().retransmissions, pair.info().segments_lost), (0, 0));
}

//= rfc6675#2-2
//= rfc8985#3.3.2-1
//= rfc8985#6.2-9
#[test]
fn three_selectively_acknowledged_mean_a_loss_at_once_where_nothing_was_ever_reordered() {
    let mut pair = warm(config(), Duration::from_millis(50));
    pair.lose(&[0]);
    let first = pair.now;
    pair.send(Side::A, text(6 * 988));
    let start = pair.sent_by(Side::A)[0].seq;
    assert!(pair.run_until(Duration::from_secs(1), |pair| pair.times_sent(Side::A, start) == 2));
    assert!(pair.now.since(first) < Duration::from_millis(52), "{:?}", pair.now.since(first));
}

//= rfc8985#6.2-12
#[test]
fn where_segments_overtake_each_other_a_timer_finds_the_loss() {
    let mut pair = warm(config(), Duration::from_millis(80));
    delay(&mut pair, 0, Duration::from_millis(2));
    pair.send(Side::A, text(3 * 988));
    pair.run_for(Duration::from_secs(1));
    assert!(pair.info().reordering_seen);
    pair.log.clear();
    pair.lose(&[2]);
    let sent_at = pair.now;
    pair.send(Side::A, text(8 * 988));
    let lost = pair.sent_by(Side::A)[2].seq;
    assert!(pair.run_until(Duration::from_secs(1), |pair| pair.times_sent(Side::A, lost) == 2));
    let took = pair.now.since(sent_at);
    // A round trip, and a quarter of one.
    assert!(took >= Duration::from_millis(100) && took < Duration::from_millis(110), "{took:?}");
    pair.run_for(Duration::from_secs(1));
    assert_eq!((pair.info().timeouts, pair.info().tail_probes), (0, 0));
}

/// Reordering by more than a quarter of the round trip: the window learns from the duplicates that are reported.
//= rfc8985#3.3.2-3
//= rfc8985#3.3.2-4
//= rfc8985#4-3
//= rfc8985#6.2-7
#[test]
fn the_window_widens_until_nothing_is_sent_again_needlessly() {
    let mut pair = warm(Config { timestamps: false, ..config() }, Duration::from_millis(40));
    let mut random = Random(1);
    pair.filter = Box::new(move |sent| {
        let late = sent.from == Side::A && random.chance(100);
        if late { Fate::Late(Duration::from_millis(25)) } else { Fate::Arrives }
    });
    let mut needless = Vec::new();
    for _ in 0..12 {
        let before = pair.info().retransmissions;
        pair.send(Side::A, text(100_000));
        pair.run_for(Duration::from_secs(2));
        needless.push(pair.info().retransmissions - before);
    }
    let info = pair.info();
    assert!(needless[0] > 0 && needless[6..].iter().sum::<u64>() == 0, "{needless:?}");
    assert!(info.reordering_window > Duration::from_millis(20), "{info:?}");
    assert!(info.reordering_window <= info.srtt.unwrap());
    assert_eq!(info.timeouts, 0);
}

/// FIELD D19: 30 ms of jitter on 200 ms for ten minutes.
#[test]
fn jitter_does_not_ratchet_the_window_down() {
    let with = Config { send_buffer: Buffer::Fixed(48 << 10), ..config() };
    let mut pair = warm(with, Duration::from_millis(200));
    let mut random = Random(7);
    pair.filter = Box::new(move |_| Fate::Late(Duration::from_micros(random.below(30_000))));
    let mut least = u32::MAX;
    pair.b.reads = true;
    for minute in 0..10 {
        pair.send(Side::A, text(30 * 48 * 1024 * 5));
        pair.run_for(Duration::from_secs(60));
        let info = pair.info();
        if minute > 0 {
            least = least.min(info.cwnd);
        }
        assert_eq!(info.timeouts, 0, "minute {minute}");
    }
    assert!(least >= 40 * 988, "{least}: {:?}", pair.info());
}

/// FIELD D20 in small, D22: the accounts agree at each ACK (the scoreboard asserts it), and nothing is sent again.
#[test]
fn heavy_reordering_without_loss_delivers_all() {
    let mut pair = warm(config(), Duration::from_millis(100));
    let mut random = Random(3);
    pair.filter = Box::new(move |_| Fate::Late(Duration::from_micros(random.below(20_000))));
    for _ in 0..10 {
        pair.send(Side::A, text(500_000));
        assert!(pair.run_until(Duration::from_secs(60), |pair| pair.a.tcb.info(pair.now).send_queued == 0));
    }
    let info = pair.info();
    assert!(info.retransmissions * 200 < info.segments_out, "{info:?}");
    assert_eq!((info.in_flight, info.lost, info.sacked), (0, 0, 0));
}

//= rfc6298#3-3
/// FIELD D22: the least round-trip time, and with it the window, follow the path.
#[test]
fn the_window_follows_a_path_that_has_become_longer() {
    let mut pair = warm(config(), Duration::from_millis(10));
    let before = pair.info().reordering_window;
    pair.delay = Duration::from_millis(50);
    for _ in 0..20 {
        pair.send(Side::A, text(50_000));
        pair.run_for(Duration::from_secs(1));
    }
    let info = pair.info();
    assert_eq!(info.min_rtt, Some(Duration::from_millis(100)));
    assert!(info.reordering_window >= 8 * before, "{before:?}, {:?}", info.reordering_window);
}

/// One time for all segments of a super-segment; and a clock of 10 ms that sees whole flights leave at once.
//= rfc6298#4-2
//= rfc8985#4-2
//= rfc8985#9.1-1
#[test]
fn losses_are_found_in_super_segments_and_on_coarse_clocks() {
    for (limit, tick) in [(65_000, 0), (0, 1), (0, 4), (0, 10), (65_000, 10)] {
        let mut pair = Pair::established();
        pair.limit = limit;
        pair.tick = Duration::from_nanos(1).max(Duration::from_millis(tick));
        pair.lose(&[12, 25, 26, 27, 60]);
        pair.send(Side::A, text(200_000));
        assert!(pair.run_until(Duration::from_secs(5), |pair| pair.b.received.len() == 200_000));
        let info = pair.info();
        assert_eq!(info.timeouts, 0, "limit {limit}, tick {tick} ms: {info:?}");
        assert!(info.retransmissions < 60, "limit {limit}, tick {tick} ms: {info:?}");
    }
}

/// What was sent again tells its round-trip time by its timestamp, which is in whole milliseconds.
//= rfc8985#6.2-1
#[test]
fn the_least_round_trip_by_timestamp_is_no_shorter_than_the_path() {
    for phase in 0..10 {
        let mut pair = Pair::opening(config(), config());
        pair.delay = Duration::from_micros(10_950);
        pair.run_for(Duration::from_secs(1) + phase * Duration::from_micros(100));
        pair.lose(&[2]);
        pair.send(Side::A, text(50_000));
        pair.run_for(Duration::from_secs(2));
        let info = pair.info();
        assert!(info.retransmissions > 0 && info.min_rtt >= Some(2 * pair.delay), "{phase}: {:?}", info.min_rtt);
    }
}
