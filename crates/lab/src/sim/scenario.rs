//! What is simulated: a path, hosts, flows. Written by hand as TOML, made of flags, or drawn from a seed.

mod check;

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sockeye::{Algorithm, Buffer, Config, EcnPolicy, KeepAlive, MtuProbing};
use sockeye_device::impair::LinkConfig;

use super::random::Random;
use super::talker::{Ends, Reads, Talker, Writes};
use super::text::{Time, optional_words, words};
use super::tricks::Trick;

/// Everything that a run depends on: the same scenario gives the same run.
///
/// ```
/// # use sockeye_lab::sim::Scenario;
/// let scenario: Scenario = r#"
///     seed = 7
///     duration = "30s"
///     forward = "rate 20mbit delay 50ms loss 1%"
///     back = "delay 50ms"
///
///     [[flow]]
///     application = { kind = "bulk", bytes = 1_000_000 }
/// "#.parse()?;
/// assert_eq!(scenario.flows.len(), 1);
/// # Ok::<(), sockeye_lab::sim::ScenarioError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    /// What all chance is drawn from.
    pub seed: u64,
    /// Virtual time within which every flow that has an end must come to it, and at which the others are stopped.
    pub duration: Time,
    /// IPv6 rather than IPv4.
    #[serde(skip_serializing_if = "is_default")]
    pub ipv6: bool,
    /// The path may be so bad, or a peer so silent, that a flow ends with an error: who waits for what may never come loses
    /// patience after 20 minutes. An error is still to be explained by what really was lost.
    #[serde(skip_serializing_if = "is_default")]
    pub may_fail: bool,
    /// The bottleneck from the hosts on the left to those on the right, in netem's words. A trace in it is only named:
    /// see [`Self::with_traces_read`].
    #[serde(with = "words")]
    pub forward: LinkConfig,
    /// The way back.
    #[serde(with = "words")]
    pub back: LinkConfig,
    /// The hosts. None stands for `client` on the left and `server` on the right.
    #[serde(rename = "host", skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<HostSpec>,
    /// The flows.
    #[serde(rename = "flow")]
    pub flows: Vec<FlowSpec>,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            seed: 1,
            duration: Time::secs(600),
            ipv6: false,
            may_fail: false,
            forward: LinkConfig::default(),
            back: LinkConfig::default(),
            hosts: Vec::new(),
            flows: Vec::new(),
        }
    }
}

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

/// A host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HostSpec {
    /// What flows call it, and files: letters, digits, `-`, `_`, and `.` but not in front.
    #[serde(deserialize_with = "check::host_name")]
    pub name: String,
    /// Where it stands.
    pub side: Bank,
    /// Its own link to the bottleneck, each way, in netem's words; none is a perfect one.
    #[serde(with = "optional_words", skip_serializing_if = "Option::is_none")]
    pub access: Option<LinkConfig>,
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
    fn config(&self, host: &HostSpec, ipv6: bool, congestion: Option<Algorithm>) -> Config {
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

/// A flow, or many short ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlowSpec {
    /// What both ends do.
    pub application: Application,
    /// The host that connects; the first on the left if empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub from: String,
    /// The host that listens; the first on the right if empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub to: String,
    /// When it connects.
    #[serde(default, skip_serializing_if = "is_default")]
    pub start: Time,
    /// The congestion control of both ends.
    #[serde(default, with = "optional_words", skip_serializing_if = "Option::is_none")]
    pub congestion: Option<Algorithm>,
}

impl FlowSpec {
    /// One between the default hosts, from the start on.
    pub const fn new(application: Application) -> Self {
        Self { application, from: String::new(), to: String::new(), start: Time(Duration::ZERO), congestion: None }
    }
}

