//! Loss and how it is made good (RFC 5681, RFC 6582, RFC 3042, RFC 6298).

use std::time::Duration;

use sockeye_tcb::congestion::Algorithm;
use sockeye_tcb::{Buffer, ClosedBecause, Config, Event, SoftError, State};
use sockeye_wire::SeqNumber;
use sockeye_wire::tcp::{Flags, SackBlock};

use crate::pair::{Fate, ISS_A, Pair, Random, Side, config, text};
use crate::unpaced;

//= rfc5681#3.2-3
//= rfc5681#3.2-7
//= rfc5681#3.2-8
//= rfc5681#3.2-12
//= rfc6582#3.2-4
//= rfc9293#MUST-19
#[test]
fn one_lost_segment_is_sent_again_after_three_duplicate_acks() {
    let mut pair = Pair::established();
    pair.lose(&[2]);
    pair.send(Side::A, text(50_000));
    assert!(pair.run_until(Duration::from_millis(250), |pair| pair.b.received.len() == 50_000));
    let info = pair.a.tcb.info(pair.now);
    assert_eq!((info.retransmissions, info.timeouts, info.fast_recoveries), (1, 0, 1));
    assert!(info.cwnd < 20 * 988 && info.ssthresh < 20 * 988, "the window was halved: {}", info.cwnd);
}

/// FIELD D6.
//= rfc6582#3.2-1
//= rfc6582#3.2-2
//= rfc6582#3.2-5
//= rfc6582#3.2-6
//= rfc6582#3.2-7
//= rfc5681#4.3-5
#[test]
fn three_losses_in_one_window_take_one_recovery_and_no_timeout() {
    let mut pair = Pair::established();
    pair.lose(&[31, 34, 37]);
    pair.send(Side::A, text(130_000));
    pair.run_for(Duration::from_secs(2));
    assert_eq!(pair.b.received.len(), 130_000);
    let info = pair.a.tcb.info(pair.now);
    assert_eq!((info.retransmissions, info.timeouts, info.fast_recoveries), (3, 0, 1));
    assert!(info.ssthresh >= 8 * 988, "halved once: {}", info.ssthresh);
}

/// Text from A that begins at one of these sequence numbers is lost, as often as the number stands there.
fn lose_text_at(pair: &mut Pair, mut to_lose: Vec<SeqNumber>) {
    pair.filter = Box::new(move |sent| {
        let is_text = sent.from == Side::A && !sent.segment.payload.is_empty();
        let lost = to_lose.iter().position(|&lost| is_text && lost == sent.segment.seq);
        lost.map_or(Fate::Arrives, |index| {
            to_lose.swap_remove(index);
            Fate::Lost
        })
    });
}

/// The first segment is lost twice, so that its recovery takes two round trips; one that was sent in the first of them is
/// lost, found and sent again in the second: that is another window's loss, however early it was repaired.
//= rfc5681#4.3-4
#[test]
fn losses_in_two_windows_are_answered_twice() {
    for congestion in [Algorithm::NEWRENO, Algorithm::CUBIC] {
        let mut pair = Pair::established_with(Config { congestion, ..config() }, config());
        let (front, later) = (ISS_A + 1, ISS_A + 1 + 12 * 988);
        lose_text_at(&mut pair, vec![front, front, later]);
        pair.send(Side::A, text(100_000));
        assert!(pair.run_until(Duration::from_secs(2), |pair| pair.b.received.len() == 100_000));
        let info = pair.info();
        assert_eq!((info.timeouts, info.fast_recoveries, info.retransmissions), (0, 2, 3), "{info:?}");
        assert!(info.ssthresh <= 5 * 988, "reduced twice, from ten segments: {}", info.ssthresh);
    }
}

