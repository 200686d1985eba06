//! What the handles of a stream share, and the calls that may block.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use smallvec::SmallVec;
use sockeye_tcb::{CallError, ClosedBecause, SoftError, State};
use sockeye_wire::Instant;

use super::Timeout;
use crate::chunk_pool::ChunkPool;
use crate::error;
use crate::shard::{Running, Shard, Sleeper, Until, Waiter, afterwards};
use crate::stack::{ConnectOptions, ConnectionId, Stack};

/// Octets that a thread writes before it looks what has arrived, unless it has to wait anyway.
const UNSEEING: usize = 4 * ChunkPool::CHUNK;

/// Chunks to take under the lock at a time.
const MOST_CHUNKS: usize = 64;

/// What follows a chunk that is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum More {
    /// Another chunk at once: a part of a segment waits for it.
    Follows,
    No,
}

/// What one read has taken, in order.
pub(super) type Chunks = SmallVec<[Bytes; 8]>;

/// What the handles of a stream share. The last one to go closes the connection.
pub(super) struct Connection {
    /// The host, which lives as long as this.
    _running: Arc<Running>,
    /// Where the connection is.
    pub(super) shard: Arc<Shard>,
    pub(super) id: ConnectionId,
    pub(super) local: SocketAddr,
    pub(super) peer: SocketAddr,
    pub(super) read_timeout: Timeout,
    pub(super) write_timeout: Timeout,
    pub(super) linger: Timeout,
    pub(super) nonblocking: AtomicBool,
    waiter: Arc<Waiter>,
    /// Octets written since a writer last looked what has arrived.
    unseen: AtomicUsize,
    /// The application has closed its reading direction: what is there can be read, nothing is waited for.
    read_is_shut: AtomicBool,
    /// The application knows why the connection is gone.
    told: AtomicBool,
}

impl Connection {
    pub(super) fn new(
        running: Arc<Running>,
        shard: Arc<Shard>,
        id: ConnectionId,
        local: SocketAddr,
        peer: SocketAddr,
        waiter: Arc<Waiter>,
    ) -> Self {
        Self {
            _running: running,
            shard,
            id,
            local,
            peer,
            read_timeout: Timeout::default(),
            write_timeout: Timeout::default(),
            linger: Timeout::default(),
            nonblocking: AtomicBool::new(false),
            waiter,
            unseen: AtomicUsize::new(0),
            read_is_shut: AtomicBool::new(false),
            told: AtomicBool::new(false),
        }
    }

    /// Opens a connection and waits until it is established.
    pub(super) fn open(
        running: Arc<Running>,
        remote: SocketAddr,
        options: &ConnectOptions,
        patience: Option<Duration>,
    ) -> io::Result<Self> {
        let shard = running.shard_towards(remote, options.local);
        let (id, local, waiter) = shard.call(|locked, now| {
            locked.check_alive()?;
            let id = locked.stack.connect(now, remote, options)?;
            let local = locked.stack.local_addr(id).ok_or(ErrorKind::AddrNotAvailable)?;
            io::Result::Ok((id, local, locked.waiters.add(id)))
        })?;
        let connection = Self::new(running, shard, id, local, remote, waiter);
        let opened = connection.wait_for(Until::Writable, patience, |stack, now| match stack.state(id) {
            Some(State::SynSent | State::SynReceived) => None,
            _ => Some(stack.send(now, id, &mut Bytes::new())),
        });
        match opened {
            Ok(Ok(_nothing)) => Ok(connection),
            Ok(Err(failed)) => Err(connection.error(failed)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                Err(io::Error::new(ErrorKind::TimedOut, "connection timed out"))
            }
            Err(error) => Err(error),
        }
    }

    /// Makes a call until it gives something, for as long as `patience` lasts.
    fn wait_for<R>(
        &self,
        until: Until,
        patience: Option<Duration>,
        call: impl FnMut(&mut Stack, Instant) -> Option<R>,
    ) -> io::Result<R> {
        let sleeper = Sleeper { id: self.id, waiter: &self.waiter, until, patience };
        self.shard.wait_for(sleeper, call)
    }

    /// How long to wait where `timeout` is set.
    fn patience(&self, timeout: &Timeout) -> Option<Duration> {
        if self.nonblocking.load(Ordering::Relaxed) { Some(Duration::ZERO) } else { timeout.get() }
    }

    /// Takes what is there to read, at most `max` octets; waits if nothing is. Empty at the end of the stream.
    pub(super) fn read(&self, max: usize) -> io::Result<Chunks> {
        self.read_by(|stack, now| self.take_some(stack, now, max))
    }

