//! Neighbour discovery (RFC 4861): solicitations and advertisements of neighbours and routers, on Ethernet.
//!
//! [`NdpMessage::parse`] makes the checks of RFC 4861 sections 6.1 and 7.1, all of them: what it returns may be believed
//! as far as anything on a link may. Redirects aren't read.

mod option;

use core::net::Ipv6Addr;
use core::time::Duration;

use crate::ParseError;
use crate::checksum::with_pseudo_header;
use crate::error::{BufferTooSmall, room};
use crate::ethernet::MacAddr;
use crate::ip::protocol;
pub use option::{NdpOption, NdpOptionIter, NdpOptions, PrefixInformation};
use option::{SOURCE_LINK, TARGET_LINK};

const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
const NEIGHBOR_SOLICITATION: u8 = 135;
const NEIGHBOR_ADVERTISEMENT: u8 = 136;
const REDIRECT: u8 = 137;

/// Octets of the ICMP header: type, code, checksum, and four that depend on the type.
const HEADER_LEN: usize = 8;
/// The hop limit that messages are sent with: a smaller one shows that a router has passed the message on.
pub const HOP_LIMIT: u8 = 255;

/// True if the ICMPv6 message in `bytes` belongs to neighbour discovery.
pub fn is_ndp(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|kind| (ROUTER_SOLICITATION..=REDIRECT).contains(kind))
}

/// The multicast group that a host listens to for those who look for `address` (RFC 4291 section 2.7.1).
pub const fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c, d] = address.octets();
    let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | high & 0xff, low)
}

/// A message, read or to be written.
///
/// ```
/// use sockeye_wire::{ethernet::MacAddr, ndp::{NdpMessage, solicited_node}};
///
/// let (ours, theirs) = ("fe80::1".parse().unwrap(), "fe80::2".parse().unwrap());
/// let question = NdpMessage::NeighborSolicitation { target: theirs, source_link: Some(MacAddr([2, 0, 0, 0, 0, 1])) };
/// let mut buffer = [0; 64];
/// let length = question.emit(ours, solicited_node(theirs), &mut buffer).unwrap();
/// assert_eq!(length, 32);
/// assert_eq!(NdpMessage::parse(&buffer[..length], ours, solicited_node(theirs), 255), Ok(question));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NdpMessage<'a> {
    /// Which routers are there?
    RouterSolicitation {
        /// The asking host's address on the link.
        source_link: Option<MacAddr>,
    },
    /// I am a router.
    RouterAdvertisement(RouterAdvertisement<'a>),
    /// Who has `target`?
    NeighborSolicitation {
        /// The address that is asked for.
        target: Ipv6Addr,
        /// The asking host's address on the link.
        source_link: Option<MacAddr>,
    },
    /// I have that address.
    NeighborAdvertisement(NeighborAdvertisement),
}

/// The answer to a neighbour solicitation, or news of a changed address on the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeighborAdvertisement {
    /// The address that the sender has.
    pub target: Ipv6Addr,
    /// The sender is a router.
    pub router: bool,
    /// It is an answer.
    pub solicited: bool,
    /// What was known before is to be overwritten.
    pub overrides: bool,
    /// The sender's address on the link.
    pub target_link: Option<MacAddr>,
}

/// What a router says of itself and of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouterAdvertisement<'a> {
    /// The hop limit to send with; 0 if the router doesn't say.
    pub hop_limit: u8,
    /// Addresses are to be had by DHCPv6.
    pub managed: bool,
    /// Other things are to be had by DHCPv6.
    pub other: bool,
    /// How long the router serves as default router, in whole seconds up to 65,535; 0 if it doesn't.
    pub lifetime: Duration,
    /// How long a neighbour counts as reachable after it was heard of, in whole milliseconds; 0 if the router doesn't
    /// say.
    pub reachable: Duration,
    /// The time between solicitations, in whole milliseconds; 0 if the router doesn't say.
    pub retransmit: Duration,
    /// The options.
    pub options: NdpOptions<'a>,
}

