//! Linux's numbers for errors, and which of them each of TCP's own reasons becomes.

use std::fmt;

use libc::c_int;
use sockeye::{ClosedBecause, StackError};
use sockeye_tcb::{CallError, Unreachable};

/// An error as Linux numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub c_int);

/// A table of errors by the libc crate's names.
macro_rules! table {
    ($($name:ident)*) => { [$((libc::$name, stringify!($name))),*] };
}

const NAMES: [(c_int, &str); 34] = table! {
    EPERM ENOENT EINTR EBADF EAGAIN EFAULT EEXIST EINVAL EPIPE EPROTO ENOSYS ENOMSG ENOTSOCK EDESTADDRREQ EMSGSIZE EPROTOTYPE ENOPROTOOPT
    EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP EAFNOSUPPORT EADDRINUSE EADDRNOTAVAIL ENETUNREACH ECONNABORTED ECONNRESET ENOBUFS
    EISCONN ENOTCONN ETIMEDOUT ECONNREFUSED EHOSTUNREACH EALREADY EINPROGRESS
};

impl Errno {
    /// The error of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        let name = if name == "EWOULDBLOCK" { "EAGAIN" } else { name };
        NAMES.iter().find(|(_, known)| *known == name).map(|(number, _)| Self(*number))
    }

    /// What the application sees of a connection's end; `None` if it ended as it should.
    pub(super) const fn of_end(because: ClosedBecause) -> Option<Self> {
        Some(Self(match because {
            ClosedBecause::Finished | ClosedBecause::ClosedBeforeOpen => return None,
            ClosedBecause::Aborted => libc::ECONNABORTED,
            ClosedBecause::Refused => libc::ECONNREFUSED,
            ClosedBecause::ResetByPeer => libc::ECONNRESET,
            ClosedBecause::HandshakeTimedOut
            | ClosedBecause::UserTimeout
            | ClosedBecause::KeepAliveTimedOut
            | ClosedBecause::OrphanTimedOut => libc::ETIMEDOUT,
            ClosedBecause::Unreachable(what) => match what {
                Unreachable::Network => libc::ENETUNREACH,
                Unreachable::Host | Unreachable::Prohibited | Unreachable::TimeExceeded => libc::EHOSTUNREACH,
                Unreachable::Port => libc::ECONNREFUSED,
                Unreachable::Protocol => libc::ENOPROTOOPT,
                Unreachable::ParameterProblem => libc::EPROTO,
            },
        }))
    }
}

impl From<StackError> for Errno {
    fn from(error: StackError) -> Self {
        Self(match error {
            StackError::InvalidRemote(_) => libc::EINVAL,
            StackError::NotOurs(_) | StackError::NoPort => libc::EADDRNOTAVAIL,
            StackError::NoLocalAddress => libc::ENETUNREACH,
            StackError::InUse(_) => libc::EADDRINUSE,
            _ => libc::ENOTCONN,
        })
    }
}

impl From<CallError> for Errno {
    fn from(error: CallError) -> Self {
        Self(match error {
            CallError::WouldBlock => libc::EAGAIN,
            CallError::Closing => libc::EPIPE,
            CallError::EndOfStream | CallError::NotConnected => libc::ENOTCONN,
            CallError::Closed(because) => return Self::of_end(because).unwrap_or(Self(libc::EPIPE)),
        })
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(number, _)| *number == self.0) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "error {}", self.0),
        }
    }
}

impl std::error::Error for Errno {}
