//! Fragments put together again, in bounded memory and time (RFC 815, RFC 8200 section 4.5, RFC 5722).

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use sockeye_wire::Instant;
use sockeye_wire::ip::{Ecn, Fragment};

use crate::stack::counters::Drop;

/// Pieces of one datagram at most: an honest 64 KiB in packets of 576 octets is 120.
const MAX_PIECES: usize = 128;
/// The largest payload of a datagram.
const MAX_PAYLOAD: usize = 65_535;
/// What a datagram costs besides its pieces, and each piece besides its octets: counted like octets, or else many that
/// hold next to nothing would cost memory without limit.
const DATAGRAM_COST: usize = size_of::<(DatagramKey, Datagram)>() + size_of::<(Instant, DatagramKey)>();
const PIECE_COST: usize = size_of::<(u32, Bytes)>();

/// Which datagram a fragment belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct DatagramKey {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) protocol: u8,
    pub(crate) identification: u32,
}

#[derive(Debug)]
struct Datagram {
    /// By offset, without overlap.
    pieces: Vec<(u32, Bytes)>,
    /// Octets of the whole, once the last fragment was seen.
    total: Option<u32>,
    /// Octets of all pieces.
    held: usize,
    /// When it is given up.
    until: Instant,
    /// What the fragments say of congestion together; `None` before the first.
    ecn: Option<Ecn>,
    /// Overlapping fragments were seen: whatever else comes of it is dropped.
    spoiled: bool,
}

/// Datagrams that wait for fragments. Holds: `held` is what they cost together, at most `limit`.
#[derive(Debug)]
pub(crate) struct Reassembler {
    datagrams: HashMap<DatagramKey, Datagram>,
    /// When each is given up, those included that have become whole since.
    order: VecDeque<(Instant, DatagramKey)>,
    held: usize,
    limit: usize,
    timeout: Duration,
}

impl Reassembler {
    pub(crate) fn new(limit: usize, timeout: Duration) -> Self {
        Self { datagrams: HashMap::new(), order: VecDeque::new(), held: 0, limit, timeout }
    }

    /// Octets that wait for others, and what it costs to keep them.
    pub(crate) const fn held(&self) -> usize {
        self.held
    }

    /// Takes a fragment with its `payload` and what its header says of congestion; gives the whole payload, and what is
    /// said of that, if it was the last to come.
    pub(crate) fn insert(
        &mut self,
        now: Instant,
        key: DatagramKey,
        fragment: Fragment,
        ecn: Ecn,
        payload: &[u8],
    ) -> Result<Option<(Bytes, Ecn)>, Drop> {
        let end = fragment.offset as usize + payload.len();
        if end > MAX_PAYLOAD || payload.is_empty() || (fragment.more && !payload.len().is_multiple_of(8)) {
            return Err(Drop::FragmentLimit);
        }
        let is_new = !self.datagrams.contains_key(&key);
        let cost = payload.len() + PIECE_COST + if is_new { DATAGRAM_COST } else { 0 };
        if self.held + cost > self.limit {
            return Err(Drop::FragmentLimit);
        }
        let wait = if key.source.is_ipv6() { 2 * self.timeout } else { self.timeout };
        let datagram = self.datagrams.entry(key).or_insert_with(|| Datagram::new(now + wait));
        let before = if is_new { 0 } else { datagram.cost() };
        let outcome = datagram.insert(fragment, ecn, payload);
        let (until, after) = (datagram.until, datagram.cost());
        let whole = datagram.whole().map(|whole| (whole, datagram.ecn.unwrap_or_default()));
        self.held = self.held - before + after;
        if is_new {
            self.wait_until(until, key);
        }
        if whole.is_some() {
            self.held -= after;
            self.datagrams.remove(&key);
        }
        outcome.map(|()| whole)
    }

    /// Puts a new datagram in line. Those that became whole leave it when their time comes, or all at once where they are
    /// many.
    fn wait_until(&mut self, until: Instant, key: DatagramKey) {
        self.order.push_back((until, key));
        if self.order.len() > 2 * self.datagrams.len() + 64 {
            let datagrams = &self.datagrams;
            self.order.retain(|(until, key)| datagrams.get(key).is_some_and(|waiting| waiting.until == *until));
        }
    }

    /// When the next datagram is given up.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.order.front().map(|&(at, _)| at)
    }

    //= rfc1122#3.3.2-4
    /// Gives up a datagram whose time is over; true if it was still waited for.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<bool> {
        let &(at, key) = self.order.front()?;
        if at > now {
            return None;
        }
        self.order.pop_front();
        // It may have become whole, and another have come under the same key.
        if self.datagrams.get(&key).is_none_or(|waiting| waiting.until != at) {
            return Some(false);
        }
        let gone = self.datagrams.remove(&key);
        self.held -= gone.as_ref().map_or(0, Datagram::cost);
        Some(gone.is_some())
    }
}

impl Datagram {
    const fn new(until: Instant) -> Self {
        Self { pieces: Vec::new(), total: None, held: 0, until, ecn: None, spoiled: false }
    }

    /// What it costs to keep it, in octets.
    const fn cost(&self) -> usize {
        DATAGRAM_COST + self.held + self.pieces.len() * PIECE_COST
    }

