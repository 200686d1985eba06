//! TCP options: the set that a segment carries, as meaning.

use super::SackBlocks;
use super::option_iter::{
    FAST_OPEN, MSS, NOP, OptionIter, SACK, SACK_PERMITTED, TIMESTAMPS, TcpOption, USER_TIMEOUT, WINDOW_SCALE,
};

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

    /// Octets of option space in a header.
    pub const MAX_LEN: usize = 40;

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
                TcpOption::Md5Signature | TcpOption::Authentication | TcpOption::Multipath | TcpOption::Unknown(..) => {
                }
            }
        }
        options
    }

    /// Octets that the options take in a header, padding included: a multiple of 4, at most 40.
    pub fn len(&self) -> usize {
        let mut writer = Writer { space: &mut [0; Self::MAX_LEN], used: 0 };
        self.write(&mut writer);
        writer.used.next_multiple_of(4)
    }

    /// True if there is no option.
    pub fn is_empty(&self) -> bool {
        *self == Self::NONE
    }

    /// Writes the options and the padding into `space`, which is [`Self::len`] octets long.
    //= rfc9293#MUST-69
    pub(super) fn emit(&self, space: &mut [u8]) {
        space.fill(0);
        self.write(&mut Writer { space, used: 0 });
    }

    /// The order that others use as well, so that the 32-bit fields of the timestamps are aligned.
    fn write(&self, writer: &mut Writer<'_>) {
        if let Some(mss) = self.mss {
            writer.put(MSS, &mss.to_be_bytes());
        }
        if let Some(shift) = self.window_scale {
            writer.pad(1);
            writer.put(WINDOW_SCALE, &[shift]);
        }
        if self.sack_permitted {
            writer.pad(2);
            writer.put(SACK_PERMITTED, &[]);
        }
        if let Some(Timestamps { value, echo }) = self.timestamps {
            let ([a, b, c, d], [e, f, g, h]) = (value.to_be_bytes(), echo.to_be_bytes());
            writer.pad(2);
            writer.put(TIMESTAMPS, &[a, b, c, d, e, f, g, h]);
        }
        if let Some(timeout) = self.user_timeout {
            writer.put(USER_TIMEOUT, &timeout.field().to_be_bytes());
        }
        if let Some(cookie) = &self.fast_open {
            writer.put(FAST_OPEN, cookie.octets());
        }
        self.write_sack(writer);
    }

    //= rfc2018#3-2
    /// As many blocks as there is still room for.
    fn write_sack(&self, writer: &mut Writer<'_>) {
        let room = writer.space.len().saturating_sub(writer.used + 4) / 8;
        let mut data = [0; SackBlocks::MAX * 8];
        let mut length = 0;
        for (field, block) in data.as_chunks_mut::<8>().0.iter_mut().zip(self.sack.iter().take(room)) {
            let ([a, b, c, d], [e, f, g, h]) = (block.left.value().to_be_bytes(), block.right.value().to_be_bytes());
            *field = [a, b, c, d, e, f, g, h];
            length += 8;
        }
        if length > 0 {
            writer.pad(2);
            writer.put(SACK, data.get(..length).unwrap_or_default());
        }
    }
}

impl UserTimeout {
    /// The field: seconds, or minutes with the highest bit set where seconds don't fit.
    fn field(self) -> u16 {
        match u16::try_from(self.seconds) {
            Ok(seconds) if seconds < 0x8000 => seconds,
            _ => 0x8000 | u16::try_from(self.seconds / 60).unwrap_or(u16::MAX).min(0x7fff),
        }
    }
}

/// Puts options one behind the other; what doesn't fit is left out.
struct Writer<'a> {
    space: &'a mut [u8],
    used: usize,
}

