//! Buffers for pieces of files, used again once a client has acknowledged what was in them: left to the allocator, they would
//! go back to the kernel and come anew, page by page, which takes longer than reading the file.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Octets of a file that are in memory at a time, for each connection.
pub const PIECE: usize = 64 * 1024;
/// Buffers remembered: 4 MiB. What is beyond that frees itself.
const KEPT: usize = 64;
/// Buffers looked at when one is wanted, so that many that are in use don't cost a walk over all.
const LOOKS: usize = 4;

/// Less than this is left to the allocator: it would waste most of a buffer.
const WORTHWHILE: usize = PIECE / 2;

/// The buffers of all connections, the longest used one first.
#[derive(Debug, Default)]
pub struct Pieces(Mutex<VecDeque<Bytes>>);

impl Pieces {
    /// A buffer that nobody uses, empty, with room for so many octets: [`PIECE`] at most.
    pub fn take(&self, octets: usize) -> Vec<u8> {
        if octets < WORTHWHILE {
            return Vec::with_capacity(octets);
        }
        let mut pieces = self.lock();
        for _ in 0..LOOKS {
            let Some(piece) = pieces.pop_front() else { break };
            match piece.try_into_mut() {
                Ok(mut unused) => {
                    unused.clear();
                    return unused.into();
                }
                Err(used) => pieces.push_back(used),
            }
        }
        Vec::with_capacity(PIECE)
    }

    /// What was read into a buffer, to be handed over; the buffer is remembered.
    pub fn fill(&self, buffer: Vec<u8>) -> Bytes {
        let is_worth_it = buffer.capacity() >= PIECE;
        let piece = Bytes::from(buffer);
        if is_worth_it {
            let mut pieces = self.lock();
            pieces.push_back(piece.clone());
            if pieces.len() > KEPT {
                pieces.pop_front();
            }
        }
        piece
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Bytes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_once_nobody_holds_it() {
        let pieces = Pieces::default();
        let mut buffer = pieces.take(PIECE);
        buffer.extend_from_slice(&[7; PIECE]);
        let first = pieces.fill(buffer);
        let place = first.as_ptr();

        let mut another = pieces.take(PIECE);
        assert_ne!(another.as_ptr(), place, "somebody holds the first");
        another.push(8);
        drop(pieces.fill(another));
        assert_eq!(first, [7; PIECE][..]);

        drop(first);
        let again = [pieces.take(PIECE), pieces.take(PIECE)];
        assert!(again.iter().any(|buffer| buffer.as_ptr() == place));
        assert!(again.iter().all(|buffer| buffer.is_empty() && buffer.capacity() >= PIECE));
    }
}
