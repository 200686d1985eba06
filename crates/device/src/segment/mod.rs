//! Super-segments: cut where a device can't (TSO in software), merged where one didn't (GRO).
//!
//! What is cut and merged are TCP segments behind an IPv4 header without options or an IPv6 header without extension
//! headers: what our own stack and every other sends. Anything else passes as it is. Whatever was merged is cut again into
//! the same segments.

mod cut;
mod layout;
mod merge;

pub use cut::{Cut, cut, cut_packet};
pub use merge::Merge;

#[cfg(test)]
mod tests;
