//! Rules about one connection, judged after each event by what it tells of itself and by what was heard of it.

use std::time::Duration;

use sockeye::State;
use sockeye_tcb::{LossPhase, Vitals};
use sockeye_wire::Instant;

use super::ear::Ear;
use super::invariants::{Broken, Invariant, Limits};

/// Segments selectively acknowledged, or duplicate ACKs, that mean a loss (RFC 5681 section 3.2, RFC 8985 section 6.2).
const DUP_THRESH: u32 = 3;

/// How long a receiver may delay an ACK, as a tail loss probe assumes.
const MAX_ACK_DELAY: Duration = Duration::from_millis(200);

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
    /// What it told after the last event.
    last: Option<Last>,
}

/// What of it the next event is compared with.
#[derive(Clone, Copy, Debug)]
struct Last {
    snd_mss: u16,
    snd_wnd: u32,
    cwnd: u32,
    ssthresh: u32,
    delivered: u64,
    echoes: u64,
    timeouts: u64,
    fast_recoveries: u64,
    undone: u64,
    phase: LossPhase,
}

impl Last {
    const fn of(info: &Vitals) -> Self {
        let Vitals { snd_mss, snd_wnd, cwnd, ssthresh, delivered, echoes, timeouts, .. } = *info;
        let Vitals { fast_recoveries, undone, phase, .. } = *info;
        Self { snd_mss, snd_wnd, cwnd, ssthresh, delivered, echoes, timeouts, fast_recoveries, undone, phase }
    }
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
        ear.acks_in_time(now, limits).map_err(|detail| (Invariant::AcksInTime, detail))?;
        if info.state.is_synchronized() {
            flight_adds_up(info, ear, limits)?;
            loss_found(info, ear, limits)?;
            times_true(info, limits)?;
            tail_probed(now, info, &deadline, ear, limits)?;
            if let Some(last) = self.last.as_ref().filter(|last| last.snd_mss == info.snd_mss) {
                grows_as_acked(last, info)?;
                slows_on_loss(last, info)?;
            }
            self.last = Some(Last::of(info));
        }
        self.backs_off(now, info, limits)
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
            return Ok(());
        };
        let waited = now.since(at);
        if waited + limits.tick * 3 < rto {
            return Err((Invariant::BacksOff, format!("waited {waited:?}, the RTO was {rto:?}")));
        }
        if info.rto < (rto * 2).min(limits.max_rto) {
            return Err((Invariant::BacksOff, format!("an RTO of {rto:?} is doubled to {:?}", info.rto)));
        }
        Ok(())
    }
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
        let detail = format!("{state}, {} outstanding, {send_queued} queued, window {snd_wnd}", ear.outstanding());
        return Err((Invariant::TimerArmed, detail));
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
        let detail = format!("{in_flight} in flight, {sacked} sacked, {lost} lost; outstanding {least} to {most}");
        return Err((Invariant::FlightAddsUp, detail));
    }
    if info.cwnd < u32::from(info.snd_mss) || info.cwnd > 1 << 31 {
        return Err((Invariant::FlightAddsUp, format!("cwnd {} with segments of {}", info.cwnd, info.snd_mss)));
    }
    if u64::from(info.sacked) > ear.sacked() {
        return Err((Invariant::SacksAsHeard, format!("{} sacked, {} were named", info.sacked, ear.sacked())));
    }
    Ok(())
}

/// True while nothing was ever lost, late, probed or too long on the connection: the rules for a first loss hold to the
/// letter.
const fn is_unharmed(info: &Vitals, ear: &Ear) -> bool {
    let Vitals { fast_recoveries, timeouts, tail_probes, reordering_seen, .. } = *info;
    fast_recoveries == 0 && timeouts == 0 && tail_probes == 0 && !reordering_seen && !ear.exceeded_path()
}

fn loss_found(info: &Vitals, ear: &Ear, limits: &Limits) -> Result<(), Broken> {
    if info.segments_lost > 0 || !limits.trusted || !is_unharmed(info, ear) {
        return Ok(());
    }
    let overtook = if ear.has_sack() { info.sacked / u32::from(info.snd_mss).max(1) } else { ear.dup_acks() };
    if overtook >= DUP_THRESH {
        return Err((Invariant::LossFound, format!("{overtook} segments overtook a hole, and no recovery begins")));
    }
    Ok(())
}

fn times_true(info: &Vitals, limits: &Limits) -> Result<(), Broken> {
    let Some(measured) = info.min_rtt.filter(|measured| limits.trusted && *measured < limits.least_rtt) else {
        return Ok(());
    };
    // What clocks round, and timestamps.
    if measured + limits.tick * 2 + Duration::from_millis(2) < limits.least_rtt {
        let detail = format!("a round trip of {measured:?}, the path takes {:?}", limits.least_rtt);
        return Err((Invariant::TimesTrue, detail));
    }
    Ok(())
}

