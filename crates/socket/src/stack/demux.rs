//! Whose packet is it? A keyed hash table from pairs of sockets to what is known of them.
//!
//! The key is the stack's own, so nobody outside can craft packets that collide. The table is many small ones, chosen by
//! the hash's top bits, each growing alone: one large table would stop everything for seconds while it grows.

use std::hash::Hasher;
use std::net::{IpAddr, SocketAddr};

use hashbrown::HashTable;
use siphasher::sip::SipHasher13;
use sockeye_wire::icmp::QuotedTransport;
use sockeye_wire::tcp::TcpView;

/// The number of tables, a power of two.
const TABLES: usize = 256;

/// Two sockets: what names a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pair {
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
}

impl Pair {
    /// Those of a segment from `source` to us, who are `destination`.
    pub(crate) fn of_segment(source: IpAddr, destination: IpAddr, segment: &TcpView<'_>) -> Self {
        Self {
            local: SocketAddr::new(destination, segment.destination_port()),
            remote: SocketAddr::new(source, segment.source_port()),
        }
    }

    /// Those of a segment of ours that an ICMP error quotes.
    pub(crate) fn of_quoted(quoted: &QuotedTransport) -> Self {
        Self {
            local: SocketAddr::new(quoted.source, quoted.source_port),
            remote: SocketAddr::new(quoted.destination, quoted.destination_port),
        }
    }
}

/// Addresses and ports of a packet to us as they stand in its headers, where they are one run of octets: source and destination
/// address, source and destination port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    V4([u8; 12]),
    V6([u8; 36]),
}

impl Ends {
    /// The two addresses.
    pub(crate) fn addresses(&self) -> &[u8] {
        match self {
            Self::V4([addresses @ .., _, _, _, _]) => addresses,
            Self::V6([addresses @ .., _, _, _, _]) => addresses,
        }
    }

    /// The two sockets.
    pub(crate) fn pair(&self) -> Pair {
        let (source, destination, [a, b, c, d]): (IpAddr, IpAddr, _) = match *self {
            Self::V4([s, t, u, v, w, x, y, z, ports @ ..]) => ([s, t, u, v].into(), [w, x, y, z].into(), ports),
            Self::V6(octets) => {
                let (addresses, ports) = octets.split_last_chunk::<4>().unwrap_or((&[], &[0; 4]));
                let (source, destination) = addresses.split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
                let destination = *destination.first_chunk::<16>().unwrap_or(&[0; 16]);
                ((*source).into(), destination.into(), *ports)
            }
        };
        Pair {
            local: SocketAddr::new(destination, u16::from_be_bytes([c, d])),
            remote: SocketAddr::new(source, u16::from_be_bytes([a, b])),
        }
    }
}

/// A [`Pair`] as it is kept, in two thirds of the memory: a socket's address has room for what no packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) local: IpAddr,
    pub(crate) remote: IpAddr,
    pub(crate) local_port: u16,
    pub(crate) remote_port: u16,
}

impl Kept {
    pub(crate) const fn new(pair: &Pair) -> Self {
        let Pair { local, remote } = pair;
        Self { local: local.ip(), remote: remote.ip(), local_port: local.port(), remote_port: remote.port() }
    }

    /// The peer's address.
    pub(crate) const fn remote(&self) -> IpAddr {
        self.remote
    }

    /// The two sockets.
    pub(crate) const fn pair(&self) -> Pair {
        let Self { local, remote, local_port, remote_port } = *self;
        Pair { local: SocketAddr::new(local, local_port), remote: SocketAddr::new(remote, remote_port) }
    }
}

/// What stands between [`Pair`]s and their entries: a hash under a key that only the stack knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyedHash([u8; 16]);

impl KeyedHash {
    pub(crate) const fn new(key: [u8; 16]) -> Self {
        Self(key)
    }

    /// SipHash-1-3 of the two sockets.
    pub(crate) fn of(&self, pair: &Pair) -> u64 {
        self.of_kept(&Kept::new(pair))
    }

    fn of_kept(&self, kept: &Kept) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        write_address(&mut hasher, kept.local);
        write_address(&mut hasher, kept.remote);
        hasher.write_u32(u32::from(kept.local_port) << 16 | u32::from(kept.remote_port));
        hasher.finish()
    }

    /// The same of a number.
    pub(crate) fn of_number(&self, number: u64) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        hasher.write_u64(number);
        hasher.finish()
    }

    /// The same of two hosts.
    pub(crate) fn of_hosts(&self, local: IpAddr, remote: IpAddr) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        write_address(&mut hasher, local);
        write_address(&mut hasher, remote);
        hasher.finish()
    }
}

fn write_address(hasher: &mut SipHasher13, address: IpAddr) {
    match address {
        IpAddr::V4(address) => hasher.write_u32(address.to_bits()),
        IpAddr::V6(address) => hasher.write(&address.octets()),
    }
}

