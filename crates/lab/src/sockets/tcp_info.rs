//! `struct tcp_info` of linux/tcp.h, as Linux 6.18 has it.

use std::net::SocketAddr;
use std::time::Duration;

use sockeye::{LossPhase, State, TcpInfo};

use super::{Errno, Fd, Sockets};

/// Octets of the structure.
pub const TCP_INFO_LEN: usize = 280;

/// Linux's name for "no slow start threshold yet" (net/tcp.h).
const INFINITE_SSTHRESH: u64 = 0x7fff_ffff;

/// Linux's degree of reordering before any was seen: the duplicate ACKs that mean a loss (`tcp_reordering`).
const REORDERING: u64 = 3;

/// The structure's fields in its order, each with its octets. C aligns a field to its size; none needs padding.
const FIELDS: [(&str, usize); 84] = [
    ("tcpi_state", 1),
    ("tcpi_ca_state", 1),
    ("tcpi_retransmits", 1),
    ("tcpi_probes", 1),
    ("tcpi_backoff", 1),
    ("tcpi_options", 1),
    // Bit fields: the lower four bits are the peer's shift (tcpi_snd_wscale), the upper four ours.
    (WSCALES, 1),
    ("tcpi_delivery_rate_app_limited", 1),
    ("tcpi_rto", 4),
    ("tcpi_ato", 4),
    ("tcpi_snd_mss", 4),
    ("tcpi_rcv_mss", 4),
    ("tcpi_unacked", 4),
    ("tcpi_sacked", 4),
    ("tcpi_lost", 4),
    ("tcpi_retrans", 4),
    ("tcpi_fackets", 4),
    ("tcpi_last_data_sent", 4),
    ("tcpi_last_ack_sent", 4),
    ("tcpi_last_data_recv", 4),
    ("tcpi_last_ack_recv", 4),
    ("tcpi_pmtu", 4),
    ("tcpi_rcv_ssthresh", 4),
    ("tcpi_rtt", 4),
    ("tcpi_rttvar", 4),
    ("tcpi_snd_ssthresh", 4),
    ("tcpi_snd_cwnd", 4),
    ("tcpi_advmss", 4),
    ("tcpi_reordering", 4),
    ("tcpi_rcv_rtt", 4),
    ("tcpi_rcv_space", 4),
    ("tcpi_total_retrans", 4),
    ("tcpi_pacing_rate", 8),
    ("tcpi_max_pacing_rate", 8),
    ("tcpi_bytes_acked", 8),
    ("tcpi_bytes_received", 8),
    ("tcpi_segs_out", 4),
    ("tcpi_segs_in", 4),
    ("tcpi_notsent_bytes", 4),
    ("tcpi_min_rtt", 4),
    ("tcpi_data_segs_in", 4),
    ("tcpi_data_segs_out", 4),
    ("tcpi_delivery_rate", 8),
    ("tcpi_busy_time", 8),
    ("tcpi_rwnd_limited", 8),
    ("tcpi_sndbuf_limited", 8),
    ("tcpi_delivered", 4),
    ("tcpi_delivered_ce", 4),
    ("tcpi_bytes_sent", 8),
    ("tcpi_bytes_retrans", 8),
    ("tcpi_dsack_dups", 4),
    ("tcpi_reord_seen", 4),
    ("tcpi_rcv_ooopack", 4),
    ("tcpi_snd_wnd", 4),
    ("tcpi_rcv_wnd", 4),
    ("tcpi_rehash", 4),
    ("tcpi_total_rto", 2),
    ("tcpi_total_rto_recoveries", 2),
    ("tcpi_total_rto_time", 4),
    ("tcpi_received_ce", 4),
    ("tcpi_delivered_e1_bytes", 4),
    ("tcpi_delivered_e0_bytes", 4),
    ("tcpi_delivered_ce_bytes", 4),
    ("tcpi_received_e1_bytes", 4),
    ("tcpi_received_e0_bytes", 4),
    ("tcpi_received_ce_bytes", 4),
    ("tcpi_accecn_fail_mode", 2),
    ("tcpi_accecn_opt_seen", 2),
    // Behind the structure, for assertions only: not part of its layout.
    ("tcpi_snd_wscale", 0),
    ("tcpi_rcv_wscale", 0),
    ("tcpi_fastopen_client_fail", 0),
    // `union tcp_cc_info` (linux/inet_diag.h) under the names that packetdrill gives it: what `TCP_CC_INFO` tells.
    ("bbr_bw", 0),
    ("bbr_bw_lo", 0),
    ("bbr_bw_hi", 0),
    ("bbr_min_rtt", 0),
    ("bbr_pacing_gain", 0),
    ("bbr_cwnd_gain", 0),
    ("dctcp_enabled", 0),
    ("dctcp_ce_state", 0),
    ("dctcp_alpha", 0),
    ("dctcp_ab_ecn", 0),
    ("dctcp_ab_tot", 0),
    // What Linux tells nobody: RACK.rtt and RACK.reo_wnd of RFC 8985, in microseconds.
    ("rack_rtt", 0),
    ("rack_reo_wnd", 0),
];

