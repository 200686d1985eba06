//! The rule about text that the windows have room for: only pacing holds it back, and not for long.

use std::time::Duration;

use sockeye::State;
use sockeye_tcb::{LossPhase, Vitals};
use sockeye_wire::{Instant, SeqNumber};

use super::super::ear::Ear;
use super::super::invariants::{Broken, Invariant, broken};
use super::Moment;

/// The longest that pacing holds something back.
const LONGEST: Duration = Duration::from_secs(5);

/// Knows by when text that might have left must have done so.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Held {
    latest: Option<Instant>,
    snd_nxt: SeqNumber,
    /// A timeout after the last mark.
    marked_until: Instant,
    echoes: u64,
    rto: Duration,
}

impl Held {
    /// A whole segment for which there is room leaves (RFC 9293 section 3.8.6.2.1), when the pacer lets it go, or when a timeout
    /// has passed where the network marked the only segment that the window has (RFC 3168 section 6.1.2).
    pub(super) fn after_event(&mut self, moment: Moment<'_>) -> Result<(), Broken> {
        let Moment { now, info, deadline, ear, limits } = moment;
        let moved = ear.snd_nxt() != std::mem::replace(&mut self.snd_nxt, ear.snd_nxt());
        // The ACK that tells of the mark may shorten the timeout.
        let rto = info.rto.max(std::mem::replace(&mut self.rto, info.rto));
        if info.echoes > std::mem::replace(&mut self.echoes, info.echoes) {
            self.marked_until = self.marked_until.max(now + rto);
        }
        let may_leave = may_leave(info, ear);
        if moved || !may_leave {
            self.latest = None;
        }
        if !may_leave {
            return Ok(());
        }
        let latest = *self.latest.get_or_insert((now + LONGEST).max(self.marked_until) + limits.tick * 3);
        let due = deadline();
        if now > latest || due.is_none_or(|due| due > latest) {
            return broken(Invariant::LeavesInTime, move || {
                format!("text might leave until {latest:?}, and something is due at {due:?}")
            });
        }
        Ok(())
    }
}

/// True if there is a segment to send, and room for it in both windows, and no ACK is waited for that would let more out: while
/// something is in flight, a probe of the path's MTU may wait for room for itself.
fn may_leave(info: &Vitals, ear: &Ear) -> bool {
    let sends = matches!(info.state, State::Established | State::CloseWait | State::FinWait1 | State::LastAck);
    let mss = u32::from(info.snd_mss);
    sends
        && info.phase == LossPhase::Open
        && ear.outstanding_at_most() == 0
        && [info.send_queued, info.snd_wnd, info.cwnd].iter().all(|room| *room >= mss)
}
