//! The TIME-WAIT table: what is left of connections that we closed first.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use sockeye_tcb::TimeWait;
use sockeye_wire::Instant;

use super::demux::Pair;
use super::slab::{Key, Line, Slab};

/// One entry. IPv4 addresses are kept as mapped ones.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) time_wait: TimeWait,
    remote: Ipv6Addr,
    remote_port: u16,
    local_port: u16,
    /// Which of our addresses.
    local: u16,
}

const _: () = assert!(size_of::<Entry>() < 64);

impl Entry {
    pub(super) fn new(time_wait: TimeWait, pair: &Pair, local: u16) -> Self {
        let remote = match pair.remote.ip() {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        Self { time_wait, remote, remote_port: pair.remote.port(), local_port: pair.local.port(), local }
    }

    /// Which of our addresses.
    pub(super) const fn local(&self) -> u16 {
        self.local
    }

    /// The two sockets; `local` is the address that the entry's number stands for.
    pub(super) fn pair(&self, local: IpAddr) -> Pair {
        let remote = if local.is_ipv4() { IpAddr::V6(self.remote).to_canonical() } else { IpAddr::V6(self.remote) };
        Pair { local: SocketAddr::new(local, self.local_port), remote: SocketAddr::new(remote, self.remote_port) }
    }
}

/// All entries, and the order in which they were made: all wait equally long, so no timer is needed for each.
#[derive(Debug, Default)]
pub(super) struct TimeWaitTable {
    pub(super) slab: Slab<Entry>,
    line: Line,
}

impl TimeWaitTable {
    pub(super) fn insert(&mut self, entry: Entry) -> Key {
        let key = self.slab.insert(entry);
        self.line.push(key, &self.slab, self.slab.len());
        key
    }

    /// When the next entry is due.
    pub(super) fn next(&mut self) -> Option<Instant> {
        self.oldest().and_then(|key| self.slab.get(key)).map(|entry| entry.time_wait.until())
    }

    /// The entry that is due first.
    pub(super) fn oldest(&mut self) -> Option<Key> {
        self.line.first(&self.slab)
    }

    /// Takes an entry whose wait is over.
    pub(super) fn expire(&mut self, now: Instant) -> Option<Entry> {
        let key = self.oldest()?;
        if self.slab.get(key)?.time_wait.until() > now {
            return None;
        }
        self.slab.remove(key)
    }

    /// The wait of an entry began anew: it is the youngest now, and has another key.
    pub(super) fn restart(&mut self, key: Key) -> Option<Key> {
        let entry = self.slab.remove(key)?;
        Some(self.insert(entry))
    }
}
