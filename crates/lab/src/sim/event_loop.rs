//! Virtual time: from one event to the next, however far apart they are.

use std::time::Duration;

use sockeye::State;
use sockeye_device::Packet;
use sockeye_device::impair::{HostId, Side};
use sockeye_tcb::Vitals;
use sockeye_wire::Instant;
use sockeye_wire::ip::{IpView, protocol, v4};
use sockeye_wire::tcp::TcpView;

use super::application::{Next, Role, Socket};
use super::invariants::{Broken, Invariant};
use super::machine::{Calls as _, Handle, Happened};
use super::record::{Progress, Whose};
use super::world::{Node, World};

/// Packets that a host may send without time passing, and events that may happen so.
const AT_ONE_INSTANT: u32 = 200_000;

/// How long connections that nobody holds may take to be gone: the user timeout, and what follows it.
const DRAIN: Duration = Duration::from_hours(2);

impl World {
    /// Lets everything happen that happens until `until`, or until all flows are done or a rule is broken. True if
    /// there is more to come.
    pub(super) fn run_until(&mut self, until: Instant) -> bool {
        while self.violation.is_none() {
            // What else happens at the instant at which the last flow ends belongs to it.
            let is_over = self.ended == self.flows.len();
            if !self.step(if is_over { self.now } else { until }) {
                return !is_over;
            }
        }
        false
    }

    /// Lets happen what happens next, unless it is after `until`.
    fn step(&mut self, until: Instant) -> bool {
        let Some(next) = self.next_event(until) else {
            self.now = self.now.max(until);
            return false;
        };
        if next > self.now {
            (self.now, self.rounds) = (next, 0);
        }
        if self.record.next_sample().is_some_and(|at| at <= self.now) {
            self.sample();
        }
        // First whatever arrives at this instant, then what is due.
        if let Some((host, packet)) = self.network.receive(self.now) {
            self.arrives(host.0, packet);
            return true;
        }
        self.rounds += 1;
        if self.rounds > AT_ONE_INSTANT {
            self.broken(Invariant::NoLiveLock, None, format!("{} events, and no time passes", self.rounds));
            return true;
        }
        self.falls_due();
        true
    }

    /// Takes the samples that were due by now.
    #[cold]
    fn sample(&mut self) {
        while let Some(at) = self.record.next_sample().filter(|at| *at <= self.now) {
            self.network.advance(self.now);
            let queued = self.network.bottleneck(Side::Left).queued_octets();
            let connections = self.flows.iter().enumerate().map(|(connection, flow)| Progress {
                whose: Whose { flow: flow.spec, connection },
                read: flow.ends.each_ref().map(|end| end.ledger.read),
                is_open: flow.ends[0].application.is_some() && flow.ends[0].handle.is_some(),
            });
            let told = |connection: usize, end: usize| self.flows[connection].ends[end].told(&self.nodes, at);
            self.record.sample(queued, connections, told);
        }
    }

    /// When something happens at a host next, or a sample is due, if by `until`.
    fn next_event(&mut self, until: Instant) -> Option<Instant> {
        let agenda = self.agenda.first().map(|&(at, ..)| at);
        let ours = Instant::earlier(Instant::earlier(self.deadlines.first(), agenda), self.record.next_sample());
        let arrival = self.network.next_arrival(ours.map_or(until, |at| at.min(until)));
        arrival.or(ours).filter(|at| *at <= until)
    }

    /// A round of what is due by this instant.
    fn falls_due(&mut self) {
        if self.deadlines.first().is_some_and(|at| at <= self.now) {
            // In the order of the hosts. One whose next deadline is now, too, has its turn in the next round.
            let mut due = Vec::new();
            due.extend(std::iter::from_fn(|| self.deadlines.take_due(self.now)));
            due.into_iter().for_each(|host| self.on_timeout(host));
        }
        while let Some(&(at, flow, role)) = self.agenda.first().filter(|(at, ..)| *at <= self.now) {
            self.agenda.remove(&(at, flow, role));
            self.on_agenda(flow, role);
        }
    }

    fn arrives(&mut self, host: usize, mut packet: Packet) {
        if self.nodes[host].has_vanished(self.now) {
            return;
        }
        self.record.packet(host, self.now, false, &packet.bytes);
        // Where nothing is damaged a device may as well have verified it.
        packet.checksum_verified |= !self.damages;
        self.hears(host, &packet);
        let node = &mut self.nodes[host];
        let clock = node.clock(self.now);
        if let Some(trickster) = &mut node.trickster {
            trickster.hears(&packet.bytes);
        }
        packet.arrived_at = clock;
        node.machine.on_packet(clock, packet);
        self.settle(host);
    }

