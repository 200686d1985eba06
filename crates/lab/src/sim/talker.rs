//! The applications that scenarios name, put together of three parts: how one writes, how one reads, how one ends.

use std::time::Duration;

use sockeye::State;
use sockeye_wire::Instant;

use super::application::{Application, Heard, Next, Socket};

/// How an application writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writes {
    /// Nothing, until the peer has closed its direction.
    Nothing,
    /// So many octets, as fast as they are taken; `None` without end.
    Bulk(Option<u64>),
    /// So many octets each time, and a pause between the times.
    Bursts { octets: u64, pause: Duration, times: u32 },
    /// A request, and the next one a while after its response is complete.
    Requests { request: u64, response: u64, think: Duration, times: u32 },
    /// A response to each request.
    Answers { request: u64, response: u64 },
    /// So many octets once the end of the peer's stream was read.
    AfterEnd(u64),
}

/// How an application reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    /// Whatever comes, when it comes.
    AtOnce,
    /// So many octets each time.
    Slowly { octets: usize, every: Duration },
}

/// How an application ends its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    /// It closes its direction when all is written, and lets go when the peer has closed the other.
    Closes,
    /// As [`Self::Closes`], not before so long after the start.
    Later(Duration),
    /// With a RST, once so many octets went either way.
    Aborts(u64),
}

/// A composed application.
#[derive(Clone, Debug)]
pub(crate) struct Talker {
    writes: Writes,
    reads: Reads,
    ends: Ends,
    /// Silence after which it aborts.
    patience: Option<Duration>,
    started: Option<Instant>,
    /// Octets that are to be written now.
    unwritten: u64,
    /// When the next burst, request or read is due.
    write_at: Instant,
    read_at: Instant,
    /// Bursts or requests begun.
    begun: u32,
    request_at: Option<Instant>,
    response_times: Vec<Duration>,
    shut: bool,
}

impl Talker {
    pub(crate) const fn new(writes: Writes, reads: Reads, ends: Ends) -> Self {
        Self {
            writes,
            reads,
            ends,
            patience: None,
            started: None,
            unwritten: 0,
            write_at: Instant::ZERO,
            read_at: Instant::ZERO,
            begun: 0,
            request_at: None,
            response_times: Vec::new(),
            shut: false,
        }
    }

    /// Aborts after so much silence, if it does.
    pub(crate) const fn patience(mut self, patience: Option<Duration>) -> Self {
        self.patience = patience;
        self
    }

    fn read(&mut self, socket: &mut Socket<'_>) -> Option<Heard> {
        match self.reads {
            Reads::AtOnce => loop {
                match socket.read(usize::MAX) {
                    Heard::Octets(_) => {}
                    Heard::Nothing => return None,
                    end => return Some(end),
                }
            },
            Reads::Slowly { octets, every } => {
                if socket.now() < self.read_at {
                    return None;
                }
                let mut left = octets;
                while left > 0 {
                    match socket.read(left) {
                        Heard::Octets(read) => {
                            left -= usize::try_from(read).unwrap_or(left).min(left);
                            self.read_at = socket.now() + every;
                        }
                        Heard::Nothing => break,
                        end => return Some(end),
                    }
                }
                None
            }
        }
    }

    /// Decides what is to be written, and hands over as much of it as is taken.
    fn write(&mut self, socket: &mut Socket<'_>) {
        self.plan(socket);
        self.unwritten -= socket.write(self.unwritten);
        if let Writes::Bursts { pause, .. } = self.writes
            && self.unwritten == 0
            && self.write_at <= socket.now()
        {
            self.write_at = socket.now() + pause;
        }
    }

