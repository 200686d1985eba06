//! Packets to a file.

use std::borrow::Cow;
use std::io::{self, Write};
use std::time::Duration;

use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption};
use pcap_file::{DataLink, PcapError};
use sockeye_wire::Instant;

/// The resolution of the times, as a power of ten below a second.
const NANOSECONDS: u8 = 9;

/// Which way a packet went, as seen from the stack. The values are those of the pcapng flags word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It arrived.
    In = 1,
    /// It left.
    Out = 2,
}

/// Writes IP packets of one interface. What it writes to should be buffered, and is flushed when this is dropped.
///
/// ```
/// # use std::time::Duration;
/// # use sockeye_device::pcapng::{Way, Writer};
/// # use sockeye_wire::Instant;
/// let mut file = Vec::new();
/// let mut capture = Writer::new(&mut file, Duration::ZERO)?; // in virtual time: it begins in 1970
/// capture.write(Instant::from_millis(5), Way::Out, &[0x45, 0, 0, 20])?;
/// drop(capture);
/// assert_eq!(file[..4], [0x0a, 0x0d, 0x0d, 0x0a]);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Writer<W: Write> {
    file: PcapNgWriter<W>,
    /// When [`Instant::ZERO`] was.
    origin: Duration,
}

impl<W: Write> Writer<W> {
    /// Starts a capture in `file`. `origin` is the time since 1970 (UTC) of [`Instant::ZERO`], such as
    /// [`Clock::zero_on_the_wall`](crate::Clock::zero_on_the_wall).
    ///
    /// # Errors
    /// What writing the first blocks returns.
    pub fn new(file: W, origin: Duration) -> io::Result<Self> {
        let mut file = PcapNgWriter::new(file).map_err(to_io)?;
        let mut interface = InterfaceDescriptionBlock::new(DataLink::RAW, 0);
        interface.options.push(InterfaceDescriptionOption::IfTsResol(NANOSECONDS));
        file.write_pcapng_block(interface).map_err(to_io)?;
        Ok(Self { file, origin })
    }

    /// Appends a packet, from its version nibble on.
    ///
    /// # Errors
    /// What writing returns.
    pub fn write(&mut self, at: Instant, way: Way, packet: &[u8]) -> io::Result<()> {
        let block = EnhancedPacketBlock {
            interface_id: 0,
            timestamp: self.origin + at.since(Instant::ZERO),
            original_len: u32::try_from(packet.len()).unwrap_or(u32::MAX),
            data: Cow::Borrowed(packet),
            options: vec![EnhancedPacketOption::Flags(way as u32)],
        };
        self.file.write_pcapng_block(block).map(drop).map_err(to_io)
    }

    /// Makes sure that all packets so far are in the file.
    ///
    /// # Errors
    /// What flushing returns.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.get_mut().flush()
    }
}

impl<W: Write> Drop for Writer<W> {
    fn drop(&mut self) {
        if let Err(error) = self.flush() {
            log::warn!("the end of a capture is missing: {error}");
        }
    }
}

fn to_io(error: PcapError) -> io::Error {
    match error {
        PcapError::IoError(error) => error,
        other => io::Error::other(other),
    }
}
