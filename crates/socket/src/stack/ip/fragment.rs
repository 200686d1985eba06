//! Fragments put together again, in bounded memory and time (RFC 815, RFC 8200 section 4.5, RFC 5722).

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use sockeye_wire::Instant;
use sockeye_wire::ip::{Ecn, Fragment};

use super::QUOTED_V6;
use crate::stack::counters::Drop;

/// Pieces of one datagram at most: an honest 64 KiB in packets of 576 octets is 120.
const MAX_PIECES: usize = 128;
/// The largest payload of a datagram.
const MAX_PAYLOAD: usize = 65_535;
/// What a datagram costs besides its pieces, and each piece besides its octets: counted like octets, or else many that
/// hold next to nothing would cost memory without limit.
const DATAGRAM_COST: usize = size_of::<(DatagramKey, Datagram)>() + size_of::<(Turn, DatagramKey)>();
const PIECE_COST: usize = size_of::<(u32, Bytes)>();

/// Which datagram a fragment belongs to: [`DatagramKey::new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct DatagramKey {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    /// 0 in IPv6.
    protocol: u8,
    identification: u32,
}

impl DatagramKey {
    /// That of a fragment of `protocol`, which tells datagrams apart in IPv4 only: in IPv6 each fragment may name another
    /// header, and the first is right (RFC 8200 section 4.5).
    pub(crate) const fn new(source: IpAddr, destination: IpAddr, protocol: u8, identification: u32) -> Self {
        Self { source, destination, protocol: if source.is_ipv4() { protocol } else { 0 }, identification }
    }
}

/// A fragment as it arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece<'a> {
    pub(crate) fragment: Fragment,
    /// What it says that the datagram carries.
    pub(crate) protocol: u8,
    /// What its header says of congestion.
    pub(crate) ecn: Ecn,
    /// What it carries.
    pub(crate) payload: &'a [u8],
    /// All of it, from the IP header on.
    pub(crate) packet: &'a [u8],
}

/// What the fragment at the start of a datagram tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct First {
    /// What the datagram carries.
    pub(crate) protocol: u8,
    /// The start of the fragment, from its IP header on.
    pub(crate) packet: Bytes,
}

/// A datagram of which all fragments have come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Whole {
    pub(crate) payload: Bytes,
    /// What the fragments say of congestion together.
    pub(crate) ecn: Ecn,
    pub(crate) first: First,
}

/// A datagram that was waited for in vain.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct GivenUp {
    pub(crate) key: DatagramKey,
    /// `None` if that one has not come.
    pub(crate) first: Option<First>,
}

/// When a datagram is given up, and its place among those of the same instant.
type Turn = (Instant, u64);

#[derive(Debug)]
struct Datagram {
    turn: Turn,
    /// By offset, without overlap.
    pieces: Vec<(u32, Bytes)>,
    /// Octets in `pieces`.
    octets: usize,
    /// Octets of the whole, once the last fragment was seen.
    total: Option<u32>,
    first: Option<First>,
    /// What the fragments say of congestion together; `None` before the first.
    ecn: Option<Ecn>,
    /// Overlapping fragments were seen: whatever else comes of it is dropped.
    spoiled: bool,
}

/// Datagrams that wait for fragments. Holds: each is in `datagrams` and in `turns`; `held` is what they cost together, at
/// most `limit`.
#[derive(Debug)]
pub(crate) struct Reassembler {
    datagrams: HashMap<DatagramKey, Datagram>,
    turns: BTreeMap<Turn, DatagramKey>,
    begun: u64,
    held: usize,
    limit: usize,
    timeout: Duration,
}

impl Reassembler {
    pub(crate) fn new(limit: usize, timeout: Duration) -> Self {
        Self { datagrams: HashMap::new(), turns: BTreeMap::new(), begun: 0, held: 0, limit, timeout }
    }

    /// Octets that wait for others, and what it costs to keep them.
    pub(crate) const fn held(&self) -> usize {
        self.held
    }

