//! Hosts on both sides of a bottleneck: the dumbbell in which flows meet.
//!
//! ```text
//! left hosts ── access ──┐                    ┌── access ── right hosts
//! left hosts ── access ──┴──── bottleneck ────┴── access ── right hosts
//! ```
//!
//! A packet goes to the host that has its destination address. Between hosts of one side it goes by their access links
//! alone; to an address that nobody has it is lost and counted. An error about a packet that is too long (`mtu … icmp`)
//! takes a shorter way: down the access link of the packet's sender, wherever it arose.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use sockeye_wire::Instant;
use sockeye_wire::ip::IpView;

use super::carried::earlier;
use super::{Link, LinkConfig};
use crate::Packet;

/// A host in a [`Network`]: its number, in the order in which hosts were added, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub usize);

/// On which side of the bottleneck a host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The first one.
    Left,
    /// The other.
    Right,
}

/// Hosts, their access links, and the bottleneck between the two sides. Without I/O, as a [`Link`].
///
/// ```
/// use sockeye_device::impair::{LinkConfig, Network, Side};
///
/// let slow: LinkConfig = "rate 10mbit delay 20ms limit 50".parse()?;
/// let mut network = Network::new(slow.clone(), slow, 7);
/// let wire = LinkConfig::default;
/// let client = network.add_host(Side::Left, &["10.0.0.1".parse()?], wire(), wire());
/// let server = network.add_host(Side::Right, &["10.0.1.1".parse()?], wire(), wire());
/// # assert_ne!(client, server);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Network {
    seed: u64,
    links: Links,
    /// By [`number`].
    by_address: BTreeMap<u128, HostId>,
    unroutable: u64,
    /// When something comes out of access links: nobody looks at those where nothing does.
    up: Agenda,
    down: Agenda,
    /// When something comes out of a link that leads on to another next, and out of which.
    between: Option<(Instant, Via)>,
    /// What has come over an access link that is but a wire, by when and to whom.
    there: VecDeque<(Instant, HostId, Packet)>,
}

/// A link. Of one instant all access links away from hosts come before the bottleneck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Via {
    Up(HostId),
    Bottleneck(Side),
    Down(HostId),
}

#[derive(Debug)]
struct Links {
    rightward: Link,
    leftward: Link,
    hosts: Vec<Host>,
}

#[derive(Debug)]
struct Host {
    side: Side,
    up: Link,
    down: Link,
}

impl Links {
    fn at(&self, via: Via) -> Option<&Link> {
        match via {
            Via::Up(id) => self.hosts.get(id.0).map(|host| &host.up),
            Via::Bottleneck(Side::Left) => Some(&self.rightward),
            Via::Bottleneck(Side::Right) => Some(&self.leftward),
            Via::Down(id) => self.hosts.get(id.0).map(|host| &host.down),
        }
    }

    fn at_mut(&mut self, via: Via) -> Option<&mut Link> {
        match via {
            Via::Up(id) => self.hosts.get_mut(id.0).map(|host| &mut host.up),
            Via::Bottleneck(from) => Some(self.bottleneck(from)),
            Via::Down(id) => self.hosts.get_mut(id.0).map(|host| &mut host.down),
        }
    }

    const fn bottleneck(&mut self, from: Side) -> &mut Link {
        match from {
            Side::Left => &mut self.rightward,
            Side::Right => &mut self.leftward,
        }
    }

    fn side(&self, id: HostId) -> Option<Side> {
        self.hosts.get(id.0).map(|host| host.side)
    }
}

impl Network {
    /// A network without hosts; its bottleneck is `rightward` from left to right, `leftward` back. Each link draws its
    /// chance from `seed` and its place.
    pub fn new(rightward: LinkConfig, leftward: LinkConfig, seed: u64) -> Self {
        let (rightward, leftward) = (Link::new(rightward, seed), Link::new(leftward, seed.wrapping_add(1)));
        Self {
            seed,
            links: Links { rightward, leftward, hosts: Vec::new() },
            by_address: BTreeMap::new(),
            unroutable: 0,
            up: Agenda::default(),
            down: Agenda::default(),
            between: None,
            there: VecDeque::new(),
        }
    }