/// The octet with both shifts.
const WSCALES: &str = "tcpi_wscales";

/// A snapshot in Linux's words and units: segments for windows, microseconds for round-trip times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinuxTcpInfo {
    known: Vec<(&'static str, u64)>,
}

impl LinuxTcpInfo {
    /// What the stack tells of a connection, in Linux's words and, where it has none, in those of RFC 8985. `headers` are
    /// the octets of an IP header and a TCP header without options.
    fn new(info: &TcpInfo, headers: u64) -> Self {
        let mut known = state_and_options(info);
        known.extend(times(info));
        known.extend(windows(info, headers));
        known.extend(counts(info));
        known.extend(control(info));
        Self { known }
    }

    /// The field of this name, `tcpi_rtt` for one. `Err` if Linux has no such field; `Ok(None)` if this stack doesn't
    /// tell it.
    ///
    /// # Errors
    /// The name again.
    pub fn get<'a>(&self, name: &'a str) -> Result<Option<u64>, &'a str> {
        if !FIELDS.iter().any(|(field, _)| *field == name) {
            return Err(name);
        }
        Ok(self.value(name))
    }

    fn value(&self, name: &str) -> Option<u64> {
        self.known.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// The structure in memory; what this stack doesn't tell is zero.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(TCP_INFO_LEN);
        for (name, octets) in FIELDS {
            let value = if name == WSCALES {
                let shift = |name| self.value(name).unwrap_or(0) & 15;
                shift("tcpi_snd_wscale") | shift("tcpi_rcv_wscale") << 4
            } else {
                self.value(name).unwrap_or(0)
            };
            let largest = if octets == 8 { u64::MAX } else { (1 << (8 * octets)) - 1 };
            bytes.extend_from_slice(value.min(largest).to_ne_bytes().get(..octets).unwrap_or_default());
        }
        bytes
    }

    /// What `TCP_CC_INFO` gives: the algorithm's structure in memory, nothing for one that has none.
    pub fn control_to_bytes(&self) -> Vec<u8> {
        let word = |name| u32::try_from(self.value(name).unwrap_or(0)).unwrap_or(u32::MAX).to_ne_bytes();
        if self.value("bbr_bw").is_some() {
            return ["bbr_bw_lo", "bbr_bw_hi", "bbr_min_rtt", "bbr_pacing_gain", "bbr_cwnd_gain"].map(word).concat();
        }
        if self.value("dctcp_alpha").is_some() {
            // `dctcp_enabled` and `dctcp_ce_state` are half a word each.
            let halves = [1_u16, 0].map(u16::to_ne_bytes).concat();
            return [halves, ["dctcp_alpha", "dctcp_ab_ecn", "dctcp_ab_tot"].map(word).concat()].concat();
        }
        Vec::new()
    }
}

