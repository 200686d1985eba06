//! The ceiling: a TCP that is none. It answers, counts and fills windows, keeps nothing, resends nothing and trusts its
//! wire, so it shows what a device gives if the stack on it costs nothing. IPv4 only; one `read` or `write` a packet.

mod server;
mod source;

use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use sockeye_device::{Device, Tun, vnet_hdr};
use sockeye_wire::SeqNumber;
use sockeye_wire::checksum::Sum;
use sockeye_wire::ip::protocol;
use sockeye_wire::ip::v4::{Ipv4Header, Ipv4View};
use sockeye_wire::tcp::{CHECKSUM_OFFSET, Flags, Options, TcpHeader, TcpView};

use super::room::{KERNEL, PEER, PORT, Room, Server, Task};
use crate::shell::Outcome;

/// Octets of text in a full segment: MTU 1500, no options.
const MSS: u16 = 1460;
/// The initial sequence number of every connection.
const ISS: SeqNumber = SeqNumber::new(1_000_000);
/// Scale of the window field, and the most that the field offers: 4 MiB.
const SHIFT: u8 = 7;
const WIDEST: usize = 32_768;
/// What all windows together offer at most. The device's queue takes 10,000 packets, of 30 to 40 KB where there are a thousand
/// connections: beyond it the kernel's would be lost, and whoever acknowledges by the last segment alone, as the fake does, would
/// have them counted as carried.
const ALL_WINDOWS: usize = 192 << 20;

/// Starts one in `room`.
pub fn start(room: &Room, task: Task) -> Outcome<Server> {
    let wire = Wire::new(room.tun()?, room.plan.connections);
    let spins = room.plan.spins;
    Server::spawn(room, move |stop| match task {
        Task::Sink { .. } => server::run(&wire, server::Answer::Ack, spins, stop),
        Task::Echo => server::run(&wire, server::Answer::Echo, spins, stop),
        Task::Source { .. } => source::run(&wire, stop),
    })
}

/// A segment that came, as far as the fakes look.
struct Arrived {
    port: u16,
    seq: SeqNumber,
    ack: SeqNumber,
    flags: Flags,
    window: u16,
    window_scale: Option<u8>,
    text: u32,
}

/// The device, read and written raw.
struct Wire {
    tun: Tun,
    /// Octets of the offload header before each packet; 0 on a plain device.
    header: usize,
    /// The window field of all segments.
    window: u16,
}

impl Wire {
    fn new(tun: Tun, connections: usize) -> Self {
        let header = if tun.capabilities().segmentation > 0 { vnet_hdr::LEN } else { 0 };
        let window = WIDEST.min((ALL_WINDOWS / connections.max(1)) >> SHIFT);
        Self { tun, header, window: u16::try_from(window).unwrap_or(u16::MAX) }
    }

    fn fd(&self) -> io::Result<BorrowedFd<'_>> {
        self.tun.as_fd().ok_or_else(|| io::Error::other("a TUN device without a descriptor"))
    }

    const fn offloads(&self) -> bool {
        self.header > 0
    }

    /// The next segment that waits, if one does.
    fn read(&self, buffer: &mut [u8]) -> io::Result<Option<Arrived>> {
        loop {
            let length = match rustix::io::read(self.fd()?, &mut *buffer) {
                Ok(length) => length,
                Err(Errno::AGAIN) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            if let Some(arrived) = buffer.get(self.header..length).and_then(parse) {
                return Ok(Some(arrived));
            }
        }
    }

    /// Sleeps until something comes, for `at_most`; not at all if it `spins`.
    fn wait(&self, at_most: Duration, spins: bool) -> io::Result<()> {
        if spins {
            std::hint::spin_loop();
            return Ok(());
        }
        let timeout = Timespec { tv_sec: 0, tv_nsec: at_most.subsec_nanos().into() };
        match poll(&mut [PollFd::from_borrowed_fd(self.fd()?, PollFlags::IN)], Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes a segment to `port`, cut into segments by the device if it is longer than one. `summed` is the sum of the
    /// text. False if the device's queue is full.
    fn write(&self, to: u16, segment: &Segment, text: &[u8], summed: Sum) -> io::Result<bool> {
        let mut head = [0; 96];
        let length = self.head(&mut head, to, segment, text.len(), summed);
        match rustix::io::writev(self.fd()?, &[IoSlice::new(&head[..length]), IoSlice::new(text)]) {
            Ok(_) => Ok(true),
            Err(Errno::AGAIN) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn head(&self, head: &mut [u8], port: u16, segment: &Segment, text_len: usize, summed: Sum) -> usize {
        let tcp = TcpHeader {
            source_port: PORT,
            destination_port: port,
            seq: segment.seq,
            ack: segment.ack,
            flags: segment.flags,
            window: self.window,
            urgent: 0,
            options: segment.options,
        };
        let payload_len = tcp.len() + text_len;
        let ip = Ipv4Header {
            source: PEER,
            destination: KERNEL,
            protocol: protocol::TCP,
            payload_len,
            ttl: 64,
            traffic_class: 0,
            identification: 0,
            dont_fragment: true,
        };
        // A buffer of 96 octets holds all headers.
        let at = self.header + ip.emit(&mut head[self.header..]).unwrap_or(0);
        let end = at + tcp.emit(&mut head[at..]).unwrap_or(0);
        let mut sum = Sum::default();
        let length = u32::try_from(payload_len).unwrap_or(u32::MAX);
        sum.add_pseudo_header(IpAddr::V4(PEER), IpAddr::V4(KERNEL), protocol::TCP, length);
        let checksum = if self.offloads() {
            sum.partial()
        } else {
            sum.add(&head[at..end]);
            sum.add_word(summed.partial());
            sum.checksum()
        };
        head[at + CHECKSUM_OFFSET..at + CHECKSUM_OFFSET + 2].copy_from_slice(&checksum.to_be_bytes());
        if self.offloads() {
            let size = if text_len > usize::from(MSS) { MSS } else { 0 };
            let header = vnet_hdr::VnetHeader::for_packet(0, &head[self.header..end], size);
            head[..self.header].copy_from_slice(&header.to_bytes());
        }
        end
    }
}

/// A segment to send.
struct Segment {
    seq: SeqNumber,
    ack: SeqNumber,
    flags: Flags,
    options: Options,
}

impl Segment {
    const fn plain(seq: SeqNumber, ack: SeqNumber) -> Self {
        Self { seq, ack, flags: Flags::ACK, options: Options::NONE }
    }

    /// The answer to a SYN.
    fn syn_ack(ack: SeqNumber) -> Self {
        let options = Options { mss: Some(MSS), window_scale: Some(SHIFT), ..Options::NONE };
        Self { seq: ISS, ack, flags: Flags { syn: true, ..Flags::ACK }, options }
    }
}

fn parse(packet: &[u8]) -> Option<Arrived> {
    let ip = Ipv4View::parse(packet).ok().filter(|ip| ip.protocol() == protocol::TCP)?;
    let tcp = TcpView::parse(ip.payload()).ok()?;
    let flags = tcp.flags();
    let window_scale = if flags.syn { tcp.options().window_scale } else { None };
    Some(Arrived {
        port: tcp.source_port(),
        seq: tcp.seq(),
        ack: tcp.ack(),
        flags,
        window: tcp.window(),
        window_scale,
        text: u32::try_from(tcp.payload().len()).ok()?,
    })
}
