//! A scenario in real time: our stack at one end of the path, the kernel at the other, one thread for all.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use sockeye::TcpInfo;
use sockeye_device::impair::Link;
use sockeye_device::{Clock, Device, Outgoing, Packet, Slices};
use sockeye_wire::Instant;

use super::super::application::{Application as _, Ledger, Next, Role, Socket};
use super::super::machine::{Calls, Handle, Happened, Machine};
use super::super::packets::Packets;
use super::super::payload::Payload;
use super::super::scenario::{Planned, Scenario};
use super::super::talker::Talker;
use super::super::world::{address_of, port_of, stack};
use super::Error;
use super::kernel::{Connection, KernelHost};

/// The longest sleep.
const ATTENTION: Duration = Duration::from_millis(20);
/// Packets read at once.
const BATCH: usize = 64;

/// A flow on its way.
pub(super) struct Flow {
    /// Which of the scenario's flows it belongs to.
    pub(super) spec: usize,
    pub(super) start: Instant,
    plan: Planned,
    pub(super) ends: [End; 2],
    /// Which of its ends is ours.
    role: Role,
    /// Our end's connection, once there is one.
    ours: Option<Handle>,
    /// The kernel's, and who waits for it.
    theirs: Option<Connection>,
    listener: Option<TcpListener>,
    started: bool,
    /// What our end told last.
    pub(super) info: Option<TcpInfo>,
}

/// An end of a flow.
pub(super) struct End {
    /// `None` once it is done.
    talker: Option<Talker>,
    pub(super) ledger: Ledger,
    wake: Option<Instant>,
}

impl Flow {
    fn new(plan: Planned, origin: Instant, our_host: usize) -> Self {
        let start = origin + plan.start;
        let ends = plan.talkers.clone().map(|talker| End {
            talker: Some(talker),
            ledger: Ledger { moved_at: start, ..Ledger::default() },
            wake: None,
        });
        let spec = plan.spec;
        let role = if plan.hosts[Role::Client as usize] == our_host { Role::Client } else { Role::Server };
        Self { spec, start, plan, ends, role, ours: None, theirs: None, listener: None, started: false, info: None }
    }

    pub(super) fn is_done(&self) -> bool {
        self.ends.iter().all(|end| end.talker.is_none())
    }

    pub(super) const fn is_endless(&self) -> bool {
        self.plan.endless
    }
}

/// Both hosts, and the path between them.
pub(super) struct Run {
    clock: Clock,
    /// When it began.
    origin: Instant,
    /// Which host is ours: 0, on the left, or 1.
    ours: usize,
    stack: Machine,
    pub(super) kernel: KernelHost,
    to_kernel: Link,
    to_us: Link,
    packets: Packets,
    payload: Payload,
    pub(super) flows: Vec<Flow>,
    addresses: [IpAddr; 2],
    arrived: Vec<Packet>,
}

impl Run {
    pub(super) fn new(scenario: &Scenario, ours: usize) -> Result<Self, Error> {
        let hosts = scenario.all_hosts();
        let addresses = [0, 1].map(|number| address_of(number, scenario.ipv6));
        let mut plans = scenario.plan()?;
        let theirs = 1 - ours;
        let config_of =
            |plan: &Planned| Some(plan.configs[plan.hosts.iter().position(|host| *host == theirs)?].clone());
        let config = plans.first().and_then(config_of).unwrap_or_default();
        let prefix = if scenario.ipv6 { 64 } else { 8 };
        let network = format!("{}/{prefix}", addresses[theirs]).parse().map_err(Error::other)?;
        let kernel = KernelHost::create(network, hosts[theirs].mtu, &config)?;
        let clock = Clock::start();
        let origin = clock.now();
        let links = [(&scenario.forward, scenario.seed), (&scenario.back, scenario.seed.wrapping_add(1))];
        let link = |from: usize| {
            let (config, seed) = links[from];
            Link::starting_at(config.clone(), seed, origin)
        };
        let mut run = Self {
            clock,
            origin,
            ours,
            stack: stack(scenario.seed, &hosts[ours], addresses[ours], false)?,
            kernel,
            to_kernel: link(ours),
            to_us: link(theirs),
            packets: Packets::default(),
            payload: Payload::new(scenario.seed),
            flows: Vec::new(),
            addresses,
            arrived: Vec::new(),
        };
        for plan in plans.drain(..) {
            run.add(plan)?;
        }
        Ok(run)
    }

    /// Adds a flow, whose server listens from now on.
    fn add(&mut self, plan: Planned) -> Result<(), Error> {
        let [_, server] = plan.hosts;
        let at = SocketAddr::new(self.addresses[server], port_of(self.flows.len()));
        let mut flow = Flow::new(plan, self.origin, self.ours);
        let config = &flow.plan.configs[Role::Server as usize];
        if flow.role == Role::Server {
            self.stack.listen(self.origin, at, config).map_err(Error::other)?;
        } else {
            flow.listener = Some(self.kernel.listen(at, config)?);
        }
        self.flows.push(flow);
        Ok(())
    }

    /// Runs until all flows are done or `time` has passed; says when that was.
    pub(super) fn run(&mut self, time: Duration) -> Result<Instant, Error> {
        let end = self.origin + time;
        while self.clock.now() < end && !self.flows.iter().all(Flow::is_done) {
            self.turn()?;
        }
        Ok(self.clock.now())
    }

