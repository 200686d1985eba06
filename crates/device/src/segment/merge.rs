//! GRO in software: segments that follow each other become one super-segment.
//!
//! Merged is only what a receiver couldn't tell apart: same addresses, ports, acknowledgment, window, options with
//! timestamps, ECN and hop limit, no flags but ACK and on the last PSH, each as long as the first save the last. Checksums
//! are verified before; a packet that doesn't verify passes as it is. What has been merged carries
//! `checksum_verified`, and the sum of its pseudo-header for a checksum, as the kernel's own has.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use sockeye_wire::checksum::{checksum, with_pseudo_header};
use sockeye_wire::ip::protocol;
use sockeye_wire::tcp::{CHECKSUM_OFFSET, HEADER_LEN, fill_partial_checksum};

use super::layout::{FLAGS, Layout, Version, seq, word};
use crate::Packet;

/// Connections that are merged at the same time.
const FLOWS: usize = 8;
/// Octets of the longest packet there is.
const LONGEST: usize = 65_535;
const ACK: u8 = 0x10;
const PSH: u8 = 0x08;

/// Packets that wait for what follows them.
///
/// Packets of one connection come out in the order in which they went in; of several, one may overtake another.
///
/// ```
/// # use sockeye_device::{Packet, segment::Merge};
/// # fn batch() -> Vec<Packet> { Vec::new() }
/// let (mut merge, mut merged) = (Merge::default(), Vec::new());
/// for packet in batch() {
///     merge.push(packet, &mut merged);
/// }
/// merge.flush(&mut merged); // after each batch: nothing may wait for a packet that might not come
/// ```
#[derive(Debug, Default)]
pub struct Merge {
    /// The one that has waited longest first.
    runs: VecDeque<Run>,
}

/// Segments that become one.
#[derive(Debug)]
struct Run {
    first: Packet,
    layout: Layout,
    /// Octets of text in the first one.
    size: usize,
    /// Those behind it, whole.
    others: Vec<Bytes>,
    /// Octets of text in all.
    text: usize,
    /// One was shorter, or had PSH: nothing may follow.
    ended: bool,
}

impl Merge {
    /// A packet comes. Those that nothing can follow any more are in `out`. True if it was joined to one before it.
    pub fn push(&mut self, packet: Packet, out: &mut Vec<Packet>) -> bool {
        let Some(layout) = Layout::of(&packet.bytes) else {
            out.push(packet);
            return false;
        };
        let run = self.runs.iter().position(|run| run.is_same_flow(layout, &packet.bytes));
        let text = if packet.segment_size == 0 { mergeable_text(layout, &packet) } else { None };
        if let (Some(text), Some(run)) = (text, run.and_then(|at| self.runs.get_mut(at)))
            && run.takes(layout, &packet.bytes, text)
        {
            run.join(layout, packet, text);
            return true;
        }
        if let Some(run) = run.and_then(|at| self.runs.remove(at)) {
            out.push(run.finish());
        }
        match text {
            None => out.push(packet),
            Some(text) => {
                if self.runs.len() >= FLOWS {
                    out.extend(self.runs.pop_front().map(Run::finish));
                }
                self.runs.push_back(Run::new(layout, packet, text));
            }
        }
        false
    }

    /// All that waits comes out.
    pub fn flush(&mut self, out: &mut Vec<Packet>) {
        out.extend(self.runs.drain(..).map(Run::finish));
    }
}

impl Run {
    fn new(layout: Layout, first: Packet, text: usize) -> Self {
        let ended = has_psh(layout, &first.bytes);
        let first = Packet { checksum_verified: true, ..first }; // or else it would not be mergeable
        Self { first, layout, size: text, others: Vec::new(), text, ended }
    }

    fn is_same_flow(&self, layout: Layout, packet: &[u8]) -> bool {
        let ports = |layout: Layout, packet| layout.tcp(packet).first_chunk::<4>().copied();
        self.layout.version == layout.version
            && self.layout.addresses(&self.first.bytes) == layout.addresses(packet)
            && ports(self.layout, &self.first.bytes[..]) == ports(layout, packet)
    }

