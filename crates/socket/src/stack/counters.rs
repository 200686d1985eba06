//! What was counted: every packet that went nowhere has a name.

use std::collections::BTreeMap;

use sockeye_tcb::Stop;
use sockeye_wire::ParseError;

/// Why a packet was dropped, apart from what parsers and connections say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Drop {
    /// The destination is none of our addresses.
    NotOurs,
    /// The destination is a broadcast or multicast address.
    Broadcast,
    /// The source is no address that a host may have.
    InvalidSource,
    /// The IPv4 header checksum doesn't verify.
    HeaderChecksum,
    /// The checksum above IP doesn't verify.
    TransportChecksum,
    /// A segment from port 0.
    PortZero,
    /// A protocol that nobody here speaks.
    UnknownProtocol,
    /// A UDP datagram: nobody listens.
    NoUdpSocket,
    /// A fragment for which there is no room, or whose datagram was given up.
    FragmentLimit,
    /// Fragments that overlap.
    FragmentOverlap,
    /// A fragment that was marked by a router though another of its datagram could not be (RFC 3168 section 5.3).
    FragmentEcn,
    /// A datagram whose fragments didn't all come in time.
    FragmentTimeout,
    /// A SYN for a listener with a full backlog.
    BacklogFull,
    /// A half-open connection that gave way to a newer one.
    HalfOpenEvicted,
    /// The ACK that completes a handshake, while the accept queue is full.
    AcceptQueueFull,
    /// A SYN, while connections hold all the memory that they may.
    MemoryLimit,
    /// An ICMP error that quotes no connection of ours, or nothing in flight.
    StrayIcmp,
    /// A claim that a segment was too long, while longer ones have arrived: kept, until something speaks for it.
    TooBigDoubted,
    /// A claim that a segment was too long, though it was no longer than what the claim says would fit.
    TooBigNothingNew,
    /// A claim of an MTU that no link may have.
    TooBigBelowLeast,
    /// An ICMP message that nobody needs, source quench among them.
    IgnoredIcmp,
    /// An ICMP error that wasn't sent, because too many were of late.
    ErrorLimit,
    /// A RST that wasn't sent, because too many were of late.
    ResetLimit,
    /// A datagram whose fragments all stacks of a host have put together: it is another's.
    OtherShard,
    /// A packet that came to the wrong queue, while too many waited to be handed over.
    HandOverFull,
    /// A reply, because too many wait to be sent already.
    ReplyLimit,
}

impl Drop {
    /// A stable name in snake case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotOurs => "not_ours",
            Self::Broadcast => "broadcast",
            Self::InvalidSource => "invalid_source",
            Self::HeaderChecksum => "header_checksum",
            Self::TransportChecksum => "transport_checksum",
            Self::PortZero => "port_zero",
            Self::UnknownProtocol => "unknown_protocol",
            Self::NoUdpSocket => "no_udp_socket",
            Self::FragmentLimit => "fragment_limit",
            Self::FragmentOverlap => "fragment_overlap",
            Self::FragmentEcn => "fragment_ecn",
            Self::FragmentTimeout => "fragment_timeout",
            Self::BacklogFull => "backlog_full",
            Self::HalfOpenEvicted => "half_open_evicted",
            Self::AcceptQueueFull => "accept_queue_full",
            Self::MemoryLimit => "memory_limit",
            Self::StrayIcmp => "stray_icmp",
            Self::TooBigDoubted => "too_big_doubted",
            Self::TooBigNothingNew => "too_big_nothing_new",
            Self::TooBigBelowLeast => "too_big_below_least",
            Self::IgnoredIcmp => "ignored_icmp",
            Self::ErrorLimit => "error_limit",
            Self::ResetLimit => "reset_limit",
            Self::OtherShard => "other_shard",
            Self::HandOverFull => "hand_over_full",
            Self::ReplyLimit => "reply_limit",
        }
    }
}

/// Why a packet's way ended: every reason there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Parse(ParseError),
    Drop(Drop),
    Segment(Stop),
}

impl Reason {
    const fn name(self) -> &'static str {
        match self {
            Self::Parse(error) => error.name(),
            Self::Drop(drop) => drop.name(),
            Self::Segment(stop) => stop.name(),
        }
    }
}

impl From<ParseError> for Reason {
    fn from(error: ParseError) -> Self {
        Self::Parse(error)
    }
}

impl From<Drop> for Reason {
    fn from(drop: Drop) -> Self {
        Self::Drop(drop)
    }
}

