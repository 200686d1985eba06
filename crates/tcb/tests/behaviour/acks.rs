//! How often the receiver of text acknowledges.

use std::time::Duration;

use bytes::Bytes;
use sockeye_tcb::Segment;

use crate::pair::{Fate, Pair, Side, text};

const DELAYED: Duration = Duration::from_millis(40);

/// The quick ACKs of a new connection are used up.
fn settled() -> Pair {
    let mut pair = Pair::established();
    for _ in 0..20 {
        wait(&mut pair);
    }
    assert_eq!(wait(&mut pair), DELAYED);
    pair
}

/// How long the ACK of the next lone segment of `a` waits.
fn wait(pair: &mut Pair) -> Duration {
    pair.log.clear();
    pair.send(Side::A, text(10));
    pair.run_for(Duration::from_millis(100));
    let first = |side| pair.log.iter().find(|sent| sent.from == side).unwrap().at;
    first(Side::B).since(first(Side::A) + pair.delay)
}

/// The next lone segments of `a` are acknowledged at once; later ones not.
fn hurries_for_a_while(pair: &mut Pair) {
    let waits: Vec<Duration> = (0..20).map(|_| wait(pair)).collect();
    let quick = waits.iter().take_while(|wait| wait.is_zero()).count();
    assert!((8..=16).contains(&quick), "{waits:?}");
    assert!(waits[quick..].iter().all(|wait| *wait == DELAYED), "{waits:?}");
}

#[test]
fn after_a_loss_each_segment_is_acknowledged_at_once_for_a_while() {
    let mut pair = settled();
    pair.lose(&[1]);
    pair.send(Side::A, text(5000));
    pair.run_for(Duration::from_millis(100));
    assert_eq!(pair.info().segments_lost, 1);
    hurries_for_a_while(&mut pair);
}

#[test]
fn after_reordering_and_after_a_duplicate_too() {
    for fate in [Fate::Late(Duration::from_millis(2)), Fate::Twice] {
        let mut pair = settled();
        let mut first = true;
        pair.filter = Box::new(move |_| if core::mem::take(&mut first) { fate } else { Fate::Arrives });
        pair.send(Side::A, text(2000));
        pair.run_for(Duration::from_millis(100));
        hurries_for_a_while(&mut pair);
    }
}

#[test]
fn after_a_pause_longer_than_a_timeout_too() {
    let mut pair = settled();
    pair.run_for(Duration::from_millis(100));
    assert_eq!(wait(&mut pair), DELAYED, "that was none");
    pair.run_for(Duration::from_secs(1));
    hurries_for_a_while(&mut pair);
}

#[test]
fn an_ack_waits_for_the_answer_where_answers_come() {
    let mut pair = Pair::established();
    let exchange = |pair: &mut Pair| {
        pair.log.clear();
        pair.send(Side::A, text(100));
        pair.run_for(Duration::from_millis(12));
        pair.send(Side::B, text(100));
        pair.run_for(Duration::from_millis(9));
        pair.sent_by(Side::B).len()
    };
    assert_eq!(exchange(&mut pair), 2, "an ACK and the answer: nobody could know");
    for _ in 0..20 {
        assert_eq!(exchange(&mut pair), 1, "the answer");
    }
    assert_eq!(wait(&mut pair), DELAYED);
    assert_eq!(wait(&mut pair), Duration::ZERO, "the last got no answer");
}

/// The peer still sends, and what it sends gets no answers from there on.
#[test]
fn a_close_is_no_answer() {
    let mut pair = settled();
    pair.send(Side::A, text(10));
    pair.run_for(Duration::from_millis(12));
    pair.close(Side::B);
    pair.run_for(Duration::from_secs(2));
    hurries_for_a_while(&mut pair);
}

#[test]
fn what_arrived_merged_gets_one_ack_at_once() {
    let mut pair = settled();
    let merged = Segment { payload: Bytes::from(text(9880)), segment_size: 988, ..pair.forge(Side::A) };
    pair.log.clear();
    pair.inject(Side::B, merged.clone()).unwrap();
    pair.settle();
    let acks: Vec<_> = pair.sent_by(Side::B).iter().map(|ack| ack.ack).collect();
    assert_eq!(acks, [merged.end()]);
}

#[test]
fn every_second_of_smaller_segments_is_acknowledged_once_a_path_takes_no_larger() {
    let mut pair = settled();
    pair.send(Side::A, text(4 * 988));
    pair.run_for(Duration::from_millis(100));
    assert_eq!(pair.b.tcb.info(pair.now).rcv_mss, 988);
    let mut small = pair.forge(Side::A);
    small.payload = Bytes::from(text(300));
    let mut acks = Vec::new();
    for _ in 0..6 {
        pair.log.clear();
        pair.inject(Side::B, small.clone()).unwrap();
        pair.settle();
        acks.push(pair.sent_by(Side::B).len());
        small.seq = small.end();
    }
    assert_eq!(pair.b.tcb.info(pair.now).rcv_mss, 300);
    assert_eq!(acks, [0, 1, 0, 1, 0, 1]);
}
