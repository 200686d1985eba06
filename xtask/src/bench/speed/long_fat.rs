//! One connection over a long and fat link, in virtual time: 80 ms there and back, up to 100 Gbit/s, which is 1.0 GB under
//! way of the 1.07 GB that TCP's largest window holds. Super-segments of 64 KiB, as with TSO; nothing is lost, and nothing
//! copied, so that what remains is what a window of this size costs.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use sockeye::{Config, ConnectOptions, ConnectionId, ListenOptions, Stack, StackConfig, StackEvent};
use sockeye_device::{Outgoing, Packet};
use sockeye_wire::Instant;

use super::clients::Sample;
use crate::shell::Outcome;

/// From one end to the other.
const DELAY: Duration = Duration::from_millis(40);
/// What the device cuts, as a TUN device with TSO does.
const LARGEST: u32 = 65_535 - 128;
/// The largest window: 65,535 × 2^14 octets, which a buffer of 2^30 fills.
const BUFFER: u32 = 1 << 30;
/// How long the window may take to open, in round trips: slow start doubles it in each.
const OPENING: u32 = 40;
/// Round trips that are measured.
const MEASURED: u32 = 4;
/// Octets that are handed over at a time.
const BLOCK: usize = 1 << 20;

/// What an open window gave.
pub struct Run {
    /// Gbit/s of text, in virtual time.
    pub goodput: f64,
    /// Nanoseconds of real time that an ACK took its receiver.
    pub per_ack: f64,
}

/// Text that a line of so many Gbit/s carries: MTU 1500, timestamps.
pub fn payload_rate(gbit: u32) -> Sample {
    Sample::of(f64::from(gbit) * 1448.0 / 1500.0)
}

/// Opens the window over a line of `gbit` Gbit/s, and then measures.
pub fn run(gbit: u32) -> Outcome<Run> {
    let mut world = World::new(gbit)?;
    world.run_until(Instant::ZERO + DELAY * 2 * OPENING);
    let (read, acks, busy, began) = (world.read, world.acks, world.busy, world.now);
    world.run_until(began + DELAY * 2 * MEASURED);
    let octets = world.read - read;
    let acks = world.acks - acks;
    if acks == 0 {
        return Err("nothing arrived over the simulated line".into());
    }
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let (octets, acks) = (octets as f64, acks as f64);
    let passed = world.now.since(began).as_secs_f64();
    Ok(Run {
        goodput: octets * 8.0 / passed / 1e9,
        per_ack: world.busy.saturating_sub(busy).as_secs_f64() * 1e9 / acks,
    })
}

/// One direction of the line: a queue without end, then the way.
struct Line {
    /// Picoseconds that an octet takes.
    per_octet: u64,
    /// When it is done with what was given to it.
    free_at: Instant,
    under_way: VecDeque<(Instant, Outgoing)>,
}

impl Line {
    fn new(gbit: u32) -> Self {
        Self { per_octet: 8_000 / u64::from(gbit), free_at: Instant::ZERO, under_way: VecDeque::new() }
    }

    fn carry(&mut self, now: Instant, packet: Outgoing) {
        let (whole, head) = (packet.len(), packet.head().len());
        let segments = match usize::from(packet.segment_size) {
            0 => 1,
            size => (whole - head).div_ceil(size),
        };
        let octets = (whole + (segments - 1) * head) as u64;
        self.free_at = self.free_at.max(now) + Duration::from_nanos(octets * self.per_octet / 1000);
        self.under_way.push_back((self.free_at + DELAY, packet));
    }

    fn next(&self) -> Option<Instant> {
        self.under_way.front().map(|(arrival, _)| *arrival)
    }

    fn take(&mut self, now: Instant) -> Option<Packet> {
        let (arrival, packet) = self.under_way.pop_front_if(|(arrival, _)| *arrival <= now)?;
        let segment_size = packet.segment_size;
        Some(Packet { checksum_verified: true, segment_size, ..Packet::new(packet.to_bytes(), arrival) })
    }
}

struct World {
    now: Instant,
    sender: Stack,
    sends: ConnectionId,
    receiver: Stack,
    receives: Option<ConnectionId>,
    there: Line,
    back: Line,
    block: Bytes,
    /// Octets that the receiving application has read.
    read: u64,
    /// Packets that the sender has taken in, and the time that it took.
    acks: u64,
    busy: Duration,
}

impl World {
    fn new(gbit: u32) -> Outcome<Self> {
        let now = Instant::ZERO;
        let tcp = Config { receive_buffer: BUFFER.into(), send_buffer: BUFFER.into(), ..Config::default() };
        let config =
            |seed| StackConfig { tcp: tcp.clone().into(), checksum_offload: true, ..StackConfig::new([seed; 32]) };
        let (mut sender, mut receiver) = (Stack::new(config(1), now), Stack::new(config(2), now));
        sender.add_address("10.0.0.1/24".parse()?);
        receiver.add_address("10.0.0.2/24".parse()?);
        let to = ([10, 0, 0, 2], 9).into();
        receiver.listen(to, &ListenOptions::default())?;
        let sends = sender.connect(now, to, &ConnectOptions::default())?;
        Ok(Self {
            now,
            sender,
            sends,
            receiver,
            receives: None,
            there: Line::new(gbit),
            back: Line::new(gbit),
            block: Bytes::from(vec![7; BLOCK]),
            read: 0,
            acks: 0,
            busy: Duration::ZERO,
        })
    }

    fn run_until(&mut self, end: Instant) {
        loop {
            self.step();
            let timers = [self.sender.next_timeout(), self.receiver.next_timeout()];
            let next = timers.into_iter().chain([self.there.next(), self.back.next()]).flatten().min();
            match next {
                Some(next) if next <= end => self.now = self.now.max(next),
                _ => {
                    self.now = end;
                    return;
                }
            }
        }
    }

    /// All that happens at this moment.
    fn step(&mut self) {
        while let Some(packet) = self.there.take(self.now) {
            self.receiver.on_packet(self.now, packet);
        }
        while let Some(packet) = self.back.take(self.now) {
            let began = std::time::Instant::now();
            self.sender.on_packet(self.now, packet);
            self.busy += began.elapsed();
            self.acks += 1;
        }
        self.sender.on_timeout(self.now);
        self.receiver.on_timeout(self.now);
        self.write();
        self.take_text();
        while let Some(packet) = self.sender.poll_transmit(self.now, LARGEST) {
            self.there.carry(self.now, packet);
        }
        while let Some(packet) = self.receiver.poll_transmit(self.now, LARGEST) {
            self.back.carry(self.now, packet);
        }
    }

    fn write(&mut self) {
        while self.sender.send_room(self.sends) >= BLOCK {
            // There is room, as soon as there is a connection.
            if self.sender.send(self.now, self.sends, &mut self.block.clone()).is_err() {
                break;
            }
        }
        while self.sender.poll_event().is_some() {}
    }

    fn take_text(&mut self) {
        while let Some(event) = self.receiver.poll_event() {
            if let StackEvent::Incoming(listener) = event {
                self.receives = self.receiver.accept(listener).map(|(id, _)| id);
            }
        }
        let Some(receives) = self.receives else { return };
        while let Ok(chunk) = self.receiver.recv(self.now, receives, usize::MAX) {
            self.read += chunk.len() as u64;
        }
    }
}
