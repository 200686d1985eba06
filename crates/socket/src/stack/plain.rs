//! What nearly every packet is, taken before the steps of [`super::packet_arrives`] are gone through one by one: a whole TCP
//! segment of a connection, in an IP header without options or extensions.
//!
//! What is otherwise, or not as it should be, is left untouched to the steps, which judge and count it. A property test gives
//! the same packets to both ways.

use bytes::{Buf, Bytes};
use sockeye_device::{Packet, sum};
use sockeye_tcb::{Segment, State};
use sockeye_wire::Instant;
use sockeye_wire::checksum::Sum;
use sockeye_wire::ip::{Ecn, protocol, v4, v6};
use sockeye_wire::tcp::TcpView;

use super::counters::Reason;
use super::demux::Ends;
use super::slab::Key;
use super::{Stack, Target};

/// Offset and "more fragments" in an IPv4 header: zero in a whole datagram.
const FRAGMENT: u16 = 0x3fff;

/// A whole packet with TCP in it, its IP header right.
struct Plain<'a> {
    ends: Ends,
    ecn: Ecn,
    ip_len: usize,
    /// TCP's header, and what of the text stands in the same piece.
    front: &'a [u8],
}

impl<'a> Plain<'a> {
    #[inline]
    fn of(packet: &'a Packet) -> Option<Self> {
        let bytes: &[u8] = &packet.bytes;
        let octets = bytes.len() + packet.text_len();
        match *bytes {
            [0x45, class, a, b, _, _, c, d, _, protocol::TCP, ..] => {
                let (header, front) = bytes.split_first_chunk::<{ v4::HEADER_LEN }>()?;
                let ends = Ends::V4(*bytes.get(12..)?.first_chunk()?);
                let (total, fragment) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
                let mut sum = Sum::default();
                sum.add(header);
                let right = usize::from(total) == octets && fragment & FRAGMENT == 0 && sum.is_valid();
                right.then_some(Self { ends, ecn: Ecn::of(class), ip_len: v4::HEADER_LEN, front })
            }
            [first @ 0x60..=0x6f, second, _, _, a, b, protocol::TCP, ..] => {
                let front = bytes.get(v6::HEADER_LEN..)?;
                let ends = Ends::V6(*bytes.get(8..)?.first_chunk()?);
                let ecn = Ecn::of(first << 4 | second >> 4);
                let right = usize::from(u16::from_be_bytes([a, b])) + v6::HEADER_LEN == octets;
                right.then_some(Self { ends, ecn, ip_len: v6::HEADER_LEN, front })
            }
            _ => None,
        }
    }

    //= rfc9293#MUST-3
    /// True if the checksum of TCP is right.
    #[inline]
    fn verifies(&self, packet: &Packet) -> bool {
        let octets = u32::try_from(self.front.len() + packet.text_len()).unwrap_or(u32::MAX);
        let [a, b, c, d] = octets.to_be_bytes();
        let mut sum = Sum::default();
        sum.add(self.ends.addresses());
        sum.add(&[0, protocol::TCP, a, b, c, d]);
        sum::completes(sum, self.front, &packet.text)
    }
}

impl Stack {
    /// Takes a packet that is as nearly every one; `None`, and nothing has happened, if it isn't.
    #[inline]
    pub(super) fn take_plain(&mut self, now: Instant, packet: &mut Packet) -> Option<Result<(), Reason>> {
        let plain = Plain::of(packet)?;
        let view = TcpView::parse(plain.front).ok()?;
        let key = self.connection_between(&plain.ends)?;
        if !packet.checksum_verified && !plain.verifies(packet) {
            return None;
        }
        let connection = self.connections.get_mut(key).filter(|connection| connection.tcb.state() != State::Closed)?;
        let text_at = plain.ip_len + view.header_len();
        // As `packet_arrives` makes it, but whole at once: to add the text afterwards costs 75 instructions.
        let segment = Segment {
            seq: view.seq(),
            ack: view.ack(),
            flags: view.flags(),
            window: view.window(),
            urgent: view.urgent(),
            options: view.options(),
            ecn: plain.ecn,
            arrived_at: packet.arrived_at.min(now),
            segment_size: packet.segment_size,
            payload: cut(std::mem::take(&mut packet.bytes), text_at),
            more: std::mem::take(&mut packet.text),
        };
        let result = connection.tcb.on_segment(now, segment);
        self.touched.add(key, connection);
        Some(result.map_err(Into::into))
    }

    /// The connection between these ends, if a packet between them is to be taken.
    #[inline]
    fn connection_between(&mut self, ends: &Ends) -> Option<Key> {
        let target = match self.demux.last_between(ends) {
            Some(target) => target,
            None => self.look_up(ends)?,
        };
        if let Target::Connection(key) = target { Some(key) } else { None }
    }

    fn look_up(&mut self, ends: &Ends) -> Option<Target> {
        let pair = ends.pair();
        self.check_addresses(pair.remote.ip(), pair.local.ip()).ok()?;
        self.demux.get_between(*ends, &pair)
    }
}

/// What follows the first `octets`, of which there are as many.
#[inline]
fn cut(mut bytes: Bytes, octets: usize) -> Bytes {
    bytes.advance(octets);
    bytes
}

#[cfg(test)]
mod tests;
