//! Hosts, the network between them, the flows: everything that a run moves.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use sockeye::{Config, Remember, Stack, StackConfig, TcpInfo};
use sockeye_device::impair::{LinkConfig, Network};
use sockeye_wire::Instant;

use super::application::{Application, Ledger, Role};
use super::bare::Bare;
use super::deadlines::Deadlines;
use super::ear::Ear;
use super::invariants::{Invariant, Limits, Violation};
use super::judge::Judge;
use super::machine::{Calls as _, Handle, Machine};
use super::packets::Packets;
use super::payload::Payload;
use super::record::Record;
use super::scenario::{HostSpec, Planned, Scenario, ScenarioError};
use super::tricks::{Trick, Trickster};

/// The port that the first flow's server listens on; each flow has one of its own, which tells whose a packet is.
const FIRST_PORT: u16 = 2000;

/// A host.
pub(super) struct Node {
    pub(super) name: String,
    address: IpAddr,
    pub(super) machine: Machine,
    /// Nanoseconds of its clock's tick, at least 1.
    tick: u64,
    /// Octets of text in one packet that the network cuts; 0 if it gets segments.
    pub(super) tso: u32,
    pub(super) trickster: Option<Trickster>,
    pub(super) connections: BTreeMap<Handle, (usize, Role)>,
    pub(super) vanishes: Option<Instant>,
}

impl Node {
    /// The time as its clock shows it.
    pub(super) fn clock(&self, now: Instant) -> Instant {
        match self.tick {
            1 => now,
            tick => Instant::from_nanos(now.as_nanos() / tick * tick),
        }
    }

    /// When its clock will show `at`.
    pub(super) fn shows(&self, at: Instant) -> Instant {
        match self.tick {
            1 => at,
            tick => Instant::from_nanos(at.as_nanos().div_ceil(tick).saturating_mul(tick)),
        }
    }

    pub(super) fn has_vanished(&self, now: Instant) -> bool {
        self.vanishes.is_some_and(|at| now >= at)
    }
}

fn ticks(tick: Duration) -> u64 {
    u64::try_from(tick.as_nanos()).unwrap_or(u64::MAX).max(1)
}

/// One end of a flow.
pub(super) struct End {
    pub(super) host: usize,
    /// `None` once it is done.
    pub(super) application: Option<Box<dyn Application>>,
    pub(super) handle: Option<Handle>,
    pub(super) ledger: Ledger,
    pub(super) ear: Ear,
    pub(super) judge: Judge,
    pub(super) config: Arc<Config>,
    pub(super) limits: Limits,
    pub(super) done_at: Option<Instant>,
    pub(super) response_times: Vec<Duration>,
    /// When it is on the agenda.
    pub(super) wake: Option<Instant>,
    /// Its connection was given up, and was right to be: the peer was silent.
    pub(super) met_silence: bool,
}

impl End {
    /// How long responses took, so far.
    pub(super) fn response_times(&self) -> &[Duration] {
        self.application.as_ref().map_or(&self.response_times, |application| application.response_times())
    }

    /// What the connection tells, or told when it was let go.
    pub(super) fn told(&self, nodes: &[Node], now: Instant) -> Option<TcpInfo> {
        let held = self.handle.filter(|_| self.application.is_some());
        let node = &nodes[self.host];
        held.and_then(|handle| node.machine.info(node.clock(now), handle)).or(self.ledger.told)
    }
}

/// A connection, from its plan to its end.
pub(super) struct Flow {
    /// Which of the scenario's flows it belongs to.
    pub(super) spec: usize,
    pub(super) start: Instant,
    pub(super) ends: [End; 2],
    /// The port that the client has chosen.
    pub(super) client_port: Option<u16>,
    pub(super) endless: bool,
    /// Its client aborts it.
    pub(super) aborts: bool,
    /// A trick may spoil it.
    pub(super) spoiled: bool,
    /// How long its ends wait in silence, where the scenario explains that.
    pub(super) patience: Option<Duration>,
}

impl Flow {
    /// True if all ends that are left wait for a peer that may never answer, and still have patience.
    pub(super) fn is_patient(&self, now: Instant) -> bool {
        let patient = |end: &End| self.patience.is_some_and(|patience| now < end.ledger.moved_at + patience);
        !self.is_done() && self.ends.iter().all(|end| end.application.is_none() || patient(end))
    }

    pub(super) fn is_done(&self) -> bool {
        self.ends.iter().all(|end| end.application.is_none())
    }
}

