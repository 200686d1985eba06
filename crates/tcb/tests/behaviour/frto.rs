//! F-RTO: spurious timeouts found without any option (RFC 5682).

use std::time::Duration;

use sockeye_tcb::Config;

use crate::pair::{Fate, Pair, Side, text};
use crate::undo::stall;
use crate::unpaced::config;

/// Both ends ESTABLISHED on a path of 50 ms without timestamps, `a` with a window of more than forty segments.
fn warm(sack: bool) -> Pair {
    let mut pair = Pair::opening(Config { timestamps: false, sack, ..config() }, config());
    pair.delay = Duration::from_millis(25);
    pair.run_for(Duration::from_secs(1));
    pair.send(Side::A, text(300 * 1000));
    assert!(pair.run_until(Duration::from_secs(5), |pair| pair.info().send_queued == 0));
    assert!(pair.info().cwnd >= 40_000, "{:?}", pair.info());
    pair.log.clear();
    pair
}

//= rfc5682#2.1-1
//= rfc5682#2.1-5
//= rfc5682#2.1-7
//= rfc5682#2.1-11
//= rfc5682#3.1-1
//= rfc5682#3.1-2
//= rfc5682#3.1-4
//= rfc5682#3.1-7
//= rfc5682#3.1-9
//= rfc5682#4-1
//= rfc4015#2-1
#[test]
fn a_spurious_timeout_is_found_by_the_second_ack_and_undone() {
    for sack in [true, false] {
        let mut pair = warm(sack);
        let before = pair.info();
        stall(&mut pair, Duration::from_millis(600));
        pair.send(Side::A, text(200 * 988));
        pair.run_for(Duration::from_millis(680));
        let info = pair.info();
        assert_eq!((info.timeouts, info.spurious_timeouts), (1, 1), "sack {sack}: {info:?}");
        assert!(info.cwnd >= before.cwnd && info.ssthresh >= before.ssthresh, "sack {sack}: {info:?}");
        assert!(info.retransmissions <= 2, "sack {sack}: nothing but the front and a probe: {info:?}");
        pair.run_for(Duration::from_secs(3));
        assert_eq!(pair.info().send_queued, 0);
    }
}

//= rfc5682#2.1-6
//= rfc5682#2.1-10
//= rfc5682#3.1-6
//= rfc5682#3.1-8
//= rfc5682#4-2
#[test]
fn a_true_timeout_is_not_undone() {
    for sack in [true, false] {
        let mut pair = warm(sack);
        let end = pair.now;
        pair.filter = Box::new(move |sent| {
            let lost = sent.from == Side::A && sent.at.since(end) < Duration::from_millis(260);
            if lost { Fate::Lost } else { Fate::Arrives }
        });
        pair.send(Side::A, text(100 * 988));
        pair.run_for(Duration::from_secs(3));
        let info = pair.info();
        assert!(info.timeouts >= 1, "sack {sack}: {info:?}");
        assert_eq!((info.undone, info.send_queued), (0, 0), "sack {sack}: {info:?}");
    }
}

/// Step 2b without anything new to send: there is no proof, and no stall.
//= rfc5682#2.1-9
#[test]
fn with_nothing_new_to_send_the_recovery_goes_on() {
    let mut pair = warm(false);
    stall(&mut pair, Duration::from_millis(600));
    pair.send(Side::A, text(30_000));
    pair.run_for(Duration::from_secs(2));
    let info = pair.info();
    assert_eq!((info.spurious_timeouts, info.send_queued), (0, 0), "{info:?}");
}

//= rfc5682#2.1-2
//= rfc5682#2.1-4
//= rfc5682#3.1-3
#[test]
fn a_timeout_in_the_middle_of_a_recovery_is_not_taken_for_spurious() {
    let mut pair = warm(true);
    let start = pair.now;
    let mut count = 0;
    // The first segment is lost, and all that follows the discovery of it is late.
    pair.filter = Box::new(move |sent| {
        count += u32::from(sent.from == Side::A);
        match (sent.from, count) {
            (Side::A, 1) => Fate::Lost,
            (Side::A, _) if sent.at.since(start) > Duration::from_millis(40) => Fate::Late(Duration::from_millis(800)),
            _ => Fate::Arrives,
        }
    });
    pair.send(Side::A, text(100 * 988));
    pair.run_for(Duration::from_secs(5));
    let info = pair.info();
    assert!(info.timeouts >= 1 && info.spurious_timeouts == 0, "{info:?}");
    assert_eq!(info.send_queued, 0);
}

/// The timeout was spurious, and yet a segment of the flight is lost: it is repaired as any other, not by a timeout.
//= rfc5682#3.1-10
//= rfc4015#4-1
#[test]
fn a_loss_among_what_was_only_late_is_repaired_by_fast_recovery() {
    for sack in [true, false] {
        let mut pair = warm(sack);
        let mut free = pair.now + Duration::from_millis(600);
        let mut count = 0;
        pair.filter = Box::new(move |sent| {
            if sent.from == Side::B {
                return Fate::Arrives;
            }
            count += 1;
            free = free.max(sent.at) + Duration::from_micros(100);
            if count == 50 { Fate::Lost } else { Fate::Late(free.since(sent.at)) }
        });
        pair.send(Side::A, text(200_000));
        assert!(pair.run_until(Duration::from_millis(1200), |pair| pair.info().send_queued == 0), "{:?}", pair.info());
        let info = pair.info();
        assert_eq!((info.timeouts, info.spurious_timeouts, info.fast_recoveries), (1, 1, 1), "sack {sack}: {info:?}");
    }
}
