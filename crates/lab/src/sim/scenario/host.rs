//! The hosts of a scenario, and the settings of their connections.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sockeye::{Algorithm, Buffer, Config, EcnPolicy, KeepAlive, MtuProbing};
use sockeye_device::impair::{LinkConfig, Side};

use super::{check, is_default};
use crate::sim::text::{Time, optional_words};
use crate::sim::tricks::Trick;

/// On which side of the bottleneck a host stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bank {
    /// Where flows come from, unless they say otherwise.
    #[default]
    Left,
    /// Where they go to.
    Right,
}

impl Bank {
    /// The same in a network of links.
    pub(in crate::sim) const fn side(self) -> Side {
        match self {
            Self::Left => Side::Left,
            Self::Right => Side::Right,
        }
    }
}

/// A host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HostSpec {
    /// What flows call it, and files: letters, digits, `-`, `_`, and `.` but not in front.
    #[serde(deserialize_with = "check::host_name")]
    pub name: String,
    /// Where it stands.
    pub side: Bank,
    /// Its own link to the bottleneck, in netem's words; none is a perfect one.
    #[serde(with = "optional_words", skip_serializing_if = "Option::is_none")]
    pub access: Option<LinkConfig>,
    /// The link from the bottleneck to it, if that is another than `access`.
    #[serde(with = "optional_words", skip_serializing_if = "Option::is_none")]
    pub access_down: Option<LinkConfig>,
    /// The tick of its clock.
    pub tick: Time,
    /// Octets of its largest packet.
    pub mtu: u16,
    /// Its device cuts what it sends: large packets, as with TSO. Not together with a trick.
    #[serde(skip_serializing_if = "is_default")]
    pub tso: bool,
    /// One bare TCB rather than a stack: for a single flow.
    #[serde(skip_serializing_if = "is_default")]
    pub bare: bool,
    /// What it does that it should not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trick: Option<Trick>,
    /// When it goes off without a word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vanishes: Option<Time>,
    /// The settings of its connections.
    #[serde(skip_serializing_if = "is_default")]
    pub tcp: TcpSpec,
}

impl Default for HostSpec {
    fn default() -> Self {
        Self {
            name: String::new(),
            side: Bank::Left,
            access: None,
            access_down: None,
            tick: Time(Duration::from_nanos(1)),
            mtu: 1500,
            tso: false,
            bare: false,
            trick: None,
            vanishes: None,
            tcp: TcpSpec::default(),
        }
    }
}

impl HostSpec {
    /// From it to the bottleneck, and from there to it: a perfect link unless told otherwise.
    pub(in crate::sim) fn way(&self) -> [LinkConfig; 2] {
        let up = self.access.clone().unwrap_or_default();
        let down = self.access_down.clone().unwrap_or_else(|| up.clone());
        [up, down]
    }

    /// Those links of its own that it was given.
    pub(in crate::sim) fn access_links(&self) -> impl Iterator<Item = &LinkConfig> {
        self.access.iter().chain(&self.access_down)
    }
}

/// Settings that differ from the defaults of [`Config`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TcpSpec {
    /// [`Config::mss`] at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mss: Option<u16>,
    /// [`Config::receive_buffer`], of a fixed size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receive_buffer: Option<u32>,
    /// [`Config::send_buffer`], of a fixed size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send_buffer: Option<u32>,
    /// The most that buffers of no fixed size grow to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buffer_limit: Option<u32>,
    /// [`Config::sack`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sack: Option<bool>,
    /// [`Config::timestamps`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamps: Option<bool>,
    /// [`Config::window_scaling`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_scaling: Option<bool>,
    /// [`Config::nodelay`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodelay: Option<bool>,
    /// [`Config::cork`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cork: Option<bool>,
    /// Explicit congestion notification: asked for, or never agreed to; by default agreed to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ecn: Option<bool>,
    /// [`Config::delayed_ack`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delayed_ack: Option<Time>,
    /// [`Config::initial_window`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_window: Option<u8>,
    /// [`Config::keep_alive`]: silence before the first probe; then four more, a fifth of that apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_alive: Option<Time>,
    /// Probes of the path's MTU: from the start, or never; by default after a black hole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu_probing: Option<bool>,
    /// [`Config::pacing`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pacing: Option<bool>,
    /// [`Config::thin_linear_timeouts`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thin_linear_timeouts: Option<bool>,
    /// [`Config::min_rto`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_rto: Option<Time>,
    /// What a stack remembers of paths: the slow start threshold as well, or nothing; by default what
    /// [`StackConfig::remember`](sockeye::StackConfig::remember) has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remember: Option<bool>,
}

impl TcpSpec {
    /// One of `fixed` size, else `default` up to what is allowed here.
    fn buffer(&self, fixed: Option<u32>, default: Buffer) -> Buffer {
        let limit = self.buffer_limit.unwrap_or_else(|| default.limit());
        fixed.map_or(Buffer::Auto { initial: default.initial(), limit }, Buffer::Fixed)
    }

    /// The settings of a connection over a path whose packets have at most `mtu` octets, from a host with such a clock.
    pub(super) fn config(&self, host: &HostSpec, ipv6: bool, congestion: Option<Algorithm>) -> Config {
        let default = Config::default();
        let headers = if ipv6 { 60 } else { 40 };
        let room = host.mtu.saturating_sub(headers);
        Config {
            mss: self.mss.map_or(room, |mss| mss.min(room)),
            default_peer_mss: if ipv6 { 1220 } else { 536 },
            receive_buffer: self.buffer(self.receive_buffer, default.receive_buffer),
            send_buffer: self.buffer(self.send_buffer, default.send_buffer),
            sack: self.sack.unwrap_or(default.sack),
            timestamps: self.timestamps.unwrap_or(default.timestamps),
            window_scaling: self.window_scaling.unwrap_or(default.window_scaling),
            nodelay: self.nodelay.unwrap_or(default.nodelay),
            cork: self.cork.unwrap_or(default.cork),
            ecn: match self.ecn {
                Some(true) => EcnPolicy::Request,
                Some(false) => EcnPolicy::Off,
                None => default.ecn,
            },
            delayed_ack: self.delayed_ack.map_or(default.delayed_ack, |time| time.0),
            initial_window: self.initial_window.unwrap_or(default.initial_window),
            keep_alive: self.keep_alive.map(|idle| KeepAlive { idle: idle.0, interval: idle.0 / 5, count: 5 }),
            mtu_probing: match self.mtu_probing {
                Some(true) => MtuProbing::Always,
                Some(false) => MtuProbing::Off,
                None => default.mtu_probing,
            },
            pacing: self.pacing.unwrap_or(default.pacing),
            thin_linear_timeouts: self.thin_linear_timeouts.unwrap_or(default.thin_linear_timeouts),
            min_rto: self.min_rto.map_or(default.min_rto, |time| time.0),
            granularity: host.tick.0.max(Duration::from_millis(1)),
            congestion: congestion.unwrap_or(default.congestion),
            ..default
        }
    }
}
