//! TIME-WAIT STATE: the peer's FIN may come again, a new SYN may reopen the pair of sockets (RFC 9293 section 3.10.7.4,
//! RFC 6191, RFC 1337).
//!
//! A small struct of its own: a busy server holds very many.

use core::time::Duration;

use sockeye_wire::tcp::{Flags, Options, Timestamps};
use sockeye_wire::{Instant, SeqNumber};

use crate::challenge::Challenge;
use crate::negotiated::timestamp;
use crate::{Header, Segment, Stop};

/// A connection in TIME-WAIT.
#[derive(Clone, Copy, Debug)]
pub struct TimeWait {
    pub(crate) snd_nxt: SeqNumber,
    /// The sequence number that follows the peer's FIN.
    pub(crate) rcv_nxt: SeqNumber,
    /// The window field of our last ACK.
    pub(crate) window: u16,
    /// The two sides use timestamps.
    pub(crate) timestamps: bool,
    pub(crate) ts_recent: u32,
    pub(crate) timestamp_offset: u32,
    pub(crate) challenge: Challenge,
    pub(crate) until: Instant,
    /// How long it lasts, in seconds.
    pub(crate) length: u8,
}

/// What becomes of a segment that arrives in TIME-WAIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing: the reason, and the ACK to send, if any.
    Drop(Stop, Option<Header>),
    /// The peer's FIN came again: this ACK is to be sent, and TIME-WAIT begins anew: the deadline has moved.
    Restarted(Header),
    //= rfc9293#SHLD-4
    //= rfc9293#MAY-2
    /// A SYN of a new connection between the same sockets: forget this one and treat the segment as in LISTEN. The new
    /// ISS is to lie beyond [`TimeWait::snd_nxt`].
    Reopen,
}

impl TimeWait {
    /// When TIME-WAIT is over.
    pub const fn until(&self) -> Instant {
        self.until
    }

    /// The sequence number beyond which a new connection between the same sockets is to start.
    pub const fn snd_nxt(&self) -> SeqNumber {
        self.snd_nxt
    }

    /// TIME-WAIT begins anew.
    pub fn restart(&mut self, now: Instant) {
        self.until = now + Duration::from_secs(self.length.into());
    }

    /// A segment arrives.
    pub fn on_segment(&mut self, now: Instant, segment: &Segment) -> Verdict {
        //= rfc1337#3-1
        if segment.flags.rst {
            return Verdict::Drop(Stop::ResetInTimeWait, None);
        }
        if segment.flags.syn && !segment.flags.ack {
            return self.on_syn(segment);
        }
        if let Some(timestamps) = segment.options.timestamps
            && self.timestamps
            && Timestamps::is_older(timestamps.value, self.ts_recent)
        {
            return Verdict::Drop(Stop::Paws, self.limited_ack(now));
        }
        //= rfc9293#3.10.7.4-16
        if segment.flags.fin && segment.end() == self.rcv_nxt {
            self.restart(now);
            return Verdict::Restarted(self.ack(now));
        }
        if !segment.is_empty() || segment.flags.syn {
            return Verdict::Drop(Stop::OldDuplicate, self.limited_ack(now));
        }
        Verdict::Drop(Stop::OldDuplicate, None)
    }

    /// May this SYN open a new connection (RFC 6191 section 2)? It is a listener's then, and nothing of the old one is left.
    //= rfc3168#6.1.1-11
    fn on_syn(self, syn: &Segment) -> Verdict {
        // RFC 6191 compares with the sequence number of the old FIN.
        let is_newer = syn.seq.at_or_after(self.rcv_nxt);
        let recent = self.timestamps.then_some(self.ts_recent);
        let accept = match (recent, syn.options.timestamps) {
            //= rfc6191#2-1
            //= rfc6191#2-2
            (Some(recent), Some(new)) => Timestamps::is_older(recent, new.value) || (recent == new.value && is_newer),
            //= rfc6191#2-5
            (None, Some(_)) => true,
            //= rfc6191#2-3
            //= rfc6191#2-6
            (_, None) => is_newer,
        };
        //= rfc6191#2-4
        if accept { Verdict::Reopen } else { Verdict::Drop(Stop::OldDuplicate, None) }
    }

    fn limited_ack(&mut self, now: Instant) -> Option<Header> {
        self.challenge.allow(now).then(|| self.ack(now))
    }

    /// `<SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>`.
    fn ack(&self, now: Instant) -> Header {
        let timestamps =
            self.timestamps.then(|| Timestamps { value: timestamp(now, self.timestamp_offset), echo: self.ts_recent });
        Header {
            seq: self.snd_nxt,
            ack: self.rcv_nxt,
            flags: Flags::ACK,
            window: self.window,
            urgent: 0,
            options: Options { timestamps, ..Options::NONE },
        }
    }
}

/// A busy server holds very many: see the module's page.
const _: () = assert!(size_of::<TimeWait>() <= 32);
