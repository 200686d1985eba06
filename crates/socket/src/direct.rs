//! The polling skin: a stack and its device in the hands of one thread, without locks and without another thread.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use sockeye_device::{Clock, Device, Outgoing, Packet};
use sockeye_wire::Instant;

use crate::gather::Gather;
use crate::scatter::Scatter;
use crate::stack::{Stack, StackConfig, StackEvent};

/// Packets to gather before the device gets them.
const MOST_OUTGOING: usize = 64;

/// A [`Stack`] on a device, polled by the thread that owns it: for programs with a loop of their own, and where every
/// microsecond counts. No lock, no other thread, no wake-up.
///
/// Make your calls on [`Self::stack`], with the time that [`Self::now`] gives, and call [`Self::poll`] (which never
/// blocks) or [`Self::wait`] again and again; [`Self::poll_event`] tells what came of it. What your calls have to send
/// leaves with the next of these, or with [`Self::flush`].
///
/// ```
/// use sockeye::{Direct, ListenOptions, StackConfig, StackEvent};
/// use sockeye_device::memory;
///
/// # fn main() -> std::io::Result<()> {
/// let (left, right) = memory::pair(1500);
/// let mut server = Direct::new(left, StackConfig::new([1; 32]));
/// server.stack().add_address("10.0.0.1/24".parse().unwrap());
/// server.stack().listen("10.0.0.1:7".parse().unwrap(), &ListenOptions::default())?;
///
/// let mut client = Direct::new(right, StackConfig::new([2; 32]));
/// client.stack().add_address("10.0.0.2/24".parse().unwrap());
/// let now = client.now();
/// client.stack().connect(now, "10.0.0.1:7".parse().unwrap(), &Default::default())?;
/// let listener = loop {
///     client.poll()?;
///     server.poll()?;
///     if let Some(StackEvent::Incoming(listener)) = server.poll_event() {
///         break listener;
///     }
/// };
/// let (_connection, peer) = server.stack().accept(listener).expect("it was announced");
/// assert_eq!(peer.ip(), "10.0.0.2".parse::<std::net::IpAddr>().unwrap());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Direct<D> {
    stack: Stack,
    device: D,
    gather: Gather,
    scatter: Scatter,
    clock: Clock,
    now: Instant,
    packets: Vec<Packet>,
    /// What the device has not taken yet, ready for it.
    outgoing: VecDeque<Outgoing>,
}

impl<D: Device> Direct<D> {
    /// A host without addresses on `device`. Of `config`, the MTU and who finishes checksums follow from the device.
    pub fn new(device: D, config: StackConfig) -> Self {
        let capabilities = device.capabilities();
        let clock = Clock::start();
        let now = clock.now();
        let config = StackConfig { mtu: capabilities.mtu, checksum_offload: true, ..config };
        let stack = Stack::new(config, now);
        let (gather, scatter) = (Gather::new(capabilities), Scatter::new(capabilities));
        Self { stack, device, gather, scatter, clock, now, packets: Vec::new(), outgoing: VecDeque::new() }
    }

    /// The stack, for all calls.
    pub const fn stack(&mut self) -> &mut Stack {
        &mut self.stack
    }

    /// The device.
    pub const fn device(&self) -> &D {
        &self.device
    }

    /// The time at which [`Self::poll`] or [`Self::wait`] was last called: good for the calls that follow from it.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// The next event; to be asked until `None`.
    pub fn poll_event(&mut self) -> Option<StackEvent> {
        self.stack.poll_event()
    }

    /// Sends what is to be sent, takes in a batch of what has arrived, acts on deadlines that have passed, and sends again.
    /// Says how many packets it has read. Never blocks.
    ///
    /// # Errors
    /// What the operating system says when the device is gone or broken.
    pub fn poll(&mut self) -> io::Result<usize> {
        self.flush()?;
        self.take_in()
    }

    /// As [`Self::poll`], but sleeps until there are packets or a deadline has come, and for `at_most` at the longest.
    ///
    /// # Errors
    /// Those of [`Self::poll`]; `InvalidInput` if the device can't be waited for.
    pub fn wait(&mut self, at_most: Duration) -> io::Result<usize> {
        self.flush()?;
        let left = self.stack.next_timeout().map(|due| due.since(self.clock.now()));
        // A device that was full is tried again soon.
        let retry = (!self.outgoing.is_empty()).then_some(Duration::from_millis(1));
        let sleep = left.into_iter().chain(retry).fold(at_most, Duration::min);
        let Some(fd) = self.device.as_fd() else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the device can't be waited for"));
        };
        let seconds = i64::try_from(sleep.as_secs()).unwrap_or(i64::MAX);
        let timeout = Timespec { tv_sec: seconds, tv_nsec: sleep.subsec_nanos().into() };
        match poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)], Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => self.take_in(),
            Err(error) => Err(error.into()),
        }
    }

    /// Hands the device what the stack has to send, as far as it takes it.
    ///
    /// # Errors
    /// What the operating system says when the device is gone or broken.
    pub fn flush(&mut self) -> io::Result<()> {
        loop {
            while self.outgoing.len() < MOST_OUTGOING
                && let Some(packet) = self.stack.poll_transmit(self.now, self.scatter.most_text())
            {
                self.scatter.make_ready(packet, &mut self.outgoing);
            }
            if self.outgoing.is_empty() {
                return Ok(());
            }
            self.device.transmit(&mut self.outgoing)?;
            if !self.outgoing.is_empty() {
                return Ok(()); // its queue is full
            }
        }
    }

    fn take_in(&mut self) -> io::Result<usize> {
        self.now = self.clock.now();
        let received = self.gather.receive(&self.device, self.now, &mut self.packets)?;
        for packet in self.packets.drain(..) {
            self.stack.on_packet(self.now, packet);
        }
        if self.stack.next_timeout().is_some_and(|due| due <= self.now) {
            self.stack.on_timeout(self.now);
        }
        self.flush()?;
        Ok(received)
    }
}
