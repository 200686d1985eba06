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

use std::collections::{BTreeSet, HashMap};
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
    rightward: Link,
    leftward: Link,
    hosts: Vec<Host>,
    by_address: HashMap<IpAddr, HostId>,
    unroutable: u64,
    /// When something comes out of a link that leads on to another: nobody looks at links where nothing does.
    between: BTreeSet<(Instant, Via)>,
    /// When something arrives at a host.
    arrivals: BTreeSet<(Instant, HostId)>,
}

/// A link that leads on to another. Of one instant all access links come before the bottleneck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Via {
    Up(HostId),
    Bottleneck(Side),
}

#[derive(Debug)]
struct Host {
    side: Side,
    up: Link,
    down: Link,
}

impl Network {
    /// A network without hosts; its bottleneck is `rightward` from left to right, `leftward` back. Each link draws its
    /// chance from `seed` and its place.
    pub fn new(rightward: LinkConfig, leftward: LinkConfig, seed: u64) -> Self {
        let (rightward, leftward) = (Link::new(rightward, seed), Link::new(leftward, seed.wrapping_add(1)));
        Self {
            seed,
            rightward,
            leftward,
            hosts: Vec::new(),
            by_address: HashMap::new(),
            unroutable: 0,
            between: BTreeSet::new(),
            arrivals: BTreeSet::new(),
        }
    }

    /// Adds a host with these addresses, its access link being `up` away from it and `down` towards it.
    pub fn add_host(&mut self, side: Side, addresses: &[IpAddr], up: LinkConfig, down: LinkConfig) -> HostId {
        let id = HostId(self.hosts.len());
        let seed = self.seed.wrapping_add(2 + 2 * id.0 as u64);
        self.hosts.push(Host { side, up: Link::new(up, seed), down: Link::new(down, seed.wrapping_add(1)) });
        self.by_address.extend(addresses.iter().map(|address| (*address, id)));
        id
    }

    /// A host sends a packet. From a host that there isn't it goes nowhere.
    pub fn send(&mut self, now: Instant, from: HostId, packet: Packet) {
        self.advance(now);
        let errors = self.on_link(Via::Up(from), |up| send(up, now, packet));
        for error in errors.unwrap_or_default() {
            // About an error no error is sent.
            self.arrive(now, from, error);
        }
    }

    /// The next packet that has arrived at a host by `now`, and at which.
    pub fn receive(&mut self, now: Instant) -> Option<(HostId, Packet)> {
        self.advance(now);
        while let Some(&(_, id)) = self.arrivals.first().filter(|(at, _)| *at <= now) {
            // There may be nothing yet, if something else has happened in there.
            if let Some(packet) = self.on_last_link(id, |down| down.receive(now)).flatten() {
                return Some((id, packet));
            }
        }
        None
    }

    /// When to call [`receive`](Self::receive) next. `None` if nothing is on its way.
    pub fn next_timeout(&self) -> Option<Instant> {
        let arrives = self.arrivals.first().map(|(at, _)| *at);
        earlier(arrives, self.between.first().map(|(at, _)| *at))
    }

    /// The bottleneck, as seen from a side.
    pub const fn bottleneck(&self, from: Side) -> &Link {
        match from {
            Side::Left => &self.rightward,
            Side::Right => &self.leftward,
        }
    }

    /// From now on another bottleneck on the way from a side; see [`Link::set_config`].
    pub fn set_bottleneck(&mut self, now: Instant, from: Side, config: LinkConfig) {
        self.advance(now);
        self.on_link(Via::Bottleneck(from), |link| link.set_config(now, config));
    }

    /// The access links of a host, away from it and towards it.
    pub fn access(&self, host: HostId) -> Option<(&Link, &Link)> {
        self.hosts.get(host.0).map(|host| (&host.up, &host.down))
    }

    /// Packets to addresses that no host has.
    pub const fn unroutable(&self) -> u64 {
        self.unroutable
    }

    /// Does something to a link that leads on to another, and notes when something comes out of it then.
    fn on_link<T>(&mut self, via: Via, work: impl FnOnce(&mut Link) -> T) -> Option<T> {
        let link = match via {
            Via::Up(id) => &mut self.hosts.get_mut(id.0)?.up,
            Via::Bottleneck(Side::Left) => &mut self.rightward,
            Via::Bottleneck(Side::Right) => &mut self.leftward,
        };
        let (before, done, after) = (link.next_timeout(), work(link), link.next_timeout());
        note(&mut self.between, via, before, after);
        Some(done)
    }

    /// The same for the link that leads to a host.
    fn on_last_link<T>(&mut self, to: HostId, work: impl FnOnce(&mut Link) -> T) -> Option<T> {
        let down = &mut self.hosts.get_mut(to.0)?.down;
        let (before, done, after) = (down.next_timeout(), work(down), down.next_timeout());
        note(&mut self.arrivals, to, before, after);
        Some(done)
    }

    /// Carries packets from link to link, in the order of their times, until all have happened that happens by `now`.
    fn advance(&mut self, now: Instant) {
        while let Some(&(at, via)) = self.between.first().filter(|(at, _)| *at <= now) {
            while let Some(packet) = self.on_link(via, |link| link.receive(at)).flatten() {
                self.lead_on(at, via, packet);
            }
        }
    }

    /// What came out of a link goes on: from a host to the bottleneck, or to a neighbour on the same side; from there to the
    /// host that has the destination address.
    fn lead_on(&mut self, at: Instant, via: Via, packet: Packet) {
        let Some(to) = self.destination(&packet) else {
            self.unroutable += 1;
            return;
        };
        let side = |id: HostId| self.hosts.get(id.0).map(|host| host.side);
        let crosses = if let Via::Up(from) = via { side(from).filter(|from| side(to) != Some(*from)) } else { None };
        let errors = match crosses {
            Some(from) => self.on_link(Via::Bottleneck(from), |link| send(link, at, packet)).unwrap_or_default(),
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
        self.on_last_link(to, |down| send(down, at, packet)).unwrap_or_default()
    }

    fn destination(&self, packet: &Packet) -> Option<HostId> {
        let ip = IpView::parse(&packet.bytes).ok()?;
        self.by_address.get(&ip.destination()).copied()
    }
}

/// Sends a packet over a link; gives the errors that the link sends back.
fn send(link: &mut Link, now: Instant, packet: Packet) -> Vec<Packet> {
    link.send(now, packet);
    std::iter::from_fn(|| link.reply()).collect()
}

/// Notes that something happens at another time than it did.
fn note<T: Ord + Copy>(agenda: &mut BTreeSet<(Instant, T)>, what: T, before: Option<Instant>, after: Option<Instant>) {
    if before != after {
        if let Some(at) = before {
            agenda.remove(&(at, what));
        }
        agenda.extend(after.map(|at| (at, what)));
    }
}
