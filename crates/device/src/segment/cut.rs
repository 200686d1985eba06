//! TSO in software: one super-segment in, segments as they go on the wire out.
//!
//! Of each segment the lengths, the sequence number, both checksums and (IPv4, where it means something) the
//! identification are its own; FIN and PSH stay on the last, CWR on the first (RFC 3168 section 6.1.2). Payload is shared,
//! never copied.

use std::mem;

use bytes::Bytes;
use sockeye_wire::checksum::Sum;
use sockeye_wire::ip::protocol;
use sockeye_wire::tcp::CHECKSUM_OFFSET;

use super::layout::{
    FIRST_ONLY, FLAGS, HEADER_CHECKSUM, IDENTIFICATION, LAST_ONLY, Layout, TOTAL_LENGTH, Version, put_flags, put_seq,
    put_word, seq, word,
};
use crate::{Outgoing, Packet, Slices, sum};

/// The segments of a packet, in order.
#[derive(Debug)]
pub struct Cut {
    /// What is still to be cut; its headers have 0 where segments differ.
    rest: Outgoing,
    /// `None` if the packet passes as it is.
    pattern: Option<Pattern>,
    /// All of it was given out.
    ended: bool,
}

/// What the headers of the segments have in common, and what the next one's have of their own.
#[derive(Debug)]
struct Pattern {
    layout: Layout,
    /// The sums of both headers but for what differs.
    ip: Sum,
    tcp: Sum,
    /// Of the segment that comes next.
    seq: u32,
    identification: Option<u16>,
    /// Those of the whole, but for such as were on the first only.
    flags: u8,
}

/// Cuts a packet into segments of [`Outgoing::segment_size`] octets of text, with complete checksums, whatever stood there.
/// One that is to go out as it is, or isn't TCP, comes out as it is.
///
/// ```
/// # use sockeye_device::{Outgoing, Slices, segment};
/// # let mut packet = Outgoing::build(Slices::from_iter([vec![7; 3000].into()]), |head| {
/// #     head[..10].copy_from_slice(&[0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6]);
/// #     head[32] = 5 << 4;
/// #     40
/// # });
/// packet.segment_size = 1460;
/// let lengths: Vec<usize> = segment::cut(packet).map(|segment| segment.len()).collect();
/// assert_eq!(lengths, [1500, 1500, 120]);
/// ```
pub fn cut(mut packet: Outgoing) -> Cut {
    let layout = if packet.segment_size == 0 { None } else { Layout::of(packet.head()) };
    // What follows the headers in the head would have to move along: nobody builds packets like that.
    let layout = layout.filter(|layout| layout.head_len() == packet.head().len());
    let pattern = layout.map(|layout| Pattern::take(layout, packet.parts_mut().0));
    Cut { rest: packet, pattern, ended: false }
}

/// As [`cut`], of a packet that was received: what goes on a wire. One that its device vouches for gets a complete
/// checksum, too, as it may have that of the pseudo-header only.
pub fn cut_packet(packet: Packet) -> impl Iterator<Item = Packet> {
    let packet = packet.joined();
    let layout = if packet.is_as_on_a_wire() { None } else { Layout::of(&packet.bytes) };
    let whole = layout.is_none().then(|| Packet { segment_size: 0, ..packet.clone() });
    let segments = layout.map(|layout| {
        let Packet { bytes, segment_size, .. } = &packet;
        let (head, text) = bytes.split_at(layout.head_len());
        // What a link padded stays behind; of a super-segment the header may not say the truth.
        let announced = if *segment_size == 0 { layout.announced_text(head) } else { None };
        let text = announced.and_then(|announced| text.get(..announced)).unwrap_or(text);
        let mut outgoing = Outgoing::build(Slices::from_iter([bytes.slice_ref(text)]), |space| {
            let length = head.len().min(space.len());
            space.iter_mut().zip(head).for_each(|(to, from)| *to = *from);
            length
        });
        outgoing.segment_size = if *segment_size == 0 { u16::MAX } else { *segment_size };
        cut(outgoing).map(move |segment| Packet { bytes: segment.to_bytes(), segment_size: 0, ..packet.clone() })
    });
    whole.into_iter().chain(segments.into_iter().flatten())
}

