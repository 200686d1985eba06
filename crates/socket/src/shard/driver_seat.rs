//! Who reads the device: the driver, or a thread that would otherwise only wait.
//!
//! Waking a thread on another core costs as much as thirty packets. So a thread that would block may sit down in the
//! driver's seat: it waits on the device itself and takes in whole batches, for everyone. When it has what it came for it
//! gets up, and will often be back at once; so the driver takes the seat only after a grace, or right away if there is work
//! for others. And it leaves the seat as long to a thread that it had to wake.
//!
//! This is the account of it, kept under the shard's lock. Sleeping, ringing and arming are for the shard to do, as the
//! answers say. Holds: whoever reads the device has the seat; and what waits in the device finds a reader, because
//!
//! - if the driver has the seat, it is awake or sleeps on the device;
//! - if a thread sits, it is awake or sleeps on the device;
//! - if nobody has the seat, the driver is awake or its timer is armed for [`DriverSeat::takeover`].

use std::time::Duration;

use sockeye_wire::Instant;

use super::contention::Meetings;

/// How long the seat stays empty for a thread to come back, if the last one didn't: what packets then wait at most.
const GRACE: Duration = Duration::from_micros(100);
/// How long where threads do come back, and nobody else sleeps who may wait for a packet. A driver that woke for each grace
/// only to find them sitting would take a tenth of the processor from them: with [`GRACE`] alone 13,400 connections a second
/// where this gave 17,900. Not more, since it is what a packet for a connection whose threads are elsewhere may wait.
const TRUST: Duration = Duration::from_micros(800);

/// Who has the seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holder {
    Driver,
    /// A thread that waits for something.
    Sitter,
    /// Nobody, until the driver takes it at this time.
    Nobody(Instant),
}

/// What the driver is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Driver {
    Awake,
    /// Asleep, and packets wake it.
    OnDevice,
    /// Asleep, and packets don't wake it.
    Quiet,
}

/// What the driver is to sleep on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SleepOn {
    /// Packets, the timer and the bell.
    Device,
    /// The timer and the bell.
    Bell,
}

/// The seat of one shard's driver.
#[derive(Debug)]
pub(crate) struct DriverSeat {
    holder: Holder,
    driver: Driver,
    /// From [`GRACE`] to [`TRUST`]: doubled when the driver wakes to find a thread sitting, gone when none has come back.
    grace: Duration,
    meetings: Meetings,
}

impl DriverSeat {
    /// The driver has it, and is awake.
    pub(super) const fn new() -> Self {
        Self { holder: Holder::Driver, driver: Driver::Awake, grace: GRACE, meetings: Meetings { wanted: 0, taken: 0 } }
    }

    /// A thread wants to sit down. `None` if somebody is at work in the seat; else whether the driver is to be rung, so
    /// that it no longer sleeps on the device.
    #[must_use]
    pub(super) fn sit(&mut self) -> Option<bool> {
        let free = match self.holder {
            Holder::Driver => self.driver == Driver::OnDevice,
            Holder::Sitter => false,
            Holder::Nobody(_) => true,
        };
        self.meetings.count(!free);
        if !free {
            return None;
        }
        self.holder = Holder::Sitter;
        Some(self.driver == Driver::OnDevice)
    }

    /// The thread that sits gets up; `busy` if others have work, `shared` if others sleep. Packets that it has left wait for
    /// its return. True if the driver is to be rung.
    #[must_use]
    pub(super) fn get_up(&mut self, now: Instant, busy: bool, shared: bool) -> bool {
        debug_assert_eq!(self.holder, Holder::Sitter, "only who sits gets up");
        self.holder = if busy { Holder::Driver } else { Holder::Nobody(now + self.grace(shared)) };
        busy
    }

    const fn grace(&self, shared: bool) -> Duration {
        if shared { GRACE } else { self.grace }
    }

    /// The driver, awake, has woken a single thread that waited for a connection: it will wait again as soon as it has done
    /// what it was woken for, and had better sit then. Left where it is, the driver would wake it for each batch. `shared` if
    /// others sleep.
    pub(super) fn vacate(&mut self, now: Instant, shared: bool) {
        debug_assert_eq!(self.driver, Driver::Awake, "only the driver itself vacates");
        if self.holder == Holder::Driver {
            self.holder = Holder::Nobody(now + self.grace(shared));
        }
    }

    /// How often somebody was found at work in it.
    pub(super) const fn meetings(&self) -> Meetings {
        self.meetings
    }

    /// When the driver is to be awake to take the seat, if nobody has it.
    pub(super) const fn takeover(&self) -> Option<Instant> {
        match self.holder {
            Holder::Nobody(until) => Some(until),
            Holder::Driver | Holder::Sitter => None,
        }
    }

    /// The driver is awake. True if it has the seat, and may read the device until it sleeps.
    #[must_use]
    pub(super) fn driver_wakes(&mut self, now: Instant) -> bool {
        self.driver = Driver::Awake;
        if self.holder == Holder::Sitter {
            self.grace = (2 * self.grace).min(TRUST);
        }
        self.driver_reads(now)
    }

