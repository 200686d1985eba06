//! Listeners: one takes any number of clients, each with a connection of its own.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use super::config::Configs;
use super::slab::{Key, Line, Slab};

/// A listener: accepted connections wait in it.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) local: SocketAddr,
    pub(super) configs: Configs,
    pub(super) backlog: usize,
    /// Half-open connections that are on their way to it, and the order in which they came.
    pub(super) half_open: usize,
    pub(super) line: Line,
    /// Connections that wait to be accepted.
    pub(super) ready: VecDeque<Key>,
}

/// All listeners, by the socket that they listen on; an unspecified address stands for all.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    pub(super) slab: Slab<Listener>,
    by_address: HashMap<SocketAddr, Key>,
}

impl Listeners {
    /// The listener for a segment to `local`: one of this very address before one of all.
    pub(super) fn find(&self, local: SocketAddr) -> Option<Key> {
        let any = SocketAddr::new(unspecified(local.ip()), local.port());
        self.by_address.get(&local).or_else(|| self.by_address.get(&any)).copied()
    }

    /// True if somebody listens on just this socket.
    pub(super) fn has(&self, local: SocketAddr) -> bool {
        self.by_address.contains_key(&local)
    }

    pub(super) fn insert(&mut self, listener: Listener) -> Key {
        let local = listener.local;
        let key = self.slab.insert(listener);
        self.by_address.insert(local, key);
        key
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<Listener> {
        let listener = self.slab.remove(key)?;
        self.by_address.remove(&listener.local);
        Some(listener)
    }
}

/// The address of the same family that stands for all.
pub(super) fn unspecified(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => IpAddr::from([0; 4]),
        IpAddr::V6(_) => IpAddr::from([0; 16]),
    }
}