    fn insert(&mut self, fragment: Fragment, ecn: Ecn, payload: &[u8]) -> Result<(), Drop> {
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
        self.held += payload.len();
        let place = self.pieces.partition_point(|(at, _)| *at < start);
        self.pieces.insert(place, (start, Bytes::copy_from_slice(payload)));
        Ok(())
    }

    fn spoil(&mut self) {
        *self = Self { spoiled: true, ..Self::new(self.until) };
    }

    fn whole(&self) -> Option<Bytes> {
        let total = self.total? as usize;
        if self.held != total {
            return None;
        }
        let mut whole = BytesMut::with_capacity(total);
        self.pieces.iter().for_each(|(_, piece)| whole.extend_from_slice(piece));
        Some(whole.freeze())
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

    fn piece(offset: u32, more: bool) -> Fragment {
        Fragment { identification: 7, offset, more }
    }

    fn reassembler() -> Reassembler {
        Reassembler::new(10_000, Duration::from_secs(30))
    }

    #[test]
    fn pieces_in_any_order_make_the_whole() {
        let mut reassembler = reassembler();
        let now = Instant::ZERO;
        assert_eq!(reassembler.insert(now, KEY, piece(16, false), Ecn::NotEct, b"end"), Ok(None));
        assert_eq!(reassembler.insert(now, KEY, piece(0, true), Ecn::NotEct, b"01234567"), Ok(None));
        assert_eq!(
            reassembler.insert(now, KEY, piece(0, true), Ecn::NotEct, b"01234567"),
            Ok(None),
            "a duplicate is harmless"
        );
        let whole = reassembler.insert(now, KEY, piece(8, true), Ecn::NotEct, b"89abcdef");
        assert_eq!(whole, Ok(Some((Bytes::from_static(b"0123456789abcdefend"), Ecn::NotEct))));
        assert_eq!(reassembler.held(), 0);
    }

    #[test]
    fn overlapping_pieces_spoil_the_datagram() {
        let mut reassembler = reassembler();
        let now = Instant::ZERO;
        assert_eq!(reassembler.insert(now, KEY, piece(0, true), Ecn::NotEct, &[0; 16]), Ok(None));
        assert_eq!(reassembler.insert(now, KEY, piece(8, true), Ecn::NotEct, &[1; 16]), Err(Drop::FragmentOverlap));
        assert_eq!(reassembler.insert(now, KEY, piece(16, false), Ecn::NotEct, &[1; 4]), Err(Drop::FragmentLimit));
        assert_eq!(reassembler.held(), DATAGRAM_COST, "that it is spoiled is remembered");
    }

    //= rfc1122#3.3.2-4
    #[test]
    fn memory_and_time_are_bounded() {
        let mut reassembler = reassembler();
        for id in 0..1000 {
            let key = DatagramKey { identification: id, ..KEY };
            let _ = reassembler.insert(Instant::ZERO, key, piece(0, true), Ecn::NotEct, &[0; 800]);
        }
        assert!(reassembler.held() <= 10_000);
        let late = Instant::ZERO + Duration::from_secs(30);
        while reassembler.expire(late).is_some() {}
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
                let _ = reassembler.insert(now, spoiled, piece(offset, true), Ecn::NotEct, &[0; 16]);
            }
            let whole = DatagramKey { identification: id, protocol: 17, ..KEY };
            let _ = reassembler.insert(now, whole, piece(0, false), Ecn::NotEct, &[0; 16]);
        }
        assert!(reassembler.datagrams.len() <= 10_000 / DATAGRAM_COST, "{} datagrams", reassembler.datagrams.len());
        assert!(reassembler.order.len() <= 2 * reassembler.datagrams.len() + 64, "{} in line", reassembler.order.len());
    }

    /// Identifications of IPv4 come again soon (RFC 6864 section 4.3): the time of an earlier datagram isn't that of a
    /// later one.
    #[test]
    fn a_datagram_has_its_whole_time_though_another_had_its_key_before() {
        let mut reassembler = reassembler();
        let whole = reassembler.insert(Instant::ZERO, KEY, piece(0, false), Ecn::NotEct, &[0; 16]);
        assert!(matches!(whole, Ok(Some(_))));
        let later = Instant::ZERO + Duration::from_secs(20);
        assert_eq!(reassembler.insert(later, KEY, piece(0, true), Ecn::NotEct, b"01234567"), Ok(None));
        while reassembler.expire(Instant::ZERO + Duration::from_secs(30)).is_some() {}
        let whole = reassembler.insert(later, KEY, piece(8, false), Ecn::NotEct, b"end");
        assert_eq!(whole, Ok(Some((Bytes::from_static(b"01234567end"), Ecn::NotEct))));
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
            reassembler.insert(now, KEY, piece(0, true), first, &[0; 8])?;
            let whole = reassembler.insert(now, KEY, piece(8, false), last, &[0; 8])?;
            Ok(whole.map(|(_, ecn)| ecn))
        };
        for ecn in [Ecn::NotEct, Ecn::Ect0, Ecn::Ect1, Ecn::Ce] {
            assert_eq!(join(ecn, ecn), Ok(Some(ecn)));
        }
        assert_eq!(join(Ecn::Ect0, Ecn::Ce), Ok(Some(Ecn::Ce)));
        assert_eq!(join(Ecn::Ce, Ecn::Ect1), Ok(Some(Ecn::Ce)));
        assert_eq!(join(Ecn::Ce, Ecn::NotEct), Err(Drop::FragmentEcn));
    }
}
