//! What a stack is to be like.

use std::sync::Arc;
use std::time::Duration;

use sockeye_tcb::Config;

use super::ip::path::Remember;

/// The settings of a stack.
#[derive(Clone, Debug)]
pub struct StackConfig {
    /// What all secrets are made of: initial sequence numbers, ports, the order of tables. Random, unless a run is to be
    /// repeated.
    //= rfc6528#4-1
    pub seed: [u8; 32],
    /// Octets of the largest packet that the device takes. Default 1500.
    pub mtu: u16,
    /// True if the device finishes checksums. Default false.
    pub checksum_offload: bool,
    /// What connections start with; [`Config::mss`] follows from the MTU.
    pub tcp: Arc<Config>,
    /// TTL or hop limit of what is sent. Default 64.
    //= rfc9293#MUST-49
    pub hop_limit: u8,
    /// ICMP errors that are sent a second at most, on average. Default 1000, as Linux (`icmp_msgs_per_sec`).
    //= rfc4443#2.4-5
    //= rfc4443#2.4-6
    pub max_errors: u32,
    /// RSTs that are sent a second at most for segments that belong to no connection, on average. Default 10,000.
    pub max_resets: u32,
    /// What to remember of paths, to the good of connections to come.
    pub remember: Remember,
    /// Half-open connections in all, whatever the listeners' backlogs. Default 65,536, some 8 MiB.
    pub max_half_open: usize,
    /// Entries of TIME-WAIT in all; the oldest give way. Default 262,144, some 16 MiB.
    pub max_time_wait: usize,
    /// Octets of text that all connections may hold together. From two thirds of it on, until it is below half, automatic
    /// buffers don't grow ([`sockeye_tcb::Buffer`]); once it is used up nobody new may connect. What was promised to a peer
    /// is taken nevertheless. Default 1 GiB.
    pub memory_limit: usize,
    /// Octets of fragments that wait for others, in all, with what it costs to keep them. Default 4 MiB, as Linux.
    pub max_fragment_octets: usize,
    /// How long the first fragment that comes waits for the others. Default 60 s: what RFC 8200 section 4.5 says, and the
    /// least that RFC 1122 section 3.3.2 asks for.
    //= rfc1122#3.3.2-4
    pub fragment_timeout: Duration,
}

impl StackConfig {
    /// The defaults, with secrets made of `seed`.
    pub fn new(seed: [u8; 32]) -> Self {
        Self {
            seed,
            mtu: 1500,
            checksum_offload: false,
            tcp: Arc::default(),
            hop_limit: 64,
            max_errors: 1000,
            max_resets: 10_000,
            remember: Remember::default(),
            max_half_open: 65_536,
            max_time_wait: 262_144,
            memory_limit: 1 << 30,
            max_fragment_octets: 4 << 20,
            fragment_timeout: Duration::from_secs(60),
        }
    }
}

/// What a listener is to be like.
#[derive(Clone, Debug)]
pub struct ListenOptions {
    /// Connections that may wait to be accepted, and as many again that are half open. Default 4096.
    pub backlog: usize,
    /// Settings of the connections that it accepts; those of the stack if `None`.
    pub tcp: Option<Arc<Config>>,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self { backlog: 4096, tcp: None }
    }
}

/// What a connection that we open is to be like.
#[derive(Clone, Debug, Default)]
pub struct ConnectOptions {
    /// The local socket; unspecified address and port 0 are chosen.
    //= rfc9293#MUST-43
    pub local: Option<std::net::SocketAddr>,
    /// Settings; those of the stack if `None`.
    pub tcp: Option<Arc<Config>>,
}

/// Settings of connections over IPv4 and over IPv6: what the MTU leaves for text differs.
#[derive(Clone, Debug)]
pub(super) struct Configs {
    v4: Arc<Config>,
    v6: Arc<Config>,
}

impl Configs {
    //= rfc9293#MUST-15
    //= rfc9293#MUST-67
    //= rfc6691#2-1
    /// `config` with the MSS that packets of `mtu` octets leave for each family. Whatever carries IPv6 takes 1280 octets.
    //= rfc8201#4-3
    pub(super) fn new(config: &Arc<Config>, mtu: u16) -> Self {
        let fit = |headers, default_peer_mss, least: u16| {
            Arc::new(Config {
                mss: mtu.saturating_sub(headers),
                default_peer_mss,
                base_mss: config.base_mss.max(least),
                min_path_mss: config.min_path_mss.max(least),
                ..Config::clone(config)
            })
        };
        Self { v4: fit(40, 536, 0), v6: fit(60, 1220, 1220) }
    }

    /// Those for connections to `remote`.
    pub(super) const fn towards(&self, remote: std::net::SocketAddr) -> &Arc<Config> {
        match remote {
            std::net::SocketAddr::V4(_) => &self.v4,
            std::net::SocketAddr::V6(_) => &self.v6,
        }
    }
}
