//! Our devices as smoltcp wants them.

use std::collections::VecDeque;

use bytes::Bytes;
use smoltcp::phy::{self, DeviceCapabilities, Medium};
use sockeye_device::{Device, Outgoing, Packet};

/// A device of ours that carries IP packets, MTU 1500.
pub struct Adapter<D> {
    device: D,
    received: VecDeque<Packet>,
    batch: Vec<Packet>,
}

impl<D: Device> Adapter<D> {
    pub fn new(device: D) -> Self {
        Self { device, received: VecDeque::new(), batch: Vec::new() }
    }

    /// The device.
    pub const fn device(&self) -> &D {
        &self.device
    }

    /// True if all that was read from the device has been taken.
    pub fn is_drained(&self) -> bool {
        self.received.is_empty()
    }
}

pub struct Received(Bytes);

pub struct Sender<'a, D>(&'a D);

impl phy::RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, work: F) -> R {
        work(&self.0)
    }
}

impl<D: Device> phy::TxToken for Sender<'_, D> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, work: F) -> R {
        let mut packet = vec![0; length];
        let result = work(&mut packet);
        let outgoing = Outgoing::build([Bytes::from(packet)].into_iter().collect(), |_| 0);
        // A packet that the device doesn't take is lost, as on any wire.
        let _ = self.0.transmit(&mut VecDeque::from([outgoing]));
        result
    }
}

impl<D: Device> phy::Device for Adapter<D> {
    type RxToken<'a>
        = Received
    where
        D: 'a;
    type TxToken<'a>
        = Sender<'a, D>
    where
        D: 'a;

    fn receive(&mut self, _now: smoltcp::time::Instant) -> Option<(Received, Sender<'_, D>)> {
        if self.received.is_empty() {
            self.device.receive(sockeye_wire::Instant::ZERO, &mut self.batch, 64).ok()?;
            self.received.extend(self.batch.drain(..));
        }
        Some((Received(self.received.pop_front()?.bytes), Sender(&self.device)))
    }

    fn transmit(&mut self, _now: smoltcp::time::Instant) -> Option<Sender<'_, D>> {
        Some(Sender(&self.device))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = 1500;
        capabilities
    }
}
