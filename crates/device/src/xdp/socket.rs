//! An `AF_XDP` socket on one queue of an interface: frames pass through memory shared with the kernel.
//!
//! Half of the frames are for what arrives, half for what leaves. What arrives is copied out at once, so that no frame
//! waits for a reader: however long packets are held, the interface goes on receiving.

use std::io;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::xdp::{
    SocketAddrXdp, SocketAddrXdpFlags, XDP_PGOFF_RX_RING, XDP_PGOFF_TX_RING, XDP_UMEM_PGOFF_COMPLETION_RING,
    XDP_UMEM_PGOFF_FILL_RING, XdpDesc, XdpOptionsFlags, XdpUmemReg, XdpUmemRegFlags,
};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with, sockopt,
};
use sockeye_wire::Instant;
use sockeye_wire::ip::{IpView, protocol};
use sockeye_wire::tcp::{self, CHECKSUM_OFFSET, fill_partial_checksum};

use super::program::Program;
use super::ring::{Consumer, Frame, Producer, Umem};
use crate::counters::Tally;
use crate::device::Sent;
use crate::ethernet::{Carrier, HEADER_LEN};
use crate::{Capabilities, Counter, Outgoing, Packet, Pool};

/// Entries of each ring, and frames each way.
const RING: u32 = 2048;
/// Octets before each received frame that the kernel keeps for programs (`XDP_PACKET_HEADROOM`).
const HEADROOM: usize = 256;
/// The sizes that a frame may have: the kernel wants a power of two up to a page.
const CHUNKS: [usize; 2] = [2048, 4096];

/// The largest MTU whose frames fit.
pub(super) const MAX_MTU: usize = CHUNKS[1] - HEADROOM - HEADER_LEN;

/// How often, and after what pause each time, to look whether a busy queue is free.
const RELEASE_LOOKS: u32 = 50;
const RELEASE_PAUSE: Duration = Duration::from_millis(10);

/// A bound socket, to which a program takes the frames of its queue.
#[derive(Debug)]
pub(super) struct Socket {
    fd: OwnedFd,
    mtu: u16,
    /// Octets of a frame.
    chunk: u64,
    umem: Umem,
    incoming: Mutex<Incoming>,
    outgoing: Mutex<OutgoingFrames>,
    tally: Tally,
    /// Tells when interfaces come, change and go, which the socket itself doesn't.
    news: OwnedFd,
    _program: Program,
}

#[derive(Debug)]
struct Incoming {
    arrived: Consumer<XdpDesc>,
    fill: Producer<u64>,
    pool: Pool,
}

#[derive(Debug)]
struct OutgoingFrames {
    leave: Producer<XdpDesc>,
    done: Consumer<u64>,
    free: Vec<Frame>,
}

impl Socket {
    /// A socket on `queue` of the interface of this number and MTU, which gets the frames that `program` takes.
    pub(super) fn bind(interface: u32, queue: u32, mtu: u16, program: Program) -> io::Result<Self> {
        let fits = |chunk: &usize| usize::from(mtu) + HEADROOM + HEADER_LEN <= *chunk;
        let chunk = CHUNKS.into_iter().find(fits).ok_or(io::ErrorKind::InvalidInput)?;
        let fd = socket_with(AddressFamily::XDP, SocketType::RAW, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
        let (umem, frames) = register(&fd, chunk)?;
        let (incoming, outgoing) = rings(&fd, frames, usize::from(mtu) + HEADER_LEN)?;
        // Without a copy where the driver can do that: the kernel tries it first.
        let address = SocketAddrXdp::new(SocketAddrXdpFlags::XDP_USE_NEED_WAKEUP, interface, queue);
        until_free(|| bind(&fd, &address))?;
        program.give(queue, fd.as_fd())?;
        let (incoming, outgoing) = (Mutex::new(incoming), Mutex::new(outgoing));
        let (chunk, tally, news) = (chunk as u64, Tally::default(), link_news()?);
        Ok(Self { fd, mtu, chunk, umem, incoming, outgoing, tally, news, _program: program })
    }

    /// True if the driver reads and writes the frames where they are.
    pub(super) fn is_zero_copy(&self) -> bool {
        sockopt::xdp_options(&self.fd).is_ok_and(|options| options.contains(XdpOptionsFlags::XDP_OPTIONS_ZEROCOPY))
    }

    fn lock_outgoing(&self) -> MutexGuard<'_, OutgoingFrames> {
        self.outgoing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a frame on the ring; false if there is no room.
    fn put<'a>(&self, outgoing: &mut OutgoingFrames, pieces: impl Iterator<Item = &'a [u8]>) -> bool {
        outgoing.take_back();
        let Some(mut frame) = outgoing.free.pop() else {
            return false;
        };
        let put = match self.umem.write(&mut frame, pieces) {
            Some(length) => outgoing.leave.put(frame, length),
            None => Err(frame),
        };
        put.map_err(|frame| outgoing.free.push(frame)).is_ok()
    }

