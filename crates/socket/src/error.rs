//! Errors change language here: from what TCP says to what the kernel's sockets would say.
//!
//! One `match` for each of TCP's own types, without a default arm: a new reason doesn't compile until somebody has said
//! what the application sees.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};

use sockeye_tcb::{CallError, ClosedBecause, SoftError, Unreachable};

use crate::stack::StackError;

/// What an [`io::Error`] of a stream says about the end of its connection, for those to whom the
/// [kind](io::Error::kind) isn't enough.
///
/// ```
/// # use sockeye::{ClosedBecause, ConnectionError};
/// # fn show(error: std::io::Error) {
/// let reason = error.get_ref().and_then(|inner| inner.downcast_ref::<ConnectionError>());
/// if reason.is_some_and(|reason| reason.because == ClosedBecause::KeepAliveTimedOut) {
///     println!("the peer was silent for hours");
/// }
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionError {
    /// Why the connection is gone.
    pub because: ClosedBecause,
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.because {
            ClosedBecause::Finished => "the connection is closed",
            ClosedBecause::ClosedBeforeOpen => "the connection was closed before it was open",
            ClosedBecause::Aborted => "the connection was aborted",
            ClosedBecause::Refused => "connection refused",
            ClosedBecause::ResetByPeer => "connection reset by peer",
            ClosedBecause::HandshakeTimedOut => "connection timed out: nobody answered the SYN",
            ClosedBecause::UserTimeout => "connection timed out: the peer doesn't acknowledge",
            ClosedBecause::KeepAliveTimedOut => "connection timed out: no keep-alive probe was answered",
            ClosedBecause::OrphanTimedOut => "connection timed out: the peer never closed its direction",
            ClosedBecause::Unreachable(what) => return f.write_str(unreachable_text(what)),
        })
    }
}

impl Error for ConnectionError {}

/// What the application sees of a connection's end.
const fn kind_of(because: ClosedBecause) -> ErrorKind {
    match because {
        ClosedBecause::Finished => ErrorKind::BrokenPipe,
        ClosedBecause::ClosedBeforeOpen => ErrorKind::NotConnected,
        ClosedBecause::Aborted => ErrorKind::ConnectionAborted,
        ClosedBecause::Refused => ErrorKind::ConnectionRefused,
        ClosedBecause::ResetByPeer => ErrorKind::ConnectionReset,
        ClosedBecause::HandshakeTimedOut
        | ClosedBecause::UserTimeout
        | ClosedBecause::KeepAliveTimedOut
        | ClosedBecause::OrphanTimedOut => ErrorKind::TimedOut,
        ClosedBecause::Unreachable(what) => unreachable_kind(what),
    }
}

/// As Linux turns ICMP errors into `errno`.
const fn unreachable_kind(what: Unreachable) -> ErrorKind {
    match what {
        Unreachable::Network => ErrorKind::NetworkUnreachable,
        Unreachable::Host | Unreachable::Prohibited | Unreachable::TimeExceeded => ErrorKind::HostUnreachable,
        Unreachable::Port => ErrorKind::ConnectionRefused,
        // ENOPROTOOPT and EPROTO, for which there is no kind.
        Unreachable::Protocol | Unreachable::ParameterProblem => ErrorKind::Other,
    }
}

const fn unreachable_text(what: Unreachable) -> &'static str {
    match what {
        Unreachable::Network => "network unreachable",
        Unreachable::Host => "host unreachable",
        Unreachable::Protocol => "the host doesn't speak TCP",
        Unreachable::Port => "connection refused: port unreachable",
        Unreachable::Prohibited => "host unreachable: somebody on the way forbids it",
        Unreachable::TimeExceeded => "host unreachable: the packets don't arrive before their hop limit or time is up",
        Unreachable::ParameterProblem => "somebody on the way can't read our header",
    }
}

/// The error that tells of the end of a connection.
pub(crate) fn closed(because: ClosedBecause) -> io::Error {
    io::Error::new(kind_of(because), ConnectionError { because })
}

/// The error for a call that did nothing. The end of the stream is none: who reads takes it out before.
pub(crate) fn call_failed(error: CallError) -> io::Error {
    match error {
        CallError::WouldBlock => ErrorKind::WouldBlock.into(),
        CallError::EndOfStream => ErrorKind::UnexpectedEof.into(),
        CallError::Closing => broken_pipe(),
        CallError::NotConnected => ErrorKind::NotConnected.into(),
        CallError::Closed(because) => closed(because),
    }
}

/// The error for writing where nobody reads any more.
pub(crate) fn broken_pipe() -> io::Error {
    ErrorKind::BrokenPipe.into()
}

/// The error for a trouble that may pass.
pub(crate) fn soft(error: SoftError) -> io::Error {
    match error {
        SoftError::ExcessiveRetransmission => {
            io::Error::new(ErrorKind::TimedOut, "the peer hasn't answered for a while")
        }
        SoftError::Unreachable(what) => io::Error::new(unreachable_kind(what), unreachable_text(what)),
    }
}

impl From<StackError> for io::Error {
    /// As the kernel's `bind`, `listen` and `connect` say it.
    fn from(error: StackError) -> Self {
        let kind = match error {
            StackError::InvalidRemote(_) => ErrorKind::InvalidInput,
            StackError::NotOurs(_) | StackError::NoPort => ErrorKind::AddrNotAvailable,
            StackError::NoLocalAddress => ErrorKind::NetworkUnreachable,
            StackError::InUse(_) => ErrorKind::AddrInUse,
            StackError::NoSuchConnection => ErrorKind::NotConnected,
        };
        Self::new(kind, error)
    }
}