    /// True if the packet, with so many octets of text, follows those that are here and looks like them.
    fn takes(&self, layout: Layout, packet: &[u8], text: usize) -> bool {
        let first = &self.first.bytes[..];
        let follows = seq(self.layout.tcp(first)).wrapping_add(u32::try_from(self.text).unwrap_or(0));
        !self.ended
            && text <= self.size
            && self.layout.head_len() + self.text + text <= LONGEST
            && seq(layout.tcp(packet)) == follows
            && self.looks_alike(layout, packet)
    }

    /// True if the headers are those of the first one, but for what cutting makes anew.
    fn looks_alike(&self, layout: Layout, packet: &[u8]) -> bool {
        let first = &self.first.bytes[..];
        let (one, other) = (self.layout.tcp(first), layout.tcp(packet));
        // Acknowledgment and data offset; window; urgent pointer and options.
        let same_tcp = self.layout.tcp_len == layout.tcp_len
            && [8..FLAGS, FLAGS + 1..CHECKSUM_OFFSET, CHECKSUM_OFFSET + 2..HEADER_LEN.max(one.len())]
                .into_iter()
                .all(|range| one.get(range.clone()) == other.get(range));
        let same = |range: std::ops::Range<usize>| first.get(range.clone()) == packet.get(range);
        let same_ip = match layout.version {
            // Version and class; fragmentation; hop limit and protocol. Lengths and checksums differ.
            Version::V4 => same(0..2) && same(6..10) && self.is_next_identification(packet),
            Version::V6 => same(0..4) && same(6..8),
        };
        same_tcp && same_ip
    }

    fn is_next_identification(&self, packet: &[u8]) -> bool {
        let before = u16::try_from(self.others.len() + 1).unwrap_or(u16::MAX);
        !self.layout.is_identified(packet) || word(packet, 4) == word(&self.first.bytes, 4).wrapping_add(before)
    }

    fn join(&mut self, layout: Layout, packet: Packet, text: usize) {
        self.ended = text < self.size || has_psh(layout, &packet.bytes);
        self.text += text;
        self.others.push(packet.bytes);
    }

    /// The whole.
    fn finish(self) -> Packet {
        let Self { first, layout, size, others, text, .. } = self;
        let Some(last) = others.last() else {
            return first;
        };
        let head_len = layout.head_len();
        let mut whole = BytesMut::with_capacity(head_len + text);
        whole.extend_from_slice(first.bytes.get(..head_len + size).unwrap_or_default());
        let texts = others.iter().map(|packet| packet.get(head_len..).unwrap_or_default());
        let mut left = text - size;
        for text in texts {
            // What a link padded stays behind.
            let text = text.get(..size.min(left)).unwrap_or(text);
            left -= text.len();
            whole.extend_from_slice(text);
        }
        let push = has_psh(layout, last);
        layout.put_length(&mut whole, text);
        layout.put_header_checksum(&mut whole);
        let [source, destination] = layout.addresses(&whole);
        let tcp = layout.tcp_mut(&mut whole);
        if let Some(flags) = tcp.get_mut(FLAGS) {
            *flags |= if push { PSH } else { 0 };
        }
        fill_partial_checksum(source, destination, tcp, layout.tcp_len + text);
        let segment_size = u16::try_from(size).unwrap_or(u16::MAX);
        Packet { bytes: whole.freeze(), checksum_verified: true, segment_size, ..first }
    }
}

/// Octets of text in a segment that may be merged; `None` if it may not.
fn mergeable_text(layout: Layout, packet: &Packet) -> Option<usize> {
    let bytes = &packet.bytes[..];
    let text = layout.announced_text(bytes)?;
    let tcp = layout.tcp(bytes);
    let plain = tcp.get(FLAGS).is_some_and(|flags| flags & !PSH == ACK);
    let message = bytes.get(layout.version.header_len()..layout.head_len() + text)?;
    (plain && text > 0 && (packet.checksum_verified || verifies(layout, bytes, message))).then_some(text)
}

fn verifies(layout: Layout, packet: &[u8], message: &[u8]) -> bool {
    let header = packet.get(..layout.version.header_len()).unwrap_or_default();
    let [source, destination] = layout.addresses(packet);
    (layout.version == Version::V6 || checksum(header) == 0)
        && with_pseudo_header(source, destination, protocol::TCP, message).is_valid()
}

fn has_psh(layout: Layout, packet: &[u8]) -> bool {
    layout.tcp(packet).get(FLAGS).is_some_and(|flags| flags & PSH != 0)
}
