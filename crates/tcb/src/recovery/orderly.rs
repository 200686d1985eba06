//! The usual ACK: of what was sent once, and in order, while nothing is missing and nothing in doubt.
//!
//! There is no loss to be found, none to be repaired and none to be taken back, so that of [`super::on_ack`] remains what an ACK
//! feeds: what is outstanding, RACK, the estimators, congestion control. A property test gives the same ACKs to both.

use core::time::Duration;

use super::frto::Frto;
use super::outstanding::Mark;
use super::{Arrival, Flight, Phase, Recovery};
use crate::Rtt;
use crate::congestion::{AckSample, CongestionControl};

impl Recovery {
    /// Takes an ACK that is as usual; false, and nothing has happened, if it isn't.
    pub(super) fn take_orderly(
        &mut self,
        arrival: &Arrival<'_>,
        rtt: &mut Rtt,
        congestion: &mut dyn CongestionControl,
    ) -> bool {
        let quiet = self.history.as_ref().is_none_or(|history| history.is_quiet());
        let usual = |flight: &Flight| quiet && flight.is_orderly() && flight.is_usual(arrival);
        let Some(mut flight) = self.flight.take_if(|flight| usual(flight)) else {
            return false;
        };
        let app_limited = flight.una >= flight.filled_until;
        let prior_in_flight = flight.outstanding.octets();
        let ack = flight.place(arrival.ack);
        let mut last = None;
        while let Some((start, run)) = flight.outstanding.take_acked(ack) {
            self.news.on_delivered(&run);
            last = Some((start, run));
        }
        let Some((start, run)) = last else {
            self.flight = Some(flight);
            return false;
        };
        flight.una = ack;
        let octets = prior_in_flight - flight.outstanding.octets();
        let sample = arrival.arrived_at.nanos_since(run.sent_at);
        flight.rack.on_delivered_in_order((start, &run), sample);
        flight.timers.overdue_at = None;
        let piece = (run.sent_at, ack, octets);
        let newest = flight.sampler.on_delivered_in_order(arrival.arrived_at, piece, run.snapshot);
        rtt.on_sample_of(sample);
        //= rfc8985#6.2-1
        self.min_rtt.on_sample_of(arrival.now, sample);
        let rate = self.sample_rate(&mut flight, &newest, 0);
        congestion.on_ack(&AckSample {
            now: arrival.now,
            newly_acked: octets,
            unpaced: arrival.unpaced,
            newly_lost: 0,
            prior_in_flight,
            in_flight: flight.outstanding.octets(),
            rtt: Some(Duration::from_nanos(sample)),
            min_rtt: self.min_rtt.get(),
            srtt: rtt.srtt(),
            app_limited,
            recovering: false,
            marked: 0,
            delivered: flight.sampler.delivered(),
            prior_delivered: run.snapshot.delivered,
            rate,
        });
        flight.on_progress(true);
        self.put_back(flight);
        true
    }
}

impl Flight {
    /// All that is outstanding is in flight, sent once, and nothing in it was overtaken.
    fn is_orderly(&self) -> bool {
        let outstanding = &self.outstanding;
        self.phase == Phase::Open
            && self.ramp.is_none()
            && self.frto == Frto::Off
            && self.left_network == 0
            && outstanding.tally(Mark::Sacked).octets == 0
            && outstanding.tally(Mark::Lost).octets == 0
            && outstanding.tally(Mark::InFlight).resent == 0
            && self.rack.is_behind(outstanding)
    }

    /// The ACK is of something new, and says nothing more.
    fn is_usual(&self, arrival: &Arrival<'_>) -> bool {
        let una = super::seq_of(self.una);
        arrival.sack
            && arrival.blocks.is_empty()
            && !arrival.ece
            && arrival.ack.after(una)
            && arrival.ack.at_or_before(super::seq_of(self.nxt))
    }
}

#[cfg(test)]
mod tests;
