//! Half-open connections: what a SYN flood makes many of.

use std::collections::HashMap;

use sockeye_tcb::HalfOpen;

use super::demux::Pair;
use super::slab::{Key, Line, Slab};
use super::time_wait;
use super::timer_wheel::TimerId;

/// A connection that a SYN has asked for and nobody has completed yet.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) half_open: HalfOpen,
    pub(super) remote: std::net::SocketAddr,
    pub(super) local_port: u16,
    /// Which of our addresses.
    pub(super) local: u16,
    pub(super) listener: Key,
    pub(super) timer: TimerId,
}

const _: () = assert!(size_of::<Entry>() < 128);

/// The queue. When it is full the oldest entry gives way: an honest client completes its handshake within a round trip,
/// so that what is oldest under a flood is hardly ever honest.
#[derive(Debug, Default)]
pub(super) struct SynQueue {
    pub(super) slab: Slab<Entry>,
    line: Line,
    /// Entries of TIME-WAIT whose place a half-open connection has.
    pub(super) reopened: HashMap<Key, time_wait::Entry>,
}

impl SynQueue {
    pub(super) fn insert(&mut self, entry: Entry) -> Key {
        let key = self.slab.insert(entry);
        self.line.push(key, &self.slab, self.slab.len());
        key
    }

    /// The oldest entry of all.
    pub(super) fn oldest(&mut self) -> Option<Key> {
        self.line.first(&self.slab)
    }
}

impl Entry {
    /// The two sockets; `local` is the address that the entry's number stands for.
    pub(super) const fn pair(&self, local: std::net::IpAddr) -> Pair {
        Pair { local: std::net::SocketAddr::new(local, self.local_port), remote: self.remote }
    }
}
