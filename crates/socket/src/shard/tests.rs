//! A shard without its driver: what happens when is up to the test.

use std::collections::VecDeque;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use sockeye_device::memory::{self, MemoryDevice};
use sockeye_device::{Capabilities, Clock, Device, Outgoing, Packet};
use sockeye_tcb::Event;
use sockeye_wire::Instant;

use super::alarm::Alarm;
use super::driver::Driver;
use super::hand_over::Inbox;
use super::locked::Chores;
use super::{Contention, Shard, Sleeper, Until, Waiter};
use crate::{ConnectOptions, ConnectionId, Direct, ListenOptions, Stack, StackConfig, StackEvent};

/// A device that sends only once it may.
struct Gate {
    inner: MemoryDevice,
    opens: Mutex<Option<Receiver<()>>>,
}

impl Device for Gate {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn receive(&self, now: Instant, batch: &mut Vec<Packet>, max: usize) -> io::Result<usize> {
        self.inner.receive(now, batch, max)
    }

    fn transmit(&self, batch: &mut VecDeque<Outgoing>) -> io::Result<usize> {
        if let Some(opens) = self.opens.lock().unwrap().take() {
            opens.recv_timeout(Duration::from_secs(60)).expect("what it waits for doesn't happen");
        }
        self.inner.transmit(batch)
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.inner.as_fd()
    }
}

/// A connection between a shard and a peer.
struct World {
    shard: Arc<Shard>,
    gate: Arc<Gate>,
    id: ConnectionId,
    waiter: Arc<Waiter>,
    peer: Direct<memory::MemoryDevice>,
    theirs: ConnectionId,
}

impl World {
    fn connected() -> Self {
        let (ours, theirs) = memory::pair(1500);
        let clock = Clock::start();
        let config = StackConfig { checksum_offload: true, ..StackConfig::new([1; 32]) }; // checksums are the shard's
        let mut stack = Stack::new(config, clock.now());
        stack.add_address("10.0.0.1/24".parse().unwrap());
        let gate = Arc::new(Gate { inner: ours, opens: Mutex::default() });
        let alarm = Arc::new(Alarm::on(&*gate, clock).unwrap());
        let inboxes = Arc::from([Inbox::new(Arc::clone(&alarm))]);
        let device = Arc::clone(&gate) as Arc<dyn Device>;
        let shard = Arc::new(Shard::new(stack, device, inboxes, alarm, clock, Duration::ZERO).unwrap());

        let mut peer = Direct::new(theirs, StackConfig::new([2; 32]));
        peer.stack().add_address("10.0.0.2/24".parse().unwrap());
        let to = ([10, 0, 0, 2], 7).into();
        peer.stack().listen(to, &ListenOptions::default()).unwrap();
        let (id, waiter) = shard.call(|locked, now| {
            let id = locked.stack.connect(now, to, &ConnectOptions::default()).unwrap();
            (id, locked.waiters.add(id))
        });
        let theirs = loop {
            peer.poll().unwrap();
            take_in(&shard);
            if let Some(StackEvent::Incoming(listener)) = peer.poll_event() {
                break peer.stack().accept(listener).unwrap().0;
            }
        };
        Self { shard, gate, id, waiter, peer, theirs }
    }

    /// Text leaves the peer.
    fn peer_sends(&mut self, text: &'static [u8]) {
        let now = self.peer.now();
        self.peer.stack().send(now, self.theirs, &mut Bytes::from_static(text)).unwrap();
        self.peer.flush().unwrap();
    }

    fn reader(&self) -> Sleeper<'_> {
        Sleeper { id: self.id, waiter: &self.waiter, until: Until::Readable, patience: Some(Duration::ZERO) }
    }
}

/// Takes in what has arrived, and does what follows.
fn take_in(shard: &Shard) {
    let mut packets = Vec::new();
    shard.receive(&mut packets).unwrap();
    let mut locked = shard.lock();
    shard.tell_stack(&mut locked, &mut packets);
    shard.leave(locked, shard.clock.now());
}

/// Another thread has the token and writes; so what this one is told as it settles is no reason for it to let go of the lock.
#[test]
fn what_is_told_before_one_sleeps_keeps_it_awake() {
    let mut world = World::connected();
    // More than a request, whose ACK might wait for the answer.
    world.peer_sends(&[b'n'; 4096]);
    let shard = &world.shard;

    // Text has come, its ACK waits for the one who writes, and nobody was told yet.
    let mut packets = Vec::new();
    shard.receive(&mut packets).unwrap();
    let token = {
        let mut locked = shard.lock();
        shard.tell_stack(&mut locked, &mut packets);
        locked.fill(shard.clock.now(), 0);
        locked.token.claim()
    };
    assert!(token.is_some());
    let mut calls = 0;
    let outcome = shard.wait_for(world.reader(), |_, _| {
        calls += 1;
        (calls > 1).then_some(())
    });
    assert!(outcome.is_ok(), "it would have slept");
}

