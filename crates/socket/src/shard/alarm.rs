//! What wakes the driver: packets, a deadline, somebody who rings.
//!
//! The timer is armed by whoever makes a deadline earlier than the one it is armed for, outside the shard's lock: a
//! system call, no thread switch. Two threads may so arm it in the wrong order; each looks again afterwards whether what
//! it armed still stands, so that the last one to arm has armed the right thing.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use sockeye_device::Clock;
use sockeye_wire::Instant;

/// What the driver sleeps on.
#[derive(Debug)]
pub(crate) struct Alarm {
    epoll: OwnedFd,
    bell: OwnedFd,
    timer: OwnedFd,
    clock: Clock,
    /// The deadline that the timer is, or is about to be, armed for, in nanoseconds. Changed under the shard's lock only.
    armed: AtomicU64,
}

impl Alarm {
    /// An alarm that also wakes when `device` becomes readable. The device must outlive it or be gone from the set by
    /// being closed.
    pub(crate) fn new(device: BorrowedFd<'_>, clock: Clock) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        let nothing = epoll::EventData::new_u64(0);
        epoll::add(&epoll, device, nothing, epoll::EventFlags::IN)?;
        // Edge-triggered: each ring and each expiry wakes once, and nobody needs to read the counters back to zero.
        let edge = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&epoll, &bell, nothing, edge)?;
        epoll::add(&epoll, &timer, nothing, edge)?;
        Ok(Self { epoll, bell, timer, clock, armed: AtomicU64::new(Instant::FAR_FUTURE.as_nanos()) })
    }

    /// Notes, under the shard's lock, that the driver must be awake at `due`. True if [`Self::arm`] is to be called once
    /// the lock is released; later deadlines than the one armed wait until that has passed.
    pub(crate) fn wants(&self, due: Instant) -> bool {
        let earlier = due.as_nanos() < self.armed.load(Ordering::Relaxed);
        if earlier {
            self.armed.store(due.as_nanos(), Ordering::SeqCst);
        }
        earlier
    }

    /// Notes, under the shard's lock, that at `now` the deadline armed last has passed, if it has.
    pub(crate) fn passed(&self, now: Instant) {
        if self.armed.load(Ordering::Relaxed) <= now.as_nanos() {
            self.armed.store(Instant::FAR_FUTURE.as_nanos(), Ordering::SeqCst);
        }
    }

    /// Arms the timer for what was noted last.
    pub(crate) fn arm(&self) -> io::Result<()> {
        loop {
            let due = self.armed.load(Ordering::SeqCst);
            if due != Instant::FAR_FUTURE.as_nanos() {
                // Zero would disarm it.
                let left = Instant::from_nanos(due).since(self.clock.now()).max(Duration::from_nanos(1));
                let value = Itimerspec { it_interval: timespec(Duration::ZERO), it_value: timespec(left) };
                timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &value)?;
            }
            if self.armed.load(Ordering::SeqCst) == due {
                return Ok(());
            }
        }
    }

    /// Wakes the driver, now or when it next goes to sleep.
    pub(crate) fn ring(&self) {
        // The only error would be a counter about to overflow: then it rings anyway.
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }

    /// Sleeps until there are packets, the timer expires or somebody rings, and at most for `at_most`.
    pub(crate) fn sleep(&self, at_most: Option<Duration>) -> io::Result<()> {
        let timeout = at_most.map(timespec);
        let mut events = [epoll::Event { flags: epoll::EventFlags::empty(), data: epoll::EventData::new_u64(0) }; 3];
        match epoll::wait(&self.epoll, &mut events, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn timespec(time: Duration) -> Timespec {
    Timespec { tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX), tv_nsec: time.subsec_nanos().into() }
}
