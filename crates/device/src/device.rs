//! The `Device` trait: all that the layers above know of what carries their packets.

use std::collections::VecDeque;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use sockeye_wire::Instant;

use crate::{Counters, Outgoing, Packet};

/// What a device can do; fixed for its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The largest IP packet that goes out in one piece, in octets: 68 to 65,535.
    pub mtu: u16,
    /// True if the device fills in TCP's checksum in what it sends: the stack then leaves the sum of the pseudo-header
    /// there.
    pub checksum: bool,
    /// The largest packet, headers included, in octets, that the device cuts into segments of
    /// [`Outgoing::segment_size`]; 0 if it cuts none.
    pub segmentation: u32,
}

impl Capabilities {
    /// The largest packet that IP's length field tells.
    pub const LARGEST: u32 = 65_535;

    /// Octets of text that fit into the largest packet that the device cuts, whatever its headers; 0 if it cuts none.
    pub fn most_text(&self) -> u32 {
        self.segmentation.saturating_sub(u32::try_from(Outgoing::HEAD).unwrap_or(u32::MAX))
    }

    /// True if the packet, or each segment that it is to be cut into, is short enough for the device.
    pub fn carries(&self, packet: &Outgoing) -> bool {
        let (whole, mtu) = (packet.len(), usize::from(self.mtu));
        match packet.segment_size {
            0 => whole <= mtu,
            size => {
                let segment = packet.head().len() + usize::from(size);
                segment <= mtu && u32::try_from(whole).is_ok_and(|whole| whole <= self.segmentation)
            }
        }
    }
}

/// Something that carries IP packets. All calls take `&self`: one thread may receive while another transmits.
pub trait Device: Send + Sync {
    /// What the device can do.
    fn capabilities(&self) -> Capabilities;

    /// Appends up to `max` packets that have arrived to `batch`, each stamped with `now`, and says how many; 0 if there
    /// is none. Never blocks.
    ///
    /// # Errors
    /// What the operating system says when the device is gone or broken; never `WouldBlock`.
    fn receive(&self, now: Instant, batch: &mut Vec<Packet>, max: usize) -> io::Result<usize>;

    /// As [`Self::receive`], for who takes packets apart: the text of long ones may come as [`Packet::text`], shared with
    /// its sender, where a device has it so. Others read as ever.
    ///
    /// # Errors
    /// Those of [`Self::receive`].
    fn receive_shared(&self, now: Instant, batch: &mut Vec<Packet>, max: usize) -> io::Result<usize> {
        self.receive(now, batch, max)
    }

    /// Sends packets from the front of `batch`, removing each, and says how many went. Those that stay found the
    /// device's queue full and are the caller's to send again or drop. Never blocks. A packet that the device refuses
    /// for good (too long, link down) is removed and lost, as on any wire, and counted by the device.
    ///
    /// # Errors
    /// What the operating system says when the device is gone or broken; never `WouldBlock`.
    fn transmit(&self, batch: &mut VecDeque<Outgoing>) -> io::Result<usize>;

    /// What to wait on until [`Self::receive`] has something: readable then. `None` if the device can't be waited for.
    fn as_fd(&self) -> Option<BorrowedFd<'_>>;

    /// What it has counted so far; all 0 if it counts nothing.
    fn counters(&self) -> Counters {
        Counters::default()
    }

    /// True while the device runs low on buffers for what arrives: whoever keeps packets of it should then copy them and
    /// let go of the originals.
    fn is_low_on_buffers(&self) -> bool {
        false
    }
}

/// What became of a packet that was to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It is on its way.
    Gone,
    /// It was refused for good; counted.
    Lost,
    /// There is no room now: it is to be sent again; counted.
    Full,
}

/// Sends packet after packet of a batch, as [`Device::transmit`] has it: until there is no room.
pub(crate) fn send_each(
    batch: &mut VecDeque<Outgoing>,
    mut send: impl FnMut(&Outgoing) -> io::Result<Sent>,
) -> io::Result<usize> {
    let mut gone = 0;
    while let Some(packet) = batch.front() {
        match send(packet)? {
            Sent::Gone => gone += 1,
            Sent::Lost => {}
            Sent::Full => break,
        }
        batch.pop_front();
    }
    Ok(gone)
}

/// The methods of [`Device`], each handed on to another device.
macro_rules! delegate {
    ($this:ident => $inner:expr) => {
        fn capabilities(&$this) -> Capabilities {
            $inner.capabilities()
        }

        fn receive(&$this, now: Instant, batch: &mut Vec<Packet>, max: usize) -> io::Result<usize> {
            $inner.receive(now, batch, max)
        }

        fn receive_shared(&$this, now: Instant, batch: &mut Vec<Packet>, max: usize) -> io::Result<usize> {
            $inner.receive_shared(now, batch, max)
        }

        fn transmit(&$this, batch: &mut VecDeque<Outgoing>) -> io::Result<usize> {
            $inner.transmit(batch)
        }

        fn as_fd(&$this) -> Option<BorrowedFd<'_>> {
            $inner.as_fd()
        }

        fn counters(&$this) -> Counters {
            $inner.counters()
        }

        fn is_low_on_buffers(&$this) -> bool {
            $inner.is_low_on_buffers()
        }
    };
}

pub(crate) use delegate;

impl<D: Device + ?Sized> Device for Arc<D> {
    delegate!(self => (**self));
}

impl<D: Device + ?Sized> Device for Box<D> {
    delegate!(self => (**self));
}
