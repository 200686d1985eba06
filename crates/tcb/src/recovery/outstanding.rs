//! What is sent and not acknowledged: runs of whole segments.

use alloc::collections::VecDeque;

use sockeye_wire::{Instant, SeqNumber};

/// A run of segments of one size, sent or resent together. `size * count` octets of sequence space from `start` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    start: SeqNumber,
    /// Octets of sequence space in each segment; SYN and FIN count one.
    size: u32,
    count: u32,
    /// When it was last sent.
    sent_at: Instant,
    /// Held lost, and not sent again since.
    lost: bool,
    /// Sent more than once.
    resent: bool,
}

impl Run {
    const fn len(&self) -> u32 {
        self.size * self.count
    }

    fn end(&self) -> SeqNumber {
        self.start + self.len()
    }

    /// The first `octets` of the run and the rest of it, each a row of runs of whole segments: a cut inside a segment
    /// makes its two halves segments of their own.
    fn split(self, octets: u32) -> [Option<Self>; 4] {
        let whole = octets / self.size;
        let part = octets % self.size;
        let (cut, after) = if part == 0 { (0, self.count - whole) } else { (self.size, self.count - whole - 1) };
        let piece = |offset: u32, size: u32, count: u32| {
            (size > 0 && count > 0).then_some(Self { start: self.start + offset, size, count, ..self })
        };
        [
            piece(0, self.size, whole),
            piece(whole * self.size, part, 1),
            piece(octets, cut.saturating_sub(part), 1),
            piece(whole * self.size + cut, self.size, after),
        ]
    }
}

/// What an ACK took out of [`Outstanding`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Acked {
    /// Octets of sequence space.
    pub(crate) octets: u32,
    /// Segments, those acknowledged in part included.
    pub(crate) segments: u32,
    /// When the newest of them was sent, if none was sent more than once: only then the ACK's time tells of the path,
    /// else it tells how long the repair took.
    pub(crate) sent_once_at: Option<Instant>,
}

/// All runs in order of sequence. Holds: no gap between runs; `octets` and `lost` count what the runs say.
#[derive(Debug, Default)]
pub(crate) struct Outstanding {
    runs: VecDeque<Run>,
    octets: u32,
    /// Octets held lost and not sent again.
    lost: u32,
    /// No run before this index is lost.
    first_lost: usize,
}

impl Outstanding {
    pub(crate) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Octets sent and not acknowledged: FlightSize.
    pub(crate) const fn octets(&self) -> u32 {
        self.octets
    }

    /// Octets held lost and not sent again.
    pub(crate) const fn lost(&self) -> u32 {
        self.lost
    }

    /// When the oldest segment was last sent.
    pub(crate) fn oldest_sent_at(&self) -> Option<Instant> {
        self.runs.front().map(|run| run.sent_at)
    }

    /// `octets` from `start` on, cut into segments of at most `size`, were sent for the first time.
    pub(crate) fn on_sent(&mut self, now: Instant, start: SeqNumber, octets: u32, size: u32) {
        let whole = octets / size.max(1);
        self.push(Run { start, size, count: whole, sent_at: now, lost: false, resent: false });
        let rest = octets - whole * size;
        self.push(Run { start: start + whole * size, size: rest, count: 1, sent_at: now, lost: false, resent: false });
    }

    fn push(&mut self, run: Run) {
        if run.len() == 0 {
            return;
        }
        self.octets += run.len();
        match self.runs.back_mut() {
            Some(last) if (Run { start: run.start, count: run.count, ..*last }) == run && last.end() == run.start => {
                last.count += run.count;
            }
            _ => self.runs.push_back(run),
        }
    }

    /// Everything before `ack` has arrived.
    pub(crate) fn on_ack(&mut self, ack: SeqNumber) -> Acked {
        let mut acked = Acked::default();
        let mut resent = false;
        while let Some(run) = self.runs.front().copied()
            && run.start.before(ack)
        {
            let covered = ack.since(run.start).min(run.len());
            self.runs.pop_front();
            if covered < run.len() {
                let [.., half, rest] = run.split(covered);
                for piece in [rest, half].into_iter().flatten() {
                    self.runs.push_front(piece);
                }
            }
            acked.octets += covered;
            acked.segments += covered.div_ceil(run.size);
            resent |= run.resent;
            acked.sent_once_at = Some(run.sent_at).filter(|_| !resent);
            if run.lost {
                self.lost -= covered;
            }
        }
        self.first_lost = 0;
        self.octets -= acked.octets;
        debug_assert!(self.holds());
        if self.runs.is_empty() {
            *self = Self::default();
        }
        acked
    }

