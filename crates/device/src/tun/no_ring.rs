//! In place of `ring.rs` on processors that the `io-uring` crate has no bindings for: packets leave one a system call.

use std::os::fd::BorrowedFd;

use smallvec::SmallVec;

use crate::Outgoing;

/// Packets that a batch has at least, to be worth a ring: there is none.
pub(super) const LEAST: usize = usize::MAX;
/// Packets that one call writes.
pub(super) const ROOM: u32 = 0;

/// Which packets of a batch were written: none.
pub(super) type Written = SmallVec<[bool; 0]>;

/// No ring.
#[derive(Debug)]
pub(super) enum Ring {
    /// There is none.
    Refused,
}

impl Ring {
    pub(super) const fn new(_room: u32) -> Self {
        Self::Refused
    }

    #[cfg(test)]
    pub(super) fn stuck() -> std::io::Result<Self> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    #[expect(clippy::unused_self, reason = "as where there is a ring")]
    pub(super) fn write<'a>(&mut self, _fd: BorrowedFd<'_>, _packets: impl Iterator<Item = &'a Outgoing>) -> Written {
        Written::new()
    }
}
