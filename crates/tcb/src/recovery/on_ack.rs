//! What one ACK does, in order.

use alloc::boxed::Box;
use core::time::Duration;

use sockeye_wire::Instant;

use super::outstanding::{Mark, Pieces, Run};
use super::undo::{Cause, Reported};
use super::{Arrival, Echo, Flight, Phase, Recovery, Reduction, frto, prr, rack, scoreboard};
use crate::Rtt;
use crate::congestion::delivery_rate::Newest;
use crate::congestion::{AckSample, CongestionControl, LostSegment, RateSample, slow_start};
use crate::negotiated::timestamp;

/// What our timestamps count.
const TICK: Duration = Duration::from_millis(1);

/// What an ACK was the first to tell.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Delivered {
    /// Octets delivered.
    octets: u32,
    /// Octets and segments acknowledged cumulatively, those sacked before included.
    pub(super) acked: u32,
    pub(super) acked_segments: u32,
    /// When the newest of those was sent that were sent once only.
    sent_once_at: Option<Instant>,
    /// Something sent more than once is among what was acknowledged cumulatively: the ACK may have waited for that.
    ambiguous: bool,
    /// Something is among them that was sent once only, and before the last loss was found.
    pub(super) original: bool,
    /// Something is among them that was sent after that.
    pub(super) beyond: bool,
    newest: Option<Newest>,
}

/// How things stood before the ACK, and what was made of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Account {
    /// Before: the place of SND.UNA, octets in flight.
    pub(super) una: u64,
    in_flight: u32,
    /// What it acknowledges hadn't filled the window.
    app_limited: bool,
    /// It acknowledged something cumulatively.
    advanced: bool,
    rtt: Option<Duration>,
    newly_lost: Found,
}

/// What was found lost.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found {
    /// Octets.
    octets: u32,
    /// Something is among them that was sent again.
    again: bool,
}

impl Recovery {
    /// An ACK arrived, the send side having taken it.
    //= rfc6675#5-1
    //= rfc6675#5-13
    //= rfc6675#5-19
    //= rfc6675#5.1-2
    //= rfc6675#5.1-6
    pub(crate) fn on_ack(&mut self, arrival: &Arrival<'_>, rtt: &mut Rtt, congestion: &mut dyn CongestionControl) {
        if !self.take_orderly(arrival, rtt, congestion) {
            self.take_any(arrival, rtt, congestion);
        }
    }

    /// Any ACK.
    pub(super) fn take_any(&mut self, arrival: &Arrival<'_>, rtt: &mut Rtt, congestion: &mut dyn CongestionControl) {
        let reported = self.note_duplicate(arrival);
        let Some(mut flight) = self.flight.take() else {
            self.undo_idle(arrival, reported, rtt, congestion);
            return;
        };
        let mut account = Account {
            una: flight.una,
            in_flight: flight.in_flight(arrival.mss),
            app_limited: flight.phase == Phase::Open && flight.una >= flight.filled_until,
            advanced: false,
            rtt: None,
            newly_lost: Found::default(),
        };
        let delivered = self.deliver(&mut flight, arrival);
        flight.forget_excuses();
        account.advanced = flight.una > account.una;
        flight.forget_overtaken(account.advanced, self.news.longest);
        account.rtt = self.measure(&delivered, arrival, account.advanced, rtt);
        account.newly_lost = self.find_losses(&mut flight, arrival, account.advanced, reported, rtt, congestion);
        let undone = self.is_needless(&mut flight, arrival, &account, &delivered, reported);
        let entered = undone.is_none()
            && self.may_enter(&mut flight, arrival.now, account.newly_lost, delivered.octets, congestion);
        self.tell(&mut flight, arrival, &account, &delivered, rtt, congestion);
        flight.repair(arrival, &account, &delivered, entered, congestion);
        self.answer_probe(&flight, arrival, account.una, reported, congestion);
        if let Some(cause) = undone {
            self.give_back(&mut flight, arrival, cause, &delivered, rtt, congestion);
        }
        self.leave(&mut flight, arrival, account.una, congestion);
        flight.on_progress(account.advanced);
        self.put_back(flight);
    }

