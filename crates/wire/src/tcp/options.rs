//! TCP options: the set that a segment carries, as meaning.

use super::option_iter::{
    FAST_OPEN, MSS, NOP, OptionIter, SACK, SACK_PERMITTED, TIMESTAMPS, TcpOption, USER_TIMEOUT, WINDOW_SCALE,
};
use super::{SackBlock, SackBlocks};

/// The timestamps option (RFC 7323 section 3), both fields in the ticks of whoever sent them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Timestamps {
    /// `TSval`: the sender's clock.
    pub value: u32,
    /// `TSecr`: the clock of the other side as last heard; meaningful only with ACK.
    pub echo: u32,
}

impl Timestamps {
    /// Octets that the option takes in a header, with the no-operations in front of it.
    pub(super) const LEN: usize = 12;

    //= rfc7323#5.2-1
    /// True if the time `value` of some clock is older than `other` of the same, modulo 2^32 (RFC 7323 section 5.2).
    ///
    /// ```
    /// # use sockeye_wire::tcp::Timestamps;
    /// assert!(Timestamps::is_older(u32::MAX, 3));
    /// assert!(!Timestamps::is_older(3, 3));
    /// ```
    pub const fn is_older(value: u32, other: u32) -> bool {
        value.wrapping_sub(other).cast_signed() < 0
    }

    //= rfc7323#A-1
    /// What [`Self::alone`] reads.
    #[inline]
    pub(super) const fn encode_alone(self) -> [u8; Self::LEN] {
        let ([a, b, c, d], [e, f, g, h]) = (self.value.to_be_bytes(), self.echo.to_be_bytes());
        [NOP, NOP, TIMESTAMPS, 10, a, b, c, d, e, f, g, h]
    }

    /// What stands in `bytes` if that is this option and nothing else, as in nearly every segment (RFC 7323 appendix A).
    #[inline]
    pub(super) const fn alone(bytes: &[u8]) -> Option<Self> {
        match *bytes {
            [NOP, NOP, TIMESTAMPS, 10, a, b, c, d, e, f, g, h] => {
                Some(Self { value: u32::from_be_bytes([a, b, c, d]), echo: u32::from_be_bytes([e, f, g, h]) })
            }
            _ => None,
        }
    }
}

/// The user timeout option (RFC 5482 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserTimeout {
    /// The time, in seconds, above 0. Up to 32,767 go out as they are, more in whole minutes, rounded down, and at most
    /// 32,767 of them.
    pub seconds: u32,
}

impl UserTimeout {
    //= rfc5482#3.3-1
    /// The 16 bits of the option: seconds, or minutes with the highest bit set where seconds don't fit.
    fn field(self) -> u16 {
        match u16::try_from(self.seconds) {
            Ok(seconds) if seconds < 0x8000 => seconds,
            _ => 0x8000 | u16::try_from(self.seconds / 60).unwrap_or(u16::MAX).min(0x7fff),
        }
    }
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
///
/// Four belong to the handshake and are sent, and heard, in a segment with SYN only: maximum segment size, window scale,
/// SACK permitted and Fast Open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Options {
    /// Maximum segment size, in octets (RFC 9293 section 3.7.1); raw: 0 is possible.
    pub mss: Option<u16>,
    /// Window scale shift (RFC 7323 section 2). As it arrived: above 14 is possible, but never sent.
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

    /// Octets of option space in a header.
    pub const MAX_LEN: usize = 40;

    /// The largest window scale shift that is sent (RFC 7323 section 2.3).
    pub const MAX_WINDOW_SCALE: u8 = 14;

