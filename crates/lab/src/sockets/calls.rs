//! Opening, reading, writing, closing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use libc::c_int;
use sockeye::{Config, ConnectOptions, ListenOptions};
use sockeye_tcb::CallError;

use super::linux::{MSG_ZEROCOPY, SIOCATMARK, SIOCINQ, SIOCOUTQ, SIOCOUTQNSD};
use super::{Control, Errno, Fd, Progress, Role, Socket, Sockets};

/// A write under way: what is left of it.
#[derive(Debug)]
pub struct Writing {
    rest: Bytes,
    done: usize,
    /// Of these the error queue knows.
    told: usize,
    flags: c_int,
}

impl Writing {
    /// Of these octets, with flags of `send`.
    pub const fn new(octets: Bytes, flags: c_int) -> Self {
        Self { rest: octets, done: 0, told: 0, flags }
    }
}

/// What `recvmsg()` gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The octets.
    pub octets: Vec<u8>,
    /// `msg_flags`.
    pub flags: c_int,
    /// The control messages, of which the caller may have no room for some.
    pub control: Vec<Control>,
}

impl Message {
    /// Leaves out the control messages for which there is no room, and says so as Linux does (`MSG_CTRUNC`).
    pub fn keep_control(&mut self, room: usize) {
        if self.control.len() > room {
            self.control.truncate(room);
            self.flags |= libc::MSG_CTRUNC;
        }
    }
}

impl Sockets {
    /// `socket()`: a TCP socket.
    pub fn socket(&mut self, is_nonblocking: bool) -> Fd {
        let fd = self.add(Role::Fresh, self.config.clone());
        if let Some(socket) = self.table.get_mut(&fd) {
            socket.is_nonblocking = is_nonblocking;
        }
        fd
    }

    /// `bind()`.
    ///
    /// # Errors
    /// `EBADF`; `EINVAL` if it is bound already.
    pub fn bind(&mut self, fd: Fd, local: SocketAddr) -> Result<(), Errno> {
        let socket = self.get_mut(fd)?;
        if socket.local.is_some() || socket.role != Role::Fresh {
            return Err(Errno(libc::EINVAL));
        }
        socket.local = Some(local);
        Ok(())
    }

    /// `listen()`. As with Linux one connection more than `backlog` may wait.
    ///
    /// # Errors
    /// `EBADF`, `EADDRINUSE`, `EADDRNOTAVAIL`; `EINVAL` on a socket that has a connection.
    pub fn listen(&mut self, fd: Fd, backlog: c_int) -> Result<(), Errno> {
        let socket = self.get(fd)?;
        match (socket.role, socket.local) {
            (Role::Listening(_), _) => Ok(()),
            (Role::Fresh, Some(local)) => {
                let backlog = usize::try_from(backlog).unwrap_or(0) + 1;
                let options = ListenOptions { backlog, tcp: Some(Arc::new(socket.config.clone())) };
                let listener = self.stack.listen(local, &options)?;
                self.get_mut(fd)?.role = Role::Listening(listener);
                Ok(())
            }
            _ => Err(Errno(libc::EINVAL)),
        }
    }

    /// `accept()`: the new socket, and who it is from.
    ///
    /// # Errors
    /// `EBADF`, `EAGAIN`; `EINVAL` on a socket that doesn't listen.
    pub fn accept(&mut self, fd: Fd) -> Progress<(Fd, SocketAddr)> {
        let socket = self.get(fd)?;
        let Role::Listening(listener) = socket.role else {
            return Poll::Ready(Err(Errno(libc::EINVAL)));
        };
        let (config, settings, is_corked) = (socket.config.clone(), socket.settings.clone(), socket.is_corked);
        let Some((id, remote)) = self.stack.accept(listener) else {
            return self.get(fd)?.blocked();
        };
        let fd = self.add(Role::Connection(id), config.clone());
        let local = self.stack.local_addr(id);
        let socket = self.get_mut(fd)?;
        // What isn't told any more: it was before somebody held the connection.
        (socket.is_established, socket.local, socket.is_corked) = (true, local, is_corked);
        socket.settings = settings;
        self.reconfigure(fd, &config);
        self.apply_ip_settings(fd);
        self.settle();
        Poll::Ready(Ok((fd, remote)))
    }

