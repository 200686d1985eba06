//! A host of our own: what stands behind listeners and streams.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use sockeye_device::{Capabilities, Cidr, Clock, Device, Tun, TunConfig, memory};
use sockeye_tcb::congestion::Algorithm;
use sockeye_tcb::{Config, EcnPolicy, TcpInfo};

use crate::shard::{Contention, Running, Shard};
use crate::stack::{Counters, Remember, Stack, StackConfig};

/// An IP host in this process: addresses, connections and listeners on a device, and the thread that drives them.
///
/// Cloning it is cheap: all clones are the same host. It lives as long as any of them, or any listener or stream on it,
/// does. When the last one is dropped, connections that still deliver what was written get the
/// [linger time](HostBuilder::linger) for it; what has not finished then is reset; and the thread is joined.
///
/// ```no_run
/// # use sockeye::Host;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // A TUN device; the kernel's end of it gets 10.9.0.1 and can reach us at 10.9.0.2.
/// let host = Host::builder().tun("sockeye0").address("10.9.0.2/24".parse()?).start()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Host {
    running: Arc<Running>,
}

impl Host {
    /// A host on `device` with these addresses and the lengths of their networks' prefixes; all else as it is by default.
    ///
    /// # Errors
    /// Those of [`HostBuilder::start`].
    pub fn new(device: impl Device + 'static, addresses: &[(IpAddr, u8)]) -> io::Result<Self> {
        let mut builder = Self::builder().device(device);
        for &(address, prefix_len) in addresses {
            let cidr = Cidr::new(address, prefix_len);
            builder = builder.address(cidr.ok_or_else(|| invalid("the prefix is longer than the address"))?);
        }
        builder.start()
    }

    /// Two hosts joined in memory: 10.0.0.1 and `fd00::1` the first, 10.0.0.2 and `fd00::2` the second. For trying things
    /// out, and for tests.
    ///
    /// # Errors
    /// When the process has no descriptors or threads left.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (first, second) = memory::pair(1500);
        let host = |device, last: u8| {
            Self::new(device, &[([10, 0, 0, last].into(), 24), ([0xfd00, 0, 0, 0, 0, 0, 0, last.into()].into(), 64)])
        };
        Ok((host(first, 1)?, host(second, 2)?))
    }

    /// A host step by step.
    pub fn builder() -> HostBuilder {
        HostBuilder::default()
    }

    pub(crate) fn running(&self) -> Arc<Running> {
        Arc::clone(&self.running)
    }

    /// What was counted so far: packets, each reason for dropping one, octets copied.
    pub fn counters(&self) -> Counters {
        let counters = self.running.shards().iter().map(|shard| shard.counters());
        counters.reduce(|sum, counters| sum.with(&counters)).unwrap_or_default()
    }

    /// How often threads have met at what they share: to see whether more [shards](HostBuilder::shards) would help.
    pub fn contention(&self) -> Contention {
        self.running.shards().iter().map(|shard| shard.contention()).fold(Contention::default(), Contention::with)
    }

    /// All connections, those included that nobody has accepted yet and those that finish by themselves.
    pub fn connections(&self) -> Vec<ConnectionSummary> {
        let of = |shard: &Arc<Shard>| {
            shard.call(|locked, now| {
                let all = locked.stack.connections(now);
                all.map(|(_id, local, peer, info)| ConnectionSummary { local, peer, info }).collect::<Vec<_>>()
            })
        };
        self.running.shards().iter().flat_map(of).collect()
    }

    /// Closes all listeners and connections, whoever still has a handle of them, as dropping the last handle would. Returns
    /// when all have finished, at the latest after the [linger time](HostBuilder::linger): what has not finished then is
    /// reset. Blocked calls fail with `NotConnected`.
    pub fn shutdown(&self) {
        self.running.close();
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}

