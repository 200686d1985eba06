//! The socket calls of Linux on a [`Stack`] in virtual time.
//!
//! One host, its clock, the packets that it has sent, and sockets on it by number. Nothing here waits: a call that would
//! block says [`Poll::Pending`], and is made again after something has happened. The script interpreter and packetdrill's
//! shared object (`tests/packetdrill`) both stand on it, so that they see the same sockets.
//!
//! What is kept true: after every call all that the stack had to send is in the queue of [`Sockets::take_sent`], stamped
//! with the time at which it left, and every socket knows what happened to its connection.

mod calls;
mod error;
mod error_queue;
pub mod linux;
mod options;
mod readiness;
mod sysctl;
mod tcp_info;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::task::Poll;

use bytes::Bytes;
use sockeye::{Cidr, ClosedBecause, Config, ConnectionId, ListenerId, Stack, StackConfig, StackEvent, State};
use sockeye_device::Packet;
use sockeye_tcb::Event;
use sockeye_wire::Instant;

pub use calls::{Message, Writing};
pub use error::Errno;
pub use error_queue::{Control, ExtendedError};
pub use readiness::Watch;
pub use sysctl::{linux_profile, set_sysctl};
pub use tcp_info::{LinuxTcpInfo, TCP_INFO_LEN};

/// A socket's number.
pub type Fd = i32;

/// What came of a call: a result, or nothing yet.
pub type Progress<T> = Poll<Result<T, Errno>>;

/// Which addresses sockets have, and which packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
    /// IPv6 sockets with IPv4 addresses, mapped.
    Mapped,
}

impl Family {
    /// True if packets are IPv6.
    pub const fn is_v6_on_the_wire(self) -> bool {
        matches!(self, Self::V6)
    }
}

/// A packet that left.
#[derive(Clone, Debug)]
pub struct Sent {
    /// When.
    pub at: Instant,
    /// The packet, from its IP header on.
    pub bytes: Bytes,
}

/// A host with sockets, in virtual time.
#[derive(Debug)]
pub struct Sockets {
    now: Instant,
    stack: Stack,
    /// What sockets start with.
    config: Config,
    sent: VecDeque<Sent>,
    table: BTreeMap<Fd, Socket>,
    epolls: BTreeMap<Fd, readiness::Epoll>,
    next_fd: Fd,
}

#[derive(Debug)]
struct Socket {
    role: Role,
    /// Where it is bound.
    local: Option<SocketAddr>,
    /// Settings for the connection that is to be made, or that there is.
    config: Config,
    is_nonblocking: bool,
    /// What `SO_ERROR` would say.
    error: Option<Errno>,
    is_established: bool,
    /// The connection is gone.
    closed: Option<ClosedBecause>,
    peer_closed: bool,
    /// `SHUT_RD`.
    reads_shut: bool,
    writes_shut: bool,
    /// `TCP_CORK`; that of the configuration is also set for `MSG_MORE`.
    is_corked: bool,
    settings: options::Settings,
    errors: error_queue::ErrorQueue,
    /// How often something happened that a poller may want to know.
    happenings: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Neither listens nor connects.
    Fresh,
    Listening(ListenerId),
    Connection(ConnectionId),
}

impl Sockets {
    /// Virtual time begins here: not at zero, so that what happened before can be told apart.
    pub const START: Instant = Instant::from_millis(1_000_000);

    /// A host without addresses.
    pub fn new(config: StackConfig) -> Self {
        Self {
            now: Self::START,
            config: Config::clone(&config.tcp),
            stack: Stack::new(config, Self::START),
            sent: VecDeque::new(),
            table: BTreeMap::new(),
            epolls: BTreeMap::new(),
            next_fd: 3,
        }
    }

    /// From now on `address` is one of the host's own.
    pub fn add_address(&mut self, address: Cidr) {
        self.stack.add_address(address);
    }

    /// The time.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// When something will happen by itself.
    pub fn next_timeout(&mut self) -> Option<Instant> {
        self.stack.next_timeout()
    }

    /// Lets time pass up to `until`, or to the next deadline if that is earlier, and acts on it. To be called until
    /// [`Self::now`] is `until`.
    pub fn advance(&mut self, until: Instant) {
        let due = self.next_timeout().filter(|due| *due <= until);
        self.now = self.now.max(due.unwrap_or(until));
        if due.is_some() {
            self.stack.on_timeout(self.now);
            self.settle();
        }
    }

