//! Reading captures: pcap and pcapng files, whoever wrote them.

use std::io::{self, Read};
use std::time::Duration;

use pcap_file::pcap::PcapReader;
use pcap_file::pcapng::blocks::interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption};
use pcap_file::pcapng::{Block, PcapNgReader};
use pcap_file::{DataLink, PcapError};

/// What stands before the IP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkType {
    /// Nothing: a TUN device.
    Ip,
    /// An Ethernet header of 14 octets.
    Ethernet,
    /// The four octets of BSD's loopback.
    Loopback,
    /// The 16 octets that Linux gives for the device `any`.
    Cooked,
    /// The 20 octets of their successor.
    Cooked2,
}

impl LinkType {
    /// The numbers of the pcap registry; `None` for links that carry no IP, or in a way that isn't known here.
    fn of(link: DataLink) -> Option<Self> {
        Some(match link {
            DataLink::RAW | DataLink::IPV4 | DataLink::IPV6 => Self::Ip,
            DataLink::ETHERNET => Self::Ethernet,
            DataLink::NULL | DataLink::LOOP => Self::Loopback,
            DataLink::LINUX_SLL => Self::Cooked,
            DataLink::LINUX_SLL2 => Self::Cooked2,
            _ => return None,
        })
    }
}

/// A packet out of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// When, since the first of January 1970 UTC.
    pub at: Duration,
    /// What its octets start with.
    pub link: LinkType,
    /// Its octets, as many as were captured.
    pub octets: Vec<u8>,
}

/// A capture that is being read: an iterator over its packets. Those of links that carry no IP are left out.
///
/// An error ends it: what follows a damaged place can't be told apart.
pub struct Capture<R: Read> {
    format: Option<Format<R>>,
}

enum Format<R: Read> {
    Pcap(PcapReader<Whole<R>>),
    PcapNg(PcapNgReader<Whole<R>>),
}

/// The four octets that tell the format, and the rest.
type Whole<R> = io::Chain<io::Cursor<[u8; 4]>, R>;

/// What each block of a pcapng starts with that starts a section.
const PCAPNG: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

impl<R: Read> Capture<R> {
    /// Begins to read; the format is told by the first octets.
    ///
    /// # Errors
    /// What reading returns; [`io::ErrorKind::InvalidData`] if it is no capture.
    pub fn new(mut source: R) -> io::Result<Self> {
        let mut magic = [0; 4];
        source.read_exact(&mut magic).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => invalid("it is no pcap or pcapng file: it is too short"),
            _ => error,
        })?;
        let whole = io::Cursor::new(magic).chain(source);
        let format = if magic == PCAPNG {
            PcapNgReader::new(whole).map(Format::PcapNg)
        } else {
            PcapReader::new(whole).map(Format::Pcap)
        };
        let format = format.map_err(|error| match error {
            PcapError::IoError(error) => error,
            other => invalid(format!("it is no pcap or pcapng file: {other}")),
        })?;
        Ok(Self { format: Some(format) })
    }
}

impl<R: Read> Iterator for Capture<R> {
    type Item = io::Result<Captured>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = match self.format.as_mut()? {
            Format::Pcap(reader) => next_of_pcap(reader),
            Format::PcapNg(reader) => next_of_pcapng(reader),
        };
        if !matches!(next, Some(Ok(_))) {
            self.format = None;
        }
        next
    }
}

fn next_of_pcap<R: Read>(reader: &mut PcapReader<R>) -> Option<io::Result<Captured>> {
    let link = reader.header().datalink;
    let Some(link) = LinkType::of(link) else {
        return Some(Err(invalid(format!("its link type is {}, which isn't known here", u32::from(link)))));
    };
    let packet = reader.next_packet()?;
    Some(packet.map_err(to_io).map(|packet| Captured { at: packet.timestamp, link, octets: packet.data.into_owned() }))
}

fn next_of_pcapng<R: Read>(reader: &mut PcapNgReader<R>) -> Option<io::Result<Captured>> {
    loop {
        let (interface, units, octets) = match reader.next_block()? {
            Err(error) => return Some(Err(to_io(error))),
            // The library hands out units as if they were nanoseconds.
            Ok(Block::EnhancedPacket(packet)) => {
                (packet.interface_id, packet.timestamp.as_nanos(), packet.data.into_owned())
            }
            Ok(Block::SimplePacket(packet)) => (0, 0, packet.data.into_owned()),
            Ok(_) => continue,
        };
        let interface = usize::try_from(interface).ok().and_then(|number| reader.interfaces().get(number));
        let Some(link) = interface.and_then(|interface| LinkType::of(interface.linktype)) else {
            continue;
        };
        let at = interface.map(|interface| time(interface, units)).unwrap_or_default();
        return Some(Ok(Captured { at, link, octets }));
    }
}

