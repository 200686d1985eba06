//! One TCP connection: RFC 9293 without sockets, clock, randomness or addresses.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod challenge;
mod chunks;
mod config;
pub mod congestion;
mod event;
mod icmp;
mod info;
mod negotiated;
mod recovery;
mod recv;
mod rtt;
mod segment;
mod segment_arrives;
mod send;
mod state;
mod stop;
mod tcb;
mod timeouts;
mod transmit;
mod user_calls;

pub use config::{Config, KeepAlive};
pub use event::{ClosedBecause, Event, SoftError, Unreachable};
pub use info::TcpInfo;
pub use rtt::Rtt;
pub use segment::Segment;
pub use segment_arrives::half_open::{HalfOpen, Origin};
pub use segment_arrives::time_wait::TimeWait;
pub use segment_arrives::{closed, half_open, listen, time_wait};
pub use state::State;
pub use stop::Stop;
pub use tcb::Tcb;
pub use transmit::{Header, Slices, Transmit};
pub use user_calls::CallError;
