//! How far the congestion window may have grown since congestion avoidance began.

use std::time::Duration;

use sockeye_tcb::{LossPhase, Vitals};
use sockeye_wire::Instant;

use super::super::invariants::{Broken, Invariant, Limits, broken};
use super::window::delivered_since;

/// C of RFC 9438 section 5: segments a second cubed.
const C: f64 = 0.4;

/// Bounds the window in congestion avoidance: a segment for each window that is delivered (RFC 5681 section 3.1, by octets as
/// RFC 3465 section 2.1 counts), or what CUBIC's curve gives (RFC 9438 section 4.2), whichever is more.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Avoidance {
    epoch: Option<Epoch>,
    /// As it was before the last reduction, which may be undone.
    before: Option<Before>,
    /// It was undone: only CUBIC knows when the curve began on which it goes on.
    undone: bool,
    /// The window before the last reduction: at most there is the plateau of the curve.
    plateau: u32,
}

/// What a reduction took away.
#[derive(Clone, Copy, Debug)]
struct Before {
    at: Instant,
    epoch: Option<Epoch>,
    plateau: u32,
    /// The window, at most.
    cwnd: u32,
}

/// Congestion avoidance since a reduction.
#[derive(Clone, Copy, Debug)]
struct Epoch {
    /// The window at its start, the plateau, and how long the curve takes to there, in seconds.
    start: f64,
    plateau: f64,
    k: f64,
    /// How long it lasts, in seconds, without what was longer than the timeout: nothing was outstanding then.
    age: f64,
    moved_at: Instant,
    /// As far as Reno's window may have grown, and the largest that there was.
    reno: f64,
    peak: f64,
    /// Of that, what ACKs of more than a window gave at once.
    at_once: f64,
    mss: f64,
}

impl Epoch {
    fn begin(now: Instant, cwnd: u32, plateau: u32, mss: f64) -> Self {
        let (start, plateau) = (f64::from(cwnd), f64::from(plateau.max(cwnd)));
        let k = ((plateau - start) / (C * mss)).cbrt();
        Self { start, plateau, k, age: 0.0, moved_at: now, reno: start + 2.0 * mss, peak: start, at_once: 0.0, mss }
    }

    /// An ACK tells of something. Silence doesn't count: it is longer than a probe of the tail, which comes after a
    /// timeout at most, and a timeout from there on (RFC 8985 section 7.2).
    fn grow_older(&mut self, now: Instant, last: &Vitals, info: &Vitals, limits: &Limits) {
        let gap = now.since(std::mem::replace(&mut self.moved_at, now));
        self.age += gap.min(2 * last.rto.max(info.rto) + limits.tick * 2).as_secs_f64();
    }

    /// CUBIC's window so much later, at most. How high the plateau is only the sender knows: a lower one is reached sooner.
    fn curve(&self, later: f64) -> f64 {
        let age = self.age + later;
        let from_start = self.start + C * self.mss * age.powi(3);
        from_start.max(self.plateau + C * self.mss * (age - self.k).max(0.0).powi(3))
    }
}

impl Avoidance {
    /// Segments are longer or shorter now.
    fn resize(&mut self, info: &Vitals) {
        if let Some(epoch) = &mut self.epoch {
            epoch.mss = epoch.mss.max(info.snd_mss.into());
            epoch.reno = epoch.reno.max(f64::from(info.cwnd) + 3.0 * epoch.mss);
        }
    }

    pub(super) fn after_event(
        &mut self,
        now: Instant,
        last: &Vitals,
        info: &Vitals,
        limits: &Limits,
    ) -> Result<(), Broken> {
        // What arrives may show at once that segments may be longer, and that others are lost.
        let resized = info.snd_mss != last.snd_mss;
        if resized {
            self.resize(info);
        }
        // Slow start that ends by itself reduces nothing, nor does a recovery from a loss that was answered with a mark.
        let kept = info.ssthresh >= last.ssthresh && info.cwnd >= last.cwnd;
        let reduced = info.timeouts > last.timeouts
            || (info.fast_recoveries > last.fast_recoveries && !kept)
            || (info.ssthresh < last.ssthresh && info.cwnd < last.cwnd);
        let undone = info.undone > last.undone;
        let restored = if undone { self.undo(now, last, info, reduced) } else { 0 };
        if reduced {
            self.reduce(now, last, info, restored, resized);
        } else if info.fast_recoveries > last.fast_recoveries {
            self.may_reduce(last, info);
        }
        if reduced || undone || resized || info.phase == LossPhase::Recovery {
            return Ok(());
        }
        // Also in the slow start that follows idleness: the curve goes on behind it.
        if let Some(epoch) = self.epoch.as_mut().filter(|_| delivered_since(last, info) > 0) {
            epoch.grow_older(now, last, info, limits);
        }
        if last.cwnd >= last.ssthresh {
            return self.grows(now, last, info, limits);
        }
        if info.cwnd >= info.ssthresh {
            return self.leaves_slow_start(now, last, info);
        }
        Ok(())
    }

    /// A reduction. Timeouts in a row are one. Where segments become shorter it may be none: the plateau is scaled with them.
    #[cold]
    fn reduce(&mut self, now: Instant, last: &Vitals, info: &Vitals, restored: u32, resized: bool) {
        // The ACK that shows the loss may have let the window grow before: it ends a repair, or tells what a probe repaired.
        let cwnd = last.cwnd.max(restored).saturating_add(delivered_since(last, info));
        let epoch = self.epoch.take();
        self.undone = false;
        if last.phase != LossPhase::Loss || self.before.is_none() {
            self.before = Some(Before { at: now, epoch, plateau: self.plateau, cwnd });
        }
        self.plateau = if resized { self.plateau.max(cwnd) } else { cwnd };
    }

