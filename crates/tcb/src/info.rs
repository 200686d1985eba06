//! What a connection tells about itself.

use core::time::Duration;

use crate::State;
use crate::congestion::Details;

/// A snapshot of a connection: what Linux's `tcp_info` has, and more of recovery and congestion control. Its names there
/// stand in the descriptions, without `tcpi_`.
///
/// All figures are of this connection alone; times are counted up to the instant of the snapshot; octets are octets of
/// text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpInfo {
    /// The state (`state`).
    pub state: State,
    /// Where the sender stands with losses (`ca_state`).
    pub phase: LossPhase,

    /// Both sides can read SACK (`options`, as the next three).
    pub sack: bool,
    /// All segments carry timestamps.
    pub timestamps: bool,
    /// What the peer's window fields are to be shifted by, and what ours are; `None` without window scaling (`snd_wscale`,
    /// `rcv_wscale`).
    pub window_shifts: Option<(u8, u8)>,
    /// Text that we send may be marked by the network: explicit congestion notification was agreed on.
    pub ecn: bool,

    /// Octets that one segment carries at most, options subtracted: Eff.snd.MSS (`snd_mss`).
    pub snd_mss: u16,
    /// The size of the peer's full segments, in octets, as they come at present (`rcv_mss`).
    pub rcv_mss: u32,
    /// The MSS that we announced (`advmss`).
    pub announced_mss: u16,
    /// Octets that a packet on this path carries without options: the path MTU less IP and TCP header (`pmtu`).
    pub path_mss: u16,

    /// The smoothed round-trip time; `None` before the first sample (`rtt`).
    pub srtt: Option<Duration>,
    /// Its mean deviation (`rttvar`).
    pub rttvar: Duration,
    /// The least round-trip time of the last five to ten seconds; `None` before the first sample (`min_rtt`).
    pub min_rtt: Option<Duration>,
    /// The round-trip time as it shows to a receiver of text; `None` before the first sample (`rcv_rtt`).
    pub receiver_rtt: Option<Duration>,
    /// From our SYN to ESTABLISHED, to the microsecond; zero until then.
    pub handshake: Duration,
    /// The retransmission timeout, back-off included (`rto`).
    pub rto: Duration,
    /// How often it is doubled at present (`backoff`).
    pub backoff: u8,
    /// Timeouts since something new was last acknowledged (`retransmits`).
    pub timeouts_in_a_row: u8,
    /// Probes of the peer, or of its closed window, that go unanswered (`probes`).
    pub unanswered_probes: u8,
    /// How long an ACK may wait (`ato`).
    pub delayed_ack: Duration,

    /// The name of the congestion control.
    pub congestion_control: &'static str,
    /// What it has to tell about itself: the phase, and for BBR its model of the path.
    pub congestion: Details,
    /// The congestion window, in octets (`snd_cwnd`).
    pub cwnd: u32,
    /// The slow start threshold, in octets (`snd_ssthresh`).
    pub ssthresh: u32,
    /// The rate at which text leaves at most, in octets a second; `None` while it isn't paced (`pacing_rate`).
    pub pacing_rate: Option<u64>,
    /// The last rate at which the path delivered, in octets a second; 0 before it was measured (`delivery_rate`).
    pub delivery_rate: u64,
    /// The application, or during a repair the peer's window, limits that rate now, not the path (`delivery_rate_app_limited`).
    pub app_limited: bool,

    /// The window that the peer offers, in octets (`snd_wnd`).
    pub snd_wnd: u32,
    /// The window that we offer, in octets (`rcv_wnd`).
    pub rcv_wnd: u32,
    /// Octets that may wait to be sent or acknowledged at present.
    pub send_buffer: u32,
    /// Octets that wait: sent and unacknowledged, or not sent yet.
    pub send_queued: u32,
    /// Octets of them that were not sent yet (`notsent_bytes`).
    pub unsent: u32,
    /// Octets that may wait to be read at present (`rcv_ssthresh`).
    pub receive_buffer: u32,
    /// Octets in order that wait to be read.
    pub recv_queued: u32,
    /// The most octets that the application has read in a round trip (`rcv_space`).
    pub read_in_rtt: u32,

    /// Octets sent and not acknowledged, less those held lost.
    pub in_flight: u32,
    /// Octets held lost and not sent again yet.
    pub lost: u32,
    /// Octets selectively acknowledged.
    pub sacked: u32,
    /// Segments sent and not acknowledged cumulatively (`unacked`).
    pub segments_unacked: u32,
    /// Segments of them that are held lost (`lost`).
    pub segments_held_lost: u32,
    /// Segments of them that are selectively acknowledged (`sacked`).
    pub segments_sacked: u32,
    /// Segments of them that were sent again and are in flight (`retrans`).
    pub segments_resent: u32,

    /// Octets sent, each time counted (`bytes_sent`).
    pub bytes_sent: u64,
    /// Octets sent again (`bytes_retrans`).
    pub bytes_resent: u64,
    /// Octets that the peer acknowledged (`bytes_acked`).
    pub bytes_acked: u64,
    /// Octets received in order (`bytes_received`).
    pub bytes_received: u64,
    /// Segments received; those that the device has merged count each; modulo 2^32, as the next three (`segs_in`).
    pub segments_in: u64,
    /// Segments sent; those that the device is to cut count each (`segs_out`).
    pub segments_out: u64,
    /// Segments received that brought text (`data_segs_in`).
    pub data_segments_in: u64,
    /// Segments sent that carried text (`data_segs_out`).
    pub data_segments_out: u64,
    /// Segments that arrived out of order (`rcv_ooopack`).
    pub out_of_order: u64,
    /// Octets delivered: acknowledged, cumulatively or selectively (`delivered`).
    pub delivered: u64,
    /// Octets delivered by ACKs that told of marks (`delivered_ce`).
    pub marked_delivered: u64,
    /// Segments that arrived marked (`received_ce`).
    pub marked_in: u64,
    /// ACKs by which the peer told that segments of ours were marked.
    pub echoes: u64,

    /// Segments sent again, for whatever reason (`total_retrans`).
    pub retransmissions: u64,
    /// Those of them that were sent again after a timeout.
    pub slow_retransmissions: u64,
    /// Tail loss probes, those with new data included (RFC 8985 section 7).
    pub tail_probes: u64,
    /// Retransmission timeouts (`total_rto`).
    pub timeouts: u64,
    /// Times that it came to one, those in a row being one (`total_rto_recoveries`).
    pub timeout_runs: u64,
    /// Time from their first to the next ACK of something new (`total_rto_time`).
    pub timeout_time: Duration,
    /// Times that a loss was repaired without one.
    pub fast_recoveries: u64,
    /// Timeouts that proved spurious (RFC 5682, RFC 3522, RFC 3708).
    pub spurious_timeouts: u64,
    /// Recoveries that proved needless, those after a timeout included, and were undone (RFC 4015).
    pub undone: u64,
    /// Segments that were held lost.
    pub segments_lost: u64,
    /// Segments that the peer reported to have received twice (RFC 2883; `dsack_dups`).
    pub duplicates_reported: u64,
    /// Times that the peer dropped what it had selectively acknowledged.
    pub renegings: u64,
    /// The path was seen to reorder (`reord_seen`).
    pub reordering_seen: bool,
    /// By how many segments at most; 0 while that wasn't seen (`reordering`, which is 3 then).
    pub reordering: u32,
    /// How long an overtaken segment is waited for (`RACK.reo_wnd` of RFC 8985).
    pub reordering_window: Duration,
    /// The round-trip time of the newest segment delivered (`RACK.rtt`); `None` while nothing is in flight.
    pub rack_rtt: Option<Duration>,

    /// Since text, FIN or a retransmission last left (`last_data_sent`); as the next two, since the connection was opened
    /// if that never happened.
    pub last_data_sent: Duration,
    /// Since text last arrived, to about a millisecond (`last_data_recv`).
    pub last_data_received: Duration,
    /// Since an acceptable segment last arrived (`last_ack_recv`).
    pub last_heard: Duration,
    /// Time in which there was something to deliver (`busy_time`).
    pub busy: Duration,
    /// Time of that in which the peer's window kept more from being sent (`rwnd_limited`).
    pub window_limited: Duration,
    /// Time of that in which the send buffer kept the application from writing more (`sndbuf_limited`).
    pub buffer_limited: Duration,
}

