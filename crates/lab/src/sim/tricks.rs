//! Peers that misbehave: what a host says is rewritten on its way out, its TCP being none the wiser.

use std::collections::HashMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sockeye_wire::SeqNumber;
use sockeye_wire::tcp::{Flags, SackBlock, SackBlocks, TcpHeader};

use super::random::Random;
use super::segment::Parts;

/// What a peer does that it should not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trick {
    /// Acknowledges each segment in several pieces (Savage 1999, the reason for RFC 3465's limit).
    SplitAcks,
    /// Acknowledges what has not arrived, up to a segment beyond the last one that has.
    OptimisticAcks,
    /// Takes back window that it has offered.
    ShrinkWindow,
    /// Reports octets as received that are not, and forgets those that are (RFC 2018 section 8).
    RenegeSack,
    /// Reports octets as received that were never sent.
    SackUnsent,
    /// Sends each octet in a segment of its own.
    OneByteSegments,
}

impl Trick {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::SplitAcks,
        Self::OptimisticAcks,
        Self::ShrinkWindow,
        Self::RenegeSack,
        Self::SackUnsent,
        Self::OneByteSegments,
    ];

    /// True if a transfer to such a peer may fail, which then is the peer's own fault.
    pub const fn may_fail(self) -> bool {
        matches!(self, Self::OptimisticAcks)
    }

    /// True if what its ACKs and SACK blocks tell of arrivals isn't so: whoever believes in it, believes in what is wrong.
    pub(super) const fn lies(self) -> bool {
        matches!(self, Self::OptimisticAcks | Self::RenegeSack | Self::SackUnsent)
    }

    /// True if its packets are more than any congestion window lets out: queues that overflow with them are its own fault,
    /// and the end of whoever waits behind it.
    pub(super) const fn floods(self) -> bool {
        matches!(self, Self::OneByteSegments)
    }
}

/// Plays a trick on every connection of a host.
#[derive(Debug)]
pub(super) struct Trickster {
    trick: Trick,
    random: Random,
    /// By the port at this end and the one at the other.
    known: HashMap<(u16, u16), Known>,
}

/// What is known of a connection.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// The last ACK that went out.
    acked: Option<SeqNumber>,
    /// The end of the last segment that came in.
    heard_to: Option<SeqNumber>,
}

impl Trickster {
    pub(super) fn new(trick: Trick, seed: u64) -> Self {
        Self { trick, random: Random::new(seed), known: HashMap::new() }
    }

    /// Something arrives at the host.
    pub(super) fn hears(&mut self, packet: &Bytes) {
        let Some(parts) = Parts::parse(packet, false) else {
            return;
        };
        let TcpHeader { flags, seq, source_port, destination_port, .. } = parts.header;
        let end = seq + octets(&parts.text) + u32::from(flags.syn) + u32::from(flags.fin);
        let known = self.known.entry((destination_port, source_port)).or_default();
        known.heard_to = Some(match known.heard_to {
            Some(known) if !flags.syn => known.max(end),
            _ => end,
        });
    }

    /// What is known of the connection of a segment that goes out.
    fn known(&mut self, parts: &Parts) -> &mut Known {
        self.known.entry((parts.header.source_port, parts.header.destination_port)).or_default()
    }

    /// What leaves the host in place of `packet`.
    pub(super) fn rewrite(&mut self, packet: Bytes) -> Vec<Bytes> {
        let Some(parts) = Parts::parse(&packet, false).filter(|parts| plays(parts.header.flags)) else {
            return vec![packet];
        };
        match self.trick {
            Trick::SplitAcks => self.split_acks(&parts),
            Trick::OptimisticAcks => vec![self.optimistic(parts)],
            Trick::ShrinkWindow => vec![self.shrink(parts)],
            Trick::RenegeSack => vec![self.renege(parts)],
            Trick::SackUnsent => vec![self.sack_unsent(parts)],
            Trick::OneByteSegments => one_by_one(&parts),
        }
    }

    fn split_acks(&mut self, parts: &Parts) -> Vec<Bytes> {
        let ack = parts.header.ack;
        let last = self.known(parts).acked.replace(ack).unwrap_or(ack);
        let step = ack.saturating_since(last) / 4;
        let before = if parts.text.is_empty() && step > 0 { 3 } else { 0 };
        let mut packets: Vec<Bytes> = (1..=before)
            .map(|piece| {
                let mut early = parts.clone();
                early.header.ack = last + step * piece;
                early.emit()
            })
            .collect();
        packets.push(parts.emit());
        packets
    }

    fn optimistic(&mut self, mut parts: Parts) -> Bytes {
        if let Some(heard_to) = self.known(&parts).heard_to {
            let ahead = u32::try_from(self.random.below(1460)).unwrap_or(0);
            parts.header.ack = parts.header.ack.max(heard_to + if self.random.chance(300) { ahead } else { 0 });
        }
        parts.emit()
    }

    fn shrink(&mut self, mut parts: Parts) -> Bytes {
        if self.random.chance(300) {
            parts.header.window /= u16::try_from(self.random.within(2..=20)).unwrap_or(2);
        }
        parts.emit()
    }

    fn renege(&mut self, mut parts: Parts) -> Bytes {
        let ack = parts.header.ack;
        let mut blocks = SackBlocks::NONE;
        if let Some(heard_to) = self.known(&parts).heard_to.filter(|heard_to| heard_to.since(ack) < 1 << 20)
            && self.random.chance(200)
        {
            let ahead = u32::try_from(self.random.within(100..=1500)).unwrap_or(100);
            let left = ack + ahead;
            let right = left + ahead;
            if right.at_or_before(heard_to) {
                blocks.push(SackBlock { left, right });
            }
        }
        for block in &parts.header.options.sack {
            if !self.random.chance(400) {
                blocks.push(*block);
            }
        }
        parts.header.options.sack = blocks;
        parts.emit()
    }

    /// All from the end of what has arrived to far beyond what can be outstanding. In empty segments: in others there may be
    /// no room.
    fn sack_unsent(&mut self, mut parts: Parts) -> Bytes {
        let heard_to = self.known(&parts).heard_to;
        let blocks = &mut parts.header.options.sack;
        let known = blocks.as_slice().len();
        if let Some(left) = heard_to
            && parts.text.is_empty()
            && known < 3
            && (known > 0 || self.random.chance(100))
        {
            blocks.push(SackBlock { left, right: left + (1 << 30) });
        }
        parts.emit()
    }
}

/// Tricks are played on an open connection.
const fn plays(flags: Flags) -> bool {
    flags.ack && !flags.syn && !flags.rst
}

fn one_by_one(parts: &Parts) -> Vec<Bytes> {
    if parts.text.len() < 2 {
        return vec![parts.emit()];
    }
    let last = parts.text.len() - 1;
    (0..parts.text.len())
        .map(|at| {
            let mut piece = parts.clone();
            piece.text = parts.text.slice(at..=at);
            piece.header.seq = parts.header.seq + u32::try_from(at).unwrap_or(0);
            piece.header.flags.fin = parts.header.flags.fin && at == last;
            piece.emit()
        })
        .collect()
}

fn octets(text: &Bytes) -> u32 {
    u32::try_from(text.len()).unwrap_or(u32::MAX)
}
