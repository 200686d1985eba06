//! Explicit congestion notification (RFC 3168, RFC 8257 section 3.2).

use std::sync::Arc;
use std::time::Duration;

use sockeye_tcb::congestion::Algorithm;
use sockeye_tcb::{Config, EcnPolicy, HalfOpen, Segment, Stop, Tcb, half_open, listen};
use sockeye_wire::ip::Ecn;
use sockeye_wire::tcp::Flags;
use sockeye_wire::{Instant, SeqNumber};

use crate::open::segment;
use crate::pair::{Fate, ISS_A, Pair, Sent, Side, config, text};

const SETUP_SYN: Flags = Flags { ece: true, cwr: true, ..Flags::SYN };
const SETUP_SYN_ACK: Flags = Flags { ece: true, ..Flags::SYN_ACK };

fn with(ecn: EcnPolicy) -> Config {
    Config { ecn, ..config() }
}

/// Both ends use ECN; `a` asked.
fn marking_pair(limit: u32) -> Pair {
    let mut pair = Pair::opening(with(EcnPolicy::Request), config());
    pair.limit = limit;
    pair.run_for(Duration::from_millis(100));
    assert!(pair.a.tcb.info(pair.now).ecn && pair.b.tcb.info(pair.now).ecn);
    pair
}

fn is_text(sent: &Sent) -> bool {
    sent.from == Side::A && !sent.segment.payload.is_empty()
}

/// Marks the segments of text whose numbers, from 0 on, are in `which`.
fn mark(pair: &mut Pair, which: std::ops::Range<usize>) {
    let mut count = 0;
    pair.filter = Box::new(move |sent| {
        if !is_text(sent) || sent.segment.ecn == Ecn::NotEct {
            return Fate::Arrives;
        }
        count += 1;
        if which.contains(&(count - 1)) { Fate::Marked } else { Fate::Arrives }
    });
}

/// FIELD D15.
//= rfc3168#6.1.1-1
//= rfc3168#6.1.1-2
//= rfc3168#6.1.1-3
//= rfc3168#6.1.1-8
//= rfc3168#6.1.1-10
#[test]
fn it_is_used_if_one_side_asks_and_the_other_is_not_against_it() {
    use EcnPolicy::{Accept, Off, Request};
    for (a, b, syn, syn_ack, agreed) in [
        (Request, Request, SETUP_SYN, SETUP_SYN_ACK, true),
        (Request, Accept, SETUP_SYN, SETUP_SYN_ACK, true),
        (Request, Off, SETUP_SYN, Flags::SYN_ACK, false),
        (Accept, Request, Flags::SYN, Flags::SYN_ACK, false),
        (Off, Accept, Flags::SYN, Flags::SYN_ACK, false),
    ] {
        let mut pair = Pair::opening(with(a), with(b));
        pair.run_for(Duration::from_millis(100));
        let seen: Vec<_> = pair.log.iter().take(2).map(|sent| (sent.segment.flags, sent.segment.ecn)).collect();
        assert_eq!(seen, [(syn, Ecn::NotEct), (syn_ack, Ecn::NotEct)], "{a:?} {b:?}");
        assert_eq!((pair.a.tcb.info(pair.now).ecn, pair.b.tcb.info(pair.now).ecn), (agreed, agreed), "{a:?} {b:?}");
    }
}

//= rfc3168#6.1.1-9
#[test]
fn a_syn_ack_that_only_reflects_our_flags_agrees_to_nothing() {
    for (flags, agreed) in [
        (Flags { ece: true, cwr: true, ..Flags::SYN_ACK }, false),
        (Flags { cwr: true, ..Flags::SYN_ACK }, false),
        (SETUP_SYN_ACK, true),
    ] {
        let now = Instant::from_millis(1);
        let mut tcb = Tcb::connect(Arc::new(with(EcnPolicy::Request)), ISS_A, 0, now);
        assert_eq!(tcb.poll_transmit(now, 0).unwrap().header.flags, SETUP_SYN);
        tcb.on_segment(now, segment(SeqNumber::new(7), ISS_A + 1, flags)).unwrap();
        assert_eq!(tcb.info(now).ecn, agreed, "{flags:?}");
    }
}

