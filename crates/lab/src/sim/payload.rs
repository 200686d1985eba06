//! What simulated applications send: octets that say where they belong.

use bytes::Bytes;

use super::random::Random;

/// Octets after which the pattern begins again. A prime: no segment size, no buffer size divides it, so text that is
/// delivered twice or in the wrong place differs from what is due there.
const PERIOD: usize = 65_521;

/// An endless stream of octets, drawn once and shared by all that send: a slice of it costs no copy, and what arrives is
/// compared with what is due at its place.
#[derive(Debug)]
pub(crate) struct Payload {
    /// The pattern twice, so that each slice of up to a period is in one piece.
    pattern: Bytes,
}

impl Payload {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut pattern: Vec<u8> = Vec::with_capacity(2 * PERIOD + 8);
        while pattern.len() < PERIOD {
            pattern.extend_from_slice(&random.bits().to_le_bytes());
        }
        pattern.truncate(PERIOD);
        pattern.extend_from_within(..);
        Self { pattern: pattern.into() }
    }

    /// At most `max` octets of the stream numbered `stream`, from `offset` on.
    pub(crate) fn slice(&self, stream: u64, offset: u64, max: usize) -> Bytes {
        let start = place(stream, offset);
        self.pattern.slice(start..start + max.min(PERIOD))
    }

    /// Where `text`, said to stand at `offset` of the stream, first differs from what is due there.
    pub(crate) fn difference(&self, stream: u64, offset: u64, text: &[u8]) -> Option<u64> {
        let mut done = 0;
        for piece in text.chunks(PERIOD) {
            let start = place(stream, offset + done);
            let due = &self.pattern[start..start + piece.len()];
            if due != piece {
                let at = piece.iter().zip(due).take_while(|(got, due)| got == due).count();
                return Some(offset + done + at as u64);
            }
            done += piece.len() as u64;
        }
        None
    }

    /// True if nobody holds a slice any more.
    pub(crate) fn is_returned(&self) -> bool {
        self.pattern.is_unique()
    }
}

/// Where in the pattern the octet at `offset` stands: each stream begins elsewhere.
fn place(stream: u64, offset: u64) -> usize {
    let place = (stream.wrapping_mul(7919) + offset) % PERIOD as u64;
    usize::try_from(place).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_is_recognised_and_nothing_else() {
        let payload = Payload::new(3);
        let text = payload.slice(5, 65_000, 3000);
        assert_eq!(payload.difference(5, 65_000, &text), None);
        assert_eq!(payload.difference(5, 65_001, &text), Some(65_001));
        assert_eq!(payload.difference(6, 65_000, &text), Some(65_000));
        let mut damaged = text.to_vec();
        damaged[2999] ^= 1;
        assert_eq!(payload.difference(5, 65_000, &damaged), Some(67_999));
    }

    #[test]
    fn a_slice_that_is_held_is_seen() {
        let payload = Payload::new(3);
        let held = payload.slice(0, 0, 10);
        assert!(!payload.is_returned());
        drop(held);
        assert!(payload.is_returned());
    }
}
