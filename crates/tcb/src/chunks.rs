//! Octets in a row, kept as shared chunks and addressed by their place in the stream.
//!
//! Both directions use it: what was written and isn't acknowledged yet, what arrived in order and isn't read yet. Large
//! chunks are kept as they are; small ones are copied one behind the other, so that memory follows the octets held, not
//! the buffers that they came in.

use alloc::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};
use smallvec::SmallVec;

use crate::transmit::Slices;

/// Chunks below this many octets are copied together.
const SMALL: usize = 1024;
/// Octets of the first buffer that small chunks are copied into, and of each later one.
const FIRST_TAIL: usize = 256;
const NEXT_TAIL: usize = 4096;

/// A queue of octets. Holds: `chunks` are not empty, in order and without gaps from `start` on; `tail` follows them and
/// ends at `end`.
#[derive(Debug, Default)]
pub(crate) struct ChunkQueue {
    chunks: VecDeque<Chunk>,
    tail: BytesMut,
    start: u64,
    end: u64,
}

#[derive(Debug)]
struct Chunk {
    /// Where the first octet stands in the stream.
    start: u64,
    bytes: Bytes,
}

impl Chunk {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl ChunkQueue {
    /// Where the first octet stands in the stream: so many were taken before it.
    pub(crate) const fn start(&self) -> u64 {
        self.start
    }

    /// Where the next octet will stand.
    pub(crate) const fn end(&self) -> u64 {
        self.end
    }

    /// How many octets there are: at most 2^30, which no window exceeds.
    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.end - self.start).unwrap_or(u32::MAX)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Appends octets.
    pub(crate) fn push(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        let start = self.end;
        self.end += bytes.len() as u64;
        if bytes.len() < SMALL {
            self.copy_to_tail(&bytes);
        } else {
            self.seal_tail(start);
            self.chunks.push_back(Chunk { start, bytes });
        }
    }

    fn copy_to_tail(&mut self, bytes: &[u8]) {
        if self.tail.capacity() - self.tail.len() < bytes.len() {
            self.seal_tail(self.end - bytes.len() as u64);
            let capacity = if self.chunks.is_empty() { FIRST_TAIL } else { NEXT_TAIL };
            self.tail = BytesMut::with_capacity(capacity.max(bytes.len()));
        }
        self.tail.extend_from_slice(bytes);
    }

    /// Turns the octets of the tail, which ends at `end`, into a chunk; what room it has left stays.
    fn seal_tail(&mut self, end: u64) {
        if !self.tail.is_empty() {
            let bytes = self.tail.split().freeze();
            self.chunks.push_back(Chunk { start: end - bytes.len() as u64, bytes });
        }
    }

    /// The `length` octets from `from` on, or as many of them as are there, shared.
    pub(crate) fn slices(&mut self, from: u64, length: u32) -> Slices {
        let to = (from + u64::from(length)).min(self.end);
        if to > self.end - self.tail.len() as u64 {
            self.seal_tail(self.end);
        }
        let first = self.chunks.partition_point(|chunk| chunk.end() <= from);
        let mut slices = SmallVec::new();
        for chunk in self.chunks.iter().skip(first).take_while(|chunk| chunk.start < to) {
            let skip = from.saturating_sub(chunk.start);
            let keep = to.min(chunk.end()) - chunk.start;
            slices.push(chunk.bytes.slice(within(skip)..within(keep)));
        }
        slices
    }

    /// Takes away all octets before `to`.
    pub(crate) fn drop_until(&mut self, to: u64) {
        if to > self.end - self.tail.len() as u64 {
            self.seal_tail(self.end);
        }
        while let Some(chunk) = self.chunks.front_mut()
            && chunk.start < to
        {
            if chunk.end() > to {
                chunk.bytes.advance(within(to - chunk.start));
                chunk.start = to;
                break;
            }
            self.chunks.pop_front();
        }
        self.start = to.clamp(self.start, self.end);
        self.give_back();
    }

    /// Takes the next octets, at most `max` of them, as far as they lie in one chunk.
    pub(crate) fn pop(&mut self, max: usize) -> Option<Bytes> {
        if self.chunks.is_empty() {
            self.seal_tail(self.end);
        }
        let chunk = self.chunks.front_mut()?;
        let taken = if chunk.bytes.len() <= max {
            self.chunks.pop_front()?.bytes
        } else {
            chunk.start += max as u64;
            chunk.bytes.split_to(max)
        };
        self.start += taken.len() as u64;
        self.give_back();
        Some(taken)
    }

    /// Takes over all octets of `other`, which follow ours.
    pub(crate) fn append(&mut self, mut other: Self) {
        while let Some(bytes) = other.pop(usize::MAX) {
            self.push(bytes);
        }
    }

    /// Forgets everything, as if it had been taken.
    pub(crate) fn clear(&mut self) {
        *self = Self { start: self.end, end: self.end, ..Self::default() };
    }

    /// An idle connection holds no memory for its queues.
    fn give_back(&mut self) {
        if self.is_empty() {
            self.clear();
        }
    }
}

/// An offset inside a chunk, whose length is a `usize`.
fn within(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn text(length: usize, seed: u8) -> Bytes {
        (0..length).map(|i| seed.wrapping_add(u8::try_from(i % 251).unwrap_or(0))).collect()
    }

    fn all(slices: &Slices) -> Vec<u8> {
        slices.iter().flat_map(|slice| slice.iter().copied()).collect()
    }

    #[test]
    fn small_and_large_chunks_come_out_in_order() {
        let mut queue = ChunkQueue::default();
        let mut expected = Vec::new();
        for (i, length) in [3, 2000, 1, 1, 900, 4096, 5, 700, 700, 700, 700].into_iter().enumerate() {
            let bytes = text(length, u8::try_from(i).unwrap_or(0));
            expected.extend_from_slice(&bytes);
            queue.push(bytes);
        }
        assert_eq!(all(&queue.slices(0, u32::MAX)), expected);
        assert_eq!(all(&queue.slices(2002, 7)), expected[2002..2009]);
        queue.drop_until(2001);
        assert_eq!(queue.start(), 2001);
        let mut read = Vec::new();
        while let Some(bytes) = queue.pop(999) {
            read.extend_from_slice(&bytes);
        }
        assert_eq!(read, expected[2001..]);
        assert!(queue.is_empty());
    }

    #[test]
    fn ten_thousand_single_octets_take_few_chunks() {
        let mut queue = ChunkQueue::default();
        for i in 0..10_000_u32 {
            queue.push(Bytes::copy_from_slice(&i.to_le_bytes()[..1]));
        }
        assert!(queue.slices(0, 10_000).len() <= 4);
    }

    #[test]
    fn a_drained_queue_holds_no_memory() {
        let mut queue = ChunkQueue::default();
        queue.push(text(10, 0));
        queue.push(text(5000, 0));
        queue.drop_until(queue.end());
        assert_eq!((queue.chunks.capacity(), queue.tail.capacity()), (0, 0));
    }
}
