//! Where and why a segment's way through section 3.10.7 ended before its last step.

/// Why nothing more of a segment was processed. The name is also that of the counter and of the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stop {
    /// Nobody is there: the segment got a RST, unless it was one.
    NoConnection,
    /// LISTEN: a RST is ignored.
    ResetInListen,
    /// LISTEN: an ACK of nothing was answered with a RST.
    AckInListen,
    /// LISTEN: neither RST, ACK nor SYN.
    NotASyn,
    /// SYN-SENT, SYN-RECEIVED: an ACK of what was never sent was answered with a RST.
    AckOutsideHandshake,
    /// SYN-SENT: a RST that doesn't acknowledge our SYN.
    ResetWithoutAck,
    /// SYN-SENT: neither SYN nor RST.
    NothingForSynSent,
    /// SYN-RECEIVED: our SYN-ACK was lost, the peer's SYN came again.
    DuplicateSyn,
    /// SYN-RECEIVED from LISTEN: a new SYN in the window returned it there.
    SynReturnsToListen,
    /// The timestamp is older than the last one (PAWS, RFC 7323 section 5.3).
    Paws,
    /// Outside the receive window.
    OutsideWindow,
    /// A RST outside the window.
    ResetOutsideWindow,
    /// A RST that ended the connection.
    Reset,
    /// A RST in the window but not at its left edge: challenged (RFC 5961 section 3).
    InexactReset,
    /// A SYN in a synchronised state: challenged (RFC 5961 section 4).
    SynOnConnection,
    /// No ACK bit where one must be.
    NoAck,
    /// An ACK older than the largest window that the peer ever offered (RFC 5961 section 5).
    AckTooOld,
    /// An ACK of what was not sent yet.
    AckOfUnsent,
    /// TIME-WAIT: a RST is ignored (RFC 1337).
    ResetInTimeWait,
    /// TIME-WAIT: nothing that needs an answer.
    OldDuplicate,
    /// Text or FIN after the peer's FIN.
    AfterFin,
    /// Text that came after the application had closed both directions: answered with a RST.
    TextAfterClose,
    /// More holes than are kept: the text is dropped, the peer sends it again.
    TooManyHoles,
}

impl Stop {
    /// All reasons, for whoever counts them.
    pub const ALL: [Self; 23] = [
        Self::NoConnection,
        Self::ResetInListen,
        Self::AckInListen,
        Self::NotASyn,
        Self::AckOutsideHandshake,
        Self::ResetWithoutAck,
        Self::NothingForSynSent,
        Self::DuplicateSyn,
        Self::SynReturnsToListen,
        Self::Paws,
        Self::OutsideWindow,
        Self::ResetOutsideWindow,
        Self::Reset,
        Self::InexactReset,
        Self::SynOnConnection,
        Self::NoAck,
        Self::AckTooOld,
        Self::AckOfUnsent,
        Self::ResetInTimeWait,
        Self::OldDuplicate,
        Self::AfterFin,
        Self::TextAfterClose,
        Self::TooManyHoles,
    ];

    /// A stable name for counters.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoConnection => "no_connection",
            Self::ResetInListen => "reset_in_listen",
            Self::AckInListen => "ack_in_listen",
            Self::NotASyn => "not_a_syn",
            Self::AckOutsideHandshake => "ack_outside_handshake",
            Self::ResetWithoutAck => "reset_without_ack",
            Self::NothingForSynSent => "nothing_for_syn_sent",
            Self::DuplicateSyn => "duplicate_syn",
            Self::SynReturnsToListen => "syn_returns_to_listen",
            Self::Paws => "paws",
            Self::OutsideWindow => "outside_window",
            Self::ResetOutsideWindow => "reset_outside_window",
            Self::Reset => "reset",
            Self::InexactReset => "inexact_reset",
            Self::SynOnConnection => "syn_on_connection",
            Self::NoAck => "no_ack",
            Self::AckTooOld => "ack_too_old",
            Self::AckOfUnsent => "ack_of_unsent",
            Self::ResetInTimeWait => "reset_in_time_wait",
            Self::OldDuplicate => "old_duplicate",
            Self::AfterFin => "after_fin",
            Self::TextAfterClose => "text_after_close",
            Self::TooManyHoles => "too_many_holes",
        }
    }
}