    /// True if the driver, which is still awake, has the seat, and may read the device until it sleeps.
    #[must_use]
    pub(super) fn driver_reads(&mut self, now: Instant) -> bool {
        debug_assert_eq!(self.driver, Driver::Awake, "who sleeps doesn't read");
        if let Holder::Nobody(until) = self.holder
            && until <= now
        {
            self.holder = Holder::Driver;
            self.grace = GRACE;
        }
        self.holder == Holder::Driver
    }

    /// The driver has nothing to do: what it is to sleep on.
    #[must_use]
    pub(super) fn driver_sleeps(&mut self) -> SleepOn {
        if self.holder == Holder::Driver {
            self.driver = Driver::OnDevice;
            SleepOn::Device
        } else {
            self.driver = Driver::Quiet;
            SleepOn::Bell
        }
    }
}

#[cfg(test)]
mod tests {
    use loom::sync::{Arc, Condvar, Mutex};
    use loom::thread;

    use super::*;

    const T0: Instant = Instant::from_millis(1000);

    #[test]
    fn nobody_sits_where_somebody_works() {
        let mut seat = DriverSeat::new();
        assert_eq!(seat.sit(), None, "the driver is awake");
        assert_eq!(seat.driver_sleeps(), SleepOn::Device);
        assert_eq!(seat.sit(), Some(true), "the driver sleeps on the device, and is to be moved");
        assert_eq!(seat.sit(), None, "a thread sits");
        assert!(!seat.driver_wakes(T0));
        assert_eq!(seat.driver_sleeps(), SleepOn::Bell);
        assert_eq!(seat.meetings(), Meetings { wanted: 3, taken: 2 });
    }

    #[test]
    fn who_comes_back_within_the_grace_finds_the_seat_empty_and_moves_nobody() {
        let mut seat = DriverSeat::new();
        let _ = (seat.driver_sleeps(), seat.sit(), seat.driver_wakes(T0), seat.driver_sleeps());
        assert!(!seat.get_up(T0, false, false));
        assert!(!seat.driver_wakes(T0), "the driver waits for the grace to pass");
        assert_eq!(seat.driver_sleeps(), SleepOn::Bell);
        assert_eq!(seat.sit(), Some(false));
    }

    #[test]
    fn the_driver_takes_an_empty_seat_when_the_grace_is_over() {
        let mut seat = DriverSeat::new();
        let _ = (seat.driver_sleeps(), seat.sit());
        assert!(!seat.get_up(T0, false, false));
        assert_eq!(seat.takeover(), Some(T0 + GRACE));
        assert!(seat.driver_wakes(T0 + GRACE));
        assert_eq!(seat.driver_sleeps(), SleepOn::Device);
    }

    #[test]
    fn a_driver_that_does_not_sleep_takes_the_seat_too_and_makes_nobody_wait_for_it() {
        let mut seat = DriverSeat::new();
        let _ = (seat.driver_sleeps(), seat.sit(), seat.driver_wakes(T0));
        for _ in 0..8 {
            assert!(!seat.driver_reads(T0), "a thread sits");
        }
        assert!(!seat.get_up(T0, false, false));
        assert_eq!(seat.takeover(), Some(T0 + 2 * GRACE), "as long as before it went on");
        assert!(!seat.driver_reads(T0));
        assert!(seat.driver_reads(T0 + 2 * GRACE));
    }

    #[test]
    fn who_gets_up_and_leaves_work_rings_the_driver() {
        let mut seat = DriverSeat::new();
        let _ = (seat.driver_sleeps(), seat.sit(), seat.driver_wakes(T0), seat.driver_sleeps());
        assert!(seat.get_up(T0, true, false));
        assert_eq!(seat.sit(), None, "it is the driver's, and it has been rung");
        assert!(seat.driver_wakes(T0));
    }

    #[test]
    fn the_grace_grows_while_threads_come_back_and_is_short_again_when_none_does() {
        let mut seat = DriverSeat::new();
        let _ = (seat.driver_sleeps(), seat.sit());
        for longer in [2, 4, 8, 8] {
            assert!(!seat.driver_wakes(T0));
            assert!(!seat.get_up(T0, false, false));
            assert_eq!(seat.takeover(), Some(T0 + longer * GRACE));
            assert_eq!(seat.sit(), Some(false));
        }
        assert!(!seat.get_up(T0, false, true));
        assert_eq!(seat.takeover(), Some(T0 + GRACE), "others sleep");
        assert_eq!(seat.sit(), Some(false));
        assert!(!seat.get_up(T0, false, false));
        assert!(seat.driver_wakes(T0 + TRUST), "nobody has come back");
        seat.vacate(T0, false);
        assert_eq!(seat.takeover(), Some(T0 + GRACE));
    }

    #[test]
    fn the_driver_leaves_the_seat_to_whom_it_has_woken() {
        let mut seat = DriverSeat::new();
        seat.vacate(T0, false);
        assert_eq!(seat.takeover(), Some(T0 + GRACE));
        assert_eq!(seat.driver_sleeps(), SleepOn::Bell);
        assert_eq!(seat.sit(), Some(false));
        assert!(!seat.driver_wakes(T0 + GRACE), "it is taken");
        seat.vacate(T0, false);
        assert_eq!(seat.takeover(), None, "it isn't the driver's to leave");
    }

