//! Opening: active, passive, simultaneous; what may go wrong (RFC 9293 sections 3.5, 3.10.1, 3.10.7.2, 3.10.7.3).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sockeye_tcb::{CallError, ClosedBecause, Config, Event, Segment, State, Stop, Tcb, closed, listen};
use sockeye_wire::ip::Ecn;
use sockeye_wire::tcp::{Flags, Options};
use sockeye_wire::{Instant, SeqNumber};

use crate::pair::{Fate, ISS_A, ISS_B, Pair, Side, config, text};

/// A segment from nowhere.
pub fn segment(seq: SeqNumber, ack: SeqNumber, flags: Flags) -> Segment {
    Segment {
        seq,
        ack,
        flags,
        window: 65_535,
        urgent: 0,
        options: Options::NONE,
        payload: Bytes::new(),
        more: Vec::new(),
        arrived_at: Instant::ZERO,
        segment_size: 0,
        ecn: Ecn::NotEct,
    }
}

fn n(value: u32) -> SeqNumber {
    SeqNumber::new(value)
}

//= rfc9293#3.10.1-1
//= rfc9293#3.10.7.2-2
//= rfc9293#3.10.7.3-4
#[test]
fn three_segments_open_a_connection() {
    let mut pair = Pair::opening(config(), config());
    pair.run_for(Duration::from_secs(1));
    let seen: Vec<_> =
        pair.log.iter().map(|sent| (sent.from, sent.segment.flags, sent.segment.seq, sent.segment.ack)).collect();
    assert_eq!(
        seen,
        [
            (Side::A, Flags::SYN, ISS_A, n(0)),
            (Side::B, Flags::SYN_ACK, ISS_B, ISS_A + 1),
            (Side::A, Flags::ACK, ISS_A + 1, ISS_B + 1),
        ]
    );
    assert_eq!(pair.a.events, [Event::Established]);
    assert_eq!(pair.b.events, [Event::Established]);
    assert_eq!(pair.a.tcb.info(pair.now).handshake, Duration::from_millis(20));
}

/// FIELD D5.
//= rfc9293#MUST-10
//= rfc9293#3.10.7.3-5
//= rfc9293#A.2-1
#[test]
fn syns_that_cross_open_one_connection() {
    let now = Instant::from_millis(10_000);
    let a = Tcb::connect(Arc::new(config()), ISS_A, 7, now);
    let b = Tcb::connect(Arc::new(config()), ISS_B, 9, now);
    let mut pair = Pair::of(a, b, now);
    pair.run_for(Duration::from_secs(1));
    assert_eq!((pair.a.tcb.state(), pair.b.tcb.state()), (State::Established, State::Established));
    pair.send(Side::A, text(5000));
    pair.send(Side::B, text(6000));
    pair.run_for(Duration::from_secs(1));
    assert_eq!((pair.b.received.len(), pair.a.received.len()), (5000, 6000));
    assert!(pair.log.len() < 40, "no endless exchange of ACKs");
}

//= rfc9293#MUST-10
#[test]
fn syns_that_cross_open_a_connection_though_segments_are_lost() {
    for lost in 0..6 {
        let now = Instant::from_millis(10_000);
        let a = Tcb::connect(Arc::new(config()), ISS_A, 7, now);
        let b = Tcb::connect(Arc::new(config()), ISS_B, 9, now);
        let mut pair = Pair::of(a, b, now);
        let mut count = 0;
        pair.filter = Box::new(move |_| {
            count += 1;
            if count - 1 == lost { Fate::Lost } else { Fate::Arrives }
        });
        pair.send(Side::A, text(100));
        pair.run_for(Duration::from_secs(10));
        assert_eq!((pair.a.tcb.state(), pair.b.tcb.state()), (State::Established, State::Established), "{lost}");
        assert_eq!(pair.b.received.len(), 100);
    }
}

//= rfc9293#3.5.2-1
//= rfc9293#3.10.7.1-1
#[test]
fn nobody_there_answers_with_a_reset_that_the_sender_believes() {
    let with_ack = closed::reply(&segment(n(5), n(77), Flags::ACK)).unwrap();
    assert_eq!((with_ack.seq, with_ack.flags), (n(77), Flags::RST));
    let mut syn = segment(n(5), n(0), Flags::SYN);
    syn.payload = Bytes::from_static(b"abc");
    let without = closed::reply(&syn).unwrap();
    assert_eq!((without.seq, without.ack, without.flags), (n(0), n(9), Flags::RST_ACK));
    assert_eq!(closed::reply(&segment(n(5), n(77), Flags::RST)), None);
}

