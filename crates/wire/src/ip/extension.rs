//! The chain of IPv6 extension headers (RFC 8200 section 4).
//!
//! Hop-by-hop options, routing, destination options, fragment and authentication headers are walked; their options are
//! looked at only for whether they may be skipped. An upper protocol ends the chain, known to us or not, and so does a
//! fragment header in front of a real fragment: what follows may be cut anywhere. No more than eight headers are walked.

use super::Fragment;
use crate::ParseError;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;
/// Extension headers (RFC 7045) that ask for processing which we don't do.
const MOBILITY: u8 = 135;
const HOST_IDENTITY: u8 = 139;
const SHIM6: u8 = 140;

/// More headers than this are an attack: RFC 8200 section 4.1 lists seven at most.
const MAX_HEADERS: usize = 8;
/// The option of one octet.
const PAD1: u8 = 0;
/// The option of two and more octets.
const PAD_N: u8 = 1;

/// Where the chain leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chain {
    /// What the last header names.
    pub(crate) protocol: u8,
    /// Where it names it, in octets from the start of the packet.
    pub(crate) named_at: usize,
    /// Octets from the start of the packet to what follows the last header.
    pub(crate) header_len: usize,
    /// The piece that the packet is, unless it is whole.
    pub(crate) fragment: Option<Fragment>,
}

/// Walks on in a datagram that was put together from fragments: from what the fragment header named, and the joined
/// payload, to the upper protocol and its message. Offsets in errors count from the start of the payload.
///
/// # Errors
/// [`ParseError::Ipv6ExtensionTruncated`], [`ParseError::Ipv6ExtensionHeader`], [`ParseError::Ipv6ExtensionCount`],
/// [`ParseError::Ipv6Routing`], [`ParseError::Ipv6Option`], [`ParseError::Ipv6OptionLength`].
pub fn skip(protocol: u8, payload: &[u8]) -> Result<(u8, &[u8]), ParseError> {
    if protocol == HOP_BY_HOP {
        return Err(ParseError::Ipv6ExtensionHeader { kind: HOP_BY_HOP, offset: 0 });
    }
    let chain = Chain::walk(payload, protocol, 0, 0)?;
    match chain.fragment {
        // A fragment in a datagram put together from fragments is nobody's honest work.
        Some(_) => Err(ParseError::Ipv6ExtensionHeader { kind: FRAGMENT, offset: 0 }),
        None => Ok((chain.protocol, payload.get(chain.header_len..).unwrap_or_default())),
    }
}

impl Chain {
    /// Walks the chain in `packet`: the header at `start` is a `protocol`, as the field at `named_at` says.
    pub(crate) fn walk(packet: &[u8], protocol: u8, named_at: usize, start: usize) -> Result<Self, ParseError> {
        let mut chain = Self { protocol, named_at, header_len: start, fragment: None };
        for _ in 0..MAX_HEADERS {
            let at = chain.header_len;
            let rest = packet.get(at..).unwrap_or_default();
            let header = match chain.protocol {
                HOP_BY_HOP if at == start => options_header(rest, at)?,
                DESTINATION_OPTIONS => options_header(rest, at)?,
                ROUTING => routing_header(rest, at)?,
                AUTHENTICATION => header(rest, 4, 2)?,
                FRAGMENT => {
                    let header = header_of(rest, 8)?;
                    chain.fragment = fragment(header);
                    header
                }
                kind @ (HOP_BY_HOP | MOBILITY | HOST_IDENTITY | SHIM6) => {
                    return Err(ParseError::Ipv6ExtensionHeader { kind, offset: chain.named_at });
                }
                _ => return Ok(chain),
            };
            (chain.protocol, chain.named_at) = (octet(header, 0), at);
            chain.header_len += header.len();
            if chain.fragment.is_some() {
                return Ok(chain);
            }
        }
        Err(ParseError::Ipv6ExtensionCount)
    }
}

/// The octet at a place that is known to exist.
fn octet(header: &[u8], at: usize) -> u8 {
    header.get(at).copied().unwrap_or_default()
}