    /// What is outstanding after an ACK, if anything is.
    pub(super) fn put_back(&mut self, flight: Box<Flight>) {
        if flight.outstanding.is_empty() {
            self.delivered = flight.sampler.delivered();
            if let Some(history) = &mut self.history {
                history.recovered_to = (flight.una == flight.recover).then(|| super::seq_of(flight.una));
            }
        } else {
            self.flight = Some(flight);
        }
    }

    /// What is acknowledged, cumulatively first, then selectively, in order: so that what RACK sees as out of order is.
    //= rfc6675#4-2
    //= rfc6675#4-3
    //= rfc2018#5-1
    //= rfc2018#5-5
    //= rfc2018#8-4
    fn deliver(&mut self, flight: &mut Flight, arrival: &Arrival<'_>) -> Delivered {
        let mut delivered = Delivered::default();
        let una = super::seq_of(flight.una);
        if arrival.ack.after(una) {
            let ack = flight.place(arrival.ack).min(flight.nxt);
            while let Some((start, run)) = flight.outstanding.take_acked(ack) {
                delivered.acked += run.len;
                delivered.acked_segments += run.segments;
                delivered.ambiguous |= run.resent && run.mark != Mark::Sacked;
                if run.mark != Mark::Sacked {
                    self.take_delivery(flight, arrival, (start, &run), arrival.echo, &mut delivered);
                }
            }
            flight.una = ack;
        }
        if arrival.blocks.is_empty() {
            return delivered;
        }
        //= rfc6675#2-1
        //= rfc8985#7.4.1-1
        let una = super::seq_of(flight.una);
        for (left, right) in scoreboard::credible(una, super::seq_of(flight.nxt), arrival.blocks) {
            let (left, right) = (flight.una + u64::from(left), flight.una + u64::from(right));
            for (start, run) in flight.outstanding.sack(left, right) {
                // The echo is of what came last in order (RFC 7323 section 4.3): of this it tells nothing.
                self.take_delivery(flight, arrival, (start, &run), None, &mut delivered);
            }
        }
        delivered
    }

    fn take_delivery(
        &mut self,
        flight: &mut Flight,
        arrival: &Arrival<'_>,
        (start, run): (u64, &Run),
        echo: Option<Echo>,
        delivered: &mut Delivered,
    ) {
        let end = start + u64::from(run.len);
        self.news.on_delivered(run);
        delivered.octets += run.len;
        delivered.beyond |= end > flight.recover;
        if !run.resent {
            delivered.original |= end <= flight.recover;
            delivered.sent_once_at = delivered.sent_once_at.max(Some(run.sent_at));
        }
        let mut reordering = self.history.as_ref().map_or(rack::Reordering::NONE, |history| history.reordering);
        let was = reordering;
        let min_rtt = self.min_rtt.get();
        flight.rack.on_delivered((start, run), arrival.arrived_at, echo, min_rtt, &mut reordering);
        if reordering != was {
            self.history().reordering = reordering;
        }
        let piece = (run.sent_at, end, run.len);
        flight.sampler.on_delivered(&mut delivered.newest, arrival.arrived_at, piece, run.snapshot);
    }

    /// The round-trip time. Karn's algorithm: what was sent once tells it; of what was sent again only the timestamp
    /// does. Only what is measured ends the back-off: the ACK of what was sent again may answer either transmission, and on
    /// a path longer than the RTO nothing would ever be measured.
    //= rfc9293#MUST-18
    //= rfc6298#3-1
    //= rfc6298#3-2
    //= rfc6298#3-3
    //= rfc6298#5-3
    //= rfc7323#4.1-2
    fn measure(
        &mut self,
        delivered: &Delivered,
        arrival: &Arrival<'_>,
        advanced: bool,
        rtt: &mut Rtt,
    ) -> Option<Duration> {
        let mut tick = Duration::ZERO;
        let sample = match (delivered.sent_once_at, arrival.echo) {
            (Some(sent_at), _) if !delivered.ambiguous => Some(arrival.arrived_at.since(sent_at)),
            (_, Some(echo)) if advanced => {
                let ticks = timestamp(arrival.arrived_at, echo.offset).wrapping_sub(echo.value);
                tick = TICK;
                // A forged echo from the future, or one a minute old, tells nothing.
                (ticks < 60_000).then(|| Duration::from_millis(u64::from(ticks.max(1))))
            }
            _ => None,
        };
        let sample = sample?;
        rtt.on_sample(sample);
        // It took less than a tick longer: what goes by the least round trip goes by one that there was.
        let most = sample + tick;
        //= rfc8985#6.2-1
        self.min_rtt.on_sample(arrival.now, most);
        if let Some(history) = &mut self.history {
            history.tlp.needs_rtt = false;
        }
        Some(most)
    }

