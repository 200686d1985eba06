//! Rules about one connection, judged after each event by what it tells of itself and by what was heard of it.

mod avoidance;
mod held;
mod loss;
mod window;

#[cfg(test)]
mod tests;

use std::time::Duration;

use sockeye::State;
use sockeye_tcb::Vitals;
use sockeye_wire::Instant;

use super::ear::Ear;
use super::invariants::{Broken, Invariant, Limits, broken};
use held::Held;
use loss::Losses;
use window::Window;

/// What there is to judge by after an event.
#[derive(Clone, Copy)]
struct Moment<'a> {
    now: Instant,
    /// What the connection tells of itself.
    info: &'a Vitals,
    /// When something is due for it.
    deadline: &'a dyn Fn() -> Option<Instant>,
    /// What was heard of it on the wire.
    ear: &'a Ear,
    limits: &'a Limits,
}

/// Judges one connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Judge {
    timeouts: u64,
    acked: u64,
    delivered: u64,
    srtt: Option<Duration>,
    undone: u64,
    /// When the last timeout was, and the RTO after it; `None` if there was news since.
    timed_out: Option<(Instant, Duration)>,
    /// Timeouts since then that left the RTO as it was.
    linear: u8,
    /// The RTO after the last timeout, and the ACKs by then that might have been measured; `None` once another has come.
    backed_off: Option<(Duration, u64)>,
    window: Window,
    losses: Losses,
    held: Held,
    /// Nothing was to be sent or acknowledged after the last event.
    is_idle: bool,
}

impl Judge {
    /// `deadline` says when something is due for the connection, `ear` is what was heard of it on the wire.
    pub(super) fn after_event(
        &mut self,
        now: Instant,
        info: &Vitals,
        deadline: impl Fn() -> Option<Instant>,
        ear: &Ear,
        limits: &Limits,
    ) -> Result<(), Broken> {
        timer_armed(info, &deadline, ear)?;
        buffer_limit(info, ear, limits)?;
        window_reopens(info, limits)?;
        ear.acks_in_time(now, limits)?;
        if self.rests(info, ear) {
            return Ok(());
        }
        if info.state.is_synchronized() {
            flight_adds_up(info, ear, limits)?;
            times_true(info, limits)?;
            let moment = Moment { now, info, deadline: &deadline, ear, limits };
            self.losses.after_event(moment)?;
            self.held.after_event(moment)?;
            self.window.after_event(now, info, ear, limits)?;
            self.is_idle = is_idle(info, ear);
        }
        self.keeps_back_off(info, ear, limits)?;
        self.backs_off(now, info, limits)
    }

    /// True if nothing was to be sent or acknowledged after the last event, and but for what has arrived all is as it was then: what
    /// the rules about sending found then, they would find again.
    fn rests(&self, info: &Vitals, ear: &Ear) -> bool {
        let Vitals { rcv_wnd, recv_queued, .. } = *info;
        let is_same = |last: &Vitals| *info == Vitals { rcv_wnd, recv_queued, ..*last };
        self.is_idle && is_idle(info, ear) && self.window.last().is_some_and(is_same)
    }

    /// The back-off lasts until something is measured that was sent once, or tells which transmission it answers (RFC 6298
    /// sections 3 and 5.3), or the timeout proves spurious (RFC 4015 section 3.1).
    fn keeps_back_off(&mut self, info: &Vitals, ear: &Ear, limits: &Limits) -> Result<(), Broken> {
        if info.timeouts != self.timeouts {
            self.backed_off = Some((info.rto, ear.measurable()));
        }
        let Some((rto, measurable)) = self.backed_off else {
            return Ok(());
        };
        if info.undone != self.undone || ear.measurable() != measurable {
            self.backed_off = None;
        } else if info.rto < rto && limits.trusted {
            return broken(Invariant::BacksOff, move || {
                format!("from {rto:?} to {:?}, and nothing was measured", info.rto)
            });
        }
        Ok(())
    }