/// A connection in the list of [`Host::connections`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionSummary {
    /// Our socket.
    pub local: SocketAddr,
    /// The peer's socket.
    pub peer: SocketAddr,
    /// State, round-trip time, windows …
    pub info: TcpInfo,
}

/// What a [`Host`] is to be; made by [`Host::builder`].
pub struct HostBuilder {
    /// One for each shard; none yet if a TUN device is to be made.
    queues: Vec<Arc<dyn Device>>,
    shards: usize,
    tun: TunConfig,
    addresses: Vec<Cidr>,
    tcp: Config,
    memory_limit: usize,
    remember: Remember,
    seed: Option<[u8; 32]>,
    linger: Duration,
    busy_poll: Duration,
    clock: Clock,
}

impl Default for HostBuilder {
    fn default() -> Self {
        Self {
            queues: Vec::new(),
            shards: 1,
            tun: TunConfig::default(),
            addresses: Vec::new(),
            tcp: Config::default(),
            memory_limit: 1 << 30,
            remember: Remember::default(),
            seed: None,
            linger: Duration::from_secs(5),
            busy_poll: Duration::ZERO,
            clock: Clock::start(),
        }
    }
}

impl HostBuilder {
    /// The device to run on. Default: a new TUN device.
    #[must_use]
    pub fn device(self, device: impl Device + 'static) -> Self {
        self.queues([device])
    }

