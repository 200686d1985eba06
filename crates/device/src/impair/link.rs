//! The chain of elements that a packet goes through.

use std::collections::VecDeque;
use std::time::Duration;

use sockeye_wire::Instant;

use super::carried::Carried;
use super::damage::Damage;
use super::delay::DelayLine;
use super::loss::Losses;
use super::police::Policer;
use super::queue::{Departure, Queue};
use super::random::{Coin, Dice};
use super::reorder::{Displacement, Overtaking};
use super::slots::Slots;
use super::thin::AckGate;
use super::too_long::error_about;
use super::{Discipline, LinkConfig, LinkCounters, Loss, Odds, Rate, Waits};
use crate::Packet;
use crate::segment::{Merge, cut_packet};

/// One direction of a link.
///
/// What happens in it happens at its own time, however seldom it is asked: [`receive`](Self::receive) at a late `now`
/// gives the same packets as at an early one. `now` never goes back.
#[derive(Debug)]
pub struct Link {
    config: LinkConfig,
    seed: u64,
    /// What schedule and trace count from.
    origin: Instant,
    losses: Losses,
    duplicates: Coin,
    damage: Damage,
    policer: Option<Policer>,
    gate: AckGate,
    queue: Queue,
    overtaking: Overtaking,
    line: DelayLine,
    displacement: Displacement,
    slots: Slots,
    merge: Merge,
    /// When what is being merged comes out.
    merge_until: Option<Instant>,
    /// What has come out, in order.
    arrived: VecDeque<Packet>,
    replies: VecDeque<Packet>,
    down: bool,
    /// The schedule's time that was applied last.
    elapsed: Duration,
    /// Packets numbered so far.
    serial: u64,
    /// The highest number that has come out.
    highest: u64,
    /// When something happens by itself, known so that whoever only asks doesn't have to ask every element.
    next: Option<Instant>,
    /// Nothing can happen to a packet: it comes out as it enters.
    is_wire: bool,
    /// All that happens by itself is that packets come out of the line.
    is_plain: bool,
    /// Moreover nothing happens to a packet that enters but that it waits for the rate, or finds no room.
    only_queues: bool,
    counters: LinkCounters,
    scratch: Vec<Carried>,
}

impl Link {
    /// A link whose chance comes from `seed`, unless its configuration brings one along. Its schedule and trace begin at
    /// [`Instant::ZERO`].
    pub fn new(config: LinkConfig, seed: u64) -> Self {
        Self::starting_at(config, seed, Instant::ZERO)
    }

    /// As [`Self::new`]; schedule and trace begin at `origin`.
    pub fn starting_at(config: LinkConfig, seed: u64, origin: Instant) -> Self {
        let seed = config.seed.unwrap_or(seed);
        let mut link = Self {
            seed,
            origin,
            losses: Losses::new(config.loss.clone(), seed),
            duplicates: Coin::new(config.duplicate, Dice::new(seed, "double")),
            damage: Damage::new(config.corrupt, config.corrupt_header, seed),
            policer: config.police.map(Policer::new),
            gate: AckGate::new(config.acks),
            queue: Queue::new(&config, origin, seed),
            overtaking: Overtaking::new(config.reorder, config.late, seed),
            line: DelayLine::new(config.delay, seed),
            displacement: Displacement::new(config.displace, seed),
            slots: Slots::new(config.slot, seed),
            merge: Merge::default(),
            merge_until: None,
            arrived: VecDeque::new(),
            replies: VecDeque::new(),
            down: config.down,
            elapsed: Duration::ZERO,
            serial: 0,
            highest: 0,
            next: None,
            is_wire: is_wire(&config),
            is_plain: false,
            only_queues: false,
            counters: LinkCounters::default(),
            scratch: Vec::new(),
            config,
        };
        link.apply(origin);
        link.note_elements();
        link
    }

    /// A packet enters, in one piece. A super-segment is cut first, and a checksum that was left to a device completed.
    pub fn send(&mut self, now: Instant, packet: Packet) {
        if self.only_queues && packet.is_as_on_a_wire() {
            return self.send_to_queue(now, packet);
        }
        self.advance(now);
        self.follow_schedule(now);
        if packet.is_as_on_a_wire() {
            self.enter(now, packet);
        } else {
            cut_packet(packet).for_each(|segment| self.enter(now, segment));
        }
        self.next = self.next_event();
    }

