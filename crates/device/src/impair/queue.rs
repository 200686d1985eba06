//! The bottleneck: packets wait in a bounded queue and go out one after the other at the link's rate.
//!
//! The packet that is going out has left the queue. Congestion is found by RED when a packet comes, by CoDel and the step
//! threshold when its sending begins; it is marked where that is wanted and understood, else dropped.

use std::collections::VecDeque;
use std::time::Duration;

use sockeye_wire::Instant;

use super::aqm::{CoDelState, Early, RedState};
use super::carried::Carried;
use super::delay::DelayLine;
use super::random::Dice;
use super::timetable::Timetable;
use super::trace::{OPPORTUNITY, Opportunities};
use super::{Discipline, LinkConfig, LinkCounters, Rate, Waits};

/// How much may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// So many packets: `limit 1000`.
    Packets(u64),
    /// So many octets: `limit 64kb`.
    Octets(u64),
    /// As many octets as the rate carries in this time: `limit 50ms`. At least one packet may always wait.
    Time(Duration),
}

impl Limit {
    /// True if so many octets more may wait beside so many packets and octets, for this rate. Where there is none, a time says
    /// nothing.
    pub(super) fn has_room(self, (packets, waiting): (u64, u64), octets: u64, rate: Option<Rate>) -> bool {
        match (self, rate) {
            (Self::Packets(most), _) => packets < most,
            (Self::Octets(most), _) => waiting + octets <= most,
            (Self::Time(time), Some(rate)) => packets == 0 || waiting + octets <= rate.octets_in(time),
            (Self::Time(_), None) => packets < LinkConfig::LIMIT,
        }
    }
}

/// What a packet costs beyond its octets: `rate 1mbit 20`, `rate 1mbit 0 48 5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Overhead {
    /// Octets more, or less, for each packet.
    pub packet: i32,
    /// Packets are cut into cells of so many octets, the last one filled up; 0 is no cells.
    pub cell: u32,
    /// Octets more for each cell.
    pub per_cell: u32,
}

impl Overhead {
    fn of(self, octets: u64) -> u64 {
        let octets = octets.saturating_add_signed(i64::from(self.packet));
        match u64::from(self.cell) {
            0 => octets,
            cell => octets.div_ceil(cell) * (cell + u64::from(self.per_cell)),
        }
    }
}

/// How packets go out.
#[derive(Clone, Debug)]
enum Pace {
    /// At once.
    Wire,
    /// So many bits per second for good, and nothing is dropped but what finds the queue full: that a packet goes out, and when,
    /// is known as it comes.
    Foreseen(Timetable),
    /// So many bits per second.
    Rate {
        rate: Rate,
        /// What is going out, and when its last bit is.
        sending: Option<(Carried, Instant)>,
        /// See [`Rate::time_with`].
        remainder: u64,
    },
    /// When the trace says.
    Trace {
        opportunities: Opportunities,
        /// What has gone out in part, and the octets that are left.
        sending: Option<(Carried, u64)>,
    },
}

#[derive(Debug)]
enum Manager {
    TailDrop,
    Red(Box<RedState>),
    CoDel(CoDelState),
}

#[derive(Debug)]
struct Waiting {
    carried: Carried,
    since: Instant,
}

/// What becomes of a packet that comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Departure {
    /// It has gone out then.
    At(Instant),
    /// Nothing: it is dropped.
    Never,
    /// That will show: it is to be [pushed](Queue::push).
    Unknown,
}

/// The queue and what sends from it.
#[derive(Debug)]
pub(super) struct Queue {
    config: QueueConfig,
    pace: Pace,
    manager: Manager,
    waiting: VecDeque<Waiting>,
    octets: u64,
    /// The longest packet seen: CoDel leaves the last one of this size alone.
    longest: u64,
    waits: Waits,
}

/// What of a link's configuration concerns the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct QueueConfig {
    limit: Limit,
    overhead: Overhead,
    discipline: Discipline,
    mark_above: Option<Duration>,
    ecn: bool,
}

impl QueueConfig {
    fn of(config: &LinkConfig) -> Self {
        let LinkConfig { limit, overhead, discipline, mark_above, ecn, .. } = *config;
        Self { limit, overhead, discipline, mark_above, ecn }
    }
}

