//! Loss recovery: decides what is lost and what may be sent. Informs the congestion control, knows nothing of the
//! connection.
//!
//! One ACK is taken in this order: what does it acknowledge ([`scoreboard`], [`outstanding`]); what does its time tell
//! ([`rack`], the estimator); what is lost now ([`rack`], or [`without_sack`]); was a recovery needless ([`undo`],
//! [`frto`], [`tlp`]); does one begin or end; what may leave ([`prr`]). What is in flight is reckoned, never counted
//! twice: all that is outstanding, less what is sacked or held lost, less one segment for each duplicate ACK of a peer
//! that tells no more. Limited transmit (RFC 3042) follows from that.

mod frto;
mod history;
mod on_ack;
mod orderly;
mod outstanding;
mod path_probe;
mod prr;
mod rack;
mod repeats;
mod scoreboard;
mod stamps;
mod timers;
mod tlp;
mod undo;
mod without_sack;

use alloc::boxed::Box;
use core::time::Duration;

use sockeye_wire::tcp::{SackBlock, Timestamps};
use sockeye_wire::{Instant, SeqNumber};

use crate::congestion::CongestionControl;
use crate::congestion::delivery_rate::{Sampler, Snapshot};
use crate::negotiated::timestamp;
use crate::rtt::WindowedMin;
use crate::{LossPhase, Rtt};
use frto::Frto;
pub(crate) use history::Counts;
use history::History;
use outstanding::{Mark, Outstanding, Resent};
pub(crate) use path_probe::{News, ProbeFate};
use prr::Prr;
use rack::Rack;
pub(crate) use timers::Watch;

/// Where the recovery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing is being repaired.
    Open,
    /// Fast recovery: a loss is being repaired while ACKs come.
    Recovery,
    /// The retransmission timer expired: what is lost is sent again in slow start.
    Loss,
}

/// A timestamp that came back, and the offset of our timestamp clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Echo {
    pub(crate) value: u32,
    pub(crate) offset: u32,
}

impl Echo {
    /// True if it was sent before `instant`, modulo 2^32.
    fn is_before(self, instant: Instant) -> bool {
        Timestamps::is_older(self.value, timestamp(instant, self.offset))
    }
}

/// What an ACK brings, and how things stand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival<'a> {
    pub(crate) now: Instant,
    pub(crate) arrived_at: Instant,
    /// SEG.ACK: at most SND.NXT.
    pub(crate) ack: SeqNumber,
    /// Empty unless SACK was agreed on.
    pub(crate) blocks: &'a [SackBlock],
    /// It is a duplicate by RFC 5681 section 2.
    pub(crate) duplicate: bool,
    /// `None` unless timestamps were agreed on.
    pub(crate) echo: Option<Echo>,
    /// ECN-Echo.
    pub(crate) ece: bool,
    /// See [`AckSample::unpaced`](crate::congestion::AckSample::unpaced).
    pub(crate) unpaced: bool,
    /// SACK was agreed on.
    pub(crate) sack: bool,
    /// Eff.snd.MSS.
    pub(crate) mss: u32,
    /// G.
    pub(crate) granularity: Duration,
    /// Something new may leave: to be known while F-RTO asks ([`Recovery::doubts_timeout`]).
    pub(crate) has_new: bool,
}

/// What is to be sent again: the sequence number, octets, and how many of them one segment has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Again {
    pub(crate) seq: SeqNumber,
    pub(crate) octets: u32,
    pub(crate) size: u32,
}

/// Segments sent and not acknowledged cumulatively, those of them held lost, those selectively acknowledged, and those sent
/// again and in flight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segments {
    pub(crate) unacked: u32,
    pub(crate) lost: u32,
    pub(crate) sacked: u32,
    pub(crate) resent: u32,
}

/// The recovery of one connection.
#[derive(Debug)]
pub(crate) struct Recovery {
    /// Allocated while something is outstanding.
    flight: Option<Box<Flight>>,
    /// Allocated when there is first something to remember: a loss, a probe, a path that reorders.
    history: Option<Box<History>>,
    min_rtt: WindowedMin,
    /// Octets delivered before the present flight.
    delivered: u64,
    /// The last rate at which the path delivered, in octets a second.
    delivery_rate: u64,
    /// The application had nothing more to send when the last flight ended.
    starved: bool,
    /// What is new of the path's MTU.
    news: News,
    /// What is new of the window.
    reduction: Option<Reduction>,
}

