//! Listeners and streams that block, shaped like those of [`std::net`].

mod listener;
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

/// How long a call may block, shared by the clones of a handle.
#[derive(Debug, Default)]
struct Timeout {
    /// Nanoseconds; 0 for ever.
    nanos: AtomicU64,
}

impl Timeout {
    fn get(&self) -> Option<Duration> {
        Some(self.nanos.load(Ordering::Relaxed)).filter(|nanos| *nanos > 0).map(Duration::from_nanos)
    }

    fn set(&self, timeout: Option<Duration>) -> io::Result<()> {
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a timeout of zero: use set_nonblocking"));
        }
        let nanos = timeout.map_or(0, |timeout| u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX));
        self.nanos.store(nanos, Ordering::Relaxed);
        Ok(())
    }
}
