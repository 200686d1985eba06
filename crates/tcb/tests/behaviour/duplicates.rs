//! Text that came twice, and how it is reported (RFC 2883).

use std::time::Duration;

use bytes::Bytes;
use sockeye_tcb::Segment;
use sockeye_wire::tcp::SackBlock;

use crate::pair::{Pair, Side, config, text};
use crate::unpaced;

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