/// What a loss did to the window of congestion control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reduction {
    /// It was reduced.
    Made,
    /// That was needless, and is undone.
    Undone,
}

/// What is outstanding and all that is known of it. Holds: `una <= nxt`, `outstanding` spans them; in [`Phase::Open`]
/// nothing is held lost but what is excused.
#[derive(Debug)]
struct Flight {
    outstanding: Outstanding,
    /// The places of SND.UNA and of what follows the last octet outstanding.
    una: u64,
    nxt: u64,
    phase: Phase,
    /// `recover` of RFC 6582, `RecoveryPoint` of RFC 6675: `nxt` when the present or last loss was found.
    recover: u64,
    rack: Rack,
    sampler: Sampler,
    prr: Prr,
    frto: Frto,
    /// Duplicate ACKs in a row.
    dup_acks: u32,
    /// Segments that left the network, as far as the duplicate ACKs of a peer without SACK tell.
    left_network: u32,
    /// FlightSize when there was last nothing more to send: what a batch of ACKs then takes away all at once must not
    /// make the flight in which a loss occurred look smaller.
    settled: u32,
    /// What was sent before this place filled the congestion window.
    filled_until: u64,
    /// What was sent before this place was sent into a window that a mark has reduced since.
    marked_until: u64,
    /// The window of a slow start that congestion control doesn't ask for, until it has grown to that one's: after a
    /// recovery that was undone, and on a path that has proved narrow.
    ramp: Option<u32>,
    /// The segment at the front is to be sent again whatever the window says.
    front_is_urgent: bool,
    /// Octets held lost that were a probe of the path's MTU: congestion isn't to be blamed.
    excused: u32,
    /// How often the timer expired since something new was acknowledged.
    timeouts: u8,
    /// How often the first segment was sent again before that, since it or one as long arrived.
    overtaken: u8,
    timers: timers::Timers,
}

impl Flight {
    /// Something is about to leave from `start` on, and nothing is outstanding.
    fn new(now: Instant, start: SeqNumber, delivered: u64, starved: bool) -> Self {
        // Above all numbers of 32 bits, so that a place can be subtracted from.
        let una = (1 << 32) | u64::from(start.value());
        Self {
            outstanding: Outstanding::default(),
            una,
            nxt: una,
            phase: Phase::Open,
            //= rfc6582#3.2-1
            recover: una - 1,
            rack: Rack::default(),
            sampler: Sampler::new(now, delivered, starved),
            prr: Prr::default(),
            frto: Frto::Off,
            dup_acks: 0,
            left_network: 0,
            settled: 0,
            filled_until: una,
            marked_until: una,
            ramp: None,
            front_is_urgent: false,
            excused: 0,
            timeouts: 0,
            overtaken: 0,
            timers: timers::Timers::new(now),
        }
    }

    /// The place of a sequence number that isn't before SND.UNA.
    fn place(&self, seq: SeqNumber) -> u64 {
        self.una + u64::from(seq.since(seq_of(self.una)))
    }

    /// Octets in flight, as far as anybody can tell: see the module's page.
    //= rfc6937#3-3
    fn in_flight(&self, mss: u32) -> u32 {
        self.outstanding.tally(Mark::InFlight).octets.saturating_sub(self.left_network.saturating_mul(mss))
    }

    //= rfc5681#2-3
    /// FlightSize as equation 4 of RFC 5681 wants it: without what limited transmit has sent beyond the window.
    //= rfc3042#2-2
    //= rfc5681#3.2-13
    fn flight_at_loss(&self, cwnd: u32) -> u32 {
        self.settled.max(self.outstanding.octets()).min(cwnd)
    }
}

/// The sequence number of a place: its low 32 bits.
fn seq_of(place: u64) -> SeqNumber {
    #[expect(clippy::cast_possible_truncation, reason = "sequence numbers are modulo 2^32")]
    let value = place as u32;
    SeqNumber::new(value)
}

impl Recovery {
    pub(crate) const fn new() -> Self {
        Self {
            flight: None,
            history: None,
            min_rtt: WindowedMin::EMPTY,
            delivered: 0,
            delivery_rate: 0,
            starved: true,
            news: News::NONE,
            reduction: None,
        }
    }

