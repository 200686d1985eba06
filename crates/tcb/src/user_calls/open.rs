//! OPEN (RFC 9293 section 3.10.1).

use alloc::sync::Arc;

use sockeye_wire::{Instant, SeqNumber};

use crate::Config;
use crate::state::Cause;
use crate::tcb::Tcb;

impl Tcb {
    //= rfc9293#3.10.1-1
    /// Active OPEN: SYN-SENT; the SYN is what [`Self::poll_transmit`] gives first.
    ///
    /// `iss` is to be unpredictable and to grow with time (RFC 6528), `timestamp_offset` to differ from peer to peer
    /// (RFC 7323 section 5.4).
    pub fn connect(config: Arc<Config>, iss: SeqNumber, timestamp_offset: u32, now: Instant) -> Self {
        let mut tcb = Self::new(config, iss, timestamp_offset, now);
        tcb.go(Cause::ActiveOpen);
        tcb.pending.syn = true;
        tcb.arm_syn(now);
        tcb
    }

    /// Passive OPEN of a connection that stands alone: LISTEN, for one peer. Where many are to be served, a table of
    /// [`crate::HalfOpen`] and [`Self::from_half_open`] take its place.
    pub fn listen(config: Arc<Config>, iss: SeqNumber, timestamp_offset: u32, now: Instant) -> Self {
        let mut tcb = Self::new(config, iss, timestamp_offset, now);
        tcb.go(Cause::PassiveOpen);
        tcb
    }
}
