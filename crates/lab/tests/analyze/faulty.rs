//! Congestion controls with a fault each: slow start and congestion avoidance of RFC 5681, but for one rule.

use sockeye_tcb::congestion::{AckSample, Algorithm, CongestionControl};
use sockeye_wire::Instant;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    KeepsWindowAfterTimeout,
    AddsConstant,
    StaysInflated,
}

#[derive(Debug)]
struct Faulty {
    fault: Fault,
    mss: u32,
    initial: u32,
    cwnd: u32,
    ssthresh: u32,
    /// The window before the loss.
    before: u32,
}

pub const CORRECT: Algorithm = Algorithm::new("correct", |initial| make(Fault::None, initial));
pub const NO_SLOW_START: Algorithm =
    Algorithm::new("no-slow-start", |initial| make(Fault::KeepsWindowAfterTimeout, initial));
pub const EXTRA_CONSTANT: Algorithm = Algorithm::new("extra-constant", |initial| make(Fault::AddsConstant, initial));
pub const INFLATED: Algorithm = Algorithm::new("inflated", |initial| make(Fault::StaysInflated, initial));

fn make(fault: Fault, initial: u8) -> Box<dyn CongestionControl> {
    Box::new(Faulty { fault, mss: 1000, initial: u32::from(initial), cwnd: 10_000, ssthresh: 1 << 30, before: 0 })
}

impl CongestionControl for Faulty {
    fn name(&self) -> &'static str {
        "faulty"
    }

    fn cwnd(&self) -> u32 {
        self.cwnd
    }

    fn ssthresh(&self) -> u32 {
        self.ssthresh
    }

    /// Far above the window: nothing is paced.
    fn pacing_rate(&self) -> Option<u64> {
        Some(u64::from(u32::MAX))
    }

    fn on_ack(&mut self, sample: &AckSample) {
        if sample.recovering || sample.newly_acked == 0 {
            return;
        }
        if self.cwnd < self.ssthresh {
            self.cwnd += sample.newly_acked;
            return;
        }
        self.cwnd += u32::try_from(u64::from(self.mss) * u64::from(self.mss) / u64::from(self.cwnd)).unwrap();
        if self.fault == Fault::AddsConstant {
            self.cwnd += self.mss / 8;
        }
    }

    fn on_loss(&mut self, _: Instant, flight: u32) {
        self.before = self.cwnd;
        self.ssthresh = (flight / 2).max(2 * self.mss);
        self.cwnd = self.ssthresh;
    }

    fn on_recovered(&mut self, _: Instant, _: u32) {
        self.cwnd = if self.fault == Fault::StaysInflated { self.before + self.before / 2 } else { self.ssthresh };
    }

    fn on_timeout(&mut self, _: Instant, flight: u32, again: bool) {
        if self.fault == Fault::KeepsWindowAfterTimeout {
            return;
        }
        if !again {
            self.ssthresh = (flight / 2).max(2 * self.mss);
        }
        self.cwnd = self.mss;
    }

    fn undo(&mut self, _: Instant) {
        self.cwnd = self.cwnd.max(self.before);
    }

    fn on_idle(&mut self, _: Instant) {}

    fn set_mss(&mut self, mss: u16) {
        self.mss = u32::from(mss);
        self.cwnd = self.initial * self.mss;
    }

    fn on_lost_handshake(&mut self) {}
}