    /// Does what can be done now, then sleeps until there is more.
    fn turn(&mut self) -> Result<(), Error> {
        let now = self.clock.now();
        for index in 0..self.flows.len() {
            self.start_if_due(now, index)?;
        }
        self.hear(now)?;
        if self.stack.next_timeout().is_some_and(|at| at <= now) {
            self.stack.on_timeout(now, |_| {});
        }
        while let Some(happened) = self.stack.next_event() {
            self.on_event(now, happened);
        }
        for index in 0..self.flows.len() {
            self.accept(index)?;
            Role::BOTH.into_iter().for_each(|role| self.act(now, index, role));
        }
        self.say(now)?;
        self.sleep()
    }

    fn start_if_due(&mut self, now: Instant, index: usize) -> Result<(), Error> {
        let flow = &mut self.flows[index];
        if flow.started || flow.start > now {
            return Ok(());
        }
        flow.started = true;
        let [client, server] = flow.plan.hosts.map(|host| self.addresses[host]);
        let (local, remote) = (SocketAddr::new(client, 0), SocketAddr::new(server, port_of(index)));
        let config = &flow.plan.configs[Role::Client as usize];
        if flow.role == Role::Client {
            flow.ours = Some(self.stack.connect(now, local, remote, config).map_err(Error::other)?);
        } else {
            flow.theirs = Some(self.kernel.connect(remote, config)?);
        }
        Ok(())
    }

    /// What the kernel has sent enters the link; what comes out of it is for us.
    fn hear(&mut self, now: Instant) -> io::Result<()> {
        self.kernel.tun.receive(now, &mut self.arrived, BATCH)?;
        self.arrived.drain(..).for_each(|packet| self.to_us.send(now, packet));
        while let Some(packet) = self.to_us.receive(now) {
            self.stack.on_packet(now, Packet { arrived_at: now, ..packet });
        }
        pass_on(&self.kernel.tun, std::iter::from_fn(|| self.to_us.reply()))
    }

    /// The other way.
    fn say(&mut self, now: Instant) -> io::Result<()> {
        while let Some(packet) = self.stack.poll_transmit(now, 0, &mut self.packets) {
            self.to_kernel.send(now, packet);
        }
        while let Some(reply) = self.to_kernel.reply() {
            self.stack.on_packet(now, reply);
        }
        pass_on(&self.kernel.tun, std::iter::from_fn(|| self.to_kernel.receive(now)))
    }

    fn on_event(&mut self, now: Instant, happened: Happened) {
        let index = match happened {
            Happened::Event(handle) => self.flows.iter().position(|flow| flow.ours == Some(handle)),
            Happened::Accepted(handle, port) => {
                let index = (0..self.flows.len()).find(|index| port_of(*index) == port);
                index.inspect(|index| self.flows[*index].ours = Some(handle))
            }
        };
        if let Some(index) = index {
            self.act(now, index, self.flows[index].role);
        }
    }

    fn accept(&mut self, index: usize) -> io::Result<()> {
        let flow = &mut self.flows[index];
        if let Some(listener) = flow.listener.as_ref().filter(|_| flow.theirs.is_none()) {
            match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(true)?;
                    flow.theirs = Some(Connection::new(stream));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The application of an end does what it can.
    fn act(&mut self, now: Instant, index: usize, role: Role) {
        let flow = &mut self.flows[index];
        let end = &mut flow.ends[role as usize];
        let calls: Option<(&mut dyn Calls, Handle)> = if role == flow.role {
            flow.ours.map(|handle| (&mut self.stack as &mut dyn Calls, handle))
        } else {
            let theirs = flow.theirs.as_mut().and_then(Connection::once_decided);
            theirs.map(|theirs| (theirs as &mut dyn Calls, Handle::Only))
        };
        let (Some((machine, handle)), Some(talker)) = (calls, &mut end.talker) else {
            return;
        };
        flow.info = machine.info(now, handle).or(flow.info);
        let streams = [2 * index as u64, 2 * index as u64 + 1];
        let streams = (streams[role as usize], streams[role.other() as usize]);
        let mut socket = Socket { now, machine, handle, ledger: &mut end.ledger, payload: &self.payload, streams };
        let next = talker.act(&mut socket);
        end.wake = if let Next::At(at) = next { Some(at) } else { None };
        if next == Next::Done {
            socket.close();
            end.talker = None;
        }
    }

    /// Until a packet, room, text, or a deadline comes.
    fn sleep(&mut self) -> Result<(), Error> {
        let starts = self.flows.iter().filter(|flow| !flow.started).map(|flow| flow.start);
        let wakes = self.flows.iter().flat_map(|flow| &flow.ends).filter_map(|end| end.wake);
        let links = [self.to_kernel.next_timeout(), self.to_us.next_timeout()].into_iter().flatten();
        let next = starts.chain(wakes).chain(links).chain(self.stack.next_timeout()).min();
        let left = next.map_or(ATTENTION, |next| next.since(self.clock.now()).min(ATTENTION));
        let timeout = Timespec { tv_sec: 0, tv_nsec: left.subsec_nanos().into() };
        let listeners =
            self.flows.iter().filter(|flow| flow.theirs.is_none()).filter_map(|flow| flow.listener.as_ref());
        let listeners = listeners.map(|listener| PollFd::from_borrowed_fd(listener.as_fd(), PollFlags::IN));
        let sockets = self.flows.iter().filter_map(|flow| flow.theirs.as_ref()?.poll_fd());
        let tun = self.kernel.tun.as_fd().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        let mut all: Vec<PollFd<'_>> = tun.into_iter().chain(sockets).chain(listeners).collect();
        match poll(&mut all, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(io::Error::from(error).into()),
        }
    }
}

/// Hands packets to the kernel as they are.
fn pass_on(to: &impl Device, packets: impl Iterator<Item = Packet>) -> io::Result<()> {
    let mut batch = packets.map(|packet| Outgoing::build(Slices::from_iter([packet.bytes]), |_| 0)).collect();
    to.transmit(&mut batch).map(drop)
}