    /// What is lost, as this ACK shows, and wasn't held lost before.
    fn find_losses(
        &mut self,
        flight: &mut Flight,
        arrival: &Arrival<'_>,
        advanced: bool,
        reported: Reported,
        rtt: &Rtt,
        congestion: &mut dyn CongestionControl,
    ) -> Found {
        if !arrival.sack {
            flight.count_duplicates(arrival);
            return self.find_plain_loss(flight, arrival, advanced, congestion);
        }
        if reported.any && !reported.probe {
            self.history().reordering.on_dsack(super::seq_of(flight.una), super::seq_of(flight.nxt));
        }
        //= rfc8985#1-1
        //= rfc8985#4-1
        //= rfc8985#9.2-1
        self.find_overdue(flight, arrival.now, arrival.arrived_at, rtt, congestion)
    }

    /// What the third duplicate ACK of a peer without SACK shows to be lost.
    fn find_plain_loss(
        &mut self,
        flight: &mut Flight,
        arrival: &Arrival<'_>,
        advanced: bool,
        congestion: &mut dyn CongestionControl,
    ) -> Found {
        if advanced || !arrival.duplicate || flight.phase != Phase::Open || !flight.third_duplicate() {
            return Found::default();
        }
        let mut lost: Pieces = flight.outstanding.mark_first_lost().into_iter().collect();
        self.excuse_probe(flight, &mut lost);
        self.tell_losses(flight, arrival.now, &lost, congestion)
    }

    /// What RACK finds lost at the instant `at`, which congestion control is told of.
    pub(super) fn find_overdue(
        &mut self,
        flight: &mut Flight,
        now: Instant,
        at: Instant,
        rtt: &Rtt,
        congestion: &mut dyn CongestionControl,
    ) -> Found {
        if !flight.rack.has_overtaken(&flight.outstanding) {
            flight.timers.overdue_at = None;
            return Found::default();
        }
        let window = self.reordering_window(flight, rtt);
        let (mut lost, overdue_at) = flight.rack.find_lost(at, window, &mut flight.outstanding);
        flight.timers.overdue_at = overdue_at;
        self.excuse_probe(flight, &mut lost);
        self.tell_losses(flight, now, &lost, congestion)
    }

    pub(super) fn reordering_window(&self, flight: &Flight, rtt: &Rtt) -> Duration {
        let reordering = self.history.as_ref().map_or(rack::Reordering::NONE, |history| history.reordering);
        let sacked = flight.outstanding.tally(Mark::Sacked).segments;
        let urgent = flight.phase != Phase::Open || sacked >= rack::DUP_THRESH;
        reordering.window(self.min_rtt.get(), rtt, urgent)
    }

    /// Congestion control and the counters hear of runs that were found lost.
    pub(super) fn tell_losses(
        &mut self,
        flight: &mut Flight,
        now: Instant,
        lost: &Pieces,
        congestion: &mut dyn CongestionControl,
    ) -> Found {
        let mut found = Found::default();
        for (_, run) in lost {
            found.octets += run.len;
            found.again |= run.resent;
            flight.sampler.on_lost(run.len);
            self.history().counts.lost += u64::from(run.segments);
            congestion.on_segment_lost(&LostSegment {
                now,
                octets: run.len,
                tx_in_flight: run.snapshot.tx_in_flight,
                lost_since_sent: u32::try_from(flight.sampler.lost_since(&run.snapshot)).unwrap_or(u32::MAX),
                prior_delivered: run.snapshot.delivered,
                app_limited: run.snapshot.app_limited,
            });
        }
        found
    }