    /// The next octets as they came, in one piece; empty at the end of the stream.
    pub(super) fn read_chunk(&self, max: usize) -> io::Result<Bytes> {
        let taken = self.read_by(|stack, now| match stack.recv(now, self.id, max) {
            Ok(chunk) => Some(Ok(Chunks::from_iter([chunk]))),
            Err(error) => self.nothing_read(error),
        });
        Ok(taken?.pop().unwrap_or_default())
    }

    /// As [`Self::read`], and leaves it there.
    pub(super) fn peek(&self, max: usize) -> io::Result<Chunks> {
        self.read_by(|stack, _now| match stack.peek(self.id, max) {
            Ok(chunks) => Some(Ok(chunks.into_iter().collect())),
            Err(error) => self.nothing_read(error),
        })
    }

    /// Copies `chunks` into a caller's buffer, as far as it reaches.
    pub(super) fn copy_out(&self, chunks: &Chunks, buffer: &mut [u8]) -> usize {
        let mut left = buffer;
        let mut copied = 0;
        for chunk in chunks {
            let octets = chunk.len().min(left.len());
            let (here, rest) = left.split_at_mut(octets);
            here.copy_from_slice(&chunk[..octets]);
            copied += octets;
            left = rest;
        }
        self.shard.copied_out.fetch_add(copied as u64, Ordering::Relaxed);
        copied
    }

    fn read_by(
        &self,
        call: impl FnMut(&mut Stack, Instant) -> Option<Result<Chunks, CallError>>,
    ) -> io::Result<Chunks> {
        match self.wait_for(Until::Readable, self.patience(&self.read_timeout), call)? {
            Ok(chunks) => Ok(chunks),
            Err(CallError::EndOfStream) => Ok(Chunks::new()),
            // The kernel tells of a connection's death once; afterwards there is just nothing more to read.
            Err(CallError::Closed(_)) if self.told.load(Ordering::Relaxed) => Ok(Chunks::new()),
            Err(failed) => Err(self.error(failed)),
        }
    }

    fn take_some(&self, stack: &mut Stack, now: Instant, max: usize) -> Option<Result<Chunks, CallError>> {
        let mut chunks = Chunks::new();
        let mut left = max;
        while left > 0 && chunks.len() < MOST_CHUNKS {
            match stack.recv(now, self.id, left) {
                Ok(chunk) => {
                    left -= chunk.len().min(left);
                    chunks.push(chunk);
                }
                Err(_) if !chunks.is_empty() => break, // told again by the next read
                Err(error) => return self.nothing_read(error),
            }
        }
        Some(Ok(chunks))
    }

    fn nothing_read(&self, error: CallError) -> Option<Result<Chunks, CallError>> {
        match error {
            CallError::WouldBlock if !self.read_is_shut.load(Ordering::Relaxed) => None,
            CallError::WouldBlock => Some(Err(CallError::EndOfStream)),
            error => Some(Err(error)),
        }
    }

