//! Two devices with a link between them: a thread for each direction.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use sockeye_device::impair::{Link, LinkConfig, LinkCounters, Waits};
use sockeye_device::{Clock, Counters, Device, Outgoing, Packet, Slices, segment};
use sockeye_wire::Instant;

/// Packets read at once, so that those which are due don't wait for long.
const BATCH: usize = 64;
/// How soon a thread notices that it is to end, or that its link has another configuration.
const ATTENTION: Duration = Duration::from_millis(20);

/// A link between two devices, in real time, until it is stopped or dropped.
///
/// Each segment has a time of its own: super-segments that a device hands over are cut before they enter the link, and
/// checksums completed, so that damage is found. The devices are of one kind: both carry IP packets, or both Ethernet frames
/// ([`sockeye_device::Interface`]). What a device has no room for is lost, as on a wire, and counted by it; its queue
/// towards the emulator (of a TUN device [`sockeye_device::TunConfig::tx_queue_len`]) is part of the link.
#[derive(Debug)]
pub struct Emulator {
    clock: Clock,
    stop: Stop,
    links: [Arc<Mutex<Link>>; 2],
    threads: [JoinHandle<io::Result<Counters>>; 2],
}

/// Ends both directions when it is dropped.
#[derive(Debug)]
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What has happened in one direction.
#[derive(Clone, Debug)]
pub struct Report {
    /// What the link counted.
    pub counters: LinkCounters,
    /// How long packets waited for its rate.
    pub queue_waits: Waits,
    /// What the device at the far end counted.
    pub device: Counters,
}

impl Emulator {
    /// Starts to carry packets from the first device to the second over a link `there`, and over `back` from the second
    /// to the first. Schedules and traces begin now.
    ///
    /// # Errors
    /// When a link's trace has not been read, a device can't be waited on, or the process has no threads left.
    pub fn start(ends: [impl Device + 'static; 2], there: LinkConfig, back: LinkConfig, seed: u64) -> io::Result<Self> {
        if let Some(path) = [&there, &back].into_iter().find_map(LinkConfig::unread_trace) {
            let why = format!("the trace {} has not been read", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let clock = Clock::start();
        let stop = Stop(Arc::new(AtomicBool::new(false)));
        let link = |config, seed| Arc::new(Mutex::new(Link::starting_at(config, seed, clock.now())));
        let links = [link(there, seed), link(back, seed.wrapping_add(1))];
        let [left, right] = ends.map(|end| Arc::new(end) as Arc<dyn Device>);
        let carry = |link: &Arc<Mutex<Link>>, from: &Arc<dyn Device>, to: &Arc<dyn Device>| {
            let direction = Direction {
                clock,
                stop: Arc::clone(&stop.0),
                link: Arc::clone(link),
                from: Arc::clone(from),
                to: Arc::clone(to),
            };
            thread::Builder::new().name("link".to_owned()).spawn(move || direction.run())
        };
        let [one, other] = &links;
        let threads = [carry(one, &left, &right)?, carry(other, &right, &left)?];
        Ok(Self { clock, stop, links, threads })
    }

    /// What has happened so far, there and back.
    pub fn counters(&self) -> [LinkCounters; 2] {
        self.links.each_ref().map(|link| *lock(link).counters())
    }

    /// From now on other links; see [`Link::set_config`].
    pub fn set_config(&self, there: LinkConfig, back: LinkConfig) {
        for (link, config) in self.links.iter().zip([there, back]) {
            lock(link).set_config(self.clock.now(), config);
        }
    }

    /// True if a device has failed, so that nothing is carried any more: [`stop`](Self::stop) says why.
    pub fn has_failed(&self) -> bool {
        self.threads.iter().any(JoinHandle::is_finished)
    }

    /// Ends it, and tells what has happened, there and back.
    ///
    /// # Errors
    /// When a device had failed before.
    pub fn stop(self) -> io::Result<[Report; 2]> {
        drop(self.stop);
        let [one, other] =
            self.threads.map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        let report = |link: &Arc<Mutex<Link>>, device| {
            let link = lock(link);
            Report { counters: *link.counters(), queue_waits: link.queue_waits().clone(), device }
        };
        let [there, back] = &self.links;
        Ok([report(there, one?), report(back, other?)])
    }
}

fn lock(link: &Mutex<Link>) -> MutexGuard<'_, Link> {
    link.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One way.
struct Direction {
    clock: Clock,
    stop: Arc<AtomicBool>,
    link: Arc<Mutex<Link>>,
    from: Arc<dyn Device>,
    to: Arc<dyn Device>,
}

impl Direction {
    /// Carries packets until it is stopped; returns what the device at the far end counted.
    fn run(self) -> io::Result<Counters> {
        let mut arrived = Vec::new();
        let (mut out, mut replies) = (VecDeque::new(), VecDeque::new());
        while !self.stop.load(Ordering::Relaxed) {
            let now = self.clock.now();
            self.from.receive(now, &mut arrived, BATCH)?;
            let next = {
                let mut link = lock(&self.link);
                arrived.drain(..).for_each(|packet| link.send(now, packet));
                out.extend(std::iter::from_fn(|| link.receive(now)).map(outgoing));
                replies.extend(std::iter::from_fn(|| link.reply()).map(outgoing));
                link.next_timeout()
            };
            send(&*self.to, &mut out)?;
            send(&*self.from, &mut replies)?;
            wait_for(&*self.from, next, self.clock)?;
        }
        Ok(self.to.counters())
    }
}

/// Sleeps until a packet comes or `next` is due, and no longer than until the caller is to look whether it is to end.
///
/// # Errors
/// `Unsupported` for a device that can't be waited for; else what the operating system says.
pub(crate) fn wait_for(device: &dyn Device, next: Option<Instant>, clock: Clock) -> io::Result<()> {
    let left = next.map_or(ATTENTION, |next| next.since(clock.now()).min(ATTENTION));
    if left.is_zero() {
        return Ok(());
    }
    let fd = device.as_fd().ok_or(io::ErrorKind::Unsupported)?;
    let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(left.subsec_nanos()) };
    match poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&timeout)) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

impl Drop for Direction {
    /// One direction without the other is no link.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Hands packets to a device, which gets merged ones whole if it takes such. What it has no room for is lost: a wire
/// doesn't wait.
fn send(device: &dyn Device, packets: &mut VecDeque<Outgoing>) -> io::Result<()> {
    if !packets.is_empty() {
        let merged = packets.iter().any(|packet| packet.segment_size > 0);
        if merged && device.capabilities().segmentation == 0 {
            *packets = packets.drain(..).flat_map(segment::cut).collect();
        }
        device.transmit(packets)?;
        packets.clear();
    }
    Ok(())
}

/// A packet that came out of the link, to be sent on as it is. Only of one that is to be cut does anybody have to know the
/// headers: they are copied, all else is shared.
fn outgoing(packet: Packet) -> Outgoing {
    let Packet { bytes, segment_size, link_header, .. } = packet;
    let headers = if segment_size == 0 { 0 } else { headers_len(&bytes) };
    let mut outgoing = Outgoing::build(Slices::from_iter([bytes.slice(headers..)]), |head| {
        head.iter_mut().zip(&bytes[..headers]).for_each(|(to, from)| *to = *from);
        headers
    });
    (outgoing.segment_size, outgoing.link_header) = (segment_size, link_header);
    outgoing
}

/// Octets of the headers of IP and TCP where they are whole and fit into a head; else 0.
fn headers_len(bytes: &[u8]) -> usize {
    use sockeye_wire::ip::{IpView, protocol};
    use sockeye_wire::tcp::TcpView;

    let Ok(ip) = IpView::parse(bytes) else {
        return 0;
    };
    let tcp = TcpView::parse(ip.payload()).ok().filter(|_| ip.protocol() == protocol::TCP);
    let length = ip.header_len() + tcp.map_or(0, |tcp| tcp.header_len());
    if length <= Outgoing::HEAD { length } else { 0 }
}

#[cfg(test)]
mod tests {
    use sockeye_device::{Counter, memory};

