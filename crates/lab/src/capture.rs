//! Capture files, packet by packet: pcap and pcapng, of any byte order and resolution, in memory that doesn't grow.

use std::fmt;
use std::io::{self, Read};
use std::ops::ControlFlow;

use pcap_parser::pcapng::Block;
use pcap_parser::{PcapBlockOwned, PcapError, create_reader};
use sockeye_wire::Instant;

/// Octets that are read at once; no packet may be larger.
const BUFFER: usize = 4 << 20;
/// Interfaces that a section of a pcapng file may describe: each is to be remembered.
const INTERFACES: usize = 1 << 16;
/// Octets that the parser gets at first: it wants the first block in one piece, and a pipe may give less at once.
const FIRST: u64 = 64 << 10;
const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// Why a file can't be read at all.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// There is nothing in it.
    Empty,
    /// It begins neither like pcap nor like pcapng.
    NotACapture,
    /// The operating system refused: what it said.
    Unreadable(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the file is empty"),
            Self::NotACapture => f.write_str("this is neither a pcap nor a pcapng file"),
            Self::Unreadable(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Error {}

/// Why reading ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// At the end of the file, or because no more was wanted.
    Complete,
    /// The file ends within a packet, which begins at this octet.
    Truncated(u64),
    /// What stands at this octet can't be a packet; all before it was read.
    Garbled(u64),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Complete => f.write_str("it is whole"),
            Self::Truncated(at) => write!(f, "it breaks off within the packet at octet {at}"),
            Self::Garbled(at) => write!(f, "it is garbled from octet {at} on"),
        }
    }
}

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
    /// By its number (<https://www.tcpdump.org/linktypes.html>).
    const fn of(number: i32) -> Option<Self> {
        Some(match number {
            1 => Self::Ethernet,
            0 | 108 => Self::Loopback,
            12 | 14 | 101 | 228 | 229 => Self::Ip,
            113 => Self::Cooked,
            276 => Self::Cooked2,
            _ => return None,
        })
    }
}

/// A packet as it stands in the file.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// When it was captured, since 1970.
    pub at: Instant,
    /// What it begins with; `None` for a link that carries no IP, or in a way that isn't known here.
    pub link: Option<LinkType>,
    /// As much of it as was captured, from the link layer on.
    pub data: &'a [u8],
    /// Octets that it had on the wire.
    pub original_len: usize,
}

/// What an interface of a pcapng file says about its packets.
#[derive(Clone, Copy)]
struct Interface {
    link: Option<LinkType>,
    /// Ticks in a second.
    resolution: u128,
    /// Seconds to add.
    offset: i64,
    snap_len: usize,
}

impl Interface {
    fn at(self, ticks: u64) -> Instant {
        let nanos = u128::from(ticks) * NANOS_PER_SECOND / self.resolution;
        let offset = i128::from(self.offset) * NANOS_PER_SECOND.cast_signed();
        let nanos = nanos.cast_signed().saturating_add(offset).max(0);
        Instant::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// Ticks in a second by the `if_tsresol` option: a power of ten, or of two with the highest bit. What would overflow
/// counts as nanoseconds.
fn resolution(option: u8) -> u128 {
    let base: u128 = if option & 0x80 == 0 { 10 } else { 2 };
    base.checked_pow(u32::from(option & 0x7f)).unwrap_or(NANOS_PER_SECOND)
}

/// Gives every packet of `file` to `packet`, in the order of the file, until it says [`ControlFlow::Break`].
///
/// # Errors
/// [`Error`] if nothing can be read. A file that breaks off or turns to garbage later is no error: see [`End`].
pub fn read(file: impl Read + Send, packet: impl FnMut(Packet<'_>) -> ControlFlow<()>) -> Result<End, Error> {
    let mut failure = None;
    let outcome = read_packets(Readable { file, failure: &mut failure }, packet);
    failure.map_or(outcome, |why| Err(Error::Unreadable(why.to_string())))
}

/// A file that ends where it can't be read any more; the parser would drop the reason.
struct Readable<'a, R> {
    file: R,
    failure: &'a mut Option<io::Error>,
}

impl<R: Read> Read for Readable<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.file.read(buffer) {
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                Err(why) => {
                    *self.failure = Some(why);
                    return Ok(0);
                }
                read => return read,
            }
        }
    }
}

