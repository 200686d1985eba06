//! What a connection has to tell its owner.

/// Something that the application may want to act on. Each is told once; several of a kind in a row are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The handshake is complete: the connection is ESTABLISHED.
    Established,
    /// There is more to read, or the peer has closed its direction.
    Readable,
    /// There is room to send again after there was none.
    Writable,
    //= rfc9293#MUST-32
    /// An urgent pointer arrived where none was pending, or the pending one advanced (RFC 9293 section 3.8.5).
    Urgent,
    //= rfc9293#MUST-47
    /// Something is wrong that may pass (RFC 9293 section 3.9.1.8); the connection goes on.
    SoftError(SoftError),
    /// The connection is gone; nothing follows.
    Closed(ClosedBecause),
}

/// A trouble that may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SoftError {
    /// R1 retransmissions of one segment went unanswered (RFC 9293 section 3.8.3): the path may be bad.
    ExcessiveRetransmission,
    /// An ICMP error arrived that isn't a verdict (RFC 9293 section 3.9.2.2).
    Unreachable(Unreachable),
}

/// What an ICMP error said about the way to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unreachable {
    /// No route to the network.
    Network,
    /// No way to the host.
    Host,
    /// The host doesn't speak TCP.
    Protocol,
    /// The host doesn't listen on the port.
    Port,
    /// Somebody forbids it.
    Prohibited,
    /// The hop limit was used up on the way, or reassembly took too long.
    TimeExceeded,
    /// Somebody on the way couldn't read the header.
    ParameterProblem,
}

/// Why a connection is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClosedBecause {
    /// Both ends closed and all was acknowledged.
    Finished,
    /// The application closed before there was a connection.
    ClosedBeforeOpen,
    /// The application aborted.
    Aborted,
    /// The peer answered our SYN with a RST.
    Refused,
    /// The peer reset the connection.
    ResetByPeer,
    /// Nobody answered our SYN in time, the SYN retransmitted by RFC 9293 section 3.8.3.
    HandshakeTimedOut,
    /// Data went unacknowledged for longer than the user timeout, R2.
    UserTimeout,
    /// No keep-alive probe was answered.
    KeepAliveTimedOut,
    /// The peer never closed its direction after the application had closed both of ours.
    OrphanTimedOut,
    /// A hard ICMP error answered our SYN.
    Unreachable(Unreachable),
}

impl ClosedBecause {
    /// True if the peer ended the connection with a FIN rather than a RST or silence.
    //= rfc9293#MUST-12
    pub const fn is_clean(self) -> bool {
        matches!(self, Self::Finished)
    }
}

/// What [`crate::Tcb::poll_event`] has yet to tell.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    pub(crate) established: bool,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    pub(crate) urgent: bool,
    pub(crate) soft_error: Option<SoftError>,
    pub(crate) closed: bool,
}

impl Notices {
    /// True if there is anything to tell.
    pub(crate) const fn any(&self) -> bool {
        let Self { established, readable, writable, urgent, soft_error, closed } = self;
        *established || *readable || *writable || *urgent || soft_error.is_some() || *closed
    }

    /// The next event, in the order in which an application expects them.
    pub(crate) fn take(&mut self, because: Option<ClosedBecause>) -> Option<Event> {
        if core::mem::take(&mut self.established) {
            return Some(Event::Established);
        }
        if core::mem::take(&mut self.urgent) {
            return Some(Event::Urgent);
        }
        if core::mem::take(&mut self.readable) {
            return Some(Event::Readable);
        }
        if core::mem::take(&mut self.writable) {
            return Some(Event::Writable);
        }
        if let Some(soft_error) = self.soft_error.take() {
            return Some(Event::SoftError(soft_error));
        }
        core::mem::take(&mut self.closed).then_some(because).flatten().map(Event::Closed)
    }
}