//= rfc9293#3.10.7.2-1
//= rfc9293#3.10.7.2-4
//= rfc9293#3.5.2-2
//= rfc9293#3.5.3-2
#[test]
fn a_listener_ignores_resets_and_answers_stray_acks_with_one() {
    let verdict = |flags| listen::arrives(&segment(n(5), n(77), flags), &config(), ISS_B, 0, Instant::ZERO);
    assert!(matches!(verdict(Flags::RST), listen::Verdict::Drop(Stop::ResetInListen, None)));
    assert!(matches!(verdict(Flags::NONE), listen::Verdict::Drop(Stop::NotASyn, None)));
    match verdict(Flags::ACK) {
        listen::Verdict::Drop(Stop::AckInListen, Some(reply)) => {
            assert_eq!((reply.seq, reply.flags), (n(77), Flags::RST));
        }
        other => panic!("{other:?}"),
    }
}

//= rfc9293#3.10.7.2-3
#[test]
fn text_that_came_with_the_syn_is_delivered_once() {
    let mut pair = Pair::opening(config(), config());
    let mut syn = segment(ISS_A, n(0), Flags::SYN);
    syn.payload = Bytes::from_static(b"early");
    pair.inject(Side::B, syn).unwrap();
    pair.send(Side::A, b"early and late".to_vec());
    pair.run_for(Duration::from_secs(2));
    assert_eq!(pair.b.received, b"early and late");
}

//= rfc9293#3.10.7.3-1
//= rfc9293#3.10.7.3-7
//= rfc9293#3.5.1-1
//= rfc9293#3.5.2-2
#[test]
fn in_syn_sent_an_ack_of_something_else_gets_a_reset_and_the_syn_goes_on() {
    let mut pair = Pair::opening(config(), config());
    pair.filter = Box::new(|sent| if sent.from == Side::A { Fate::Lost } else { Fate::Arrives });
    pair.settle();
    for wrong in [ISS_A, ISS_A + 2, ISS_A - 1] {
        pair.log.clear();
        assert_eq!(pair.inject(Side::A, segment(n(9), wrong, Flags::ACK)), Err(Stop::AckOutsideHandshake));
        let replies = pair.sent_by(Side::A);
        assert_eq!((replies[0].seq, replies[0].flags, replies.len()), (wrong, Flags::RST, 1));
        pair.log.clear();
        assert_eq!(pair.inject(Side::A, segment(n(9), wrong, Flags::RST_ACK)), Err(Stop::AckOutsideHandshake));
        assert!(pair.sent_by(Side::A).is_empty(), "a RST is never answered");
    }
    assert_eq!(pair.a.tcb.state(), State::SynSent);
}

//= rfc9293#3.10.7.3-2
//= rfc9293#3.10.7.3-3
//= rfc5961#3.2-7
#[test]
fn in_syn_sent_only_a_reset_that_acknowledges_the_syn_counts() {
    let mut pair = Pair::opening(config(), config());
    pair.filter = Box::new(|_| Fate::Lost);
    pair.settle();
    assert_eq!(pair.inject(Side::A, segment(n(0), n(0), Flags::RST)), Err(Stop::ResetWithoutAck));
    assert_eq!(pair.a.tcb.state(), State::SynSent);
    assert_eq!(pair.inject(Side::A, segment(n(0), ISS_A + 1, Flags::RST_ACK)), Err(Stop::Reset));
    assert_eq!(pair.a.events, [Event::Closed(ClosedBecause::Refused)]);
}

