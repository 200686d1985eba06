//! Hosts on both sides of a bottleneck: the dumbbell in which flows meet.
//!
//! ```text
//! left hosts ── access ──┐                    ┌── access ── right hosts
//! left hosts ── access ──┴──── bottleneck ────┴── access ── right hosts
//! ```
//!
//! A packet goes to the host that has its destination address. Between hosts of one side it goes by their access links
//! alone; to an address that nobody has it is lost and counted.

use std::collections::HashMap;
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
        Self { seed, rightward, leftward, hosts: Vec::new(), by_address: HashMap::new(), unroutable: 0 }
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
        if let Some(host) = self.hosts.get_mut(from.0) {
            host.up.send(now, packet);
        }
    }

    /// The next packet that has arrived at a host by `now`, and at which.
    pub fn receive(&mut self, now: Instant) -> Option<(HostId, Packet)> {
        self.advance(now);
        let mut arrived = self.hosts.iter_mut().enumerate();
        arrived.find_map(|(id, host)| host.down.receive(now).map(|packet| (HostId(id), packet)))
    }

    /// When to call [`receive`](Self::receive) next. `None` if nothing is on its way.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.links().fold(None, |next, link| earlier(next, link.next_timeout()))
    }

    /// The bottleneck, as seen from a side.
    pub const fn bottleneck(&self, from: Side) -> &Link {
        match from {
            Side::Left => &self.rightward,
            Side::Right => &self.leftward,
        }
    }

    /// The bottleneck, to be changed.
    pub const fn bottleneck_mut(&mut self, from: Side) -> &mut Link {
        match from {
            Side::Left => &mut self.rightward,
            Side::Right => &mut self.leftward,
        }
    }

    /// The access links of a host, away from it and towards it.
    pub fn access(&self, host: HostId) -> Option<(&Link, &Link)> {
        self.hosts.get(host.0).map(|host| (&host.up, &host.down))
    }

    /// Packets to addresses that no host has.
    pub const fn unroutable(&self) -> u64 {
        self.unroutable
    }

    fn links(&self) -> impl Iterator<Item = &Link> {
        [&self.rightward, &self.leftward].into_iter().chain(self.hosts.iter().flat_map(|host| [&host.up, &host.down]))
    }

    /// Carries packets from link to link, in the order of their times, until all have happened that happens by `now`.
    fn advance(&mut self, now: Instant) {
        while let Some(at) = self.next_between().filter(|at| *at <= now) {
            for id in 0..self.hosts.len() {
                while let Some((packet, side)) = self.take_from(id, at) {
                    self.forward(at, side, packet);
                }
            }
            for side in [Side::Left, Side::Right] {
                while let Some(packet) = self.bottleneck_mut(side).receive(at) {
                    self.deliver(at, packet);
                }
                while let Some(reply) = self.bottleneck_mut(side).reply() {
                    self.deliver(at, reply);
                }
            }
        }
    }

    /// When something comes out of a link that leads on to another.
    fn next_between(&self) -> Option<Instant> {
        let ups = self.hosts.iter().map(|host| &host.up);
        ups.chain([&self.rightward, &self.leftward]).fold(None, |next, link| earlier(next, link.next_timeout()))
    }

    fn take_from(&mut self, id: usize, at: Instant) -> Option<(Packet, Side)> {
        let host = self.hosts.get_mut(id)?;
        if let Some(reply) = host.up.reply() {
            host.down.send(at, reply);
        }
        host.up.receive(at).map(|packet| (packet, host.side))
    }

    /// From a host's access link to the bottleneck, or to a neighbour on the same side.
    fn forward(&mut self, at: Instant, from: Side, packet: Packet) {
        match self.destination(&packet).and_then(|id| self.hosts.get(id.0)) {
            Some(host) if host.side != from => self.bottleneck_mut(from).send(at, packet),
            _ => self.deliver(at, packet),
        }
    }

    /// To the access link of the host that has the destination address.
    fn deliver(&mut self, at: Instant, packet: Packet) {
        let host = self.destination(&packet).and_then(|id| self.hosts.get_mut(id.0));
        match host {
            Some(host) => {
                host.down.send(at, packet);
                if let Some(error) = host.down.reply() {
                    self.answer(at, error);
                }
            }
            None => self.unroutable += 1,
        }
    }

    /// An error that a host's own link gave rise to goes back to the sender.
    fn answer(&mut self, at: Instant, error: Packet) {
        if let Some(host) = self.destination(&error).and_then(|id| self.hosts.get_mut(id.0)) {
            host.down.send(at, error);
        }
    }

    fn destination(&self, packet: &Packet) -> Option<HostId> {
        let ip = IpView::parse(&packet.bytes).ok()?;
        self.by_address.get(&ip.destination()).copied()
    }
}
