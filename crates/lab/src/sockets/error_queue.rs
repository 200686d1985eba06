//! A socket's error queue: which octets that weren't copied are free, and when what was written left and arrived.
//!
//! Whoever sends with `MSG_ZEROCOPY` learns of each call when all its octets were acknowledged; calls in a row are one report.
//! Whoever asks for timestamps (`SO_TIMESTAMPING`) learns of the last octet of each call when it first left and when it was
//! acknowledged. A stack in virtual time has no queue before its device: both kinds of leaving are at the same time.

use std::collections::VecDeque;

use libc::c_int;
use sockeye_wire::Instant;

use super::linux::{
    SCM_TSTAMP_ACK, SCM_TSTAMP_SCHED, SCM_TSTAMP_SND, SO_EE_ORIGIN_TIMESTAMPING, SO_EE_ORIGIN_ZEROCOPY,
    SOF_TIMESTAMPING_OPT_CMSG, SOF_TIMESTAMPING_OPT_ID, SOF_TIMESTAMPING_OPT_TSONLY, SOF_TIMESTAMPING_SOFTWARE,
    SOF_TIMESTAMPING_TX_ACK, SOF_TIMESTAMPING_TX_SCHED, SOF_TIMESTAMPING_TX_SOFTWARE,
};

/// Bits of `SO_TIMESTAMPING` that this stack can do.
const KNOWN: c_int = SOF_TIMESTAMPING_SOFTWARE
    | SOF_TIMESTAMPING_TX_SOFTWARE
    | SOF_TIMESTAMPING_TX_SCHED
    | SOF_TIMESTAMPING_TX_ACK
    | SOF_TIMESTAMPING_OPT_ID
    | SOF_TIMESTAMPING_OPT_CMSG
    | SOF_TIMESTAMPING_OPT_TSONLY;

/// `struct sock_extended_err` (`linux/errqueue.h`); its `ee_type` and `ee_code` are 0 here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtendedError {
    /// `ee_errno`.
    pub errno: c_int,
    /// `ee_origin`.
    pub origin: u8,
    /// `ee_info`: the first call that is told of, or what a timestamp is of.
    pub info: u32,
    /// `ee_data`: the last call, or the octet.
    pub data: u32,
}

impl ExtendedError {
    /// Octets of the structure.
    const LEN: usize = 16;

    /// As Linux has it in memory.
    fn to_bytes(self) -> Vec<u8> {
        let mut bytes = self.errno.cast_unsigned().to_ne_bytes().to_vec();
        bytes.extend([self.origin, 0, 0, 0]);
        bytes.extend([self.info, self.data].map(u32::to_ne_bytes).concat());
        debug_assert_eq!(bytes.len(), Self::LEN, "as linux/errqueue.h");
        bytes
    }
}

/// A control message of `recvmsg()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// `TCP_CM_INQ`: octets that wait to be read after this call, and one for the end of the stream.
    Unread(c_int),
    /// `SCM_TIMESTAMPING`: when it happened.
    Stamp(Instant),
    /// `IP_RECVERR` or `IPV6_RECVERR`: what happened.
    Error(ExtendedError),
}

impl Control {
    /// `cmsg_level` and `cmsg_type`, for a socket of IPv4 or IPv6.
    pub const fn kind(self, is_v6: bool) -> (c_int, c_int) {
        match self {
            Self::Unread(_) => (libc::SOL_TCP, libc::TCP_CM_INQ),
            Self::Stamp(_) => (libc::SOL_SOCKET, super::linux::SCM_TIMESTAMPING),
            Self::Error(_) if is_v6 => (libc::SOL_IPV6, libc::IPV6_RECVERR),
            Self::Error(_) => (libc::SOL_IP, libc::IP_RECVERR),
        }
    }

    /// The data as Linux has it in memory. The address that Linux lays behind an error is left out: nobody sent it.
    pub fn to_bytes(self) -> Vec<u8> {
        match self {
            Self::Unread(octets) => octets.to_ne_bytes().to_vec(),
            // Three times: that by software, one that there isn't any more, that by hardware.
            Self::Stamp(at) => {
                let nanos = at.as_nanos();
                [nanos / 1_000_000_000, nanos % 1_000_000_000, 0, 0, 0, 0].map(u64::to_ne_bytes).concat()
            }
            Self::Error(error) => error.to_bytes(),
        }
    }
}

