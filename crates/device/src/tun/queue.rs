//! A descriptor of a TUN or TAP device or of a packet socket: a frame a system call, behind an offload header where that was
//! agreed on.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::{Buf, BytesMut};
use rustix::io::Errno;
use smallvec::SmallVec;
use sockeye_wire::Instant;
use sockeye_wire::checksum::checksum;

use super::ring::{self, Ring};
use super::vnet_hdr::{self, Checksum, VnetHeader};
use crate::counters::Tally;
use crate::device::{Sent, send_each};
use crate::ethernet::Carrier;
use crate::segment;
use crate::{Capabilities, Counter, Outgoing, Packet, Pool};

/// Pieces that the kernel takes in one write (`UIO_MAXIOV`).
const MOST_PIECES: usize = 1024;
/// The longest frame of an offloading device: Ethernet's header, IPv6's, and what its length field tells.
const LONGEST: usize = 14 + 40 + 65_535;
/// Octets after which a batch ends, so that the peer hears of it before its window is used up.
const BATCH: usize = Pool::SLAB;

/// A descriptor that gives and takes one frame at a time and never blocks.
#[derive(Debug)]
pub(crate) struct Queue {
    fd: OwnedFd,
    /// Each frame has a [`VnetHeader`] before it.
    offloads: bool,
    /// The kernel has refused a super-segment: they are cut here.
    cuts: AtomicBool,
    mtu: u16,
    pool: Mutex<Pool>,
    ring: Mutex<Ring>,
    tally: Tally,
}

impl Queue {
    /// A queue of a device with this MTU, whose frames have a link header of `link_len` octets.
    pub(crate) fn new(fd: OwnedFd, offloads: bool, mtu: u16, link_len: usize) -> Self {
        let frame = if offloads { vnet_hdr::LEN + LONGEST } else { link_len + usize::from(mtu) };
        let (cuts, pool) = (AtomicBool::new(false), Mutex::new(Pool::new(frame)));
        let ring = Mutex::new(Ring::new(ring::ROOM));
        Self { fd, offloads, cuts, mtu, pool, ring, tally: Tally::default() }
    }

    /// As [`Device::transmit`](crate::Device::transmit), for packets without a link header.
    pub(crate) fn transmit(&self, batch: &mut VecDeque<Outgoing>) -> io::Result<usize> {
        let gone = if self.offloads { 0 } else { self.transmit_by_ring(batch) };
        Ok(gone + send_each(batch, |packet| self.send(&[], packet))?)
    }

    /// Sends what it can from the front of `batch`. Whatever is left is to be sent one by one: that also tells what
    /// became of those that failed.
    fn transmit_by_ring(&self, batch: &mut VecDeque<Outgoing>) -> usize {
        let mut gone = 0;
        let capabilities = self.capabilities();
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        while batch.len() >= ring::LEAST {
            let packets = batch.iter().take_while(|packet| capabilities.carries(packet));
            let written = ring.write(self.fd.as_fd(), packets);
            let before = batch.len();
            let mut failed = Vec::new();
            for done in &written {
                failed.extend(batch.pop_front().filter(|_| !done));
            }
            let complete = !written.is_empty() && failed.is_empty();
            failed.into_iter().rev().for_each(|packet| batch.push_front(packet));
            gone += before - batch.len();
            if !complete {
                break;
            }
        }
        self.tally.add(Counter::Sent, gone);
        gone
    }

