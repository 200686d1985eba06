//! CUBIC (RFC 9438), with HyStart++ (RFC 9406) for its first slow start.
//!
//! All in integers, so that a run repeats exactly wherever it runs: windows in octets, times in microseconds.

use alloc::boxed::Box;
use core::time::Duration;

use sockeye_wire::Instant;

use super::hystart::HyStart;
use super::{AckSample, CongestionControl, Details, MAX_WINDOW, initial_window, mul_div, resized, scaled};

/// `beta_cubic`, as a fraction.
//= rfc9438#4.6-2
const BETA: (u32, u32) = (7, 10);
/// The same for marks (RFC 8511 section 3.1, which tests CUBIC with 0.85): a queue that marks is a short one.
const BETA_ECN: (u32, u32) = (85, 100);
/// C, 0.4 segments a second cubed, as a fraction: with beta it makes the mean window that of equation 7.
//= rfc9438#5-1
//= rfc9438#5.1-1
const C: (u64, u64) = (2, 5);
/// `alpha_cubic`: 3 * (1 - 0.7) / (1 + 0.7), which makes the mean window of equation 3 Reno's.
//= rfc9438#4.3-6
//= rfc9438#4.3-1
const ALPHA: (u64, u64) = (9, 17);
const MICROS_CUBED: u64 = 1_000_000_000_000_000_000;
/// Time from K at which the curve is as good as vertical: 71 minutes, 10^10 segments.
const FAR: u64 = u32::MAX as u64;

/// CUBIC, the default.
///
/// ```
/// # use sockeye_tcb::congestion::{CongestionControl, Cubic};
/// # use sockeye_wire::Instant;
/// let mut cubic = Cubic::new(10);
/// cubic.set_mss(1000);
/// cubic.on_loss(Instant::ZERO, 10_000);
/// assert_eq!(cubic.cwnd(), 7_000);
/// ```
#[derive(Clone, Debug)]
pub struct Cubic {
    curve: Curve,
    mss: u32,
    /// Segments in the initial window.
    initial: u8,
    hystart: HyStart,
    /// Slow start repairs what a timeout lost.
    after_timeout: bool,
    /// When the last ACK came, or after it the first segment of a flight left; and since when the application has not filled
    /// the window.
    moved_at: Instant,
    limited_since: Option<Instant>,
    /// All that the last reduction changed, to be given back if there was no loss.
    before: Option<Box<Curve>>,
}

/// The variables of RFC 9438 section 4.1.2.
#[derive(Clone, Debug)]
struct Curve {
    cwnd: u32,
    ssthresh: u32,
    /// `cwnd_prior`: the window before the last reduction.
    prior: u32,
    /// `W_max`: where the plateau is.
    max: u32,
    epoch: Option<Box<Epoch>>,
}

/// Congestion avoidance since the last reduction.
#[derive(Clone, Copy, Debug)]
struct Epoch {
    /// `t_epoch`, moved by the time in which the application didn't fill the window.
    start: Instant,
    /// K, in microseconds: at most 23 minutes, which is the cube root of the largest window over C.
    k: u32,
    /// `W_est`: the window that Reno would have.
    estimate: u32,
    /// What is left over of growth that was no whole segment, of `W_est`, in octets by the denominator of [`ALPHA`], and no whole
    /// octet, of the window.
    estimate_rest: u64,
    rest: u32,
}

impl Cubic {
    /// An algorithm that begins with `initial` segments, 10 by RFC 6928.
    pub fn new(initial: u8) -> Self {
        Self {
            curve: Curve { cwnd: 0, ssthresh: u32::MAX, prior: 0, max: 0, epoch: None },
            mss: 0,
            initial,
            hystart: HyStart::new(),
            after_timeout: false,
            moved_at: Instant::ZERO,
            limited_since: None,
            before: None,
        }
    }