/// PTO (RFC 8985 section 7.2), counted from now at the latest.
fn tail_probed(
    now: Instant,
    info: &Vitals,
    deadline: impl Fn() -> Option<Instant>,
    ear: &Ear,
    limits: &Limits,
) -> Result<(), Broken> {
    let wants = is_unharmed(info, ear) && ear.has_sack() && info.sacked == 0 && info.lost == 0 && info.snd_wnd > 0;
    let outstanding = ear.outstanding();
    let Some(srtt) = info.srtt.filter(|_| wants && outstanding > 0 && info.in_flight > 0) else {
        return Ok(());
    };
    // A FIN goes with the last segment.
    let delay = if outstanding > u32::from(info.snd_mss) + 1 { Duration::ZERO } else { MAX_ACK_DELAY };
    let timeout = (2 * srtt + delay + 2 * limits.granularity).min(info.rto);
    match deadline() {
        Some(at) if at > now + timeout + limits.tick => {
            let detail = format!("{outstanding} outstanding, no timer for {:?}, PTO {timeout:?}", at.since(now));
            Err((Invariant::TailProbed, detail))
        }
        _ => Ok(()),
    }
}

/// In slow start: byte counting with a limit of what was acknowledged (RFC 3465 section 2), so whoever acknowledges a segment
/// in many pieces gains nothing. Behind it CUBIC follows a curve, and may catch up with its estimate in one step (RFC 9438
/// section 4.3). BBR restores a window that it knows from before; an undo gives back what was taken; a window of one segment
/// becomes two when a loss is found (RFC 5681 equation 4). An ACK that tells of marks lets nothing grow (RFC 3168 section
/// 6.1.2).
fn grows_as_acked(last: &Last, info: &Vitals) -> Result<(), Broken> {
    if info.cwnd <= last.cwnd {
        return Ok(());
    }
    let delivered = u32::try_from(info.delivered - last.delivered).unwrap_or(u32::MAX);
    let same = info.undone == last.undone && info.fast_recoveries == last.fast_recoveries;
    let has_model = info.congestion_control == "bbr";
    // DCTCP answers the loss that a probe of the tail has repaired besides the mark (RFC 8257 section 3.5).
    let answered =
        if info.tail_probes > 0 && info.congestion_control == "dctcp" { 2 * u32::from(info.snd_mss) } else { 0 };
    if same && !has_model && info.echoes > last.echoes && info.cwnd > last.cwnd.max(answered) {
        let detail = format!("from {} to {}, and the ACK tells of marks", last.cwnd, info.cwnd);
        return Err((Invariant::GrowsAsAcked, detail));
    }
    let slow_start = last.cwnd < last.ssthresh && info.cwnd <= info.ssthresh && !has_model;
    let most = last.cwnd.saturating_add(delivered).max(2 * u32::from(info.snd_mss));
    if same && slow_start && info.cwnd > most {
        let detail = format!("from {} to {}, {delivered} octets were delivered", last.cwnd, info.cwnd);
        return Err((Invariant::GrowsAsAcked, detail));
    }
    Ok(())
}

/// RFC 5681 equation 4 and RFC 9438 section 4.6: a recovery begins with at most 0.7 of the window, a timeout with one segment.
/// BBR answers to a loss by its model; a loss in a window that was marked was answered with the mark (RFC 3168 section 6.1.2).
fn slows_on_loss(last: &Last, info: &Vitals) -> Result<(), Broken> {
    if info.timeouts == last.timeouts && info.fast_recoveries == last.fast_recoveries {
        return Ok(());
    }
    let mss = u32::from(info.snd_mss);
    let broken = |what: &str| {
        let detail = format!("{what}: cwnd from {} to {}, ssthresh {}", last.cwnd, info.cwnd, info.ssthresh);
        Err((Invariant::SlowsOnLoss, detail))
    };
    if info.timeouts > last.timeouts && info.snd_wnd > 0 && last.snd_wnd > 0 && info.cwnd > mss {
        return broken("a timeout");
    }
    // The ACK that shows the loss may itself have let the window grow, where a timeout is just repaired: in slow start, by
    // Reno's segment, or along CUBIC's curve, by half of what is delivered at most (RFC 9438 section 4.2).
    let delivered = u32::try_from(info.delivered - last.delivered).unwrap_or(u32::MAX);
    let growth = match last.phase {
        LossPhase::Loss if last.cwnd < last.ssthresh => delivered,
        LossPhase::Loss => mss.max(delivered / 2),
        _ => 0,
    };
    let was = last.cwnd.saturating_add(growth);
    let most = (was / 10).saturating_mul(7).saturating_add(mss).max(2 * mss);
    let began = info.fast_recoveries > last.fast_recoveries && info.undone == last.undone && info.echoes == 0;
    if began && info.congestion_control != "bbr" && info.ssthresh.min(info.cwnd) > most {
        return broken("a recovery");
    }
    Ok(())
}

fn buffer_limit(info: &Vitals, ear: &Ear, limits: &Limits) -> Result<(), Broken> {
    let most = limits.receive_buffer.saturating_add(ear.window_step());
    if info.recv_queued > most {
        return Err((Invariant::BufferLimit, format!("{} of {} wait to be read", info.recv_queued, most)));
    }
    Ok(())
}

fn window_reopens(info: &Vitals, limits: &Limits) -> Result<(), Broken> {
    if info.state.receives_text() && info.recv_queued == 0 && info.rcv_wnd == 0 && limits.receive_buffer > 0 {
        return Err((Invariant::WindowReopens, "nothing waits to be read, yet the window is closed".into()));
    }
    Ok(())
}
