//! Devices that are slow, that fail, that can't be used.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use sockeye::{Host, TcpInfo, TcpListener, TcpStream};
use sockeye_device::memory::{self, MemoryDevice};
use sockeye_device::{Capabilities, Device, Outgoing, Packet};
use sockeye_wire::Instant;

use crate::{Watchdog, connect, text};

/// A device in memory with something wrong.
struct Faulty {
    inner: MemoryDevice,
    /// Packets that it takes at a time: its queue is nearly always full.
    takes: usize,
    /// Of so many packets it refuses one, as a kernel without memory does.
    refuses: usize,
    offered: AtomicUsize,
    refused: Arc<AtomicUsize>,
    fails: Arc<AtomicBool>,
    /// The next to send or to receive by it panics.
    panics: Arc<AtomicBool>,
    has_fd: bool,
}

impl Faulty {
    fn new(inner: MemoryDevice) -> Self {
        let (takes, refuses) = (usize::MAX, usize::MAX);
        let (offered, refused) = (AtomicUsize::new(0), Arc::default());
        let (fails, panics) = (Arc::default(), Arc::default());
        Self { inner, takes, refuses, offered, refused, fails, panics, has_fd: true }
    }

    fn check(&self) -> io::Result<()> {
        assert!(!self.panics.swap(false, Ordering::Relaxed), "a bug in the device");
        if self.fails.load(Ordering::Relaxed) { Err(io::Error::other("pulled out")) } else { Ok(()) }
    }
}

impl Device for Faulty {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn receive(&self, now: Instant, batch: &mut Vec<Packet>, max: usize) -> io::Result<usize> {
        self.check()?;
        self.inner.receive(now, batch, max)
    }

    fn transmit(&self, batch: &mut VecDeque<Outgoing>) -> io::Result<usize> {
        self.check()?;
        let mut taken: VecDeque<Outgoing> = batch.drain(..self.takes.min(batch.len())).collect();
        let before = taken.len();
        taken.retain(|_| !self.offered.fetch_add(1, Ordering::Relaxed).wrapping_add(1).is_multiple_of(self.refuses));
        self.refused.fetch_add(before - taken.len(), Ordering::Relaxed);
        let sent = self.inner.transmit(&mut taken)?;
        taken.into_iter().rev().for_each(|packet| batch.push_front(packet));
        Ok(sent)
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.inner.as_fd().filter(|_| self.has_fd)
    }
}

/// Two hosts, the first of them on a device with something wrong.
fn pair(fault: impl FnOnce(&mut Faulty)) -> io::Result<(Host, Host)> {
    joined(memory::pair(1500), fault)
}

fn joined((first, second): (MemoryDevice, MemoryDevice), fault: impl FnOnce(&mut Faulty)) -> io::Result<(Host, Host)> {
    let mut faulty = Faulty::new(first);
    fault(&mut faulty);
    let here = Host::new(faulty, &[("10.0.0.1".parse().unwrap(), 24)])?;
    Ok((here, Host::new(second, &[("10.0.0.2".parse().unwrap(), 24)])?))
}

/// Sends `sent` from one host to the other, and back again.
fn there_and_back(here: &Host, there: &Host, sent: &[u8]) -> TcpInfo {
    let (client, server) = connect(here, there);
    thread::scope(|scope| {
        let echo = scope.spawn(|| io::copy(&mut &server, &mut &server).and_then(|_| server.shutdown(Shutdown::Write)));
        let reader = scope.spawn(|| {
            let mut heard = Vec::new();
            (&client).read_to_end(&mut heard).map(|_| heard)
        });
        (&client).write_all(sent).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert!(reader.join().unwrap().unwrap() == sent);
        echo.join().unwrap().unwrap();
    });
    client.info().unwrap()
}

#[test]
fn a_device_whose_queue_is_always_full_loses_nothing() {
    let _watchdog = Watchdog::new("a_device_whose_queue_is_always_full_loses_nothing");
    for cable in [memory::pair(1500), memory::pair_offloading(1500, memory::QUEUE)] {
        let (here, there) = joined(cable, |device| device.takes = 3).unwrap();
        let info = there_and_back(&here, &there, &text(1, 500_000));
        assert_eq!(info.timeouts, 0);
    }
}

#[test]
fn super_segments_arrive_as_such_and_whole() {
    let _watchdog = Watchdog::new("super_segments_arrive_as_such_and_whole");
    let (here, there) = joined(memory::pair_offloading(1500, memory::QUEUE), |_| {}).unwrap();
    let sent = text(2, 3_000_001);
    there_and_back(&here, &there, &sent);
    let packets = there.counters().packets_in;
    assert!(packets < 1000, "{packets} packets for {} octets in segments of 1,448", sent.len());
}

/// A device that merges nothing, and two hosts that do: what a batch brings of one connection is one look-up and one ACK.
#[test]
fn segments_that_arrive_together_are_merged() {
    let _watchdog = Watchdog::new("segments_that_arrive_together_are_merged");
    let (here, there) = joined(memory::pair(1500), |_| {}).unwrap();
    let sent = text(3, 3_000_001);
    there_and_back(&here, &there, &sent);
    let (packets, segments) = (there.counters().packets_in, (sent.len() / 1460) as u64);
    assert!(packets < segments, "{packets} packets, ACKs among them, for {segments} segments of 1,460 octets");
}