    /// The same on a link none of whose other elements has anything to do: a third of the instructions.
    fn send_to_queue(&mut self, now: Instant, packet: Packet) {
        if self.next.is_some_and(|at| at <= now) {
            self.step_until(now);
        }
        self.count_entry(&packet);
        self.losses.lets_pass();
        let carried = self.number(packet);
        if let Departure::At(at) = self.queue.departure(now, &carried, &mut self.counters) {
            self.line.push(at, carried, Duration::ZERO, false);
            self.next = self.line.next_event();
        }
    }

    /// True if the packet has gone through, being out at once and before all others; else it is to be [sent](Self::send).
    pub(super) fn pass(&mut self, now: Instant, packet: &mut Packet) -> bool {
        packet.is_as_on_a_wire() && self.pass_as_it_is(now, packet)
    }

    /// The same, also of what the link before has merged.
    pub(super) fn pass_as_it_is(&mut self, now: Instant, packet: &mut Packet) -> bool {
        let passes = self.is_wire && self.next_timeout().is_none();
        if passes {
            self.count_entry(packet);
            self.serial += 1;
            self.count_exit(now, self.serial, packet);
        }
        passes
    }

    /// The next packet that has come out by `now`; it arrived when it came out.
    #[inline]
    pub fn receive(&mut self, now: Instant) -> Option<Packet> {
        if self.arrived.is_empty() && self.is_plain {
            self.queue.settle(now);
            let (at, Carried { mut packet, serial }) = self.line.pop(now)?;
            self.next = self.line.next_event();
            self.count_exit(at, serial, &mut packet);
            return Some(packet);
        }
        self.advance(now);
        self.arrived.pop_front()
    }

    /// What the link itself sends back to the sender: errors about packets that were too long. It arrived when the link
    /// sent it, and has the way back still to go.
    pub fn reply(&mut self) -> Option<Packet> {
        self.replies.pop_front()
    }

    /// When to call [`receive`](Self::receive) next: not later, a packet may have come out. `None` if nothing is on its
    /// way.
    pub fn next_timeout(&self) -> Option<Instant> {
        match self.arrived.front() {
            Some(packet) => Some(packet.arrived_at),
            None => self.next,
        }
    }

    /// From now on another link; what is on its way on the old one arrives, and what waits goes on waiting. Schedule
    /// and trace count from the same origin as before.
    pub fn set_config(&mut self, now: Instant, config: LinkConfig) {
        self.advance(now);
        let seed = config.seed.unwrap_or(self.seed);
        if self.config.duplicate != config.duplicate {
            self.duplicates = Coin::new(config.duplicate, self.duplicates.dice.clone());
        }
        if (self.config.corrupt, self.config.corrupt_header) != (config.corrupt, config.corrupt_header) {
            self.damage = Damage::new(config.corrupt, config.corrupt_header, seed);
        }
        if self.config.police != config.police {
            self.policer = config.police.map(Policer::new);
        }
        if (self.config.reorder, self.config.late) != (config.reorder, config.late) {
            self.overtaking = Overtaking::new(config.reorder, config.late, seed);
        }
        self.gate.change(config.acks);
        self.displacement.change(config.displace);
        self.slots.change(config.slot);
        let mut out = Vec::new();
        let (line, counters) = (&mut self.line, &mut self.counters);
        self.queue.change(now, &config, (self.origin, seed), (line, counters), &mut out);
        self.is_wire = is_wire(&config);
        self.config = config;
        self.apply(now);
        out.into_iter().for_each(|(at, carried)| self.fly(at, carried));
        if self.config.gro.is_none() {
            self.flush_merge(now);
        }
        self.note_elements();
        self.next = self.next_event();
    }

    /// What it is described by.
    pub const fn config(&self) -> &LinkConfig {
        &self.config
    }

    /// What has happened so far.
    pub const fn counters(&self) -> &LinkCounters {
        &self.counters
    }

    /// Packets that wait for the rate, without the one that is going out.
    pub fn queued_packets(&self) -> usize {
        self.queue.packets()
    }

    /// Their octets.
    pub fn queued_octets(&self) -> u64 {
        self.queue.octets()
    }

    /// How long packets have waited for the rate until they began to go out.
    pub fn queue_waits(&self) -> &Waits {
        self.queue.waits()
    }

    /// True if no packet is in it, those included that have come out and not been received.
    pub fn is_empty(&self) -> bool {
        self.arrived.is_empty()
            && self.gate.is_empty()
            && self.queue.is_empty()
            && self.line.is_empty()
            && self.slots.is_empty()
            && self.displacement.is_empty()
            && self.merge_until.is_none()
    }

    /// True if nothing can happen to a packet.
    pub(super) const fn is_wire(&self) -> bool {
        self.is_wire
    }

