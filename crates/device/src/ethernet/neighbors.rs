//! Who of the neighbours on a link has which hardware address: asking, remembering, asking again.
//!
//! A machine without I/O: time is an argument, what it wants asked comes out of [`NeighborCache::poll`]. One set of rules
//! serves ARP (RFC 826, RFC 1122 section 2.3.2) and IPv6 neighbour discovery (RFC 4861), of whose states there are three
//! here: nobody has answered yet, known, known but to be confirmed.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use smallvec::SmallVec;
use sockeye_wire::Instant;
use sockeye_wire::ethernet::MacAddr;

/// Packets held for a neighbour that hasn't answered yet; a further one takes the place of the oldest.
pub(super) const HELD: usize = 3;
/// Questions before a neighbour counts as absent (RFC 4861 section 10: `MAX_MULTICAST_SOLICIT`).
pub(super) const ASKED: u8 = 3;
/// Between two questions; never more often, whatever is to be sent (RFC 1122 section 2.3.2.1).
pub(super) const INTERVAL: Duration = Duration::from_secs(1);
/// An answer is believed for so long. After that a neighbour in use is asked again, its old answer serving meanwhile;
/// one that nobody has sent to for as long is forgotten.
pub(super) const BELIEVED: Duration = Duration::from_secs(60);
/// Neighbours known at most; a further one takes the place of the one that was least lately used.
pub(super) const MOST: usize = 1024;

/// The neighbours of a link, and the packets `P` that wait for one of them.
#[derive(Debug)]
pub(super) struct NeighborCache<P> {
    /// In order: the same questions leave in the same order in every run.
    neighbors: BTreeMap<IpAddr, Neighbor<P>>,
    /// No question is due earlier.
    next_due: Instant,
    lost: usize,
}

#[derive(Debug)]
struct Neighbor<P> {
    state: State<P>,
    used_at: Instant,
}

#[derive(Debug)]
enum State<P> {
    /// Nobody has answered yet.
    Unknown { asking: Asking, held: SmallVec<[P; HELD]> },
    /// Answered lately.
    Known { address: MacAddr, confirmed_at: Instant },
    /// Answered long ago, in use, and asked again.
    Doubted { address: MacAddr, asking: Asking },
}

/// How far the questions are.
#[derive(Clone, Copy, Debug)]
struct Asking {
    asked: u8,
    next_at: Instant,
}

/// A question to be sent: who has `target`?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// Whose hardware address is wanted.
    pub target: IpAddr,
    /// The one who had it; `None` to ask all.
    pub to: Option<MacAddr>,
}

/// What somebody said of a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Who is spoken of.
    pub neighbor: IpAddr,
    /// Its hardware address.
    pub address: MacAddr,
    /// Remembered also if nobody asked: it has just asked for us, so that we'll have to answer.
    pub unasked: bool,
    /// Believed also against what is known (RFC 4861 section 7.2.5: the override flag; always in ARP).
    pub overrides: bool,
}

impl Asking {
    const fn from(now: Instant) -> Self {
        Self { asked: 0, next_at: now }
    }
}

impl<P> NeighborCache<P> {
    /// Nobody is known.
    pub(super) fn new() -> Self {
        Self { neighbors: BTreeMap::new(), next_due: Instant::FAR_FUTURE, lost: 0 }
    }

    /// The hardware address of a neighbour that something is to be sent to now; `None` if it has to be
    /// [held](Self::hold). [`Self::poll`] may have questions afterwards.
    pub(super) fn lookup(&mut self, now: Instant, next_hop: IpAddr) -> Option<MacAddr> {
        self.forget_if_idle(now, next_hop);
        let neighbor = self.neighbors.get_mut(&next_hop)?;
        neighbor.used_at = now;
        let address = neighbor.state.address()?;
        if neighbor.state.believed_since().is_some_and(|since| now.since(since) >= BELIEVED) {
            neighbor.state = State::Doubted { address, asking: Asking::from(now) };
            self.next_due = now;
        }
        Some(address)
    }

    /// Keeps a packet until the neighbour has answered, or has not. [`Self::poll`] may have questions afterwards.
    pub(super) fn hold(&mut self, now: Instant, next_hop: IpAddr, packet: P) {
        if !self.neighbors.contains_key(&next_hop) {
            self.make_room();
        }
        let neighbor = self.neighbors.entry(next_hop).or_insert_with(|| {
            self.next_due = now;
            Neighbor { state: State::Unknown { asking: Asking::from(now), held: SmallVec::new() }, used_at: now }
        });
        match &mut neighbor.state {
            State::Unknown { held, .. } => {
                if held.len() == HELD {
                    held.remove(0);
                    self.lost += 1;
                }
                held.push(packet);
            }
            // Nobody holds a packet for a neighbour that is known.
            State::Known { .. } | State::Doubted { .. } => self.lost += 1,
        }
    }

