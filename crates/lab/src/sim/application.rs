//! Applications as small state machines: what they do whenever they are given the processor.

use std::time::Duration;

use sockeye::{ClosedBecause, State, TcpInfo};
use sockeye_tcb::CallError;
use sockeye_wire::Instant;

use super::machine::{Calls, Handle};
use super::payload::Payload;

/// Which end of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// The one that connects.
    Client = 0,
    /// The one that listens.
    Server = 1,
}

impl Role {
    pub(super) const BOTH: [Self; 2] = [Self::Client, Self::Server];

    pub(super) const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// When an application wants the processor again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// When something happens to its connection.
    Wait,
    /// Then, or when something happens.
    At(Instant),
    /// Never: it is done with its connection.
    Done,
}

/// One end of a flow. Closures are applications too.
pub trait Application: Send {
    /// Does what can be done now.
    fn act(&mut self, socket: &mut Socket<'_>) -> Next;

    /// Times from a request to the end of its response, for those that measure them.
    fn response_times(&self) -> &[Duration] {
        &[]
    }
}

impl<F: FnMut(&mut Socket<'_>) -> Next + Send> Application for F {
    fn act(&mut self, socket: &mut Socket<'_>) -> Next {
        self(socket)
    }
}

/// What a read gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// So many octets, each the one that was due.
    Octets(u64),
    /// Nothing yet.
    Nothing,
    /// The peer has closed its direction.
    End,
    /// The connection is gone.
    Gone(ClosedBecause),
}

/// How one end of a flow stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    /// Octets handed over.
    pub(crate) wrote: u64,
    /// Octets read.
    pub(crate) read: u64,
    /// The end of the peer's stream was read.
    pub(crate) heard_end: bool,
    /// Its direction was closed.
    pub(crate) closed: bool,
    /// Why the connection is gone, if that was told.
    pub(crate) because: Option<ClosedBecause>,
    /// What was read that was not due.
    pub(crate) damage: Option<String>,
    /// When octets were last read or taken.
    pub(crate) moved_at: Instant,
    /// What the connection told when it was let go.
    pub(crate) told: Option<TcpInfo>,
}

impl Ledger {
    /// The end of the peer's stream came before all that it wrote.
    pub(super) const fn was_cut(&self, peer: &Self) -> bool {
        self.heard_end && self.read != peer.wrote
    }

    /// The connection is gone because the peer was silent for so long.
    pub(super) const fn gave_up(&self) -> bool {
        use ClosedBecause::{HandshakeTimedOut, KeepAliveTimedOut, UserTimeout};
        matches!(self.because, Some(HandshakeTimedOut | UserTimeout | KeepAliveTimedOut))
    }
}

/// An application's hold on its connection. What it writes is drawn from a stream of its own; what it reads is compared,
/// octet by octet, with what the peer wrote.
#[derive(Debug)]
pub struct Socket<'a> {
    pub(crate) now: Instant,
    pub(crate) machine: &'a mut dyn Calls,
    pub(crate) handle: Handle,
    pub(crate) ledger: &'a mut Ledger,
    pub(crate) payload: &'a Payload,
    /// Which stream it writes, and which it reads.
    pub(crate) streams: (u64, u64),
}

impl Socket<'_> {
    /// The time that the host's clock shows.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Octets handed over so far.
    pub const fn wrote(&self) -> u64 {
        self.ledger.wrote
    }

    /// Octets read so far.
    pub const fn read_so_far(&self) -> u64 {
        self.ledger.read
    }

    /// True once the end of the peer's stream was read.
    pub const fn heard_end(&self) -> bool {
        self.ledger.heard_end
    }

    /// When octets were last read or handed over.
    pub const fn moved_at(&self) -> Instant {
        self.ledger.moved_at
    }

    /// All there is to tell of the connection; `None` once it is closed.
    pub fn info(&self) -> Option<TcpInfo> {
        self.machine.info(self.now, self.handle)
    }

    /// The connection's state; `None` once it is closed, or where nobody tells.
    pub fn state(&self) -> Option<State> {
        self.machine.state(self.handle)
    }

    /// Hands over at most `max` octets, and says how many were taken.
    pub fn write(&mut self, max: u64) -> u64 {
        let mut left = max;
        while left > 0 {
            // Only as much as there is room for is cut out: a slice that waits here would be held for nothing.
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(self.machine.send_room(self.handle).max(1));
            let mut text = self.payload.slice(self.streams.0, self.ledger.wrote, most);
            match self.machine.send(self.now, self.handle, &mut text) {
                Ok(taken) if taken > 0 => {
                    self.ledger.wrote += taken as u64;
                    left -= taken as u64;
                }
                Err(CallError::Closed(because)) => {
                    self.ledger.because = Some(because);
                    break;
                }
                _ => break,
            }
        }
        if left < max {
            self.ledger.moved_at = self.now;
        }
        max - left
    }

    /// Reads at most `max` octets.
    pub fn read(&mut self, max: usize) -> Heard {
        // Most applications read until nothing is left: asking costs a fifth of reading in vain.
        if !self.machine.may_read(self.handle) {
            return Heard::Nothing;
        }
        match self.machine.recv(self.now, self.handle, max) {
            Ok(text) => {
                if self.ledger.damage.is_none()
                    && let Some(at) = self.payload.difference(self.streams.1, self.ledger.read, &text)
                {
                    self.ledger.damage = Some(format!("octet {at} isn't the one that was sent"));
                }
                self.ledger.read += text.len() as u64;
                self.ledger.moved_at = self.now;
                Heard::Octets(text.len() as u64)
            }
            Err(CallError::EndOfStream) => {
                self.ledger.heard_end = true;
                Heard::End
            }
            Err(CallError::Closed(because)) => {
                self.ledger.because = Some(because);
                Heard::Gone(because)
            }
            Err(CallError::WouldBlock | CallError::Closing | CallError::NotConnected) => Heard::Nothing,
        }
    }

    /// Closes its direction: the FIN follows all that was handed over.
    pub fn shutdown(&mut self) {
        match self.machine.shutdown(self.now, self.handle) {
            Ok(()) => self.ledger.closed = true,
            Err(CallError::Closed(because)) => self.ledger.because = Some(because),
            // That there is no connection yet, or that it is closed already, changes nothing.
            Err(_) => {}
        }
    }

    /// Lets go of the connection.
    pub fn close(&mut self) {
        self.note_told();
        self.machine.close(self.now, self.handle);
    }

    /// Ends the connection at once with a RST.
    pub fn abort(&mut self) {
        self.note_told();
        self.ledger.because.get_or_insert(ClosedBecause::Aborted);
        self.machine.abort(self.now, self.handle);
    }

    /// Keeps what the connection tells before there is nobody left to ask.
    fn note_told(&mut self) {
        self.ledger.told = self.info().or(self.ledger.told);
    }
}