/// What the two ends of a flow do. "It" is the end that connects.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Application {
    /// It sends as fast as it can, and closes; the peer sends `back` octets meanwhile.
    Bulk {
        /// Octets; without end if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bytes: Option<u64>,
        /// Octets the other way.
        #[serde(default, skip_serializing_if = "is_default")]
        back: u64,
    },
    /// Requests, each answered, one after the other.
    RequestResponse {
        /// Octets of a request.
        request: u64,
        /// Octets of a response.
        response: u64,
        /// How many.
        times: u32,
        /// Pause after each response.
        think: Time,
    },
    /// Bursts with pauses between them.
    OnOff {
        /// Octets of a burst.
        burst: u64,
        /// From the end of one to the start of the next.
        pause: Time,
        /// How many.
        times: u32,
    },
    /// Many flows of their own, as those of a web server: when they come is drawn, and how long they are.
    ShortFlows {
        /// Octets of each.
        sizes: Sizes,
        /// Mean time from one to the next; they come when they like (exponential).
        every: Time,
        /// How many.
        times: u32,
    },
    /// As bulk, to a peer that reads slowly.
    SlowReader {
        /// Octets.
        bytes: u64,
        /// Octets that the peer reads each time.
        chunk: u32,
        /// How often it reads.
        every: Time,
    },
    /// It sends and closes its direction; only then the peer answers.
    HalfClose {
        /// Octets.
        bytes: u64,
        /// Octets of the answer.
        back: u64,
    },
    /// It sends and ends the connection with a RST.
    Abort {
        /// Octets handed over by then.
        after: u64,
    },
    /// It sends a little, says nothing for long, and closes.
    Idle {
        /// Octets before and, the other way, after the silence.
        bytes: u64,
        /// How long.
        silence: Time,
    },
}

/// How long short flows are, in octets.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Sizes {
    /// All alike.
    Fixed(u64),
    /// Evenly from the first to the second.
    Uniform(u64, u64),
    /// Exponential, with this mean.
    Exponential(u64),
    /// Pareto with shape 1.2, from this on: most are short, most octets are in the long ones. At most 1,000 times as long.
    Pareto(u64),
}

impl Sizes {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "sizes are far below 2^53, and the casts saturate"
    )]
    fn draw(self, random: &mut Random) -> u64 {
        match self {
            Self::Fixed(octets) => octets,
            Self::Uniform(least, most) => random.within(least..=most),
            Self::Exponential(mean) => ((mean as f64 * exponential(random)) as u64).saturating_add(1),
            Self::Pareto(least) => {
                let long = (least as f64 / (1.0 - random.unit()).powf(1.0 / 1.2)) as u64;
                long.min(least.saturating_mul(1000))
            }
        }
    }
}

/// Exponential with mean 1.
fn exponential(random: &mut Random) -> f64 {
    -(1.0 - random.unit()).ln()
}

/// How long an end waits in silence before it gives up, where the peer may have gone without a word.
const PATIENCE: Duration = Duration::from_mins(20);

/// A connection to be made.
#[derive(Debug)]
pub(super) struct Planned {
    /// Which [`FlowSpec`] it belongs to.
    pub(super) spec: usize,
    /// The hosts, by index: who connects, who listens.
    pub(super) hosts: [usize; 2],
    pub(super) start: Duration,
    pub(super) configs: [Arc<Config>; 2],
    pub(super) talkers: [Talker; 2],
    pub(super) endless: bool,
    /// The end that connects aborts it.
    pub(super) aborts: bool,
    /// A trick may spoil it.
    pub(super) spoiled: bool,
    /// How long its ends wait in silence, where the scenario explains that.
    pub(super) patience: Option<Duration>,
}

impl Application {
    /// True if it never ends by itself.
    pub const fn is_endless(&self) -> bool {
        matches!(self, Self::Bulk { bytes: None, .. })
    }

    /// How many connections it makes.
    const fn connections(&self) -> u32 {
        match self {
            Self::ShortFlows { times, .. } => *times,
            _ => 1,
        }
    }

    /// True if it ends with a RST.
    const fn aborts(&self) -> bool {
        matches!(self, Self::Abort { .. })
    }