    fn on_timeout(&mut self, host: usize) {
        let node = &mut self.nodes[host];
        if node.has_vanished(self.now) {
            return;
        }
        let clock = node.clock(self.now);
        let (connections, touched) = (&node.connections, &mut self.touched);
        node.machine.on_timeout(clock, |handle| touched.extend(connections.get(&handle).copied()));
        // Few enough to look at all: what should have been due for one of them may never be.
        if connections.len() <= 8 {
            touched.extend(connections.values().copied());
        }
        self.settle(host);
    }

    fn on_agenda(&mut self, flow: usize, role: Role) {
        let end = &mut self.flows[flow].ends[role as usize];
        end.wake = None;
        let host = end.host;
        if self.nodes[host].has_vanished(self.now) {
            return;
        }
        if role == Role::Client && end.handle.is_none() {
            self.start(flow);
        }
        self.act(flow, role);
        self.settle(host);
    }

    /// Lets a host tell and send until it has nothing more to do at this instant, then judges it.
    pub(super) fn settle(&mut self, host: usize) {
        let (clock, limit) = (self.nodes[host].clock(self.now), self.nodes[host].tso);
        let mut packets = 0;
        for round in 0_u32.. {
            let mut told = false;
            while let Some(happened) = self.nodes[host].machine.next_event() {
                told = true;
                self.on_event(host, happened);
            }
            // Nobody has done anything since there was nothing more to send.
            if round > 0 && !told {
                break;
            }
            while let Some(packet) = self.nodes[host].machine.poll_transmit(clock, limit, &mut self.packets) {
                packets += 1;
                self.leaves(host, packet);
                if packets > AT_ONE_INSTANT {
                    self.broken(Invariant::NoLiveLock, None, format!("{packets} packets, and no time passes"));
                }
                if self.violation.is_some() {
                    return;
                }
            }
        }
        let node = &mut self.nodes[host];
        let deadline = node.machine.next_timeout().map(|at| node.shows(at));
        self.deadlines.set(host, deadline);
        self.judge(host);
    }

    fn on_event(&mut self, host: usize, happened: Happened) {
        match happened {
            Happened::Event(handle) => {
                if let Some(&(flow, role)) = self.nodes[host].connections.get(&handle) {
                    self.act(flow, role);
                }
            }
            Happened::Accepted(handle, port) => self.on_accepted(host, handle, port),
        }
    }

    #[cold]
    fn on_accepted(&mut self, host: usize, handle: Handle, port: u16) {
        let flow = Self::flow_of_port(port);
        let Some(end) = self.flows.get_mut(flow).map(|known| &mut known.ends[Role::Server as usize]) else {
            return;
        };
        let node = &mut self.nodes[host];
        let is_open = |known| matches!(known, Handle::Stack(_)) && node.machine.vitals(known).is_some();
        if end.application.is_some() && end.handle.is_some_and(is_open) {
            let detail = "another connection is announced while the first is open".into();
            self.broken(Invariant::EndsExplained, Some((flow, Role::Server)), detail);
            return;
        }
        // An old SYN that was duplicated begins another connection, which nobody waits for.
        if end.handle.is_some() || end.application.is_none() {
            let clock = node.clock(self.now);
            node.machine.abort(clock, handle);
            node.machine.close(clock, handle);
            return;
        }
        end.handle = Some(handle);
        node.connections.insert(handle, (flow, Role::Server));
        self.act(flow, Role::Server);
    }

    /// The application of an end does what it can.
    fn act(&mut self, flow: usize, role: Role) {
        let known = &mut self.flows[flow];
        let end = &mut known.ends[role as usize];
        let (Some(application), Some(handle)) = (&mut end.application, end.handle) else {
            return;
        };
        let node = &mut self.nodes[end.host];
        let clock = node.clock(self.now);
        let streams = [2 * flow as u64, 2 * flow as u64 + 1];
        let mut socket = Socket {
            now: clock,
            machine: &mut node.machine,
            handle,
            ledger: &mut end.ledger,
            payload: &self.payload,
            streams: (streams[role as usize], streams[1 - role as usize]),
        };
        let next = application.act(&mut socket);
        let wake = match next {
            Next::Wait => None,
            Next::At(at) => Some(node.shows(at)),
            Next::Done => {
                socket.close();
                end.response_times = application.response_times().to_vec();
                end.application = None;
                end.done_at = Some(self.now);
                None
            }
        };
        if let Some(old) = std::mem::replace(&mut end.wake, wake) {
            self.agenda.remove(&(old, flow, role));
        }
        self.agenda.extend(wake.map(|at| (at, flow, role)));
        let [ours, theirs] = [role, role.other()].map(|role| &known.ends[role as usize].ledger);
        if ours.damage.is_some() || ours.was_cut(theirs) {
            self.is_damaged(flow, role);
        }
        self.touch(flow, role);
        if next == Next::Done {
            self.is_done(flow, role);
        }
    }