    /// Takes a fragment; gives the whole datagram if it was the last to come.
    pub(crate) fn insert(&mut self, now: Instant, key: DatagramKey, piece: Piece<'_>) -> Result<Option<Whole>, Drop> {
        let length = piece.payload.len();
        let end = piece.fragment.offset as usize + length;
        if end > MAX_PAYLOAD || length == 0 || (piece.fragment.more && !length.is_multiple_of(8)) {
            return Err(Drop::FragmentLimit);
        }
        if self.held + DATAGRAM_COST + PIECE_COST + QUOTED_V6 + length > self.limit {
            return Err(Drop::FragmentLimit);
        }
        let turn = (now + self.timeout, self.begun);
        let datagram = self.datagrams.entry(key).or_insert_with(|| {
            self.begun += 1;
            self.turns.insert(turn, key);
            self.held += DATAGRAM_COST;
            Datagram::new(turn)
        });
        let before = datagram.cost();
        let outcome = datagram.insert(piece);
        self.held = self.held - before + datagram.cost();
        outcome?;
        let whole = datagram.whole();
        if whole.is_some() {
            self.remove(&key);
        }
        Ok(whole)
    }

    fn remove(&mut self, key: &DatagramKey) -> Option<Datagram> {
        let datagram = self.datagrams.remove(key)?;
        self.turns.remove(&datagram.turn);
        self.held -= datagram.cost();
        Some(datagram)
    }

    /// When the next datagram is given up.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.turns.keys().next().map(|&(at, _)| at)
    }

    //= rfc1122#3.3.2-4
    /// Gives up a datagram whose time is over.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<GivenUp> {
        let (&(at, _), &key) = self.turns.first_key_value()?;
        let datagram = if at > now { None } else { self.remove(&key) };
        datagram.map(|datagram| GivenUp { key, first: datagram.first })
    }
}

impl Datagram {
    const fn new(turn: Turn) -> Self {
        Self { turn, pieces: Vec::new(), octets: 0, total: None, first: None, ecn: None, spoiled: false }
    }

    /// Octets of memory that it takes.
    fn cost(&self) -> usize {
        let first = self.first.as_ref().map_or(0, |first| first.packet.len());
        DATAGRAM_COST + self.pieces.len() * PIECE_COST + self.octets + first
    }

    fn insert(&mut self, piece: Piece<'_>) -> Result<(), Drop> {
        let Piece { fragment, protocol, ecn, payload, packet } = piece;
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        let (start, end) = (fragment.offset, fragment.offset + length);
        if self.spoiled || self.pieces.len() >= MAX_PIECES {
            return Err(Drop::FragmentLimit);
        }
        // The very same piece again is an honest duplicate; any other overlap is not (RFC 5722).
        if self.pieces.iter().any(|(at, piece)| *at == start && piece[..] == *payload) {
            return Ok(());
        }
        let overlaps = self.pieces.iter().any(|(at, piece)| *at < end && start < at + length_of(piece));
        let contradicts = self.total.is_some_and(|total| end > total || (!fragment.more && end != total))
            || (!fragment.more && self.pieces.iter().any(|(at, piece)| at + length_of(piece) > end));
        if overlaps || contradicts {
            self.spoil();
            return Err(Drop::FragmentOverlap);
        }
        let Some(joined) = joined(self.ecn.unwrap_or(ecn), ecn) else {
            self.spoil();
            return Err(Drop::FragmentEcn);
        };
        self.ecn = Some(joined);
        if !fragment.more {
            self.total = Some(end);
        }
        if start == 0 {
            let packet = Bytes::copy_from_slice(packet.get(..QUOTED_V6).unwrap_or(packet));
            self.first = Some(First { protocol, packet });
        }
        self.octets += payload.len();
        let place = self.pieces.partition_point(|(at, _)| *at < start);
        self.pieces.insert(place, (start, Bytes::copy_from_slice(payload)));
        Ok(())
    }

    fn spoil(&mut self) {
        *self = Self { spoiled: true, ..Self::new(self.turn) };
    }

