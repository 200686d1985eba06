//! RECEIVE (RFC 9293 section 3.10.3).

use bytes::Bytes;
use sockeye_wire::Instant;

use super::CallError;
use crate::tcb::Tcb;
use crate::{Slices, State};

impl Tcb {
    //= rfc9293#3.10.3-1
    /// The next octets in order, at most `max`, shared with the packet that brought them. The window opens by what is
    /// taken: ask [`Self::poll_transmit`] afterwards.
    ///
    /// # Errors
    /// [`CallError::WouldBlock`] if there is nothing yet; [`CallError::EndOfStream`] once the peer has closed its
    /// direction and all was read; [`CallError::NotConnected`] in CLOSED and LISTEN; [`CallError::Closed`] if the
    /// connection ended in any other way.
    pub fn recv(&mut self, _now: Instant, max: usize) -> Result<Bytes, CallError> {
        if max == 0 {
            return Ok(Bytes::new());
        }
        self.recv.read(max).ok_or_else(|| self.nothing_to_read())
    }

    /// The next octets in order, at most `max`, which stay to be received.
    ///
    /// # Errors
    /// Those of [`Self::recv`].
    pub fn peek(&mut self, max: usize) -> Result<Slices, CallError> {
        if max > 0 && self.recv.queued() == 0 {
            return Err(self.nothing_to_read());
        }
        Ok(self.recv.peek(max))
    }

    /// Why there is nothing to read.
    fn nothing_to_read(&self) -> CallError {
        if self.recv.is_finished() {
            return CallError::EndOfStream;
        }
        match (self.closed_because, self.state) {
            (Some(because), _) => CallError::Closed(because),
            (None, State::Closed | State::Listen) => CallError::NotConnected,
            (None, _) => CallError::WouldBlock,
        }
    }

    /// Octets that wait to be read.
    pub fn recv_queued(&self) -> usize {
        self.recv.queued() as usize
    }

    /// Octets to read until the end of urgent text, received or not; `None` if none is pending (RFC 9293 section 3.8.5).
    //= rfc9293#MUST-33
    pub fn urgent_left(&self) -> Option<u32> {
        self.recv.urgent_left()
    }
}