    /// Begins a recovery if what was found lost calls for one; true if so. While a timeout is repaired, that is what was sent
    /// again: the window has grown too large once more. Who keeps an account of losses of its own hears of it anyhow.
    /// `delivered` octets were told of by the same ACK.
    //= rfc5681#4.3-4
    pub(super) fn may_enter(
        &mut self,
        flight: &mut Flight,
        now: Instant,
        found: Found,
        delivered: u32,
        congestion: &mut dyn CongestionControl,
    ) -> bool {
        let is_first = flight.phase == Phase::Open && flight.blamed() > 0;
        if is_first {
            self.enter(flight, now, delivered, false, congestion);
        }
        let is_further = flight.phase == Phase::Loss && found.again && congestion.uses_prr();
        if is_further {
            self.enter(flight, now, delivered, true, congestion);
        }
        is_first || is_further
    }

    /// A loss was found while ACKs come, `behind` that of a recovery which is not over. The ACK that has just told of
    /// `delivered` octets is the new one's first.
    //= rfc5681#4.3-5
    //= rfc6675#5-7
    //= rfc6675#5-8
    //= rfc5681#3.2-8
    fn enter(
        &mut self,
        flight: &mut Flight,
        now: Instant,
        delivered: u32,
        behind: bool,
        congestion: &mut dyn CongestionControl,
    ) {
        // The window shrinks once for all that is told of one window, marks and losses (as in Linux).
        //= rfc3168#6.1.2-7
        let told = flight.una < flight.marked_until;
        if !told {
            congestion.on_loss(now, flight.flight_at_loss(congestion.cwnd()));
            self.reduction = Some(Reduction::Made);
        }
        flight.phase = Phase::Recovery;
        flight.recover = flight.nxt;
        flight.frto = frto::Frto::Off;
        flight.front_is_urgent = true;
        flight.ramp = None;
        // What was sacked before that ACK doesn't count as delivered in the recovery; what it brings does.
        //= rfc9937#6.1-2
        let sacked = flight.outstanding.tally(Mark::Sacked).octets;
        flight.prr = prr::Prr::new(flight.outstanding.octets() - sacked + delivered);
        let history = self.history();
        history.counts.fast_recoveries += 1;
        if told {
            history.undo.end();
        } else if behind {
            let has_resent = flight.outstanding.tally(Mark::InFlight).resent > 0;
            history.undo.begin_behind(now, super::seq_of(flight.una), has_resent);
        } else {
            history.undo.begin(Cause::Loss);
        }
        history.tlp.end = None;
    }

    /// Congestion control hears of the ACK.
    fn tell(
        &mut self,
        flight: &mut Flight,
        arrival: &Arrival<'_>,
        account: &Account,
        delivered: &Delivered,
        rtt: &Rtt,
        congestion: &mut dyn CongestionControl,
    ) {
        let Some(newest) = &delivered.newest else {
            return;
        };
        let marked = if arrival.ece { delivered.octets } else { 0 };
        let rate = self.sample_rate(flight, newest, marked);
        let reorders = self.reorders();
        // While something is missing, and the path isn't known to reorder, the window waits for what that will turn out
        // to be.
        //= rfc5681#3.2-5
        let doubtful = !account.advanced && !reorders;
        congestion.on_ack(&AckSample {
            now: arrival.now,
            newly_acked: delivered.octets,
            unpaced: arrival.unpaced,
            newly_lost: account.newly_lost.octets,
            prior_in_flight: account.in_flight,
            in_flight: flight.in_flight(arrival.mss),
            rtt: account.rtt,
            min_rtt: self.min_rtt.get(),
            srtt: rtt.srtt(),
            app_limited: account.app_limited,
            recovering: flight.phase == Phase::Recovery || (flight.phase == Phase::Open && doubtful),
            marked,
            delivered: flight.sampler.delivered(),
            prior_delivered: newest.snapshot.delivered,
            rate,
        });
    }

    /// The rate at which the path delivered, if the ACK that tells of `newest` and of `marked` octets measures it.
    #[inline]
    pub(super) fn sample_rate(&mut self, flight: &mut Flight, newest: &Newest, marked: u32) -> Option<RateSample> {
        let sample = flight.sampler.sample(newest, marked, self.min_rtt.least())?;
        let rate = sample.rate();
        if !sample.app_limited || rate > self.delivery_rate {
            self.delivery_rate = rate;
        }
        Some(sample)
    }