    /// `connect()`, the start of it: [`Self::connected`] tells what becomes of it.
    ///
    /// # Errors
    /// `EBADF`, `EISCONN`, `EALREADY`, `EINPROGRESS` on a socket that doesn't block, what the stack says against it; the
    /// error with which an earlier attempt failed.
    pub fn connect(&mut self, fd: Fd, remote: SocketAddr) -> Progress<()> {
        let socket = self.get_mut(fd)?;
        if socket.role != Role::Fresh {
            let error = match socket.error.take() {
                Some(error) => error,
                None if socket.is_established => Errno(libc::EISCONN),
                None if socket.is_nonblocking => Errno(libc::EALREADY),
                None => return Poll::Pending,
            };
            return Poll::Ready(Err(error));
        }
        let options = ConnectOptions { local: socket.local, tcp: Some(Arc::new(socket.config.clone())) };
        let id = self.stack.connect(self.now, remote, &options).map_err(Errno::from)?;
        let local = self.stack.local_addr(id);
        let socket = self.get_mut(fd)?;
        (socket.role, socket.local) = (Role::Connection(id), local);
        let is_nonblocking = socket.is_nonblocking;
        self.apply_ip_settings(fd);
        self.settle();
        if is_nonblocking { Poll::Ready(Err(Errno(libc::EINPROGRESS))) } else { self.connected(fd) }
    }

    /// Whether a connection that was begun is there.
    ///
    /// # Errors
    /// `EBADF`; why it failed.
    pub fn connected(&mut self, fd: Fd) -> Progress<()> {
        let socket = self.get_mut(fd)?;
        match socket.error.take() {
            Some(error) => Poll::Ready(Err(error)),
            None if socket.is_established => Poll::Ready(Ok(())),
            None => Poll::Pending,
        }
    }