/// What one `recvmsg()` with `MSG_ERRQUEUE` gets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Report {
    pub(super) stamp: Option<Instant>,
    pub(super) error: ExtendedError,
    /// Linux gives the packet with it that the timestamp is of.
    pub(super) has_packet: bool,
}

/// An octet of the stream, and what is to be told of it.
#[derive(Clone, Copy, Debug)]
struct Watched {
    octet: u64,
    /// Bits of `SO_TIMESTAMPING`.
    flags: c_int,
    key: u32,
    is_sent: bool,
}

/// The queue, and what is to be told there.
#[derive(Debug, Default)]
pub(super) struct ErrorQueue {
    reports: VecDeque<Report>,
    /// Octets written so far.
    written: u64,
    /// Octets that the call under way has written.
    in_call: u64,
    /// Calls with `MSG_ZEROCOPY`, by one past their last octet; the oldest has the number `copies_told`.
    copies: VecDeque<u64>,
    copies_told: u32,
    stamps: VecDeque<Watched>,
    /// `SO_TIMESTAMPING`, and the octet that its keys are counted from.
    flags: c_int,
    first: u64,
}

impl ErrorQueue {
    pub(super) fn is_empty(&self) -> bool {
        self.reports.is_empty()
    }

    /// Something is still to be told of what was written.
    pub(super) fn is_waiting(&self) -> bool {
        !(self.copies.is_empty() && self.stamps.is_empty())
    }

    pub(super) fn take(&mut self) -> Option<Report> {
        self.reports.pop_front()
    }

    /// What `SO_TIMESTAMPING` was told.
    pub(super) const fn timestamping(&self) -> c_int {
        self.flags
    }

    /// `SO_TIMESTAMPING` on a connection with so many octets unacknowledged. False if this stack can't do what is asked.
    pub(super) fn set_timestamping(&mut self, flags: c_int, unacked: u64) -> bool {
        if flags & !KNOWN != 0 {
            return false;
        }
        if flags & !self.flags & SOF_TIMESTAMPING_OPT_ID != 0 {
            self.first = self.written - unacked.min(self.written);
        }
        self.flags = flags;
        true
    }

    /// A call wrote so many octets more, which weren't copied or were, and is over or writes on later.
    pub(super) fn wrote(&mut self, octets: u64, not_copied: bool, is_over: bool) {
        self.written += octets;
        self.in_call += octets;
        if !is_over || std::mem::take(&mut self.in_call) == 0 {
            return;
        }
        if not_copied {
            self.copies.push_back(self.written);
        }
        if self.flags & (SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_TX_ACK) != 0 {
            let key = if self.flags & SOF_TIMESTAMPING_OPT_ID == 0 { 0 } else { self.written - 1 - self.first };
            #[expect(clippy::cast_possible_truncation, reason = "Linux's has 32 bits, too")]
            let key = key as u32;
            self.stamps.push_back(Watched { octet: self.written - 1, flags: self.flags, key, is_sent: false });
        }
    }

    /// Of what was written so much is unsent, and so much not acknowledged. True if there is news.
    pub(super) fn progress(&mut self, now: Instant, unsent: u64, unacked: u64) -> bool {
        let before = self.reports.len();
        let (sent, acked) = (self.written.saturating_sub(unsent), self.written.saturating_sub(unacked));
        let mut at = 0;
        while let Some(watched) = self.stamps.get_mut(at).filter(|watched| watched.octet < sent) {
            let (watched, is_first) = (*watched, !std::mem::replace(&mut watched.is_sent, true));
            if is_first {
                self.stamp(now, &watched, SOF_TIMESTAMPING_TX_SCHED, SCM_TSTAMP_SCHED);
                self.stamp(now, &watched, SOF_TIMESTAMPING_TX_SOFTWARE, SCM_TSTAMP_SND);
            }
            if watched.octet < acked {
                self.stamp(now, &watched, SOF_TIMESTAMPING_TX_ACK, SCM_TSTAMP_ACK);
                self.stamps.pop_front();
            } else {
                at += 1;
            }
        }
        self.free(acked);
        self.reports.len() > before
    }