fn read_packets(
    mut file: impl Read + Send,
    mut packet: impl FnMut(Packet<'_>) -> ControlFlow<()>,
) -> Result<End, Error> {
    let mut first = Vec::new();
    file.by_ref().take(FIRST).read_to_end(&mut first).map_err(|why| Error::Unreadable(why.to_string()))?;
    let mut reader = create_reader(BUFFER, io::Cursor::new(first).chain(file)).map_err(|error| match error {
        PcapError::Eof => Error::Empty,
        _ => Error::NotACapture,
    })?;
    let mut blocks = Blocks::default();
    let mut position = 0;
    loop {
        let length = match reader.next() {
            Ok((length, block)) => {
                if blocks.packet(&block).is_some_and(|found| packet(found).is_break()) {
                    return Ok(End::Complete);
                }
                if blocks.interfaces.len() > INTERFACES {
                    return Ok(End::Garbled(position));
                }
                length
            }
            Err(PcapError::Eof) => return Ok(End::Complete),
            Err(PcapError::Incomplete(_)) => {
                let before = reader.data().len();
                reader.refill().map_err(|why| Error::Unreadable(why.to_string()))?;
                if reader.reader_exhausted() && reader.data().len() == before && before > 0 {
                    return Ok(End::Truncated(position));
                }
                continue;
            }
            Err(PcapError::UnexpectedEof) => return Ok(End::Truncated(position)),
            Err(_) => return Ok(End::Garbled(position)),
        };
        reader.consume(length);
        position += length as u64;
    }
}

/// What earlier blocks said about later ones.
#[derive(Default)]
struct Blocks {
    link: Option<LinkType>,
    nanos_per_tick: u64,
    interfaces: Vec<Interface>,
}

impl Blocks {
    /// The packet in `block`, if there is one.
    fn packet<'a>(&mut self, block: &PcapBlockOwned<'a>) -> Option<Packet<'a>> {
        match block {
            PcapBlockOwned::LegacyHeader(header) => {
                self.link = LinkType::of(header.network.0 & 0xffff); // above: is there a frame check sequence?
                self.nanos_per_tick = if header.is_nanosecond_precision() { 1 } else { 1_000 };
                None
            }
            PcapBlockOwned::Legacy(record) => {
                let nanos = u64::from(record.ts_sec) * 1_000_000_000 + u64::from(record.ts_usec) * self.nanos_per_tick;
                Some(Packet {
                    at: Instant::from_nanos(nanos),
                    link: self.link,
                    data: record.data,
                    original_len: record.origlen as usize,
                })
            }
            PcapBlockOwned::NG(block) => self.packet_of_block(block),
        }
    }

    fn packet_of_block<'a>(&mut self, block: &Block<'a>) -> Option<Packet<'a>> {
        match block {
            Block::SectionHeader(_) => self.interfaces.clear(),
            Block::InterfaceDescription(about) => self.interfaces.push(Interface {
                link: LinkType::of(about.linktype.0),
                resolution: resolution(about.if_tsresol),
                offset: about.if_tsoffset,
                snap_len: if about.snaplen == 0 { usize::MAX } else { about.snaplen as usize },
            }),
            Block::EnhancedPacket(found) => {
                let interface = self.interfaces.get(found.if_id as usize)?;
                let at = interface.at(u64::from(found.ts_high) << 32 | u64::from(found.ts_low));
                let data = found.data.get(..found.caplen as usize).unwrap_or(found.data);
                return Some(Packet { at, link: interface.link, data, original_len: found.origlen as usize });
            }
            // It has no time: it can't be told when it came.
            Block::SimplePacket(found) => {
                let interface = self.interfaces.first()?;
                let original_len = found.origlen as usize;
                let data = found.data.get(..interface.snap_len.min(original_len)).unwrap_or(found.data);
                return Some(Packet { at: Instant::ZERO, link: interface.link, data, original_len });
            }
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::time::Duration;

    use pcap_file::DataLink;
    use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
    use pcap_file::pcapng::PcapNgWriter;
    use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketBlock;
    use pcap_file::pcapng::blocks::interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption};

    use super::*;

    fn pcapng(link: DataLink, resolution: Option<u8>, units: u64, packets: usize) -> Vec<u8> {
        let mut writer = PcapNgWriter::new(Vec::new()).expect("a vector takes it");
        let mut interface = InterfaceDescriptionBlock::new(link, 0);
        interface.options.extend(resolution.map(InterfaceDescriptionOption::IfTsResol));
        writer.write_pcapng_block(interface).expect("a vector takes it");
        for _ in 0..packets {
            let packet = EnhancedPacketBlock {
                interface_id: 0,
                timestamp: Duration::from_nanos(units),
                original_len: 5,
                data: Cow::Borrowed(&[7; 3]),
                options: Vec::new(),
            };
            writer.write_pcapng_block(packet).expect("a vector takes it");
        }
        writer.into_inner()
    }

    /// Time, kind of link, octets kept, octets on the wire.
    type Kept = (u64, Option<LinkType>, Vec<u8>, usize);

    /// All packets of a file, and its end.
    fn all(file: &[u8]) -> Result<(Vec<Kept>, End), Error> {
        let mut packets = Vec::new();
        let end = read(file, |packet| {
            packets.push((packet.at.as_nanos(), packet.link, packet.data.to_vec(), packet.original_len));
            ControlFlow::Continue(())
        })?;
        Ok((packets, end))
    }

    #[test]
    fn both_formats_give_the_same_packets() {
        let header = PcapHeader { datalink: DataLink::ETHERNET, ..PcapHeader::default() };
        let mut writer = PcapWriter::with_header(Vec::new(), header).expect("a vector takes it");
        let at = Duration::from_micros(5_000_007);
        writer.write_packet(&PcapPacket::new(at, 5, &[7; 3])).expect("a vector takes it");
        let expected = |link| Ok((vec![(5_000_007_000, link, vec![7; 3], 5)], End::Complete));
        assert_eq!(all(&writer.into_writer()), expected(Some(LinkType::Ethernet)));
        assert_eq!(all(&pcapng(DataLink::RAW, None, 5_000_007, 1)), expected(Some(LinkType::Ip)));
        assert_eq!(all(&pcapng(DataLink::USB_LINUX, None, 5_000_007, 1)), expected(None));
    }

    #[test]
    fn a_clock_of_any_resolution_is_understood() {
        for (resolution, units, nanos) in
            [(Some(9), 1_500_000_000, 1_500_000_000), (Some(0), 3, 3_000_000_000), (Some(0x8a), 1536, 1_500_000_000)]
        {
            let (packets, _) = all(&pcapng(DataLink::RAW, resolution, units, 1)).expect("it is one");
            assert_eq!(packets[0].0, nanos, "{resolution:?}");
        }
    }

    #[test]
    fn reading_stops_when_no_more_is_wanted() {
        let mut packets = 0;
        let end = read(&pcapng(DataLink::RAW, None, 1, 9)[..], |_| {
            packets += 1;
            if packets == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!((packets, end), (2, Ok(End::Complete)));
    }

    #[test]
    fn what_is_no_capture_or_ends_early_is_told() {
        for file in [&b""[..], b"abc", b"GIF89a, and so on, and so on"] {
            assert!(all(file).is_err(), "{file:?}");
        }
        let whole = pcapng(DataLink::RAW, None, 1, 1);
        let one_less = all(&whole[..whole.len() - 1]).expect("it begins well");
        assert!(one_less.0.is_empty() && matches!(one_less.1, End::Truncated(at) if at > 0), "{one_less:?}");
        for length in 0..whole.len() {
            assert!(all(&whole[..length]).map_or(true, |(packets, _)| packets.is_empty()), "{length} octets");
        }
    }

    #[test]
    fn more_interfaces_than_can_be_remembered_are_garbage() {
        let file = |count| {
            let mut writer = PcapNgWriter::new(Vec::new()).expect("a vector takes it");
            for _ in 0..count {
                let interface = InterfaceDescriptionBlock::new(DataLink::RAW, 0);
                writer.write_pcapng_block(interface).expect("a vector takes it");
            }
            writer.into_inner()
        };
        let (most, more) = (file(INTERFACES), file(INTERFACES + 1));
        assert_eq!(all(&most), Ok((Vec::new(), End::Complete)));
        assert_eq!(all(&more), Ok((Vec::new(), End::Garbled(most.len() as u64))));
    }

    /// Gives one octet at a time, and then what `end` says.
    struct Drops<'a>(&'a [u8], fn() -> io::Result<usize>);

    impl Read for Drops<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0 {
                [] => (self.1)(),
                _ => self.0.read(&mut buffer[..1]),
            }
        }
    }

    #[test]
    fn a_pipe_may_give_it_in_drops_and_tells_why_it_breaks() {
        let mut writer = PcapWriter::new(Vec::new()).expect("a vector takes it");
        writer.write_packet(&PcapPacket::new(Duration::ZERO, 5, &[7; 3])).expect("a vector takes it");
        for file in [writer.into_writer(), pcapng(DataLink::RAW, None, 1, 1)] {
            let mut packets = 0;
            let mut count = |_: Packet<'_>| {
                packets += 1;
                ControlFlow::Continue(())
            };
            assert_eq!(read(Drops(&file, || Ok(0)), &mut count), Ok(End::Complete));
            let broken = read(Drops(&file, || Err(io::Error::other("the disk is gone"))), &mut count);
            assert_eq!(broken, Err(Error::Unreadable("the disk is gone".into())));
            assert_eq!(packets, 2, "what came before is told each time");
        }
    }
}