fn half_open(flags: Flags) -> HalfOpen {
    let syn = segment(SeqNumber::new(7), SeqNumber::default(), flags);
    match listen::arrives(&syn, &config(), ISS_A, 0, Instant::ZERO) {
        listen::Verdict::Open(half_open) => half_open,
        listen::Verdict::Drop(stop, _) => panic!("{stop:?}"),
    }
}

//= rfc3168#6.1.1-1
//= rfc3168#6.1.1-3
//= rfc3168#6.1.1-9
#[test]
fn a_syn_with_one_of_the_two_flags_asks_for_nothing() {
    for flags in [Flags { ece: true, ..Flags::SYN }, Flags { cwr: true, ..Flags::SYN }] {
        assert_eq!(half_open(flags).syn_ack(Instant::ZERO).flags, Flags::SYN_ACK);
    }
}

//= rfc3168#6.1.1-3
//= rfc3168#6.1.1-5
#[test]
fn a_peer_that_stops_asking_gets_a_syn_ack_without_it() {
    let mut half_open = half_open(SETUP_SYN);
    assert_eq!(half_open.syn_ack(Instant::ZERO).flags, SETUP_SYN_ACK);
    let again = segment(SeqNumber::new(7), SeqNumber::default(), Flags::SYN);
    let verdict = half_open.on_segment(Instant::from_millis(1000), &again);
    let half_open::Verdict::Drop(Stop::DuplicateSyn, Some(reply)) = verdict else { panic!("{verdict:?}") };
    assert_eq!(reply.flags, Flags::SYN_ACK);
}

//= rfc3168#6.1.1.1-2
//= rfc3168#6.1.1-4
//= rfc3168#6.1.1-7
//= rfc3168#6.1.1-12
#[test]
fn a_syn_that_goes_unanswered_is_sent_again_without_it_and_marks_are_echoed_nevertheless() {
    let now = Instant::from_millis(1);
    let mut tcb = Tcb::connect(Arc::new(with(EcnPolicy::Request)), ISS_A, 0, now);
    assert_eq!(tcb.poll_transmit(now, 0).unwrap().header.flags, SETUP_SYN);
    let later = tcb.next_timeout().unwrap();
    tcb.on_timeout(later);
    assert_eq!(tcb.poll_transmit(later, 0).unwrap().header.flags, Flags::SYN);
    // The answer to the first SYN.
    tcb.on_segment(later, segment(SeqNumber::new(7), ISS_A + 1, SETUP_SYN_ACK)).unwrap();
    assert!(!tcb.info(later).ecn);
    tcb.send(later, &mut text(100).into()).unwrap();
    assert_eq!(tcb.poll_transmit(later, 0).unwrap().ecn, Ecn::NotEct);
    let marked = segment(SeqNumber::new(8), ISS_A + 1, Flags::ACK);
    tcb.on_segment(later, Segment { payload: text(100).into(), ecn: Ecn::Ce, ..marked }).unwrap();
    assert!(tcb.poll_transmit(later, 0).unwrap().header.flags.ece);
}

//= rfc3168#5-2
//= rfc3168#5.2-2
//= rfc3168#6.1.4-1
//= rfc3168#6.1.5-1
//= rfc3168#5.2-1
#[test]
fn new_text_may_be_marked_and_nothing_else() {
    let mut pair = marking_pair(0);
    let mut count = 0;
    pair.filter = Box::new(move |sent| {
        count += usize::from(is_text(sent));
        if is_text(sent) && count == 3 { Fate::Lost } else { Fate::Arrives }
    });
    pair.send(Side::A, text(30_000));
    pair.run_for(Duration::from_secs(2));
    assert_eq!(pair.b.received.len(), 30_000);
    assert!(pair.a.tcb.info(pair.now).retransmissions > 0);
    let mut highest = ISS_A;
    for sent in &pair.log {
        let is_new = is_text(sent) && sent.segment.end().after(highest);
        assert_eq!(sent.segment.ecn, if is_new { Ecn::Ect0 } else { Ecn::NotEct }, "{sent:?}");
        if is_new {
            highest = sent.segment.end();
        }
    }
}