    /// True if all that happens by itself is that packets come out, one by one.
    pub(super) const fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// Finds out which elements have something to do.
    fn note_elements(&mut self) {
        let LinkConfig { loss, duplicate, reorder, late, mtu, police, down, gro, schedule, .. } = &self.config;
        let releases = !self.gate.is_idle() || !self.slots.is_idle() || !self.displacement.is_idle();
        let holds = releases || self.merge_until.is_some();
        self.is_plain = self.queue.foresees() && !holds && gro.is_none() && schedule.is_empty();
        let lets_all_in = !down && mtu.is_none() && police.is_none() && *loss == Loss::None;
        let changes = *duplicate != Odds::default() || self.config.damages() || reorder.is_some() || late.is_some();
        self.only_queues = self.is_plain && lets_all_in && !changes;
    }

    /// When something happens by itself.
    fn next_event(&self) -> Option<Instant> {
        if self.is_plain {
            return self.line.next_event();
        }
        let carried = Instant::earlier(self.queue.next_event(), self.line.next_event());
        let released = Instant::earlier(self.slots.next_event(), self.displacement.next_event());
        let held = Instant::earlier(self.gate.next_event(), released);
        // The schedule moves only what is in the queue: without that it is looked at when the next packet comes.
        let change = if self.queue.is_empty() { None } else { self.next_change() };
        Instant::earlier(Instant::earlier(carried, held), Instant::earlier(self.merge_until, change))
    }

    fn next_change(&self) -> Option<Instant> {
        let next = self.config.schedule.next_after(self.elapsed)?;
        Some(self.origin + next)
    }

    /// Lets happen what happens by `now`, one after the other.
    pub(super) fn advance(&mut self, now: Instant) {
        if self.next.is_some_and(|at| at <= now) {
            self.step_until(now);
        }
        self.queue.settle(now);
    }

    fn step_until(&mut self, now: Instant) {
        while let Some(at) = self.next.filter(|at| *at <= now) {
            self.step(at);
            self.next = self.next_event();
        }
    }

    /// What is due at `at`, from the far end on, so that each packet has its own time at each element.
    fn step(&mut self, at: Instant) {
        let mut batch = std::mem::take(&mut self.scratch);
        if self.merge_until.is_some_and(|until| until <= at) {
            self.flush_merge(at);
        }
        if self.displacement.next_event().is_some_and(|due| due <= at) {
            self.displacement.release(at, &mut batch);
            batch.drain(..).for_each(|carried| self.come_out(at, carried));
        }
        while let Some((_, carried)) = self.line.pop(at) {
            self.arrive(at, carried);
        }
        // What arrives just then is in time for it.
        if self.slots.next_event().is_some_and(|due| due <= at) {
            self.slots.release(at, &mut batch);
            batch.drain(..).for_each(|carried| self.pass_others(at, carried));
        }
        if self.queue.next_event().is_some_and(|due| due <= at) {
            self.queue.advance(at, &mut self.counters, &mut batch);
            batch.drain(..).for_each(|carried| self.fly(at, carried));
        }
        if self.gate.next_event().is_some_and(|due| due <= at) {
            self.gate.release(at, &mut batch);
            batch.drain(..).for_each(|carried| self.join_queue(at, carried));
        }
        self.scratch = batch;
        self.follow_schedule(at);
    }

    /// Does what the schedule says for `now`, if there is one.
    fn follow_schedule(&mut self, now: Instant) {
        if !self.config.schedule.is_empty() {
            self.apply(now);
        }
    }

    /// The link is as its configuration and schedule say for `now`.
    fn apply(&mut self, now: Instant) {
        self.elapsed = now.since(self.origin);
        let change = self.config.schedule.at(self.elapsed);
        let rate = change.rate.or(self.config.rate).unwrap_or(Rate::UNLIMITED);
        self.queue.set_rate(now, rate, &mut self.counters);
        self.line.change(change.delay.unwrap_or(self.config.delay));
        self.losses.change(change.loss.as_ref().unwrap_or(&self.config.loss));
        self.down = change.down.unwrap_or(self.config.down);
    }

