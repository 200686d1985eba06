//! Carries bytes both ways.

use std::fmt;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use sockeye_tcb::congestion::Algorithm;
use sockeye_tcb::{Config, TcpInfo};

use super::connection::{Chunks, Connection};
use super::on_any;
use crate::Host;
use crate::shard::{Running, Waiter};
use crate::stack::{ConnectOptions, ConnectionId};

/// A connection. Like [`std::net::TcpStream`], on a [`Host`] of ours.
///
/// Reading and writing work through `&TcpStream` too, and clones share the connection: one thread may read while another
/// writes. When the last handle is dropped, the connection closes as it does in the kernel: what was written is still
/// delivered, and a peer whose data nobody has read is reset. Dropping doesn't wait for that; dropping the last handle of
/// the whole [`Host`] does.
///
/// ```
/// use std::io::{Read, Write};
/// use std::net::Shutdown;
/// use sockeye::{Host, TcpListener, TcpStream};
///
/// # fn main() -> std::io::Result<()> {
/// let (here, there) = Host::pair()?;
/// let listener = TcpListener::bind(&there, "10.0.0.2:7")?;
/// let mut stream = TcpStream::connect(&here, "10.0.0.2:7")?;
/// stream.write_all(b"over and out")?;
/// stream.shutdown(Shutdown::Write)?;
///
/// let mut heard = String::new();
/// listener.accept()?.0.read_to_string(&mut heard)?;
/// assert_eq!(heard, "over and out");
/// # Ok(())
/// # }
/// ```
pub struct TcpStream {
    connection: Arc<Connection>,
}

/// To open a connection, and what is known of it.
impl TcpStream {
    pub(super) fn new(
        running: Arc<Running>,
        id: ConnectionId,
        local: SocketAddr,
        peer: SocketAddr,
        waiter: Arc<Waiter>,
    ) -> Self {
        Self { connection: Arc::new(Connection::new(running, id, local, peer, waiter)) }
    }

    /// Connects `host` to an address; of several the first that answers.
    ///
    /// # Errors
    /// `ConnectionRefused`, `TimedOut`, `HostUnreachable`, `NetworkUnreachable`, `AddrNotAvailable`; `InvalidInput` if
    /// `address` stands for none.
    pub fn connect(host: &Host, address: impl ToSocketAddrs) -> io::Result<Self> {
        on_any(address, |address| Self::connect_with(host, address, &ConnectOptions::default(), None))
    }

    /// As [`Self::connect`], waiting no longer than `timeout`.
    ///
    /// # Errors
    /// Those of [`Self::connect`]; `InvalidInput` if `timeout` is zero.
    pub fn connect_timeout(host: &Host, address: &SocketAddr, timeout: Duration) -> io::Result<Self> {
        if timeout.is_zero() {
            return Err(io::Error::new(ErrorKind::InvalidInput, "a timeout of zero"));
        }
        Self::connect_with(host, *address, &ConnectOptions::default(), Some(timeout))
    }

    /// As [`Self::connect`], with a local address and settings of the caller's choice, waiting no longer than `timeout`,
    /// if there is one.
    ///
    /// # Errors
    /// Those of [`Self::connect`].
    pub fn connect_with(
        host: &Host,
        address: SocketAddr,
        options: &ConnectOptions,
        timeout: Option<Duration>,
    ) -> io::Result<Self> {
        let connection = Connection::open(host.running(), address, options, timeout)?;
        Ok(Self { connection: Arc::new(connection) })
    }

    /// The peer's address.
    ///
    /// # Errors
    /// None: the type is that of [`std::net::TcpStream::peer_addr`].
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.connection.peer)
    }

    /// Our own address.
    ///
    /// # Errors
    /// None: the type is that of [`std::net::TcpStream::local_addr`].
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.connection.local)
    }

    /// Another handle of the same connection, with the same settings.
    ///
    /// # Errors
    /// None: the type is that of [`std::net::TcpStream::try_clone`].
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { connection: Arc::clone(&self.connection) })
    }

    /// State, round-trip time, windows, what was sent again …
    ///
    /// # Errors
    /// `NotConnected` if the host was shut down.
    pub fn info(&self) -> io::Result<TcpInfo> {
        let id = self.connection.id;
        self.connection.running.shard.call(|locked, _now| locked.stack.info(id)).ok_or_else(gone)
    }
}