impl Queue {
    pub(super) fn new(config: &LinkConfig, origin: Instant, seed: u64) -> Self {
        Self {
            config: QueueConfig::of(config),
            pace: Pace::of(config, origin),
            manager: Manager::of(config.discipline, seed),
            waiting: VecDeque::new(),
            octets: 0,
            longest: 0,
            waits: Waits::default(),
        }
    }

    /// From now on as another configuration says. What waits goes on waiting, though it may be on the `line` already, unless
    /// there is no rate to wait for any more. What is going out starts again. In `out` is what goes out, and when.
    pub(super) fn change(
        &mut self,
        now: Instant,
        config: &LinkConfig,
        (origin, seed): (Instant, u64),
        (line, counters): (&mut DelayLine, &mut LinkCounters),
        out: &mut Vec<(Instant, Carried)>,
    ) {
        self.settle(now);
        let sending = match &mut self.pace {
            Pace::Wire => None,
            Pace::Foreseen(timetable) => {
                let unsent = timetable.unsent(now);
                let back =
                    unsent.filter_map(|(serial, since)| Some(Waiting { carried: line.take_back(serial)?, since }));
                self.waiting.extend(back);
                None
            }
            Pace::Rate { sending, .. } => sending.take().map(|(carried, _)| carried),
            Pace::Trace { sending, .. } => sending.take().map(|(carried, _)| carried),
        };
        if let Some(carried) = sending {
            self.waiting.push_front(Waiting { carried, since: now });
        }
        if self.config.discipline != config.discipline {
            self.manager = Manager::of(config.discipline, seed);
        }
        self.config = QueueConfig::of(config);
        self.pace = Pace::of(config, origin);
        self.octets = self.waiting.iter().map(|waiting| waiting.carried.octets()).sum();
        match &mut self.pace {
            Pace::Wire => {
                self.octets = 0;
                out.extend(self.waiting.drain(..).map(|waiting| (now, waiting.carried)));
            }
            Pace::Foreseen(timetable) => {
                for Waiting { carried, since } in self.waiting.drain(..) {
                    let octets = carried.octets();
                    let at = timetable.add(now, carried.serial, octets, since, self.config.overhead.of(octets));
                    out.push((at, carried));
                }
                self.settle(now);
            }
            Pace::Rate { .. } => self.begin(now, counters),
            Pace::Trace { opportunities, .. } => opportunities.skip_to(now),
        }
    }

    /// Another rate from now on; what is going out goes on as it is.
    pub(super) fn set_rate(&mut self, now: Instant, new: Rate, counters: &mut LinkCounters) {
        if let Pace::Rate { rate, remainder, .. } = &mut self.pace
            && *rate != new
        {
            (*rate, *remainder) = (new, 0);
            self.begin(now, counters);
        }
    }

    /// Packets that wait, without the one that is going out.
    pub(super) fn packets(&self) -> usize {
        match &self.pace {
            Pace::Foreseen(timetable) => timetable.len(),
            Pace::Wire | Pace::Rate { .. } | Pace::Trace { .. } => self.waiting.len(),
        }
    }

    /// Their octets.
    pub(super) fn octets(&self) -> u64 {
        self.octets
    }

    /// How long those waited that have gone out.
    pub(super) fn waits(&self) -> &Waits {
        &self.waits
    }

    /// True if it keeps no packet back, and so has nothing to do by itself.
    pub(super) fn foresees(&self) -> bool {
        matches!(self.pace, Pace::Wire | Pace::Foreseen(_))
    }

    /// True if no packet is kept back in here.
    pub(super) fn is_empty(&self) -> bool {
        let sending = match &self.pace {
            Pace::Wire | Pace::Foreseen(_) => false,
            Pace::Rate { sending, .. } => sending.is_some(),
            Pace::Trace { sending, .. } => sending.is_some(),
        };
        self.waiting.is_empty() && !sending
    }

    /// Counts those that have begun to go out by `now`.
    #[inline]
    pub(super) fn settle(&mut self, now: Instant) {
        while let Pace::Foreseen(timetable) = &mut self.pace
            && let Some(begun) = timetable.begin(now)
        {
            self.octets -= begun.octets;
            self.waits.record(begun.waits());
        }
    }

