//! SEND (RFC 9293 section 3.10.2).

use bytes::Bytes;
use sockeye_wire::Instant;

use super::CallError;
use crate::State;
use crate::tcb::Tcb;

impl Tcb {
    //= rfc9293#3.10.2-1
    /// Hands over text: takes as much of `chunk` off its front as there is room for, and says how many octets. Text is
    /// pushed: it leaves as soon as windows and Nagle allow.
    ///
    /// # Errors
    /// [`CallError::WouldBlock`] if there is no room: [`crate::Event::Writable`] tells when there is.
    /// [`CallError::Closing`] after [`Self::shutdown`] or [`Self::close`]; [`CallError::NotConnected`] in LISTEN and in
    /// CLOSED before an OPEN; [`CallError::Closed`] once the connection is gone.
    pub fn send(&mut self, _now: Instant, chunk: &mut Bytes) -> Result<usize, CallError> {
        self.may_send()?;
        let taken = chunk.len().min(self.send_room());
        if taken < chunk.len() {
            self.writer_waits = true;
        }
        if taken == 0 && !chunk.is_empty() {
            return Err(CallError::WouldBlock);
        }
        self.pending.more_follows = false;
        self.copied = self.copied.saturating_add(self.send.push(chunk.split_to(taken)));
        Ok(taken)
    }

    /// As [`Self::send`], and more follows at once: what doesn't fill a segment waits for it, for 200 ms at most (`MSG_MORE`
    /// of Linux).
    ///
    /// # Errors
    /// Those of [`Self::send`].
    pub fn send_more(&mut self, now: Instant, chunk: &mut Bytes) -> Result<usize, CallError> {
        let taken = self.send(now, chunk)?;
        self.pending.more_follows = true;
        Ok(taken)
    }

    /// As [`Self::send`], and the text is urgent up to its end (RFC 9293 section 3.8.5). New applications do better
    /// without it (RFC 6093): middleboxes clear the urgent pointer.
    ///
    /// # Errors
    /// Those of [`Self::send`].
    //= rfc9293#MUST-30
    //= rfc9293#MUST-31
    //= rfc9293#SHLD-13
    pub fn send_urgent(&mut self, now: Instant, chunk: &mut Bytes) -> Result<usize, CallError> {
        let taken = self.send(now, chunk)?;
        self.send.mark_urgent();
        Ok(taken)
    }

    fn may_send(&self) -> Result<(), CallError> {
        match (self.closed_because, self.state) {
            (_, State::FinWait1 | State::FinWait2 | State::Closing | State::LastAck | State::TimeWait) => {
                Err(CallError::Closing)
            }
            (Some(because), _) => Err(CallError::Closed(because)),
            (None, State::Closed | State::Listen) => Err(CallError::NotConnected),
            // CLOSE in SYN-RECEIVED: the FIN waits for the handshake.
            (None, State::SynReceived) if self.send.fin_is_next() => Err(CallError::Closing),
            (None, State::SynSent | State::SynReceived | State::Established | State::CloseWait) => Ok(()),
        }
    }

    /// Octets that [`Self::send`] would take now.
    pub fn send_room(&self) -> usize {
        if self.send.unsent() >= self.config.unsent_limit {
            return 0;
        }
        self.send_buffer().saturating_sub(self.send.queued()) as usize
    }
}
