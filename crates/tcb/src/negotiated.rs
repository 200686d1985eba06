//! What the two SYNs agreed on.

use sockeye_wire::Instant;
use sockeye_wire::tcp::{Options, Timestamps};

use crate::Config;

/// The least MSS that we take from a peer, as Linux: a smaller one would make us send mostly headers (CVE-2019-11479).
pub(crate) const MIN_MSS: u16 = 48;
/// The largest shift (RFC 7323 section 2.3).
//= rfc7323#2.3-6
const MAX_SHIFT: u8 = 14;
/// Octets that the timestamps option takes in each segment, padding included (RFC 7323 appendix A).
pub(crate) const TIMESTAMPS_LEN: u16 = 12;

/// What both ends offered in their SYNs, and so holds for the life of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Negotiated {
    /// The MSS that the peer announced, floored; not reduced by options or path.
    pub(crate) peer_mss: u16,
    /// Window scaling is on; both shifts are 0 otherwise.
    pub(crate) scaling: bool,
    /// Snd.Wind.Shift: what the peer's window fields are to be shifted by.
    pub(crate) snd_shift: u8,
    /// Rcv.Wind.Shift: what ours are.
    pub(crate) rcv_shift: u8,
    /// Both sides can read SACK.
    pub(crate) sack: bool,
    /// Snd.TS.OK: all segments carry timestamps.
    //= rfc7323#3.2-8
    pub(crate) timestamps: bool,
    /// Marks of the network that arrive are echoed.
    pub(crate) ecn: bool,
    /// Text that we send may be marked.
    pub(crate) ect: bool,
}

impl Negotiated {
    /// What holds before the SYNs have told more.
    pub(crate) const NOTHING: Self = Self {
        peer_mss: MIN_MSS,
        scaling: false,
        snd_shift: 0,
        rcv_shift: 0,
        sack: false,
        timestamps: false,
        ecn: false,
        ect: false,
    };

    /// What our `config` and the options of the peer's SYN have in common; ECN is a matter of its flags.
    pub(crate) fn from_syn(config: &Config, options: &Options) -> Self {
        //= rfc7323#2.2-3
        let scaling = config.window_scaling && options.window_scale.is_some();
        Self {
            //= rfc9293#MUST-14
            peer_mss: options.mss.unwrap_or(config.default_peer_mss).max(MIN_MSS),
            scaling,
            //= rfc7323#2.3-3
            //= rfc7323#2.3-7
            snd_shift: options.window_scale.filter(|_| scaling).map_or(0, |shift| shift.min(MAX_SHIFT)),
            rcv_shift: if scaling { window_shift(config) } else { 0 },
            sack: config.sack && options.sack_permitted,
            timestamps: config.timestamps && options.timestamps.is_some(),
            ecn: false,
            ect: false,
        }
    }

    //= rfc9293#MUST-16
    //= rfc6691#2-3
    /// Eff.snd.MSS: octets of text in one segment, given what the path takes without options.
    pub(crate) fn effective_mss(&self, path_mss: u16) -> u16 {
        self.peer_mss.min(path_mss).max(MIN_MSS) - self.options_len()
    }

    /// Octets of options in a segment with text.
    pub(crate) const fn options_len(&self) -> u16 {
        if self.timestamps { TIMESTAMPS_LEN } else { 0 }
    }
}

/// R: the least shift that lets the window field say all that our receive buffer may become.
pub(crate) fn window_shift(config: &Config) -> u8 {
    let mut shift = 0;
    while shift < MAX_SHIFT && u32::from(u16::MAX) << shift < config.receive_buffer.limit() {
        shift += 1;
    }
    shift
}

/// The options of our SYN.
pub(crate) fn syn_options(config: &Config, timestamps: Timestamps) -> Options {
    Options {
        //= rfc8201#5.4-5
        //= rfc1191#3.1-1
        //= rfc1191#3.1-2
        //= rfc9293#SHLD-5
        //= rfc9293#3.7.1-1
        mss: Some(config.announced_mss()),
        //= rfc7323#2.3-2
        window_scale: config.window_scaling.then(|| window_shift(config)),
        sack_permitted: config.sack,
        timestamps: config.timestamps.then_some(timestamps),
        ..Options::NONE
    }
}

//= rfc7323#4.1-1
//= rfc7323#5.4-1
//= rfc7323#5.4-3
//= rfc7323#5.4-4
/// The timestamp clock: one tick a millisecond, from an offset that differs from peer to peer.
pub(crate) fn timestamp(now: Instant, offset: u32) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "the clock wraps after 49 days, as RFC 7323 expects")]
    let ticks = now.as_millis() as u32;
    ticks.wrapping_add(offset)
}
