//! The stack behind a lock, its clock, and the one call that may sleep.
//!
//! Packetdrill's main thread moves the clock; a second thread makes the calls that may block. Such a call leaves with the
//! host what is to be tried again, and sleeps. Whoever changes something tries it. When it succeeds the clock is *held*:
//! the main thread waits until the other has asked for the time, which is the first thing it does, so that the time it sees
//! is that of the event. Holds: between two calls of the main thread nobody else moves the clock by more than a tick.

use std::collections::HashMap;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, IntoRawFd};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::thread::{self, ThreadId};
use std::time::Duration;

use bytes::Bytes;
use sockeye::Cidr;
use sockeye_lab::sockets::{Errno, Fd, Progress, Sent, Sockets};
use sockeye_wire::Instant;
use sockeye_wire::ip::IpView;

use crate::flags::{self, Flags};

/// How far past now a packet is waited for, in virtual time.
const PATIENCE: Duration = Duration::from_secs(200);
/// How long, in real time, the clock is held for a call that has just returned.
const HOLD: Duration = Duration::from_secs(1);
/// How much every look at the clock moves it: packetdrill spins until it has moved.
const TICK: Duration = Duration::from_micros(1);

/// The stack and all that belongs to it.
pub struct Host {
    state: Mutex<State>,
    changed: Condvar,
}

/// What is behind the lock.
pub struct State {
    /// The sockets.
    pub sockets: Sockets,
    /// Sockets by the descriptors that packetdrill knows them by.
    open: HashMap<i32, Open>,
    /// Addresses of the stack's own, so far.
    addresses: Vec<IpAddr>,
    /// The thread that moves the clock: that which loaded us.
    main: ThreadId,
    sleeper: Option<Sleeper>,
    /// A call that slept has succeeded, and its thread hasn't looked at the clock yet.
    is_held: bool,
}

/// A socket or an epoll; the file is what makes its number one that the kernel knows.
struct Open {
    placeholder: File,
    fd: Fd,
    is_v6: bool,
}

/// `--local_ip` where packetdrill isn't told.
const LOCAL_V4: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 1);
const LOCAL_V6: Ipv6Addr = Ipv6Addr::new(0xfd3d, 0x0a0b, 0x17d6, 0, 0, 0, 0, 1);

/// Tries again, `true` if patience is at an end; what came of it stays with the call. True if something did.
type Attempt = Box<dyn FnMut(&mut Sockets, bool) -> bool + Send>;

/// A call that sleeps.
struct Sleeper {
    attempt: Attempt,
    deadline: Option<Instant>,
    is_over: bool,
}

impl Host {
    /// A host as the flags say.
    ///
    /// # Errors
    /// What of the flags isn't understood.
    pub fn new(text: &str) -> Result<Self, String> {
        let Flags { config, local } = flags::parse(text)?;
        let mut state = State {
            sockets: Sockets::new(config),
            open: HashMap::new(),
            addresses: Vec::new(),
            main: thread::current().id(),
            sleeper: None,
            is_held: false,
        };
        local.into_iter().for_each(|local| state.own(local));
        Ok(Self { state: Mutex::new(state), changed: Condvar::new() })
    }

    /// The state, for a call that never sleeps. What it changes may wake the call that does.
    pub fn call<T>(&self, call: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = call(&mut state);
        self.try_sleeper(&mut state);
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call that may sleep: `attempt` is made until it gives a result, or for as long as `patience`.
    ///
    /// # Errors
    /// Those of the attempt; `EDEADLK` if the thread that moves the clock would sleep.
    pub fn sleep<T: Send + 'static>(
        &self,
        patience: Option<Duration>,
        mut attempt: impl FnMut(&mut Sockets, bool) -> Progress<T> + Send + 'static,
    ) -> Result<T, Errno> {
        let mut state = self.lock();
        let over = patience == Some(Duration::ZERO);
        if let Poll::Ready(result) = attempt(&mut state.sockets, over) {
            self.try_sleeper(&mut state);
            return result;
        }
        if state.main == thread::current().id() || state.sleeper.is_some() {
            return Err(Errno(libc::EDEADLK));
        }
        let (sender, receiver) = std::sync::mpsc::channel();
        let attempt = move |sockets: &mut Sockets, over: bool| match attempt(sockets, over) {
            Poll::Pending => false,
            Poll::Ready(result) => sender.send(result).is_ok(),
        };
        let deadline = patience.map(|patience| state.sockets.now() + patience);
        state.sleeper = Some(Sleeper { attempt: Box::new(attempt), deadline, is_over: false });
        while !state.sleeper.as_ref().is_none_or(|sleeper| sleeper.is_over) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.sleeper = None;
        receiver.recv().unwrap_or(Err(Errno(libc::EINTR)))
    }

    /// Something has changed: the call that sleeps may succeed. The clock is held then.
    fn try_sleeper(&self, state: &mut State) {
        let now = state.sockets.now();
        let Some(sleeper) = state.sleeper.as_mut().filter(|sleeper| !sleeper.is_over) else {
            return;
        };
        let over = sleeper.deadline.is_some_and(|deadline| now >= deadline);
        if (sleeper.attempt)(&mut state.sockets, over) {
            sleeper.is_over = true;
            state.is_held = true;
            self.changed.notify_all();
        }
    }