//= rfc3168#6.1.6-1
#[test]
fn probes_of_a_closed_window_are_not_marked() {
    let mut pair = marking_pair(0);
    pair.b.reads = false;
    pair.send(Side::A, text(400_000));
    pair.run_for(Duration::from_secs(5));
    pair.log.clear();
    pair.run_for(Duration::from_secs(20));
    assert!(pair.log.iter().any(is_text));
    let all_plain = pair.log.iter().all(|sent| sent.segment.ecn == Ecn::NotEct && !sent.segment.flags.cwr);
    assert!(all_plain);
}

//= rfc3168#5-3
//= rfc3168#6.1.1-6
//= rfc3168#6.1.2-1
//= rfc3168#6.1.2-2
//= rfc3168#6.1.2-5
//= rfc3168#6.1.2-6
//= rfc3168#6.1.2-7
//= rfc3168#6.1.3-1
//= rfc3168#6.1.3-2
//= rfc8257#3.3-8
#[test]
fn a_mark_is_echoed_until_the_sender_says_that_it_has_slowed_down_once_a_window() {
    for limit in [0, 65_536] {
        let mut pair = marking_pair(limit);
        pair.log.clear();
        mark(&mut pair, 3..6);
        pair.send(Side::A, text(60_000));
        pair.run_for(Duration::from_secs(2));
        assert_eq!(pair.b.received.len(), 60_000);
        let info = pair.a.tcb.info(pair.now);
        assert_eq!((info.retransmissions, info.ssthresh < 20_000), (0, true), "{info:?}");
        assert_eq!(pair.b.tcb.info(pair.now).marked_in, 3);
        let reduced: Vec<_> = pair.log.iter().filter(|sent| sent.segment.flags.cwr).collect();
        assert_eq!(reduced.len(), 1, "three marks in a window are answered once");
        let told_at = reduced[0].at + pair.delay;
        assert!(info.echoes > 0);
        for sent in pair.log.iter().filter(|sent| sent.from == Side::B) {
            assert!(!sent.segment.flags.ece || sent.at <= told_at, "echoed after the sender has said so");
        }
    }
}

//= rfc3168#6.1.3-1
//= rfc8257#3.2-4
#[test]
fn a_segment_that_is_marked_and_tells_of_a_reduction_starts_the_echo_anew() {
    let mut pair = marking_pair(0);
    let (now, ack) = (pair.clock(), pair.forge(Side::A));
    let marked =
        |flags, payload: usize, seq| Segment { flags, seq, payload: text(payload).into(), ecn: Ecn::Ce, ..ack.clone() };
    let echoes = |pair: &mut Pair| pair.b.tcb.poll_transmit(now, 0).is_some_and(|ack| ack.header.flags.ece);
    pair.b.tcb.on_segment(now, marked(Flags::ACK, 10, ack.seq)).unwrap();
    assert!(echoes(&mut pair));
    let cwr = Flags { cwr: true, ..Flags::ACK };
    pair.b.tcb.on_segment(now, marked(cwr, 10, ack.seq + 10)).unwrap();
    assert!(echoes(&mut pair));
    pair.b.tcb.on_segment(now, Segment { ecn: Ecn::Ect0, ..marked(cwr, 10, ack.seq + 20) }).unwrap();
    assert!(!echoes(&mut pair));
}

//= rfc3168#6.1.5-2
//= rfc8257#3.6-2
#[test]
fn a_mark_outside_the_window_or_without_text_is_ignored() {
    let mut pair = marking_pair(0);
    let (now, ack) = (pair.clock(), pair.forge(Side::A));
    let _ = pair.b.tcb.on_segment(now, Segment { ecn: Ecn::Ce, ..ack.clone() });
    let far = ack.seq + 100_000_000;
    let _ = pair.b.tcb.on_segment(now, Segment { ecn: Ecn::Ce, seq: far, payload: text(10).into(), ..ack });
    assert_eq!(pair.b.tcb.info(pair.now).marked_in, 0);
}