/// The first `length` octets.
fn header_of(rest: &[u8], length: usize) -> Result<&[u8], ParseError> {
    rest.get(..length).ok_or(ParseError::Ipv6ExtensionTruncated(length.saturating_sub(rest.len())))
}

/// The header at the start of `rest`, whose second octet gives its length in `unit` octets, `more` of them not counted.
fn header(rest: &[u8], unit: usize, more: usize) -> Result<&[u8], ParseError> {
    let units = usize::from(octet(header_of(rest, 8)?, 1));
    header_of(rest, (units + more) * unit)
}

/// Hop-by-hop or destination options (RFC 8200 sections 4.2, 4.3, 4.6); the header stands at `start` of the packet.
fn options_header(rest: &[u8], start: usize) -> Result<&[u8], ParseError> {
    let header = header(rest, 8, 1)?;
    let mut at = 2;
    while at < header.len() {
        let offset = start + at;
        match octet(header, at) {
            PAD1 => {
                at += 1;
                continue;
            }
            PAD_N => {}
            // The two highest bits say what who doesn't know the option does: skip it, or not.
            kind if kind & 0xc0 != 0 => return Err(ParseError::Ipv6Option { kind, offset }),
            _ => {}
        }
        let Some(length) = header.get(at + 1) else {
            return Err(ParseError::Ipv6OptionLength(offset));
        };
        at += 2 + usize::from(*length);
        if at > header.len() {
            return Err(ParseError::Ipv6OptionLength(offset));
        }
    }
    Ok(header)
}

/// A routing header (RFC 8200 section 4.4). We forward for nobody, so it has to be at its end (RFC 5095 for type 0).
fn routing_header(rest: &[u8], start: usize) -> Result<&[u8], ParseError> {
    let header = header(rest, 8, 1)?;
    let (kind, segments_left) = (octet(header, 2), octet(header, 3));
    if segments_left > 0 {
        return Err(ParseError::Ipv6Routing { kind, offset: start + 2 });
    }
    Ok(header)
}

