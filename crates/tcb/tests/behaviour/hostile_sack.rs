//! SACK, D-SACK and timestamps of a peer that lies: no gain, no stall, no panic.

use std::time::Duration;

use sockeye_tcb::{Config, Segment, State};
use sockeye_wire::SeqNumber;
use sockeye_wire::tcp::{Flags, SackBlock, SackBlocks};

use crate::pair::{Fate, Pair, Random, Side, text};
use crate::unpaced::config;

/// `a` has sent ten segments from the returned place on, none of which arrived.
fn silent(with: Config) -> (Pair, SeqNumber) {
    let mut pair = Pair::established_with(with, config());
    pair.send(Side::A, text(988));
    pair.run_for(Duration::from_secs(1));
    pair.log.clear();
    pair.filter = Box::new(|_| Fate::Lost);
    pair.send(Side::A, text(10 * 988));
    let start = pair.sent_by(Side::A)[0].seq;
    (pair, start)
}

/// An ACK of everything before `ack` with `blocks`, as `b` might send it.
fn ack(pair: &Pair, ack: SeqNumber, blocks: &[(SeqNumber, SeqNumber)]) -> Segment {
    let ours = pair.sent_by(Side::A)[0].clone();
    let mut sack = SackBlocks::NONE;
    for &(left, right) in blocks {
        sack.push(SackBlock { left, right });
    }
    let mut segment = Segment { seq: ours.ack, ack, flags: Flags::ACK, ..pair.forge(Side::A) };
    segment.options.timestamps = None;
    segment.options.sack = sack;
    segment.window = u16::try_from(pair.info().snd_wnd >> 3).unwrap();
    segment
}

//= rfc6675#2-1
#[test]
fn blocks_of_what_was_never_sent_or_is_acknowledged_say_nothing() {
    let (mut pair, start) = silent(config());
    let end = start + 10 * 988;
    for block in [(end, end + 988), (start + 988, end + 1), (start - 2000, start - 1000), (start + 1976, start + 988)] {
        let segment = ack(&pair, start, &[block]);
        pair.inject(Side::A, segment).unwrap();
        assert_eq!((pair.info().sacked, pair.info().lost), (0, 0), "{block:?}");
    }
}

/// FIELD D37, CVE-2019-11477: single octets mark nothing, and cost nothing.
#[test]
fn blocks_within_segments_mark_nothing() {
    let (mut pair, start) = silent(config());
    let mut random = Random(1);
    for _ in 0..5_000 {
        let mut blocks = Vec::new();
        for _ in 0..4 {
            let segment = u32::try_from(random.below(10)).unwrap() * 988;
            let from = u32::try_from(random.below(900)).unwrap();
            blocks.push((start + segment + from, start + segment + from + 1 + from % 80));
        }
        let segment = ack(&pair, start, &blocks);
        pair.inject(Side::A, segment).unwrap();
    }
    assert_eq!((pair.info().sacked, pair.info().segments_lost), (0, 0));
}

/// FIELD D36: everything is acknowledged, and an old block comes with it.
#[test]
fn an_old_block_beside_the_ack_of_everything_is_ignored() {
    let (mut pair, start) = silent(config());
    let end = start + 10 * 988;
    let segment = ack(&pair, end, &[(start + 988, start + 1976), (start + 2964, end)]);
    pair.inject(Side::A, segment).unwrap();
    let info = pair.info();
    assert_eq!((info.in_flight, info.sacked, info.send_queued, info.undone), (0, 0, 0, 0));
    let again = ack(&pair, end, &[(start + 988, start + 1976)]);
    pair.inject(Side::A, again).unwrap();
    assert_eq!(pair.info().retransmissions, 0);
}

/// FIELD D36: a peer that drops what it had selectively acknowledged.
//= rfc2018#3-3
//= rfc2018#3-4
//= rfc2018#5-3
//= rfc2018#5-4
//= rfc2018#5-5
//= rfc2018#8-4
//= rfc6675#4-3
//= rfc6675#5.1-1
#[test]
fn a_peer_that_reneges_gets_everything_again() {
    let (mut pair, start) = silent(config());
    pair.now += Duration::from_millis(30);
    let segment = ack(&pair, start, &[(start + 988, start + 10 * 988)]);
    pair.inject(Side::A, segment).unwrap();
    assert_eq!(pair.info().sacked, 9 * 988);
    // From now on segments arrive, and `b` has nothing of what it reported.
    pair.filter = Box::new(|_| Fate::Arrives);
    pair.run_for(Duration::from_secs(10));
    assert_eq!(pair.b.received.len(), 11 * 988);
    assert!(pair.info().renegings >= 1, "{:?}", pair.info());
    assert_eq!((pair.info().sacked, pair.info().in_flight), (0, 0));
}

