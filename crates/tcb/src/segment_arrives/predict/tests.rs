//! Two worlds, alike but for this: in one the connections predict, in the other each segment goes through all steps. What
//! they know is compared after every move.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use sockeye_wire::SeqNumber;
use sockeye_wire::tcp::SackBlock;

use super::*;
use crate::congestion::Algorithm;
use crate::{Buffer, Config, Transmit};

const START: Instant = Instant::from_millis(5000);

/// Something happens, to the end that sends, `false`, or the other.
#[derive(Clone, Debug)]
enum Move {
    Write {
        end: bool,
        octets: u16,
    },
    Read {
        end: bool,
        octets: u16,
    },
    /// The next segment to this end arrives.
    Arrive {
        end: bool,
    },
    /// It arrives, one of its fields changed.
    Change {
        end: bool,
        field: u8,
        by: u32,
    },
    Lose {
        end: bool,
    },
    /// The one after the next arrives before it.
    Overtake {
        end: bool,
    },
    /// It arrives, and will again.
    Repeat {
        end: bool,
    },
    Pass {
        micros: u32,
    },
    Shut {
        end: bool,
    },
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        8 => (prop::bool::weighted(0.2), 1_u16..1600).prop_map(|(end, octets)| Move::Write { end, octets }),
        6 => (any::<bool>(), 1_u16..1600).prop_map(|(end, octets)| Move::Read { end, octets }),
        40 => any::<bool>().prop_map(|end| Move::Arrive { end }),
        4 => (any::<bool>(), 0_u8..9, any::<u32>()).prop_map(|(end, field, by)| Move::Change { end, field, by }),
        1 => any::<bool>().prop_map(|end| Move::Lose { end }),
        1 => any::<bool>().prop_map(|end| Move::Overtake { end }),
        1 => any::<bool>().prop_map(|end| Move::Repeat { end }),
        4 => (0_u32..400_000).prop_map(|micros| Move::Pass { micros }),
        1 => prop::bool::weighted(0.1).prop_map(|end| Move::Shut { end }),
    ];
    prop::collection::vec(one, 1..150)
}

/// What connections agree on, and what their devices do.
#[derive(Clone, Copy, Debug)]
struct Kind {
    timestamps: bool,
    sack: bool,
    pacing: bool,
    congestion: Algorithm,
    /// Octets of the longest super-segment; 0 where there are none.
    longest: u32,
    /// Text arrives in pieces of so many octets.
    piece: usize,
}

impl Kind {
    const PLAIN: Self = Self {
        timestamps: true,
        sack: true,
        pacing: false,
        congestion: Algorithm::CUBIC,
        longest: 0,
        piece: usize::MAX,
    };
}

prop_compose! {
    fn kind()(
        timestamps: bool,
        sack: bool,
        pacing: bool,
        congestion in prop::sample::select(&[Algorithm::CUBIC, Algorithm::NEWRENO, Algorithm::BBR][..]),
        longest in prop::sample::select(&[0, 1_000, 4_000][..]),
        piece in prop::sample::select(&[usize::MAX, 150][..]),
    ) -> Kind {
        Kind { timestamps, sack, pacing, congestion, longest, piece }
    }
}

struct World {
    predicts: bool,
    kind: Kind,
    now: Instant,
    ends: [Tcb; 2],
    /// On the way to each end.
    wire: [VecDeque<Segment>; 2],
    /// How many segments were as predicted: text, ACKs.
    predicted: [u32; 2],
}

impl World {
    fn new(predicts: bool, kind: Kind) -> Self {
        let Kind { timestamps, sack, pacing, congestion, .. } = kind;
        let config = Config {
            receive_buffer: Buffer::Fixed(8000),
            send_buffer: Buffer::Fixed(4000),
            mss: 200,
            timestamps,
            sack,
            pacing,
            congestion,
            ..Config::default()
        };
        let config = Arc::new(config);
        let (a, b) = (SeqNumber::new(u32::MAX - 9000), SeqNumber::new(u32::MAX - 3000));
        let ends = [Tcb::connect(config.clone(), a, 7, START), Tcb::listen(config, b, 9, START)];
        let mut world = Self { predicts, kind, now: START, ends, wire: Default::default(), predicted: [0, 0] };
        for _ in 0..3 {
            world.act(&Move::Arrive { end: true });
            world.act(&Move::Arrive { end: false });
        }
        world
    }

