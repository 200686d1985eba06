//! What lives outside a `Tcb` and what lives in it are judged alike: the same segments through a half-open connection or
//! TIME-WAIT as a bare struct and inside a connection give the same answers.

use std::sync::Arc;

use proptest::prelude::*;
use sockeye_tcb::{Header, Segment, State, Stop, Tcb, half_open, listen, time_wait};
use sockeye_wire::tcp::{Flags, Timestamps};
use sockeye_wire::{Instant, SeqNumber};

use crate::open::segment;
use crate::pair::{ISS_A, ISS_B, Pair, Side, config};

/// Numbers near those that matter, and some that are far.
fn near(base: SeqNumber) -> impl Strategy<Value = SeqNumber> {
    prop_oneof![(0_u32..4).prop_map(move |by| base - 2 + by), any::<u32>().prop_map(SeqNumber::new)]
}

fn any_segment(seq: SeqNumber, ack: SeqNumber) -> impl Strategy<Value = Segment> {
    (near(seq), near(ack), any::<u8>(), prop::option::of(any::<u32>()), 0..3_usize).prop_map(
        |(seq, ack, bits, value, length)| {
            let mut segment = segment(seq, ack, Flags::from_bits(bits));
            segment.options.timestamps = value.map(|value| Timestamps { value, echo: 0 });
            segment.payload = vec![7; length].into();
            segment
        },
    )
}

/// The first thing that the connection sends.
fn answer(tcb: &mut Tcb, now: Instant) -> Option<Header> {
    tcb.poll_transmit(now, 0).map(|transmit| transmit.header)
}

proptest! {
    #[test]
    fn a_half_open_connection_answers_alike_inside_and_outside_a_tcb(
        segments in prop::collection::vec(any_segment(ISS_A + 1, ISS_B + 1), 1..20),
    ) {
        let now = Instant::from_millis(5_000);
        let syn = segment(ISS_A, SeqNumber::new(0), Flags::SYN);
        let mut inside = Tcb::listen(Arc::new(config()), ISS_B, 3, now);
        inside.on_segment(now, syn.clone()).unwrap();
        let listen::Verdict::Open(mut outside) = listen::arrives(&syn, &config(), ISS_B, 3, now) else {
            panic!("a SYN opens");
        };
        prop_assert_eq!(answer(&mut inside, now), Some(outside.syn_ack(now)));
        prop_assert_eq!(inside.next_timeout(), Some(outside.deadline()));
        for segment in segments {
            let stop = inside.on_segment(now, segment.clone());
            match outside.on_segment(now, &segment) {
                half_open::Verdict::Drop(reason, reply) => {
                    prop_assert_eq!(stop, Err(reason));
                    prop_assert_eq!(answer(&mut inside, now), reply);
                    prop_assert_eq!(inside.state(), State::SynReceived);
                }
                half_open::Verdict::Gone(reason) => {
                    prop_assert_eq!((stop, inside.state()), (Err(reason), State::Listen));
                    return Ok(());
                }
                half_open::Verdict::Established => {
                    let mut crossed = Tcb::from_half_open(Arc::new(config()), &outside, now);
                    prop_assert_eq!(crossed.on_segment(now, segment), stop);
                    prop_assert_eq!(crossed.state(), inside.state());
                    prop_assert_eq!(answer(&mut crossed, now), answer(&mut inside, now));
                    prop_assert_eq!(crossed.next_timeout(), inside.next_timeout());
                    return Ok(());
                }
            }
        }
    }

    #[test]
    fn time_wait_answers_alike_inside_and_outside_a_tcb(
        segments in prop::collection::vec(any_segment(ISS_B + 2, ISS_A + 2), 1..20),
    ) {
        let mut pair = Pair::established();
        pair.close(Side::A);
        pair.run_for(std::time::Duration::from_secs(1));
        pair.close(Side::B);
        pair.run_for(std::time::Duration::from_secs(1));
        let now = pair.now;
        let inside = &mut pair.a.tcb;
        inside.close(now);
        let mut outside = inside.time_wait().unwrap();
        for segment in segments {
            let stop = inside.on_segment(now, segment.clone());
            let reply = match outside.on_segment(now, &segment) {
                time_wait::Verdict::Drop(reason, reply) => {
                    prop_assert_eq!(stop, Err(reason));
                    reply
                }
                time_wait::Verdict::Restarted(reply) => {
                    prop_assert_eq!(stop, Ok(()));
                    Some(reply)
                }
                time_wait::Verdict::Reopen => {
                    prop_assert_eq!(stop, Err(Stop::SynOnConnection));
                    None
                }
            };
            prop_assert_eq!(answer(inside, now), reply);
            prop_assert_eq!(inside.next_timeout(), Some(outside.until()));
        }
    }
}
