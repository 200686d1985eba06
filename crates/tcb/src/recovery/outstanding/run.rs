//! A run of segments, and how many there are of a kind.

use sockeye_wire::Instant;

use crate::congestion::delivery_rate::Snapshot;

/// What is held of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::recovery) enum Mark {
    /// On its way, as far as anybody knows.
    InFlight,
    /// Held lost, and not sent again since.
    Lost,
    /// Selectively acknowledged. The receiver may still drop it.
    Sacked,
}

/// A run of segments of one size, sent or resent together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::recovery) struct Run {
    /// Octets of sequence space; SYN and FIN count one.
    pub(in crate::recovery) len: u32,
    /// Octets in each segment but the last, which may be shorter. Without meaning once sacked.
    pub(in crate::recovery) size: u32,
    /// How many segments.
    pub(in crate::recovery) segments: u32,
    /// When it was last sent, by [`Stamps`](super::Stamps).
    pub(in crate::recovery) sent_at: Instant,
    /// Sent more than once.
    pub(in crate::recovery) resent: bool,
    /// It is one segment, longer than others: a probe of the path's MTU.
    //= rfc8899#4.1-2
    pub(in crate::recovery) probe: bool,
    pub(in crate::recovery) mark: Mark,
    /// What the sampler of the delivery rate knew when it was last sent.
    pub(in crate::recovery) snapshot: Snapshot,
}

impl Run {
    /// `len` octets of the run as a run of their own, beginning on a segment's boundary.
    pub(super) const fn part(self, len: u32) -> Self {
        Self { len, segments: len.div_ceil(self.size), ..self }
    }

    /// The run without its first `octets`, as at most two runs: what is left of a segment that was cut is one of its own.
    pub(super) fn without(self, octets: u32) -> [Option<Self>; 2] {
        let rest = self.len - octets;
        if rest == 0 {
            return [None, None];
        }
        if self.mark == Mark::Sacked {
            let segments = u64::from(self.segments) * u64::from(rest) / u64::from(self.len);
            let segments = u32::try_from(segments).unwrap_or(u32::MAX).max(1);
            return [Some(Self { len: rest, segments, ..self }), None];
        }
        let cut = (self.size - octets % self.size) % self.size;
        let cut = cut.min(rest);
        let half = Self { len: cut, size: cut, segments: 1, ..self };
        [Some(half).filter(|half| half.len > 0), (rest > cut).then(|| self.part(rest - cut))]
    }
}

/// Octets and segments of all runs that have one mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::recovery) struct Tally {
    pub(in crate::recovery) octets: u32,
    pub(in crate::recovery) segments: u32,
    /// Segments of runs that were sent more than once.
    pub(in crate::recovery) resent: u32,
}

impl Tally {
    pub(super) const fn add(&mut self, run: &Run) {
        self.octets += run.len;
        self.segments += run.segments;
        self.resent += if run.resent { run.segments } else { 0 };
    }

    pub(super) const fn subtract(&mut self, run: &Run) {
        self.octets -= run.len;
        self.segments -= run.segments;
        self.resent -= if run.resent { run.segments } else { 0 };
    }
}