    /// Copies octets into chunks and hands them over: all of them unless the stream may not block, a timeout passes or
    /// the connection ends.
    pub(super) fn write(&self, buffers: &[io::IoSlice<'_>]) -> io::Result<usize> {
        let mut written = 0;
        let mut parts = buffers.iter().flat_map(|buffer| buffer.chunks(ChunkPool::CHUNK)).peekable();
        while let Some(part) = parts.next() {
            let mut chunk = self.shard.copies.copy(self.worth_copying(part));
            let copied = chunk.len();
            let more = if parts.peek().is_some() { More::Follows } else { More::No };
            let sent = self.send(&mut chunk, written == 0, more);
            written += copied - chunk.len();
            self.glance_after(copied - chunk.len());
            match sent {
                Ok(()) if copied == part.len() => {}
                Err(error) if written == 0 => return Err(error),
                _ => break,
            }
        }
        Ok(written)
    }

    /// As much of `part` as can be handed over; at least an octet, so that the stack says why not.
    fn worth_copying<'a>(&self, part: &'a [u8]) -> &'a [u8] {
        if !self.nonblocking.load(Ordering::Relaxed) {
            return part; // what doesn't go now goes later
        }
        let room = self.shard.call(|locked, _now| locked.stack.send_room(self.id));
        part.get(..room.max(1)).unwrap_or(part)
    }

    /// Hands over a chunk without copying it, leaving in it what was not taken.
    pub(super) fn write_chunk(&self, chunk: &mut Bytes) -> io::Result<()> {
        let mut lent = afterwards::lend(chunk);
        let sent = self.send(&mut lent, true, More::No);
        let taken = chunk.len() - lent.len();
        drop(chunk.split_to(taken));
        self.glance_after(taken);
        sent
    }

    /// Takes in what has arrived, now and then: who writes much will soon be asked for more.
    fn glance_after(&self, octets: usize) {
        if self.unseen.fetch_add(octets, Ordering::Relaxed) + octets >= UNSEEING {
            self.unseen.store(0, Ordering::Relaxed);
            self.shard.glance();
        }
    }

    /// Hands over a chunk, leaving in it what was not taken. If `tell`, an error is not only returned but holds as told.
    fn send(&self, chunk: &mut Bytes, tell: bool, more: More) -> io::Result<()> {
        let sent = self.wait_for(Until::Writable, self.patience(&self.write_timeout), |stack, now| {
            let sent = match more {
                More::Follows => stack.send_more(now, self.id, chunk),
                More::No => stack.send(now, self.id, chunk),
            };
            match sent {
                Ok(_) if chunk.is_empty() => Some(Ok(())),
                Ok(_) | Err(CallError::WouldBlock) => None,
                Err(error) => Some(Err(error)),
            }
        })?;
        match sent {
            Ok(()) => Ok(()),
            Err(CallError::Closed(_)) if !tell || self.told.load(Ordering::Relaxed) => Err(error::broken_pipe()),
            Err(failed) => Err(self.error(failed)),
        }
    }

    /// Hands over as much as there is room for, once there is some, and marks it urgent.
    pub(super) fn send_urgent(&self, buffer: &[u8]) -> io::Result<usize> {
        let mut chunk = self.shard.copies.copy(buffer.get(..ChunkPool::CHUNK).unwrap_or(buffer));
        let sent = self.wait_for(Until::Writable, self.patience(&self.write_timeout), |stack, now| {
            match stack.send_urgent(now, self.id, &mut chunk) {
                Err(CallError::WouldBlock) => None,
                sent => Some(sent),
            }
        })?;
        sent.map_err(|failed| self.error(failed))
    }

    /// The error for a call that failed; if that is the connection's end, the application is told by it.
    fn error(&self, failed: CallError) -> io::Error {
        match failed {
            CallError::Closed(because) => {
                self.told.store(true, Ordering::Relaxed);
                self.end_error(because)
            }
            other => error::call_failed(other),
        }
    }

    /// As the kernel does, a connection that timed out names the ICMP error that had come before.
    fn end_error(&self, because: ClosedBecause) -> io::Error {
        if matches!(because, ClosedBecause::HandshakeTimedOut | ClosedBecause::UserTimeout)
            && let Some(SoftError::Unreachable(what)) =
                self.shard.call(|locked, _now| locked.waiters.take_soft_error(self.id))
        {
            return error::soft(SoftError::Unreachable(what));
        }
        error::closed(because)
    }

    /// The error that waits to be told, if there is one.
    pub(super) fn take_error(&self) -> Option<io::Error> {
        let (ended, soft) =
            self.shard.call(|locked, _now| (locked.waiters.ended(self.id), locked.waiters.take_soft_error(self.id)));
        match ended {
            Some(because) if !because.is_clean() && !self.told.swap(true, Ordering::Relaxed) => {
                Some(error::closed(because))
            }
            _ => soft.map(error::soft),
        }
    }

    /// Nothing is waited for any more when reading.
    pub(super) fn shut_read(&self) {
        self.read_is_shut.store(true, Ordering::Relaxed);
        self.wake();
    }

    /// Our FIN follows what was written.
    pub(super) fn shut_write(&self) -> io::Result<()> {
        let shut = self.shard.call(|locked, now| locked.stack.shutdown(now, self.id));
        self.wake();
        match shut {
            Ok(()) | Err(CallError::Closing) => Ok(()),
            Err(_) => Err(ErrorKind::NotConnected.into()),
        }
    }

    /// The peer gets a RST, all handles an error.
    pub(super) fn abort(&self) {
        self.shard.call(|locked, now| locked.stack.abort(now, self.id));
    }

    /// Other threads may be blocked in a call on this stream: what they wait for has changed.
    fn wake(&self) {
        if let Some(wake_up) = self.shard.call(|locked, _now| locked.waiters.wake(self.id)) {
            wake_up.notify();
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let linger = self.linger.get();
        self.shard.call(|locked, now| {
            locked.waiters.remove(self.id);
            match linger {
                Some(Duration::ZERO) => locked.stack.abort(now, self.id),
                Some(linger) => {
                    locked.stack.configure(now, self.id, |config| config.user_timeout = Some(linger));
                }
                None => {}
            }
            locked.stack.close(now, self.id);
        });
    }
}
