//! Settings of a stream, by the names that `std` and the kernel's sockets have for them.

use std::io::{self, ErrorKind};
use std::sync::atomic::Ordering;
use std::time::Duration;

use sockeye_tcb::congestion::Algorithm;
use sockeye_tcb::{Buffer, Config, KeepAlive};

use super::TcpStream;

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
        self.set(|config| config.nodelay = nodelay)
    }

    /// As set by [`Self::set_nodelay`].
    ///
    /// # Errors
    /// `NotConnected` if the host was shut down.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.setting(|config| config.nodelay)
    }

    /// Whether parts of a segment are held back, for up to 200 ms, so that what is written next fills it (`TCP_CORK`).
    ///
    /// # Errors
    /// `NotConnected` if the host was shut down.
    pub fn set_cork(&self, cork: bool) -> io::Result<()> {
        self.set(|config| config.cork = cork)
    }

    /// As set by [`Self::set_cork`].
    ///
    /// # Errors
    /// `NotConnected` if the host was shut down.
    pub fn cork(&self) -> io::Result<bool> {
        self.setting(|config| config.cork)
    }

    /// When to ask a silent peer whether it is still there (`SO_KEEPALIVE` and its times); `None`, as it is at first, for
    /// never.
    ///
    /// # Errors
    /// `NotConnected` if the host was shut down.
    pub fn set_keepalive(&self, keep_alive: Option<KeepAlive>) -> io::Result<()> {
        self.set(|config| config.keep_alive = keep_alive)
    }

    /// As set by [`Self::set_keepalive`].
    ///
    /// # Errors
    /// `NotConnected` if the host was shut down.
    pub fn keepalive(&self) -> io::Result<Option<KeepAlive>> {
        self.setting(|config| config.keep_alive)
    }

    /// How long data may stay unacknowledged before the connection is given up (`TCP_USER_TIMEOUT`); `None` for ever.
    ///
    /// # Errors
    /// `NotConnected` if the host was shut down.
    pub fn set_user_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.set(|config| config.user_timeout = timeout)
    }

    /// As set by [`Self::set_user_timeout`].
    ///
    /// # Errors
    /// `NotConnected` if the host was shut down.
    pub fn user_timeout(&self) -> io::Result<Option<Duration>> {
        self.setting(|config| config.user_timeout)
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
        self.connection.shard.call(|locked, _now| {
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
        self.connection.shard.call(|locked, _now| locked.stack.hop_limit(id)).map(u32::from).ok_or_else(gone)
    }

    /// Goes on under another congestion control, one of [`Algorithm::all`] by its name, as with the kernel's
    /// `TCP_CONGESTION`. For one of your own: [`Self::configure`] and [`Config::congestion`].
    ///
    /// # Errors
    /// `InvalidInput` if none of this name is built in; `NotConnected` if the host was shut down.
    pub fn set_congestion_control(&self, name: &str) -> io::Result<()> {
        let algorithm = name.parse::<Algorithm>().map_err(|error| io::Error::new(ErrorKind::InvalidInput, error))?;
        self.set(|config| config.congestion = algorithm)
    }

    /// The congestion control that the connection runs under.
    ///
    /// # Errors
    /// `NotConnected` if the host was shut down.
    pub fn congestion_control(&self) -> io::Result<&'static str> {
        Ok(self.info()?.congestion_control)
    }

    /// Fixes the size of the receive buffer (`SO_RCVBUF`), which else follows what is read in a round trip: 1 to 2^30 octets.
    /// What was promised to the peer stays promised, and no window is larger than the scale that the SYN has told allows:
    /// a connection that is to have a larger one than the default's limit is opened with [`Config::receive_buffer`].
    ///
    /// # Errors
    /// `InvalidInput` if the size is out of range; `NotConnected` if the host was shut down.
    pub fn set_recv_buffer_size(&self, octets: usize) -> io::Result<()> {
        let buffer = fixed(octets)?;
        self.set(|config| config.receive_buffer = buffer)
    }

    /// Octets that may wait to be read at present.
    ///
    /// # Errors
    /// `NotConnected` if the host was shut down.
    pub fn recv_buffer_size(&self) -> io::Result<usize> {
        Ok(self.info()?.receive_buffer as usize)
    }

    /// Fixes the size of the send buffer (`SO_SNDBUF`), which else follows the congestion window: 1 to 2^30 octets.
    ///
    /// # Errors
    /// `InvalidInput` if the size is out of range; `NotConnected` if the host was shut down.
    pub fn set_send_buffer_size(&self, octets: usize) -> io::Result<()> {
        let buffer = fixed(octets)?;
        self.set(|config| config.send_buffer = buffer)
    }

    /// Octets that may wait to be sent or acknowledged at present.
    ///
    /// # Errors
    /// `NotConnected` if the host was shut down.
    pub fn send_buffer_size(&self) -> io::Result<usize> {
        Ok(self.info()?.send_buffer as usize)
    }

    /// Changes settings of TCP: keep-alive, user timeout, delayed ACKs … Those that the SYN carried stay as they were
    /// agreed. What another thread sets while `change` is at work doesn't hold.
    ///
    /// # Errors
    /// `NotConnected` if the host was shut down.
    pub fn configure(&self, change: impl FnOnce(&mut Config)) -> io::Result<()> {
        let mut wanted = self.setting(Config::clone)?; // `change` may use the host: it runs outside the lock
        change(&mut wanted);
        self.set(|config| *config = wanted)
    }

    /// As [`Self::configure`], for changes of our own, which run under the lock.
    fn set(&self, change: impl FnOnce(&mut Config)) -> io::Result<()> {
        let id = self.connection.id;
        self.connection.shard.call(|locked, now| {
            locked.stack.state(id).ok_or_else(gone)?;
            locked.stack.configure(now, id, change);
            Ok(())
        })
    }

    fn setting<R>(&self, read: impl FnOnce(&Config) -> R) -> io::Result<R> {
        let id = self.connection.id;
        self.connection.shard.call(|locked, _now| locked.stack.tcp_config(id).map(read)).ok_or_else(gone)
    }
}

fn fixed(octets: usize) -> io::Result<Buffer> {
    match u32::try_from(octets) {
        Ok(octets @ 1..=0x4000_0000) => Ok(Buffer::Fixed(octets)),
        _ => Err(io::Error::new(ErrorKind::InvalidInput, "a buffer has 1 to 2^30 octets")),
    }
}

fn gone() -> io::Error {
    ErrorKind::NotConnected.into()
}
