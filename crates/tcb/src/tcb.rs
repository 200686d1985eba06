//! The transmission control block: one connection, all of it (RFC 9293 section 3.3.1).

use alloc::sync::Arc;

use bytes::Bytes;
use sockeye_wire::{Instant, SeqNumber};

use crate::user_calls::CallError;
use crate::{Config, Event, HalfOpen, Segment, State, Stop, TcpInfo, TimeWait, Transmit, Unreachable};

/// A connection.
#[derive(Debug)]
pub struct Tcb {
    _later: (),
}

impl Tcb {
    /// Active OPEN: SYN-SENT; the SYN is what [`Self::poll_transmit`] gives first. `iss` by RFC 6528, `timestamp_offset` by RFC 7323 5.4.
    pub fn connect(_config: Arc<Config>, _iss: SeqNumber, _timestamp_offset: u32, _now: Instant) -> Self {
        todo!()
    }
    /// Passive OPEN of a bare Tcb: LISTEN, for one peer. (The stack doesn't use it: its listeners call `listen::arrives`.)
    pub fn listen(_config: Arc<Config>, _iss: SeqNumber, _timestamp_offset: u32) -> Self {
        todo!()
    }
    /// The ACK of our SYN-ACK has arrived (`half_open::Verdict::Established`): ESTABLISHED. Give the same segment to `on_segment` next.
    pub fn from_half_open(_config: Arc<Config>, _half_open: &HalfOpen, _now: Instant) -> Self {
        todo!()
    }
    /// In TIME-WAIT with nothing left to read or send: the small struct that can stand for the connection.
    pub fn time_wait(&self) -> Option<TimeWait> {
        todo!()
    }
    /// A segment arrives.
    pub fn on_segment(&mut self, _now: Instant, _segment: Segment) -> Result<(), Stop> {
        todo!()
    }
    /// The deadline passed.
    pub fn on_timeout(&mut self, _now: Instant) {
        todo!()
    }
    /// What to put on the wire now, until None. `limit`: octets of text that one Transmit may carry if it exceeds a segment (0: one segment at a time).
    pub fn poll_transmit(&mut self, _now: Instant, _limit: u32) -> Option<Transmit> {
        todo!()
    }
    /// Next deadline.
    pub fn next_timeout(&self) -> Option<Instant> {
        todo!()
    }
    /// Next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        todo!()
    }
    /// SEND: takes as much of `chunk` from its front as there is room for (split off), and says how much; `push` is implied.
    pub fn send(&mut self, _now: Instant, _chunk: &mut Bytes) -> Result<usize, CallError> {
        todo!()
    }
    /// Octets that `send` would take now.
    pub fn send_room(&self) -> usize {
        todo!()
    }
    /// RECEIVE: the next octets in order, shared, at most `max`.
    pub fn recv(&mut self, _now: Instant, _max: usize) -> Result<Bytes, CallError> {
        todo!()
    }
    /// Octets that wait to be read.
    pub fn recv_queued(&self) -> usize {
        todo!()
    }
    /// CLOSE of our direction (half-close): FIN after all that was sent.
    pub fn shutdown(&mut self, _now: Instant) -> Result<(), CallError> {
        todo!()
    }
    /// The application lets go of both directions: FIN after all that was sent; RST if there is unread data or if more arrives.
    pub fn close(&mut self, _now: Instant) {
        todo!()
    }
    /// ABORT: RST.
    pub fn abort(&mut self, _now: Instant) {
        todo!()
    }
    /// An ICMP error about a segment of ours; `seq` is the quoted sequence number (checked: RFC 5927).
    pub fn on_unreachable(&mut self, _now: Instant, _seq: SeqNumber, _what: Unreachable) -> Result<(), Stop> {
        todo!()
    }
    /// The path takes packets with at most `mss` octets of TCP text+options after fixed headers; `seq` as quoted.
    pub fn on_packet_too_big(&mut self, _now: Instant, _seq: SeqNumber, _mss: u16) -> Result<(), Stop> {
        todo!()
    }
    /// STATUS.
    pub fn state(&self) -> State {
        todo!()
    }
    /// STATUS, all of it.
    pub fn info(&self) -> TcpInfo {
        todo!()
    }
    /// The settings.
    pub fn config(&self) -> &Config {
        todo!()
    }
    /// Changes the settings: nodelay, cork, delayed_ack, keep_alive, user_timeout, r1, report_soft_errors take effect at once; those that the SYN carried don't.
    pub fn configure(&mut self, _now: Instant, _change: impl FnOnce(&mut Config)) {
        todo!()
    }
}
