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
    /// One that we don't know, or a known one of an illegal length: its kind and what follows the length.
    Unknown(u8, &'a [u8]),
}

/// The options in a header, one by one. No-operations are skipped; it ends at End of Option List, at the end of the
/// header, and at an illegal length, since what follows can't be told apart then.
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
        loop {
            match *self.rest {
                [] | [END, ..] => break,
                [NOP, ref rest @ ..] => self.rest = rest,
                [kind, length, ref rest @ ..] if length >= 2 => {
                    let Some((data, rest)) = rest.split_at_checked(usize::from(length) - 2) else { break };
                    self.rest = rest;
                    return Some(read(kind, data));
                }
                _ => break,
            }
        }
        self.rest = &[];
        None
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
        (USER_TIMEOUT, &[a, b]) => {
            let field = u16::from_be_bytes([a, b]);
            let unit = if field & 0x8000 == 0 { 1 } else { 60 };
            TcpOption::UserTimeout(UserTimeout { seconds: u32::from(field & 0x7fff) * unit })
        }
        (FAST_OPEN, cookie) => TcpOption::FastOpen(FastOpenCookie::new(cookie)?),
        (MD5, _) => TcpOption::Md5Signature,
        (AUTHENTICATION, _) => TcpOption::Authentication,
        (MULTIPATH, _) => TcpOption::Multipath,
        _ => return None,
    })
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