    /// What the options in `bytes` say, those that stand between the fixed header and the text. The last of a kind
    /// counts.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut options = Self::NONE;
        for option in OptionIter::new(bytes) {
            match option {
                TcpOption::Mss(mss) => options.mss = Some(mss),
                TcpOption::WindowScale(shift) => options.window_scale = Some(shift),
                TcpOption::SackPermitted => options.sack_permitted = true,
                TcpOption::Sack(blocks) => options.sack = blocks,
                TcpOption::Timestamps(timestamps) => options.timestamps = Some(timestamps),
                TcpOption::UserTimeout(timeout) => options.user_timeout = Some(timeout),
                TcpOption::FastOpen(cookie) => options.fast_open = Some(cookie),
                //= rfc1122#4.2.2.5-2
                TcpOption::Md5Signature
                | TcpOption::Authentication
                | TcpOption::Multipath
                | TcpOption::Unknown(..)
                | TcpOption::Illegal { .. } => {}
            }
        }
        options
    }

    /// Octets that the options take in a header with SYN, padding included: a multiple of 4, at most 40.
    pub fn len(&self) -> usize {
        self.encode(true).1
    }

    /// True if there is no option.
    pub fn is_empty(&self) -> bool {
        *self == Self::NONE
    }

    /// The timestamps, if a header without SYN has no other option.
    #[inline]
    pub(super) fn timestamps_alone(&self) -> Option<Timestamps> {
        self.timestamps.filter(|_| self.sack.is_empty() && self.user_timeout.is_none())
    }

    /// Without those that belong to the handshake.
    #[must_use]
    pub const fn without_handshake(self) -> Self {
        Self { mss: None, window_scale: None, sack_permitted: false, fast_open: None, ..self }
    }

    /// The options as they stand in a header, with `syn` or without, and how many of the octets that takes. What doesn't
    /// fit is left out.
    ///
    /// Each option ends on a word, so that the fields of the timestamps are aligned; a Fast Open cookie may not, and
    /// then End of Option List and zeros fill the word that the last option leaves open.
    //= rfc9293#MUST-65
    //= rfc9293#MUST-69
    //= rfc2018#2-2
    pub(super) fn encode(&self, syn: bool) -> ([u8; Self::MAX_LEN], usize) {
        let mut writer = Writer::default();
        if syn {
            self.write_handshake(&mut writer);
        } else if let Some(timestamps) = self.timestamps {
            write_timestamps(2, timestamps, &mut writer);
        }
        //= rfc5482#3.4-1
        if let Some(timeout) = self.user_timeout
            && timeout.seconds > 0
        {
            writer.put(0, USER_TIMEOUT, &timeout.field().to_be_bytes());
        }
        self.write_sack(&mut writer);
        (writer.space, writer.used.next_multiple_of(4))
    }

    /// What belongs to the handshake, and the timestamps, which stand in its midst: SACK permitted takes the place of the
    /// two no-operations in front of them, where there are both. A SYN with all the rest so has room for the longest
    /// Fast Open cookie.
    fn write_handshake(&self, writer: &mut Writer) {
        if let Some(mss) = self.mss {
            writer.put(0, MSS, &mss.to_be_bytes());
        }
        if self.sack_permitted {
            writer.put(if self.timestamps.is_some() { 0 } else { 2 }, SACK_PERMITTED, &[]);
        }
        if let Some(timestamps) = self.timestamps {
            write_timestamps(if self.sack_permitted { 0 } else { 2 }, timestamps, writer);
        }
        if let Some(shift) = self.window_scale {
            //= rfc7323#2.3-6
            writer.put(1, WINDOW_SCALE, &[shift.min(Self::MAX_WINDOW_SCALE)]);
        }
        if let Some(cookie) = &self.fast_open {
            //= rfc7413#4.1.1-1
            //= rfc7413#9-1
            writer.put(0, FAST_OPEN, cookie.octets());
        }
    }

    //= rfc2018#3-1
    //= rfc2018#3-2
    /// As many blocks as there is still room for.
    fn write_sack(&self, writer: &mut Writer) {
        if self.sack.is_empty() {
            return;
        }
        let room = Self::MAX_LEN.saturating_sub(writer.used + 4) / 8;
        let mut data = [[0; 4]; SackBlocks::MAX * 2];
        let mut words = 0;
        for (field, SackBlock { left, right }) in
            data.as_chunks_mut::<2>().0.iter_mut().zip(self.sack.iter().take(room))
        {
            *field = [left.value().to_be_bytes(), right.value().to_be_bytes()];
            words += 2;
        }
        if words > 0 {
            writer.put(2, SACK, data.get(..words).unwrap_or_default().as_flattened());
        }
    }
}

//= rfc7323#A-1
fn write_timestamps(nops: usize, Timestamps { value, echo }: Timestamps, writer: &mut Writer) {
    writer.put(nops, TIMESTAMPS, [value.to_be_bytes(), echo.to_be_bytes()].as_flattened());
}

/// Puts options one behind the other; one that doesn't fit is left out.
struct Writer {
    space: [u8; Options::MAX_LEN],
    used: usize,
}

impl Default for Writer {
    fn default() -> Self {
        Self { space: [0; Options::MAX_LEN], used: 0 }
    }
}

impl Writer {
    /// Puts the option behind so many no-operations.
    #[inline]
    fn put(&mut self, nops: usize, kind: u8, data: &[u8]) {
        let length = data.len() + 2;
        let Some(space) = self.space.get_mut(self.used..self.used + nops + length) else {
            return;
        };
        let (padding, option) = space.split_at_mut(nops);
        padding.fill(NOP);
        //= rfc9293#MUST-68
        if let [kind_field, length_field, fields @ ..] = option {
            *kind_field = kind;
            *length_field = u8::try_from(length).unwrap_or(0);
            fields.copy_from_slice(data);
        }
        self.used += nops + length;
    }
}

#[cfg(test)]
mod tests;