    /// Grows by slow start; returns what of `newly_acked` is left for congestion avoidance.
    //= rfc9438#4.10-1
    fn slow_start(&mut self, sample: &AckSample) -> u32 {
        let curve = &mut self.curve;
        if curve.cwnd >= curve.ssthresh {
            return sample.newly_acked;
        }
        let growth = if curve.ssthresh == u32::MAX {
            //= rfc9406#4.3-4
            //= rfc9438#4.10-2
            self.hystart.growth(sample.slow_start(self.mss))
        } else if self.after_timeout {
            //= rfc3465#2.3-4
            sample.newly_acked.min(self.mss)
        } else {
            sample.slow_start(self.mss)
        };
        let growth = growth.min(curve.ssthresh - curve.cwnd);
        curve.cwnd = curve.cwnd.saturating_add(growth).min(MAX_WINDOW);
        if curve.cwnd < curve.ssthresh { 0 } else { sample.newly_acked - growth }
    }

    /// Grows along the curve.
    fn avoid_congestion(&mut self, sample: &AckSample, newly_acked: u32) {
        let mss = self.mss;
        let curve = &mut self.curve;
        let mut epoch = curve.epoch.take().unwrap_or_else(|| Box::new(curve.begin(sample.now, mss)));
        let cwnd = curve.cwnd.max(1);
        let t = micros(sample.now.since(epoch.start));
        let rtt = sample.srtt.or(sample.rtt).map_or(0, micros);
        epoch.grow_estimate(newly_acked, cwnd, curve.prior, mss);
        if curve.window(&epoch, t, mss) < epoch.estimate {
            //= rfc9438#4.2-6
            //= rfc9438#4.3-3
            curve.cwnd = cwnd.max(epoch.estimate);
        } else {
            //= rfc9438#4.2-3
            let target = curve.window(&epoch, t.saturating_add(rtt), mss).clamp(cwnd, cwnd + cwnd / 2);
            //= rfc9438#4.4-1
            //= rfc9438#4.5-1
            // An ACK that fills a hole may tell of many windows: one of them leads to the target, and none beyond.
            let octets = u64::from(target - cwnd) * u64::from(newly_acked.min(cwnd)) + u64::from(epoch.rest);
            epoch.rest = clamp(octets % u64::from(cwnd));
            curve.cwnd = cwnd.saturating_add(clamp(octets / u64::from(cwnd)));
        }
        curve.cwnd = curve.cwnd.min(MAX_WINDOW);
        curve.epoch = Some(epoch);
    }

    /// Time in which the application didn't fill the window doesn't count.
    //= rfc9438#4.2-4
    fn skip_limited(&mut self, now: Instant) {
        if let Some(since) = self.limited_since.take()
            && let Some(epoch) = &mut self.curve.epoch
        {
            epoch.start += now.since(since.max(epoch.start));
        }
    }

    /// A reduction by `beta` of `flight`, to `least` segments.
    fn reduce(&mut self, flight: u32, beta: (u32, u32), least: u32) {
        self.before = Some(Box::new(self.curve.clone()));
        let curve = &mut self.curve;
        //= rfc9438#4.7-1
        curve.max = if curve.cwnd < curve.max { mul_div(curve.cwnd, beta.1 + beta.0, 2 * beta.1) } else { curve.cwnd };
        //= rfc9438#4.6-1
        //= rfc9438#4.6-3
        //= rfc9438#4.6-4
        curve.prior = curve.cwnd;
        let reduced = mul_div(flight, beta.0, beta.1);
        curve.cwnd = reduced.max(least * self.mss);
        curve.ssthresh = reduced.max(2 * self.mss);
        curve.epoch = None;
    }
}

impl Curve {
    /// Segments have `mss` octets instead of `before`. The curve, which counts segments, begins anew where the window stands.
    //= rfc4821#4-9
    fn resize(&mut self, before: u32, mss: u32) {
        for window in [&mut self.ssthresh, &mut self.prior, &mut self.max] {
            *window = scaled(*window, before, mss);
        }
        self.epoch = None;
    }

