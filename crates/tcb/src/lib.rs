//! One TCP connection.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod challenge;
mod config;
mod event;
mod info;
mod negotiated;
mod segment;
mod segment_arrives;
mod state;
mod stop;
mod tcb;
mod transmit;
mod user_calls;

pub use config::{Config, KeepAlive};
pub use event::{ClosedBecause, Event, SoftError, Unreachable};
pub use info::TcpInfo;
pub use segment::Segment;
pub use segment_arrives::half_open::{HalfOpen, Origin};
pub use segment_arrives::time_wait::TimeWait;
pub use segment_arrives::{closed, half_open, listen, time_wait};
pub use state::State;
pub use stop::Stop;
pub use tcb::Tcb;
pub use transmit::{Header, Slices, Transmit};
pub use user_calls::CallError;