    /// Its kind, as scenario files call it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Bulk { .. } => "bulk",
            Self::RequestResponse { .. } => "request_response",
            Self::OnOff { .. } => "on_off",
            Self::ShortFlows { .. } => "short_flows",
            Self::SlowReader { .. } => "slow_reader",
            Self::HalfClose { .. } => "half_close",
            Self::Abort { .. } => "abort",
            Self::Idle { .. } => "idle",
        }
    }

    /// What the end that connects and the end that listens do; short flows are made one by one, of so many octets.
    fn talkers(self, short: u64) -> [Talker; 2] {
        let writes = |writes| Talker::new(writes, Reads::AtOnce, Ends::Closes);
        match self {
            Self::Bulk { bytes, back: 0 } => [writes(Writes::Bulk(bytes)), writes(Writes::Nothing)],
            Self::Bulk { bytes, back } => [writes(Writes::Bulk(bytes)), writes(Writes::Bulk(Some(back)))],
            Self::RequestResponse { request, response, times, think } => [
                writes(Writes::Requests { request, response, think: think.0, times }),
                writes(Writes::Answers { request, response }),
            ],
            Self::OnOff { burst, pause, times } => {
                [writes(Writes::Bursts { octets: burst, pause: pause.0, times }), writes(Writes::Nothing)]
            }
            Self::ShortFlows { .. } => [writes(Writes::Bulk(Some(short))), writes(Writes::Nothing)],
            Self::SlowReader { bytes, chunk, every } => {
                let reads = Reads::Slowly { octets: chunk as usize, every: every.0 };
                [writes(Writes::Bulk(Some(bytes))), Talker::new(Writes::Nothing, reads, Ends::Closes)]
            }
            Self::HalfClose { bytes, back } => [writes(Writes::Bulk(Some(bytes))), writes(Writes::AfterEnd(back))],
            Self::Abort { after } => {
                [Talker::new(Writes::Bulk(Some(after)), Reads::AtOnce, Ends::Aborts(after)), writes(Writes::Nothing)]
            }
            Self::Idle { bytes, silence } => [
                Talker::new(Writes::Bulk(Some(bytes)), Reads::AtOnce, Ends::Later(silence.0)),
                writes(Writes::AfterEnd(bytes)),
            ],
        }
    }
}

impl Scenario {
    /// Endless transfers, one for each of `controls`, side by side over one path for so long: what recovery, congestion
    /// control and fairness are measured with.
    pub fn bulk(forward: LinkConfig, back: LinkConfig, controls: &[Algorithm], duration: Duration) -> Self {
        let flow = |congestion: &Algorithm| FlowSpec {
            congestion: Some(*congestion),
            ..FlowSpec::new(Application::Bulk { bytes: None, back: 0 })
        };
        let flows = controls.iter().map(flow).collect();
        Self { forward, back, flows, duration: Time(duration), ..Self::default() }
    }

    /// The hosts, the default ones if none are named.
    pub fn all_hosts(&self) -> Vec<HostSpec> {
        if !self.hosts.is_empty() {
            return self.hosts.clone();
        }
        let named = |name: &str, side| HostSpec { name: name.to_owned(), side, ..HostSpec::default() };
        vec![named("client", Bank::Left), named("server", Bank::Right)]
    }

    /// With the files of its links' traces read, if there are any: text only names them.
    ///
    /// # Errors
    /// If one can't be read or is no trace.
    pub fn with_traces_read(mut self) -> Result<Self, ScenarioError> {
        let access = self.hosts.iter_mut().filter_map(|host| host.access.as_mut());
        for link in [&mut self.forward, &mut self.back].into_iter().chain(access) {
            *link = link.clone().with_trace_read().map_err(|why| ScenarioError(why.to_string()))?;
        }
        Ok(self)
    }

    /// The file of a trace that is still to be read.
    fn unread_trace(&self) -> Option<&Path> {
        let access = self.hosts.iter().filter_map(|host| host.access.as_ref());
        [&self.forward, &self.back].into_iter().chain(access).find_map(LinkConfig::unread_trace)
    }

