//! Where a measurement takes place: namespaces of its own, the kernel's clients in one, the server behind a TUN device, a
//! virtual Ethernet or the loopback; and the processors that they run on.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::thread::{CpuSet, sched_setaffinity};
use sockeye_device::netlink::{Link, LinkSettings, create_veth};
use sockeye_device::netns::{Namespace, Settings, describe, set_sysctl};
use sockeye_device::{Device, Tun, TunConfig, Xdp, XdpConfig, XdpMode};

use crate::shell::Outcome;

/// The kernel's address, where clients are.
pub const KERNEL: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
/// The server's.
pub const PEER: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
/// The server's port.
pub const PORT: u16 = 9;

/// What joins clients and server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joint {
    /// A TUN device, MTU 1500, with segmentation and checksum offload.
    OffloadTun,
    /// A TUN device, MTU 1500, a packet a system call.
    PlainTun,
    /// Two kernels, a virtual Ethernet, MTU 1500, segmentation offload.
    Veth,
    /// The same, one segment a packet.
    VethWithoutTso,
    /// A virtual Ethernet, MTU 1500, whose far end an `AF_XDP` socket has taken over. The kernel cuts segments before such a
    /// pair.
    VethXdp,
    /// The kernel with itself.
    Loopback,
    /// Two stacks in one thread, MTU 1500, checksums made and verified.
    Memory,
    /// The same with super-segments of 64 KiB, whose checksums nobody looks at.
    MemoryOffload,
    /// A simulated link of so many Gbit/s, 80 ms there and back.
    LongLink { gbit: u32 },
}

/// What the server does with each connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Reads all, and drops it; without copying if `chunks`, where the stack can.
    Sink { chunks: bool },
    /// Writes for ever; without copying if `chunks`, where the stack can.
    Source { chunks: bool },
    /// Returns each octet, and closes when the client does.
    Echo,
}

/// How a measurement is to be made, apart from who serves.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// What joins the two.
    pub joint: Joint,
    /// What the server does.
    pub task: Task,
    /// The processors of clients and server; `None` leaves them to the scheduler.
    pub processors: Option<(usize, usize)>,
    /// Nobody sleeps: both ends ask again and again.
    pub spins: bool,
    /// Connections at a time.
    pub connections: usize,
    /// How long to measure, after a warm-up.
    pub time: Duration,
}

impl Plan {
    /// In words.
    pub fn conditions(&self) -> String {
        let joint = match self.joint {
            Joint::OffloadTun => "TUN with TSO and checksum offload, MTU 1500, txqueuelen 10000",
            Joint::PlainTun => "plain TUN, MTU 1500, txqueuelen 10000",
            Joint::Veth => "veth with TSO, MTU 1500, txqueuelen 10000",
            Joint::VethWithoutTso => "veth without TSO, MTU 1500, txqueuelen 10000",
            Joint::VethXdp => "veth, AF_XDP at the server's end (in the driver), MTU 1500, txqueuelen 10000",
            Joint::Loopback => "loopback",
            Joint::Memory => {
                return "in memory, one thread, MTU 1500, checksums in software, buffers of 1 MiB".to_owned();
            }
            Joint::MemoryOffload => {
                return "in memory, one thread, super-segments of 64 KiB, no checksums, buffers of 1 MiB".to_owned();
            }
            Joint::LongLink { gbit } => {
                return format!("virtual time: {gbit} Gbit/s, 80 ms, TSO of 64 KiB, buffers of 1 GiB, nothing lost");
            }
        };
        let processors = match self.processors {
            Some((client, server)) => format!("client on processor {client}, server on {server}"),
            None => "threads not pinned".to_owned(),
        };
        let connections = match self.connections {
            1 => "one connection".to_owned(),
            several => format!("{several} connections"),
        };
        let (time, warm_up) = (self.time, self.warm_up());
        format!(
            "{joint}; {connections} at a time; {processors}; {time:?} after {warm_up:?}; IPv4, the kernel's end reno"
        )
    }

    /// What a program measures that counts whole seconds: 1 at least.
    pub fn whole_seconds(&self) -> u64 {
        (self.time + Duration::from_millis(500)).as_secs().max(1)
    }

    /// What is not counted, so that windows are open and caches warm. A thousand connections in slow start overflow the device's
    /// queue, and take a second to repair it.
    pub fn warm_up(&self) -> Duration {
        let least = if self.connections < 1000 { Duration::from_millis(100) } else { Duration::from_secs(2) };
        (self.time / 2).max(least)
    }
}

/// A plan's namespaces. The thread that makes it is in that of the clients from then on.
pub struct Room {
    pub plan: Plan,
    servers: Namespace,
}

impl Room {
    pub fn enter(plan: Plan) -> Outcome<Self> {
        let clients = Namespace::create()?;
        clients.enter()?;
        Settings::default().apply()?;
        set_sysctl("net.ipv4.ip_local_port_range", "1024 65535")?;
        let servers = match plan.joint {
            Joint::Veth | Joint::VethWithoutTso | Joint::VethXdp => Self::join(plan.joint)?,
            _ => clients,
        };
        Ok(Self { plan, servers })
    }

