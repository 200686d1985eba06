//! Why a call on a stack did nothing.

use std::fmt;
use std::net::SocketAddr;

/// Why a call on a [`crate::Stack`] did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StackError {
    /// The remote address is none that a single host may have, or the port is 0.
    //= rfc9293#MUST-46
    InvalidRemote(SocketAddr),
    /// The local address is none of the stack's.
    NotOurs(SocketAddr),
    /// The stack has no address of the family of the remote one.
    NoLocalAddress,
    /// Somebody listens there, or the same connection exists.
    InUse(SocketAddr),
    /// All ports towards this destination are taken.
    NoPort,
    /// The connection is gone, or never was.
    NoSuchConnection,
}

impl fmt::Display for StackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidRemote(remote) => write!(f, "{remote} is no address of a host to connect to"),
            Self::NotOurs(local) => write!(f, "{local} is none of this stack's addresses"),
            Self::NoLocalAddress => f.write_str("this stack has no address of that family"),
            Self::InUse(local) => write!(f, "{local} is in use"),
            Self::NoPort => f.write_str("all ports towards this destination are taken"),
            Self::NoSuchConnection => f.write_str("the connection is gone"),
        }
    }
}

impl std::error::Error for StackError {}
