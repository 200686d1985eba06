//! Buffers that grow with what the path takes, and what they do while memory is short.

use std::time::Duration;

use bytes::Bytes;
use sockeye_tcb::congestion::Algorithm;
use sockeye_tcb::{Buffer, CallError, Config, Event};
use sockeye_wire::SeqNumber;

use crate::congestion::WIDE;
use crate::pair::{Fate, ISS_A, Pair, Side, config, text};

const KIB: u32 = 1 << 10;
const MIB: u32 = 1 << 20;
/// Small limits, so that tests are quick.
const AUTO: Buffer = Buffer::Auto { initial: 64 * KIB, limit: 4 * MIB };

/// 101 segments of 988 octets, always.
const WIDE_WINDOW: Algorithm = Algorithm::new("wide", |_initial| Box::new(WIDE));

fn automatic() -> Config {
    Config { receive_buffer: AUTO, send_buffer: AUTO, ..config() }
}

/// The right edge of the window in every segment that `side` has sent.
fn edges(pair: &Pair, side: Side, shift: u8) -> Vec<SeqNumber> {
    let scaled = |segment: &sockeye_tcb::Segment| u32::from(segment.window) << shift;
    pair.sent_by(side).iter().map(|segment| segment.ack + scaled(segment)).collect()
}

#[test]
fn the_receive_buffer_grows_to_what_is_read_in_a_round_trip_and_the_sender_never_waits_for_it() {
    for timestamps in [true, false] {
        let with = Config { timestamps, send_buffer: Buffer::Fixed(8 * MIB), ..automatic() };
        let mut pair = Pair::established_with(with.clone(), with);
        pair.send(Side::A, text(6 << 20));
        let done = pair.run_until(Duration::from_secs(10), |pair| {
            let info = pair.a.tcb.info(pair.now);
            // The first window, which no SYN scales, may be in the way for a moment.
            assert!(info.window_limited < Duration::from_millis(20), "{info:?}");
            info.snd_wnd >= 2 * MIB
        });
        assert!(done, "timestamps {timestamps}: {:?}", pair.b.tcb.info(pair.now));
        assert!(pair.run_until(Duration::from_secs(10), |pair| pair.b.received.len() == 6 << 20));
        let info = pair.b.tcb.info(pair.now);
        assert_eq!(info.receive_buffer, 4 * MIB, "up to its limit");
        assert!(info.rcv_wnd <= 4 * MIB + 128, "{info:?}");
        if timestamps {
            let rtt = info.receiver_rtt.unwrap();
            assert!((Duration::from_millis(15)..Duration::from_millis(25)).contains(&rtt), "{rtt:?}");
        }
    }
}

/// A segment is lost three times, so that what some round trips have brought is read at once.
#[test]
fn what_waited_behind_a_hole_and_is_read_at_once_makes_the_buffer_no_larger() {
    let grown = |mut losses: u32| {
        let with = Config { send_buffer: Buffer::Fixed(8 * MIB), congestion: WIDE_WINDOW, ..automatic() };
        let mut pair = Pair::established_with(with.clone(), with);
        let hole = ISS_A + 1 + 500 * 988;
        pair.filter = Box::new(move |sent| {
            let lost = sent.from == Side::A && sent.segment.seq == hole && losses > 0;
            losses -= u32::from(lost);
            if lost { Fate::Lost } else { Fate::Arrives }
        });
        pair.send(Side::A, text(2 << 20));
        assert!(pair.run_until(Duration::from_secs(10), |pair| pair.b.received.len() == 2 << 20));
        pair.b.tcb.info(pair.now)
    };
    let (whole, holed) = (grown(0), grown(3));
    assert!(holed.out_of_order > 200, "two windows waited: {holed:?}");
    let read = [whole.read_in_rtt, holed.read_in_rtt];
    assert!(read[1] <= read[0] + read[0] / 4, "{read:?}");
    assert!(holed.receive_buffer < 4 * MIB, "{holed:?}");
}

#[test]
fn a_reader_that_takes_little_gets_no_large_buffer() {
    let mut pair = Pair::established_with(automatic(), automatic());
    pair.b.reads = false;
    pair.send(Side::A, text(1 << 20));
    for _ in 0..100 {
        pair.run_for(Duration::from_millis(20));
        // 5,000 octets in a round trip.
        let _ = pair.b.tcb.recv(pair.now, 5_000);
        pair.settle();
    }
    assert_eq!(pair.b.tcb.info(pair.now).receive_buffer, 64 * KIB);
}