impl From<Stop> for Reason {
    fn from(stop: Stop) -> Self {
        Self::Segment(stop)
    }
}

/// Octets of text that were copied from one place of the process to another. What crosses its border, between a device's
/// buffers and the kernel's, isn't among them, nor are headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Out of callers' buffers, by [`Write`](std::io::Write): each octet once. Nothing by
    /// [`write_chunk`](crate::TcpStream::write_chunk).
    pub by_write: u64,
    /// Into callers' buffers, by [`Read`](std::io::Read) and [`peek`](crate::TcpStream::peek): each octet once. Nothing by
    /// [`read_chunk`](crate::TcpStream::read_chunk).
    pub by_read: u64,
    /// In between: pieces under 1 KiB, either way, which are put together; segments that came one by one, from a device that
    /// doesn't merge them, and became one; fragments; and what waits for a reader while the device is low on buffers.
    pub on_the_way: u64,
}

impl Copied {
    /// What this and another have copied together.
    #[must_use]
    pub(crate) const fn with(self, other: Self) -> Self {
        let Self { by_write, by_read, on_the_way } = other;
        Self {
            by_write: self.by_write + by_write,
            by_read: self.by_read + by_read,
            on_the_way: self.on_the_way + on_the_way,
        }
    }
}

/// Counters of a stack, ever since it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets that arrived.
    pub packets_in: u64,
    /// Packets that left.
    pub packets_out: u64,
    /// Connections opened by us.
    pub active_opens: u64,
    /// Connections that came to a listener and were completed.
    pub passive_opens: u64,
    /// RSTs sent for segments that belong to nobody.
    pub resets_for_strays: u64,
    /// ICMP errors that told of a path narrower than was thought, and were believed.
    pub paths_narrowed: u64,
    /// Octets that were copied: for a [`Host`](crate::Host) all, for a [`Stack`](crate::Stack) those that it copies itself.
    pub copied: Copied,
    ended: BTreeMap<&'static str, u64>,
}

impl Counters {
    pub(crate) fn count(&mut self, reason: impl Into<Reason>) {
        *self.ended.entry(reason.into().name()).or_default() += 1;
    }

    /// As [`Self::count`], of so many packets at once; none is no entry.
    pub(crate) fn count_many(&mut self, reason: impl Into<Reason>, packets: u64) {
        if packets > 0 {
            *self.ended.entry(reason.into().name()).or_default() += packets;
        }
    }

    /// What this and another stack of the same host have counted together.
    #[must_use]
    pub(crate) fn with(mut self, other: &Self) -> Self {
        // Named one by one, so that none is forgotten.
        let Self {
            packets_in,
            packets_out,
            active_opens,
            passive_opens,
            resets_for_strays,
            paths_narrowed,
            copied,
            ended,
        } = other;
        self.packets_in += packets_in;
        self.packets_out += packets_out;
        self.active_opens += active_opens;
        self.passive_opens += passive_opens;
        self.resets_for_strays += resets_for_strays;
        self.paths_narrowed += paths_narrowed;
        self.copied = self.copied.with(*copied);
        ended.iter().for_each(|(&name, &count)| *self.ended.entry(name).or_default() += count);
        self
    }

    /// How many packets ended for this reason: the name of a [`Drop`], a [`Stop`] or a [`ParseError`].
    pub fn ended(&self, name: &str) -> u64 {
        self.ended.get(name).copied().unwrap_or(0)
    }

    /// All reasons that have occurred, by name, each with its count.
    pub fn all_ended(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.ended.iter().map(|(&name, &count)| (name, count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_stacks_have_counted_is_added_up_whole() {
        let mut one = Counters {
            packets_in: 1,
            packets_out: 2,
            active_opens: 3,
            passive_opens: 4,
            resets_for_strays: 5,
            paths_narrowed: 6,
            copied: Copied { by_write: 8, by_read: 9, on_the_way: 10 },
            ..Counters::default()
        };
        one.count_many(Drop::ReplyLimit, 7);
        let both = one.clone().with(&one);
        let figures = [both.packets_in, both.packets_out, both.active_opens, both.passive_opens];
        assert_eq!(figures, [2, 4, 6, 8]);
        assert_eq!([both.resets_for_strays, both.paths_narrowed, both.ended("reply_limit")], [10, 12, 14]);
        assert_eq!(both.copied, Copied { by_write: 16, by_read: 18, on_the_way: 20 });
    }
}
