//! A TAP device: Ethernet frames to and from the kernel of this machine, IP packets to and from the stack.
//!
//! What Ethernet needs besides, ARP and neighbour discovery, is done in here, small: answers for the stack's own
//! addresses, a cache of neighbours, packets that wait for them.

mod alarm;
mod frames;
mod neighbors;
mod next_hop;

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use sockeye_wire::Instant;
use sockeye_wire::ethernet::{self, MacAddr};

use crate::tun::{self, Layer, Opened, Queue, Sent};
use crate::{Capabilities, Cidr, Clock, Counter, Counters, Device, Error, Outgoing, Packet, TunConfig};
use alarm::Alarm;
use frames::{Arrived, Host};
use neighbors::{Answer, NeighborCache};
use next_hop::{NextHop, Routes, destination};

/// The largest MTU: a frame has at most 65,535 octets, its header among them.
const MAX_MTU: u16 = u16::MAX - 14;

/// What a TAP device is to be like.
///
/// ```no_run
/// # use sockeye_device::{Tap, TapConfig};
/// let tap = Tap::create(&TapConfig {
///     addresses: vec!["10.9.0.1/24".parse()?],
///     own_addresses: vec!["10.9.0.2/24".parse()?],
///     ..TapConfig::default()
/// })?;
/// println!("{} is up, we are {}", tap.name(), tap.hardware_address());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct TapConfig {
    /// Its name, up to 15 octets, `%d` in it standing for the first free number; empty for whatever the kernel chooses.
    pub name: String,
    /// The addresses of the kernel's end.
    pub addresses: Vec<Cidr>,
    /// The stack's addresses: the device answers when neighbours ask for them, and looks for neighbours in their
    /// networks.
    pub own_addresses: Vec<Cidr>,
    /// The stack's hardware address, one for a single host. Default: made from the first of its addresses.
    pub hardware_address: Option<MacAddr>,
    /// Who gets what is for none of the networks: the first of either family. Without one, everybody is looked for on
    /// the link.
    pub gateways: Vec<IpAddr>,
    /// Octets of the largest IP packet: 68 to 65,521, with IPv6 at least 1280. Default 1500.
    pub mtu: u16,
    /// Packets that the kernel queues for us before it drops. Default 10,000.
    pub tx_queue_len: u32,
    /// As for a TUN device: [`TunConfig::offload`].
    pub offload: bool,
}

impl Default for TapConfig {
    fn default() -> Self {
        let TunConfig { name, addresses, mtu, tx_queue_len, offload } = TunConfig::default();
        let (own_addresses, gateways) = (Vec::new(), Vec::new());
        Self { name, addresses, own_addresses, hardware_address: None, gateways, mtu, tx_queue_len, offload }
    }
}

impl TapConfig {
    fn check(&self) -> Result<MacAddr, Error> {
        let with_v6 = self.own_addresses.iter().any(|address| address.address().is_ipv6());
        if self.mtu > MAX_MTU || (with_v6 && self.mtu < tun::MIN_MTU_V6) {
            return Err(Error::MtuOutOfRange(self.mtu.into()));
        }
        let address = self.hardware_address.unwrap_or_else(|| derived(self.own_addresses.first()));
        if address.is_multicast() || address == MacAddr::ZERO {
            return Err(Error::HardwareAddress(address));
        }
        Ok(address)
    }

    /// What of it concerns the kernel's end.
    fn link(&self) -> TunConfig {
        let Self { name, addresses, mtu, tx_queue_len, offload, .. } = self.clone();
        TunConfig { name, addresses, mtu, tx_queue_len, offload }
    }
}

/// A locally administered address that two hosts of a network don't share: the last octets of the IP address in it.
fn derived(own: Option<&Cidr>) -> MacAddr {
    let [a, b, c, d] = match own.map(|own| own.address()) {
        Some(IpAddr::V4(v4)) => v4.octets(),
        Some(IpAddr::V6(v6)) => {
            let [.., a, b, c, d] = v6.octets();
            [a, b, c, d]
        }
        None => [0, 0, 0, 1],
    };
    MacAddr([0x02, 0x00, a, b, c, d])
}

/// A TAP device, one frame or super-segment a system call. It is gone when this is dropped.
#[derive(Debug)]
pub struct Tap {
    name: String,
    queue: Queue,
    host: Host,
    neighbors: Mutex<NeighborCache<Outgoing>>,
    /// Times of the neighbours; those of packets are the caller's.
    clock: Clock,
    alarm: Alarm,
}

