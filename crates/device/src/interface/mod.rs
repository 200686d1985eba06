//! An interface that is there already, heard and spoken on beside the kernel: frames as they are, both ways.

mod socket;

use std::collections::VecDeque;
use std::io;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use sockeye_wire::Instant;
use sockeye_wire::ethernet::HEADER_LEN;

use crate::device::{Sent, send_each};
use crate::ethernet::Carrier;
use crate::netlink::Link;
use crate::tun::Queue;
use crate::{Capabilities, Counter, Counters, Device, Error, Outgoing, Packet};

/// An Ethernet interface of the kernel's, such as the end of a veth pair: all that arrives at it is received, whoever it is
/// for, and what is transmitted leaves it. What the kernel itself sends on it isn't heard.
///
/// Packets have their [`Packet::link_header`] and may be anything that Ethernet carries; those to be transmitted must have
/// one, too. Super-segments come and go whole. A tag of a VLAN that the kernel has taken off a frame is lost: where there
/// are VLANs, `ethtool -K NAME rxvlan off txvlan off`.
///
/// ```no_run
/// # use sockeye_device::Interface;
/// let interface = Interface::open("veth0", 1_000)?;
/// println!("{} hears all", interface.name());
/// # Ok::<(), sockeye_device::Error>(())
/// ```
#[derive(Debug)]
pub struct Interface {
    name: String,
    queue: Queue,
}

impl Interface {
    /// Opens the interface of this name, which is up, in the namespace of the calling thread. About `queue` frames of full
    /// length may wait to be received; others are lost, and counted as [`Counter::Overrun`].
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`], [`Error::DeviceDown`], [`Error::NotEthernet`], [`Error::MtuOutOfRange`],
    /// [`Error::NoRawSockets`], [`Error::Io`].
    pub fn open(name: &str, queue: u32) -> Result<Self, Error> {
        let link = Link::by_name(name)?;
        let info = link.info()?;
        if info.hardware_address.len() != 6 {
            return Err(Error::NotEthernet(name.to_owned()));
        }
        if !info.up {
            return Err(Error::DeviceDown(name.to_owned()));
        }
        let mtu = u16::try_from(info.mtu).map_err(|_| Error::MtuOutOfRange(info.mtu))?;
        let fd = socket::open(link.index(), queue, mtu).map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => Error::NoRawSockets,
            _ => Error::Io("opening a packet socket", error),
        })?;
        Ok(Self { name: name.to_owned(), queue: Queue::new(fd, true, mtu, HEADER_LEN) })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The packet behind a frame's header.
    fn unwrap(&self, mut frame: Packet) -> Option<Packet> {
        let header = frame.bytes.first_chunk().copied();
        if header.is_none() {
            self.queue.tally().add(Counter::Malformed, 1);
        }
        header.map(|header| Packet { bytes: frame.bytes.split_off(HEADER_LEN), link_header: Some(header), ..frame })
    }

    fn send(&self, packet: &Outgoing) -> io::Result<Sent> {
        if let Some(header) = &packet.link_header {
            self.queue.send(header, packet)
        } else {
            self.queue.tally().add(Counter::Refused, 1);
            Ok(Sent::Lost)
        }
    }
}

impl Device for Interface {
    fn capabilities(&self) -> Capabilities {
        self.queue.capabilities()
    }

    fn receive(&self, now: Instant, batch: &mut Vec<Packet>, max: usize) -> io::Result<usize> {
        let before = batch.len();
        let received = self.queue.receive(now, max, &mut |frame| batch.extend(self.unwrap(frame)));
        let count = batch.len() - before;
        self.queue.tally().add(Counter::Received, count);
        match received {
            // It may come up again, unless it is gone.
            Err(error) if Errno::from_io_error(&error) != Some(Errno::NETDOWN) => return Err(error),
            _ if count == 0 && socket::is_orphan(self.queue.as_fd())? => return Err(Errno::NODEV.into()),
            _ => {}
        }
        Ok(count)
    }

    fn transmit(&self, batch: &mut VecDeque<Outgoing>) -> io::Result<usize> {
        send_each(batch, |packet| self.send(packet))
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.queue.as_fd())
    }

    fn counters(&self) -> Counters {
        // Without an answer it shows what was known before.
        let lost = socket::take_overruns(self.queue.as_fd()).unwrap_or(0);
        self.queue.tally().add(Counter::Overrun, lost);
        self.queue.tally().snapshot()
    }

    fn is_low_on_buffers(&self) -> bool {
        self.queue.is_low_on_buffers()
    }
}
