//! GRO in software: segments that follow each other become one super-segment.
//!
//! Merged is only what a receiver couldn't tell apart: same addresses, ports, acknowledgment, window, options with
//! timestamps, ECN and hop limit, no flags but ACK and on the last PSH, each as long as the first save the last. Checksums
//! are verified before; a packet that doesn't verify passes as it is. What has been merged carries
//! `checksum_verified`, and the sum of its pseudo-header for a checksum, as the kernel's own has.

use bytes::{Buf, Bytes, BytesMut};
use sockeye_wire::checksum::checksum;
use sockeye_wire::tcp::{CHECKSUM_OFFSET, HEADER_LEN, fill_partial_checksum};

use super::layout::{FLAGS, IDENTIFICATION, Layout, Version, seq, word};
use crate::{Packet, sum};

/// Connections that are merged at the same time.
const FLOWS: usize = 8;
/// Octets of the longest packet there is.
const LONGEST: usize = 65_535;
/// Segments of the common MTU that make the longest packet.
const COMMON: usize = 45;
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
    runs: Vec<Run>,
    /// Octets of text that were copied to make one packet of several.
    copied: u64,
}

/// Segments that become one.
#[derive(Debug)]
struct Run {
    first: Packet,
    layout: Layout,
    /// Octets of text in each of them; the last may have less.
    size: usize,
    /// How many they are.
    count: u16,
    /// The text of those behind the first, in pieces.
    others: Vec<Bytes>,
    /// Octets of text in all.
    text: usize,
    /// The last had PSH.
    push: bool,
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
        if let Some(at) = run {
            let run = self.runs.remove(at);
            out.push(self.finish(run));
        }
        match text {
            None => out.push(packet),
            Some(text) => {
                if self.runs.len() >= FLOWS {
                    let run = self.runs.remove(0);
                    out.push(self.finish(run));
                }
                self.runs.push(Run::new(layout, packet, text));
            }
        }
        false
    }

    /// All that waits comes out.
    pub fn flush(&mut self, out: &mut Vec<Packet>) {
        let copied = &mut self.copied;
        out.extend(self.runs.drain(..).map(|run| run.finish(copied)));
    }

    /// Octets of text that were copied so far, to make one packet of several.
    pub const fn copied(&self) -> u64 {
        self.copied
    }

    fn finish(&mut self, run: Run) -> Packet {
        run.finish(&mut self.copied)
    }
}

impl Run {
    fn new(layout: Layout, first: Packet, text: usize) -> Self {
        let push = has_psh(layout, &first.bytes);
        let first = Packet { checksum_verified: true, ..first }; // or else it would not be mergeable
        Self { first, layout, size: text, count: 1, others: Vec::new(), text, push, ended: push }
    }

    fn is_same_flow(&self, layout: Layout, packet: &[u8]) -> bool {
        let ends = layout.version.ends();
        self.layout.version == layout.version && self.first.bytes.get(ends.clone()) == packet.get(ends)
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
        let [first, other] = [&self.first.bytes[..], packet].map(|packet| word(packet, IDENTIFICATION));
        !self.layout.is_identified(packet) || other == first.wrapping_add(self.count)
    }

    fn join(&mut self, layout: Layout, mut packet: Packet, text: usize) {
        self.push = has_psh(layout, &packet.bytes);
        self.ended = text < self.size || self.push;
        self.count += 1;
        self.text += text;
        if self.others.is_empty() {
            self.others.reserve(COMMON);
        }
        leave_text(layout, &mut packet, text);
        self.others.push(packet.bytes);
        if !packet.text.is_empty() {
            self.others.append(&mut packet.text);
        }
    }

    /// The whole; text that is copied for it is counted.
    fn finish(self, copied: &mut u64) -> Packet {
        let Self { mut first, layout, size, count, others, text, push, .. } = self;
        if count == 1 {
            return first;
        }
        *copied += text as u64;
        let mut whole = BytesMut::with_capacity(layout.head_len() + text);
        whole.extend_from_slice(first.bytes.get(..layout.head_len()).unwrap_or_default());
        leave_text(layout, &mut first, size);
        std::iter::once(&first.bytes)
            .chain(&first.text)
            .chain(&others)
            .for_each(|piece| whole.extend_from_slice(piece));
        layout.put_length(&mut whole, text);
        layout.put_header_checksum(&mut whole);
        let [source, destination] = layout.addresses(&whole);
        let tcp = layout.tcp_mut(&mut whole);
        if let Some(flags) = tcp.get_mut(FLAGS) {
            *flags |= if push { PSH } else { 0 };
        }
        fill_partial_checksum(source, destination, tcp, layout.tcp_len + text);
        let segment_size = u16::try_from(size).unwrap_or(u16::MAX);
        let link_header = first.link_header;
        Packet { checksum_verified: true, segment_size, link_header, ..Packet::new(whole.freeze(), first.arrived_at) }
    }
}

/// Takes away the headers of a packet that has so many octets of text, and what a link padded behind them.
fn leave_text(layout: Layout, packet: &mut Packet, octets: usize) {
    packet.bytes.advance(layout.head_len().min(packet.bytes.len()));
    packet.bytes.truncate(octets);
}

/// Octets of text in a segment that may be merged; `None` if it may not.
fn mergeable_text(layout: Layout, packet: &Packet) -> Option<usize> {
    let text = layout.announced_text(&packet.bytes)?;
    let here = (layout.head_len() + text).checked_sub(packet.text_len())?;
    let message = packet.bytes.get(layout.version.header_len()..here)?;
    // Behind a front that isn't all there nothing is padded.
    let joins = packet.text.is_empty() || here == packet.bytes.len();
    let plain = joins && layout.tcp(&packet.bytes).get(FLAGS).is_some_and(|flags| flags & !PSH == ACK);
    if !plain || text == 0 {
        return None;
    }
    let header = packet.bytes.get(..layout.version.header_len())?;
    // Its own checksum would be made anew, and a wrong one with it: no device vouches for that.
    let header_holds = layout.version == Version::V6 || checksum(header) == 0;
    let [source, destination] = layout.addresses(header);
    let text_holds = || packet.checksum_verified || sum::verifies(source, destination, message, &packet.text);
    (header_holds && text_holds()).then_some(text)
}

fn has_psh(layout: Layout, packet: &[u8]) -> bool {
    layout.tcp(packet).get(FLAGS).is_some_and(|flags| flags & PSH != 0)
}
