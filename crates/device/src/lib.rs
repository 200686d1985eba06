//! Devices that carry IP packets.

mod cidr;
mod clock;
mod device;
mod error;
pub mod memory;
pub mod netlink;
pub mod netns;
mod packet;
pub mod pcapng;
mod pool;
mod tun;

pub use cidr::{Cidr, CidrError};
pub use clock::Clock;
pub use device::{Capabilities, Device};
pub use error::Error;
pub use packet::{Outgoing, Packet, Slices};
pub use tun::{Tun, TunConfig};
