//! What wakes a thread in the driver's seat: packets, a deadline, somebody who rings.
//!
//! The timer is armed by whoever makes a deadline earlier than the one it is armed for, outside the shard's lock: a
//! system call, no thread switch. Two threads may so arm it in the wrong order; each looks again afterwards whether what
//! it armed still stands, so that the last one to arm has armed the right thing.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, epoll, eventfd, poll};
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use sockeye_device::{Clock, Device};
use sockeye_wire::Instant;

use super::driver_seat::SleepOn;

/// Wakes whoever sleeps on it, now or when it next goes to sleep.
#[derive(Debug)]
struct Bell {
    fd: OwnedFd,
    rung: AtomicBool,
}

impl Bell {
    fn new() -> io::Result<Self> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { fd, rung: AtomicBool::new(false) })
    }

    fn ring(&self) {
        self.rung.store(true, Ordering::Relaxed);
        // The only error would be a counter about to overflow: then it rings anyway.
        let _ = rustix::io::write(&self.fd, &1_u64.to_ne_bytes());
    }

    /// Whoever slept on it is awake. A ring meanwhile is heard by the next sleep, which then ends at once: the other way
    /// round one between the two would be thought heard for ever, by whoever asks `rung` before it spins.
    fn silence(&self) {
        // The only error is that it wasn't rung.
        let _ = rustix::io::read(&self.fd, &mut [0; 8]);
        self.rung.store(false, Ordering::Relaxed);
    }
}

/// What the driver, or the thread in its seat, sleeps on.
#[derive(Debug)]
pub(crate) struct Alarm {
    /// The device, the driver's bell, the timer.
    on_device: OwnedFd,
    /// The driver's bell and the timer.
    quiet: OwnedFd,
    bell: Bell,
    timer: OwnedFd,
    clock: Clock,
    /// The deadline that the timer is, or is about to be, armed for, in nanoseconds. Changed under the shard's lock only.
    armed: AtomicU64,
}

impl Alarm {
    /// An alarm that also wakes when `device` becomes readable. The device must outlive it or be gone from the set by
    /// being closed.
    ///
    /// # Errors
    /// `InvalidInput` if the device can't be waited for; when the process has no descriptors left.
    pub(crate) fn on(device: &dyn Device, clock: Clock) -> io::Result<Self> {
        let Some(device) = device.as_fd() else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the device can't be waited for"));
        };
        let bell = Bell::new()?;
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        let quiet = Self::set(&bell, &timer)?;
        let on_device = Self::set(&bell, &timer)?;
        epoll::add(&on_device, device, epoll::EventData::new_u64(0), epoll::EventFlags::IN)?;
        Ok(Self { on_device, quiet, bell, timer, clock, armed: AtomicU64::new(Instant::FAR_FUTURE.as_nanos()) })
    }

    /// A set with the bell and the timer. Edge-triggered: each ring and each expiry wakes once, and nobody needs to read
    /// the counters back to zero.
    fn set(bell: &Bell, timer: &OwnedFd) -> io::Result<OwnedFd> {
        let set = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let edge = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&set, &bell.fd, epoll::EventData::new_u64(0), edge)?;
        epoll::add(&set, timer, epoll::EventData::new_u64(0), edge)?;
        Ok(set)
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
        self.bell.ring();
    }

    /// The driver sleeps until there are packets, if it sleeps on the device, until the timer expires or somebody rings,
    /// and at most for `at_most`.
    pub(super) fn sleep(&self, on: SleepOn, at_most: Option<Duration>) -> io::Result<()> {
        let set = match on {
            SleepOn::Device => &self.on_device,
            SleepOn::Bell => &self.quiet,
        };
        let timeout = at_most.map(timespec);
        let mut events = [epoll::Event { flags: epoll::EventFlags::empty(), data: epoll::EventData::new_u64(0) }; 3];
        match epoll::wait(set, &mut events, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Where a thread sleeps that sits in the driver's seat: on the device, and on a bell of its own. Its deadlines are the
/// driver's to mind.
#[derive(Debug)]
pub(crate) struct Cushion {
    bell: Bell,
}

impl Cushion {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { bell: Bell::new()? })
    }

    /// Wakes the thread that sits, now or when it next sleeps.
    pub(crate) fn ring(&self) {
        self.bell.ring();
    }

    /// True if somebody has rung since it last slept.
    pub(super) fn is_rung(&self) -> bool {
        self.bell.rung.load(Ordering::Relaxed)
    }

    /// Sleeps until there are packets in `device` or somebody rings, and at most for `at_most`.
    pub(super) fn sleep(&self, device: BorrowedFd<'_>, at_most: Option<Duration>) -> io::Result<()> {
        let mut fds = [
            PollFd::from_borrowed_fd(device, PollFlags::IN),
            PollFd::from_borrowed_fd(self.bell.fd.as_fd(), PollFlags::IN),
        ];
        let timeout = at_most.map(timespec);
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) => {
                if !fds[1].revents().is_empty() {
                    self.bell.silence();
                }
                Ok(())
            }
            Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn timespec(time: Duration) -> Timespec {
    Timespec { tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX), tv_nsec: time.subsec_nanos().into() }
}
