//! Buffers for what is written, used again once the peer has acknowledged what was in them.
//!
//! Left to the allocator, buffers of this size go back to the kernel and come anew, page by page: a fifth to a third of the
//! time of a thread that writes much.

use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};

/// Makes chunks for [`TcpStream::write_chunk`](crate::TcpStream::write_chunk) in buffers that come back by themselves: a
/// buffer is filled anew once nobody holds the chunk that was in it, which is when the peer has acknowledged all of it. The one
/// that came back last goes out first: a processor's caches still have it.
///
/// It keeps [`Self::KEPT`] buffers that nobody uses; what comes back beyond that is freed. They are not given
/// back before the pool goes, and count in no [`memory_limit`](crate::HostBuilder::memory_limit): a pool that was busy once
/// holds up to 32 MiB. To be shared by all who write, on any number of threads.
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
    unused: Arc<Unused>,
    /// Octets copied by [`Self::copy`].
    copied: AtomicU64,
}

/// Whole buffers that nobody uses, as their last users left them; the one that came back last stands last.
#[derive(Debug, Default)]
struct Unused(Mutex<Vec<Box<[u8]>>>);

impl Unused {
    fn lock(&self) -> MutexGuard<'_, Vec<Box<[u8]>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put_back(&self, buffer: Box<[u8]>) {
        let mut unused = self.lock();
        if unused.len() < ChunkPool::KEPT {
            unused.push(buffer);
        }
    }
}

/// A whole buffer out of a pool, to which it goes back when it is dropped.
struct Lent {
    octets: Box<[u8]>,
    unused: Arc<Unused>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.octets
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.unused.put_back(mem::take(&mut self.octets));
    }
}

impl ChunkPool {
    /// Octets of a buffer: as much as one packet of an offloading device carries.
    pub const CHUNK: usize = 64 * 1024;
    /// Buffers kept unused: 32 MiB, twice what sixteen connections have under way that carry a mebibyte each.
    pub const KEPT: usize = 512;
    /// Less than this is left to the allocator: it would waste most of a buffer.
    const WORTHWHILE: usize = Self::CHUNK / 2;

    /// A chunk of what `fill` writes into the front of a buffer of so many octets, [`Self::CHUNK`] at most: it says how many.
    /// What stands in the buffer before is anything, also the text of other chunks: who says more than was written hands that
    /// out. A chunk of less than half a buffer is copied out of it, and pins none.
    ///
    /// # Errors
    /// Those of `fill`; the buffer serves the next.
    ///
    /// # Panics
    /// If `fill` says more octets than its buffer has.
    pub fn fill<E>(&self, octets: usize, fill: impl FnOnce(&mut [u8]) -> Result<usize, E>) -> Result<Bytes, E> {
        let octets = octets.min(Self::CHUNK);
        if octets < Self::WORTHWHILE {
            let mut buffer = BytesMut::zeroed(octets);
            let filled = checked(fill(&mut buffer)?, octets);
            buffer.truncate(filled);
            return Ok(buffer.freeze());
        }
        let mut buffer = self.take();
        let filled = checked(fill(&mut buffer.octets[..octets])?, octets);
        if filled < Self::WORTHWHILE {
            return Ok(Bytes::copy_from_slice(&buffer.octets[..filled]));
        }
        Ok(Bytes::from_owner(buffer).slice(..filled))
    }

    /// A copy of `part`, which is no longer than [`Self::CHUNK`].
    pub(crate) fn copy(&self, part: &[u8]) -> Bytes {
        self.copied.fetch_add(part.len() as u64, Ordering::Relaxed);
        if part.len() < Self::WORTHWHILE {
            return Bytes::copy_from_slice(part);
        }
        let mut buffer = self.take();
        buffer.octets[..part.len()].copy_from_slice(part);
        Bytes::from_owner(buffer).slice(..part.len())
    }

