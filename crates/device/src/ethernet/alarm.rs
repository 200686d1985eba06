//! What whoever waits for a TAP device waits on: frames, and questions that are to be repeated.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::event::epoll;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use sockeye_wire::Instant;

/// One descriptor for several: the device's and a timer's.
#[derive(Debug)]
pub(super) struct Alarm {
    epoll: OwnedFd,
    timer: OwnedFd,
    /// When the timer goes off, in nanoseconds; changed under the lock of the neighbours only.
    armed: AtomicU64,
}

impl Alarm {
    /// Waits on `device`, which must live as long.
    pub(super) fn new<'a>(device: impl IntoIterator<Item = BorrowedFd<'a>>) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        let watch = |fd: BorrowedFd<'_>| epoll::add(&epoll, fd, epoll::EventData::new_u64(0), epoll::EventFlags::IN);
        device.into_iter().try_for_each(watch)?;
        watch(timer.as_fd())?;
        Ok(Self { epoll, timer, armed: AtomicU64::new(Instant::FAR_FUTURE.as_nanos()) })
    }

    /// Goes off at `due`, unless it goes off earlier anyway.
    pub(super) fn arm(&self, now: Instant, due: Option<Instant>) {
        let Some(due) = due.filter(|due| due.as_nanos() < self.armed.load(Ordering::Relaxed)) else {
            return;
        };
        // Zero would disarm it.
        let nanos = due.since(now).as_nanos().max(1);
        let (seconds, nanos) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
        let it_value = Timespec {
            tv_sec: i64::try_from(seconds).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(nanos).unwrap_or_default(),
        };
        let it_interval = Timespec { tv_sec: 0, tv_nsec: 0 };
        if timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &Itimerspec { it_interval, it_value }).is_ok() {
            self.armed.store(due.as_nanos(), Ordering::Relaxed);
        }
    }

    /// Makes it silent again, if it has gone off; says whether it had.
    pub(super) fn silence(&self, now: Instant) -> bool {
        let gone_off = self.armed.load(Ordering::Relaxed) <= now.as_nanos();
        // The timer's clock and ours may disagree by a moment: then it stays armed, and is looked at again.
        if gone_off && rustix::io::read(&self.timer, &mut [0; 8]).is_ok() {
            self.armed.store(Instant::FAR_FUTURE.as_nanos(), Ordering::Relaxed);
        }
        gone_off
    }

    /// Readable when frames wait or the timer has gone off.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustix::event::{PollFd, PollFlags, poll};

    use super::*;
    use crate::Clock;

    fn goes_off_within(alarm: &Alarm, timeout: Duration) -> bool {
        let timeout = Timespec { tv_sec: timeout.as_secs().cast_signed(), tv_nsec: timeout.subsec_nanos().into() };
        poll(&mut [PollFd::from_borrowed_fd(alarm.as_fd(), PollFlags::IN)], Some(&timeout)) == Ok(1)
    }

    #[test]
    fn goes_off_when_due_and_is_silent_afterwards() {
        let (device, _writer) = rustix::pipe::pipe().unwrap();
        let (alarm, clock) = (Alarm::new([device.as_fd()]).unwrap(), Clock::start());
        assert!(!goes_off_within(&alarm, Duration::ZERO));
        let due = clock.now() + Duration::from_millis(20);
        alarm.arm(clock.now(), Some(due));
        alarm.arm(clock.now(), Some(due + Duration::from_hours(1)));
        assert!(goes_off_within(&alarm, Duration::from_secs(10)));
        assert!(clock.now() >= due);
        while goes_off_within(&alarm, Duration::ZERO) {
            assert!(alarm.silence(clock.now()));
        }
        assert!(!alarm.silence(clock.now()));
    }

    #[test]
    fn the_device_wakes_it_too() {
        let (device, writer) = rustix::pipe::pipe().unwrap();
        let alarm = Alarm::new([device.as_fd()]).unwrap();
        rustix::io::write(&writer, b"x").unwrap();
        assert!(goes_off_within(&alarm, Duration::from_secs(10)));
    }
}