impl Iterator for Cut {
    type Item = Outgoing;

    fn next(&mut self) -> Option<Outgoing> {
        if self.ended {
            return None;
        }
        let Some(pattern) = &mut self.pattern else {
            self.ended = true;
            let payload = mem::take(&mut self.rest.payload);
            return Some(self.rest.with_head_for(payload));
        };
        let payload = split_off(&mut self.rest.payload, self.rest.segment_size.into());
        self.ended = self.rest.payload.is_empty();
        let mut segment = self.rest.with_head_for(payload);
        pattern.put_on(&mut segment, self.ended);
        Some(segment)
    }
}

impl Pattern {
    /// Puts 0 into `head` where segments differ.
    fn take(layout: Layout, head: &mut [u8]) -> Self {
        let [source, destination] = layout.addresses(head);
        let identification = layout.is_identified(head).then(|| word(head, IDENTIFICATION));
        let (mut ip, mut tcp) = (Sum::default(), Sum::default());
        if layout.version == Version::V4 {
            put_word(head, TOTAL_LENGTH, 0);
            put_word(head, HEADER_CHECKSUM, 0);
            if identification.is_some() {
                put_word(head, IDENTIFICATION, 0);
            }
            ip.add(head.get(..Version::V4.header_len()).unwrap_or_default());
        }
        let header = layout.tcp_mut(head);
        let (seq, flags) = (seq(header), header.get(FLAGS).copied().unwrap_or(0));
        put_seq(header, 0);
        put_flags(header, 0);
        put_word(header, CHECKSUM_OFFSET, 0);
        tcp.add_pseudo_header(source, destination, protocol::TCP, 0);
        tcp.add(header);
        Self { layout, ip, tcp, seq, identification, flags }
    }

    /// Makes the headers of a segment its own.
    fn put_on(&mut self, segment: &mut Outgoing, is_last: bool) {
        let (head, payload) = segment.parts_mut();
        let text = payload.iter().map(Bytes::len).sum();
        self.layout.put_length(head, text);
        if self.layout.version == Version::V4 {
            let mut sum = self.ip;
            sum.add_word(lower(self.layout.head_len() + text));
            if let Some(identification) = &mut self.identification {
                put_word(head, IDENTIFICATION, usize::from(*identification));
                sum.add_word(*identification);
                *identification = identification.wrapping_add(1);
            }
            put_word(head, HEADER_CHECKSUM, sum.checksum().into());
        }
        let header = self.layout.tcp_mut(head);
        let flags = if is_last { self.flags } else { self.flags & !LAST_ONLY };
        put_seq(header, self.seq);
        put_flags(header, flags);
        let mut sum = self.tcp;
        sum.add_word(lower((self.seq >> 16) as usize));
        sum.add_word(lower(self.seq as usize));
        sum.add_word(flags.into());
        sum.add_word(lower(header.len() + text));
        payload.iter().for_each(|piece| sum::add(&mut sum, piece));
        put_word(header, CHECKSUM_OFFSET, sum.checksum().into());
        self.flags &= !FIRST_ONLY;
        self.seq = self.seq.wrapping_add(u32::try_from(text).unwrap_or(0));
    }
}

/// The lower 16 bits.
#[expect(clippy::cast_possible_truncation, reason = "it is what is wanted")]
const fn lower(number: usize) -> u16 {
    number as u16
}

/// Takes the first `size` octets, shared, off the front.
fn split_off(payload: &mut Slices, size: usize) -> Slices {
    let (mut taken, mut left) = (Slices::new(), size);
    while left > 0 && !payload.is_empty() {
        let Some(first) = payload.first_mut() else { break };
        let piece = first.split_to(left.min(first.len()));
        left -= piece.len();
        if first.is_empty() {
            payload.remove(0);
        }
        if !piece.is_empty() {
            taken.push(piece);
        }
    }
    taken
}
