//! A probe on a device, by its clock.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use sockeye_device::{Clock, Device, Packet};

use super::{Plan, Probe, Report};
use crate::link::wait_for;

/// Packets to read, and to have ready, at once.
const BATCH: usize = 64;
/// A host that has answered nothing for so long doesn't answer.
const PATIENCE: Duration = Duration::from_secs(4);

/// Measures on `device` for `time`, or until `is_over` says so, or for four seconds if no echo comes back; at once it ends
/// when the first answer is an error.
///
/// # Errors
/// `InvalidInput` for what [`Probe::new`] refuses, `Unsupported` for a device that can't be waited for; else what the operating
/// system says when the device is gone or broken.
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
        wait_for(device, due, clock)?;
    }
}