#[test]
fn a_buffer_of_a_fixed_size_stays_as_it_is() {
    let fixed = Buffer::Fixed(100_000);
    let with = Config { receive_buffer: fixed, send_buffer: fixed, ..config() };
    let mut pair = Pair::established_with(with.clone(), with);
    pair.send(Side::A, text(3 << 20));
    assert!(pair.run_until(Duration::from_secs(30), |pair| pair.b.received.len() == 3 << 20));
    let (a, b) = (pair.a.tcb.info(pair.now), pair.b.tcb.info(pair.now));
    assert_eq!((a.send_buffer, b.receive_buffer), (100_000, 100_000));
}

//= rfc7323#2.3-2
#[test]
fn the_window_scale_is_that_of_the_limit() {
    for (buffer, shift) in [(AUTO, 7), (Buffer::default(), 10), (Buffer::Fixed(65_535), 0)] {
        let mut pair = Pair::opening(Config { receive_buffer: buffer, ..config() }, config());
        pair.settle();
        let syn = &pair.log[0].segment;
        assert_eq!(syn.options.window_scale, Some(shift), "{buffer:?}");
        assert_eq!(u32::from(syn.window), buffer.initial().min(65_535));
    }
}

#[test]
fn the_send_buffer_grows_with_the_congestion_window_and_never_keeps_the_writer_waiting() {
    let with = Config { receive_buffer: Buffer::Fixed(8 * MIB), ..automatic() };
    let mut pair = Pair::established_with(with.clone(), with);
    pair.send(Side::A, text(8 << 20));
    assert!(pair.run_until(Duration::from_secs(10), |pair| {
        let info = pair.a.tcb.info(pair.now);
        assert!(info.send_queued <= info.send_buffer);
        assert!(info.send_buffer <= (2 * info.cwnd).max(64 * KIB), "{info:?}");
        info.send_buffer == 4 * MIB
    }));
    assert!(pair.run_until(Duration::from_secs(10), |pair| pair.b.received.len() == 8 << 20));
    assert!(pair.a.tcb.info(pair.now).buffer_limited < Duration::from_millis(20));
}

/// While BBR repairs a loss its window stays: what has arrived behind the loss is kept beside a whole window in flight.
#[test]
fn under_bbr_the_send_buffer_holds_three_windows() {
    let with = Config { receive_buffer: Buffer::Fixed(8 * MIB), congestion: Algorithm::BBR, ..automatic() };
    let mut pair = Pair::established_with(with.clone(), with);
    pair.send(Side::A, text(4 << 20));
    assert!(pair.run_until(Duration::from_secs(10), |pair| {
        let info = pair.a.tcb.info(pair.now);
        info.cwnd > 64 * KIB && info.send_buffer == 3 * info.cwnd
    }));
}

//= rfc9293#SHLD-14
#[test]
fn while_memory_is_short_buffers_do_not_grow_and_no_promise_is_taken_back() {
    let mut pair = Pair::established_with(Config { send_buffer: Buffer::Fixed(8 * MIB), ..automatic() }, automatic());
    pair.send(Side::A, text(1 << 20));
    assert!(pair.run_until(Duration::from_secs(10), |pair| pair.b.received.len() == 1 << 20));
    let grown = pair.b.tcb.info(pair.now);
    assert!(grown.receive_buffer > MIB && grown.rcv_wnd > MIB, "{grown:?}");
    pair.b.tcb.set_memory_pressure(true);
    // What was promised is taken in though nobody reads; then the window closes.
    pair.b.reads = false;
    pair.log.clear();
    pair.send(Side::A, text(6 << 20));
    pair.run_for(Duration::from_secs(2));
    let info = pair.b.tcb.info(pair.now);
    assert_eq!((info.recv_queued + info.rcv_wnd, info.receive_buffer), (grown.rcv_wnd, 64 * KIB), "{info:?}");
    assert!(info.rcv_wnd < 1000, "what is left of it isn't worth a segment");
    assert_eq!(pair.b.tcb.memory(), info.recv_queued);
    // Whoever reads gets on with what there was at first.
    pair.b.reads = true;
    assert!(pair.run_until(Duration::from_secs(60), |pair| pair.b.received.len() >= 4 << 20));
    assert!(pair.b.tcb.info(pair.now).rcv_wnd <= 64 * KIB);
    // Within a step of the scale, which RFC 7323 section 2.4 allows.
    let edges = edges(&pair, Side::B, 7);
    let mut furthest = edges[0];
    for edge in edges {
        assert!(furthest.before(edge + 128), "{edge:?} is left of {furthest:?}");
        furthest = furthest.max(edge);
    }
    pair.b.tcb.set_memory_pressure(false);
    assert!(pair.run_until(Duration::from_secs(60), |pair| pair.b.received.len() == 7 << 20));
    assert!(pair.b.tcb.info(pair.now).receive_buffer >= grown.receive_buffer);
}

