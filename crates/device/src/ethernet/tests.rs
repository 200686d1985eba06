//! A host whose frames nobody carries.

use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::*;
use crate::Slices;

/// A carrier that has no room; and what it was given, frames of the host's own, never leaves.
#[derive(Debug)]
struct Full {
    fd: OwnedFd,
    /// Open, or the other end would be readable.
    _writer: OwnedFd,
    tally: Tally,
}

impl Carrier for Full {
    fn capabilities(&self) -> Capabilities {
        Capabilities { mtu: 1500, checksum: false, segmentation: 0 }
    }

    fn receive(&self, _now: Instant, _max: usize, _take: &mut dyn FnMut(Packet)) -> io::Result<()> {
        Ok(())
    }

    fn send(&self, _header: &[u8], _packet: &Outgoing) -> io::Result<Sent> {
        Ok(Sent::Full)
    }

    fn send_frame(&self, _frame: &[u8]) {}

    fn flush(&self) -> io::Result<bool> {
        Ok(true)
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    fn tally(&self) -> &Tally {
        &self.tally
    }

    fn is_low_on_buffers(&self) -> bool {
        false
    }
}

fn host() -> Ethernet<Full> {
    let (fd, writer) = rustix::pipe::pipe().unwrap();
    let carrier = Full { fd, _writer: writer, tally: Tally::default() };
    Ethernet::new(carrier, MacAddr([2, 0, 0, 0, 0, 1]), &["10.0.0.1/24".parse().unwrap()], &[]).unwrap()
}

#[test]
fn what_was_held_and_finds_no_room_is_counted_as_lost() {
    let host = host();
    let packet = Outgoing::build(Slices::new(), |head| {
        head[..20].copy_from_slice(&[0x45, 0, 0, 20, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        20
    });
    assert_eq!(host.transmit(&mut VecDeque::from([packet])).unwrap(), 1, "it is held");
    let address = MacAddr([2, 0, 0, 0, 0, 2]);
    host.learn(host.clock.now(), Answer { neighbor: [10, 0, 0, 2].into(), address, unasked: false, overrides: true });
    assert_eq!(host.counters().get(Counter::Unresolved), 1);
}

#[test]
fn who_waits_is_woken_to_send_what_was_left() {
    let host = host();
    host.transmit(&mut VecDeque::new()).unwrap();
    let mut fds = [PollFd::from_borrowed_fd(Device::as_fd(&host).unwrap(), PollFlags::IN)];
    assert_eq!(poll(&mut fds, Some(&Timespec { tv_sec: 10, tv_nsec: 0 })), Ok(1));
    host.receive(Instant::ZERO, &mut Vec::new(), 1).unwrap();
}
