//! Hosts with several shards: each connection is whole wherever its packets arrive.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use rustix::event::epoll;
use sockeye::{ConnectOptions, Device, Host, TcpListener, TcpStream};
use sockeye_device::memory::{self, MemoryDevice};
use sockeye_device::{Capabilities, Counter, Outgoing, Packet};
use sockeye_wire::Instant;

use super::{Watchdog, text};

const QUEUES: usize = 3;

/// The other side of a device with several queues, which knows nothing of connections: each packet goes to the next queue.
struct Scatter {
    queues: Vec<MemoryDevice>,
    next: AtomicUsize,
    /// Readable when any of the queues is.
    all: OwnedFd,
}

impl Scatter {
    fn new(queues: Vec<MemoryDevice>) -> Self {
        let all = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        for queue in &queues {
            epoll::add(&all, queue.as_fd().unwrap(), epoll::EventData::new_u64(0), epoll::EventFlags::IN).unwrap();
        }
        Self { queues, next: AtomicUsize::new(0), all }
    }
}

impl Device for Scatter {
    fn capabilities(&self) -> Capabilities {
        self.queues[0].capabilities()
    }

    fn receive(&self, now: Instant, batch: &mut Vec<Packet>, max: usize) -> io::Result<usize> {
        self.queues.iter().map(|queue| queue.receive(now, batch, max / QUEUES)).sum()
    }

    fn transmit(&self, batch: &mut VecDeque<Outgoing>) -> io::Result<usize> {
        let mut sent = 0;
        while let Some(packet) = batch.pop_front() {
            let queue = &self.queues[self.next.fetch_add(1, Ordering::Relaxed) % QUEUES];
            let mut one = VecDeque::from([packet]);
            sent += queue.transmit(&mut one)?;
            if let Some(full) = one.pop_front() {
                batch.push_front(full);
                break;
            }
        }
        Ok(sent)
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.all.as_fd())
    }
}

/// A host with a shard for each queue, the queues, and a host on the other side.
fn hosts() -> (Host, Vec<Arc<MemoryDevice>>, Host) {
    let (near, far): (Vec<_>, Vec<_>) = (0..QUEUES).map(|_| memory::pair(1500)).unzip();
    let near: Vec<_> = near.into_iter().map(Arc::new).collect();
    let here = Host::builder().queues(near.clone()).address("10.0.0.1/24".parse().unwrap()).start().unwrap();
    let there = Host::new(Scatter::new(far), &[("10.0.0.2".parse().unwrap(), 24)]).unwrap();
    (here, near, there)
}

fn echo(stream: &TcpStream) {
    let (mut reader, mut writer) = (stream, stream);
    io::copy(&mut reader, &mut writer).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
}

/// Sends `sent` to who echoes, and hears it again.
fn there_and_back(stream: &TcpStream, sent: &[u8]) {
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut writer = stream;
            writer.write_all(sent).unwrap();
        });
        let mut heard = vec![0; sent.len()];
        let mut reader = stream;
        reader.read_exact(&mut heard).unwrap();
        assert!(heard == sent);
    });
}

/// Ends a connection to who echoes: nothing more comes.
fn part(stream: &TcpStream) {
    stream.shutdown(Shutdown::Write).unwrap();
    let (mut heard, mut reader) = (Vec::new(), stream);
    reader.read_to_end(&mut heard).unwrap();
    assert!(heard.is_empty(), "{} octets too many", heard.len());
}

/// Opens `count` connections from one host to the other at once, and sends something back and forth on each. `check` looks
/// on when all has come and every connection is open still: an ACK that comes late on another queue is a stray afterwards,
/// and rightly has a RST.
fn exchange(from: &Host, to: &Host, address: &str, count: usize, check: impl FnOnce()) {
    let (all_heard, may_part) = (Barrier::new(count + 1), Barrier::new(count + 1));
    let listener = TcpListener::bind(to, (address, 7)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            let servers: Vec<_> = listener.incoming().take(count).map(Result::unwrap).collect();
            thread::scope(|scope| servers.iter().for_each(|server| drop(scope.spawn(|| echo(server)))));
        });
        for number in 0..count {
            let (all_heard, may_part) = (&all_heard, &may_part);
            scope.spawn(move || {
                let stream = TcpStream::connect(from, address).unwrap();
                there_and_back(&stream, &text(number as u64, 100_000 + number));
                all_heard.wait();
                may_part.wait();
                part(&stream);
            });
        }
        all_heard.wait();
        check();
        may_part.wait();
    });
}

#[test]
fn connections_are_whole_whatever_queue_their_packets_come_to() {
    let _watchdog = Watchdog::new("connections_are_whole_whatever_queue_their_packets_come_to");
    for (accepted, opened) in [(12, 0), (0, 12)] {
        let (here, _queues, there) = hosts();
        let (from, to, address) = if accepted > 0 { (&there, &here, "10.0.0.1") } else { (&here, &there, "10.0.0.2") };
        exchange(from, to, address, 12, || {
            let counters = here.counters();
            assert_eq!(counters.resets_for_strays, 0);
            assert_eq!(counters.ended("no_connection"), 0);
            assert_eq!((counters.passive_opens, counters.active_opens), (accepted, opened));
        });
    }
}

#[test]
fn every_shard_has_connections() {
    let _watchdog = Watchdog::new("every_shard_has_connections");
    let (here, queues, there) = hosts();
    let sent = || queues.iter().map(|queue| queue.counters().get(Counter::Sent)).collect::<Vec<_>>();
    exchange(&there, &here, "10.0.0.1", 24, || ());
    let accepted = sent();
    assert!(accepted.iter().all(|&packets| packets > 0), "{accepted:?}");
    exchange(&here, &there, "10.0.0.2", 24, || ());
    let opened = sent();
    assert!(opened.iter().zip(&accepted).all(|(after, before)| after > before), "{accepted:?}, {opened:?}");
}

#[test]
fn a_connection_from_a_port_of_ones_own_belongs_to_the_shard_that_hears_of_it() {
    let _watchdog = Watchdog::new("a_connection_from_a_port_of_ones_own_belongs_to_the_shard_that_hears_of_it");
    let (here, _queues, there) = hosts();
    let listener = TcpListener::bind(&there, "10.0.0.2:7").unwrap();
    for port in 2000..2012 {
        let local = Some(SocketAddr::from(([10, 0, 0, 1], port)));
        let options = ConnectOptions { local, ..ConnectOptions::default() };
        let stream = TcpStream::connect_with(&here, "10.0.0.2:7".parse().unwrap(), &options, None).unwrap();
        let (server, peer) = listener.accept().unwrap();
        assert_eq!(peer.port(), port);
        thread::scope(|scope| {
            scope.spawn(|| echo(&server));
            there_and_back(&stream, b"there and back");
            part(&stream);
        });
    }
}

#[test]
fn a_port_is_one_listeners_on_all_shards() {
    let (here, _queues, _there) = hosts();
    let listener = TcpListener::bind(&here, "10.0.0.1:0").unwrap();
    let taken = TcpListener::bind(&here, listener.local_addr().unwrap()).unwrap_err();
    assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
    let address = listener.local_addr().unwrap();
    drop(listener);
    TcpListener::bind(&here, address).unwrap();
}

#[test]
fn as_many_shards_as_queues_or_none_at_all() {
    let (one, _other) = memory::pair(1500);
    let builder = Host::builder().device(one).shards(2).address("10.0.0.1/24".parse().unwrap());
    assert_eq!(builder.start().unwrap_err().kind(), io::ErrorKind::InvalidInput);
}