    /// A packet arrives. `segment_size` is that of the segments merged in it, 0 if it is one as sent.
    pub fn inject(&mut self, bytes: Bytes, segment_size: u16) {
        let packet = Packet { segment_size, ..Packet::new(bytes, self.now) };
        self.stack.on_packet(self.now, packet);
        self.settle();
    }

    /// The oldest packet that left and that nobody has taken.
    pub fn take_sent(&mut self) -> Option<Sent> {
        self.sent.pop_front()
    }

    /// Puts a packet back, as the oldest one.
    pub fn return_sent(&mut self, sent: Sent) {
        self.sent.push_front(sent);
    }

    /// The stack below.
    pub const fn stack(&self) -> &Stack {
        &self.stack
    }

    /// Collects what the stack has to send and to tell.
    fn settle(&mut self) {
        while let Some(outgoing) = self.stack.poll_transmit(self.now, 0) {
            self.sent.push_back(Sent { at: self.now, bytes: outgoing.to_bytes() });
        }
        while let Some(event) = self.stack.poll_event() {
            match event {
                StackEvent::Incoming(listener) => self.happened(Role::Listening(listener), |_| ()),
                StackEvent::Connection(id, event) => {
                    let state = self.stack.state(id);
                    self.happened(Role::Connection(id), |socket| socket.learn(event, state));
                }
            }
        }
        self.tell_progress();
    }

    /// Error queues learn what has left and what was acknowledged.
    fn tell_progress(&mut self) {
        for socket in self.table.values_mut() {
            let Role::Connection(id) = socket.role else { continue };
            if !socket.errors.is_waiting() {
                continue;
            }
            let news = match self.stack.info(self.now, id) {
                Some(info) if socket.closed.is_none() => {
                    socket.errors.progress(self.now, info.unsent.into(), info.send_queued.into())
                }
                _ => socket.errors.ends(),
            };
            socket.happenings += u64::from(news);
        }
    }

    fn happened(&mut self, role: Role, learn: impl FnOnce(&mut Socket)) {
        if let Some(socket) = self.table.values_mut().find(|socket| socket.role == role) {
            socket.happenings += 1;
            learn(socket);
        }
    }

    fn get(&self, fd: Fd) -> Result<&Socket, Errno> {
        self.table.get(&fd).ok_or(Errno(libc::EBADF))
    }

    fn get_mut(&mut self, fd: Fd) -> Result<&mut Socket, Errno> {
        self.table.get_mut(&fd).ok_or(Errno(libc::EBADF))
    }

    /// The socket's connection, if it has one.
    fn connection(&self, fd: Fd) -> Result<Option<ConnectionId>, Errno> {
        Ok(match self.get(fd)?.role {
            Role::Connection(id) => Some(id),
            Role::Fresh | Role::Listening(_) => None,
        })
    }

    fn add(&mut self, role: Role, config: Config) -> Fd {
        let fd = self.next_fd;
        self.next_fd += 1;
        self.table.insert(fd, Socket::new(role, config));
        fd
    }
}

impl Socket {
    fn new(role: Role, config: Config) -> Self {
        Self {
            role,
            local: None,
            config,
            is_nonblocking: false,
            error: None,
            is_established: false,
            closed: None,
            peer_closed: false,
            reads_shut: false,
            writes_shut: false,
            is_corked: false,
            settings: options::Settings::default(),
            errors: error_queue::ErrorQueue::default(),
            happenings: 0,
        }
    }

    fn learn(&mut self, event: Event, state: Option<State>) {
        match event {
            Event::Established => self.is_established = true,
            Event::Closed(because) => {
                self.closed = Some(because);
                // Linux's tcp_reset(): a RST behind a FIN is a broken pipe.
                let broken = self.peer_closed && because == ClosedBecause::ResetByPeer;
                self.error = if broken { Some(Errno(libc::EPIPE)) } else { Errno::of_end(because) };
            }
            Event::Readable | Event::Writable | Event::Urgent | Event::SoftError(_) => {}
        }
        self.peer_closed |= state == Some(State::CloseWait);
    }

    /// What a call that would block says.
    fn blocked<T>(&self) -> Progress<T> {
        if self.is_nonblocking { Poll::Ready(Err(Errno(libc::EAGAIN))) } else { Poll::Pending }
    }
}
