//! Packet formats.
#![no_std]
#![forbid(unsafe_code)]

pub mod seq;
pub mod tcp;
pub mod time;

pub use seq::SeqNumber;
pub use time::Instant;
