//! Options of neighbour discovery (RFC 4861 section 4.6): type, length in units of eight octets, and the rest.

use core::net::Ipv6Addr;
use core::time::Duration;

use crate::ParseError;
use crate::ethernet::MacAddr;

pub(super) const SOURCE_LINK: u8 = 1;
pub(super) const TARGET_LINK: u8 = 2;
const PREFIX: u8 = 3;
const MTU: u8 = 5;

/// The options of a message, none of them of length 0 or cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NdpOptions<'a> {
    bytes: &'a [u8],
}

/// One option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NdpOption<'a> {
    /// The sender's address on the link.
    SourceLink(MacAddr),
    /// The target's address on the link.
    TargetLink(MacAddr),
    /// Addresses that are on the link, or that a host may give itself.
    Prefix(PrefixInformation),
    /// The link's MTU, in octets.
    Mtu(u32),
    /// One that we don't know, or a known one of an unexpected length: its type and what follows the length.
    Unknown(u8, &'a [u8]),
}

/// What a router says of a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixInformation {
    /// The prefix; bits behind its length mean nothing.
    pub prefix: Ipv6Addr,
    /// Its length in bits; as it arrived, above 128 is possible.
    pub length: u8,
    /// Its addresses are on the link.
    pub on_link: bool,
    /// A host may make itself an address of it (RFC 4862).
    pub autonomous: bool,
    /// How long it is valid; [`PrefixInformation::FOREVER`] for ever.
    pub valid: Duration,
    /// How long addresses of it are preferred.
    pub preferred: Duration,
}

impl PrefixInformation {
    /// The time that stands for ever: all bits of the field are set.
    pub const FOREVER: Duration = Duration::from_secs(u32::MAX as u64);
}

impl<'a> NdpOptions<'a> {
    /// No options.
    pub const NONE: Self = Self { bytes: &[] };

    /// The options in `bytes`, all of which must be options.
    ///
    /// # Errors
    /// [`ParseError::NdpOptionLength`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let mut rest = bytes;
        while let Some(&units) = rest.get(1) {
            rest = match units {
                0 => return Err(ParseError::NdpOptionLength(0)),
                _ => rest.get(usize::from(units) * 8..).ok_or(ParseError::NdpOptionLength(units))?,
            };
        }
        if rest.is_empty() { Ok(Self { bytes }) } else { Err(ParseError::NdpOptionLength(0)) }
    }

    /// The options one by one.
    pub const fn iter(&self) -> NdpOptionIter<'a> {
        NdpOptionIter { rest: self.bytes }
    }

    /// The options as bytes.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The sender's address on the link, if an option tells it.
    pub fn source_link(&self) -> Option<MacAddr> {
        self.iter().find_map(|option| if let NdpOption::SourceLink(address) = option { Some(address) } else { None })
    }

    /// The target's address on the link, if an option tells it.
    pub fn target_link(&self) -> Option<MacAddr> {
        self.iter().find_map(|option| if let NdpOption::TargetLink(address) = option { Some(address) } else { None })
    }
}

impl<'a> IntoIterator for &NdpOptions<'a> {
    type Item = NdpOption<'a>;
    type IntoIter = NdpOptionIter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The options of a message one by one.
#[derive(Clone, Debug)]
pub struct NdpOptionIter<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for NdpOptionIter<'a> {
    type Item = NdpOption<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let &[kind, units, ..] = self.rest else {
            return None;
        };
        let (option, rest) = self.rest.split_at_checked(usize::from(units.max(1)) * 8)?;
        self.rest = rest;
        Some(read(kind, option.get(2..).unwrap_or_default()))
    }
}

fn read(kind: u8, data: &[u8]) -> NdpOption<'_> {
    match (kind, data) {
        (SOURCE_LINK, &[a, b, c, d, e, f]) => NdpOption::SourceLink(MacAddr([a, b, c, d, e, f])),
        (TARGET_LINK, &[a, b, c, d, e, f]) => NdpOption::TargetLink(MacAddr([a, b, c, d, e, f])),
        (MTU, &[_, _, a, b, c, d]) => NdpOption::Mtu(u32::from_be_bytes([a, b, c, d])),
        (PREFIX, _) => prefix(data).map_or(NdpOption::Unknown(kind, data), NdpOption::Prefix),
        _ => NdpOption::Unknown(kind, data),
    }
}

fn prefix(data: &[u8]) -> Option<PrefixInformation> {
    let (&[length, bits, a, b, c, d, e, f, g, h, _, _, _, _], prefix) = data.split_first_chunk::<14>()?;
    Some(PrefixInformation {
        prefix: <[u8; 16]>::try_from(prefix).ok()?.into(),
        length,
        on_link: bits & 0x80 != 0,
        autonomous: bits & 0x40 != 0,
        valid: Duration::from_secs(u64::from(u32::from_be_bytes([a, b, c, d]))),
        preferred: Duration::from_secs(u64::from(u32::from_be_bytes([e, f, g, h]))),
    })
}