    /// The packet behind its offload header; `None` if that lies, which is counted.
    fn unwrap(&self, now: Instant, mut frame: BytesMut) -> Option<Packet> {
        if !self.offloads {
            return Some(Packet::new(frame.freeze(), now));
        }
        let header = match VnetHeader::parse(&frame) {
            Ok((header, _)) => header,
            Err(lie) => {
                log::debug!("a frame of {} octets is dropped: {lie}", frame.len());
                self.tally.add(Counter::Malformed, 1);
                return None;
            }
        };
        frame.advance(vnet_hdr::LEN);
        let checksum_verified = match header.checksum {
            Checksum::Unknown => false,
            Checksum::Verified => true,
            Checksum::Partial { offset, .. } if offset == vnet_hdr::TCP_CHECKSUM => true,
            // Summed above as here: where the place was a lie, and something else was overwritten, that shows.
            Checksum::Partial { start, offset } => {
                complete(&mut frame, start.into(), offset.into());
                false
            }
        };
        Some(Packet {
            checksum_verified,
            segment_size: header.cut.map_or(0, |cut| cut.size),
            ..Packet::new(frame.freeze(), now)
        })
    }

    /// Sends a super-segment as the segments that it is made of. If the kernel has no room for the first of them, all of it
    /// waits; if for one behind it, the rest is lost, and nothing is sent behind a hole.
    fn cut(&self, link_header: &[u8], packet: &Outgoing) -> io::Result<Sent> {
        let mut became = Sent::Lost;
        for segment in segment::cut(packet.clone()) {
            // Its checksum is complete: there is nothing left to do.
            let written = self.write(VnetHeader::default(), link_header, &segment);
            match self.book(written, &segment)? {
                Sent::Full if became == Sent::Gone => return Ok(Sent::Gone),
                Sent::Full => return Ok(Sent::Full),
                Sent::Gone => became = Sent::Gone,
                Sent::Lost => {}
            }
        }
        Ok(became)
    }

    /// What the kernel's answer means for the packet.
    fn book(&self, written: rustix::io::Result<usize>, packet: &Outgoing) -> io::Result<Sent> {
        Ok(match written {
            Ok(_) => {
                self.tally.add(Counter::Sent, 1);
                Sent::Gone
            }
            Err(Errno::AGAIN) => {
                self.tally.add(Counter::QueueFull, 1);
                Sent::Full
            }
            Err(error @ (Errno::BADFD | Errno::BADF | Errno::NODEV | Errno::NXIO)) => return Err(error.into()),
            Err(Errno::IO | Errno::NETDOWN) => self.lose(Counter::LinkDown),
            Err(Errno::NOBUFS | Errno::NOMEM) => self.lose(Counter::NoMemory),
            Err(error) => {
                log::debug!("the kernel refused a packet of {} octets: {error}", packet.len());
                self.lose(Counter::Refused)
            }
        })
    }

    fn lose(&self, why: Counter) -> Sent {
        self.tally.add(why, 1);
        Sent::Lost
    }

    fn write(&self, header: VnetHeader, link_header: &[u8], packet: &Outgoing) -> rustix::io::Result<usize> {
        let header = header.to_bytes();
        let mut pieces = SmallVec::<[IoSlice<'_>; 8]>::new();
        if self.offloads {
            pieces.push(IoSlice::new(&header));
        }
        pieces.push(IoSlice::new(link_header));
        if pieces.len() + 1 + packet.payload.len() > MOST_PIECES {
            let whole = packet.to_bytes();
            let pieces = [pieces.as_slice(), &[IoSlice::new(&whole)]].concat();
            return rustix::io::retry_on_intr(|| rustix::io::writev(&self.fd, &pieces));
        }
        pieces.push(IoSlice::new(packet.head()));
        pieces.extend(packet.payload.iter().map(|slice| IoSlice::new(slice)));
        rustix::io::retry_on_intr(|| rustix::io::writev(&self.fd, &pieces))
    }
}

impl Carrier for Queue {
    fn capabilities(&self) -> Capabilities {
        let segmentation = if self.offloads { Capabilities::LARGEST } else { 0 };
        Capabilities { mtu: self.mtu, checksum: self.offloads, segmentation }
    }