    /// Adds a host with these addresses, its access link being `up` away from it and `down` towards it.
    pub fn add_host(&mut self, side: Side, addresses: &[IpAddr], up: LinkConfig, down: LinkConfig) -> HostId {
        let id = HostId(self.links.hosts.len());
        let seed = self.seed.wrapping_add(2 + 2 * id.0 as u64);
        self.links.hosts.push(Host { side, up: Link::new(up, seed), down: Link::new(down, seed.wrapping_add(1)) });
        self.by_address.extend(addresses.iter().map(|address| (number(*address), id)));
        id
    }

    /// A host sends a packet. From a host that there isn't it goes nowhere.
    pub fn send(&mut self, now: Instant, from: HostId, packet: Packet) {
        self.advance(now);
        let via = Via::Up(from);
        let Some(up) = self.links.at_mut(via) else {
            return;
        };
        match up.pass(now, packet) {
            Ok(packet) => self.lead_on(now, via, packet),
            Err(packet) => {
                for error in self.on_access(via, |up| send(up, now, packet)).unwrap_or_default() {
                    // About an error no error is sent.
                    self.arrive(now, from, error);
                }
            }
        }
    }

    /// The next packet that has arrived at a host by `now`, and at which.
    pub fn receive(&mut self, now: Instant) -> Option<(HostId, Packet)> {
        self.advance(now);
        loop {
            let there = self.there.front().map(|&(at, id, _)| (at, Via::Down(id)));
            let (_, via) = first_of(there, self.down.first()).filter(|(at, _)| *at <= now)?;
            if there.is_some_and(|(_, other)| other == via) {
                return self.there.pop_front().map(|(_, id, packet)| (id, packet));
            }
            // There may be nothing yet, if something else has happened in there.
            let packet = self.on_access(via, |down| down.receive(now)).flatten();
            if let (Some(packet), Via::Down(id)) = (packet, via) {
                return Some((id, packet));
            }
        }
    }

    /// When to call [`receive`](Self::receive) next. `None` if nothing is on its way.
    pub fn next_timeout(&self) -> Option<Instant> {
        earlier(self.first_arrival(), self.between.map(|(at, _)| at))
    }

    /// When the next packet arrives at a host, if one does by `by`; what happens between links until then has happened. For
    /// whoever does nothing to the network in the meantime: it spares looking at every link's own events.
    pub fn next_arrival(&mut self, by: Instant) -> Option<Instant> {
        loop {
            let arrives = self.first_arrival().filter(|at| *at <= by);
            match self.between {
                Some((at, via)) if at <= arrives.unwrap_or(by) => self.let_out(at, via),
                _ => return arrives,
            }
        }
    }

    /// The bottleneck, as seen from a side.
    pub const fn bottleneck(&self, from: Side) -> &Link {
        match from {
            Side::Left => &self.links.rightward,
            Side::Right => &self.links.leftward,
        }
    }

    /// From now on another bottleneck on the way from a side; see [`Link::set_config`].
    pub fn set_bottleneck(&mut self, now: Instant, from: Side, config: LinkConfig) {
        self.advance(now);
        self.links.bottleneck(from).set_config(now, config);
        self.between = self.first_between();
    }

    /// The access links of a host, away from it and towards it.
    pub fn access(&self, host: HostId) -> Option<(&Link, &Link)> {
        self.links.hosts.get(host.0).map(|host| (&host.up, &host.down))
    }

    /// Packets to addresses that no host has.
    pub const fn unroutable(&self) -> u64 {
        self.unroutable
    }

    fn first_arrival(&self) -> Option<Instant> {
        let there = self.there.front().map(|(at, ..)| *at);
        earlier(there, self.down.first().map(|(at, _)| at))
    }

    /// What [`Self::between`] is to be after something has happened.
    fn first_between(&self) -> Option<(Instant, Via)> {
        let Links { rightward, leftward, .. } = &self.links;
        let rightward = rightward.next_timeout().map(|at| (at, Via::Bottleneck(Side::Left)));
        let leftward = leftward.next_timeout().map(|at| (at, Via::Bottleneck(Side::Right)));
        first_of(self.up.first(), first_of(rightward, leftward))
    }

    /// Does something to an access link, and notes when something comes out of it then.
    fn on_access<T>(&mut self, via: Via, work: impl FnOnce(&mut Link) -> T) -> Option<T> {
        let link = self.links.at_mut(via)?;
        let (before, done) = (link.next_timeout(), work(link));
        self.note(via, before);
        Some(done)
    }

