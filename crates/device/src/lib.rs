//! Devices that carry IP packets.

mod device;
mod packet;

pub use device::{Capabilities, Device};
pub use packet::{Outgoing, Packet, Slices};