/// FIELD D50: the send buffer shrinks below what is queued while a writer waits.
#[test]
fn a_writer_that_waits_while_the_send_buffer_shrinks_is_woken() {
    let mut pair = Pair::established_with(automatic(), automatic());
    pair.send(Side::A, text(12 << 20));
    assert!(pair.run_until(Duration::from_secs(10), |pair| pair.a.tcb.info(pair.now).send_buffer == 4 * MIB));
    pair.b.reads = false;
    pair.run_for(Duration::from_secs(1));
    let full = pair.a.tcb.info(pair.now);
    assert!(full.send_queued > MIB && full.snd_wnd == 0, "{full:?}");
    pair.a.tcb.set_memory_pressure(true);
    assert_eq!(pair.a.tcb.info(pair.now).send_buffer, 64 * KIB);
    assert_eq!(pair.a.tcb.send(pair.now, &mut Bytes::from_static(b"more")), Err(CallError::WouldBlock));
    pair.a.events.clear();
    pair.b.reads = true;
    pair.settle();
    assert!(pair.run_until(Duration::from_secs(120), |pair| pair.a.events.contains(&Event::Writable)));
    assert!(pair.a.tcb.info(pair.now).send_queued <= 64 * KIB, "only once there is room");
    assert!(pair.run_until(Duration::from_secs(120), |pair| pair.b.received.len() == 12 << 20));
}

#[test]
fn sizes_that_are_set_while_the_connection_lives_hold_at_once() {
    let mut pair = Pair::established_with(automatic(), automatic());
    pair.b.reads = false;
    pair.send(Side::A, text(300_000));
    pair.run_for(Duration::from_secs(1));
    assert!(!pair.a.to_send.is_empty(), "the buffers at both ends are full");
    pair.a.events.clear();
    pair.a.tcb.configure(pair.now, |config| config.send_buffer = Buffer::Fixed(MIB));
    assert_eq!(pair.a.tcb.info(pair.now).send_buffer, MIB);
    pair.settle();
    assert_eq!((pair.a.events.as_slice(), pair.a.to_send.len()), (&[Event::Writable][..], 0));
    pair.b.tcb.configure(pair.now, |config| config.receive_buffer = Buffer::Fixed(200_000));
    pair.b.reads = true;
    pair.run_for(Duration::from_secs(5));
    let info = pair.b.tcb.info(pair.now);
    assert_eq!((pair.b.received.len(), info.receive_buffer), (300_000, 200_000));
    assert!((199_000..=200_128).contains(&info.rcv_wnd), "{info:?}");
    // A smaller one takes nothing back.
    pair.b.tcb.configure(pair.now, |config| config.receive_buffer = Buffer::Fixed(20_000));
    pair.b.reads = false;
    pair.filter = Box::new(|_| Fate::Arrives);
    pair.send(Side::A, text(400_000));
    pair.run_for(Duration::from_secs(5));
    assert!(pair.b.tcb.info(pair.now).recv_queued > info.rcv_wnd - 1000);
}

#[test]
fn forged_echoes_do_not_grow_the_buffer() {
    let mut pair = Pair::established_with(automatic(), automatic());
    pair.send(Side::A, text(20_000));
    pair.run_for(Duration::from_secs(1));
    let (before, mut forged) = (pair.b.tcb.info(pair.now), pair.sent_by(Side::A).pop().unwrap());
    forged.payload = Bytes::from(vec![7; 1000]);
    for echo in [0, 1 << 30, u32::MAX / 2, u32::MAX].into_iter().cycle().take(40) {
        forged.seq = pair.b_nxt();
        forged.options.timestamps.as_mut().unwrap().echo = echo;
        pair.inject(Side::B, forged.clone()).unwrap();
        pair.run_for(Duration::from_millis(2));
    }
    let after = pair.b.tcb.info(pair.now);
    assert_eq!(after.receive_buffer, before.receive_buffer);
    assert!(after.receiver_rtt.unwrap() < Duration::from_secs(2), "{after:?}");
}

impl Pair {
    /// RCV.NXT of `b`.
    fn b_nxt(&self) -> SeqNumber {
        crate::pair::ISS_A + 1 + u32::try_from(self.b.tcb.info(self.now).bytes_received).unwrap()
    }
}