#[test]
fn who_sleeps_is_woken_before_anything_is_written() {
    let mut world = World::connected();
    let (open, opens) = mpsc::channel();
    *world.gate.opens.lock().unwrap() = Some(opens);
    let shard = Arc::clone(&world.shard);
    let (id, waiter) = (world.id, Arc::clone(&world.waiter));
    let reader = thread::spawn({
        let shard = Arc::clone(&shard);
        move || {
            let sleeper = Sleeper { id, waiter: &waiter, until: Until::Readable, patience: None };
            let read = shard.wait_for(sleeper, |stack, now| stack.recv(now, id, 1).ok());
            open.send(()).unwrap();
            read
        }
    });
    while !shard.lock().waiters.anybody_sleeps() {
        thread::yield_now();
    }
    world.peer_sends(&[b'n'; 4096]); // more than a request, whose ACK might wait for the answer
    take_in(&shard);
    assert!(world.gate.opens.lock().unwrap().is_none(), "there was nothing to write");
    assert!(reader.join().unwrap().is_ok());
}

/// A thread got up and left the seat to the driver while that was at work on something else.
#[test]
fn the_driver_reads_once_it_has_the_seat_though_it_has_not_slept() {
    let mut world = World::connected();
    let shard = Arc::clone(&world.shard);
    let mut driver = Driver::new(Arc::clone(&shard));
    let now = world.peer.now();
    world.peer.stack().configure(now, world.theirs, |config| config.nodelay = true);
    shard.lock().waiters.sleeps(world.id, Until::Readable);
    world.peer_sends(b"one");
    driver.turn(); // it wakes who sleeps, and leaves it the seat
    {
        let mut locked = shard.lock();
        assert_eq!(locked.seat.sit(), Some(false));
        assert!(locked.seat.get_up(shard.clock.now(), true, false));
    }
    world.peer_sends(b"two");
    driver.turn();
    driver.turn();
    let heard = shard.call(|locked, now| [0; 2].map(|_| locked.stack.recv(now, world.id, 3).ok()));
    assert_eq!(heard, [Some(Bytes::from_static(b"one")), Some(Bytes::from_static(b"two"))]);
}

/// A connection that is gone may have its last packet written by another thread still.
#[test]
fn a_shard_is_closed_once_its_last_packet_has_left() {
    let world = World::connected();
    let (open, opens) = mpsc::channel();
    *world.gate.opens.lock().unwrap() = Some(opens);
    let shard = &world.shard;
    thread::scope(|scope| {
        // The RST waits at the gate.
        let writer = scope.spawn(|| {
            shard.call(|locked, now| {
                locked.close_all(now);
                locked.stack.abort_all(now);
            });
        });
        let is_writing = || {
            let locked = shard.lock();
            locked.is_finished() && !locked.token.is_idle()
        };
        while !is_writing() {
            thread::yield_now();
        }
        assert!(!shard.lock().has_left());
        let (begins, begun) = mpsc::channel();
        let closing = scope.spawn(move || {
            begins.send(()).unwrap();
            shard.finish_closing(shard.clock.now(), Duration::from_secs(3600));
            shard.lock().has_left()
        });
        begun.recv().unwrap();
        // If it doesn't wait it is over soon.
        for _ in 0..10_000 {
            if closing.is_finished() {
                break;
            }
            thread::yield_now();
        }
        open.send(()).unwrap();
        writer.join().unwrap();
        assert!(closing.join().unwrap());
    });
}

#[test]
fn those_who_sleep_are_counted_until_they_are_woken_or_gone() {
    let world = World::connected();
    let waiters = &mut world.shard.lock().waiters;
    for until in [Until::Readable, Until::Readable, Until::Writable] {
        waiters.sleeps(world.id, until);
    }
    assert!(waiters.on_event(world.id, Event::Readable).is_some());
    assert!(waiters.anybody_sleeps(), "somebody still waits to write");
    assert!(waiters.on_event(world.id, Event::Writable).is_some());
    assert!(!waiters.anybody_sleeps());
    waiters.sleeps(world.id, Until::Readable);
    waiters.remove(world.id);
    assert!(!waiters.anybody_sleeps());
}

/// However many segments a batch brings, a reader who sleeps is woken once, and not again while nobody sleeps.
#[test]
fn a_batch_wakes_a_reader_once() {
    let mut world = World::connected();
    let now = world.peer.now();
    world.peer.stack().configure(now, world.theirs, |config| config.nodelay = true);
    for _ in 0..8 {
        world.peer_sends(&[b'n'; 1000]); // each pushed by itself, so that it isn't merged with the next
    }
    let shard = &world.shard;
    let (mut packets, mut chores) = (Vec::new(), Chores::default());
    shard.receive(&mut packets).unwrap();
    assert_eq!(packets.len(), 8);
    let mut locked = shard.lock();
    locked.waiters.sleeps(world.id, Until::Readable);
    shard.tell_stack(&mut locked, &mut packets);
    shard.settle(&mut locked, shard.clock.now(), &mut chores);
    assert_eq!(chores.wake_ups(), 1);
    assert!(!locked.waiters.anybody_sleeps());
}

#[test]
fn a_lock_that_is_found_taken_is_counted() {
    let world = World::connected();
    let shard = &world.shard;
    for _ in 0..1000 {
        let locked = shard.lock();
        thread::scope(|scope| {
            scope.spawn(|| drop(shard.lock()));
            thread::sleep(Duration::from_millis(1)); // if it doesn't come so far meanwhile, once more
            drop(locked);
        });
        let Contention { lock, .. } = shard.contention();
        if lock.taken > 0 {
            assert!(lock.wanted > lock.taken, "{lock:?}");
            return;
        }
    }
    panic!("taken a thousand times, and never counted");
}
