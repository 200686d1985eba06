//! Peers of whom nothing but duplicate ACKs is known (RFC 5681 section 3.2, RFC 6582).

use std::time::Duration;

use sockeye_tcb::{Config, Segment};
use sockeye_wire::SeqNumber;
use sockeye_wire::tcp::Flags;

use crate::pair::{Fate, ISS_A, Pair, Side, config, text};
use crate::unpaced;

/// An ACK of everything before `ack` from a peer without SACK, the window being what it was.
fn plain_ack(pair: &Pair, ack: SeqNumber) -> Segment {
    let mut segment = crate::open::segment(pair.sent_by(Side::A)[0].ack, ack, Flags::ACK);
    segment.window = u16::try_from(pair.info().snd_wnd >> 3).unwrap();
    segment
}

/// One octet was sent and acknowledged; from now on nothing arrives.
fn without_sack() -> Pair {
    let mut pair = Pair::established_with(Config { sack: false, timestamps: false, ..unpaced::config() }, config());
    pair.send(Side::A, text(1));
    pair.run_for(Duration::from_secs(1));
    pair.log.clear();
    pair.filter = Box::new(|_| Fate::Lost);
    pair
}

/// They answer what the timeout had sent again, as `recover` remembers even where nothing was outstanding in between.
//= rfc6582#3.2-2
#[test]
fn duplicates_of_what_a_timeout_repaired_begin_no_recovery() {
    let mut pair = without_sack();
    pair.send(Side::A, text(5_000));
    assert!(pair.run_until(Duration::from_secs(3), |pair| pair.info().timeouts == 1));
    let end = ISS_A + 2 + 5_000;
    let duplicate = plain_ack(&pair, end);
    pair.inject(Side::A, duplicate.clone()).unwrap();
    pair.send(Side::A, text(50_000));
    for _ in 0..5 {
        pair.inject(Side::A, duplicate.clone()).unwrap();
    }
    assert_eq!((pair.info().fast_recoveries, pair.times_sent(Side::A, end)), (0, 1));
    // Once something new is acknowledged they mean a loss again.
    let further = plain_ack(&pair, end + u32::from(pair.info().snd_mss));
    for _ in 0..4 {
        pair.inject(Side::A, further.clone()).unwrap();
    }
    assert_eq!(pair.info().fast_recoveries, 1);
}

/// Too little was sent again to be answered by three.
//= rfc6582#4.1-1
#[test]
fn duplicates_of_a_short_flight_that_a_timeout_repaired_begin_a_recovery() {
    let mut pair = without_sack();
    let mss = u32::from(pair.info().snd_mss);
    pair.send(Side::A, text(3_000));
    assert!(pair.run_until(Duration::from_secs(3), |pair| pair.info().timeouts == 1));
    let end = ISS_A + 2 + 3_000;
    assert!(3_000 <= 4 * mss);
    let duplicate = plain_ack(&pair, end);
    pair.inject(Side::A, duplicate.clone()).unwrap();
    pair.send(Side::A, text(50_000));
    for _ in 0..3 {
        pair.inject(Side::A, duplicate.clone()).unwrap();
    }
    assert_eq!((pair.info().fast_recoveries, pair.times_sent(Side::A, end)), (1, 2));
}

//= rfc6582#3.2-5
#[test]
fn an_ack_of_a_piece_does_not_have_the_rest_of_the_segment_sent_again() {
    let mut pair = without_sack();
    pair.send(Side::A, text(50_000));
    let (una, mss) = (ISS_A + 2, u32::from(pair.info().snd_mss));
    for ack in [una; 3] {
        let duplicate = plain_ack(&pair, ack);
        pair.inject(Side::A, duplicate).unwrap();
    }
    assert_eq!(pair.times_sent(Side::A, una), 2, "the third brings it again");
    for piece in [100, 200, 300] {
        let partial = plain_ack(&pair, una + piece);
        pair.inject(Side::A, partial).unwrap();
        assert_eq!(pair.times_sent(Side::A, una + piece), 0);
    }
    let partial = plain_ack(&pair, una + mss);
    pair.inject(Side::A, partial).unwrap();
    assert_eq!(pair.times_sent(Side::A, una + mss), 2, "the next hole");
}
