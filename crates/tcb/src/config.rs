//! What the application may choose, with units, ranges and defaults.

use core::time::Duration;

use crate::MtuProbing;
use crate::congestion::Algorithm;

/// The settings of a connection, shared by all that were opened with the same ones.
///
/// ```
/// # use sockeye_tcb::Config;
/// let config = Config { nodelay: true, ..Config::default() };
/// assert!(config.keep_alive.is_none()); // off unless asked for
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    /// The MSS that we announce: octets of text that fit into a packet of ours without options, that is MTU - 40 for
    /// IPv4 and MTU - 60 for IPv6 (RFC 6691). Also the most that we send. Default 1460.
    pub mss: u16,
    /// Announce and send no more than this, whatever [`Self::mss`] says: for paths that are known to be narrow, as
    /// `TCP_MAXSEG` of Linux. Off by default.
    //= rfc4821#4-10
    pub max_mss: Option<u16>,
    /// When to look for the path MTU with probes. Default [`MtuProbing::OnBlackHole`].
    //= rfc8201#5.6-1
    pub mtu_probing: MtuProbing,
    /// What segments, with their options, are cut to when long ones vanish, and where the search for more begins. Default
    /// 1024 octets, as Linux (`tcp_base_mss`), which RFC 4821 section 7.2 suggests; over IPv6 never below 1220.
    //= rfc4821#7.2-2
    pub base_mss: u16,
    /// The least that segments, with their options, are cut to, whatever an ICMP error says. Default 512 octets, that is an
    /// MTU of 552, as Linux (`min_pmtu`): RFC 1191 has 68, which serves nobody but attackers. Over IPv6 never below 1220.
    pub min_path_mss: u16,
    /// How long a path is believed to be as narrow as it was found, and a search for more not worth while: at least 5 minutes,
    /// [`Duration::MAX`] for ever. Default 10 minutes (RFC 1191 section 6.3, RFC 8899 section 5.1.2).
    //= rfc1191#3-5
    //= rfc1191#3-6
    //= rfc1191#6.3-1
    //= rfc8201#4-7
    //= rfc8201#5.3-1
    //= rfc4821#7.3-3
    //= rfc8899#5.1.1-3
    pub path_mtu_age: Duration,
    /// The MSS to assume of a peer whose SYN has no MSS option: 536 for IPv4, 1220 for IPv6. Default 536.
    //= rfc9293#MUST-15
    pub default_peer_mss: u16,
    /// Octets that may wait to be read, which is the largest window offered. Its limit decides the window scale of our SYN.
    pub receive_buffer: Buffer,
    /// Octets that may wait to be sent or acknowledged.
    pub send_buffer: Buffer,
    /// Take no more text while so many octets of it, or more, are unsent (`TCP_NOTSENT_LOWAT` of Linux): whoever decides late
    /// what to send next keeps the queue in front of the network short. Default `u32::MAX`: the buffer alone counts.
    pub unsent_limit: u32,
    /// Send small segments at once: Nagle off (RFC 9293 section 3.7.4). Default false.
    pub nodelay: bool,
    /// Hold back everything but full segments for up to 200 ms (`TCP_CORK` of Linux). Default false.
    pub cork: bool,
    /// How long an ACK may wait: below 500 ms, zero for never (RFC 9293 section 3.8.6.3). Default 40 ms, as Linux.
    pub delayed_ack: Duration,
    /// Probe an idle connection. Off by default.
    //= rfc9293#MUST-25
    pub keep_alive: Option<KeepAlive>,
    /// R2: how long data may stay unacknowledged before the connection is given up; `None` for ever. Default 15
    /// minutes, which is about what Linux's 15 retransmissions take; RFC 9293 asks for at least 100 s.
    //= rfc9293#MUST-21
    //= rfc9293#SHLD-11
    pub user_timeout: Option<Duration>,
    /// R2 for the SYN: at least 3 minutes by RFC 9293 section 3.8.3. Default 190 s.
    //= rfc9293#MUST-23
    pub handshake_timeout: Duration,
    /// R1: retransmissions of one segment after which the application is told. Default 3, the least that RFC 9293
    /// section 3.8.3 allows.
    //= rfc9293#SHLD-10
    pub r1: u8,
    /// Tell the application of soft errors. Default true.
    //= rfc9293#SHLD-20
    pub report_soft_errors: bool,
    /// Offer window scaling (RFC 7323 section 2). Default true.
    pub window_scaling: bool,
    /// Offer timestamps (RFC 7323 section 3). Default true.
    pub timestamps: bool,
    /// Offer selective acknowledgment (RFC 2018). Default true.
    pub sack: bool,
    /// Explicit congestion notification. Default: where the peer asks for it, as Linux.
    pub ecn: EcnPolicy,
    /// Segments in the initial window (RFC 6928). Default 10.
    pub initial_window: u8,
    /// After more than an RTO without sending begin again with at most the initial window (RFC 5681 section 4.1;
    /// `tcp_slow_start_after_idle` of Linux). Default true.
    //= rfc5681#4.1-2
    pub restart_after_idle: bool,
    /// The congestion control. Default [`Algorithm::default`].
    pub congestion: Algorithm,
    /// Spread what leaves over the round trip instead of sending a window at once. False: only a congestion control that
    /// computes a rate of its own, as BBR does, is paced (Linux without the `fq` queue). Default true.
    pub pacing: bool,
    //= rfc6298#2.4-1
    /// Less than 1 s: the least that the RTO stands above the smoothed RTT, as `rto_min` of Linux. 1 s or more: the least that it
    /// is, as RFC 6298 section 2.4 has it. Default 200 ms, as Linux.
    pub min_rto: Duration,
    /// The most that the RTO backs off to: at least 60 s (RFC 6298 section 2.5). Default 120 s.
    pub max_rto: Duration,
    /// Don't double the RTO for the first six timeouts while fewer than four segments are in flight, so that an
    /// interactive stream isn't silent for long (`tcp_thin_linear_timeouts` of Linux). Default false.
    pub thin_linear_timeouts: bool,
    //= rfc6298#4-2
    /// G: the tick of the clock that `now` is read from (RFC 6298 section 2). Default 1 ms.
    pub granularity: Duration,
    /// How long TIME-WAIT lasts: 2 * MSL, in whole seconds up to 255. Default 60 s: an MSL of 30 s, which is what today's
    /// stacks assume, not the 2 minutes of RFC 9293 section 3.4.2.
    pub time_wait: Duration,
    /// How long FIN-WAIT-2 lasts if the application has closed both directions and the peer none. Default 60 s.
    pub orphan_timeout: Duration,
}

