//! Two recoveries, alike but for this: one takes orderly ACKs by themselves, the other takes each as any. All that they know is
//! compared after every move.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

use proptest::prelude::*;
use sockeye_wire::tcp::SackBlock;
use sockeye_wire::{Instant, SeqNumber};

use super::*;
use crate::Config;
use crate::congestion::Cubic;
use crate::recovery::{Echo, Watch};

const MSS: u32 = 100;
const START: SeqNumber = SeqNumber::new(u32::MAX - 3000); // the numbers on the wire wrap soon

#[derive(Clone, Copy, Debug)]
enum Move {
    Send { octets: u32, probed: bool },
    Ack { octets: u32, ece: bool, echo_before: Option<u32> },
    Sack { from: u32, octets: u32 },
    Resend,
    Timer,
    PathProbe,
    Filled,
    Pass { micros: u64 },
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let octets = prop_oneof![4 => (1_u32..8).prop_map(|segments| segments * MSS), 1 => 1_u32..800];
    let one = prop_oneof![
        20 => (octets.clone(), prop::bool::weighted(0.05)).prop_map(|(octets, probed)| Move::Send { octets, probed }),
        20 => (octets.clone(), prop::bool::weighted(0.05), prop::option::weighted(0.8, 0_u32..90))
            .prop_map(|(octets, ece, echo_before)| Move::Ack { octets, ece, echo_before }),
        2 => (octets.clone(), octets).prop_map(|(from, octets)| Move::Sack { from, octets }),
        3 => Just(Move::Resend),
        1 => Just(Move::Timer),
        1 => Just(Move::PathProbe),
        3 => Just(Move::Filled),
        15 => (1_u64..60_000).prop_map(|micros| Move::Pass { micros }),
    ];
    prop::collection::vec(one, 1..120)
}

/// One recovery and all that it informs.
struct End {
    recovery: Recovery,
    rtt: Rtt,
    congestion: Box<dyn CongestionControl>,
    una: SeqNumber,
    nxt: SeqNumber,
    now: Instant,
}

impl End {
    fn new() -> Self {
        let mut congestion = Box::new(Cubic::new(10));
        congestion.set_mss(100);
        let (rtt, now) = (Rtt::new(&Config::default()), Instant::from_millis(1000));
        Self { recovery: Recovery::new(), rtt, congestion, una: START, nxt: START, now }
    }

    /// True if the move was an orderly ACK.
    fn act(&mut self, act: &Move, by_itself: bool) -> bool {
        let (now, sent) = (self.now, self.nxt.since(self.una));
        match *act {
            Move::Send { octets, probed } => {
                self.recovery.on_sent(now, self.nxt, octets, MSS, MSS, probed);
                self.nxt += octets;
            }
            Move::PathProbe => {
                self.recovery.on_path_probe_sent(now, self.nxt, 150, MSS);
                self.nxt += 150;
            }
            Move::Ack { octets, ece, echo_before } => {
                let octets = octets.min(sent);
                self.una += octets;
                return self.hear(&[], octets, ece, echo_before, by_itself);
            }
            Move::Sack { from, octets } => {
                let block = SackBlock { left: self.una + from, right: self.una + from + octets };
                return self.hear(&[block], 0, false, Some(0), by_itself);
            }
            Move::Resend => _ = self.recovery.resend(now, MSS, 2 * MSS, 2 * MSS, u32::MAX),
            Move::Timer => self.expire(),
            Move::Filled => self.recovery.on_window_filled(),
            Move::Pass { micros } => self.now = now.plus_nanos(micros * 1000),
        }
        false
    }

    fn expire(&mut self) {
        let Some(at) = self.recovery.watch(&self.rtt, Duration::from_millis(1), true) else { return };
        self.now = self.now.max(at);
        match self.recovery.watched() {
            Some(Watch::Reordering) => {
                self.recovery.on_reordering_timer(self.now, &self.rtt, self.congestion.as_mut());
            }
            Some(Watch::Probe) => {
                self.recovery.on_probe_timer(self.now);
                if self.recovery.take_probe() {
                    self.recovery.resend_probe(self.now, MSS);
                }
            }
            _ => self.recovery.on_timeout(self.now, true, &self.rtt, self.congestion.as_mut()),
        }
    }

    fn hear(&mut self, blocks: &[SackBlock], octets: u32, ece: bool, echo: Option<u32>, by_itself: bool) -> bool {
        let clock = crate::negotiated::timestamp(self.now, 7);
        let arrival = Arrival {
            now: self.now,
            arrived_at: self.now,
            ack: self.una,
            blocks,
            duplicate: octets == 0,
            echo: echo.map(|before| Echo { value: clock.wrapping_sub(before), offset: 7 }),
            ece,
            unpaced: false,
            sack: true,
            mss: MSS,
            granularity: Duration::from_millis(1),
            has_new: true,
        };
        let (rtt, congestion) = (&mut self.rtt, self.congestion.as_mut());
        let orderly = by_itself && self.recovery.take_orderly(&arrival, rtt, congestion);
        if !orderly {
            self.recovery.take_any(&arrival, rtt, congestion);
        }
        if octets > 0 {
            self.recovery.on_acked(self.now, self.rtt.rto_nanos(), 0, MSS);
        }
        orderly
    }

    fn shows(&mut self) -> impl PartialEq + core::fmt::Debug + use<> {
        let watch = self.recovery.watch(&self.rtt, Duration::from_millis(1), true);
        (format!("{:?} {:?} {:?}", self.recovery, self.rtt, self.congestion), watch)
    }
}

/// How many ACKs were orderly, of so many.
fn compare(moves: &[Move]) -> (usize, usize) {
    let (mut by_itself, mut as_any) = (End::new(), End::new());
    let mut orderly = 0;
    for (at, act) in moves.iter().enumerate() {
        orderly += usize::from(by_itself.act(act, true));
        as_any.act(act, false);
        assert_eq!(by_itself.shows(), as_any.shows(), "after move {at}, {act:?}");
    }
    (orderly, moves.iter().filter(|act| matches!(act, Move::Ack { .. })).count())
}

proptest! {
    #[test]
    fn an_orderly_ack_comes_to_what_any_would(moves in moves()) {
        compare(&moves);
    }
}

#[test]
fn where_nothing_is_lost_every_ack_is_orderly_and_after_a_loss_it_is_again() {
    let round = [
        Move::Send { octets: 4 * MSS, probed: false },
        Move::Pass { micros: 500 },
        Move::Ack { octets: 2 * MSS, ece: false, echo_before: Some(20) },
    ];
    let quiet = round.repeat(20);
    assert_eq!(compare(&quiet), (20, 20));
    let loss =
        [Move::Sack { from: 5 * MSS, octets: 10 * MSS }, Move::Pass { micros: 50_000 }, Move::Timer, Move::Resend];
    let all = Move::Ack { octets: 100 * MSS, ece: false, echo_before: Some(20) };
    let moves = [&quiet[..], &loss, &[all, all], &quiet].concat();
    let (orderly, acks) = compare(&moves);
    assert!(orderly >= 36 && acks == 42, "{orderly} of {acks}");
}
