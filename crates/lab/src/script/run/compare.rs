//! What is expected against what was sent.

use std::time::Duration;

use super::super::packet::{Flags, IpInfo, Packet, Segment, TcpOption, TcpOptions};
use super::super::wire::{Content, Live};
use super::Strictness;

/// A packet of the connection under test that the stack sent.
#[derive(Debug)]
pub(super) struct Seen {
    /// Since the script began.
    pub(super) at: Duration,
    pub(super) live: Live,
}

/// What a packet is to the one that is expected.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Alike,
    /// The beginning of it: the next segment may be the rest.
    Part,
    /// Another: the field in which it differs.
    Differs(&'static str),
}

/// Compares in the script's numbers.
pub(super) fn verdict(expected: &Packet, shown: &Packet, live: &Live, strictness: Strictness) -> Verdict {
    match (expected, shown) {
        (Packet::Tcp(expected), Packet::Tcp(shown)) => segments(expected, shown, live, strictness),
        (Packet::Icmp(expected), Packet::Icmp(shown)) => {
            if expected.kind != shown.kind {
                Verdict::Differs("type")
            } else if expected.code != shown.code {
                Verdict::Differs("code")
            } else {
                Verdict::Alike
            }
        }
        (Packet::Udp(expected), Packet::Udp(shown)) if expected == shown => Verdict::Alike,
        (Packet::Udp(_), Packet::Udp(_)) => Verdict::Differs("length"),
        _ => Verdict::Differs("protocol"),
    }
}

fn segments(expected: &Segment, shown: &Segment, live: &Live, strictness: Strictness) -> Verdict {
    if shown.len > 0 && shown.len < expected.len && strictness.aggregates && expected.seq == shown.seq {
        return Verdict::Part;
    }
    let psh = if strictness.psh { 0 } else { Flags::PSH };
    let differences = [
        ("length", expected.len != shown.len),
        ("sequence number", expected.seq != shown.seq),
        ("set of flags", (expected.flags.0 ^ shown.flags.0) & !psh != 0),
        ("acknowledgment number", expected.ack != shown.ack),
        ("window", expected.window.is_some() && expected.window != shown.window),
        ("urgent pointer", expected.urgent != shown.urgent),
        ("set of options", !options_match(&expected.options, &shown.options, strictness.echoes)),
        ("IP header", !ip_matches(expected.ip, live)),
    ];
    match differences.into_iter().find(|(_, differs)| *differs) {
        Some((what, _)) => Verdict::Differs(what),
        None => Verdict::Alike,
    }
}

fn ip_matches(expected: IpInfo, live: &Live) -> bool {
    expected.ecn.is_none_or(|ecn| ecn.matches(live.tos & 3))
        && expected.tos.is_none_or(|tos| tos == live.tos)
        && expected.ttl.is_none_or(|ttl| ttl == live.ttl)
        // Labels are the stack's own choice; what a script can ask for is that there is one.
        && expected.flow_label.is_none_or(|_| live.flow_label != 0)
}

fn options_match(expected: &TcpOptions, shown: &TcpOptions, echoes: bool) -> bool {
    let (TcpOptions::Exactly(expected), TcpOptions::Exactly(shown)) = (expected, shown) else {
        return true;
    };
    expected.len() == shown.len()
        && expected.iter().zip(shown).all(|pair| match pair {
            (TcpOption::Timestamps { echo: expected, .. }, TcpOption::Timestamps { echo: shown, .. }) => {
                expected == shown || !echoes
            }
            (expected, shown) => expected == shown,
        })
}

/// Both segments as one, if the second continues the first: sequence number and CWR are of the first, all else of the
/// second. False, and `after` as it was, if it doesn't.
pub(super) fn merge(before: &Seen, after: &mut Seen) -> bool {
    let (Content::Tcp(first, _), Content::Tcp(second, _)) = (&before.live.content, &mut after.live.content) else {
        return false;
    };
    let same_flags = Flags::SYN | Flags::RST | Flags::ACK | Flags::URG | Flags::ECE | Flags::AE;
    let continues = second.seq == first.seq.wrapping_add(first.len)
        && (first.flags.0 ^ second.flags.0) & same_flags == 0
        && (first.ack, first.window, first.urgent) == (second.ack, second.window, second.urgent)
        && before.live.ttl == after.live.ttl;
    if !continues {
        return false;
    }
    second.seq = first.seq;
    second.len += first.len;
    second.flags.0 = second.flags.0 & !Flags::CWR | first.flags.0 & Flags::CWR;
    true
}

impl Segment {
    /// Value and echo of its timestamps.
    pub(super) fn timestamps(&self) -> Option<(u32, u32)> {
        let TcpOptions::Exactly(options) = &self.options else {
            return None;
        };
        options.iter().find_map(|option| match option {
            TcpOption::Timestamps { value, echo } => Some((*value, *echo)),
            _ => None,
        })
    }
}