    /// Under which conditions it is, once all in it stands: what is set in the namespaces in fact, at either end.
    pub fn conditions(&self) -> Outcome<String> {
        let clients = describe()?;
        let servers = self.servers.run(|| describe().map_err(|error| error.to_string()))??;
        let servers = if servers == clients { String::new() } else { format!(" | servers: {servers}") };
        Ok(format!("{:?}: {clients}{servers}", self.plan.joint))
    }

    /// A second namespace at the other end of a virtual Ethernet.
    fn join(joint: Joint) -> Outcome<Namespace> {
        let other = Namespace::create()?;
        create_veth("veth0", "veth1")?;
        Link::by_name("veth1")?.move_to(other.as_fd())?;
        let gso_max_segs = (joint == Joint::VethWithoutTso).then_some(1);
        let tx_queue_len = Some(TunConfig::default().tx_queue_len);
        let up = LinkSettings { up: Some(true), gso_max_segs, tx_queue_len, ..LinkSettings::default() };
        let configure = move |name, address: Option<Ipv4Addr>| -> Outcome {
            let link = Link::by_name(name)?;
            link.set(up)?;
            address.map_or(Ok(()), |address| Ok(link.add_address(format!("{address}/24").parse()?)?))
        };
        configure("veth0", Some(KERNEL))?;
        let peer = (joint != Joint::VethXdp).then_some(PEER);
        other.run(move || -> Result<(), String> {
            Settings::default().apply().map_err(|error| error.to_string())?;
            configure("veth1", peer).map_err(|error| error.to_string())
        })??;
        Ok(other)
    }

    /// The device, for who serves behind one.
    pub fn tun(&self) -> Outcome<Tun> {
        Ok(Tun::create(&self.tun_config()?)?)
    }

    /// The same, whatever it is, in so many queues.
    pub fn queues(&self, count: usize) -> Outcome<Vec<Box<dyn Device>>> {
        if self.plan.joint == Joint::VethXdp {
            return Ok(vec![Box::new(self.xdp()?)]);
        }
        let queues = Tun::create_queues(&self.tun_config()?, count)?;
        Ok(queues.into_iter().map(|queue| Box::new(queue) as Box<dyn Device>).collect())
    }

    fn xdp(&self) -> Outcome<Xdp> {
        let own_addresses = vec![format!("{PEER}/24").parse()?];
        let config =
            XdpConfig { interface: "veth1".to_owned(), own_addresses, mode: XdpMode::Driver, ..XdpConfig::default() };
        Ok(self.servers.run(|| Xdp::open(&config))??)
    }

    fn tun_config(&self) -> Outcome<TunConfig> {
        let offload = match self.plan.joint {
            Joint::OffloadTun => true,
            Joint::PlainTun => false,
            _ => return Err("no device here".into()),
        };
        Ok(TunConfig { addresses: vec![format!("{KERNEL}/24").parse()?], offload, ..TunConfig::default() })
    }

    /// Where clients find the server.
    pub fn server(&self) -> SocketAddr {
        let address = if self.plan.joint == Joint::Loopback { Ipv4Addr::LOCALHOST } else { PEER };
        SocketAddr::new(IpAddr::V4(address), PORT)
    }

    /// Runs `work` on a thread that is where clients are.
    pub fn client<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        let processor = self.plan.processors.map(|(client, _)| client);
        thread::spawn(move || {
            pin(processor);
            work()
        })
    }

    /// Runs `work` on a thread that is where the server is, and waits for it. Threads that it starts are there too.
    pub fn serve<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Outcome<T> {
        let processor = self.plan.processors.map(|(_, server)| server);
        Ok(self.servers.run(|| {
            pin(processor);
            work()
        })?)
    }
}

/// Keeps the calling thread on one processor.
fn pin(processor: Option<usize>) {
    let Some(processor) = processor else { return };
    let mut set = CpuSet::new();
    set.set(processor);
    if let Err(error) = sched_setaffinity(None, &set) {
        log::warn!("processor {processor}: {error}; the figure is one of threads that wander");
    }
}

/// A server that runs until it is dropped.
pub struct Server {
    stop: Arc<AtomicBool>,
    /// Makes a thread look at `stop` that would otherwise wait.
    unblock: Option<Box<dyn FnOnce() + Send>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Server {
    /// Runs `work`, which ends soon after its argument has become true.
    pub fn spawn(room: &Room, work: impl FnOnce(&AtomicBool) -> io::Result<()> + Send + 'static) -> Outcome<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let thread = room.serve(move || thread::spawn(move || work(&seen)))?;
        Ok(Self { stop, unblock: None, thread: Some(thread) })
    }

    /// The same, with what makes `work` look at its argument.
    pub fn unblocked_by(mut self, unblock: impl FnOnce() + Send + 'static) -> Self {
        self.unblock = Some(Box::new(unblock));
        self
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(unblock) = self.unblock.take() {
            unblock();
        }
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(Ok(()))) | None => {}
            Some(Ok(Err(error))) => log::warn!("the server ended with {error}"),
            Some(Err(_)) => log::error!("the server has panicked"),
        }
    }
}