    /// A recovery that reduces nothing, or begins with the least window that there is, as it was before: then CUBIC's curve begins
    /// anew.
    #[cold]
    fn may_reduce(&mut self, last: &Vitals, info: &Vitals) {
        if info.cwnd > 2 * u32::from(info.snd_mss) {
            return;
        }
        self.plateau = self.plateau.max(last.cwnd.saturating_add(delivered_since(last, info)));
        if let Some(epoch) = &mut self.epoch {
            let cwnd = f64::from(info.cwnd);
            epoch.start = epoch.start.max(cwnd);
            epoch.plateau = epoch.plateau.max(self.plateau.into());
            epoch.reno = epoch.reno.max(cwnd + 3.0 * epoch.mss);
        }
    }

    /// The last reduction is undone; returns the window of before it, if it is restored. Where the window has grown beyond that
    /// CUBIC lets things be; else it goes on along its curve of before, as if no time were lost (RFC 9438 section 4.9.2).
    #[cold]
    fn undo(&mut self, now: Instant, last: &Vitals, info: &Vitals, reduced: bool) -> u32 {
        let Some(before) = self.before.take().filter(|_| info.congestion_control == "cubic") else {
            self.epoch = None;
            return 0;
        };
        if !reduced && info.cwnd <= last.cwnd {
            return 0;
        }
        self.undone = true;
        self.plateau = self.plateau.max(before.plateau);
        self.epoch = before.epoch.map(|mut epoch| {
            epoch.age += now.since(before.at).as_secs_f64();
            epoch.moved_at = now;
            epoch.reno = epoch.reno.max(f64::from(info.cwnd) + 3.0 * epoch.mss);
            epoch
        });
        before.cwnd
    }

    /// The ACK that ends slow start: what is left of it counts for congestion avoidance. Where the window went unused, CUBIC's
    /// estimate of Reno's is that of before, and taken up at once.
    #[cold]
    fn leaves_slow_start(&mut self, now: Instant, last: &Vitals, info: &Vitals) -> Result<(), Broken> {
        let (mss, delivered) = (f64::from(info.snd_mss), f64::from(delivered_since(last, info)));
        let known = self.epoch.filter(|_| info.congestion_control == "cubic").map_or(0.0, |epoch| epoch.reno);
        let windows = delivered / f64::from(last.cwnd.max(1));
        let most = (f64::from(last.cwnd) + delivered).max(known + mss * windows).max(2.0 * mss);
        if f64::from(info.cwnd) > most && info.congestion_control != "bbr" {
            return broken(Invariant::GrowsAsAcked, move || {
                format!("from {} to {} at the end of slow start, at most {most:.0}", last.cwnd, info.cwnd)
            });
        }
        let plateau = self.plateau;
        let epoch = self.epoch.get_or_insert_with(|| Epoch::begin(now, info.cwnd, plateau, mss));
        epoch.reno = epoch.reno.max(f64::from(info.cwnd)) + mss * (windows + 1.0);
        epoch.at_once += mss * windows;
        Ok(())
    }

    fn grows(&mut self, now: Instant, last: &Vitals, info: &Vitals, limits: &Limits) -> Result<(), Broken> {
        let delivered = delivered_since(last, info);
        // BBR grows by its model, and others than ours as they please.
        if delivered == 0 || !["newreno", "cubic", "dctcp"].contains(&info.congestion_control) {
            return Ok(());
        }
        let is_cubic = info.congestion_control == "cubic";
        let (was, mss) = (f64::from(last.cwnd), f64::from(info.snd_mss));
        let plateau = self.plateau;
        let epoch = self.epoch.get_or_insert_with(|| Epoch::begin(now, last.cwnd, plateau, mss));
        epoch.peak = epoch.peak.max(was);
        // Reno keeps less than a segment for later, and what one ACK told of beyond a window; CUBIC's estimate of it goes on where
        // the curve is above it, which the window follows by half of itself a round trip, and stays where it was while the
        // window is unused.
        let kept = if is_cubic { epoch.peak * 1.5 } else { was } + 3.0 * mss + epoch.at_once;
        let growth = mss * f64::from(delivered) / was.max(1.0);
        epoch.at_once += (growth - mss).max(0.0);
        epoch.reno = epoch.reno.min(kept) + growth;
        if info.cwnd <= last.cwnd {
            return Ok(());
        }
        let ahead = 2 * last.srtt.max(info.srtt).unwrap_or_default() + limits.tick * 3 + Duration::from_millis(1);
        let curve = if is_cubic { epoch.curve(ahead.as_secs_f64()) } else { 0.0 };
        // Whichever curve it is, the window follows it by half of itself a round trip (RFC 9438 section 4.2).
        let step = if self.undone { was + f64::from(delivered) / 2.0 } else { 0.0 };
        if f64::from(info.cwnd) > epoch.reno.max(curve).max(step) + 1.0 {
            let Epoch { start, plateau, age, reno, .. } = epoch;
            return broken(Invariant::GrowsAsAcked, move || {
                format!(
                    "from {was} to {} in avoidance, at most {reno:.0} or {curve:.0}: from {start} on for {age:.3} s, plateau {plateau}",
                    info.cwnd
                )
            });
        }
        Ok(())
    }
}
