//! Servers, on any sockets: a thread a connection, not more than so many at a time.

//= rfc2398#2.11-1

use std::io::{self, Read, Write};
use std::iter;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded};
use sockeye::ChunkPool;

use crate::http::{self, Files};
use crate::socket::{Listen, Socket};

/// Octets that a server moves at a time.
pub const PIECE: usize = 256 * 1024;

/// How long an HTTP client may be silent, and any client may take nothing of what is sent to it.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How long to wait, in all, for a client to take in our last words before the connection goes.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Places for connections, shared by listeners.
pub struct Places {
    fill: Sender<()>,
    free: Receiver<()>,
}

/// One of the [`Places`]; free again when this is dropped.
struct Place(Receiver<()>);

impl Places {
    /// So many, at least one.
    pub fn new(count: usize) -> Self {
        let (fill, free) = bounded(count.max(1));
        Self { fill, free }
    }

    /// Waits for a free one.
    fn take(&self) -> Place {
        // The other end is here: it doesn't fail.
        let _ = self.fill.send(());
        Place(self.free.clone())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // It was filled when this was made.
        let _ = self.0.try_recv();
    }
}

/// Lets `handle` have each connection that comes, on a thread of its own; while all places are taken, others wait in the
/// backlog. Says why nobody can come any more, once that is so and all threads have ended.
pub fn accept_each<L: Listen>(
    listener: &L,
    places: &Places,
    handle: impl Fn(L::Socket, SocketAddr) + Sync,
) -> io::Error {
    let handle = &handle;
    thread::scope(|scope| {
        loop {
            let (socket, peer) = match listener.accept() {
                Ok(accepted) => accepted,
                // It came and went.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => return error,
            };
            let place = places.take();
            let serve = move || {
                handle(socket, peer);
                drop(place);
            };
            if let Err(error) = thread::Builder::new().spawn_scoped(scope, serve) {
                log::warn!("{peer} is turned away, no thread for it: {error}");
            }
        }
    })
}

/// Returns all that comes (RFC 862), until the client has said that no more will. How much that was.
///
/// # Errors
/// What reading and writing return.
pub fn echo(socket: &mut impl Socket) -> io::Result<u64> {
    let mut back = socket.another()?;
    let octets = copy(socket, &mut back)?;
    socket.finish()?;
    Ok(octets)
}

/// Takes all that comes (RFC 863) into `sink`. How much that was.
///
/// # Errors
/// What reading and writing return.
pub fn discard(socket: &mut impl Socket, sink: &mut impl Write) -> io::Result<u64> {
    let octets = copy(socket, sink)?;
    socket.finish()?;
    Ok(octets)
}

/// Sends all that `source` has, by way of `pool`, and then the end; then waits for the client's end. How much that was.
///
/// # Errors
/// What reading and writing return: what the client has got is incomplete then, and it is not to take it for the whole.
pub fn supply(socket: &mut impl Socket, source: &mut impl Read, pool: &ChunkPool) -> io::Result<u64> {
    let chunks = iter::repeat_with(|| pool.fill(ChunkPool::CHUNK, |buffer| source.read(buffer)));
    let interrupted = |error: &io::Error| error.kind() == io::ErrorKind::Interrupted;
    let chunks = chunks.filter(|chunk| !chunk.as_ref().is_err_and(interrupted));
    supply_chunks(socket, chunks.take_while(|chunk| !chunk.as_ref().is_ok_and(Bytes::is_empty)))
}

/// As [`supply`], of what lies in memory already.
///
/// # Errors
/// What writing returns, and that of a chunk that isn't there.
pub fn supply_chunks(socket: &mut impl Socket, chunks: impl IntoIterator<Item = io::Result<Bytes>>) -> io::Result<u64> {
    let mut supplied = 0;
    for chunk in chunks {
        let chunk = chunk?;
        supplied += chunk.len() as u64;
        socket.hand_over(chunk)?;
    }
    part(socket)?;
    Ok(supplied)
}

/// Answers the HTTP requests of `client` from `files`.
///
/// # Errors
/// What reading and writing return.
pub fn http(socket: &mut impl Socket, files: &Files, client: SocketAddr) -> io::Result<()> {
    socket.set_patience(Some(PATIENCE))?;
    // The last part of a response would wait for the ACK of what came before it, and that for the client's next request.
    socket.send_at_once()?;
    http::serve_connection(socket, files, client)?;
    part(socket)
}

/// Closes our direction and takes in what still comes: a connection that is closed with octets unread is reset, and the
/// client may lose our last words over it.
fn part(socket: &mut impl Socket) -> io::Result<()> {
    socket.finish()?;
    let until = Instant::now() + LAST_WORDS;
    let mut buffer = vec![0; PIECE];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        socket.set_patience(Some(left))?;
        match socket.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// Copies until the end of `from`, and says how much that was. (`io::copy` moves 8 KiB at a time.)
///
/// # Errors
/// What reading and writing return.
pub fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<u64> {
    let mut buffer = vec![0; PIECE];
    let mut copied = 0;
    loop {
        let octets = match from.read(&mut buffer) {
            Ok(0) => return Ok(copied),
            Ok(octets) => octets,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        to.write_all(buffer.get(..octets).unwrap_or_default())?;
        copied += octets as u64;
    }
}

/// The lines of a character generator (RFC 864): 72 characters each, each line beginning one further, without end.
#[derive(Debug, Default)]
pub struct Characters {
    line: usize,
    column: usize,
}

impl Characters {
    /// The printable characters of ASCII, from the blank on.
    const FIRST: u8 = b' ';
    const COUNT: usize = 95;
    const WIDTH: usize = 72;

    fn next(&mut self) -> u8 {
        let column = self.column;
        self.column += 1;
        match column {
            Self::WIDTH => b'\r',
            column if column > Self::WIDTH => {
                self.column = 0;
                self.line = (self.line + 1) % Self::COUNT;
                b'\n'
            }
            column => {
                let place = (self.line + column) % Self::COUNT;
                Self::FIRST + u8::try_from(place).unwrap_or_default()
            }
        }
    }
}

impl Read for Characters {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        buffer.fill_with(|| self.next());
        Ok(buffer.len())
    }
}

#[cfg(test)]
mod tests;
