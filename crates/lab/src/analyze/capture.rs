//! Capture files, packet by packet: pcap and pcapng, of any byte order and resolution, in memory that doesn't grow.

use std::fmt;
use std::io::Read;

use pcap_parser::pcapng::Block;
use pcap_parser::traits::PcapNGPacketBlock;
use pcap_parser::{PcapBlockOwned, PcapError, create_reader};
use sockeye_wire::Instant;

/// Octets that are read at once; no packet may be larger.
const BUFFER: usize = 4 << 20;
const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// Why a file can't be read at all.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// There is nothing in it.
    Empty,
    /// It begins neither like pcap nor like pcapng.
    NotACapture,
    /// The operating system refused.
    Unreadable,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the file is empty",
            Self::NotACapture => "this is neither a pcap nor a pcapng file",
            Self::Unreadable => "reading stopped with an error",
        })
    }
}

impl std::error::Error for Error {}

/// Why reading ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// At the end of the file.
    Complete,
    /// The file ends within a packet, which begins at this octet.
    Truncated(u64),
    /// What stands at this octet can't be a packet; all before it was read.
    Garbled(u64),
}

/// A packet as it stands in the file.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// When it was captured, since 1970.
    pub at: Instant,
    /// The number of its link layer (<https://www.tcpdump.org/linktypes.html>).
    pub link: i32,
    /// As much of it as was captured, from the link layer on.
    pub data: &'a [u8],
    /// Octets that it had on the wire.
    pub original_len: usize,
}

/// What an interface of a pcapng file says about its packets.
#[derive(Clone, Copy)]
struct Interface {
    link: i32,
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

/// Gives every packet of `file` to `packet`, in the order of the file.
///
/// # Errors
/// [`Error`] if nothing can be read. A file that breaks off or turns to garbage later is no error: see [`End`].
pub fn read(file: impl Read + Send, mut packet: impl FnMut(Packet<'_>)) -> Result<End, Error> {
    let mut reader = create_reader(BUFFER, file).map_err(|error| match error {
        PcapError::Eof => Error::Empty,
        PcapError::ReadError => Error::Unreadable,
        _ => Error::NotACapture,
    })?;
    let mut blocks = Blocks::default();
    let mut position = 0;
    loop {
        let length = match reader.next() {
            Ok((length, block)) => {
                blocks.take(&block, &mut packet);
                length
            }
            Err(PcapError::Eof) => return Ok(End::Complete),
            Err(PcapError::Incomplete(_)) => {
                let before = reader.data().len();
                reader.refill().map_err(|_| Error::Unreadable)?;
                if reader.reader_exhausted() && reader.data().len() == before && before > 0 {
                    return Ok(End::Truncated(position));
                }
                continue;
            }
            Err(PcapError::UnexpectedEof) => return Ok(End::Truncated(position)),
            Err(PcapError::ReadError) => return Err(Error::Unreadable),
            Err(_) => return Ok(End::Garbled(position)),
        };
        reader.consume(length);
        position += length as u64;
    }
}

/// What earlier blocks said about later ones.
#[derive(Default)]
struct Blocks {
    link: i32,
    nanos_per_tick: u64,
    interfaces: Vec<Interface>,
}

impl Blocks {
    fn take(&mut self, block: &PcapBlockOwned<'_>, packet: &mut impl FnMut(Packet<'_>)) {
        match block {
            PcapBlockOwned::LegacyHeader(header) => {
                self.link = header.network.0 & 0xffff; // the upper bits say whether there is a frame check sequence
                self.nanos_per_tick = if header.is_nanosecond_precision() { 1 } else { 1_000 };
            }
            PcapBlockOwned::Legacy(record) => {
                let nanos = u64::from(record.ts_sec) * 1_000_000_000 + u64::from(record.ts_usec) * self.nanos_per_tick;
                packet(Packet {
                    at: Instant::from_nanos(nanos),
                    link: self.link,
                    data: record.data,
                    original_len: record.origlen as usize,
                });
            }
            PcapBlockOwned::NG(block) => self.take_block(block, packet),
        }
    }

    fn take_block(&mut self, block: &Block<'_>, packet: &mut impl FnMut(Packet<'_>)) {
        match block {
            Block::SectionHeader(_) => self.interfaces.clear(),
            Block::InterfaceDescription(about) => self.interfaces.push(Interface {
                link: about.linktype.0,
                resolution: resolution(about.if_tsresol),
                offset: about.if_tsoffset,
                snap_len: if about.snaplen == 0 { usize::MAX } else { about.snaplen as usize },
            }),
            Block::EnhancedPacket(found) => {
                let Some(interface) = self.interfaces.get(found.if_id as usize) else { return };
                let ticks = u64::from(found.ts_high) << 32 | u64::from(found.ts_low);
                packet(Packet {
                    at: interface.at(ticks),
                    link: interface.link,
                    data: found.packet_data(),
                    original_len: found.origlen as usize,
                });
            }
            // It has no time: it can't be told when it came.
            Block::SimplePacket(found) => {
                let Some(interface) = self.interfaces.first() else { return };
                let data = found.packet_data();
                let data = data.get(..interface.snap_len).unwrap_or(data);
                packet(Packet { at: Instant::ZERO, link: interface.link, data, original_len: found.origlen as usize });
            }
            _ => {}
        }
    }
}
