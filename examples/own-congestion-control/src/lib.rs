//! A congestion control of one's own: what TCP Vegas did (Brakmo and Peterson, 1995), in its simplest form.
//!
//! It takes a name, a constructor, and what the trait asks for. Then it is chosen as one that is built in:
//!
//! ```
//! # use own_congestion_control::VEGAS;
//! # use sockeye::{Host, TcpListener, TcpStream};
//! # fn main() -> std::io::Result<()> {
//! # let (here, there) = Host::pair()?;
//! # let _listener = TcpListener::bind(&there, "10.0.0.2:9")?;
//! let stream = TcpStream::connect(&here, "10.0.0.2:9")?;
//! stream.configure(|config| config.congestion = VEGAS)?;
//! assert_eq!(stream.info()?.congestion_control, "vegas");
//! # Ok(())
//! # }
//! ```

use sockeye::Instant;
use sockeye::congestion::{AckSample, Algorithm, CongestionControl};

/// How many segments of ours may wait in the queues of the path.
const QUEUED: u32 = 4;

/// Keeps a few segments queued, and so hears of a full path before it loses anything.
#[derive(Debug)]
struct Vegas {
    /// Segments in the initial window.
    initial: u8,
    mss: u32,
    cwnd: u32,
    ssthresh: u32,
    /// `delivered` at which the present round trip ends.
    round_ends: u64,
}

/// To be chosen for a connection or a host.
pub const VEGAS: Algorithm =
    Algorithm::new("vegas", |initial| Box::new(Vegas { initial, mss: 0, cwnd: 0, ssthresh: u32::MAX, round_ends: 0 }));

impl Vegas {
    /// Octets of ours that wait: the window, less what fits into the least round trip there was.
    fn queued(&self, sample: &AckSample) -> Option<u32> {
        let (rtt, min_rtt) = (sample.rtt?.as_nanos(), sample.min_rtt?.as_nanos());
        u32::try_from(u128::from(self.cwnd) * rtt.saturating_sub(min_rtt) / rtt.max(1)).ok()
    }
}

impl CongestionControl for Vegas {
    fn name(&self) -> &'static str {
        "vegas"
    }
    fn cwnd(&self) -> u32 {
        self.cwnd
    }
    fn ssthresh(&self) -> u32 {
        self.ssthresh
    }
    fn on_ack(&mut self, sample: &AckSample) {
        if sample.app_limited || sample.recovering {
            return;
        }
        let slow_start = self.cwnd < self.ssthresh;
        if slow_start {
            self.cwnd += sample.newly_acked / 2;
        }
        if sample.prior_delivered < self.round_ends {
            return;
        }
        self.round_ends = sample.delivered;
        match self.queued(sample) {
            Some(queued) if queued > QUEUED * self.mss => {
                self.cwnd = (self.cwnd - self.mss).max(2 * self.mss);
                self.ssthresh = self.ssthresh.min(self.cwnd);
            }
            _ if slow_start => {}
            _ => self.cwnd += self.mss.min(sample.newly_acked),
        }
    }
    fn on_loss(&mut self, _now: Instant, flight: u32) {
        self.ssthresh = (flight / 2).max(2 * self.mss);
        self.cwnd = self.ssthresh;
    }
    fn on_recovered(&mut self, _now: Instant, _flight: u32) {}
    fn on_timeout(&mut self, now: Instant, flight: u32, _again: bool) {
        self.on_loss(now, flight);
        self.cwnd = self.mss;
    }
    fn undo(&mut self, _now: Instant) {}
    fn on_idle(&mut self, _now: Instant) {}
    fn set_mss(&mut self, mss: u16) {
        self.mss = mss.into();
        self.cwnd = self.cwnd.max(u32::from(self.initial) * self.mss);
    }
    fn on_lost_handshake(&mut self) {
        self.cwnd = self.mss;
    }
}