/// A simulated network with all that lives in it.
pub(super) struct World {
    pub(super) now: Instant,
    /// Rounds in which something was due at this instant.
    pub(super) rounds: u32,
    pub(super) nodes: Vec<Node>,
    pub(super) network: Network,
    pub(super) flows: Vec<Flow>,
    pub(super) payload: Payload,
    pub(super) packets: Packets,
    /// Ends of flows that want to act at a time.
    pub(super) agenda: BTreeSet<(Instant, usize, Role)>,
    /// When something is due at which host.
    pub(super) deadlines: Deadlines,
    /// Flows that have ended.
    pub(super) ended: usize,
    /// The first rule that was broken: the run stops.
    pub(super) violation: Option<Violation>,
    pub(super) record: Record,
    /// Packets that hosts have sent.
    pub(super) packet_count: u64,
    /// Ends that something happened to in the present event.
    pub(super) touched: Vec<(usize, Role)>,
    /// Rules about packets, connections and their ends are checked. If not, only what applications read is, and that nothing is
    /// left at the end.
    pub(super) judges: bool,
    /// Packets may come out of the network otherwise than they went in: checksums are to be verified.
    pub(super) damages: bool,
    /// A host floods the path.
    pub(super) floods: bool,
}

impl World {
    pub(super) fn new(scenario: &Scenario, record: Record) -> Result<Self, ScenarioError> {
        let mut network = Network::new(scenario.forward.clone(), scenario.back.clone(), scenario.seed);
        let mut nodes = Vec::new();
        let hosts = scenario.all_hosts();
        let leaves_checksums = !record.captures_packets() && nobody_reads_checksums(&hosts, scenario);
        for (index, host) in hosts.iter().enumerate() {
            nodes.push(node(index, host, scenario, leaves_checksums, &mut network)?);
        }
        let mut world = Self {
            now: Instant::ZERO,
            rounds: 0,
            nodes,
            network,
            flows: Vec::new(),
            payload: Payload::new(scenario.seed),
            packets: Packets::default(),
            agenda: BTreeSet::new(),
            deadlines: Deadlines::new(hosts.len()),
            ended: 0,
            violation: None,
            record,
            packet_count: 0,
            touched: Vec::new(),
            judges: true,
            damages: scenario.links().any(LinkConfig::damages),
            floods: hosts.iter().any(|host| host.trick.is_some_and(Trick::floods)),
        };
        for planned in scenario.plan()? {
            world.add(planned, scenario)?;
        }
        Ok(world)
    }

    /// Adds a flow: its server listens from now on.
    fn add(&mut self, planned: Planned, scenario: &Scenario) -> Result<(), ScenarioError> {
        let index = self.flows.len();
        let Planned { spec, hosts, start, configs, talkers, endless, aborts, spoiled, patience } = planned;
        let start = Instant::ZERO + start;
        let [client, server] = talkers;
        let [client_config, server_config] = configs;
        let all_hosts = scenario.all_hosts();
        let least_rtt = least_rtt(scenario, hosts.map(|host| &all_hosts[host]));
        let narrows = narrows(scenario, hosts.map(|host| &all_hosts[host]));
        let limits = |host: usize, other: usize, config: &Config| Limits {
            least_rtt,
            trusted: !all_hosts[other].trick.is_some_and(Trick::lies)
                && !all_hosts[host].trick.is_some_and(Trick::floods),
            // Who hears of an arrival before it happened believes in a shorter round trip.
            least_again: if narrows || all_hosts[other].trick == Some(Trick::OptimisticAcks) {
                Duration::ZERO
            } else {
                least_rtt
            },
            ..limits(config, &all_hosts[host])
        };
        let end = |host: usize, other: usize, application: Box<dyn Application>, config: Arc<Config>| End {
            host,
            application: Some(application),
            handle: None,
            ledger: Ledger { moved_at: start, ..Ledger::default() },
            ear: Ear::default(),
            judge: Judge::default(),
            limits: limits(host, other, &config),
            config,
            done_at: None,
            response_times: Vec::new(),
            wake: None,
            met_silence: false,
        };
        let ends = [
            end(hosts[0], hosts[1], Box::new(client), client_config),
            end(hosts[1], hosts[0], Box::new(server), server_config.clone()),
        ];
        let node = &mut self.nodes[hosts[1]];
        let local = SocketAddr::new(node.address, port_of(index));
        node.machine.listen(Instant::ZERO, local, &server_config).map_err(ScenarioError)?;
        self.flows.push(Flow { spec, start, ends, client_port: None, endless, aborts, spoiled, patience });
        self.agenda.insert((start, index, Role::Client));
        Ok(())
    }

