//! TCP options: the set that a segment carries, as meaning.

use super::SackBlocks;

/// The timestamps option (RFC 7323 section 3), both fields in the ticks of whoever sent them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Timestamps {
    /// `TSval`: the sender's clock.
    pub value: u32,
    /// `TSecr`: the clock of the other side as last heard; meaningful only with ACK.
    pub echo: u32,
}

/// The user timeout option (RFC 5482 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserTimeout {
    /// The time, in seconds: granularity already applied, at most 32767 minutes.
    pub seconds: u32,
}

/// A Fast Open cookie (RFC 7413 section 4.1.1): empty as a request, else 4 to 16 octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FastOpenCookie {
    octets: [u8; 16],
    length: u8,
}

impl FastOpenCookie {
    /// A request for a cookie.
    pub const REQUEST: Self = Self { octets: [0; 16], length: 0 };

    /// The cookie with these octets; `None` unless there are 0, or 4 to 16 and an even number.
    pub fn new(cookie: &[u8]) -> Option<Self> {
        if !matches!(cookie.len(), 0 | 4 | 6 | 8 | 10 | 12 | 14 | 16) {
            return None;
        }
        let mut octets = [0; 16];
        octets.iter_mut().zip(cookie).for_each(|(to, from)| *to = *from);
        Some(Self { octets, length: u8::try_from(cookie.len()).ok()? })
    }

    /// The cookie's octets; none in a request.
    pub fn octets(&self) -> &[u8] {
        self.octets.get(..usize::from(self.length)).unwrap_or_default()
    }
}

/// The options of one segment. What a segment doesn't carry, or carries in an illegal form, is absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Options {
    /// Maximum segment size, in octets (RFC 9293 section 3.7.1); raw: 0 is possible.
    pub mss: Option<u16>,
    /// Window scale shift (RFC 7323 section 2); raw: above 14 is possible.
    pub window_scale: Option<u8>,
    /// SACK permitted (RFC 2018 section 2).
    pub sack_permitted: bool,
    /// Timestamps.
    pub timestamps: Option<Timestamps>,
    /// SACK blocks.
    pub sack: SackBlocks,
    /// User timeout.
    pub user_timeout: Option<UserTimeout>,
    /// Fast Open cookie or the request for one.
    pub fast_open: Option<FastOpenCookie>,
}

impl Options {
    /// No option.
    pub const NONE: Self = Self {
        mss: None,
        window_scale: None,
        sack_permitted: false,
        timestamps: None,
        sack: SackBlocks::NONE,
        user_timeout: None,
        fast_open: None,
    };
}
