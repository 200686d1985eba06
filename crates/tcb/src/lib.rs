//! One TCP connection, RFC 9293 whole, without sockets, clock, randomness or addresses.
//!
//! A [`Tcb`] is a value. Segments, the application's calls and the time go in as arguments; what is to be sent, when the
//! clock is wanted and what the application should hear come out when asked for:
//!
//! | call | tells it |
//! | --- | --- |
//! | [`Tcb::on_segment`] | what arrived, its checksum already verified |
//! | [`Tcb::send`], [`Tcb::recv`], [`Tcb::shutdown`], [`Tcb::close`], [`Tcb::abort`] | what the application did |
//! | [`Tcb::on_timeout`] | that the deadline has passed |
//! | [`Tcb::poll_transmit`] | *returns* what to put on the wire now, until `None` |
//! | [`Tcb::next_timeout`] | *returns* when to call `on_timeout` at the latest |
//! | [`Tcb::poll_event`] | *returns* what the application may want to act on |
//!
//! **After every call that changes something, ask `poll_transmit` until `None`, then `next_timeout`.** The same core so
//! runs under threads, in a loop, in a simulation in virtual time, under a fuzzer; a run repeats exactly. See
//! `examples/two_endpoints.rs` for all of it in eighty lines.
//!
//! Time is given as [`sockeye_wire::Instant`], in nanoseconds; it never goes back. `Segment::arrived_at` is when a
//! segment's batch was read, which is what round-trip times are made of.
//!
//! # Reading order
//!
//! The folders of the source are section 3.10 of the RFC. Three doors lead in: `user_calls` (3.10.1 to 3.10.6),
//! `segment_arrives` (3.10.7: its `mod.rs` is the steps in their order, a file each), `timeouts` (3.10.8). They use
//! `send`, `recv` and `recovery`; `recovery` decides what is lost and informs a [`congestion`] control, which knows
//! nobody. What lives outside a connection is judged by pure functions over small structs: [`closed`], [`listen`],
//! [`half_open`], [`time_wait`].
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod challenge;
mod chunks;
mod config;
pub mod congestion;
mod counts;
mod ecn;
mod event;
mod icmp;
mod info;
mod metrics;
mod negotiated;
mod path_mtu;
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

pub use config::{Buffer, Config, EcnPolicy, KeepAlive};
pub use event::{ClosedBecause, Event, SoftError, Unreachable};
pub use info::{LossPhase, TcpInfo, Vitals};
pub use metrics::Metrics;
pub use path_mtu::{MtuProbing, PathMss, TooBig};
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