    use super::*;

    fn ping(octet: u8) -> Outgoing {
        Outgoing::build(Slices::from_iter([vec![octet; 100].into()]), |_| 0)
    }

    /// What the device has within two seconds, and how long it took from `since` on.
    fn next(device: &impl Device, clock: Clock) -> Option<Packet> {
        let (start, mut batch) = (clock.now(), Vec::new());
        while batch.is_empty() && clock.now().since(start) < Duration::from_secs(2) {
            device.receive(clock.now(), &mut batch, 1).expect("memory doesn't break");
            thread::sleep(Duration::from_micros(100));
        }
        batch.pop()
    }

    #[test]
    fn packets_arrive_late_as_asked_both_ways_and_are_counted() {
        let clock = Clock::start();
        let ((us, near), (far, them)) = (memory::pair(1500), memory::pair(1500));
        let config = |words: &str| words.parse::<LinkConfig>().expect(words);
        let emulator =
            Emulator::start([near, far], config("delay 30ms loss list 2"), config("delay 10ms"), 7).expect("a thread");
        let sent = clock.now();
        us.transmit(&mut [ping(1), ping(2), ping(3)].into()).expect("room");
        let first = next(&them, clock).expect("arrives");
        assert!(first.arrived_at.since(sent) >= Duration::from_millis(30) && first.bytes[..] == [1; 100]);
        assert_eq!(next(&them, clock).expect("arrives").bytes[..], [3; 100]);

        let sent = clock.now();
        them.transmit(&mut [ping(4)].into()).expect("room");
        assert!(next(&us, clock).expect("arrives").arrived_at.since(sent) >= Duration::from_millis(10));
        assert!(!emulator.has_failed());
        let [there, back] = emulator.stop().expect("no failure");
        assert_eq!((there.counters.delivered, there.counters.lost, back.counters.delivered), (2, 1, 1));
    }

    #[test]
    fn one_that_is_dropped_lets_go_of_its_devices() {
        let ((us, near), (far, _them)) = (memory::pair(1500), memory::pair(1500));
        let emulator = Emulator::start([near, far], LinkConfig::default(), LinkConfig::default(), 7).expect("a thread");
        drop(emulator);
        // What is sent to a device that is gone is lost, and counted.
        let clock = Clock::start();
        while us.counters().get(Counter::LinkDown) == 0 {
            us.transmit(&mut [ping(1)].into()).expect("room or nobody there");
            assert!(clock.now() < Instant::from_millis(10_000), "ten seconds");
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn another_configuration_takes_effect_while_it_runs() {
        let clock = Clock::start();
        let ((us, near), (far, them)) = (memory::pair(1500), memory::pair(1500));
        let perfect = LinkConfig::default;
        let emulator = Emulator::start([near, far], perfect(), perfect(), 7).expect("a thread");
        emulator.set_config("down".parse().expect("a word"), perfect());
        us.transmit(&mut [ping(1)].into()).expect("room");
        while emulator.counters()[0].lost_down == 0 {
            assert!(clock.now() < Instant::from_millis(11_000), "ten seconds");
            thread::sleep(Duration::from_millis(1));
        }
        emulator.set_config(perfect(), perfect());
        us.transmit(&mut [ping(2)].into()).expect("room");
        assert_eq!(next(&them, clock).expect("arrives").bytes[..], [2; 100]);
    }
}
