//! What a side remembers has an end.

use super::*;

fn side() -> Side {
    Side::new(([10, 0, 0, 1], 1000).into())
}

#[test]
fn octets_with_gaps_below_a_jump_are_not_remembered_without_end() {
    let mut side = side();
    side.numbers.max = 1 << 30;
    for start in (0..2 * REMEMBERED.cast_signed() as i64).map(|number| number * 10) {
        side.write_down(Instant::ZERO, &(start..start + 1));
    }
    assert_eq!(side.outstanding.len(), REMEMBERED);
    assert_eq!(side.record(0).map(|sent| sent.start), None, "the first make room");
    let last = 20 * REMEMBERED.cast_signed() as i64 - 10;
    assert_eq!(side.record(last).map(|sent| sent.start), Some(last));
    // Below all that there is: it would be the first to go.
    side.write_down(Instant::ZERO, &(5..6));
    assert_eq!((side.outstanding.len(), side.record(5).is_none()), (REMEMBERED, true));
    side.write_down(Instant::ZERO, &((1 << 30) - 1..(1 << 30) + 1));
    assert_eq!(side.outstanding.len(), REMEMBERED);
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