//= rfc9293#MUST-22
//= rfc9293#MUST-23
//= rfc9293#MUST-20
//= rfc9293#SHLD-9
//= rfc6298#5.5-1
#[test]
fn a_syn_goes_out_for_three_minutes_at_doubled_intervals() {
    let mut pair = Pair::opening(config(), config());
    pair.filter = Box::new(|_| Fate::Lost);
    pair.run_for(Duration::from_secs(400));
    let times: Vec<u64> = pair.log.iter().map(|sent| sent.at.as_millis() - 10_000).collect();
    assert_eq!(times[..6], [0, 1000, 3000, 7000, 15_000, 31_000]);
    assert!(*times.last().unwrap() >= 120_000);
    assert!(pair.a.events.iter().any(|event| matches!(event, Event::SoftError(_))), "R1 was told");
    assert_eq!(pair.a.events.last(), Some(&Event::Closed(ClosedBecause::HandshakeTimedOut)));
    assert_eq!(pair.a.tcb.next_timeout(), None);
}

//= rfc6298#5.7-1
//= rfc5681#3.1-4
//= rfc6928#2-4
#[test]
fn a_lost_syn_is_sent_again_and_twice_lost_it_shrinks_the_first_window() {
    for (losses, cwnd) in [(0, 10), (1, 10), (2, 1)] {
        let mut pair = Pair::opening(config(), config());
        let mut left = losses;
        pair.filter = Box::new(move |_| {
            left -= 1;
            if left >= 0 { Fate::Lost } else { Fate::Arrives }
        });
        pair.run_for(Duration::from_secs(8));
        let info = pair.a.tcb.info(pair.now);
        assert_eq!(info.state, State::Established);
        assert_eq!(info.cwnd, cwnd * u32::from(info.snd_mss), "{losses} lost");
    }
}

//= rfc9293#3.10.7.4-12
//= rfc9293#3.5.2-2
#[test]
fn in_syn_received_a_wrong_ack_gets_a_reset_and_the_right_one_still_counts() {
    let mut pair = Pair::opening(config(), config());
    pair.filter = Box::new(|sent| if sent.from == Side::B { Fate::Lost } else { Fate::Arrives });
    pair.run_for(Duration::from_millis(100));
    assert_eq!(pair.b.tcb.state(), State::SynReceived);
    pair.log.clear();
    let wrong = pair.inject(Side::B, segment(ISS_A + 1, ISS_B + 2, Flags::ACK));
    assert_eq!(wrong, Err(Stop::AckOutsideHandshake));
    assert_eq!((pair.sent_by(Side::B)[0].seq, pair.sent_by(Side::B)[0].flags), (ISS_B + 2, Flags::RST));
    pair.inject(Side::B, segment(ISS_A + 1, ISS_B + 1, Flags::ACK)).unwrap();
    assert_eq!(pair.b.tcb.state(), State::Established);
}

//= rfc9293#MUST-11
//= rfc9293#3.10.7.4-7
//= rfc9293#3.10.7.4-10
//= rfc9293#3.5.3-2
#[test]
fn from_listen_a_reset_or_a_new_syn_returns_to_listen_silently() {
    for flags in [Flags::RST, Flags::SYN] {
        let mut pair = Pair::opening(config(), config());
        pair.filter = Box::new(|sent| if sent.from == Side::B { Fate::Lost } else { Fate::Arrives });
        pair.run_for(Duration::from_millis(100));
        let _ = pair.inject(Side::B, segment(ISS_A + 1, n(0), flags));
        assert_eq!(pair.b.tcb.state(), State::Listen);
        assert!(pair.b.events.is_empty());
        pair.inject(Side::B, segment(n(500), n(0), Flags::SYN)).unwrap();
        assert_eq!(pair.b.tcb.state(), State::SynReceived, "it listens again");
    }
}

//= rfc9293#MUST-11
//= rfc9293#3.10.7.4-7
#[test]
fn from_an_active_open_a_reset_in_syn_received_is_a_refusal() {
    let now = Instant::from_millis(10_000);
    let mut tcb = Tcb::connect(Arc::new(config()), ISS_A, 7, now);
    tcb.on_segment(now, segment(n(500), n(0), Flags::SYN)).unwrap();
    assert_eq!(tcb.state(), State::SynReceived);
    assert_eq!(tcb.on_segment(now, segment(n(501), n(0), Flags::RST)), Err(Stop::Reset));
    assert_eq!(tcb.poll_event(), Some(Event::Closed(ClosedBecause::Refused)));
}