    /// `connect()` to `AF_UNSPEC`: the socket is as if fresh, the connection reset.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn disconnect(&mut self, fd: Fd) -> Result<(), Errno> {
        let connection = self.connection(fd)?;
        let config = self.get(fd)?.config.clone();
        let is_nonblocking = self.get(fd)?.is_nonblocking;
        self.table.insert(fd, Socket { is_nonblocking, ..Socket::new(Role::Fresh, config) });
        if let Some(id) = connection {
            self.stack.abort(self.now, id);
            self.stack.close(self.now, id);
            self.settle();
        }
        Ok(())
    }

    /// `recv()` of at most `max` octets; `flags` may hold `MSG_PEEK`, `MSG_DONTWAIT`, `MSG_TRUNC`. Nothing at the end of the
    /// stream.
    ///
    /// # Errors
    /// `EBADF`, `EAGAIN`, `ENOTCONN`; why the connection ended, once.
    pub fn read(&mut self, fd: Fd, max: usize, flags: c_int) -> Progress<Vec<u8>> {
        let Some(id) = self.connection(fd)? else {
            return Poll::Ready(Err(Errno(libc::ENOTCONN)));
        };
        let mut octets = Vec::new();
        let end = if flags & libc::MSG_PEEK != 0 {
            self.stack.peek(id, max).map(|slices| slices.iter().for_each(|slice| octets.extend_from_slice(slice)))
        } else {
            self.read_all(id, max, &mut octets)
        };
        self.settle();
        let socket = self.get_mut(fd)?;
        match end {
            _ if !octets.is_empty() || max == 0 => Poll::Ready(Ok(octets)),
            Err(CallError::WouldBlock) if !socket.reads_shut => {
                if flags & libc::MSG_DONTWAIT != 0 {
                    Poll::Ready(Err(Errno(libc::EAGAIN)))
                } else {
                    socket.blocked()
                }
            }
            Err(CallError::NotConnected) if socket.closed.is_none() => Poll::Ready(Err(Errno(libc::ENOTCONN))),
            _ => Poll::Ready(socket.error.take().map_or(Ok(octets), Err)),
        }
    }

    /// `recvmsg()`: as [`Self::read`], with what `TCP_INQ` asks for; with `MSG_ERRQUEUE` what waits on the error queue.
    ///
    /// # Errors
    /// Those of [`Self::read`]; `EAGAIN` if the error queue is empty.
    pub fn receive(&mut self, fd: Fd, max: usize, flags: c_int) -> Progress<Message> {
        if flags & libc::MSG_ERRQUEUE != 0 {
            return Poll::Ready(self.next_error(fd));
        }
        self.read(fd, max, flags).map_ok(|octets| {
            let control = self.unread_hint(fd).map(Control::Unread).into_iter().collect();
            Message { octets, flags: 0, control }
        })
    }

    fn next_error(&mut self, fd: Fd) -> Result<Message, Errno> {
        let report = self.get_mut(fd)?.errors.take().ok_or(Errno(libc::EAGAIN))?;
        let truncated = if report.has_packet { libc::MSG_TRUNC } else { 0 };
        let stamp = report.stamp.map(Control::Stamp);
        let control = stamp.into_iter().chain([Control::Error(report.error)]).collect();
        Ok(Message { octets: Vec::new(), flags: libc::MSG_ERRQUEUE | truncated, control })
    }

    /// Octets that wait to be read, and one for the end of the stream: Linux's `tcp_inq_hint()`. `None` if nobody asked.
    fn unread_hint(&self, fd: Fd) -> Option<c_int> {
        let socket = self.get(fd).ok().filter(|socket| socket.settings.tells_unread())?;
        let end = usize::from(socket.peer_closed);
        self.unread(fd).ok().and_then(|unread| c_int::try_from(unread + end).ok())
    }

    fn read_all(&mut self, id: sockeye::ConnectionId, max: usize, octets: &mut Vec<u8>) -> Result<(), CallError> {
        while octets.len() < max {
            octets.extend_from_slice(&self.stack.recv(self.now, id, max - octets.len())?);
        }
        Ok(())
    }

    /// `send()`: how many octets were taken. A call that is pending keeps in `writing` what is left.
    ///
    /// # Errors
    /// `EBADF`, `EAGAIN`, `EPIPE`; why the connection ended, once; `EOPNOTSUPP` for `MSG_FASTOPEN`.
    pub fn write(&mut self, fd: Fd, writing: &mut Writing) -> Progress<usize> {
        let Some(id) = self.connection(fd)? else {
            let fast_open = writing.flags & libc::MSG_FASTOPEN != 0;
            return Poll::Ready(Err(Errno(if fast_open { libc::EOPNOTSUPP } else { libc::EPIPE })));
        };
        let socket = self.get_mut(fd)?;
        let nonblocking = socket.is_nonblocking || writing.flags & libc::MSG_DONTWAIT != 0;
        if !socket.is_established && socket.closed.is_none() {
            return if nonblocking { Poll::Ready(Err(Errno(libc::EAGAIN))) } else { Poll::Pending };
        }
        let cork = socket.is_corked || writing.flags & libc::MSG_MORE != 0;
        let end = self.write_all(id, writing, cork);
        let socket = self.get_mut(fd)?;
        let progress = match end {
            Ok(()) => Poll::Ready(Ok(writing.done)),
            Err(CallError::WouldBlock) if !nonblocking => Poll::Pending,
            Err(_) if writing.done > 0 => Poll::Ready(Ok(writing.done)),
            Err(CallError::WouldBlock) => Poll::Ready(Err(Errno(libc::EAGAIN))),
            Err(_) => Poll::Ready(Err(socket.error.take().unwrap_or(Errno(libc::EPIPE)))),
        };
        // As Linux: a call that waits for room is one call in the end; without `SO_ZEROCOPY` the flag says nothing.
        let not_copied = writing.flags & MSG_ZEROCOPY != 0 && socket.settings.may_send_without_copy();
        let octets = (writing.done - std::mem::replace(&mut writing.told, writing.done)) as u64;
        socket.errors.wrote(octets, not_copied, progress.is_ready());
        self.settle();
        progress
    }

    fn write_all(&mut self, id: sockeye::ConnectionId, writing: &mut Writing, cork: bool) -> Result<(), CallError> {
        self.stack.configure(self.now, id, |config| config.cork = cork);
        let urgent = writing.flags & libc::MSG_OOB != 0;
        loop {
            let taken = if urgent {
                self.stack.send_urgent(self.now, id, &mut writing.rest)?
            } else {
                self.stack.send(self.now, id, &mut writing.rest)?
            };
            writing.done += taken;
            if writing.rest.is_empty() {
                return Ok(());
            }
        }
    }

    /// `shutdown()`.
    ///
    /// # Errors
    /// `EBADF`, `ENOTCONN`; `EINVAL` for another `how`.
    pub fn shutdown(&mut self, fd: Fd, how: c_int) -> Result<(), Errno> {
        let id = self.connection(fd)?.filter(|id| self.stack.state(*id).is_some()).ok_or(Errno(libc::ENOTCONN))?;
        if !(0..=2).contains(&how) {
            return Err(Errno(libc::EINVAL));
        }
        let socket = self.get_mut(fd)?;
        if socket.closed.is_some() {
            return Err(Errno(libc::ENOTCONN));
        }
        socket.reads_shut |= how != libc::SHUT_WR;
        if how != libc::SHUT_RD && !std::mem::replace(&mut socket.writes_shut, true) {
            self.stack.configure(self.now, id, |config| config.cork = false);
            // That it was closed before is as good.
            let _ = self.stack.shutdown(self.now, id);
        }
        self.settle();
        Ok(())
    }

    /// `close()`: with `SO_LINGER` of 0 s by a RST.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn close(&mut self, fd: Fd) -> Result<(), Errno> {
        if self.epolls.remove(&fd).is_some() {
            return Ok(());
        }
        let socket = self.table.remove(&fd).ok_or(Errno(libc::EBADF))?;
        self.epolls.values_mut().for_each(|epoll| epoll.forget(fd));
        match socket.role {
            Role::Fresh => {}
            Role::Listening(listener) => self.stack.close_listener(self.now, listener),
            Role::Connection(id) => {
                if socket.settings.resets_on_close() {
                    self.stack.abort(self.now, id);
                }
                self.stack.configure(self.now, id, |config| config.cork = false);
                self.stack.close(self.now, id);
            }
        }
        self.settle();
        Ok(())
    }

    /// `F_GETFL`: true if the socket doesn't block.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn is_nonblocking(&self, fd: Fd) -> Result<bool, Errno> {
        Ok(self.get(fd)?.is_nonblocking)
    }

    /// `F_SETFL`.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn set_nonblocking(&mut self, fd: Fd, is_nonblocking: bool) -> Result<(), Errno> {
        self.get_mut(fd)?.is_nonblocking = is_nonblocking;
        Ok(())
    }

    /// Octets that wait to be read (`SIOCINQ`).
    ///
    /// # Errors
    /// `EBADF`; `EINVAL` without a connection.
    pub fn unread(&self, fd: Fd) -> Result<usize, Errno> {
        Ok(self.stack.recv_queued(self.connection(fd)?.ok_or(Errno(libc::EINVAL))?))
    }

    /// Octets that were written and not acknowledged (`SIOCOUTQ`).
    ///
    /// # Errors
    /// As above.
    pub fn unacked(&self, fd: Fd) -> Result<usize, Errno> {
        let id = self.connection(fd)?.ok_or(Errno(libc::EINVAL))?;
        Ok(self.stack.info(self.now, id).map_or(0, |info| info.send_queued as usize))
    }

    /// Octets that were written and not sent (`SIOCOUTQNSD`).
    ///
    /// # Errors
    /// As above.
    pub fn unsent(&self, fd: Fd) -> Result<usize, Errno> {
        let id = self.connection(fd)?.ok_or(Errno(libc::EINVAL))?;
        Ok(self.stack.info(self.now, id).map_or(0, |info| info.unsent as usize))
    }

    /// `ioctl()` that asks for a number.
    ///
    /// # Errors
    /// `EBADF`; `EINVAL` for another request, or without a connection.
    pub fn ioctl(&self, fd: Fd, request: c_int) -> Result<c_int, Errno> {
        let value = match request {
            SIOCINQ => self.unread(fd)?,
            SIOCOUTQ => self.unacked(fd)?,
            SIOCOUTQNSD => self.unsent(fd)?,
            SIOCATMARK => usize::from(self.is_at_mark(fd)?),
            _ => return Err(Errno(libc::EINVAL)),
        };
        Ok(c_int::try_from(value).unwrap_or(c_int::MAX))
    }

    /// True if all urgent text was read but its last octet, which comes next (`SIOCATMARK`).
    ///
    /// # Errors
    /// As above.
    pub fn is_at_mark(&self, fd: Fd) -> Result<bool, Errno> {
        let id = self.connection(fd)?.ok_or(Errno(libc::EINVAL))?;
        Ok(self.stack.urgent_left(id) == Some(1))
    }

    /// Changes the settings of a socket and of its connection.
    pub(super) fn reconfigure(&mut self, fd: Fd, config: &Config) {
        let Some(socket) = self.table.get_mut(&fd) else {
            return;
        };
        socket.config = config.clone();
        if let Role::Connection(id) = socket.role {
            // The MSS follows from the device.
            self.stack.configure(self.now, id, |current| {
                *current = Config { mss: current.mss, default_peer_mss: current.default_peer_mss, ..config.clone() };
            });
            self.settle();
        }
    }
}
