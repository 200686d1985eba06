//! What leaves, on its way from the stack to the device: super-segments are cut, checksums completed, where the device does
//! not. Outside a shard's lock, because both cost by the octet.
//!
//! The stack makes super-segments whatever the device: one pass through a connection is enough for up to 45 segments. It is
//! the way of Linux, which calls it GSO.

use sockeye_device::{Capabilities, Outgoing, segment};

use crate::checksum;

/// Makes packets ready for the device.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scatter {
    device: Capabilities,
    most_text: u32,
}

impl Scatter {
    pub(crate) fn new(device: Capabilities) -> Self {
        let segmentation = if device.segmentation == 0 { Capabilities::LARGEST } else { device.segmentation };
        Self { device, most_text: Capabilities { segmentation, ..device }.most_text() }
    }

    /// Octets of text that the stack may put into one packet.
    pub(crate) const fn most_text(&self) -> u32 {
        self.most_text
    }

    /// True if the device takes packets as the stack makes them.
    pub(crate) const fn is_idle(&self) -> bool {
        self.device.checksum && self.device.segmentation > 0
    }

    /// Appends to `out` what the device is to get for a packet.
    pub(crate) fn make_ready(&self, mut packet: Outgoing, out: &mut impl Extend<Outgoing>) {
        if packet.segment_size > 0 && self.device.segmentation == 0 {
            out.extend(segment::cut(packet));
            return;
        }
        if !self.device.checksum {
            checksum::finish(&mut packet);
        }
        out.extend([packet]);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use bytes::Bytes;
    use sockeye_device::Slices;
    use sockeye_wire::SeqNumber;
    use sockeye_wire::ip::{IpHeader, IpView, protocol};
    use sockeye_wire::tcp::{Flags, Options, TcpHeader, TcpView, fill_partial_checksum};

    use super::*;

    const ENDS: [IpAddr; 2] =
        [IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)), IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2))];

    /// As the stack makes it: the sum of the pseudo-header in the checksum's place.
    fn packet(text: usize, segment_size: u16) -> Outgoing {
        let [source, destination] = ENDS;
        let tcp = TcpHeader {
            source_port: 7,
            destination_port: 9,
            seq: SeqNumber::new(u32::MAX - 1000),
            ack: SeqNumber::new(2),
            flags: Flags { psh: true, ..Flags::ACK },
            window: 1000,
            urgent: 0,
            options: Options::NONE,
        };
        let payload_len = tcp.len() + text;
        let mut packet = Outgoing::build(Slices::from_iter([Bytes::from(vec![7; text])]), |head| {
            let (protocol, hop_limit, traffic_class, dont_fragment) = (protocol::TCP, 64, 0, true);
            let ip = IpHeader { source, destination, protocol, payload_len, hop_limit, traffic_class, dont_fragment };
            let start = ip.emit(head).unwrap();
            let end = start + tcp.emit(&mut head[start..]).unwrap();
            fill_partial_checksum(source, destination, &mut head[start..end], payload_len);
            end
        });
        packet.segment_size = segment_size;
        packet
    }

    fn ready(device: Capabilities, packet: Outgoing) -> Vec<Outgoing> {
        let mut out = Vec::new();
        Scatter::new(device).make_ready(packet, &mut out);
        out
    }

    #[test]
    fn a_device_that_does_nothing_gets_segments_with_checksums() {
        let plain = Capabilities { mtu: 1500, checksum: false, segmentation: 0 };
        assert!(Scatter::new(plain).most_text() > 60_000, "the stack makes super-segments all the same");
        for (packet, count) in [(packet(3000, 1460), 3), (packet(100, 0), 1)] {
            let segments = ready(plain, packet);
            assert_eq!(segments.len(), count);
            for segment in segments {
                assert!(plain.carries(&segment) && segment.segment_size == 0);
                let bytes = segment.to_bytes();
                let ip = IpView::parse(&bytes).unwrap();
                assert!(TcpView::parse(ip.payload()).unwrap().verify_checksum(ENDS[0], ENDS[1]));
            }
        }
    }

    #[test]
    fn a_device_that_does_all_gets_what_the_stack_has_made() {
        let able = Capabilities { mtu: 1500, checksum: true, segmentation: 20_000 };
        assert_eq!(Scatter::new(able).most_text(), able.most_text());
        let packet = packet(3000, 1460);
        let out = ready(able, packet.clone());
        assert_eq!((out[0].head(), out[0].segment_size, out.len()), (packet.head(), 1460, 1));
    }
}
