//! What a connection has measured of its path, for those that come after it (RFC 9040).

use core::time::Duration;

use sockeye_wire::Instant;

use crate::State;
use crate::tcb::Tcb;

/// What is worth to be remembered of a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// The smoothed round-trip time and its mean deviation.
    pub rtt: Option<(Duration, Duration)>,
    /// The slow start threshold, in octets; `None` if nothing was ever lost.
    pub ssthresh: Option<u32>,
}

impl Tcb {
    /// What was measured so far.
    pub fn metrics(&self) -> Metrics {
        let ssthresh = self.congestion.ssthresh();
        Metrics {
            rtt: self.rtt.srtt().map(|srtt| (srtt, self.rtt.rttvar())),
            ssthresh: (ssthresh < u32::MAX).then_some(ssthresh),
        }
    }

    /// Begins with what an earlier connection to the same host had measured: to be called before anything is sent. Samples of
    /// this connection's own count from then on.
    //= rfc9040#6.1-2
    //= rfc9040#6.1-3
    pub fn recall(&mut self, now: Instant, metrics: &Metrics) {
        if let Some((srtt, rttvar)) = metrics.rtt {
            self.rtt.recall(srtt, rttvar);
        }
        if self.state == State::SynSent {
            self.arm_syn(now);
        }
        if let Some(ssthresh) = metrics.ssthresh {
            self.congestion.recall(ssthresh);
        }
    }
}
