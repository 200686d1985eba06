//! Devices that are slow, that fail, that can't be used.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use sockeye::{Host, TcpListener, TcpStream};
use sockeye_device::memory::{self, MemoryDevice};
use sockeye_device::{Capabilities, Device, Outgoing, Packet};
use sockeye_wire::Instant;

use crate::{Watchdog, connect, text};

/// A device in memory with something wrong.
struct Faulty {
    inner: MemoryDevice,
    /// Packets that it takes at a time: its queue is nearly always full.
    takes: usize,
    fails: Arc<AtomicBool>,
    has_fd: bool,
}

impl Faulty {
    fn new(inner: MemoryDevice) -> Self {
        Self { inner, takes: usize::MAX, fails: Arc::default(), has_fd: true }
    }

    fn check(&self) -> io::Result<()> {
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
    let (first, second) = memory::pair(1500);
    let mut faulty = Faulty::new(first);
    fault(&mut faulty);
    let here = Host::new(faulty, &[("10.0.0.1".parse().unwrap(), 24)])?;
    Ok((here, Host::new(second, &[("10.0.0.2".parse().unwrap(), 24)])?))
}

#[test]
fn a_device_whose_queue_is_always_full_loses_nothing() {
    let _watchdog = Watchdog::new("a_device_whose_queue_is_always_full_loses_nothing");
    let (here, there) = pair(|device| device.takes = 3).unwrap();
    let (mut client, mut server) = connect(&here, &there);
    let sent = text(1, 500_000);
    let reader = thread::spawn(move || {
        let mut heard = Vec::new();
        server.read_to_end(&mut heard).unwrap();
        heard
    });
    client.write_all(&sent).unwrap();
    assert_eq!(client.info().unwrap().timeouts, 0);
    drop(client);
    assert!(reader.join().unwrap() == sent);
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
