//! The laboratory: what a TCP is tried, measured and looked at with.
//!
//! - [`capture`]: packets out of pcap and pcapng files.
//! - [`describe`]: packets as lines of text.
//! - [`analyze`]: what a capture tells of the TCPs in it, and the problems of RFC 2525 by name.
//! - [`link`]: the link model on real packets, between two devices.
//! - [`plot`]: time-sequence graphs in the style of tcptrace, and stacked panels over time, as SVG.
//! - [`probe`]: what a path carries, towards a host that only answers echoes.
//! - [`script`]: an interpreter for packetdrill's script language, on a stack in virtual time.
//! - [`sockets`]: the socket calls of Linux on such a stack.
//! - [`sim`]: whole hosts and bare connections over bad paths, in virtual time, with invariants after every event.
//! - [`swarm`]: random scenarios by the thousand.
#![forbid(unsafe_code)]

pub mod analyze;
pub mod capture;
pub mod describe;
pub mod link;
pub mod plot;
pub mod probe;
pub mod script;
pub mod sim;
pub mod sockets;
pub mod swarm;