/// FIELD D24: with super-segments, a device that refuses one packet in fifty. What it refuses is lost as on a wire, and
/// made good for.
#[test]
fn a_device_that_refuses_packets_stops_no_transfer() {
    let _watchdog = Watchdog::new("a_device_that_refuses_packets_stops_no_transfer");
    let refused = Arc::new(AtomicUsize::new(0));
    let faulty = |device: &mut Faulty| {
        device.refuses = 50;
        device.refused = Arc::clone(&refused);
    };
    let (here, there) = joined(memory::pair_offloading(1500, memory::QUEUE), faulty).unwrap();
    for seed in 0..4 {
        there_and_back(&here, &there, &text(seed, 4_000_003));
    }
    assert!(refused.load(Ordering::Relaxed) > 0, "the device has refused nothing");
}

#[test]
fn when_the_device_fails_everybody_hears_of_it() {
    let _watchdog = Watchdog::new("when_the_device_fails_everybody_hears_of_it");
    let fails = Arc::new(AtomicBool::new(false));
    let (here, there) = pair(|device| device.fails = Arc::clone(&fails)).unwrap();
    let (mut client, mut server) = connect(&here, &there);
    let (other, _other_server) = connect(&here, &there);
    let listener = TcpListener::bind(&here, "10.0.0.1:80").unwrap();
    thread::scope(|scope| {
        let reader = scope.spawn(|| (&other).read(&mut [0; 1]));
        let acceptor = scope.spawn(|| listener.accept());
        let connector = scope.spawn(|| TcpStream::connect(&here, "10.0.0.99:80"));
        server.write_all(b"already here").unwrap();
        while client.info().unwrap().recv_queued == 0 {
            thread::yield_now();
        }
        fails.store(true, Ordering::Relaxed);
        server.write_all(b"this wakes the driver").unwrap();

        let failed = |error: io::Error| assert!(error.to_string().contains("pulled out"), "{error}");
        failed(reader.join().unwrap().unwrap_err());
        failed(acceptor.join().unwrap().unwrap_err());
        failed(connector.join().unwrap().unwrap_err());
        // What had arrived can be read.
        let mut heard = [0; 12];
        client.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"already here");
        failed(client.read(&mut [0; 1]).unwrap_err());
        failed(client.write(b"x").unwrap_err());
        failed(TcpStream::connect(&here, "10.0.0.2:80").unwrap_err());
        failed(TcpListener::bind(&here, "10.0.0.1:81").unwrap_err());
    });
}

#[test]
fn when_a_thread_panics_that_sends_the_others_hear_of_it() {
    let _watchdog = Watchdog::new("when_a_thread_panics_that_sends_the_others_hear_of_it");
    let panics = Arc::new(AtomicBool::new(false));
    let (here, there) = pair(|device| device.panics = Arc::clone(&panics)).unwrap();
    let (mut client, _server) = connect(&here, &there);
    let (mut other, _other_server) = connect(&here, &there);
    let sends = thread::spawn(move || {
        panics.store(true, Ordering::Relaxed);
        client.write_all(b"x")
    });
    let _it_panicked = sends.join();
    let error = other.read(&mut [0; 1]).unwrap_err();
    assert!(error.to_string().contains("panicked"), "{error}");
    here.shutdown();
}

#[test]
fn when_the_driver_panics_a_shutdown_under_way_ends() {
    let _watchdog = Watchdog::new("when_the_driver_panics_a_shutdown_under_way_ends");
    let (first, second) = memory::pair(1500);
    let (faulty, there) = (Faulty::new(first), Host::new(second, &[("10.0.0.2".parse().unwrap(), 24)]).unwrap());
    let panics = Arc::clone(&faulty.panics);
    let here = Host::builder().device(faulty).address("10.0.0.1/24".parse().unwrap());
    let here = here.linger(Duration::from_secs(3600)).start().unwrap();
    let (mut client, _server) = connect(&here, &there);
    client.set_nonblocking(true).unwrap();
    while client.write(&[0; 65_536]).is_ok() {} // nobody reads it, so that the shutdown waits
    thread::scope(|scope| {
        scope.spawn(|| here.shutdown());
        thread::sleep(Duration::from_millis(50));
        panics.store(true, Ordering::Relaxed); // when the driver next asks for room
    });
}

#[test]
fn a_device_that_can_not_be_waited_for_is_refused() {
    let error = pair(|device| device.has_fd = false).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_host_without_an_address_is_refused() {
    let (device, _other) = memory::pair(1500);
    assert_eq!(Host::new(device, &[]).unwrap_err().kind(), ErrorKind::InvalidInput);
    let (device, _other) = memory::pair(1500);
    let error = Host::new(device, &[("10.0.0.1".parse().unwrap(), 33)]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}
