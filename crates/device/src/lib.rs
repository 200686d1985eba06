//! Devices that carry IP packets: all of Sockeye that touches the operating system's side of a network.

pub mod impair;
pub mod memory;
pub mod netlink;
pub mod netns;
pub mod pcapng;
pub mod segment;
pub mod sum;

mod cidr;
mod clock;
mod counters;
mod device;
mod error;
mod ethernet;
mod interface;
mod packet;
mod pool;
mod sniffer;
mod tap;
mod tun;
#[cfg(feature = "xdp")]
mod xdp;

pub use cidr::{Cidr, CidrError};
pub use clock::Clock;
pub use counters::{Counter, Counters};
pub use device::{Capabilities, Device};
pub use error::Error;
pub use interface::Interface;
pub use packet::{LinkHeader, Outgoing, Packet, Slices};
pub use pool::Pool;
pub use sniffer::Sniffer;
pub use tap::{Tap, TapConfig};
pub use tun::{Tun, TunConfig, vnet_hdr};
#[cfg(feature = "xdp")]
pub use xdp::{Xdp, XdpConfig, XdpMode};