    /// A packet comes: when it has gone out, as far as that is known.
    #[inline]
    pub(super) fn departure(&mut self, now: Instant, carried: &Carried, counters: &mut LinkCounters) -> Departure {
        self.settle(now);
        let octets = carried.octets();
        let (is_idle, rate) = match &self.pace {
            Pace::Wire => return Departure::At(now),
            Pace::Foreseen(timetable) => (timetable.is_idle(now), timetable.rate()),
            Pace::Rate { .. } | Pace::Trace { .. } => return Departure::Unknown,
        };
        let fits = is_idle || self.has_room(octets, rate);
        counters.dropped_full += u64::from(!fits);
        let cost = self.config.overhead.of(octets);
        match &mut self.pace {
            Pace::Foreseen(timetable) if fits => {
                let at = timetable.add(now, carried.serial, octets, now, cost);
                self.octets += octets;
                if is_idle {
                    self.settle(now);
                }
                Departure::At(at)
            }
            _ => Departure::Never,
        }
    }

    /// A packet comes, of which it isn't known when it goes out.
    pub(super) fn push(&mut self, now: Instant, mut carried: Carried, counters: &mut LinkCounters) {
        if !self.accepts(now, &mut carried, counters) {
            // Dropped in front of an empty queue, it leaves that as empty as it was.
            self.tell_if_empty(now);
            return;
        }
        if self.is_empty()
            && let Pace::Trace { opportunities, .. } = &mut self.pace
        {
            opportunities.skip_to(now);
        }
        self.octets += carried.octets();
        self.longest = self.longest.max(carried.octets());
        self.waiting.push_back(Waiting { carried, since: now });
        self.begin(now, counters);
    }

    /// Whether a packet may wait.
    fn accepts(&mut self, now: Instant, carried: &mut Carried, counters: &mut LinkCounters) -> bool {
        let rate = self.rate();
        if let Manager::Red(red) = &mut self.manager {
            let early = red.on_packet(now, self.octets, rate);
            let goes_on = match early {
                Early::Accept => true,
                Early::Congested => meets_congestion(self.config.ecn, carried, counters),
                Early::TooLong => {
                    counters.dropped_early += 1;
                    false
                }
            };
            if !goes_on {
                return false;
            }
        }
        // Nothing waits in front of a link that has nothing to do, whatever the limit.
        let fits = self.has_room(carried.octets(), rate) || (self.is_empty() && matches!(self.pace, Pace::Rate { .. }));
        counters.dropped_full += u64::from(!fits);
        fits
    }

    /// True if there is room for so many octets more.
    fn has_room(&self, octets: u64, rate: Rate) -> bool {
        self.config.limit.has_room((self.packets() as u64, self.octets), octets, Some(rate))
    }

    /// The rate; of a trace what it carries on average.
    fn rate(&self) -> Rate {
        match &self.pace {
            Pace::Wire => Rate::UNLIMITED,
            Pace::Foreseen(timetable) => timetable.rate(),
            Pace::Rate { rate, .. } => *rate,
            Pace::Trace { opportunities, .. } => opportunities.mean_rate(),
        }
    }

    /// When something happens by itself.
    pub(super) fn next_event(&self) -> Option<Instant> {
        match &self.pace {
            Pace::Wire | Pace::Foreseen(_) => None,
            Pace::Rate { sending, .. } => sending.as_ref().map(|(_, done)| *done),
            Pace::Trace { opportunities, .. } => (!self.is_empty()).then(|| opportunities.next_at()),
        }
    }

    /// Does what is due at `at`; what has gone out is in `out`.
    pub(super) fn advance(&mut self, at: Instant, counters: &mut LinkCounters, out: &mut Vec<Carried>) {
        match &mut self.pace {
            Pace::Wire | Pace::Foreseen(_) => {}
            Pace::Rate { sending, .. } => {
                out.extend(sending.take().map(|(carried, _)| carried));
                self.begin(at, counters);
            }
            Pace::Trace { .. } => self.use_opportunity(at, counters, out),
        }
    }