impl Writer<'_> {
    /// No-operations in front of an option, so that it ends on a word.
    fn pad(&mut self, count: usize) {
        if let Some(space) = self.space.get_mut(self.used..self.used + count) {
            space.fill(NOP);
            self.used += count;
        }
    }

    fn put(&mut self, kind: u8, data: &[u8]) {
        let length = data.len() + 2;
        if let Some([kind_field, length_field, fields @ ..]) = self.space.get_mut(self.used..self.used + length) {
            *kind_field = kind;
            *length_field = u8::try_from(length).unwrap_or(0);
            fields.copy_from_slice(data);
            self.used += length;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SeqNumber;
    use crate::tcp::SackBlock;

    fn emitted(options: &Options) -> [u8; 40] {
        let mut space = [0xee; 40];
        let length = options.len();
        options.emit(&mut space[..length]);
        space[length..].fill(0);
        space
    }

    fn blocks(count: u32) -> SackBlocks {
        let mut blocks = SackBlocks::NONE;
        for i in 0..count {
            blocks.push(SackBlock { left: SeqNumber::new(i * 10), right: SeqNumber::new(i * 10 + 5) });
        }
        blocks
    }

    //= rfc9293#MUST-4
    //= rfc9293#MUST-64
    #[test]
    fn options_that_do_not_start_on_a_word_are_read() {
        let options = Options::parse(&[1, 2, 4, 5, 180, 1, 1, 3, 3, 7, 4, 2, 0]);
        assert_eq!((options.mss, options.window_scale, options.sack_permitted), (Some(1460), Some(7), true));
    }

    //= rfc9293#MUST-6
    //= rfc9293#MUST-68
    #[test]
    fn unknown_options_are_skipped_by_their_length() {
        let options = Options::parse(&[99, 6, 1, 2, 3, 4, 30, 3, 9, 19, 2, 29, 4, 0, 0, 2, 4, 2, 24]);
        assert_eq!(options, Options { mss: Some(536), ..Options::NONE });
    }

    //= rfc9293#MUST-7
    #[test]
    fn an_illegal_length_ends_the_options_and_keeps_those_before() {
        for illegal in [&[3, 0, 7][..], &[3, 1, 7], &[3, 200, 7], &[3]] {
            let mut bytes = [0; 12];
            bytes[..4].copy_from_slice(&[2, 4, 2, 24]);
            bytes[4..4 + illegal.len()].copy_from_slice(illegal);
            let options = Options::parse(&bytes[..4 + illegal.len()]);
            assert_eq!(options, Options { mss: Some(536), ..Options::NONE }, "{illegal:?}");
        }
    }

    #[test]
    fn nothing_after_the_end_of_the_list_counts() {
        assert_eq!(Options::parse(&[1, 0, 2, 4, 2, 24]), Options::NONE);
    }

    //= rfc9293#MUST-69
    #[test]
    fn padding_is_zero() {
        let options = Options {
            user_timeout: Some(UserTimeout { seconds: 9 }),
            fast_open: Some(FastOpenCookie::REQUEST),
            ..Options::NONE
        };
        assert_eq!(options.len(), 8);
        assert_eq!(emitted(&options)[6..], [0; 34]);
    }

    #[test]
    fn a_syn_with_everything_fits() {
        let options = Options {
            mss: Some(1460),
            window_scale: Some(7),
            sack_permitted: true,
            timestamps: Some(Timestamps { value: 1, echo: 2 }),
            fast_open: FastOpenCookie::new(&[7; 8]),
            ..Options::NONE
        };
        assert!(options.len() <= Options::MAX_LEN);
        assert_eq!(Options::parse(&emitted(&options)), options);
    }

    //= rfc2018#3-2
    #[test]
    fn four_sack_blocks_fit_alone_and_three_beside_timestamps() {
        let alone = Options { sack: blocks(4), ..Options::NONE };
        assert_eq!(Options::parse(&emitted(&alone)), alone);
        let beside = Options { timestamps: Some(Timestamps::default()), ..alone };
        assert_eq!(beside.len(), 40);
        assert_eq!(Options::parse(&emitted(&beside)).sack, blocks(3));
    }

    #[test]
    fn a_long_user_timeout_is_told_in_minutes() {
        for (told, read) in [(5, 5), (32_767, 32_767), (40_000, 39_960)] {
            let options = Options { user_timeout: Some(UserTimeout { seconds: told }), ..Options::NONE };
            assert_eq!(Options::parse(&emitted(&options)).user_timeout, Some(UserTimeout { seconds: read }));
        }
    }
}