/// A field's name and value.
type Known = (&'static str, u64);

fn state_and_options(info: &TcpInfo) -> Vec<Known> {
    // The bits of `tcpi_options` (TCPI_OPT_TIMESTAMPS and so on).
    let bits = [(info.timestamps, 1), (info.sack, 2), (info.window_shifts.is_some(), 4), (info.ecn, 8)];
    let options = bits.into_iter().filter(|(is_set, _)| *is_set).map(|(_, bit)| bit).sum();
    let (snd_shift, rcv_shift) = info.window_shifts.unwrap_or_default();
    // The order of `enum tcp_ca_state`.
    let phase = match info.phase {
        LossPhase::Open => 0,
        LossPhase::Disorder => 1,
        LossPhase::Reduced => 2,
        LossPhase::Recovery => 3,
        LossPhase::Loss => 4,
    };
    vec![
        ("tcpi_state", state(info.state)),
        ("tcpi_ca_state", phase),
        ("tcpi_retransmits", info.timeouts_in_a_row.into()),
        ("tcpi_probes", info.unanswered_probes.into()),
        ("tcpi_backoff", info.backoff.into()),
        ("tcpi_options", options),
        ("tcpi_snd_wscale", snd_shift.into()),
        ("tcpi_rcv_wscale", rcv_shift.into()),
        ("tcpi_delivery_rate_app_limited", info.app_limited.into()),
    ]
}

fn times(info: &TcpInfo) -> Vec<Known> {
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    vec![
        ("tcpi_rto", micros(info.rto)),
        ("tcpi_ato", micros(info.delayed_ack)),
        ("tcpi_rtt", micros(info.srtt.unwrap_or_default())),
        ("tcpi_rttvar", micros(info.rttvar)),
        ("tcpi_min_rtt", micros(info.min_rtt.unwrap_or_default())),
        ("tcpi_rcv_rtt", micros(info.receiver_rtt.unwrap_or_default())),
        ("tcpi_busy_time", micros(info.busy)),
        ("tcpi_rwnd_limited", micros(info.window_limited)),
        ("tcpi_sndbuf_limited", micros(info.buffer_limited)),
        ("tcpi_last_data_sent", millis(info.last_data_sent)),
        ("tcpi_last_data_recv", millis(info.last_data_received)),
        ("tcpi_last_ack_recv", millis(info.last_heard)),
        ("tcpi_total_rto_time", millis(info.timeout_time)),
    ]
}

fn windows(info: &TcpInfo, headers: u64) -> Vec<Known> {
    let whole = |octets: u32| u64::from(octets) / u64::from(info.snd_mss.max(1));
    let ssthresh = if info.ssthresh >= 1 << 30 { INFINITE_SSTHRESH } else { whole(info.ssthresh) };
    vec![
        ("tcpi_snd_mss", info.snd_mss.max(1).into()),
        ("tcpi_rcv_mss", info.rcv_mss.into()),
        ("tcpi_advmss", info.announced_mss.into()),
        ("tcpi_pmtu", u64::from(info.path_mss) + headers),
        ("tcpi_unacked", info.segments_unacked.into()),
        ("tcpi_sacked", info.segments_sacked.into()),
        ("tcpi_lost", info.segments_held_lost.into()),
        ("tcpi_retrans", info.segments_resent.into()),
        ("tcpi_snd_ssthresh", ssthresh),
        ("tcpi_snd_cwnd", whole(info.cwnd)),
        ("tcpi_snd_wnd", info.snd_wnd.into()),
        ("tcpi_rcv_wnd", info.rcv_wnd.into()),
        ("tcpi_rcv_ssthresh", info.receive_buffer.into()),
        ("tcpi_rcv_space", info.read_in_rtt.into()),
        ("tcpi_notsent_bytes", info.unsent.into()),
        ("tcpi_pacing_rate", info.pacing_rate.unwrap_or(u64::MAX)),
        ("tcpi_max_pacing_rate", u64::MAX),
        ("tcpi_delivery_rate", info.delivery_rate),
    ]
}

fn counts(info: &TcpInfo) -> Vec<Known> {
    let segments = |octets: u64| octets.div_ceil(info.snd_mss.max(1).into());
    vec![
        ("tcpi_total_retrans", info.retransmissions),
        ("tcpi_bytes_acked", info.bytes_acked),
        ("tcpi_bytes_received", info.bytes_received),
        ("tcpi_bytes_sent", info.bytes_sent),
        ("tcpi_bytes_retrans", info.bytes_resent),
        ("tcpi_segs_out", info.segments_out),
        ("tcpi_segs_in", info.segments_in),
        ("tcpi_data_segs_in", info.data_segments_in),
        ("tcpi_data_segs_out", info.data_segments_out),
        ("tcpi_delivered", segments(info.delivered)),
        ("tcpi_delivered_ce", segments(info.marked_delivered)),
        ("tcpi_received_ce", info.marked_in),
        ("tcpi_dsack_dups", info.duplicates_reported),
        ("tcpi_reord_seen", info.reordering_seen.into()),
        ("tcpi_reordering", u64::from(info.reordering).max(REORDERING)),
        ("tcpi_rcv_ooopack", info.out_of_order),
        ("tcpi_total_rto", info.timeouts),
        ("tcpi_total_rto_recoveries", info.timeout_runs),
        // Linux has these fields and never sets them, or only for Fast Open (`tcp_get_info` in net/ipv4/tcp.c).
        ("tcpi_fackets", 0),
        ("tcpi_last_ack_sent", 0),
        ("tcpi_fastopen_client_fail", 0),
    ]
}

/// What the congestion control and RACK tell.
fn control(info: &TcpInfo) -> Vec<Known> {
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    // Linux has gains in 1/256.
    let gain = |hundredths: u16| u64::from(hundredths) * 256 / 100;
    let details = &info.congestion;
    let mut known =
        vec![("rack_rtt", micros(info.rack_rtt.unwrap_or_default())), ("rack_reo_wnd", micros(info.reordering_window))];
    match info.congestion_control {
        "bbr" => known.extend([
            ("bbr_bw", details.bandwidth),
            ("bbr_bw_lo", details.bandwidth & u64::from(u32::MAX)),
            ("bbr_bw_hi", details.bandwidth >> 32),
            ("bbr_min_rtt", micros(details.min_rtt)),
            ("bbr_pacing_gain", gain(details.pacing_gain)),
            ("bbr_cwnd_gain", gain(details.cwnd_gain)),
        ]),
        "dctcp" => known.extend([("dctcp_enabled", 1), ("dctcp_alpha", details.marked_fraction.into())]),
        _ => {}
    }
    known
}

/// Linux's number of a state (`net/tcp_states.h`).
const fn state(state: State) -> u64 {
    match state {
        State::Established => 1,
        State::SynSent => 2,
        State::SynReceived => 3,
        State::FinWait1 => 4,
        State::FinWait2 => 5,
        State::TimeWait => 6,
        State::Closed => 7,
        State::CloseWait => 8,
        State::LastAck => 9,
        State::Listen => 10,
        State::Closing => 11,
    }
}

impl Sockets {
    /// What there is to tell of the socket's connection.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn tcp_info(&self, fd: Fd) -> Result<LinuxTcpInfo, Errno> {
        use super::Role;
        let lone = |state| LinuxTcpInfo { known: vec![("tcpi_state", state)] };
        Ok(match self.get(fd)?.role {
            Role::Fresh => lone(7),
            Role::Listening(_) => lone(10),
            Role::Connection(id) => {
                let headers = match self.stack.local_addr(id) {
                    Some(SocketAddr::V6(_)) => 60,
                    _ => 40,
                };
                self.stack.info(self.now, id).map_or_else(|| lone(7), |info| LinuxTcpInfo::new(&info, headers))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offset(name: &str) -> usize {
        FIELDS.iter().take_while(|(field, _)| *field != name).map(|(_, octets)| octets).sum()
    }

    #[test]
    fn fields_stand_where_linux_has_them() {
        let expected = [
            ("tcpi_options", 5),
            ("tcpi_snd_mss", 16),
            ("tcpi_lost", 32),
            ("tcpi_last_data_recv", 52),
            ("tcpi_rtt", 68),
            ("tcpi_snd_cwnd", 80),
            ("tcpi_reordering", 88),
            ("tcpi_pacing_rate", 104),
            ("tcpi_min_rtt", 148),
            ("tcpi_busy_time", 168),
            ("tcpi_delivered", 192),
            ("tcpi_reord_seen", 220),
        ];
        for (name, at) in expected {
            assert_eq!(offset(name), at, "{name}");
        }
        assert_eq!(LinuxTcpInfo::default().to_bytes().len(), TCP_INFO_LEN);
    }

    #[test]
    fn every_field_is_aligned_to_its_size() {
        for (name, octets) in FIELDS.into_iter().filter(|(_, octets)| *octets > 0) {
            assert_eq!(offset(name) % octets, 0, "{name}");
        }
    }
}
