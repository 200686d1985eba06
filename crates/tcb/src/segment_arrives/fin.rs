//! Eighth step of SEGMENT ARRIVES: the FIN bit (RFC 9293 section 3.10.7.4).

use alloc::boxed::Box;
use core::time::Duration;

use sockeye_wire::Instant;

use super::time_wait::TimeWait;
use crate::challenge::Challenge;
use crate::state::Cause;
use crate::tcb::Tcb;
use crate::timeouts::{Deadlines, Timer};
use crate::{ClosedBecause, State};

impl Tcb {
    //= rfc9293#3.10.7.4-20
    //= rfc9293#3.10.7.4-21
    //= rfc9293#3.10.7.4-22
    pub(super) fn check_fin(&mut self, now: Instant) {
        if !self.state.receives_text() || !self.recv.take_fin() {
            return;
        }
        self.notices.readable = true;
        // The ACK step has run: if our FIN was acknowledged by this segment, FIN-WAIT-1 has become FIN-WAIT-2.
        self.go(Cause::PeerFin);
        if self.state == State::CloseWait && self.peer_is_near() {
            self.recv.ack.on_fin_of_near_peer();
            self.deadlines.stop(Timer::DelayedAck);
            self.schedule_ack(now);
        } else {
            self.recv.ack.now();
        }
        if self.state == State::TimeWait {
            self.enter_time_wait(now);
        }
    }

    //= rfc9293#3.10.7.4-23
    //= rfc9293#MUST-13
    /// Both ends have closed: the other timers stop, the 2 MSL timer runs.
    pub(super) fn enter_time_wait(&mut self, now: Instant) {
        let mut time_wait = TimeWait {
            snd_nxt: self.send.snd_nxt(),
            rcv_nxt: self.recv.rcv_nxt(),
            window: self.recv.advertise(),
            timestamps: self.agreed.timestamps,
            ts_recent: self.recv.timestamps.recent(),
            timestamp_offset: self.timestamp_offset,
            challenge: Challenge::default(),
            until: now,
            length: whole_seconds(self.config.time_wait),
        };
        time_wait.restart(now);
        self.deadlines = Deadlines::NONE;
        self.deadlines.set(Timer::Linger, time_wait.until());
        self.time_wait = Some(Box::new(time_wait));
        self.closed_because = Some(ClosedBecause::Finished);
        self.notices.closed = true;
    }
}

/// Rounded up; 255 at most.
fn whole_seconds(duration: Duration) -> u8 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    u8::try_from(seconds).unwrap_or(u8::MAX)
}
