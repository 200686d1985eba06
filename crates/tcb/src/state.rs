//! The eleven states and the arrows between them (RFC 9293 section 3.3.2, figure 5).

use core::fmt;

/// A state of a connection, named as RFC 9293 section 3.3.2 names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum State {
    /// No connection at all.
    #[default]
    Closed,
    /// Waiting for any peer.
    Listen,
    /// Our SYN is out.
    SynSent,
    /// Both SYNs have crossed; ours isn't acknowledged yet.
    SynReceived,
    /// Data flows both ways.
    Established,
    /// We closed; our FIN isn't acknowledged yet.
    FinWait1,
    /// Our FIN is acknowledged; the peer may still send.
    FinWait2,
    /// The peer closed; we may still send.
    CloseWait,
    /// Both closed at once; our FIN isn't acknowledged yet.
    Closing,
    /// Both closed, the peer first; our FIN isn't acknowledged yet.
    LastAck,
    /// Both closed, we first: old duplicates die out.
    TimeWait,
}

/// What moves a connection along an arrow of figure 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// OPEN by the application, active.
    ActiveOpen,
    /// OPEN by the application, passive.
    PassiveOpen,
    /// A SYN without an ACK of ours.
    PeerSyn,
    /// A SYN that acknowledges ours.
    PeerSynAck,
    /// Our SYN was acknowledged in SYN-RECEIVED.
    OurSynAcked,
    /// CLOSE by the application.
    UserClose,
    /// A FIN arrived, and all text before it.
    PeerFin,
    /// Our FIN was acknowledged.
    OurFinAcked,
    /// TIME-WAIT is over.
    TwoMslOver,
    /// Reset, aborted, timed out: whatever deletes the TCB at once.
    Deleted,
}

impl State {
    /// All of them, in the order of their life.
    pub const ALL: [Self; 11] = [
        Self::Closed,
        Self::Listen,
        Self::SynSent,
        Self::SynReceived,
        Self::Established,
        Self::FinWait1,
        Self::FinWait2,
        Self::CloseWait,
        Self::Closing,
        Self::LastAck,
        Self::TimeWait,
    ];

    /// The arrows of figure 5: where `cause` leads from here, or `None` if there is no such arrow.
    pub(crate) const fn after(self, cause: Cause) -> Option<Self> {
        use Cause::{
            ActiveOpen, Deleted, OurFinAcked, OurSynAcked, PassiveOpen, PeerFin, PeerSyn, PeerSynAck, TwoMslOver,
            UserClose,
        };
        Some(match (self, cause) {
            (Self::Closed, PassiveOpen) => Self::Listen,
            (Self::Closed | Self::Listen, ActiveOpen) => Self::SynSent,
            (Self::Listen | Self::SynSent, PeerSyn) => Self::SynReceived,
            (Self::SynSent, PeerSynAck) | (Self::SynReceived, OurSynAcked) => Self::Established,
            (Self::SynReceived | Self::Established, UserClose) => Self::FinWait1,
            (Self::SynReceived | Self::Established, PeerFin) => Self::CloseWait,
            (Self::FinWait1, OurFinAcked) => Self::FinWait2,
            (Self::FinWait1, PeerFin) => Self::Closing,
            (Self::FinWait2, PeerFin) | (Self::Closing, OurFinAcked) => Self::TimeWait,
            (Self::CloseWait, UserClose) => Self::LastAck,
            (Self::LastAck, OurFinAcked) | (Self::TimeWait, TwoMslOver) | (Self::Listen | Self::SynSent, UserClose) => {
                Self::Closed
            }
            (_, Deleted) => Self::Closed,
            _ => return None, // no arrow in the figure: nothing happens
        })
    }

    /// True from ESTABLISHED on: both ends have agreed on sequence numbers.
    pub const fn is_synchronized(self) -> bool {
        !matches!(self, Self::Closed | Self::Listen | Self::SynSent | Self::SynReceived)
    }

    /// True where text of the peer is still to come: ESTABLISHED, FIN-WAIT-1, FIN-WAIT-2.
    pub const fn receives_text(self) -> bool {
        matches!(self, Self::Established | Self::FinWait1 | Self::FinWait2)
    }

    /// True where the application may still hand over text: before its CLOSE.
    pub const fn takes_text(self) -> bool {
        matches!(self, Self::SynSent | Self::SynReceived | Self::Established | Self::CloseWait)
    }

    /// True once both ends have said that they are done: the peer's FIN has been seen.
    pub const fn peer_has_closed(self) -> bool {
        matches!(self, Self::CloseWait | Self::Closing | Self::LastAck | Self::TimeWait)
    }

    /// As RFC 9293 writes it, `ESTABLISHED`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "CLOSED",
            Self::Listen => "LISTEN",
            Self::SynSent => "SYN-SENT",
            Self::SynReceived => "SYN-RECEIVED",
            Self::Established => "ESTABLISHED",
            Self::FinWait1 => "FIN-WAIT-1",
            Self::FinWait2 => "FIN-WAIT-2",
            Self::CloseWait => "CLOSE-WAIT",
            Self::Closing => "CLOSING",
            Self::LastAck => "LAST-ACK",
            Self::TimeWait => "TIME-WAIT",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