    fn act(&mut self, act: &Move) -> Option<Result<(), Stop>> {
        self.now += Duration::from_micros(10);
        let now = self.now;
        let outcome = match *act {
            Move::Write { end, octets } => {
                let mut text = Bytes::from(alloc::vec![b'x'; octets.into()]);
                let _ = self.ends[usize::from(end)].send(now, &mut text);
                None
            }
            Move::Read { end, octets } => {
                let _ = self.ends[usize::from(end)].recv(now, octets.into());
                None
            }
            Move::Shut { end } => {
                let _ = self.ends[usize::from(end)].shutdown(now);
                None
            }
            Move::Pass { micros } => {
                self.now += Duration::from_micros(micros.into());
                None
            }
            Move::Lose { end } => {
                self.wire[usize::from(end)].pop_front();
                None
            }
            Move::Arrive { end } => self.wire[usize::from(end)].pop_front().map(|segment| self.arrives(end, segment)),
            Move::Overtake { end } => self.wire[usize::from(end)].remove(1).map(|segment| self.arrives(end, segment)),
            Move::Repeat { end } => {
                let first = self.wire[usize::from(end)].front().cloned();
                first.map(|segment| self.arrives(end, segment))
            }
            Move::Change { end, field, by } => self.wire[usize::from(end)].pop_front().map(|mut segment| {
                change(&mut segment, field, by);
                self.arrives(end, segment)
            }),
        };
        self.follow();
        outcome
    }

    fn arrives(&mut self, end: bool, mut segment: Segment) -> Result<(), Stop> {
        segment.arrived_at = self.now;
        let (tcb, is_ack) = (&mut self.ends[usize::from(end)], segment.payload.is_empty());
        tcb.counts.segments_in += segment.count();
        if self.predicts
            && let Some(taken) = tcb.take_predicted(self.now, &mut segment)
        {
            self.predicted[usize::from(is_ack)] += 1;
            return taken;
        }
        tcb.in_state(self.now, segment)
    }

    /// What was caused leaves.
    fn follow(&mut self) {
        for end in 0..2 {
            self.ends[end].on_timeout(self.now);
            let longest = self.kind.longest;
            while let Some(transmit) = self.ends[end].poll_transmit(self.now, longest) {
                let Transmit { header, payload, segment_size, ecn } = transmit;
                let text: Vec<u8> = payload.concat();
                let mut pieces = text.chunks(self.kind.piece).map(Bytes::copy_from_slice);
                self.wire[1 - end].push_back(Segment {
                    seq: header.seq,
                    ack: header.ack,
                    flags: header.flags,
                    window: header.window,
                    urgent: header.urgent,
                    options: header.options,
                    payload: pieces.next().unwrap_or_default(),
                    more: pieces.collect(),
                    arrived_at: self.now,
                    segment_size,
                    ecn,
                });
            }
        }
    }

    /// All that both ends know.
    fn knows(&self) -> String {
        format!("{:?}", self.ends)
    }
}

fn change(segment: &mut Segment, field: u8, by: u32) {
    #[expect(clippy::cast_possible_truncation, reason = "any will do")]
    let little = by as u8;
    match field {
        0 => segment.seq += u32::from(little % 3) * 200 + by % 2,
        1 => segment.ack += u32::from(little),
        2 => segment.ack = segment.ack - u32::from(little) * 100,
        3 => segment.window = segment.window.wrapping_add(u16::from(little % 3)),
        4 => segment.flags = Flags::from_bits(segment.flags.bits() ^ (1 << (by % 8))),
        5 => segment.options.timestamps = None,
        6 => {
            if let Some(timestamps) = &mut segment.options.timestamps {
                timestamps.value = timestamps.value.wrapping_sub(by % 2000);
            }
        }
        7 => _ = segment.options.sack.push(SackBlock { left: segment.ack + 1000, right: segment.ack + 2000 }),
        _ => segment.urgent = u16::from(little),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    //= rfc7323#5.6-1
    #[test]
    fn prediction_comes_to_what_the_steps_come_to(moves in moves(), kind in kind()) {
        let (mut quick, mut slow) = (World::new(true, kind), World::new(false, kind));
        for act in &moves {
            prop_assert_eq!(quick.act(act), slow.act(act), "{:?}", act);
            prop_assert_eq!(quick.knows(), slow.knows(), "after {:?}", act);
        }
    }
}

#[test]
fn a_plain_transfer_is_as_predicted() {
    let mut world = World::new(true, Kind::PLAIN);
    for _ in 0..100 {
        world.act(&Move::Write { end: false, octets: 800 });
        for _ in 0..4 {
            world.act(&Move::Arrive { end: true });
            world.act(&Move::Arrive { end: false });
        }
        world.act(&Move::Read { end: true, octets: 1600 });
    }
    let [text, acks] = world.predicted;
    assert!(text > 350 && acks > 150, "{text} segments with text and {acks} ACKs of some 400 and 200 were predicted");
}

#[test]
fn super_segments_are_as_predicted() {
    let mut world = World::new(true, Kind { longest: 4_000, piece: 150, ..Kind::PLAIN });
    let mut merged = 0;
    for _ in 0..100 {
        world.act(&Move::Write { end: false, octets: 1500 });
        merged += world.wire[1].iter().filter(|segment| segment.segment_size > 0 && !segment.more.is_empty()).count();
        for _ in 0..4 {
            world.act(&Move::Arrive { end: true });
            world.act(&Move::Arrive { end: false });
        }
        world.act(&Move::Read { end: true, octets: 1600 });
    }
    let [text, _] = world.predicted;
    assert!(merged > 20 && text > 90, "{merged} super-segments left, {text} segments were predicted");
}
