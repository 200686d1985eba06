//! SEGMENT ARRIVES (RFC 9293 section 3.10.7).

pub mod closed;
pub mod half_open;
pub mod listen;
pub mod time_wait;
