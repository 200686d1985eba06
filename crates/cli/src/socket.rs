//! What commands ask of a TCP socket, be it the kernel's or ours.
//!
//! Servers and clients are written once, against these two traits, and so run on either side of a TUN device.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use bytes::Bytes;

/// What takes octets that its caller no longer needs: where it can, without copying them.
pub trait Sink: Write {
    /// Writes all of `piece`.
    ///
    /// # Errors
    /// Those of writing.
    fn hand_over(&mut self, piece: Bytes) -> io::Result<()> {
        self.write_all(&piece)
    }
}

impl Sink for std::net::TcpStream {}

impl Sink for sockeye::TcpStream {
    fn hand_over(&mut self, mut piece: Bytes) -> io::Result<()> {
        while !piece.is_empty() {
            let before = piece.len();
            match self.write_chunk(&mut piece) {
                // The peer is slow, and not silent.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && piece.len() < before => {}
                written => written?,
            }
        }
        Ok(())
    }
}

/// A connected socket.
pub trait Socket: Read + Sink + Send + Sized + 'static {
    /// Another handle of the same connection.
    ///
    /// # Errors
    /// When the process has no descriptors left.
    fn another(&self) -> io::Result<Self>;

    /// Says that nothing more will be written; reading goes on.
    ///
    /// # Errors
    /// When the connection is gone.
    fn finish(&self) -> io::Result<()>;

    /// How long a read may wait: above zero, `None` for ever.
    ///
    /// # Errors
    /// When the connection is gone.
    fn set_patience(&self, patience: Option<Duration>) -> io::Result<()>;

    /// Lets what is written leave at once, however little it is: for who waits for an answer.
    ///
    /// # Errors
    /// When the connection is gone.
    fn send_at_once(&self) -> io::Result<()>;

    /// Segments that our stack has sent again, and how long its handshake took; `None` for the kernel's sockets, which don't
    /// say.
    fn statistics(&self) -> Option<(u64, Duration)>;
}

/// A listening socket.
pub trait Listen: Send + Sync + 'static {
    /// What it accepts.
    type Socket: Socket;

    /// Waits for a connection; with the peer's address.
    ///
    /// # Errors
    /// When nobody can come any more.
    fn accept(&self) -> io::Result<(Self::Socket, SocketAddr)>;
}

macro_rules! socket {
    ($stream:ty, $listener:ty, $statistics:expr) => {
        impl Socket for $stream {
            fn another(&self) -> io::Result<Self> {
                self.try_clone()
            }

            fn finish(&self) -> io::Result<()> {
                self.shutdown(Shutdown::Write)
            }

            fn set_patience(&self, patience: Option<Duration>) -> io::Result<()> {
                self.set_read_timeout(patience)
            }

            fn send_at_once(&self) -> io::Result<()> {
                self.set_nodelay(true)
            }

            fn statistics(&self) -> Option<(u64, Duration)> {
                $statistics(self)
            }
        }

        impl Listen for $listener {
            type Socket = $stream;

            fn accept(&self) -> io::Result<($stream, SocketAddr)> {
                self.accept()
            }
        }
    };
}

socket!(std::net::TcpStream, std::net::TcpListener, |_| None);
socket!(sockeye::TcpStream, sockeye::TcpListener, |stream: &sockeye::TcpStream| {
    stream.info().ok().map(|info| (info.retransmissions, info.handshake))
});