impl<'a> NdpMessage<'a> {
    /// Reads the ICMPv6 message in `bytes` that came from `source` to `destination` with `hop_limit`.
    ///
    /// # Errors
    /// [`ParseError::NdpTruncated`], [`ParseError::IcmpChecksum`], [`ParseError::NdpType`], [`ParseError::NdpCode`],
    /// [`ParseError::NdpHopLimit`], [`ParseError::NdpOptionLength`], [`ParseError::NdpAddresses`].
    pub fn parse(bytes: &'a [u8], source: Ipv6Addr, destination: Ipv6Addr, hop_limit: u8) -> Result<Self, ParseError> {
        let Some((&[kind, code, _, _, word @ ..], body)) = bytes.split_first_chunk::<HEADER_LEN>() else {
            return Err(ParseError::NdpTruncated(HEADER_LEN.saturating_sub(bytes.len())));
        };
        if hop_limit != HOP_LIMIT {
            return Err(ParseError::NdpHopLimit(hop_limit));
        }
        if !with_pseudo_header(source.into(), destination.into(), protocol::ICMPV6, bytes).is_valid() {
            return Err(ParseError::IcmpChecksum);
        }
        if code != 0 {
            return Err(ParseError::NdpCode(code));
        }
        match kind {
            ROUTER_SOLICITATION => router_solicitation(body, source),
            ROUTER_ADVERTISEMENT => router_advertisement(word, body, source),
            NEIGHBOR_SOLICITATION => neighbor_solicitation(body, source, destination),
            NEIGHBOR_ADVERTISEMENT => neighbor_advertisement(word, body, destination),
            _ => Err(ParseError::NdpType(kind)),
        }
    }

    /// Writes the message, an ICMPv6 one, and says how many octets it takes. It is to be sent with [`HOP_LIMIT`].
    ///
    /// # Errors
    /// [`BufferTooSmall`].
    pub fn emit(&self, source: Ipv6Addr, destination: Ipv6Addr, buffer: &mut [u8]) -> Result<usize, BufferTooSmall> {
        let mut fields = Fields::default();
        let (kind, word, link, options) = match self {
            Self::RouterSolicitation { source_link } => {
                (ROUTER_SOLICITATION, [0; 4], source_link.map(|link| (SOURCE_LINK, link)), NdpOptions::NONE)
            }
            Self::RouterAdvertisement(advertisement) => {
                fields.put(&milliseconds(advertisement.reachable));
                fields.put(&milliseconds(advertisement.retransmit));
                (ROUTER_ADVERTISEMENT, advertisement.word(), None, advertisement.options)
            }
            Self::NeighborSolicitation { target, source_link } => {
                fields.put(&target.octets());
                (NEIGHBOR_SOLICITATION, [0; 4], source_link.map(|link| (SOURCE_LINK, link)), NdpOptions::NONE)
            }
            Self::NeighborAdvertisement(advertisement) => {
                fields.put(&advertisement.target.octets());
                let link = advertisement.target_link.map(|link| (TARGET_LINK, link));
                (NEIGHBOR_ADVERTISEMENT, advertisement.word(), link, NdpOptions::NONE)
            }
        };
        if let Some((kind, MacAddr(address))) = link {
            fields.put(&[kind, 1]);
            fields.put(&address);
        }
        let [a, b, c, d] = word;
        let length = HEADER_LEN + fields.used + options.bytes().len();
        let message = room(buffer, length)?;
        let (header, body) = message.split_at_mut(HEADER_LEN);
        header.copy_from_slice(&[kind, 0, 0, 0, a, b, c, d]);
        let (known, rest) = body.split_at_mut(fields.used);
        known.copy_from_slice(fields.bytes());
        rest.copy_from_slice(options.bytes());
        let sum = with_pseudo_header(source.into(), destination.into(), protocol::ICMPV6, message);
        if let Some(field) = message.get_mut(2..4) {
            field.copy_from_slice(&sum.checksum().to_be_bytes());
        }
        Ok(length)
    }
}

impl NeighborAdvertisement {
    fn word(&self) -> [u8; 4] {
        [u8::from(self.router) << 7 | u8::from(self.solicited) << 6 | u8::from(self.overrides) << 5, 0, 0, 0]
    }
}