    /// Congestion avoidance begins.
    fn begin(&mut self, now: Instant, mss: u32) -> Epoch {
        //= rfc9438#4.8-2
        //= rfc9438#4.10-3
        if self.max < self.cwnd {
            self.max = self.cwnd;
            self.prior = self.cwnd;
        }
        //= rfc9438#4.2-2
        let k = cube_root(
            u128::from(self.max - self.cwnd) * u128::from(C.1) * u128::from(MICROS_CUBED)
                / u128::from(C.0 * u64::from(mss.max(1))),
        );
        //= rfc9438#4.3-2
        //= rfc9438#4.8-3
        Epoch { start: now, k: clamp(k), estimate: self.cwnd, estimate_rest: 0, rest: 0 }
    }

    /// `W_cubic` `t` microseconds after the epoch's start, in octets.
    //= rfc9438#4.1-1
    //= rfc9438#4.2-1
    fn window(&self, epoch: &Epoch, t: u64, mss: u32) -> u32 {
        let k = u64::from(epoch.k);
        let away = t.abs_diff(k).min(FAR);
        let segment = MICROS_CUBED.div_ceil(u64::from(mss.max(1)));
        // Within 2.6 s of K 64 bits hold the cube: divided in 128 it would take fifty instructions more.
        let octets = match away.checked_pow(3) {
            Some(cube) => clamp(cube / segment * C.0 / C.1),
            None => clamp(u128::from(away).pow(3) / u128::from(segment) * u128::from(C.0) / u128::from(C.1)),
        };
        if t < k { self.max.saturating_sub(octets) } else { self.max.saturating_add(octets).min(MAX_WINDOW) }
    }
}

impl Epoch {
    /// Equation 4, a whole segment at a time.
    //= rfc9438#4.3-4
    //= rfc9438#4.3-5
    fn grow_estimate(&mut self, newly_acked: u32, cwnd: u32, prior: u32, mss: u32) {
        // In one unit, whichever alpha is: what is left over may count for the other.
        let alpha = if self.estimate >= prior { ALPHA.1 } else { ALPHA.0 };
        let a_segment = u64::from(cwnd) * ALPHA.1;
        self.estimate_rest += u64::from(newly_acked) * alpha;
        let segments = clamp(self.estimate_rest / a_segment);
        self.estimate_rest %= a_segment;
        self.estimate = self.estimate.saturating_add(segments.saturating_mul(mss)).min(MAX_WINDOW);
    }
}

