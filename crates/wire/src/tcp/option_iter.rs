//! TCP options one by one, as they stand in the header (RFC 9293 section 3.2).

use super::{FastOpenCookie, SackBlock, SackBlocks, Timestamps, UserTimeout};
use crate::SeqNumber;

pub(super) const END: u8 = 0;
pub(super) const NOP: u8 = 1;
pub(super) const MSS: u8 = 2;
pub(super) const WINDOW_SCALE: u8 = 3;
pub(super) const SACK_PERMITTED: u8 = 4;
pub(super) const SACK: u8 = 5;
pub(super) const TIMESTAMPS: u8 = 8;
const MD5: u8 = 19;
pub(super) const USER_TIMEOUT: u8 = 28;
const AUTHENTICATION: u8 = 29;
const MULTIPATH: u8 = 30;
pub(super) const FAST_OPEN: u8 = 34;

/// One option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TcpOption<'a> {
    /// Maximum segment size, in octets.
    Mss(u16),
    /// Window scale shift.
    WindowScale(u8),
    /// SACK permitted.
    SackPermitted,
    /// SACK blocks, the first four.
    Sack(SackBlocks),
    /// Timestamps.
    Timestamps(Timestamps),
    /// User timeout (RFC 5482).
    UserTimeout(UserTimeout),
    /// Fast Open cookie (RFC 7413).
    FastOpen(FastOpenCookie),
    /// MD5 signature (RFC 2385): recognised and skipped.
    Md5Signature,
    /// TCP-AO (RFC 5925): recognised and skipped.
    Authentication,
    /// Multipath TCP (RFC 8684): recognised and skipped.
    Multipath,
    /// One that we don't know, or a known one with a length that it can't have: its kind and what follows the length.
    Unknown(u8, &'a [u8]),
    /// One whose length is below 2 or leads past the end of the header; 0 where the length itself is past it. It is the
    /// last that is read: what follows can't be told apart.
    Illegal {
        /// The option's kind.
        kind: u8,
        /// Its length field.
        length: u8,
    },
}

/// The options in a header, one by one, wherever they start. No-operations are skipped; it ends at End of Option List, at
/// the end of the header, and behind an option of an illegal length.
///
/// That last one is what RFC 9293 MUST-7 leaves open: it suggests to reset the connection. Like Linux we keep what was
/// read before and go on with the segment, or else one damaged by a middlebox would end the connection.
///
/// ```
/// # use sockeye_wire::tcp::{OptionIter, TcpOption};
/// let mut options = OptionIter::new(&[1, 2, 4, 5, 180, 30, 2, 3, 9, 9]);
/// assert_eq!(options.next(), Some(TcpOption::Mss(1460)));
/// assert_eq!(options.next(), Some(TcpOption::Multipath));
/// assert_eq!(options.next(), Some(TcpOption::Illegal { kind: 3, length: 9 }));
/// assert_eq!(options.next(), None);
/// ```
#[derive(Clone, Debug)]
pub struct OptionIter<'a> {
    rest: &'a [u8],
}

impl<'a> OptionIter<'a> {
    /// The options in `bytes`, what lies between the fixed header and the text.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
}

impl<'a> Iterator for OptionIter<'a> {
    type Item = TcpOption<'a>;

    //= rfc9293#MUST-4
    //= rfc9293#MUST-6
    //= rfc9293#MUST-7
    //= rfc9293#MUST-64
    //= rfc9293#MUST-68
    fn next(&mut self) -> Option<Self::Item> {
        while let [NOP, rest @ ..] = self.rest {
            self.rest = rest;
        }
        let (&kind, after_kind) = self.rest.split_first().filter(|(kind, _)| **kind != END)?;
        let length = after_kind.first().copied().unwrap_or_default();
        let Some((option, rest)) = self.rest.split_at_checked(usize::from(length)).filter(|_| length >= 2) else {
            self.rest = &[];
            return Some(TcpOption::Illegal { kind, length });
        };
        self.rest = rest;
        Some(read(kind, option.get(2..).unwrap_or_default()))
    }
}

fn read(kind: u8, data: &[u8]) -> TcpOption<'_> {
    known(kind, data).unwrap_or(TcpOption::Unknown(kind, data))
}

fn known(kind: u8, data: &[u8]) -> Option<TcpOption<'_>> {
    Some(match (kind, data) {
        (MSS, &[a, b]) => TcpOption::Mss(u16::from_be_bytes([a, b])),
        (WINDOW_SCALE, &[shift]) => TcpOption::WindowScale(shift),
        (SACK_PERMITTED, []) => TcpOption::SackPermitted,
        (SACK, blocks) => TcpOption::Sack(sack(blocks)?),
        (TIMESTAMPS, &[a, b, c, d, e, f, g, h]) => TcpOption::Timestamps(Timestamps {
            value: u32::from_be_bytes([a, b, c, d]),
            echo: u32::from_be_bytes([e, f, g, h]),
        }),
        (USER_TIMEOUT, &[a, b]) => TcpOption::UserTimeout(user_timeout(u16::from_be_bytes([a, b]))?),
        //= rfc7413#4.1.1-1
        //= rfc7413#4.1.1-2
        (FAST_OPEN, cookie) => TcpOption::FastOpen(FastOpenCookie::new(cookie)?),
        (MD5, _) => TcpOption::Md5Signature,
        (AUTHENTICATION, _) => TcpOption::Authentication,
        (MULTIPATH, _) => TcpOption::Multipath,
        _ => return None,
    })
}

//= rfc5482#3.3-1
//= rfc5482#3.4-1
/// Seconds, or minutes if the highest bit is set; zero says nothing.
fn user_timeout(field: u16) -> Option<UserTimeout> {
    let unit = if field & 0x8000 == 0 { 1 } else { 60 };
    let seconds = u32::from(field & 0x7fff) * unit;
    (seconds > 0).then_some(UserTimeout { seconds })
}

//= rfc2018#3-1
fn sack(data: &[u8]) -> Option<SackBlocks> {
    let (blocks, rest) = data.as_chunks::<8>();
    if !rest.is_empty() || blocks.is_empty() {
        return None;
    }
    let mut result = SackBlocks::NONE;
    for &[a, b, c, d, e, f, g, h] in blocks {
        result.push(SackBlock {
            left: SeqNumber::new(u32::from_be_bytes([a, b, c, d])),
            right: SeqNumber::new(u32::from_be_bytes([e, f, g, h])),
        });
    }
    Some(result)
}
