//! `poll()` and `epoll`: who is ready for what.

use std::collections::BTreeMap;

use libc::c_int;
use sockeye_tcb::CallError;

use super::{Errno, Fd, Role, Sockets};

/// Bits of `poll`, which are those of `epoll` too.
pub(super) const IN: u32 = libc::EPOLLIN as u32;
const PRI: u32 = libc::EPOLLPRI as u32;
const OUT: u32 = libc::EPOLLOUT as u32;
const ERR: u32 = libc::EPOLLERR as u32;
const HUP: u32 = libc::EPOLLHUP as u32;
const RDHUP: u32 = libc::EPOLLRDHUP as u32;
const EDGE: u32 = libc::EPOLLET.cast_unsigned();
const ONESHOT: u32 = libc::EPOLLONESHOT as u32;

/// What an epoll is to watch of a socket.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    /// The bits, `EPOLLET` and `EPOLLONESHOT` among them.
    pub events: u32,
    /// What the application wants to get with them.
    pub data: u64,
    /// What had happened to the socket when it was last reported.
    seen: Option<u64>,
}

impl Watch {
    /// A new one.
    pub const fn new(events: u32, data: u64) -> Self {
        Self { events, data, seen: None }
    }
}

#[derive(Debug, Default)]
pub(super) struct Epoll {
    watched: BTreeMap<Fd, Watch>,
}

impl Epoll {
    pub(super) fn forget(&mut self, fd: Fd) {
        self.watched.remove(&fd);
    }
}

impl Sockets {
    /// What the socket is ready for, as bits of `poll`.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn readiness(&mut self, fd: Fd) -> Result<u32, Errno> {
        let socket = self.get(fd)?;
        let mut bits = if socket.error.is_some() || !socket.errors.is_empty() { ERR } else { 0 };
        let id = match socket.role {
            Role::Fresh => return Ok(bits | OUT | HUP),
            Role::Listening(listener) => return Ok(bits | if self.stack.has_incoming(listener) { IN } else { 0 }),
            Role::Connection(id) => id,
        };
        let (closed, reads_shut, writes_shut) = (socket.closed.is_some(), socket.reads_shut, socket.writes_shut);
        let is_established = socket.is_established;
        let ended = matches!(self.stack.peek(id, 1), Err(CallError::EndOfStream | CallError::Closed(_)));
        let finished = closed || ended && self.stack.recv_queued(id) == 0;
        let peer_finished = finished || self.get(fd)?.peer_closed;
        if peer_finished || reads_shut {
            bits |= IN | RDHUP;
        }
        if closed || (peer_finished || reads_shut) && writes_shut {
            bits |= HUP;
        }
        if self.stack.recv_queued(id) > 0 {
            bits |= IN;
        }
        if self.stack.urgent_left(id).is_some() {
            bits |= PRI;
        }
        // Linux: writable if at least a third is free (sk_stream_is_writeable).
        let queued = self.stack.info(self.now, id).map_or(0, |info| info.send_queued as usize);
        if closed || writes_shut || (is_established && self.stack.send_room(id) >= queued.div_ceil(2).max(1)) {
            bits |= OUT;
        }
        Ok(bits)
    }

    /// `poll()`, of each socket: the bits among `events`, and those that are always told.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn poll(&mut self, fd: Fd, events: u32) -> Result<u32, Errno> {
        Ok(self.readiness(fd)? & (events | ERR | HUP))
    }

    /// `epoll_create()`.
    pub fn epoll_create(&mut self) -> Fd {
        let fd = self.next_fd;
        self.next_fd += 1;
        self.epolls.insert(fd, Epoll::default());
        fd
    }

    /// `epoll_ctl()`.
    ///
    /// # Errors
    /// `EBADF`, `EEXIST`, `ENOENT`, `EINVAL`.
    pub fn epoll_ctl(&mut self, epoll: Fd, operation: c_int, fd: Fd, watch: Watch) -> Result<(), Errno> {
        self.get(fd)?;
        let epoll = self.epolls.get_mut(&epoll).ok_or(Errno(libc::EBADF))?;
        let known = epoll.watched.contains_key(&fd);
        match operation {
            libc::EPOLL_CTL_ADD if known => return Err(Errno(libc::EEXIST)),
            libc::EPOLL_CTL_MOD | libc::EPOLL_CTL_DEL if !known => return Err(Errno(libc::ENOENT)),
            libc::EPOLL_CTL_ADD | libc::EPOLL_CTL_MOD => {
                epoll.watched.insert(fd, watch);
            }
            libc::EPOLL_CTL_DEL => epoll.forget(fd),
            _ => return Err(Errno(libc::EINVAL)),
        }
        Ok(())
    }

    /// `epoll_wait()`: up to `max` sockets that are ready, each with its bits and the application's data; none if none is.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn epoll_wait(&mut self, epoll: Fd, max: usize) -> Result<Vec<(u32, u64)>, Errno> {
        let watched = self.epolls.get(&epoll).ok_or(Errno(libc::EBADF))?.watched.clone();
        let mut ready = Vec::new();
        for (fd, watch) in watched {
            let happenings = self.get(fd)?.happenings;
            let bits = self.poll(fd, watch.events)?;
            let told = watch.events & EDGE != 0 && watch.seen == Some(happenings);
            if bits == 0 || told || ready.len() == max {
                continue;
            }
            ready.push((bits, watch.data));
            if let Some(watch) = self.epolls.get_mut(&epoll).and_then(|epoll| epoll.watched.get_mut(&fd)) {
                watch.seen = Some(happenings);
                if watch.events & ONESHOT != 0 {
                    watch.events = 0;
                }
            }
        }
        Ok(ready)
    }
}
