//! What a connection counts and times, for [`crate::TcpInfo`].

use alloc::boxed::Box;
use core::time::Duration;

use sockeye_wire::Instant;

/// Figures over the life of the connection, and when text last arrived: small, since idle connections have them too. What
/// only few connections have to count stands with what they have it from. Segments are counted modulo 2^32, as in Linux.
#[derive(Debug)]
pub(crate) struct Counts {
    /// Octets of text sent, each time counted.
    pub(crate) bytes_sent: u64,
    /// Segments, those merged in one counted each; and those of them with text.
    pub(crate) segments_in: u32,
    pub(crate) segments_out: u32,
    pub(crate) data_segments_in: u32,
    pub(crate) data_segments_out: u32,
    /// Segments that arrived out of order.
    pub(crate) out_of_order: u32,
    /// When text last arrived, in ticks.
    text_at: u32,
    pub(crate) spent: Spent,
}

/// The bits of a time in nanoseconds that make no difference: a tick is about a millisecond.
const TICK_BITS: u32 = 20;

fn ticks(now: Instant) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "only differences below 52 days count")]
    let ticks = (now.as_nanos() >> TICK_BITS) as u32;
    ticks
}

impl Counts {
    /// Nothing yet.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            bytes_sent: 0,
            segments_in: 0,
            segments_out: 0,
            data_segments_in: 0,
            data_segments_out: 0,
            out_of_order: 0,
            text_at: ticks(now),
            spent: Spent { sending: 0, waiting: None, since: now, doing: Doing::Nothing },
        }
    }

    /// A segment leaves.
    pub(crate) const fn on_leaving(&mut self) {
        self.segments_out = self.segments_out.wrapping_add(1);
    }

    /// So many octets of text, more than none, leave in segments of `size`, of which [`Self::on_leaving`] hears of one.
    pub(crate) fn on_text_leaving(&mut self, octets: u32, size: u32) {
        let segments = if octets <= size { 1 } else { octets.div_ceil(size.max(1)) };
        self.segments_out = self.segments_out.wrapping_add(segments - 1);
        self.data_segments_out = self.data_segments_out.wrapping_add(segments);
        self.bytes_sent += u64::from(octets);
    }

    /// Text arrives in so many segments.
    pub(crate) fn on_text(&mut self, now: Instant, segments: u32) {
        self.data_segments_in = self.data_segments_in.wrapping_add(segments);
        self.text_at = ticks(now);
    }

    /// The time since text last arrived, to about a millisecond.
    pub(crate) fn since_text(&self, now: Instant) -> Duration {
        Duration::from_nanos(self.nanos_since_text(now))
    }

    /// The same in nanoseconds.
    pub(crate) fn nanos_since_text(&self, now: Instant) -> u64 {
        u64::from(ticks(now).wrapping_sub(self.text_at)) << TICK_BITS
    }
}

/// What a sender is doing, or waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// It has nothing to deliver.
    Nothing,
    /// It sends, or waits for what the path still holds.
    Sending,
    /// The peer's window keeps it from sending more.
    WaitingForWindow,
    /// The send buffer keeps the application from writing more, and so it from sending.
    WaitingForBuffer,
}

/// What the connection's time was spent on (`tcp_chrono` of Linux).
#[derive(Debug)]
pub(crate) struct Spent {
    /// In nanoseconds, as all here.
    sending: u64,
    /// For the window, and for the buffer; allocated when it first comes to that.
    waiting: Option<Box<[u64; 2]>>,
    since: Instant,
    doing: Doing,
}

impl Spent {
    /// From now on this is what it does.
    pub(crate) fn turn_to(&mut self, now: Instant, doing: Doing) {
        if self.doing == doing {
            return;
        }
        let time = now.as_nanos().saturating_sub(self.since.as_nanos());
        match self.doing {
            Doing::Nothing => {}
            Doing::Sending => self.sending += time,
            Doing::WaitingForWindow => self.waiting.get_or_insert_default()[0] += time,
            Doing::WaitingForBuffer => self.waiting.get_or_insert_default()[1] += time,
        }
        (self.doing, self.since) = (doing, now);
    }

    /// The time spent on it until now.
    pub(crate) fn on(&self, now: Instant, doing: Doing) -> Duration {
        let [window, buffer] = self.waiting.as_deref().copied().unwrap_or_default();
        let before = match doing {
            Doing::Nothing => 0,
            Doing::Sending => self.sending,
            Doing::WaitingForWindow => window,
            Doing::WaitingForBuffer => buffer,
        };
        let present = if self.doing == doing { now.since(self.since) } else { Duration::ZERO };
        Duration::from_nanos(before) + present
    }
}
