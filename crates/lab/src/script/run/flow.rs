//! The connection under test: its two ends, and what the script's numbers are on the wire.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::super::packet::{Flags, Segment, TcpOption, TcpOptions};

/// The connection under test.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    numbers: Numbers,
}

/// Sequence numbers and timestamps: the script's and those of the wire. Those of the peer are the same in both.
#[derive(Debug, Default)]
struct Numbers {
    /// The peer's initial sequence number: that of its first packet, or, if that was no SYN, of its first SYN.
    remote: Option<u32>,
    remote_is_syns: bool,
    /// That of another SYN between the same two sockets, which becomes the peer's if the stack acknowledges it.
    next_remote: Option<u32>,
    /// The stack's own, as the script says and as it is.
    script_local: u32,
    live_local: u32,
    /// What timestamps of the stack's the script has for those that were sent.
    stamps: BTreeMap<u32, u32>,
    /// The first of them.
    first_stamp: Option<(u32, u32)>,
}

impl Flow {
    pub(super) fn new(local: SocketAddr, remote: SocketAddr) -> Self {
        Self { local, remote, numbers: Numbers::default() }
    }

    /// The live sequence number of a segment of the stack's own that the script calls `seq`.
    pub(super) fn live_seq(&self, seq: u32) -> u32 {
        self.numbers.live_local.wrapping_add(seq)
    }

    /// The stack's initial sequence number.
    pub(super) fn live_isn(&self) -> u32 {
        self.numbers.live_local
    }

    /// What `segment` is on the wire.
    ///
    /// # Errors
    /// The timestamp that it echoes, if none like it was sent.
    pub(super) fn live(&mut self, segment: &Segment, scaled: bool) -> Result<Segment, u32> {
        let syn = segment.flags.has(Flags::SYN);
        let numbers = &mut self.numbers;
        if numbers.remote.is_none() || (syn && !numbers.remote_is_syns) {
            (numbers.remote, numbers.remote_is_syns) = (Some(segment.seq), syn);
        } else if syn && numbers.remote != Some(segment.seq) {
            numbers.next_remote = Some(segment.seq);
        }
        let mut live = segment.clone();
        if !syn {
            live.seq = segment.seq.wrapping_add(numbers.remote.unwrap_or(0));
        }
        let offset = if syn { numbers.live_local.wrapping_sub(numbers.script_local) } else { numbers.live_local };
        if segment.flags.has(Flags::ACK) {
            live.ack = segment.ack.wrapping_add(offset);
        }
        if let TcpOptions::Exactly(options) = &mut live.options {
            for option in options {
                match option {
                    TcpOption::Sack(blocks) => blocks.iter_mut().for_each(|(left, right)| {
                        *left = left.wrapping_add(offset);
                        *right = right.wrapping_add(offset);
                    }),
                    TcpOption::Timestamps { echo, .. } if segment.flags.has(Flags::ACK) => {
                        *echo = numbers.live_echo(*echo, scaled).ok_or(*echo)?;
                    }
                    _ => {}
                }
            }
        }
        Ok(live)
    }

    /// `live` acknowledges another SYN of the peer's than the first: that was the one which counts.
    pub(super) fn learn_remote(&mut self, live: &Segment) {
        let numbers = &mut self.numbers;
        let acked = |isn: &u32| live.flags.has(Flags::ACK) && live.ack == isn.wrapping_add(1);
        if let Some(isn) = numbers.next_remote.filter(acked) {
            (numbers.remote, numbers.next_remote) = (Some(isn), None);
            if live.flags.has(Flags::SYN) {
                numbers.live_local = 0;
            }
        }
    }

    /// `live` is the stack's SYN or SYN-ACK, for which the script has the sequence number `script`: the first of a
    /// connection tells the initial sequence number.
    pub(super) fn learn_isn(&mut self, script: u32, live: &Segment) {
        if self.numbers.live_local == 0 {
            (self.numbers.script_local, self.numbers.live_local) = (script, live.seq);
        }
    }

    /// What a live segment of the stack's is in the script's numbers.
    pub(super) fn scripted(&self, live: &Segment) -> Segment {
        let numbers = &self.numbers;
        let syn = live.flags.has(Flags::SYN);
        let mut segment = live.clone();
        let own = if syn { numbers.live_local.wrapping_sub(numbers.script_local) } else { numbers.live_local };
        segment.seq = live.seq.wrapping_sub(own);
        let theirs = if syn { 0 } else { numbers.remote.unwrap_or(0) };
        if live.flags.has(Flags::ACK) {
            segment.ack = live.ack.wrapping_sub(theirs);
        }
        if let TcpOptions::Exactly(options) = &mut segment.options {
            for option in options {
                match option {
                    TcpOption::Sack(blocks) => blocks.iter_mut().for_each(|(left, right)| {
                        *left = left.wrapping_sub(theirs);
                        *right = right.wrapping_sub(theirs);
                    }),
                    TcpOption::Timestamps { value, .. } => *value = numbers.script_stamp(*value),
                    _ => {}
                }
            }
        }
        segment
    }

    /// The script has the timestamp `script` for what was sent as `live`, which it may echo.
    pub(super) fn learn_stamp(&mut self, script: u32, live: u32) {
        self.numbers.stamps.insert(script, live);
        self.numbers.first_stamp.get_or_insert((script, live));
    }
}

impl Numbers {
    fn live_echo(&self, script: u32, scaled: bool) -> Option<u32> {
        let by_scale = || {
            let (first, live) = self.first_stamp.filter(|_| scaled)?;
            Some(script.wrapping_sub(first).wrapping_add(live))
        };
        self.stamps.get(&script).copied().or_else(by_scale)
    }

    /// As many ticks after the first timestamp as the live one is.
    fn script_stamp(&self, live: u32) -> u32 {
        self.first_stamp.map_or(live, |(script, first)| live.wrapping_sub(first).wrapping_add(script))
    }
}
