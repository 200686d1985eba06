//! STATUS (RFC 9293 section 3.10.6).

use core::time::Duration;

use sockeye_wire::Instant;

use crate::counts::Doing;
use crate::tcb::Tcb;
use crate::{LossPhase, TcpInfo, Vitals};

impl Tcb {
    /// All there is to tell. Times are counted up to `now`.
    pub fn info(&self, now: Instant) -> TcpInfo {
        let agreed = &self.agreed;
        let (receiver_rtt, read_in_rtt) = self.recv.rates();
        TcpInfo {
            state: self.state,
            phase: self.phase(),
            sack: agreed.sack,
            timestamps: agreed.timestamps,
            window_shifts: agreed.scaling.then_some((agreed.snd_shift, agreed.rcv_shift)),
            ecn: agreed.ect,
            snd_mss: self.send.mss(),
            rcv_mss: self.recv.ack.rcv_mss(),
            announced_mss: self.config.announced_mss(),
            path_mss: self.path.size(),
            srtt: self.rtt.srtt(),
            rttvar: self.rtt.rttvar(),
            min_rtt: self.recovery.min_rtt(),
            receiver_rtt,
            handshake: Duration::from_micros(self.handshake.into()),
            rto: self.rtt.rto(),
            backoff: self.rtt.backoff(),
            timeouts_in_a_row: self.recovery.timeouts(),
            unanswered_probes: self.unanswered_probes.saturating_add(self.persist_backoff),
            delayed_ack: self.config.delayed_ack,
            snd_wnd: self.send.snd_wnd(),
            rcv_wnd: self.recv.rcv_wnd(),
            send_buffer: self.send_buffer(),
            send_queued: self.send.queued(),
            unsent: self.send.unsent(),
            receive_buffer: self.recv.buffer(),
            recv_queued: self.recv.queued(),
            read_in_rtt,
            ..self.info_of_flight(now)
        }
    }

    /// What is in flight, how much more may be, and what became of losses.
    fn info_of_flight(&self, now: Instant) -> TcpInfo {
        let (recovery, flight) = (self.recovery.counts(), self.recovery.segments());
        let (reordering, reordering_window) = self.recovery.reordering(&self.rtt);
        let (delivered, delivery_rate) = self.recovery.delivered();
        TcpInfo {
            congestion_control: self.congestion.name(),
            congestion: self.congestion.details(),
            cwnd: self.congestion.cwnd(),
            ssthresh: self.congestion.ssthresh(),
            pacing_rate: self.pacing_rate(),
            delivery_rate,
            app_limited: self.recovery.is_app_limited(),
            in_flight: self.recovery.in_flight(u32::from(self.send.mss())),
            lost: self.recovery.lost(),
            sacked: self.recovery.sacked(),
            segments_unacked: flight.unacked,
            segments_held_lost: flight.lost,
            segments_sacked: flight.sacked,
            segments_resent: flight.resent,
            bytes_resent: recovery.bytes_resent,
            delivered,
            retransmissions: recovery.retransmissions,
            slow_retransmissions: recovery.slow_retransmissions,
            tail_probes: recovery.probes,
            timeouts: recovery.timeouts,
            timeout_runs: recovery.timeout_runs,
            timeout_time: recovery.timeout_time,
            fast_recoveries: recovery.fast_recoveries,
            spurious_timeouts: recovery.spurious_timeouts,
            undone: recovery.undone,
            segments_lost: recovery.lost,
            duplicates_reported: recovery.duplicates,
            renegings: recovery.renegings,
            reordering_seen: reordering > 0,
            reordering,
            reordering_window,
            rack_rtt: self.recovery.rack_rtt(),
            ..self.info_of_traffic(now)
        }
    }

    /// What went to and fro, and how long who waited for what.
    fn info_of_traffic(&self, now: Instant) -> TcpInfo {
        let counts = &self.counts;
        let (marked_in, echoes, marked_delivered) = self.ecn.counts();
        let waiting_for_window = counts.spent.on(now, Doing::WaitingForWindow);
        let waiting_for_buffer = counts.spent.on(now, Doing::WaitingForBuffer);
        TcpInfo {
            bytes_sent: counts.bytes_sent,
            bytes_acked: self.send.acked(),
            bytes_received: self.recv.received(),
            segments_in: counts.segments_in.into(),
            segments_out: counts.segments_out.into(),
            data_segments_in: counts.data_segments_in.into(),
            data_segments_out: counts.data_segments_out.into(),
            out_of_order: counts.out_of_order.into(),
            marked_delivered,
            marked_in,
            echoes,
            last_data_sent: now.since(self.times.sent_at),
            last_data_received: counts.since_text(now),
            last_heard: now.since(self.times.heard_at),
            busy: counts.spent.on(now, Doing::Sending) + waiting_for_window + waiting_for_buffer,
            window_limited: waiting_for_window,
            buffer_limited: waiting_for_buffer,
            ..TcpInfo::default()
        }
    }

    /// What shows whether all is well.
    pub fn vitals(&self) -> Vitals {
        let recovery = self.recovery.counts();
        Vitals {
            state: self.state,
            phase: self.phase(),
            snd_mss: self.send.mss(),
            srtt: self.rtt.srtt(),
            min_rtt: self.recovery.min_rtt(),
            rto: self.rtt.rto(),
            congestion_control: self.congestion.name(),
            cwnd: self.congestion.cwnd(),
            ssthresh: self.congestion.ssthresh(),
            snd_wnd: self.send.snd_wnd(),
            rcv_wnd: self.recv.rcv_wnd(),
            send_queued: self.send.queued(),
            recv_queued: self.recv.queued(),
            in_flight: self.recovery.in_flight(u32::from(self.send.mss())),
            lost: self.recovery.lost(),
            sacked: self.recovery.sacked(),
            bytes_acked: self.send.acked(),
            delivered: self.recovery.delivered().0,
            echoes: self.ecn.counts().1,
            tail_probes: recovery.probes,
            timeouts: recovery.timeouts,
            fast_recoveries: recovery.fast_recoveries,
            undone: recovery.undone,
            segments_lost: recovery.lost,
            reordering_seen: self.recovery.reorders(),
        }
    }

    fn phase(&self) -> LossPhase {
        match self.recovery.phase() {
            LossPhase::Open | LossPhase::Disorder
                if self.ecn.has_reduced_beyond(self.send.snd_una(), self.send.snd_nxt()) =>
            {
                LossPhase::Reduced
            }
            phase => phase,
        }
    }
}