/// What a fragment header says (RFC 8200 section 4.5); `None` if it is in front of all there is.
fn fragment(header: &[u8]) -> Option<Fragment> {
    let &[_, _, high, low, a, b, c, d] = header.first_chunk::<8>()?;
    let field = u16::from_be_bytes([high, low]);
    let identification = u32::from_be_bytes([a, b, c, d]);
    let fragment = Fragment { identification, offset: u32::from(field & !7), more: field & 1 != 0 };
    (!fragment.is_whole()).then_some(fragment)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ip::v6::{HEADER_LEN, Ipv6Header, Ipv6View};

    /// The view of a packet that carries `first` and `rest`.
    fn view(first: u8, rest: &[u8], check: impl FnOnce(Result<Ipv6View<'_>, ParseError>)) {
        let mut bytes = [0; 256];
        let header = Ipv6Header {
            source: "fe80::1".parse().unwrap(),
            destination: "fe80::2".parse().unwrap(),
            protocol: first,
            payload_len: rest.len(),
            hop_limit: 64,
            traffic_class: 0,
        };
        header.emit(&mut bytes).unwrap();
        bytes[HEADER_LEN..HEADER_LEN + rest.len()].copy_from_slice(rest);
        check(Ipv6View::parse(&bytes));
    }

    fn refused(first: u8, rest: &[u8]) -> ParseError {
        let mut error = None;
        view(first, rest, |view| error = view.err());
        error.expect("a refusal")
    }

    #[test]
    fn the_chain_is_walked_to_the_upper_protocol() {
        let chain = [
            60, 0, 5, 2, 0, 0, 1, 0, // hop-by-hop: router alert, PadN
            43, 0, 1, 4, 0x1e, 0, 0, 0, // destination options: PadN of 4, an unknown one to be skipped
            51, 0, 0, 0, 0, 0, 0, 0, // routing, at its end
            44, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // authentication, 16 octets
            6, 0, 0, 0, 0, 0, 0, 9, // fragment header in front of everything
            0xaa, 0xbb,
        ];
        view(HOP_BY_HOP, &chain, |view| {
            let view = view.unwrap();
            assert_eq!((view.protocol(), view.payload()), (6, &[0xaa, 0xbb][..]));
            assert_eq!((view.fragment(), view.protocol_named_at(), view.header_len()), (None, 80, 88));
        });
    }

    #[test]
    fn a_real_fragment_ends_the_chain() {
        // What stands behind is the middle of something: no header, although it is announced as one.
        let chain = [DESTINATION_OPTIONS, 0, 0x05, 0xa9, 0, 0, 0, 9, 0xff, 0xff];
        view(FRAGMENT, &chain, |view| {
            let view = view.unwrap();
            assert_eq!(view.fragment(), Some(Fragment { identification: 9, offset: 1448, more: true }));
            assert_eq!((view.protocol(), view.payload()), (DESTINATION_OPTIONS, &[0xff, 0xff][..]));
        });
    }

    #[test]
    fn joined_fragments_are_walked_on() {
        let payload = [6, 0, 1, 4, 0, 0, 0, 0, 0xaa];
        assert_eq!(skip(DESTINATION_OPTIONS, &payload), Ok((6, &[0xaa][..])));
        assert_eq!(skip(6, &payload), Ok((6, &payload[..])));
        let nested = ParseError::Ipv6ExtensionHeader { kind: FRAGMENT, offset: 0 };
        assert_eq!(skip(FRAGMENT, &[6, 0, 0, 1, 0, 0, 0, 9]), Err(nested));
        assert_eq!(skip(HOP_BY_HOP, &payload), Err(ParseError::Ipv6ExtensionHeader { kind: 0, offset: 0 }));
    }

    #[test]
    fn what_must_not_be_skipped_is_refused_with_its_place() {
        let options = |octets: [u8; 6]| {
            let [a, b, c, d, e, f] = octets;
            refused(DESTINATION_OPTIONS, &[6, 0, a, b, c, d, e, f])
        };
        assert_eq!(options([0, 0xc2, 2, 0, 0, 0]), ParseError::Ipv6Option { kind: 0xc2, offset: 43 });
        assert_eq!(options([0x1e, 5, 0, 0, 0, 0]), ParseError::Ipv6OptionLength(42));
        assert_eq!(options([1, 3, 0, 0, 0, 0x1e]), ParseError::Ipv6OptionLength(47));
        let routing = ParseError::Ipv6Routing { kind: 0, offset: 42 };
        assert_eq!(refused(ROUTING, &[6, 0, 0, 1, 0, 0, 0, 0]), routing);
        let late = ParseError::Ipv6ExtensionHeader { kind: HOP_BY_HOP, offset: 40 };
        assert_eq!(refused(DESTINATION_OPTIONS, &[0, 0, 1, 4, 0, 0, 0, 0]), late);
        assert_eq!(refused(MOBILITY, &[0; 8]), ParseError::Ipv6ExtensionHeader { kind: MOBILITY, offset: 6 });
    }

    #[test]
    fn headers_that_are_cut_or_never_end_are_refused() {
        assert_eq!(refused(DESTINATION_OPTIONS, &[6, 1, 1, 4, 0, 0, 0, 0]), ParseError::Ipv6ExtensionTruncated(8));
        assert_eq!(refused(FRAGMENT, &[6, 0, 0]), ParseError::Ipv6ExtensionTruncated(5));
        assert_eq!(refused(AUTHENTICATION, &[]), ParseError::Ipv6ExtensionTruncated(8));
        let endless = [DESTINATION_OPTIONS, 0, 1, 4, 0, 0, 0, 0].repeat(9);
        assert_eq!(refused(DESTINATION_OPTIONS, &endless), ParseError::Ipv6ExtensionCount);
    }

    #[test]
    fn an_upper_protocol_that_nobody_knows_is_still_read() {
        for protocol in [super::super::protocol::NONE, 50, 132, 253] {
            view(protocol, &[1, 2], |view| {
                let view = view.unwrap();
                assert_eq!((view.protocol(), view.payload(), view.protocol_named_at()), (protocol, &[1, 2][..], 6));
            });
        }
    }
}