    /// What a loss did to the window since this was last asked for.
    pub(crate) const fn take_reduction(&mut self) -> Option<Reduction> {
        self.reduction.take()
    }

    /// The handshake took a round trip of `rtt`.
    pub(crate) fn on_handshake(&mut self, now: Instant, rtt: Duration) {
        self.min_rtt.on_sample(now, rtt);
    }

    /// True if nothing is unacknowledged.
    pub(crate) const fn is_idle(&self) -> bool {
        self.flight.is_none()
    }

    /// True if nothing is outstanding, and nothing ever was that was lost: an ACK without SACK blocks changes nothing then.
    pub(crate) const fn has_nothing_to_learn(&self) -> bool {
        self.flight.is_none() && self.history.is_none()
    }

    fn outstanding(&self) -> Option<&Outstanding> {
        self.flight.as_ref().map(|flight| &flight.outstanding)
    }

    fn tally(&self, mark: Mark) -> outstanding::Tally {
        self.outstanding().map_or_else(Default::default, |outstanding| outstanding.tally(mark))
    }

    fn history(&mut self) -> &mut History {
        self.history.get_or_insert_default()
    }

    /// There is nothing more to send at this instant: `starved` if the congestion window has room and the application has no
    /// more, `shut_out` if it has room and what there is doesn't fit into the peer's window.
    ///
    /// That window can't open while what it begins with is missing, and a peer makes it wider by what its application has read:
    /// so until the repair is over, a rate that it bounds tells no more of the path than one that the application bounds.
    /// Afterwards it does: of a window that is small for good, BBR is to learn that the path gives no more.
    pub(crate) fn settle(&mut self, mss: u32, starved: bool, shut_out: bool) {
        self.starved = starved;
        if let Some(flight) = &mut self.flight {
            flight.settled = flight.outstanding.octets();
            let held_up = starved || (shut_out && flight.phase != Phase::Open);
            if held_up && flight.outstanding.tally(Mark::Lost).octets == 0 {
                let in_flight = flight.in_flight(mss);
                flight.sampler.on_app_limited(in_flight);
            }
        }
    }

    /// The congestion window keeps something from leaving: its growth is earned.
    pub(crate) fn on_window_filled(&mut self) {
        if let Some(flight) = &mut self.flight {
            flight.filled_until = flight.nxt;
        }
    }

    /// The network's mark was answered: losses among what is outstanding tell of the same congestion, and a recovery before
    /// it is undone no more, for what congestion control would give back is what the mark took.
    pub(crate) fn on_mark_answered(&mut self) {
        if let Some(flight) = &mut self.flight {
            flight.marked_until = flight.nxt;
        }
        if let Some(history) = &mut self.history {
            history.undo.end();
        }
    }

    /// Octets in flight, as far as anybody can tell.
    pub(crate) fn in_flight(&self, mss: u32) -> u32 {
        self.flight.as_ref().map_or(0, |flight| flight.in_flight(mss))
    }

    /// FlightSize, of which what duplicate ACKs, or a timeout, had let out beyond the window of `cwnd` is no part.
    pub(crate) fn flight_size(&self, cwnd: u32) -> u32 {
        self.flight.as_ref().map_or(0, |flight| flight.flight_at_loss(cwnd))
    }

    /// Octets that may leave now, by congestion control and by what a recovery allows.
    //= rfc8985#9.3-1
    //= rfc8985#9.3-2
    //= rfc6675#5-6
    //= rfc6675#5-14
    //= rfc5681#2-1
    //= rfc5681#3.2-6
    //= rfc5681#3.2-11
    //= rfc3042#2-3
    pub(crate) fn room(&self, mss: u32, sack: bool, congestion: &dyn CongestionControl) -> u32 {
        let cwnd = congestion.cwnd();
        let Some(flight) = &self.flight else {
            return cwnd;
        };
        let in_flight = flight.in_flight(mss);
        if flight.phase == Phase::Recovery && sack && congestion.uses_prr() {
            // With nothing in flight no ACK would come to let anything out.
            return if in_flight == 0 { flight.prr.limit().max(mss) } else { flight.prr.limit() };
        }
        flight.ramp.map_or(cwnd, |ramp| ramp.min(cwnd)).saturating_sub(in_flight)
    }

