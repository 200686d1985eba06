//! What is simulated: a path, hosts, flows. Written by hand as TOML, made of flags, or drawn from a seed.

mod check;
mod flow;
mod host;

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sockeye::{Algorithm, Config};
use sockeye_device::impair::LinkConfig;

use flow::exponential;
pub use flow::{Application, FlowSpec, Sizes};
pub use host::{Bank, HostSpec, TcpSpec};

use super::random::Random;
use super::talker::Talker;
use super::text::{Time, words};
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
        let access = self.hosts.iter_mut().flat_map(|host| host.access.iter_mut().chain(&mut host.access_down));
        for link in [&mut self.forward, &mut self.back].into_iter().chain(access) {
            *link = link.clone().with_trace_read().map_err(|why| ScenarioError(why.to_string()))?;
        }
        Ok(self)
    }

    /// All links that there are.
    pub(super) fn links(&self) -> impl Iterator<Item = &LinkConfig> {
        let access = self.hosts.iter().flat_map(HostSpec::access_links);
        [&self.forward, &self.back].into_iter().chain(access)
    }

    /// The file of a trace that is still to be read.
    fn unread_trace(&self) -> Option<&Path> {
        self.links().find_map(LinkConfig::unread_trace)
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