    /// Octets that [`Self::copy`] has copied so far.
    pub(crate) fn copied(&self) -> u64 {
        self.copied.load(Ordering::Relaxed)
    }

    /// A buffer of [`Self::CHUNK`] octets that nobody uses, as its last user left it.
    fn take(&self) -> Lent {
        let unused = self.unused.lock().pop();
        let octets = unused.unwrap_or_else(|| vec![0; Self::CHUNK].into_boxed_slice());
        Lent { octets, unused: Arc::clone(&self.unused) }
    }
}

fn checked(filled: usize, octets: usize) -> usize {
    assert!(filled <= octets, "{filled} octets are said to fill a buffer of {octets}");
    filled
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
    fn the_last_to_come_back_is_the_first_to_go_out() {
        let pool = ChunkPool::default();
        let (first, second) = (pool.copy(&BLOCK), pool.copy(&BLOCK));
        let at = [first.as_ptr(), second.as_ptr()];
        drop(first);
        drop(second);
        assert_eq!([pool.copy(&BLOCK), pool.copy(&BLOCK)].map(|chunk| chunk.as_ptr()), [at[1], at[0]]);
    }

    #[test]
    fn chunks_outlive_their_pool() {
        let chunk = ChunkPool::default().copy(&BLOCK);
        assert_eq!(chunk, &BLOCK[..]);
    }

    #[test]
    fn no_more_is_kept_than_it_says() {
        let pool = ChunkPool::default();
        let held: Vec<Bytes> = (0..=ChunkPool::KEPT).map(|_| pool.copy(&BLOCK)).collect();
        assert!(held.iter().all(|copy| copy == &BLOCK[..]));
        drop(held);
        assert_eq!(pool.unused.lock().len(), ChunkPool::KEPT);
    }

    /// Where the buffer is that the next of `fill` gets.
    fn next(pool: &ChunkPool) -> *const u8 {
        let mut at = std::ptr::null();
        let nothing = pool.fill(ChunkPool::CHUNK, |buffer| {
            at = buffer.as_ptr();
            Err("WouldBlock")
        });
        assert_eq!(nothing, Err("WouldBlock"));
        at
    }

    #[test]
    fn a_buffer_is_kept_when_nothing_or_little_came() {
        let pool = ChunkPool::default();
        let at = next(&pool);
        assert_eq!(next(&pool), at, "an error leaves it");
        let few = pool.fill(ChunkPool::CHUNK, |buffer| {
            assert_eq!(buffer.as_ptr(), at);
            buffer[..2].copy_from_slice(b"ab");
            Ok::<_, ()>(2)
        });
        assert_eq!(next(&pool), at, "two octets don't pin it");
        assert_eq!((few.as_deref(), pool.unused.lock().len()), (Ok(&b"ab"[..]), 1));
    }

    #[test]
    fn nothing_is_cleared_for_who_fills_it_next() {
        let pool = ChunkPool::default();
        drop(pool.copy(&BLOCK));
        drop(pool.copy(&[8; ChunkPool::WORTHWHILE]));
        let chunk = pool.fill(ChunkPool::CHUNK, |buffer| Ok::<_, ()>(buffer.len())).unwrap();
        let (written, left) = chunk.split_at(ChunkPool::WORTHWHILE);
        assert!(written.iter().all(|octet| *octet == 8) && left.iter().all(|octet| *octet == 7));
    }

    #[test]
    #[should_panic(expected = "9 octets are said to fill a buffer of 8")]
    fn more_than_the_buffer_has_is_refused() {
        _ = ChunkPool::default().fill(8, |buffer| Ok::<_, ()>(buffer.len() + 1));
    }

    #[test]
    #[should_panic(expected = "are said to fill a buffer of 40000")]
    fn nor_of_a_buffer_that_is_larger_than_was_asked_for() {
        _ = ChunkPool::default().fill(40_000, |_| Ok::<_, ()>(ChunkPool::CHUNK));
    }
}
