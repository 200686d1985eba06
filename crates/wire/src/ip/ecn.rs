//! Explicit congestion notification in the IP header (RFC 3168 section 5).

/// The two lower bits of what was the type of service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Ecn {
    /// The transport doesn't understand marks.
    #[default]
    NotEct,
    /// It does: ECT(1), with which L4S asks for marks early and often (RFC 9331).
    Ect1,
    /// It does: ECT(0).
    Ect0,
    /// Congestion experienced: a router would have liked to drop the packet.
    Ce,
}

impl Ecn {
    /// Of the octet that also holds the Diffserv code point.
    //= rfc3168#5-1
    pub const fn of(traffic_class: u8) -> Self {
        match traffic_class & 3 {
            0 => Self::NotEct,
            1 => Self::Ect1,
            2 => Self::Ect0,
            _ => Self::Ce,
        }
    }

    /// The two bits.
    pub const fn bits(self) -> u8 {
        match self {
            Self::NotEct => 0,
            Self::Ect1 => 1,
            Self::Ect0 => 2,
            Self::Ce => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_survive() {
        for octet in 0..=u8::MAX {
            assert_eq!(Ecn::of(octet).bits(), octet & 3);
        }
    }
}