impl CongestionControl for Cubic {
    fn name(&self) -> &'static str {
        "cubic"
    }

    fn cwnd(&self) -> u32 {
        self.curve.cwnd
    }

    fn ssthresh(&self) -> u32 {
        self.curve.ssthresh
    }

    //= rfc9438#4.2-5
    fn on_ack(&mut self, sample: &AckSample) {
        let before = core::mem::replace(&mut self.moved_at, sample.now);
        if self.curve.ssthresh == u32::MAX && self.hystart.is_over(sample, self.mss) {
            self.curve.ssthresh = self.curve.cwnd;
        }
        //= rfc9438#5.8-1
        //= rfc3168#6.1.2-3
        if sample.app_limited {
            self.limited_since.get_or_insert(before);
        }
        if sample.app_limited || sample.recovering || sample.marked > 0 {
            return;
        }
        self.skip_limited(sample.now);
        let left = self.slow_start(sample);
        if left > 0 {
            self.after_timeout = false;
            self.avoid_congestion(sample, left);
        }
    }

    fn on_loss(&mut self, _now: Instant, flight: u32) {
        self.reduce(flight, BETA, 2);
    }

    //= rfc8511#3-1
    //= rfc8511#3.1-1
    //= rfc8511#4-1
    //= rfc9438#4.6-5
    fn on_ecn(&mut self, _now: Instant, flight: u32) {
        let beta = if self.curve.cwnd > self.curve.ssthresh { BETA_ECN } else { BETA };
        self.reduce(flight, beta, 1);
    }

    fn on_recovered(&mut self, _now: Instant, _flight: u32) {
        // The window was reduced when the recovery began. What it has left open doesn't leave as a burst: it is paced.
    }

    fn on_timeout(&mut self, _now: Instant, flight: u32, again: bool) {
        //= rfc9438#4.8-1
        if !again {
            self.reduce(flight, BETA, 2);
        }
        self.curve.cwnd = self.mss;
        self.curve.max = 0;
        self.curve.epoch = None;
        self.after_timeout = true;
    }

    //= rfc9438#4.9.1-1
    //= rfc9438#4.9.2-1
    //= rfc9438#4.9.2-2
    //= rfc9438#4.9.2-3
    fn undo(&mut self, _now: Instant) {
        if let Some(before) = self.before.take().filter(|before| self.curve.cwnd < before.cwnd) {
            self.curve = *before;
            self.after_timeout = false;
        }
    }

    fn on_sent(&mut self, now: Instant, in_flight: u32, _octets: u32, _app_limited: bool) {
        if in_flight == 0 {
            // Silence doesn't count. The flight that begins now does, if it fills the window: its first ACK tells.
            self.limited_since.get_or_insert(self.moved_at);
            self.skip_limited(now);
            self.moved_at = now;
        }
    }

    //= rfc5681#4.1-1
    //= rfc5681#4.1-2
    fn on_idle(&mut self, _now: Instant) {
        let restart = initial_window(self.initial, self.mss);
        let curve = &mut self.curve;
        if curve.cwnd <= restart {
            return;
        }
        // What the path took is not forgotten (RFC 7661 section 4.4.3).
        if curve.ssthresh != u32::MAX {
            curve.ssthresh = curve.ssthresh.max(mul_div(curve.cwnd, 3, 4));
        }
        curve.cwnd = restart;
        // What follows slow start is congestion avoidance from its beginning.
        //= rfc9438#4.3-2
        curve.epoch = None;
    }

    fn set_mss(&mut self, mss: u16) {
        let before = core::mem::replace(&mut self.mss, u32::from(mss));
        self.curve.cwnd = resized(self.initial, self.curve.cwnd, before, self.mss);
        if self.mss != before {
            self.curve.resize(before, self.mss);
        }
        if let Some(taken) = self.before.as_mut().filter(|_| self.mss != before) {
            taken.cwnd = scaled(taken.cwnd, before, self.mss);
            taken.resize(before, self.mss);
        }
    }

    fn take_over(&mut self, other: &dyn CongestionControl) {
        self.curve.cwnd = other.cwnd();
        self.curve.ssthresh = other.ssthresh();
    }

    fn recall(&mut self, ssthresh: u32) {
        self.curve.ssthresh = ssthresh.max(2 * self.mss);
    }

    fn on_lost_handshake(&mut self) {
        self.curve.cwnd = self.mss;
    }

    fn details(&self) -> Details {
        let curve = &self.curve;
        let phase = match &curve.epoch {
            _ if curve.cwnd < curve.ssthresh && self.hystart.is_conservative() => "conservative slow start",
            _ if curve.cwnd < curve.ssthresh => "slow start",
            Some(epoch) if curve.cwnd <= epoch.estimate => "reno-friendly",
            _ if curve.cwnd < curve.max => "concave",
            _ => "convex",
        };
        Details { phase, ..Details::default() }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn clamp(value: impl TryInto<u32>) -> u32 {
    value.try_into().unwrap_or(u32::MAX)
}

/// The largest number whose cube is at most `value`, bit by bit.
fn cube_root(value: u128) -> u64 {
    (0..40).rev().fold(0, |root, bit| {
        let candidate: u64 = root | 1 << bit;
        if u128::from(candidate).pow(3) <= value { candidate } else { root }
    })
}

#[cfg(test)]
mod tests;