/// All ten segments are lost, and the probe of the tail with them; of what the timeout has sent again the second is lost once
/// more, which what was sent behind it shows.
#[test]
fn what_a_timeout_has_sent_again_and_is_lost_lowers_the_threshold_once_more() {
    for congestion in [Algorithm::NEWRENO, Algorithm::CUBIC, Algorithm::DCTCP] {
        let mut pair = Pair::established_with(Config { congestion, ..config() }, config());
        let segments = (0..10).map(|index| ISS_A + 1 + index * 988);
        lose_text_at(&mut pair, segments.chain([ISS_A + 1 + 9 * 988, ISS_A + 1 + 988]).collect());
        pair.send(Side::A, text(9_880));
        assert!(pair.run_until(Duration::from_secs(3), |pair| pair.b.received.len() == 9_880));
        let info = pair.info();
        assert_eq!((info.timeouts, info.fast_recoveries), (1, 1), "{info:?}");
        assert_eq!(info.ssthresh, 2 * 988, "{congestion:?}");
    }
}

//= rfc3042#2-1
//= rfc3042#2-2
//= rfc5681#2-1
//= rfc5681#3.2-4
//= rfc5681#3.2-5
//= rfc5681#3.2-9
//= rfc5681#3.2-10
//= rfc5681#3.2-11
//= rfc5681#3.2-13
#[test]
fn the_first_two_duplicate_acks_let_one_new_segment_out_each() {
    let mut pair = Pair::established_with(Config { sack: false, ..unpaced::config() }, config());
    pair.send(Side::A, text(1));
    pair.run_for(Duration::from_millis(100));
    pair.log.clear();
    // Nine full segments are in flight after the one that is lost: the window is full.
    pair.lose(&[0]);
    pair.send(Side::A, text(100_000));
    let cwnd = pair.a.tcb.info(pair.now).cwnd;
    let before = pair.sent_by(Side::A).len();
    let duplicate = {
        let sent = pair.sent_by(Side::A)[0].clone();
        crate::open::segment(sent.ack, sent.seq, Flags::ACK)
    };
    let mut duplicate = duplicate;
    duplicate.window = u16::try_from(pair.a.tcb.info(pair.now).snd_wnd >> 3).unwrap();
    for expected in [1, 2] {
        pair.inject(Side::A, duplicate.clone()).unwrap();
        assert_eq!(pair.sent_by(Side::A).len() - before, expected);
        assert_eq!(pair.a.tcb.info(pair.now).cwnd, cwnd);
    }
    pair.inject(Side::A, duplicate.clone()).unwrap();
    let third = pair.sent_by(Side::A).last().unwrap().clone();
    assert_eq!(third.seq, pair.sent_by(Side::A)[0].seq, "the third brings the lost one again");
    // What limited transmit has sent doesn't count.
    assert_eq!(pair.info().ssthresh, cwnd / 2);
    // Each one more lets something new out as soon as half of the window has left; never is more believed to have left
    // than is outstanding.
    let before = pair.sent_by(Side::A).len();
    for _ in 0..10 {
        pair.inject(Side::A, duplicate.clone()).unwrap();
    }
    let new = pair.sent_by(Side::A).len() - before;
    assert!((4..=6).contains(&new), "{new}");
    for _ in 0..1_000 {
        pair.inject(Side::A, duplicate.clone()).unwrap();
    }
    assert_eq!((pair.info().in_flight, pair.info().cwnd), (0, cwnd / 2));
}

//= rfc5681#2-2
#[test]
fn an_ack_that_moves_the_window_is_no_duplicate() {
    let mut pair = Pair::established_with(Config { sack: false, ..unpaced::config() }, config());
    pair.filter = Box::new(|_| Fate::Lost);
    pair.send(Side::A, text(100_000));
    let sent = pair.sent_by(Side::A)[0].clone();
    for window in 1..20 {
        let mut update = crate::open::segment(sent.ack, sent.seq, Flags::ACK);
        update.window = 10_000 + window;
        pair.inject(Side::A, update).unwrap();
    }
    assert_eq!(pair.info().fast_recoveries, 0);
}