    fn whole(&self) -> Option<Whole> {
        let total = self.total? as usize;
        if self.octets != total {
            return None;
        }
        let mut payload = BytesMut::with_capacity(total);
        self.pieces.iter().for_each(|(_, piece)| payload.extend_from_slice(piece));
        Some(Whole { payload: payload.freeze(), ecn: self.ecn?, first: self.first.clone()? })
    }
}

/// What two fragments say of congestion together; `None` if one was marked and the other could not have been: then
/// something is wrong, and the mark must neither be lost nor invented. Of two that differ otherwise the less is believed.
//= rfc3168#5.3-2
//= rfc3168#5.3-3
//= rfc3168#5.3-4
//= rfc3168#5.3-5
fn joined(a: Ecn, b: Ecn) -> Option<Ecn> {
    match (a, b) {
        _ if a == b => Some(a),
        (Ecn::Ce, Ecn::NotEct) | (Ecn::NotEct, Ecn::Ce) => None,
        (Ecn::Ce, _) | (_, Ecn::Ce) => Some(Ecn::Ce),
        _ => Some(Ecn::NotEct),
    }
}

/// Octets of a piece, which is no longer than a packet.
fn length_of(piece: &Bytes) -> u32 {
    u32::try_from(piece.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: DatagramKey = DatagramKey {
        source: IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)),
        destination: IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2)),
        protocol: 6,
        identification: 7,
    };
    const PATIENCE: Duration = Duration::from_secs(60);

    fn piece(offset: u32, more: bool, payload: &[u8]) -> Piece<'_> {
        let fragment = Fragment { identification: 7, offset, more };
        Piece { fragment, protocol: 6, ecn: Ecn::NotEct, payload, packet: payload }
    }

    fn reassembler() -> Reassembler {
        Reassembler::new(10_000, PATIENCE)
    }

    #[test]
    fn pieces_in_any_order_make_the_whole() {
        let mut reassembler = reassembler();
        let now = Instant::ZERO;
        let first = piece(0, true, b"01234567");
        assert_eq!(reassembler.insert(now, KEY, piece(16, false, b"end")), Ok(None));
        assert_eq!(reassembler.insert(now, KEY, first), Ok(None));
        assert_eq!(reassembler.insert(now, KEY, first), Ok(None), "a duplicate is harmless");
        let whole = reassembler.insert(now, KEY, piece(8, true, b"89abcdef")).unwrap().unwrap();
        assert_eq!((&whole.payload[..], whole.ecn), (&b"0123456789abcdefend"[..], Ecn::NotEct));
        assert_eq!(&whole.first.packet[..], b"01234567", "what an error would quote");
        assert_eq!((reassembler.held(), reassembler.next_timeout()), (0, None));
    }

    #[test]
    fn overlapping_pieces_spoil_the_datagram() {
        let mut reassembler = reassembler();
        let now = Instant::ZERO;
        assert_eq!(reassembler.insert(now, KEY, piece(0, true, &[0; 16])), Ok(None));
        assert_eq!(reassembler.insert(now, KEY, piece(8, true, &[1; 16])), Err(Drop::FragmentOverlap));
        assert_eq!(reassembler.insert(now, KEY, piece(16, false, &[1; 4])), Err(Drop::FragmentLimit));
        assert_eq!(reassembler.held(), DATAGRAM_COST, "its octets are gone");
        assert_eq!(reassembler.expire(now + PATIENCE), Some(GivenUp { key: KEY, first: None }));
        assert_eq!(reassembler.held(), 0);
    }

    //= rfc1122#3.3.2-4
    #[test]
    fn memory_and_time_are_bounded() {
        let mut reassembler = reassembler();
        for (id, length) in (0..1000).zip([800, 8].into_iter().cycle()) {
            let key = DatagramKey { identification: id, ..KEY };
            let _ = reassembler.insert(Instant::ZERO, key, piece(0, true, &[0; 800][..length]));
        }
        assert!(reassembler.held() <= 10_000 && reassembler.datagrams.len() < 50, "{}", reassembler.datagrams.len());
        assert_eq!(reassembler.expire(Instant::ZERO + PATIENCE - Duration::from_nanos(1)), None);
        while reassembler.expire(Instant::ZERO + PATIENCE).is_some() {}
        assert_eq!((reassembler.held(), reassembler.next_timeout()), (0, None));
    }

    /// Datagrams that are spoiled, and those that are whole, hold no octets: what is remembered of them is limited too.
    #[test]
    fn a_flood_of_datagrams_that_hold_nothing_costs_no_memory() {
        let mut reassembler = reassembler();
        let now = Instant::ZERO;
        for id in 0..10_000 {
            let spoiled = DatagramKey { identification: id, ..KEY };
            for offset in [0, 8] {
                let _ = reassembler.insert(now, spoiled, piece(offset, true, &[0; 16]));
            }
            let whole = DatagramKey { identification: id, protocol: 17, ..KEY };
            let _ = reassembler.insert(now, whole, piece(0, false, &[0; 16]));
        }
        assert!(reassembler.datagrams.len() <= 10_000 / DATAGRAM_COST, "{} datagrams", reassembler.datagrams.len());
        assert_eq!(reassembler.turns.len(), reassembler.datagrams.len());
    }

    /// Identifications of IPv4 come again soon (RFC 6864 section 4.3): the time of an earlier datagram isn't that of a
    /// later one.
    #[test]
    fn a_datagram_has_its_whole_time_though_another_had_its_key_before() {
        let mut reassembler = reassembler();
        let whole = reassembler.insert(Instant::ZERO, KEY, piece(0, false, &[0; 16]));
        assert!(matches!(whole, Ok(Some(_))));
        let later = Instant::ZERO + PATIENCE / 2;
        assert_eq!(reassembler.insert(later, KEY, piece(0, true, b"01234567")), Ok(None));
        assert_eq!(reassembler.expire(Instant::ZERO + PATIENCE), None);
        assert_eq!(reassembler.next_timeout(), Some(later + PATIENCE));
    }

    #[test]
    fn fragments_of_ipv6_belong_together_whatever_header_each_names() {
        let [source, destination] = [1, 2].map(|host| IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, host]));
        let key = |protocol| DatagramKey::new(source, destination, protocol, 7);
        let mut reassembler = reassembler();
        let last = Piece { protocol: 17, ..piece(8, false, b"end") };
        assert_eq!(reassembler.insert(Instant::ZERO, key(17), last), Ok(None));
        let whole = reassembler.insert(Instant::ZERO, key(6), piece(0, true, b"01234567")).unwrap().unwrap();
        assert_eq!(whole.first.protocol, 6, "the first fragment tells what they carry");
    }

    //= rfc3168#5.3-2
    //= rfc3168#5.3-3
    //= rfc3168#5.3-4
    //= rfc3168#5.3-5
    #[test]
    fn a_mark_on_one_piece_marks_the_whole_unless_another_could_not_be_marked() {
        let now = Instant::ZERO;
        let join = |first, last| {
            let mut reassembler = reassembler();
            reassembler.insert(now, KEY, Piece { ecn: first, ..piece(0, true, &[0; 8]) })?;
            let whole = reassembler.insert(now, KEY, Piece { ecn: last, ..piece(8, false, &[0; 8]) })?;
            Ok(whole.map(|whole| whole.ecn))
        };
        for ecn in [Ecn::NotEct, Ecn::Ect0, Ecn::Ect1, Ecn::Ce] {
            assert_eq!(join(ecn, ecn), Ok(Some(ecn)));
        }
        assert_eq!(join(Ecn::Ect0, Ecn::Ce), Ok(Some(Ecn::Ce)));
        assert_eq!(join(Ecn::Ce, Ecn::Ect1), Ok(Some(Ecn::Ce)));
        assert_eq!(join(Ecn::Ce, Ecn::NotEct), Err(Drop::FragmentEcn));
    }
}
