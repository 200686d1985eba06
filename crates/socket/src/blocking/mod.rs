//! Listeners and streams that block, shaped like those of [`std::net`].

mod connection;
mod listener;
mod settings;
mod stream;

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub use listener::{Incoming, TcpListener};
pub use stream::TcpStream;

/// Tries `open` on each address that `addresses` stands for until it works; the last error if it never does.
fn on_any<A: ToSocketAddrs, T>(addresses: A, mut open: impl FnMut(SocketAddr) -> io::Result<T>) -> io::Result<T> {
    let mut failed = io::Error::new(io::ErrorKind::InvalidInput, "there is no address to resolve to");
    for address in addresses.to_socket_addrs()? {
        match open(address) {
            Ok(opened) => return Ok(opened),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// A duration or none, shared by the clones of a handle.
#[derive(Debug)]
struct Timeout {
    /// Nanoseconds; [`Self::NONE`] for none.
    nanos: AtomicU64,
}

impl Timeout {
    const NONE: u64 = u64::MAX;

    fn get(&self) -> Option<Duration> {
        Some(self.nanos.load(Ordering::Relaxed)).filter(|nanos| *nanos != Self::NONE).map(Duration::from_nanos)
    }

    fn set(&self, timeout: Option<Duration>) {
        let nanos = |timeout: Duration| u64::try_from(timeout.as_nanos()).unwrap_or(Self::NONE);
        self.nanos.store(timeout.map_or(Self::NONE, nanos), Ordering::Relaxed);
    }

    fn set_above_zero(&self, timeout: Option<Duration>) -> io::Result<()> {
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a timeout of zero: see set_nonblocking"));
        }
        self.set(timeout);
        Ok(())
    }
}

impl Default for Timeout {
    fn default() -> Self {
        Self { nanos: AtomicU64::new(Self::NONE) }
    }
}
