//! The packet formats of Sockeye: bytes to meaning and back, without state, clock or allocation.
//!
//! Views check once, in `parse`; after that no accessor can fail, whatever the bytes. What they refuse has a reason with
//! a name, [`ParseError`]. Builders write into the caller's buffer and say how many octets they took.
//!
//! | to read | to write | |
//! | --- | --- | --- |
//! | [`ethernet::EthernetView`] | [`ethernet::EthernetHeader`] | frames |
//! | [`arp::Arp`] | the same | who has an IPv4 address |
//! | [`ndp::NdpMessage`] | the same | who has an IPv6 address, and which routers are there |
//! | [`ip::IpView`] | [`ip::v4::Ipv4Header`], [`ip::v6::Ipv6Header`] | either version, extension headers walked |
//! | [`icmp::parse`], [`icmp::QuotedTransport`] | [`icmp::emit_error`], … | echoes, and errors with the packet they quote |
//! | [`udp::UdpView`] | [`udp::emit`] | |
//! | [`tcp::TcpView`] | [`tcp::TcpHeader`] | with all [`tcp::Options`] |
//!
//! Checksums are verified by a call of their own, since a device may have vouched for them ([`checksum`]); only ICMP and
//! neighbour discovery verify theirs themselves. [`SeqNumber`] and [`Instant`] are the two numbers that all of Sockeye
//! counts in.
//!
//! ```
//! use sockeye_wire::{ip::IpView, tcp::TcpView};
//!
//! # fn dissect(packet: &[u8]) -> Result<(), sockeye_wire::ParseError> {
//! let ip = IpView::parse(packet)?;
//! let tcp = TcpView::parse(ip.payload())?;
//! if tcp.verify_checksum(ip.source(), ip.destination()) {
//!     println!("{} to {}: {} octets at {}", ip.source(), ip.destination(), tcp.payload().len(), tcp.seq());
//! }
//! # Ok(())
//! # }
//! ```
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
pub mod ndp;
pub mod seq;
pub mod tcp;
pub mod time;
pub mod udp;

pub use error::{BufferTooSmall, ParseError};
pub use seq::SeqNumber;
pub use time::Instant;