/// How many octets may wait in one direction of a connection.
///
/// ```
/// # use sockeye_tcb::{Buffer, Config};
/// let thrifty = Config { receive_buffer: Buffer::Fixed(32 << 10), ..Config::default() };
/// assert_eq!(thrifty.send_buffer, Buffer::Auto { initial: 128 << 10, limit: 32 << 20 });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buffer {
    /// So many, as with `SO_RCVBUF` and `SO_SNDBUF`: 1 to 2^30.
    Fixed(u32),
    /// As many as the path takes: twice what the application reads in a round trip, twice the congestion window.
    Auto {
        /// What it begins with, and what it is while the stack is short of memory: 1 to 2^30.
        initial: u32,
        /// The most that it grows to: `initial` to 2^30.
        limit: u32,
    },
}

impl Buffer {
    /// The largest buffer: no window is larger (RFC 7323 section 2.3).
    const MAX: u32 = 1 << 30;

    /// What it begins with.
    pub fn initial(self) -> u32 {
        match self {
            Self::Fixed(octets) | Self::Auto { initial: octets, .. } => octets.min(Self::MAX),
        }
    }

    /// The most that it may become.
    pub fn limit(self) -> u32 {
        match self {
            Self::Fixed(octets) => octets.min(Self::MAX),
            Self::Auto { initial, limit } => limit.max(initial).min(Self::MAX),
        }
    }
}

impl Default for Buffer {
    /// Automatic, from 128 KiB to 32 MiB: what Linux has for receiving since 6.16 (`tcp_rmem`).
    fn default() -> Self {
        Self::Auto { initial: 128 << 10, limit: 32 << 20 }
    }
}

impl From<u32> for Buffer {
    fn from(octets: u32) -> Self {
        Self::Fixed(octets)
    }
}

/// Whether to use explicit congestion notification (RFC 3168).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EcnPolicy {
    /// Never.
    //= rfc3168#6.1.1-8
    Off,
    /// If the peer asks for it. A congestion control that counts marks asks nevertheless.
    #[default]
    Accept,
    /// Ask for it when connecting, too.
    Request,
}

/// When to probe an idle connection (RFC 9293 section 3.8.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// Silence before the first probe. Default 2 hours.
    //= rfc9293#MUST-27
    //= rfc9293#MUST-28
    pub idle: Duration,
    /// Time between probes. Default 75 s.
    pub interval: Duration,
    /// Probes that may go unanswered before the connection is given up: at least 2. Default 9.
    //= rfc9293#MUST-29
    pub count: u8,
}

impl Config {
    /// What our SYN announces.
    pub(crate) fn announced_mss(&self) -> u16 {
        self.max_mss.map_or(self.mss, |most| most.min(self.mss))
    }

    /// The window that our SYN offers, which is never scaled.
    pub(crate) fn first_window(&self) -> u16 {
        u16::try_from(self.receive_buffer.initial()).unwrap_or(u16::MAX)
    }
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self { idle: Duration::from_hours(2), interval: Duration::from_secs(75), count: 9 }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mss: 1460,
            max_mss: None,
            mtu_probing: MtuProbing::default(),
            base_mss: 1024,
            min_path_mss: 512,
            path_mtu_age: Duration::from_mins(10),
            default_peer_mss: 536,
            receive_buffer: Buffer::default(),
            send_buffer: Buffer::default(),
            unsent_limit: u32::MAX,
            nodelay: false,
            cork: false,
            delayed_ack: Duration::from_millis(40),
            keep_alive: None,
            user_timeout: Some(Duration::from_mins(15)),
            handshake_timeout: Duration::from_secs(190),
            r1: 3,
            report_soft_errors: true,
            window_scaling: true,
            timestamps: true,
            sack: true,
            ecn: EcnPolicy::default(),
            initial_window: 10,
            restart_after_idle: true,
            congestion: Algorithm::default(),
            pacing: true,
            min_rto: Duration::from_millis(200),
            max_rto: Duration::from_mins(2),
            thin_linear_timeouts: false,
            granularity: Duration::from_millis(1),
            time_wait: Duration::from_mins(1),
            orphan_timeout: Duration::from_mins(1),
        }
    }
}
