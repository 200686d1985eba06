//! The sans-IO IP host: packets and time in, packets and events out.
//!
//! Knows all connections, listeners, half-open connections and those in TIME-WAIT; finds whose packet it is, keeps their
//! timers, asks them in turn what they have to send. Never blocks, reads no clock, draws no randomness: its secrets are
//! made of the seed in [`StackConfig`].
//!
//! After every call that may change something, ask [`Stack::poll_transmit`] until `None`, then
//! [`Stack::poll_event`] until `None`, then [`Stack::next_timeout`]. Nobody is asked who has nothing to say: whoever was
//! touched stands in a queue, so the cost is that of those who were.

mod calls;
mod config;
mod counters;
mod demux;
mod error;
mod icmp;
mod ip;
mod isn;
mod listen;
mod memory;
mod packet_arrives;
mod plain;
mod ports;
mod reply_limit;
mod share;
mod slab;
mod syn_queue;
mod time_wait;
mod timer_wheel;
mod transmit;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use sockeye_device::{Cidr, Outgoing};
use sockeye_tcb::{Event, PathMss, Tcb};
use sockeye_wire::Instant;

use config::Configs;
pub use config::{ConnectOptions, ListenOptions, StackConfig};
pub use counters::{Copied, Counters, Drop};
pub(crate) use demux::Pair;
use demux::{Demux, Kept};
pub use error::StackError;
use ip::address::Addresses;
use ip::fragment::Reassembler;
use ip::path::Paths;
pub use ip::path::Remember;
use isn::Secrets;
use listen::Listeners;
use memory::Memory;
use reply_limit::Bucket;
pub(crate) use share::{Share, Way};
use slab::{Key, Slab};
use syn_queue::SynQueue;
use time_wait::TimeWaitTable;
use timer_wheel::{TimerId, TimerWheel};

/// A connection of a [`Stack`]. One that is gone finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(Key);

impl ConnectionId {
    /// Below the largest number of connections that there ever were at a time: a place in a table beside the stack.
    pub(crate) const fn index(self) -> usize {
        self.0.index as usize
    }
}

/// A listener of a [`Stack`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListenerId(Key);

/// Something that the owner of a stack may want to act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StackEvent {
    /// A connection has something to tell.
    Connection(ConnectionId, Event),
    /// [`Stack::accept`] has a connection for this listener.
    Incoming(ListenerId),
}

/// What a stack holds, for whoever checks that all is given back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Connections, those included that nobody has accepted or that are closing.
    pub connections: usize,
    /// Half-open connections.
    pub half_open: usize,
    /// Entries of TIME-WAIT.
    pub time_wait: usize,
    /// Octets of text of all connections: to be sent or acknowledged, to be read, or out of order.
    pub text_octets: usize,
    /// Octets of fragments, with what it costs to keep them.
    pub fragment_octets: usize,
    /// Timers armed.
    pub timers: usize,
    /// Pairs of sockets that the look-up knows.
    pub pairs: usize,
}

/// The IP host.
#[derive(Debug)]
pub struct Stack {
    config: StackConfig,
    /// What connections start with.
    defaults: Configs,
    addresses: Addresses,
    /// Source and destination of a packet that had good ones: of a train of packets those of the first are looked up.
    accepted: Option<(IpAddr, IpAddr)>,
    secrets: Secrets,
    /// Which of the host's connections are this stack's.
    share: Share,
    demux: Demux<Target>,
    connections: Slab<Connection>,
    memory: Memory,
    listeners: Listeners,
    syn_queue: SynQueue,
    time_wait: TimeWaitTable,
    wheel: TimerWheel<Owner>,
    reassembler: Reassembler,
    paths: Paths,
    /// ICMP errors and RSTs that may be sent to strangers.
    errors: Bucket,
    resets: Bucket,
    /// Replies without a connection: RST, SYN-ACK, ICMP.
    replies: VecDeque<Outgoing>,
    touched: Touched,
    /// Listeners to which a connection has come.
    incoming: VecDeque<Key>,
    /// How many ports were chosen: what RFC 6056 calls `next_ephemeral`.
    ports_chosen: u32,
    counters: Counters,
}

/// What a pair of sockets stands for.
#[derive(Clone, Copy, Debug)]
enum Target {
    Connection(Key),
    HalfOpen(Key),
    TimeWait(Key),
}