    /// What an end has read isn't what the other wrote.
    #[cold]
    fn is_damaged(&mut self, flow: usize, role: Role) {
        let [ours, theirs] = [role, role.other()].map(|role| &self.flows[flow].ends[role as usize].ledger);
        let cut = || format!("the stream ends after {} octets of {}", ours.read, theirs.wrote);
        let damage = ours.damage.clone().unwrap_or_else(cut);
        self.broken(Invariant::Intact, Some((flow, role)), damage);
    }

    /// The application of an end is done with its connection.
    #[cold]
    fn is_done(&mut self, flow: usize, role: Role) {
        if self.judges {
            self.note_silence(flow, role);
        }
        if self.flows[flow].is_done() {
            self.ended += 1;
            if self.judges {
                self.check_end(flow);
            }
        }
    }

    /// A packet leaves a host: it is judged, rewritten if the host misbehaves, and goes.
    fn leaves(&mut self, host: usize, packet: Packet) {
        self.packet_count += 1;
        self.says(host, &packet);
        if self.nodes[host].trickster.is_some() {
            return self.leaves_rewritten(host, packet);
        }
        self.record.packet(host, self.now, true, &packet.bytes);
        self.network.send(self.now, HostId(host), packet);
    }

    #[cold]
    fn leaves_rewritten(&mut self, host: usize, packet: Packet) {
        let rewritten = self.nodes[host].trickster.as_mut().map(|trickster| trickster.rewrite(packet.bytes));
        for bytes in rewritten.into_iter().flatten() {
            self.record.packet(host, self.now, true, &bytes);
            let packet = Packet::new(self.packets.copy(&bytes), self.now);
            self.network.send(self.now, HostId(host), packet);
        }
    }

    fn says(&mut self, host: usize, packet: &Packet) {
        if !self.judges && !self.record.draws_packets() {
            return;
        }
        // Looked at where it is: to move what has just been written in parts holds the processor up.
        let segment = tcp(&packet.bytes);
        let Some(view) = &segment else {
            return;
        };
        let Some((flow, role)) = self.owner(host, view.source_port(), view.destination_port()) else {
            return;
        };
        let whose = Whose { flow: self.flows[flow].spec, connection: flow };
        let end = &mut self.flows[flow].ends[role as usize];
        let vitals = match end.handle {
            Some(handle) if !view.payload().is_empty() => self.nodes[host].machine.vitals(handle),
            _ => None,
        };
        self.record.says(self.now, whose, role, view, vitals.as_ref());
        if !self.judges {
            return;
        }
        let result = end.ear.says(self.now, view, packet.segment_size, vitals.as_ref(), &end.limits);
        self.judged(result, flow, role);
        self.touch(flow, role);
    }

    fn hears(&mut self, host: usize, packet: &Packet) {
        if !self.judges && !self.record.draws_packets() {
            return;
        }
        // Looked at where it is: to move what has just been written in parts holds the processor up.
        let segment = tcp(&packet.bytes);
        let Some(view) = &segment else {
            return;
        };
        // What is damaged must have no effect, so it isn't heard here either.
        if !packet.checksum_verified && !is_whole(&packet.bytes, view) {
            return;
        }
        let Some((flow, role)) = self.owner(host, view.destination_port(), view.source_port()) else {
            return;
        };
        self.record.hears(self.now, Whose { flow: self.flows[flow].spec, connection: flow }, role, view);
        if !self.judges {
            return;
        }
        let end = &mut self.flows[flow].ends[role as usize];
        end.ear.hears(self.now, view, packet.segment_size, &end.limits);
        self.touch(flow, role);
    }

    fn judged(&mut self, result: Result<(), Broken>, flow: usize, role: Role) {
        if let Err(broken) = result {
            let (invariant, detail) = *broken;
            self.broken(invariant, Some((flow, role)), detail);
        }
    }

    /// Something happens to an end: it is to be judged.
    fn touch(&mut self, flow: usize, role: Role) {
        if self.judges && self.touched.last() != Some(&(flow, role)) {
            self.touched.push((flow, role));
        }
    }

