//! NewReno that doesn't pace: what leaves, leaves at once, for tests of when what is sent.

use sockeye_tcb::Config;
use sockeye_tcb::congestion::{AckSample, Algorithm, CongestionControl, NewReno};
use sockeye_wire::Instant;

/// Settings that tests start from, without pacing.
pub fn config() -> Config {
    Config { congestion: UNPACED, ..crate::pair::config() }
}

pub const UNPACED: Algorithm = Algorithm::new("unpaced", |initial| Box::new(Unpaced(NewReno::new(initial))));

#[derive(Debug)]
struct Unpaced(NewReno);

impl CongestionControl for Unpaced {
    fn name(&self) -> &'static str {
        "unpaced"
    }
    fn cwnd(&self) -> u32 {
        self.0.cwnd()
    }
    fn ssthresh(&self) -> u32 {
        self.0.ssthresh()
    }
    fn pacing_rate(&self) -> Option<u64> {
        Some(1 << 50)
    }
    fn on_ack(&mut self, sample: &AckSample) {
        self.0.on_ack(sample);
    }
    fn on_loss(&mut self, now: Instant, flight: u32) {
        self.0.on_loss(now, flight);
    }
    fn on_recovered(&mut self, now: Instant, flight: u32) {
        self.0.on_recovered(now, flight);
    }
    fn on_timeout(&mut self, now: Instant, flight: u32, again: bool) {
        self.0.on_timeout(now, flight, again);
    }
    fn undo(&mut self, now: Instant) {
        self.0.undo(now);
    }
    fn on_idle(&mut self, now: Instant) {
        self.0.on_idle(now);
    }
    fn set_mss(&mut self, mss: u16) {
        self.0.set_mss(mss);
    }
    fn on_lost_handshake(&mut self) {
        self.0.on_lost_handshake();
    }
}