/// The table. `T` is small: it tells where the rest is.
#[derive(Debug)]
pub(crate) struct Demux<T> {
    hash: KeyedHash,
    tables: Vec<HashTable<(Kept, T)>>,
    /// What was found last. Packets of a connection come in trains: all but the first of one cost a comparison, not a hash,
    /// a tenth of the instructions.
    last: Option<(Pair, T)>,
    /// The same for [`Self::last_between`].
    last_ends: Option<(Ends, T)>,
}

impl<T: Copy> Demux<T> {
    pub(crate) fn new(hash: KeyedHash) -> Self {
        Self {
            hash,
            tables: std::iter::repeat_with(HashTable::new).take(TABLES).collect(),
            last: None,
            last_ends: None,
        }
    }

    /// What is known of `pair`.
    pub(crate) fn get(&mut self, pair: &Pair) -> Option<T> {
        if let Some((_, value)) = self.last.filter(|(last, _)| last == pair) {
            return Some(value);
        }
        let (hash, kept) = (self.hash.of(pair), Kept::new(pair));
        self.last = self.table(hash)?.find(hash, |(known, _)| *known == kept).map(|&(_, value)| (*pair, value));
        self.last.map(|(_, value)| value)
    }

    /// What is known of these ends, if they were the last that [`Self::get_between`] was asked for, and nothing has changed since.
    /// To compare octets as they arrive costs a tenth of making a [`Pair`] of them.
    #[inline]
    pub(crate) fn last_between(&self, ends: &Ends) -> Option<T> {
        self.last_ends.as_ref().filter(|(last, _)| last == ends).map(|&(_, value)| value)
    }

    /// What is known of `pair`, whose octets are `ends`.
    pub(crate) fn get_between(&mut self, ends: Ends, pair: &Pair) -> Option<T> {
        let value = self.get(pair)?;
        self.last_ends = Some((ends, value));
        Some(value)
    }

    /// What was found last counts no more.
    pub(crate) const fn forget_last(&mut self) {
        self.last = None;
        self.last_ends = None;
    }

    /// From now on `value` is what is known of `pair`.
    pub(crate) fn insert(&mut self, pair: Pair, value: T) {
        self.forget_last();
        let (hash, key, kept) = (self.hash.of(&pair), self.hash, Kept::new(&pair));
        let Some(table) = self.tables.get_mut(table_of(hash)) else { return };
        match table.find_mut(hash, |(known, _)| *known == kept) {
            Some(entry) => entry.1 = value,
            None => {
                table.insert_unique(hash, (kept, value), |(known, _)| key.of_kept(known));
            }
        }
    }

    /// Nothing is known of `pair` any more.
    pub(crate) fn remove(&mut self, pair: &Pair) {
        self.forget_last();
        let (hash, kept) = (self.hash.of(pair), Kept::new(pair));
        let Some(table) = self.tables.get_mut(table_of(hash)) else { return };
        if let Ok(entry) = table.find_entry(hash, |(known, _)| *known == kept) {
            entry.remove();
        }
    }

    /// Entries in all.
    pub(crate) fn len(&self) -> usize {
        self.tables.iter().map(HashTable::len).sum()
    }

    fn table(&self, hash: u64) -> Option<&HashTable<(Kept, T)>> {
        self.tables.get(table_of(hash))
    }
}

/// The bits that choose a table: not the top seven, which hashbrown tells entries apart by, nor the low ones that place
/// them.
fn table_of(hash: u64) -> usize {
    usize::try_from(hash >> 48).unwrap_or(0) % TABLES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(i: u32) -> Pair {
        let remote = SocketAddr::new(IpAddr::V4((0x0a00_0000 + i / 50_000).into()), u16::try_from(i % 50_000).unwrap());
        Pair { local: "10.0.0.1:80".parse().unwrap(), remote }
    }

    #[test]
    fn a_hundred_thousand_pairs_are_found_and_forgotten() {
        let mut demux = Demux::new(KeyedHash::new([7; 16]));
        (0..100_000).for_each(|i| demux.insert(pair(i), i));
        assert!((0..100_000).all(|i| demux.get(&pair(i)) == Some(i)));
        demux.insert(pair(5), 99);
        assert_eq!((demux.get(&pair(5)), demux.len()), (Some(99), 100_000));
        let largest = demux.tables.iter().map(HashTable::len).max().unwrap();
        assert!(largest < 600, "pairs spread over the tables: {largest} of 391 expected");
        (0..100_000).for_each(|i| demux.remove(&pair(i)));
        assert_eq!((demux.get(&pair(5)), demux.len()), (None, 0));
    }

    #[test]
    fn another_key_gives_another_order() {
        let order = |key| KeyedHash::new([key; 16]).of(&pair(1)) < KeyedHash::new([key; 16]).of(&pair(2));
        assert!((0..32).any(order) && !(0..32).all(order));
    }
}