    /// Without news a timeout comes no sooner than the RTO that the last one left, and doubles it (RFC 6298 sections 5.4 to
    /// 5.6). What was sent again meanwhile, or probed with, may have it come later.
    fn backs_off(&mut self, now: Instant, info: &Vitals, limits: &Limits) -> Result<(), Broken> {
        // What SACK has measured ends the back-off, too, also where it leaves the mean as it is; and a timeout that proves
        // spurious wasn't one (RFC 4015 section 3.1).
        let taken_back = self.timed_out.is_some_and(|(_, rto)| info.rto < rto);
        let measured = info.srtt != self.srtt || (info.delivered != self.delivered && taken_back);
        if info.bytes_acked != self.acked || measured || info.undone != self.undone {
            self.timed_out = None;
        }
        (self.acked, self.delivered) = (info.bytes_acked, info.delivered);
        (self.srtt, self.undone) = (info.srtt, info.undone);
        if info.timeouts == std::mem::replace(&mut self.timeouts, info.timeouts) {
            return Ok(());
        }
        let Some((at, rto)) = self.timed_out.replace((now, info.rto)) else {
            self.linear = 1; // perhaps
            return Ok(());
        };
        let waited = now.since(at);
        if waited + limits.tick * 3 < rto {
            return broken(Invariant::BacksOff, move || format!("waited {waited:?}, the RTO was {rto:?}"));
        }
        if info.rto == rto && self.linear < limits.linear_timeouts {
            self.linear += 1;
        } else if info.rto < (rto * 2).min(limits.max_rto) {
            return broken(Invariant::BacksOff, move || format!("an RTO of {rto:?} is doubled to {:?}", info.rto));
        }
        Ok(())
    }
}

/// True if nothing is to be sent or acknowledged.
fn is_idle(info: &Vitals, ear: &Ear) -> bool {
    ear.outstanding_at_most() == 0 && info.send_queued == 0
}

/// True where our SYN, text or FIN wait for the peer.
fn owes_something(info: &Vitals, ear: &Ear) -> bool {
    match info.state {
        State::SynSent | State::SynReceived | State::TimeWait => true,
        State::Established | State::CloseWait | State::FinWait1 | State::Closing | State::LastAck => {
            ear.outstanding() > 0 || info.send_queued > 0
        }
        State::Closed | State::Listen | State::FinWait2 => false,
    }
}

fn timer_armed(info: &Vitals, deadline: impl Fn() -> Option<Instant>, ear: &Ear) -> Result<(), Broken> {
    if owes_something(info, ear) && deadline().is_none() {
        let Vitals { state, send_queued, snd_wnd, .. } = info;
        return broken(Invariant::TimerArmed, move || {
            format!("{state}, {} outstanding, {send_queued} queued, window {snd_wnd}", ear.outstanding())
        });
    }
    Ok(())
}

/// Each octet that is outstanding is in flight, selectively acknowledged, or held lost; once only, however often it was sent
/// (RFC 6675 counts what is sent again twice; here what is held lost no longer counts as in flight). A peer without SACK tells
/// by duplicate ACKs what has left the network, not which.
fn flight_adds_up(info: &Vitals, ear: &Ear, limits: &Limits) -> Result<(), Broken> {
    let sum = info.in_flight.saturating_add(info.sacked).saturating_add(info.lost);
    let (least, most) = (ear.outstanding(), ear.outstanding_at_most());
    let is_open = |state: State| {
        matches!(state, State::Established | State::CloseWait | State::FinWait1 | State::Closing | State::LastAck)
    };
    if sum > most || (sum < least && limits.trusted && ear.has_sack() && is_open(info.state)) {
        let Vitals { in_flight, sacked, lost, .. } = info;
        return broken(Invariant::FlightAddsUp, move || {
            format!("{in_flight} in flight, {sacked} sacked, {lost} lost; outstanding {least} to {most}")
        });
    }
    if info.cwnd < u32::from(info.snd_mss) || info.cwnd > 1 << 31 {
        return broken(Invariant::FlightAddsUp, move || {
            format!("cwnd {} with segments of {}", info.cwnd, info.snd_mss)
        });
    }
    if u64::from(info.sacked) > ear.sacked() {
        return broken(Invariant::SacksAsHeard, move || format!("{} sacked, {} were named", info.sacked, ear.sacked()));
    }
    Ok(())
}

fn times_true(info: &Vitals, limits: &Limits) -> Result<(), Broken> {
    let Some(measured) = info.min_rtt.filter(|measured| limits.trusted && *measured < limits.least_rtt) else {
        return Ok(());
    };
    // What clocks round, and timestamps.
    if measured + limits.tick * 2 + Duration::from_millis(2) < limits.least_rtt {
        return broken(Invariant::TimesTrue, move || {
            format!("a round trip of {measured:?}, the path takes {:?}", limits.least_rtt)
        });
    }
    Ok(())
}

fn buffer_limit(info: &Vitals, ear: &Ear, limits: &Limits) -> Result<(), Broken> {
    let most = limits.receive_buffer.saturating_add(ear.window_step());
    if info.recv_queued > most {
        return broken(Invariant::BufferLimit, move || format!("{} of {} wait to be read", info.recv_queued, most));
    }
    Ok(())
}

fn window_reopens(info: &Vitals, limits: &Limits) -> Result<(), Broken> {
    if info.state.receives_text() && info.recv_queued == 0 && info.rcv_wnd == 0 && limits.receive_buffer > 0 {
        return broken(Invariant::WindowReopens, move || "nothing waits to be read, yet the window is closed".into());
    }
    Ok(())
}