    fn receive(&self, now: Instant, max: usize, take: &mut dyn FnMut(Packet)) -> io::Result<()> {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        let mut octets = 0;
        for count in 0..max {
            match pool.read(&self.fd) {
                Ok(Some(frame)) => {
                    octets += frame.len();
                    self.unwrap(now, frame).into_iter().for_each(&mut *take);
                }
                Ok(None) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // The packets read so far are the caller's, who hears of the error when it asks for more.
                Err(_) if count > 0 => return Ok(()),
                Err(error) => return Err(error),
            }
            if octets >= BATCH {
                return Ok(());
            }
        }
        Ok(())
    }

    fn send(&self, link_header: &[u8], packet: &Outgoing) -> io::Result<Sent> {
        if !self.capabilities().carries(packet) {
            return Ok(self.lose(Counter::TooLong));
        }
        let whole = packet.segment_size == 0;
        if !whole && self.cuts.load(Ordering::Relaxed) {
            return self.cut(link_header, packet);
        }
        let header = VnetHeader::for_packet(link_header.len(), packet.head(), packet.segment_size);
        match self.write(header, link_header, packet) {
            Err(Errno::INVAL) if !whole => {
                log::warn!("this kernel takes no super-segments: from now on they are cut here");
                self.cuts.store(true, Ordering::Relaxed);
                self.cut(link_header, packet)
            }
            written => self.book(written, packet),
        }
    }

    fn send_frame(&self, frame: &[u8]) {
        let nothing_to_do = VnetHeader::default().to_bytes();
        let header = if self.offloads { &nothing_to_do[..] } else { &[] };
        let pieces = [IoSlice::new(header), IoSlice::new(frame)];
        if let Err(error) = rustix::io::retry_on_intr(|| rustix::io::writev(&self.fd, &pieces)) {
            log::debug!("a frame of {} octets is lost: {error}", frame.len());
        }
    }