    /// How often the timer expired since something new was acknowledged.
    pub(crate) fn timeouts(&self) -> u8 {
        self.flight.as_ref().map_or(0, |flight| flight.timeouts)
    }

    /// Octets of sequence space left from `start` on, in segments of `size`, for the first time; but for the first octet if
    /// it was `probed` with: an ACK may answer that, and of the segment that it is in tells no round-trip time then (Karn's
    /// algorithm).
    //= rfc8985#6.1-1
    //= rfc8985#4-2
    pub(crate) fn on_sent(&mut self, now: Instant, start: SeqNumber, octets: u32, size: u32, mss: u32, probed: bool) {
        let size = size.max(1);
        if probed && octets > size {
            self.on_sent(now, start, size, size, mss, true);
            return self.on_sent(now, start + size, octets - size, size, mss, false);
        }
        self.book(now, start, octets, mss, |outstanding, place, snapshot| {
            outstanding.on_sent(now, place, octets, size, snapshot, probed);
        });
        if probed {
            self.history().repeats.on_sent(start + 1, 1);
        }
    }

    /// `octets` of sequence space left from `start` on, for the first time; `note` puts down in what segments.
    fn book(
        &mut self,
        now: Instant,
        start: SeqNumber,
        octets: u32,
        mss: u32,
        note: impl FnOnce(&mut Outstanding, u64, Snapshot),
    ) {
        let (delivered, starved) = (self.delivered, self.starved);
        let recovered_to = self.history.as_ref().and_then(|history| history.recovered_to);
        let flight = self.flight.get_or_insert_with(|| {
            let mut flight = Box::new(Flight::new(now, start, delivered, starved));
            //= rfc6582#3.2-2
            flight.recover += u64::from(recovered_to == Some(start));
            flight
        });
        let snapshot = flight.sampler.snapshot(flight.in_flight(mss) + octets);
        note(&mut flight.outstanding, flight.nxt, snapshot);
        flight.nxt += u64::from(octets);
        flight.prr.on_sent(octets);
        flight.timers.on_sent(now);
    }

    /// Takes what is to be sent again now, in segments of at most `mss` and at most `limit` octets. It was in the peer's
    /// window when it was first sent; if that has shrunk to `window`, it goes once more, and then only what is within, or
    /// first in line.
    //= rfc7323#2.4-5
    //= rfc7323#2.4-6
    //= rfc6675#5-9
    //= rfc6675#5-15
    //= rfc6675#5-18
    //= rfc2018#5.1-1
    pub(crate) fn resend(&mut self, now: Instant, mss: u32, limit: u32, room: u32, window: u32) -> Option<Again> {
        let flight = self.flight.as_mut()?;
        let (start, &first) = flight.outstanding.first_lost()?;
        let beyond = first.resent && start > flight.una && start - flight.una >= u64::from(window);
        //= rfc9937#6.2-6
        let urgent = core::mem::take(&mut flight.front_is_urgent);
        let held = flight.frto.holds_retransmissions() || room < first.size.min(first.len).min(mss);
        if beyond || (held && !urgent) {
            return None;
        }
        let limit = if urgent { mss } else { limit.min(room) };
        let often = first.resent;
        let (sampler, in_flight) = (flight.sampler, flight.in_flight(mss));
        let resent = flight.outstanding.resend_lost(now, mss, limit, |octets| sampler.snapshot(in_flight + octets))?;
        flight.forget_excuses();
        flight.prr.on_sent(resent.octets);
        let (after_timeout, oldest) = (flight.phase == Phase::Loss, resent.start == flight.una);
        if oldest && window > 0 && flight.timeouts == 0 {
            flight.overtaken = flight.overtaken.saturating_add(1);
        }
        let again = self.on_resent(resent, after_timeout);
        self.history().undo.on_resent(now, again.seq, again.octets, often, oldest);
        Some(again)
    }

    fn on_resent(&mut self, resent: Resent, after_timeout: bool) -> Again {
        let Resent { start, octets, size } = resent;
        let segments = octets.div_ceil(size);
        let history = self.history();
        history.repeats.on_sent(seq_of(start + u64::from(octets)), octets);
        let counts = &mut history.counts;
        counts.retransmissions += u64::from(segments);
        if after_timeout {
            counts.slow_retransmissions += u64::from(segments);
        }
        Again { seq: seq_of(start), octets, size }
    }

