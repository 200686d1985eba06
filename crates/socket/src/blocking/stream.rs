//! Carries bytes both ways.

use std::fmt;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sockeye_tcb::TcpInfo;

use super::connection::Connection;
use super::on_any;
use crate::Host;
use crate::stack::ConnectOptions;

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
    pub(super) connection: Arc<Connection>,
}

/// To open a connection, and what is known of it.
impl TcpStream {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection: Arc::new(connection) }
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
        Connection::open(host.running(), address, options, timeout).map(Self::new)
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
        self.connection
            .shard
            .call(|locked, now| locked.stack.info(now, id))
            .ok_or_else(|| ErrorKind::NotConnected.into())
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
        Ok(self.connection.copy_out(&self.connection.peek(buffer.len())?, buffer))
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
    /// If the chunk has an owner of your own ([`Bytes::from_owner`]), that is dropped on whichever thread lets go of the chunk
    /// last. It may use the host then, but must not wait for it: that thread may be the one that reads the device.
    ///
    /// # Errors
    /// Those of writing. What is left in `chunk` was not taken.
    pub fn write_chunk(&self, chunk: &mut Bytes) -> io::Result<()> {
        self.connection.write_chunk(chunk)
    }

    /// Writes octets of which the last is urgent (RFC 9293 section 3.8.5), and says how many were taken. For protocols of
    /// old, such as telnet: new ones do better without (RFC 6093).
    ///
    /// # Errors
    /// Those of writing.
    pub fn send_out_of_band(&self, buffer: &[u8]) -> io::Result<usize> {
        self.connection.send_urgent(buffer)
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

impl Read for &TcpStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        Ok(self.connection.copy_out(&self.connection.read(buffer.len())?, buffer))
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