//= rfc6298#5.1-1
//= rfc6298#5.4-1
//= rfc6298#5.5-1
//= rfc6298#5.6-1
//= rfc6298#5-1
//= rfc6298#5-2
//= rfc9293#3.10.8-2
//= rfc9293#MUST-19
//= rfc5681#3.1-19
#[test]
fn silence_makes_the_timer_send_the_oldest_segment_again_at_doubled_intervals() {
    let mut pair = Pair::established_with(Config { sack: false, ..config() }, config());
    pair.filter = Box::new(|sent| if sent.from == Side::A { Fate::Lost } else { Fate::Arrives });
    pair.send(Side::A, text(5000));
    let first = pair.sent_by(Side::A)[0].seq;
    pair.log.clear();
    pair.run_for(Duration::from_secs(20));
    assert!(pair.log.iter().all(|sent| sent.segment.seq == first), "one segment at a time");
    let times: Vec<u64> = pair.log.iter().map(|sent| sent.at.as_millis()).collect();
    let gaps: Vec<u64> = times.windows(2).map(|two| two[1] - two[0]).collect();
    assert!(gaps.windows(2).all(|two| two[1] == 2 * two[0]), "{gaps:?}");
    assert_eq!(pair.a.tcb.info(pair.now).cwnd, 988);
}

//= rfc6298#5.2-1
//= rfc6298#5.3-1
#[test]
fn the_timer_stops_when_everything_is_acknowledged() {
    let mut pair = Pair::established();
    pair.send(Side::A, text(5000));
    assert!(pair.a.tcb.next_timeout().is_some());
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.a.tcb.next_timeout(), None);
}

