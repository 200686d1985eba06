//! The chain of IPv6 extension headers (RFC 8200 section 4).

use super::Fragment;
use crate::ParseError;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;
/// No next header: nothing follows.
const NONE: u8 = 59;

/// More headers than this are an attack: RFC 8200 section 4.1 lists seven at most.
const MAX_HEADERS: usize = 8;

/// Where the chain leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    /// The protocol behind the last header.
    pub(super) protocol: u8,
    /// Octets from the start of the packet to what the last header is followed by.
    pub(super) header_len: usize,
    pub(super) fragment: Option<Fragment>,
}

/// Walks the chain: `packet` from its first octet, the fixed header having named `first`.
pub(super) fn walk(packet: &[u8], first: u8, fixed: usize, next_field: usize) -> Result<Chain, ParseError> {
    let mut chain = Chain { protocol: first, header_len: fixed, fragment: None };
    let mut named_at = next_field;
    for _ in 0..MAX_HEADERS {
        let rest = packet.get(chain.header_len..).unwrap_or_default();
        let length = match chain.protocol {
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS => (usize::from(octet(rest, 1)?) + 1) * 8,
            AUTHENTICATION => (usize::from(octet(rest, 1)?) + 2) * 4,
            FRAGMENT => {
                chain.fragment = Some(fragment(rest)?);
                8
            }
            // What follows a fragment other than the first isn't a header, whatever its number.
            _ if chain.fragment.is_some_and(|fragment| fragment.offset > 0) => return Ok(chain),
            kind if is_unknown(kind) => return Err(ParseError::ExtensionHeader { kind, offset: named_at }),
            _ => return Ok(chain),
        };
        if rest.len() < length {
            return Err(ParseError::Truncated(length - rest.len()));
        }
        named_at = chain.header_len;
        chain.protocol = octet(rest, 0)?;
        chain.header_len += length;
        if chain.fragment.is_some_and(|fragment| fragment.offset > 0) {
            return Ok(chain);
        }
    }
    Err(ParseError::TooManyExtensionHeaders)
}

/// Numbers that RFC 7045 lists as extension headers, and that we can't read.
const fn is_unknown(kind: u8) -> bool {
    matches!(kind, 135 | 139 | 140 | 253 | 254) || (kind == NONE)
}

fn octet(bytes: &[u8], at: usize) -> Result<u8, ParseError> {
    bytes.get(at).copied().ok_or(ParseError::Truncated((at + 1).saturating_sub(bytes.len())))
}

/// The fragment header (RFC 8200 section 4.5).
fn fragment(header: &[u8]) -> Result<Fragment, ParseError> {
    let Some((&[_, _, offset_high, offset_low, a, b, c, d], _)) = header.split_first_chunk::<8>() else {
        return Err(ParseError::Truncated(8_usize.saturating_sub(header.len())));
    };
    let field = u16::from_be_bytes([offset_high, offset_low]);
    Ok(Fragment {
        identification: u32::from_be_bytes([a, b, c, d]),
        offset: u32::from(field & !7),
        more: field & 1 != 0,
    })
}
