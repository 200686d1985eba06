//! Sequence numbers: places in a byte stream, modulo 2^32 (RFC 9293 section 3.4).

use core::fmt;
use core::ops::{Add, AddAssign, Sub};

/// A place in the byte stream, modulo 2^32. Not `Ord`, on purpose: on a circle `a < b < c < a` is possible.
///
/// Comparisons hold for two numbers less than 2^31 apart, which a window of at most 2^30 bytes guarantees.
///
/// ```
/// # use sockeye_wire::SeqNumber;
/// let before_wrap = SeqNumber::new(u32::MAX);
/// let after_wrap = before_wrap + 2;
/// assert_eq!(after_wrap, SeqNumber::new(1));
/// assert!(before_wrap.before(after_wrap));
/// assert_eq!(after_wrap.since(before_wrap), 2);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SeqNumber(u32);

impl SeqNumber {
    /// The sequence number with this value on the wire.
    pub const fn new(value: u32) -> Self {
        Self(value)
    }

    /// The value on the wire.
    pub const fn value(self) -> u32 {
        self.0
    }

    //= rfc9293#3.4-4
    /// True if `self` comes before `other`.
    pub const fn before(self, other: Self) -> bool {
        self.0.wrapping_sub(other.0).cast_signed() < 0
    }

    /// True if `self` comes after `other`.
    pub const fn after(self, other: Self) -> bool {
        other.before(self)
    }

    /// True if `self` is `other` or comes before it.
    pub const fn at_or_before(self, other: Self) -> bool {
        !other.before(self)
    }

    /// True if `self` is `other` or comes after it.
    pub const fn at_or_after(self, other: Self) -> bool {
        !self.before(other)
    }

    /// Octets from `earlier` to `self`, modulo 2^32: the caller knows that `earlier` is not after `self`.
    pub const fn since(self, earlier: Self) -> u32 {
        self.0.wrapping_sub(earlier.0)
    }

    /// Octets from `earlier` to `self`, or 0 if `self` comes before `earlier`.
    pub const fn saturating_since(self, earlier: Self) -> u32 {
        if self.before(earlier) { 0 } else { self.since(earlier) }
    }

    /// The later of two.
    #[must_use]
    pub const fn max(self, other: Self) -> Self {
        if self.before(other) { other } else { self }
    }

    /// The earlier of two.
    #[must_use]
    pub const fn min(self, other: Self) -> Self {
        if other.before(self) { other } else { self }
    }

    /// True if `self` lies in the window of `length` octets that begins at `start`.
    pub const fn is_within(self, start: Self, length: u32) -> bool {
        self.since(start) < length
    }
}

impl Add<u32> for SeqNumber {
    type Output = Self;

    fn add(self, octets: u32) -> Self {
        Self(self.0.wrapping_add(octets))
    }
}

impl AddAssign<u32> for SeqNumber {
    fn add_assign(&mut self, octets: u32) {
        *self = *self + octets;
    }
}

impl Sub<u32> for SeqNumber {
    type Output = Self;

    fn sub(self, octets: u32) -> Self {
        Self(self.0.wrapping_sub(octets))
    }
}

impl fmt::Debug for SeqNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

impl fmt::Display for SeqNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::format;

    use super::*;

    #[test]
    fn after_is_before_seen_from_the_other_side_also_where_numbers_wrap() {
        for (one, other) in [(1, 2), (u32::MAX, 0), (u32::MAX - 5, 1 << 30)] {
            let (one, other) = (SeqNumber::new(one), SeqNumber::new(other));
            assert!(one.before(other) && other.after(one) && !one.after(other) && !other.before(one));
            assert!(one.at_or_before(one) && one.at_or_after(one) && !one.before(one) && !one.after(one));
        }
    }

    #[test]
    fn people_read_the_number_on_the_wire() {
        assert_eq!(format!("{0} {0:?}", SeqNumber::new(7)), "7 #7");
    }
}