    /// The near end: what doesn't get onto the link.
    fn enter(&mut self, now: Instant, packet: Packet) {
        self.count_entry(&packet);
        let octets = packet.bytes.len() as u64;
        if self.down {
            self.counters.lost_down += 1;
            return;
        }
        if let Some(mtu) = self.config.mtu.filter(|mtu| octets > u64::from(mtu.octets)) {
            self.counters.too_long += 1;
            if mtu.icmp {
                self.replies.extend(error_about(&packet, mtu.octets, now));
            }
            return;
        }
        if self.policer.as_mut().is_some_and(|policer| !policer.lets_pass(now, octets)) {
            self.counters.policed += 1;
            return;
        }
        let mut carried = self.number(packet);
        if self.losses.takes_next() && !self.marks_instead(&mut carried) {
            self.counters.lost += 1;
            return;
        }
        let double = self.duplicates.toss().then(|| carried.packet.clone());
        self.damage_and_gather(now, carried);
        if let Some(packet) = double {
            self.counters.duplicated += 1;
            let carried = self.number(packet);
            self.damage_and_gather(now, carried);
        }
    }

    const fn count_entry(&mut self, packet: &Packet) {
        self.counters.sent += 1;
        self.counters.sent_octets += packet.bytes.len() as u64;
    }

    /// The packet comes out at `now`.
    fn count_exit(&mut self, now: Instant, serial: u64, packet: &mut Packet) {
        self.counters.delivered += 1;
        self.counters.delivered_octets += packet.bytes.len() as u64;
        self.counters.reordered += u64::from(serial < self.highest);
        self.highest = self.highest.max(serial);
        packet.arrived_at = now;
    }

    fn number(&mut self, packet: Packet) -> Carried {
        self.serial += 1;
        Carried { packet, serial: self.serial }
    }

    /// netem's `ecn`: where no queue management marks, loss does.
    fn marks_instead(&mut self, carried: &mut Carried) -> bool {
        let marks = self.config.ecn && self.config.discipline == Discipline::TailDrop && carried.mark_ce();
        self.counters.marked += u64::from(marks);
        marks
    }

    fn damage_and_gather(&mut self, now: Instant, mut carried: Carried) {
        self.counters.corrupted += u64::from(self.damage.pass(&mut carried));
        if self.gate.is_idle() {
            return self.join_queue(now, carried);
        }
        let mut batch = std::mem::take(&mut self.scratch);
        self.gate.push(now, carried, &mut self.counters, &mut batch);
        batch.drain(..).for_each(|carried| self.join_queue(now, carried));
        self.scratch = batch;
    }

    fn join_queue(&mut self, now: Instant, carried: Carried) {
        match self.queue.departure(now, &carried, &mut self.counters) {
            Departure::At(at) => self.fly(at, carried),
            Departure::Never => {}
            Departure::Unknown => self.queue.push(now, carried, &mut self.counters),
        }
    }

    /// Out of the queue, onto the way.
    fn fly(&mut self, now: Instant, carried: Carried) {
        let (skips, extra) = (self.overtaking.skips(), self.overtaking.extra());
        self.line.push(now, carried, extra, skips);
    }

    /// At the far end.
    fn arrive(&mut self, now: Instant, carried: Carried) {
        if self.slots.is_idle() {
            self.pass_others(now, carried);
        } else if !self.config.limit.has_room(self.slots.waiting(), carried.octets(), None) {
            self.counters.dropped_full += 1;
        } else {
            self.slots.push(now, carried);
        }
    }

    /// It may be held until others have gone past.
    fn pass_others(&mut self, now: Instant, carried: Carried) {
        if self.displacement.is_idle() {
            self.come_out(now, carried);
            return;
        }
        let mut out = Vec::new();
        self.displacement.push(now, carried, &mut out);
        out.into_iter().for_each(|carried| self.come_out(now, carried));
    }

    fn come_out(&mut self, now: Instant, carried: Carried) {
        let Carried { mut packet, serial } = carried;
        self.count_exit(now, serial, &mut packet);
        let Some(within) = self.config.gro else {
            self.arrived.push_back(packet);
            return;
        };
        self.merge_until.get_or_insert(now + within);
        let mut out = Vec::new();
        let joined = self.merge.push(packet, &mut out);
        self.counters.merged += u64::from(joined);
        self.arrived.extend(out.into_iter().map(|packet| Packet { arrived_at: now, ..packet }));
    }

    /// What was being merged comes out.
    fn flush_merge(&mut self, now: Instant) {
        let mut out = Vec::new();
        self.merge.flush(&mut out);
        self.arrived.extend(out.into_iter().map(|packet| Packet { arrived_at: now, ..packet }));
        self.merge_until = None;
    }
}

/// True if this describes a link that neither holds up nor changes anything.
fn is_wire(config: &LinkConfig) -> bool {
    *config == LinkConfig { limit: config.limit, seed: config.seed, ..LinkConfig::default() }
}
