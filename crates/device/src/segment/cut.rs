//! TSO in software: one super-segment in, segments as they go on the wire out.
//!
//! Of each segment the lengths, the sequence number, both checksums and (IPv4, where it means something) the
//! identification are its own; FIN and PSH stay on the last, CWR on the first (RFC 3168 section 6.1.2). Payload is shared,
//! never copied.

use bytes::Bytes;
use sockeye_wire::tcp::fill_checksum;

use super::layout::{FIRST_ONLY, FLAGS, LAST_ONLY, Layout, put_seq, put_word, seq, word};
use crate::{Outgoing, Packet, Slices};

/// The segments of a packet, in order.
#[derive(Debug)]
pub struct Cut {
    /// What is still to be cut; `None` at the end.
    rest: Option<Outgoing>,
    /// `None` if the packet passes as it is.
    layout: Option<Layout>,
    /// Segments made so far.
    made: u16,
    /// Octets of text given out so far.
    offset: u32,
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
pub fn cut(packet: Outgoing) -> Cut {
    let layout = if packet.segment_size == 0 { None } else { Layout::of(packet.head()) };
    // What follows the headers in the head would have to move along: nobody builds packets like that.
    let layout = layout.filter(|layout| layout.head_len() == packet.head().len());
    Cut { rest: Some(packet), layout, made: 0, offset: 0 }
}

/// As [`cut`], of a packet that was received: what goes on a wire. One that its device vouches for gets a complete
/// checksum, too, as it may have that of the pseudo-header only.
pub fn cut_packet(packet: Packet) -> impl Iterator<Item = Packet> {
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
        let mut rest = self.rest.take()?;
        let Some(layout) = self.layout else {
            rest.segment_size = 0;
            return Some(rest);
        };
        let size = usize::from(rest.segment_size);
        let payload = split_off(&mut rest.payload, size);
        let length = payload.iter().map(Bytes::len).sum();
        let is_last = rest.payload.is_empty();
        let head = rest.head();
        let mut segment = Outgoing::build(payload, |space| {
            space.iter_mut().zip(head).for_each(|(to, from)| *to = *from);
            head.len()
        });
        segment.link_header = rest.link_header;
        self.put_headers(&mut segment, layout, length, is_last);
        self.made = self.made.wrapping_add(1);
        self.offset = self.offset.wrapping_add(u32::try_from(length).unwrap_or(0));
        self.rest = (!is_last).then_some(rest);
        Some(segment)
    }
}

impl Cut {
    /// Makes the headers of the whole those of its next segment.
    fn put_headers(&self, segment: &mut Outgoing, layout: Layout, length: usize, is_last: bool) {
        let (head, payload) = segment.parts_mut();
        layout.put_length(head, length);
        if layout.is_identified(head) {
            let identification = word(head, 4).wrapping_add(self.made);
            put_word(head, 4, usize::from(identification));
        }
        layout.put_header_checksum(head);
        let [source, destination] = layout.addresses(head);
        let tcp = layout.tcp_mut(head);
        put_seq(tcp, seq(tcp).wrapping_add(self.offset));
        if let Some(flags) = tcp.get_mut(FLAGS) {
            let not_here = if is_last { 0 } else { LAST_ONLY } | if self.made > 0 { FIRST_ONLY } else { 0 };
            *flags &= !not_here;
        }
        fill_checksum(source, destination, tcp, payload.iter().map(|slice| &slice[..]));
    }
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