    /// Waits until the call that has returned has looked at the clock.
    fn await_hold<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let held = |state: &mut State| state.is_held;
        let (mut state, _) = self.changed.wait_timeout_while(state, HOLD, held).unwrap_or_else(PoisonError::into_inner);
        state.is_held = false;
        state
    }

    /// Lets time pass until then, acting on all that is due.
    fn advance<'a>(&'a self, mut state: MutexGuard<'a, State>, until: Instant) -> MutexGuard<'a, State> {
        while let Some(due) = state.next_due().filter(|due| *due <= until) {
            state.sockets.advance(due);
            self.try_sleeper(&mut state);
            state = self.await_hold(state);
        }
        state.sockets.advance(until);
        self.try_sleeper(&mut state);
        self.await_hold(state)
    }

    /// `usleep`.
    pub fn wait(&self, time: Duration) {
        let state = self.lock();
        let state = self.await_hold(state);
        let until = state.sockets.now() + time;
        drop(self.advance(state, until));
    }

    /// `gettimeofday`: time since the clock began. Every look moves it by a microsecond; that of a call which has just
    /// returned lets it go.
    pub fn look_at_clock(&self) -> Duration {
        let mut state = self.lock();
        if thread::current().id() == state.main {
            state = self.await_hold(state);
            let until = state.sockets.now() + TICK;
            state = self.advance(state, until);
        } else {
            state.is_held = false;
            self.changed.notify_all();
        }
        state.sockets.now().since(Instant::ZERO)
    }

    /// `netdev_send`: a packet arrives. The stack takes for its own whatever address it is for.
    pub fn inject(&self, packet: &[u8]) {
        self.call(|state| {
            if let Ok(view) = IpView::parse(packet) {
                state.own(view.destination());
            }
            state.sockets.inject(Bytes::copy_from_slice(packet), 0);
        });
        drop(self.await_hold(self.lock()));
    }

    /// `netdev_receive`: the oldest packet that has left and wasn't taken; timers run until there is one. `None` if no
    /// timer is armed, or none brings a packet in time.
    pub fn next_sent(&self) -> Option<Sent> {
        let mut state = self.await_hold(self.lock());
        let limit = state.sockets.now() + PATIENCE;
        loop {
            if let Some(sent) = state.sockets.take_sent() {
                return Some(sent);
            }
            let due = state.next_due().filter(|due| *due <= limit)?;
            state = self.advance(state, due);
        }
    }
}

impl State {
    fn next_due(&mut self) -> Option<Instant> {
        let patience = self.sleeper.as_ref().filter(|sleeper| !sleeper.is_over).and_then(|sleeper| sleeper.deadline);
        [self.sockets.next_timeout(), patience].into_iter().flatten().min()
    }

    /// From now on the address is one of the stack's own.
    pub fn own(&mut self, address: IpAddr) {
        if self.addresses.contains(&address) || address.is_unspecified() || address.is_multicast() {
            return;
        }
        if let Some(network) = Cidr::new(address, if address.is_ipv4() { 16 } else { 48 }) {
            self.sockets.add_address(network);
            self.addresses.push(address);
        }
    }

    /// Before it connects to `remote`: where nobody has told an address of that version, packetdrill's own default becomes one.
    pub fn own_default(&mut self, remote: IpAddr) {
        if !self.addresses.iter().any(|address| address.is_ipv4() == remote.is_ipv4()) {
            self.own(if remote.is_ipv4() { LOCAL_V4.into() } else { LOCAL_V6.into() });
        }
    }

    /// A number for packetdrill that the kernel knows too.
    ///
    /// # Errors
    /// `EMFILE` if there is none left.
    pub fn open(&mut self, fd: Fd, is_v6: bool) -> Result<usize, Errno> {
        let placeholder = File::open("/dev/null").map_err(|_| Errno(libc::EMFILE))?;
        let number = placeholder.as_raw_fd();
        self.open.insert(number, Open { placeholder, fd, is_v6 });
        usize::try_from(number).map_err(|_| Errno(libc::EMFILE))
    }

    /// The socket that packetdrill knows by this number.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn fd(&self, number: i32) -> Result<Fd, Errno> {
        self.open.get(&number).map(|open| open.fd).ok_or(Errno(libc::EBADF))
    }

    /// True if the socket is of IPv6.
    pub fn is_v6(&self, number: i32) -> bool {
        self.open.get(&number).is_some_and(|open| open.is_v6)
    }

    /// `close`.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn close(&mut self, number: i32) -> Result<(), Errno> {
        let open = self.open.remove(&number).ok_or(Errno(libc::EBADF))?;
        self.sockets.close(open.fd)
    }

    /// A local address to which a socket is bound, which becomes one of the stack's own.
    pub fn bind(&mut self, number: i32, local: SocketAddr) -> Result<(), Errno> {
        self.own(local.ip());
        self.sockets.bind(self.fd(number)?, local)
    }
}

impl Drop for State {
    /// Packetdrill has closed with the C library what it left open: those numbers aren't ours any more.
    fn drop(&mut self) {
        for (_, open) in self.open.drain() {
            let _ = open.placeholder.into_raw_fd();
        }
    }
}