//= rfc5681#3.1-17
//= rfc5681#3.1-18
//= rfc6582#3.2-8
//= rfc5681#4.3-3
#[test]
fn after_a_timeout_everything_is_sent_again_in_slow_start() {
    let mut pair = Pair::opening(Config { congestion: Algorithm::NEWRENO, sack: false, ..config() }, config());
    pair.run_for(Duration::from_millis(100));
    pair.lose(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    pair.send(Side::A, text(9_880));
    pair.run_for(Duration::from_secs(3));
    assert_eq!(pair.b.received.len(), 9_880);
    let info = pair.a.tcb.info(pair.now);
    assert_eq!((info.timeouts, info.retransmissions), (1, 10));
    assert_eq!(info.ssthresh, 5 * 988);
}

/// FIELD D30: the timer needs no help, and duplicates don't postpone it.
#[test]
fn a_lost_tail_is_sent_again_though_duplicates_keep_coming() {
    let mut pair = Pair::established();
    pair.filter = Box::new(|sent| if sent.from == Side::A { Fate::Lost } else { Fate::Arrives });
    pair.send(Side::A, text(100));
    let sent = pair.sent_by(Side::A)[0].clone();
    let mut duplicate = crate::open::segment(sent.ack, sent.seq, Flags::ACK);
    duplicate.window = 60_000;
    for _ in 0..40 {
        pair.run_for(Duration::from_millis(10));
        let _ = pair.inject(Side::A, duplicate.clone());
    }
    let again = pair.sent_by(Side::A).iter().filter(|segment| segment.seq == sent.seq).count();
    assert!(again >= 2);
}

//= rfc6298#3-1
//= rfc9293#MUST-18
#[test]
fn a_delayed_repair_is_not_taken_for_a_long_path() {
    for timestamps in [true, false] {
        let with = Config { timestamps, ..config() };
        let mut pair = Pair::established_with(with.clone(), with);
        pair.send(Side::A, text(10_000));
        pair.run_for(Duration::from_secs(1));
        pair.lose(&[0, 1]);
        pair.send(Side::A, text(1000));
        pair.run_for(Duration::from_secs(5));
        assert!(pair.a.tcb.info(pair.now).srtt.unwrap() < Duration::from_millis(30), "{:?}", pair.a.tcb.info(pair.now));
    }
}

/// FIELD D48: a peer that delays its ACKs on a steady long path.
//= rfc6298#2.3-4
#[test]
fn delayed_acks_on_a_long_path_cause_no_timeout() {
    let mut pair = Pair::opening(config(), Config { delayed_ack: Duration::from_millis(190), ..config() });
    pair.delay = Duration::from_millis(90);
    pair.run_for(Duration::from_secs(1));
    for _ in 0..100 {
        pair.send(Side::A, text(100));
        pair.run_for(Duration::from_secs(1));
    }
    assert_eq!(pair.a.tcb.info(pair.now).timeouts, 0);
}

//= rfc9293#MUST-20
//= rfc9293#MUST-21
//= rfc9293#SHLD-9
//= rfc9293#SHLD-10
//= rfc9293#SHLD-11
//= rfc9293#3.8.3-1
//= rfc9293#3.10.8-1
//= rfc9293#3.9.1.8-1
//= rfc9293#MUST-47
#[test]
fn a_peer_that_vanishes_is_reported_and_then_given_up() {
    for (timeout, reports) in [(Some(Duration::from_secs(120)), true), (Some(Duration::from_secs(30)), false)] {
        let with = Config { user_timeout: timeout, report_soft_errors: reports, ..config() };
        let mut pair = Pair::established_with(with, config());
        pair.filter = Box::new(|_| Fate::Lost);
        let start = pair.now;
        pair.send(Side::A, text(1000));
        pair.run_until(Duration::from_secs(1000), |pair| pair.a.tcb.state() == State::Closed);
        assert_eq!(Some(pair.now.since(start)), timeout);
        let soft = Event::SoftError(SoftError::ExcessiveRetransmission);
        assert_eq!(pair.a.events.contains(&soft), reports);
        assert_eq!(pair.a.events.last(), Some(&Event::Closed(ClosedBecause::UserTimeout)));
        assert_eq!(pair.a.tcb.info(pair.now).send_queued, 0);
    }
}

//= rfc9293#MUST-21
#[test]
fn without_a_user_timeout_nobody_is_given_up() {
    let mut pair = Pair::established_with(Config { user_timeout: None, ..config() }, config());
    pair.filter = Box::new(|_| Fate::Lost);
    pair.send(Side::A, text(1000));
    pair.run_for(Duration::from_secs(86_400));
    assert_eq!(pair.a.tcb.state(), State::Established);
    pair.filter = Box::new(|_| Fate::Arrives);
    pair.run_for(Duration::from_secs(200));
    assert_eq!(pair.b.received.len(), 1000);
}

//= rfc5681#4.1-2
#[test]
fn after_idleness_the_window_is_the_initial_one() {
    let mut pair = Pair::established();
    pair.send(Side::A, text(250_000));
    pair.run_for(Duration::from_secs(5));
    assert!(pair.a.tcb.info(pair.now).cwnd > 20_000);
    pair.log.clear();
    pair.run_for(Duration::from_secs(10));
    pair.send(Side::A, text(50_000));
    pair.run_for(Duration::from_millis(19)); // paced, and less than a round trip
    assert_eq!(pair.sent_by(Side::A).len(), 10);
}

//= rfc5681#3.2-1
//= rfc5681#3.2-2
//= rfc5681#4.2-5
//= rfc5681#4.2-6
//= rfc5681#4.2-7
//= rfc5681#4.2-8
//= rfc9293#MAY-13
//= rfc9293#SHLD-31
//= rfc2018#4-1
//= rfc2018#4-3
//= rfc2018#4-4
//= rfc2018#4-5
//= rfc2018#4-6
/// FIELD D1: one segment out of order.
#[test]
fn each_segment_beyond_a_hole_gets_its_ack_with_sack_and_the_hole_filled_one_ack_of_all() {
    let mut pair = Pair::established();
    let mut count = 0;
    pair.filter = Box::new(move |sent| {
        count += u64::from(sent.from == Side::A);
        if count == 1 { Fate::Lost } else { Fate::Late(Duration::from_micros(100 * count)) }
    });
    pair.send(Side::A, text(5 * 988));
    pair.run_for(Duration::from_millis(15));
    let acks = pair.sent_by(Side::B);
    let start = pair.sent_by(Side::A)[0].seq;
    assert_eq!(acks.len(), 4);
    for (i, ack) in (2_u32..).zip(&acks) {
        let block = ack.options.sack.as_slice()[0];
        assert_eq!((ack.ack, block.left, block.right), (start, start + 988, start + 988 * i));
    }
    pair.log.clear();
    pair.run_for(Duration::from_millis(25));
    let last = pair.sent_by(Side::B).last().unwrap().clone();
    assert_eq!(last.ack, start + 5 * 988);
    assert!(last.options.sack.is_empty());
}

//= rfc2018#4-2
//= rfc2018#2-2
#[test]
fn without_sack_permitted_no_sack_is_sent() {
    let mut pair = Pair::established_with(Config { sack: false, ..config() }, config());
    pair.lose(&[0]);
    pair.send(Side::A, text(50_000));
    pair.run_for(Duration::from_secs(2));
    assert!(pair.log.iter().all(|sent| sent.segment.options.sack.is_empty() && !sent.segment.options.sack_permitted));
    assert_eq!(pair.b.received.len(), 50_000);
}

//= rfc1191#6.4-1
//= rfc1191#6.4-3
//= rfc8201#5.4-3
//= rfc4821#4-9
//= rfc5681#3.1-5
#[test]
fn a_segment_refused_by_the_path_is_sent_again_smaller_and_nobody_is_blamed() {
    let mut pair = Pair::established();
    pair.filter = Box::new(|sent| if sent.segment.payload.len() > 500 { Fate::Lost } else { Fate::Arrives });
    pair.send(Side::A, text(9_000));
    let seq = pair.sent_by(Side::A)[0].seq;
    let now = pair.now;
    pair.log.clear();
    pair.a.tcb.on_packet_too_big(now, seq, 512).unwrap();
    assert_eq!(pair.a.tcb.info(pair.now).cwnd, 10 * 500, "no fewer segments, and no more");
    pair.settle();
    assert_eq!(pair.sent_by(Side::A).len(), 1, "one segment until an ACK comes");
    pair.run_for(Duration::from_secs(2));
    assert_eq!(pair.b.received.len(), 9_000);
    assert_eq!(pair.a.tcb.info(pair.now).timeouts, 0);
}

/// A loss in each of the four combinations of options, in the middle and at the end of a window.
//= rfc8985#9.3-1
//= rfc8985#9.3-2
//= rfc6675#5-1
//= rfc6675#5-2
//= rfc6675#5-7
//= rfc6675#5-8
//= rfc6675#5-9
//= rfc6675#5-11
//= rfc6675#5-12
//= rfc6675#5-13
//= rfc6675#5-19
#[test]
fn with_and_without_timestamps_and_sack_a_loss_is_repaired_without_a_timeout() {
    for (timestamps, sack) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut pair = Pair::established_with(Config { timestamps, sack, ..config() }, config());
        pair.lose(&[12, 40]);
        pair.send(Side::A, text(150_000));
        assert!(pair.run_until(Duration::from_secs(2), |pair| pair.b.received.len() == 150_000));
        let info = pair.info();
        assert_eq!((info.timeouts, info.retransmissions, info.lost), (0, 2, 0), "{timestamps} {sack}: {info:?}");
    }
}