/// Whose timer it is.
#[derive(Clone, Copy, Debug)]
enum Owner {
    Connection(Key),
    HalfOpen(Key),
}

/// A connection and what a `Tcb` doesn't know of it.
#[derive(Debug)]
struct Connection {
    tcb: Tcb,
    sockets: Kept,
    timer: TimerId,
    hop_limit: u8,
    /// Diffserv code point, in the upper six bits of the octet.
    traffic_class: u8,
    held_by: HeldBy,
    /// What [`Paths`] was last told of the path.
    path: Option<PathMss>,
    /// [`Paths::narrowed`] when it was last asked.
    narrowed: u32,
    /// Octets that it was last counted with in [`Memory`].
    octets: u32,
    /// It stands in [`Touched::to_send`].
    is_to_send: bool,
    /// It stands in [`Touched::to_tell`].
    is_to_tell: bool,
}

/// Connections to which something has happened.
#[derive(Debug, Default)]
struct Touched {
    /// They may have something to send.
    to_send: VecDeque<Key>,
    /// They may have something to tell.
    to_tell: VecDeque<Key>,
}

impl Touched {
    /// Something happened to the connection that is found by `key`.
    fn add(&mut self, key: Key, connection: &mut Connection) {
        if !std::mem::replace(&mut connection.is_to_send, true) {
            self.to_send.push_back(key);
        }
        self.hear(key, connection);
    }

    /// The connection that is found by `key` may have something to tell.
    fn hear(&mut self, key: Key, connection: &mut Connection) {
        if connection.tcb.has_event() && !std::mem::replace(&mut connection.is_to_tell, true) {
            self.to_tell.push_back(key);
        }
    }
}

/// Who would miss a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HeldBy {
    /// The application: its id is valid.
    Application,
    /// A listener, until it is accepted.
    Listener,
    /// Nobody: it ends by itself.
    Nobody,
}

impl Stack {
    /// A stack without addresses.
    pub fn new(config: StackConfig, now: Instant) -> Self {
        let secrets = Secrets::new(&config.seed);
        Self {
            defaults: Configs::new(&config.tcp, config.mtu),
            addresses: Addresses::default(),
            accepted: None,
            demux: Demux::new(secrets.pairs),
            share: Share::whole(secrets.shards),
            secrets,
            connections: Slab::default(),
            memory: Memory::new(config.memory_limit),
            listeners: Listeners::default(),
            syn_queue: SynQueue::default(),
            time_wait: TimeWaitTable::default(),
            wheel: TimerWheel::new(now),
            reassembler: Reassembler::new(config.max_fragment_octets, config.fragment_timeout),
            paths: Paths::new(config.remember),
            errors: Bucket::new(config.max_errors, secrets.answers, now),
            resets: Bucket::new(config.max_resets, secrets.answers, now),
            replies: VecDeque::new(),
            touched: Touched::default(),
            incoming: VecDeque::new(),
            ports_chosen: 0,
            counters: Counters::default(),
            config,
        }
    }

    /// From now on it is one of `count` stacks of the same host, and has the share `index` of its connections.
    pub(crate) const fn split(&mut self, index: usize, count: usize) {
        self.share = self.share.part(index, count);
    }

    /// Which of the host's connections are this stack's.
    pub(crate) const fn share(&self) -> Share {
        self.share
    }

    /// Counts packets for which there was no room on their way here from other stacks of the host.
    pub(crate) fn lost_in_hand_over(&mut self, packets: u64) {
        self.counters.count_many(Drop::HandOverFull, packets);
    }

    /// From now on `address` is one of the stack's own.
    pub fn add_address(&mut self, address: Cidr) {
        self.addresses.add(address);
        self.accepted = None;
        self.demux.forget_last();
    }

    /// The counters.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What the stack holds.
    pub fn usage(&self) -> Usage {
        Usage {
            connections: self.connections.len(),
            half_open: self.syn_queue.slab.len(),
            time_wait: self.time_wait.slab.len(),
            text_octets: self.memory.held(),
            fragment_octets: self.reassembler.held(),
            timers: self.wheel.armed(),
            pairs: self.demux.len(),
        }
    }

    /// All connections that an application holds or may accept: local and remote socket, and what is known of each. O(all),
    /// for lists that people look at.
    pub fn connections(
        &self,
        now: Instant,
    ) -> impl Iterator<Item = (ConnectionId, SocketAddr, SocketAddr, sockeye_tcb::TcpInfo)> {
        self.connections.iter().map(move |(key, connection)| {
            let Pair { local, remote } = connection.sockets.pair();
            (ConnectionId(key), local, remote, connection.tcb.info(now))
        })
    }