    fn flush(&self) -> io::Result<bool> {
        Ok(false) // each frame has left by itself
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    fn tally(&self) -> &Tally {
        &self.tally
    }

    fn is_low_on_buffers(&self) -> bool {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).is_low()
    }
}

/// Does what the sender left to its device: adds the sum of all from `start` on to what stands in the checksum's place.
/// For what isn't TCP, and may be passed on or looked at by those who expect a packet as on a wire.
fn complete(frame: &mut [u8], start: usize, offset: usize) {
    let Some(summed) = frame.get_mut(start..) else {
        return; // cannot be: the header was checked against the frame
    };
    // UDP's 0 means that there is none (RFC 768).
    let sum = match checksum(summed) {
        0 => 0xffff,
        sum => sum,
    };
    if let Some(field) = summed.get_mut(offset..).and_then(<[u8]>::first_chunk_mut) {
        *field = sum.to_be_bytes();
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    use sockeye_wire::SeqNumber;
    use sockeye_wire::ip::IpView;
    use sockeye_wire::ip::v4::Ipv4Header;
    use sockeye_wire::tcp::{Flags, Options, TcpHeader, TcpView};

    use super::*;
    use crate::Slices;

    /// An offloading queue, and what stands for the kernel behind it.
    fn before_a_kernel() -> (OwnedFd, Queue) {
        let flags = SocketFlags::NONBLOCK;
        let (kernel, ours) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap();
        (kernel, Queue::new(ours, true, 1500, 0))
    }

    fn super_segment(text: &Bytes, segment_size: u16) -> Outgoing {
        let tcp = TcpHeader {
            source_port: 7,
            destination_port: 9,
            seq: SeqNumber::new(1000),
            ack: SeqNumber::new(1),
            flags: Flags::ACK,
            window: 1000,
            urgent: 0,
            options: Options::NONE,
        };
        let ip = Ipv4Header {
            source: [10, 0, 0, 1].into(),
            destination: [10, 0, 0, 2].into(),
            protocol: 6,
            payload_len: tcp.len() + text.len(),
            ttl: 64,
            traffic_class: 0,
            identification: 0,
            dont_fragment: true,
        };
        let mut packet = Outgoing::build(Slices::from_iter([text.clone()]), |head| {
            let start = ip.emit(head).unwrap();
            start + tcp.emit(&mut head[start..]).unwrap()
        });
        packet.segment_size = segment_size;
        packet
    }

    /// As many rings as there are: with room for all, for a few, and one that the kernel refuses (it gives none for 0).
    const ROOMS: [u32; 3] = [ring::ROOM, 4, 0];

    /// A plain queue, whose ring has room for so many packets.
    fn plain(ours: OwnedFd, room: u32) -> Queue {
        Queue { ring: Mutex::new(Ring::new(room)), ..Queue::new(ours, false, 1500, 0) }
    }

    fn plain_before_a_kernel(room: u32) -> (OwnedFd, Queue) {
        let (kernel, queue) = before_a_kernel();
        (kernel, plain(queue.fd, room))
    }

    /// Whether the queue has made a ring.
    fn state(queue: &Queue) -> String {
        format!("{:?}", queue.ring.lock().unwrap())
    }

    /// A packet of 1,400 octets that can be told from others, its text in two pieces.
    fn numbered(number: usize) -> Outgoing {
        let number = Bytes::copy_from_slice(&number.to_le_bytes());
        let mut packet = super_segment(&number, 0);
        packet.payload.push(Bytes::from_static(&[7; 1352]));
        packet
    }

    fn batch(numbers: impl Iterator<Item = usize>) -> VecDeque<Outgoing> {
        numbers.map(numbered).collect()
    }

    fn number(text: &[u8]) -> usize {
        usize::from_le_bytes(*text.first_chunk().unwrap())
    }

    /// The numbers of packets that have come through.
    fn heard(kernel: &OwnedFd) -> Vec<usize> {
        let mut numbers = Vec::new();
        let mut frame = [0; 2000];
        while let Ok(length @ 1..) = rustix::io::read(kernel, &mut frame) {
            numbers.push(number(&frame[40..length]));
        }
        numbers
    }

    #[test]
    fn a_batch_leaves_in_order_by_a_ring_or_without() {
        for room in ROOMS {
            let (kernel, queue) = plain_before_a_kernel(room);
            let mut packets = batch(0..30);
            assert_eq!(queue.transmit(&mut packets).unwrap(), 30, "{room}");
            assert!(packets.is_empty(), "{room}");
            assert_eq!(heard(&kernel), (0..30).collect::<Vec<_>>(), "{room}");
            assert_eq!(queue.tally.snapshot().to_string(), "sent=30", "{room}");
            let expected = if room > 0 && Ring::stuck().is_ok() { "Open" } else { "Refused" };
            assert_eq!(state(&queue), expected, "{room}");
        }
    }

    #[test]
    fn neither_a_few_packets_nor_a_device_that_offloads_want_a_ring() {
        let (_kernel, queue) = plain_before_a_kernel(ring::ROOM);
        assert_eq!(queue.transmit(&mut batch(0..7)).unwrap(), 7);
        assert_ne!(state(&queue), "Open");
        let (kernel, queue) = before_a_kernel();
        assert_eq!(queue.transmit(&mut batch(0..8)).unwrap(), 8);
        assert_ne!(state(&queue), "Open");
        let mut frame = [0; 2000];
        assert_eq!(rustix::io::read(&kernel, &mut frame).unwrap(), vnet_hdr::LEN + 1400);
    }

    #[test]
    fn what_finds_no_room_stays_in_order_and_is_counted_once() {
        for room in ROOMS {
            let (kernel, queue) = plain_before_a_kernel(room);
            let mut packets = batch(0..1000);
            let sent = queue.transmit(&mut packets).unwrap();
            assert!((1..1000).contains(&sent), "{room}: {sent}");
            assert_eq!(queue.tally.snapshot().to_string(), format!("sent={sent} queue_full=1"), "{room}");
            assert_eq!(heard(&kernel), (0..sent).collect::<Vec<_>>(), "{room}");
            let left = packets.iter().map(|packet| number(&packet.payload[0])).collect::<Vec<_>>();
            assert_eq!(left, (sent..1000).collect::<Vec<_>>(), "{room}");
            assert_eq!(queue.transmit(&mut packets).unwrap(), sent, "{room}");
        }
    }

    #[test]
    fn a_packet_that_is_too_long_is_lost_alone() {
        for room in ROOMS {
            let (kernel, queue) = plain_before_a_kernel(room);
            let mut packets = batch(0..30);
            packets[12].payload.push(Bytes::from_static(&[7; 101]));
            assert_eq!(queue.transmit(&mut packets).unwrap(), 29, "{room}");
            assert_eq!(heard(&kernel), (0..12).chain(13..30).collect::<Vec<_>>(), "{room}");
            assert_eq!(queue.tally.snapshot().to_string(), "sent=29 too_long=1", "{room}");
        }
    }

    /// More pieces than the kernel takes.
    #[test]
    fn what_a_ring_can_not_write_follows_behind() {
        let (kernel, queue) = plain_before_a_kernel(16);
        let mut packets = batch(0..20);
        packets[3].payload.truncate(1);
        packets[3].payload.extend(vec![Bytes::from_static(&[7]); MOST_PIECES]);
        assert_eq!(queue.transmit(&mut packets).unwrap(), 20);
        let mut heard = heard(&kernel);
        heard.sort_unstable();
        assert_eq!(heard, (0..20).collect::<Vec<_>>());
        assert_eq!(queue.tally.snapshot().to_string(), "sent=20");
    }

    #[test]
    fn what_is_refused_is_lost_and_counted_once() {
        for room in ROOMS {
            let (kernel, queue) = plain_before_a_kernel(room);
            drop(kernel);
            let mut packets = batch(0..30);
            assert_eq!(queue.transmit(&mut packets).unwrap(), 0, "{room}");
            assert!(packets.is_empty(), "{room}");
            assert_eq!(queue.tally.snapshot().to_string(), "refused=30", "{room}");
        }
    }

    #[test]
    fn a_device_that_is_gone_is_an_error_and_its_batch_stays() {
        for room in ROOMS {
            // Not open for writing.
            let (ours, _writer) = rustix::pipe::pipe().unwrap();
            let queue = plain(ours, room);
            let mut packets = batch(0..30);
            assert_eq!(queue.transmit(&mut packets).unwrap_err().raw_os_error(), Some(libc::EBADF), "{room}");
            assert_eq!(packets.len(), 30, "{room}");
        }
    }

    #[test]
    fn a_ring_that_fails_is_given_up_and_nothing_is_lost() {
        let Ok(stuck) = Ring::stuck() else {
            return; // no io_uring here
        };
        let (kernel, ours) = before_a_kernel();
        let queue = Queue { ring: Mutex::new(stuck), ..plain(ours.fd, ring::ROOM) };
        assert_eq!(queue.transmit(&mut batch(0..30)).unwrap(), 30);
        assert_eq!(heard(&kernel), (0..30).collect::<Vec<_>>());
        assert_eq!(state(&queue), "Refused");
    }

    /// As a TUN device is before Linux 6.4.
    #[test]
    fn a_file_that_may_block_a_ring_is_written_without() {
        let file = rustix::fs::memfd_create("device", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        let octet = [IoSlice::new(&[0])];
        if rustix::io::pwritev2(&file, &octet, 0, rustix::io::ReadWriteFlags::NOWAIT) != Err(Errno::OPNOTSUPP) {
            return; // a kernel after 6.18 may have no such files of this kind
        }
        let queue = plain(file, ring::ROOM);
        assert_eq!(queue.transmit(&mut batch(0..30)).unwrap(), 30);
        assert_eq!(state(&queue), "Refused");
        assert_eq!(rustix::fs::fstat(&queue.fd).unwrap().st_size, 30 * 1400);
    }

    /// FIELD D38: as a kernel that says EINVAL.
    #[test]
    fn what_the_kernel_does_not_cut_is_cut_here_and_summed() {
        let (kernel, queue) = before_a_kernel();
        queue.cuts.store(true, Ordering::Relaxed);
        let text: Bytes = (0..5000_u32).map(|at| at.to_le_bytes()[0]).collect();
        assert_eq!(queue.send(&[], &super_segment(&text, 1460)).unwrap(), Sent::Gone);
        let mut heard = Vec::new();
        let mut frame = [0; 2000];
        while let Ok(length @ 1..) = rustix::io::read(&kernel, &mut frame) {
            let (header, packet) = VnetHeader::parse(&frame[..length]).unwrap();
            assert_eq!(header, VnetHeader::default());
            let ip = IpView::parse(packet).unwrap();
            let tcp = TcpView::parse(ip.payload()).unwrap();
            assert!(tcp.verify_checksum(ip.source(), ip.destination()));
            heard.extend_from_slice(tcp.payload());
        }
        assert_eq!(heard, text);
        assert_eq!(queue.tally.snapshot().get(Counter::Sent), 4);
    }

    #[test]
    fn a_super_segment_to_cut_for_which_there_is_no_room_waits_and_leaves_no_hole_behind() {
        let (kernel, queue) = before_a_kernel();
        queue.cuts.store(true, Ordering::Relaxed);
        let packet = super_segment(&Bytes::from(vec![7; 14_600]), 1460);
        let counted = |counter| queue.tally.snapshot().get(counter);
        while queue.send(&[], &packet).unwrap() == Sent::Gone {}
        let (sent, mut heard) = (counted(Counter::Sent), Vec::new());
        assert_eq!(queue.send(&[], &packet).unwrap(), Sent::Full);
        assert_eq!(counted(Counter::Sent), sent, "nothing of it has left");
        let mut frame = [0; 2000];
        while let Ok(length @ 1..) = rustix::io::read(&kernel, &mut frame) {
            let (_, packet) = VnetHeader::parse(&frame[..length]).unwrap();
            heard.push(TcpView::parse(IpView::parse(packet).unwrap().payload()).unwrap().seq());
        }
        let first = SeqNumber::new(1000);
        let follows = |pair: &[SeqNumber]| pair[1] == first || pair[1] == pair[0] + 1460;
        assert!(heard.len() as u64 == sent && heard.windows(2).all(follows), "{heard:?}");
    }

    #[test]
    fn a_frame_whose_offload_header_lies_is_dropped_and_counted_and_the_next_one_is_not() {
        let (kernel, queue) = before_a_kernel();
        let zeros = VnetHeader::default().to_bytes();
        let mut lies = [zeros, zeros, zeros];
        (lies[0][1], lies[1][1]) = (1, 9); // segments without length; of unknown kind
        (lies[2][0], lies[2][7]) = (1, 0xff); // a checksum behind the end
        for header in lies.iter().chain([&zeros]) {
            rustix::io::write(&kernel, &[&header[..], &[0x45; 40]].concat()).unwrap();
        }
        let mut packets = Vec::new();
        queue.receive(Instant::ZERO, 64, &mut |packet| packets.push(packet.bytes)).unwrap();
        assert_eq!(packets, [&[0x45; 40][..]]);
        assert_eq!(queue.tally.snapshot().get(Counter::Malformed), 3);
    }

    #[test]
    fn what_is_completed_where_a_lie_points_is_not_vouched_for() {
        let (kernel, queue) = before_a_kernel();
        let vouched_for = |offset| {
            let checksum = Checksum::Partial { start: 20, offset };
            let header = VnetHeader { checksum, ..VnetHeader::default() }.to_bytes();
            rustix::io::write(&kernel, &[&header[..], &[0x45; 60]].concat()).unwrap();
            let mut packets = Vec::new();
            queue.receive(Instant::ZERO, 64, &mut |packet| packets.push(packet.checksum_verified)).unwrap();
            packets
        };
        assert_eq!(vouched_for(vnet_hdr::TCP_CHECKSUM), [true]);
        assert_eq!(vouched_for(30), [false], "of a TCP segment that is text");
    }
}
