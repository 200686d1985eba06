//! A probe on a device, by its clock.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sockeye_device::{Clock, Device, Packet};
use sockeye_wire::Instant;

use super::{Plan, Probe, Report};

/// Packets to read, and to have ready, at once.
const BATCH: usize = 64;
/// The longest sleep: whether to end is asked as often.
const SLEEP: Duration = Duration::from_millis(50);
/// A host that has answered nothing for so long doesn't answer.
const PATIENCE: Duration = Duration::from_secs(4);

/// Measures on `device` for `time`, or until `is_over` says so, or for four seconds if no echo comes back; at once it ends
/// when the first answer is an error.
///
/// # Errors
/// `InvalidInput` for what [`Probe::new`] refuses and for a device that can't be waited for; else what the operating system
/// says when the device is gone or broken.
pub fn measure(
    device: &dyn Device,
    clock: Clock,
    plan: &Plan,
    time: Duration,
    is_over: impl Fn() -> bool,
) -> io::Result<Report> {
    let begin = clock.now();
    let mut probe = Probe::new(begin, plan).map_err(|why| io::Error::new(io::ErrorKind::InvalidInput, why))?;
    let (mut outgoing, mut packets) = (VecDeque::new(), Vec::new());
    loop {
        let now = clock.now();
        device.receive(now, &mut packets, BATCH)?;
        packets.drain(..).for_each(|packet: Packet| probe.on_packet(now, &packet));
        if probe.next_timeout().is_some_and(|due| due <= now) {
            probe.on_timeout(now);
        }
        while outgoing.len() < BATCH
            && let Some(packet) = probe.poll_transmit(now)
        {
            outgoing.push_back(packet);
        }
        device.transmit(&mut outgoing)?;
        let is_hopeless = probe.replies == 0 && (probe.error.is_some() || now.since(begin) > PATIENCE);
        if now.since(begin) >= time || is_hopeless || is_over() {
            return Ok(probe.report(now));
        }
        // A device that was full is tried again at once: its queue empties as fast as somebody reads.
        let due = if outgoing.is_empty() { probe.next_timeout() } else { Some(now) };
        wait(device, due, clock)?;
    }
}

/// Sleeps until something arrives, or it is `due`.
fn wait(device: &dyn Device, due: Option<Instant>, clock: Clock) -> io::Result<()> {
    let Some(fd) = device.as_fd() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the device can't be waited for"));
    };
    let sleep = due.map_or(SLEEP, |due| due.since(clock.now()).min(SLEEP));
    let timeout = Timespec { tv_sec: 0, tv_nsec: sleep.subsec_nanos().into() };
    match poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)], Some(&timeout)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
