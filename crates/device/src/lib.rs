//! Devices that carry IP packets: all of Sockeye that touches the operating system's side of a network.
//!
//! [`Device`] is all that the layers above see. What stands behind it: [`memory`] (two ends joined in this process).

pub mod memory;

mod clock;
mod counters;
mod device;
mod packet;
mod pool;

pub use clock::Clock;
pub use counters::{Counter, Counters};
pub use device::{Capabilities, Device};
pub use packet::{Outgoing, Packet, Slices};
pub use pool::Pool;