    /// What was written will never be acknowledged: it is free all the same. True if there is news.
    pub(super) fn ends(&mut self) -> bool {
        let before = self.reports.len();
        self.stamps.clear();
        self.free(u64::MAX);
        self.reports.len() > before
    }

    fn stamp(&mut self, now: Instant, watched: &Watched, asked: c_int, info: u32) {
        if watched.flags & asked == 0 {
            return;
        }
        let error = ExtendedError { errno: libc::ENOMSG, origin: SO_EE_ORIGIN_TIMESTAMPING, info, data: watched.key };
        self.reports.push_back(Report {
            stamp: (watched.flags & SOF_TIMESTAMPING_SOFTWARE != 0).then_some(now),
            error,
            has_packet: watched.flags & SOF_TIMESTAMPING_OPT_TSONLY == 0,
        });
    }

    /// Octets before `acked` are free: so are the calls whose last one is among them.
    fn free(&mut self, acked: u64) {
        while self.copies.front().is_some_and(|end| *end <= acked) {
            self.copies.pop_front();
            let call = self.copies_told;
            self.copies_told = call.wrapping_add(1);
            match self.reports.back_mut().map(|report| &mut report.error) {
                // Nobody has read of the one before: both are one report.
                Some(last) if last.origin == SO_EE_ORIGIN_ZEROCOPY && last.data.wrapping_add(1) == call => {
                    last.data = call;
                }
                _ => {
                    let error = ExtendedError { errno: 0, origin: SO_EE_ORIGIN_ZEROCOPY, info: call, data: call };
                    self.reports.push_back(Report { stamp: None, error, has_packet: false });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn calls(queue: &mut ErrorQueue) -> Option<(u32, u32)> {
        queue.take().map(|report| (report.error.info, report.error.data))
    }

    #[test]
    fn a_call_is_free_once_all_of_it_is_acknowledged() {
        let mut queue = ErrorQueue::default();
        (0..4).for_each(|_| queue.wrote(1000, true, true));
        assert!(!queue.progress(at(1), 0, 3001));
        assert!(queue.progress(at(2), 0, 2000));
        assert!(!queue.progress(at(3), 0, 1000), "it joins what nobody has read");
        assert_eq!((calls(&mut queue), calls(&mut queue)), (Some((0, 2)), None));
        assert!(queue.ends(), "and what can't be acknowledged any more is free");
        assert_eq!((calls(&mut queue), calls(&mut queue)), (Some((3, 3)), None));
    }

    #[test]
    fn a_call_that_was_copied_is_not_told_of() {
        let mut queue = ErrorQueue::default();
        queue.wrote(1000, false, true);
        queue.wrote(1000, true, true);
        assert!(!queue.progress(at(1), 0, 1000));
        assert!(queue.progress(at(2), 0, 0));
        assert_eq!(calls(&mut queue), Some((0, 0)));
    }

    #[test]
    fn a_timestamp_tells_of_the_last_octet_when_it_leaves_and_when_it_arrives() {
        let mut queue = ErrorQueue::default();
        queue.wrote(500, false, true);
        let flags = SOF_TIMESTAMPING_SOFTWARE
            | SOF_TIMESTAMPING_TX_SOFTWARE
            | SOF_TIMESTAMPING_TX_SCHED
            | SOF_TIMESTAMPING_TX_ACK
            | SOF_TIMESTAMPING_OPT_ID;
        assert!(!queue.set_timestamping(flags | 1, 500), "by hardware");
        assert!(queue.set_timestamping(flags, 100));
        queue.wrote(1000, false, true);
        assert!(!queue.progress(at(1), 1, 1000) && queue.progress(at(2), 0, 1000) && queue.progress(at(9), 0, 0));
        let told: Vec<_> = std::iter::from_fn(|| queue.take()).collect();
        let told = told.iter().map(|report| (report.stamp, report.error.info, report.error.data));
        let expected = [(2, SCM_TSTAMP_SCHED), (2, SCM_TSTAMP_SND), (9, SCM_TSTAMP_ACK)]
            .map(|(ms, what)| (Some(at(ms)), what, 1099));
        assert_eq!(told.collect::<Vec<_>>(), expected);
    }
}
