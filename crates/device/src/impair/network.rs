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

use std::collections::VecDeque;
use std::net::IpAddr;

use sockeye_wire::Instant;
use sockeye_wire::ip::{IpView, v4};

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
    /// By [`number`], in order.
    by_address: Vec<(u128, HostId)>,
    unroutable: u64,
    /// When something comes out of access links: nobody looks at those where nothing does.
    up: Agenda,
    down: Agenda,
    /// When something comes out of a link that leads on to another next, and out of which.
    between: Option<(Instant, Via)>,
    /// What has come over an access link that is but a wire, by when and to whom.
    there: VecDeque<(Instant, HostId, Packet)>,
    /// All access links towards hosts are but wires.
    hosts_are_near: bool,
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
            by_address: Vec::new(),
            unroutable: 0,
            up: Agenda::default(),
            down: Agenda::default(),
            between: None,
            there: VecDeque::new(),
            hosts_are_near: true,
        }
    }

    /// Adds a host with these addresses, its access link being `up` away from it and `down` towards it.
    pub fn add_host(&mut self, side: Side, addresses: &[IpAddr], up: LinkConfig, down: LinkConfig) -> HostId {
        let id = HostId(self.links.hosts.len());
        let seed = self.seed.wrapping_add(2 + 2 * id.0 as u64);
        let host = Host { side, up: Link::new(up, seed), down: Link::new(down, seed.wrapping_add(1)) };
        self.hosts_are_near &= host.down.is_wire();
        self.links.hosts.push(host);
        for address in addresses.iter().copied().map(number) {
            match self.by_address.binary_search_by_key(&address, |(known, _)| *known) {
                Ok(place) => self.by_address[place].1 = id,
                Err(place) => self.by_address.insert(place, (address, id)),
            }
        }
        id
    }

    /// A host sends a packet. From a host that there isn't it goes nowhere.
    pub fn send(&mut self, now: Instant, from: HostId, mut packet: Packet) {
        self.carry(now);
        let via = Via::Up(from);
        let Some(up) = self.links.at_mut(via) else {
            return;
        };
        if up.pass(now, &mut packet) {
            return self.lead_on(now, via, packet);
        }
        self.on_access(via, |up| up.send(now, packet));
        while let Some(error) = self.links.at_mut(via).and_then(Link::reply) {
            self.tell(now, from, error);
        }
    }

    /// The next packet that has arrived at a host by `now`, and at which.
    pub fn receive(&mut self, now: Instant) -> Option<(HostId, Packet)> {
        self.next_timeout().filter(|at| *at <= now)?;
        if let Some(arrived) = self.receive_alone(now) {
            return Some(arrived);
        }
        self.carry(now);
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

    /// What comes out of the bottleneck, is at a host as it does, and has nothing beside it with which it would have to be
    /// brought into order. That goes for nearly all packets.
    #[inline]
    fn receive_alone(&mut self, now: Instant) -> Option<(HostId, Packet)> {
        let (at, via) = self.between.filter(|(at, via)| *at <= now && self.leads_to_host(*via))?;
        if self.first_arrival().is_some_and(|first| first <= at) {
            return None;
        }
        let mut packet = self.links.at_mut(via)?.receive(at)?;
        self.between = self.first_between();
        let is_alone = self.between.is_none_or(|(next, _)| next > at);
        if is_alone
            && let Some(to) = self.destination(&packet)
            && self.links.at_mut(Via::Down(to)).is_some_and(|down| down.pass_as_it_is(at, &mut packet))
        {
            return Some((to, packet));
        }
        self.lead_on(at, via, packet);
        None
    }

    /// True if what happens to this link next is that something comes out of it and is at a host at once.
    fn leads_to_host(&self, via: Via) -> bool {
        let bottleneck = matches!(via, Via::Bottleneck(_));
        bottleneck && self.hosts_are_near && self.links.at(via).is_some_and(Link::is_plain)
    }

    /// When to call [`receive`](Self::receive) next. `None` if nothing is on its way.
    pub fn next_timeout(&self) -> Option<Instant> {
        Instant::earlier(self.first_arrival(), self.between.map(|(at, _)| at))
    }

    /// When the next packet arrives at a host, if one does by `by` (or would, if anybody had its address); what happens
    /// between links until then has happened. For whoever does nothing to the network in the meantime: it spares looking at
    /// every link's own events.
    pub fn next_arrival(&mut self, by: Instant) -> Option<Instant> {
        loop {
            let arrives = self.first_arrival().filter(|at| *at <= by);
            match self.between {
                Some((at, via)) if at <= arrives.unwrap_or(by) => {
                    if self.leads_to_host(via) {
                        return Some(at);
                    }
                    self.let_out(at, via);
                }
                _ => return arrives,
            }
        }
    }

    /// The bottleneck, as seen from a side; its queue is as it was when a packet last entered or left it, unless it was
    /// [advanced](Self::advance).
    pub const fn bottleneck(&self, from: Side) -> &Link {
        match from {
            Side::Left => &self.links.rightward,
            Side::Right => &self.links.leftward,
        }
    }

    /// Lets happen what happens by `now`, for whoever looks at the links.
    pub fn advance(&mut self, now: Instant) {
        self.carry(now);
        self.links.rightward.advance(now);
        self.links.leftward.advance(now);
    }

    /// From now on another bottleneck on the way from a side; see [`Link::set_config`].
    pub fn set_bottleneck(&mut self, now: Instant, from: Side, config: LinkConfig) {
        self.carry(now);
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
        Instant::earlier(there, self.down.first().map(|(at, _)| at))
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
    fn carry(&mut self, now: Instant) {
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
        let over = match crosses {
            Some(from) => {
                let (over, link) = (Via::Bottleneck(from), self.links.bottleneck(from));
                link.send(at, packet);
                // One more packet puts off nothing.
                self.between = first_of(self.between, link.next_timeout().map(|at| (at, over)));
                over
            }
            None => self.arrive(at, to, packet),
        };
        while let Some(error) = self.links.at_mut(over).and_then(Link::reply) {
            match self.destination(&error) {
                Some(id) => self.tell(at, id, error),
                None => self.unroutable += 1,
            }
        }
    }

    /// Down the last link to a host; gives that link, which may have something to reply.
    fn arrive(&mut self, at: Instant, to: HostId, mut packet: Packet) -> Via {
        let via = Via::Down(to);
        if self.links.at_mut(via).is_some_and(|down| down.pass_as_it_is(at, &mut packet)) {
            // Most are behind all others: looked for from there.
            let others = self.there.iter().rev().take_while(|(when, id, _)| (*when, *id) > (at, to)).count();
            match self.there.len() - others {
                place if others > 0 => self.there.insert(place, (at, to, packet)),
                _ => self.there.push_back((at, to, packet)),
            }
        } else {
            self.on_access(via, |down| down.send(at, packet));
        }
        via
    }

    /// An error goes down the last link to a host. About an error no error is sent.
    fn tell(&mut self, at: Instant, to: HostId, error: Packet) {
        let via = self.arrive(at, to, error);
        while self.links.at_mut(via).and_then(Link::reply).is_some() {}
    }

    fn destination(&self, packet: &Packet) -> Option<HostId> {
        let address = match v4::Plain::of(&packet.bytes) {
            Some(plain) => plain.destination.into(),
            None => IpView::parse(&packet.bytes).ok()?.destination(),
        };
        let address = number(address);
        let place = self.by_address.binary_search_by_key(&address, |(known, _)| *known).ok()?;
        self.by_address.get(place).map(|(_, id)| *id)
    }
}

/// An address as a number, which is compared faster.
const fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
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