    /// Connects the client of a flow.
    pub(super) fn start(&mut self, index: usize) {
        let flow = &mut self.flows[index];
        let [client, server] = &mut flow.ends;
        let remote = SocketAddr::new(self.nodes[server.host].address, port_of(index));
        let node = &mut self.nodes[client.host];
        let local = SocketAddr::new(node.address, 0);
        let clock = node.clock(self.now);
        match node.machine.connect(clock, local, remote, &client.config) {
            Ok(handle) => {
                flow.client_port = node.machine.local_port(handle);
                client.handle = Some(handle);
                node.connections.insert(handle, (index, Role::Client));
            }
            Err(why) => {
                let detail = format!("connecting failed: {why}");
                self.broken(Invariant::EndsExplained, Some((index, Role::Client)), detail);
            }
        }
    }

    /// Whose a packet is that `host` sends or gets, by the port at its end and the one at the other.
    pub(super) fn owner(&self, host: usize, here: u16, there: u16) -> Option<(usize, Role)> {
        let as_client = usize::from(there.wrapping_sub(FIRST_PORT));
        if let Some(flow) = self.flows.get(as_client)
            && flow.ends[0].host == host
            && flow.client_port == Some(here)
        {
            return Some((as_client, Role::Client));
        }
        let as_server = usize::from(here.wrapping_sub(FIRST_PORT));
        let flow = self.flows.get(as_server)?;
        (flow.ends[1].host == host && flow.client_port == Some(there)).then_some((as_server, Role::Server))
    }

    /// The flow whose server listens on this port.
    pub(super) fn flow_of_port(port: u16) -> usize {
        usize::from(port.wrapping_sub(FIRST_PORT))
    }

    /// A rule was broken; only the first is kept.
    pub(super) fn broken(&mut self, invariant: Invariant, who: Option<(usize, Role)>, detail: String) {
        if self.violation.is_some() {
            return;
        }
        let host = who.and_then(|(flow, role)| self.flows.get(flow).map(|flow| flow.ends[role as usize].host));
        self.violation = Some(Violation {
            invariant,
            at_ns: self.now.as_nanos(),
            host: host.map(|host| self.nodes[host].name.clone()).unwrap_or_default(),
            flow: who.map(|(flow, _)| flow),
            detail,
        });
    }
}

/// The port that the server of a flow listens on.
pub(super) fn port_of(flow: usize) -> u16 {
    // A scenario has fewer connections than there are ports.
    FIRST_PORT.wrapping_add(u16::try_from(flow).unwrap_or(u16::MAX))
}

/// True if no element of a link looks at checksums, and no host that takes packets apart: they may be left undone, as the ends of
/// a veth pair leave them to each other.
fn nobody_reads_checksums(hosts: &[HostSpec], scenario: &Scenario) -> bool {
    let takes_apart = |host: &HostSpec| host.trick.is_some() || host.tso;
    !hosts.iter().any(takes_apart) && !scenario.links().any(|link| link.damages() || link.gro.is_some())
}

/// Between two hosts on either side of the bottleneck.
fn least_rtt(scenario: &Scenario, hosts: [&HostSpec; 2]) -> Duration {
    let access = hosts.into_iter().flat_map(HostSpec::way);
    let access: Duration = access.map(|link| link.least_delay()).sum();
    scenario.forward.least_delay() + scenario.back.least_delay() + access
}

/// True if a packet between two hosts may prove too long on its way.
fn narrows(scenario: &Scenario, hosts: [&HostSpec; 2]) -> bool {
    let access = hosts.into_iter().flat_map(HostSpec::access_links);
    [&scenario.forward, &scenario.back].into_iter().chain(access).any(|link| link.mtu.is_some())
}

/// What a host's settings for a connection, and its clock, set as limits.
pub(super) fn limits(config: &Config, host: &HostSpec) -> Limits {
    Limits {
        receive_buffer: config.receive_buffer.limit(),
        ack_within: config.delayed_ack + host.tick.0 * 2 + Duration::from_millis(1),
        min_rto: config.min_rto,
        max_rto: config.max_rto,
        linear_timeouts: if config.thin_linear_timeouts { 6 } else { 0 },
        granularity: config.granularity,
        keep_alive: config.keep_alive.map(|keep_alive| keep_alive.interval.min(keep_alive.idle)),
        keep_alive_probes: config.keep_alive.map(|keep_alive| keep_alive.count.max(2).into()),
        handshake_timeout: config.handshake_timeout,
        user_timeout: config.user_timeout,
        tick: host.tick.0,
        mtu: host.mtu,
        least_rtt: Duration::ZERO,
        least_again: Duration::ZERO,
        trusted: true,
    }
}