    /// Takes what somebody said; what was held for the neighbour is to be sent now.
    pub(super) fn learn(&mut self, now: Instant, answer: Answer) -> SmallVec<[P; HELD]> {
        let Answer { neighbor, address, unasked, overrides } = answer;
        let known = State::Known { address, confirmed_at: now };
        match self.neighbors.get_mut(&neighbor) {
            Some(there) if there.state.address().is_none_or(|before| before == address || overrides) => {
                match std::mem::replace(&mut there.state, known) {
                    State::Unknown { held, .. } => held,
                    State::Known { .. } | State::Doubted { .. } => SmallVec::new(),
                }
            }
            None if unasked => {
                self.make_room();
                self.neighbors.insert(neighbor, Neighbor { state: known, used_at: now });
                SmallVec::new()
            }
            Some(_) | None => SmallVec::new(),
        }
    }

    /// The questions that are due. Neighbours that never answered are given up with it.
    pub(super) fn poll(&mut self, now: Instant) -> Vec<Question> {
        let mut questions = Vec::new();
        if now < self.next_due {
            return questions;
        }
        self.give_up(now);
        self.next_due = Instant::FAR_FUTURE;
        for (target, neighbor) in &mut self.neighbors {
            let to = neighbor.state.address();
            let Some(asking) = neighbor.state.asking() else {
                continue;
            };
            if asking.next_at <= now {
                *asking = Asking { asked: asking.asked + 1, next_at: now + INTERVAL };
                questions.push(Question { target: *target, to });
            }
            self.next_due = self.next_due.min(asking.next_at);
        }
        questions
    }

    /// When to call [`Self::poll`]: nothing is due earlier, though perhaps nothing then.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        (self.next_due < Instant::FAR_FUTURE).then_some(self.next_due)
    }

    /// Packets lost since the last call: nobody answered, or too many waited.
    pub(super) fn take_lost(&mut self) -> usize {
        std::mem::take(&mut self.lost)
    }

    /// Forgets those who were asked often enough, and what waits for them.
    fn give_up(&mut self, now: Instant) {
        let lost = &mut self.lost;
        self.neighbors.retain(|_, neighbor| {
            let absent = neighbor.state.asking().is_some_and(|asking| asking.asked >= ASKED && asking.next_at <= now);
            if absent {
                *lost += neighbor.state.held();
            }
            !absent
        });
    }

    fn forget_if_idle(&mut self, now: Instant, address: IpAddr) {
        let idle = self.neighbors.get(&address).is_some_and(|neighbor| {
            let since = neighbor.state.believed_since();
            since.is_some_and(|since| now.since(since.max(neighbor.used_at)) >= BELIEVED)
        });
        if idle {
            self.neighbors.remove(&address);
        }
    }

    /// Leaves room for one more.
    fn make_room(&mut self) {
        if self.neighbors.len() < MOST {
            return;
        }
        let least = self.neighbors.iter().min_by_key(|(address, neighbor)| (neighbor.used_at, **address));
        if let Some(gone) = least.map(|(address, _)| *address).and_then(|address| self.neighbors.remove(&address)) {
            self.lost += gone.state.held();
        }
    }
}

impl<P> State<P> {
    const fn address(&self) -> Option<MacAddr> {
        match self {
            Self::Unknown { .. } => None,
            Self::Known { address, .. } | Self::Doubted { address, .. } => Some(*address),
        }
    }

    const fn believed_since(&self) -> Option<Instant> {
        match self {
            Self::Known { confirmed_at, .. } => Some(*confirmed_at),
            Self::Unknown { .. } | Self::Doubted { .. } => None,
        }
    }

    const fn asking(&mut self) -> Option<&mut Asking> {
        match self {
            Self::Unknown { asking, .. } | Self::Doubted { asking, .. } => Some(asking),
            Self::Known { .. } => None,
        }
    }

    fn held(&self) -> usize {
        match self {
            Self::Unknown { held, .. } => held.len(),
            Self::Known { .. } | Self::Doubted { .. } => 0,
        }
    }
}

#[cfg(test)]
mod tests;