    /// Something happened to a link, out of which something was to come at `before`.
    fn note(&mut self, via: Via, before: Option<Instant>) {
        let when = |via| self.links.at(via).and_then(Link::next_timeout);
        match via {
            Via::Up(_) => self.up.note(via, before, when),
            Via::Bottleneck(_) => {}
            Via::Down(_) => return self.down.note(via, before, when),
        }
        self.between = self.first_between();
    }

    /// Carries packets from link to link, in the order of their times, until all have happened that happens by `now`.
    fn advance(&mut self, now: Instant) {
        while let Some((at, via)) = self.between.filter(|(at, _)| *at <= now) {
            self.let_out(at, via);
        }
    }

    /// Something comes out of a link at `at`.
    fn let_out(&mut self, at: Instant, via: Via) {
        while let Some(packet) = self.links.at_mut(via).and_then(|link| link.receive(at)) {
            self.lead_on(at, via, packet);
        }
        self.note(via, Some(at));
    }

    /// What came out of a link goes on: from a host to the bottleneck, or to a neighbour on the same side; from there to the
    /// host that has the destination address.
    fn lead_on(&mut self, at: Instant, via: Via, packet: Packet) {
        let Some(to) = self.destination(&packet) else {
            self.unroutable += 1;
            return;
        };
        let links = &self.links;
        let crosses = match via {
            Via::Up(from) => links.side(from).filter(|from| links.side(to) != Some(*from)),
            Via::Bottleneck(_) | Via::Down(_) => None,
        };
        let errors = match crosses {
            Some(from) => {
                let errors = send(self.links.bottleneck(from), at, packet);
                self.between = self.first_between();
                errors
            }
            None => self.arrive(at, to, packet),
        };
        for error in errors {
            match self.destination(&error) {
                Some(id) => drop(self.arrive(at, id, error)),
                None => self.unroutable += 1,
            }
        }
    }

    /// Down the last link to a host; gives the errors that this gave rise to.
    fn arrive(&mut self, at: Instant, to: HostId, packet: Packet) -> Vec<Packet> {
        let via = Via::Down(to);
        match self.links.at_mut(via).map(|down| down.pass(at, packet)) {
            None => Vec::new(),
            Some(Ok(packet)) => {
                let others = self.there.iter().rev().take_while(|(when, id, _)| (*when, *id) > (at, to)).count();
                self.there.insert(self.there.len() - others, (at, to, packet));
                Vec::new()
            }
            Some(Err(packet)) => self.on_access(via, |down| send(down, at, packet)).unwrap_or_default(),
        }
    }

    fn destination(&self, packet: &Packet) -> Option<HostId> {
        let ip = IpView::parse(&packet.bytes).ok()?;
        self.by_address.get(&number(ip.destination())).copied()
    }
}

/// An address as a number, which is compared faster.
const fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// Sends a packet over a link; gives the errors that the link sends back.
fn send(link: &mut Link, now: Instant, packet: Packet) -> Vec<Packet> {
    link.send(now, packet);
    std::iter::from_fn(|| link.reply()).collect()
}

/// The first of two that something comes out of, either of which may not be.
fn first_of(one: Option<(Instant, Via)>, other: Option<(Instant, Via)>) -> Option<(Instant, Via)> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// When something comes out of access links next, the earliest first. Of one to which something happened the old times stay
/// until they come to the front: the first entry is always true.
#[derive(Debug, Default)]
struct Agenda(VecDeque<(Instant, Via)>);

impl Agenda {
    fn first(&self) -> Option<(Instant, Via)> {
        self.0.front().copied()
    }

    /// Something happened to `via`, out of which something was to come at `before`; `when` says of any link when it does.
    fn note(&mut self, via: Via, before: Option<Instant>, when: impl Fn(Via) -> Option<Instant>) {
        let after = when(via);
        if before == after {
            return;
        }
        while self.first().is_some_and(|(at, via)| when(via) != Some(at)) {
            self.0.pop_front();
        }
        if let Some(at) = after {
            // Most times are behind all others: looked for from there.
            let later = self.0.iter().rev().take_while(|other| **other > (at, via)).count();
            self.0.insert(self.0.len() - later, (at, via));
        }
    }
}