    /// So many octets of text are sent again.
    pub(crate) fn count_resent(&mut self, octets: usize) {
        self.history().counts.bytes_resent += octets as u64;
    }

    /// True while it isn't known whether a timeout was spurious, and new segments would tell.
    pub(crate) fn doubts_timeout(&self) -> bool {
        self.flight.as_ref().is_some_and(|flight| flight.frto != Frto::Off)
    }

    /// True while new segments are to go instead of retransmissions, for their ACKs tell whether a timeout was spurious.
    pub(crate) fn awaits_new(&self) -> bool {
        self.flight.as_ref().is_some_and(|flight| flight.frto.holds_retransmissions())
    }

    /// True while a loss is being repaired.
    pub(crate) fn is_recovering(&self) -> bool {
        self.flight.as_ref().is_some_and(|flight| flight.phase != Phase::Open)
    }

    /// Forgets what is outstanding.
    pub(crate) fn clear(&mut self) {
        self.flight = None;
    }
}

/// What it tells about itself.
impl Recovery {
    pub(crate) fn counts(&self) -> Counts {
        self.history.as_ref().map_or(Counts::NONE, |history| history.counts)
    }

    /// The least round-trip time of the last five to ten seconds.
    pub(crate) const fn min_rtt(&self) -> Option<Duration> {
        self.min_rtt.get()
    }

    /// The same in nanoseconds; `u64::MAX` if there was none.
    pub(crate) const fn least_rtt(&self) -> u64 {
        self.min_rtt.least()
    }

    /// Where it stands.
    pub(crate) fn phase(&self) -> LossPhase {
        let Some(flight) = &self.flight else {
            return LossPhase::Open;
        };
        let disorder = flight.dup_acks > 0 || flight.outstanding.tally(Mark::Sacked).octets > 0;
        match flight.phase {
            Phase::Open if disorder => LossPhase::Disorder,
            Phase::Open => LossPhase::Open,
            Phase::Recovery => LossPhase::Recovery,
            Phase::Loss => LossPhase::Loss,
        }
    }

    /// Segments outstanding.
    pub(crate) fn segments(&self) -> Segments {
        let (lost, sacked) = (self.tally(Mark::Lost).segments, self.tally(Mark::Sacked).segments);
        let resent = self.tally(Mark::InFlight).resent;
        Segments { unacked: self.outstanding().map_or(0, Outstanding::segments), lost, sacked, resent }
    }

    /// `RACK.rtt`, while something is outstanding and something else was delivered meanwhile.
    pub(crate) fn rack_rtt(&self) -> Option<Duration> {
        self.flight.as_ref().map(|flight| flight.rack.rtt).filter(|rtt| !rtt.is_zero())
    }

    /// Octets selectively acknowledged.
    pub(crate) fn sacked(&self) -> u32 {
        self.tally(Mark::Sacked).octets
    }

    /// Octets held lost and not sent again.
    pub(crate) fn lost(&self) -> u32 {
        self.tally(Mark::Lost).octets
    }

    /// True if the path was seen to reorder.
    pub(crate) fn reorders(&self) -> bool {
        self.history.as_ref().is_some_and(|history| history.reordering.is_seen())
    }

    /// By how many segments the path was seen to reorder, and how long RACK waits for a segment out of order.
    pub(crate) fn reordering(&self, rtt: &Rtt) -> (u32, Duration) {
        let reordering = self.history.as_ref().map_or(rack::Reordering::NONE, |history| history.reordering);
        (reordering.distance, reordering.window(self.min_rtt.get(), rtt, false))
    }

    /// Octets delivered, and the last rate at which the path delivered, in octets a second.
    pub(crate) fn delivered(&self) -> (u64, u64) {
        let delivered = self.flight.as_ref().map_or(self.delivered, |flight| flight.sampler.delivered());
        (delivered, self.delivery_rate)
    }

    /// The application, or during a repair the peer's window, keeps the path from being filled.
    pub(crate) fn is_app_limited(&self) -> bool {
        self.flight.as_ref().map_or(self.starved, |flight| flight.sampler.is_app_limited())
    }
}
