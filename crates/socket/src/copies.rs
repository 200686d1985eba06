//! Where writes are copied to: buffers that are used again once the peer has acknowledged what was in them.
//!
//! Left to the allocator, buffers of this size go back to the kernel and come anew, page by page: a fifth of the time of a
//! thread that writes much.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};

/// Octets to copy at a time: what one thread copies must not keep others from the stack for long, nor itself.
pub(crate) const CHUNK: usize = 64 * 1024;
/// Buffers remembered: 4 MiB. What is beyond that frees itself.
const KEPT: usize = 64;
/// Buffers looked at when one is wanted, so that many that are in use don't cost a walk over all.
const LOOKS: usize = 4;
/// Less than this is left to the allocator: it would waste most of a buffer.
const WORTHWHILE: usize = CHUNK / 2;

/// The buffers of all connections of a host, the longest used one first.
#[derive(Debug, Default)]
pub(crate) struct Copies(Mutex<VecDeque<BytesMut>>);

impl Copies {
    /// A copy of `part`, which is no longer than [`CHUNK`].
    pub(crate) fn of(&self, part: &[u8]) -> Bytes {
        if part.len() < WORTHWHILE {
            return Bytes::copy_from_slice(part);
        }
        let mut buffer = self.take().unwrap_or_else(|| BytesMut::with_capacity(CHUNK));
        buffer.extend_from_slice(part);
        let copy = buffer.split().freeze();
        self.keep(buffer);
        copy
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<BytesMut>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A buffer that nobody uses any more, empty.
    fn take(&self) -> Option<BytesMut> {
        let mut buffers = self.lock();
        for _ in 0..LOOKS {
            let mut buffer = buffers.pop_front()?;
            if buffer.try_reclaim(CHUNK) {
                return Some(buffer);
            }
            buffers.push_back(buffer);
        }
        None
    }

    /// Remembers a buffer whose octets are in use.
    fn keep(&self, buffer: BytesMut) {
        let mut buffers = self.lock();
        buffers.push_back(buffer);
        if buffers.len() > KEPT {
            buffers.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static BLOCK: [u8; CHUNK] = [7; CHUNK];

    #[test]
    fn a_buffer_is_used_again_once_its_copy_is_gone_and_not_before() {
        let copies = Copies::default();
        let first = copies.of(&BLOCK);
        let at = first.as_ptr();
        let second = copies.of(&BLOCK);
        assert_ne!(second.as_ptr(), at, "the first is in use");
        drop(first);
        let third = copies.of(&[8; CHUNK - 1]);
        assert_eq!(third.as_ptr(), at);
        assert_eq!((&third[..], &second[..]), (&[8; CHUNK - 1][..], &BLOCK[..]));
    }

    #[test]
    fn no_more_is_remembered_than_is_kept() {
        let copies = Copies::default();
        let held: Vec<Bytes> = (0..2 * KEPT).map(|_| copies.of(&BLOCK)).collect();
        assert_eq!(copies.lock().len(), KEPT);
        assert!(held.iter().all(|copy| copy == &BLOCK[..]));
    }
}
