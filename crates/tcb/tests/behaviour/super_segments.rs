//! What leaves together on a short path, where a super-segment costs as much if it is small.

use std::time::Duration;

use sockeye_tcb::congestion::Algorithm;
use sockeye_tcb::{Config, Segment};
use sockeye_wire::tcp::Flags;

use crate::congestion::{Steady, WIDE};
use crate::pair::{Pair, Side, config, text};
use crate::unpaced;

/// Octets of one super-segment at most: 65 segments.
const LIMIT: u32 = 65_000;
/// Three super-segments and a tenth of one.
const WINDOW: u32 = 200_000;
const FULL: Algorithm =
    Algorithm::new("full", |_initial| Box::new(Steady { window: WINDOW, rate: Some(1 << 50), ..WIDE }));

/// A pair that has measured a round trip of so much.
fn pair(config_a: Config, round_trip: Duration) -> Pair {
    let mut pair = Pair::opening(config_a, config());
    pair.delay = round_trip / 2;
    pair.limit = LIMIT;
    pair.run_for(Duration::from_millis(100));
    pair.send(Side::A, text(1));
    pair.run_for(Duration::from_millis(100));
    pair.log.clear();
    pair
}

/// What an ACK says that would follow what `pair` has sent: so many segments of its first ones have come.
fn ack(pair: &Pair, first: &Segment, segments: u32) -> Segment {
    let mut ack = crate::open::segment(first.ack, first.seq + segments * 988, Flags::ACK);
    ack.arrived_at = pair.now;
    ack.window = u16::try_from(pair.a.tcb.info(pair.now).snd_wnd >> 3).unwrap();
    ack
}

#[test]
fn room_for_less_than_a_super_segment_waits_for_more_on_a_short_path() {
    for (round_trip, [first, two, more]) in
        [(Duration::from_micros(400), [195, 0, 65]), (Duration::from_millis(20), [202, 2, 66])]
    {
        let mut pair = pair(Config { congestion: FULL, ..config() }, round_trip);
        pair.send(Side::A, text(1_000_000));
        let sent = pair.sent_by(Side::A);
        assert_eq!(sent.len(), first, "what fits into the window");
        pair.now += round_trip;
        for (acknowledged, expected) in [(2, two), (66, more)] {
            let ack = ack(&pair, &sent[0], acknowledged);
            pair.inject(Side::A, ack).unwrap();
            assert_eq!(pair.sent_by(Side::A).len() - sent.len(), expected, "{round_trip:?}, {acknowledged}");
        }
    }
}

/// A window of ten segments, of which the first is missing: not a third of it is free.
//= rfc3042#2-1
//= rfc5681#3.2-4
#[test]
fn near_by_too_each_of_the_first_two_duplicate_acks_lets_a_segment_out() {
    let mut pair = pair(Config { sack: false, ..unpaced::config() }, Duration::from_micros(400));
    pair.lose(&[0]);
    pair.send(Side::A, text(100_000));
    let duplicate = ack(&pair, &pair.sent_by(Side::A)[0], 0);
    let before = pair.sent_by(Side::A).len();
    for expected in [1, 2] {
        pair.inject(Side::A, duplicate.clone()).unwrap();
        assert_eq!(pair.sent_by(Side::A).len() - before, expected);
    }
}
