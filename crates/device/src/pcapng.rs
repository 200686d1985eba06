//! Captures of what a device carries, as pcapng files that Wireshark and tcpdump read.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption};
use pcap_file::{DataLink, PcapError};
use sockeye_wire::Instant;

use crate::{Capabilities, Device, Outgoing, Packet};

/// Which way a packet went, as seen from the stack. The values are those of the pcapng flags word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It arrived.
    In = 1,
    /// It left.
    Out = 2,
}

/// Writes IP packets, one interface, times in nanoseconds.
pub struct Writer<W: Write> {
    file: PcapNgWriter<W>,
    /// When [`Instant::ZERO`] was.
    origin: Duration,
}

impl<W: Write> Writer<W> {
    /// Starts a capture in `file`. `origin` is the wall-clock time, since 1970, of [`Instant::ZERO`].
    ///
    /// # Errors
    /// What writing the first blocks returns.
    pub fn new(file: W, origin: Duration) -> io::Result<Self> {
        let mut file = PcapNgWriter::new(file).map_err(to_io)?;
        let mut interface = InterfaceDescriptionBlock::new(DataLink::RAW, 0);
        interface.options.push(InterfaceDescriptionOption::IfTsResol(9));
        file.write_pcapng_block(interface).map_err(to_io)?;
        Ok(Self { file, origin })
    }

    /// Appends a packet.
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
}

fn to_io(error: PcapError) -> io::Error {
    match error {
        PcapError::IoError(error) => error,
        other => io::Error::other(other),
    }
}

/// A device that records what another one carries, in both directions, once the kernel or the peer has taken it.
pub struct Recorder<D> {
    device: D,
    clock: crate::Clock,
    writer: Mutex<Writer<BufWriter<File>>>,
}

impl<D: Device> Recorder<D> {
    /// Records `device` into a new file at `path`; `clock` is the one that the stack reads.
    ///
    /// # Errors
    /// What creating the file returns.
    pub fn create(device: D, path: &Path, clock: crate::Clock) -> io::Result<Self> {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let origin = wall.saturating_sub(clock.now().since(Instant::ZERO));
        let writer = Writer::new(BufWriter::new(File::create(path)?), origin)?;
        Ok(Self { device, clock, writer: Mutex::new(writer) })
    }

    /// A capture that can't be written must not stop the traffic: it is told, once a packet, to the log.
    fn record<'a>(&self, at: Instant, way: Way, packets: impl Iterator<Item = Cow<'a, [u8]>>) {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        for packet in packets {
            if let Err(error) = writer.write(at, way, &packet) {
                log::warn!("a packet is missing from the capture: {error}");
            }
        }
    }
}

impl<D: Device> Device for Recorder<D> {
    fn capabilities(&self) -> Capabilities {
        self.device.capabilities()
    }

    fn receive(&self, now: Instant, batch: &mut Vec<Packet>, max: usize) -> io::Result<usize> {
        let before = batch.len();
        let count = self.device.receive(now, batch, max)?;
        self.record(now, Way::In, batch.iter().skip(before).map(|packet| Cow::Borrowed(&packet.bytes[..])));
        Ok(count)
    }

    fn transmit(&self, batch: &mut VecDeque<Outgoing>) -> io::Result<usize> {
        let whole: Vec<_> = batch.iter().map(Outgoing::to_bytes).collect();
        let left = self.device.transmit(batch);
        let gone = whole.len() - batch.len();
        let sent = whole.iter().take(gone).map(|packet| Cow::Borrowed(&packet[..]));
        self.record(self.clock.now(), Way::Out, sent);
        left
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.device.as_fd()
    }
}