/// Units of the interface's clock as time: microseconds, unless it says otherwise.
fn time(interface: &InterfaceDescriptionBlock<'_>, units: u128) -> Duration {
    let resolution = interface.options.iter().find_map(|option| match option {
        InterfaceDescriptionOption::IfTsResol(resolution) => Some(*resolution),
        _ => None,
    });
    // The highest bit tells powers of two from powers of ten.
    let resolution = resolution.unwrap_or(6);
    let base: u128 = if resolution & 0x80 == 0 { 10 } else { 2 };
    let per_second = base.checked_pow(u32::from(resolution & 0x7f)).unwrap_or(u128::MAX);
    let nanos = (units % per_second).saturating_mul(1_000_000_000) / per_second;
    let seconds = u64::try_from(units / per_second).unwrap_or(u64::MAX);
    Duration::new(seconds, u32::try_from(nanos).unwrap_or_default())
}

fn invalid(why: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.into())
}

fn to_io(error: PcapError) -> io::Error {
    match error {
        PcapError::IoError(error) => error,
        PcapError::IncompleteBuffer => invalid("it ends within a packet"),
        other => invalid(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
    use pcap_file::pcapng::PcapNgWriter;
    use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketBlock;

    use super::*;

    fn pcapng(resolution: Option<u8>, units: u64) -> Vec<u8> {
        let mut writer = PcapNgWriter::new(Vec::new()).expect("a vector takes it");
        let mut interface = InterfaceDescriptionBlock::new(DataLink::RAW, 0);
        interface.options.extend(resolution.map(InterfaceDescriptionOption::IfTsResol));
        writer.write_pcapng_block(interface).expect("a vector takes it");
        let packet = EnhancedPacketBlock {
            interface_id: 0,
            timestamp: Duration::from_nanos(units),
            original_len: 3,
            data: Cow::Borrowed(&[7; 3]),
            options: Vec::new(),
        };
        writer.write_pcapng_block(packet).expect("a vector takes it");
        writer.into_inner()
    }

    #[test]
    fn both_formats_give_the_same_packets() {
        let header = PcapHeader { datalink: DataLink::ETHERNET, ..PcapHeader::default() };
        let mut writer = PcapWriter::with_header(Vec::new(), header).expect("a vector takes it");
        let at = Duration::from_micros(5_000_007);
        writer.write_packet(&PcapPacket::new(at, 3, &[7; 3])).expect("a vector takes it");
        let read = |file: &[u8]| Capture::new(file).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let captured = |link| [Captured { at, link, octets: vec![7; 3] }];
        assert_eq!(read(&writer.into_writer()).expect("it is whole"), captured(LinkType::Ethernet));
        assert_eq!(read(&pcapng(None, 5_000_007)).expect("it is whole"), captured(LinkType::Ip));
    }

    #[test]
    fn a_clock_of_any_resolution_is_understood() {
        for (resolution, units, at) in [
            (Some(9), 1_500_000_000, Duration::from_millis(1500)),
            (Some(0), 3, Duration::from_secs(3)),
            (Some(0x8a), 1536, Duration::from_millis(1500)),
            (Some(127), 1, Duration::ZERO),
        ] {
            let file = pcapng(resolution, units);
            let first = Capture::new(&file[..]).expect("it is one").next().expect("it has a packet");
            assert_eq!(first.expect("it is whole").at, at, "{resolution:?}");
        }
    }

    #[test]
    fn what_is_no_capture_or_ends_early_is_an_error_and_the_end() {
        for file in [&b""[..], b"abc", b"GIF89a, and so on, and so on", &PCAPNG] {
            assert!(Capture::new(file).is_err(), "{file:?}");
        }
        let whole = pcapng(None, 1);
        for length in 0..whole.len() {
            if let Ok(mut capture) = Capture::new(&whole[..length]) {
                assert!(capture.by_ref().take(10).all(|packet| packet.is_err()), "{length} octets");
                assert!(capture.next().is_none());
            }
        }
    }
}
