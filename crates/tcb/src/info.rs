//! What a connection tells about itself.

use core::time::Duration;

use crate::State;
use crate::congestion::Details;

/// A snapshot of a connection, in the spirit of Linux's `tcp_info`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpInfo {
    /// The state.
    pub state: State,
    /// Octets of text that one segment carries at most, options subtracted: Eff.snd.MSS.
    pub snd_mss: u16,
    /// The smoothed round-trip time; `None` before the first sample.
    pub srtt: Option<Duration>,
    /// Its mean deviation.
    pub rttvar: Duration,
    /// The retransmission timeout, back-off included.
    pub rto: Duration,
    /// From our SYN to ESTABLISHED; zero until then.
    pub handshake: Duration,
    /// The name of the congestion control.
    pub congestion_control: &'static str,
    /// What it has to tell about itself.
    pub congestion: Details,
    /// Text that we send may be marked by the network: explicit congestion notification was agreed on.
    pub ecn: bool,
    /// Segments that arrived marked.
    pub marked_in: u64,
    /// ACKs by which the peer told that segments of ours were marked.
    pub echoes: u64,
    /// The rate at which text leaves at most, in octets a second; `None` while it isn't paced.
    pub pacing_rate: Option<u64>,
    /// The congestion window, in octets.
    pub cwnd: u32,
    /// The slow start threshold, in octets.
    pub ssthresh: u32,
    /// The window that the peer offers, in octets.
    pub snd_wnd: u32,
    /// The window that we offer, in octets.
    pub rcv_wnd: u32,
    /// Octets sent and not acknowledged, less those held lost.
    pub in_flight: u32,
    /// Octets that may wait to be sent or acknowledged at present.
    pub send_buffer: u32,
    /// Octets that may wait to be read at present.
    pub receive_buffer: u32,
    /// The round-trip time as it shows to a receiver of text; `None` before the first sample.
    pub receiver_rtt: Option<Duration>,
    /// The most octets that the application has read in such a round trip.
    pub read_in_rtt: u32,
    /// Since when text, FIN or a retransmission last left; since the connection was opened if none did.
    pub last_data_sent: Duration,
    /// Octets of text that wait: sent and unacknowledged, or not sent yet.
    pub send_queued: u32,
    /// Octets of text in order that wait to be read.
    pub recv_queued: u32,
    /// Octets of text sent, each time counted.
    pub bytes_sent: u64,
    /// Octets of text that the peer acknowledged.
    pub bytes_acked: u64,
    /// Octets of text received in order.
    pub bytes_received: u64,
    /// Segments received.
    pub segments_in: u64,
    /// Segments sent.
    pub segments_out: u64,
    /// Segments sent again, for whatever reason.
    pub retransmissions: u64,
    /// Those of them that were sent again after a timeout.
    pub slow_retransmissions: u64,
    /// Tail loss probes, those with new data included (RFC 8985 section 7).
    pub tail_probes: u64,
    /// Retransmission timeouts.
    pub timeouts: u64,
    /// Times that a loss was repaired without one.
    pub fast_recoveries: u64,
    /// Timeouts that proved spurious (RFC 5682, RFC 3522, RFC 3708).
    pub spurious_timeouts: u64,
    /// Recoveries that proved needless, those after a timeout included, and were undone (RFC 4015).
    pub undone: u64,
    /// Segments that were held lost.
    pub segments_lost: u64,
    /// Segments that the peer reported to have received twice (RFC 2883).
    pub duplicates_reported: u64,
    /// Times that the peer dropped what it had selectively acknowledged.
    pub renegings: u64,
    /// Octets held lost and not sent again yet.
    pub lost: u32,
    /// Octets selectively acknowledged.
    pub sacked: u32,
    /// The path was seen to reorder.
    pub reordering_seen: bool,
    /// How long an overtaken segment is waited for (`RACK.reo_wnd` of RFC 8985).
    pub reordering_window: Duration,
    /// Octets delivered: acknowledged, cumulatively or selectively.
    pub delivered: u64,
    /// The last rate at which the path delivered, in octets a second; 0 before it was measured.
    pub delivery_rate: u64,
    /// The application, not the path, limits that rate now.
    pub app_limited: bool,
    /// The least round-trip time of the last ten seconds; `None` before the first sample.
    pub min_rtt: Option<Duration>,
}
