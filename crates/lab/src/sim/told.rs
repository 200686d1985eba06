//! What a connection tells of itself, for machines: all of [`TcpInfo`], under its names.

use std::time::Duration;

use serde::ser::{Serialize, SerializeMap, Serializer};
use sockeye::TcpInfo;
use sockeye_tcb::congestion::Details;

/// A [`TcpInfo`] that can be serialised: octets, rates in octets a second and counts as they are there, times in milliseconds
/// under names that end in `_ms`. What there is none of is null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told(pub TcpInfo);

/// What an algorithm tells of itself, as [`Told`] does.
struct ToldOfControl(Details);

/// A time in milliseconds, if there is one.
trait Millis {
    fn millis(self) -> Option<f64>;
}

impl Millis for Duration {
    fn millis(self) -> Option<f64> {
        Some(self.as_secs_f64() * 1e3)
    }
}

impl Millis for Option<Duration> {
    fn millis(self) -> Option<f64> {
        self.and_then(Duration::millis)
    }
}

/// Serialises the fields of a structure; one that isn't named here doesn't compile.
macro_rules! tell {
    ($serializer:ident, $from:expr, $type:ident, in_words: $($word:ident)*, times: $($time:ident)*, as_they_are: $($plain:ident)*, $($inside:ident: $wrap:ident)?) => {{
        let $type { $($word,)* $($time,)* $($plain,)* $($inside,)? } = $from;
        let mut map = $serializer.serialize_map(None)?;
        $(map.serialize_entry(stringify!($word), &format!("{:?}", $word).to_lowercase())?;)*
        $(map.serialize_entry(stringify!($plain), &$plain)?;)*
        $(map.serialize_entry(concat!(stringify!($time), "_ms"), &$time.millis())?;)*
        $(map.serialize_entry(stringify!($inside), &$wrap($inside))?;)?
        map.end()
    }};
}

impl Serialize for Told {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        tell!(
            serializer, self.0, TcpInfo,
            in_words: state phase,
            times: srtt rttvar min_rtt receiver_rtt handshake rto delayed_ack timeout_time reordering_window rack_rtt
                last_data_sent last_data_received last_heard busy window_limited buffer_limited,
            as_they_are: sack timestamps window_shifts ecn snd_mss rcv_mss announced_mss path_mss backoff timeouts_in_a_row
                unanswered_probes congestion_control cwnd ssthresh pacing_rate delivery_rate app_limited snd_wnd
                rcv_wnd send_buffer send_queued unsent receive_buffer recv_queued read_in_rtt in_flight lost sacked
                segments_unacked segments_held_lost segments_sacked segments_resent bytes_sent bytes_resent bytes_acked
                bytes_received segments_in segments_out data_segments_in data_segments_out out_of_order delivered
                marked_delivered marked_in echoes retransmissions slow_retransmissions tail_probes timeouts timeout_runs
                fast_recoveries spurious_timeouts undone segments_lost duplicates_reported renegings reordering_seen
                reordering,
            congestion: ToldOfControl
        )
    }
}

impl Serialize for ToldOfControl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        tell!(
            serializer, self.0, Details,
            in_words: ,
            times: min_rtt,
            as_they_are: phase bandwidth pacing_gain cwnd_gain bandwidth_shortterm inflight_shortterm inflight_longterm
                marked_fraction,
        )
    }
}