/// Proportional rate reduction: neither silence nor a burst, and half the flight at the end.
//= rfc6937#3-1
//= rfc6937#3-3
//= rfc6937#3-8
//= rfc6937#3.1-1
//= rfc6937#4-1
//= rfc5681#2-3
//= rfc5681#4.3-1
//= rfc5681#4.3-2
//= rfc2018#5-1
//= rfc2018#5.1-1
//= rfc6675#5-14
//= rfc6675#5-15
//= rfc6675#5-18
#[test]
fn in_a_recovery_one_segment_leaves_for_every_two_that_arrived() {
    let mut pair = Pair::established_with(unpaced::config(), Config { delayed_ack: Duration::ZERO, ..config() });
    let mut wire_free = pair.now;
    // One segment in a millisecond, so that ACKs come one by one.
    let mut count = 0;
    pair.filter = Box::new(move |sent| {
        if sent.from == Side::B {
            return Fate::Arrives;
        }
        count += 1;
        wire_free = wire_free.max(sent.at) + Duration::from_millis(1);
        if count == 40 { Fate::Lost } else { Fate::Late(wire_free.since(sent.at)) }
    });
    pair.send(Side::A, text(240_000));
    assert!(pair.run_until(Duration::from_secs(2), |pair| pair.info().fast_recoveries == 1));
    let flight = pair.info().in_flight;
    let (ssthresh, start, begun) = (pair.info().ssthresh, pair.log.len(), pair.now);
    assert!(pair.run_until(Duration::from_secs(2), |pair| pair.info().sacked == 0));
    let at: Vec<_> = pair.log[start..].iter().filter(|sent| sent.from == Side::A).map(|sent| sent.at).collect();
    let burst = at.iter().map(|one| at.iter().filter(|other| *other == one).count()).max().unwrap();
    assert!(burst <= 2, "{burst} segments at one instant");
    // Not silent until half of the flight has left, and then one for one.
    let middle = begun + pair.now.since(begun) / 2;
    let early = at.iter().filter(|&&at| at < middle).count();
    assert!(early * 3 > at.len(), "{early} of {} in the first half", at.len());
    let sent = u32::try_from(at.len()).unwrap() * 988;
    assert!(sent > ssthresh / 2 && sent <= ssthresh + 2 * 988, "{sent} of {flight}, ssthresh {ssthresh}");
    let info = pair.info();
    assert!(info.in_flight <= ssthresh + 988 && info.in_flight + 3 * 988 >= ssthresh, "{info:?}");
}

