//! Accepts connections.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, TryRecvError, unbounded};

use super::connection::Connection;
use super::{TcpStream, on_any};
use crate::Host;
use crate::shard::{Running, Ticket};
use crate::stack::{ListenOptions, ListenerId};

/// Takes in connections, any number of them at a time. Like [`std::net::TcpListener`], on a [`Host`] of ours.
///
/// When the last handle of a listener is dropped, connections that nobody has accepted are reset.
///
/// On a host with [several shards](crate::HostBuilder::shards) it listens on each, with a backlog on each.
///
/// ```
/// use std::io::{Read, Write};
/// use sockeye::{Host, TcpListener, TcpStream};
///
/// # fn main() -> std::io::Result<()> {
/// let (here, there) = Host::pair()?;
/// let listener = TcpListener::bind(&here, "10.0.0.1:7")?;
/// let mut client = TcpStream::connect(&there, "10.0.0.1:7")?;
/// let (mut server, peer) = listener.accept()?;
/// assert_eq!(peer, client.local_addr()?);
/// server.write_all(b"hello")?;
/// drop(server);
/// let mut text = String::new();
/// client.read_to_string(&mut text)?;
/// assert_eq!(text, "hello");
/// # Ok(())
/// # }
/// ```
pub struct TcpListener {
    shared: Arc<Shared>,
}

/// What the handles of a listener share.
struct Shared {
    running: Arc<Running>,
    /// On each shard, by number.
    ids: Vec<ListenerId>,
    local: SocketAddr,
    announced: Receiver<Ticket>,
    nonblocking: AtomicBool,
}

impl TcpListener {
    /// Listens on an address of `host`, or on all of them (`0.0.0.0`, `::`); port 0 lets the host choose. Of several
    /// addresses the first that works.
    ///
    /// # Errors
    /// `AddrInUse`, `AddrNotAvailable`; `InvalidInput` if `address` stands for none; what has happened to the device if
    /// it has failed.
    pub fn bind(host: &Host, address: impl ToSocketAddrs) -> io::Result<Self> {
        on_any(address, |address| Self::bind_with(host, address, &ListenOptions::default()))
    }

    /// As [`Self::bind`], with a backlog and settings of the caller's choice.
    ///
    /// # Errors
    /// Those of [`Self::bind`].
    pub fn bind_with(host: &Host, address: SocketAddr, options: &ListenOptions) -> io::Result<Self> {
        let running = host.running();
        let (door, announced) = unbounded();
        let nonblocking = AtomicBool::new(false);
        let mut shared =
            Shared { ids: Vec::new(), local: address, announced, nonblocking, running: Arc::clone(&running) };
        for (number, shard) in running.shards().iter().enumerate() {
            let (id, local) = shard.call(|locked, _now| {
                locked.check_alive()?;
                // The first shard chooses the port, if it is to be chosen.
                let id = locked.stack.listen(shared.local, options)?;
                locked.open_door(id, door.clone(), Ticket(number));
                io::Result::Ok((id, locked.stack.listener_addr(id).unwrap_or(address)))
            })?;
            shared.local = local;
            shared.ids.push(id);
        }
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Waits for a connection whose handshake is complete.
    ///
    /// # Errors
    /// `WouldBlock` if there is none and the listener is [non-blocking](Self::set_nonblocking); `NotConnected` once the
    /// host was shut down or its device has failed.
    pub fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let shared = &*self.shared;
        loop {
            let Ticket(number) = self.take_ticket()?;
            let (Some(shard), Some(listener)) = (shared.running.shards().get(number), shared.ids.get(number)) else {
                continue;
            };
            let accepted = shard.call(|locked, _now| {
                let (id, peer) = locked.stack.accept(*listener)?;
                let local = locked.stack.local_addr(id).unwrap_or(shared.local);
                Some((id, local, peer, locked.waiters.add(id)))
            });
            // The connection that the ticket stood for may be gone again.
            if let Some((id, local, peer, waiter)) = accepted {
                let (running, shard) = (Arc::clone(&shared.running), Arc::clone(shard));
                let connection = Connection::new(running, shard, id, local, peer, waiter);
                return Ok((TcpStream::new(connection), peer));
            }
        }
    }

    fn take_ticket(&self) -> io::Result<Ticket> {
        let announced = &self.shared.announced;
        match announced.try_recv() {
            Ok(ticket) => Ok(ticket),
            Err(TryRecvError::Disconnected) => Err(self.shut()),
            Err(TryRecvError::Empty) if self.shared.nonblocking.load(Ordering::Relaxed) => {
                Err(ErrorKind::WouldBlock.into())
            }
            Err(TryRecvError::Empty) => {
                // Another thread may take the ticket that this one has sat for: then it waits like all others. Of several
                // shards nobody knows which one the next connection comes to.
                if let [shard] = self.shared.running.shards() {
                    shard.sit_until(|| !announced.is_empty());
                }
                announced.recv().map_err(|_| self.shut())
            }
        }
    }

    /// Why nobody will come any more.
    fn shut(&self) -> io::Error {
        let dead = self.shared.running.shards().iter().find_map(|shard| {
            let alive = shard.call(|locked, _now| locked.check_alive());
            alive.err()
        });
        dead.unwrap_or_else(|| io::Error::new(ErrorKind::NotConnected, "the host was shut down"))
    }

    /// The connections to come, one after the other, for ever: each as from [`Self::accept`], without the peer's address.
    pub const fn incoming(&self) -> Incoming<'_> {
        Incoming { listener: self }
    }

    /// The address on which it listens.
    ///
    /// # Errors
    /// None: the type is that of [`std::net::TcpListener::local_addr`].
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.shared.local)
    }

    /// Whether [`Self::accept`] fails with `WouldBlock` where it would wait. Concerns all handles of the listener.
    ///
    /// # Errors
    /// None: the type is that of [`std::net::TcpListener::set_nonblocking`].
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.shared.nonblocking.store(nonblocking, Ordering::Relaxed);
        Ok(())
    }

    /// Another handle of the same listener: each connection goes to one of those who accept.
    ///
    /// # Errors
    /// None: the type is that of [`std::net::TcpListener::try_clone`].
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { shared: Arc::clone(&self.shared) })
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        for (shard, id) in self.running.shards().iter().zip(&self.ids) {
            shard.call(|locked, now| locked.close_door(now, *id));
        }
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpListener").field("addr", &self.shared.local).finish_non_exhaustive()
    }
}

/// The connections of a listener; see [`TcpListener::incoming`].
#[derive(Debug)]
pub struct Incoming<'a> {
    listener: &'a TcpListener,
}

impl Iterator for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.listener.accept().map(|(stream, _peer)| stream))
    }
}