    /// A device, a bell, a timer and the seat, as the shard joins them; sleeping is a condition variable.
    #[derive(Debug)]
    struct World {
        seat: DriverSeat,
        now: Instant,
        waiting: u32,
        taken: u32,
        /// How many packets each thread wants that sleeps other than in the seat, and has not been woken.
        asleep: Vec<u32>,
        rung: bool,
        armed: bool,
        reading: bool,
        over: bool,
    }

    impl World {
        /// Takes in what waits; two at once would put packets in disorder.
        fn read(&mut self) {
            self.taken += std::mem::take(&mut self.waiting);
        }

        /// Wakes those who have got what they wanted; says how many they were.
        fn wake(&mut self) -> usize {
            let (taken, before) = (self.taken, self.asleep.len());
            self.asleep.retain(|wanted| *wanted > taken);
            before - self.asleep.len()
        }
    }

    type Shared = Arc<(Mutex<World>, Condvar)>;

    fn driver(shared: &Shared) {
        let (world, changed) = &**shared;
        let mut on = SleepOn::Device;
        loop {
            let mut world = world.lock().unwrap();
            // epoll: the bell and the timer always wake it, packets only if it sleeps on the device.
            while !(world.rung || world.armed || world.over || (on == SleepOn::Device && world.waiting > 0)) {
                world = changed.wait(world).unwrap();
            }
            if std::mem::take(&mut world.armed) {
                world.now += TRUST;
            }
            world.rung = false;
            if world.over {
                return;
            }
            let now = world.now;
            let reads = world.seat.driver_wakes(now);
            turn(&mut world, reads);
            // It writes, the lock released, and has another turn.
            changed.notify_all();
            drop(world);
            let mut world = shared.0.lock().unwrap();
            let now = world.now;
            let reads = world.seat.driver_reads(now);
            turn(&mut world, reads);
            changed.notify_all();
            world.armed = world.seat.takeover().is_some();
            on = world.seat.driver_sleeps();
        }
    }

    /// What the driver does under the lock.
    fn turn(world: &mut World, reads: bool) {
        assert!(!(reads && world.reading), "two read the device");
        if !reads {
            return;
        }
        world.read();
        if world.wake() == 1 {
            let (now, shared) = (world.now, !world.asleep.is_empty());
            world.seat.vacate(now, shared);
        }
    }

    /// Waits until `wanted` packets were taken in, in the seat if it is free.
    fn wait_for(shared: &Shared, wanted: u32) {
        let (world, changed) = &**shared;
        let (mut sits, mut woken) = (false, 0);
        let mut world = world.lock().unwrap();
        while world.taken < wanted {
            if !sits && let Some(ring) = world.seat.sit() {
                sits = true;
                world.rung |= ring;
                changed.notify_all();
            }
            if sits {
                world.reading = true;
                while world.waiting == 0 && world.taken < wanted {
                    world = changed.wait(world).unwrap();
                }
                world.read();
                world.reading = false;
                woken = world.wake();
                changed.notify_all();
            } else {
                // Only who was woken looks again, as behind a condition variable of its own.
                world.asleep.push(wanted);
                while world.asleep.contains(&wanted) {
                    world = changed.wait(world).unwrap();
                }
            }
        }
        if sits {
            let (now, shared) = (world.now, !world.asleep.is_empty());
            world.rung |= world.seat.get_up(now, woken > 0, shared);
            world.armed |= world.seat.takeover().is_some();
            changed.notify_all();
        }
    }

    /// Packets arrive while two threads wait for them and the driver sleeps: all are taken in, whoever sits, nobody sleeps
    /// for ever (loom would call it a deadlock), and never do two read. One wants both packets, the other only the first: so
    /// who gets up may have woken the other, or leave it asleep.
    #[test]
    fn no_packet_waits_for_ever() {
        // Bugs of this kind need few preemptions; all interleavings with any number of them would take hours.
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let mut seat = DriverSeat::new();
            let _ = seat.driver_sleeps();
            let (waiting, taken, asleep) = (0, 0, Vec::new());
            let (rung, armed, reading, over) = (false, false, false, false);
            let world = World { seat, now: T0, waiting, taken, asleep, rung, armed, reading, over };
            let shared: Shared = Arc::new((Mutex::new(world), Condvar::new()));
            let drives = thread::spawn({
                let shared = Arc::clone(&shared);
                move || driver(&shared)
            });
            let waits = thread::spawn({
                let shared = Arc::clone(&shared);
                move || wait_for(&shared, 1)
            });
            for _ in 0..2 {
                shared.0.lock().unwrap().waiting += 1;
                shared.1.notify_all();
            }
            wait_for(&shared, 2);
            waits.join().unwrap();
            shared.0.lock().unwrap().over = true;
            shared.1.notify_all();
            drives.join().unwrap();
        });
    }
}