//= rfc6675#5-6
//= rfc5681#3.2-6
//= rfc3042#2-3
#[test]
fn with_sack_a_duplicate_ack_lets_something_out_only_if_it_tells_of_something() {
    let mut pair = Pair::established();
    pair.filter = Box::new(|_| Fate::Lost);
    pair.send(Side::A, text(100_000));
    let sent = pair.sent_by(Side::A);
    let mut duplicate = crate::open::segment(sent[0].ack, sent[0].seq, Flags::ACK);
    duplicate.window = u16::try_from(pair.info().snd_wnd >> 3).unwrap();
    for _ in 0..10 {
        pair.inject(Side::A, duplicate.clone()).unwrap();
    }
    assert_eq!((pair.sent_by(Side::A).len(), pair.info().retransmissions), (sent.len(), 0));
    duplicate.options.sack.push(SackBlock { left: sent[1].seq, right: sent[1].end() });
    pair.inject(Side::A, duplicate.clone()).unwrap();
    pair.inject(Side::A, duplicate).unwrap();
    assert_eq!(pair.sent_by(Side::A).len(), sent.len() + 1, "one, for the one that arrived");
}

//= rfc6675#5.1-2
//= rfc6675#5.1-3
//= rfc6675#5.1-5
//= rfc6675#5.1-6
//= rfc8985#6.3-1
#[test]
fn after_a_timeout_what_is_selectively_acknowledged_is_not_sent_again() {
    let mut pair = Pair::established_with(unpaced::config(), config());
    // All but one segment of three is lost, retransmissions and probes too, until the timer has expired.
    let start = pair.now;
    let mut count = 0;
    pair.filter = Box::new(move |sent| {
        count += u32::from(sent.from == Side::A);
        let lost = sent.from == Side::A && count % 3 != 0 && sent.at.since(start) < Duration::from_millis(230);
        if lost { Fate::Lost } else { Fate::Arrives }
    });
    pair.send(Side::A, text(10 * 988));
    let sent = pair.sent_by(Side::A);
    pair.run_for(Duration::from_secs(3));
    assert_eq!(pair.b.received.len(), 10 * 988);
    for arrived in [2, 5, 8] {
        assert_eq!(pair.times_sent(Side::A, sent[arrived].seq), 1, "segment {arrived} arrived at once");
    }
}

//= rfc6675#5.1-4
//= rfc6582#3.2-3
//= rfc6582#4-1
#[test]
fn duplicate_acks_after_a_timeout_begin_no_fast_recovery() {
    for sack in [true, false] {
        let mut pair = Pair::established_with(Config { sack, ..unpaced::config() }, config());
        let end = pair.now + Duration::from_millis(400);
        pair.filter = Box::new(move |sent| Fate::Late(end.since(sent.at)));
        pair.send(Side::A, text(10 * 988));
        pair.run_for(Duration::from_secs(3));
        assert_eq!((pair.info().fast_recoveries, pair.info().send_queued), (0, 0), "{:?}", pair.info());
    }
}

