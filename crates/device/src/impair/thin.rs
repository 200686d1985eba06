//! Acknowledgments on the way back: thinned out by a device that thinks them too many, or bunched up by one that waits.

use std::time::Duration;

use sockeye_wire::Instant;

use super::LinkCounters;
use super::carried::{Carried, Flow, tcp_of};

/// What happens to segments that do nothing but acknowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Acks {
    /// Nothing.
    #[default]
    Untouched,
    /// Of so many of a connection, each of which acknowledges more, only the last goes on: `thin 8`. Duplicate
    /// acknowledgments go on.
    Thin(Gather),
    /// So many go on at once: `compress 32`.
    Compress(Gather),
}

/// How many acknowledgments, and for how long they wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gather {
    /// How many.
    pub count: u32,
    /// The longest that one waits.
    pub hold: Duration,
}

impl Gather {
    /// How long acknowledgments wait unless told otherwise.
    pub const HOLD: Duration = Duration::from_millis(10);
}

#[derive(Debug)]
struct Held {
    carried: Carried,
    flow: Flow,
    ack: sockeye_wire::SeqNumber,
    /// Acknowledgments of this flow that came in a row, this one included.
    count: u32,
    until: Instant,
}

/// Acknowledgments that wait. Thinned, there is one a connection; bunched up, there are all, in order.
#[derive(Debug)]
pub(super) struct AckGate {
    acks: Acks,
    held: Vec<Held>,
}

impl AckGate {
    pub(super) fn new(acks: Acks) -> Self {
        Self { acks, held: Vec::new() }
    }

    /// Another configuration; what waits goes on by its time.
    pub(super) fn change(&mut self, acks: Acks) {
        self.acks = acks;
    }

    /// True if packets just go by.
    pub(super) fn is_idle(&self) -> bool {
        self.held.is_empty() && matches!(self.acks, Acks::Untouched)
    }

    /// A packet comes; those that go on now are in `out`.
    pub(super) fn push(&mut self, now: Instant, carried: Carried, counters: &mut LinkCounters, out: &mut Vec<Carried>) {
        let segment = if matches!(self.acks, Acks::Untouched) { None } else { tcp_of(&carried.packet.bytes) };
        let Some((flow, acknowledged)) = segment else {
            out.push(carried);
            return;
        };
        match (acknowledged, self.acks) {
            (Some(ack), Acks::Thin(gather)) => {
                let held = Held { carried, flow, ack, count: 1, until: now + gather.hold };
                self.thin(held, gather.count, counters, out);
            }
            (Some(ack), Acks::Compress(gather)) => {
                self.held.push(Held { carried, flow, ack, count: 1, until: now + gather.hold });
                if self.held.len() >= gather.count as usize {
                    out.extend(self.held.drain(..).map(|held| held.carried));
                }
            }
            _ => {
                // What isn't an acknowledgment overtakes none of its connection.
                let before = self.held.extract_if(.., |held| held.flow == flow);
                out.extend(before.map(|held| held.carried));
                out.push(carried);
            }
        }
    }

    fn thin(&mut self, mut new: Held, of: u32, counters: &mut LinkCounters, out: &mut Vec<Carried>) {
        if let Some(at) = self.held.iter().position(|held| held.flow == new.flow) {
            let old = self.held.swap_remove(at);
            if old.ack.before(new.ack) {
                counters.thinned += 1;
                (new.count, new.until) = (old.count + 1, old.until);
            } else {
                // A duplicate tells of a loss; an older one overtook. Neither is for us to take away.
                out.extend([old.carried, new.carried]);
                return;
            }
        }
        if new.count >= of {
            out.push(new.carried);
        } else {
            self.held.push(new);
        }
    }

    pub(super) fn next_event(&self) -> Option<Instant> {
        self.held.iter().fold(None, |next, held| Instant::earlier(next, Some(held.until)))
    }

    /// Lets go of what has waited long enough: thinned, that one; bunched up, all.
    pub(super) fn release(&mut self, now: Instant, out: &mut Vec<Carried>) {
        let any = self.held.iter().any(|held| held.until <= now);
        let all = any && !matches!(self.acks, Acks::Thin(_));
        out.extend(self.held.extract_if(.., |held| all || held.until <= now).map(|held| held.carried));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}