fn node(
    index: usize,
    host: &HostSpec,
    scenario: &Scenario,
    leaves_checksums: bool,
    network: &mut Network,
) -> Result<Node, ScenarioError> {
    let number = u16::try_from(index).map_err(|_| ScenarioError("too many hosts".to_owned()))?;
    let address = address_of(number, scenario.ipv6);
    let seed = scenario.seed.wrapping_mul(31).wrapping_add(index as u64);
    let machine = if host.bare {
        Machine::Bare(Box::new(Bare::new(seed)))
    } else {
        stack(seed, host, address, leaves_checksums)?
    };
    let [up, down] = host.way();
    network.add_host(host.side.side(), &[address], up, down);
    Ok(Node {
        name: host.name.clone(),
        address,
        machine,
        tick: ticks(host.tick.0),
        tso: if host.tso { 60_000 } else { 0 },
        trickster: host.trick.map(|trick| Trickster::new(trick, seed)),
        connections: BTreeMap::new(),
        vanishes: host.vanishes.map(|at| Instant::ZERO + at.0),
    })
}

/// The address of a host by its number, from 0.
pub(super) fn address_of(number: u16, ipv6: bool) -> IpAddr {
    let number = number.wrapping_add(1);
    let [high, low] = number.to_be_bytes();
    if ipv6 {
        IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, number))
    } else {
        IpAddr::V4(Ipv4Addr::new(10, 0, high, low))
    }
}

/// A whole host with this address, which leaves its checksums to a device or not.
pub(super) fn stack(
    seed: u64,
    host: &HostSpec,
    address: IpAddr,
    checksum_offload: bool,
) -> Result<Machine, ScenarioError> {
    let mut secret = [0; 32];
    secret[..8].copy_from_slice(&seed.to_le_bytes());
    let remember = match host.tcp.remember {
        Some(true) => Remember { ssthresh: true, ..Remember::default() },
        Some(false) => Remember::NOTHING,
        None => Remember::default(),
    };
    let config = StackConfig { mtu: host.mtu, checksum_offload, remember, ..StackConfig::new(secret) };
    let mut stack = Stack::new(config, Instant::ZERO);
    let prefix = if address.is_ipv4() { 8 } else { 64 };
    stack.add_address(format!("{address}/{prefix}").parse().map_err(|_| ScenarioError("no address".to_owned()))?);
    Ok(Machine::Stack(Box::new(stack)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Clients at "left" and "near", a server at "right" that plays a trick; the path of "near" is narrow.
    fn world(trick: &str) -> World {
        let scenario = format!(
            "[[host]]\nname = 'left'\nside = 'left'\n\
             [[host]]\nname = 'near'\nside = 'left'\naccess = 'mtu 1280'\n\
             [[host]]\nname = 'right'\nside = 'right'\ntrick = '{trick}'\n\
             [[flow]]\nfrom = 'left'\nto = 'right'\napplication = {{ kind = 'bulk', bytes = 1 }}\n\
             [[flow]]\nfrom = 'near'\nto = 'right'\napplication = {{ kind = 'bulk', bytes = 1 }}\n"
        );
        World::new(&format!("forward = 'delay 10ms'\n{scenario}").parse().unwrap(), Record::nothing()).unwrap()
    }

    #[test]
    fn only_an_end_that_lies_loses_the_trust_of_its_peer() {
        let trusted = |trick: &str| world(trick).flows[0].ends.each_ref().map(|end| end.limits.trusted);
        for liar in ["optimistic_acks", "renege_sack", "sack_unsent"] {
            assert_eq!(trusted(liar), [false, true], "{liar}");
        }
        for honest in ["split_acks", "shrink_window"] {
            assert_eq!(trusted(honest), [true, true], "{honest}");
        }
        assert_eq!(trusted("one_byte_segments"), [true, false], "it is answered more often than it has spoken");
    }

    #[test]
    fn a_narrow_link_matters_to_those_behind_it() {
        let world = world("split_acks");
        let known =
            [0, 1].map(|flow: usize| world.flows[flow].ends.each_ref().map(|end| !end.limits.least_again.is_zero()));
        assert_eq!(known, [[true, true], [false, false]]);
    }
}