    /// Lets the kernel send what is on the ring, as far as it does. True if something is left.
    fn push_out(&self, outgoing: &OutgoingFrames) -> io::Result<bool> {
        outgoing.leave.publish();
        let mut left = outgoing.leave.waiting();
        while left > 0 && outgoing.leave.needs_wakeup() {
            // A call sends some 32 frames, and ends at the first that the kernel has to drop: what it takes a frame for.
            match send(&self.fd, &[], SendFlags::DONTWAIT) {
                Ok(_) | Err(Errno::AGAIN | Errno::INTR) => {}
                Err(Errno::BUSY) => self.tally.add(Counter::LinkDown, 1),
                Err(error) => is_over(error)?,
            }
            let before = mem::replace(&mut left, outgoing.leave.waiting());
            if left == before {
                break;
            }
        }
        Ok(left > 0)
    }
}

impl OutgoingFrames {
    /// Takes back the frames that the kernel has done with.
    fn take_back(&mut self) {
        while let Some(frame) = self.done.take() {
            self.free.push(frame);
        }
        self.done.release();
    }
}

impl Carrier for Socket {
    fn capabilities(&self) -> Capabilities {
        Capabilities { mtu: self.mtu, checksum: false, segmentation: 0 }
    }

    fn receive(&self, now: Instant, max: usize, take: &mut dyn FnMut(Packet)) -> io::Result<()> {
        // What a busy kernel has left on the ring when it was told last.
        self.push_out(&self.lock_outgoing())?;
        let mut incoming = self.incoming.lock().unwrap_or_else(PoisonError::into_inner);
        let Incoming { arrived, fill, pool } = &mut *incoming;
        let mut count = 0;
        while count < max
            && let Some(frame) = arrived.take(self.chunk)
        {
            count += 1;
            if let Some(bytes) = self.umem.read(&frame, |octets| pool.copy_slice(octets)) {
                let checksum_verified = bytes.get(HEADER_LEN..).is_some_and(is_undone);
                take(Packet { checksum_verified, ..Packet::new(bytes, now) });
            }
            // There is always room: as many frames as the ring has entries go round.
            let _ = fill.put(frame.into_frame());
        }
        arrived.release();
        fill.publish();
        drop(incoming);
        if count == 0 {
            while recv(&self.news, &mut [0_u8; 4096], RecvFlags::DONTWAIT).is_ok() {}
            // Wakes a driver that waits for frames to fill, and tells whether the interface is still there.
            if let Err(error) = recv(&self.fd, &mut [0_u8; 0], RecvFlags::DONTWAIT) {
                return is_over(error);
            }
        }
        Ok(())
    }

    fn send(&self, header: &[u8], packet: &Outgoing) -> io::Result<Sent> {
        if !self.capabilities().carries(packet) {
            self.tally.add(Counter::TooLong, 1);
            return Ok(Sent::Lost);
        }
        let pieces = || [header, packet.head()].into_iter().chain(packet.payload.iter().map(|slice| &slice[..]));
        let mut outgoing = self.lock_outgoing();
        if !self.put(&mut outgoing, pieces()) {
            self.push_out(&outgoing)?;
            if !self.put(&mut outgoing, pieces()) {
                self.tally.add(Counter::QueueFull, 1);
                return Ok(Sent::Full);
            }
        }
        self.tally.add(Counter::Sent, 1);
        Ok(Sent::Gone)
    }

    fn send_frame(&self, frame: &[u8]) {
        self.put(&mut self.lock_outgoing(), [frame].into_iter());
    }