impl RouterAdvertisement<'_> {
    fn word(&self) -> [u8; 4] {
        let [a, b] = u16::try_from(self.lifetime.as_secs()).unwrap_or(u16::MAX).to_be_bytes();
        [self.hop_limit, u8::from(self.managed) << 7 | u8::from(self.other) << 6, a, b]
    }
}

/// What stands between the header and the options that are handed through: at most a target and one option.
#[derive(Default)]
struct Fields {
    octets: [u8; 24],
    used: usize,
}

impl Fields {
    fn put(&mut self, octets: &[u8]) {
        if let Some(space) = self.octets.get_mut(self.used..self.used + octets.len()) {
            space.copy_from_slice(octets);
            self.used += octets.len();
        }
    }

    fn bytes(&self) -> &[u8] {
        self.octets.get(..self.used).unwrap_or_default()
    }
}

fn milliseconds(time: Duration) -> [u8; 4] {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX).to_be_bytes()
}

/// The target address, and the options behind it.
fn target(body: &[u8]) -> Result<(Ipv6Addr, NdpOptions<'_>), ParseError> {
    let Some((target, options)) = body.split_first_chunk::<16>() else {
        return Err(ParseError::NdpTruncated(16_usize.saturating_sub(body.len())));
    };
    let target = Ipv6Addr::from(*target);
    if target.is_multicast() {
        return Err(ParseError::NdpAddresses);
    }
    Ok((target, NdpOptions::parse(options)?))
}

/// RFC 4861 section 6.1.1.
fn router_solicitation(body: &[u8], source: Ipv6Addr) -> Result<NdpMessage<'_>, ParseError> {
    let source_link = NdpOptions::parse(body)?.source_link();
    if source.is_unspecified() && source_link.is_some() {
        return Err(ParseError::NdpAddresses);
    }
    Ok(NdpMessage::RouterSolicitation { source_link })
}

/// RFC 4861 section 6.1.2.
fn router_advertisement(word: [u8; 4], body: &[u8], source: Ipv6Addr) -> Result<NdpMessage<'_>, ParseError> {
    let Some((&[a, b, c, d, e, f, g, h], options)) = body.split_first_chunk::<8>() else {
        return Err(ParseError::NdpTruncated(8_usize.saturating_sub(body.len())));
    };
    if !source.is_unicast_link_local() {
        return Err(ParseError::NdpAddresses);
    }
    let [hop_limit, bits, high, low] = word;
    Ok(NdpMessage::RouterAdvertisement(RouterAdvertisement {
        hop_limit,
        managed: bits & 0x80 != 0,
        other: bits & 0x40 != 0,
        lifetime: Duration::from_secs(u64::from(u16::from_be_bytes([high, low]))),
        reachable: Duration::from_millis(u64::from(u32::from_be_bytes([a, b, c, d]))),
        retransmit: Duration::from_millis(u64::from(u32::from_be_bytes([e, f, g, h]))),
        options: NdpOptions::parse(options)?,
    }))
}

/// RFC 4861 section 7.1.1.
fn neighbor_solicitation(body: &[u8], source: Ipv6Addr, destination: Ipv6Addr) -> Result<NdpMessage<'_>, ParseError> {
    let (target, options) = target(body)?;
    let source_link = options.source_link();
    // From nobody: a host asks whether the address is free.
    let to_the_group = destination == solicited_node(destination);
    if source.is_unspecified() && (source_link.is_some() || !to_the_group) {
        return Err(ParseError::NdpAddresses);
    }
    Ok(NdpMessage::NeighborSolicitation { target, source_link })
}

/// RFC 4861 section 7.1.2.
fn neighbor_advertisement(word: [u8; 4], body: &[u8], destination: Ipv6Addr) -> Result<NdpMessage<'_>, ParseError> {
    let (target, options) = target(body)?;
    let [bits, ..] = word;
    let solicited = bits & 0x40 != 0;
    if solicited && destination.is_multicast() {
        return Err(ParseError::NdpAddresses);
    }
    Ok(NdpMessage::NeighborAdvertisement(NeighborAdvertisement {
        target,
        router: bits & 0x80 != 0,
        solicited,
        overrides: bits & 0x20 != 0,
        target_link: options.target_link(),
    }))
}

#[cfg(test)]
mod tests;