    /// Holds the first segment lost.
    pub(crate) fn mark_front_lost(&mut self) {
        let Some(run) = self.runs.pop_front() else {
            return;
        };
        if run.lost {
            self.runs.push_front(run);
            return;
        }
        let first = Run { count: 1, lost: true, ..run };
        if run.count > 1 {
            self.runs.push_front(Run { start: first.end(), count: run.count - 1, ..run });
        }
        self.lost += first.len();
        self.runs.push_front(first);
        self.first_lost = 0;
        debug_assert!(self.holds());
    }

    /// Holds everything lost.
    pub(crate) fn mark_all_lost(&mut self) {
        self.runs.iter_mut().for_each(|run| run.lost = true);
        self.lost = self.octets;
        self.first_lost = 0;
    }

    /// Takes the first lost segments, at most `limit` octets in segments of `size`, as sent again `now`: their place
    /// and length. At least one segment if any is lost.
    pub(crate) fn resend_lost(&mut self, now: Instant, size: u32, limit: u32) -> Option<(SeqNumber, u32)> {
        while self.runs.get(self.first_lost).is_some_and(|run| !run.lost) {
            self.first_lost += 1;
        }
        let run = self.runs.get(self.first_lost).copied()?;
        // A segment longer than what the path takes today is cut anew.
        let octets = if run.size > size { size } else { run.size * (limit / run.size).clamp(1, run.count) };
        let [a, b, c, d] = run.split(octets);
        self.runs.remove(self.first_lost);
        for (index, piece) in [a, b, c, d].into_iter().flatten().enumerate() {
            let again = piece.start.before(run.start + octets);
            let piece = if again { Run { sent_at: now, lost: false, resent: true, ..piece } } else { piece };
            self.runs.insert(self.first_lost + index, piece);
        }
        self.lost -= octets;
        debug_assert!(self.holds());
        Some((run.start, octets))
    }

    /// Octets sent once and to be sent again before anything new.
    pub(crate) const fn has_lost(&self) -> bool {
        self.lost > 0
    }

    fn holds(&self) -> bool {
        let octets: u32 = self.runs.iter().map(Run::len).sum();
        let lost: u32 = self.runs.iter().filter(|run| run.lost).map(Run::len).sum();
        let gapless = self.runs.iter().zip(self.runs.iter().skip(1)).all(|(a, b)| a.end() == b.start);
        let hint = self.runs.iter().take(self.first_lost).all(|run| !run.lost);
        octets == self.octets && lost == self.lost && gapless && hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Instant = Instant::ZERO;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn seq(value: u32) -> SeqNumber {
        SeqNumber::new(value)
    }

    #[test]
    fn an_ack_inside_a_segment_leaves_its_rest() {
        let mut outstanding = Outstanding::default();
        outstanding.on_sent(T0, seq(0), 3500, 1000);
        assert_eq!(outstanding.on_ack(seq(1500)), Acked { octets: 1500, segments: 2, sent_once_at: Some(T0) });
        assert_eq!(outstanding.octets(), 2000);
        outstanding.mark_front_lost();
        assert_eq!(outstanding.resend_lost(at(1), 1000, 9000), Some((seq(1500), 500)));
    }

    //= rfc6298#3-1
    //= rfc9293#MUST-18
    #[test]
    fn an_ack_of_anything_sent_again_gives_no_sample() {
        let mut outstanding = Outstanding::default();
        outstanding.on_sent(T0, seq(0), 3000, 1000);
        outstanding.mark_front_lost();
        assert_eq!(outstanding.resend_lost(at(5), 1000, 1000), Some((seq(0), 1000)));
        assert_eq!(outstanding.on_ack(seq(2000)).sent_once_at, None);
        assert_eq!(outstanding.on_ack(seq(3000)).sent_once_at, Some(T0));
        assert!(outstanding.is_empty());
    }

    #[test]
    fn after_a_timeout_everything_goes_again_in_order_and_in_todays_size() {
        let mut outstanding = Outstanding::default();
        outstanding.on_sent(T0, seq(0), 2800, 1400);
        outstanding.mark_all_lost();
        assert_eq!(outstanding.resend_lost(at(5), 1000, 5000), Some((seq(0), 1000)));
        assert_eq!(outstanding.resend_lost(at(5), 1000, 5000), Some((seq(1000), 400)));
        assert_eq!(outstanding.resend_lost(at(5), 1400, 5000), Some((seq(1400), 1400)));
        assert_eq!(outstanding.resend_lost(at(5), 1400, 5000), None);
        assert_eq!(outstanding.lost(), 0);
    }

    #[test]
    fn sequence_numbers_wrap() {
        let mut outstanding = Outstanding::default();
        outstanding.on_sent(T0, seq(u32::MAX - 500), 3000, 1000);
        assert_eq!(outstanding.on_ack(seq(1499)).octets, 2000);
        assert_eq!(outstanding.octets(), 1000);
    }
}