    fn plan(&mut self, socket: &Socket<'_>) {
        let now = socket.now();
        match self.writes {
            Writes::Bulk(octets) => self.once(octets.unwrap_or(u64::MAX)),
            Writes::AfterEnd(octets) if socket.heard_end() => self.once(octets),
            Writes::Nothing | Writes::AfterEnd(_) => {}
            Writes::Bursts { octets, times, .. } => {
                if self.unwritten == 0 && self.begun < times && now >= self.write_at {
                    self.begun += 1;
                    self.unwritten = octets;
                }
            }
            Writes::Requests { request, response, think, times } => {
                if socket.read_so_far() < u64::from(self.begun).saturating_mul(response) {
                    return;
                }
                if let Some(at) = self.request_at.take() {
                    self.response_times.push(now.since(at));
                    self.write_at = now + think;
                }
                if self.begun < times && now >= self.write_at {
                    self.begun += 1;
                    self.request_at = Some(now);
                    self.unwritten = self.unwritten.saturating_add(request);
                }
            }
            Writes::Answers { request, response } => {
                let due = socket.read_so_far().checked_div(request).unwrap_or(0);
                let new = due.saturating_sub(u64::from(self.begun));
                self.begun = self.begun.saturating_add(u32::try_from(new).unwrap_or(u32::MAX));
                self.unwritten = self.unwritten.saturating_add(new.saturating_mul(response));
            }
        }
    }

    const fn once(&mut self, octets: u64) {
        if self.begun == 0 {
            self.begun = 1;
            self.unwritten = octets;
        }
    }

    /// All that it will ever write is handed over.
    fn has_written(&self, socket: &Socket<'_>) -> bool {
        self.unwritten == 0
            && match self.writes {
                Writes::Bulk(_) => self.begun > 0,
                Writes::Bursts { times, .. } => self.begun >= times,
                Writes::Requests { times, .. } => self.begun >= times && self.request_at.is_none(),
                Writes::Nothing | Writes::Answers { .. } => socket.heard_end(),
                Writes::AfterEnd(_) => socket.heard_end() && self.begun > 0,
            }
    }

    fn end(&mut self, socket: &mut Socket<'_>) -> bool {
        let started = *self.started.get_or_insert(socket.now());
        // Who closes before the handshake has no connection at all.
        if matches!(socket.state(), Some(State::Listen | State::SynSent | State::SynReceived)) {
            return false;
        }
        match self.ends {
            Ends::Aborts(after) if socket.wrote() + socket.read_so_far() >= after => {
                socket.abort();
                return true;
            }
            Ends::Later(wait) if socket.now() < started + wait => return false,
            Ends::Aborts(_) | Ends::Later(_) | Ends::Closes => {}
        }
        if !self.shut && self.has_written(socket) {
            socket.shutdown();
            self.shut = socket.ledger.closed;
        }
        // Who has read the end of the stream may hear only now that the connection is gone.
        socket.ledger.because.is_some() || self.shut && socket.heard_end()
    }

    fn next(&self, socket: &Socket<'_>) -> Next {
        let now = socket.now();
        let read = matches!(self.reads, Reads::Slowly { .. }).then_some(self.read_at);
        let write = (self.unwritten == 0).then_some(self.write_at);
        let end = match (self.ends, self.started) {
            (Ends::Later(wait), Some(started)) => Some(started + wait),
            _ => None,
        };
        let patience = self.patience.map(|patience| socket.moved_at() + patience);
        let wishes = [read, write, end, patience].into_iter().flatten();
        wishes.filter(|&at| at > now).min().map_or(Next::Wait, Next::At)
    }
}

impl Application for Talker {
    fn act(&mut self, socket: &mut Socket<'_>) -> Next {
        let heard = self.read(socket);
        if !matches!(heard, Some(Heard::Gone(_))) {
            self.write(socket);
        }
        // Who has read the end of the stream hears of what came after it when it writes.
        let gone = socket.ledger.because.is_some();
        let impatient = self.patience.is_some_and(|patience| socket.now() >= socket.moved_at() + patience);
        if impatient {
            socket.abort();
        }
        if gone || impatient || self.end(socket) {
            socket.close();
            return Next::Done;
        }
        self.next(socket)
    }

    fn response_times(&self) -> &[Duration] {
        &self.response_times
    }
}