/// To read and to write, apart from [`Read`] and [`Write`].
impl TcpStream {
    /// Reads into `buffer` and leaves what was read to be read again.
    ///
    /// # Errors
    /// Those of reading.
    pub fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        Ok(copy(&self.connection.peek(buffer.len())?, buffer))
    }

    /// Reads without copying: the next octets as they arrived, at most `max` of them, shared with the packet that brought
    /// them; empty at the end of the stream. Who keeps a chunk keeps the whole packet.
    ///
    /// # Errors
    /// Those of reading.
    pub fn read_chunk(&self, max: usize) -> io::Result<Bytes> {
        self.connection.read_chunk(max)
    }

    /// Writes without copying: the chunk is shared until the peer has acknowledged it. What was taken is cut off its
    /// front: all of it, unless the stream may not block or a timeout passes.
    ///
    /// # Errors
    /// Those of writing. What is left in `chunk` was not taken.
    pub fn write_chunk(&self, chunk: &mut Bytes) -> io::Result<()> {
        self.connection.send(chunk, true)
    }

    /// Closes one direction or both. After `Write` the peer reads all that was written and then the end of the stream;
    /// after `Read` our reads find the end of the stream once they have read what had arrived.
    ///
    /// # Errors
    /// `NotConnected` if the connection is gone.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        if matches!(how, Shutdown::Read | Shutdown::Both) {
            self.connection.shut_read();
        }
        if matches!(how, Shutdown::Write | Shutdown::Both) {
            self.connection.shut_write()?;
        }
        Ok(())
    }

    /// Ends the connection at once: the peer gets a RST, what was written and not yet acknowledged is lost.
    pub fn abort(&self) {
        self.connection.abort();
    }

    /// The error that waits to be told, if there is one, and then forgets it: why the connection is gone, or a trouble
    /// that may pass (an ICMP error, segments that go unanswered).
    ///
    /// # Errors
    /// None: the type is that of [`std::net::TcpStream::take_error`].
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(self.connection.take_error())
    }
}

