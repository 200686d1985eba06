//! TCP (RFC 9293 section 3.1).

mod flags;
mod options;
mod sack;

pub use flags::Flags;
pub use options::{FastOpenCookie, Options, Timestamps, UserTimeout};
pub use sack::{SackBlock, SackBlocks};