    /// Judges the ends that something happened to, those that their applications have let go included, until they are gone.
    fn judge(&mut self, host: usize) {
        if !self.judges {
            self.touched.clear();
            return;
        }
        let mut touched = std::mem::take(&mut self.touched);
        if touched.len() > 1 {
            touched.sort_unstable();
            touched.dedup();
        }
        for (flow, role) in touched.drain(..) {
            let end = &mut self.flows[flow].ends[role as usize];
            let Some(handle) = end.handle.filter(|_| end.host == host) else { continue };
            let Node { machine, connections, .. } = &mut self.nodes[host];
            // Looked at where they are: they are long.
            let vitals = machine.vitals(handle);
            let held = |vitals: &&Vitals| end.application.is_some() || vitals.state != State::Closed;
            let Some(vitals) = vitals.as_ref().filter(held) else {
                connections.remove(&handle);
                continue;
            };
            let deadline = || machine.deadline(handle);
            let result = end.judge.after_event(self.now, vitals, deadline, &end.ear, &end.limits);
            end.ear.settled(self.now, vitals);
            self.judged(result, flow, role);
        }
        self.touched = touched;
    }

    /// Waits until the last packet and the last timer are gone; then nothing may be left.
    pub(super) fn drain(&mut self) {
        let until = self.now + DRAIN;
        while self.violation.is_none() && self.next_event(until).is_some() {
            self.step(until);
        }
        let now = self.now;
        for node in &mut self.nodes {
            if node.has_vanished(now) {
                // It is off, and so is its memory.
                node.machine = super::machine::Machine::Bare(Box::new(super::bare::Bare::new(0)));
            }
        }
        let left = self.nodes.iter().find_map(|node| node.machine.leftovers().map(|left| (node.name.clone(), left)));
        if let Some((host, left)) = left {
            return self.broken(Invariant::TablesEmpty, None, format!("{host} still has {left}"));
        }
        if !self.payload.is_returned() {
            return self.broken(Invariant::MemoryReturned, None, "somebody holds a piece of what was sent".into());
        }
        if !self.packets.are_returned() {
            self.broken(Invariant::MemoryReturned, None, "somebody holds a packet, or a piece of one".into());
        }
    }
}

/// The TCP segment in a packet.
fn tcp(packet: &[u8]) -> Option<TcpView<'_>> {
    let (protocol, payload) = match v4::Plain::of(packet) {
        Some(plain) => (plain.protocol, plain.payload),
        None => IpView::parse(packet).map(|ip| (ip.protocol(), ip.payload())).ok()?,
    };
    if protocol == protocol::TCP { TcpView::parse(payload).ok() } else { None }
}

/// True if the checksums in a packet with this segment are right.
#[cold]
fn is_whole(packet: &[u8], segment: &TcpView<'_>) -> bool {
    IpView::parse(packet).is_ok_and(|ip| {
        let header = !matches!(&ip, IpView::V4(ip) if !ip.verify_checksum());
        header && segment.verify_checksum(ip.source(), ip.destination())
    })
}

#[cfg(test)]
mod tests {
    use super::super::scenario::Scenario;
    use super::super::{Heard, Next, Record, Simulation, Socket};
    use super::*;

    const TEXT: u64 = 60_000;

    /// A server that lets go of its connection as soon as all is handed over, at the instant at which it has.
    fn just_let_go(scenario: &Scenario) -> Simulation<'_> {
        let mut simulation = Simulation::new(scenario, Record::nothing()).unwrap();
        let writes = |socket: &mut Socket<'_>| {
            socket.write(TEXT - socket.wrote());
            if socket.wrote() < TEXT { Next::Wait } else { Next::Done }
        };
        let reads = |socket: &mut Socket<'_>| loop {
            match socket.read(usize::MAX) {
                Heard::Octets(_) => {}
                Heard::Nothing => return Next::Wait,
                Heard::End | Heard::Gone(_) => return Next::Done,
            }
        };
        simulation.behave(0, false, writes).unwrap();
        simulation.behave(0, true, reads).unwrap();
        let mut millis = 0;
        while simulation.world.flows[0].ends[1].application.is_some() {
            millis += 1;
            assert!(simulation.run_until(Duration::from_millis(millis)));
        }
        simulation
    }

    #[test]
    fn a_connection_is_judged_until_it_is_gone() {
        let scenario = "duration = '60s'
            forward = 'rate 1mbit delay 20ms'
            back = 'rate 1mbit delay 20ms'
            [[flow]]
            application = { kind = 'bulk' }";
        let scenario: Scenario = scenario.parse().unwrap();
        let mut simulation = just_let_go(&scenario);
        simulation.world.flows[0].ends[1].limits.least_rtt = Duration::from_hours(1);
        let violation = simulation.finish().violation.expect("its round trips are still judged");
        assert_eq!((violation.invariant, violation.flow), (Invariant::TimesTrue, Some(0)));

        let mut simulation = just_let_go(&scenario);
        assert!(simulation.world.nodes.iter().all(|node| node.connections.len() == 1));
        simulation.run_until(Duration::from_secs(30));
        simulation.world.drain();
        assert_eq!(simulation.world.violation, None);
        assert!(simulation.world.nodes.iter().all(|node| node.connections.is_empty()));
    }
}