#[test]
fn an_echo_where_nothing_could_be_marked_is_ignored() {
    let mut pair = Pair::established();
    pair.send(Side::A, text(20_000));
    pair.run_for(Duration::from_millis(15));
    let before = pair.a.tcb.info(pair.now).ssthresh;
    let mut ack = pair.forge(Side::B);
    ack.flags.ece = true;
    let _ = pair.inject(Side::A, ack);
    pair.run_for(Duration::from_secs(1));
    assert_eq!((pair.a.tcb.info(pair.now).ssthresh, pair.a.tcb.info(pair.now).echoes), (before, 0));
}

//= rfc3168#6.1.2-4
//= rfc9438#4.6-5
//= rfc9438#4.6-6
#[test]
fn where_everything_is_marked_one_segment_leaves_an_rto() {
    for pacing in [true, false] {
        let mut pair = Pair::opening(Config { pacing, ..with(EcnPolicy::Request) }, config());
        pair.run_for(Duration::from_millis(100));
        mark(&mut pair, 0..usize::MAX);
        pair.send(Side::A, text(1_000_000));
        pair.run_for(Duration::from_secs(20));
        assert_eq!(pair.a.tcb.info(pair.now).cwnd, 988);
        pair.log.clear();
        pair.run_for(Duration::from_secs(10));
        let segments = pair.log.iter().filter(|sent| is_text(sent)).count();
        assert!((20..=50).contains(&segments), "{segments} in 10 s, at an RTO of 220 ms");
        assert_eq!(pair.a.tcb.info(pair.now).retransmissions, 0);
    }
}

/// Both ends use DCTCP, and the first ACKs, which aren't delayed, are past.
fn counting_pair() -> Pair {
    let dctcp = || Config { congestion: Algorithm::DCTCP, ..config() };
    let mut pair = Pair::opening(dctcp(), dctcp());
    pair.run_for(Duration::from_millis(100));
    assert!(pair.a.tcb.info(pair.now).ecn, "DCTCP asks for ECN");
    pair.send(Side::A, text(50 * 988));
    pair.run_for(Duration::from_secs(1));
    pair
}

/// A stretch of marked text among unmarked: the sender learns of exactly those octets.
//= rfc8257#3.2-1
//= rfc8257#3.2-2
//= rfc8257#3.2-3
#[test]
fn a_receiver_that_counts_acknowledges_marked_and_unmarked_text_apart() {
    let mut pair = counting_pair();
    pair.log.clear();
    mark(&mut pair, 5..12);
    pair.send(Side::A, text(20 * 988));
    pair.run_for(Duration::from_secs(1));
    let (mut acked, mut marked) = (None, 0);
    for sent in pair.log.iter().filter(|sent| sent.from == Side::B) {
        let before = acked.replace(sent.segment.ack).unwrap_or(sent.segment.ack);
        if sent.segment.flags.ece {
            marked += sent.segment.ack.saturating_since(before);
        }
    }
    assert_eq!(marked, 7 * 988);
}

/// In steps of its scale the window before a change of marks can't be named exactly: nothing is promised that the next ACK
/// would take back.
//= rfc9293#SHLD-14
//= rfc7323#2.3-5
#[test]
fn an_ack_of_what_came_before_a_mark_widens_no_window() {
    let mut pair = counting_pair();
    let shift = pair.log.iter().find_map(|sent| sent.segment.options.window_scale.filter(|_| sent.from == Side::B));
    let shift = shift.expect("the SYN-ACK has the option");
    assert!(shift > 0 && !988_u32.is_multiple_of(1 << shift), "a segment isn't a number of steps");
    pair.log.clear();
    mark(&mut pair, 5..12);
    pair.send(Side::A, text(20 * 988));
    pair.run_for(Duration::from_secs(1));
    let acks = pair.log.iter().filter(|sent| sent.from == Side::B).map(|sent| &sent.segment);
    let edges: Vec<_> = acks.map(|ack| ack.ack + (u32::from(ack.window) << shift)).collect();
    assert!(edges.len() > 10, "{edges:?}");
    for pair in edges.windows(2) {
        assert!(pair[0].at_or_before(pair[1]), "{} octets taken back", pair[0].saturating_since(pair[1]));
    }
}