    /// A probe of the tail may have repaired a loss: the only sign of it is that no duplicate was reported. `una` is the place
    /// of SND.UNA before the ACK: if a mark told of that window, it is answered.
    //= rfc8985#7.4.2-2
    //= rfc3168#6.1.2-7
    fn answer_probe(
        &mut self,
        flight: &Flight,
        arrival: &Arrival<'_>,
        una: u64,
        reported: Reported,
        congestion: &mut dyn CongestionControl,
    ) {
        let Some(history) = &mut self.history else {
            return;
        };
        let repaired = history.tlp.on_ack(arrival, reported.probe);
        if repaired && flight.phase == Phase::Open && una >= flight.marked_until {
            let octets = flight.flight_at_loss(congestion.cwnd());
            congestion.on_loss(arrival.now, octets);
            congestion.on_recovered(arrival.now, octets);
            // What would be given back is what this loss has taken.
            history.undo.end();
            self.reduction = Some(Reduction::Made);
        }
    }

    /// Ends what is repaired. `una` is the place of SND.UNA before the ACK.
    //= rfc5681#4.3-3
    //= rfc6675#5-11
    //= rfc6675#5-12
    //= rfc6675#5.1-4
    fn leave(&mut self, flight: &mut Flight, arrival: &Arrival<'_>, una: u64, congestion: &mut dyn CongestionControl) {
        if flight.phase == Phase::Open || flight.una < flight.recover {
            return;
        }
        if flight.phase == Phase::Recovery {
            //= rfc5681#3.2-12
            //= rfc9937#6.4-1
            congestion.on_recovered(arrival.now, flight.outstanding.octets());
        } else {
            congestion.on_timeout_recovered(arrival.now);
        }
        self.history().reordering.on_recovered();
        flight.phase = Phase::Open;
        flight.frto = frto::Frto::Off;
        flight.left_network = 0;
        flight.trust_duplicates(una, arrival.mss, congestion.cwnd());
        // What was sent since and lost is another window's, also what was sent again already: it is answered by itself.
        let (in_flight, lost) = (flight.outstanding.tally(Mark::InFlight), flight.outstanding.tally(Mark::Lost));
        if in_flight.resent > 0 || lost.octets > 0 {
            // The ACK was the last of the recovery before: it counts there.
            self.enter(flight, arrival.now, 0, true, congestion);
        }
    }
}

impl Flight {
    /// In a recovery: how much may leave now, and what else is to be sent again. `entered` if it has just begun.
    //= rfc9937#6.2-2
    //= rfc9937#6.2-5
    fn repair(
        &mut self,
        arrival: &Arrival<'_>,
        account: &Account,
        delivered: &Delivered,
        entered: bool,
        congestion: &dyn CongestionControl,
    ) {
        if let Some(ramp) = self.ramp {
            //= rfc5681#3.1-8
            //= rfc9406#4.3-2
            let ramp = ramp.saturating_add(slow_start(delivered.octets, arrival.mss, arrival.unpaced));
            self.ramp = Some(ramp).filter(|&ramp| ramp < congestion.cwnd());
        }
        if self.phase != Phase::Recovery {
            return;
        }
        if !arrival.sack && delivered.acked > 0 && self.una < self.recover {
            self.on_partial_ack(delivered);
        } else if arrival.sack && delivered.octets > 0 {
            self.prr.on_ack(prr::Step {
                delivered: delivered.octets,
                in_flight: self.in_flight(arrival.mss),
                // What a mark has left of the window may be less (RFC 3168 section 6.1.2); it answers the loss too.
                ssthresh: congestion.ssthresh().min(congestion.cwnd()),
                mss: arrival.mss,
                safe: account.advanced && account.newly_lost.octets == 0 && !entered,
            });
        }
    }

    /// Something new was acknowledged, if `advanced`.
    //= rfc6675#5-2
    pub(super) fn on_progress(&mut self, advanced: bool) {
        if !advanced {
            return;
        }
        self.timeouts = 0;
        self.dup_acks = 0;
        if self.phase != Phase::Recovery {
            self.left_network = 0;
        }
    }
}