    /// The queues of a device to run on, each with a shard of its own: a stack behind a lock of its own, a thread that drives
    /// it, and its share of the connections. What comes to another queue than its connection's is handed over. For TUN
    /// devices see [`Tun::create_queues`]; to have one made, [`Self::shards`].
    #[must_use]
    pub fn queues<D: Device + 'static>(self, queues: impl IntoIterator<Item = D>) -> Self {
        let queues: Vec<_> = queues.into_iter().map(|queue| Arc::new(queue) as Arc<dyn Device>).collect();
        Self { shards: queues.len(), queues, ..self }
    }

    /// How many queues the TUN device to make has, each with a shard: see [`Self::queues`]. Several are for several processors:
    /// a single connection gains nothing by it. Default 1.
    #[must_use]
    pub fn shards(self, shards: usize) -> Self {
        Self { shards, ..self }
    }

    /// The name of the TUN device to make, up to 15 octets; empty for whatever the kernel chooses, which is the default.
    #[must_use]
    pub fn tun(self, name: &str) -> Self {
        Self { tun: TunConfig { name: name.to_owned(), ..self.tun }, ..self }
    }

    /// The MTU of the TUN device to make: 68 to 65,535 octets, with IPv6 at least 1280. Default 1500.
    #[must_use]
    pub fn mtu(self, mtu: u16) -> Self {
        Self { tun: TunConfig { mtu, ..self.tun }, ..self }
    }

    /// Adds an address of ours. On a TUN device that is made, the kernel's end gets the first other address of the same
    /// network: 10.9.0.1 if ours is 10.9.0.2/24.
    #[must_use]
    pub fn address(mut self, address: Cidr) -> Self {
        self.addresses.push(address);
        self
    }

    /// The settings of connections that are opened or accepted without settings of their own. The MSS that is announced
    /// is never more than the device's MTU allows.
    #[must_use]
    pub fn tcp(self, tcp: Config) -> Self {
        Self { tcp, ..self }
    }

    /// The congestion control of those connections: [`Config::congestion`]. Call it after [`Self::tcp`].
    #[must_use]
    pub fn congestion_control(mut self, algorithm: Algorithm) -> Self {
        self.tcp.congestion = algorithm;
        self
    }

    /// Whether those connections use explicit congestion notification: [`Config::ecn`]. Call it after [`Self::tcp`].
    #[must_use]
    pub fn ecn(mut self, policy: EcnPolicy) -> Self {
        self.tcp.ecn = policy;
        self
    }

    /// Octets of text that all connections may hold together: [`StackConfig::memory_limit`]. Default 1 GiB.
    /// Beyond it come up to 32 MiB a shard of buffers that `write` has used and keeps for the next
    /// ([`ChunkPool`](crate::ChunkPool)).
    #[must_use]
    pub fn memory_limit(self, octets: usize) -> Self {
        Self { memory_limit: octets, ..self }
    }

    /// What to remember of paths once the connections over them are gone (RFC 9040); [`Remember::NOTHING`] turns it off.
    /// Default: path MTU and round-trip time of 4096 hosts.
    #[must_use]
    pub fn remember(self, remember: Remember) -> Self {
        Self { remember, ..self }
    }

    /// What all that must not be guessed is drawn from: initial sequence numbers, ports, keys. Default: the operating
    /// system's random numbers. For tests: with the same seed, the same choices.
    #[must_use]
    pub fn seed(self, seed: [u8; 32]) -> Self {
        Self { seed: Some(seed), ..self }
    }

    /// How long connections may take to deliver what was written after the last handle is dropped. Default 5 s.
    #[must_use]
    pub fn linger(self, linger: Duration) -> Self {
        Self { linger, ..self }
    }

    /// How long a thread that waits for the network asks the device again and again before it sleeps: an answer then
    /// finds it awake, for the price of a core that does nothing else. Default zero: it sleeps at once.
    #[must_use]
    pub fn busy_poll(self, at_most: Duration) -> Self {
        Self { busy_poll: at_most, ..self }
    }

    /// The clock that stamps packets; to be shared with a device that records them. Default: one of its own.
    #[must_use]
    pub fn clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Makes the device if none was given, and starts the threads that drive the host, one a shard.
    ///
    /// # Errors
    /// `InvalidInput` without an address, with a device that can't be waited for, or with another number of shards than of
    /// queues that were given; what making a TUN device may meet
    /// (see [`sockeye_device::Error`]); when the process has no descriptors or threads left.
    pub fn start(self) -> io::Result<Host> {
        if self.addresses.is_empty() {
            return Err(invalid("a host needs an address: 10.9.0.2/24, for one"));
        }
        let mut queues = self.queues;
        if queues.is_empty() {
            let made = make_tun(self.tun, &self.addresses, self.shards)?;
            queues = made.into_iter().map(|queue| Arc::new(queue) as Arc<dyn Device>).collect();
        } else if queues.len() != self.shards {
            return Err(invalid("a host has as many shards as its device has queues"));
        }
        let mut seed = [0; 32];
        match self.seed {
            Some(given) => seed = given,
            None => getrandom::fill(&mut seed).map_err(|error| io::Error::other(error.to_string()))?,
        }
        let (now, count, tcp) = (self.clock.now(), queues.len(), Arc::new(self.tcp));
        let part = |(index, device): (usize, Arc<dyn Device>)| {
            let Capabilities { mtu, .. } = device.capabilities();
            // Checksums are the shard's: it sums outside the lock what the device doesn't.
            let config = StackConfig {
                mtu,
                checksum_offload: true,
                tcp: Arc::clone(&tcp),
                memory_limit: self.memory_limit / count,
                remember: self.remember,
                ..StackConfig::new(seed)
            };
            let mut stack = Stack::new(config, now);
            stack.split(index, count);
            self.addresses.iter().for_each(|address| stack.add_address(*address));
            (stack, device)
        };
        let parts = queues.into_iter().enumerate().map(part).collect();
        Ok(Host { running: Arc::new(Running::start(parts, self.clock, self.linger, self.busy_poll)?) })
    }
}

fn make_tun(config: TunConfig, ours: &[Cidr], queues: usize) -> io::Result<Vec<Tun>> {
    let addresses = ours.iter().filter_map(|address| address.first_other_host()).collect();
    Ok(Tun::create_queues(&TunConfig { addresses, ..config }, queues.max(1))?)
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, what)
}

impl fmt::Debug for HostBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostBuilder").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}