impl Tap {
    /// Makes the device, gives it its addresses and sets it up, in the namespace of the calling thread.
    ///
    /// # Errors
    /// Those of [`Tun::create`](crate::Tun::create), and [`Error::HardwareAddress`].
    pub fn create(config: &TapConfig) -> Result<Self, Error> {
        let address = config.check()?;
        let Opened { first, name, offloads, .. } = tun::create(&config.link(), Layer::Ethernet, 1)?;
        let queue = Queue::new(first, offloads, config.mtu, ethernet::HEADER_LEN);
        let alarm = Alarm::new(queue.as_fd()).map_err(Error::io("making a timer for the neighbours"))?;
        let routes = Routes::new(config.own_addresses.clone(), config.gateways.clone());
        Ok(Self {
            name,
            queue,
            host: Host::new(address, routes),
            neighbors: Mutex::new(NeighborCache::new()),
            clock: Clock::start(),
            alarm,
        })
    }

    /// The name that the kernel gave it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The stack's hardware address.
    pub const fn hardware_address(&self) -> MacAddr {
        self.host.address
    }

    fn lock(&self) -> MutexGuard<'_, NeighborCache<Outgoing>> {
        self.neighbors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts the questions that are due, and sees to it that the next ones are.
    fn tend(&self, now: Instant, neighbors: &mut NeighborCache<Outgoing>) {
        for question in neighbors.poll(now) {
            if let Some(frame) = self.host.question(question) {
                self.queue.send_frame(&frame);
            }
        }
        self.queue.tally.add(Counter::Unresolved, neighbors.take_lost());
        self.alarm.arm(now, neighbors.next_timeout());
    }

    /// What is in a frame for the stack, after all that is for us has been done.
    fn take(&self, now: Instant, frame: &Bytes) -> Option<Bytes> {
        match self.host.arrived(frame) {
            Arrived::Packet => return Some(frame.slice(ethernet::HEADER_LEN..)),
            Arrived::Ours(answer, reply) => {
                if let Some(reply) = reply {
                    self.queue.send_frame(&reply);
                }
                if let Some(answer) = answer {
                    self.learn(now, answer);
                }
            }
            Arrived::NotForUs => self.queue.tally.add(Counter::NotForUs, 1),
            Arrived::Malformed(why) => {
                log::debug!("{}: a malformed frame: {why}", self.name);
                self.queue.tally.add(Counter::Malformed, 1);
            }
        }
        None
    }

    fn learn(&self, now: Instant, answer: Answer) {
        // What was held goes out under the lock, so that nothing sent later overtakes it.
        let mut neighbors = self.lock();
        for packet in neighbors.learn(now, answer) {
            // If it fails, whoever reads or writes next hears of it.
            let _ = self.queue.send(&self.host.header(answer.address, &packet), &packet);
        }
    }

    /// The hardware address that the first packet of a batch goes to; `None` after it has been taken off, because it is
    /// held until that is known.
    fn resolve(&self, now: Instant, next_hop: IpAddr, batch: &mut VecDeque<Outgoing>) -> Option<MacAddr> {
        let mut neighbors = self.lock();
        let address = neighbors.lookup(now, next_hop);
        if address.is_none()
            && let Some(packet) = batch.pop_front()
        {
            neighbors.hold(now, next_hop, packet);
        }
        self.tend(now, &mut neighbors);
        address
    }

    /// Takes a packet off that can't be sent.
    fn lose(&self, why: Counter, batch: &mut VecDeque<Outgoing>) {
        batch.pop_front();
        self.queue.tally.add(why, 1);
    }
}

impl Device for Tap {
    fn capabilities(&self) -> Capabilities {
        self.queue.capabilities()
    }

    fn receive(&self, now: Instant, batch: &mut Vec<Packet>, max: usize) -> io::Result<usize> {
        let ours = self.clock.now();
        {
            let mut neighbors = self.lock();
            if self.alarm.silence(ours) {
                self.tend(ours, &mut neighbors);
            }
        }
        let before = batch.len();
        let received = self.queue.receive(now, max, |frame| {
            batch.extend(self.take(ours, &frame.bytes).map(|bytes| Packet { bytes, ..frame }));
        });
        let count = batch.len() - before;
        self.queue.tally.add(Counter::Received, count);
        received.map(|()| count)
    }

    fn transmit(&self, batch: &mut VecDeque<Outgoing>) -> io::Result<usize> {
        let now = self.clock.now();
        let mut gone = 0;
        while let Some(packet) = batch.front() {
            let Some(destination) = destination(packet) else {
                self.lose(Counter::Refused, batch);
                continue;
            };
            let address = match self.host.routes.next_hop(destination) {
                NextHop::Group(address) => Some(address),
                NextHop::Neighbor(next_hop) => self.resolve(now, next_hop, batch),
            };
            if let (Some(address), Some(packet)) = (address, batch.front()) {
                match self.queue.send(&self.host.header(address, packet), packet)? {
                    Sent::Gone => gone += 1,
                    Sent::Lost => {}
                    Sent::Full => break,
                }
                batch.pop_front();
            } else {
                gone += 1;
            }
        }
        Ok(gone)
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.alarm.as_fd())
    }

    fn counters(&self) -> Counters {
        self.queue.tally.snapshot()
    }

    fn is_low_on_buffers(&self) -> bool {
        self.queue.is_low_on_buffers()
    }
}