/// The square-root law: `1.22 * MSS / (RTT * sqrt(p))` for Reno (Mathis and others, 1997).
#[test]
fn at_one_percent_loss_reno_reaches_what_the_model_allows() {
    let with = Config { congestion: Algorithm::NEWRENO, send_buffer: Buffer::Fixed(1 << 20), ..config() };
    let mut pair = Pair::established_with(with, Config { receive_buffer: Buffer::Fixed(1 << 20), ..config() });
    pair.delay = Duration::from_millis(25);
    let mut random = Random(5);
    pair.filter =
        Box::new(move |sent| if sent.from == Side::A && random.chance(10) { Fate::Lost } else { Fate::Arrives });
    let (start, segments) = (pair.now, 20_000);
    pair.send(Side::A, text(segments * 988));
    assert!(pair.run_until(Duration::from_secs(600), |pair| pair.info().send_queued == 0));
    let round_trips = pair.now.since(start).as_secs_f64() / 0.05;
    let segments_a_round_trip = f64::from(u32::try_from(segments).unwrap()) / round_trips;
    let model = 1.22 / 0.01_f64.sqrt();
    assert!(segments_a_round_trip > 0.85 * model, "{segments_a_round_trip} of {model}: {:?}", pair.info());
    assert_eq!(pair.info().timeouts, 0, "{:?}", pair.info());
}

//= rfc7765#4-1
//= rfc7765#4-2
//= rfc7765#4-3
//= rfc7765#4-5
//= rfc7765#4-6
//= rfc7765#4-7
#[test]
fn a_lost_tail_of_a_plain_peer_needs_one_timeout_and_no_round_trip_more() {
    for few in [true, false] {
        let mut pair = Pair::established_with(Config { sack: false, ..unpaced::config() }, config());
        pair.delay = Duration::from_millis(50);
        pair.send(Side::A, text(988));
        pair.run_for(Duration::from_millis(500));
        pair.log.clear();
        let segments = if few { 3 } else { 10 };
        pair.lose(if few { &[2] } else { &[6, 7, 8, 9] });
        let (start, rto) = (pair.now, pair.info().rto);
        pair.send(Side::A, text(segments * 988));
        assert!(pair.run_until(Duration::from_secs(5), |pair| pair.info().timeouts == 1));
        let took = pair.now.since(start);
        assert_eq!(took < rto + Duration::from_millis(90), few, "{took:?}, rto {rto:?}");
    }
}

//= rfc7765#4-4
#[test]
fn the_timer_never_counts_from_so_long_ago_that_it_is_due() {
    let mut pair = Pair::established_with(Config { sack: false, ..unpaced::config() }, config());
    pair.delay = Duration::from_millis(400);
    pair.send(Side::A, text(2 * 988));
    pair.run_for(Duration::from_millis(100));
    let info = pair.info();
    assert!(info.timeouts == 0 && info.rto < Duration::from_millis(800));
    pair.run_for(Duration::from_secs(5));
    assert_eq!(pair.info().send_queued, 0);
}

#[test]
fn a_thin_stream_asked_not_to_back_off_does_not_for_six_timeouts() {
    for thin in [true, false] {
        let with = Config { thin_linear_timeouts: thin, sack: false, ..unpaced::config() };
        let mut pair = Pair::established_with(with, config());
        pair.lose(&[20]); // so that it isn't in its first slow start
        pair.send(Side::A, text(60 * 988));
        pair.run_for(Duration::from_millis(300));
        pair.log.clear();
        pair.filter = Box::new(|_| Fate::Lost);
        pair.send(Side::A, text(500));
        pair.run_for(Duration::from_secs(60));
        let times: Vec<u64> = pair.log.iter().map(|sent| sent.at.as_millis()).collect();
        let gaps: Vec<u64> = times.windows(2).map(|two| two[1] - two[0]).collect();
        assert_eq!(gaps[..6].iter().all(|gap| *gap == gaps[0]), thin, "{gaps:?}");
        assert!(gaps[7] >= 2 * gaps[6], "{gaps:?}");
    }
}

/// FIELD D35: an ACK of the handshake that comes late, or not at all, makes nobody send data again.
#[test]
fn a_client_whose_peer_keeps_no_state_sends_nothing_again() {
    let mut pair = Pair::opening(config(), config());
    pair.delay = Duration::from_millis(40);
    pair.run_until(Duration::from_secs(1), |pair| pair.a.tcb.state() == State::Established);
    pair.send(Side::A, text(30_000));
    pair.run_for(Duration::from_secs(2));
    assert_eq!((pair.info().retransmissions, pair.b.received.len()), (0, 30_000));
}
