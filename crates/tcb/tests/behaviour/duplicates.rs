//! Text that came twice, and how it is reported (RFC 2883).

use std::time::Duration;

use bytes::Bytes;
use sockeye_tcb::{Segment, Stop};
use sockeye_wire::tcp::SackBlock;

use crate::pair::{Pair, Side, config, text};
use crate::unpaced;

//= rfc2883#4-1
//= rfc2883#4-2
//= rfc2883#4-3
//= rfc2883#4-4
//= rfc2883#4.1.1-1
#[test]
fn a_segment_that_comes_twice_is_reported_once_as_a_duplicate() {
    let mut pair = Pair::established();
    pair.send(Side::A, text(500));
    pair.run_for(Duration::from_secs(1));
    let segment = pair.sent_by(Side::A)[0].clone();
    pair.log.clear();
    let _ = pair.inject(Side::B, segment.clone());
    let answer = pair.sent_by(Side::B)[0].clone();
    let block = answer.options.sack.as_slice()[0];
    assert_eq!((block.left, block.right, answer.ack), (segment.seq, segment.end(), segment.end()));
    pair.send(Side::A, text(500));
    pair.run_for(Duration::from_secs(1));
    assert!(pair.sent_by(Side::B).last().unwrap().options.sack.is_empty());
}

/// As where a device hands over what it merged.
//= rfc2883#4-1
//= rfc2883#4-4
//= rfc2883#4.2-1
#[test]
fn a_duplicate_in_pieces_is_reported_as_one() {
    let mut pair = Pair::established_with(unpaced::config(), config());
    pair.lose(&[0]);
    pair.send(Side::A, text(4 * 988));
    pair.run_for(Duration::from_millis(15));
    let sent = pair.sent_by(Side::A);
    let again = Segment { more: vec![sent[2].payload.clone(), Bytes::from(text(500))], ..sent[1].clone() };
    pair.inject(Side::B, again).unwrap();
    let blocks = pair.sent_by(Side::B).last().unwrap().options.sack;
    let (left, right) = (sent[1].seq, sent[3].seq + 500);
    assert_eq!(blocks.as_slice(), [SackBlock { left, right }, SackBlock { left, right: sent[3].end() }]);
}

//= rfc2883#4-5
//= rfc2883#4-6
#[test]
fn a_duplicate_of_what_waits_is_reported_before_the_block_that_holds_it() {
    let mut pair = Pair::established_with(unpaced::config(), config());
    pair.lose(&[0]);
    pair.send(Side::A, text(3 * 988));
    pair.run_for(Duration::from_millis(15));
    let sent = pair.sent_by(Side::A);
    pair.inject(Side::B, sent[1].clone()).unwrap();
    let blocks = pair.sent_by(Side::B).last().unwrap().options.sack;
    let block = |left, right| SackBlock { left, right };
    assert_eq!(blocks.as_slice(), [block(sent[1].seq, sent[1].end()), block(sent[1].seq, sent[2].end())]);
}

/// Else who sent it knew the text to have arrived, but not the segment, and sent all of that again.
//= rfc2018#4-5
#[test]
fn a_fin_that_waits_behind_its_text_is_reported_with_it() {
    let mut pair = Pair::established_with(unpaced::config(), config());
    pair.lose(&[0]);
    pair.send(Side::A, text(3 * 988));
    pair.close(Side::A);
    pair.run_for(Duration::from_millis(15));
    let sent = pair.sent_by(Side::A);
    let last = sent.last().unwrap();
    assert!(last.flags.fin);
    let blocks = pair.sent_by(Side::B).last().unwrap().options.sack;
    assert_eq!(blocks.as_slice(), [SackBlock { left: sent[1].seq, right: last.end() }]);
}

//= rfc2883#4.3-1
#[test]
fn a_duplicate_with_an_old_timestamp_is_reported_too() {
    let mut pair = Pair::established();
    pair.send(Side::A, text(500));
    pair.run_for(Duration::from_secs(1));
    let old = pair.sent_by(Side::A)[0].clone();
    pair.send(Side::A, text(500));
    pair.run_for(Duration::from_secs(1));
    let _ = pair.inject(Side::B, old.clone());
    assert_eq!(pair.b.stops, [Stop::Paws]);
    let answer = pair.sent_by(Side::B).last().unwrap().clone();
    assert_eq!(answer.options.sack.as_slice(), [SackBlock { left: old.seq, right: old.end() }]);
}