/// Settings. They concern all handles of the connection.
impl TcpStream {
    /// How long to wait when reading; `None` for ever. A read that has waited so long fails with `WouldBlock`.
    ///
    /// # Errors
    /// `InvalidInput` if the timeout is zero.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.connection.read_timeout.set_above_zero(timeout)
    }

    /// How long to wait when reading.
    ///
    /// # Errors
    /// None: the type is that of [`std::net::TcpStream::read_timeout`].
    pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.connection.read_timeout.get())
    }

    /// How long to wait for room when writing; `None` for ever. A write that has waited so long fails with `WouldBlock`
    /// if nothing of it was taken.
    ///
    /// # Errors
    /// `InvalidInput` if the timeout is zero.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.connection.write_timeout.set_above_zero(timeout)
    }

    /// How long to wait for room when writing.
    ///
    /// # Errors
    /// None: the type is that of [`std::net::TcpStream::write_timeout`].
    pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.connection.write_timeout.get())
    }

    /// Whether calls fail with `WouldBlock` where they would wait.
    ///
    /// # Errors
    /// None: the type is that of [`std::net::TcpStream::set_nonblocking`].
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.connection.nonblocking.store(nonblocking, Ordering::Relaxed);
        Ok(())
    }

    /// What becomes of unacknowledged data when the last handle is dropped: `None` (as it is at first): it is delivered
    /// in the background, for as long as that takes. Zero: it is lost, and the peer gets a RST. Else it is delivered in
    /// the background, and given up if the peer acknowledges nothing for so long.
    ///
    /// # Errors
    /// None: the type is that of the kernel's sockets.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        self.connection.linger.set(linger);
        Ok(())
    }

    /// As set by [`Self::set_linger`].
    ///
    /// # Errors
    /// None: the type is that of the kernel's sockets.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        Ok(self.connection.linger.get())
    }

    /// Whether small segments are sent at once, that is, without Nagle's algorithm.
    ///
    /// # Errors
    /// `NotConnected` if the host was shut down.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.configure(|config| config.nodelay = nodelay)
    }

    /// As set by [`Self::set_nodelay`].
    ///
    /// # Errors
    /// `NotConnected` if the host was shut down.
    pub fn nodelay(&self) -> io::Result<bool> {
        let id = self.connection.id;
        self.connection
            .running
            .shard
            .call(|locked, _now| locked.stack.tcp_config(id).map(|config| config.nodelay))
            .ok_or_else(gone)
    }

    /// The hop limit (IPv4: TTL) of the packets to come: 1 to 255.
    ///
    /// # Errors
    /// `InvalidInput` if it is out of range; `NotConnected` if the host was shut down.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        let Some(ttl) = u8::try_from(ttl).ok().filter(|ttl| *ttl > 0) else {
            return Err(io::Error::new(ErrorKind::InvalidInput, "a hop limit is 1 to 255"));
        };
        let id = self.connection.id;
        self.connection.running.shard.call(|locked, _now| {
            locked.stack.hop_limit(id).ok_or_else(gone)?;
            locked.stack.set_hop_limit(id, ttl);
            Ok(())
        })
    }

    /// As set by [`Self::set_ttl`].
    ///
    /// # Errors
    /// `NotConnected` if the host was shut down.
    pub fn ttl(&self) -> io::Result<u32> {
        let id = self.connection.id;
        self.connection.running.shard.call(|locked, _now| locked.stack.hop_limit(id)).map(u32::from).ok_or_else(gone)
    }

    /// Goes on under another congestion control, one of [`Algorithm::all`] by its name, as with the kernel's
    /// `TCP_CONGESTION`. For one of your own: [`Self::configure`] and [`Config::congestion`].
    ///
    /// # Errors
    /// `InvalidInput` if none of this name is built in; `NotConnected` if the host was shut down.
    pub fn set_congestion_control(&self, name: &str) -> io::Result<()> {
        let algorithm = name.parse::<Algorithm>().map_err(|error| io::Error::new(ErrorKind::InvalidInput, error))?;
        self.configure(|config| config.congestion = algorithm)
    }

    /// The congestion control that the connection runs under.
    ///
    /// # Errors
    /// `NotConnected` if the host was shut down.
    pub fn congestion_control(&self) -> io::Result<&'static str> {
        Ok(self.info()?.congestion_control)
    }

    /// Changes settings of TCP: keep-alive, user timeout, delayed ACKs … Those that the SYN carried stay as they were
    /// agreed.
    ///
    /// # Errors
    /// `NotConnected` if the host was shut down.
    pub fn configure(&self, change: impl FnOnce(&mut Config)) -> io::Result<()> {
        let id = self.connection.id;
        self.connection.running.shard.call(|locked, now| {
            locked.stack.state(id).ok_or_else(gone)?;
            locked.stack.configure(now, id, change);
            Ok(())
        })
    }
}

fn gone() -> io::Error {
    ErrorKind::NotConnected.into()
}

/// Copies `chunks` into `buffer`, as far as it reaches.
fn copy(chunks: &Chunks, buffer: &mut [u8]) -> usize {
    let mut left = buffer;
    let mut copied = 0;
    for chunk in chunks {
        let octets = chunk.len().min(left.len());
        let (here, rest) = left.split_at_mut(octets);
        here.copy_from_slice(&chunk[..octets]);
        copied += octets;
        left = rest;
    }
    copied
}

impl Read for &TcpStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        Ok(copy(&self.connection.read(buffer.len())?, buffer))
    }
}

impl Write for &TcpStream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.connection.write(&[IoSlice::new(buffer)])
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        self.connection.write(buffers)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(()) // what was written is on its way
    }
}

impl Read for TcpStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buffer)
    }
}

impl Write for TcpStream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        (&*self).write(buffer)
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self).write_vectored(buffers)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&*self).flush()
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Connection { local, peer, .. } = &*self.connection;
        f.debug_struct("TcpStream").field("addr", local).field("peer", peer).finish_non_exhaustive()
    }
}
