//! Packet formats.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod arp;
pub mod checksum;
pub mod error;
pub mod ethernet;
pub mod icmp;
pub mod ip;
pub mod seq;
pub mod tcp;
pub mod time;
pub mod udp;

pub use error::{BufferTooSmall, ParseError};
pub use seq::SeqNumber;
pub use time::Instant;
