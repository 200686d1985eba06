//! Rules about the congestion window: how it may grow, and how it must shrink.

use sockeye_tcb::{LossPhase, Vitals};
use sockeye_wire::Instant;

use super::super::ear::Ear;
use super::super::invariants::{Broken, Invariant, Limits, broken};
use super::avoidance::Avoidance;

/// Judges the window of one connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window {
    /// What it told after the last event.
    last: Option<Vitals>,
    avoidance: Avoidance,
    /// The largest that there was.
    peak: u32,
    /// Octets acknowledged once all is that was outstanding when a mark was last answered, and when the tail was last
    /// probed.
    marked_to: u64,
    probed_to: u64,
}

/// Octets that were told to be delivered by what has just happened.
pub(super) fn delivered_since(last: &Vitals, info: &Vitals) -> u32 {
    u32::try_from(info.delivered - last.delivered).unwrap_or(u32::MAX)
}

impl Window {
    pub(super) fn after_event(
        &mut self,
        now: Instant,
        info: &Vitals,
        ear: &Ear,
        limits: &Limits,
    ) -> Result<(), Broken> {
        let result = self.compare(now, info, ear, limits);
        // Only now: to move a long structure that has just been written in parts holds the processor up.
        self.last = Some(*info);
        result
    }

    /// What it told after the last event that was judged.
    pub(super) const fn last(&self) -> Option<&Vitals> {
        self.last.as_ref()
    }

    fn compare(&mut self, now: Instant, info: &Vitals, ear: &Ear, limits: &Limits) -> Result<(), Broken> {
        let peak = self.peak;
        self.peak = peak.max(info.cwnd);
        let Some(last) = &self.last else {
            return Ok(());
        };
        if last.snd_mss == info.snd_mss {
            self.grows_as_acked(last, info)?;
            bbr_grows_as_acked(last, info, peak)?;
            if info.timeouts != last.timeouts || info.fast_recoveries != last.fast_recoveries {
                self.slows_on_loss(last, info)?;
            }
        }
        self.avoidance.after_event(now, last, info, limits)?;
        let outstanding = u64::from(ear.outstanding_at_most());
        if info.echoes > last.echoes && (info.cwnd < last.cwnd || info.ssthresh < last.ssthresh) {
            self.marked_to = info.bytes_acked + outstanding;
        }
        if info.tail_probes > last.tail_probes {
            self.probed_to = info.bytes_acked + outstanding;
        }
        Ok(())
    }

    /// In slow start: byte counting with a limit of what was acknowledged (RFC 3465 section 2), so whoever acknowledges a segment
    /// in many pieces gains nothing. BBR restores a window that it knows from before; an undo gives back what was taken; a
    /// window of one segment becomes two when a loss is found (RFC 5681 equation 4). An ACK that tells of marks lets nothing
    /// grow (RFC 3168 section 6.1.2).
    fn grows_as_acked(&self, last: &Vitals, info: &Vitals) -> Result<(), Broken> {
        if info.cwnd <= last.cwnd {
            return Ok(());
        }
        let delivered = delivered_since(last, info);
        let same = info.undone == last.undone && info.fast_recoveries == last.fast_recoveries;
        if !same || info.congestion_control == "bbr" {
            return Ok(());
        }
        // DCTCP answers the loss that a probe of the tail has repaired besides the mark (RFC 8257 section 3.5): the ACK behind that
        // of the probe shows it (RFC 8985 section 7.4.2).
        let repaired = last.bytes_acked <= self.probed_to && info.congestion_control == "dctcp";
        let answered = if repaired { 2 * u32::from(info.snd_mss) } else { 0 };
        if info.echoes > last.echoes && info.cwnd > last.cwnd.max(answered) {
            return broken(Invariant::GrowsAsAcked, move || {
                format!("from {} to {}, and the ACK tells of marks", last.cwnd, info.cwnd)
            });
        }
        let most = last.cwnd.saturating_add(delivered).max(2 * u32::from(info.snd_mss));
        let slow_start = last.cwnd < last.ssthresh && info.cwnd <= info.ssthresh;
        if slow_start && info.cwnd > most {
            return broken(Invariant::GrowsAsAcked, move || {
                format!("from {} to {}, {delivered} octets were delivered", last.cwnd, info.cwnd)
            });
        }
        Ok(())
    }

    /// RFC 5681 equation 4 and RFC 9438 section 4.6: a recovery begins with half of the window at most, CUBIC's with 0.7 of it, a
    /// timeout with one segment and that as a threshold. BBR answers to a loss by its model; a loss in a window that was marked
    /// was answered with the mark (RFC 3168 section 6.1.2).
    #[cold]
    fn slows_on_loss(&self, last: &Vitals, info: &Vitals) -> Result<(), Broken> {
        let mss = u32::from(info.snd_mss);
        let broken = |what: &str| {
            let Vitals { cwnd, ssthresh, .. } = last;
            broken(Invariant::SlowsOnLoss, move || {
                format!("{what}: cwnd from {cwnd} to {}, ssthresh from {ssthresh} to {}", info.cwnd, info.ssthresh)
            })
        };
        let expired = info.timeouts > last.timeouts;
        if expired && info.snd_wnd > 0 && last.snd_wnd > 0 && info.cwnd > mss {
            return broken("a timeout");
        }
        let marked = info.echoes > last.echoes || last.bytes_acked < self.marked_to;
        if info.congestion_control == "bbr" || info.undone != last.undone || marked {
            return Ok(());
        }
        // The ACK that shows the loss may itself have let the window grow, where a timeout is just repaired: in slow start, by
        // Reno's segment, or along CUBIC's curve, by half of what is delivered at most (RFC 9438 section 4.2).
        let delivered = delivered_since(last, info);
        let growth = match last.phase {
            LossPhase::Loss if last.cwnd < last.ssthresh => delivered,
            LossPhase::Loss => mss.max(delivered / 2),
            _ => 0,
        };
        let tenths = if info.congestion_control == "cubic" { 7 } else { 5 };
        let was = u64::from(last.cwnd.saturating_add(growth));
        let most = u32::try_from(was * tenths / 10).unwrap_or(u32::MAX).max(2 * mss);
        if info.fast_recoveries > last.fast_recoveries && info.ssthresh.max(info.cwnd) > most {
            return broken("a recovery");
        }
        let first = expired && matches!(last.phase, LossPhase::Open | LossPhase::Disorder);
        if first && last.snd_wnd > 0 && info.ssthresh > most {
            return broken("a timeout");
        }
        Ok(())
    }
}

/// BBR's window grows by what is delivered (draft-ietf-ccwg-bbr-05 section 5.6.4.6) besides going back to where it was (section
/// 5.6.4.4), and has four segments at least. How far the gains let it grow isn't judged: they multiply the largest of its samples of
/// the delivery rate, each over a flight of its own, and over that what was acknowledged at once. An outsider's bound for these,
/// a flight in the shortest round trip, is itself twice the window, so the draft's gains would let it double each round; nor
/// is the pacing rate told.
fn bbr_grows_as_acked(last: &Vitals, info: &Vitals, peak: u32) -> Result<(), Broken> {
    let delivered = delivered_since(last, info);
    let most = last.cwnd.max(peak).saturating_add(delivered).max(4 * u32::from(info.snd_mss));
    if info.congestion_control == "bbr" && info.cwnd > most {
        return broken(Invariant::GrowsAsAcked, move || {
            format!("from {} to {}, {delivered} octets were delivered, once {peak}", last.cwnd, info.cwnd)
        });
    }
    Ok(())
}
