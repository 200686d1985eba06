//! Rules about how soon a loss is found, and the tail of a flight probed.

use std::time::Duration;

use sockeye_tcb::{LossPhase, Vitals};

use super::super::ear::Ear;
use super::super::invariants::{Broken, Invariant, broken};
use super::Moment;

/// Segments selectively acknowledged, or duplicate ACKs, that mean a loss (RFC 5681 section 3.2, RFC 8985 section 6.2).
const DUP_THRESH: u32 = 3;

/// How long a receiver may delay an ACK, as a tail loss probe assumes.
const MAX_ACK_DELAY: Duration = Duration::from_millis(200);

/// Knows whether something is being repaired: until more is acknowledged than was outstanding when something was last lost, late,
/// probed or too long, what comes doesn't tell of a first loss, and the rules about that don't hold to the letter: duplicate
/// ACKs begin no recovery (RFC 6582 section 3.2, step 1), and a probe may still be waited for (RFC 8985 section 7.4.2).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Losses {
    /// How often that was so.
    harms: u64,
    /// Octets acknowledged while it isn't over; `None` if there was nothing to repair.
    until: Option<u64>,
    /// The mean round trip then: until another is measured, the tail need not be probed (RFC 8985 section 7.3).
    srtt: Option<Duration>,
}

impl Losses {
    pub(super) fn after_event(&mut self, moment: Moment<'_>) -> Result<(), Broken> {
        let Moment { info, ear, .. } = moment;
        self.follow(info, ear);
        if self.until.is_some_and(|until| info.bytes_acked <= until) {
            return Ok(());
        }
        loss_found(moment)?;
        if self.until.is_some() && info.srtt == self.srtt {
            return Ok(());
        }
        tail_probed(moment)
    }

    fn follow(&mut self, info: &Vitals, ear: &Ear) {
        let Vitals { fast_recoveries, timeouts, tail_probes, segments_lost, undone, .. } = *info;
        let harms = fast_recoveries + timeouts + tail_probes + segments_lost + undone + ear.exceeded_path();
        let is_repaired = info.lost == 0 && !matches!(info.phase, LossPhase::Recovery | LossPhase::Loss);
        if harms != self.harms || !is_repaired {
            self.until = Some(info.bytes_acked + u64::from(ear.outstanding_at_most()));
            self.srtt = info.srtt;
        }
        self.harms = harms;
    }
}

/// Three segments that overtook a hole make it lost (RFC 5681 section 3.2, RFC 8985 section 6.2), at once or within a tick. On a
/// path that was seen to reorder RACK waits for as long as the last round trip was longer than that of what overtook, and more:
/// how long that is only the sender knows.
fn loss_found(Moment { now, info, deadline, ear, limits }: Moment<'_>) -> Result<(), Broken> {
    let overtook = if ear.has_sack() { info.sacked / u32::from(info.snd_mss).max(1) } else { ear.dup_acks() };
    // A peer that acknowledges in pieces names what follows them right away.
    let is_hole = !ear.sacks_the_next();
    if overtook < DUP_THRESH || !is_hole || info.reordering_seen || !limits.trusted {
        return Ok(());
    }
    let soon = now + 2 * limits.tick + limits.granularity;
    if deadline().is_some_and(|at| at <= soon) {
        return Ok(());
    }
    broken(Invariant::LossFound, move || format!("{overtook} segments overtook a hole, and no recovery begins"))
}

/// PTO (RFC 8985 section 7.2), counted from now at the latest.
fn tail_probed(Moment { now, info, deadline, ear, limits }: Moment<'_>) -> Result<(), Broken> {
    let wants = ear.has_sack() && info.sacked == 0 && info.lost == 0 && info.snd_wnd > 0;
    let outstanding = ear.outstanding();
    let Some(srtt) = info.srtt.filter(|_| wants && outstanding > 0 && info.in_flight > 0) else {
        return Ok(());
    };
    // A FIN goes with the last segment.
    let delay = if outstanding > u32::from(info.snd_mss) + 1 { Duration::ZERO } else { MAX_ACK_DELAY };
    let timeout = (2 * srtt + delay + 2 * limits.granularity).min(info.rto);
    match deadline() {
        Some(at) if at > now + timeout + limits.tick => broken(Invariant::TailProbed, move || {
            format!("{outstanding} outstanding, no timer for {:?}, PTO {timeout:?}", at.since(now))
        }),
        _ => Ok(()),
    }
}
