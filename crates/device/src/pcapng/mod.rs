//! Captures of IP packets as pcapng files, which Wireshark and tcpdump read.
//!
//! [`Writer`] writes a capture; [`Recorder`] is a device that captures what another one carries. Times are in nanoseconds,
//! and each packet says which way it went.

mod record;
mod writer;

pub use record::Recorder;
pub use writer::{Way, Writer};
