//! What a side remembers has an end.

use sockeye_wire::tcp::Flags;

use super::*;

fn side() -> Side {
    Side::new(([10, 0, 0, 1], 1000).into())
}

#[test]
fn blocks_with_gaps_are_not_remembered_without_end() {
    let mut side = side();
    side.numbers.max = 1 << 30;
    for start in (1..=2 * SACKED.cast_signed() as i64).map(|number| number * 10) {
        side.sacked(Instant::ZERO, &(start..start + 1));
    }
    assert_eq!(side.sacked.len(), SACKED);
    assert!(side.sacked.contains(&(20 * SACKED.cast_signed() as i64)), "the lowest make room");
}

#[test]
fn what_left_before_what_overtook_it_was_not_sent_again() {
    let segment = |millis: u64, seq, value| Segment {
        at: Instant::from_nanos(millis * 1_000_000),
        id: 0,
        source: ([10, 0, 0, 1], 1000).into(),
        destination: ([10, 0, 0, 2], 2000).into(),
        seq: SeqNumber::new(seq),
        ack: SeqNumber::new(1),
        flags: Flags::ACK,
        window: 1000,
        options: Options { timestamps: Some(Timestamps { value, echo: 0 }), ..Options::NONE },
        text_len: 1000,
        text: None,
        options_len: 12,
    };
    for (value, expected) in [(u32::MAX, Class::OutOfOrder), (40, Class::Again(Sending::Fast))] {
        let mut side = side();
        for (millis, start, value) in [(0, 0, u32::MAX - 9), (10, 2000, 30)] {
            let segment = segment(millis, start, value);
            let range = i64::from(start)..i64::from(start) + 1000;
            side.sent(&segment, &range, side.classify(&segment, &range));
        }
        side.numbers.duplicates = 3;
        let late = segment(60, 1000, value);
        assert_eq!(side.classify(&late, &(1000..2000)), expected, "its clock told {value}");
    }
}