/// Forged reports of duplicates neither undo a true loss nor widen the reordering window without bound.
//= rfc3708#3-5
//= rfc8985#3.3.2-4
#[test]
fn forged_duplicates_give_nothing() {
    let mut pair = Pair::established_with(Config { timestamps: false, ..config() }, config());
    pair.lose(&[20]);
    pair.send(Side::A, text(100 * 988));
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.info().fast_recoveries, 1);
    let end = pair.sent_by(Side::A).last().unwrap().end();
    pair.send(Side::A, text(988));
    let ssthresh = pair.info().ssthresh;
    for i in 0..500 {
        let left = end - 988 * (2 + i % 40);
        let segment = ack(&pair, end, &[(left, left + 988)]);
        pair.inject(Side::A, segment).unwrap();
    }
    let info = pair.info();
    assert!(info.reordering_window <= info.srtt.unwrap(), "{info:?}");
    assert_eq!((info.undone, info.ssthresh), (0, ssthresh), "{info:?}");
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.info().send_queued, 0);
}

/// ACK division: a window's worth of ACKs for each segment doesn't look like progress (RFC 3465).
#[test]
fn an_ack_of_each_octet_opens_the_window_no_faster() {
    let (mut pair, start) = silent(config());
    let cwnd = pair.info().cwnd;
    for octet in 1..=988 {
        let segment = ack(&pair, start + octet, &[]);
        pair.inject(Side::A, segment).unwrap();
    }
    assert!(pair.info().cwnd <= cwnd + 988, "{} -> {}", cwnd, pair.info().cwnd);
    assert_eq!(pair.info().segments_lost, 0);
}

/// The window is closed in the middle of a recovery, for a while.
#[test]
fn a_window_that_shrinks_to_nothing_in_a_recovery_does_not_end_it() {
    let (mut pair, start) = silent(config());
    pair.now += Duration::from_millis(30);
    let mut segment = ack(&pair, start, &[(start + 988, start + 5 * 988)]);
    segment.window = 0;
    pair.inject(Side::A, segment).unwrap();
    pair.run_for(Duration::from_secs(20));
    pair.filter = Box::new(|_| Fate::Arrives);
    pair.run_for(Duration::from_secs(120));
    assert_eq!(pair.b.received.len(), 11 * 988, "{:?}", pair.info());
    assert_eq!(pair.a.tcb.state(), State::Established);
}

/// An echo from the future, and one from long ago: neither is a round-trip time, nor undoes anything true.
#[test]
fn forged_echoes_do_not_move_the_timeout() {
    let (mut pair, start) = silent(config());
    let before = pair.info().rto;
    assert!(pair.run_until(Duration::from_secs(5), |pair| pair.a.tcb.info(pair.now).timeouts == 1));
    let ours = pair.sent_by(Side::A)[0].options.timestamps.unwrap();
    for (i, echo) in (1..).zip([ours.value.wrapping_add(1 << 30), ours.value.wrapping_sub(1 << 30)]) {
        let mut segment = ack(&pair, start + i * 988, &[]);
        segment.options.timestamps = Some(sockeye_wire::tcp::Timestamps { value: ours.echo + 1000, echo });
        pair.inject(Side::A, segment).unwrap();
        assert!(pair.info().rto <= before + Duration::from_secs(1), "{:?}", pair.info());
    }
}

/// Random blocks, random ACKs: whatever is said, all arrives in the end.
#[test]
fn random_lies_end_in_a_whole_stream_or_none() {
    for seed in 0..200 {
        let mut random = Random(seed);
        let mut pair = Pair::established_with(Config { timestamps: seed % 2 == 0, ..config() }, config());
        pair.send(Side::A, text(60_000));
        let start = pair.sent_by(Side::A)[0].seq;
        for _ in 0..50 {
            pair.run_for(Duration::from_millis(random.below(8)));
            let mut place = |limit: u64| start + u32::try_from(random.below(limit)).unwrap();
            let blocks = [0; 4].map(|_| (place(62_000), place(62_000)));
            let una = pair.sent_by(Side::B).last().map_or(start, |segment| segment.ack);
            let segment = ack(&pair, una, &blocks);
            let _ = pair.inject(Side::A, segment);
        }
        assert!(
            pair.run_until(Duration::from_secs(600), |pair| pair.b.received.len() == 60_000),
            "seed {seed}: {:?}",
            pair.info()
        );
    }
}
