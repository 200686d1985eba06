//! What the application asks for (RFC 9293 sections 3.10.1 to 3.10.6).

use core::fmt;

mod abort;
mod close;
mod configure;
mod open;
mod receive;
mod send;
mod status;

use crate::ClosedBecause;

/// Why a call did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallError {
    /// There is nothing to read yet, or no room to write: wait for [`crate::Event::Readable`] or
    /// [`crate::Event::Writable`].
    WouldBlock,
    /// The peer has closed its direction and all was read: the end of the stream.
    EndOfStream,
    /// The application has closed this direction already.
    Closing,
    /// There is no connection yet.
    NotConnected,
    /// The connection is gone.
    Closed(ClosedBecause),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WouldBlock => f.write_str("not now"),
            Self::EndOfStream => f.write_str("the peer has closed its direction"),
            Self::Closing => f.write_str("connection closing"),
            Self::NotConnected => f.write_str("not connected"),
            Self::Closed(because) => write!(f, "connection closed: {because:?}"),
        }
    }
}

impl core::error::Error for CallError {}
