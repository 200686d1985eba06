//! Buffers for what is written, used again once the peer has acknowledged what was in them.
//!
//! Left to the allocator, buffers of this size go back to the kernel and come anew, page by page: a fifth to a third of the
//! time of a thread that writes much.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};

/// Makes chunks for [`TcpStream::write_chunk`](crate::TcpStream::write_chunk) in buffers that come back by themselves: a
/// buffer is filled anew once nobody holds the chunk that was in it, which is when the peer has acknowledged all of it.
///
/// It remembers [`Self::KEPT`] buffers; what is beyond that frees itself. To be shared by all who write, on any number of
/// threads.
///
/// ```
/// use std::io::Read;
/// use sockeye::ChunkPool;
///
/// # fn main() -> std::io::Result<()> {
/// let pool = ChunkPool::default();
/// let mut file = &b"what a file would give"[..];
/// let chunk = pool.fill(ChunkPool::CHUNK, |buffer| file.read(buffer))?;
/// assert_eq!(chunk, "what a file would give");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct ChunkPool {
    /// The chunks that were made last, the longest used one first.
    chunks: Mutex<VecDeque<Bytes>>,
}

impl ChunkPool {
    /// Octets of a buffer: as much as one packet of an offloading device carries.
    pub const CHUNK: usize = 64 * 1024;
    /// Buffers remembered: 32 MiB, twice what sixteen connections have under way that carry a mebibyte each.
    pub const KEPT: usize = 512;
    /// Buffers looked at when one is wanted, so that many that are in use don't cost a walk over all.
    const LOOKS: usize = 4;
    /// Less than this is left to the allocator: it would waste most of a buffer.
    const WORTHWHILE: usize = Self::CHUNK / 2;

    /// A chunk of what `fill` writes into the front of a buffer of so many octets, [`Self::CHUNK`] at most: it says how many.
    /// What stands in the buffer before is anything.
    ///
    /// # Errors
    /// Those of `fill`.
    pub fn fill<E>(&self, octets: usize, fill: impl FnOnce(&mut [u8]) -> Result<usize, E>) -> Result<Bytes, E> {
        let octets = octets.min(Self::CHUNK);
        let is_kept = octets >= Self::WORTHWHILE;
        let mut buffer = if is_kept { self.take(octets) } else { BytesMut::zeroed(octets) };
        let filled = fill(&mut buffer)?;
        buffer.truncate(filled);
        let chunk = buffer.freeze();
        if is_kept {
            self.keep(chunk.clone());
        }
        Ok(chunk)
    }

    /// A copy of `part`, which is no longer than [`Self::CHUNK`].
    pub(crate) fn copy(&self, part: &[u8]) -> Bytes {
        if part.len() < Self::WORTHWHILE {
            return Bytes::copy_from_slice(part);
        }
        let mut buffer = self.take(part.len());
        buffer.copy_from_slice(part);
        let copy = buffer.freeze();
        self.keep(copy.clone());
        copy
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Bytes>> {
        self.chunks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A buffer that nobody uses any more, of so many octets, which were all written at some time: nothing is cleared here.
    fn take(&self, octets: usize) -> BytesMut {
        let unused = self.take_unused();
        let mut buffer = unused.unwrap_or_else(|| BytesMut::zeroed(Self::CHUNK));
        buffer.resize(octets, 0);
        buffer
    }

    fn take_unused(&self) -> Option<BytesMut> {
        let mut chunks = self.lock();
        for _ in 0..Self::LOOKS {
            match chunks.pop_front()?.try_into_mut() {
                Ok(unused) => return Some(unused),
                Err(used) => chunks.push_back(used),
            }
        }
        None
    }

    /// Remembers a chunk in use.
    fn keep(&self, chunk: Bytes) {
        let mut chunks = self.lock();
        chunks.push_back(chunk);
        if chunks.len() > Self::KEPT {
            chunks.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static BLOCK: [u8; ChunkPool::CHUNK] = [7; ChunkPool::CHUNK];

    #[test]
    fn a_buffer_is_used_again_once_its_chunk_is_gone_and_not_before() {
        let pool = ChunkPool::default();
        let first = pool.copy(&BLOCK);
        let at = first.as_ptr();
        let second = pool.copy(&BLOCK);
        assert_ne!(second.as_ptr(), at, "the first is in use");
        drop(first);
        let third = pool.copy(&[8; ChunkPool::CHUNK - 1]);
        assert_eq!(third.as_ptr(), at);
        assert_eq!((&third[..], &second[..]), (&[8; ChunkPool::CHUNK - 1][..], &BLOCK[..]));
        drop(third);
        let whole = pool.copy(&BLOCK);
        assert_eq!((whole.as_ptr(), &whole[..]), (at, &BLOCK[..]), "it has kept its size");
    }

    #[test]
    fn a_chunk_is_what_was_filled_in() {
        let pool = ChunkPool::default();
        for octets in [3, ChunkPool::CHUNK, 2 * ChunkPool::CHUNK] {
            let chunk = pool.fill(octets, |buffer| {
                assert_eq!(buffer.len(), octets.min(ChunkPool::CHUNK));
                buffer[..2].copy_from_slice(b"ab");
                Ok::<_, ()>(2)
            });
            assert_eq!(chunk.as_deref(), Ok(&b"ab"[..]));
        }
        assert_eq!(pool.fill(ChunkPool::CHUNK, |_| Err("nothing")), Err("nothing"));
    }

    #[test]
    fn no_more_is_remembered_than_is_kept() {
        let pool = ChunkPool::default();
        let held: Vec<Bytes> = (0..=ChunkPool::KEPT).map(|_| pool.copy(&BLOCK)).collect();
        assert_eq!(pool.lock().len(), ChunkPool::KEPT);
        assert!(held.iter().all(|copy| copy == &BLOCK[..]));
    }
}
