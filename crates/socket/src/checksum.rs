//! Checksums over the text of segments: outside the lock, because they cost by the octet.
//!
//! The stack is told that the device finishes checksums. Where it doesn't, the thread that transmits does it here; what
//! arrives is verified here by the thread that reads before the stack sees it.

use std::net::IpAddr;

use bytes::Bytes;
use sockeye_device::{Outgoing, Packet, sum};
use sockeye_wire::checksum::Sum;
use sockeye_wire::ip::{IpView, protocol};
use sockeye_wire::tcp::{CHECKSUM_OFFSET, sum_pseudo_header};

/// Turns the sum of the pseudo-header, which the stack has left in a TCP segment's checksum, into the checksum. What isn't
/// TCP is whole already.
pub(crate) fn finish(packet: &mut Outgoing) {
    let (head, payload) = packet.parts_mut();
    if let Some(header) = tcp_header(head) {
        complete(header, payload);
    }
}

//= rfc9293#MUST-2
/// Turns the sum of the pseudo-header in `header` into the checksum of the segment.
pub(crate) fn complete(header: &mut [u8], text: &[Bytes]) {
    put(Sum::default(), header, text);
}

/// Writes the checksum of the segment between `source` and `destination` into its `header`, where that of the text isn't left to
/// the device.
#[inline]
pub(crate) fn fill(source: IpAddr, destination: IpAddr, header: &mut [u8], text: &[Bytes], text_len: usize) {
    put(sum_pseudo_header(source, destination, header.len() + text_len), header, text);
}

#[inline]
fn put(mut sum: Sum, header: &mut [u8], text: &[Bytes]) {
    sum.add(header);
    text.iter().for_each(|piece| sum::add(&mut sum, piece));
    if let Some(field) = header.get_mut(CHECKSUM_OFFSET..CHECKSUM_OFFSET + 2) {
        field.copy_from_slice(&sum.checksum().to_be_bytes());
    }
}

/// The TCP header in the headers of a packet of ours, which never have IPv6 extensions.
fn tcp_header(head: &mut [u8]) -> Option<&mut [u8]> {
    let first = *head.first()?;
    let (protocol_at, length) = match first >> 4 {
        4 => (9, usize::from(first & 0xf) * 4),
        _ => (6, 40),
    };
    (*head.get(protocol_at)? == protocol::TCP).then(|| head.get_mut(length..)).flatten()
}

//= rfc9293#MUST-3
/// Marks a TCP segment whose checksum is right, so that the stack need not look. One whose checksum is wrong, and all else,
/// is left for the stack to judge, and to count.
pub(crate) fn verify(packet: &mut Packet) {
    packet.checksum_verified = packet.checksum_verified || is_right(packet);
}

fn is_right(packet: &Packet) -> bool {
    let Ok(ip) = IpView::parse_front(&packet.bytes, packet.text_len()) else {
        return false;
    };
    // A fragment's checksum is that of the whole datagram.
    ip.protocol() == protocol::TCP
        && ip.fragment().is_none()
        && sum::verifies(ip.source(), ip.destination(), ip.payload(), &packet.text)
}

#[cfg(test)]
mod tests {
    use sockeye_device::Slices;
    use sockeye_wire::ip::IpHeader;
    use sockeye_wire::tcp::{Flags, Options, TcpHeader, fill_partial_checksum};
    use sockeye_wire::{Instant, SeqNumber};

    use super::*;

    /// A segment as the stack makes it: text in odd pieces, the sum of the pseudo-header in the checksum's place.
    fn segment(source: &str, destination: &str, protocol: u8) -> Outgoing {
        let payload = Slices::from_iter([Bytes::from_static(b"odd"), Bytes::from_static(b"pieces of text")]);
        let tcp = TcpHeader {
            source_port: 7,
            destination_port: 9,
            seq: SeqNumber::new(1_000_000),
            ack: SeqNumber::new(2_000_000),
            flags: Flags::ACK,
            window: 1000,
            urgent: 0,
            options: Options::NONE,
        };
        let payload_len = tcp.len() + 17;
        Outgoing::build(payload, |head| {
            let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
            let (hop_limit, traffic_class, dont_fragment) = (9, 0, true);
            let ip = IpHeader { source, destination, protocol, payload_len, hop_limit, traffic_class, dont_fragment };
            let start = ip.emit(head).unwrap();
            let end = start + tcp.emit(&mut head[start..]).unwrap();
            fill_partial_checksum(source, destination, &mut head[start..end], payload_len);
            end
        })
    }

    fn arrived(packet: &Outgoing) -> Packet {
        let mut packet = Packet::new(packet.to_bytes(), Instant::ZERO);
        verify(&mut packet);
        packet
    }

    #[test]
    fn what_was_finished_verifies_and_nothing_else_does() {
        for (source, destination) in [("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::2")] {
            let mut packet = segment(source, destination, protocol::TCP);
            assert!(!arrived(&packet).checksum_verified, "it is not finished yet");
            finish(&mut packet);
            assert!(arrived(&packet).checksum_verified);

            let mut whole = packet.to_bytes().to_vec();
            *whole.last_mut().unwrap() ^= 1;
            let mut garbled = Packet::new(whole.into(), Instant::ZERO);
            verify(&mut garbled);
            assert!(!garbled.checksum_verified);
        }
    }

    #[test]
    fn text_in_pieces_verifies_as_if_it_were_in_one() {
        let mut outgoing = segment("10.0.0.1", "10.0.0.2", protocol::TCP);
        finish(&mut outgoing);
        let front = Bytes::copy_from_slice(outgoing.head());
        let mut packet = Packet { text: outgoing.payload.to_vec(), ..Packet::new(front, Instant::ZERO) };
        verify(&mut packet);
        assert!(packet.checksum_verified);
        packet.text[1] = Bytes::from_static(b"pieces of texts");
        packet.checksum_verified = false;
        verify(&mut packet);
        assert!(!packet.checksum_verified, "as long as it was, but not the same");
    }

    #[test]
    fn what_is_not_tcp_is_left_alone() {
        let before = segment("10.0.0.1", "10.0.0.2", protocol::UDP);
        let mut after = before.clone();
        finish(&mut after);
        assert_eq!(after.to_bytes(), before.to_bytes());
        assert!(!arrived(&after).checksum_verified);
    }

    #[test]
    fn what_a_device_vouches_for_is_not_looked_at() {
        let mut packet = Packet { checksum_verified: true, ..Packet::new(Bytes::from_static(b"x"), Instant::ZERO) };
        verify(&mut packet);
        assert!(packet.checksum_verified);
    }
}