    /// When [`Self::on_timeout`] is to be called at the latest; `None` if nothing is due, ever.
    pub fn next_timeout(&mut self) -> Option<Instant> {
        let (connections, fragments) = (self.wheel.next(), self.reassembler.next_timeout());
        Instant::earlier(Instant::earlier(connections, self.time_wait.next()), fragments)
    }

    /// The clock says `now`: acts on every deadline that has passed.
    pub fn on_timeout(&mut self, now: Instant) {
        self.on_timeout_of(now, |_| {});
    }

    /// As [`Self::on_timeout`], and tells each connection that a deadline was due for, held by an application or not.
    pub fn on_timeout_of(&mut self, now: Instant, mut due: impl FnMut(ConnectionId)) {
        while let Some(owner) = self.wheel.expire(now) {
            match owner {
                Owner::Connection(key) => {
                    self.on_connection_timeout(now, key);
                    due(ConnectionId(key));
                }
                Owner::HalfOpen(key) => self.on_half_open_timeout(now, key),
            }
        }
        while let Some(entry) = self.time_wait.expire(now) {
            if let Some(local) = self.addresses.by_number(entry.local()) {
                self.demux.remove(&entry.pair(local));
            }
        }
        while let Some(datagram) = self.reassembler.expire(now) {
            self.counters.count(Drop::FragmentTimeout);
            // All stacks of a host have the pieces: one of them tells.
            if self.share.index() == 0 {
                self.tell_of_missing_fragments(now, &datagram);
            }
        }
    }

    fn on_connection_timeout(&mut self, now: Instant, key: Key) {
        if let Some(connection) = self.connections.get_mut(key) {
            connection.tcb.on_timeout(now);
            self.touch(key);
        }
    }

    /// The next event; to be asked until `None`.
    #[inline]
    pub fn poll_event(&mut self) -> Option<StackEvent> {
        if self.incoming.is_empty() && self.touched.to_tell.is_empty() { None } else { self.next_event() }
    }

    fn next_event(&mut self) -> Option<StackEvent> {
        while let Some(listener) = self.incoming.pop_front() {
            if self.listeners.slab.get(listener).is_some() {
                return Some(StackEvent::Incoming(ListenerId(listener)));
            }
        }
        while let Some(&key) = self.touched.to_tell.front() {
            if let Some(connection) = self.connections.get_mut(key) {
                if connection.held_by == HeldBy::Application
                    && let Some(event) = connection.tcb.poll_event()
                {
                    if !connection.tcb.has_event() {
                        connection.is_to_tell = false;
                        self.touched.to_tell.pop_front();
                    }
                    return Some(StackEvent::Connection(ConnectionId(key), event));
                }
                connection.is_to_tell = false;
            }
            self.touched.to_tell.pop_front();
        }
        None
    }

    /// Something happened to a connection: it may have something to send and to tell, and another deadline.
    fn touch(&mut self, key: Key) {
        if let Some(connection) = self.connections.get_mut(key) {
            self.touched.add(key, connection);
        }
    }

    //= rfc9040#6.1-1
    /// A connection to `host` begins with what is known of the path.
    fn recall(&self, now: Instant, host: IpAddr, tcb: &mut Tcb) {
        if let Some(path) = self.paths.get(now, host) {
            path.mss.into_iter().for_each(|mss| tcb.learn_path(mss));
            tcb.recall(now, &path.metrics);
        }
    }

    /// Adds a connection for `pair`.
    fn add_connection(&mut self, tcb: Tcb, pair: Pair, held_by: HeldBy) -> Key {
        let timer = self.wheel.add(Owner::Connection(Key::NOWHERE));
        let connection = Connection {
            sockets: Kept::new(&pair),
            timer,
            hop_limit: self.config.hop_limit,
            traffic_class: 0,
            held_by,
            path: tcb.path_mss(),
            narrowed: self.paths.narrowed(),
            octets: 0,
            is_to_send: false,
            is_to_tell: false,
            tcb,
        };
        let key = self.connections.insert(connection);
        self.wheel.set_owner(timer, Owner::Connection(key));
        self.demux.insert(pair, Target::Connection(key));
        self.touch(key);
        key
    }
}
