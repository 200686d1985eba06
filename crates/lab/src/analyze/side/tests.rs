//! What a side remembers has an end.

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