//= rfc9293#3.10.7.4-7
//= rfc5961#3.2-4
#[test]
fn in_syn_received_a_reset_that_is_not_exact_is_challenged() {
    let mut pair = Pair::opening(config(), config());
    pair.filter = Box::new(|sent| if sent.from == Side::B { Fate::Lost } else { Fate::Arrives });
    pair.run_for(Duration::from_millis(100));
    pair.log.clear();
    assert_eq!(pair.inject(Side::B, segment(ISS_A + 100, n(0), Flags::RST)), Err(Stop::InexactReset));
    assert_eq!(pair.b.tcb.state(), State::SynReceived);
    assert_eq!((pair.sent_by(Side::B)[0].flags, pair.sent_by(Side::B)[0].ack), (Flags::ACK, ISS_A + 1));
}

/// FIELD D15, D28: flags and options that nobody knows don't change the verdict; the same SYN again is the same SYN.
#[test]
fn a_syn_again_gets_the_syn_ack_again() {
    let mut pair = Pair::opening(config(), config());
    pair.filter = Box::new(|sent| if sent.from == Side::B { Fate::Lost } else { Fate::Arrives });
    pair.run_for(Duration::from_millis(100));
    pair.log.clear();
    let ecn_syn = Flags { ece: true, cwr: true, ..Flags::SYN };
    for _ in 0..3 {
        assert_eq!(pair.inject(Side::B, segment(ISS_A, n(0), ecn_syn)), Err(Stop::DuplicateSyn));
    }
    assert!(pair.sent_by(Side::B).iter().all(|sent| sent.flags == Flags::SYN_ACK && sent.seq == ISS_B));
    assert_eq!(pair.sent_by(Side::B).len(), 3);
}

//= rfc9293#MUST-22
#[test]
fn a_half_open_connection_that_nobody_completes_expires() {
    let mut pair = Pair::opening(config(), config());
    pair.filter = Box::new(|sent| if sent.from == Side::B { Fate::Lost } else { Fate::Arrives });
    pair.run_for(Duration::from_millis(100));
    pair.filter = Box::new(|_| Fate::Lost);
    pair.run_for(Duration::from_secs(400));
    assert_eq!(pair.b.tcb.state(), State::Closed);
    assert_eq!(pair.b.tcb.next_timeout(), None);
}

//= rfc9293#3.10.2-1
//= rfc9293#3.10.7.3-6
#[test]
fn text_handed_over_before_the_handshake_leaves_with_it() {
    let mut pair = Pair::opening(config(), config());
    pair.send(Side::A, text(3000));
    assert!(pair.log.iter().all(|sent| sent.segment.payload.is_empty()));
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.b.received.len(), 3000);
}

//= rfc9293#3.10.4-1
#[test]
fn close_before_the_connection_is_open_deletes_it() {
    let mut pair = Pair::opening(config(), config());
    pair.settle();
    let now = pair.now;
    pair.a.tcb.shutdown(now).unwrap();
    assert_eq!(pair.a.tcb.state(), State::Closed);
    assert_eq!(pair.a.tcb.recv(now, 10), Err(CallError::Closed(ClosedBecause::ClosedBeforeOpen)));
    pair.b.tcb.shutdown(now).unwrap();
    assert_eq!(pair.b.tcb.state(), State::Closed);
}

//= rfc9293#3.10.4-2
#[test]
fn close_in_syn_received_sends_the_fin_after_the_handshake() {
    let mut pair = Pair::opening(config(), config());
    pair.filter = Box::new(|sent| if sent.from == Side::B { Fate::Lost } else { Fate::Arrives });
    pair.run_for(Duration::from_millis(100));
    let now = pair.now;
    pair.b.tcb.shutdown(now).unwrap();
    assert_eq!(pair.b.tcb.shutdown(now), Err(CallError::Closing));
    pair.filter = Box::new(|_| Fate::Arrives);
    pair.run_for(Duration::from_secs(5));
    assert_eq!((pair.a.tcb.state(), pair.b.tcb.state()), (State::CloseWait, State::FinWait2));
}

//= rfc9293#3.10.2-1
#[test]
fn a_closed_or_listening_connection_takes_no_text() {
    let now = Instant::ZERO;
    let mut tcb = Tcb::listen(Arc::new(Config::default()), ISS_A, 0, now);
    assert_eq!(tcb.send(now, &mut Bytes::from_static(b"x")), Err(CallError::NotConnected));
    assert_eq!(tcb.recv(now, 1), Err(CallError::NotConnected));
}
