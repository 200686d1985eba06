//! Octets in a row, kept as shared chunks and addressed by their place in the stream.
//!
//! Both directions use it: what was written and isn't acknowledged yet, what arrived in order and isn't read yet. Large
//! chunks are kept as they are; small ones are copied one behind the other, so that memory follows the octets held, not
//! the buffers that they came in.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};
use smallvec::SmallVec;

use crate::transmit::Slices;

/// Chunks below this many octets are copied together.
const SMALL: usize = 1024;
/// Octets of the first buffer that small chunks are copied into, and of each later one.
const FIRST_TAIL: usize = 256;
const NEXT_TAIL: usize = 4096;

/// A queue of octets. Holds: `front` begins at `start`, then come the chunks of `rest`, then its tail, which ends at `end`,
/// all without gaps; no chunk of `rest` is empty, and there are none while `front` is empty.
#[derive(Debug, Default)]
pub(crate) struct ChunkQueue {
    /// The first chunk, in place: for a reader who keeps up with what arrives nothing is allocated.
    front: Bytes,
    rest: Option<Box<Rest>>,
    start: u64,
    end: u64,
}

/// What doesn't fit into the front.
#[derive(Debug, Default)]
struct Rest {
    chunks: VecDeque<Chunk>,
    /// Which chunk was shared last: what is sent next begins there or in the next, so that nothing is searched.
    last: usize,
    /// Small chunks are copied into it.
    tail: BytesMut,
}

impl Rest {
    /// The first chunk that ends after `place`.
    fn index_of(&self, place: u64) -> usize {
        let holds = |at: &usize| self.chunks.get(*at).is_some_and(|chunk| chunk.start <= place && place < chunk.end());
        let near = [self.last, self.last + 1].into_iter().find(holds);
        near.unwrap_or_else(|| self.chunks.partition_point(|chunk| chunk.end() <= place))
    }

    fn take_first(&mut self) -> Option<Chunk> {
        self.last = self.last.saturating_sub(1);
        self.chunks.pop_front()
    }
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

    /// Shares what of it lies in `from..to`.
    fn part(&self, from: u64, to: u64) -> Bytes {
        part(&self.bytes, self.start, from, to)
    }
}

/// Shares what of `bytes`, which begin at `start`, lies in `from..to`.
fn part(bytes: &Bytes, start: u64, from: u64, to: u64) -> Bytes {
    bytes.slice(within(from.saturating_sub(start))..within(to - start).min(bytes.len()))
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

    /// Appends octets; says how many were copied for that: all or none.
    pub(crate) fn push(&mut self, bytes: Bytes) -> u32 {
        if bytes.is_empty() {
            return 0;
        }
        let octets = bytes.len();
        if octets < SMALL {
            self.copy_to_tail(&bytes);
            self.end += octets as u64;
            return u32::try_from(octets).unwrap_or(u32::MAX);
        }
        self.seal_tail();
        self.push_chunk(self.end, bytes);
        0
    }

    /// Appends a chunk that begins at `start`; octets of the tail are counted already.
    fn push_chunk(&mut self, start: u64, bytes: Bytes) {
        self.end = start + bytes.len() as u64;
        if self.front.is_empty() {
            self.front = bytes;
        } else {
            self.rest.get_or_insert_default().chunks.push_back(Chunk { start, bytes });
        }
    }

    fn copy_to_tail(&mut self, bytes: &[u8]) {
        let room = self.rest.as_ref().map_or(0, |rest| rest.tail.capacity() - rest.tail.len());
        if room < bytes.len() {
            self.seal_tail();
            let capacity = if self.front.is_empty() { FIRST_TAIL } else { NEXT_TAIL };
            self.rest.get_or_insert_default().tail = BytesMut::with_capacity(capacity.max(bytes.len()));
        }
        self.rest.get_or_insert_default().tail.extend_from_slice(bytes);
    }

    /// Turns the octets of the tail into a chunk; what room it has left stays.
    fn seal_tail(&mut self) {
        if let Some(rest) = &mut self.rest
            && !rest.tail.is_empty()
        {
            let bytes = rest.tail.split().freeze();
            self.push_chunk(self.end - bytes.len() as u64, bytes);
        }
    }

    /// The octets before `to` are wanted: none of them is in the tail afterwards.
    fn seal_until(&mut self, to: u64) {
        let tail = self.rest.as_ref().map_or(0, |rest| rest.tail.len());
        if to > self.end - tail as u64 {
            self.seal_tail();
        }
    }

    /// The `length` octets from `from` on, or as many of them as are there, shared.
    pub(crate) fn slices(&mut self, from: u64, length: u32) -> Slices {
        let to = (from + u64::from(length)).min(self.end);
        self.seal_until(to);
        let mut slices = SmallVec::new();
        if from < to.min(self.start + self.front.len() as u64) {
            slices.push(part(&self.front, self.start, from, to));
        }
        if let Some(rest) = &mut self.rest {
            let mut at = rest.index_of(from);
            while let Some(chunk) = rest.chunks.get(at).filter(|chunk| chunk.start < to) {
                slices.push(chunk.part(from, to));
                rest.last = at;
                at += 1;
            }
        }
        slices
    }

    /// Takes away all octets before `to`.
    pub(crate) fn drop_until(&mut self, to: u64) {
        self.seal_until(to);
        while self.start < to && !self.front.is_empty() {
            let skip = within(to - self.start);
            if skip < self.front.len() {
                self.front.advance(skip);
                self.start = to;
            } else {
                self.take_front();
            }
        }
        self.give_back();
    }

    /// Takes the front as a whole; the next chunk takes its place.
    fn take_front(&mut self) -> Bytes {
        let next = self.rest.as_mut().and_then(|rest| rest.take_first());
        let front = core::mem::replace(&mut self.front, next.map_or_else(Bytes::new, |chunk| chunk.bytes));
        self.start += front.len() as u64;
        front
    }

    /// Takes the next octets, at most `max` of them, as far as they lie in one chunk.
    pub(crate) fn pop(&mut self, max: usize) -> Option<Bytes> {
        if self.front.is_empty() {
            self.seal_tail();
        }
        if self.front.is_empty() {
            return None;
        }
        let taken = if self.front.len() <= max {
            self.take_front()
        } else {
            self.start += max as u64;
            self.front.split_to(max)
        };
        self.give_back();
        Some(taken)
    }

    /// Takes over all octets of `other`, which follow ours; says how many were copied.
    pub(crate) fn append(&mut self, mut other: Self) -> u32 {
        let mut copied = 0;
        while let Some(bytes) = other.pop(usize::MAX) {
            copied += self.push(bytes);
        }
        copied
    }

    /// Forgets everything, as if it had been taken.
    pub(crate) fn clear(&mut self) {
        *self = Self { start: self.end, end: self.end, ..Self::default() };
    }

    /// An idle connection holds no memory for its queues.
    fn give_back(&mut self) {
        if self.is_empty() {
            self.rest = None;
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
            let copied = if length < SMALL { length } else { 0 };
            assert_eq!(queue.push(bytes) as usize, copied);
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
        assert!(queue.front.is_empty() && queue.rest.is_none());
    }
}
