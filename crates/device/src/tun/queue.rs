//! A descriptor of a TUN or TAP device: a frame a system call, behind an offload header where that was agreed on.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use bytes::{Buf, BytesMut};
use rustix::io::Errno;
use smallvec::SmallVec;
use sockeye_wire::Instant;
use sockeye_wire::checksum::checksum;

use super::vnet_hdr::{self, Checksum, VnetHeader};
use crate::counters::Tally;
use crate::device::Sent;
use crate::ethernet::Carrier;
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
    mtu: u16,
    pool: Mutex<Pool>,
    tally: Tally,
}

impl Queue {
    /// A queue of a device with this MTU, whose frames have a link header of `link_len` octets.
    pub(crate) fn new(fd: OwnedFd, offloads: bool, mtu: u16, link_len: usize) -> Self {
        let frame = if offloads { vnet_hdr::LEN + LONGEST } else { link_len + usize::from(mtu) };
        Self { fd, offloads, mtu, pool: Mutex::new(Pool::new(frame)), tally: Tally::default() }
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
        if let Checksum::Partial { start, offset } = header.checksum
            && offset != vnet_hdr::TCP_CHECKSUM
        {
            complete(&mut frame, start.into(), offset.into());
        }
        Some(Packet {
            bytes: frame.freeze(),
            arrived_at: now,
            checksum_verified: header.checksum != Checksum::Unknown,
            segment_size: header.cut.map_or(0, |cut| cut.size),
        })
    }

    fn lose(&self, why: Counter) -> Sent {
        self.tally.add(why, 1);
        Sent::Lost
    }

    fn write(&self, link_header: &[u8], packet: &Outgoing) -> rustix::io::Result<usize> {
        let header = VnetHeader::for_packet(link_header.len(), packet.head(), packet.segment_size).to_bytes();
        let whole;
        let mut pieces = SmallVec::<[IoSlice<'_>; 8]>::new();
        if self.offloads {
            pieces.push(IoSlice::new(&header));
        }
        pieces.push(IoSlice::new(link_header));
        if pieces.len() + 1 + packet.payload.len() > MOST_PIECES {
            whole = packet.to_bytes();
            pieces.push(IoSlice::new(&whole));
            return rustix::io::writev(&self.fd, &pieces);
        }
        pieces.push(IoSlice::new(packet.head()));
        pieces.extend(packet.payload.iter().map(|slice| IoSlice::new(slice)));
        rustix::io::writev(&self.fd, &pieces)
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
        Ok(match rustix::io::retry_on_intr(|| self.write(link_header, packet)) {
            Ok(_) => {
                self.tally.add(Counter::Sent, 1);
                Sent::Gone
            }
            Err(Errno::AGAIN) => {
                self.tally.add(Counter::QueueFull, 1);
                Sent::Full
            }
            Err(error @ (Errno::BADFD | Errno::BADF | Errno::NODEV)) => return Err(error.into()),
            Err(Errno::IO) => self.lose(Counter::LinkDown),
            Err(Errno::NOBUFS | Errno::NOMEM) => self.lose(Counter::NoMemory),
            Err(error) => {
                log::debug!("the kernel refused a packet of {} octets: {error}", packet.len());
                self.lose(Counter::Refused)
            }
        })
    }

    fn send_frame(&self, frame: &[u8]) {
        let nothing_to_do = VnetHeader::default().to_bytes();
        let header = if self.offloads { &nothing_to_do[..] } else { &[] };
        let pieces = [IoSlice::new(header), IoSlice::new(frame)];
        if let Err(error) = rustix::io::retry_on_intr(|| rustix::io::writev(&self.fd, &pieces)) {
            log::debug!("a frame of {} octets is lost: {error}", frame.len());
        }
    }

    fn flush(&self) -> io::Result<()> {
        Ok(()) // each frame has left by itself
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