    /// Begins to send the next packet, if the link has a rate and sends none.
    fn begin(&mut self, now: Instant, counters: &mut LinkCounters) {
        let Pace::Rate { rate, sending: None, .. } = &self.pace else {
            return;
        };
        if rate.as_bits() == 0 {
            return;
        }
        let Some(next) = self.next(now, counters) else {
            return;
        };
        let octets = self.config.overhead.of(next.octets());
        if let Pace::Rate { rate, sending, remainder } = &mut self.pace {
            let done = now + Duration::from_nanos(rate.time_with(octets, remainder));
            *sending = Some((next, done));
        }
    }

    /// One line of the trace: as many octets of as many packets as it carries.
    fn use_opportunity(&mut self, at: Instant, counters: &mut LinkCounters, out: &mut Vec<Carried>) {
        let Pace::Trace { opportunities, sending } = &mut self.pace else {
            return;
        };
        opportunities.take();
        let mut room = OPPORTUNITY;
        let mut current = sending.take();
        while room > 0 {
            let next = current.take().or_else(|| {
                let carried = self.next(at, counters)?;
                let octets = self.config.overhead.of(carried.octets());
                Some((carried, octets))
            });
            match next {
                None => break,
                Some((carried, left)) if left <= room => {
                    room -= left;
                    out.push(carried);
                }
                Some((carried, left)) => {
                    current = Some((carried, left - room));
                    room = 0;
                }
            }
        }
        if let Pace::Trace { sending, .. } = &mut self.pace {
            *sending = current;
        }
    }

    /// The next packet that is to go out, those that CoDel drops left out.
    fn next(&mut self, now: Instant, counters: &mut LinkCounters) -> Option<Carried> {
        while let Some(Waiting { mut carried, since }) = self.waiting.pop_front() {
            self.octets -= carried.octets();
            let waited = now.since(since);
            let congested = match &mut self.manager {
                Manager::CoDel(codel) => codel.on_packet(now, waited, self.octets > self.longest),
                Manager::TailDrop | Manager::Red(_) => false,
            };
            if congested && !meets_congestion(self.config.ecn, &mut carried, counters) {
                continue;
            }
            // A step threshold marks and never drops (RFC 8257 section 3.1).
            if self.config.mark_above.is_some_and(|threshold| waited > threshold) && carried.mark_ce() {
                counters.marked += u64::from(!congested);
            }
            self.waits.record(waited);
            self.tell_if_empty(now);
            return Some(carried);
        }
        self.tell_if_empty(now);
        None
    }

    fn tell_if_empty(&mut self, now: Instant) {
        if self.waiting.is_empty() {
            match &mut self.manager {
                Manager::TailDrop => {}
                Manager::Red(red) => red.emptied(now),
                Manager::CoDel(codel) => codel.emptied(),
            }
        }
    }
}

impl Pace {
    fn of(config: &LinkConfig, origin: Instant) -> Self {
        match (&config.trace, config.rate) {
            (Some(trace), _) => Self::Trace { opportunities: Opportunities::new(trace.clone(), origin), sending: None },
            (None, Some(rate)) if is_even(config, rate) => Self::Foreseen(Timetable::new(rate)),
            (None, Some(rate)) => Self::Rate { rate, sending: None, remainder: 0 },
            (None, None) if config.schedule.sets_rate() => {
                Self::Rate { rate: Rate::UNLIMITED, sending: None, remainder: 0 }
            }
            (None, None) => Self::Wire,
        }
    }
}

impl Manager {
    fn of(discipline: Discipline, seed: u64) -> Self {
        match discipline {
            Discipline::TailDrop => Self::TailDrop,
            Discipline::Red(red) => Self::Red(Box::new(RedState::new(red, Dice::new(seed, "red")))),
            Discipline::CoDel(codel) => Self::CoDel(CoDelState::new(codel)),
        }
    }
}

/// True if the rate stays as it is, and what waits is neither marked nor dropped.
fn is_even(config: &LinkConfig, rate: Rate) -> bool {
    let LinkConfig { discipline, mark_above, schedule, .. } = config;
    rate.as_bits() > 0 && *discipline == Discipline::TailDrop && mark_above.is_none() && schedule.is_empty()
}

/// Marks a packet or has it dropped, and says whether it goes on.
fn meets_congestion(ecn: bool, carried: &mut Carried, counters: &mut LinkCounters) -> bool {
    let marked = ecn && carried.mark_ce();
    if marked {
        counters.marked += 1;
    } else {
        counters.dropped_early += 1;
    }
    marked
}