/// What of a [`TcpInfo`] tells whether a connection keeps the rules of its trade, under the same names: for whoever looks
/// after every event, as a simulator does. A sixth of the instructions that all of it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vitals {
    /// The state.
    pub state: State,
    /// Where the sender stands with losses.
    pub phase: LossPhase,
    /// Octets that one segment carries at most, options subtracted.
    pub snd_mss: u16,
    /// The smoothed round-trip time; `None` before the first sample.
    pub srtt: Option<Duration>,
    /// The least round-trip time of the last five to ten seconds; `None` before the first sample.
    pub min_rtt: Option<Duration>,
    /// The retransmission timeout, back-off included.
    pub rto: Duration,
    /// The name of the congestion control.
    pub congestion_control: &'static str,
    /// The congestion window, in octets.
    pub cwnd: u32,
    /// The slow start threshold, in octets.
    pub ssthresh: u32,
    /// The window that the peer offers, in octets.
    pub snd_wnd: u32,
    /// The window that we offer, in octets.
    pub rcv_wnd: u32,
    /// Octets that wait: sent and unacknowledged, or not sent yet.
    pub send_queued: u32,
    /// Octets in order that wait to be read.
    pub recv_queued: u32,
    /// Octets sent and not acknowledged, less those held lost.
    pub in_flight: u32,
    /// Octets held lost and not sent again yet.
    pub lost: u32,
    /// Octets selectively acknowledged.
    pub sacked: u32,
    /// Octets that the peer acknowledged.
    pub bytes_acked: u64,
    /// Octets delivered: acknowledged, cumulatively or selectively.
    pub delivered: u64,
    /// ACKs by which the peer told that segments of ours were marked.
    pub echoes: u64,
    /// Tail loss probes, those with new data included.
    pub tail_probes: u64,
    /// Retransmission timeouts.
    pub timeouts: u64,
    /// Times that a loss was repaired without one.
    pub fast_recoveries: u64,
    /// Recoveries that proved needless, those after a timeout included, and were undone.
    pub undone: u64,
    /// Segments that were held lost.
    pub segments_lost: u64,
    /// The path was seen to reorder.
    pub reordering_seen: bool,
}

/// Where a sender stands with losses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LossPhase {
    /// All is well.
    #[default]
    Open,
    /// Something has arrived out of order; whether anything is lost isn't known yet.
    Disorder,
    /// The window was reduced for a mark of the network, in this window of data.
    Reduced,
    /// A loss is being repaired while ACKs come.
    Recovery,
    /// The retransmission timer expired: what is lost is sent again in slow start.
    Loss,
}