    fn flush(&self) -> io::Result<bool> {
        let outgoing = self.lock_outgoing();
        self.push_out(&outgoing)
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    fn as_second_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.news.as_fd())
    }

    fn tally(&self) -> &Tally {
        &self.tally
    }

    fn is_low_on_buffers(&self) -> bool {
        self.incoming.lock().unwrap_or_else(PoisonError::into_inner).pool.is_low()
    }
}

/// Binds, and waits for a queue that is busy: the kernel gives it back some time after the last socket on it was closed.
fn until_free(bind: impl Fn() -> rustix::io::Result<()>) -> rustix::io::Result<()> {
    for _ in 0..RELEASE_LOOKS {
        match bind() {
            Err(Errno::BUSY) => thread::sleep(RELEASE_PAUSE),
            done => return done,
        }
    }
    bind()
}

/// A netlink socket that hears of interfaces.
fn link_news() -> io::Result<OwnedFd> {
    const LINKS: u32 = 1; // RTMGRP_LINK
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let news = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?; // NETLINK_ROUTE is 0
    bind(&news, &SocketAddrNetlink::new(0, LINKS))?;
    Ok(news)
}

/// Registers memory for the frames of both ways.
fn register(fd: &OwnedFd, chunk: usize) -> io::Result<(Umem, Vec<Frame>)> {
    let (umem, frames) = Umem::new(chunk, 2 * RING)?;
    let whole = XdpUmemReg {
        addr: umem.address(),
        len: umem.length() as u64,
        chunk_size: u32::try_from(chunk).unwrap_or(u32::MAX),
        headroom: 0,
        flags: XdpUmemRegFlags::empty(),
        tx_metadata_len: 0,
    };
    sockopt::set_xdp_umem_reg(fd, whole)?;
    Ok((umem, frames))
}

/// Makes the four rings, and gives half of the frames to the kernel, to be filled by `frame` octets each at most.
fn rings(fd: &OwnedFd, mut frames: Vec<Frame>, frame: usize) -> io::Result<(Incoming, OutgoingFrames)> {
    sockopt::set_xdp_umem_fill_ring_size(fd, RING)?;
    sockopt::set_xdp_umem_completion_ring_size(fd, RING)?;
    sockopt::set_xdp_rx_ring_size(fd, RING)?;
    sockopt::set_xdp_tx_ring_size(fd, RING)?;
    let offsets = sockopt::xdp_mmap_offsets(fd)?;
    let fd = fd.as_fd();
    let mut incoming = Incoming {
        arrived: Consumer::new(fd, XDP_PGOFF_RX_RING, &offsets.rx, RING)?,
        fill: Producer::new(fd, XDP_UMEM_PGOFF_FILL_RING, &offsets.fr, RING)?,
        pool: Pool::new(frame),
    };
    for frame in frames.drain(..RING as usize) {
        let _ = incoming.fill.put(frame); // it is empty, and has room for just so many
    }
    incoming.fill.publish();
    let outgoing = OutgoingFrames {
        leave: Producer::new(fd, XDP_PGOFF_TX_RING, &offsets.tx, RING)?,
        done: Consumer::new(fd, XDP_UMEM_PGOFF_COMPLETION_RING, &offsets.cr, RING)?,
        free: frames,
    };
    Ok((incoming, outgoing))
}

/// Whether what the kernel said means that the interface is gone: then it is the error, else it passes.
fn is_over(error: Errno) -> io::Result<()> {
    match error {
        Errno::NXIO | Errno::NODEV | Errno::BADF => Err(error.into()),
        _ => Ok(()),
    }
}

/// True if the checksum of a TCP segment is exactly the sum of its pseudo-header: the kernel at the other end of a veth
/// pair leaves it so, and XDP has no other way to tell. On a wire it is a damaged segment's one chance in 65,536, as it is
/// with any checksum.
fn is_undone(packet: &[u8]) -> bool {
    let Some(view) = IpView::parse(packet).ok().filter(|view| view.protocol() == protocol::TCP) else {
        return false;
    };
    let Some(mut header) = view.payload().first_chunk::<{ tcp::HEADER_LEN }>().copied() else {
        return false;
    };
    let found = header;
    fill_partial_checksum(view.source(), view.destination(), &mut header, view.payload().len());
    let checksum = CHECKSUM_OFFSET..CHECKSUM_OFFSET + 2;
    view.fragment().is_none() && header.get(checksum.clone()) == found.get(checksum)
}