    /// The connections, in the order of their flows.
    pub(super) fn plan(&self) -> Result<Vec<Planned>, ScenarioError> {
        if let Some(path) = self.unread_trace() {
            return Err(ScenarioError(format!("the trace {} has not been read", path.display())));
        }
        let hosts = self.all_hosts();
        check::before_planning(self, &hosts)?;
        let mut random = Random::new(self.seed ^ 0x5eed_f107);
        let mut planned = Vec::new();
        for spec in 0..self.flows.len() {
            self.plan_flow(spec, &hosts, &mut random, &mut planned)?;
        }
        check::planned(self, &hosts, &planned)?;
        Ok(planned)
    }

    /// The connections of the flow with this number.
    fn plan_flow(
        &self,
        spec: usize,
        hosts: &[HostSpec],
        random: &mut Random,
        planned: &mut Vec<Planned>,
    ) -> Result<(), ScenarioError> {
        let flow = &self.flows[spec];
        let ends = [find(hosts, &flow.from, Bank::Left)?, find(hosts, &flow.to, Bank::Right)?];
        if hosts[ends[0]].side == hosts[ends[1]].side {
            return Err(ScenarioError(format!("flow {} doesn't cross the bottleneck", spec + 1)));
        }
        let configs = ends.map(|host| {
            let host = &hosts[host];
            Arc::new(host.tcp.config(host, self.ipv6, flow.congestion))
        });
        let (aborts, spoiled) = (flow.application.aborts(), is_spoiled(hosts, ends));
        let patience = self.patience(hosts, ends, aborts || spoiled);
        let endless = flow.application.is_endless();
        let mut start = flow.start.0;
        let gap = match flow.application {
            Application::ShortFlows { every, .. } => every.0,
            _ => Duration::ZERO,
        };
        for _ in 0..flow.application.connections() {
            let short = match flow.application {
                Application::ShortFlows { sizes, .. } => sizes.draw(random),
                _ => 0,
            };
            let talkers = flow.application.talkers(short).map(|talker| talker.patience(patience));
            let configs = configs.clone();
            planned.push(Planned { spec, hosts: ends, start, configs, talkers, endless, aborts, spoiled, patience });
            start += gap.mul_f64(exponential(random));
        }
        Ok(())
    }

    /// How long the two ends of a flow wait in silence, where the scenario explains that; `broken` if one of them breaks it off
    /// or spoils it.
    fn patience(&self, hosts: &[HostSpec], ends: [usize; 2], broken: bool) -> Option<Duration> {
        let vanishes = ends.iter().any(|&host| hosts[host].vanishes.is_some());
        // Who has keep-alive must notice by itself that the peer is gone.
        let notices = vanishes && !broken && hosts[ends[0]].tcp.keep_alive.is_some();
        ((self.may_fail || vanishes || broken) && !notices).then_some(PATIENCE)
    }

    /// As TOML.
    ///
    /// # Errors
    /// None that a scenario can cause.
    pub fn to_toml(&self) -> Result<String, ScenarioError> {
        toml::to_string(self).map_err(|error| ScenarioError(error.to_string()))
    }
}

/// True if one of these two plays a trick that may spoil the transfer.
fn is_spoiled(hosts: &[HostSpec], ends: [usize; 2]) -> bool {
    ends.iter().any(|&host| hosts[host].trick.is_some_and(Trick::may_fail))
}

fn find(hosts: &[HostSpec], name: &str, default: Bank) -> Result<usize, ScenarioError> {
    let found = if name.is_empty() {
        hosts.iter().position(|host| host.side == default)
    } else {
        hosts.iter().position(|host| host.name == name)
    };
    found.ok_or_else(|| match name {
        "" if default == Bank::Left => ScenarioError("there is no host on the left side".to_owned()),
        "" => ScenarioError("there is no host on the right side".to_owned()),
        name => ScenarioError(format!("there is no host called {name:?}")),
    })
}

/// Why a scenario can't be simulated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioError(pub(super) String);

impl std::fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.trim_end())
    }
}

impl std::error::Error for ScenarioError {}

impl FromStr for Scenario {
    type Err = ScenarioError;

    fn from_str(text: &str) -> Result<Self, ScenarioError> {
        toml::from_str(text).map_err(|error| ScenarioError(error.to_string()))
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
