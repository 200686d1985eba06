//! How flows end: cleanly, or with an error that what really happened explains.

use sockeye::ClosedBecause;

use super::application::Role;
use super::invariants::Invariant;
use super::machine::Calls as _;
use super::world::{End, Flow, World};

impl World {
    /// The application of an end is done: if its connection was given up, notes whether that was right. The peer must have
    /// been silent, though asked, for as long as was set; and not for want of answering what has reached it. An application
    /// that lost patience must have waited for something that still moves, however slowly.
    pub(super) fn note_silence(&mut self, index: usize, role: Role) {
        let flow = &self.flows[index];
        let (end, peer) = (&flow.ends[role as usize], &flow.ends[role.other() as usize]);
        let owes = !self.is_off(peer) && peer.ear.owes_an_answer(self.now, &peer.limits);
        let met_silence = match end.ledger.because {
            Some(ClosedBecause::Aborted) => self.moves(flow),
            _ => end.ledger.gave_up() && !owes && end.ear.had_reason_to_give_up(self.now, &end.limits),
        };
        self.flows[index].ends[role as usize].met_silence = met_silence;
    }

    fn is_off(&self, end: &End) -> bool {
        self.nodes[end.host].has_vanished(self.now)
    }

    /// True if this end went without the other's doing, and was right to: its host is off, its application was to abort, or it
    /// met with silence. It may also have given up after its application was done with it.
    fn went_first(&self, flow: &Flow, role: Role) -> bool {
        let end = &flow.ends[role as usize];
        self.is_off(end)
            || (flow.aborts && role == Role::Client && end.application.is_none())
            || end.met_silence
            || (!end.ledger.gave_up() && end.ear.had_reason_to_give_up(self.now, &end.limits))
    }

    /// True if an error of either end is explained: by a trick that may spoil a transfer, or by an end that went first.
    fn is_explained(&self, flow: &Flow) -> bool {
        flow.spoiled || Role::BOTH.into_iter().any(|role| self.went_first(flow, role))
    }

    /// Both ends are done: cleanly, or with an error that is explained.
    pub(super) fn check_end(&mut self, index: usize) {
        let flow = &self.flows[index];
        let fault = Role::BOTH.into_iter().find_map(|role| {
            let (end, other) = (&flow.ends[role as usize], &flow.ends[role.other() as usize]);
            let because = end.ledger.because.filter(|because| !because.is_clean());
            let unread = end.ledger.read != other.ledger.wrote;
            // Who gave up, did so for a reason of its own.
            let explained =
                if end.ledger.gave_up() && !flow.spoiled { end.met_silence } else { self.is_explained(flow) };
            match because {
                _ if explained => None,
                Some(because) => Some((role, format!("ended with {because:?}"))),
                None => unread.then(|| (role, format!("read {} octets of {}", end.ledger.read, other.ledger.wrote))),
            }
        });
        if let Some((role, detail)) = fault {
            self.broken(Invariant::EndsExplained, Some((index, role)), detail);
        }
    }

    /// Stops what has no end, and what the scenario lets wait; calls it a fault if anything else is still going on.
    pub(super) fn stop(&mut self) {
        // What hasn't begun by now, doesn't.
        let now = self.now;
        self.agenda.retain(|(_, flow, role)| *role == Role::Server || self.flows[*flow].start <= now);
        for index in 0..self.flows.len() {
            let flow = &self.flows[index];
            if self.judges && !flow.endless && !self.crawls(flow) && !self.is_left(flow) {
                self.check_stopped(index);
                continue;
            }
            self.record.stop_drawing();
            Role::BOTH.into_iter().for_each(|role| self.stop_end(index, role));
        }
        for host in 0..self.nodes.len() {
            if !self.nodes[host].has_vanished(self.now) {
                self.settle(host);
            }
        }
    }

    fn stop_end(&mut self, index: usize, role: Role) {
        let end = &mut self.flows[index].ends[role as usize];
        end.application = None;
        if let Some(wake) = end.wake.take() {
            self.agenda.remove(&(wake, index, role));
        }
        if let Some(handle) = end.handle {
            let node = &mut self.nodes[end.host];
            let clock = node.clock(self.now);
            node.machine.abort(clock, handle);
            node.machine.close(clock, handle);
            node.connections.remove(&handle);
        }
    }

    /// True if so much of the flow is lost that it may go on for ever, and yet it moves; or a trick keeps its ends waiting, and
    /// they have patience left. What is sent again and again tells no round-trip time, so its timer stays at the maximum (RFC
    /// 6298 section 5).
    fn crawls(&self, flow: &Flow) -> bool {
        let loses = self.floods || flow.patience.is_some();
        (loses && self.moves(flow)) || (flow.spoiled && flow.is_patient(self.now))
    }

    /// True if an end still tries, and its peer owes it no answer.
    fn moves(&self, flow: &Flow) -> bool {
        Role::BOTH.into_iter().any(|role| {
            let (end, peer) = (&flow.ends[role as usize], &flow.ends[role.other() as usize]);
            end.ear.is_trying(self.now, &end.limits) && !peer.ear.owes_an_answer(self.now, &peer.limits)
        })
    }

    /// True if one end went first and the other has no means to notice: nothing that the peer should acknowledge, and no
    /// keep-alive.
    fn is_left(&self, flow: &Flow) -> bool {
        let waits = |role: Role| {
            let end = &flow.ends[role as usize];
            end.application.is_none()
                || self.is_off(end)
                || (end.ear.outstanding() == 0 && end.limits.keep_alive.is_none())
        };
        let went = |role: Role| flow.ends[role as usize].application.is_none() && self.went_first(flow, role);
        Role::BOTH.into_iter().any(went) && Role::BOTH.into_iter().all(waits)
    }

    fn check_stopped(&mut self, index: usize) {
        let flow = &self.flows[index];
        let now = self.now;
        let open = Role::BOTH.into_iter().find(|&role| {
            let end = &flow.ends[role as usize];
            end.application.is_some() && !self.is_off(end)
        });
        let Some(role) = open.filter(|_| flow.start <= now) else {
            return;
        };
        // Nobody was there to accept: whoever listens is not to blame.
        if role == Role::Server && flow.ends[1].handle.is_none() && self.is_explained(flow) {
            return;
        }
        let state = |role: Role| {
            let end = &flow.ends[role as usize];
            let told = end.told(&self.nodes, now);
            let state = told.map_or_else(|| "no connection".to_owned(), |info| info.state.to_string());
            format!("{state}, wrote {}, read {}", end.ledger.wrote, end.ledger.read)
        };
        let detail = format!("still open: client {}; server {}", state(Role::Client), state(Role::Server));
        self.broken(Invariant::EndsExplained, Some((index, role)), detail);
    }
}
